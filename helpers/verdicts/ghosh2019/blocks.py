"""The orderness of data sets before and after block swaps (ghosh2019, Section 4.1.1).

Everywhere in here, preset is as in `helpers.verdicts` and data is a name in
`experiments.ghosh2019.DATA`. We split a data set into ten parts, its tenths, which are the repeats.
"""

from functools import lru_cache

import numpy as np

from helpers import arrange, datasets, observers, orderness, presets
from helpers.claims import Measurement
from helpers.experiments.ghosh2019 import BLOCK, SWAPS
from helpers.verdicts.ghosh2019.records import evidence
from helpers.verdicts.ivan2019.untrained import ANY

COARSEST = str(max(observers.SCALES))


@lru_cache(maxsize=128)
def tenths(preset, data, swaps=0, block=None, per_image=True, filtered="none"):
    """Return ({scale: {geometry: (10,)}}, scale of the evidence), the orderness of each tenth.

    preset, data: see the module. swaps: of blocks. block: px, None for that of Figure 1. per_image:
    whether each image has swaps of its own. filtered: a name in `observers.MASKS`.
    """
    found = evidence("figure1", preset)
    rows = found.rows(data)
    rows = rows[(rows.swaps == swaps) & (rows["filter"] == filtered)]
    if swaps:
        rows = rows[(rows.block == (block or BLOCK[data])) & (rows.per_image == per_image)]
    observed = rows.observed.iloc[0]["data_orderness"]
    table = {
        scale: {kind: np.array(values, float) for kind, values in kinds.items()}
        for scale, kinds in observed.items()
    }
    return table, found.scale(data)


def at(preset, data, scale, geometry="both", **swapped):
    """Return the orderness of a data set's tenths at a scale, (10,).

    preset, data: see the module. scale: px, side of the block means. geometry: as in `orderness`.
    swapped: the other arguments of `tenths`.
    """
    return tenths(preset, data, **swapped)[0][str(scale)][geometry]


def _scale(preset, data):
    return tenths(preset, data)[1]


def coarse_lower(preset, data):
    """Return orderness at scales 1 and 2 minus that at the largest scale, (tenths, 2).

    preset, data: see the module.
    """
    first = np.stack([at(preset, data, scale) for scale in (1, 2)], axis=1)
    values = first - at(preset, data, COARSEST)[:, None]
    return Measurement(values, _scale(preset, data), names=("scale 1", "scale 2"))


def at_block(preset, data):
    """Return orderness at the scale of the blocks after 0 to 30 swaps, (tenths, 4).

    preset, data: see the module.
    """
    values = [at(preset, data, BLOCK[data], swaps=swaps) for swaps in SWAPS]
    names = tuple(f"{swaps} swaps" for swaps in SWAPS)
    return Measurement(np.stack(values, axis=1), _scale(preset, data), names=names)


def left_at_block(preset, data):
    """Return orderness at the scale of the blocks after the most swaps, (tenths,).

    preset, data: see the module.
    """
    found = at_block(preset, data)
    return found.values[:, -1], found.scale


def kept_below(preset, data, straddling=False):
    """Return the share of orderness kept at each scale below the block, minus one half.

    preset, data: see the module. straddling: false for scales that divide the block, where every
    mean is of pixels that stay together; true for the others. The values are (tenths, scales).
    """
    below = [scale for scale in observers.SCALES if scale < BLOCK[data]]
    scales = [scale for scale in below if bool(BLOCK[data] % scale) == straddling]
    shares = [
        at(preset, data, scale, swaps=SWAPS[-1]) / at(preset, data, scale) for scale in scales
    ]
    names = tuple(f"scale {scale}" for scale in scales)
    return Measurement(np.stack(shares, axis=1) - 0.5, _scale(preset, data), names=names)


def borders(preset, data):
    """Return how much the most swaps of large blocks lower orderness at scale 1, (tenths,).

    preset, data: see the module.
    """
    lost = at(preset, data, 1) - at(preset, data, 1, swaps=SWAPS[-1])
    return lost, _scale(preset, data)


def permuting(preset, data, count=1000):
    """Return natural minus pixel-permuted orderness, (tenths,).

    preset: limits the images. data: a name for `datasets.load`. count: images at most. Each image
    has a permutation of its own.
    """
    size = min(count, presets.preset(preset).train or count)
    pixels = datasets.load(data, "train", size).pixels
    side = pixels.shape[-1]
    maps = np.stack([arrange.pixel_permutation(side, seed) for seed in range(size)])
    parts = zip(np.array_split(pixels, 10), np.array_split(maps, 10), strict=True)
    lost = [
        orderness.orderness(part) - orderness.orderness(arrange.apply(part, index))
        for part, index in parts
    ]
    return np.array(lost), ANY


def filter_raises(preset, against):
    """Return low-pass minus other images' orderness at scale 1, (tenths,) (Section 6).

    preset: see the module. against: the other images, a name in `observers.MASKS`.
    """
    low = at(preset, "mnist", 1, filtered="low_pass")
    return low - at(preset, "mnist", 1, filtered=against), _scale(preset, "mnist")
