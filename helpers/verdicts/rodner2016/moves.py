"""Translations (rodner2016, Eq. 5): where the score is exact, and how bilinear moves change that.

We move images right and down, on a torus; F is 0 near the border, so that nothing that wraps around
counts. "a" and "b" are the slopes of the output on either side of no move.

Everywhere in here, image and gradient (F) are float64 (1, 3, SIDE, SIDE); right and down are px
that an image moves; sigma is the standard deviation of moves, px; seed draws image and F.
"""

from math import floor

import numpy as np
import torch

from helpers import sensitivity
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.rodner2016.exact import SEEDS, example, moments, nodes, relative

SIDE, RIM = 12, 3  # px
AXES = (3, 2)  # right, down
SIGMA = 0.1  # px: ten standard deviations stay within a pixel


def inner(seed):
    """Return an F that is 0 near the border, float64 (1, 3, SIDE, SIDE).

    seed: see the module.
    """
    gradient = example(seed, (SIDE, SIDE))[1]
    mask = torch.zeros(SIDE, SIDE, dtype=torch.float64)
    mask[RIM:-RIM, RIM:-RIM] = 1
    return gradient * mask


def shifted(image, right, down):
    """Return an image moved bilinearly, (1, 3, H, W).

    image, right, down: see the module.
    """
    for axis, way in zip(AXES, (right, down), strict=True):
        whole = floor(way)
        part = float(way) - whole
        image = (1 - part) * image.roll(whole, axis) + part * image.roll(whole + 1, axis)
    return image


def change(image, gradient, right, down):
    """Return the change of a linear output under a move.

    image, gradient, right, down: see the module.
    """
    return ((shifted(image, right, down) - image) * gradient).sum()


def ramp(seed):
    """Return an image that rises at one rate in each channel and direction, (1, 3, SIDE, SIDE).

    seed: see the module.
    """
    rates = torch.randn(2, 3, 1, 1, generator=torch.Generator().manual_seed(seed)).double()
    along = torch.arange(SIDE, dtype=torch.float64)
    return (rates[0] * along[None, :] + rates[1] * along[:, None])[None]


def on_ramps(_, sigma=1.0):
    """Return the largest relative error of the score on ramps, including moves beyond a pixel.

    sigma: see the module.
    """
    found = []
    for seed in range(SEEDS):
        image, gradient = ramp(seed), inner(seed)
        theta, weights = nodes(2, sigma)
        changes = torch.stack([change(image, gradient, *way) for way in theta])
        predicted = sensitivity.predict("translation", sigma, gradient, image)[0]
        found.append(relative(predicted[0], moments(changes, weights)[0]))
    return max(found), ANY


def waves(seed, right=0.0, down=0.0, count=4):
    """Return a smooth image moved exactly, and its two derivatives, each (1, 3, SIDE, SIDE).

    seed, right, down: see the module. count: waves in each channel.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image, across, along = np.zeros((3, 1, 3, SIDE, SIDE))
    for channel in range(3):
        for k, m in rng.integers(-2, 3, (count, 2)):
            height, phase = rng.normal(), rng.uniform(0, 2 * np.pi)
            angle = 2 * np.pi * (k * (x - right) + m * (y - down)) / SIDE + phase
            image[0, channel] += height * np.cos(angle)
            across[0, channel] -= height * np.sin(angle) * 2 * np.pi * k / SIDE
            along[0, channel] -= height * np.sin(angle) * 2 * np.pi * m / SIDE
    return tuple(map(torch.from_numpy, (image, across, along)))


def smooth_error(seed, sigma):
    """Return score / second moment - 1 for a smooth image with its true derivatives.

    seed, sigma: see the module.
    """
    image, *slopes = waves(seed)
    gradient = inner(seed)
    theta, weights = nodes(2, sigma, degree=5)
    changes = torch.stack(
        [((waves(seed, *way)[0] - image) * gradient).sum() for way in theta.tolist()]
    )
    score = sigma**2 * sum((slope * gradient).sum() ** 2 for slope in slopes)
    return float(score / moments(changes, weights)[0] - 1)


def on_smooth(_):
    """Return how far the order of the score's relative error in sigma is from 2, at most."""
    sigma = SIGMA / 10
    orders = [
        np.log2(smooth_error(seed, sigma) / smooth_error(seed, sigma / 2)) for seed in range(SEEDS)
    ]
    return float(max(abs(np.subtract(orders, 2)))), ANY


def slopes(image, gradient):
    """Return the slopes of the output for moves right and left, and for down and up, (2, 2).

    image, gradient: see the module.
    """
    found = [
        [sign * ((image.roll(sign, axis) - image) * gradient).sum() for sign in (1, -1)]
        for axis in AXES
    ]
    return torch.tensor(found, dtype=torch.float64)


def one_sided(_):
    """Return the largest relative error of the change along an axis as theta times a slope."""
    found = []
    for seed in range(SEEDS):
        (image, _f), gradient = example(seed, (SIDE, SIDE)), inner(seed)
        for axis, (a, b) in enumerate(slopes(image, gradient)):
            for theta in (-0.9, -0.4, 0.01, 0.5, 1.0):
                way = [theta, 0] if axis == 0 else [0, theta]
                expected = theta * (a if theta > 0 else b)
                found.append(relative(change(image, gradient, *way), expected))
    return max(found), ANY


def half_normal(sigma, degree=40):
    """Return nodes and weights of a normal number, with a rule for each side of 0, (2 degree,).

    sigma: see the module. degree: nodes on each side.
    """
    points, weights = np.polynomial.legendre.leggauss(degree)
    right = 5 * sigma * (points + 1)  # up to ten standard deviations
    weights = 5 * weights * np.exp(-((right / sigma) ** 2) / 2) / np.sqrt(2 * np.pi)
    return np.concatenate([-right, right]), torch.from_numpy(np.tile(weights, 2))


def kinked(seed):
    """Yield a, b, and the true moments of the change, along each axis; sigma is `SIGMA`.

    seed: see the module.
    """
    (image, _f), gradient = example(seed, (SIDE, SIDE)), inner(seed)
    theta, weights = half_normal(SIGMA)
    for axis, (a, b) in enumerate(slopes(image, gradient)):
        ways = [(t, 0) if axis == 0 else (0, t) for t in theta]
        changes = torch.stack([change(image, gradient, *way) for way in ways])
        yield a, b, moments(changes, weights)


def both_slopes(_):
    """Return the largest relative error of the kinked second moment, variance and mean."""
    found = []
    for seed in range(SEEDS):
        for a, b, (second, variance, mean) in kinked(seed):
            expected = SIGMA**2 * (a**2 + b**2) / 2, SIGMA * (a - b) / (2 * np.pi) ** 0.5
            found += [relative(second, expected[0]), relative(mean, expected[1])]
            found.append(relative(variance, expected[0] - expected[1] ** 2))
    return max(found), ANY


def central(_):
    """Return the largest error of sigma^2 ((a - b) / 2)^2 as what central differences miss.

    The error is relative to the true second moment.
    """
    found = []
    for seed in range(SEEDS):
        image, gradient = example(seed, (SIDE, SIDE))[0], inner(seed)
        true = sum(second for _a, _b, (second, *_rest) in kinked(seed))
        lost = sum(SIGMA**2 * (a - b) ** 2 / 4 for a, b, _ in kinked(seed))
        predicted = sensitivity.predict("translation", SIGMA, gradient, image)[0]
        found.append(relative(predicted[0] + lost, true))
    return max(found), ANY


def blurred(image, times):
    """Return an image after some means over 3 px, both ways, on a torus.

    image: see the module. times: how many means.
    """
    for _ in range(times):
        for axis in AXES:
            image = (image.roll(1, axis) + image + image.roll(-1, axis)) / 3
    return image


def lost(times, count=100):
    """Return what central differences miss, and the second moment, for sigma = 1, (2, count).

    times: means over 3 px that blur the white noise of the images. count: images. Both are sums
    over the two axes, each moved by itself.
    """
    found = []
    for seed in range(count):
        image = blurred(example(seed, (SIDE, SIDE))[0], times)
        both = slopes(image, inner(seed))
        lacking = (both[:, 0] - both[:, 1]).square().sum() / 4
        found.append([float(lacking), float(both.square().sum() / 2)])
    return np.array(found).T


def white_lost(_):
    """Return how far the share of white noise that they miss is above a half, (images,)."""
    lacking, second = lost(0)
    return lacking / second - 0.5, ANY
