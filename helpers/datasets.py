"""Data sets as arrays in memory: one split is one `Images`.

A data set is looked for in this order: `<name>.npz` in the data folder (`DATA_DIR`); the sample
that comes with the project, if it has as many images as are asked for; torchvision's download into
the data folder. `Images.source` names what was used; nothing is swapped silently.
"""

import hashlib
import shutil
from dataclasses import replace
from functools import lru_cache

import numpy as np

from helpers import paths, photos
from helpers.errors import InputError, cause, one_of, whole
from helpers.images import Images

DIGITS = tuple("0123456789")
GARMENTS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
            "Bag", "Ankle boot")  # fmt: skip
OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
           "truck")  # fmt: skip
SHAPES = {"mnist": (1, 28, 28), "fashion_mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
CLASSES = {"mnist": DIGITS, "fashion_mnist": GARMENTS, "cifar10": OBJECTS}
SAMPLE = "embedded class-balanced sample"
NAMES = (*SHAPES, "photo_patches")
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10",
          "photo_patches": "photo patches", "imagenet": "ImageNet",
          "imagenet100": "ImageNet-100"}  # fmt: skip


def load(name, split, size=None, sample=0):
    """Load a split of a data set as `Images`.

    name: mnist, fashion_mnist, cifar10 or photo_patches. split: train or test. size: number of
    images to keep, class-balanced, None for all. sample: seed that draws them. Raises `InputError`
    for bad arguments, a damaged file, and data that can neither be found nor downloaded.
    """
    one_of("data", name, NAMES)
    one_of("split", split, ("train", "test"))
    if size is not None:
        whole("size", size, 1)
    if name == "photo_patches":
        images = photos.photo_patches(split)
    else:
        images = _read_whole(name, split, size)
    return images if size is None else _balanced(images, size, sample)


def on_disk(name):
    """Return whether the whole data set `name` is in the data folder."""
    return (paths.data() / f"{name}.npz").exists()


def standardisation(images):
    """Return the mean and the standard deviation of pixels / 255 per channel, each float32 (C,).

    images: `Images`. Both are computed in float64.
    """
    mean = np.array([c.mean(dtype=np.float64) for c in images.pixels.swapaxes(0, 1)]) / 255
    std = np.array([c.std(dtype=np.float64) for c in images.pixels.swapaxes(0, 1)]) / 255
    return mean.astype(np.float32), std.astype(np.float32)


def channel(images, which):
    """Return `images` (`Images`) with the channels that `which` names.

    which: all; red, green or blue, one channel of an RGB image; or rgb, which repeats a grey image
    three times and keeps an RGB image as it is. Raises `InputError` for a single colour of grey
    images.
    """
    one_of("channels", which, ("all", "red", "green", "blue", "rgb"))
    if which == "all":
        return images
    if which == "rgb":
        count = 3 // images.pixels.shape[1]
        return replace(images, pixels=images.pixels.repeat(count, axis=1))
    if images.pixels.shape[1] != 3:
        raise InputError("channels", which, f"use all or rgb: {images.name} is grey")
    k = ("red", "green", "blue").index(which)
    return replace(images, pixels=np.ascontiguousarray(images.pixels[:, k : k + 1]))


def _read_whole(name, split, size):
    whole_set = paths.data() / f"{name}.npz"
    sample = paths.EMBEDDED / f"{name}_{split}.npz"
    if not whole_set.exists():
        if size is not None and sample.exists():
            images = _checked(name, sample, *_read_npz(sample, ("images", "labels")), SAMPLE)
            if size <= len(images):
                return images
        _download(name)
    arrays = _read_npz(whole_set, (f"{split}_images", f"{split}_labels", "source"))
    return _checked(name, whole_set, *arrays)


def _read_npz(path, keys):
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[key] for key in keys]
    except KeyError:
        raise InputError(
            "data file", str(path), f"it must contain the arrays {', '.join(keys)}"
        ) from None
    except Exception as error:  # a damaged archive can raise almost anything
        raise InputError(
            "data file", str(path), f"it is damaged ({cause(error)}); delete it and try again"
        ) from None


def _checked(name, path, images, labels, source):
    channels, side, _ = SHAPES[name]
    shape = (labels.size, side, side, channels)
    if images.dtype != np.uint8 or images.shape != shape or not labels.size:
        raise InputError(
            "data file",
            str(path),
            f"images must be uint8 {shape}, not {images.dtype} {images.shape}",
        )
    whole_numbers = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    if not whole_numbers or labels.min() < 0 or labels.max() >= len(CLASSES[name]):
        raise InputError(
            "data file",
            str(path),
            f"labels must be whole numbers from 0 to {len(CLASSES[name]) - 1}",
        )
    pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    return Images(name, pixels, labels.astype(np.int64), CLASSES[name], str(source))


def _balanced(images, size, sample):
    """Keep `size` images, with classes as equal as possible, in an order drawn with `sample`."""
    if size > len(images):
        raise InputError("size", size, f"{images.name} has only {len(images)} images in this split")
    order = np.random.default_rng(whole("sample", sample)).permutation(len(images))
    labels = images.labels[order]
    rank = np.empty(len(labels), np.int64)  # 0 for the first image of its class, 1 for the second
    for label in range(len(images.classes)):
        here = labels == label
        rank[here] = np.arange(here.sum())
    # First all images of rank 0, one per class, then of rank 1, and so on, until there are `size`
    kept = order[np.sort(np.argsort(rank, kind="stable")[:size])]
    return replace(images, pixels=images.pixels[kept], labels=images.labels[kept])


def _download(name):
    """Download a data set from torchvision's own addresses and write it as one npz file.

    pooch checks the published hash of each file before giving it its name, so that torchvision
    opens (and, for CIFAR-10, unpickles) only checked files.
    """
    from torchvision import datasets as torchvision

    folder = paths.data() / "downloads"
    try:
        if name == "cifar10":
            _fetch([torchvision.CIFAR10.url], torchvision.CIFAR10.tgz_md5, folder)
            parts = [torchvision.CIFAR10(folder, train, download=True) for train in (True, False)]
        else:
            of = {"mnist": torchvision.MNIST, "fashion_mnist": torchvision.FashionMNIST}[name]
            for file, md5 in of.resources:
                addresses = [mirror + file for mirror in of.mirrors]
                _fetch(addresses, md5, folder / of.__name__ / "raw")
            parts = [of(folder, train, download=True) for train in (True, False)]
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            "data", name,
            f"{paths.data() / name}.npz is missing and the download failed ({cause(error)}); "
            "set DATA_DIR to a folder that has it, or use the preset smoke or quick",
        ) from None  # fmt: skip
    arrays = {"source": "torchvision's download, published hash checked"}
    for split, part in zip(("train", "test"), parts, strict=True):
        data = np.asarray(part.data)
        arrays[f"{split}_images"] = data.reshape(*data.shape[:3], -1)
        arrays[f"{split}_labels"] = np.asarray(part.targets, np.uint8)
    _save_npz(paths.data() / f"{name}.npz", arrays)
    shutil.rmtree(folder, ignore_errors=True)


def _fetch(addresses, md5, folder):
    import pooch

    for k, address in enumerate(addresses):
        try:
            pooch.retrieve(address, f"md5:{md5}", address.rsplit("/", 1)[1], folder)
            return
        except OSError:
            if k == len(addresses) - 1:
                raise


def _save_npz(path, arrays):
    import io

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    paths.write_atomic(path, buffer.getvalue())


@lru_cache(maxsize=16)
def splits(name, train_size, test_size, sample=0):
    """Load both splits, once per process, and return (train, test, their joint fingerprint).

    name: as in `load`. train_size, test_size: number of images, None for all. sample: seed that
    draws the training images; the test images are always the same.
    """
    train, test = load(name, "train", train_size, sample), load(name, "test", test_size)
    joint = hashlib.sha256((train.fingerprint() + test.fingerprint()).encode()).hexdigest()
    return train, test, joint
