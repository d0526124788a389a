"""Records of juefei2018's experiments, each read once, as accuracies by cell and seed.

A cell is what a run stands for in a table: a noise level, a network, a number of masks.
"""

from functools import partial

import numpy as np

from helpers import claims, metrics
from helpers.claims import Measurement
from helpers.evidence import of, together
from helpers.experiments import juefei2018_folders as folders
from helpers.verdicts import repeats

evidence = partial(of, "juefei2018")
LACKING = "needs runs of the preset long or paper"


def cells(names, preset, cell, best=False, metric="test_accuracy"):
    """Return {cell: values (seeds,)} of one or several experiments, and their scale.

    names: of the experiments, one or several. preset: see `helpers.verdicts`. cell: a function from
    a row of `evidence.table` to its cell. best: whether to take each run's best epoch on the test
    set, as the paper does, instead of the last. metric: the column to return.
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

    names, preset, cell: as for `cells`. Where any record has not kept its answers, all arrays are
    accuracies, (seeds, 1).
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
    """Return the scale of experiments; some of them may have no runs at all."""
    return next((one.scale("cifar10") for one in found if len(one.frame)), LACKING)


def _of_cells(rows, cell):
    return rows.assign(cell=[cell(row) for row in rows.itertuples()])


def _looks(rows):
    return rows.observed if "observed" in rows else [None] * len(rows)


def seeds_of_all(*arrays):
    """Return arrays (seeds, ...) cut to the seeds that all of them have.

    arrays: each with its seeds first, in the same order.
    """
    least = min(map(len, arrays))
    return [array[:least] for array in arrays]


def judged(each, scale, names=(), parts=None, falls=False):
    """Return the `Measurement` of differences or levels computed from `answers`.

    each: (seeds, N) or (seeds, N, k). scale: of the evidence. names: of the k comparisons or
    levels. parts: {name: (seeds, N)}. falls: whether k are the levels of a trend. With answers to
    single images, we compute the error from the test images (`repeats`); from accuracies, N = 1,
    the judge estimates it.
    """
    shown = {name: part.mean(axis=1) for name, part in (parts or {}).items()}
    if each.shape[1] == 1:
        return Measurement(each[:, 0], scale, names=names, parts=shown)
    how = repeats.trend if falls else repeats.over_trainings
    return how(each, scale, names)._replace(parts=shown)


def differences(found, first, second):
    """Return the `Measurement` of the first cell minus the second, seed by seed.

    found: as from `answers`. first, second: cells. If one is missing, the measurement has no
    values.
    """
    values, scale = found
    if first not in values or second not in values:
        return Measurement(None, LACKING)
    one, other = seeds_of_all(values[first], values[second])
    return judged(one - other, scale)


def on_folder(experiment, names, row):
    """Return {printed name: [accuracy in %]} of networks trained on the reader's photographs.

    experiment: a name in `FOLDER_GRIDS`. names: what the paper calls its runs, in order; None for
    runs that it does not have. row: id of the claim, which says what is needed. Without published
    records at the preset `paper` the result is None, and what is needed.
    """
    return _best(folders.published(experiment), names, row, "test_accuracy")


def detectors():
    """Return the mean average precision of Table 7's detectors, in the form of `on_folder`."""
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
