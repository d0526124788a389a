"""The orderness of kernels after training (ghosh2019, Sections 5.2 and 6).

Everywhere in here, preset is as in `helpers.verdicts`; name is that of an experiment; of is
`weights` for the kernels as trained, or `change` for their difference from the initial ones;
observer is USUAL, or CORRECTED for the bias of a ratio of few values.
"""

import numpy as np

from helpers import metrics, observers, orderness
from helpers.claims import Measurement
from helpers.experiments.ghosh2019 import FILTERS
from helpers.verdicts import repeats
from helpers.verdicts.ghosh2019.records import LATER, evidence

USUAL, CORRECTED = "kernel_orderness", "kernel_above_chance"  # observers


def kernel_orderness(preset, name, column, layer=0, of="weights", geometry="both", observer=USUAL):
    """Return (levels, orderness (seeds, levels), scale) of an experiment's kernels.

    preset, name, of, observer: see the module. column: what the levels are, such as `swaps`. layer:
    its number from 0, or None for the mean over layers. geometry: as in `orderness`. Where the
    records of a preset did not use the observer, there are no levels.
    """
    found = evidence(name, preset)
    rows = found.last()
    if rows.empty or any(observer not in observed for observed in rows.observed):
        return [], np.empty((0, 0)), ""
    values = [_mean(observed[observer], layer, of, geometry) for observed in rows.observed]
    table = rows.assign(so=values).pivot_table(index="seed", columns=column, values="so")
    return list(table.columns), table.to_numpy(), found.scale("mnist")


def _mean(layers, layer, of, geometry):
    chosen = layers if layer is None else [layers[layer]]
    return np.mean([one[of][geometry] for one in chosen])


def together(preset, name, column, of="weights", geometry="both"):
    """Return the orderness of all first-layer kernels together, averaged over seeds, by level.

    preset, name, of: see the module. column, geometry: as for `kernel_orderness`. Unlike the mean
    over kernels, it is not biased by the few values of each.
    """
    rows = evidence(name, preset).last()
    values = [seen["kernel_orderness"][0][of]["pooled"][geometry] for seen in rows.observed]
    return rows.assign(so=values).groupby(column).so.mean()


def by_chance(size, count=4000, seed=0):
    """Return the mean orderness of kernels of independent normal weights, which have no order.

    size: of the kernels, px. count: how many. seed: of the draw.
    """
    kernels = np.random.default_rng(seed).normal(size=(count, 1, size, size))
    return float(np.mean(orderness.per_kernel(kernels)))


def against_swaps(preset, layer=0, of="weights", name="figure4a", observer=USUAL):
    """Return the kernels' orderness after 0 to 100 swaps, (seeds, 4) (Figure 4 a).

    preset, of, name, observer: see the module. layer: its number from 0, or None for all.
    """
    return _levels(preset, name, "swaps", layer, of, observer, "{:g} swaps")


def _levels(preset, name, column, layer, of, observer, title):
    levels, values, scale = kernel_orderness(preset, name, column, layer, of, observer=observer)
    if not levels:
        return LATER
    return Measurement(values, scale, 0.0, tuple(title.format(level) for level in levels))


def halved_by_swaps(preset, name="figure4a"):
    """Return half of the first layer's orderness without swaps minus that after the most, (seeds,).

    preset, name: see the module.
    """
    found = against_swaps(preset, name=name)
    if found.values is None:
        return found
    return found._replace(values=found.values[:, 0] / 2 - found.values[:, -1], names=())


def against_size(preset, of="weights", name="figure4b", observer=USUAL):
    """Return the first layer's orderness for growing kernels, (seeds, sizes) (Figure 4 b).

    preset, of, name, observer: see the module.
    """
    return _levels(preset, name, "kernel", 0, of, observer, "K = {:g}")


def size_ratio(preset, name="figure4b"):
    """Return orderness at the largest kernel size over that at the smallest, (seeds,) (Figure 4 b).

    preset, name: see the module.
    """
    found = against_size(preset, name=name)
    if found.values is None:
        return found
    ratio = found.values[:, -1] / found.values[:, 0]
    return found._replace(values={"so at K=27 over so at K=3": ratio}, names=())


def filtered(preset, against, of="weights", name="filters", observer=USUAL):
    """Return low-pass minus other images' first-layer orderness, (seeds,) (Section 6).

    preset, of, name, observer: see the module. against: the other images, a name in
    `observers.MASKS`.
    """
    levels, values, scale = kernel_orderness(preset, name, "filter", 0, of, observer=observer)
    if not levels:
        return LATER
    at = {level: values[:, k] for k, level in enumerate(levels)}
    return Measurement(at[FILTERS[0]] - at[against], scale, floor=0.0)


def tested(preset):
    """Return which answers are right, {trained on: {tested on: bool (seeds, images)}}, and scale.

    preset: see the module. The dict is None where no record at the preset has these answers.
    """
    found = evidence("filters-added", preset)
    rows = found.last()
    if rows.empty:
        return None, ""
    right = {
        trained: {
            mask: np.stack([
                metrics.bits(observed["masked"][mask], count)
                for observed, count in zip(own.observed, own.test, strict=True)
            ])
            for mask in observers.MASKS
        }
        for trained, own in rows.sort_values("seed").groupby("filter")
    }  # fmt: skip
    return right, found.scale("mnist")


def spread(right):
    """Return the best minus the worst accuracy over test sets, (seeds,).

    right: {tested on: bool (seeds, images)}, for networks trained on one kind of images.
    """
    accuracy = np.stack([own.mean(axis=1) for own in right.values()])
    return accuracy.max(axis=0) - accuracy.min(axis=0)


def gap(preset, against):
    """Return other images' generalisation gap minus the low-pass one's, points (seeds,) (§6).

    preset: see the module. against: the other images, a name in `observers.MASKS`. The gap is the
    one of the work that the paper cites: between test sets with different masks.
    """
    right, scale = tested(preset)
    if right is None:
        return LATER
    values = spread(right[against]) - spread(right[FILTERS[0]])
    each = _extremes(right[against]) - _extremes(right[FILTERS[0]])
    return Measurement(values, scale, repeats.floor(each), shared=repeats.shared(each))


def _extremes(right):
    """Return the answers on the best minus those on the worst test set, (seeds, images)."""
    means = {mask: own.mean() for mask, own in right.items()}
    best, worst = max(means, key=means.get), min(means, key=means.get)
    return right[best].astype(float) - right[worst]
