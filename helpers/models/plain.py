"""The plain convolutional networks of ghosh2019 (Section 4): one width, any depth."""

from collections import OrderedDict

from torch import nn

from helpers.errors import whole
from helpers.models.layers import flat_size


def plain(shape, classes, depth=3, units=64, kernel=3, valid=False, pool_every=1, hidden=0):
    """Return `depth` convolutions of `units` filters, ReLU and 2x2 max-pools, and a linear head.

    shape: (C, H, W) of one image. classes: their number. kernel, valid: size of the first layer's
    kernels in px, and whether it is unpadded (Section 5.2); the others are 3x3, "same". pool_every:
    convolutions per pool, as long as the map is larger than 1 px. hidden: units of a second fully
    connected layer, 0 for none. The model's `layers` are its convolutions, each with its ReLU and
    pool. Raises `InputError` for bad values.
    """
    whole("model_args.depth", depth, 1)
    whole("model_args.pool_every", pool_every, 1)
    whole("model_args.kernel", kernel, 1, min(shape[1:]))
    channels, side = shape[0], shape[-1]
    layers = []
    for k in range(depth):
        size, padding = (kernel, "valid" if valid else "same") if k == 0 else (3, "same")
        side -= size - 1 if padding == "valid" else 0
        unit = [nn.Conv2d(channels, units, size, padding=padding)]
        if (k + 1) % pool_every == 0 and side > 1:
            unit.append(nn.MaxPool2d(2))  # before the ReLU: the same output, a quarter of the work
            side //= 2
        layers.append(nn.Sequential(*unit, nn.ReLU()))
        channels = units
    layers = nn.Sequential(*layers)
    sizes = [flat_size(layers, shape), *([hidden] if hidden else []), classes]
    head = [nn.Flatten(), nn.Linear(sizes[0], sizes[1])]
    head += [nn.ReLU(), nn.Linear(sizes[1], sizes[2])] if hidden else []
    return nn.Sequential(OrderedDict(layers=layers, head=nn.Sequential(*head)))
