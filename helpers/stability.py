"""How shift-stable a network is: the measures of azulay2019 for anyone's network and pictures.

What was measured stays in BUILD_DIR/stability, one file of pairs for each protocol and size. The
same question is not asked twice, and one that was interrupted goes on.
"""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers import claims, natural, paths, photos, shift
from helpers.errors import InputError, one_of, whole
from helpers.models import pretrained

PHOTOGRAPHS = natural.NAMES[0]
CHUNK = 25  # pairs of frames that are in memory at a time
COLUMNS = ["picture", "label", "top", "changed", "change"]  # of a file of pairs
WHOLE = ("crop",)  # protocols that embed nothing and have no size


def measure(network, pictures=PHOTOGRAPHS, protocols=shift.PROTOCOLS, count=None, seed=0,
            sizes=shift.EMBEDDED, watch=None):  # fmt: skip
    """Return both measures with 95 % intervals, a DataFrame with a row a protocol and size.

    network: what `pretrained.load` takes. pictures: a folder, or `PHOTOGRAPHS`, the ten that come
    with scikit-image and scikit-learn. protocols, sizes (px, of embedded pictures): a list, or text
    with commas. count: pairs, None for one of each picture; where there are fewer pictures, each is
    taken again at another place, where there are more, a random part. seed: of pictures, places and
    crops. watch: called with each protocol and size before it is measured.

    The columns changed (Wilson's interval) and change (Student's, cut to 0 to 1) are P(top-1
    change) and mean absolute change as shares, confidence is the mean probability of the first
    frame's top class, pictures counts different ones (azulay2019, Section 2). The table is also
    written as CSV to `attrs["file"]`. Raises `InputError`.
    """
    study = _study(network, pictures, protocols, count, seed, sizes)
    rows = []
    for part in study.parts:
        if watch:
            watch(*part)
        rows.append(study.row(part))
    frame = pd.DataFrame(rows).astype({"size": "Int64"})  # crops have none
    frame.attrs["file"] = paths.write_atomic(study.file(study.parts), frame.to_csv(index=False))
    return frame


def worst(network, pictures=PHOTOGRAPHS, protocols=shift.PROTOCOLS, count=None, seed=0,
          sizes=shift.EMBEDDED, each=1):  # fmt: skip
    """Return the `each` pairs of every protocol and size whose probability moved furthest.

    The rest as in `measure`, whose files are used.
    """
    whole("each", each, 1)
    study = _study(network, pictures, protocols, count, seed, sizes)
    return [
        study.pair(part, int(number))
        for part in study.parts
        for number in study.pairs(part).change.nlargest(each).index
    ]


def table(frame):
    """Return what `measure` found as text to show, in per cent."""

    def percent(name):
        columns = (frame[name], frame[f"{name}_low"], frame[f"{name}_high"])
        values = zip(*columns, strict=True)
        return [f"{100 * x:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for x, low, high in values]

    return pd.DataFrame({
        "protocol": frame.protocol.map(shift.TITLES),
        "size (px)": frame["size"].astype(object).where(frame["size"].notna(), ""),
        "P(top-1 change) (%)": percent("changed"),
        "mean absolute change (%)": percent("change"),
        "confidence (%)": [f"{100 * x:.1f}" for x in frame.confidence],
        "n": frame.n,
        "pictures": frame.pictures,
    })  # fmt: skip


def mean(values):
    """Return a mean and Student's 95 % interval of it, cut to 0 to 1, from values (N,)."""
    middle, low, high = claims.interval(values)
    return middle, max(low, 0.0), min(high, 1.0)


@dataclass(frozen=True)
class Pair:
    """Hold two frames, uint8 (2, 3, side, side), and what the network said about them.

    said: of each frame (name of its top class, its probability). change: how far the probability of
    the first frame's top class moved.
    """

    protocol: str
    size: int | None
    picture: str
    frames: np.ndarray
    said: tuple
    change: float


@dataclass(frozen=True)
class Study:
    """Hold one question: a `natural.View`, the names of its pictures, and what is done to them.

    parts: (protocol, size) of each row. digest: of all that the answer depends on but the part.
    """

    view: natural.View
    names: tuple
    seed: int
    parts: tuple
    digest: str

    def file(self, what):
        """Return where the table of all parts, or the pairs of one part, lie."""
        key = hashlib.sha256(json.dumps([self.digest, what]).encode()).hexdigest()[:12]
        name = re.sub(r"\W+", "-", Path(self.view.network.name).stem).strip("-")
        if what in self.parts:
            protocol, size = what
            name = f"pairs/{name}-{protocol}{size or ''}"
        return paths.build() / "stability" / f"{name}-{key}.csv"

    def row(self, part):
        """Return the row of one part."""
        pairs = self.pairs(part)
        found = {"protocol": part[0], "size": part[1], "n": len(pairs),
                 "pictures": pairs.picture.nunique()}  # fmt: skip
        for name, interval in (("changed", claims.share), ("change", mean)):
            ends = (name, f"{name}_low", f"{name}_high")
            found |= dict(zip(ends, interval(pairs[name]), strict=True))
        network = self.view.network
        return found | {"confidence": pairs.top.mean(), "network": network.name,
                        "weights": network.digest[:12], "seed": self.seed}  # fmt: skip

    def pairs(self, part):
        """Return every pair of one part, with `COLUMNS`: from its file, or measured into it."""
        file = self.file(part)
        try:
            return self._read(file)
        except (OSError, ValueError):  # it is not there, or not whole
            paths.write_atomic(file, self._measured(part).to_csv(index=False))
        return self._read(file)

    def pair(self, part, number):
        """Return one `Pair`, made again."""
        frames = self._frames(part, number, number + 1)[:, 0]
        found = self.view.probabilities(frames).cpu()
        top, label = found.max(1)
        classes = self.view.network.names or [f"class {k}" for k in range(found.shape[1])]
        said = [(classes[k], share) for k, share in zip(label.tolist(), top.tolist(), strict=True)]
        change = float(abs(found[1, label[0]] - top[0]))
        return Pair(*part, self.names[number], frames.numpy(), tuple(said), change)

    def _read(self, file):
        found = pd.read_csv(file, keep_default_na=False)
        if list(found.columns) != COLUMNS or tuple(found.picture.astype(str)) != self.names:
            raise ValueError("other pairs")
        return found

    def _measured(self, part):
        found = []
        for start in range(0, len(self.names), CHUNK):
            frames = self._frames(part, start, start + CHUNK)
            change = shift.compare(*map(self.view.probabilities, frames))
            if not np.isfinite([change.top, change.change]).all():
                raise InputError("network", self.view.network.name, "its output is not a number")
            found.append(pd.DataFrame({name: getattr(change, name) for name in COLUMNS[1:]}))
        table = pd.concat(found, ignore_index=True)
        table.insert(0, "picture", self.names)
        return table

    def _frames(self, part, start, end):
        """Return frames (2, N, 3, side, side) of some pairs; each has its own place."""
        protocol, size = part
        made = [
            shift.frames([picture], protocol, self.view.side, _draw(self.seed, number), size or 1)
            for number, picture in enumerate(self.view.pictures[start:end], start)
        ]
        return torch.cat(made, dim=1)


def _study(network, pictures, protocols, count, seed, sizes):
    """Return the checked `Study`; what takes long is checked last."""
    protocols, sizes = _listed("protocols", protocols), _listed("sizes", sizes)
    for protocol in protocols:
        one_of("protocols", protocol, shift.PROTOCOLS)
    for size in sizes:
        whole("sizes", size, 1)
    whole("seed", seed)
    found, names = _pictures(pictures, count, seed)
    network = pretrained.load(str(network))
    if set(protocols) - set(WHOLE):
        for size in sizes:
            whole("sizes", size, 1, network.side - 2)  # one pixel to grow and one to move
    parts = [(name, size) for name in protocols for size in ((None,) if name in WHOLE else sizes)]
    view = natural.View(None, network, found[:0], found)
    digest = _digest(network, found, names, seed)
    return Study(view, names, seed, tuple(parts), digest)


def _listed(field, given):
    """Return a tuple without repeats, of a list, of one entry, or of text with commas.

    Text may have brackets: papermill makes text of a tuple.
    """
    if isinstance(given, str):
        words = [word.strip(" '\"") for word in given.strip("()[] ").split(",")]
        given = [int(word) if word.isdecimal() else word for word in words if word]
    entries = tuple(dict.fromkeys(given if isinstance(given, list | tuple) else [given]))
    if not entries:
        raise InputError(field, given, "name at least one")
    return entries


def _pictures(given, count, seed):
    """Return `natural.Pictures`, one a pair, and their names."""
    if str(given) == PHOTOGRAPHS:
        _, found, _ = natural.splits(PHOTOGRAPHS, None)
    else:
        found = natural.in_folder(given)
    if count is not None:
        order = np.random.default_rng(seed).permutation(len(found))
        chosen = order[np.arange(whole("count", count, 1)) % len(found)]
        found = replace(found, files=tuple(found.files[k] for k in chosen))
    files = [Path(file) for file, _ in found.files]
    return found, tuple(
        str(file.relative_to(given)) if file.is_relative_to(given) else str(file) for file in files
    )


def _digest(network, pictures, names, seed):
    """Return a sha256 of network, pictures, seed and the code that measures, 64 hex digits."""
    facts = [network.digest, network.side, network.mean, network.std, seed, names]
    for file, _ in pictures.files:
        if file not in photos.PHOTOGRAPHS:
            seen = Path(file).stat()
            facts.append((seen.st_size, seen.st_mtime_ns))
    digest = hashlib.sha256(json.dumps(facts).encode())
    for file in (shift.__file__, __file__):  # another version's files are not taken for its own
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def _draw(seed, number):
    """Return a seed of a pair's own, so that no two seeds share places."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])
