"""Runs: the configuration of one training in one frozen object, and its path to a record."""

import hashlib
import json
import platform
import subprocess
import time
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache, lru_cache

import torch

from helpers import (
    augment,
    datasets,
    degrade,
    finetune,
    folder,
    machine,
    models,
    natural,
    paths,
    precision,
    records,
    training,
)
from helpers.errors import InputError, one_of, whole
from helpers.observers import OBSERVERS

TRAINING_VERSION = 1  # raise it if the same run would now train differently


@dataclass(frozen=True)
class Run:
    """Configuration of one training run.

    data: name for `datasets.load`, or in `folder.NAMES` or `natural.NAMES`. On data of the last,
    the model is pretrained, with 0 epochs, or fine-tuned (`finetune.train`).
    train_size, test_size: number of images, None for whole splits. sample: seed that draws the
    `train_size` images from the training split.
    arrangement: description for `arrange.from_spec`, {} for the natural pixel order.
    channels: all, red, green, blue, or rgb, which repeats a grey image three times.
    degradation: description for `degrade.apply`, {} for none; applied before the arrangement.
    model, model_args: name and arguments for `models.build`; "none", with 0 epochs, only looks at
    the data.
    seed: of weights, batches and dropout. optimiser: name in `training.OPTIMISERS`.
    lr, decay: the learning rate at iteration t is lr / (1 + decay * t). drops: {"after": [epochs],
    "factor": what the rate is then multiplied by}, {} for none.
    epochs: 0 trains nothing. batch: images per step. weight_decay: factor of the L2 penalty.
    precision: float32, bfloat16, auto or mixed. auto uses bfloat16 where the machine is fast at it
    and the model has passed the precision gate, otherwise float32; mixed does not ask the gate.
    observers: names in `observers.OBSERVERS`, called after training. watch: observers called during
    training, {"steps": [optimiser steps, 0 before the first], "observers": [names]}, {} for none.
    augment: name in `augment.KINDS`. crop: side in px of the crop from a photograph of a folder.

    Raises `InputError` for a field with a bad value and for fields that do not fit together.
    """

    data: str
    model: str
    seed: int = 0
    arrangement: dict = field(default_factory=dict)
    channels: str = "all"
    model_args: dict = field(default_factory=dict)
    train_size: int | None = None
    test_size: int | None = None
    optimiser: str = "adam"
    lr: float = 1e-4
    decay: float = 1e-6
    epochs: int = 1
    batch: int = 32
    precision: str = "auto"
    observers: tuple = ("confusion",)
    watch: dict = field(default_factory=dict)
    degradation: dict = field(default_factory=dict)
    sample: int = 0
    weight_decay: float = 0.0
    drops: dict = field(default_factory=dict)
    augment: str = "none"
    crop: int = folder.CROP

    def __post_init__(self):
        one_of("data", self.data, (*datasets.NAMES, *folder.NAMES, *natural.NAMES))
        known = ("none", natural.MODEL, natural.TUNED, *models.MODELS)
        one_of("model", self.model, known)
        if self.model == "none" and self.epochs:
            raise InputError("epochs", self.epochs, "without a model use 0")
        one_of("optimiser", self.optimiser, training.OPTIMISERS)
        one_of("precision", self.precision, ("auto", "mixed", *training.PRECISIONS))
        one_of("augment", self.augment, augment.KINDS)
        self._check_looks()
        self._check_drops()
        if self.degradation:
            one_of("degradation.kind", self.degradation.get("kind"), degrade.SPECS)
        for name, least in (("seed", 0), ("epochs", 0), ("batch", 1), ("sample", 0), ("crop", 1)):
            whole(name, getattr(self, name), least)
        for name in ("lr", "decay", "weight_decay"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < 1):
                raise InputError(name, value, "use a number from 0 to below 1")
        for name in set(self.model_args) & {"shape", "classes", "seed"}:
            raise InputError("model_args", name, "leave it out: the data and the seed set it")
        folder.check(self)
        natural.check(self)
        finetune.check(self)

    def _check_looks(self):
        asked = self.watch or {"steps": [], "observers": []}
        if not isinstance(asked, dict) or {k: type(v) for k, v in asked.items()} != {
            "steps": list, "observers": list
        }:  # fmt: skip
            raise InputError("watch", self.watch, "use {'steps': [...], 'observers': [...]}")
        for observer in (*self.observers, *asked["observers"]):
            one_of("observers", observer, OBSERVERS)
        for step in asked["steps"]:
            whole("watch.steps", step)
        if "confusion" in asked["observers"]:
            raise InputError(
                "watch.observers", "confusion", "it is known only at the end of training"
            )
        if self.model == "none" and (self.watch or set(self.observers) - {"data_orderness"}):
            raise InputError("observers", self.observers, "without a model use data_orderness")

    def _check_drops(self):
        if not self.drops:
            return
        if not isinstance(self.drops, dict) or set(self.drops) != {"after", "factor"}:
            raise InputError("drops", self.drops, "use {'after': [epochs], 'factor': number}")
        for epoch in self.drops["after"]:
            whole("drops.after", epoch, 1)
        factor = self.drops["factor"]
        if not (isinstance(factor, int | float) and 0 < factor <= 1):
            raise InputError("drops.factor", factor, "use a number above 0 and at most 1")

    def spec(self):
        """Return the fields that differ from their defaults, as a dict {name: value}.

        A key is made of these alone, so a new field with a default leaves all old keys valid.
        """
        own = {part.name: getattr(self, part.name) for part in fields(self)}
        return {k: deepcopy(v) for k, v in own.items() if v != _default(type(self), k)}

    def key(self):
        """Return 16 hex digits that identify this run and the version of the training code."""
        text = json.dumps([TRAINING_VERSION, self.spec()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def training_key(self):
        """Return the key of the training alone: runs that differ only in `observers` share it."""
        return replace(self, observers=()).key()

    def title(self):
        """Return a short name for progress bars and messages."""
        kind = self.arrangement.get("kind", "natural").removesuffix("_permutation")
        how = [str(v) for k, v in self.arrangement.items() if k not in ("kind", "seed")]
        how += [] if self.channels == "all" else [self.channels]
        how += list(map(str, self.degradation.values()))
        how += [f"{name} {value}" for name, value in self.model_args.items() if name != "width"]
        how += [] if self.optimiser == "adam" else [self.optimiser]
        return " ".join([self.data, self.model, kind, *how, f"seed {self.seed}"])


@cache
def _default(kind, name):
    """Return the default of the field `name` of the dataclass `kind`, cached.

    A field without a default gives MISSING, which equals no value.
    """
    part = kind.__dataclass_fields__[name]
    return part.default if part.default_factory is MISSING else part.default_factory()


def find(run):
    """Return the record of `run` as a dict, or None.

    A published record counts as it is, since it names its data; a local one counts only if it was
    made from exactly the data on this machine. Damaged records are reported on stderr and skipped.
    """
    return find_published(run) or records.read(_local(run))


def find_published(run):
    """Return the published record of `run` as a dict, or None; the data may be missing here."""
    return records.read_any(paths.RESULTS.glob(f"*/{run.key()}-*.json"))


def published_keys():
    """Return the keys of all published records, as a set."""
    return {path.name.split("-")[0] for path in paths.RESULTS.glob("*/*-*.json")}


def execute(run, place=None, statements=None):
    """Train `run` now, write its record and return it as a dict.

    place: folder (`Path`) for the record, by default that of local records. statements: {name:
    digest} of the statements that use the record (`frozen.bearing`), stored in it. Raises what the
    training raises: `InputError` and `DivergedError`.
    """
    torch.set_num_threads(1)  # one run per core is faster than two threads per run
    machine.keep_freed_memory()
    train_images, test_images, fingerprint = _splits(run)
    chosen = precision.choose(run)
    started = time.time()
    watched = []

    def look(step, view):
        seen = {name: OBSERVERS[name](view) for name in run.watch["observers"]}
        watched.append({"step": step, **seen})

    way = _way(run)
    view, epochs = way.train(replace(run, precision=chosen), train_images, test_images, watch=look)
    record = {
        "run": run.spec(),
        "statements": statements or {},
        "data": {
            "name": run.data,
            "fingerprint": fingerprint,
            "source": train_images.source,
            "train": len(train_images),
            "test": len(test_images),
        },
        "parameters": models.parameters(view.model) if view.model else 0,
        "epochs": epochs,
        "observations": {name: OBSERVERS[name](view) for name in run.observers},
        **({"watched": watched} if run.watch else {}),
        "provenance": {**provenance(), "precision": chosen, "started": round(started),
                       "seconds": round(time.time() - started, 1)},
    }  # fmt: skip
    # The name contains the fingerprint of the data: a local record of other data is never found.
    path = _local(run) if place is None else place / _local(run).name
    records.write(path, record)
    return record


def _way(run):
    """Return the module that trains `run`."""
    if run.model == natural.TUNED:
        return finetune
    return next((way for way in (folder, natural) if run.data in way.NAMES), training)


def _splits(run):
    if run.data in folder.NAMES:
        return folder.splits(run.data)
    if run.data in natural.NAMES:
        return natural.splits(run.data, run.test_size)
    return datasets.splits(run.data, run.train_size, run.test_size, run.sample)


def _local(run):
    return paths.build() / "records" / f"{run.key()}-{_splits(run)[2][:8]}.json"


@lru_cache(maxsize=1)
def provenance():
    """Return version, device, libraries and commit of this process, as a dict."""
    on_gpu = torch.cuda.is_available()
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude=*"],
            cwd=paths.ROOT, capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {
        "version": TRAINING_VERSION,
        "device": torch.cuda.get_device_name() if on_gpu else _processor(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit,
    }


def _processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
