"""Both networks on few images (juefei2018, Supplement 3.3).

Everywhere in here, preset is as in `helpers.verdicts`, and share is that of the images that trains,
a number in `experiments.juefei2018.SPLITS`.
"""

from functools import lru_cache

import numpy as np

from helpers.claims import Measurement
from helpers.experiments.juefei2018 import CLASS_IMAGES
from helpers.verdicts.juefei2018.records import answers, differences, evidence

NEAR = 0.9  # of its own best accuracy: from there on a network counts as converged
MODELS = {"pnn": "PNN (1x1)", "resnet": "CNN (3x3)"}


@lru_cache(maxsize=8)
def curves(preset, share):
    """Return {model: test accuracy (seeds, epochs)} and the scale.

    preset, share: see the module.
    """
    found = evidence(f"figure_s1-{share:g}", preset)
    rows = found.frame[found.frame.train == round(share * 10 * CLASS_IMAGES)]
    table = {
        model: own.pivot(index="seed", columns="epoch", values="test_accuracy").to_numpy()
        for model, own in rows.groupby("model")
    }
    return table, found.scale("cifar10")


def better(preset, share):
    """Return the PNN's accuracy minus the CNN's after the last epoch, points (seeds,).

    preset, share: see the module.
    """
    found = answers(f"figure_s1-{share:g}", preset, lambda row: (row.train, row.model))
    train = round(share * 10 * CLASS_IMAGES)
    return differences(found, (train, "pnn"), (train, "resnet"))


def faster(preset, share):
    """Return how many epochs earlier the PNN converges than the CNN, (seeds,).

    preset, share: see the module.
    """
    values, scale = curves(preset, share)
    noisy, usual = (converged(values[model]) for model in ("pnn", "resnet"))
    return Measurement(usual - noisy, scale, 0.0)


def converged(values):
    """Return the first epoch that reaches nine tenths of the best accuracy, (seeds,).

    values: accuracies (seeds, epochs).
    """
    return 1 + np.argmax(values >= NEAR * values.max(axis=1, keepdims=True), axis=1)
