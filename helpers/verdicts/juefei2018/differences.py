"""Supplement, Sections 3.2 and 4 of juefei2018: difference maps, and the speed of combinations."""

from functools import lru_cache, partial
from itertools import islice

import numpy as np
import torch
from PIL import Image

from helpers import claims, differences, paths, photos, presets, timing
from helpers.verdicts.ivan2019.untrained import ANY

SIZES = (3, 5, 7)  # px
SIDE = 224  # px
FILTERS = 100  # of each size, as in the paper
GROUPS = 10
COUNT = {"smoke": 10, "quick": 100, "study": 500, "paper": 500}  # pictures of ImageNet
CROPS = {"smoke": 1, "quick": 6, "study": 36, "paper": 36}  # of one photograph at most
READINGS = {  # range of the taps, and whether a map is divided by their sum
    "zero-mean": (-1, 1, False),
    "positive": (0, 1, False),
    "zero-mean-divided": (-1, 1, True),
    "positive-divided": (0, 1, True),
}
WITH_VARIANCE = ("zero-mean", "positive", "positive-divided")
TITLES = {
    "zero-mean": "U(−1, 1)",
    "positive": "U(0, 1)",
    "zero-mean-divided": "U(−1, 1), divided",
    "positive-divided": "U(0, 1), divided",
}

SHAPES = ((64, 32), (128, 16), (256, 8))  # channels and px: a ResNet-18 on images of 32 px
LOAD = {"smoke": (2, 10), "quick": (4, 15), "study": (32, 30), "paper": (32, 50)}  # batch, rounds
PARTS = 5  # groups of consecutive rounds, of which each gives one median
ON_GPU = 20  # calls a turn: one call is shorter than the clock's own jitter


def sample_on_disk():
    """Tell whether the sample of ImageNet lies in the data folder."""
    return any((paths.data() / "imagenet_sample").glob("*.jpg"))


def crops(grey, side=SIDE):
    """Return the disjoint crops of a grey image (H, W), (crops, side, side), its rim left out.

    Those nearest to the middle come first, since the corners of some photographs are black.
    """
    rows, columns = grey.shape[0] // side, grey.shape[1] // side
    tiles = grey[: rows * side, : columns * side].reshape(rows, side, columns, side)
    far = (np.arange(rows)[:, None] - (rows - 1) / 2) ** 2
    far = far + (np.arange(columns) - (columns - 1) / 2) ** 2
    order = np.argsort(far.ravel(), kind="stable")
    return tiles.swapaxes(1, 2).reshape(-1, side, side)[order]


@lru_cache(maxsize=8)
def pictures(preset, data):
    """Return (ten groups of grey images, a line that says what they are).

    data: `photographs`, of which each is a group, or `imagenet`, pictures drawn from the sample
    and dealt into ten groups. Each group is uint8 (N, 224, 224); colours are weighed as in Rec.
    601. Nothing is resized; of a picture of ImageNet the middle is taken, if it is large enough.
    """
    presets.preset(preset)
    if data == "photographs":
        groups = tuple(
            crops(_grey(Image.fromarray(photos._photograph(name))))[: CROPS[preset]]
            for name in photos.PHOTOGRAPHS
        )
        return groups, f"{len(groups)} photographs, {sum(map(len, groups))} crops of {SIDE} px"
    files = sorted((paths.data() / "imagenet_sample").glob("*.jpg"))
    drawn = (Image.open(files[k]) for k in np.random.default_rng(0).permutation(len(files)))
    large = (picture for picture in drawn if min(picture.size) >= SIDE)
    middles = np.stack([_middle(_grey(picture)) for picture in islice(large, COUNT[preset])])
    return tuple(np.array_split(middles, GROUPS)), f"{len(middles)} pictures of ImageNet"


def _grey(picture):
    return np.asarray(picture.convert("L"))


def _middle(grey):
    top, left = ((side - SIDE) // 2 for side in grey.shape)
    return grey[top : top + SIDE, left : left + SIDE]


def halved(images):
    """Return images (N, H, W), H and W even, at half their size: means of 2x2 px."""
    n, height, width = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4))


def strongest():
    """Return which data the verdicts rest on: ImageNet's where they are, else photographs."""
    return "imagenet" if sample_on_disk() else "photographs"


def moments(preset, data, padding="valid", half=False):
    """Return the moments of the pixel differences of each group, in a window of 7x7 px."""
    return _moments(preset, data, padding, half)


@lru_cache(maxsize=16)
def _moments(preset, data, padding, half):
    groups = pictures(preset, data)[0]
    return [differences.moments(halved(g) if half else g, padding=padding) for g in groups]


def pooled(found):
    """Return the moments of all groups together, each with the same weight."""
    return tuple(np.mean(part, axis=0) for part in zip(*found, strict=True))


def measured(preset, data, reading, **images):
    """Return mean and mean square of the maps of each filter, float64 (2, groups, sizes, filters).

    Every group has filters of its own, so groups are independent repeats.
    """
    low, high, divided = READINGS[reading]
    found = [
        [
            differences.of_filters(
                differences.within(group, size),
                differences.filters(FILTERS, size, low, high, seed),
                divided,
            )
            for size in SIZES
        ]
        for seed, group in enumerate(moments(preset, data, **images))
    ]
    return np.array(found).transpose(2, 0, 1, 3)


def levels(preset, data, reading, **images):
    """Return the standard deviation of each group's maps, float64 (groups, sizes)."""
    mean, square = measured(preset, data, reading, **images)
    return np.sqrt(square.mean(axis=2) - mean.mean(axis=2) ** 2)


def together(preset, data, reading, **images):
    """Return mean and standard deviation over all maps of all groups, float64 (sizes,) each."""
    mean, square = measured(preset, data, reading, **images).mean(axis=(1, 3))
    return mean, np.sqrt(square - mean**2)


def exact(preset, data, low, high, **images):
    """Return mean and standard deviation that taps from U(low, high) give, (sizes,) each."""
    window = pooled(moments(preset, data, **images))
    found = [differences.expected(differences.within(window, size), low, high) for size in SIZES]
    mean, square = np.array(found).T
    return mean, np.sqrt(square - mean**2)


def printed(which="std"):
    """Return the paper's figures (Table 1 of the supplement), float64 (sizes,)."""
    return np.array(list(claims.row("pnn-s-table1")[1]["numbers"][which].values()))


def fitted(preset, data, **images):
    """Return the uniform range (low, high) whose exact figures come nearest to the printed ones.

    Nearest in the relative error of the three mean squares, which are linear in the variance of
    a tap and in its squared mean.
    """
    window = pooled(moments(preset, data, **images))
    seconds = [differences.within(window, size)[1] for size in SIZES]
    terms = np.array([[np.trace(second), second.sum()] for second in seconds])
    variance, square = np.linalg.lstsq(terms / printed()[:, None] ** 2, np.ones(3), rcond=None)[0]
    middle, half = np.sqrt(max(square, 0)), np.sqrt(3 * max(variance, 0))
    return middle - half, middle + half


def summary(preset, data, reading, **images):
    """Return one line of the table of readings, a dict of texts; see `levels` for the arguments.

    growth: 95 % intervals of the steps from 3x3 to 5x5 and from 5x5 to 7x7 px, over groups.
    """
    mean, std = together(preset, data, reading, **images)
    steps = np.diff(levels(preset, data, reading, **images), axis=1).T
    bounds = [claims.interval(step)[1:] for step in steps]
    return {
        "taps": TITLES[reading],
        "mean": ", ".join(f"{value:.2f}" for value in mean),
        "std": ", ".join(f"{value:.1f}" for value in std),
        "ratios": ", ".join(f"{value:.2f}" for value in std[1:] / std[0]),
        "growth": ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in bounds),
    }


def _evidence(preset, data):
    return f"{ANY}, {pictures(preset, data)[1]}"


def _as_printed(preset, data):
    """Return the scale of a comparison with printed figures: the paper's, or what there is."""
    whole = data == "imagenet" and COUNT[preset] == COUNT["paper"]
    return "paper" if whole else _evidence(preset, data)


def grows(preset, reading):
    """Return the noise of 7x7, 5x5 and 3x3 filters, (groups, 3): it should fall."""
    data = strongest()
    return levels(preset, data, reading)[:, ::-1], _evidence(preset, data)


def ratio_error(preset):
    """Return the relative error of 5x5 / 3x3 or 7x7 / 3x3 per group, in the best reading."""
    steps = printed()[1:] / printed()[0]
    return _best(preset, lambda found: found[:, 1:] / found[:, :1] / steps - 1)


def figure_error(preset):
    """Return the relative error of the standard deviations per group, in the best reading."""
    return _best(preset, lambda found: found / printed() - 1)


def _best(preset, errors):
    """Return the worst figure's error (groups,) in the reading where that is the smallest."""
    data = strongest()
    found = [_worst(errors(levels(preset, data, reading))) for reading in WITH_VARIANCE]
    return min(found, key=lambda error: abs(error.mean())), _as_printed(preset, data)


def _worst(errors):
    """Return the column (groups,) whose mean is farthest from 0."""
    return errors[:, abs(errors.mean(axis=0)).argmax()]


@lru_cache(maxsize=32)
def values(preset, data, reading, group, size, filters=20, every=7):
    """Return values of the difference maps of a group's images, every few of them, flat."""
    low, high, divided = READINGS[reading]
    weights = differences.filters(filters, size, low, high, seed=group)
    images = pictures(preset, data)[0][group][:2]
    return differences.maps(images, weights, divided).ravel()[::every]


def quartiles(preset, reading):
    """Return the width of the middle half of the values for 7x7, 5x5, 3x3 px, (groups, 3)."""
    data = strongest()
    width = [
        [np.subtract(*np.quantile(values(preset, data, reading, g, k), (0.75, 0.25)))
         for k in reversed(SIZES)] for g in range(GROUPS)
    ]  # fmt: skip
    return np.array(width), _evidence(preset, data)


def device():
    """Return the torch device that is timed: a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name():
    """Return the device in words."""
    return torch.cuda.get_device_name() if device().type == "cuda" else "CPU, one thread"


@lru_cache(maxsize=8)
def times(preset, train=False):
    """Return the seconds of each combination, {(channels, px): {name: (rounds,)}}.

    Measured now, once per process. Float32 without TF32, as on the cards of 2018.
    """
    where, (batch, rounds) = device(), LOAD[preset]
    repeats = ON_GPU if where.type == "cuda" else 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return {
                (channels, side): timing.paired(
                    timing.combinations(channels, side, batch, where, train),
                    rounds,
                    timing.clock_of(where),
                    repeats,
                )
                for channels, side in SHAPES
            }
    finally:
        torch.set_num_threads(threads)


def ratio(preset, slow, fast, train=False, shape=None):
    """Return the time of one combination over that of another, medians of groups of rounds.

    shape: (channels, px), by default the three together.
    """
    found = times(preset, train)
    chosen = [found[shape]] if shape else list(found.values())
    sums = [sum(own[name] for own in chosen) for name in (slow, fast)]
    return timing.ratios(*sums, groups=PARTS)


def timed(preset):
    """Return the scale of a timing: the paper's on a GPU, else the preset's, and the device."""
    gpu = device().type == "cuda" and preset in ("study", "paper")
    return "paper" if gpu else f"{preset}, {device_name()}"


def slower(preset, slow, fast, train=False):
    """Return by which share one combination takes longer than another, per group of rounds."""
    return ratio(preset, slow, fast, train) - 1, timed(preset)


def beyond_twice(preset):
    """Return the largest ratio, over shapes, of 1x1 convolution to matrix product, minus 2."""
    each = [ratio(preset, "1x1, NCHW", "product, NHWC", shape=shape) for shape in SHAPES]
    return max(each, key=np.median) - 2, timed(preset)


def beyond_tenth(preset):
    """Return the share that the route there and back gains over a 3x3 convolution, minus 0.1."""
    gain, scale = slower(preset, "3x3, NCHW", "there and back", train=True)
    return gain - 0.1, scale


def _each(prefix, measure):
    return {f"{prefix}-{name}": partial(measure, reading=name) for name in READINGS}


MEASURES = {
    "pnn-s-table1": _each("grows", grows) | {"ratios": ratio_error, "figures": figure_error},
    "pnn-figS2": _each("wider", quartiles),
    "pnn-s3.2": {
        "product": partial(slower, slow="1x1, NCHW", fast="product, NHWC"),
        "product-train": partial(slower, slow="1x1, NCHW", fast="product, NHWC", train=True),
        "route": partial(slower, slow="3x3, NCHW", fast="there and back"),
        "route-train": partial(slower, slow="3x3, NCHW", fast="there and back", train=True),
        "twice": beyond_twice,
        "tenth": beyond_tenth,
    },
    "pnn-3.5-multiscale": {"larger": partial(grows, reading="zero-mean")},
}
