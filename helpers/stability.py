"""How shift-stable a network is: the measures of azulay2019 for any network and images.

Measurements are kept in BUILD_DIR/stability, one file of pairs per protocol and size. The same
question is never measured twice, and an interrupted one resumes.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from helpers import natural, questions, rules, shift
from helpers.errors import one_of, whole
from helpers.models import pretrained
from helpers.questions import PHOTOGRAPHS, mean

CHUNK = 25  # pairs of frames in memory at a time
COLUMNS = ["picture", "label", "top", "changed", "change"]  # of a file of pairs
WHOLE = ("crop",)  # protocols that embed nothing and have no size


def measure(network, pictures=PHOTOGRAPHS, protocols=shift.PROTOCOLS, count=None, seed=0,
            sizes=shift.EMBEDDED, watch=None):  # fmt: skip
    """Return both measures with 95 % intervals, a DataFrame with one row per protocol and size.

    network: as in `pretrained.load`. pictures: a folder, or `PHOTOGRAPHS`, the ten that come with
    scikit-image and scikit-learn. protocols, sizes (px, of embedded images): a list, or text with
    commas. count: number of pairs, None for one of each image; if there are fewer images, each is
    taken again at another position, if there are more, a random part of them. seed: of images,
    positions and crops. watch: called with each protocol and size before it is measured, None for
    no call.

    The columns changed (Wilson's interval) and change (Student's, clipped to 0 to 1) are P(top-1
    change) and mean absolute change as shares, confidence is the mean probability of the first
    frame's top class, pictures counts different ones (azulay2019, Section 2). The table is also
    written as CSV to `attrs["file"]`. Raises `InputError` for arguments that do not fit.
    """
    return _study(network, pictures, protocols, count, seed, sizes).answer(watch)


def worst(network, pictures=PHOTOGRAPHS, protocols=shift.PROTOCOLS, count=None, seed=0,
          sizes=shift.EMBEDDED, each=1):  # fmt: skip
    """Return the pairs whose probability moved furthest, a list of `Pair`.

    each: how many of every protocol and size. network, pictures, protocols, count, seed, sizes: as
    in `measure`, whose files are used.
    """
    whole("each", each, 1)
    study = _study(network, pictures, protocols, count, seed, sizes)
    return [
        study.pair(part, int(number))
        for part in study.parts
        for number in study.lines(part).change.nlargest(each).index
    ]


def table(frame):
    """Return `frame`, the result of `measure`, as text to show, in per cent, a DataFrame."""
    return pd.DataFrame({
        "protocol": frame.protocol.map(shift.TITLES),
        "size (px)": frame["size"].astype(object).where(frame["size"].notna(), ""),
        "P(top-1 change) (%)": questions.percent(frame, "changed"),
        "mean absolute change (%)": questions.percent(frame, "change"),
        "confidence (%)": [f"{100 * x:.1f}" for x in frame.confidence],
        "n": frame.n,
        "pictures": frame.pictures,
    })  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two frames, and what the network predicted for them.

    protocol: name. size: px, None for a protocol without one. picture: name of the image. frames:
    uint8 (2, 3, side, side). said: for each frame (name of its top class, its probability). change:
    by how much the probability of the first frame's top class changed.
    """

    protocol: str
    size: int | None
    picture: str
    frames: np.ndarray
    said: tuple
    change: float


class Study(questions.Question):
    """One question about shifts: its parts are (protocol, size), its lines pairs of frames."""

    folder, below, columns = "stability", "pairs", COLUMNS
    integers = ("size",)

    def row(self, part):
        """Return the row of one `part`, a dict."""
        pairs = self.lines(part)
        found = {"protocol": part[0], "size": part[1], "n": len(pairs),
                 "pictures": pairs.picture.nunique()}  # fmt: skip
        found |= questions.ends("changed", rules.share(pairs.changed))
        found |= questions.ends("change", mean(pairs.change))
        return found | {"confidence": pairs.top.mean()} | self.origin()

    def pair(self, part, number):
        """Return one `Pair`, computed again.

        part: (protocol, size). number: of the pair.
        """
        frames = self._frames(part, number, number + 1)[:, 0]
        found = self.view.probabilities(frames).cpu()
        top, label = found[0].max(0)
        change = float(abs(found[1, label] - top))
        return Pair(*part, self.names[number], frames.numpy(), self.said(found), change)

    def _measured(self, part):
        found = []
        for start in range(0, len(self.names), CHUNK):
            frames = self._frames(part, start, start + CHUNK)
            change = shift.compare(*map(self.view.probabilities, frames))
            self.numbers([change.top, change.change])
            found.append(pd.DataFrame({name: getattr(change, name) for name in COLUMNS[1:]}))
        return pd.concat(found, ignore_index=True)

    def _frames(self, part, start, end):
        """Return the frames (2, N, 3, side, side) of some pairs, each with its own position."""
        protocol, size = part
        made = []
        for number, picture in enumerate(self.view.pictures[start:end], start):
            seed = questions.own_seed(self.seed, number)
            made.append(shift.frames([picture], protocol, self.view.side, seed, size or 1))
        return torch.cat(made, dim=1)


def _study(network, pictures, protocols, count, seed, sizes):
    """Return the checked `Study`; the slowest checks come last."""
    protocols = questions.listed("protocols", protocols)
    sizes = questions.listed("sizes", sizes)
    for protocol in protocols:
        one_of("protocols", protocol, shift.PROTOCOLS)
    for size in sizes:
        whole("sizes", size, 1)
    whole("seed", seed)
    found, names = questions.chosen(pictures, count, seed, again=True)
    network = pretrained.load(str(network))
    if set(protocols) - set(WHOLE):
        for size in sizes:
            whole("sizes", size, 1, network.side - 2)  # one pixel to grow and one to move
    parts = [(name, size) for name in protocols for size in ((None,) if name in WHOLE else sizes)]
    view = natural.View(None, network, found[:0], found)
    code = (shift.__file__, __file__)
    digest = questions.digest(network, found, [seed, names], code)
    return Study(view, names, seed, tuple(parts), digest)
