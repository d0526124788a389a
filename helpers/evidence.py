"""Evidence: the strongest records there are for an experiment, as a table."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from helpers import datasets, experiments, presets, queue, runs
from helpers.errors import one_of

PUBLISHED = ("paper", "long", "study")  # strongest first
_looking = False  # whether missing records are left alone instead of made


class MissingError(LookupError):
    """Say which records are missing, where none may be made."""


@dataclass(frozen=True)
class Evidence:
    """Hold the records behind a claim.

    preset: their scale. frame: a row per run and epoch (`table`). missing: runs by which stronger
    evidence falls short. first: seeds of the first stage, which alone say how much seeds vary; 0
    without seeds.
    """

    preset: str
    frame: pd.DataFrame
    missing: dict
    first: int = 0

    def last(self, frame=None):
        """Return the rows of the last epoch of each run, of all runs or of those in `frame`."""
        frame = self.frame if frame is None else frame
        return frame[frame.epoch == frame.groupby("key").epoch.transform("max")]

    def best(self):
        """Return the rows of each run's best epoch on the test set, as the papers report."""
        return self.frame.loc[self.frame.groupby("key").test_accuracy.idxmax()]

    def rows(self, data):
        """Return the rows on a data set; photo patches stand in for a missing CIFAR-10."""
        return self.frame[self.frame.data == self._used(data)]

    def scale(self, data):
        """Return the preset, and what stands in for `data` if something does."""
        used = self._used(data)
        return self.preset if used == data else f"{self.preset}, {datasets.TITLES[used]}"

    def title(self, data):
        """Return what to call a data set in a figure: the name of what was used."""
        return datasets.TITLES[self._used(data)]

    def _used(self, data):
        return data if (self.frame.data == data).any() else "photo_patches"

    def note(self, data=None):
        """Return a line that says what the evidence is, on one data set or on all."""
        frame = self.frame if data is None else self.rows(data)
        epochs, images = frame.epoch.max(), frame.train.max()
        widths = [f"{width:g}" for width in sorted(frame.width.dropna().unique())]
        parts = ["width " + " to ".join(dict.fromkeys((widths[0], widths[-1])))] if widths else []
        parts += [f"{images:,} training images"]
        parts += [f"{epochs} epoch" + "s" * int(epochs > 1)] if epochs else []
        parts += [f"n = {count} seeds"] if (count := frame.seed.nunique()) > 1 else []
        used = frame.drop_duplicates(["data", "source"]).itertuples()
        sources = "; ".join(sorted(f"{datasets.TITLES[row.data]}: {row.source}" for row in used))
        return f"Preset {self.preset}: {', '.join(parts)}. {sources}."


@contextmanager
def looking():
    """Keep whatever asks for evidence from training; missing records raise `MissingError`."""
    global _looking
    before, _looking = _looking, True
    try:
        yield
    finally:
        _looking = before


@lru_cache(maxsize=128)
def of(paper, name, preset):
    """Return the `Evidence` of an experiment, a name in the `GRIDS` of its paper, read once."""
    return gather(experiments.PAPERS[paper].GRIDS[name], preset)


def together(paper, names, preset):
    """Return the `Evidence` of several experiments, all of the strongest scale that all have."""
    found = [of(paper, name, preset) for name in names]
    if len({one.preset for one in found}) == 1:
        return found
    there = [one.preset for one in found if len(one.frame)]  # the others have no runs at the preset
    weakest = max(
        (PUBLISHED.index(p) if p in PUBLISHED else len(PUBLISHED) for p in there), default=0
    )
    for scale in PUBLISHED[weakest:]:
        common = [_published_at(paper, name, scale) for name in names]
        if all(common):
            return common
    return [at(paper, name, preset) for name in names]


@lru_cache(maxsize=128)
def at(paper, name, preset):
    """Return the `Evidence` of an experiment at the preset itself; train what is missing."""
    return _made(experiments.PAPERS[paper].GRIDS[name], preset, {})


def gather(experiment, preset):
    """Return the strongest `Evidence` of `experiment` that is published whole.

    Where nothing is, the experiment is run at `preset`. Published seeds beyond the first stage
    count as far as they are whole: every run of a seed, and every seed before it.
    """
    one_of("preset", preset, presets.PRESETS)
    missing = {}
    for strong in PUBLISHED[: 1 + PUBLISHED.index(preset) if preset in PUBLISHED else None]:
        wanted, found = published(experiment, strong)
        if found and all(found):  # not every experiment is there at every scale
            return _evidence(experiment, strong, wanted, found, missing)
        if strong != preset:
            missing[strong] = found.count(None)
    return _made(experiment, preset, missing)


def _made(experiment, preset, missing):
    """Return the `Evidence` of the runs at a preset; train what is missing."""
    wanted = experiment(preset)
    if _looking:
        found = [runs.find_published(run) for run in wanted]
        if not all(found):
            raise MissingError(f"{found.count(None)} runs of the preset {preset} are not there")
    else:
        found = queue.results(wanted)
    return _evidence(experiment, preset, wanted, found, missing)


@lru_cache(maxsize=64)
def _published_at(paper, name, scale):
    """Return the published `Evidence` of an experiment at one scale, None if it has gaps."""
    grid = experiments.PAPERS[paper].GRIDS[name]
    wanted, found = published(grid, scale)
    return _evidence(grid, scale, wanted, found, {}) if all(found) else None


def _evidence(experiment, scale, wanted, found, missing):
    first = experiments.first_stage(experiment, scale)
    return Evidence(scale, table(wanted, found), missing, first)


def published(experiment, preset):
    """Return the runs of an experiment at a preset and their published records, None for a gap.

    These are the first stage's, and those of all further seeds that are whole.
    """
    wanted = experiment(preset)
    found = {run.key(): runs.find_published(run) for run in wanted}
    seeds = experiments.own_seeds(experiment, preset)
    while seeds and all(found.values()):
        seeds += 1
        more = {run.key(): run for run in experiment(preset, seeds=seeds)}
        new = {key: runs.find_published(run) for key, run in more.items() if key not in found}
        if not new or not all(new.values()):
            break
        wanted, found = list(more.values()), found | new
    return wanted, [found[run.key()] for run in wanted]


def table(wanted, found):
    """Return a row per run and epoch: what was run, and the epoch's metrics."""
    rows = []
    for run, record in zip(wanted, found, strict=True):
        about = {
            "key": run.key(),
            "data": run.data,
            "model": run.model,
            "network": run.model_args.get("name", run.model),
            "depth": run.model_args.get("depth", 2 if run.model == "mlp" else None),
            "order": run.arrangement.get("kind", "natural"),
            "slices": run.arrangement.get("slices"),
            "distance": run.arrangement.get("distance"),
            "channels": run.channels,
            "swaps": run.arrangement.get("swaps", 0),
            "block": run.arrangement.get("block"),
            "per_image": run.arrangement.get("per_image", False),
            "filter": run.degradation.get("kind", "none"),
            "kernel": run.model_args.get("kernel"),
            "init": run.model_args.get("init", "he_normal"),
            "width": run.model_args.get("width"),
            "sampling": run.model_args.get("sampling"),
            "padding": run.model_args.get("padding"),
            "optimiser": run.optimiser,
            "augment": run.augment,
            "arguments": run.model_args,
            "batch": run.batch,
            "seed": run.seed,
            "source": record["data"]["source"],
            "train": record["data"]["train"],
            "test": record["data"]["test"],
            "observed": record["observations"],
            "watched": record.get("watched"),
            "statements": record.get("statements", {}),
        }
        rows += [about | epoch for epoch in record["epochs"] or [{"epoch": 0}]]
    frame = pd.DataFrame(rows, columns=None if rows else ["key", "epoch"])
    return frame.drop_duplicates(["key", "epoch"], ignore_index=True)
