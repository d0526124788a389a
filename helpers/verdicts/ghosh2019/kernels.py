"""Sections 5.2 and 6 of ghosh2019: the orderness of kernels after training."""

import numpy as np

from helpers import orderness
from helpers.claims import Measurement
from helpers.experiments.ghosh2019 import FILTERS
from helpers.verdicts.ghosh2019.records import evidence


def kernel_orderness(preset, name, column, layer=0, of="weights", geometry="both"):
    """Return (levels, orderness (seeds, levels), scale) of an experiment's kernels.

    column: what the levels are, such as `swaps`. layer: its number from 0, or None for the mean
    over layers. of: `weights`, the kernels as trained, or `change`, without their initial values.
    """
    found = evidence(name, preset)
    rows = found.last()
    values = [
        _mean(observed["kernel_orderness"], layer, of, geometry) for observed in rows.observed
    ]
    table = rows.assign(so=values).pivot_table(index="seed", columns=column, values="so")
    return list(table.columns), table.to_numpy(), found.scale("mnist")


def _mean(layers, layer, of, geometry):
    chosen = layers if layer is None else [layers[layer]]
    return np.mean([one[of][geometry] for one in chosen])


def together(preset, name, column, of="weights", geometry="both"):
    """Return the orderness of all first-layer kernels together, the mean over seeds, by level.

    Unlike the mean over kernels it is not biased by the few values of each.
    """
    rows = evidence(name, preset).last()
    values = [seen["kernel_orderness"][0][of]["pooled"][geometry] for seen in rows.observed]
    return rows.assign(so=values).groupby(column).so.mean()


def by_chance(size, count=4000, seed=0):
    """Return the mean orderness of kernels of independent normal weights, which have no order."""
    kernels = np.random.default_rng(seed).normal(size=(count, 1, size, size))
    return float(np.mean(orderness.per_kernel(kernels)))


def against_swaps(preset, layer=0, of="weights"):
    """Return the kernels' orderness after 0 to 100 swaps, (seeds, 4) (Figure 4 a)."""
    swaps, values, scale = kernel_orderness(preset, "figure4a", "swaps", layer, of)
    return Measurement(values, scale, floor=0.0, names=tuple(f"{count} swaps" for count in swaps))


def halved_by_swaps(preset):
    """Return half of the first layer's orderness without swaps minus that after the most."""
    found = against_swaps(preset)
    return found._replace(values=found.values[:, 0] / 2 - found.values[:, -1], names=())


def against_size(preset, of="weights"):
    """Return the first layer's orderness for growing kernels, (seeds, sizes) (Figure 4 b)."""
    sizes, values, scale = kernel_orderness(preset, "figure4b", "kernel", 0, of)
    return Measurement(values, scale, floor=0.0, names=tuple(f"K = {size:g}" for size in sizes))


def size_ratio(preset):
    """Return orderness at the largest size over that at the smallest, as Figure 4 (b) is read."""
    found = against_size(preset)
    ratio = found.values[:, -1] / found.values[:, 0]
    return found._replace(values={"so at K=27 over so at K=3": ratio}, names=())


def filtered(preset, against, of="weights"):
    """Return low-pass minus other images' first-layer orderness, per seed (Section 6)."""
    levels, values, scale = kernel_orderness(preset, "filters", "filter", 0, of)
    at = {name: values[:, k] for k, name in enumerate(levels)}
    return Measurement(at[FILTERS[0]] - at[against], scale, floor=0.0)


def gaps(preset):
    """Return the generalisation gap, training minus test accuracy: seeds down, filters across."""
    rows = evidence("filters", preset).last()
    rows = rows.assign(gap=rows.accuracy - rows.test_accuracy)
    return rows.pivot_table(index="seed", columns="filter", values="gap")


def gap(preset, against):
    """Return other images' generalisation gap minus the low-pass one's, per seed (Section 6)."""
    table = gaps(preset)
    scale = evidence("filters", preset).scale("mnist")
    return (table[against] - table[FILTERS[0]]).to_numpy(), scale
