"""Speed of the ways to combine channels at a pixel (juefei2018, supplement, Section 3.2)."""

from functools import lru_cache, partial

import numpy as np
import torch

from helpers import timing

SHAPES = ((64, 32), (128, 16), (256, 8))  # channels and px: a ResNet-18 on images of 32 px
LOAD = {
    "smoke": (2, 10),
    "quick": (4, 15),
    "study": (32, 30),
    "long": (32, 30),
    "paper": (32, 50),
}  # batch, rounds
PARTS = 5  # groups of consecutive rounds, of which each gives one median
ON_GPU = 20  # calls per measurement: a single one is shorter than the jitter of the clock


def device():
    """Return the torch device that we time: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name():
    """Return the device in words."""
    return torch.cuda.get_device_name() if device().type == "cuda" else "CPU, one thread"


@lru_cache(maxsize=8)
def times(preset, train=False):
    """Return the seconds of each combination, {(channels, px): {name: (rounds,)}}.

    preset: sets batch and rounds, see `LOAD`. train: whether to time the backward pass too. We
    measure now, once per process, in float32 without TF32, as on the cards of 2018.
    """
    where, (batch, rounds) = device(), LOAD[preset]
    repeats = ON_GPU if where.type == "cuda" else 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return {
                (channels, side): timing.paired(
                    timing.combinations(channels, side, batch, where, train),
                    rounds,
                    timing.clock_of(where),
                    repeats,
                )
                for channels, side in SHAPES
            }
    finally:
        torch.set_num_threads(threads)


def ratio(preset, slow, fast, train=False, shape=None):
    """Return the time of one combination over another's, medians of groups of rounds (PARTS,).

    preset, train: as for `times`. slow, fast: names in `timing.combinations`. shape: (channels,
    px); None for the sum over all of `SHAPES`.
    """
    found = times(preset, train)
    chosen = [found[shape]] if shape else list(found.values())
    sums = [sum(own[name] for own in chosen) for name in (slow, fast)]
    return timing.ratios(*sums, groups=PARTS)


def timed(preset):
    """Return the scale of a timing: the paper's on a GPU, otherwise the preset's and the device.

    preset: a name in `presets.PRESETS`; the smaller ones never have the paper's scale.
    """
    gpu = device().type == "cuda" and preset in ("study", "long", "paper")
    return "paper" if gpu else f"{preset}, {device_name()}"


def slower(preset, slow, fast, train=False):
    """Return how much longer one combination takes than another, a share (PARTS,), and the scale.

    preset, slow, fast, train: as for `ratio`.
    """
    return ratio(preset, slow, fast, train) - 1, timed(preset)


def beyond_twice(preset):
    """Return the largest ratio of 1x1 convolution to matrix product over shapes, minus 2 (PARTS,).

    preset: see `times`. The largest is the one with the largest median.
    """
    each = [ratio(preset, "1x1, NCHW", "product, NHWC", shape=shape) for shape in SHAPES]
    return max(each, key=np.median) - 2, timed(preset)


def beyond_tenth(preset):
    """Return the share that `there and back` gains over a 3x3 convolution, minus 0.1 (PARTS,).

    preset: see `times`.
    """
    gain, scale = slower(preset, "3x3, NCHW", "there and back", train=True)
    return gain - 0.1, scale


MEASURES = {
    "pnn-s3.2": {
        "product": partial(slower, slow="1x1, NCHW", fast="product, NHWC"),
        "product-train": partial(slower, slow="1x1, NCHW", fast="product, NHWC", train=True),
        "route": partial(slower, slow="3x3, NCHW", fast="there and back"),
        "route-train": partial(slower, slow="3x3, NCHW", fast="there and back", train=True),
        "twice": beyond_twice,
        "tenth": beyond_tenth,
    },
}
