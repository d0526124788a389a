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


def measured():
    """Return what the published gate record holds, {model family: row of `gate.compare`}."""
    return (records.read(GATE) or {"families": {}})["families"]


def passed():
    """Return the model families that the published gate record lets through."""
    return {
        name for name, row in measured().items()
        if verdict(row["differences"]) and concludes_the_same(row)
    }  # fmt: skip


def verdict(differences):
    """Judge a family: paired differences of accuracy, bfloat16 minus float32, one per seed."""
    return len(differences) >= LEAST_SEEDS and abs(sum(differences) / len(differences)) <= LIMIT


def concludes_the_same(row):
    """Tell whether a family learns the same order of pixels better in both precisions."""
    return row["conclusions"]["bfloat16"] == row["conclusions"]["float32"]
