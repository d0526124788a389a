"""Small networks that differ in how they subsample (azulay2019, Section 5).

They have plain max-pools, max-pools with a blur before every second value is taken (Zhang 2019),
adaptive polyphase sampling (Chaman and Dokmanić 2021), or no subsampling at all.
"""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from helpers.errors import one_of

BINOMIAL = {"bin3": (1, 2, 1), "bin5": (1, 4, 6, 4, 1)}
SAMPLINGS = ("max", *BINOMIAL, "aps", "none")
PADDINGS = {"zeros": "constant", "circular": "circular"}


def antialiased(shape, classes, width=16, sampling="max", padding="zeros"):
    """Return a network of four 3x3 convolutions with batch norm, and a global mean.

    shape: (C, H, W) of one image. classes: their number. width: filters of the first convolution;
    the others have 2, 4 and 4 times as many. sampling: name in `SAMPLINGS`; each convolution but
    the first is followed by a max-pool of 2 px, of which, except for `none`, every second value is
    taken; see `Sample`. padding: zeros, or circular, which makes the image a torus and, with
    sampling `none`, the network's output the same for every shift on it (azulay2019, Section 3,
    Observation). The model's `layers` are its convolutions with what follows them. Raises
    `InputError` for an unknown sampling or padding.
    """
    one_of("model_args.sampling", sampling, SAMPLINGS)
    one_of("model_args.padding", padding, PADDINGS)
    widths = (shape[0], width, 2 * width, 4 * width, 4 * width)
    layers = []
    for number, (before, after) in enumerate(pairwise(widths)):
        unit = [nn.Conv2d(before, after, 3, padding=1, padding_mode=padding, bias=False),
                nn.BatchNorm2d(after), nn.ReLU()]  # fmt: skip
        layers.append(nn.Sequential(*unit, *([Sample(after, sampling, padding)] * (number > 0))))
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], classes))
    return nn.Sequential(OrderedDict(layers=nn.Sequential(*layers), head=head))


class Sample(nn.Module):
    """The largest of 2x2 values around every position, and of these every second, or all."""

    def __init__(self, channels, sampling, padding):
        """Prepare the blur, if there is one.

        channels: of the maps. sampling: `max` takes every second value as it is; `bin3` and `bin5`
        blur with binomial weights first (Zhang 2019); `aps` takes the one of the four grids with
        the largest norm, image by image (Chaman and Dokmanić 2021); `none` takes all positions.
        padding: in `PADDINGS`.
        """
        super().__init__()
        self.sampling, self.mode = sampling, PADDINGS[padding]
        if sampling in BINOMIAL:
            taps = torch.tensor(BINOMIAL[sampling], dtype=torch.float32)
            kernel = torch.outer(taps, taps) / taps.sum() ** 2
            self.register_buffer("kernel", kernel.expand(channels, 1, -1, -1).clone())

    def forward(self, x):
        """Map x (N, C, H, W) to (N, C, H / 2, W / 2), or to the same size without subsampling."""
        if self.sampling == "max":
            return functional.max_pool2d(x, 2)
        x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1), self.mode), 2, stride=1)
        if self.sampling in BINOMIAL:
            reach = self.kernel.shape[-1] // 2
            x = functional.pad(x, (reach,) * 4, self.mode)
            return functional.conv2d(x, self.kernel, stride=2, groups=x.shape[1])
        return strongest_grid(x) if self.sampling == "aps" else x


def strongest_grid(x):
    """Return, for each image, that of its four grids of every second position with largest norm.

    x: (N, C, H, W). Returns (N, C, H / 2, W / 2).
    """
    grids = torch.stack([x[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)
    best = grids.detach().square().sum((2, 3, 4)).argmax(1)
    return grids[torch.arange(len(x), device=x.device), best]
