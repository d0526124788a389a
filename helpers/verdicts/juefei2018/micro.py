"""A convolution as the centre pixel plus noise (juefei2018, Section 3.4 and Supplement 4).

Everything follows from the covariance of a patch, so we need not draw any. Patches are flattened
row by row, with the centre in the middle. Each function names the unit of its moments.
"""

from itertools import product

import numpy as np

from helpers import datasets
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.macro import BINARY, FILTERS, LAPLACIAN, largest

SIGMAS, RHOS = (0.3, 1.0, 7.0), (0.0, 0.5, 0.9, 0.999)
AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
TENTHS = 10


def equal(rho, sigma=1.0, size=9):
    """Return the covariance of equally correlated pixels, float64 (size, size) (Section 3.4).

    rho: correlation of each pair. sigma: standard deviation of a pixel. size: number of pixels.
    """
    return sigma**2 * (rho + (1 - rho) * np.eye(size))


def on_line(rho, size=3):
    """Return the covariance of pixels in a row whose correlation is rho ** distance, (size, size).

    rho: correlation of neighbours. size: number of pixels.
    """
    places = np.arange(size)
    return rho ** abs(places[:, None] - places).astype(float)


def to_differences(size):
    """Return the matrix (size, size) from a patch to eps_i = x_i - x_c, with the centre's own 0.

    size: pixels of the patch, odd.
    """
    return np.eye(size) - np.eye(size)[size // 2]


def of_differences(covariance):
    """Return E(eps_i eps_j) of a patch, (size, size), centre included.

    covariance: of its pixels, (size, size).
    """
    d = to_differences(len(covariance))
    return d @ covariance @ d.T


# Eqs. 20 and 21, supplement Eq. 12.


def _over_settings(error):
    """Return the largest error(E(eps_i eps_j), sigma ** 2 delta) over sigma and rho, 3 x 3."""
    worst = 0.0
    for sigma, rho in product(SIGMAS, RHOS):
        around = np.delete(np.arange(9), 4)
        moments = of_differences(equal(rho, sigma))[np.ix_(around, around)]
        worst = max(worst, largest(error(moments, sigma**2 * (1 - rho))))
    return worst


def second_moment(_):
    """Return the largest relative error of E(eps_i^2) = 2 sigma^2 delta (Eq. 20)."""
    return _over_settings(lambda found, unit: np.diag(found) / (2 * unit) - 1), ANY


def cross_moment(_):
    """Return the largest relative error of E(eps_i eps_j) = sigma^2 delta, equal rho (Eq. 21)."""
    others = ~np.eye(8, dtype=bool)
    return _over_settings(lambda found, unit: found[others] / unit - 1), ANY


def one_half(_):
    """Return the largest error of the correlation 1/2 of eps_i and eps_j (supplement, Eq. 12)."""
    others = ~np.eye(8, dtype=bool)
    return _over_settings(lambda found, unit: found[others] / found[0, 0] - 0.5), ANY


def cross_on_line(_, rho=0.99):
    """Return E(eps_i eps_j) / (sigma^2 delta) of left and right, with rho ** distance.

    rho: correlation of neighbours; delta is 1 - rho.
    """
    found = of_differences(on_line(rho))[0, 2]
    return round(float(found / (1 - rho)), 12), ANY


def photographed(first, second, count=2000):
    """Return E(eps_i^2), E(eps_j^2) and E(eps_i eps_j) on photographs, by tenths of them, (3, 10).

    first, second: steps (rows, columns) from the centre to i and j, at most 1 px. count: photo
    patches.
    """
    pixels = datasets.load("photo_patches", "train", count).pixels.mean(axis=1)
    side = pixels.shape[1] - 2
    crop = {
        (y, x): pixels[:, 1 + y : 1 + y + side, 1 + x : 1 + x + side]
        for y, x in {(0, 0), first, second}
    }
    a, b = (crop[step] - crop[0, 0] for step in (first, second))
    parts = zip(np.array_split(a, TENTHS), np.array_split(b, TENTHS), strict=True)
    return np.array([((a * a).mean(), (b * b).mean(), (a * b).mean()) for a, b in parts]).T


def correlation(first, second):
    """Return the correlation of two differences on photographs, by tenths of them, (10,).

    first, second: as for `photographed`.
    """
    a, b, both = photographed(first, second)
    return both / np.sqrt(a * b)


def opposite_below_half(_):
    """Return 1/2 minus the correlation of left and right difference on photographs, (10,)."""
    return 0.5 - correlation((0, -1), (0, 1)), ANY


# Eqs. 22 to 26.


def splitting(_, count=20):
    """Return the largest error of x_c + n_c = y / sum(w) (Eq. 26), `count` patches and filters."""
    rng, errors = np.random.default_rng(0), []
    for taps in rng.uniform(0, 1, (count, 9)):
        x = rng.normal(size=9)
        noise = (to_differences(9) @ x) @ taps / taps.sum()
        errors.append(x[4] + noise - taps @ x / taps.sum())
    return largest(errors), ANY


def zero_sum(_):
    """Return the share of the Laplacian's response that sum(w) (x_c + n_c) misses, for any n_c."""
    x = np.random.default_rng(0).normal(size=9)
    y, total = LAPLACIAN.ravel() @ x, LAPLACIAN.sum()
    noise = np.linalg.lstsq([[total]], [y - total * x[4]])[0][0]
    return float(abs(total * (x[4] + noise) - y) / abs(y)), ANY


def normalised(taps):
    """Return w' = w / sum(w), flattened.

    taps: w, of any shape.
    """
    return np.ravel(taps) / np.sum(taps)


def with_centre(taps):
    """Return E(n_c x_c) / (sigma^2 delta), from the covariance of equally correlated pixels.

    taps: a filter of 9 taps.
    """
    patch = equal(rho=0.5)
    n = normalised(taps) @ to_differences(patch.shape[0])
    return float(n @ patch[:, len(patch) // 2] / 0.5)


def not_independent(_, count=20):
    """Return the largest error of E(n_c x_c) = -(1 - w'_c) sigma^2 delta over random filters.

    count: how many filters.
    """
    filters = np.random.default_rng(0).uniform(0, 1, (count, 9))
    return largest([with_centre(w) + 1 - normalised(w)[4] for w in filters]), ANY


# Eq. 27.


def noise(taps, rho=0.5):
    """Return E(n_c^2) / (sigma^2 delta), from the covariance of equally correlated pixels.

    taps: a filter, odd in size. rho: the correlation; it does not change the result.
    """
    w = normalised(taps)
    return float(w @ of_differences(equal(rho, size=len(w))) @ w / (1 - rho))


def noise_as_printed(taps):
    """Return E(n_c^2) / (sigma^2 delta) by Eq. 27 as printed, with sums over all taps.

    taps: a filter, of any shape.
    """
    w = normalised(taps)
    products = np.outer(w, w)
    return float(2 * (np.trace(products) + (products.sum() - np.trace(products)) / 2))


def noise_corrected(taps):
    """Return |w' without the centre|^2 + (1 - w'_c)^2, in sigma^2 delta: Eq. 27, corrected.

    taps: a filter, odd in size.
    """
    w = normalised(taps)
    centre = w[len(w) // 2]
    return float(w @ w - centre**2 + (1 - centre) ** 2)


def drawn_noise(taps, rho=0.9, sigma=1.3, patches=200_000, seed=0):
    """Return E(n_c^2) / (sigma^2 delta) of drawn patches and its standard error.

    taps: a filter, odd in size. rho, sigma: correlation and standard deviation of pixels. patches:
    how many. seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    common, own = rng.normal(size=(patches, 1)), rng.normal(size=(patches, np.size(taps)))
    x = sigma * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own)
    squares = (x @ to_differences(x.shape[1]).T @ normalised(taps)) ** 2 / (sigma**2 * (1 - rho))
    return float(squares.mean()), float(squares.std() / patches**0.5)


def mean_noise(_, means=(-3.0, 0.0, 40.0)):
    """Return the largest |E(n_c)| over filters and `means`, where all pixels share one mean."""
    filters = [normalised(w) for w in FILTERS.values() if abs(w.sum()) > 1e-12]
    found = [w @ to_differences(9) @ np.full(9, m) for w, m in product(filters, means)]
    return largest(found), ANY


def blurred(_):
    """Return E(n_c^2) / (sigma^2 delta) of the binomial blur."""
    return noise(FILTERS["blur"]), ANY


def untouched(_):
    """Return E(n_c^2) / (sigma^2 delta) of the filter that copies the centre: no noise."""
    return noise(np.eye(9)[4]), ANY


def correction(_, count=50):
    """Return the largest relative error of `noise_corrected`, over filters and rho.

    count: random filters of each size.
    """
    rng = np.random.default_rng(0)
    filters = [rng.uniform(-1, 1, size) for size in (9, 25, 49) for _ in range(count)]
    pairs = product((*filters, BINARY.ravel()), RHOS)
    return largest([noise(w, rho) / noise_corrected(w) - 1 for w, rho in pairs]), ANY


def excess(_, count=50):
    """Return the largest error of 2 w'_c sigma^2 delta as the excess of Eq. 27 over the truth.

    count: random filters.
    """
    filters = np.random.default_rng(0).uniform(0, 1, (count, 9))
    differences = [noise_as_printed(w) - noise(w) - 2 * normalised(w)[4] for w in filters]
    return largest(differences), ANY


# Supplement 4: sums of differences.


def combined(weights):
    """Return the variance of sum(w_i eps_i) over neighbours, in units of sigma^2 delta.

    weights: w, one for each neighbour (supplement, Section 4).
    """
    weights = np.asarray(weights, float)
    patch = of_differences(equal(0.5, size=2 * (len(weights) // 2) + 3))
    around = np.delete(np.arange(len(patch)), len(patch) // 2)[: len(weights)]
    return float(weights @ patch[np.ix_(around, around)] @ weights / 0.5)


def plain_sum(_):
    """Return the variance of eps_i + eps_j over sigma^2 delta."""
    return round(combined([1, 1]), 12), ANY


def weighted_sum(_):
    """Return the variance of eps_i + 2 eps_j over sigma^2 delta."""
    return round(combined([1, 2]), 12), ANY


def falls(_):
    """Return how much the variance falls when eps_j / 2 is subtracted from eps_i."""
    return round(combined([1]) - combined([1, -0.5]), 12), ANY


def falls_without_signs(_, count=40):
    """Return how much one more term lowers the variance at most, if all taps are positive.

    count: random filters.
    """
    taps = np.random.default_rng(0).uniform(0, 1, (count, 8))
    steps = [combined(w[: k + 1]) - combined(w[:k]) for w in taps for k in range(1, 8)]
    return max(0.0, -min(steps)), ANY


def expected_level(size, mean, variance):
    """Return E sum(w_i eps_i)^2 / (sigma^2 delta) over random taps.

    size: of the filter, px. mean, variance: of a tap.
    """
    n = size**2 - 1
    return 2 * n * variance + (n + n**2) * mean**2
