"""Local binary convolutions (Juefei-Xu et al. 2017), the baseline that juefei2018 starts from."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from helpers.errors import InputError
from helpers.models.resnet import residual


class LocalBinary(nn.Module):
    """Convolve with fixed sparse binary filters, take the ReLU, and mix by a learnt 1x1 (Eq. 1).

    filters: how many, by default as many as inputs. density: share of weights that are not zero,
    each of them +1 or -1 with equal chance. The filters are a buffer, saved with the weights.
    """

    def __init__(self, inputs, outputs, stride=1, filters=None, density=0.5):
        super().__init__()
        if not 0 < density <= 1:
            raise InputError("model_args.density", density, "use a number above 0, up to 1")
        size = (filters or inputs, inputs, 3, 3)
        kept = torch.rand(size) < density
        self.register_buffer("filters", kept * (2.0 * (torch.rand(size) < 0.5) - 1))
        self.stride = stride
        self.combine = nn.Conv2d(size[0], outputs, 1, bias=False)

    def forward(self, x):
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        x = functional.conv2d(x, self.filters, stride=self.stride, padding=1)
        return self.combine(x.relu_())


def lbcnn(shape, classes, filters=None, density=0.5, **arguments):
    """Return a residual network with local binary convolutions in place of its 3x3 ones.

    arguments: depth, width, stem and frozen_stem of `resnet.residual`.
    """
    layer = partial(_mix, filters=filters, density=density)
    return residual(shape, classes, layer, **arguments)


def _mix(inputs, outputs, side, stride, filters, density):
    return LocalBinary(inputs, outputs, stride, filters, density)
