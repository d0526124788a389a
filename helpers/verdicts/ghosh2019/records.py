"""The records of ghosh2019's experiments, each read once."""

from functools import partial

from helpers.claims import Measurement
from helpers.evidence import of

evidence = partial(of, "ghosh2019")
LATER = Measurement(None, "the preset long")  # where older records do not have what is asked


def named(data, init="he_normal"):
    """Return the experiment with Figure 3's network on a data set from some initial weights."""
    if init == "he_normal":
        return f"figure3-{data}"
    return "adam-glorot_uniform" if data == "mnist" else f"glorot-{data}"
