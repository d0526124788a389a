"""Evidence: the strongest records available for an experiment, as a table."""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from helpers import datasets, experiments, presets, queue, runs
from helpers.errors import one_of

PUBLISHED = ("paper", "long", "study")  # strongest first
_looking = False  # whether missing records raise an error instead of being made


class MissingError(LookupError):
    """Raised where records are missing and must not be made; the message says which."""


@dataclass(frozen=True)
class Evidence:
    """The records behind a claim.

    preset: the scale of the records. frame: one row per run and epoch (`table`). missing: {preset:
    number of missing runs} of the stronger presets that are incomplete. first: number of seeds of
    the first stage, which alone measure how much seeds vary; 0 without seeds.
    """

    preset: str
    frame: pd.DataFrame
    missing: dict
    first: int = 0

    def last(self, frame=None):
        """Return the rows of each run's last epoch, from `frame` or, for None, from all rows."""
        frame = self.frame if frame is None else frame
        return frame[frame.epoch == frame.groupby("key").epoch.transform("max")]

    def best(self):
        """Return the rows of each run's best epoch on the test set, as the papers report it."""
        return self.frame.loc[self.frame.groupby("key").test_accuracy.idxmax()]

    def rows(self, data):
        """Return the rows on the data set `data`; photo patches replace a missing CIFAR-10."""
        return self.frame[self.frame.data == self._used(data)]

    def scale(self, data):
        """Return the preset, followed by the title of the data that replace `data` if they do."""
        used = self._used(data)
        return self.preset if used == data else f"{self.preset}, {datasets.TITLES[used]}"

    def title(self, data):
        """Return the title of the data set `data` for a figure: that of the data really used."""
        return datasets.TITLES[self._used(data)]

    def _used(self, data):
        return data if (self.frame.data == data).any() else "photo_patches"

    def note(self, data=None):
        """Return a line that describes the evidence on the data set `data`, or on all for None."""
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
    """Turn training off within the block: missing records raise `MissingError`."""
    global _looking
    before, _looking = _looking, True
    try:
        yield
    finally:
        _looking = before


@lru_cache(maxsize=128)
def of(paper, name, preset):
    """Return the `Evidence` of an experiment, read once per process; see `gather`.

    paper: its key. name: an experiment in the `GRIDS` of that paper. preset: name in
    `presets.PRESETS`.
    """
    return gather(experiments.PAPERS[paper].GRIDS[name], preset)


def together(paper, names, preset):
    """Return a list with the `Evidence` of several experiments, at their strongest common scale.

    paper: its key. names: experiments in its `GRIDS`. preset: name in `presets.PRESETS`, at which
    the experiments are run if they share no published scale.
    """
    found = [of(paper, name, preset) for name in names]
    if len({one.preset for one in found}) == 1:
        return found
    there = [one.preset for one in found if len(one.frame)]  # without rows: no runs at the preset
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
    """Return the `Evidence` of an experiment at `preset` itself; missing runs are trained.

    paper: its key. name: an experiment in its `GRIDS`. Raises `MissingError` within `looking`.
    """
    return _made(experiments.PAPERS[paper].GRIDS[name], preset, {})


def gather(experiment, preset):
    """Return the strongest `Evidence` of `experiment` that is published completely.

    experiment: function of a preset to its runs. preset: where nothing is published completely, the
    experiment is run at this preset. Beyond the first stage, published seeds count as long as they
    are complete: every run of a seed, and of every seed before it. Raises `InputError` for an
    unknown preset, and `MissingError` within `looking`.
    """
    one_of("preset", preset, presets.PRESETS)
    missing = {}
    for strong in PUBLISHED[: 1 + PUBLISHED.index(preset) if preset in PUBLISHED else None]:
        wanted, found = published(experiment, strong)
        if found and all(found):  # not every experiment has runs at every scale
            return _evidence(experiment, strong, wanted, found, missing)
        if strong != preset:
            missing[strong] = found.count(None)
    return _made(experiment, preset, missing)


def _made(experiment, preset, missing):
    """Return the `Evidence` of an experiment's runs at `preset`; train those without a record."""
    wanted = experiment(preset)
    if _looking:
        found = [runs.find_published(run) for run in wanted]
        if not all(found):
            raise MissingError(f"{found.count(None)} runs of the preset {preset} have no record")
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
    """Return an experiment's runs at `preset` and their published records, None for each gap.

    experiment: function of a preset to its runs. The runs are those of the first stage, and of all
    further seeds that are complete.
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
    """Return a `DataFrame` with a row per run and epoch: the run's configuration and the metrics.

    wanted: the runs. found: their records, in the same order. Without epochs a run has one row,
    epoch 0.
    """
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
