"""Measurements over trainings whose networks were all shown the same pictures.

What a network does is seen picture by picture, and a value of a training is a mean over pictures.
How far these means vary from training to training does not say how far they would vary over other
pictures. So each measurement has a floor, the standard error that the pictures alone give one
training, and the part of it that all trainings share.
"""

import numpy as np

from helpers.claims import Measurement


def floor(each):
    """Return the standard error that the pictures alone give, as a share; the mean over trainings.

    each: (trainings, pictures), which gives a float64, or (trainings, pictures, k) of k
    comparisons, which gives float64 (k,).
    """
    errors = np.std(each, axis=1, ddof=1) / np.shape(each)[1] ** 0.5
    return errors.mean(axis=0)


def shared(each):
    """Return the part of `floor` that all trainings share, from covariances of pictures.

    each: as for `floor`; of (trainings, pictures, k) the result is float64 (k,).
    """
    each = np.asarray(each, float)
    trainings, pictures = each.shape[:2]
    centred = each - each.mean(axis=1, keepdims=True)
    whole = (centred.sum(axis=0) ** 2).sum(axis=0)  # all pairs of trainings, and each with itself
    own = (centred**2).sum(axis=(0, 1))
    pairs = trainings * (trainings - 1)
    return np.sqrt(np.maximum(whole - own, 0) / pairs / (pictures - 1) / pictures)


def over_trainings(each, scale, names=()):
    """Return the `Measurement` of differences, see `floor`; names: of k comparisons."""
    return Measurement(np.mean(each, axis=1), scale, floor(each), names, shared=shared(each))


def trend(each, scale, names):
    """Return the `Measurement` of levels, each (trainings, pictures, levels); names: of levels.

    Its floors are those of the differences of neighbours and, last, of the ends (levels,).
    """
    ends = each[..., :1] - each[..., -1:]
    steps = np.concatenate([each[..., :-1] - each[..., 1:], ends], axis=2)
    return Measurement(np.mean(each, axis=1), scale, floor(steps), names, shared=shared(steps))
