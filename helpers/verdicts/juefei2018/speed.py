"""Supplement, Section 3.2 of juefei2018: the speed of the ways to combine channels at a pixel."""

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
ON_GPU = 20  # calls a turn: one call is shorter than the clock's own jitter


def device():
    """Return the torch device that is timed: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name():
    """Return the device in words."""
    return torch.cuda.get_device_name() if device().type == "cuda" else "CPU, one thread"


@lru_cache(maxsize=8)
def times(preset, train=False):
    """Return the seconds of each combination, {(channels, px): {name: (rounds,)}}.

    Measured now, once per process. Float32 without TF32, as on the cards of 2018.
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
    """Return the time of one combination over that of another, medians of groups of rounds.

    shape: (channels, px), by default the three together.
    """
    found = times(preset, train)
    chosen = [found[shape]] if shape else list(found.values())
    sums = [sum(own[name] for own in chosen) for name in (slow, fast)]
    return timing.ratios(*sums, groups=PARTS)


def timed(preset):
    """Return the scale of a timing: the paper's on a GPU, else the preset's, and the device."""
    gpu = device().type == "cuda" and preset in ("study", "long", "paper")
    return "paper" if gpu else f"{preset}, {device_name()}"


def slower(preset, slow, fast, train=False):
    """Return by which share one combination takes longer than another, per group of rounds."""
    return ratio(preset, slow, fast, train) - 1, timed(preset)


def beyond_twice(preset):
    """Return the largest ratio, over shapes, of 1x1 convolution to matrix product, minus 2."""
    each = [ratio(preset, "1x1, NCHW", "product, NHWC", shape=shape) for shape in SHAPES]
    return max(each, key=np.median) - 2, timed(preset)


def beyond_tenth(preset):
    """Return the share that the route there and back gains over a 3x3 convolution, minus 0.1."""
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
