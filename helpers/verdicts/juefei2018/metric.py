"""The disputed test accuracy of juefei2018: smoothed, never reset, the best of all epochs.

Everywhere in here, preset is as in `helpers.verdicts`, and batch is the number of images in a test
batch.
"""

from functools import lru_cache

import numpy as np

from helpers import metrics
from helpers.claims import Measurement
from helpers.training import MONITORED
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.records import evidence

ORDERS = 500  # of the test images, drawn again for each network


@lru_cache(maxsize=8)
def answers(preset):
    """Return which test images each network got right after every epoch, and the scale.

    preset: see the module. The answers are a list over seeds of bool (epochs, N).
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
    """Return what the code would have reported, a list over seeds of (ORDERS, epochs).

    preset, batch: see the module.
    """
    found = []
    for seed, right in enumerate(answers(preset)[0]):
        rng = np.random.default_rng(seed)
        orders = np.stack([rng.permutation(right.shape[1]) for _ in range(ORDERS)])
        found.append(metrics.shown_in(orders, right, batch))
    return found


def over_orders(accuracy, images, batch, kept=0.7):
    """Return the standard deviation of `metrics.shown_in` over all orders of the test images.

    accuracy: a share of these images, an array of any shape. images: how many. batch: see the
    module. kept: share of the old value that smoothing keeps. In a random order, the smoothed
    accuracy is a weighted sum over images drawn without replacement, whose variance is known.
    """
    accuracy = np.asarray(accuracy, float)
    weights = (1 - kept) * kept ** np.arange(images // batch) / batch  # of an image of each batch
    squares = batch * (weights**2).sum() - (batch * weights.sum()) ** 2 / images
    return np.sqrt(accuracy * (1 - accuracy) * squares * images / (images - 1))


def spreads(preset, batch):
    """Return the deviation over orders and the predicted one, last epoch, (seeds,) each.

    preset, batch: see the module. The prediction is `metrics.spread`, for orders of an endless test
    set.
    """
    right = answers(preset)[0]
    accuracy = np.array([one[-1].mean() for one in right])
    return over_orders(accuracy, right[0].shape[1], batch), metrics.spread(accuracy, batch)


def spread_error(_, batch=10, images=10_000):
    """Return the relative error of the predicted deviation, which does not depend on the network.

    batch: see the module. images: of the test set.
    """
    predicted = metrics.spread(0.5, batch)
    return float(abs(predicted / over_orders(0.5, images, batch) - 1)), ANY


def inflation(preset, batch=10):
    """Return by how much the best reported accuracy exceeds the true best, points (seeds,).

    preset, batch: see the module. It is averaged over orders. The scale comes second.
    """
    pairs = zip(reported(preset, batch), answers(preset)[0], strict=True)
    gains = [shown.max(axis=1).mean() - right.mean(axis=1).max() for shown, right in pairs]
    return np.array(gains), answers(preset)[1]


def expected_inflation(preset, batch, draws=2_000):
    """Return what `inflation` would be if epochs were independent draws, (seeds,).

    preset, batch: see the module. draws: how many. Every epoch keeps its accuracy; its deviation is
    normal, with the predicted standard deviation.
    """
    rng, found = np.random.default_rng(batch), []
    for right in answers(preset)[0]:
        accuracy = right.mean(axis=1)
        noise = rng.normal(size=(draws, len(accuracy))) * metrics.spread(accuracy, batch)
        found.append((accuracy + noise).max(axis=1).mean() - accuracy.max())
    return np.array(found)


def inflations(preset):
    """Return the inflation with batches of 10, 20, 50 and 100 at a preset, points (seeds, 4)."""
    series = np.array([inflation(preset, batch)[0] for batch in MONITORED]).T
    names = tuple(f"batches of {batch}" for batch in MONITORED)
    return Measurement(series, answers(preset)[1], names=names)
