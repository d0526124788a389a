"""What needs no training (ivan2019): definitions, arrangements, the data and printed figures."""

from dataclasses import replace
from functools import lru_cache
from itertools import permutations, product

import numpy as np
import torch

from helpers import arrange, claims, datasets, models, presets
from helpers.claims import Measurement

ANY = "no training"  # the scale
SHIRT_LIKE = (0, 2, 4, 6)  # T-shirt, pullover, coat, shirt
DISTANCES = (1, 2, 4, 8, 16)  # px, at which the drift of pixels is measured


def definition(_, sides=(28, 32), seeds=20):
    """Return how many pixels `arrange` places differently from Eq. 1 followed pixel by pixel.

    sides: of the images, px. seeds: how many permutations of each.
    """
    wrong = 0
    for side, seed in product(sides, range(seeds)):
        index = arrange.pixel_permutation(side, seed)
        image = np.random.default_rng(seed).integers(256, size=(1, 1, side, side), dtype=np.uint8)
        sigma, by_hand = arrange.inverse(index), np.zeros(side * side, np.uint8)
        for pixel, place in enumerate(sigma):
            by_hand[place] = image.flat[pixel]
        wrong += int((arrange.apply(image, index).ravel() != by_hand).sum())
    return wrong, ANY


def same_pixels(preset, data, count=500):
    """Return how many permuted images lose pixels of their original or do not restore it.

    preset: limits the test images. data: a name in `ivan2019.DATA`; without CIFAR-10 on disk, photo
    patches stand in for it. count: images at most. From Figures 1, 3 and 5.
    """
    stand_in = data == "cifar10" and not datasets.on_disk("cifar10")
    name = "photo_patches" if stand_in else data
    pixels = datasets.load(name, "test", min(count, presets.preset(preset).test or count)).pixels
    index = arrange.pixel_permutation(pixels.shape[-1], seed=0)
    permuted = arrange.apply(pixels, index)
    restored = arrange.apply(permuted, arrange.inverse(index))
    columns, moved = (np.sort(_colours(p), axis=1) for p in (pixels, permuted))
    differ = (columns != moved).any(axis=1) | (restored != pixels).any(axis=(1, 2, 3))
    return int(differ.sum()), ANY


def _colours(pixels):
    """Return each pixel's channels as one number, int64 (N, H * W)."""
    weights = 256 ** np.arange(pixels.shape[1])
    return (pixels.astype(np.int64) * weights[:, None, None]).sum(axis=1).reshape(len(pixels), -1)


def labels(_, row, data):
    """Return how many labels of a printed table differ from the data set's (Tables 2 and 3).

    row: the table's id in the claims. data: the data set.
    """
    printed = claims.row(row)[1]["numbers"]
    ours = {name: k for k, name in enumerate(datasets.CLASSES[data])}
    return len(set(printed.items()) ^ set(ours.items())) // 2, ANY


def broken_patches(_, side=32, patches=(16, 8, 4)):
    """Return how many shuffled patches are not patches of the original (Figure 7).

    side: of the image, px. patches: their sides, px.
    """
    image = arrange.identity(side).reshape(1, 1, side, side)
    wrong = 0
    for patch in patches:
        shuffled = arrange.apply(image, arrange.patch_permutation(side, patch, seed=0))
        before, after = ({p.tobytes() for p in _patches(x, patch)} for x in (image, shuffled))
        wrong += len(after - before)
    return wrong, ANY


def _patches(image, patch):
    n = image.shape[-1] // patch
    return image.reshape(n, patch, n, patch).swapaxes(1, 2).reshape(n * n, patch * patch)


def lost_pixels(_, side=32, distances=(1, 4, 16)):
    """Return how many pixels the local scan loses or duplicates (Figure 9).

    side: of the image, px. distances: D, px.
    """
    maps = [arrange.local_permutation(side, d, seed=0) for d in distances]
    return sum(side * side - len(np.unique(m)) for m in maps), ANY


@lru_cache(maxsize=1)
def drift(side=32, distances=DISTANCES, seeds=20):
    """Return the share of pixels that move farther than D, float64 (seeds, distances) (Section 4).

    side: of the image, px. distances: D, px. seeds: how many permutations of each.
    """
    return np.array(
        [
            [
                (arrange.displacement(arrange.local_permutation(side, d, seed), side) > d).mean()
                for d in distances
            ]
            for seed in range(seeds)
        ]
    )


def drift_exists(_):
    """Return the share of pixels that move farther than D = 1, (seeds,)."""
    return drift()[:, 0], ANY


def drift_small(_):
    """Return 10 % minus the share of pixels that move farther than D, points (seeds, distances)."""
    return Measurement(0.10 - drift(), ANY, names=tuple(f"D = {level}" for level in DISTANCES))


def scan_bias(_, pixels=3):
    """Return the largest deviation of an order's probability from 1/n! under the full scan.

    pixels: n, in a row. We list every outcome: the scan swaps pixel k with each of them in turn,
    which makes n ** n outcomes.
    """
    counts = dict.fromkeys(permutations(range(pixels)), 0)
    for partners in product(range(pixels), repeat=pixels):
        order = list(range(pixels))
        for here, there in enumerate(partners):
            order[here], order[there] = order[there], order[here]
        counts[tuple(order)] += 1
    shares = np.array(list(counts.values())) / pixels**pixels
    return float(abs(shares - 1 / len(counts)).max()), ANY


def scan_bias_error(_):
    """Return how far the scan over three pixels in a row is from a largest deviation of 1/54."""
    return abs(scan_bias(_, pixels=3)[0] - 1 / 54), ANY


def class_means(images):
    """Return mean and standard deviation of each class's images, float64 (classes, H, W) each.

    images: a `datasets` object, of which the first channel counts.
    """
    groups = [images.pixels[images.labels == k, 0] for k in range(len(images.classes))]
    return np.stack([g.mean(axis=0) for g in groups]), np.stack([g.std(axis=0) for g in groups])


def alike(_, tenths=10):
    """Return mean r among shirt-like classes minus that of other pairs, (tenths,) (Figure 12).

    tenths: random parts of the training images. r is Pearson's, between class means.
    """
    images = datasets.load("fashion_mnist", "train", 10_000)
    parts = np.random.default_rng(0).integers(tenths, size=len(images))
    inside = np.array([a in SHIRT_LIKE and b in SHIRT_LIKE for a, b in _pairs(10)])
    values = []
    for part in range(tenths):
        kept = replace(
            images, pixels=images.pixels[parts == part], labels=images.labels[parts == part]
        )
        r = np.corrcoef(class_means(kept)[0].reshape(10, -1))
        r = np.array([r[a, b] for a, b in _pairs(10)])
        values.append(r[inside].mean() - r[~inside].mean())
    return np.array(values), ANY


def _pairs(classes):
    return [(a, b) for a in range(classes) for b in range(a)]


def excess_of_mean(_, network):
    """Return how far Table 4's mean is from that of its ten r, beyond what rounding allows.

    network: CNN or MLP. All eleven numbers are printed to three digits. The ten true values may lie
    up to half a digit from the printed ones, and so may their mean; the printed mean may be off by
    another half a digit.
    """
    _, row = claims.row("ivan-table4")
    stated, digit = row["numbers"][f"{network} mean r"], 0.001
    return max(0.0, abs(float(np.mean(row["printed"][network])) - stated) - digit), ANY


def mlp_identity(_, side=32, seed=0):
    """Return the largest change of an MLP's logits when pixels and weights are permuted alike.

    side: of the image, px. seed: of the network, the permutation and the inputs.
    """
    shape = (3, side, side)
    model = models.build("mlp", shape, 10, seed).double().eval()
    index = arrange.pixel_permutation(side, seed)
    x = np.random.default_rng(seed).normal(size=(64, *shape))
    with torch.no_grad():
        natural = model(torch.from_numpy(x))
        first = model[1]  # the flattened pixels' linear layer: channels first, then positions
        weights = first.weight.view(-1, 3, side * side)
        first.weight.copy_(weights[:, :, torch.from_numpy(index)].flatten(1))
        permuted = model(torch.from_numpy(arrange.apply(x, index)))
    return float((natural - permuted).abs().max()), ANY
