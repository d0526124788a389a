"""What orderness is, computed exactly from covariances (ghosh2019, Sections 2 and 3).

For a random image with covariance matrix S (positions by positions) and equal means, the expected
squared difference of two positions is S[p, p] + S[q, q] - 2 S[p, q], so we need not draw images.
"""

from functools import lru_cache
from itertools import permutations, product

import numpy as np

from helpers import datasets, orderness, presets
from helpers.verdicts.ivan2019.untrained import ANY

STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@lru_cache(maxsize=16)
def triples(side, geometry="both"):
    """Return all directed two-hop triples (p, q, r) of a square, row-major positions (T, 3).

    side: of the square, px. geometry: as in `orderness`.
    """
    found = []
    for y, x in product(range(side), repeat=2):
        for (a, b), (c, d) in product(STEPS, repeat=2):
            path = ((y, x), (y + a, x + b), (y + a + c, x + b + d))
            straight = (a, b) == (c, d)
            wanted = geometry == "both" or straight == (geometry == "straight")
            inside = all(0 <= v < side for place in path for v in place)
            if wanted and inside and path[0] != path[2]:
                found.append([row * side + column for row, column in path])
    return np.array(found)


def expected(covariance, geometry="both"):
    """Return E(p - q)^2 and E(p - r)^2 of every triple, float64 (2, T).

    covariance: of the pixels, (side^2, side^2). geometry: as in `orderness`.
    """
    p, q, r = triples(round(len(covariance) ** 0.5), geometry).T
    variance = np.diag(covariance)
    near = variance[p] + variance[q] - 2 * covariance[p, q]
    far = variance[p] + variance[r] - 2 * covariance[p, r]
    return np.stack([near, far])


def expected_orderness(covariance, geometry="both"):
    """Return the orderness of infinitely many images with this covariance.

    covariance, geometry: as for `expected`.
    """
    near, far = expected(covariance, geometry).sum(axis=1)
    return far / near - 1


def diffusion(side, sigma=1.0):
    """Return the covariance of row walk + column walk, in which Eqs. 1-2 hold along every path.

    side: of the image, px. sigma: step of the walks. X(y, x) = A(y) + B(x) with two independent
    random walks: a step down is a step of A, a step aside one of B, and two steps of a path are
    always independent.
    """
    rows, columns = np.divmod(np.arange(side * side), side)
    walk = [np.minimum.outer(axis, axis) for axis in (rows, columns)]
    return sigma**2 * (walk[0] + walk[1])


def permuted(side):
    """Return the covariance of any one image, centred, over all permutations of its pixels.

    side: of the image, px.
    """
    n = side * side
    return (np.eye(n) - 1 / n) * n / (n - 1)


def block_means(side, scale):
    """Return the matrix that maps an image to its block means, (blocks, side^2).

    side: of the image, px. scale: side of the blocks, px.
    """
    n = side // scale
    rows, columns = np.divmod(np.arange(side * side), side)
    block = (rows // scale) * n + columns // scale
    return (block == np.arange(n * n)[:, None]) / scale**2


def diffusion_ratio(_, side=8):
    """Return the largest |E(p - r)^2 / E(p - q)^2 - 2| over triples and sigmas (Eq. 4).

    side: of the image, px.
    """
    ratios = [np.divide(*expected(diffusion(side, sigma))[::-1]) for sigma in (0.1, 1, 7)]
    return float(abs(np.array(ratios) - 2).max()), ANY


def two_hop_sets(_):
    """Return how many of the printed sets of q and of r contain p, the fewer of two readings.

    The paper draws q from N(p), and r from N(N(p)) without N(p). N(p) may or may not contain p.
    """
    found = []
    for steps in (set(STEPS), {(0, 0), *STEPS}):
        reached = {(a + c, b + d) for (a, b), (c, d) in product(steps, repeat=2)} - steps
        found.append(((0, 0) in steps) + ((0, 0) in reached))
    return min(found), ANY


def permuted_symmetry(_, draws=50):
    """Return the largest difference between Eq. 5's three expectations over all orders of three.

    draws: of the values.
    """
    worst = 0.0
    for x in np.random.default_rng(0).normal(size=(draws, 3)):
        p, q, r = np.array(list(permutations(x))).T
        means = [((u - v) ** 2).mean() for u, v in ((p, r), (p, q), (q, r))]
        worst = max(worst, np.ptp(means))
    return float(worst), ANY


def over_scales(covariance, scales=(1, 2, 3, 4)):
    """Return the expected orderness of a covariance, {geometry: a list over scales}.

    covariance: as for `expected`. scales: sides of the blocks, px.
    """
    side = round(len(covariance) ** 0.5)
    means = [block_means(side, scale) for scale in scales]
    return {
        geometry: [expected_orderness(m @ covariance @ m.T, geometry) for m in means]
        for geometry in orderness.GEOMETRIES
    }


def diffusion_value(_, side=12):
    """Return the largest |so - 1| of the diffusion over geometries, at scale 1 (Section 3).

    side: of the image, px.
    """
    found = over_scales(diffusion(side), scales=(1,))
    return float(abs(np.array(list(found.values())) - 1).max()), ANY


def no_order(_, side=12):
    """Return the largest |so| over scales and geometries when every order is equally likely.

    side: of the image, px.
    """
    found = over_scales(permuted(side))
    return float(abs(np.array(list(found.values()))).max()), ANY


def constant_plus_noise(_, side=8, spreads=(1, 10, 100)):
    """Return the largest |so| of a random constant plus white noise (third property).

    side: of the image, px. spreads: standard deviations of the constant, where that of the noise is
    1.
    """
    values = [expected_orderness(np.eye(side**2) + spread**2) for spread in spreads]
    return float(abs(np.array(values)).max()), ANY


def highest_correlation(_, spread=100):
    """Return 1 minus the correlation of any two pixels of such images, which can be any size.

    spread: standard deviation of the constant, where that of the noise is 1.
    """
    return float(1 - spread**2 / (spread**2 + 1)), ANY


def beyond(_, side=8):
    """Return how far straight triples are from 3 on a linear ramp and from -1 on a checkerboard.

    side: of the image, px.
    """
    rows, columns = np.divmod(np.arange(side * side), side)
    images = {3: 2.0 * rows + columns, -1: (rows + columns) % 2.0}
    errors = [
        orderness.orderness(image.reshape(1, 1, side, side), geometry="straight") - value
        for value, image in images.items()
    ]
    return float(abs(np.array(errors)).max()), ANY


def interpolation(preset, data, count=200):
    """Return |MSE from two hops / MSE from a neighbour - 1 - so|, pixel by pixel on real images.

    preset: limits the images. data: a name for `datasets.load`. count: images at most.
    """
    size = min(count, presets.preset(preset).train or count)
    pixels = datasets.load(data, "train", size).pixels
    p, q, r = triples(pixels.shape[-1]).T
    flat = pixels.reshape(len(pixels), -1).astype(float)
    from_two_hops, from_next = (((flat[:, p] - flat[:, guess]) ** 2).mean() for guess in (r, q))
    return abs(from_two_hops / from_next - 1 - orderness.orderness(pixels)), ANY
