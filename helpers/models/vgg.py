"""The VGG16-like network of ivan2019 (Section 1), at any width and side, and that of juefei2018."""

from functools import partial

from torch import nn

from helpers.errors import whole
from helpers.models.layers import Conv3x3, head
from helpers.models.perturbative import Perturbation

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # VGG16: channels, convolutions


def vgg(shape, classes, width=1.0, hidden=512):
    """Return VGG16's 13 convolutions with batch normalisation, and a head of two dense layers.

    shape: (C, H, W) of one image. classes: their number. width: multiplier on the channels; 1 is
    VGG16's. hidden: units of a dense layer; VGG16 has 4096. A block ends in a 2x2 max-pool while
    the map is larger than 1 px: five pools at 32 px, four at 28 px.
    """
    return _stacked(shape, classes, width, hidden, _convolution)


def pnn_vgg(shape, classes, width=1.0, hidden=512, **noise):
    """Return `vgg` with perturbation layers instead of its convolutions after the first.

    shape, classes, width, hidden: as in `vgg`. noise: arguments of `Perturbation`. It is our
    reading of juefei2018, Table 7, which does not say which layers are replaced: its authors' code
    keeps the first layer a convolution.
    """
    return _stacked(shape, classes, width, hidden, partial(Perturbation, **noise))


def divided(model):
    """Return a network of this module in parts: two blocks, the other three, the dense layers.

    model: from `vgg` or `pnn_vgg`, for images of at least 32 px. The parts are those of a detector
    (Ren et al. 2015): the three blocks lack their last pool, so that a pixel of their map stands
    for 16 of the image, and the dense layers lack the one that separates classes.
    """
    pools = [k for k, layer in enumerate(model) if isinstance(layer, nn.MaxPool2d)]
    middle, last = pools[1] + 2, pools[4]  # a pool is followed by its ReLU
    later = nn.Sequential(*model[middle:last], model[last + 1])
    return model[:middle], later, model[last + 2 : -1]


def _stacked(shape, classes, width, hidden, mix):
    """Return the network; mix(inputs, outputs, side in px) makes all its layers but the first."""
    whole("model_args.hidden", hidden, 1)
    channels, side, _ = shape
    layers = []
    for base, convolutions in BLOCKS:
        outputs = max(1, round(base * width))
        for k in range(convolutions):
            layer = mix if layers else _convolution
            layers += [layer(channels, outputs, side), nn.BatchNorm2d(outputs)]
            if k == convolutions - 1 and side > 1:
                # ReLU is monotone, so pooling first gives the same output for a quarter of the work
                layers.append(nn.MaxPool2d(2))
                side //= 2
            layers.append(nn.ReLU())
            channels = outputs
    return nn.Sequential(*layers, nn.Flatten(), *head(channels * side * side, classes, hidden))


def _convolution(inputs, outputs, side):
    return Conv3x3(inputs, outputs)
