"""Commands: `python -m helpers train --preset study --workers 2 --publish`."""

import argparse
import math
import sys

from helpers import (
    claims,
    experiments,
    frozen,
    gate,
    models,
    paths,
    precision,
    presets,
    queue,
    robustness,
)
from helpers.errors import DivergedError, InputError, one_of
from helpers.experiments import juefei2018_folders as folders
from helpers.models.perturbative import FITS


def main(arguments=None):
    """Run a command and return its exit status; bad input ends it with one line and status 2.

    arguments: list of text, None for those of the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train the runs that have no record yet")
    train.add_argument("--paper", help="key of a paper; default: every paper with experiments")
    train.add_argument(
        "--experiment", help="experiment of the paper; default: all, the decisive ones first"
    )
    train.add_argument("--plan", action="store_true", help="train and publish the runs of the plan")
    train.add_argument("--hours", help="with --plan: start no run after this many hours")
    planned = commands.add_parser("plan", help="print the trainings that undecided statements need")
    planned.add_argument("--paper", help="key of a paper; default: all papers")
    planned.set_defaults(action=_plan, workers=None)
    check = commands.add_parser(
        "live", help="train one decisive comparison per paper, print its result"
    )
    large = commands.add_parser("train-folder", help="train on DATA_DIR/imagenet/{train,val}")
    large.add_argument("--experiment", required=True, help=", ".join(folders.FOLDER_GRIDS))
    detect = commands.add_parser("detect", help="train detectors on DATA_DIR/VOCdevkit/VOC2007")
    detect.add_argument(
        "--fit", default="tile", help=f"how masks fit the images: {', '.join(FITS)}"
    )
    detect.add_argument("--scratch", action="store_true", help="start from untrained networks")
    for command, action in ((train, _train), (large, _train_folder), (detect, _detect)):
        command.add_argument("--preset", default="quick")
        command.add_argument("--publish", action="store_true", help="write to results/<preset>")
        command.set_defaults(action=action, workers=None)
    for command in (train, large):
        command.add_argument("--seconds", type=float, help="start no run after this many seconds")
    measure = commands.add_parser("gate", help="measure which networks may train in bfloat16")
    measure.add_argument("--families", help="such as vgg,pnn; default: all")
    measure.set_defaults(action=_gate)
    stable = commands.add_parser(
        "stability", help="measure how much small shifts change predictions"
    )
    stable.add_argument(
        "--network", required=True, help="name, TorchScript file or architecture:file"
    )
    stable.add_argument(
        "--pictures",
        default="photographs",
        help="folder of images; default: ten of our photographs",
    )
    stable.add_argument("--protocols", default="crop,black,inpainted,scale")
    stable.add_argument(
        "--sizes", default="100", help="of the embedded image in px, such as 60,100"
    )
    stable.add_argument("--count", type=_number, help="number of pairs; default: one per image")
    stable.add_argument("--seed", type=_number, default=0, help="for drawing images and positions")
    stable.set_defaults(action=_stability, workers=None)
    noise = commands.add_parser("noise", help="measure how much noise changes predictions")
    noise.add_argument(
        "--network", required=True, help="name, TorchScript file or architecture:file"
    )
    noise.add_argument("--pictures", help="folder of images; default: ten of our photographs")
    noise.add_argument("--kinds", help=f"default: {','.join(robustness.LEVELS)}")
    noise.add_argument(
        "--levels",
        help="noise levels of every kind, such as 2,4,8; default: the book's for each kind",
    )
    noise.add_argument("--draws", type=_number, help="draws of noise per image; default: 10")
    noise.add_argument("--count", type=_number, help="number of images; default: all")
    noise.add_argument("--seed", type=_number, help="for drawing images and noise; default: 0")
    noise.set_defaults(action=_noise, workers=None)
    check.add_argument(
        "--preset",
        default="quick",
        help="smoke for the smallest check; all others train the same one",
    )
    check.set_defaults(action=_live)
    for command in (train, measure, check):
        command.add_argument(
            "--workers",
            type=int,
            help="number of processes; default: one per core, or one on a GPU",
        )
    options = parser.parse_args(arguments)
    try:
        if options.workers is not None and options.workers < 1:
            raise InputError("workers", options.workers, "use at least 1")
        options.action(options)
    except (InputError, DivergedError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: finished runs are kept; the same command resumes", file=sys.stderr)
        return 130
    return 0


def _plan(options):
    from helpers import plan  # imports every measure

    print("\n".join(plan.table(*plan.make(papers=_papers(options)))))


def _live(options):
    from helpers import live  # imports every measure

    queue.train_missing(live.runs(options.preset), options.workers)
    for paper in live.CHECKS:
        print(f"{paper}: {live.sentence(paper, options.preset)}")


def _train_plan(options):
    from helpers import plan

    for name in ("experiment", "seconds"):
        if getattr(options, name) is not None:
            raise InputError(name, getattr(options, name), "use it without --plan")
    frozen.check_commit()
    hours = math.inf if options.hours is None else _positive("hours", options.hours)
    left = plan.carry_out(hours, options.workers, papers=_papers(options))
    print("the plan is complete" if not left else f"{left} runs of the plan are left")


def _papers(options):
    """Return the papers asked for: one, or all."""
    if options.paper is None:
        return claims.PAPERS
    return (one_of("paper", options.paper, claims.PAPERS),)


def _train(options):
    if options.plan:
        return _train_plan(options)
    if options.hours is not None:
        raise InputError("hours", options.hours, "use it with --plan; without, use --seconds")
    if options.experiment and not options.paper:
        raise InputError("experiment", options.experiment, "use --paper with it")
    papers = [options.paper] if options.paper else list(experiments.PAPERS)
    named = [options.experiment] if options.experiment else []
    every = [
        run for paper in papers for run in experiments.every_run(paper, options.preset, *named)
    ]
    _train_all(every, " ".join(papers + named), options)


def _train_folder(options):
    """Train one run at a time, because reading photographs keeps all cores busy."""
    options.workers = 1
    grid = folders.FOLDER_GRIDS[one_of("experiment", options.experiment, folders.FOLDER_GRIDS)]
    _train_all(grid(options.preset), options.experiment, options)


def _train_all(every, name, options):
    wanted = list({run.key(): run for run in every}.values())
    left = queue.train_missing(wanted, options.workers, _place(options), options.seconds)
    done = len(wanted) - left
    print(f"{name} {options.preset}: {done} of {len(wanted)} runs done")


def _detect(options):
    from helpers import detection  # its import takes as long as all others together

    fields = {"fit": options.fit, "pretrained": not options.scratch}
    for detector in folders.detectors(options.preset, **fields):
        record = detection.find(detector) or detection.execute(detector, _place(options))
        print(f"{detector.title()}: mAP {100 * record['epochs'][-1]['map']:.1f} %")


def _stability(options):
    from helpers import stability  # slow to import

    def watch(protocol, size):
        print(protocol, f"at {size} px ..." if size else "...", file=sys.stderr)

    fields = ("network", "pictures", "protocols", "count", "seed", "sizes")
    asked = {name: getattr(options, name) for name in fields}
    found = stability.measure(**asked, watch=watch)
    print(stability.table(found).to_string(index=False))
    print(f"written to {found.attrs['file']}")


def _noise(options):
    from helpers import tolerance  # slow to import

    def watch(kind, level):
        print(kind, tolerance.written(kind, level), "...", file=sys.stderr)

    fields = ("network", "pictures", "kinds", "levels", "count", "draws", "seed")
    asked = {name: getattr(options, name) for name in fields}
    study = tolerance.ask(**{name: given for name, given in asked.items() if given is not None})
    found = study.answer(watch)
    print(tolerance.note(found))
    print(tolerance.table(found).to_string(index=False))
    most = study.most_sensitive(5)
    worst = zip(most.picture, most.changed, strict=True)
    print("most sensitive:", ", ".join(f"{name} ({100 * share:.1f} %)" for name, share in worst))
    print(f"written to {found.attrs['file']}")


def _positive(field, text):
    """Return the number above 0 that `text` gives; raise `InputError` for any other text."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise InputError(field, text, "use a number above 0")
    return value


def _number(text):
    """Return a whole number, or the text itself for the check that names what is allowed."""
    try:
        return int(text)
    except ValueError:
        return text


def _place(options):
    """Return the folder for records, None for that of local records."""
    one_of("preset", options.preset, presets.PRESETS)
    if options.publish:
        frozen.check_commit()
    return paths.RESULTS / options.preset if options.publish else None


def _gate(options):
    families = options.families.split(",") if options.families else tuple(models.MODELS)
    rows = gate.measure(families, options.workers)["families"]
    through = precision.passed()
    for name, row in rows.items():
        outcome = "bfloat16" if name in through else "float32"
        print(f"{name}: mean difference {row['mean']:+.4f}, trains in {outcome}")


if __name__ == "__main__":
    sys.exit(main())
