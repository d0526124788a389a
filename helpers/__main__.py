"""Commands: `python -m helpers train --paper ivan2019 --preset study --workers 2 --publish`."""

import argparse
import sys

from helpers import experiments, gate, paths, precision, presets, queue
from helpers.errors import DivergedError, InputError, one_of


def main(arguments=None):
    """Run a command; bad input ends it with one line and status 2."""
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train what has no record yet")
    train.add_argument("--paper", help="its key; default: every paper that has experiments")
    train.add_argument("--preset", default="quick")
    train.add_argument("--seconds", type=float, help="start no run after this time")
    train.add_argument("--publish", action="store_true", help="write to results/<preset>")
    measure = commands.add_parser("gate", help="measure which networks may train in bfloat16")
    for command, action in ((train, _train), (measure, _gate)):
        command.add_argument("--workers", type=int, help="processes; default: one a core or GPU")
        command.set_defaults(action=action)
    options = parser.parse_args(arguments)
    try:
        if options.workers is not None and options.workers < 1:
            raise InputError("workers", options.workers, "use at least 1")
        options.action(options)
    except (InputError, DivergedError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: finished runs are kept, the same command goes on", file=sys.stderr)
        return 130
    return 0


def _train(options):
    one_of("preset", options.preset, presets.PRESETS)
    folder = paths.RESULTS / options.preset if options.publish else None
    papers = [options.paper] if options.paper else list(experiments.PAPERS)
    every = [run for paper in papers for run in experiments.every_run(paper, options.preset)]
    wanted = list({run.key(): run for run in every}.values())
    left = queue.train_missing(wanted, options.workers, folder, options.seconds)
    done = len(wanted) - left
    print(f"{' '.join(papers)} {options.preset}: {done} of {len(wanted)} runs done")


def _gate(options):
    families = gate.measure(options.workers)["families"]
    through = precision.passed()
    for name, row in families.items():
        outcome = "bfloat16" if name in through else "float32"
        print(f"{name}: mean difference {row['mean']:+.4f}, trains in {outcome}")


if __name__ == "__main__":
    sys.exit(main())
