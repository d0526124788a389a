"""Section 6 of ivan2019: confusion matrices of the last epoch, and what they share."""

import numpy as np

from helpers import metrics
from helpers.verdicts.ivan2019 import accuracy
from helpers.verdicts.ivan2019.untrained import SHIRT_LIKE

SNEAKER, SHOES = 7, (5, 9)
AUTOMOBILE, CAT, DOG, SHIP = 1, 3, 5, 8
BIRD, FROG = 2, 6


def rates(preset, data, model, order):
    """Return last-epoch confusion matrices as shares of the true class, (seeds, 10, 10)."""
    found = accuracy.evidence("table1", preset)
    rows = found.last(found.rows(data))
    kind = "pixel_permutation" if order == "permuted" else "natural"
    rows = rows[(rows.model == model) & (rows.order == kind)].sort_values("seed")
    counts = [observed["confusion"] for observed in rows.observed]
    return np.stack([metrics.row_rates(c) for c in counts]), found.scale(data)


def shirt(preset):
    """Return shirts' mean rate of going to 0, 2, 3, 4 minus that to the other five."""
    r, scale = rates(preset, "fashion_mnist", "vgg", "natural")
    named, others = [0, 2, 3, 4], [1, 5, 7, 8, 9]
    return r[:, 6, named].mean(axis=1) - r[:, 6, others].mean(axis=1), scale


def ninety(preset):
    """Return the share of the labels outside 0, 2, 4, 6 that exceed 90 %, minus one half."""
    r, scale = rates(preset, "fashion_mnist", "vgg", "natural")
    others = [k for k in range(10) if k not in SHIRT_LIKE]
    return (np.diagonal(r, axis1=1, axis2=2)[:, others] > 0.90).mean(axis=1) - 0.5, scale


def shoes(preset):
    """Return the rate of sandals and boots taken for sneakers minus that of other labels."""
    r, scale = rates(preset, "fashion_mnist", "vgg", "natural")
    others = [k for k in range(10) if k not in (SNEAKER, *SHOES)]
    return r[:, SHOES, SNEAKER].mean(axis=1) - r[:, others, SNEAKER].mean(axis=1), scale


def top_two(preset, order):
    """Return the worse of ship and automobile minus the best other class, per seed."""
    r, scale = rates(preset, "cifar10", "vgg", order)
    correct = np.diagonal(r, axis1=1, axis2=2)
    others = [k for k in range(10) if k not in (SHIP, AUTOMOBILE)]
    return correct[:, [SHIP, AUTOMOBILE]].min(axis=1) - correct[:, others].max(axis=1), scale


def cat_dog(preset, order):
    """Return the larger cat-dog error minus the largest other error, per seed."""
    errors, scale = _errors(preset, "vgg", order)
    both = np.maximum(errors[:, CAT, DOG], errors[:, DOG, CAT])
    errors[:, CAT, DOG] = errors[:, DOG, CAT] = 0
    return both - errors.max(axis=(1, 2)), scale


def mlp_cat_dog(preset):
    """Return the MLP's mean cat-dog error minus its mean error, natural images, per seed."""
    errors, scale = _errors(preset, "mlp", "natural")
    both = (errors[:, CAT, DOG] + errors[:, DOG, CAT]) / 2
    return both - errors.sum(axis=(1, 2)) / 90, scale


def _errors(preset, model, order):
    r, scale = rates(preset, "cifar10", model, order)
    return r * ~np.eye(10, dtype=bool), scale


def cat_dog_rates(preset):
    """Return the two rates that Section 6.2 prints."""
    r, scale = rates(preset, "cifar10", "vgg", "natural")
    return {"cat as dog": r[:, CAT, DOG], "dog as cat": r[:, DOG, CAT]}, scale


def class_changes(preset):
    """Return the MLP's permuted minus natural accuracy of bird and frog."""
    natural, scale = rates(preset, "cifar10", "mlp", "natural")
    permuted, _ = rates(preset, "cifar10", "mlp", "permuted")
    change = np.diagonal(permuted - natural, axis1=1, axis2=2)
    return {"bird": change[:, BIRD], "frog": change[:, FROG]}, scale


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
    return mlp.mean(axis=1) - cnn.mean(axis=1), scale


def mean_off(preset):
    """Return the CNN's mean r without the diagonal, per seed."""
    values, scale = correlations(preset, "vgg", diagonal=False)
    return values.mean(axis=1), scale


def mean_r(preset):
    """Return Table 4's last line, measured."""
    cnn, scale = correlations(preset, "vgg")
    mlp, _ = correlations(preset, "mlp")
    return {"CNN mean r": cnn.mean(axis=1), "MLP mean r": mlp.mean(axis=1)}, scale
