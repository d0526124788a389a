"""The theory of rodner2016 (Section 4): Eqs. 1 and 2, Gaussian noise, and the measures of it all.

Pepper noise is in `pepper`, translations are in `moves`.
"""

from functools import partial
from itertools import product
from math import prod

import numpy as np
import torch
from torch import nn

from helpers import degrade, sensitivity
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.rodner2016 import moves, pepper
from helpers.verdicts.rodner2016.exact import (
    SEEDS,
    chances,
    example,
    masks,
    moments,
    network,
    nodes,
    relative,
)

CASES = {  # of Section 4: height and width of an image, the level, and N as the text gives it
    "rgb": ((1, 2), 4.0, 6),
    "pepper_pixels": ((2, 5), 0.1, 10),
    "translation": ((4, 4), 0.5, 2),
}
LEVELS = (1.0, 4.0)  # sigma of Gaussian noise


def noisy(theta, image):
    """Return an image with noise added, (3, H, W).

    theta: the noise (3 H W,). image: (3, H, W).
    """
    return image + theta.view_as(image)


def peppered(theta, image):
    """Return an image whose pixels are black where theta is 1, (3, H, W).

    theta: (H W,) of 0 and 1. image: (3, H, W).
    """
    return image * (1 - theta.view(1, *image.shape[1:]))


def case(name, seed):
    """Return theta (S, N), its weights (S,), G (N, CD) and F (CD,) of one case.

    name: a key of `CASES`. seed: of image and F. G is the derivative of `noisy` or of `peppered`,
    or Eq. 5 with central differences.
    """
    size, level, count = CASES[name]
    image, gradient = (part[0] for part in example(seed, size))
    if name == "pepper_pixels":
        theta = masks(count)
        weights = chances(theta, level)
    else:
        theta, weights = nodes(count, level)
    if name == "translation":
        slopes = torch.stack(torch.gradient(image, dim=(2, 1))).flatten(1)
    else:
        perturb = partial(noisy if name == "rgb" else peppered, image=image)
        zero = torch.zeros(count, dtype=torch.float64)
        slopes = torch.autograd.functional.jacobian(perturb, zero).flatten(0, 2).T
    return theta, weights, slopes, gradient.flatten()


def cases():
    """Return every case, for all seeds."""
    return [case(name, seed) for name in CASES for seed in range(SEEDS)]


# Eqs. 1 and 2.


def remainder(_):
    """Return how far the order of Eq. 1's remainder is from 2, at most, for smooth networks."""
    orders = []
    for seed in range(SEEDS):
        image, step = example(seed, (8, 8))
        net = network(seed, nn.Tanh)
        gradient, clean, label = sensitivity.gradients(net, image)
        left = []
        for size in (0.02, 0.01):
            after = sensitivity.read(net(image + size * step).detach(), label)
            left.append(float(after - clean - size * (gradient * step).sum()))
        orders.append(np.log2(left[0] / left[1]))
    return float(max(abs(np.subtract(orders, 2)))), ANY


def one_pass(_, reach=0.01):
    """Return the largest relative error of F of a batch against differences image by image.

    reach: step of the differences.
    """
    found = []
    for seed, output in product(range(3), sensitivity.OUTPUTS):
        net = network(seed, nn.Tanh)
        images = torch.cat([example(10 * seed + k, (8, 8))[0] for k in range(3)])
        batch, _values, labels = sensitivity.gradients(net, images, output=output)
        steps = reach * torch.eye(batch[0].numel(), dtype=torch.float64)
        steps = steps.view(-1, *batch.shape[1:])
        for image, label, gradient in zip(images, labels, batch, strict=True):
            same = label.expand(len(steps))
            up, down = (
                sensitivity.read(net(image + way).detach(), same, output) for way in (steps, -steps)
            )
            found.append(relative(gradient.flatten(), (up - down) / (2 * reach)))
    return max(found), ANY


def shapes(_):
    """Return how many of the three G are not N x CD, with the N that the text gives."""
    wanted = {name: (count, 3 * prod(size)) for name, (size, _level, count) in CASES.items()}
    return sum(tuple(case(name, 0)[2].shape) != shape for name, shape in wanted.items()), ANY


def trace(_):
    """Return the largest relative error of Eq. 2's trace against the mean of (F^T G^T theta)^2."""
    found = []
    for theta, weights, slopes, gradient in cases():
        products = (weights[:, None] * theta).T @ theta  # E[theta theta^T]
        outer = slopes @ torch.outer(gradient, gradient) @ slopes.T
        second = moments(theta @ slopes @ gradient, weights)[0]
        found.append(relative(torch.trace(products @ outer), second))
    return max(found), ANY


def parts(_):
    """Return the largest relative error of the score as the variance plus (E[theta]^T G F)^2."""
    found = []
    for theta, weights, slopes, gradient in cases():
        second, variance, _mean = moments(theta @ slopes @ gradient, weights)
        moved = weights @ theta @ slopes @ gradient
        found.append(relative(variance + moved**2, second))
    return max(found), ANY


def means(name):
    """Return the mean change of a linear output in units of the root of the score, (seeds,).

    name: a key of `CASES`.
    """
    found = []
    for seed in range(SEEDS):
        theta, weights, slopes, gradient = case(name, seed)
        second, _variance, mean = moments(theta @ slopes @ gradient, weights)
        found.append(float(mean / second**0.5))
    return np.array(found)


def mean_moves(_):
    """Return the largest error of the mean change: p v^T e for pepper noise, 0 for the others.

    It is in units of the root of the score, for a linear output.
    """
    found = [abs(means(name)).max() for name in CASES if name != "pepper_pixels"]
    for seed, shift in enumerate(means("pepper_pixels")):
        theta, weights, slopes, gradient = case("pepper_pixels", seed)
        second = moments(theta @ slopes @ gradient, weights)[0]
        expected = CASES["pepper_pixels"][1] * (slopes @ gradient).sum() / second**0.5
        found.append(abs(shift - float(expected)))
    return float(max(found)), ANY


# Additive Gaussian noise.


def identity(_):
    """Return the largest entry of G - I."""
    slopes = case("rgb", 0)[2]
    return float((slopes - torch.eye(len(slopes))).abs().max()), ANY


def gauss_score(_):
    """Return the largest relative error of sigma^2 |F|^2, as second moment and as variance."""
    found = []
    size, _level, count = CASES["rgb"]
    for seed, sigma in product(range(SEEDS), LEVELS):
        image, gradient = example(seed, size)
        theta, weights = nodes(count, sigma)
        second, variance, _mean = moments(theta @ gradient.flatten(), weights)
        predicted = sensitivity.predict("rgb", sigma, gradient, image)
        found += [relative(predicted[0][0], second), relative(predicted[1][0], variance)]
    return max(found), ANY


def drawn_score(_, kind, level, draws=10_000):
    """Return how many standard errors the mean square of drawn changes is off, at most.

    kind, level: of the degradation. draws: how many. Outputs are linear, and images of 8 x 8 px are
    degraded by `degrade`.
    """
    found = []
    for seed in range(SEEDS):
        image, gradient = example(seed, (8, 8))
        image = image.float()
        generator = torch.Generator().manual_seed(seed)
        drawn = degrade.draw(image.expand(draws, -1, -1, -1), kind, level, generator, clip=False)
        squares = ((drawn - image).double() * gradient).flatten(1).sum(1).square()
        second = sensitivity.predict(kind, level, gradient, image)[0]
        found.append(float(abs(squares.mean() - second[0]) / (squares.std() / draws**0.5)))
    return max(found), ANY


def curvature(seed, count):
    """Return a random symmetric H (count, count), second derivatives of an output.

    seed: of the draw. count: inputs.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, count, generator=generator, dtype=torch.float64)
    return 0.02 * (drawn + drawn.T)


def curved(_):
    """Return the largest relative error of what a quadratic output adds to the score."""
    found = []
    size, _level, count = CASES["rgb"]
    for seed, sigma in product(range(SEEDS), LEVELS):
        gradient, h = example(seed, size)[1].flatten(), curvature(seed, count)
        theta, weights = nodes(count, sigma)
        changes = theta @ gradient + ((theta @ h) * theta).sum(1) / 2
        extra = sigma**4 * (h.square().sum() / 2 + h.trace() ** 2 / 4)
        score = sigma**2 * gradient.square().sum()
        found.append(relative(score + extra, moments(changes, weights)[0]))
    return max(found), ANY


# Pepper noise: G F.


def pepper_v(_):
    """Return the largest relative error of Eq. 3, summed by its indices, against G F."""
    found = []
    for seed in range(SEEDS):
        (height, width), _level, count = CASES["pepper_pixels"]
        z, field = (part.flatten() for part in example(seed, (height, width)))
        _theta, _weights, slopes, gradient = case("pepper_pixels", seed)
        v = [-sum(z[k + count * c] * field[k + count * c] for c in range(3)) for k in range(count)]
        found.append(relative(torch.stack(v), slopes @ gradient))
    return max(found), ANY


MEASURES = {
    "rod-eq1-2": {
        "first": remainder,
        "pass": one_pass,
        "shapes": shapes,
        "trace": trace,
        "mean": mean_moves,
        "parts": parts,
    },
    "rod-eq-gauss": {
        "identity": identity,
        "score": gauss_score,
        "drawn": partial(drawn_score, kind="rgb", level=4),
        "curved": curved,
    },
    "rod-eq3-4": {
        "v": pepper_v,
        "matrix": pepper.matrix,
        "score": partial(pepper.score, kind="pepper_pixels", which=0),
        "drawn": partial(drawn_score, kind="pepper_pixels", level=0.01),
        "variance": pepper.ten_error,
        "spread": partial(pepper.score, kind="pepper_pixels", which=1),
        "channels": partial(pepper.score, kind="pepper", which=0),
        "channel-spread": partial(pepper.score, kind="pepper", which=1),
        "both": pepper.pixels_or_channels,
        "raw": pepper.raw_values,
        "centred": pepper.centred_values,
        "limit": pepper.faint_limit,
        "faint": pepper.faint_error,
    },
    "rod-eq5": {
        "ramp": moves.on_ramps,
        "smooth": moves.on_smooth,
        "sided": moves.one_sided,
        "slopes": moves.both_slopes,
        "central": moves.central,
        "white": moves.white_lost,
    },
}
