"""Observers: named functions of a `training.View` whose results are added to a run's record."""

import math

import numpy as np
import torch
from torch import nn

from helpers import datasets, degrade, invariance, metrics, orderness, robustness, training
from helpers.errors import InputError
from helpers.models.resnet import stage_maps

SCALES = (1, 2, 3, 4, 6, 8)  # px: at 28 px the largest leaves 3 x 3 blocks
# Images. Thousands of positions per map are enough, and a Gram matrix grows with the square.
LOOKED_AT = {"maps": 500, "accuracy": 1000, "stages": 40}
RADIUS = 7  # cycles per image of the masks of ghosh2019: half of what 28 px can hold
MASKS = ("none", "low_pass", "random_mask")
DRAWN = 4  # maps of each stage, those that vary most


def confusion(view):
    """Return the confusion matrix of the last epoch as nested lists, true classes in rows.

    view: a `training.View`.
    """
    labels = view.test[1].cpu().numpy()
    return metrics.confusion(labels, view.predictions, view.classes).tolist()


def accuracy(view):
    """Return the accuracy on the first thousand test images of `view`."""
    return view.accuracy(LOOKED_AT["accuracy"])


def correct(view):
    """Return which test images of `view` are classified correctly, hex digits of bits in order.

    `metrics.bits` reads them.
    """
    return _hex(view.correct())


def _hex(right):
    return np.packbits(right).tobytes().hex()


def masked(view):
    """Return `correct` on test images under each of `MASKS`, {mask: hex digits} (ghosh2019, §6).

    view: a `training.View`. The random mask is that of the run's seed, as in training under it.
    Raises `InputError` for a run with an arrangement.
    """
    run, found = view.run, {}
    if run.arrangement:
        raise InputError("observers", "masked", "use images in their natural order")
    images = datasets.load(run.data, "test", run.test_size)
    for kind in MASKS:
        pixels = torch.from_numpy(degrade.apply(images.pixels, mask(kind, run.seed)))
        labels = view.test[1]
        predicted, _ = training.evaluate(
            view.model, pixels.to(view.device), labels, view.standardise, run.precision
        )
        found[kind] = _hex(predicted == labels.cpu().numpy())
    return found


def mask(kind, seed):
    """Return the `degradation` of a run under one of `MASKS`.

    kind: in `MASKS`. seed: of the random mask.
    """
    drawn = {"none": None, "low_pass": {}, "random_mask": {"seed": seed}}[kind]
    return {} if drawn is None else {"kind": kind, "radius": RADIUS, **drawn}


@torch.no_grad()
def stages(view):
    """Return what a residual network makes of test images, a list over its stem and stages.

    view: a `training.View`. roughness: mean squared difference of neighbours over twice the
    variance, mean over the maps of all images; 1 without spatial order. gram: the upper triangle of
    the linear kernel matrix of the images' maps, each position centred, divided by its trace
    (`metrics.alignment` reads it). Raises `InputError` for a network without stages.
    """
    return [
        {"roughness": _number(_roughness(maps)), "gram": _gram(maps)}
        for maps in _stage_maps(view, LOOKED_AT["stages"])
    ]


@torch.no_grad()
def stage_pictures(view):
    """Return maps of the first test image: per stem or stage a list of maps, rows of 0..255.

    view: a `training.View`. From each stage come the maps that vary most, each stretched to the
    full range. Raises `InputError` for a network without stages.
    """
    found = []
    for maps in _stage_maps(view, 1):
        chosen = maps[0, maps[0].var(dim=(1, 2)).argsort(descending=True)[:DRAWN]]
        low, high = chosen.amin((1, 2), keepdim=True), chosen.amax((1, 2), keepdim=True)
        found.append((255 * (chosen - low) / (high - low + 1e-12)).round().int().tolist())
    return found


def _stage_maps(view, count):
    if not all(hasattr(view.model, part) for part in ("stem", "layers", "head")):
        raise InputError("observers", view.run.model, "use a residual network, which has stages")
    return [maps.cpu() for maps in stage_maps(view.model, view.standardise(view.test[0][:count]))]


def _roughness(maps):
    steps = (maps.diff(dim=2).square().mean((2, 3)) + maps.diff(dim=3).square().mean((2, 3))) / 2
    variance = maps.var(dim=(2, 3), correction=0)
    varied = variance > 1e-12  # a dead map has no order
    return (steps[varied] / (2 * variance[varied])).mean().item()


def _gram(maps):
    flat = maps.flatten(1).double()
    flat -= flat.mean(0)
    kernel = flat @ flat.T
    upper = torch.triu_indices(*kernel.shape)
    return [_number(v) for v in (kernel / kernel.trace())[*upper].tolist()]


@torch.no_grad()
def map_orderness(view):
    """Return the orderness of each layer's feature maps, a list over layers (ghosh2019, §4.2).

    view: a `training.View`. The maps are those of training images after ReLU and pooling
    (Supplement D). Each layer gives its mean over maps for each geometry, and the values of single
    maps for both geometries together. A map without any variation has none; a layer too small for a
    geometry has null. Raises `InputError` for a model without named `layers`.
    """
    layers = getattr(view.model, "layers", None)
    if layers is None:
        raise InputError(
            "observers", "map_orderness", "use the model plain, which has named layers"
        )
    x, found = view.inputs(LOOKED_AT["maps"]), []
    for layer in layers:
        x = layer(x)
        found.append(_geometries(x, orderness.per_map, min(x.shape[2:])))
    return found


def data_orderness(view):
    """Return the orderness of the training images, {scale: {geometry: values}} (ghosh2019, Fig. 1).

    view: a `training.View`. The values are those of ten disjoint tenths, each with images of every
    class.
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

    view: a `training.View`. `weights` is about the kernels as they are, `change` about what
    training added to the initial ones, the subject of Theorem 1 (null before training). Each gives,
    for each geometry, the mean over kernels, and `pooled`, the value of all kernels together.
    """
    return [{name: _kernels(w) for name, w in kinds.items()} for kinds in _layers(view)]


@torch.no_grad()
def kernel_above_chance(view):
    """Return `orderness.above_chance` of each convolution's kernels, a list over layers.

    view: a `training.View`. `weights` and `change` as in `kernel_orderness`; each gives the mean
    over kernels for each geometry. Unlike theirs, it is 0 for kernels of any size without order.
    """
    found = [
        {
            name: _geometries(weights, orderness.above_chance, min(weights.shape[2:]))
            for name, weights in kinds.items()
        }
        for kinds in _layers(view)
    ]
    return [
        {name: {k: v for k, v in means.items() if k != "maps"} for name, means in layer.items()}
        for layer in found
    ]


def _layers(view):
    """Return, per convolution, its `weights` and their `change` from the initial ones."""
    now, before = (
        [layer.weight.detach().cpu() for layer in model.modules() if isinstance(layer, nn.Conv2d)]
        for model in (view.model, view.untrained())
    )
    pairs = zip(now, before, strict=True)
    return [{"weights": new, "change": new - old} for new, old in pairs]


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
    """Return the mean of `measure` for each geometry that fits, and its single values for both."""
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
    "correct": correct,
    "stages": stages,
    "stage_pictures": stage_pictures,
    "data_orderness": data_orderness,
    "map_orderness": map_orderness,
    "kernel_orderness": kernel_orderness,
    "kernel_above_chance": kernel_above_chance,
    "masked": masked,
    **invariance.OBSERVERS,
    **robustness.OBSERVERS,
}
