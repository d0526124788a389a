"""Our training steps and the loop that a user would write, each as an endless iterator.

One `next` is one step on one batch, data handling included. `case` is one of `networks.CASES`.
"""

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks import networks
from helpers import datasets, machine, training
from helpers.runs import Run

SIZES = {1: 60_000, 3: 50_000}  # images by channels: those of MNIST and of CIFAR-10


def random_images(shape):
    """Return uint8 noise as `Images`: what images show changes the speed of no step.

    shape: (C, H, W) of one image.
    """
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIZES[shape[0]], *shape), np.uint8)
    labels = rng.integers(0, networks.CLASSES, len(pixels))
    return datasets.Images(
        "noise", pixels, labels, tuple(map(str, range(networks.CLASSES))), "random"
    )


def ours(case, batch, precision, change=None, keep=True):
    """Step as `helpers.training.train` does: resident data, and its own `Step`.

    case: in `networks.CASES`. batch: images per step. precision: name in `training.PRECISIONS`.
    change: a function of `networks` that takes a lever out of the network, None for none. keep:
    whether freed memory is kept, as in `helpers.runs.execute`.
    """
    if keep:
        machine.keep_freed_memory()
    images, model = random_images(case.shape), case.build(change)
    run = Run("mnist", "mlp", batch=batch, precision=precision)  # the case builds the network
    where = machine.device()
    train_set = training._resident(images, run, where, 0)
    model = model.to(where, memory_format=torch.channels_last).train()
    step = training.Step(model, run, training._standardise(images, where), train_set)
    total = torch.zeros(2, device=where)
    while True:
        for rows in torch.randperm(len(images)).to(where).split(batch):
            if len(rows) == batch:
                step.learning_rate(run.lr)
                total += step(rows)
                yield


class AsPictures(Dataset):
    """Data set of (image, label) as in `torchvision.datasets`: array to PIL, then transforms."""

    def __init__(self, images):
        """Keep `images` (`Images`), and standardise them by their own mean and deviation."""
        mean, std = datasets.standardisation(images)
        self.pixels = np.ascontiguousarray(images.pixels.transpose(0, 2, 3, 1).squeeze())
        self.labels = images.labels
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(mean.tolist(), std.tolist())]
        )

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, k):
        return self.transform(Image.fromarray(self.pixels[k])), int(self.labels[k])


def usual(case, batch, workers):
    """Step as most tutorials do: DataLoader, float32, NCHW, default Adam.

    case: in `networks.CASES`. batch: images per step. workers: processes of the DataLoader.
    """
    model = case.build(networks.as_written).train()
    loader = DataLoader(
        AsPictures(random_images(case.shape)), batch, shuffle=True, drop_last=True,
        num_workers=workers, persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,  # not the parent's forkserver
    )  # fmt: skip
    optimiser = torch.optim.Adam(model.parameters(), lr=Run.lr)
    total = 0.0
    while True:
        for x, y in loader:
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(x), y)
            loss.backward()
            optimiser.step()
            total += loss.item()
            yield


def products(size, dtype):
    """Multiply square matrices repeatedly: their rate is the machine's.

    size: rows and columns. dtype: of torch.
    """
    a, b = (torch.randn(size, size, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    while True:
        yield torch.mm(a, b, out=out)


def triples(height, width):
    """Return every two-hop path p-q-r that does not turn back, as positions in a flat image.

    height, width: px.
    """
    found = []
    steps = ((0, 1), (1, 0), (0, -1), (-1, 0))
    for y, x in np.ndindex(height, width):
        for down, right in steps:
            for further, aside in steps:
                ends = (y + down, x + right), (y + down + further, x + right + aside)
                if ends[1] != (y, x) and all(0 <= v < height and 0 <= u < width for v, u in ends):
                    found.append((y * width + x, *(v * width + u for v, u in ends)))
    return found


def orderness_by_triples(pixels, paths_of):
    """Return ghosh2019's Eq. 6 over given triples, one after another in plain Python.

    pixels: (N, C, H, W). paths_of: list of triples of positions.
    """
    far = near = 0
    for image in pixels.reshape(-1, pixels[0, 0].size).tolist():
        for p, q, r in paths_of:
            far += (image[p] - image[r]) ** 2
            near += (image[p] - image[q]) ** 2
    return far / near - 1
