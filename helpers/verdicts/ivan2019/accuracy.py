"""Sections 2 to 5 of ivan2019: accuracies, from the records of its experiments."""

from functools import partial

import numpy as np
import pandas as pd

from helpers.claims import Measurement
from helpers.evidence import of
from helpers.experiments import ivan2019

SHORT = {"vgg": "CNN", "mlp": "MLP"}
COLOUR = ("cifar10", "photo_patches")  # the second stands in for the first
WIDE = {"vgg": "table1", "mlp 2": "table1", "dilated": "figure11", "strided": "section5"} | {
    f"mlp {depth}": "section5" for depth in ivan2019.DEPTHS
}  # {network that is compared on permuted images: its experiment}

evidence = partial(of, "ivan2019")


def by_seed(table, columns="order", **where):
    """Return test accuracy as a table, seeds down, one column per value of `columns`."""
    for name, value in where.items():
        table = table[table[name] == value]
    return table.pivot_table(index="seed", columns=columns, values="test_accuracy")


def _curves(preset, data):
    """Return {(model, order): (seeds, epochs)} of Table 1's networks on one data set."""
    found = evidence("table1", preset)
    curves = {
        pair: group.pivot(index="seed", columns="epoch", values="test_accuracy").to_numpy()
        for pair, group in found.rows(data).groupby(["model", "order"])
    }
    names = {"natural": "natural", "pixel_permutation": "permuted"}
    return {(model, names[order]): c for (model, order), c in curves.items()}, found.scale(data)


def cnn_below(preset, data):
    """Return the CNN's lead on natural over permuted images, points (seeds, epochs)."""
    curves, scale = _curves(preset, data)
    return _by_epoch(curves["vgg", "natural"] - curves["vgg", "permuted"], scale)


def mlp_above(preset, data):
    """Return the MLP's lead over the CNN on permuted images, points (seeds, epochs)."""
    curves, scale = _curves(preset, data)
    return _by_epoch(curves["mlp", "permuted"] - curves["vgg", "permuted"], scale)


def _by_epoch(leads, scale):
    names = tuple(f"epoch {k + 1}" for k in range(leads.shape[1]))
    return Measurement(leads, scale, names=names)


def mlp_same(preset, data):
    """Return the MLP's last accuracy on natural minus permuted images, per seed."""
    curves, scale = _curves(preset, data)
    return (curves["mlp", "natural"] - curves["mlp", "permuted"])[:, -1], scale


def peaks(preset, data, prefix=""):
    """Return the best epoch's accuracy per network and order, as the paper reports it."""
    curves, scale = _curves(preset, data)
    best = {f"{prefix}{SHORT[m]} {order}": c.max(axis=1) for (m, order), c in curves.items()}
    return best, scale


def lasts(preset, data):
    """Return the last epoch's accuracy per network and order."""
    curves, scale = _curves(preset, data)
    return {f"{SHORT[m]} {order}": c[:, -1] for (m, order), c in curves.items()}, scale


def all_peaks(preset):
    """Return the twelve figures of Table 1."""
    found = {}
    for data in ivan2019.DATA:
        best, scale = peaks(preset, data, f"{data} ")
        found |= best
    return found, scale


def natural_lead(preset, data):
    """Return the CNN's lead over the MLP on natural images, best epochs, points (seeds,)."""
    best, scale = peaks(preset, data)
    return best["CNN natural"] - best["MLP natural"], scale


def drop(preset, data):
    """Return the CNN's loss of best accuracy, natural minus permuted, per seed."""
    best, scale = peaks(preset, data)
    return best["CNN natural"] - best["CNN permuted"], scale


def drops(preset):
    """Return the loss on CIFAR-10, Fashion-MNIST and MNIST, (seeds, 3): it should fall."""
    order = ivan2019.DATA[::-1]
    every = [drop(preset, data) for data in order]
    values = np.stack([values for values, _ in every], axis=1)
    names = tuple(evidence("table1", preset).title(data) for data in order)
    return Measurement(values, every[0][1], names=names)


def pairs_without_loss(preset):
    """Return how many (seed, data set) pairs show no loss of best accuracy."""
    found = drops(preset)
    return int((found.values <= 0).sum()), found.scale


def slices(preset, epoch="best"):
    """Return the CNN's accuracy at its best or last epoch by slices per side, (seeds, 6)."""
    found = evidence("figure8", preset)
    rows = found.best() if epoch == "best" else found.last()
    ends = {"natural": 1, "pixel_permutation": 32}
    counts = rows.slices.astype(float).fillna(rows.order.map(ends))
    table = by_seed(rows.assign(slices=counts), "slices")
    names = tuple(f"{count:g} slice" + "s" * (count > 1) for count in table.columns)
    return Measurement(table.to_numpy(), found.scale("cifar10"), names=names)


def four_slices(preset):
    """Return the accuracy that four slices per side cost, per seed."""
    found = slices(preset)
    return found.values[:, 0] - found.values[:, ivan2019.SLICES.index(4)], found.scale


def slice_ends(preset, epoch="best"):
    """Return the two ends of Figure 8, at the best or the last epoch."""
    found = slices(preset, epoch)
    return {"1 slice": found.values[:, 0], "32 slices": found.values[:, -1]}, found.scale


def distances(preset, channels="all", epoch="best"):
    """Return the CNN's accuracy at its best or last epoch by distance, (seeds, distances)."""
    table, scale = _by_distance(preset, channels, epoch)
    return Measurement(table.to_numpy(), scale, names=_named(table.columns))


def _named(levels):
    return tuple(f"D = {level:g}" for level in levels)


def _by_distance(preset, channels, epoch="best"):
    found = evidence("figure10", preset)
    rows = found.best() if epoch == "best" else found.last()
    rows = rows.assign(distance=rows.distance.astype(float).fillna(0))
    return by_seed(rows, "distance", channels=channels), found.scale("cifar10")


def _channels(preset):
    """Return ({channel: best accuracy (seeds, distances)}, distances, scale), without RGB."""
    found = {channel: _by_distance(preset, channel) for channel in ivan2019.INPUTS[1:]}
    table, scale = found["red"]
    return {name: own.to_numpy() for name, (own, _) in found.items()}, table.columns, scale


def full_level(preset):
    """Return accuracy at the largest D minus that under a full permutation, seed by seed."""
    (local, full), scale = _at_one_scale(preset, "figure10", "table1")
    local, full = local[local.channels == "all"], full[full.data.isin(COLOUR)]
    distance = local.distance.astype(float)
    farthest = _per_run(local[distance == distance.max()])
    permuted = _per_run(full[(full.model == "vgg") & (full.order == "pixel_permutation")])
    return (farthest - permuted).dropna().to_numpy(), scale


def gaps(preset):
    """Return RGB minus the mean single channel, (seeds, distances)."""
    table, _ = _by_distance(preset, "all")
    single, shared, scale = _channels(preset)  # a single channel may have fewer distances
    return table[shared].to_numpy() - np.mean(list(single.values()), axis=0), scale


def channel_cost(preset):
    """Return the gap on natural images, per seed."""
    values, scale = gaps(preset)
    return values[:, 0], scale


def wider_gap(preset):
    """Return the mean gap at D > 0 minus the gap at D = 0, per seed."""
    values, scale = gaps(preset)
    return values[:, 1:].mean(axis=1) - values[:, 0], scale


def red_worst(preset):
    """Return the lead of green and of blue over red, points (seeds, 2 channels x distances)."""
    single, shared, scale = _channels(preset)
    others = ("green", "blue")
    leads = np.concatenate([single[name] - single["red"] for name in others], axis=1)
    names = tuple(f"{name}, {level}" for name in others for level in _named(shared))
    return Measurement(leads, scale, names=names)


def spread(preset):
    """Return the spread of the channels from the largest D to D = 0, (seeds, distances)."""
    single, shared, scale = _channels(preset)
    values = np.ptp(list(single.values()), axis=0)[:, ::-1]
    return Measurement(values, scale, names=_named(shared[::-1]))


def _at_one_scale(preset, *names):
    """Return ([table of each experiment], scale), all at one scale, so that they can be compared.

    That is the scale of their strongest records if it is the same for all, else the preset.
    """
    found = [evidence(name, preset) for name in names]
    if len({one.preset for one in found}) > 1:
        return [one.live for one in found], preset
    return [one.frame for one in found], found[0].scale("cifar10")


def _per_run(rows, epoch="best"):
    """Return test accuracy by seed, at the best or last epoch, of rows with one run a seed."""
    runs = rows.sort_values("epoch").groupby("seed").test_accuracy
    return runs.max() if epoch == "best" else runs.last()


def wide_kernels(preset, networks=tuple(WIDE), epoch="best"):
    """Return ({network: accuracy on permuted colour images, by seed}, scale).

    networks: of `WIDE`; they are compared at one scale. epoch: the best or the last.
    """
    tables, scale = _at_one_scale(preset, *sorted({WIDE[name] for name in networks}))
    found = {}
    for frame in tables:
        rows = frame[frame.data.isin(COLOUR) & (frame.order == "pixel_permutation")]
        for (model, depth), group in rows.groupby(["model", "depth"], dropna=False):
            name = model if model != "mlp" else f"mlp {int(depth)}"
            if name in networks:
                found[name] = _per_run(group, epoch)
    return found, scale


def dilated_lead(preset, *others):
    """Return the dilated network's lead over each of the others, points (seeds, others)."""
    found, scale = wide_kernels(preset, ("dilated", *others))
    leads = pd.DataFrame({name: found["dilated"] - found[name] for name in others}).dropna()
    names = tuple(name.replace("mlp ", "MLP of depth ") for name in others)
    return Measurement(leads.to_numpy(), scale, names=names)


def dilated_peak(preset):
    """Return Figure 11's printed figure."""
    found, scale = wide_kernels(preset, ("dilated",))
    return {"dilated permuted": found["dilated"].to_numpy()}, scale


def strided_bound(preset):
    """Return 60 % minus the strided network's accuracy, per seed."""
    found, scale = wide_kernels(preset, ("strided",))
    return 0.60 - found["strided"].to_numpy(), scale
