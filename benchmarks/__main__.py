"""Measure our training against the loop that a user would write, all in one run, in turns.

Every ratio is the median over pairs, one thread a process, in CPU time (`benchmarks.clock`);
two processes against one are timed on the wall.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict
from functools import partial
from statistics import median

import torch

from benchmarks import clock, loops, networks, processes
from benchmarks.clock import Ratio
from helpers import arrange, machine, orderness, paths, plan, precision, runs, training
from helpers.errors import InputError, whole

GEMM = 1024  # rows and columns of the matrices whose product sets the machine's rate
BATCH = 128  # images per step of the networks that the book does not train in this form
LOOPED, STRIDE = 300, 115  # a loop in Python counts every 115th triple of so many images
LOADERS = (0, 2) if sys.platform == "linux" else (0,)  # worker clocks are known on Linux only
SHORT = {"float32": "f32", "bfloat16": "bf16"}


def main(arguments=None):
    """Measure everything, print the table and write `build/benchmarks/latest.json`.

    arguments: list of text, None for those of the command line. Returns the exit status, 2 for bad
    input.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.7, help="length of one measurement")
    parser.add_argument("--pairs", type=int, default=5, help="number of measurements of each side")
    parser.add_argument("--batch", type=int, help="images per step; default: as in the book")
    options = parser.parse_args(arguments)
    try:
        if not options.seconds > 0:
            raise InputError("seconds", options.seconds, "use a number above 0")
        whole("pairs", options.pairs, 1)
        if options.batch is not None:
            whole("batch", options.batch, 1, min(loops.SIZES.values()))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    about = {
        **runs.provenance(),
        "cores": os.cpu_count(),
        "fast_bfloat16": machine.has_fast_bfloat16(),
        "load_before": round(os.getloadavg()[0], 2),
    }
    hours = {name: round(value, 1) for name, value in plan.core_hours().items()}
    print(_head(about, options, hours))
    started, measured = time.time(), []
    for ratio in _everything(about, options):
        print(_line(ratio), flush=True)
        measured.append({**asdict(ratio), "seen": ratio.seen, "reached": ratio.reached()})
    record = {"machine": about, "options": vars(options), "started": round(started),
              "seconds": round(time.time() - started, 1), "core_hours": hours,
              "measured": measured}  # fmt: skip
    path = paths.build() / "benchmarks" / "latest.json"
    paths.write_atomic(path, json.dumps(record, indent=1) + "\n")
    print(f"{record['seconds']:.0f} s; written to {os.path.relpath(path)}")
    return 0


def _everything(about, options):
    fast = ["float32"] + ["bfloat16"] * about["fast_bfloat16"]
    for case in networks.CASES:
        yield from _against_usual(case, fast, options)
    for case in networks.CASES[:2]:
        batch = options.batch or case.batch or BATCH
        loop = partial(loops.ours, case, batch, _auto(case))
        pairs = processes.two_against_one(loop, options.seconds, options.pairs)
        two, one = (batch * median(side) for side in zip(*pairs, strict=True))
        yield Ratio(f"two processes / one, {case.name}", tuple(a / b for a, b in pairs), 1.7,
                    f"{two:,.0f} and {one:,.0f} images/s by the wall clock")  # fmt: skip
    yield from _levers(options)
    yield _permutation(options)
    yield from _orderness(options)


def _against_usual(case, fast, options):
    """Yield our speed over the usual loop's, our share of the GEMM rate, and what memory gains.

    fast: the precisions in which this machine multiplies fast. The precision in which runs would be
    trained comes first and is held to the goal; any other is shown beside it.
    """
    batch = options.batch or case.batch or BATCH
    precisions = list(dict.fromkeys([_auto(case), *fast]))
    mine = [partial(loops.ours, case, batch, name) for name in precisions]
    gemm = [partial(loops.products, GEMM, training.PRECISIONS[name]) for name in precisions]
    usual = [partial(loops.usual, case, batch, workers) for workers in LOADERS]
    # Keeping freed memory affects a whole process, so the loop without it gets another one.
    groups = [[*mine, *gemm], [partial(mine[0], keep=False), *usual]]
    rates = iter(processes.compare(groups, options.seconds, options.pairs))
    mine, gemm, (without,), usual = (
        [next(rates) for _ in side] for side in (mine, gemm, [None], usual)
    )
    best, workers = max(zip(usual, LOADERS, strict=True), key=lambda side: median(side[0]))
    step = batch * networks.training_flops(case.build(), case.shape) / 1e9
    product = 2 * GEMM**3 / 1e9
    for name, steps, products in zip(precisions, mine, gemm, strict=True):
        chosen = name == precisions[0]
        title = f"{case.name}, {SHORT[name]}" + ("" if chosen else ", not chosen")
        goal = case.goal if name == "bfloat16" else networks.FLOAT32_GOAL
        speeds = f"{batch * median(steps):,.0f} and {batch * median(best):,.0f} images/s"
        yield Ratio(f"{title}: ours / usual", _ratios(steps, best), goal if chosen else None,
                    f"{speeds} ({workers} workers)")  # fmt: skip
        shares = tuple(value * step / product for value in _ratios(steps, products))
        speeds = f"{median(steps) * step:,.0f} of {median(products) * product:,.0f} GFLOP/s"
        yield Ratio(f"{title}: share of GEMM", shares, None, speeds)
    yield _lever("freed memory kept", case, batch, mine[0], without)


def _ratios(first, second):
    return tuple(a / b for a, b in zip(first, second, strict=True))


def _auto(case):
    """Return the precision in which runs of the case's family are trained on this machine."""
    return precision.choose(runs.Run("mnist", case.family))


def _levers(options):
    """Yield what each exact rewriting of a network gains on its own."""
    named = {case.name: case for case in networks.CASES}
    for lever, name, change in (
        ("pool before ReLU", "plain, 3 layers, 28 px", networks.relu_first),
        ("tiny maps as products", "VGG16-like, 28 px", networks.plain_convolutions),
    ):
        case = named[name]
        batch = options.batch or case.batch or BATCH
        ours = partial(loops.ours, case, batch, _auto(case))
        sides = [[ours, partial(ours, change=change)]]
        on, off = processes.compare(sides, options.seconds, options.pairs)
        yield _lever(lever, case, batch, on, off)


def _lever(name, case, batch, on, off):
    """Return the ratio of our loop with and without a lever, in steps per second."""
    return Ratio(f"{name}, {case.name}, {SHORT[_auto(case)]}: on / off", _ratios(on, off), None,
                 f"{batch * median(on):,.0f} and {batch * median(off):,.0f} images/s"
                 )  # fmt: skip


def _permutation(options):
    """Compare arranging a whole data set with copying it."""
    pixels = loops.random_images((1, 28, 28)).pixels
    index = arrange.pixel_permutation(28, 0)
    sides = lambda: arrange.apply(pixels, index), pixels.copy
    pairs = [[clock.spent(side) for side in sides] for _ in range(options.pairs + 1)][1:]
    ours, copy = (1000 * median(side) for side in zip(*pairs, strict=True))
    return Ratio(f"permutation of {len(pixels)}x28x28 / copy", tuple(a / b for a, b in pairs), 20,
                 f"{ours:.0f} and {copy:.0f} ms", at_most=True)  # fmt: skip


def _orderness(options):
    """Compare the orderness of a whole data set with copying it, and with a loop over triples."""
    pixels = loops.random_images((3, 32, 32)).pixels
    few, every = pixels[:LOOPED], loops.triples(*pixels.shape[2:])
    some = every[::STRIDE]
    sides = (lambda: orderness.orderness(pixels), pixels.copy,
             lambda: loops.orderness_by_triples(few, some))  # fmt: skip
    pairs = [[clock.spent(side) for side in sides] for _ in range(options.pairs + 1)][1:]
    ours, copy, loop = zip(*pairs, strict=True)
    title = f"orderness of {len(pixels)}x3x32x32"
    yield Ratio(f"{title} / copy", _ratios(ours, copy), 50,
                f"{1000 * median(ours):.0f} and {1000 * median(copy):.0f} ms",
                at_most=True)  # fmt: skip
    fast = [3 * len(pixels) * len(every) / seconds for seconds in ours]
    slow = [3 * len(few) * len(some) / seconds for seconds in loop]
    yield Ratio(f"{title} / loop over triples", _ratios(fast, slow), 200,
                f"{median(fast) / 1e6:,.0f} and {median(slow) / 1e6:,.1f} million triples/s"
                )  # fmt: skip


def _head(about, options, hours):
    bfloat16 = "fast bfloat16"
    if not about["fast_bfloat16"]:
        bfloat16 = "no fast bfloat16 (AMX): everything trains in float32"
    spent = ", ".join(f"{name} {value:.0f}" for name, value in hours.items() if value >= 1)
    return (
        f"{about['device']}, {about['cores']} cores, "
        f"load {about['load_before']} before; {bfloat16}\n"
        f"torch {about['torch']}, 1 thread, batch {options.batch or 'as in the book'}, "
        f"{options.pairs} pairs of {options.seconds:g} s\n"
        f"core-hours of the preset {plan.PRESET} by network: {spent}; together "
        f"{sum(hours.values()):.0f}\n"
        f"{'':56}{'goal':>7}{'ratio':>7}  {'range':<13} the two sides"
    )


def _line(ratio):
    goal = "" if ratio.goal is None else f"{'<=' if ratio.at_most else '>='}{ratio.goal:g}"
    span = f"{min(ratio.values):.2f}-{max(ratio.values):.2f}"
    mark = {True: "", False: "  below the goal", None: ""}[ratio.reached()]
    return f"{ratio.name:56}{goal:>7}{ratio.seen:>7.2f}  {span:<13} {ratio.detail}{mark}"


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the goals are for one core of a CPU
    sys.exit(main())
