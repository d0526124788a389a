"""Object positions, and a test of uniformity (azulay2019, Section 4, Figure 5).

The paper tests the boxes of ImageNet. We have no boxes, so a network has to locate the object. The
rule:

- The whole image is squeezed to the network's square; a crop would already favour some positions.
- The last convolution gives one map per class, whose mean is the logit. If the label is one of
  these classes, we take its map after ReLU. For other images, which show birds, we add up the maps
  of ImageNet's bird classes after ReLU, each weighted by the probability of its class.
- The position is the cell of the peak. A centroid would not do: that of a flat map is the middle.
- The extent is the share of cells above half of the peak.

We test positions in the nine parts of a 3 x 3 grid, and extents in five equal bins of [0, 1].
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
CHUNK = 25  # images at a time
BIRDS = (*range(7, 25), *range(80, 101), *range(127, 147))  # in ImageNet's order of classes
PARTS = 3  # of each axis
BINS = 5  # of extents
LEVEL = 0.05  # below which a P-value counts
KINDS = ("photographed", "rolled")  # the image as it is, and rolled on a torus


def positions(view):
    """Locate the object in every image of a view, as it is and rolled on a torus.

    view: a `natural.View`. Each image has its own uniform roll, drawn by `offset`. A rolled object
    can therefore be anywhere, unless the network and the image border prefer some positions.
    Returns a dict (side: cells of a map per axis, labels, and for each of `KINDS` rows, columns and
    counts of cells above half of the peak, as bytes in hex digits), which `read` reads. Raises
    `InputError` for unlabelled images.
    """
    pictures, cells = view.pictures, {kind: [] for kind in KINDS}
    if pictures.labels is None:
        raise InputError("pictures", pictures.source, "use images with labels")
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
    """Return the px by which image `number` rolls down and right, two ints from 0 to `side` - 1."""
    return tuple(np.random.default_rng([SEED, number]).integers(side, size=2).tolist())


def maps(network, pixels, labels=None):
    """Return the object map of each frame, float32 (N, M, M).

    network: a `pretrained.Network`. pixels: frames uint8 (N, 3, side, side). labels: int64 (N,),
    the class of each frame, or None for birds, whose species the network does not know. Raises
    `InputError` for a network whose last convolution does not make one map per class of ImageNet.
    """
    heads = [part for part in network.model.modules() if isinstance(part, nn.Conv2d)]
    seen = []
    with layers.watched(heads[-1:], lambda _, made: seen.append(made)):
        probabilities = network.logits(pixels).softmax(1)
    if not seen or seen[0].shape[1] != probabilities.shape[1] or len(network.names) != 1000:
        why = "use one whose last convolution makes a map of each class of ImageNet"
        raise InputError("network", network.name, why)
    found = seen[0].float().relu()
    if labels is not None:
        return found[torch.arange(len(labels)), labels].cpu()
    birds = list(BIRDS)
    return (probabilities[:, birds, None, None] * found[:, birds]).sum(1).cpu()


def locate(found):
    """Return row and column of the peak and the count of cells above half of it, int64 (N, 3).

    found: maps (N, M, M). The count is 0 where a map is zero, that is, where nothing was found.
    """
    peak, cell = found.flatten(1).max(1)
    count = (found > peak[:, None, None] / 2).sum((1, 2))
    row, column = cell // found.shape[2], cell % found.shape[2]
    return torch.stack([row, column, count], dim=1).numpy()


@dataclass(frozen=True)
class Places:
    """Object positions and extents, one row per image.

    side: cells of a map per axis. labels: int64 (N,). cells: int64 (N, 3), from `locate`.
    """

    side: int
    labels: np.ndarray
    cells: np.ndarray

    def relative(self):
        """Return x, y and extent as shares of the image, float64 (N, 3)."""
        row, column, count = self.cells.T
        middle = [(axis + 0.5) / self.side for axis in (column, row)]
        return np.stack([*middle, count / self.side**2], axis=1)

    def heat(self):
        """Return the number of peaks in each cell, int64 (side, side)."""
        row, column, _ = self._seen().T
        flat = np.bincount(row * self.side + column, minlength=self.side**2)
        return flat.reshape(self.side, self.side)

    def classes(self):
        """Yield the `Places` of each class in turn."""
        for label in np.unique(self.labels):
            one = self.labels == label
            yield Places(self.side, self.labels[one], self.cells[one])

    def places_p(self):
        """Return the P-value of the chi-squared test that all cells are equally likely.

        The test uses nine parts; a cell belongs to the third that contains its middle. 13 cells
        fall into thirds of 4, 5 and 4, so the expected counts follow these areas and are not all
        equal.
        """
        return _p(thirds(self.heat()), thirds(np.ones((self.side, self.side))))

    def extents_p(self):
        """Return the P-value of the chi-squared test that extents fill five equal bins evenly."""
        extents = self._seen()[:, 2] / self.side**2
        return _p(np.histogram(extents, BINS, (0, 1))[0], np.ones(BINS))

    def central(self):
        """Return whether each peak is in the middle part, float64 (N,): 1, 0, nan for no peak."""
        row, column, count = self.cells.T
        third = _third(self.side)
        middle = (third[row] == PARTS // 2) & (third[column] == PARTS // 2)
        return np.where(count > 0, middle, np.nan)

    def _seen(self):
        return self.cells[self.cells[:, 2] > 0]


def read(record):
    """Return {kind: `Places`} from the `record` of `positions` on labelled images."""
    labels = np.array(record["labels"])
    return {
        kind: Places(record["side"], labels, _bytes(record[kind]).reshape(-1, 3)) for kind in KINDS
    }


def thirds(cells):
    """Return the sums of the array `cells` (M, M) over 3 x 3 parts."""
    member = np.eye(PARTS)[_third(len(cells))]
    return member.T @ cells @ member


def followed(places, side):
    """Return which peaks moved with their image when it was rolled, to within one cell, bool (N,).

    places: from `read`. side: px of the network's frames. A peak may move elsewhere if the roll
    cuts its object in two.
    """
    before, after = (places[kind].cells[:, :2] for kind in KINDS)
    cells = places["rolled"].side
    offsets = np.array([offset(k, side) for k in range(len(before))]) * cells / side
    away = (after - before - offsets + cells / 2) % cells - cells / 2  # the shorter way round
    return (abs(away) <= 1).all(axis=1)


def _third(side):
    """Return the part to which each cell of an axis belongs by its middle, int64 (side,)."""
    return (2 * np.arange(side) + 1) * PARTS // (2 * side)


def _p(counts, areas):
    expected = areas.ravel() / areas.sum() * counts.sum()
    return float(stats.chisquare(counts.ravel(), expected).pvalue)


def _hex(values):
    if values.max(initial=0) > 255:
        raise InputError("cells", int(values.max()), "counts must be at most 255, to fit in a byte")
    return values.astype(np.uint8).tobytes().hex()


def _bytes(text):
    return np.frombuffer(bytes.fromhex(text), np.uint8).astype(np.int64)
