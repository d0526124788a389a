"""Photographs in folders, one per class, too many for memory: streamed from disk to the device.

The layout is that of ImageNet, `DATA_DIR/imagenet/{train,val}/<class>/*`; any other folder of the
same layout works too. A `Run` on data of `NAMES` is trained here. Its record is like any other, but
without accuracies smoothed over batches. torchvision is imported only where it is needed, because
its import takes as long as that of PyTorch.
"""

import hashlib
import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch.utils.data import DataLoader, default_collate
from tqdm import tqdm

from helpers import checkpoint, machine, models, paths, training
from helpers.errors import InputError, cause, one_of

NAMES = ("imagenet", "imagenet100")
MOST = 100  # classes of imagenet100 (juefei2018, Section 5.2)
CROP = 224  # px
MARGIN = 256 / 224  # a test photograph's shorter side before the crop, as a multiple of it
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of values up to 1
LOADERS = os.cpu_count() or 1  # processes that read photographs; the result does not depend on it
AS_THEY_ARE = ("arrangement", "channels", "train_size", "test_size", "degradation", "sample",
               "watch")  # fmt: skip


@dataclass(frozen=True)
class Photographs:
    """The files of one split.

    files: ((path, label), ...), labels from 0. classes: their names, in order. source: a line that
    says where they come from. fingerprint: of both splits, 64 hex digits.
    """

    files: tuple
    classes: tuple
    source: str
    fingerprint: str

    def __len__(self):
        return len(self.files)


def check(run):
    """Raise `InputError` if `run` asks a folder for what it cannot do."""
    if run.data not in NAMES:
        if run.crop != CROP:
            raise InputError(
                "crop", run.crop, f"use {CROP}; only photographs of a folder are cropped"
            )
        return
    if run.model == "none":
        raise InputError("model", run.model, f"use a network: {run.data} is only for training")
    usual = type(run).__dataclass_fields__
    for name in AS_THEY_ARE:
        value, field = getattr(run, name), usual[name]
        if value and value != field.default:
            raise InputError(name, value, f"photographs of {run.data} must stay unchanged")
    if run.augment not in ("none", "crop_flip"):
        raise InputError("augment", run.augment, f"for {run.data} use none or crop_flip")
    for name in set(run.observers) - {"confusion"}:
        raise InputError(
            "observers", name, f"{run.data} is not kept in memory; use confusion or none"
        )


def splits(name):
    """Return (train, val, their joint fingerprint) of the data `name`, read once per process.

    name: in `NAMES`; imagenet100 is the 100 classes with most training photographs, ties by name.
    The fingerprint covers file names and sizes. Raises `InputError` if the folder or one of its
    classes is missing.
    """
    return _splits(one_of("data", name, NAMES), paths.data() / "imagenet")


def train(run, train_images, test_images, progress=None, watch=None):
    """Train `run` on one split of photographs and evaluate it on the other after every epoch.

    train_images, test_images: `Photographs`. Training photographs are cropped at random to
    `run.crop` px and flipped (augment crop_flip), or shrunk and cropped like those of the test
    split (none). progress: called with each epoch's metrics, None for no call. watch: ignored,
    since nothing can be watched. The state after each epoch is kept; see `checkpoint.epochs`.
    Returns (view, epochs) as `training.train` does, with a view without training images. Raises
    `InputError` for photographs that cannot be read, and `DivergedError`.
    """
    training.check(run, train_images, test_images)
    where = machine.device()
    model = models.build(run.model, (3, run.crop, run.crop), len(train_images.classes), run.seed,
                         **run.model_args)  # fmt: skip
    model = model.to(where, memory_format=torch.channels_last)
    standardise = _standardise(where)
    nothing = torch.empty(0, device=where), None  # resident on the device
    step = training.Step(model, replace(run, augment="none"), standardise, nothing)
    labels = torch.tensor([label for _, label in test_images.files])
    torch.manual_seed(run.seed)

    def test():
        chunks = _batches(test_images, range(len(test_images)), run, _cut(run.crop), where)
        return training.evaluate_chunks(model, chunks, standardise, run.precision)

    def train_epoch(epoch):
        started = time.perf_counter()
        row = _learn(step, run, train_images, epoch, where)
        seconds = time.perf_counter() - started
        predictions, loss = test()
        right = float((predictions == labels.numpy()).mean())
        row |= {"test_loss": loss, "test_accuracy": right, "seconds": seconds}
        row = {name: round(value, 6) for name, value in row.items()}
        if progress:
            progress(row)
        return row

    file = checkpoint.path(run.key(), train_images.fingerprint)
    parts = {"model": model, "optimiser": step.optimiser}
    epochs = checkpoint.epochs(file, run.epochs, parts, train_epoch, run.title())
    view = training.View(run, model, None, (None, labels), len(test_images.classes), standardise,
                         test()[0])  # fmt: skip
    return view, epochs


def trained(run):
    """Return (path of the checkpoint, weights) of the network that `run` trained.

    Raises `InputError` if it was not trained to its end on the photographs on this machine.
    """
    for precision in training.PRECISIONS:  # the machine decided which it was
        chosen = replace(run, precision=precision)
        file = checkpoint.path(chosen.key(), splits(run.data)[2])
        state = checkpoint.read(file)
        if state and len(state["rows"]) == run.epochs:
            return file, state["model"]
    raise InputError("network", run.title(), "train it first: python -m helpers train-folder")


def _learn(step, run, images, epoch, where):
    """Train one epoch and return its first numbers; an incomplete batch is dropped."""
    step.model.train()
    total = torch.zeros(2, device=where)  # summed loss, correct predictions
    rows, seed = torch.randperm(len(images)).tolist(), int(torch.randint(2**31, ()))
    transform = _cut(run.crop, run.augment == "crop_flip")
    rate, count = training.rate_of(run, epoch), len(rows) // run.batch
    batches = _batches(images, rows[: count * run.batch], run, transform, where, seed)
    for k, (x, y) in enumerate(tqdm(batches, total=count, leave=False, disable=None)):
        step.learning_rate(rate / (1 + run.decay * ((epoch - 1) * count + k)))
        total += step.learn(x, y)
    loss, correct = (total / (count * run.batch)).tolist()
    training.finite(loss, epoch, run)
    return {"epoch": epoch, "loss": loss, "accuracy": correct}


class Stream:
    """Data set that reads, transforms and returns photographs by row, each with its own seed.

    The result therefore does not depend on the number of worker processes. A photograph that cannot
    be read is returned as (path, cause): an error in a worker would print a page of text.
    """

    def __init__(self, images, transform, seed):
        """Keep what the workers need.

        images: `Photographs`. transform: function of a PIL image to a tensor. seed: that of row 0;
        row k has seed + k.
        """
        self.files, self.transform, self.seed = images.files, transform, seed

    def __len__(self):
        return len(self.files)

    def __getitem__(self, row):
        from torchvision.datasets.folder import pil_loader

        path, label = self.files[row]
        try:
            photograph = pil_loader(path)
        except Exception as error:  # a decoder can raise almost anything
            return path, f"it cannot be read ({cause(error)})"
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed + row)
            return self.transform(photograph), label


def _batches(images, rows, run, transform, where, seed=0):
    """Yield uint8 (B, 3, crop, crop) and labels int64 (B,) on the device, in the order of rows."""
    workers = min(LOADERS, len(rows) // run.batch)  # none for less than a batch
    loader = DataLoader(
        Stream(images, transform, seed), run.batch, sampler=rows, num_workers=workers,
        collate_fn=_collate, pin_memory=where.type == "cuda", generator=torch.Generator(),
    )  # fmt: skip
    for x, y in loader:
        if isinstance(x, str):
            raise InputError("photograph", x, y)
        yield x.to(where, non_blocking=True), y.to(where, non_blocking=True)


def _collate(items):
    failed = next((item for item in items if isinstance(item[0], str)), None)
    return failed or default_collate(items)


def _cut(crop, at_random=False):
    """Return the map of a photograph to uint8 (3, crop, crop): its middle or a random part."""
    from torchvision import transforms

    middle = [transforms.Resize(round(crop * MARGIN)), transforms.CenterCrop(crop)]
    part = [transforms.RandomResizedCrop(crop), transforms.RandomHorizontalFlip()]
    return transforms.Compose([*(part if at_random else middle), transforms.PILToTensor()])


def _standardise(where):
    """Return the function that standardises uint8 pixels with ImageNet's means and deviations."""
    mean, std = (torch.tensor(v, device=where)[:, None, None] for v in (MEAN, DEVIATION))

    def standardise(pixels):
        x = pixels.to(torch.float32, memory_format=torch.channels_last)
        return x.div_(255).sub_(mean).div_(std)

    return standardise


@lru_cache(maxsize=2)
def _splits(name, root):
    found = {split: by_class(root / split) for split in ("train", "val")}
    for odd in sorted(set(found["train"]) ^ set(found["val"])):
        where = "train" if odd in found["train"] else "val"
        raise InputError(
            "class folder", str(root / where / odd), "train and val must have the same classes"
        )
    kept, source = sorted(found["train"]), f"photographs of {len(found['train'])} classes"
    if name == "imagenet100":
        kept = sorted(sorted(kept, key=lambda c: -len(found["train"][c]))[:MOST])
        source = f"the {len(kept)} classes with most photographs of {len(found['train'])}"
    files = {split: tuple((path, label) for label, c in enumerate(kept) for path in classes[c])
             for split, classes in found.items()}  # fmt: skip
    digest = hashlib.sha256()
    for path, label in (*files["train"], *files["val"]):
        name = Path(path).relative_to(root).as_posix()
        digest.update(f"{name} {label} {os.path.getsize(path)}\n".encode())
    fingerprint = digest.hexdigest()
    parts = [Photographs(files[s], tuple(kept), source, fingerprint) for s in ("train", "val")]
    return *parts, fingerprint


def by_class(folder):
    """Return {class: list of paths} of `folder` (`Path`), which has one folder per class, by name.

    Raises `InputError` if it has none, or if one has no photograph.
    """
    from torchvision.datasets import ImageFolder

    try:
        listing = ImageFolder(folder, allow_empty=True)
    except FileNotFoundError:
        why = "it must have a folder per class; "
        why += f"set DATA_DIR to the folder above imagenet/{folder.name}"
        raise InputError("photographs", str(folder), why) from None
    found = {name: [] for name in listing.classes}
    for path, label in listing.samples:
        found[listing.classes[label]].append(path)
    for name, files in found.items():
        if not files:
            raise InputError("class folder", str(folder / name), "it must contain photographs")
    return found
