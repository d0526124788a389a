"""Across the papers: is a change by one pixel (azulay2019) foretold by a gradient (rodner2016)?"""

from dataclasses import replace

from helpers.experiments import azulay2019
from helpers.experiments.rodner2016 import HERE

WANTED = (*azulay2019.FORETOLD, *azulay2019.PAIRS, "typicality")


def moved(preset, seeds=None):
    """Return networks trained here, with what is foretold, what happens, and typicality.

    The plain ones of azulay2019, Section 5.1. Where these look at all of it by themselves they are
    the very same runs, so that no network is trained twice.
    """
    return [
        run if set(WANTED) <= set(run.observers) else replace(run, observers=WANTED)
        for run in azulay2019.plain(preset, seeds)
    ]


def moved_by_others(preset):
    """Return what is foretold of networks that others trained; see `azulay2019.protocols`."""
    return [
        replace(run, observers=(run.observers[0].replace("pairs", "foretold"),))
        for run in azulay2019.protocols(preset)
        if run.model_args["name"] in HERE
    ]


GRIDS = {"moved": moved, "moved_by_others": moved_by_others}
