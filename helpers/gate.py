"""Measure the precision gate: families in float32 and bfloat16, paired, at preset quick."""

from itertools import product
from statistics import mean, stdev

from helpers import machine, precision, presets, queue, records, runs
from helpers.errors import InputError, one_of
from helpers.models import MODELS
from helpers.runs import Run

DATA = ("mnist", "photo_patches")  # grey 28 px, colour 32 px: both come with the project
ORDERS = ("natural", "permuted")
KINDS = ("float32", "bfloat16")
WIDTHS = dict.fromkeys(("resnet", "pnn", "lbcnn"), 16)  # channels; vgg's multiplier is the preset's


def measure(families=tuple(MODELS), workers=None):
    """Train families in both precisions at preset quick; return the updated gate record, a dict.

    families: names in `helpers.models.MODELS`; the record keeps the rows of others. workers: number
    of processes, None for the default. Runs that differ only in precision are paired. An
    interrupted measurement resumes with the runs that are done. Raises `InputError` for an unknown
    family, and on a machine without fast bfloat16.
    """
    for family in families:
        one_of("families", family, MODELS)
    if not machine.has_fast_bfloat16():
        raise InputError(
            "precision", "bfloat16",
            "it is only emulated on this machine, far slower than float32; measure the gate on a "
            "CPU with AMX or AVX-512 BF16, or on a GPU",
        )  # fmt: skip
    wanted = {family: _runs(family) for family in families}
    every = [run for cells in wanted.values() for run in cells.values()]
    done = dict(zip([run.key() for run in every], queue.results(every, workers), strict=True))
    rows = precision.measured()
    for family, cells in wanted.items():
        last = {cell: done[run.key()]["epochs"][-1] for cell, run in cells.items()}
        accuracy = {cell: epoch["test_accuracy"] for cell, epoch in last.items()}
        keys = sorted(run.key() for run in cells.values())
        rows[family] = {**compare(accuracy), "runs": keys, "machine": runs.provenance()}
    record = {"families": rows, "limit": precision.LIMIT}
    records.write(precision.GATE, record)
    return record


def compare(accuracy):
    """Return a family's differences, their mean, and its conclusions in each precision, as a dict.

    accuracy: final test accuracy by (seed, data, order, precision). The difference of a seed is
    bfloat16 minus float32, the mean over data sets and orders. A conclusion says, for each data
    set, which order the family learns better, if the mean gap over the seeds exceeds two standard
    errors.
    """
    seeds = sorted({seed for seed, *_ in accuracy})
    differences = [
        mean(accuracy[seed, d, o, "bfloat16"] - accuracy[seed, d, o, "float32"]
             for d, o in product(DATA, ORDERS))
        for seed in seeds
    ]  # fmt: skip
    gaps = {
        kind: {d: [accuracy[s, d, "natural", kind] - accuracy[s, d, "permuted", kind]
                   for s in seeds] for d in DATA}
        for kind in KINDS
    }  # fmt: skip
    conclusions = {kind: {d: _better(g) for d, g in row.items()} for kind, row in gaps.items()}
    return {"differences": differences, "mean": mean(differences), "conclusions": conclusions}


def _better(gaps):
    doubt = 2 * stdev(gaps) / len(gaps) ** 0.5
    return "natural" if mean(gaps) > doubt else "permuted" if mean(gaps) < -doubt else "neither"


def _runs(family):
    """Return the runs of a family, {(seed, data, order, precision): run}."""
    scale = presets.preset("quick")
    width = WIDTHS.get(family, scale.width if family in ("vgg", "pnn_vgg") else None)
    narrow = {"model_args": {"width": width}} if width else {}
    return {
        (seed, data, order, kind): Run(
            data, family, seed,
            {} if order == "natural" else {"kind": "pixel_permutation", "seed": seed},
            train_size=scale.train, test_size=scale.test, epochs=scale.epochs,
            precision=kind, **narrow,
        )
        for seed, data, order, kind in product(range(precision.LEAST_SEEDS), DATA, ORDERS, KINDS)
    }  # fmt: skip
