"""The precision gate: only model families for which bfloat16 changed nothing use it."""

from helpers import machine, paths, records

GATE = paths.RESULTS / "gate" / "precision.json"
LIMIT = 0.003  # share of test images: largest mean difference of accuracy that passes
LEAST_SEEDS = 5


def choose(run):
    """Return the precision in which `run` is to be trained, `float32` or `bfloat16`."""
    if run.precision not in ("auto", "mixed"):
        return run.precision
    allowed = run.precision == "mixed" or run.model in passed()
    return "bfloat16" if allowed and machine.has_fast_bfloat16() else "float32"


def measured():
    """Return the rows of the published gate record, {model family: row of `gate.compare`}."""
    return (records.read(GATE) or {"families": {}})["families"]


def passed():
    """Return the set of model families that pass the gate according to its published record."""
    return {
        name for name, row in measured().items()
        if verdict(row["differences"]) and concludes_the_same(row)
    }  # fmt: skip


def verdict(differences):
    """Return whether a family changes little enough in bfloat16, on average over its seeds.

    differences: of paired accuracies (shares), bfloat16 minus float32, one per seed.
    """
    return len(differences) >= LEAST_SEEDS and abs(sum(differences) / len(differences)) <= LIMIT


def concludes_the_same(row):
    """Return whether a family learns the same order of pixels better in both precisions.

    row: that of the family, from `gate.compare`.
    """
    return row["conclusions"]["bfloat16"] == row["conclusions"]["float32"]
