"""The networks that are timed, and how much arithmetic they do."""

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise

from torch import nn

from helpers import models
from helpers.models.layers import Conv3x3, flat_size

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A network, its input, and how much faster than the usual loop we want to be.

    name: in the table. family: its name in `helpers.models.MODELS`. shape: (C, H, W) of an image.
    goal: our speed over the usual loop's where bfloat16 is fast and the family trains in it; in
    float32 it is `FLOAT32_GOAL`. arguments: of the family. batch: images per step in the book; None
    if the book does not train this network, and the command decides.
    """

    name: str
    family: str
    shape: tuple
    goal: float
    arguments: dict = field(default_factory=dict)
    batch: int | None = None

    def build(self, change=None):
        """Return the network with weights drawn with seed 0; change: a function of this module."""
        model = models.build(self.family, self.shape, CLASSES, seed=0, **self.arguments)
        return change(model) if change else model


FLOAT32_GOAL = 1.5
CASES = (
    Case("MLP-512", "mlp", (1, 28, 28), 4),
    Case("plain, 3 layers, 28 px", "plain", (1, 28, 28), 4, {"depth": 3}, 128),
    Case("plain, 3 layers, 32 px", "plain", (3, 32, 32), 4, {"depth": 3}, 128),
    Case("VGG16-like, 28 px", "vgg", (1, 28, 28), 3),
    Case("VGG, an eighth, 32 px", "vgg", (3, 32, 32), 3, {"width": 1 / 8}, 32),
    Case("VGG, a quarter, 32 px", "vgg", (3, 32, 32), 3, {"width": 1 / 4}, 64),
    Case("ResNet-16 of 18 layers", "resnet", (3, 32, 32), 3, {"width": 16, "stem": "conv3"}, 128),
    Case("PNN-16 of 18 layers", "pnn", (3, 32, 32), 3, {"width": 16, "stem": "conv3"}, 128),
    Case("antialiased-32", "antialiased", (3, 32, 32), 3, {"width": 32, "sampling": "bin3"}, 64),
)


def as_written(model):
    """Return a copy of `model` as users would write it: plain convolutions, ReLU before pools."""
    return relu_first(plain_convolutions(model))


def relu_first(model):
    """Return a copy of `model` that pools after ReLU: the same numbers for more work."""
    model = deepcopy(model)
    for part in [part for part in model.modules() if isinstance(part, nn.Sequential)]:
        for k, (first, second) in enumerate(pairwise(part)):
            if isinstance(first, nn.MaxPool2d) and isinstance(second, nn.ReLU):
                part[k], part[k + 1] = second, first
    return model


def plain_convolutions(model):
    """Return a copy of `model` whose 3x3 convolutions are PyTorch's own on maps of every size."""
    model = deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, Conv3x3):
            layer.forward = nn.Conv2d.forward.__get__(layer)
    return model


def training_flops(model, shape):
    """Return the floating-point operations of training `model` on one image, an int.

    shape: (C, H, W) of the image. They follow from the shapes of convolutions and linear layers as
    their definitions multiply, padding included: forward, gradient of the weights and, except for
    the first layer, gradient of the input cost the same each. Everything else is left out.
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
