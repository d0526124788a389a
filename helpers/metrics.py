"""Measures of predictions."""

import numpy as np

from helpers.errors import InputError


def confusion(labels, predictions, classes):
    """Return counts int64 (classes, classes): true labels in rows, predicted ones in columns.

    labels, predictions: whole numbers (N,). classes: their number.
    """
    pairs = np.asarray(labels) * classes + np.asarray(predictions)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def row_rates(counts):
    """Return each row of a confusion matrix `counts` as shares of the row's sum, float64."""
    counts = np.asarray(counts, float)
    return counts / counts.sum(axis=1, keepdims=True)


def column_correlations(first, second, diagonal=True):
    """Return Pearson's r of matching columns of two confusion matrices, float64 (classes,).

    first, second: (classes, classes), as shares of the true class. diagonal: False leaves the
    correct predictions out of each column (ivan2019, Table 4 keeps them in). A constant column
    correlates with nothing: its r is 0. Raises `InputError` for matrices that are not square or of
    different size.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    if first.shape != second.shape or first.ndim != 2 or first.shape[0] != first.shape[1]:
        raise InputError(
            "confusion matrices",
            (first.shape, second.shape),
            "use two square matrices of one shape",
        )
    size = len(first)
    keep = np.ones((size, size), bool) if diagonal else ~np.eye(size, dtype=bool)
    return np.array([_pearson(first[keep[:, k], k], second[keep[:, k], k]) for k in range(size)])


def _pearson(x, y):
    x, y = x - x.mean(), y - y.mean()
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    return float(x @ y / scale) if scale > 1e-12 else 0.0


def smoothed(correct, batch, before=0.0, kept=0.7):
    """Return the test accuracy as the code of juefei2018 first reported it, a float.

    correct: bool (N,), in the one order in which every epoch shows the test images; any order works
    that does not depend on the class. batch: images per batch. before: the value after the previous
    epoch, 0 at the start; the code never resets it. kept: share of the running value that each
    batch keeps. Each whole batch moves the running value to kept * value + (1 - kept) * its
    accuracy.
    """
    whole_batches = len(correct) // batch
    for share in correct[: whole_batches * batch].reshape(whole_batches, batch).mean(1):
        before = kept * before + (1 - kept) * share
    return float(before)


def spread(accuracy, batch, kept=0.7):
    """Return the standard deviation of `smoothed` over orders of many test images.

    accuracy: shares, of any shape. batch, kept: as in `smoothed`. A batch's accuracy has the
    variance p (1 - p) / batch, and exponential smoothing keeps the share (1 - kept) / (1 + kept) of
    it: as much as a test set of 5.67 batches would have.
    """
    accuracy = np.asarray(accuracy, float)
    return np.sqrt((1 - kept) / (1 + kept) * accuracy * (1 - accuracy) / batch)


def shown_in(orders, correct, batch, kept=0.7):
    """Return `smoothed` for many orders of the test images, float64 (orders, epochs).

    orders: int64 (orders, N), each a permutation that all epochs share. correct: bool (epochs, N).
    batch, kept: as in `smoothed`. The value before an epoch is left out: hardly anything of it is
    left after ten batches.
    """
    last = min(orders.shape[1] // batch, 40)  # batches; 0.7^40 is below 1e-6
    end = orders.shape[1] // batch * batch
    shown = correct[:, orders[:, end - last * batch : end]]  # epochs, orders, images
    shares = shown.reshape(len(correct), len(orders), last, batch).mean(3)
    weights = (1 - kept) * kept ** np.arange(last)[::-1]
    return (shares @ weights).T


def bits(text, count):
    """Return bool (count,) from `text`, the hex digits of packed bits (`observers.correct`)."""
    packed = np.frombuffer(bytes.fromhex(text), np.uint8)
    return np.unpackbits(packed, count=count).astype(bool)


def alignment(first, second):
    """Return how similarly two networks arrange the same images, a float.

    first, second: kernel matrices (N, N). This is centred kernel alignment (Kornblith et al. 2019)
    with the unbiased estimate of Song et al. (2012): 1 for the same arrangement up to rotation and
    scale, about 0 for unrelated ones.
    """
    within = _unbiased(first, first) * _unbiased(second, second)
    return float(_unbiased(first, second) / np.sqrt(within)) if within > 0 else 0.0


def symmetric(upper):
    """Return the symmetric matrix (N, N) whose upper triangle, row by row, is `upper`."""
    size = round(((8 * len(upper) + 1) ** 0.5 - 1) / 2)
    matrix = np.zeros((size, size))
    matrix[np.triu_indices(size)] = upper
    return matrix + np.triu(matrix, 1).T


def _unbiased(first, second):
    """Return Song's unbiased estimate of the Hilbert-Schmidt independence criterion."""
    n = len(first)
    k, m = (np.where(np.eye(n, dtype=bool), 0, kernel) for kernel in (first, second))
    both = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * k.sum(0) @ m.sum(0)
    return ((k * m).sum() + both) / (n * (n - 3))
