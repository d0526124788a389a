"""The standard deviation of difference maps, for filters of three sizes (juefei2018, Supplement 4).

Everywhere in here, preset is as in `helpers.verdicts`; kind is a name in `map_statistics.KINDS`,
reading one in `READINGS`. The keyword arguments images are those of `moments`: padding and px.
"""

from functools import partial
from itertools import product

import numpy as np

from helpers import claims, differences, rules
from helpers.claims import Measurement
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018 import map_statistics
from helpers.verdicts.juefei2018.map_statistics import READINGS, SIDE, SIZES

FILTERS = 100  # of each size, as in the paper
FILTER_NAMES = tuple(f"{size}x{size}" for size in SIZES)
TITLES = {
    "zero-mean": "U(−1, 1)",
    "positive": "U(0, 1)",
    "zero-mean-divided": "U(−1, 1), divided",
    "positive-divided": "U(0, 1), divided",
}


def strongest(preset):
    """Return the kind of images that verdicts use: ImageNet's, but photographs for a smoke run.

    preset: see the module. A smoke run tests the code, so it uses what it can measure itself.
    """
    return "photographs" if preset == "smoke" else "imagenet"


def moments(preset, kind, padding="valid", px=SIDE):
    """Return the moments of the pixel differences of each group, in a window of 7x7 px.

    preset, kind: see the module. padding: a name in `differences.PADDINGS`. px: side of the images,
    224 or 112.
    """
    return list(zip(*map_statistics.of(preset, kind).moments[padding, px], strict=True))


def pooled(found):
    """Return the moments of all groups together, each with the same weight.

    found: as from `moments`.
    """
    return tuple(np.mean(part, axis=0) for part in zip(*found, strict=True))


def measured(preset, kind, reading, **images):
    """Return mean and mean square of the maps of each filter, float64 (2, groups, sizes, filters).

    preset, kind, reading, images: see the module. Every group has filters of its own, so groups are
    independent repeats.
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
        for seed, group in enumerate(moments(preset, kind, **images))
    ]
    return np.array(found).transpose(2, 0, 1, 3)


def levels(preset, kind, reading, **images):
    """Return the standard deviation of each group's maps, grey values, float64 (groups, sizes).

    preset, kind, reading, images: see the module.
    """
    mean, square = measured(preset, kind, reading, **images)
    return np.sqrt(square.mean(axis=2) - mean.mean(axis=2) ** 2)


def together(preset, kind, reading, **images):
    """Return mean and standard deviation over all maps of all groups, float64 (sizes,) each.

    preset, kind, reading, images: see the module.
    """
    mean, square = measured(preset, kind, reading, **images).mean(axis=(1, 3))
    return mean, np.sqrt(square - mean**2)


def exact(preset, kind, low, high, **images):
    """Return the mean and standard deviation that taps from U(low, high) give, (sizes,) each.

    preset, kind, images: see the module. low, high: the range of the taps.
    """
    window = pooled(moments(preset, kind, **images))
    found = [differences.expected(differences.within(window, size), low, high) for size in SIZES]
    mean, square = np.array(found).T
    return mean, np.sqrt(square - mean**2)


def printed(which="std"):
    """Return the paper's figures (Table 1 of the supplement), float64 (sizes,).

    which: key of the claim's numbers, such as std.
    """
    return np.array(list(claims.row("pnn-s-table1")[1]["numbers"][which].values()))


def fitted(preset, kind, **images):
    """Return the uniform range (low, high) whose exact figures come nearest to the printed ones.

    preset, kind, images: see the module. Nearest means the relative error of the three mean
    squares, which are linear in the variance of a tap and in its squared mean.
    """
    window = pooled(moments(preset, kind, **images))
    seconds = [differences.within(window, size)[1] for size in SIZES]
    terms = np.array([[np.trace(second), second.sum()] for second in seconds])
    variance, square = np.linalg.lstsq(terms / printed()[:, None] ** 2, np.ones(3), rcond=None)[0]
    middle, half = np.sqrt(max(square, 0)), np.sqrt(3 * max(variance, 0))
    return middle - half, middle + half


def summary(preset, kind, reading, **images):
    """Return one line of the table of readings, a dict of texts.

    preset, kind, reading, images: see the module. growth: 95 % intervals of the steps from 3x3 to
    5x5 and from 5x5 to 7x7 px, over groups.
    """
    mean, std = together(preset, kind, reading, **images)
    steps = np.diff(levels(preset, kind, reading, **images), axis=1).T
    bounds = [rules.interval(step)[1:] for step in steps]
    return {
        "taps": TITLES[reading],
        "mean": ", ".join(f"{value:.2f}" for value in mean),
        "std": ", ".join(f"{value:.1f}" for value in std),
        "ratios": ", ".join(f"{value:.2f}" for value in std[1:] / std[0]),
        "growth": ", ".join(f"[{low:.3g}, {high:.3g}]" for low, high in bounds),
    }


def _evidence(preset, kind):
    return f"{ANY}, {map_statistics.of(preset, kind).says}"


def grows(preset, reading):
    """Return the standard deviation for 7x7, 5x5 and 3x3 filters, grey values (groups, 3).

    preset, reading: see the module. The paper's claim is that it falls in this order.
    """
    kind = strongest(preset)
    series = levels(preset, kind, reading)[:, ::-1]
    return Measurement(series, _evidence(preset, kind), 0.0, FILTER_NAMES[::-1])


def fit_error(preset):
    """Return how far the best uniform range misses a printed standard deviation, as a share.

    preset: see the module. It is the largest of the three relative errors, with the padding and the
    image size that fit best.
    """
    kind, worst = strongest(preset), []
    for padding, px in product(differences.PADDINGS, map_statistics.PX):
        how = {"padding": padding, "px": px}
        std = exact(preset, kind, *fitted(preset, kind, **how), **how)[1]
        worst.append(float(abs(std / printed() - 1).max()))
    return min(worst), _evidence(preset, kind)


def quartiles(preset, reading):
    """Return the width of the middle half of the values for 7x7, 5x5 and 3x3 filters, (groups, 3).

    preset, reading: see the module (Figure S2).
    """
    kind = strongest(preset)
    series = map_statistics.of(preset, kind).widths[reading][:, ::-1]
    return Measurement(series, _evidence(preset, kind), 0.0, FILTER_NAMES[::-1])


def _each(prefix, measure):
    return {f"{prefix}-{name}": partial(measure, reading=name) for name in READINGS}


MEASURES = {
    "pnn-s-table1": _each("grows", grows) | {"figures": fit_error},
    "pnn-figS2": _each("wider", quartiles),
    "pnn-3.5-multiscale": {"larger": partial(grows, reading="zero-mean")},
}
