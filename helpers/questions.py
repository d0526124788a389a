"""Questions about a network and images of your own, and the files that keep the answers.

A question has parts, and the measurements of a part are kept in a file below BUILD_DIR. The same
question is never measured twice, and an interrupted one resumes.
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
    """One question about a network and images.

    view: a `natural.View`. names: of its images. seed: of all draws. parts: what is done, one
    (name, number or None) per row. digest: of everything but the part on which the answer depends.

    A subclass says in which `folder` of BUILD_DIR its tables are, in which one `below` it the files
    of single parts with which `columns`, and which columns of its tables are `integers` or missing.
    It has `row(part)`, a dict, and `_measured(part)`, all columns but the first one, picture.
    """

    folder, below, columns, integers = "", "", (), ()

    view: natural.View
    names: tuple
    seed: int
    parts: tuple
    digest: str

    def answer(self, watch=None):
        """Return a row per part as a DataFrame, which is also written as CSV to `attrs["file"]`.

        watch: called with each part before it is measured, None for no call.
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
        """Return one row per image for one part, a DataFrame: read from its file, or measured now.

        part: one of `parts`.
        """
        file = self.file(part)
        try:
            return self._read(file)
        except (OSError, ValueError):  # missing or incomplete
            found = self._measured(part)
            found.insert(0, "picture", self.names)
            paths.write_atomic(file, found.to_csv(index=False))
        return self._read(file)

    def file(self, what):
        """Return the path of a file of answers.

        what: `parts` for the table of all, or one part for its rows.
        """
        key = hashlib.sha256(json.dumps([self.digest, what]).encode()).hexdigest()[:12]
        name = re.sub(r"\W+", "-", Path(self.view.network.name).stem).strip("-")
        if what in self.parts:
            done, number = what
            name = f"{self.below}/{name}-{done}{'' if number is None else f'{number:g}'}"
        return paths.build() / self.folder / f"{name}-{key}.csv"

    def origin(self):
        """Return the columns that say where a row comes from, a dict."""
        network = self.view.network
        return {"network": network.name, "weights": network.digest[:12], "seed": self.seed}

    def said(self, probabilities):
        """Return ((name of the top class, its probability), ...), one per image.

        probabilities: tensor (N, K).
        """
        top, label = (values.tolist() for values in probabilities.max(1))
        return tuple((self.named(k), share) for k, share in zip(label, top, strict=True))

    def named(self, label):
        """Return the name of class `label`, or its number if the names are unknown."""
        return self.view.network.names[label] if self.view.network.names else f"class {label}"

    def numbers(self, values):
        """Raise `InputError` if one of `values`, outputs of the network, is not a finite number."""
        if not np.isfinite(values).all():
            raise InputError("network", self.view.network.name, "its output must be finite numbers")

    def _read(self, file):
        found = pd.read_csv(file, converters={"picture": str})  # a name is never a missing value
        if list(found.columns) != self.columns or tuple(found.picture) != self.names:
            raise ValueError("other lines")
        return found


def listed(field, given, fractions=False):
    """Return a tuple without repeats from a list, one entry, or text with commas.

    field: its name, for the message. given: the list, entry or text. fractions: whether numbers in
    text that are not whole become floats. Text may have brackets, because papermill turns a tuple
    into text. A whole number in it becomes an int. Raises `InputError` if nothing is left.
    """
    if isinstance(given, str):
        words = [word.strip(" '\"") for word in given.strip("()[] ").split(",")]
        given = [_number(word, fractions) for word in words if word]
    entries = tuple(dict.fromkeys(given if isinstance(given, list | tuple) else [given]))
    if not entries:
        raise InputError(field, given, "name at least one")
    return entries


def chosen(given, count, seed, again):
    """Return `pictures.Pictures` and a tuple of their names.

    given: a folder, or `PHOTOGRAPHS`. count: number of images, drawn at random, None for each of
    them. seed: of the draw. again: whether images are repeated if there are fewer than `count`;
    otherwise all of them are taken once. Raises `InputError` for a folder without images.
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
    """Return the sha256 of everything on which an answer depends, as 64 hex digits.

    network: a `pretrained.Network`. shown: `pictures.Pictures`. facts: a list of further settings.
    code: paths of the source files that measure; the file that reads the images, and this one,
    count too.
    """
    facts = [network.digest, network.side, network.mean, network.std, *facts]
    for file, _ in shown.files:
        if file not in photos.PHOTOGRAPHS:
            seen = Path(file).stat()
            facts.append((seen.st_size, seen.st_mtime_ns))
    found = hashlib.sha256(json.dumps(facts).encode())
    # so that the answers of another version of the code are not used
    for file in (__file__, pictures.__file__, *code):
        found.update(Path(file).read_bytes())
    return found.hexdigest()


def own_seed(seed, number):
    """Return a seed of image `number`'s own, so that no two values of `seed` share draws."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def mean(values, least=0.0, most=1.0):
    """Return a mean and the ends of Student's 95 % interval, clipped, three floats.

    values: (N,). least, most: to which the ends are clipped.
    """
    middle, low, high = rules.interval(values)
    return middle, max(low, least), min(high, most)


def ends(name, interval):
    """Return the table columns of a value and its interval, {column: number}.

    name: of the value's column. interval: (value, low, high).
    """
    return dict(zip((name, f"{name}_low", f"{name}_high"), interval, strict=True))


def percent(frame, name):
    """Return values with their intervals as a list of text, in per cent.

    frame: table with the columns of `ends`. name: of the value's column.
    """
    values = zip(*(frame[column] for column in (name, f"{name}_low", f"{name}_high")), strict=True)
    return [f"{100 * x:z.1f} [{100 * low:z.1f}, {100 * high:z.1f}]" for x, low, high in values]


def _number(word, fractions):
    if word.isdecimal():
        return int(word)
    try:
        return float(word) if fractions else word
    except ValueError:
        return word
