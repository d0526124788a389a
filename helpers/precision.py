"""The precision gate: bfloat16 is used only by model families for which it changed nothing."""

from helpers import machine, paths, records

GATE = paths.RESULTS / "gate" / "precision.json"
LIMIT = 0.003  # share of test images: largest mean difference of accuracy that passes
LEAST_SEEDS = 5


def choose(run):
    """Return the precision `run` is to be trained in, `float32` or `bfloat16`."""
    if run.precision not in ("auto", "mixed"):
        return run.precision
    allowed = run.precision == "mixed" or run.model in passed()
    return "bfloat16" if allowed and machine.has_fast_bfloat16() else "float32"


def passed():
    """Return the model families that the published gate record lets through."""
    record = records.read(GATE) or {"families": {}}
    return {name for name, row in record["families"].items() if _passes(row)}


def verdict(differences):
    """Judge a family: paired differences of accuracy, bfloat16 minus float32, one per seed."""
    return len(differences) >= LEAST_SEEDS and abs(sum(differences) / len(differences)) <= LIMIT


def _passes(row):
    conclusions = row["conclusions"]
    return verdict(row["differences"]) and conclusions["bfloat16"] == conclusions["float32"]
