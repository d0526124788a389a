"""Expected values without sampling error, for the theory of rodner2016 (Section 4).

They are sums over all masks of pepper noise, or over the nodes of a Gauss rule, which is exact for
polynomials. Images are raw pixel values, float64 (1, 3, H, W), and F is a gradient of the same
shape. All are random, one of each for each seed.
"""

from itertools import product

import numpy as np
import torch
from torch import nn

SEEDS = 10


def example(seed, size):
    """Return an image of pixels from 0 to 255 and an F, float64 (1, 3, H, W).

    seed: of the draws. size: (H, W).
    """
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 3, *size, generator=generator, dtype=torch.float64)
    return 255 * image, torch.randn(image.shape, generator=generator, dtype=torch.float64)


def masks(count):
    """Return all sequences of `count` zeros and ones, float64 (2^count, count)."""
    numbers = torch.arange(2**count)[:, None]
    return (numbers >> torch.arange(count) & 1).double()


def chances(mask, p):
    """Return the probability of each mask, (S,).

    mask: (S, N) of 0 and 1. p: probability of each 1.
    """
    ones = mask.sum(1)
    return p**ones * (1 - p) ** (mask.shape[1] - ones)


def nodes(count, sigma, degree=3):
    """Return nodes (S, count) and weights (S,) of independent normal numbers.

    count: how many numbers. sigma: their standard deviation. degree: nodes of one number; the rule
    is exact for polynomials of up to 2 * degree - 1 in each of them.
    """
    points, weights = np.polynomial.hermite_e.hermegauss(degree)
    weights = weights / weights.sum()
    every = np.array(list(product(range(degree), repeat=count)))
    found = sigma * points[every], weights[every].prod(1)
    return tuple(map(torch.from_numpy, found))


def moments(changes, weights):
    """Return second moment, variance and mean of changes.

    changes: (S,). weights: their probabilities (S,).
    """
    mean = weights @ changes
    return weights @ changes**2, weights @ (changes - mean) ** 2, mean


def relative(found, expected):
    """Return the largest error, in units of the largest expected value.

    found, expected: arrays of one shape.
    """
    scale = torch.as_tensor(expected).abs().max()
    return float((torch.as_tensor(found) - expected).abs().max() / scale)


def network(seed, activation=nn.ReLU, side=8, classes=4):
    """Return a random, untrained network as a function of images (N, 3, side, side), float64.

    seed: of the weights. activation: a module class. side: of the images, px. classes: outputs.
    """
    half = (side + 1) // 2
    body = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), activation(), nn.Conv2d(6, 8, 3, 2, padding=1),
        activation(), nn.Flatten(), nn.Linear(8 * half**2, classes),
    ).double().eval()  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    for weights in body.parameters():
        drawn = torch.randn(weights.shape, generator=generator, dtype=torch.float64)
        fan_in = weights[0].numel() if weights.ndim > 1 else 8
        weights.data = drawn * (2 / fan_in) ** 0.5
    return lambda images: body((images.double() - 127.5) / 64)
