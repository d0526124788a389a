"""The networks that are timed, and how much arithmetic they do."""

from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from helpers import models
from helpers.models.layers import Conv3x3, flat_size, initialise

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """Name a network, the images it sees, and how much faster than the usual loop we want to be.

    family: the name in `helpers.models.MODELS` whose precision the network is trained in.
    """

    name: str
    family: str
    shape: tuple
    goal: float

    def build(self):
        """Return the network, weights drawn with seed 0."""
        if self.name.startswith("CNN"):
            torch.manual_seed(0)
            return initialise(cnn(self.shape))
        return models.build(self.family, self.shape, CLASSES, seed=0)


CASES = (
    Case("MLP-512", "mlp", (1, 28, 28), 4),
    Case("CNN, 3 layers, 28 px", "vgg", (1, 28, 28), 4),
    Case("CNN, 3 layers, 32 px", "vgg", (3, 32, 32), 4),
    Case("VGG16-like, 28 px", "vgg", (1, 28, 28), 3),
)


def cnn(shape, channels=64, depth=3):
    """Return 3x3 convolutions with a 2x2 max-pool after each, and one linear layer."""
    layers, inputs = [], shape[0]
    for _ in range(depth):
        layers += [Conv3x3(inputs, channels), nn.MaxPool2d(2), nn.ReLU()]
        inputs = channels
    features = nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(*features, nn.Linear(flat_size(features, shape), CLASSES))


def as_written(model):
    """Return a copy as a user would write it: plain convolutions, and ReLU before the pool."""
    return relu_first(plain_convolutions(model))


def relu_first(model):
    """Return a copy that pools after ReLU, which gives the same numbers for more work."""
    layers = list(deepcopy(model))
    for k, (first, second) in enumerate(pairwise(layers)):
        if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
            layers[k], layers[k + 1] = second, first
    return nn.Sequential(*layers)


def plain_convolutions(model):
    """Return a copy whose 3x3 convolutions are PyTorch's own on maps of every size."""
    model = deepcopy(model)
    for layer in model:
        if isinstance(layer, Conv3x3):
            layer.forward = nn.Conv2d.forward.__get__(layer)
    return model


def training_flops(model, shape):
    """Return the floating-point operations of training on one image.

    Counted from the shapes of convolutions and linear layers as their definitions multiply,
    padding included: forward, gradient of the weights and, but for the first layer, gradient of
    the input cost the same each. Everything else is left out.
    """
    counts = []

    def count(layer, _, output):
        per_output = layer.weight[0].numel()  # products that one output number sums
        counts.append(2 * per_output * output[0].numel())

    hooks = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    flat_size(model, shape)  # any forward pass will do
    for hook in hooks:
        hook.remove()
    return 3 * sum(counts) - counts[0]
