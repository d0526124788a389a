"""Questions about a network and pictures of one's own, and the files in which answers are kept.

A question has parts, and what was measured of a part stays in a file below BUILD_DIR. The same
question is not asked twice, and one that was interrupted goes on.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import natural, paths, photos, pictures, rules
from helpers.errors import InputError, whole

PHOTOGRAPHS = natural.NAMES[0]


@dataclass(frozen=True)
class Question:
    """Hold one question: a `natural.View`, the names of its pictures, and what is done to them.

    parts: of each row, what is done: (name, number or None). digest: of all that the answer depends
    on but the part.

    A class of questions says in which `folder` of BUILD_DIR its tables lie, in which one `below` it
    the files of single parts with which `columns`, and which columns of its tables are `integers`
    or missing. It has `row(part)`, a dict, and `_measured(part)`, the columns but the first one,
    picture.
    """

    folder, below, columns, integers = "", "", (), ()

    view: natural.View
    names: tuple
    seed: int
    parts: tuple
    digest: str

    def answer(self, watch=None):
        """Return a row a part; the DataFrame is also written as CSV to `attrs["file"]`.

        watch: called with each part before it is measured.
        """
        rows = []
        for part in self.parts:
            if watch:
                watch(*part)
            rows.append(self.row(part))
        frame = pd.DataFrame(rows).astype(dict.fromkeys(self.integers, "Int64"))
        frame.attrs["file"] = paths.write_atomic(self.file(self.parts), frame.to_csv(index=False))
        return frame

    def lines(self, part):
        """Return a line for each of `names`, of one part: from its file, or measured into it."""
        file = self.file(part)
        try:
            return self._read(file)
        except (OSError, ValueError):  # it is not there, or not whole
            found = self._measured(part)
            found.insert(0, "picture", self.names)
            paths.write_atomic(file, found.to_csv(index=False))
        return self._read(file)

    def file(self, what):
        """Return where the table of all parts, or the lines of one part, lie."""
        key = hashlib.sha256(json.dumps([self.digest, what]).encode()).hexdigest()[:12]
        name = re.sub(r"\W+", "-", Path(self.view.network.name).stem).strip("-")
        if what in self.parts:
            done, number = what
            name = f"{self.below}/{name}-{done}{'' if number is None else f'{number:g}'}"
        return paths.build() / self.folder / f"{name}-{key}.csv"

    def origin(self):
        """Return what every row says of where it comes from."""
        network = self.view.network
        return {"network": network.name, "weights": network.digest[:12], "seed": self.seed}

    def said(self, probabilities):
        """Return (name of the top class, its probability) for each row of probabilities (N, K)."""
        top, label = (values.tolist() for values in probabilities.max(1))
        return tuple((self.named(k), share) for k, share in zip(label, top, strict=True))

    def named(self, label):
        """Return the name of a class, as well as it is known."""
        return self.view.network.names[label] if self.view.network.names else f"class {label}"

    def numbers(self, values):
        """Raise `InputError` where what the network put out is not a number."""
        if not np.isfinite(values).all():
            raise InputError("network", self.view.network.name, "its output is not a number")

    def _read(self, file):
        found = pd.read_csv(file, converters={"picture": str})  # a name is never a missing value
        if list(found.columns) != self.columns or tuple(found.picture) != self.names:
            raise ValueError("other lines")
        return found


def listed(field, given, fractions=False):
    """Return a tuple without repeats, of a list, of one entry, or of text with commas.

    Text may have brackets: papermill makes text of a tuple. What is a whole number in it becomes an
    int and, with `fractions`, every other number a float.
    """
    if isinstance(given, str):
        words = [word.strip(" '\"") for word in given.strip("()[] ").split(",")]
        given = [_number(word, fractions) for word in words if word]
    entries = tuple(dict.fromkeys(given if isinstance(given, list | tuple) else [given]))
    if not entries:
        raise InputError(field, given, "name at least one")
    return entries


def chosen(given, count, seed, again):
    """Return `pictures.Pictures` and their names.

    given: a folder, or `PHOTOGRAPHS`. count: of pictures, drawn by the seed, None for each of them;
    where there are fewer they are taken `again` and again, or else all of them once.
    """
    if str(given) == PHOTOGRAPHS:
        _, found, _ = natural.splits(PHOTOGRAPHS, None)
    else:
        found = pictures.in_folder(given)
    if count is not None:
        order = np.random.default_rng(seed).permutation(len(found))
        whole("count", count, 1)
        found = found.pick(order[np.arange(count) % len(found)] if again else order[:count])
    files = [Path(file) for file, _ in found.files]
    return found, tuple(
        str(file.relative_to(given)) if file.is_relative_to(given) else str(file) for file in files
    )


def digest(network, shown, facts, code):
    """Return a sha256 of network, pictures, other facts and the code that measures, 64 hex digits.

    shown: `pictures.Pictures`. code: files; what reads the pictures, and this one, count too.
    """
    facts = [network.digest, network.side, network.mean, network.std, *facts]
    for file, _ in shown.files:
        if file not in photos.PHOTOGRAPHS:
            seen = Path(file).stat()
            facts.append((seen.st_size, seen.st_mtime_ns))
    found = hashlib.sha256(json.dumps(facts).encode())
    # another version's answers are not taken for its own
    for file in (__file__, pictures.__file__, *code):
        found.update(Path(file).read_bytes())
    return found.hexdigest()


def own_seed(seed, number):
    """Return a seed of a picture's own, so that no two seeds share draws."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def mean(values, least=0.0, most=1.0):
    """Return a mean and Student's 95 % interval of it, cut to least to most, from values (N,)."""
    middle, low, high = rules.interval(values)
    return middle, max(low, least), min(high, most)


def ends(name, interval):
    """Return the columns of a table that hold a value with its interval."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def percent(frame, name):
    """Return values with intervals, columns of a table, as text in per cent."""
    values = zip(*(frame[column] for column in (name, f"{name}_low", f"{name}_high")), strict=True)
    return [f"{100 * x:z.1f} [{100 * low:z.1f}, {100 * high:z.1f}]" for x, low, high in values]


def _number(word, fractions):
    if word.isdecimal():
        return int(word)
    try:
        return float(word) if fractions else word
    except ValueError:
        return word
