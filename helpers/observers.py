"""Observers: named functions of a trained model and its data that add to a run's record."""

from dataclasses import dataclass

import numpy as np
from torch import nn

from helpers import metrics
from helpers.images import Images


@dataclass(frozen=True)
class Trained:
    """Hold what an observer may look at when training has ended.

    predictions: int64 (N,), the model's labels of the arranged test images.
    """

    model: nn.Module
    test: Images
    predictions: np.ndarray


def confusion(trained):
    """Return the confusion matrix of the last epoch as nested lists; rows are true classes."""
    counts = metrics.confusion(trained.test.labels, trained.predictions, len(trained.test.classes))
    return counts.tolist()


OBSERVERS = {"confusion": confusion}
