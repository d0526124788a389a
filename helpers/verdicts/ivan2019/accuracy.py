"""Sections 2 to 5 of ivan2019: accuracies, from the records of its experiments."""

from functools import partial

import numpy as np

from helpers.evidence import of
from helpers.experiments import ivan2019

SHORT = {"vgg": "CNN", "mlp": "MLP"}

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
    """Return the CNN's smallest lead of natural over permuted images, per seed."""
    curves, scale = _curves(preset, data)
    return (curves["vgg", "natural"] - curves["vgg", "permuted"]).min(axis=1), scale


def mlp_above(preset, data):
    """Return the MLP's smallest lead over the CNN on permuted images, per seed."""
    curves, scale = _curves(preset, data)
    return (curves["mlp", "permuted"] - curves["vgg", "permuted"]).min(axis=1), scale


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


def drop(preset, data):
    """Return the CNN's loss of best accuracy, natural minus permuted, per seed."""
    best, scale = peaks(preset, data)
    return best["CNN natural"] - best["CNN permuted"], scale


def drops(preset):
    """Return the loss on CIFAR-10, Fashion-MNIST and MNIST, (seeds, 3): it should fall."""
    every = [drop(preset, data) for data in reversed(ivan2019.DATA)]
    return np.stack([values for values, _ in every], axis=1), every[0][1]


def pairs_without_loss(preset):
    """Return how many (seed, data set) pairs show no loss of best accuracy."""
    values, scale = drops(preset)
    return int((values <= 0).sum()), scale


def slices(preset, epoch="best"):
    """Return the CNN's accuracy at its best or last epoch by slices per side, (seeds, 6)."""
    found = evidence("figure8", preset)
    rows = found.best() if epoch == "best" else found.last()
    ends = {"natural": 1, "pixel_permutation": 32}
    counts = rows.slices.astype(float).fillna(rows.order.map(ends))
    return by_seed(rows.assign(slices=counts), "slices").to_numpy(), found.scale("cifar10")


def four_slices(preset):
    """Return the accuracy that four slices per side cost, per seed."""
    values, scale = slices(preset)
    return values[:, 0] - values[:, ivan2019.SLICES.index(4)], scale


def slice_ends(preset, epoch="best"):
    """Return the two ends of Figure 8, at the best or the last epoch."""
    values, scale = slices(preset, epoch)
    return {"1 slice": values[:, 0], "32 slices": values[:, -1]}, scale


def distances(preset, channels="all", epoch="best"):
    """Return the CNN's accuracy at its best or last epoch by distance, (seeds, distances)."""
    table, scale = _by_distance(preset, channels, epoch)
    return table.to_numpy(), scale


def _by_distance(preset, channels, epoch="best"):
    found = evidence("figure10", preset)
    rows = found.best() if epoch == "best" else found.last()
    rows = rows.assign(distance=rows.distance.astype(float).fillna(0))
    return by_seed(rows, "distance", channels=channels), found.scale("cifar10")


def _channels(preset):
    """Return best accuracy (channels, seeds, distances) of red, green and blue."""
    return np.stack([distances(preset, channel)[0] for channel in ivan2019.INPUTS[1:]])


def full_level(preset):
    """Return accuracy at D = 32 minus accuracy under a full permutation, per seed."""
    values, scale = distances(preset)
    permuted = _curves(preset, "cifar10")[0]["vgg", "permuted"].max(axis=1)
    return values[:, -1] - permuted[: len(values)], scale


def gaps(preset):
    """Return RGB minus the mean single channel, (seeds, distances)."""
    table, scale = _by_distance(preset, "all")
    shared = _by_distance(preset, "red")[0].columns  # a single channel may have fewer distances
    return table[shared].to_numpy() - _channels(preset).mean(axis=0), scale


def channel_cost(preset):
    """Return the gap on natural images, per seed."""
    values, scale = gaps(preset)
    return values[:, 0], scale


def wider_gap(preset):
    """Return the mean gap at D > 0 minus the gap at D = 0, per seed."""
    values, scale = gaps(preset)
    return values[:, 1:].mean(axis=1) - values[:, 0], scale


def red_worst(preset):
    """Return the smallest lead of the worse of green and blue over red, per seed."""
    red, green, blue = _channels(preset)
    return (np.minimum(green, blue) - red).min(axis=1), distances(preset)[1]


def spread(preset):
    """Return the spread of the channels from the largest D to D = 0, (seeds, distances)."""
    values = _channels(preset)
    return (values.max(axis=0) - values.min(axis=0))[:, ::-1], distances(preset)[1]


def wide_kernels(preset, epoch="best"):
    """Return accuracy on permuted colour images per network, at its best or last epoch.

    Compares networks at one scale: all of Figure 11, Section 5 and Table 1 there, or none.
    """
    parts = [evidence(name, preset) for name in ("figure11", "section5", "table1")]
    if len({part.preset for part in parts}) > 1:
        frames, scale = [part.live for part in parts], preset
    else:
        frames, scale = [part.frame for part in parts], parts[0].scale("cifar10")
    found = {}
    for frame in frames:
        rows = frame[frame.data.isin(("cifar10", "photo_patches"))]
        rows = rows[rows.order == "pixel_permutation"]
        for (model, depth), group in rows.groupby(["model", "depth"], dropna=False):
            name = model if model != "mlp" else f"mlp {int(depth)}"
            runs = group.sort_values("epoch").groupby("seed").test_accuracy
            found[name] = (runs.max() if epoch == "best" else runs.last()).to_numpy()
    return found, scale


def dilated_lead(preset, *others):
    """Return the dilated network's lead over the best of the others, per seed."""
    found, scale = wide_kernels(preset)
    return found["dilated"] - np.max([found[other] for other in others], axis=0), scale


def dilated_peak(preset):
    """Return Figure 11's printed figure."""
    found, scale = wide_kernels(preset)
    return {"dilated permuted": found["dilated"]}, scale


def strided_bound(preset):
    """Return 60 % minus the strided network's accuracy, per seed."""
    found, scale = wide_kernels(preset)
    return 0.60 - found["strided"], scale
