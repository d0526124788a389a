"""Where in a picture its object is, and whether that is anywhere (azulay2019, Section 4, Figure 5).

The paper tests the boxes of ImageNet. Without boxes a network has to say where the object is. The
rule:

- The whole picture is squeezed to the network's square; a crop would already take a side.
- The last convolution gives a map to each class, of which the logit is the mean. Where the label
  is one of these classes, its map after ReLU is taken. Of other pictures, which are birds, the maps
  of ImageNet's bird classes after ReLU are added up, each times the probability of its class.
- The place is the cell of the peak. A centroid would not do: that of a flat map is the middle.
- The extent is the share of cells above half of the peak.

Places are tested in the nine parts of a 3 x 3 grid, extents in five equal bins of [0, 1].
"""

from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import nn

from helpers import shift
from helpers.errors import InputError
from helpers.models import layers

SEED = 5  # of the rolls
CHUNK = 25  # pictures at a time
BIRDS = (*range(7, 25), *range(80, 101), *range(127, 147))  # in ImageNet's order of classes
PARTS = 3  # of each axis
BINS = 5  # of extents
LEVEL = 0.05  # below which a P-value counts
KINDS = ("photographed", "rolled")  # the picture as it is, and on a torus


def positions(view):
    """Return where the object of every picture is, in the picture as it is and rolled on a torus.

    The offset of a roll is uniform, and drawn for each picture by `offset`. So a rolled object is
    anywhere, unless network and border have places that they prefer. Rows, columns and counts of
    cells above half of the peak are bytes in hex digits; `read` reads them.
    """
    pictures, cells = view.pictures, {kind: [] for kind in KINDS}
    if pictures.labels is None:
        raise InputError(
            "pictures", pictures.source, "places are looked for where labels are known"
        )
    for start in range(0, len(pictures), CHUNK):
        square = [shift.resize(x, (view.side, view.side)) for x in pictures[start : start + CHUNK]]
        rolled = [x.roll(offset(start + k, view.side), (1, 2)) for k, x in enumerate(square)]
        own = None if view.labels is None else view.labels[start : start + CHUNK]
        for kind, frames in zip(KINDS, (square, rolled), strict=True):
            found = maps(view.network, torch.stack(frames), own)
            cells[kind].append(locate(found))
    return {
        "side": found.shape[-1],
        "labels": pictures.labels.tolist(),
        **{kind: _hex(np.concatenate(parts)) for kind, parts in cells.items()},
    }


def offset(number, side):
    """Return how far picture `number` is rolled down and to the right, two ints from 0 to side."""
    return tuple(np.random.default_rng([SEED, number]).integers(side, size=2).tolist())


def maps(network, pixels, labels=None):
    """Return the map of an object, float32 (N, M, M), of frames uint8 (N, 3, side, side).

    labels: int64 (N,), the class of each; None for birds, whose classes the network lacks.
    """
    heads = [part for part in network.model.modules() if isinstance(part, nn.Conv2d)]
    seen = []
    with layers.watched(heads[-1:], lambda _, made: seen.append(made)):
        probabilities = network.logits(pixels).softmax(1)
    if not seen or seen[0].shape[1] != probabilities.shape[1] or len(network.names) != 1000:
        why = "use one of ImageNet whose last convolution makes a map of each class"
        raise InputError("network", network.name, why)
    found = seen[0].float().relu()
    if labels is not None:
        return found[torch.arange(len(labels)), labels].cpu()
    birds = list(BIRDS)
    return (probabilities[:, birds, None, None] * found[:, birds]).sum(1).cpu()


def locate(found):
    """Return row and column of the peak and the count of cells above half of it, int64 (N, 3).

    found: maps (N, M, M). The count is 0 where a map is zero, that is where nothing was found.
    """
    peak, cell = found.flatten(1).max(1)
    count = (found > peak[:, None, None] / 2).sum((1, 2))
    row, column = cell // found.shape[2], cell % found.shape[2]
    return torch.stack([row, column, count], dim=1).numpy()


@dataclass(frozen=True)
class Places:
    """Hold where objects are: a row a picture.

    side: cells of a map on each axis. labels: int64 (N,). cells: int64 (N, 3), as of `locate`.
    """

    side: int
    labels: np.ndarray
    cells: np.ndarray

    def relative(self):
        """Return x, y and extent as shares of the picture, float64 (N, 3)."""
        row, column, count = self.cells.T
        middle = [(axis + 0.5) / self.side for axis in (column, row)]
        return np.stack([*middle, count / self.side**2], axis=1)

    def heat(self):
        """Return how many peaks lie in each cell, int64 (side, side)."""
        row, column, _ = self._seen().T
        flat = np.bincount(row * self.side + column, minlength=self.side**2)
        return flat.reshape(self.side, self.side)

    def classes(self):
        """Yield the `Places` of one class after the other."""
        for label in np.unique(self.labels):
            one = self.labels == label
            yield Places(self.side, self.labels[one], self.cells[one])

    def places_p(self):
        """Return the P-value of the chi-squared test that any cell is as likely as any other.

        Nine parts; a cell belongs to the third in which its middle lies. A side of 13 cells falls
        into 4, 5 and 4, so the expected counts are as these areas and not all equal.
        """
        return _p(thirds(self.heat()), thirds(np.ones((self.side, self.side))))

    def extents_p(self):
        """Return the P-value of the chi-squared test of extents in five equal bins."""
        extents = self._seen()[:, 2] / self.side**2
        return _p(np.histogram(extents, BINS, (0, 1))[0], np.ones(BINS))

    def central(self):
        """Return whether each peak is in the middle part: 1, 0 or, without a peak, nan (N,)."""
        row, column, count = self.cells.T
        third = _third(self.side)
        middle = (third[row] == PARTS // 2) & (third[column] == PARTS // 2)
        return np.where(count > 0, middle, np.nan)

    def _seen(self):
        return self.cells[self.cells[:, 2] > 0]


def read(record):
    """Return {kind: `Places`} of what `positions` observed on pictures with labels."""
    labels = np.array(record["labels"])
    return {
        kind: Places(record["side"], labels, _bytes(record[kind]).reshape(-1, 3)) for kind in KINDS
    }


def thirds(cells):
    """Return the sums of an array (M, M) over 3 x 3 parts."""
    member = np.eye(PARTS)[_third(len(cells))]
    return member.T @ cells @ member


def followed(places, side):
    """Return which peaks went along when their picture was rolled, to a cell or less, bool (N,).

    places: of `read`; side: px of the network's frames. What the roll tears may move on.
    """
    before, after = (places[kind].cells[:, :2] for kind in KINDS)
    cells = places["rolled"].side
    offsets = np.array([offset(k, side) for k in range(len(before))]) * cells / side
    away = (after - before - offsets + cells / 2) % cells - cells / 2  # the shorter way round
    return (abs(away) <= 1).all(axis=1)


def _third(side):
    """Return in which part each cell of an axis lies, by its middle, int64 (side,)."""
    return (2 * np.arange(side) + 1) * PARTS // (2 * side)


def _p(counts, areas):
    expected = areas.ravel() / areas.sum() * counts.sum()
    return float(stats.chisquare(counts.ravel(), expected).pvalue)


def _hex(values):
    if values.max(initial=0) > 255:
        raise InputError("cells", int(values.max()), "a byte holds 255 at most")
    return values.astype(np.uint8).tobytes().hex()


def _bytes(text):
    return np.frombuffer(bytes.fromhex(text), np.uint8).astype(np.int64)
