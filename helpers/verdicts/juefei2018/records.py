"""The records of juefei2018's experiments, each read once, as accuracies by cell and seed."""

from functools import partial

from helpers import claims
from helpers.evidence import of
from helpers.experiments import juefei2018_folders as folders

evidence = partial(of, "juefei2018")


def cells(name, preset, cell, best=False, metric="test_accuracy"):
    """Return {cell: values (seeds,)} of an experiment, and the scale of the evidence.

    cell: function of a row of `evidence.table` to what its run stands for. best: take each run's
    best epoch on the test set, as the paper does, instead of the last. metric: another column.
    """
    found = evidence(name, preset)
    rows = found.best() if best else found.last()
    rows = rows.assign(cell=[cell(row) for row in rows.itertuples()])
    table = rows.pivot(index="seed", columns="cell", values=metric)
    return {key: table[key].to_numpy() for key in table}, found.scale("cifar10")


def differences(values, scale, first, second):
    """Return the first cell minus the second, seed by seed, and the scale."""
    pairs = zip(values[first], values[second], strict=False)  # the seeds that both have
    return [a - b for a, b in pairs], scale


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
