"""Fine-tune a network pretrained on ImageNet on images of other classes (rodner2016).

The network's weights after every epoch are kept in BUILD_DIR/checkpoints, under a key without
observers, so a further look at the same network only evaluates it.
"""

import copy
import hashlib
import time
from dataclasses import replace

import torch
from torch import nn

from helpers import augment, checkpoint, machine, natural, training
from helpers.errors import InputError, whole
from helpers.pictures import middle

ARGUMENTS = {"name", "side", "dropout"}
MARGIN = 8 / 7  # an image's shorter side, before the crop, as a multiple of the network's side


def check(run):
    """Raise `InputError` if `run` asks for what fine-tuning a pretrained network cannot do."""
    if run.model != natural.TUNED:
        return
    given = run.model_args
    if not {"name", "side"} <= set(given) <= ARGUMENTS:
        raise InputError("model_args", given, "use name, side (px) and, optionally, dropout")
    whole("model_args.side", given["side"], 32)
    share = given.get("dropout", 0)
    if not (isinstance(share, int | float) and 0 <= share < 1):
        raise InputError("model_args.dropout", share, "use a number from 0 to below 1")
    whole("epochs", run.epochs, 1)
    if run.augment not in ("none", "crop_flip"):
        raise InputError("augment", run.augment, "for fine-tuning use none or crop_flip")


def train(run, train_pictures, test_pictures, watch=None):
    """Return (`natural.View`, epochs) of a network after fine-tuning, or from its checkpoint.

    run: its model_args are the name of the network (`pretrained.load`), the side in px of its
    input, and the dropout of input values during training (0 for none). train_pictures,
    test_pictures: `Pictures`. watch: ignored, since nothing can be watched. All weights learn; the
    last layer is new. Images are shrunk to `MARGIN` times the side; crop_flip takes a random square
    of them and mirrors half of them, none takes the middle, as at test. Epochs are those of
    `folder.train`. Raises `InputError` without training images, and `DivergedError`.
    """
    if not len(train_pictures):
        raise InputError("data", run.data, "it has no training images for fine-tuning")
    network = tuned(run, train_pictures.classes)
    view = natural.View(run, network, train_pictures, test_pictures)
    both = train_pictures.fingerprint() + test_pictures.fingerprint()
    fingerprint = hashlib.sha256(both.encode()).hexdigest()
    file = checkpoint.path(run.training_key(), fingerprint)
    with checkpoint.alone(file):  # several processes may want the same network
        epochs = _learn(run, view, file)
    return view, epochs


def tuned(run, classes):
    """Return the `pretrained.Network` from which the training of `run` starts.

    classes: their names; a new last layer has one output for each. Its weights are drawn with the
    run's seed.
    """
    from helpers.models import pretrained

    given = run.model_args
    base = pretrained.load(given["name"])
    model = copy.deepcopy(base.model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        replace_head(model, len(base.names), len(classes), given["name"])
    model = nn.Sequential(nn.Dropout(given.get("dropout", 0.0)), model)
    model = model.to(machine.device(), memory_format=torch.channels_last).eval()
    return replace(base, model=model, side=given["side"], crop=1 / MARGIN, names=tuple(classes))


def replace_head(model, before, after, name):
    """Replace the last layer of `model` with `before` outputs by a new one with `after` outputs.

    name: of the network, for the message. Raises `InputError` if there is no such layer.
    """
    for path, part in reversed(list(model.named_modules())):
        if isinstance(part, nn.Linear) and part.out_features == before:
            made = nn.Linear(part.in_features, after)
        elif isinstance(part, nn.Conv2d) and part.out_channels == before:
            made = nn.Conv2d(part.in_channels, after, part.kernel_size)
        else:
            continue
        nn.init.normal_(made.weight, std=0.01)
        nn.init.zeros_(made.bias)
        model.set_submodule(path, made)
        return
    raise InputError("network", name, f"it must end in a layer of {before} classes")


def _learn(run, view, file):
    """Train to the last epoch, from the checkpoint on, and return the rows."""
    network, where = view.network, machine.device()
    done = checkpoint.read(file)
    if done and len(done["rows"]) == run.epochs:  # no image has to be read
        checkpoint.load(network.model, done["model"], file)
        return done["rows"]
    pixels, labels = _squares(view.read_out, network.side), view.read_out.labels.to(where)
    test = torch.stack([view.centre(picture) for picture in view.pictures])
    truth = view.pictures.labels
    nothing = torch.empty(0, device=where), None  # images are passed batch by batch
    step = training.Step(network.model, replace(run, augment="none"), network.standardise, nothing)
    torch.manual_seed(run.seed)

    def train_epoch(epoch):
        started = time.perf_counter()
        network.model.train()
        total = torch.zeros(2, device=where)
        batches = _views(run, pixels, network.side).split(run.batch)
        batches = [batch for batch in batches if len(batch) == run.batch]
        rate = training.rate_of(run, epoch)
        for k, batch in enumerate(batches):
            step.learning_rate(rate / (1 + run.decay * ((epoch - 1) * len(batches) + k)))
            x = augment.take(pixels, batch, "crop_flip", (network.side,) * 2)
            total += step.learn(x.to(where), labels[batch[:, 0].to(where)])
        loss, right = (total / (len(batches) * run.batch)).tolist()
        training.finite(loss, epoch, run)
        seconds = time.perf_counter() - started
        network.model.eval()
        chunks = ((x.to(where), y.to(where)) for x, y in zip(
            test.split(natural.CHUNK), truth.split(natural.CHUNK), strict=True))  # fmt: skip
        found, test_loss = training.evaluate_chunks(network.model, chunks, network.standardise,
                                                    run.precision)  # fmt: skip
        row = {"loss": loss, "accuracy": right, "test_loss": test_loss, "seconds": seconds,
               "test_accuracy": float((found == truth.numpy()).mean())}  # fmt: skip
        return {"epoch": epoch} | {name: round(value, 6) for name, value in row.items()}

    parts = {"model": network.model, "optimiser": step.optimiser}
    rows = checkpoint.epochs(file, run.epochs, parts, train_epoch, run.title())
    network.model.eval()
    return rows


def _squares(pictures, side):
    """Return the middle square of each image, `MARGIN` times `side` px, uint8 (N, S, S, 3)."""
    wide = round(MARGIN * side)
    made = [middle(picture, wide, wide) for picture in pictures]
    return torch.stack(made).permute(0, 2, 3, 1).contiguous()


def _views(run, pixels, side):
    """Return the views of one epoch in a random order, int64 (N, 4): image, top, left, flip."""
    rows, margin = torch.randperm(len(pixels)), pixels.shape[1] - side
    if run.augment == "none":
        corner = torch.full((len(rows), 2), margin // 2)
        return torch.cat([rows[:, None], corner, torch.zeros(len(rows), 1).long()], 1)
    corner, flip = torch.randint(margin + 1, (len(rows), 2)), torch.randint(2, (len(rows), 1))
    return torch.cat([rows[:, None], corner, flip], 1)
