"""Section 5.2 of juefei2018: does the noise do anything? The networks with it and without."""

from itertools import combinations

import numpy as np

from helpers.claims import Measurement
from helpers.experiments.juefei2018 import CRITIC_LEVEL, LEVEL
from helpers.verdicts.juefei2018.records import cells, differences, evidence, on_folder

RECIPES = {"adam": LEVEL, "nesterov": CRITIC_LEVEL}  # and the level that goes with each
TITLES = {"adam": "the authors' recipe", "nesterov": "the critic's recipe"}
LOW = (0.01, 0.1, 0.5)  # "low, say less than 1"
HIGH = (0.5, 1.0, 5.0)
PRINTED = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)  # Table 3


def arm(row):
    """Return what a network of the decisive experiment is: its noise level, or a control."""
    if row.model == "resnet":
        return "{0}x{0}".format(row.arguments.get("kernel", 3))
    return "learnt" if row.arguments.get("learnt") else row.arguments["level"]


def accuracies(preset, recipe, best=False):
    """Return {arm: test accuracy (seeds,)} under a recipe, and the scale."""
    return cells(f"decisive-{recipe}", preset, arm, best)


def against(preset, recipe, other, first=None):
    """Return the accuracy of one arm, by default of the recipe's noise, minus that of another."""
    first = RECIPES[recipe] if first is None else first
    return differences(*accuracies(preset, recipe), first, other)


def learns(preset, least=0.75):
    """Return by how much the accuracy of 3x3 convolutions exceeds `least`, per recipe and seed.

    float64 (seeds, recipes).
    """
    own = [accuracies(preset, recipe) for recipe in RECIPES]
    names = tuple(TITLES[recipe] for recipe in RECIPES)
    columns = np.stack([values["3x3"] - least for values, _ in own], axis=1)
    return Measurement(columns, own[0][1], names=names)


def arms(preset):
    """Return every arm but level 0: levels as they rise, then controls."""
    return _ordered(accuracies(preset, "adam")[0])[1:]


def low_levels(preset, recipe):
    """Return the difference of every two low levels, the higher minus the lower, (seeds, pairs)."""
    values, scale = accuracies(preset, recipe)
    pairs = list(combinations([level for level in LOW if level in values], 2))
    gaps = [values[high] - values[low] for low, high in pairs]
    names = tuple(f"levels {low:g} and {high:g}" for low, high in pairs)
    return Measurement(np.array(gaps).T, scale, names=names)


def pooled(preset, arms=LOW):
    """Return the mean accuracy of some arms minus that of level 0, mean over recipes, (seeds,).

    Both recipes start a seed from the same weights and masks, so that a seed is one repeat; the
    recipes are the parts.
    """
    found = {}
    for recipe, title in TITLES.items():
        values, scale = accuracies(preset, recipe)
        there = np.mean([values[arm] for arm in arms if arm in values], axis=0)
        found[title] = there - values[0.0]
    both = min(len(own) for own in found.values())  # the seeds that both have
    parts = {title: own[:both] for title, own in found.items()}
    return Measurement(np.mean(list(parts.values()), axis=0), scale, parts=parts)


def high_levels(preset, recipe):
    """Return the accuracy at rising levels from 0.5 on, (seeds, levels)."""
    values, scale = accuracies(preset, recipe)
    there = [level for level in HIGH if level in values]  # smaller presets have no 1
    series = np.array([values[level] for level in there]).T
    return Measurement(series, scale, names=tuple(f"level {level:g}" for level in there))


def everywhere(preset, best=False):
    """Return {(recipe, noisy): accuracy (seeds,)} of networks with a first layer of noise."""
    return cells(
        "everywhere", preset, lambda row: (row.optimiser, row.arguments["level"] > 0), best
    )


def first_layer(preset, recipe):
    """Return what noise in place of the first convolution costs, per seed."""
    values, scale = everywhere(preset)
    values["usual"] = accuracies(preset, recipe)[0][RECIPES[recipe]]
    return differences(values, scale, "usual", (recipe, True))


def everywhere_against_none(preset, recipe):
    """Return the accuracy with noise in all layers minus that of the same network at level 0."""
    return differences(*everywhere(preset), (recipe, True), (recipe, False))


def table3(preset):
    """Return the accuracies of Table 3 on the reader's ImageNet, or what is needed."""
    names = [None, *(f"l={level:g}" for level in PRINTED)]
    return on_folder("table3", names, "pnn-table3")


def name(arm):
    """Return what an arm is called in tables and figures."""
    return arm if isinstance(arm, str) else f"level {arm:g}"


def named(preset, recipe, best=False):
    """Return {name of the arm: accuracies (seeds,)}: levels as they rise, then controls."""
    values, _ = accuracies(preset, recipe, best)
    return {name(arm): values[arm] for arm in _ordered(values)}


def _ordered(arms):
    return sorted(arms, key=lambda arm: (isinstance(arm, str), arm))


def everywhere_named(preset, best=False):
    """Return {what it is: accuracies (seeds,)} of the networks of noise layers only."""
    values, _ = everywhere(preset, best)
    how = {True: "noise", False: "level 0"}
    return {f"{TITLES[recipe]}, {how[noisy]}": own for (recipe, noisy), own in values.items()}


def progress(preset, recipe):
    """Return {level: test accuracy (seeds, epochs)} of the networks of every level."""
    rows = evidence(f"decisive-{recipe}", preset).frame
    rows = rows.assign(arm=[arm(row) for row in rows.itertuples()])
    levels = sorted(a for a in set(rows.arm) if not isinstance(a, str))
    return {
        name(level): rows[rows.arm == level]
        .pivot(index="seed", columns="epoch", values="test_accuracy")
        .to_numpy()
        for level in levels
    }


def usual_recipe(preset, best=False):
    """Return {name of the level: accuracies (seeds,)} under the recipe of Table 3."""
    values, _ = cells("table3", preset, arm, best)
    return {name(level): values[level] for level in sorted(values)}
