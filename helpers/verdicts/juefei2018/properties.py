"""Properties of the layer (juefei2018, Sections 3.5, 4.1, 4.2; Supplement 1, 2 and 3.1)."""

from itertools import product

import numpy as np
import torch
from scipy.signal import correlate2d

from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.layers import layers, perturb
from helpers.verdicts.juefei2018.macro import case, largest, sherman_morrison


def jacobian(function, x, step=1e-6):
    """Return the derivative of a function by central differences, (outputs, inputs).

    function: from an array of x's shape to an array. x: where to differentiate. step: of the
    differences.
    """
    columns = []
    for place in range(x.size):
        moved = np.zeros(x.size)
        moved[place] = step
        ahead, behind = (function(x + s * moved.reshape(x.shape)) for s in (1, -1))
        columns.append((ahead - behind).ravel() / (2 * step))
    return np.array(columns).T


# Section 3.5: what an output sees.


def interactions(_):
    """Return how many pixels beside its own an output of a perturbation layer sees at most."""
    x, _, masks, weights = layers(side=4)
    seen = jacobian(lambda image: perturb(image, masks, weights), x)
    seen = abs(seen.reshape(len(weights), 16, len(x), 16)).max(axis=(0, 2)) > 1e-9
    return int((seen & ~np.eye(16, dtype=bool)).sum(axis=1).max()), ANY


def network(x, poolings, seed=0, width=6):
    """Return the maps (width, H, W) of perturbation layers, each but the last before a pooling.

    x: (1, side, side). poolings: how many; each averages 2 x 2 px, so that every input counts.
    seed: of masks and weights. width: channels.
    """
    rng = np.random.default_rng(seed)
    for level in range(poolings + 1):
        masks = rng.uniform(-1, 1, (width, *x.shape[1:]))
        x = perturb(x, masks, rng.normal(size=(width, width)) / width**0.5)
        if level < poolings:
            side = x.shape[1] // 2
            x = x.reshape(width, side, 2, side, 2).mean(axis=(2, 4))
    return x


def receptive_field(poolings, side=16):
    """Return how many pixels across the image one output sees after some 2 x 2 poolings.

    poolings: how many. side: of the image, px.
    """
    x = np.random.default_rng(1).normal(size=(1, side, side))
    seen = jacobian(lambda image: network(image, poolings)[:, 0, 0], x)
    rows = abs(seen).max(axis=0).reshape(side, side).max(axis=1) > 1e-9
    return int(rows.sum())


def whole_image(_, side=16):
    """Return how many of `side` pixels across are not seen after log2(side) poolings."""
    return side - receptive_field(int(np.log2(side)), side), ANY


def interaction(poolings, apart, side=8, step=20.0, images=20):
    """Return how strongly two pixels interact in the network's mean map.

    poolings: how many the network has. apart: distance of the pixels, px. side: of the images, px.
    step: change of a pixel; it is large, so that ReLUs which both pixels reach do switch. images:
    how many random ones.

    The result is the largest |f(a, b) - f(a, 0) - f(0, b) + f(0, 0)| over images, where f is the
    mean of the last maps, which a linear classifier would see. It is 0 if f is a sum of functions
    of single pixels.
    """
    worst = 0.0
    for x in np.random.default_rng(2).normal(size=(images, 1, side, side)):
        moves = np.zeros((2, *x.shape))
        moves[0, 0, 0, 0] = moves[1, 0, 0, apart] = step
        both = {
            (a, b): network(x + a * moves[0] + b * moves[1], poolings).mean(axis=(1, 2))
            for a, b in product((0, 1), repeat=2)
        }
        worst = max(worst, largest(both[1, 1] - both[1, 0] - both[0, 1] + both[0, 0]))
    return worst


def additive(_):
    """Return how strongly two pixels interact that no pooling window joins: 4 px, 2 poolings."""
    return interaction(poolings=2, apart=4), ANY


def shift_error(_, seed=0):
    """Return |f(shifted x) - shifted f(x)| over |f(x)|, for a perturbation layer f.

    seed: of x and the layer.
    """
    x, _, masks, weights = layers(seed=seed)
    out = perturb(x, masks, weights)
    moved = perturb(np.roll(x, 1, axis=2), masks, weights)
    return float(np.linalg.norm(moved - np.roll(out, 1, axis=2)) / np.linalg.norm(out)), ANY


# Section 4.1: counts.


def parameters(p, q, m, kernel=3):
    """Return the learnable weights of a convolution and of a perturbation layer, counted.

    p, q, m: input channels, output channels, masks. kernel: of the convolution, px (Section 4.1).
    """
    convolution = torch.nn.Conv2d(p, q, kernel, bias=False).weight.numel()
    return convolution, torch.nn.Conv2d(m, q, 1, bias=False).weight.numel()


def ratio_error(_):
    """Return the largest error of Eq. 28, p h w / m, over shapes."""
    shapes = product((4, 64), (8, 32), (1, 2, 5), (1, 3, 5))
    errors = []
    for p, q, fan_out, kernel in shapes:
        convolution, perturbation = parameters(p, q, fan_out * p, kernel)
        errors.append(convolution / perturbation - p * kernel**2 / (fan_out * p))
    return largest(errors), ANY


def ratio_at_one(_):
    """Return the ratio of Eq. 28 for 3 x 3 kernels and m = p."""
    convolution, perturbation = parameters(64, 64, 64)
    return convolution / perturbation, ANY


def masks_in_layer(_, p=4, m=8):
    """Return how many masks a layer with m / p masks on each of p channels has.

    p, m: input channels, and masks.
    """
    return sum(m // p for _ in range(p)), ANY


def saved(_, p=64, q=64):
    """Return how many weights a perturbation layer with m = p saves over 3 x 3 kernels.

    p, q: input and output channels.
    """
    convolution, perturbation = parameters(p, q, p)
    return convolution - perturbation, ANY


# Section 4.2: gradients.


def gradient_by_input(_, masks=9):
    """Return the largest error of Eq. 29 for x, (sum v) I, against central differences.

    masks: how many.
    """
    given, v = case(masks=masks), np.random.default_rng(1).normal(size=masks)
    found = jacobian(lambda x: (x[:, None] + given.masks) @ v, given.x)
    return largest(found - v.sum() * np.eye(len(given.x))), ANY


def gradient_by_weights(_, masks=9):
    """Return the largest error of Eq. 29 for v_i, x + n_i, against central differences.

    masks: how many.
    """
    given, v = case(masks=masks), np.random.default_rng(1).normal(size=masks)
    return largest(jacobian(lambda w: given.perturbed @ w, v) - given.perturbed), ANY


def gradient_with_relu(_, masks=9):
    """Return the largest error of Eq. 29 with Eq. 2's ReLU, each mask gated by x + n_i > 0.

    masks: how many.
    """
    given, v = case(masks=masks), np.random.default_rng(1).normal(size=masks)
    gates = given.perturbed > 0
    by_input = jacobian(lambda x: np.maximum(x[:, None] + given.masks, 0) @ v, given.x)
    by_weights = jacobian(lambda w: np.maximum(given.perturbed, 0) @ w, v)
    by_input, by_weights = by_input - np.diag(gates @ v), by_weights - given.perturbed * gates
    return max(largest(by_input), largest(by_weights)), ANY


def gradient_ungated(_, masks=9):
    """Return the largest error of Eq. 29 as printed if the layer has its ReLU.

    masks: how many.
    """
    given, v = case(masks=masks), np.random.default_rng(1).normal(size=masks)
    found = jacobian(lambda x: np.maximum(x[:, None] + given.masks, 0) @ v, given.x)
    return largest(found - v.sum() * np.eye(len(given.x))), ANY


# Supplement 1: Sherman-Morrison.


def updates(count=20, size=8):
    """Yield random (A, u, v), float64 (size, size), (size,) and (size,).

    count: how many. size: of the matrix.
    """
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.normal(size=(size, size)), rng.normal(size=size), rng.normal(size=size)


def inverse_error(_):
    """Return the largest error of X Y = I and Y X = I, with Y by Sherman and Morrison's formula."""
    worst = 0.0
    for a, u, v in updates():
        x, y = a + np.outer(u, v), sherman_morrison(np.linalg.inv(a), u, v)
        size = np.linalg.norm(x, 2) * np.linalg.norm(y, 2)  # rounding grows with the condition
        worst = max(worst, largest(x @ y - np.eye(len(a))) / size)
        worst = max(worst, largest(y @ x - np.eye(len(a))) / size)
    return worst, ANY


def determinant_error(_):
    """Return the largest relative error of det(A + u v^T) = (1 + v^T A^-1 u) det A."""
    errors = []
    for a, u, v in updates():
        lemma = (1 + v @ np.linalg.solve(a, u)) * np.linalg.det(a)
        errors.append(np.linalg.det(a + np.outer(u, v)) / lemma - 1)
    return largest(errors), ANY


def lost_rank(_):
    """Return how far the rank at 1 + v^T A^-1 u = 0 is from one less than full."""
    ranks = []
    for a, u, v in updates():
        u = -u / (v @ np.linalg.solve(a, u))
        ranks.append(np.linalg.matrix_rank(a + np.outer(u, v)))
    return largest(np.array(ranks) - 7), ANY


# Supplement 2: distances.


def distances(relu=False, count=40, masks=9, seed=0):
    """Return |y_p - y_q|^2 and |x_p - x_q|^2 over pairs of images, (count,) each, and weights v.

    relu: whether the layer has its ReLU. count: pairs. masks: how many. seed: of all draws.
    """
    given, v = case(seed, masks=masks), np.random.default_rng(seed + 1).normal(size=masks)
    pairs = np.random.default_rng(seed + 2).normal(size=(count, 2, len(given.x)))
    maps = pairs[..., None] + given.masks
    outputs = (np.maximum(maps, 0) if relu else maps) @ v
    return (*(((z[:, 0] - z[:, 1]) ** 2).sum(axis=1) for z in (outputs, pairs)), v)


def distance_error(_):
    """Return the largest relative error of |y_p - y_q|^2 = (sum v)^2 |x_p - x_q|^2 (Eq. 10)."""
    out, given, v = distances()
    return largest(out / (v.sum() ** 2 * given) - 1), ANY


def bound_excess(_, relu=False, seeds=10):
    """Return by how much Eq. 11's bound N |v|^2 |x_p - x_q|^2 is exceeded at most.

    relu: whether the layer has its ReLU. seeds: how many layers.
    """
    worst = -np.inf
    for seed in range(seeds):
        out, given, v = distances(relu, seed=seed)
        worst = max(worst, float((out - len(v) * (v @ v) * given).max()))
    return max(worst, 0.0), ANY


def distance_as_printed(_):
    """Return |y_p - y_q|^2 over (sum v)^2 |x_p - x_q|^2, with y_p and y_q as they should be."""
    out, given, v = distances()
    return round(float((out / given).mean() / v.sum() ** 2), 12), ANY


def distance_spread(_, relu=True):
    """Return the largest over the smallest |y_p - y_q|^2 / |x_p - x_q|^2, minus 1.

    relu: whether the layer has its ReLU.
    """
    out, given, _ = distances(relu)
    return float(np.ptp(out / given) / (out / given).min()), ANY


def one_factor(_):
    """Return by how much the largest factor with ReLU falls short of twice the smallest."""
    return max(0.0, 1 - distance_spread(None)[0]), ANY


def collapsed(_, masks=9):
    """Return |y_p - y_q| of two different images that are below every mask, with ReLU.

    masks: how many.
    """
    given, v = case(masks=masks), np.random.default_rng(1).normal(size=masks)
    dark = -1 - abs(np.random.default_rng(2).normal(size=(2, len(given.x))))
    first, second = (np.maximum(x[:, None] + given.masks, 0) @ v for x in dark)
    return float(np.linalg.norm(first - second)), ANY


# Supplement 3.1: multiplications and storage.


def winograd(tile, taps=3):
    """Return the matrices (inputs, filter, outputs) of F(tile, taps), from Toom and Cook's points.

    tile: outputs. taps: of the filter. y_i = sum_j g_j d_(i+j) is then outputs^T ((filter g) *
    (inputs d)), which takes tile + taps - 1 products.
    """
    count = tile + taps - 1
    points = np.array([0, 1, -1, 2, -2, 0.5, -0.5])[: count - 1]

    def values(length):
        """Evaluate a polynomial of that many coefficients at the points and at infinity."""
        return np.vstack([np.vander(points, length, increasing=True), np.eye(length)[-1]])

    return np.linalg.inv(values(count)).T, values(taps), values(tile)


def winograd_error(_, tiles=((2, 2), (4, 4), (2, 4))):
    """Return the largest error of F(rows x columns, 3 x 3) against SciPy's correlation.

    tiles: pairs (rows, columns).
    """
    rng, worst = np.random.default_rng(0), 0.0
    for rows, columns in tiles:
        d, g = rng.normal(size=(rows + 2, columns + 2)), rng.normal(size=(3, 3))
        (b1, g1, a1), (b2, g2, a2) = winograd(rows), winograd(columns)
        found = a1.T @ ((g1 @ g @ g2.T) * (b1 @ d @ b2.T)) @ a2
        worst = max(worst, largest(found - correlate2d(d, g, "valid")))
    return worst, ANY


def multiplications(_, rows, columns):
    """Return how many products F(rows x columns, 3 x 3) takes per output and channel.

    rows, columns: of the tile.
    """
    return len(winograd(rows)[1]) * len(winograd(columns)[1]) / (rows * columns), ANY


def pointwise_multiplications(_, k=5, m=4, n=6):
    """Return how many products a k x 1 x 1 filter takes on a k x m x n input, over k m n.

    k, m, n: channels, rows and columns.
    """
    x, weights = np.ones((k, m, n)), np.ones(k)
    return float((weights[:, None, None] * x).size / (k * m * n)), ANY
