"""Experiments: each table or figure of a paper, or across them, as a list of runs at a preset."""

from helpers.errors import one_of
from helpers.experiments import across, azulay2019, ghosh2019, ivan2019, juefei2018, rodner2016

PAPERS = {"ivan2019": ivan2019, "juefei2018": juefei2018, "ghosh2019": ghosh2019,
          "azulay2019": azulay2019, "rodner2016": rodner2016, "across": across}  # fmt: skip


def every_run(paper, preset, experiment=None):
    """Return all runs of a paper at a preset, the decisive ones first, each once.

    experiment: one of its `GRIDS`, to have the runs of that alone.
    """
    grids = PAPERS[one_of("paper", paper, PAPERS)].GRIDS
    names = grids if experiment is None else [one_of("experiment", experiment, grids)]
    wanted = [run for name in names for run in grids[name](preset)]
    return list({run.key(): run for run in wanted}.values())
