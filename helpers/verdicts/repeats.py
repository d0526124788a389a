"""Measurements over trainings whose networks all saw the same images.

We observe a network image by image, and a training's value is a mean over images. The spread of
these means from training to training does not tell us how far they would vary over other images. So
each measurement has a floor, the standard error that the images alone give one training, and the
part of it that all trainings share.
"""

import numpy as np

from helpers.claims import Measurement


def floor(each):
    """Return the standard error that the images alone give, as a share; the mean over trainings.

    each: (trainings, images), for which the result is a float64, or (trainings, images, k) with k
    comparisons, for which it is float64 (k,).
    """
    errors = np.std(each, axis=1, ddof=1) / np.shape(each)[1] ** 0.5
    return errors.mean(axis=0)


def shared(each):
    """Return the part of `floor` that all trainings share, from the covariances of images.

    each: as for `floor`; for (trainings, images, k) the result is float64 (k,).
    """
    each = np.asarray(each, float)
    trainings, pictures = each.shape[:2]
    centred = each - each.mean(axis=1, keepdims=True)
    whole = (centred.sum(axis=0) ** 2).sum(axis=0)  # all pairs of trainings, and each with itself
    own = (centred**2).sum(axis=(0, 1))
    pairs = trainings * (trainings - 1)
    return np.sqrt(np.maximum(whole - own, 0) / pairs / (pictures - 1) / pictures)


def over_trainings(each, scale, names=()):
    """Return the `Measurement` of differences.

    each: as for `floor`. scale: of the evidence, as in `Measurement`. names: of the k comparisons.
    """
    return Measurement(np.mean(each, axis=1), scale, floor(each), names, shared=shared(each))


def trend(each, scale, names):
    """Return the `Measurement` of a trend over levels.

    each: (trainings, images, levels). scale: of the evidence, as in `Measurement`. names: of the
    levels. The floors (levels,) are those of the differences of neighbours and, last, of the ends.
    """
    ends = each[..., :1] - each[..., -1:]
    steps = np.concatenate([each[..., :-1] - each[..., 1:], ends], axis=2)
    return Measurement(np.mean(each, axis=1), scale, floor(steps), names, shared=shared(steps))
