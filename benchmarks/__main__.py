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
from statistics import median

import torch

from benchmarks import clock, loops, networks, processes
from benchmarks.clock import Ratio
from helpers import arrange, machine, orderness, paths, precision, runs, training
from helpers.errors import InputError, whole

GEMM = 1024  # rows and columns of the matrices whose product sets the machine's rate
BATCH = 128  # images: the batch for which the goals were set; the book's runs take 32
LOOPED, STRIDE = 300, 115  # a loop in Python counts every 115th triple of so many images
LOADERS = (0, 2) if sys.platform == "linux" else (0,)  # worker clocks are known on Linux only
SHORT = {"float32": "f32", "bfloat16": "bf16"}


def main(arguments=None):
    """Measure everything, print the table and write `build/benchmarks/latest.json`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.7, help="time of one measurement")
    parser.add_argument("--pairs", type=int, default=5, help="measurements of each side")
    parser.add_argument("--batch", type=int, default=BATCH, help="images a step")
    options = parser.parse_args(arguments)
    try:
        if not options.seconds > 0:
            raise InputError("seconds", options.seconds, "use a number above 0")
        whole("pairs", options.pairs, 1)
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
    print(_head(about, options))
    started, measured = time.time(), []
    for ratio in _everything(about, options):
        print(_line(ratio), flush=True)
        measured.append({**asdict(ratio), "seen": ratio.seen, "reached": ratio.reached()})
    record = {"machine": about, "options": vars(options), "started": round(started),
              "seconds": round(time.time() - started, 1), "measured": measured}  # fmt: skip
    path = paths.build() / "benchmarks" / "latest.json"
    paths.write_atomic(path, json.dumps(record, indent=1) + "\n")
    print(f"{record['seconds']:.0f} s; written to {os.path.relpath(path)}")
    return 0


def _everything(about, options):
    fast = ["float32"] + ["bfloat16"] * about["fast_bfloat16"]
    for case in networks.CASES:
        yield from _against_usual(case, fast, options)
    for case in networks.CASES[:2]:
        pairs = processes.two_against_one(
            case, options.batch, _auto(case), options.seconds, options.pairs
        )
        two, one = (median(side) for side in zip(*pairs, strict=True))
        yield Ratio(f"two processes / one, {case.name}", tuple(a / b for a, b in pairs), 1.7,
                    f"{two:,.0f} and {one:,.0f} images/s on the wall")  # fmt: skip
    yield from _levers(options)
    yield _permutation(options)
    yield from _orderness(options)


def _against_usual(case, fast, options):
    """Yield our speed over the usual loop's, and our share of the GEMM rate, per precision.

    fast: the precisions in which this machine multiplies fast. The one that runs would be
    trained in comes first and is held to the goal; another is shown beside it.
    """
    images, batch = loops.random_images(case.shape), options.batch
    precisions = list(dict.fromkeys([_auto(case), *fast]))
    mine = [loops.ours(case.build(), images, batch, name) for name in precisions]
    usual = [loops.usual(networks.as_written(case.build()), images, batch, n) for n in LOADERS]
    gemm = [_products(training.PRECISIONS[name]) for name in precisions]
    rates = iter(clock.compare([*mine, *usual, *gemm], options.seconds, options.pairs))
    mine, usual, gemm = ([next(rates) for _ in side] for side in (mine, usual, gemm))
    best, workers = max(zip(usual, LOADERS, strict=True), key=lambda side: median(side[0]))
    step = batch * networks.training_flops(case.build(), case.shape) / 1e9
    product = 2 * GEMM**3 / 1e9
    for name, steps, products in zip(precisions, mine, gemm, strict=True):
        chosen = name == precisions[0]
        title = f"{case.name}, {SHORT[name]}" + ("" if chosen else ", not chosen")
        goal = case.goal if chosen else None
        speeds = f"{batch * median(steps):,.0f} and {batch * median(best):,.0f} images/s"
        yield Ratio(
            f"{title}: ours / usual", _ratios(steps, best), goal, f"{speeds} ({workers} workers)"
        )
        shares = tuple(value * step / product for value in _ratios(steps, products))
        speeds = f"{median(steps) * step:,.0f} of {median(products) * product:,.0f} GFLOP/s"
        yield Ratio(f"{title}: share of GEMM", shares, None, speeds)


def _ratios(first, second):
    return tuple(a / b for a, b in zip(first, second, strict=True))


def _auto(case):
    """Return the precision that runs of the case's family are trained in on this machine."""
    return precision.choose(runs.Run("mnist", case.family))


def _products(dtype):
    """Multiply square matrices, whose rate is the machine's, without end."""
    a, b = (torch.randn(GEMM, GEMM, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    while True:
        yield torch.mm(a, b, out=out)


def _levers(options):
    """Yield what each exact rewriting of the network gains by itself."""
    small, vgg = networks.CASES[1], networks.CASES[3]
    for name, case, without in (
        ("pool before ReLU", small, networks.relu_first),
        ("tiny maps as products", vgg, networks.plain_convolutions),
    ):
        images, chosen = loops.random_images(case.shape), _auto(case)
        models = (case.build(), without(case.build()))
        sides = [loops.ours(model, images, options.batch, chosen) for model in models]
        on, off = clock.compare(sides, options.seconds, options.pairs)
        yield Ratio(f"{name}, {case.name}, {SHORT[chosen]}: on / off",
                    _ratios(on, off), None,
                    f"{options.batch * median(on):,.0f} and "
                    f"{options.batch * median(off):,.0f} images/s")  # fmt: skip


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


def _head(about, options):
    bfloat16 = "fast bfloat16"
    if not about["fast_bfloat16"]:
        bfloat16 = "no fast bfloat16 (AMX), for which the goals of ours / usual were set"
    return (
        f"{about['device']}, {about['cores']} cores, "
        f"load {about['load_before']} before; {bfloat16}\n"
        f"torch {about['torch']}, 1 thread, batch {options.batch}, "
        f"{options.pairs} pairs of {options.seconds:g} s\n"
        f"{'':56}{'goal':>7}{'seen':>7}  {'least-most':<13} the two sides"
    )


def _line(ratio):
    goal = "" if ratio.goal is None else f"{'<=' if ratio.at_most else '>='}{ratio.goal:g}"
    span = f"{min(ratio.values):.2f}-{max(ratio.values):.2f}"
    mark = {True: "", False: "  below the goal", None: ""}[ratio.reached()]
    return f"{ratio.name:56}{goal:>7}{ratio.seen:>7.2f}  {span:<13} {ratio.detail}{mark}"


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the goals are for one core of a CPU
    sys.exit(main())
