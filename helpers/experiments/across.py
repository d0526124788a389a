"""Across the papers: does a gradient (rodner2016) predict a one-pixel change (azulay2019)?"""

from dataclasses import replace

from helpers.experiments import azulay2019
from helpers.experiments.rodner2016 import HERE

WANTED = (*azulay2019.PREDICTED, *azulay2019.PAIRS, "typicality")


def moved(preset, seeds=None):
    """Return our own networks, observed for predictions, the changes themselves and typicality.

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. These
    are the plain networks of azulay2019 (Section 5.1). Where those runs already have all observers
    in `WANTED`, we return the same runs, so that no network is trained twice.
    """
    return [
        run if set(WANTED) <= set(run.observers) else replace(run, observers=WANTED)
        for run in azulay2019.plain(preset, seeds)
    ]


def moved_by_others(preset):
    """Return networks that others trained, observed for predictions; see `azulay2019.protocols`.

    preset: a name in `presets.PRESETS`.
    """
    return [
        replace(run, observers=(run.observers[0].replace("pairs", "foretold"),))
        for run in azulay2019.protocols(preset)
        if run.model_args["name"] in HERE
    ]


GRIDS = {"moved": moved, "moved_by_others": moved_by_others}
