"""Grades: how strong the evidence behind a verdict is, computed from its records.

A
: the paper's own scale, with everything that matters given by the paper; and theory.

B
: smaller, but every network that is compared has learnt something and stopped improving, and what
  the paper takes for granted holds.

C
: neither: its verdict is a preview.
"""

import math

import numpy as np

from helpers import datasets, evidence, experiments, rules
from helpers.errors import one_of

LAST = 1 / 5  # of the epochs: in this last part ...
STOPPED = 0.01  # ... a network that has stopped improving gains less accuracy than this
KIND = ("data", "model", "order", "slices", "distance", "channels", "swaps", "block", "per_image",
        "filter", "optimiser", "augment", "batch", "arguments", "train")  # fmt: skip
LEARNT = 1.5  # times chance: a network with less accuracy has learnt nothing


def frames(statement, paper, preset):
    """Return [(`Evidence`, rows)] of a statement's experiments, one pair each.

    statement: dict from `claims.statements`. paper: its key. preset: name in `presets.PRESETS`.
    rows: those of the runs that the statement is about.
    """
    pairs = []
    for name in statement.get("experiments", ()):
        found = evidence.of(*experiments.split(name, paper), preset)
        pairs.append((found, picked(found, statement.get("only", {}))))
    return pairs


def picked(found, only):
    """Return the rows of `found`, an `Evidence`, whose columns have the values of `only`.

    only: {column: value or list of values}; `data: cifar10` also selects the data that replace it.
    Raises `InputError` for an unknown column.
    """
    rows = found.frame
    for column, values in only.items():
        one_of("only", column, rows.columns)
        values = values if isinstance(values, list) else [values]
        if column == "data" and "cifar10" in values:
            values = [*values, "photo_patches"]
        rows = rows[rows[column].isin(values)]
    return rows


def grade(statement, pairs, scale, holds):
    """Return the grade of a statement's evidence, A, B or C.

    statement: dict from `claims.statements`. pairs: from `frames`. scale: that of its measurement.
    holds: whether its precondition holds.
    """
    kind, given = scale.split(",")[0], not statement.get("open")
    if kind == "no training":
        return "A" if given else "B"
    if kind == "paper" and holds and given:
        return "A"
    if kind == "smoke" or not holds:
        return "C"
    return "B" if all(stopped(rows) for _, rows in pairs) else "C"


def stopped(rows):
    """Return whether every kind of network in `rows` (of an evidence table) stopped improving.

    Networks that differ only in their seed are of one kind and count by their mean. Networks that
    were not trained here cannot improve.
    """
    return all(gain < STOPPED for gain in gains(rows).values())


def gains(rows):
    """Return {kind of network: accuracy gained in the last fifth of the epochs, mean over seeds}.

    rows: of an evidence table. The gain is infinite for a network of one epoch, which has no last
    fifth, and for one that learnt nothing.
    """
    found, curves, first = {}, {}, {}
    trained = rows[rows.epoch > 0] if len(rows) else rows
    for place, (key, epoch) in enumerate(zip(trained.key, trained.epoch, strict=True)):
        curves.setdefault(key, {})[epoch] = trained.test_accuracy.iat[place]
        first.setdefault(key, place)
    for key, accuracy in sorted(curves.items()):
        run, epochs = trained.iloc[first[key]], int(max(accuracy))
        before = epochs - max(1, math.ceil(epochs * LAST))
        classes = len(datasets.CLASSES.get(run.data, ()))
        learnt = not classes or accuracy[epochs] > LEARNT / classes
        gain = accuracy[epochs] - accuracy[before] if before and learnt else np.inf
        found.setdefault(_kind(run), []).append(gain)
    return {kind: float(np.mean(own)) for kind, own in found.items()}


def _kind(run):
    """Return the configuration of a run without its seed, from a row of `evidence.table`."""
    return repr([run.get(column) for column in KIND])


def test_set_error(pairs):
    """Return the standard error of accuracies that comes from the test images alone.

    pairs: from `frames`. For each pair it follows from the mean accuracy after the last epoch; the
    largest counts, 0 without accuracies.
    """
    floors = []
    for found, rows in pairs:
        last = found.last(rows)
        if len(last) and "test_accuracy" in last and last.test_accuracy.notna().any():
            floors.append(rules.test_set_error(last.test_accuracy.mean(), last.test.mean()))
    return max(floors, default=0.0)


def first_stage(pairs):
    """Return the number of seeds that chose the total number, None if nothing was chosen.

    pairs: from `frames`.
    """
    return min((found.first for found, _ in pairs if found.first), default=None)
