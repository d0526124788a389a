"""The wide-kernel networks of ivan2019 (Section 5): dilated, and one strided layer."""

from torch import nn

from helpers.models.layers import flat_size, head


def dilated(shape, classes, filters=64):
    """Return two valid 4x4 convolutions of dilation 4 and the CNN's head (32 px: 20, then 8).

    shape: (C, H, W) of one image. classes: their number. filters: of each convolution.
    """
    return _network(shape, classes, [
        *_unit(nn.Conv2d(shape[0], filters, 4, dilation=4, bias=False)),
        *_unit(nn.Conv2d(filters, filters, 4, dilation=4, bias=False)),
    ])  # fmt: skip


def strided(shape, classes, filters=64):
    """Return one valid 8x8 convolution of stride 4 and the CNN's head (32 px: 7).

    shape: (C, H, W) of one image. classes: their number. filters: of the convolution.
    """
    return _network(shape, classes, _unit(nn.Conv2d(shape[0], filters, 8, stride=4, bias=False)))


def _unit(convolution):
    return [convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()]


def _network(shape, classes, layers):
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(*features, *head(flat_size(features, shape), classes))
