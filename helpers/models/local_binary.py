"""Local binary convolutions (Juefei-Xu et al. 2017), the baseline from which juefei2018 starts."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from helpers.errors import InputError
from helpers.models.resnet import residual


class LocalBinary(nn.Module):
    """A convolution with fixed sparse binary filters, ReLU, and a learnt 1x1 one (Eq. 1)."""

    def __init__(self, inputs, outputs, stride=1, filters=None, density=0.5):
        """Draw the filters, which are a buffer, saved with the weights.

        inputs, outputs: numbers of channels. stride: in px. filters: their number, None for as many
        as inputs. density: share of weights that are not zero, each of them +1 or -1 with equal
        chance. Raises `InputError` for a density outside of (0, 1].
        """
        super().__init__()
        if not 0 < density <= 1:
            raise InputError("model_args.density", density, "use a number above 0 and at most 1")
        size = (filters or inputs, inputs, 3, 3)
        kept = torch.rand(size) < density
        self.register_buffer("filters", kept * (2.0 * (torch.rand(size) < 0.5) - 1))
        self.stride = stride
        self.combine = nn.Conv2d(size[0], outputs, 1, bias=False)

    def forward(self, x):
        """Map x (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        x = functional.conv2d(x, self.filters, stride=self.stride, padding=1)
        return self.combine(x.relu_())


def lbcnn(shape, classes, filters=None, density=0.5, **arguments):
    """Return a residual network with local binary convolutions instead of its 3x3 ones.

    shape: (C, H, W) of one image. classes: their number. filters, density: of `LocalBinary`.
    arguments: depth, width, stem and frozen_stem of `resnet.residual`.
    """
    layer = partial(_mix, filters=filters, density=density)
    return residual(shape, classes, layer, **arguments)


def _mix(inputs, outputs, side, stride, filters, density):
    return LocalBinary(inputs, outputs, stride, filters, density)
