"""Residual networks (He et al. 2016) whose mixing of neighbours can be exchanged.

juefei2018 replaces the 3x3 convolutions of a residual network and leaves the rest as it is, so the
rest is here, once: stem, blocks, shortcuts and head. A function `mix(inputs, outputs, side,
stride)` makes a mixing layer; side is that of its input in px.
"""

from collections import OrderedDict

import torch
from torch import nn

from helpers.errors import InputError, one_of, whole

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
WIDENING = {18: 1, 34: 1, 50: 4, 101: 4}  # 4: bottleneck blocks
STEMS = ("conv7", "conv3", "noise")


def resnet(shape, classes, kernel=3, **arguments):
    """Return a residual network that mixes neighbours by `kernel` x `kernel` convolutions.

    shape: (C, H, W) of one image. classes: their number. kernel: 3, or 1, which mixes nothing in
    the blocks: the control of juefei2018 without noise. There, as in the perturbative network, a
    max-pool replaces the stride. arguments: depth, width, stem and frozen_stem of `residual`.
    """
    one_of("model_args.kernel", kernel, (1, 3))
    return residual(shape, classes, convolution if kernel == 3 else pointwise, **arguments)


def convolution(inputs, outputs, side, stride):
    """Return a 3x3 convolution without bias.

    inputs, outputs: numbers of channels. side: not used. stride: in px.
    """
    return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)


def pointwise(inputs, outputs, side, stride):
    """Return a 1x1 convolution without bias, then a max-pool instead of a stride.

    inputs, outputs: numbers of channels. side: not used. stride: of the pool in px.
    """
    return pooled(nn.Conv2d(inputs, outputs, 1, bias=False), stride)


def pooled(layer, stride):
    """Return `layer`, then a max-pool of `stride` px; a pool of 1 is left out.

    An odd side is rounded up, as by the strided shortcut.
    """
    return nn.Sequential(layer, nn.MaxPool2d(stride, ceil_mode=True)) if stride > 1 else layer


def residual(shape, classes, mix, depth=18, width=64, stem="conv7", frozen_stem=False, first=None):
    """Return a residual network of 18, 34, 50 or 101 layers whose blocks mix neighbours by `mix`.

    shape: (C, H, W) of one image. classes: their number. mix: see above. depth: layers. width:
    channels of the first stage; they double with each of the four. stem: conv7 (7x7, stride 2,
    max-pool: ImageNet's, and the one that juefei2018 uses), conv3 (3x3, no pool: the corrected
    code's), or noise. frozen_stem: whether its convolution keeps its random weights, as in the
    corrected code. first: function of (inputs, outputs, side) that makes the stem noise. Raises
    `InputError` for bad values.
    """
    blocks = BLOCKS[one_of("model_args.depth", depth, BLOCKS)]
    whole("model_args.width", width, 1)
    stem, side = _stem(shape, width, one_of("model_args.stem", stem, STEMS), frozen_stem, first)
    stages, channels, widening = [], width, WIDENING[depth]
    block = Bottleneck if widening > 1 else Basic
    for stage, count in enumerate(blocks):
        units = []
        for k in range(count):
            stride = 2 if stage and k == 0 and side > 1 else 1
            units.append(block(channels, width * 2**stage, side, stride, mix))
            channels, side = width * 2**stage * widening, -(-side // stride)
        stages.append(nn.Sequential(*units))
    end = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    return nn.Sequential(OrderedDict(stem=stem, layers=nn.Sequential(*stages), head=end))


@torch.no_grad()
def stage_maps(model, x):
    """Return the output of the stem and of each of the four stages (juefei2018, Figure S3).

    model: a network of this module, `pnn` or `lbcnn`; it is left in evaluation mode. x:
    standardised images, float32 (N, C, H, W). Returns five tensors (N, C', H', W').
    """
    maps = [model.eval().stem(x)]
    for stage in model.layers:
        maps.append(stage(maps[-1]))
    return maps


class Basic(nn.Module):
    """A block that adds two mixing layers of equal width to its input."""

    def __init__(self, inputs, width, side, stride, mix):
        """Make the block.

        inputs: channels of the input. width: of the output. side: of the input in px. stride: of
        the first mixing layer. mix: see above.
        """
        super().__init__()
        self.branch = nn.Sequential(
            mix(inputs, width, side, stride), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            mix(width, width, -(-side // stride), 1), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.shortcut = _shortcut(inputs, width, stride)

    def forward(self, x):
        """Map x (N, inputs, H, W) to (N, width, H / stride, W / stride)."""
        return (self.branch(x) + self.shortcut(x)).relu_()


class Bottleneck(nn.Module):
    """A block that adds to its input a mixing layer between two 1x1 convolutions.

    The second of these is four times as wide.
    """

    def __init__(self, inputs, width, side, stride, mix):
        """Make the block.

        inputs: channels of the input. width: of the mixing layer; the output has four times as
        many. side: of the input in px. stride: of the mixing layer. mix: see above.
        """
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            mix(width, width, side, stride), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width),
        )  # fmt: skip
        self.shortcut = _shortcut(inputs, 4 * width, stride)

    def forward(self, x):
        """Map x (N, inputs, H, W) to (N, 4 width, H / stride, W / stride)."""
        return (self.branch(x) + self.shortcut(x)).relu_()


def _shortcut(inputs, outputs, stride):
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    # Pooling 1x1 windows takes every stride-th pixel. PyTorch's own strided 1x1 convolution
    # corrupts memory on a CPU with AVX2 where channels_last maps have fewer than 8 channels.
    taken = [nn.MaxPool2d(1, stride)] if stride > 1 else []
    mapped = nn.Conv2d(inputs, outputs, 1, bias=False)
    return nn.Sequential(*taken, mapped, nn.BatchNorm2d(outputs))


def _stem(shape, width, kind, frozen, first):
    """Return the layers before the first stage, and the side in px of their output."""
    channels, side = shape[0], shape[-1]
    if kind == "noise":
        if first is None or frozen:
            why = (
                "use noise layers only with pnn" if first is None else "it has no weights to freeze"
            )
            raise InputError("model_args.stem", kind, why)
        return first(channels, width, side), side
    if kind == "conv7":
        convolved = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        pool, side = [nn.MaxPool2d(3, 2, padding=1)], -(-side // 4)
    else:
        convolved, pool = nn.Conv2d(channels, width, 3, padding=1, bias=False), []
    convolved.weight.requires_grad_(not frozen)
    return nn.Sequential(convolved, nn.BatchNorm2d(width), nn.ReLU(inplace=True), *pool), side
