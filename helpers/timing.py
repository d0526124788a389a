"""Time alternatives side by side, and the ways to combine channels that juefei2018 compares."""

import time

import numpy as np
import torch
from torch.nn import functional

from helpers.errors import InputError, whole

WARM_UP = 2  # calls: the first ones choose kernels and allocate
NAMES = ("1x1, NCHW", "1x1, NHWC", "3x3, NCHW", "3x3, NHWC", "product, NHWC", "there and back")


def paired(steps, rounds, clock=time.perf_counter, repeats=1):
    """Return the seconds that a call of each step takes, {name: float64 (rounds,)}.

    steps: {name: function without arguments}. rounds: how often every step has its turn. In each
    round the order is random, so that anything that slows the machine for longer than a round slows
    all steps alike: compare within rounds. clock: returns seconds. repeats: calls per turn, whose
    mean counts. Raises `InputError` if there is nothing to time.
    """
    whole("rounds", rounds, 1), whole("repeats", repeats, 1)
    if not steps:
        raise InputError("steps", steps, "use at least one")
    rng, names = np.random.default_rng(0), list(steps)
    for _ in range(WARM_UP):
        for step in steps.values():
            step()
    times = {name: np.empty(rounds) for name in names}
    for turn in range(rounds):
        for name in rng.permutation(names):
            before = clock()
            for _ in range(repeats):
                steps[name]()
            times[name][turn] = (clock() - before) / repeats
    return times


def ratios(slow, fast, groups=10):
    """Return the median of slow / fast in each group of consecutive rounds, float64 (groups,).

    slow, fast: seconds of the same rounds (rounds,). groups: their number. A single disturbed round
    does not move a median, and the medians of groups are independent repeats. Raises `InputError`
    for arguments that do not fit.
    """
    slow, fast = np.asarray(slow, float), np.asarray(fast, float)
    if slow.shape != fast.shape or slow.ndim != 1:
        raise InputError("fast", fast.shape, f"use as many rounds as for slow, {slow.shape}")
    whole("groups", groups, 1, len(slow))
    return np.array([np.median(part) for part in np.array_split(slow / fast, groups)])


def clock_of(device):
    """Return the clock for work on a torch `device`.

    On a GPU it waits until all work is done. On a CPU it counts CPU time if torch has one thread: a
    step that waits for a busy core is not slower.
    """
    if device.type == "cuda":
        return _synchronised
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _synchronised():
    torch.cuda.synchronize()
    return time.perf_counter()


def combinations(channels, side, batch, device, train):
    """Return steps that combine all channels at each pixel, {name in NAMES: function}.

    They are 1x1 and 3x3 convolutions in both layouts, a matrix product on NHWC data, and the route
    that changes NCHW to NHWC, multiplies and changes back (juefei2018, supplement, Section 3.2).
    channels: of input and output. side: of the maps in px. batch: number of images. device: a
    `torch.device`. train: whether the gradients of inputs and weights are computed too. Every step
    returns its output, or else its two gradients; float32.
    """
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator).to(device)

    x, grad = (normal(batch, channels, side, side) for _ in range(2))
    one, three = normal(channels, channels, 1, 1), normal(channels, channels, 3, 3)
    matrix = one.flatten(1).clone()
    given = {
        "1x1, NCHW": (functional.conv2d, x, one, grad),
        "1x1, NHWC": (functional.conv2d, _last(x), _last(one), _last(grad)),
        "3x3, NCHW": (_same_size, x, three, grad),
        "3x3, NHWC": (_same_size, _last(x), _last(three), _last(grad)),
        "product, NHWC": (functional.linear, _rows(x), matrix, _rows(grad)),
        "there and back": (there_and_back, x, matrix, grad),
    }
    return {name: _step(*given[name], train) for name in NAMES}


def there_and_back(x, matrix):
    """Combine the channels of `x` (N, C, H, W) by a matrix product in NHWC; return NCHW.

    matrix: (C', C).
    """
    return functional.linear(_rows(x), matrix).permute(0, 3, 1, 2).contiguous()


def _same_size(x, weight):
    return functional.conv2d(x, weight, padding=1)


def _last(x):
    return x.contiguous(memory_format=torch.channels_last)


def _rows(x):
    return x.permute(0, 2, 3, 1).contiguous()


def _step(function, x, weight, grad, train):
    if not train:
        return torch.no_grad()(lambda: function(x, weight))
    x, weight = (given.clone().requires_grad_() for given in (x, weight))  # clones keep layouts
    return lambda: torch.autograd.grad(function(x, weight), (x, weight), grad)
