"""Train one network with its data resident in memory, fast but unchanged as an experiment."""

import math
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from helpers import arrange, augment, datasets, degrade, machine, metrics, models
from helpers.errors import DivergedError, InputError, one_of

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
OPTIMISERS = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,  # without momentum
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "nesterov": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
MONITORED = (10, 20, 50, 100)  # batch sizes at which juefei2018's first code would have reported
EVALUATION_BATCH = 100  # images: their widest maps stay in a core's cache ...
ON_GPU = 10  # ... and so many times more on a GPU
SIZES = (3 / 8, 1 / 2, 5 / 8, 3 / 4, 7 / 8)  # sides of embedded images, as shares of the whole
FEW = 500  # images at each of these sizes


@dataclass(frozen=True)
class View:
    """What an observer may look at: a model, and the images in the form in which it sees them.

    run: the `runs.Run`. model: the network, None for a run without one. train, test: (images uint8
    (N, C, H, W), labels int64 (N,)) on the device, degraded and arranged. classes: their number.
    standardise: function of images uint8 (N, C, H, W) to the network's input, float32. predictions:
    int64 (N,), predicted labels of the test images, None during training.
    """

    run: object
    model: nn.Module
    train: tuple
    test: tuple
    classes: int
    standardise: object
    predictions: np.ndarray | None = None

    def inputs(self, count):
        """Return the first `count` training images as network input, float32 (count, C, H, W)."""
        return self.standardise(self.train[0][:count])

    def correct(self, count=None):
        """Return which of the first `count` test images the model classifies correctly, bool (N,).

        count: number of images, None for all.
        """
        pixels, labels = (part[:count] for part in self.test)
        found, _ = evaluate(self.model, pixels, labels, self.standardise, self.run.precision)
        return found == labels.cpu().numpy()

    def accuracy(self, count):
        """Return the accuracy on the first `count` test images, a float from 0 to 1."""
        return float(self.correct(count).mean())

    @property
    def pictures(self):
        """Test images, uint8 (N, C, H, W)."""
        return self.test[0]

    @property
    def labels(self):
        """Labels of the test images, int64 (N,)."""
        return self.test[1]

    @property
    def side(self):
        """Height and width of an image in px."""
        return self.test[0].shape[-1]

    @property
    def embedded(self):
        """Side in px of an image when it is embedded in black."""
        return augment.embedded(self.side)

    @property
    def sizes(self):
        """Sides in px, a list, at which the size of the embedded image is varied."""
        return [round(share * self.side) for share in SIZES]

    few = FEW

    def readable(self):
        """Return the (images, labels) pairs on which linear read-outs are trained and tested."""
        return self.train, self.test

    def probabilities(self, pixels):
        """Return the model's class probabilities (N, K) for `pixels`, uint8 (N, C, H, W)."""
        return torch.cat([self.model(x).float().softmax(1) for x in self._batches(pixels)])

    @property
    def device(self):
        """Device on which the network and the images lie."""
        return self.test[0].device

    def sample(self, count):
        """Return the first `count` test images uint8 (n, C, H, W) and their labels int64 (n,)."""
        return tuple(part[:count] for part in self.test)

    def scores(self, images):
        """Return the differentiable logits (N, K) of `images` (N, C, H, W) with values 0 to 255."""
        with autocast(images.device, self.run.precision):
            return self.model(self.standardise(images.clone())).float()

    def features(self, pixels):
        """Return the mean of each map after each of the model's `layers`, a list of (N, C).

        pixels: uint8 (N, C, H, W). Raises `InputError` for a model without named `layers`.
        """
        if not hasattr(self.model, "layers"):
            raise InputError("observers", self.run.model, "use a model with named layers")
        found = []
        for x in self._batches(pixels):
            found.append([(x := layer(x)).float().mean((2, 3)) for layer in self.model.layers])
        return [torch.cat(parts) for parts in zip(*found, strict=True)]

    def _batches(self, pixels):
        """Yield the network's input batch by batch, inside its autocast context."""
        where = self.test[0].device
        self.model.eval()
        for part in pixels.split(EVALUATION_BATCH * (ON_GPU if where.type == "cuda" else 1)):
            with torch.no_grad(), autocast(where, self.run.precision):
                yield self.standardise(part.to(where))

    def untrained(self):
        """Return the model as it was before its first step, on the CPU."""
        shape = tuple(self.train[0].shape[1:])
        return models.build(self.run.model, shape, self.classes, self.run.seed,
                            **self.run.model_args)  # fmt: skip


def train(run, train_images, test_images, progress=None, watch=None):
    """Train `run` on one split and evaluate it on the other after every epoch.

    train_images, test_images: `Images` before their channels are chosen and their pixels arranged.
    progress: called with each epoch's metrics, None for no call. watch: called with (step, `View`)
    at the steps in `run.watch`, None for never.

    Returns (view, epochs): the `View` after the last epoch, and a list of dicts (epoch, loss,
    accuracy, test_loss, test_accuracy, smoothed_B for each B of `MONITORED`, seconds). Raises
    `InputError` if the data do not fit the run, and `DivergedError` if the loss is no longer a
    finite number.
    """
    check(run, train_images, test_images)
    where = machine.device()
    train_set, test_set = (
        _resident(images, run, where, part)
        for part, images in enumerate((train_images, test_images))
    )
    standardise = _standardise(datasets.channel(train_images, run.channels), where)
    classes, shape = len(train_images.classes), tuple(train_set[0].shape[1:])
    if run.model == "none":
        return View(run, None, train_set, test_set, classes, standardise), []
    model = models.build(run.model, shape, classes, run.seed, **run.model_args)
    model = model.to(where, memory_format=torch.channels_last)
    view = View(run, model, train_set, test_set, classes, standardise)
    looks = set(run.watch.get("steps", ())) if watch else ()
    torch.manual_seed(run.seed)  # dropout
    step = _step(model, run, standardise, train_set)
    # The order of batches has its own generator, so that no dropout layer changes it.
    order = torch.Generator().manual_seed(run.seed)
    shown = np.random.default_rng(run.seed).permutation(len(test_images))  # for `smoothed`
    epochs, iteration, smoothed = [], 0, dict.fromkeys(MONITORED, 0.0)
    if iteration in looks:
        _look(watch, iteration, view)
    for epoch in range(1, run.epochs + 1):
        started = time.perf_counter()
        model.train()
        total = torch.zeros(2, device=where)  # summed loss, correct predictions
        rows = torch.randperm(len(train_set[1]), generator=order)
        if run.augment != "none":
            rows = augment.draw(rows, order, run.augment, test_images.pixels.shape[2:])
        # An incomplete last batch is dropped on every device: a CUDA graph has one batch length.
        batches = [batch for batch in rows.to(where).split(run.batch) if len(batch) == run.batch]
        rate = rate_of(run, epoch)
        for batch in batches:
            step.learning_rate(rate / (1 + run.decay * iteration))
            total += step(batch)
            iteration += 1
            if iteration in looks:
                _look(watch, iteration, view)
        seen = len(batches) * run.batch
        loss, correct = total.tolist()
        finite(loss, epoch, run)
        seconds = time.perf_counter() - started
        predictions, test_loss = evaluate(model, *test_set, standardise, run.precision)
        right = predictions == test_images.labels
        smoothed = {size: metrics.smoothed(right[shown], size, v) for size, v in smoothed.items()}
        row = {"epoch": epoch, "loss": loss / seen, "accuracy": correct / seen,
               "test_loss": test_loss, "test_accuracy": float(right.mean()),
               **{f"smoothed_{size}": v for size, v in smoothed.items()},
               "seconds": seconds}  # fmt: skip
        epochs.append({name: round(value, 6) for name, value in row.items()})
        if progress:
            progress(epochs[-1])
    if not run.epochs:
        predictions, _ = evaluate(model, *test_set, standardise, run.precision)
    return replace(view, predictions=predictions), epochs


def check(run, train_images, test_images):
    """Raise `InputError` if the two splits do not fit each other or `run`.

    train_images, test_images: `Images` or `folder.Photographs`: both splits need the same classes,
    and the training split at least one batch.
    """
    if train_images.classes != test_images.classes:
        raise InputError(
            "classes", len(test_images.classes), "both splits must have the same classes"
        )
    if run.epochs and len(train_images) < run.batch:
        raise InputError("batch", run.batch, f"the training split has {len(train_images)} images")


def finite(loss, epoch, run):
    """Raise `DivergedError` unless `loss`, that of `epoch` of `run`, is a finite number."""
    if not math.isfinite(loss):
        raise DivergedError(
            f"loss: {loss} in epoch {epoch} of {run.title()}; use an lr below {run.lr}"
        )


def rate_of(run, epoch):
    """Return the learning rate at the start of `epoch` (from 1), before the decay per iteration.

    run: any object with the fields lr and drops of `runs.Run`.
    """
    if not run.drops:
        return run.lr
    return run.lr * run.drops["factor"] ** sum(after < epoch for after in run.drops["after"])


def _look(watch, iteration, view):
    view.model.eval()
    watch(iteration, view)
    view.model.train()


def evaluate(model, pixels, labels, standardise, precision="float32"):
    """Return the predicted labels, array int64 (N,), and the mean cross-entropy, a float.

    model: maps network input to logits (N, K). pixels: uint8 (N, C, H, W); labels: int64 (N,), on
    the same device. standardise: as in `View`. precision: name in `PRECISIONS`.
    """
    size = EVALUATION_BATCH * (ON_GPU if pixels.is_cuda else 1)
    chunks = zip(pixels.split(size), labels.split(size), strict=True)
    return evaluate_chunks(model, chunks, standardise, precision)


@torch.no_grad()
def evaluate_chunks(model, chunks, standardise, precision="float32"):
    """Evaluate a model as `evaluate` does, on images that come in chunks.

    model, standardise, precision: as in `evaluate`. chunks: iterable of (pixels, labels), so that
    images need not fit in memory.
    """
    model.eval()
    predictions, loss = [], 0.0
    for x, y in chunks:
        with autocast(x.device, precision):
            logits = model(standardise(x)).float()
        loss += functional.cross_entropy(logits, y, reduction="sum").item()
        predictions.append(logits.argmax(1))
    predictions = torch.cat(predictions).cpu().numpy()
    return predictions, loss / len(predictions)


class Step:
    """One optimiser step on a batch of row numbers; calling it returns (summed loss, correct)."""

    def __init__(self, model, run, standardise, train_set):
        """Put the training set and the optimiser of a run in place.

        model: the network. run: its `runs.Run`. standardise: as in `View`. train_set: (images uint8
        (N, C, H, W), labels int64 (N,)) on the device.
        """
        self.model, self.run, self.standardise = model, run, standardise
        self.pixels, self.labels = train_set
        self.augmented, self.shape = run.augment != "none", self.pixels.shape[2:]
        if self.augmented:
            self.pixels = augment.prepare(self.pixels, run.augment)
        on_gpu = self.pixels.is_cuda
        rate = torch.tensor(run.lr, device=self.pixels.device) if on_gpu else run.lr
        options = {"capturable": on_gpu} if run.optimiser == "adam" else {}
        self.optimiser = OPTIMISERS[run.optimiser](
            [weight for weight in model.parameters() if weight.requires_grad],
            lr=rate, weight_decay=run.weight_decay, fused=True, **options,
        )  # fmt: skip

    def learning_rate(self, value):
        """Set the rate of the next step to `value`: in place where a CUDA graph reads a tensor."""
        for group in self.optimiser.param_groups:
            if torch.is_tensor(group["lr"]):
                group["lr"].fill_(value)
            else:
                group["lr"] = value

    def __call__(self, batch):
        """Take a step on `batch`: int64 (B,) rows of the training set, or their `augment.draw`."""
        if self.augmented:
            x = augment.take(self.pixels, batch, self.run.augment, self.shape)
            y = self.labels[batch[:, 0]]
        else:
            x, y = self.pixels[batch], self.labels[batch]
        return self.learn(x, y)

    def learn(self, x, y):
        """Take a step on images `x`, uint8 (B, C, H, W), and their labels `y`, int64 (B,).

        Returns a tensor (2,): the summed loss and the number of correct predictions. It stays on
        the device, so that no step waits for the GPU.
        """
        x = self.standardise(x)
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(x.device, self.run.precision):
            logits = self.model(x).float()
        loss = functional.cross_entropy(logits, y)
        loss.backward()
        self.optimiser.step()
        correct = (logits.detach().argmax(1) == y).sum()
        return torch.stack([loss.detach() * len(y), correct.float()])


class GraphedStep(Step):
    """The whole step replayed as one CUDA graph, since kernel launches limit small networks."""

    def __init__(self, *arguments):
        """Capture the step. arguments: those of `Step`."""
        super().__init__(*arguments)
        before = deepcopy(self.model.state_dict())
        self.batch = torch.arange(self.run.batch, device=self.pixels.device)
        if self.augmented:
            drawn = augment.draw(self.batch.cpu(), None, self.run.augment, self.shape)
            self.batch = drawn.to(self.pixels.device)
        side_stream = torch.cuda.Stream()
        side_stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side_stream):
            for _ in range(3):  # warm-up, as capture needs; its learning is undone below
                super().__call__(self.batch)
        torch.cuda.current_stream().wait_stream(side_stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.result = super().__call__(self.batch)
        # The warm-up moved the weights and the optimiser's state. Both are reset in place,
        # since the graph keeps their addresses.
        self.model.load_state_dict(before)
        for state in self.optimiser.state.values():
            for tensor in filter(torch.is_tensor, state.values()):
                tensor.zero_()

    def __call__(self, batch):
        """Take a step on `batch`, which must have the captured length."""
        self.batch.copy_(batch)
        self.graph.replay()
        return self.result


def _step(model, run, standardise, train_set):
    one_of("optimiser", run.optimiser, OPTIMISERS)
    if not run.epochs:
        return None
    model.train()
    kind = GraphedStep if train_set[0].is_cuda else Step
    return kind(model, run, standardise, train_set)


def _resident(images, run, where, part):
    """Return pixels uint8 (N, C, H, W), already degraded and arranged, and labels, on the device.

    part: 0 for training and 1 for test images, so that per-image arrangements differ between them.
    """
    images = datasets.channel(images, run.channels)
    pixels = degrade.apply(images.pixels, run.degradation)
    if run.arrangement:
        index = arrange.from_spec(run.arrangement, images.side, len(images), part)
        pixels = arrange.apply(pixels, index)
    return torch.from_numpy(pixels).to(where), torch.from_numpy(images.labels).to(where)


def _standardise(images, where):
    """Return the function that maps uint8 pixels to zero mean and unit variance per channel.

    The means and variances are those of the training images.
    """
    mean, std = datasets.standardisation(images)
    if not std.all():
        raise InputError("data", images.name, "each channel of the training images must vary")
    mean, std = (torch.from_numpy(v).to(where)[:, None, None] for v in (mean, std))
    # 255 is folded into the scale: two passes over the images instead of three.
    scale, shift = 1 / (255 * std), -mean / std

    def standardise(pixels):
        x = pixels.to(torch.float32, memory_format=torch.channels_last)
        return x.mul_(scale).add_(shift)

    return standardise


def autocast(where, precision):
    """Return the context in which a network computes in `precision` on the `torch.device` `where`.

    precision: name in `PRECISIONS`; float32 leaves the context without effect.
    """
    return torch.autocast(where.type, torch.bfloat16, enabled=precision == "bfloat16")
