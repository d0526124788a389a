"""The records of ghosh2019's experiments, each read once."""

from functools import partial

from helpers.evidence import of

evidence = partial(of, "ghosh2019")
