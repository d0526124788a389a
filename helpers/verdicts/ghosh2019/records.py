"""The records of ghosh2019's experiments, each read once."""

from functools import lru_cache

from helpers.evidence import gather
from helpers.experiments.ghosh2019 import GRIDS


@lru_cache(maxsize=64)
def evidence(name, preset):
    """Return the `Evidence` of one of the paper's experiments, a name in `GRIDS`."""
    return gather(GRIDS[name], preset)
