"""The multilayer perceptron of ivan2019 (Section 1), and its deep variants (Section 5)."""

from math import prod

from torch import nn

from helpers.errors import whole
from helpers.models.layers import head


def mlp(shape, classes, depth=2, hidden=512):
    """Return "the last fully connected layers of the CNN", fed with the pixels.

    depth: hidden layers; two are the CNN's head with its dropout, further ones stand before it.
    """
    whole("model_args.depth", depth, 2)
    inputs, extra = prod(shape), []
    for _ in range(depth - 2):
        extra += [nn.Linear(inputs, hidden), nn.ReLU()]
        inputs = hidden
    return nn.Sequential(nn.Flatten(), *extra, *head(inputs, classes, hidden))
