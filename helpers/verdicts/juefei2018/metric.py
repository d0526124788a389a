"""The disputed test accuracy of juefei2018: smoothed, never reset, the best of all epochs."""

from functools import lru_cache

import numpy as np

from helpers import metrics
from helpers.claims import Measurement
from helpers.training import MONITORED
from helpers.verdicts.juefei2018.records import evidence

ORDERS = 500  # of the test images, drawn anew for each network


@lru_cache(maxsize=8)
def answers(preset):
    """Return which test images each network got right after every epoch, and the scale.

    A list over seeds of bool (epochs, N).
    """
    found = evidence("metric", preset)
    rows = found.last().sort_values("seed")
    right = [
        np.stack([metrics.bits(look["correct"], row.test) for look in row.watched])
        for row in rows.itertuples()
    ]
    return right, found.scale("cifar10")


@lru_cache(maxsize=32)
def reported(preset, batch):
    """Return what the code would have shown, a list over seeds of (ORDERS, epochs)."""
    found = []
    for seed, right in enumerate(answers(preset)[0]):
        rng = np.random.default_rng(seed)
        orders = np.stack([rng.permutation(right.shape[1]) for _ in range(ORDERS)])
        found.append(metrics.shown_in(orders, right, batch))
    return found


def spreads(preset, batch):
    """Return the measured and the predicted deviation over orders, last epoch, (seeds,) each.

    The prediction is that of `metrics.spread`, for orders of a test set without end.
    """
    measured = np.array([shown[:, -1].std() for shown in reported(preset, batch)])
    accuracy = np.array([right[-1].mean() for right in answers(preset)[0]])
    return measured, metrics.spread(accuracy, batch)


def spread_error(preset, batch=10):
    """Return the relative error of the predicted deviation, per seed."""
    measured, predicted = spreads(preset, batch)
    return Measurement(measured / predicted - 1, answers(preset)[1], 0.0)


def inflation(preset, batch=10):
    """Return by how much the best reported accuracy exceeds the true best, mean over orders."""
    pairs = zip(reported(preset, batch), answers(preset)[0], strict=True)
    gains = [shown.max(axis=1).mean() - right.mean(axis=1).max() for shown, right in pairs]
    return np.array(gains), answers(preset)[1]


def expected_inflation(preset, batch, draws=2_000):
    """Return what `inflation` would be if epochs were independent draws, per seed.

    Every epoch is as accurate as it was; its deviation is normal, of the predicted size.
    """
    rng, found = np.random.default_rng(batch), []
    for right in answers(preset)[0]:
        accuracy = right.mean(axis=1)
        noise = rng.normal(size=(draws, len(accuracy))) * metrics.spread(accuracy, batch)
        found.append((accuracy + noise).max(axis=1).mean() - accuracy.max())
    return np.array(found)


def inflations(preset):
    """Return the inflation at batches of 10, 20, 50 and 100, (seeds, 4)."""
    series = np.array([inflation(preset, batch)[0] for batch in MONITORED]).T
    names = tuple(f"batches of {batch}" for batch in MONITORED)
    return Measurement(series, answers(preset)[1], names=names)
