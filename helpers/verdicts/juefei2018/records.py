"""The records of juefei2018's experiments, each read once, as accuracies by cell and seed."""

from functools import partial

import numpy as np

from helpers import claims, metrics
from helpers.claims import Measurement
from helpers.evidence import of, together
from helpers.experiments import juefei2018_folders as folders
from helpers.verdicts import repeats

evidence = partial(of, "juefei2018")
LACKING = "runs that only the presets long and paper have"


def cells(names, preset, cell, best=False, metric="test_accuracy"):
    """Return {cell: values (seeds,)} of one or several experiments, and their scale.

    cell: function of a row of `evidence.table` to what its run stands for. best: take each run's
    best epoch on the test set, as the paper does, instead of the last. metric: another column.
    """
    found = together("juefei2018", [names] if isinstance(names, str) else names, preset)
    values = {}
    for one in found:
        rows = _of_cells(one.best() if best else one.last(), cell) if len(one.frame) else one.frame
        for key, own in rows.groupby("cell", sort=False) if len(rows) else ():
            values[key] = own.sort_values("seed")[metric].to_numpy()
    return values, _scale(found)


def answers(names, preset, cell):
    """Return {cell: which test images are right, float64 (seeds, N)}, and the scale.

    Where a record does not keep its answers, all arrays are (seeds, 1), of accuracies.
    """
    found = together("juefei2018", [names] if isinstance(names, str) else names, preset)
    frames = [_of_cells(one.last(), cell) for one in found if len(one.frame)]
    kept = all("correct" in (look or {}) for rows in frames for look in _looks(rows))
    values = {}
    for rows in frames:
        for key, own in rows.groupby("cell", sort=False):
            own = own.sort_values("seed")
            if kept:
                looks = zip(_looks(own), own.test, strict=True)
                right = [metrics.bits(look["correct"], count) for look, count in looks]
                values[key] = np.array(right, float)
            else:
                values[key] = own.test_accuracy.to_numpy()[:, None]
    return values, _scale(found)


def _scale(found):
    """Return the scale of experiments, of which some have no runs at all."""
    return next((one.scale("cifar10") for one in found if len(one.frame)), LACKING)


def _of_cells(rows, cell):
    return rows.assign(cell=[cell(row) for row in rows.itertuples()])


def _looks(rows):
    return rows.observed if "observed" in rows else [None] * len(rows)


def seeds_of_all(*arrays):
    """Return arrays (seeds, ...) cut to the seeds that all of them have."""
    least = min(map(len, arrays))
    return [array[:least] for array in arrays]


def judged(each, scale, names=(), parts=None, falls=False):
    """Return the `Measurement` of what was taken from `answers`, (seeds, N) or (seeds, N, k).

    With the answers to single images, what the test images leave open is computed from them
    (`repeats`); of accuracies, N = 1, the judge estimates it. falls: whether k are levels of a
    trend. parts: {name: (seeds, N)}.
    """
    shown = {name: part.mean(axis=1) for name, part in (parts or {}).items()}
    if each.shape[1] == 1:
        return Measurement(each[:, 0], scale, names=names, parts=shown)
    how = repeats.trend if falls else repeats.over_trainings
    return how(each, scale, names)._replace(parts=shown)


def differences(found, first, second):
    """Return the `Measurement` of the first cell minus the second, seed by seed.

    found: of `answers`. Where it has no such cells, no values.
    """
    values, scale = found
    if first not in values or second not in values:
        return Measurement(None, LACKING)
    one, other = seeds_of_all(values[first], values[second])
    return judged(one - other, scale)


def on_folder(experiment, names, row):
    """Return {printed name: [accuracy in %]} of networks trained on the reader's photographs.

    experiment: a name in `FOLDER_GRIDS`; names: what its runs are called in the paper, None for
    those that it lacks. Without published records at the preset paper: None, and what is needed.
    """
    return _best(folders.published(experiment), names, row, "test_accuracy")


def detectors():
    """Return the same of mean average precision, for Table 7."""
    names = ("PNN-VGG-16", "VGG-16", "PNN-ResNet-50", None, "ResNet-101")
    return _best(folders.published_detectors(), names, "pnn-table7", "map")


def _best(found, names, row, metric):
    if not all(found):
        return None, "needs " + ", ".join(claims.row(row)[1]["needs"])
    pairs = zip(names, found, strict=True)
    return {
        name: [100 * max(epoch[metric] for epoch in record["epochs"])]
        for name, record in pairs
        if name
    }, "paper"
