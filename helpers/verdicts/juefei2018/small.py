"""Supplement, Section 3.3 of juefei2018: both networks on few images."""

from functools import lru_cache

import numpy as np

from helpers.claims import Measurement
from helpers.experiments.juefei2018 import CLASS_IMAGES, SPLITS
from helpers.verdicts.juefei2018.records import evidence

NEAR = 0.9  # of its own best accuracy: there a network counts as converged
MODELS = {"pnn": "PNN (1x1)", "resnet": "CNN (3x3)"}


@lru_cache(maxsize=8)
def curves(preset):
    """Return {(share, model): test accuracy (seeds, epochs)}, and the scale."""
    found = evidence("figure_s1", preset)
    shares = {round(share * 10 * CLASS_IMAGES): share for share in SPLITS}
    grouped = found.frame.groupby(["train", "model"])
    table = {
        (shares[train], model): rows.pivot(
            index="seed", columns="epoch", values="test_accuracy"
        ).to_numpy()
        for (train, model), rows in grouped
    }
    return table, found.scale("cifar10")


def better(preset, share):
    """Return the PNN's accuracy minus the CNN's after the last epoch, per seed."""
    values, scale = curves(preset)
    return values[share, "pnn"][:, -1] - values[share, "resnet"][:, -1], scale


def faster(preset, share):
    """Return how many epochs earlier the PNN converges than the CNN, per seed."""
    values, scale = curves(preset)
    noisy, usual = (converged(values[share, model]) for model in ("pnn", "resnet"))
    return Measurement(usual - noisy, scale, 0.0)


def converged(values):
    """Return the first epoch that reaches nine tenths of the best accuracy, (seeds,)."""
    return 1 + np.argmax(values >= NEAR * values.max(axis=1, keepdims=True), axis=1)
