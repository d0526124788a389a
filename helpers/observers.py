"""Observers: named functions of a `training.View` that add to a run's record."""

import math

import torch
from torch import nn

from helpers import metrics, orderness
from helpers.errors import InputError

SCALES = (1, 2, 3, 4, 6, 8)  # px: at 28 px the largest leaves 3 x 3 blocks
LOOKED_AT = {"maps": 500, "accuracy": 1000}  # images; thousands of places a map are enough


def confusion(view):
    """Return the confusion matrix of the last epoch as nested lists; rows are true classes."""
    labels = view.test[1].cpu().numpy()
    return metrics.confusion(labels, view.predictions, view.classes).tolist()


def accuracy(view):
    """Return the accuracy on the first thousand test images."""
    return view.accuracy(LOOKED_AT["accuracy"])


@torch.no_grad()
def map_orderness(view):
    """Return the orderness of each layer's feature maps, a list over layers (ghosh2019, §4.2).

    Taken after ReLU and pooling (Supplement D), over training images. Each layer gives its mean
    over maps for each geometry, and the single maps' values for both geometries together. A map
    without any variation has none; a layer too small for a geometry has null.
    """
    layers = getattr(view.model, "layers", None)
    if layers is None:
        raise InputError("observers", "map_orderness", "only the model plain has named layers")
    x, found = view.inputs(LOOKED_AT["maps"]), []
    for layer in layers:
        x = layer(x)
        found.append(_geometries(x, orderness.per_map, min(x.shape[2:])))
    return found


def data_orderness(view):
    """Return the orderness of the training images, {scale: {geometry: values}} (ghosh2019, Fig. 1).

    The values are those of ten disjoint tenths, each with images of every class.
    """
    pixels, labels = view.train
    order = labels.argsort(stable=True)
    tenths = [pixels[order[k::10]] for k in range(10)]
    return {
        str(scale): {
            kind: [_number(orderness.orderness(part, scale, kind)) for part in tenths]
            for kind in orderness.GEOMETRIES
        }
        for scale in SCALES
    }


@torch.no_grad()
def kernel_orderness(view):
    """Return the orderness of each convolution's kernels, a list over layers (ghosh2019, §5).

    `weights` is of the kernels as they are, `change` of what training added to the initial ones,
    which is what Theorem 1 speaks of (null before training). Each gives, for each geometry, the
    mean over kernels and `pooled`, the value of all kernels together.
    """
    now, before = (
        [layer.weight.detach().cpu() for layer in model.modules() if isinstance(layer, nn.Conv2d)]
        for model in (view.model, view.untrained())
    )
    return [
        {name: _kernels(w) for name, w in (("weights", new), ("change", new - old))}
        for new, old in zip(now, before, strict=True)
    ]


def _kernels(weights):
    means = _geometries(weights, orderness.per_kernel, min(weights.shape[2:]))
    del means["maps"]
    pooled = {
        kind: _number(orderness.orderness(weights, geometry=kind))
        for kind, least in orderness.GEOMETRIES.items()
        if min(weights.shape[2:]) >= least
    }
    return {**means, "pooled": pooled}


def _geometries(x, measure, side):
    """Return the mean of `measure` for each geometry that fits, and its values for both."""
    found = {
        kind: measure(x, geometry=kind) if side >= least else []
        for kind, least in orderness.GEOMETRIES.items()
    }
    means = {kind: _number(torch.tensor(v).nanmean().item()) for kind, v in found.items()}
    return {**means, "maps": [_number(value) for value in found["both"]]}


def _number(value):
    return None if math.isnan(value) else round(value, 5)


OBSERVERS = {
    "confusion": confusion,
    "accuracy": accuracy,
    "data_orderness": data_orderness,
    "map_orderness": map_orderness,
    "kernel_orderness": kernel_orderness,
}
