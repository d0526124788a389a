"""Across the papers: is a change by one pixel (azulay2019) foretold by a gradient (rodner2016)?"""

from dataclasses import replace

from helpers.experiments import azulay2019
from helpers.experiments.rodner2016 import HERE

FORETOLD = tuple(pairs.replace("pairs", "foretold") for pairs in azulay2019.PAIRS)


def moved(preset, seeds=None):
    """Return networks trained here, with what is foretold, what happens, and typicality.

    The plain ones of azulay2019, Section 5.1.
    """
    plain = [
        run for run in azulay2019.samplings(preset, seeds) if run.model_args["sampling"] == "max"
    ]
    return [replace(run, observers=(*FORETOLD, *azulay2019.PAIRS, "typicality")) for run in plain]


def moved_by_others(preset):
    """Return what is foretold of networks that others trained; see `azulay2019.protocols`."""
    return [
        replace(run, observers=(run.observers[0].replace("pairs", "foretold"),))
        for run in azulay2019.protocols(preset)
        if run.model_args["name"] in HERE
    ]


GRIDS = {"moved": moved, "moved_by_others": moved_by_others}
