"""The plan: which trainings decide most statements per hour.

Stein's two-stage procedure (1945) gives the number of seeds n that a statement needs. We use the
seeds of the first stage only to estimate how much seeds vary, and choose n so that the interval is
no wider than the statement's resolution. Such an interval either excludes 0 or lies within the
resolution, so an order is decided in every case. The interval keeps its coverage although n was
chosen after a look at the data, because the spread is that of the first stage alone, with its
degrees of freedom.
"""

import math
import multiprocessing
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import yaml
from scipy import stats

from helpers import (
    claims,
    evidence,
    experiments,
    grades,
    paths,
    queue,
    records,
    rules,
    runs,
    verdicts,
)
from helpers.errors import InputError

FIRST = paths.CLAIMS / "first.yml"
PRESET = "long"  # the scale that the plan extends
MOST = 200  # seeds; a statement that needs more is out of reach
JUDGED = ("order", "same", "trend")
REACHED = "it has the seeds that it needs and stays undecided"
NOTHING = "no seed is left to compare"
ALONE = "its test images alone make the interval wider than the resolution"


@dataclass(frozen=True)
class Need:
    """What an undecided statement needs.

    name: `row/statement`. label: its verdict now. scale: the preset to extend. parts: its
    experiments, ((paper, experiment), ...). now, needed: numbers of seeds; `needed` is None where
    no number decides, and `why` then gives the reason.
    """

    name: str
    label: str
    scale: str
    parts: tuple
    now: int
    needed: int | None
    why: str = ""


@dataclass(frozen=True)
class Step:
    """One step of the plan: experiments brought to a number of seeds.

    scale: preset. parts: ((paper, experiment), ...). seeds: their number of seeds after the step.
    hours: time on one core, nan where no record says how long such a run takes. decides: names of
    the statements that reach their number of seeds with this step. runs: the missing runs.
    """

    scale: str
    parts: tuple
    seeds: int
    hours: float
    decides: tuple
    runs: list = field(repr=False)

    @property
    def value(self):
        """Statements decided per core-hour, 0 where the hours are unknown."""
        return 0.0 if math.isnan(self.hours) else len(self.decides) / max(self.hours, 1e-6)


def needed(values, resolution, first, floor=0.0, shared=None):
    """Return the number of repeats at which an interval is no wider than the resolution.

    values: effects (n,), or (n, k) for k comparisons, of which the widest interval counts.
    resolution: the smallest effect that matters. first: repeats of the first stage; with fewer
    values than that, it is returned. floor, shared: standard errors from the test images, see
    `rules.interval`, a number or (k,). Returns None where these alone make the interval wider.
    (Stein 1945.)
    """
    values = np.asarray(values, float).reshape(len(values), -1)
    if len(values) < first:
        return first
    floor = np.asarray(floor, float)
    common = rules.SHARED**0.5 * floor if shared is None else np.asarray(shared, float)
    widest, normal = resolution / 2, stats.norm.ppf(1 - rules.TAIL)
    left = (widest / normal) ** 2 - common**2
    if left.min() <= 0:
        return None
    spread = values[:first].std(axis=0, ddof=1)
    student = stats.t.ppf(1 - rules.TAIL, first - 1) * spread.max()
    least = max((student / widest) ** 2, (np.maximum(spread, floor) ** 2 / left).max())
    # Rounding may put a whole number just above itself, which would cost one seed more.
    return max(first, math.ceil(least - 1e-9))


def needs(preset=PRESET, papers=claims.PAPERS):
    """Return the `Need` of every statement that is undecided at a preset, or not run there.

    preset: name in `presets.PRESETS`. papers: their keys. Trains nothing. A statement whose
    experiment was not run at the preset needs its first stage.
    """
    with evidence.looking():
        return [
            need
            for paper in papers
            for row in claims.paper(paper)["rows"]
            for statement in claims.statements(row["id"])
            if statement["rule"] in JUDGED and statement.get("experiments")
            if (need := _need(paper, row["id"], statement, preset))
        ]


def _need(paper, row, statement, preset):
    """Return the `Need` of a statement, None if it is decided."""
    name, parts = f"{row}/{statement['id']}", _parts(statement, paper)
    try:
        finding = verdicts.single(row, statement, preset)
    except evidence.MissingError:
        stages = [experiments.first_stage(_grid(part), preset) for part in parts]
        return Need(name, "not run", preset, parts, 0, max(1, *stages))
    if finding.verdict != "undecided":
        return None
    scale = finding.preset.split(",")[0]

    def need(seeds, why=""):
        return Need(name, finding.label, scale, parts, finding.n or 0, seeds, why)

    if statement["repeats"] != "trainings" or not all(
        experiments.takes_seeds(_grid(part)) for part in parts
    ):
        return need(None, f"its repeats are {finding.repeats}, and no more exist")
    pairs = grades.frames(statement, paper, scale)
    measured = verdicts.measure(row, statement, scale)
    values = np.asarray(measured.values, float)
    first = grades.first_stage(pairs)
    if values.size == 0:
        return need(None, NOTHING)
    floor, shared = verdicts.floor_of(statement, measured, pairs), measured.shared
    if statement["rule"] == "trend":
        values = values[:, :-1] - values[:, 1:]
        # the steps decide here; the last of several floors is that of the ends
        floor, shared = (own if np.ndim(own) == 0 else own[:-1] for own in (floor, shared))
    least = needed(values, statement["resolution"], first, floor, shared)
    if least is None:
        return need(None, ALONE)
    if least <= len(values):
        return need(None, REACHED)
    return need(None, f"it needs {least:,} seeds") if least > MOST else need(least)


def _parts(statement, paper):
    return tuple(experiments.split(name, paper) for name in statement.get("experiments", ()))


def _grid(part):
    paper, name = part
    return experiments.PAPERS[paper].GRIDS[name]


def steps(found):
    """Return the plan, a list of `Step`: what decides most per core-hour comes first.

    found: list of `Need`, from `needs`. First stages of the experiments in claims/first.yml come
    before all others, in the order of that file. Later steps can use the seeds of earlier ones.
    """
    left = [need for need in found if need.needed is not None]
    first = [experiments.split(name, "") for name in yaml.safe_load(FIRST.read_text())]
    have = defaultdict(int)
    done, plan = runs.published_keys(), []
    while left:
        wanted = {(need.scale, need.parts, need.needed) for need in left}
        options = [_step(*one, left, have, done) for one in sorted(wanted)]
        best = min(options, key=lambda step: (_turn(step, first), -step.value))
        plan.append(best)
        done |= {run.key() for run in best.runs}
        for part in best.parts:
            have[best.scale, part] = max(have[best.scale, part], best.seeds)
        left = [need for need in left if need.name not in best.decides]
    return plan


def _turn(step, first):
    """Return the place of a first stage in claims/first.yml; other steps come after its end."""
    stages = (experiments.first_stage(_grid(part), step.scale) for part in step.parts)
    places = [first.index(part) for part in step.parts if part in first]
    if len(places) < len(step.parts) or step.seeds > max(1, *stages):
        return len(first)
    return max(places)


def _step(scale, parts, seeds, left, have, done):
    def enough(need, part):
        return have[scale, part] >= need.needed or (part in parts and seeds >= need.needed)

    decides = tuple(
        need.name for need in left
        if need.scale == scale and all(enough(need, part) for part in need.parts)
    )  # fmt: skip
    wanted = {run.key(): run for part in parts for run in _runs(_grid(part), scale, seeds)}
    missing = [run for key, run in wanted.items() if key not in done]
    hours = sum(seconds(run) for run in missing) / 3600
    return Step(scale, parts, seeds, hours, decides, missing)


def _runs(grid, scale, seeds):
    """Return an experiment's runs with so many seeds, or all its runs if it takes no seeds."""
    return grid(scale, seeds=seeds) if experiments.takes_seeds(grid) else grid(scale)


def seconds(run):
    """Return roughly how many seconds `run` takes on one core, from published records.

    The estimate is the median of the same arm. Without records of it, it is the time per image and
    epoch of the same network on the same data, or else of the same kind of network; nan without
    any.
    """
    same, network, kind, whole = _durations()
    if arm(run) in same:
        return same[arm(run)]
    images = run.train_size or whole.get(run.data, whole.get(run.model, math.nan))
    each = network.get((run.data, run.model, _size(run)), kind.get(run.model, math.nan))
    return each * max(run.epochs, 1) * images


def core_hours(preset=PRESET):
    """Return how long everything at `preset` takes, {model: hours of one core}, the longest first.

    Runs whose time no record tells are left out.
    """
    every = {
        run.key(): run for paper in experiments.PAPERS
        for run in experiments.every_run(paper, preset)
    }  # fmt: skip
    total = defaultdict(float)
    for run in every.values():
        if not math.isnan(spent := seconds(run)):
            total[run.model] += spent / 3600
    return dict(sorted(total.items(), key=lambda item: -item[1]))


@lru_cache(maxsize=1)
def _durations():
    """Return median seconds {arm: per run}, {(data, model, size): per image}, {model: per image}.

    A fourth dict gives the number of training images of whole data sets, {data, or model: images}.
    """
    groups = tuple(defaultdict(list) for _ in range(4))
    for path in paths.RESULTS.glob("*/*-*.json"):
        if not (record := records.read(path)) or "run" not in record:
            continue
        try:
            run = runs.Run(**record["run"])
        except (TypeError, InputError):  # a detector's record, or that of a deleted experiment
            continue
        spent, images = (
            record["provenance"]["seconds"],
            max(run.epochs, 1) * record["data"]["train"],
        )
        groups[0][arm(run)].append(spent)
        if images:
            groups[1][run.data, run.model, _size(run)].append(spent / images)
            groups[2][run.model].append(spent / images)
        if run.train_size is None:
            for name in (run.data, run.model):
                groups[3][name].append(record["data"]["train"])
    return tuple({key: float(np.median(own)) for key, own in group.items()} for group in groups)


def _size(run):
    """Return the arguments that decide how large a network is."""
    return tuple(run.model_args.get(name) for name in ("width", "units", "depth", "name"))


def arm(run):
    """Return the configuration of `run` without its seeds, as text that names its arm."""
    fields = {k: v for k, v in run.spec().items() if k not in ("seed", "sample")}
    for name in ("arrangement", "degradation"):
        if name in fields:
            fields[name] = {k: v for k, v in fields[name].items() if k != "seed"}
    return repr(sorted(fields.items(), key=lambda item: item[0]))


def table(found, plan):
    """Return the plan as lines of text: its steps, then what no number of seeds decides.

    found, plan: lists of `Need` and `Step`, as from `make`.
    """
    lines, total, by_name = [], 0.0, {need.name: need for need in found}
    for number, step in enumerate(plan, 1):
        total += step.hours
        lines.append(
            f"{number:3}  {_title(step)} (total {total:.1f}), {step.value:.2g} statements per hour"
        )
        for name in step.decides:
            need = by_name[name]
            lines.append(f"       {name}: n = {need.now}, needs {need.needed} ({need.label})")
    never = [need for need in found if need.needed is None]
    if never:
        lines.append("No number of seeds decides:")
        lines += [
            f"       {need.name}: n = {need.now}; {need.why} ({need.label})" for need in never
        ]
    return lines


def _title(step):
    names = ", ".join(dict.fromkeys(name for _, name in step.parts))
    hours = "?" if math.isnan(step.hours) else f"{step.hours:.1f}"
    return (
        f"{step.scale} {step.parts[0][0]}: {names} to {step.seeds} seeds, "
        f"{len(step.runs)} runs, {hours} core-hours"
    )


def make(preset=PRESET, papers=claims.PAPERS):
    """Return (`needs`, `steps`) from the records available now.

    preset: name in `presets.PRESETS`. papers: their keys.
    """
    found = needs(preset, papers)
    return found, steps(found)


def carry_out(hours, workers=None, preset=PRESET, papers=claims.PAPERS, say=print):
    """Train the runs of the plan in its order and publish them; return how many runs are left.

    hours: no run starts after this time. workers: number of processes, None for
    `queue.default_workers`. preset: name in `presets.PRESETS`. papers: their keys. say: called with
    a line of text when a step begins. When the plan is done, it is made again and goes on, since
    first stages show what else is needed. An interruption loses only the runs in progress: call it
    again.
    """
    until = time.monotonic() + 3600 * hours
    while True:
        plan = _fresh(preset, papers)
        left = sum(len(step.runs) for step in plan)
        if not left:
            return 0
        for number, step in enumerate(plan, 1):
            say(f"step {number} of {len(plan)}: {_title(step)}")
            place, seconds = paths.RESULTS / step.scale, until - time.monotonic()
            waiting = queue.train_missing(step.runs, workers, place, seconds)
            left -= len(step.runs) - waiting
            if waiting:
                return left


def _fresh(preset, papers):
    """Return `steps`, planned in a new process, since this one caches the records it has read."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(make, preset, papers).result()[1]
