"""What another layer brings (ghosh2019, Section 4.1.2 and Supplements C and D).

Everywhere in here, preset is as in `helpers.verdicts`; data is a name in
`experiments.ghosh2019.DATA`; step is a key of `STEPS`; swapped is `each` where every image has its
own swaps, or `once` where all share them; geometry is as in `orderness`.
"""

from itertools import product

import numpy as np

from helpers import claims, metrics
from helpers.claims import Measurement
from helpers.experiments.ghosh2019 import SMALL_BLOCK, TABLE_SWAPS
from helpers.verdicts import repeats
from helpers.verdicts.ghosh2019 import blocks
from helpers.verdicts.ghosh2019.records import evidence
from helpers.verdicts.ivan2019.untrained import ANY

GRID = {"each": "table_s1", "once": "table_s1-once"}  # {how blocks were swapped: experiment}
UNTRAINED = 0.8  # test error on ten classes; chance is 0.9
STEPS = {"1 to 2": (1, 2), "2 to 3": (2, 3)}  # layers, in Table S1


def errors(preset, name):
    """Return (swaps, depths, test error of the last epoch (seeds, swaps, depths), scale).

    preset: see the module. name: of the experiment.
    """
    found = evidence(name, preset)
    rows = found.last()
    table = rows.assign(error=1 - rows.test_accuracy).pivot_table(
        index="seed", columns=["swaps", "depth"], values="error"
    )
    swaps, depths = (sorted(rows[column].unique()) for column in ("swaps", "depth"))
    values = table.to_numpy().reshape(len(table), len(swaps), len(depths))
    data = rows.data.iloc[0]
    return swaps, depths, values, found.scale("cifar10" if data == "photo_patches" else data)


def wrong(preset, name):
    """Return which test images are labelled wrongly, float64 (seeds, swaps, depths, images).

    preset: see the module. name: of the experiment. An image keeps its place under all swaps. The
    result is None where the records have not kept single answers.
    """
    rows = evidence(name, preset).last().sort_values(["seed", "swaps", "depth"])
    if not all("correct" in observed for observed in rows.observed):
        return None
    pairs = zip(rows.observed, rows.test, strict=True)
    each = np.stack([~metrics.bits(observed["correct"], count) for observed, count in pairs])
    sizes = [rows[column].nunique() for column in ("seed", "swaps", "depth")]
    return each.reshape(*sizes, -1).astype(float)


def _measured(values, each, scale, names=()):
    """Return the `Measurement` of differences of errors, with their floor if answers are known.

    values: (seeds,) or (seeds, k). each: the same for each image, (seeds, k, images) or (seeds,
    images), None where it is unknown.
    """
    if each is None or len(each) < 2:
        return Measurement(values, scale, names=names)
    each = np.moveaxis(each, -1, 1)
    return Measurement(values, scale, repeats.floor(each), names, shared=repeats.shared(each))


def first_helps(preset, data):
    """Return how much the first added layer lowers the error, points (seeds, swaps).

    preset, data: see the module. We leave out seeds in which a one-layer network did not learn,
    because any other network would beat it.
    """
    swaps, _, values, scale = errors(preset, f"figure2-{data}")
    each, learnt = wrong(preset, f"figure2-{data}"), (values[..., 0] < UNTRAINED).all(axis=1)
    own = None if each is None else (each[:, :, 0] - each[:, :, 1])[learnt]
    return _measured((values[..., 0] - values[..., 1])[learnt], own, scale, _swaps(swaps))


def _swaps(counts):
    return tuple(f"{count} swaps" for count in counts)


def last_hurts(preset, data):
    """Return how much the last added layer raises the error after the most swaps, points (seeds,).

    preset, data: see the module.
    """
    _, _, values, scale = errors(preset, f"figure2-{data}")
    each = wrong(preset, f"figure2-{data}")
    own = None if each is None else each[:, -1, -1] - each[:, -1, -2]
    return _measured(values[:, -1, -1] - values[:, -1, -2], own, scale)


def gain_shrinks(preset, data):
    """Return the last layer's gain without swaps minus that after the most, points (seeds,).

    preset, data: see the module.
    """
    _, _, values, scale = errors(preset, f"figure2-{data}")
    gain, each = values[..., -2] - values[..., -1], wrong(preset, f"figure2-{data}")
    own = None if each is None else each[:, :, -2] - each[:, :, -1]
    own = None if own is None else own[:, 0] - own[:, -1]
    return _measured(gain[:, 0] - gain[:, -1], own, scale)


def improvements(preset, swapped):
    """Return {"1 to 2": (seeds, 4), "2 to 3": ...}: the error's fall in per cent, and the scale.

    preset, swapped: see the module.
    """
    _, depths, values, scale = errors(preset, GRID[swapped])
    at = {depth: k for k, depth in enumerate(depths)}
    falls = {
        name: 100 * (values[..., at[a]] - values[..., at[b]]) for name, (a, b) in STEPS.items()
    }
    return falls, scale


def final_orderness(preset, swapped, geometry="both"):
    """Return {"1 to 2": (seeds, 4), ...}: orderness of the last layer before we add one.

    preset, swapped, geometry: see the module.
    """
    rows = evidence(GRID[swapped], preset).last()
    return {
        name: _per_seed(rows[rows.depth == before], layer=-1, geometry=geometry)
        for name, (before, _) in STEPS.items()
    }


def layer_orderness(preset, geometry="both"):
    """Return the orderness of the three layers' maps after training, (3, seeds, 4).

    preset, geometry: see the module.
    """
    rows = evidence("table_s1", preset).last()
    rows = rows[rows.depth == 3]
    return np.stack([_per_seed(rows, layer, geometry) for layer in range(3)])


def _per_seed(rows, layer, geometry):
    values = [observed["map_orderness"][layer][geometry] for observed in rows.observed]
    table = rows.assign(so=values).pivot_table(index="seed", columns="swaps", values="so")
    return table.to_numpy()


def printed_figures(preset, swapped="once"):
    """Return the figures of Table S1, measured, {name: (seeds,)}.

    preset, swapped: see the module.
    """
    falls, scale = improvements(preset, swapped)
    orders = final_orderness(preset, swapped)
    found = {}
    for name, (k, swaps) in product(STEPS, enumerate(TABLE_SWAPS)):
        found[f"improvement {name}, {swaps} swaps"] = falls[name][:, k]
        found[f"so {name}, {swaps} swaps"] = orders[name][:, k]
    found |= {f"r {name}": correlation(preset, name, swapped).values for name in STEPS}
    return Measurement(found, scale, floor=0.0)


def correlation(preset, step, swapped):
    """Return r of improvement and orderness over the four numbers of swaps, (seeds,).

    preset, step, swapped: see the module.
    """
    falls, scale = improvements(preset, swapped)
    pairs = zip(falls[step], final_orderness(preset, swapped)[step], strict=True)
    return Measurement(np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs]), scale, floor=0.0)


def of_means(preset, step, swapped):
    """Return r of the means over trials, as the paper takes it, and Fisher's 95 % interval.

    preset, step, swapped: see the module.
    """
    falls, _ = improvements(preset, swapped)
    orders = final_orderness(preset, swapped)
    r = np.corrcoef(falls[step].mean(axis=0), orders[step].mean(axis=0))[0, 1]
    half = 1.96 / np.sqrt(len(TABLE_SWAPS) - 3)
    return r, np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)


def printed_r(_, step):
    """Return how far the printed r lies outside what the printed rows allow, given their rounding.

    step: see the module. We try every row at its rounding limits, all 2^8 corners of them.
    """
    low, high = rounding_range(step)
    r = claims.row("so-tableS1")[1]["numbers"][f"r {step}"]
    half = 0.005 if step == "1 to 2" else 0.0005  # .99 and .985, as many digits as printed
    return max(low - r - half, r - half - high, 0.0), ANY


def rounding_range(step):
    """Return the least and the largest r that the printed rows of Table S1 allow.

    step: see the module.
    """
    rows = np.array(printed_rows(step))
    corners = rows.reshape(1, -1) + 0.005 * np.array(list(product((-1, 1), repeat=8)))
    r = [np.corrcoef(corner.reshape(2, 4))[0, 1] for corner in corners]
    return min(r), max(r)


def printed_rows(step):
    """Return Table S1's printed improvements and orderness of one step, two lists of four.

    step: see the module.
    """
    numbers = claims.row("so-tableS1")[1]["numbers"]
    return [
        [numbers[f"{what} {step}, {swaps} swaps"] for swaps in TABLE_SWAPS]
        for what in ("improvement", "so")
    ]


def input_orderness(preset, scale, geometry="both"):
    """Return the orderness of MNIST after 0 to 60 swaps of small blocks, (4,).

    preset, geometry: see the module. scale: px, side of the block means.
    """
    return np.array([
        blocks.at(preset, "mnist", scale, geometry, swaps=swaps, block=SMALL_BLOCK).mean()
        for swaps in TABLE_SWAPS
    ])  # fmt: skip


def follows_input(preset, layer):
    """Return r of a layer's orderness with the input's at scale 2, 4 or 6, (seeds,) (Figure 7).

    preset: see the module. layer: its number from 0.
    """
    given = input_orderness(preset, 2 * (layer + 1))
    values = layer_orderness(preset)[layer]
    r = np.array([np.corrcoef(given, row)[0, 1] for row in values])
    return Measurement(r, _s1_scale(preset), floor=0.0)


def layer_falls(preset, layer):
    """Return the orderness of a layer's maps after 0 to 60 swaps, (seeds, 4) (Figure 7).

    preset: see the module. layer: its number from 0.
    """
    values = layer_orderness(preset)[layer]
    return Measurement(values, _s1_scale(preset), floor=0.0, names=_swaps(TABLE_SWAPS))


def _s1_scale(preset):
    return evidence("table_s1", preset).scale("mnist")
