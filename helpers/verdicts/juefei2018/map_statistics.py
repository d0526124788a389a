"""Statistics of images and their difference maps: all that tables and verdicts need of them.

The repository cannot hold ImageNet, but it holds these statistics of 500 of its images, so that the
book says the same everywhere. `helpers.verdicts.juefei2018.imagenet` computes them.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
from PIL import Image

from helpers import differences, paths, photos, presets, records
from helpers.errors import InputError, one_of

KINDS = ("photographs", "imagenet")  # of images
SIZES = (3, 5, 7)  # px, of filters
SIDE = 224  # px, of images
PX = (SIDE, SIDE // 2)  # as they are, and halved
PLACES = differences.LARGEST**2  # of a window
CROPS = {"smoke": 1, "quick": 6, "study": 36, "long": 36, "paper": 36}  # of one photograph at most
READINGS = {  # how one may read the paper: range of the taps, whether a map is divided by their sum
    "zero-mean": (-1, 1, False),
    "positive": (0, 1, False),
    "zero-mean-divided": (-1, 1, True),
    "positive-divided": (0, 1, True),
}
BINS = 80  # of a histogram
DIGITS = 8  # significant digits of published statistics


@dataclass(frozen=True)
class Statistics:
    """Statistics of ten groups of images.

    says: what the images are. chosen: how we chose them. moments: {(padding, px): (mean, second)}
    of the pixel differences in a window of 7x7, float64 (groups, 49) and (groups, 49, 49). widths:
    {reading: (groups, sizes)}, of the middle half of a map's values. histograms: {size: (limit,
    counts (80,))}, from -limit to limit, for taps from U(-1, 1). alike: (filters,), see the
    function.
    """

    says: str
    chosen: str
    moments: dict
    widths: dict
    histograms: dict
    alike: np.ndarray


def of(preset, kind):
    """Return the `Statistics` of images: published ones of ImageNet, or of photographs, made now.

    preset: sets the crops of a photograph, see `CROPS`. kind: a name in `KINDS`. Raises
    `InputError` for unknown names, and where the published statistics are missing or damaged.
    """
    presets.preset(preset)
    if one_of("kind", kind, KINDS) == "imagenet":
        return _read(published())
    return _of_photographs(CROPS[preset])


def published():
    """Return the path of the statistics of ImageNet."""
    return paths.RESULTS / "statistics" / "differences-imagenet.json"


@lru_cache(maxsize=4)
def _of_photographs(most):
    groups = photographs(most)
    says = f"{len(groups)} photographs, {sum(map(len, groups))} crops of {SIDE} px"
    return measure(groups, says, "those of `helpers.photos`, cropped from the middle outwards")


@lru_cache(maxsize=4)
def photographs(most):
    """Return grey crops of each of the ten photographs, a tuple of uint8 (N, 224, 224).

    most: crops of one photograph at most.
    """
    return tuple(
        crops(grey(Image.fromarray(photos.photograph(name))))[:most] for name in photos.PHOTOGRAPHS
    )


def grey(picture):
    """Return the grey values of an image, uint8 (H, W), with the weights of Rec. 601.

    picture: a PIL image.
    """
    return np.asarray(picture.convert("L"))


def crops(image, side=SIDE):
    """Return disjoint crops of a grey image, (crops, side, side), without its rim.

    image: (H, W). side: px. Those nearest to the middle come first, because the corners of some
    photographs are black.
    """
    rows, columns = image.shape[0] // side, image.shape[1] // side
    tiles = image[: rows * side, : columns * side].reshape(rows, side, columns, side)
    far = (np.arange(rows)[:, None] - (rows - 1) / 2) ** 2
    far = far + (np.arange(columns) - (columns - 1) / 2) ** 2
    order = np.argsort(far.ravel(), kind="stable")
    return tiles.swapaxes(1, 2).reshape(-1, side, side)[order]


def measure(groups, says, chosen):
    """Return the `Statistics` of groups of images.

    groups: grey images, each (N, 224, 224). says, chosen: as in `Statistics`.
    """
    moments = {}
    for padding, px in product(differences.PADDINGS, PX):
        found = [differences.moments(scaled(group, px), padding=padding) for group in groups]
        moments[padding, px] = tuple(np.array(part) for part in zip(*found, strict=True))
    widths = {
        reading: np.array(
            [[_width(values(g, reading, k, size)) for size in SIZES] for k, g in enumerate(groups)]
        )
        for reading in READINGS
    }
    histograms = {
        size: _histogram([values(g, "zero-mean", k, size) for k, g in enumerate(groups)])
        for size in SIZES
    }
    return Statistics(says, chosen, moments, widths, histograms, alike(groups))


def scaled(images, px):
    """Return images at a side of px: as they are or, for half their side, as means of 2x2 px.

    images: (N, H, W). px: H or H / 2.
    """
    if px == images.shape[1]:
        return images
    return images.reshape(len(images), px, 2, px, 2).mean(axis=(2, 4))


def values(images, reading, group, size, filters=20, every=7):
    """Return values of the difference maps of the first two images, flat: one in `every`.

    images: (N, H, W). reading: a name in `READINGS`. group: number of the group, which draws its
    filters. size: of the filters, px. filters: how many.
    """
    low, high, divided = READINGS[reading]
    weights = differences.filters(filters, size, low, high, seed=group)
    return differences.maps(images[:2], weights, divided).ravel()[::every]


def alike(groups, filters=10):
    """Return how the mean map of every other group correlates with that of the rest, (filters,).

    groups: of grey images, each (N, H, W). filters: how many, 3x3 with taps from U(-1, 1). Maps
    that are not divided by the taps' sum are linear, so the mean of the maps is the map of the mean
    image.
    """
    halves = [np.mean([g.mean(axis=0) for g in groups[k::2]], axis=0)[None] for k in (0, 1)]
    found = [
        differences.maps(half, differences.filters(filters, 3, -1, 1, seed=0)) for half in halves
    ]
    pairs = zip(*(maps[0].reshape(filters, -1) for maps in found), strict=True)
    return np.array([np.corrcoef(*pair)[0, 1] for pair in pairs])


def _width(found):
    return np.subtract(*np.quantile(found, (0.75, 0.25)))


def _histogram(found):
    found = np.concatenate(found)
    limit = 3 * found.std()
    return limit, np.histogram(found, BINS, (-limit, limit))[0]


def pack(found):
    """Return `Statistics` in a form that JSON can hold.

    found: the `Statistics`. Numbers lose digits beyond `DIGITS`; of second moments we keep the
    upper half.
    """
    upper = np.triu_indices(PLACES)
    return {
        "says": found.says,
        "chosen": found.chosen,
        "moments": [
            {"padding": padding, "px": px, "mean": _cut(mean), "second": _cut(second[:, *upper])}
            for (padding, px), (mean, second) in found.moments.items()
        ],
        "widths": {reading: _cut(widths) for reading, widths in found.widths.items()},
        "histograms": [
            {"size": size, "limit": _cut(limit), "counts": counts.tolist()}
            for size, (limit, counts) in found.histograms.items()
        ],
        "alike": _cut(found.alike),
    }


def unpack(record):
    """Return the `Statistics` that `pack` made a record of.

    record: a dict, as from `pack`.
    """
    return Statistics(
        says=record["says"],
        chosen=record["chosen"],
        moments={
            (one["padding"], one["px"]): (np.array(one["mean"]), _whole(one["second"]))
            for one in record["moments"]
        },
        widths={reading: np.array(widths) for reading, widths in record["widths"].items()},
        histograms={
            one["size"]: (one["limit"], np.array(one["counts"])) for one in record["histograms"]
        },
        alike=np.array(record["alike"]),
    )


def _cut(array):
    """Return an array as nested lists of numbers with `DIGITS` significant digits."""
    return np.vectorize(lambda x: float(f"{x:.{DIGITS}g}"))(array).tolist()


def _whole(halves):
    rows, columns = np.triu_indices(PLACES)
    second = np.empty((len(halves), PLACES, PLACES))
    second[:, rows, columns] = second[:, columns, rows] = halves
    return second


@lru_cache(maxsize=2)
def _read(path):
    record = records.read(path)
    if record is None:
        remedy = "make it with `python -m helpers.verdicts.juefei2018.imagenet`"
        raise InputError("published statistics", path.name, f"it is missing or damaged; {remedy}")
    return unpack(record)
