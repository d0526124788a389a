"""Grades: how much the evidence behind a verdict can carry, computed from its records.

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

LAST = 1 / 5  # of the epochs: within them ...
STOPPED = 0.01  # ... a network that has stopped improving gains less accuracy than this
KIND = ("data", "model", "order", "slices", "distance", "channels", "swaps", "block", "per_image",
        "filter", "optimiser", "augment", "batch", "arguments", "train")  # fmt: skip
LEARNT = 1.5  # times the accuracy of chance that one must have, or it has not begun


def frames(statement, paper, preset):
    """Return [(`Evidence`, rows)] of the experiments of a statement, one pair each.

    statement: as from `claims.statements`. rows: those of its runs that the statement speaks of.
    """
    pairs = []
    for name in statement.get("experiments", ()):
        found = evidence.of(*experiments.split(name, paper), preset)
        pairs.append((found, picked(found, statement.get("only", {}))))
    return pairs


def picked(found, only):
    """Return the rows of an `Evidence` whose columns have the values of `only`.

    only: {column: value or list of values}; `data: cifar10` also picks what stands in for it.
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

    pairs: of `frames`. scale: of its measurement. holds: whether its precondition does.
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
    """Return whether every kind of network in the rows of an evidence table stopped improving.

    Networks that differ in their seed alone are of one kind and count by their mean. What was not
    trained here cannot improve.
    """
    return all(gain < STOPPED for gain in gains(rows).values())


def gains(rows):
    """Return {kind of network: accuracy that its last fifth of the epochs gained, mean of seeds}.

    Infinite for a network of one epoch, which has no last fifth, and for one that learnt nothing.
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
    """Return what a run is but for its seed, from a row of `evidence.table`."""
    return repr([run.get(column) for column in KIND])


def test_set_error(pairs):
    """Return the standard error of accuracies that their test images alone give.

    Of all rows of a statement together, by their mean accuracy after the last epoch.
    """
    floors = []
    for found, rows in pairs:
        last = found.last(rows)
        if len(last) and "test_accuracy" in last and last.test_accuracy.notna().any():
            floors.append(rules.test_set_error(last.test_accuracy.mean(), last.test.mean()))
    return max(floors, default=0.0)


def first_stage(pairs):
    """Return how many seeds chose how many there are, None without a choice."""
    return min((found.first for found, _ in pairs if found.first), default=None)
