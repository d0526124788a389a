"""Experiments: each table or figure of a paper, or across them, as a list of runs at a preset."""

from inspect import signature

from helpers.errors import one_of
from helpers.experiments import across, azulay2019, ghosh2019, ivan2019, juefei2018, rodner2016

PAPERS = {"ivan2019": ivan2019, "juefei2018": juefei2018, "ghosh2019": ghosh2019,
          "azulay2019": azulay2019, "rodner2016": rodner2016, "across": across}  # fmt: skip
LEAST = 3  # seeds of a first stage


def every_run(paper, preset, experiment=None):
    """Return all runs of a paper at a preset, the decisive ones first, each once.

    experiment: one of its `GRIDS`, to have the runs of that alone.
    """
    grids = PAPERS[one_of("paper", paper, PAPERS)].GRIDS
    names = grids if experiment is None else [one_of("experiment", experiment, grids)]
    wanted = [run for name in names for run in grids[name](preset)]
    return list({run.key(): run for run in wanted}.values())


def split(name, paper):
    """Return (paper, name) of an experiment as a claim names it: `table1`, `ivan2019/table1`."""
    return tuple(name.split("/")) if "/" in name else (paper, name)


def takes_seeds(grid):
    """Return whether an experiment can be repeated with further seeds.

    Some cannot: a look at a data set, or at a network that others trained.
    """
    return "seeds" in signature(grid).parameters


def own_seeds(grid, preset):
    """Return how many seeds an experiment has at a preset, 0 where it has none."""
    return 1 + max((run.seed for run in grid(preset)), default=-1) if takes_seeds(grid) else 0


def first_stage(grid, preset):
    """Return how many seeds say how many more there should be (`helpers.plan`), 0 without seeds.

    They are those of the preset, and LEAST at least: two say next to nothing of how much they vary.
    """
    own = own_seeds(grid, preset)
    return max(LEAST, own) if own else 0
