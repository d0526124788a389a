"""Photographs of any size, and networks pretrained on photographs.

A `Run` on data of `NAMES` with the model `pretrained` trains nothing: its record holds what its
observers see. The images are in the data folder; `photographs` are the ten that come with
scikit-image and scikit-learn. The networks' libraries are imported only where they are needed,
because their import takes long.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import nn

from helpers import folder, machine, paths, photos, shift, species
from helpers.errors import InputError, one_of
from helpers.models import layers
from helpers.pictures import SEED, Pictures, in_folder, middle

NAMES = ("photographs", "imagenet_sample", "imagenet_val", "birds", "birds_official", "all_birds",
         "cub200", "flowers102", "pets")  # fmt: skip
MODEL, TUNED = "pretrained", "finetuned"
SIZES = (60, 100, 140, 180, 220)  # px of an embedded image (azulay2019, Figure 6)
FEW = 250  # images at each of these sizes
CHUNK = 25  # frames in memory at a time
THEIR_OWN = {"data", "model", "model_args", "epochs", "test_size", "observers", "precision"}
LEARNT = {"seed", "optimiser", "lr", "decay", "batch", "weight_decay", "drops", "augment"}


def check(run):
    """Raise `InputError` if `run` asks for what its images or its network do not allow."""
    if (run.model in (MODEL, TUNED)) != (run.data in NAMES):
        names = ", ".join(NAMES)
        raise InputError("model", run.model, f"use {MODEL} or {TUNED} for {names}, and only there")
    if run.data not in NAMES:
        return
    if run.model == MODEL and (run.epochs or set(run.model_args) != {"name"}):
        raise InputError("model_args", run.model_args, "use {'name': ...} and 0 epochs")
    allowed = THEIR_OWN if run.model == MODEL else THEIR_OWN | LEARNT
    for name, field in type(run).__dataclass_fields__.items():
        if name not in allowed and getattr(run, name) not in (field.default, {}):
            raise InputError(name, getattr(run, name), "it does not apply to a pretrained network")


@lru_cache(maxsize=4)
def splits(name, count):
    """Return (images to train read-outs on, test images, fingerprint): two `Pictures` and text.

    name: data in `NAMES`. count: number of test images, None for all; if there are fewer, they are
    repeated. Raises `InputError` for unknown or missing data.
    """
    train, test = _find(one_of("data", name, NAMES))
    if count is not None:
        test = test.pick(k % len(test) for k in range(count))
    return train, test, test.fingerprint()


def train(run, train_images, test_images, watch=None):
    """Return (`View`, []) of a network that needs no training, hence no epochs.

    run: its model_args name the network. train_images, test_images: `Pictures`. watch: ignored,
    since there are no steps.
    """
    from helpers.models import pretrained

    network = pretrained.load(run.model_args["name"])
    return View(run, network, train_images, test_images), []


@dataclass(frozen=True)
class View:
    """What an observer may look at: a pretrained network, and images.

    run: the `Run`, None outside of one. network: a `pretrained.Network`. read_out: images on which
    read-outs are trained. pictures: test images. Both are `Pictures`.
    """

    run: object
    network: object
    read_out: Pictures
    pictures: Pictures
    sizes = SIZES
    embedded = shift.EMBEDDED
    few = FEW

    @property
    def model(self):
        """The network's module."""
        return self.network.model

    @property
    def side(self):
        """Side in px of the network's input."""
        return self.network.side

    @property
    def labels(self):
        """Labels int64 (N,), or None if they are not the network's classes."""
        return self.pictures.labels if self.pictures.classes == self.network.names else None

    def readable(self):
        """Return the (images, labels) pairs on which linear read-outs are trained and tested."""
        return tuple((part, part.labels) for part in (self.read_out, self.pictures))

    def probabilities(self, pixels):
        """Return class probabilities (N, K) for `pixels`, frames uint8 (N, 3, side, side)."""
        return torch.cat([self.network.logits(x).softmax(1) for x in pixels.split(CHUNK)])

    def features(self, pixels):
        """Return the mean of each map at increasing depth, a list of (N, C).

        pixels: frames uint8 (N, 3, side, side), or `Pictures`. The depths are the parts of the
        network's longest sequence of parts. Raises `InputError` for a network without one.
        """
        if isinstance(pixels, Pictures):
            pixels = torch.stack([self.centre(picture) for picture in pixels])
        found = [self._means(x) for x in pixels.split(CHUNK)]
        return [torch.cat(parts) for parts in zip(*found, strict=True)]

    @property
    def device(self):
        """Device on which the network lies."""
        return machine.device()

    def sample(self, count):
        """Return frames uint8 (n, 3, side, side) and labels int64 (n,) of images drawn at random.

        count: their number n, at most all; None for all. The draw is the same for all networks.
        """
        drawn = np.random.default_rng(SEED).permutation(len(self.pictures))[:count]
        chosen = self.pictures.pick(drawn)
        return torch.stack([self.centre(picture) for picture in chosen]), chosen.labels

    def scores(self, images):
        """Return the differentiable logits (N, K) of `images` (N, 3, side, side) from 0 to 255."""
        return self.network.model(self.network.standardise(images)).float()

    def centre(self, picture):
        """Return the middle of a `picture` uint8 (3, H, W) as at test, uint8 (3, side, side)."""
        return middle(picture, round(self.side / self.network.crop), self.side)

    def _means(self, pixels):
        found = []

        def keep(_, maps):  # the mean at once: the next part may overwrite the maps
            if maps.ndim == 4:
                found.append(maps.float().mean((2, 3)))

        with layers.watched(self._parts, keep):
            self.network.logits(pixels)
        return found

    @cached_property
    def _parts(self):
        rows = [part for part in self.model.children() if isinstance(part, nn.Sequential)]
        if not rows:
            raise InputError("network", self.network.name, "it must have a sequence of parts")
        return list(max(rows, key=len))


def _find(name):
    if name in species.SPLITS:
        return species.SPLITS[name]()
    if name == "photographs":
        files = tuple((photograph, None) for photograph in photos.PHOTOGRAPHS)
        every = Pictures(files, (), "photographs of scikit-image and scikit-learn")
        return every[:0], every
    if name == "imagenet_val":
        root = paths.data() / "imagenet" / "val"
        found = folder.by_class(root)
        if len(found) != len(_imagenet()):  # the order of the folders' names is ImageNet's
            raise InputError("class folders", len(found), f"{root} must have 1,000")
        files = [(path, label) for label, of in enumerate(found.values()) for path in of]
        mixed = np.random.default_rng(SEED).permutation(len(files))  # the first n are of any class
        files = tuple(files[k] for k in mixed)
        every = Pictures(files, _imagenet(), "validation pictures of ImageNet, in a drawn order")
        return every[:0], every
    every = in_folder(paths.data() / "imagenet_sample")
    files = tuple((file, label) for label, (file, _) in enumerate(every.files))
    if len(files) != len(_imagenet()):
        raise InputError("imagenet_sample", len(files), "use one image of each of 1,000 classes")
    every = Pictures(files, _imagenet(), "1,000 pictures, one of each class of ImageNet")
    return every[:0], every


@lru_cache(maxsize=1)
def _imagenet():
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    return tuple(_IMAGENET_CATEGORIES)
