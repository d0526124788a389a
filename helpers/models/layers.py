"""Layers and initial weights that several architectures share."""

from contextlib import contextmanager
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from helpers.errors import one_of

TINY = 4  # px: on smaller maps one matrix product can beat the convolution kernels ...
MANY = 256  # channels: ... with enough of them to pay for gathering the patches
INITIAL = {
    "he_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "glorot_uniform": nn.init.xavier_uniform_,
}


@contextmanager
def watched(parts, look):
    """Call look(part, output) within the block whenever one of the modules `parts` is computed.

    look: function of (module, its output).
    """
    hooks = [part.register_forward_hook(lambda one, _, made: look(one, made)) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Conv3x3(nn.Conv2d):
    """A 3x3 'same' convolution without bias, exact, but faster on tiny maps.

    On a 1x1 map only the centre tap sees data, so the layer is a linear map of the channels. On
    maps of up to 4 px the padded patches are gathered and multiplied at once. Both equal the
    convolution up to the order of summation; the tests compare outputs and gradients in float64.
    """

    def __init__(self, inputs, outputs):
        """Make the layer. inputs, outputs: numbers of channels."""
        super().__init__(inputs, outputs, 3, padding=1, bias=False)

    def forward(self, x):
        """Map x (N, inputs, H, W) to (N, outputs, H, W)."""
        n, _, height, width = x.shape
        if height == width == 1:
            return functional.linear(x.flatten(1), self.weight[:, :, 1, 1])[:, :, None, None]
        if x.is_cuda or max(height, width) > TINY or self.in_channels < MANY:
            return super().forward(x)
        columns = functional.unfold(x, 3, padding=1)  # (N, inputs * 9, H * W)
        y = columns.transpose(1, 2) @ self.weight.flatten(1).t()  # (N, H * W, outputs)
        return y.reshape(n, height, width, -1).permute(0, 3, 1, 2)  # channels last, no copy


def head(inputs, classes, hidden=512, dropout=0.5):
    """Return the fully connected end of the VGG16-like net, which is also the book's MLP.

    inputs: numbers per image. classes: their number. hidden: units of both hidden layers. dropout:
    share of their outputs set to 0. Returns a list of modules.
    """
    return [
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    ]  # fmt: skip


def initialise(model, init="he_normal"):
    """Draw all weights of `model` from the distribution `init`, set biases to 0; return the model.

    init: name in `INITIAL`. The weights of one layer are independent and identically distributed,
    so a fixed permutation of the inputs of a fully connected net changes nothing in distribution.
    """
    draw = INITIAL[one_of("model_args.init", init, INITIAL)]
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


def flat_size(features, shape):
    """Return how many numbers the module `features` makes of one image of `shape` (C, H, W)."""
    training = features.training
    with torch.no_grad():
        size = features.eval()(torch.zeros(1, *shape)).numel()
    features.train(training)
    return size
