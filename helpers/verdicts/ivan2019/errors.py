"""Confusion matrices after the last epoch, and what they have in common (ivan2019, Section 6).

A rate is a share of the test images of one true class. These images give it an error, which all
seeds share; `_weighted` returns it beside the values.
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
    """Return last-epoch confusion matrices as counts (seeds, 10, 10), and the scale."""
    found = accuracy.evidence(accuracy.TABLE1[data], preset)
    rows = found.last(found.rows(data))
    kind = "pixel_permutation" if order == "permuted" else "natural"
    rows = rows[(rows.model == model) & (rows.order == kind)].sort_values("seed")
    return np.stack([observed["confusion"] for observed in rows.observed]), found.scale(data)


def rates(preset, data, model, order):
    """Return last-epoch confusion matrices as shares of the true class, (seeds, 10, 10).

    preset: see `helpers.verdicts`. data: a data set. model: vgg or mlp. order: natural or permuted.
    The scale comes second.
    """
    counts, scale = _counts(preset, data, model, order)
    return np.stack([metrics.row_rates(c) for c in counts]), scale


def _weighted(counts, *weights):
    """Return (sums of weighted rates (seeds, sums), standard error from the test images).

    counts: (seeds, 10, 10). weights: (10, 10) for each sum. The images of a true class fall into
    its ten cells at random. The error is a mean over seeds, of the sum with the largest one.
    """
    weights = np.stack(weights)
    images = counts.sum(axis=2)[:, None]  # (seeds, 1, 10)
    shares = counts[:, None] / images[..., None]  # (seeds, 1, 10, 10)
    rows = (shares * weights).sum(axis=3)  # (seeds, sums, 10)
    variance = (((shares * weights**2).sum(axis=3) - rows**2) / images).sum(axis=2)
    return rows.sum(axis=2), float(np.sqrt(variance).mean(axis=0).max())


def _cells(value, rows, columns):
    """Return weights (10, 10): `value`, split equally among some cells, and 0 elsewhere."""
    weights = np.zeros((CLASSES, CLASSES))
    cells = np.ix_(np.atleast_1d(rows), np.atleast_1d(columns))
    weights[cells] = value / weights[cells].size
    return weights


def _both_ways(first, second):
    """Return the weights of the mean rate at which two classes are mistaken for each other."""
    return _cells(0.5, first, second) + _cells(0.5, second, first)


def _one(preset, data, model, order, weights):
    """Return the measurement of one weighted sum of rates, (seeds,)."""
    counts, scale = _counts(preset, data, model, order)
    values, floor = _weighted(counts, weights)
    return Measurement(values[:, 0], scale, floor)


def shirt(preset):
    """Return how much more often shirts go to 0, 2, 3, 4 than to the other five, (seeds,).

    preset: see `helpers.verdicts`. Both are mean rates over the labels.
    """
    weights = _cells(1, SHIRT, [0, 2, 3, 4]) - _cells(1, SHIRT, [1, 5, 7, 8, 9])
    return _one(preset, "fashion_mnist", "vgg", "natural", weights)


def ninety(preset):
    """Return the share of the labels outside 0, 2, 4, 6 above 90 %, minus one half, at a preset.

    The values are (seeds,). Their error from the test images is the spread of that share when each
    label's accuracy is redrawn as a binomial.
    """
    counts, scale = _counts(preset, "fashion_mnist", "vgg", "natural")
    others = [k for k in range(CLASSES) if k not in SHIRT_LIKE]
    images = counts.sum(axis=2)[:, others]
    right = np.diagonal(counts, axis1=1, axis2=2)[:, others]
    again = np.random.default_rng(0).binomial(images, right / images, (1000, *right.shape))
    floor = (again / images > 0.90).mean(axis=2).std(axis=0).mean()
    return Measurement((right / images > 0.90).mean(axis=1) - 0.5, scale, float(floor))


def shoes(preset):
    """Return how much more often sandals and boots than other labels are called sneakers.

    preset: see `helpers.verdicts`. The values are differences of mean rates, (seeds,).
    """
    others = [k for k in range(CLASSES) if k not in (SNEAKER, *SHOES)]
    weights = _cells(1, SHOES, SNEAKER) - _cells(1, others, SNEAKER)
    return _one(preset, "fashion_mnist", "vgg", "natural", weights)


def top_two(preset, order):
    """Return how far ship and automobile are each above every other class, points (seeds, 16).

    preset: see `helpers.verdicts`. order: natural or permuted.
    """
    counts, scale = _counts(preset, "cifar10", "vgg", order)
    best = (SHIP, AUTOMOBILE)
    pairs = list(product(best, [k for k in range(CLASSES) if k not in best]))
    values, floor = _weighted(counts, *(_cells(1, a, a) - _cells(1, b, b) for a, b in pairs))
    return Measurement(values, scale, floor, _named(pairs, "against"))


def cat_worst(preset, order):
    """Return how far the accuracy of every other class is above that of cats, points (seeds, 9).

    preset: see `helpers.verdicts`. order: natural or permuted.
    """
    counts, scale = _counts(preset, "cifar10", "vgg", order)
    pairs = [(k, CAT) for k in range(CLASSES) if k != CAT]
    values, floor = _weighted(counts, *(_cells(1, a, a) - _cells(1, b, b) for a, b in pairs))
    return Measurement(values, scale, floor, _named(pairs, "against"))


def cat_dog(preset, order):
    """Return the error between cat and dog minus that between any other two classes, (seeds, 44).

    preset: see `helpers.verdicts`. order: natural or permuted. An error is the mean of both
    directions: the larger of the two would exceed the others by chance alone.
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
    """Return the MLP's cat-dog minus its mean error on natural images, at a preset, (seeds,)."""
    every = ~np.eye(CLASSES, dtype=bool) / (CLASSES * (CLASSES - 1))
    return _one(preset, "cifar10", "mlp", "natural", _both_ways(CAT, DOG) - every)


def cat_dog_rates(preset):
    """Return the two rates that Section 6.2 prints, measured at a preset, {name: (seeds,)}."""
    counts, scale = _counts(preset, "cifar10", "vgg", "natural")
    values, floor = _weighted(counts, _cells(1, CAT, DOG), _cells(1, DOG, CAT))
    return Measurement({"cat as dog": values[:, 0], "dog as cat": values[:, 1]}, scale, floor)


def class_changes(preset):
    """Return the MLP's permuted minus natural accuracy of bird and frog, {name: (seeds,)}.

    preset: see `helpers.verdicts`. Both networks see the same test images, so the error is that of
    one (`rules.test_set_error`).
    """
    weights = [_cells(1, k, k) for k in (BIRD, FROG)]
    natural, scale = _counts(preset, "cifar10", "mlp", "natural")
    permuted, _ = _counts(preset, "cifar10", "mlp", "permuted")
    before, floor = _weighted(natural, *weights)
    change = _weighted(permuted, *weights)[0] - before
    return Measurement({"bird": change[:, 0], "frog": change[:, 1]}, scale, floor)


def correlations(preset, model, diagonal=True):
    """Return Pearson's r of each class's column, natural with permuted, (seeds, 10), and the scale.

    preset: see `helpers.verdicts`. model: vgg or mlp. diagonal: whether right answers count too.
    """
    natural, scale = rates(preset, "cifar10", model, "natural")
    permuted, _ = rates(preset, "cifar10", model, "permuted")
    pairs = zip(natural, permuted, strict=True)
    return np.stack([metrics.column_correlations(a, b, diagonal) for a, b in pairs]), scale


def mlp_more(preset, diagonal):
    """Return the MLP's mean r minus the CNN's, (seeds,).

    preset: see `helpers.verdicts`. diagonal: as for `correlations`.
    """
    mlp, scale = correlations(preset, "mlp", diagonal)
    cnn, _ = correlations(preset, "vgg", diagonal)
    return Measurement(mlp.mean(axis=1) - cnn.mean(axis=1), scale, floor=0.0)


def mean_off(preset):
    """Return the CNN's mean r without the diagonal, at a preset, (seeds,)."""
    values, scale = correlations(preset, "vgg", diagonal=False)
    return Measurement(values.mean(axis=1), scale, floor=0.0)


def mean_r(preset):
    """Return the last line of Table 4, measured at a preset, {name: (seeds,)}."""
    cnn, scale = correlations(preset, "vgg")
    mlp, _ = correlations(preset, "mlp")
    means = {"CNN mean r": cnn.mean(axis=1), "MLP mean r": mlp.mean(axis=1)}
    return Measurement(means, scale, floor=0.0)
