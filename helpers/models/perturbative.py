"""Perturbative networks (juefei2018): fixed noise, ReLU and 1x1 instead of 3x3 convolutions."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from helpers.errors import InputError, one_of, whole
from helpers.models.resnet import pooled, residual

LAWS = ("uniform", "normal")
FITS = ("exact", "tile", "interpolate")
FIXED = ("masks", "filters")  # what a layer has that is random and not learnt


class Perturbation(nn.Module):
    """Fixed noise masks added to the input, ReLU, and a learnt 1x1 convolution (Eq. 2).

    Masks are a buffer, or if learnt a parameter: they are saved with the weights. Masks of all
    levels are the same draws, scaled.
    """

    def __init__(
        self, inputs, outputs, side, level=0.1, fan_out=1, law="uniform", shared=False,
        learnt=False, norm=True, bias=True, activation=torch.relu_, fit="exact",
    ):  # fmt: skip
        """Draw the masks and the weights.

        inputs, outputs: numbers of channels. side: of the maps in px. level: half the width of the
        uniform law, or the standard deviation of the normal one; 0 runs the very same code with
        masks of zeros. fan_out: masks per input channel (m / p). law: uniform or normal. shared:
        whether all channels get the same masks. learnt: whether the masks are learnt too. norm,
        bias: whether there is a batch norm before the convolution and a bias in it, as the authors'
        code has and the parameter counts of Table 5 do not. activation: function of a tensor, may
        work in place. fit: how masks meet maps of another size than `side`, see `fitted`. Raises
        `InputError` for bad values.
        """
        super().__init__()
        if isinstance(level, bool) or not isinstance(level, int | float) or not level >= 0:
            raise InputError("model_args.level", level, "use a number of at least 0")
        whole("model_args.fan_out", fan_out, 1)
        size = (fan_out, 1 if shared else inputs, side, side)
        uniform = one_of("model_args.law", law, LAWS) == "uniform"
        masks = level * (2 * torch.rand(size) - 1 if uniform else torch.randn(size))
        if learnt:
            self.masks = nn.Parameter(masks)
        else:
            self.register_buffer("masks", masks)
        self.activation, self.fit = activation, one_of("model_args.fit", fit, FITS)
        self.combine = _mixed(inputs * fan_out, outputs, norm, bias)

    def forward(self, x):
        """Map x (N, inputs, side, side) to (N, outputs, side, side); `fit` allows other sizes."""
        noisy = [x + mask for mask in fitted(self.masks, x.shape[-2:], self.fit)]
        return self.combine(self.activation(torch.cat(noisy, 1) if len(noisy) > 1 else noisy[0]))


class Filtered(nn.Module):
    """A convolution with fixed random 3x3 filters, ReLU, and a learnt 1x1 convolution.

    The control for `Perturbation`: as many learnt numbers, but neighbours are mixed. There are as
    many filters as input channels, each over all of them, from the normal law of He's initial
    weights. They are a buffer, saved with the weights.
    """

    def __init__(self, inputs, outputs, norm=True, bias=True):
        """Draw the filters and the weights.

        inputs, outputs: numbers of channels. norm, bias: as in `Perturbation`.
        """
        super().__init__()
        filters = torch.randn(inputs, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
        self.register_buffer("filters", filters)
        self.combine = _mixed(inputs, outputs, norm, bias)

    def forward(self, x):
        """Map x (N, inputs, H, W) to (N, outputs, H, W)."""
        return self.combine(functional.conv2d(x, self.filters, padding=1).relu_())


def _mixed(maps, outputs, norm, bias):
    """Return the learnt part of a layer: batch norm, and a 1x1 convolution."""
    mixed = nn.Conv2d(maps, outputs, 1, bias=bias)
    return nn.Sequential(nn.BatchNorm2d(maps), mixed) if norm else mixed


def fitted(masks, size, how):
    """Return the masks for maps of another size, (..., H, W).

    masks: (..., side, side). size: (H, W) in px. how: `tile` repeats the masks, which keeps the
    noise's law and its independence of neighbours within a tile; `interpolate` stretches them
    bilinearly, which keeps their layout but makes the noise weaker and smooth; `exact` leaves them,
    so that another size is an error. The paper has masks of the size of the map (Section 4.2) and
    yet detects objects in images of every size (Section 5.4); it does not say how.
    """
    side, (height, width) = masks.shape[-1], size
    if how == "exact" or height == width == side:
        return masks
    if how == "tile":
        return masks.repeat(1, 1, -(-height // side), -(-width // side))[..., :height, :width]
    return functional.interpolate(masks, (height, width), mode="bilinear", align_corners=False)


def pnn(shape, classes, depth=18, width=64, stem="conv7", frozen_stem=False, stem_masks=None,
        fixed="masks", **noise):  # fmt: skip
    """Return a residual network with perturbation layers instead of its 3x3 convolutions.

    shape: (C, H, W) of one image. classes: their number. depth, width, stem, frozen_stem: as in
    `resnet.residual`; the paper calls the width "#mask". stem "noise" makes the first layer of
    noise too, with its own stem_masks = {"level", "fan_out", "sigmoid"} where given (the corrected
    code's "noise in all layers": 5 width masks per channel, 20 times the level, sigmoids). fixed:
    masks, or filters, which replaces every perturbation layer by `Filtered`. noise: arguments of
    `Perturbation`. Raises `InputError` for bad values.
    """
    if one_of("model_args.fixed", fixed, FIXED) == "filters":
        layer = partial(_filter, **noise)
        return residual(shape, classes, layer, depth, width, stem, frozen_stem)
    own = dict(stem_masks or {})
    activation = torch.sigmoid_ if own.pop("sigmoid", False) else torch.relu_
    layer = partial(_mix, noise=noise)
    first = partial(_first, noise=noise | own, activation=activation)
    return residual(shape, classes, layer, depth, width, stem, frozen_stem, first)


def _mix(inputs, outputs, side, stride, noise):
    return pooled(Perturbation(inputs, outputs, side, **noise), stride)


def _filter(inputs, outputs, side, stride, **arguments):
    return pooled(Filtered(inputs, outputs, **arguments), stride)


def _first(inputs, outputs, side, noise, activation):
    layer = Perturbation(inputs, outputs, side, activation=activation, **noise)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))
