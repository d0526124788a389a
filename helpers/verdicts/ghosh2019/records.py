"""The records of ghosh2019's experiments, each read once."""

from functools import partial

from helpers.claims import Measurement
from helpers.evidence import of

evidence = partial(of, "ghosh2019")
LATER = Measurement(None, "needs records of the preset long")  # for what older records did not keep


def named(data, init="he_normal"):
    """Return the name of the experiment with Figure 3's network on a data set.

    data: a name in `experiments.ghosh2019.DATA`. init: initial weights, he_normal or
    glorot_uniform.
    """
    if init == "he_normal":
        return f"figure3-{data}"
    return "adam-glorot_uniform" if data == "mnist" else f"glorot-{data}"
