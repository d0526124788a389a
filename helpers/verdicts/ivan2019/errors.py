"""Section 6 of ivan2019: confusion matrices of the last epoch, and what they share.

A rate is a share of the test images of one true class, so it has an error of its own from them,
which all seeds share; `_weighted` gives it beside the values.
"""

from itertools import combinations, product

import numpy as np

from helpers import datasets, metrics
from helpers.claims import Measurement
from helpers.verdicts.ivan2019 import accuracy
from helpers.verdicts.ivan2019.untrained import SHIRT_LIKE

SHIRT, SNEAKER, SHOES = 6, 7, (5, 9)
AUTOMOBILE, CAT, DOG, SHIP = 1, 3, 5, 8
BIRD, FROG = 2, 6
CLASSES = 10


def _counts(preset, data, model, order):
    """Return (last-epoch confusion matrices, counts (seeds, 10, 10), scale)."""
    found = accuracy.evidence(accuracy.TABLE1[data], preset)
    rows = found.last(found.rows(data))
    kind = "pixel_permutation" if order == "permuted" else "natural"
    rows = rows[(rows.model == model) & (rows.order == kind)].sort_values("seed")
    return np.stack([observed["confusion"] for observed in rows.observed]), found.scale(data)


def rates(preset, data, model, order):
    """Return last-epoch confusion matrices as shares of the true class, (seeds, 10, 10)."""
    counts, scale = _counts(preset, data, model, order)
    return np.stack([metrics.row_rates(c) for c in counts]), scale


def _weighted(counts, *weights):
    """Return (sums of weighted rates (seeds, sums), standard error from the test images).

    counts: (seeds, 10, 10). weights: (10, 10) for each sum. The images of a true class fall into
    its ten cells at random; the error is the mean over seeds, of the sum that has the largest.
    """
    weights = np.stack(weights)
    images = counts.sum(axis=2)[:, None]  # (seeds, 1, 10)
    shares = counts[:, None] / images[..., None]  # (seeds, 1, 10, 10)
    rows = (shares * weights).sum(axis=3)  # (seeds, sums, 10)
    variance = (((shares * weights**2).sum(axis=3) - rows**2) / images).sum(axis=2)
    return rows.sum(axis=2), float(np.sqrt(variance).mean(axis=0).max())


def _cells(value, rows, columns):
    """Return weights (10, 10): `value`, shared out equally over some cells, 0 elsewhere."""
    weights = np.zeros((CLASSES, CLASSES))
    cells = np.ix_(np.atleast_1d(rows), np.atleast_1d(columns))
    weights[cells] = value / weights[cells].size
    return weights


def _both_ways(first, second):
    """Return the weights of the mean rate at which two classes are taken for each other."""
    return _cells(0.5, first, second) + _cells(0.5, second, first)


def _one(preset, data, model, order, weights):
    """Return the measurement of one weighted sum of rates, (seeds,)."""
    counts, scale = _counts(preset, data, model, order)
    values, floor = _weighted(counts, weights)
    return Measurement(values[:, 0], scale, floor)


def shirt(preset):
    """Return shirts' mean rate of going to 0, 2, 3, 4 minus that to the other five."""
    weights = _cells(1, SHIRT, [0, 2, 3, 4]) - _cells(1, SHIRT, [1, 5, 7, 8, 9])
    return _one(preset, "fashion_mnist", "vgg", "natural", weights)


def ninety(preset):
    """Return the share of the labels outside 0, 2, 4, 6 that exceed 90 %, minus one half.

    Its error from the test images is that of labels that exceed 90 % or not by chance.
    """
    counts, scale = _counts(preset, "fashion_mnist", "vgg", "natural")
    others = [k for k in range(CLASSES) if k not in SHIRT_LIKE]
    images = counts.sum(axis=2)[:, others]
    right = np.diagonal(counts, axis1=1, axis2=2)[:, others]
    again = np.random.default_rng(0).binomial(images, right / images, (1000, *right.shape))
    floor = (again / images > 0.90).mean(axis=2).std(axis=0).mean()
    return Measurement((right / images > 0.90).mean(axis=1) - 0.5, scale, float(floor))


def shoes(preset):
    """Return the rate of sandals and boots taken for sneakers minus that of other labels."""
    others = [k for k in range(CLASSES) if k not in (SNEAKER, *SHOES)]
    weights = _cells(1, SHOES, SNEAKER) - _cells(1, others, SNEAKER)
    return _one(preset, "fashion_mnist", "vgg", "natural", weights)


def top_two(preset, order):
    """Return by how much ship and automobile are each above every other class, (seeds, 16)."""
    counts, scale = _counts(preset, "cifar10", "vgg", order)
    best = (SHIP, AUTOMOBILE)
    pairs = list(product(best, [k for k in range(CLASSES) if k not in best]))
    values, floor = _weighted(counts, *(_cells(1, a, a) - _cells(1, b, b) for a, b in pairs))
    return Measurement(values, scale, floor, _named(pairs, "against"))


def cat_worst(preset, order):
    """Return by how much every other class is recognised better than cats, (seeds, 9)."""
    counts, scale = _counts(preset, "cifar10", "vgg", order)
    pairs = [(k, CAT) for k in range(CLASSES) if k != CAT]
    values, floor = _weighted(counts, *(_cells(1, a, a) - _cells(1, b, b) for a, b in pairs))
    return Measurement(values, scale, floor, _named(pairs, "against"))


def cat_dog(preset, order):
    """Return the error between cat and dog minus that of each other two classes, (seeds, 44).

    An error is the mean of both ways: the larger one would be above the others by chance alone.
    """
    counts, scale = _counts(preset, "cifar10", "vgg", order)
    pairs = [pair for pair in combinations(range(CLASSES), 2) if pair != (CAT, DOG)]
    own = _both_ways(CAT, DOG)
    values, floor = _weighted(counts, *(own - _both_ways(*pair) for pair in pairs))
    return Measurement(values, scale, floor, _named(pairs, "and"))


def _named(pairs, joint):
    names = datasets.CLASSES["cifar10"]
    return tuple(f"{names[a]} {joint} {names[b]}" for a, b in pairs)


def mlp_cat_dog(preset):
    """Return the MLP's mean cat-dog error minus its mean error, natural images, per seed."""
    every = ~np.eye(CLASSES, dtype=bool) / (CLASSES * (CLASSES - 1))
    return _one(preset, "cifar10", "mlp", "natural", _both_ways(CAT, DOG) - every)


def cat_dog_rates(preset):
    """Return the two rates that Section 6.2 prints."""
    counts, scale = _counts(preset, "cifar10", "vgg", "natural")
    values, floor = _weighted(counts, _cells(1, CAT, DOG), _cells(1, DOG, CAT))
    return Measurement({"cat as dog": values[:, 0], "dog as cat": values[:, 1]}, scale, floor)


def class_changes(preset):
    """Return the MLP's permuted minus natural accuracy of bird and frog.

    Both networks see the same test images, so the error is that of one (`rules.test_set_error`).
    """
    weights = [_cells(1, k, k) for k in (BIRD, FROG)]
    natural, scale = _counts(preset, "cifar10", "mlp", "natural")
    permuted, _ = _counts(preset, "cifar10", "mlp", "permuted")
    before, floor = _weighted(natural, *weights)
    change = _weighted(permuted, *weights)[0] - before
    return Measurement({"bird": change[:, 0], "frog": change[:, 1]}, scale, floor)


def correlations(preset, model, diagonal=True):
    """Return r of each class's column, natural with permuted, (seeds, 10)."""
    natural, scale = rates(preset, "cifar10", model, "natural")
    permuted, _ = rates(preset, "cifar10", model, "permuted")
    pairs = zip(natural, permuted, strict=True)
    return np.stack([metrics.column_correlations(a, b, diagonal) for a, b in pairs]), scale


def mlp_more(preset, diagonal):
    """Return the MLP's mean r minus the CNN's, per seed."""
    mlp, scale = correlations(preset, "mlp", diagonal)
    cnn, _ = correlations(preset, "vgg", diagonal)
    return Measurement(mlp.mean(axis=1) - cnn.mean(axis=1), scale, floor=0.0)


def mean_off(preset):
    """Return the CNN's mean r without the diagonal, per seed."""
    values, scale = correlations(preset, "vgg", diagonal=False)
    return Measurement(values.mean(axis=1), scale, floor=0.0)


def mean_r(preset):
    """Return Table 4's last line, measured."""
    cnn, scale = correlations(preset, "vgg")
    mlp, _ = correlations(preset, "mlp")
    means = {"CNN mean r": cnn.mean(axis=1), "MLP mean r": mlp.mean(axis=1)}
    return Measurement(means, scale, floor=0.0)
