"""What is measured of predictions."""

import numpy as np

from helpers.errors import InputError


def confusion(labels, predictions, classes):
    """Return counts int64 (classes, classes): rows are true labels, columns predictions."""
    pairs = np.asarray(labels) * classes + np.asarray(predictions)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def row_rates(counts):
    """Return each row of a confusion matrix as shares of its sum, float64."""
    counts = np.asarray(counts, float)
    return counts / counts.sum(axis=1, keepdims=True)


def column_correlations(first, second, diagonal=True):
    """Return Pearson's r of matching columns of two confusion matrices, float64 (classes,).

    first, second: (classes, classes), as shares of the true class. With `diagonal` False the
    correct predictions are left out of each column (ivan2019, Table 4 keeps them in). A column
    that is constant goes with nothing: its r is 0.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 2 or first.shape[0] != first.shape[1]:
        raise InputError("confusion matrices", (first.shape, second.shape), "use two equal squares")
    size = len(first)
    keep = np.ones((size, size), bool) if diagonal else ~np.eye(size, dtype=bool)
    return np.array([_pearson(first[keep[:, k], k], second[keep[:, k], k]) for k in range(size)])


def _pearson(x, y):
    x, y = x - x.mean(), y - y.mean()
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / scale) if scale > 1e-12 else 0.0


def smoothed(correct, batch, before=0.0, kept=0.7):
    """Return the test accuracy as the code of juefei2018 first reported it.

    correct: bool (N,), in the one order in which every epoch shows the test images; any will do
    that does not depend on the class. They come in batches of `batch`, and each whole one moves a
    running value to kept * value + (1 - kept) * its accuracy. The code never sets it back, so
    `before` is the value after the epoch before, 0 at the start.
    """
    whole_batches = len(correct) // batch
    for share in correct[: whole_batches * batch].reshape(whole_batches, batch).mean(1):
        before = kept * before + (1 - kept) * share
    return float(before)
