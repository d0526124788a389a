"""Convolution and perturbation as linear maps, in float64 (juefei2018, Eqs. 3 to 12).

Images are small, and periodic unless said otherwise, so that a convolution is a matrix A. A layer
without ReLU turns the image x into (x 1^T + N) v, where the columns of N are fixed masks.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.linalg import circulant
from scipy.signal import convolve2d

from helpers import datasets
from helpers.claims import Measurement
from helpers.verdicts.ivan2019.untrained import ANY

BINARY = np.array([[1.0, -1, 1], [-1, 1, -1], [1, -1, 1]])  # the filter of Figure 2
LAPLACIAN = np.array([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])
FILTERS = {
    "blur": np.outer([1, 2, 1], [1, 2, 1]) / 16,
    "Figure 2": BINARY,
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "vertical edges": np.outer([1, 2, 1], [1, 0, -1]) / 8,
    "Laplacian": LAPLACIAN,
}


def matrix(taps, side):
    """Return A of Eq. 9, the matrix of a periodic convolution, float64 (side ** 2, side ** 2).

    taps: the filter (k, k). side: of the image, px.
    """
    half, unit = len(taps) // 2, np.eye(side)
    return sum(
        tap * np.kron(circulant(unit[row - half]), circulant(unit[column - half]))
        for (row, column), tap in np.ndenumerate(taps)
    )


@dataclass(frozen=True)
class Case:
    """An image x (d,), masks N (d, number of masks) and a filter's convolution, A (d, d)."""

    x: np.ndarray
    masks: np.ndarray
    convolution: np.ndarray

    @property
    def y(self):
        """The response of the convolution, (d,)."""
        return self.convolution @ self.x

    @property
    def perturbed(self):
        """X-hat = x 1^T + N of Eq. 5, (d, number of masks)."""
        return self.x[:, None] + self.masks

    @property
    def n(self):
        """The vector n with n^T = 1^T N^-1 (Eq. 13), (d,), for square N."""
        return np.linalg.solve(self.masks.T, np.ones(len(self.x)))


def case(seed=0, side=6, masks=None, level=1.0, taps=None):
    """Return a `Case` of white noise: x normal, N uniform on [-level, level] as in Section 4.2.

    seed: of the draws. side: of the image, px. masks: how many, None for as many as pixels. level:
    half the width of the masks' distribution. taps: a filter (k, k), None for a random one of 3 x
    3.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(size=side**2)
    n = rng.uniform(-level, level, (side**2, side**2 if masks is None else masks))
    return Case(x, n, matrix(rng.normal(size=(3, 3)) if taps is None else taps, side))


def largest(difference):
    """Return the largest absolute value of an array, `difference`, as a float."""
    return float(np.max(np.abs(difference)))


def relative(error, reference):
    """Return the energy of an error over that of a reference.

    error, reference: arrays of one shape.
    """
    return float(np.sum(np.square(error)) / np.sum(np.square(reference)))


def shifted_sum(_, side=6):
    """Return the largest difference between Eq. 3, a sum of shifted images, and a convolution.

    side: of the image, px.
    """
    rng = np.random.default_rng(0)
    x, taps = rng.normal(size=(side, side)), rng.normal(size=(3, 3))
    shifts = ((np.array(place) - 1, tap) for place, tap in np.ndenumerate(taps))
    summed = sum(tap * np.roll(x, shift, axis=(0, 1)) for shift, tap in shifts)
    return largest(summed - convolve2d(x, taps, "same", "wrap")), ANY


def matrix_form(_, masks=9):
    """Return the largest difference between Eq. 4, a sum over masks, and Eq. 5, a product.

    masks: how many.
    """
    given = case(masks=masks)
    v = np.random.default_rng(1).normal(size=masks)
    summed = sum((given.x + n) * weight for n, weight in zip(given.masks.T, v, strict=True))
    return largest(summed - given.perturbed @ v), ANY


def gain_and_constant(_, masks=50):
    """Return the largest |(x 1^T + N) v - (sum v) x - N v| over images, for fixed masks and v.

    masks: how many.
    """
    v = np.random.default_rng(1).normal(size=masks)
    given = case(masks=masks)
    images = np.random.default_rng(2).normal(size=(20, len(given.x)))
    outputs = np.array([(x[:, None] + given.masks) @ v for x in images])
    return largest(outputs - v.sum() * images - given.masks @ v), ANY


def padded(padding, side=6, taps=BINARY):
    """Return how many outputs of a convolution A x of Eq. 9 gets wrong, for a border of some kind.

    padding: fill for zeros, or wrap. side: of the image, px. taps: the filter (k, k).
    """
    x = np.random.default_rng(0).normal(size=(side, side))
    response = convolve2d(x, taps, "same", padding)
    return int((~np.isclose(matrix(taps, side) @ x.ravel(), response.ravel())).sum())


def circular(_):
    """Return the largest error of y = A x over filters, with periodic borders."""
    x = np.random.default_rng(0).normal(size=(6, 6))
    errors = [
        matrix(w, 6) @ x.ravel() - convolve2d(x, w, "same", "wrap").ravel()
        for w in (*FILTERS.values(), np.random.default_rng(1).normal(size=(5, 5)))
    ]
    return largest(errors), ANY


def zero_padded(_):
    """Return how many of 36 outputs differ from A x with zero padding."""
    return padded("fill"), ANY


def sherman_morrison(inverse, u, v):
    """Return (A + u v^T)^-1 (supplement, Eq. 1).

    inverse: A^-1 (d, d). u, v: (d,).
    """
    return inverse - np.outer(inverse @ u, v @ inverse) / (1 + v @ inverse @ u)


def printed_weights(given):
    """Return v* by Eq. 7, (d,).

    given: a `Case` with as many masks as pixels.
    """
    return sherman_morrison(np.linalg.inv(given.masks), given.x, np.ones(len(given.x))) @ given.y


def solved(_, seeds=5):
    """Return the largest relative difference between v* of Eq. 7 and a direct solution.

    seeds: how many cases.
    """
    cases = [case(seed) for seed in range(seeds)]
    direct = [np.linalg.solve(given.perturbed, given.y) for given in cases]
    pairs = zip(cases, direct, strict=True)
    return max(largest(printed_weights(c) - v) / largest(v) for c, v in pairs), ANY


def rank_at_mean_mask(_):
    """Return the rank of x 1^T + N if x is minus the mean mask, d = 36."""
    given = case()
    return int(np.linalg.matrix_rank(given.masks - given.masks.mean(axis=1, keepdims=True))), ANY


def condition(level, side=6, seeds=20):
    """Return the median condition number of x 1^T + N with d masks on [-level, level].

    level: half the width of the masks' distribution. side: of the image, px. seeds: how many cases.
    """
    cases = (case(seed, side, level=level) for seed in range(seeds))
    return float(np.median([np.linalg.cond(given.perturbed) for given in cases]))


def normal_equations(_, masks=12):
    """Return the largest difference between Eq. 8 and NumPy's least squares.

    masks: how many.
    """
    given = case(masks=masks)
    hat = given.perturbed
    printed = np.linalg.solve(hat.T @ hat, hat.T @ given.y)
    return largest(printed - np.linalg.lstsq(hat, given.y)[0]), ANY


def white_images(count, side, seed):
    """Return images of white noise, float64 (count, side ** 2).

    count: how many. side: px. seed: of the draw.
    """
    return np.random.default_rng(seed).normal(size=(count, side**2))


@lru_cache(maxsize=4)
def photographs(side, count=2000):
    """Return grey crops of photographs, centred over the set, float64 (N, side ** 2).

    side: px. count: photo patches.
    """
    pixels = datasets.load("photo_patches", "train", count).pixels.mean(axis=1) / 255
    crops = pixels[:, :side, :side].reshape(len(pixels), -1)
    return crops - crops.mean(axis=0)


def share_left(images, ratio, level=0.1, taps=BINARY, seed=0):
    """Return the energy that least squares leaves on images[0] and, same weights, on images[1].

    images: (2, d). ratio: number of masks over d. level: half the width of the masks' distribution.
    taps: the filter. seed: of the masks. Both are shares of the response's energy.
    """
    side, d = round(images.shape[1] ** 0.5), images.shape[1]
    masks = np.random.default_rng(seed).uniform(-level, level, (d, round(ratio * d)))
    convolution = matrix(taps, side)
    seen, other = (Case(x, masks, convolution) for x in images)
    v = np.linalg.lstsq(seen.perturbed, seen.y)[0]
    return [relative(c.perturbed @ v - c.y, c.y) for c in (seen, other)]


def shares(kind, ratios, repeats=12, side=12, taps=BINARY):
    """Return `share_left` by image, {"the image seen" or "another image": (repeats, ratios)}.

    kind: photographs or white noise. ratios: of masks over d. repeats: pairs of images. side: px.
    taps: the filter.
    """
    pool = photographs(side) if kind == "photographs" else white_images(2 * repeats, side, seed=0)
    order = np.random.default_rng(1).permutation(len(pool))[: 2 * repeats].reshape(repeats, 2)
    table = np.array(
        [
            [share_left(pool[pair], r, taps=taps, seed=k) for r in ratios]
            for k, pair in enumerate(order)
        ]
    )
    return {"the image seen": table[..., 0], "another image": table[..., 1]}


def expected_left(ratio, taps=BINARY, d=144):
    """Return the expected share left of white images: the part of y not along x, and not reached.

    ratio: number of masks over d. taps: the filter. d: pixels. Small masks let the layer form x
    itself and N - 1 random directions among the d - 1 others.
    """
    centre = taps[len(taps) // 2, len(taps) // 2]
    return (1 - centre**2 / (taps**2).sum()) * (d - round(ratio * d)) / (d - 1)


def against_expected(_, ratios=(1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4), repeats=100):
    """Return the share left minus `expected_left` at each N / d, (repeats, ratios).

    ratios: N / d. repeats: pairs of images.
    """
    expected = [expected_left(ratio) for ratio in ratios]
    left = shares("white noise", ratios, repeats)["the image seen"]
    return Measurement(left - expected, ANY, names=tuple(f"N / d = {r:g}" for r in ratios))


def against_filters(_, ratio=1 / 2, repeats=100):
    """Return the share left minus `expected_left` for each filter at one N / d, (repeats, filters).

    ratio: N / d. repeats: pairs of images.
    """
    left = [
        shares("white noise", (ratio,), repeats, taps=taps)["the image seen"][:, 0]
        - expected_left(ratio, taps)
        for taps in FILTERS.values()
    ]
    return Measurement(np.array(left).T, ANY, names=tuple(FILTERS))


def same_input(_, seeds=5):
    """Return the largest error of v* of Eq. 7 on the image it was solved for (Eqs. 10-12).

    seeds: how many cases.
    """
    cases = [case(seed) for seed in range(seeds)]
    return max(largest(c.perturbed @ printed_weights(c) - c.y) for c in cases), ANY


def other_input(_, seeds=20):
    """Return how much smaller the error on another image is than that of answering 0, a share.

    seeds: how many images. There are d masks on [-1, 1]. The error is a share of the response's
    energy, the median over images. The result is 0 where the error is larger.
    """
    pairs = [(case(seed, taps=BINARY), white_images(1, 6, 100 + seed)[0]) for seed in range(seeds)]
    missed = []
    for given, x in pairs:
        y = given.convolution @ x
        missed.append(relative((x[:, None] + given.masks) @ printed_weights(given) - y, y))
    return max(0.0, 1 - float(np.median(missed))), ANY


def other_error(_, seeds=5):
    """Return the largest relative difference of that error and (A - g I)(x - x'), g the sum of v*.

    seeds: how many cases.
    """
    worst = 0.0
    for seed in range(seeds):
        given, x = case(seed), white_images(1, 6, 100 + seed)[0]
        v = printed_weights(given)
        error = (x[:, None] + given.masks) @ v - given.convolution @ x
        expected = v.sum() * (x - given.x) - given.convolution @ (x - given.x)
        worst = max(worst, largest(error - expected) / largest(expected))
    return worst, ANY


def best_fixed(taps, covariance):
    """Return the share of E|A x|^2 that no fixed v can reach.

    taps: the filter of A. covariance: of x, (d, d); its mean is 0.
    """
    a = matrix(taps, round(len(covariance) ** 0.5))
    gain = np.trace(a @ covariance)
    return float(1 - gain**2 / (np.trace(covariance) * np.trace(a @ covariance @ a.T)))


def fixed_on_white(_):
    """Return how far the share of Figure 2's response that no fixed v reaches is from 8/9."""
    return abs(best_fixed(BINARY, np.eye(36)) - 8 / 9), ANY


def reached(taps, images):
    """Return the share of a response's energy that one gain and a constant image reach.

    taps: the filter. images: (N, side ** 2), not periodic: we leave the rim out.
    """
    side = round(images.shape[1] ** 0.5)
    images = images.reshape(-1, side, side)
    y = np.array([convolve2d(image, taps, "valid") for image in images])
    x = images[:, 1:-1, 1:-1]
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return float((x * y).sum() ** 2 / ((x * x).sum() * (y * y).sum()))


def relu_on_white(_, images=20_000, masks=64, seeds=5):
    """Return the share that the best fixed v with ReLU leaves, minus that without, (seeds,).

    images: white ones. masks: how many. seeds: how many fits. We fit one pixel of the response of
    Figure 2's filter to relu(x_c + n_i) by least squares on half of the images and test on the
    other half.
    """
    left = []
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        patches = rng.normal(size=(images, 9))
        y, centre = patches @ BINARY.ravel(), patches[:, 4:5]
        maps = np.maximum(centre + rng.uniform(-2, 2, masks), 0)
        maps = np.hstack([maps, np.ones((images, 1))])
        half = images // 2
        v = np.linalg.lstsq(maps[:half], y[:half])[0]
        left.append(relative(maps[half:] @ v - y[half:], y[half:]))
    return np.array(left) - best_fixed(BINARY, np.eye(36)), ANY
