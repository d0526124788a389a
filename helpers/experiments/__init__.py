"""Experiments: each table or figure of a paper, or across papers, as a list of runs at a preset."""

from inspect import signature

from helpers.errors import one_of
from helpers.experiments import across, azulay2019, ghosh2019, ivan2019, juefei2018, rodner2016

PAPERS = {"ivan2019": ivan2019, "juefei2018": juefei2018, "ghosh2019": ghosh2019,
          "azulay2019": azulay2019, "rodner2016": rodner2016, "across": across}  # fmt: skip
LEAST = 3  # seeds of a first stage


def every_run(paper, preset, experiment=None):
    """Return all runs of a paper at a preset, the decisive ones first, each once.

    paper: a key of `PAPERS`. preset: a name in `presets.PRESETS`. experiment: a name in the paper's
    `GRIDS`, for the runs of that one alone; None for all. Raises `InputError` for an unknown name.
    """
    grids = PAPERS[one_of("paper", paper, PAPERS)].GRIDS
    names = grids if experiment is None else [one_of("experiment", experiment, grids)]
    wanted = [run for name in names for run in grids[name](preset)]
    return list({run.key(): run for run in wanted}.values())


def split(name, paper):
    """Return (paper, experiment) of an experiment's name as claims write it.

    name: such as `ivan2019/table1`, or `table1` for an experiment of the claim's own paper. paper:
    the claim's paper.
    """
    return tuple(name.split("/")) if "/" in name else (paper, name)


def takes_seeds(grid):
    """Return whether an experiment can be repeated with more seeds.

    grid: a function in a paper's `GRIDS`. Some experiments have no seeds: they look at a data set,
    or at a network that others trained.
    """
    return "seeds" in signature(grid).parameters


def own_seeds(grid, preset):
    """Return how many seeds an experiment has at a preset, 0 if it has none.

    grid: a function in a paper's `GRIDS`. preset: a name in `presets.PRESETS`.
    """
    return 1 + max((run.seed for run in grid(preset)), default=-1) if takes_seeds(grid) else 0


def first_stage(grid, preset):
    """Return the seeds of the first stage, from which `helpers.plan` computes how many we need.

    grid: a function in a paper's `GRIDS`. preset: a name in `presets.PRESETS`. The result is the
    preset's number of seeds, and at least LEAST: two seeds say hardly anything about how much seeds
    vary. The result is 0 for an experiment without seeds.
    """
    own = own_seeds(grid, preset)
    return max(LEAST, own) if own else 0
