"""The multilayer perceptron of ivan2019 (Section 1), and its deep variants (Section 5)."""

from math import prod

from torch import nn

from helpers.errors import whole
from helpers.models.layers import head


def mlp(shape, classes, depth=2, hidden=512):
    """Return "the last fully connected layers of the CNN", with the pixels as input.

    shape: (C, H, W) of one image. classes: their number. depth: hidden layers; two are the CNN's
    head with its dropout, further ones come before it. hidden: units of each hidden layer. Raises
    `InputError` for a depth below 2.
    """
    whole("model_args.depth", depth, 2)
    inputs, extra = prod(shape), []
    for _ in range(depth - 2):
        extra += [nn.Linear(inputs, hidden), nn.ReLU()]
        inputs = hidden
    return nn.Sequential(nn.Flatten(), *extra, *head(inputs, classes, hidden))
