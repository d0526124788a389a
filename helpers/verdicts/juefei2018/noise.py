"""Does the noise matter? Networks with it and without (juefei2018, Section 5.2).

Everywhere in here, preset is as in `helpers.verdicts`; recipe is a key of `RECIPES`; best takes
each run's best epoch instead of the last. An arm is a noise level, or the name of a control.
"""

from itertools import combinations

import numpy as np
import pandas as pd

from helpers.claims import Measurement
from helpers.evidence import together
from helpers.experiments.juefei2018 import CRITIC_LEVEL, HIGH, LEVEL, PARTS
from helpers.verdicts.juefei2018.records import (
    LACKING,
    answers,
    cells,
    differences,
    judged,
    on_folder,
    seeds_of_all,
)

RECIPES = {"adam": LEVEL, "nesterov": CRITIC_LEVEL}  # {recipe: its noise level}
TITLES = {"adam": "the authors' recipe", "nesterov": "the critic's recipe"}
CONTROLS = {"learnt": "learnt", "1x1": "plain", "3x3": "convolution", "random 3x3": "random"}
LOW = (0.01, 0.1, 0.5)  # "low, say less than 1"
RISING = (0.5, 1.0, 5.0)
PRINTED = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0)  # Table 3


def arm(row):
    """Return the arm of a network of the decisive experiment: its noise level, or a control.

    row: of the evidence table.
    """
    arguments = row.arguments
    if row.model == "resnet":
        return "{0}x{0}".format(arguments.get("kernel", 3))
    if arguments.get("fixed") == "filters":
        return "random 3x3"
    return "learnt" if arguments.get("learnt") else arguments["level"]


def part(arm):
    """Return the part of the decisive experiment that has an arm.

    arm: see the module.
    """
    if isinstance(arm, str):
        return CONTROLS[arm]
    return "decisive" if arm in (0.0, LEVEL) else "low" if arm < HIGH else "high"


def experiments_of(recipe, arms):
    """Return the names of the experiments that have some arms under a recipe.

    recipe, arms: see the module.
    """
    return [f"{name}-{recipe}" for name in dict.fromkeys(map(part, arms))]


def accuracies(preset, recipe, best=False):
    """Return {arm: test accuracy (seeds,)} of all arms there are under a recipe, and the scale.

    preset, recipe, best: see the module.
    """
    return cells([f"{name}-{recipe}" for name in PARTS], preset, arm, best)


def against(preset, recipe, other, first=None):
    """Return the accuracy of one arm minus that of another, points (seeds,).

    preset, recipe: see the module. first, other: arms; without a first, the recipe's own noise
    level.
    """
    first = RECIPES[recipe] if first is None else first
    return differences(_answers(preset, recipe, (first, other)), first, other)


def random_filters(preset, recipe):
    """Return the accuracy of fixed random 3x3 filters minus that of the recipe's noise, (seeds,).

    preset, recipe: see the module.
    """
    return against(preset, recipe, RECIPES[recipe], first="random 3x3")


def _answers(preset, recipe, arms):
    return answers(experiments_of(recipe, arms), preset, arm)


def learns(preset, least=0.75):
    """Return how far the accuracy of 3x3 convolutions exceeds `least`, float64 (seeds, recipes).

    preset: see the module. least: an accuracy that shows that the networks have learnt.
    """
    asked = [name for recipe in RECIPES for name in experiments_of(recipe, ("3x3",))]
    values, scale = answers(asked, preset, lambda row: row.optimiser)
    columns = seeds_of_all(*(values[recipe].mean(axis=1) - least for recipe in RECIPES))
    return Measurement(np.stack(columns, axis=1), scale, names=tuple(TITLES.values()))


def arms(preset):
    """Return every arm at a preset but level 0: levels in ascending order, then controls."""
    return _ordered(accuracies(preset, "adam")[0])[1:]


def low_levels(preset, recipe):
    """Return the difference of every two low levels, the higher minus the lower, (seeds, pairs).

    preset, recipe: see the module (Figure 6).
    """
    values, scale = _answers(preset, recipe, LOW)
    pairs = list(combinations([level for level in LOW if level in values], 2))
    levels = dict(zip(values, seeds_of_all(*values.values()), strict=True))
    gaps = np.stack([levels[high] - levels[low] for low, high in pairs], axis=-1)
    names = tuple(f"levels {low:g} and {high:g}" for low, high in pairs)
    return judged(gaps, scale, names)


def pooled(preset, arms=LOW):
    """Return the mean accuracy of some arms minus that of level 0, averaged over recipes, (seeds,).

    preset, arms: see the module. Both recipes start a seed from the same weights and masks, so a
    seed is one repeat; the recipes are the parts.
    """
    asked = [name for recipe in RECIPES for name in experiments_of(recipe, (0.0, *arms))]
    values, scale = answers(asked, preset, lambda row: (row.optimiser, arm(row)))
    found = {}
    for recipe, title in TITLES.items():
        there = [values[recipe, arm] for arm in arms if (recipe, arm) in values]
        if not there:
            return Measurement(None, LACKING)
        none, *there = seeds_of_all(values[recipe, 0.0], *there)
        found[title] = np.mean(there, axis=0) - none
    parts = dict(zip(found, seeds_of_all(*found.values()), strict=True))
    return judged(np.mean(list(parts.values()), axis=0), scale, parts=parts)


def high_levels(preset, recipe):
    """Return the accuracy at levels from 0.5 upwards, (seeds, levels) (Figure 6).

    preset, recipe: see the module.
    """
    values, scale = _answers(preset, recipe, RISING)
    there = [level for level in RISING if level in values]  # smaller presets have no 1
    series = np.stack(seeds_of_all(*(values[level] for level in there)), axis=-1)
    return judged(series, scale, tuple(f"level {level:g}" for level in there), falls=True)


def everywhere(preset, best=False):
    """Return {(recipe, noisy): accuracy (seeds,)} of networks whose first layer is noise too.

    preset, best: see the module. noisy: whether the level is above 0. The scale comes second.
    """
    return cells([f"everywhere-{recipe}" for recipe in RECIPES], preset, _first_layer, best)


def _first_layer(row):
    """Return (recipe, whether there is noise) for a network of noise layers only, or its arm."""
    if row.arguments.get("stem") != "noise":
        return arm(row)
    return row.optimiser, row.arguments["level"] > 0


def first_layer(preset, recipe):
    """Return what noise instead of the first convolution costs, points (seeds,).

    preset, recipe: see the module.
    """
    names = [f"everywhere-{recipe}", *experiments_of(recipe, (RECIPES[recipe],))]
    return differences(answers(names, preset, _first_layer), RECIPES[recipe], (recipe, True))


def everywhere_against_none(preset, recipe):
    """Return the accuracy with noise in all layers minus that of the same network at level 0.

    preset, recipe: see the module. The values are points (seeds,).
    """
    found = answers(f"everywhere-{recipe}", preset, _first_layer)
    return differences(found, (recipe, True), (recipe, False))


def table3(preset):
    """Return Table 3's accuracies on the reader's ImageNet, or what is needed, at any preset."""
    names = [None, *(f"l={level:g}" for level in PRINTED)]
    return on_folder("table3", names, "pnn-table3")


def name(arm):
    """Return what tables and figures call an arm.

    arm: see the module.
    """
    return arm if isinstance(arm, str) else f"level {arm:g}"


def named(preset, recipe, best=False):
    """Return {name of the arm: accuracies (seeds,)}: levels in ascending order, then controls.

    preset, recipe, best: see the module.
    """
    values, _ = accuracies(preset, recipe, best)
    return {name(arm): values[arm] for arm in _ordered(values)}


def _ordered(arms):
    return sorted(arms, key=lambda arm: (isinstance(arm, str), arm))


def everywhere_named(preset, best=False):
    """Return {description: accuracies (seeds,)} of the networks of noise layers only.

    preset, best: see the module.
    """
    values, _ = everywhere(preset, best)
    how = {True: "noise", False: "level 0"}
    return {f"{TITLES[recipe]}, {how[noisy]}": own for (recipe, noisy), own in values.items()}


def progress(preset, recipe):
    """Return {level: test accuracy (seeds, epochs)} of the networks at every level.

    preset, recipe: see the module.
    """
    names = [f"{name}-{recipe}" for name in ("decisive", "low", "high")]
    rows = pd.concat([one.frame for one in together("juefei2018", names, preset)])
    rows = rows.assign(arm=[arm(row) for row in rows.itertuples()])
    return {
        name(level): rows[rows.arm == level]
        .pivot(index="seed", columns="epoch", values="test_accuracy")
        .to_numpy()
        for level in sorted(set(rows.arm))
    }


def usual_recipe(preset, best=False):
    """Return {name of the level: accuracies (seeds,)} under the recipe of Table 3.

    preset, best: see the module.
    """
    values, _ = cells("table3", preset, arm, best)
    return {name(level): values[level] for level in sorted(values)}
