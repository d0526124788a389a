"""Accuracies in Sections 2 to 5 of ivan2019, from the records of its experiments.

All networks see the same test images. Where records keep which of them were right after the last
epoch, we compute the error that the images give a difference instead of assuming it. Values are
shares of the test images; "points" marks differences of them.
"""

from functools import partial

import numpy as np
import pandas as pd

from helpers import metrics
from helpers.claims import Measurement
from helpers.evidence import of, together
from helpers.experiments import ivan2019
from helpers.verdicts import repeats

SHORT = {"vgg": "CNN", "mlp": "MLP"}
ORDERS = {"natural": "natural", "pixel_permutation": "permuted"}
COLOUR = ("cifar10", "photo_patches")  # the second stands in for the first
TABLE1 = {data: f"table1-{data}" for data in ivan2019.DATA}
OWN_RATE = "table1-own_rate"
CHANNELS = ("figure10", "figure10-channels")
WIDE = dict.fromkeys(("vgg", "mlp 2"), TABLE1["cifar10"]) | {
    "dilated": "figure11", "strided": "section5",
    **{f"mlp {depth}": "section5" for depth in ivan2019.DEPTHS},
}  # {network that we compare on permuted images: its experiment}  # fmt: skip

evidence = partial(of, "ivan2019")


def answers(*groups):
    """Return which test images are right after the last epoch, float64 (seeds, images, groups).

    groups: rows of the evidence table, each group with one run a seed. Only seeds that all groups
    have count. The result is None where a record does not keep the answers, or for fewer than two
    seeds.
    """
    last = [g[g.epoch == g.groupby("key").epoch.transform("max")] for g in groups]
    last = [rows.drop_duplicates("seed").set_index("seed") for rows in last]
    seeds = sorted(set.intersection(*(set(rows.index) for rows in last)))
    if len(seeds) < 2 or not all("correct" in seen for rows in last for seen in rows.observed):
        return None
    right = [
        [metrics.bits(rows.observed[seed]["correct"], rows.test[seed]) for seed in seeds]
        for rows in last
    ]
    return np.stack(right, axis=-1).astype(float)


def measurement(values, scale, each, names=()):
    """Return the `Measurement` of differences of accuracy.

    values: the differences, (seeds,) or (seeds, k). scale: of the evidence. each: the same
    differences on single test images, (seeds, images) or (seeds, images, k), from `answers`; None
    where they are unknown. names: of the k comparisons.
    """
    if each is None:
        return Measurement(values, scale, names=names)
    floor, shared = repeats.floor(each), repeats.shared(each)
    return Measurement(values, scale, floor, names, shared=shared)


def falling(values, scale, right, names):
    """Return the `Measurement` of a trend of accuracy.

    values: (seeds, levels). scale: of the evidence. right: the levels' `answers`, or None. names:
    of the levels. The errors are those of the steps and, last, of the ends, as `rules.trend` takes
    them.
    """
    if right is None:
        return Measurement(values, scale, names=names)
    steps = right[..., :-1] - right[..., 1:]
    return measurement(values, scale, np.dstack([steps, right[..., 0] - right[..., -1]]), names)


def _networks(rows):
    """Return {(model, order): rows} of Table 1's networks on one data set."""
    groups = rows.groupby(["model", "order"])
    return {(model, ORDERS[order]): own for (model, order), own in groups}


def _table1(preset, data, part=None):
    """Return (`_networks`, scale) of a data set; part: an experiment to use instead of its own."""
    found = evidence(part or TABLE1[data], preset)
    return _networks(found.rows(data)), found.scale(data)


def _curve(rows):
    """Return the accuracy after each epoch, (seeds, epochs)."""
    return rows.pivot(index="seed", columns="epoch", values="test_accuracy").to_numpy()


def _lead(preset, data, first, second, pick, part=None):
    """Return the lead of one network over another, per seed.

    pick: maps curves (seeds, epochs) to one accuracy per seed.
    """
    networks, scale = _table1(preset, data, part)
    first, second = networks[first], networks[second]
    right = answers(first, second)
    each = None if right is None else right[..., 0] - right[..., 1]
    return measurement(pick(_curve(first)) - pick(_curve(second)), scale, each)


def _leads(preset, data, first, second, part=None):
    """Return the lead of one network over another in every epoch, points (seeds, epochs).

    Records keep answers after the last epoch only. We scale its error to the other epochs by the
    binomial spread, which is larger for accuracies nearer to 50 %.
    """
    networks, scale = _table1(preset, data, part)
    a, b = (_curve(networks[name]) for name in (first, second))
    found = _lead(preset, data, first, second, _last, part)
    names = tuple(f"epoch {k + 1}" for k in range(a.shape[1]))
    if found.floor is None:
        return Measurement(a - b, scale, names=names)
    spread = np.sqrt((a * (1 - a) + b * (1 - b)).mean(axis=0))
    ratio = spread / max(spread[-1], 1e-12)
    return Measurement(a - b, scale, found.floor * ratio, names, shared=found.shared * ratio)


def _best(curve):
    return curve.max(axis=1)


def _last(curve):
    return curve[:, -1]


def cnn_below(preset, data):
    """Return the CNN's lead on natural over permuted images, at a preset, points (seeds, epochs).

    data: a name in `ivan2019.DATA`.
    """
    return _leads(preset, data, ("vgg", "natural"), ("vgg", "permuted"))


def mlp_above(preset, data, part=None):
    """Return the MLP's lead over the CNN on permuted images, at a preset, points (seeds, epochs).

    data: a name in `ivan2019.DATA`. part: the experiment; None for the data set's own in Table 1.
    """
    return _leads(preset, data, ("mlp", "permuted"), ("vgg", "permuted"), part)


def mlp_every(preset, data):
    """Return the MLP's lead on natural over permuted images, at a preset, points (seeds, epochs).

    data: a name in `ivan2019.DATA`.
    """
    return _leads(preset, data, ("mlp", "natural"), ("mlp", "permuted"))


def mlp_same(preset, data):
    """Return the MLP's last lead on natural over permuted images, at a preset, points (seeds,).

    data: a name in `ivan2019.DATA`.
    """
    return _lead(preset, data, ("mlp", "natural"), ("mlp", "permuted"), _last)


def delay(preset, data):
    """Return how much more the CNN still gains after epoch 1 on permuted than on natural images.

    preset: see `helpers.verdicts`. data: a name in `ivan2019.DATA`. The gain is from the first to
    the best epoch, and the result their difference in points, (seeds,), with the scale.
    """
    networks, scale = _table1(preset, data)
    natural, permuted = (_curve(networks["vgg", order]) for order in ORDERS.values())
    left = [_best(curve) - curve[:, 0] for curve in (permuted, natural)]
    return left[0] - left[1], scale


def peaks(preset, data, prefix=""):
    """Return each network's accuracy at its best epoch, as the paper reports it, and the scale.

    preset: see `helpers.verdicts`. data: a name in `ivan2019.DATA`. prefix: text before each name.
    The accuracies are {network and order: (seeds,)}.
    """
    return _reached(preset, data, _best, prefix)


def lasts(preset, data):
    """Return last-epoch accuracies, {network and order: (seeds,)}, and the scale.

    preset: see `helpers.verdicts`. data: a name in `ivan2019.DATA`.
    """
    return _reached(preset, data, _last)


def _reached(preset, data, pick, prefix=""):
    networks, scale = _table1(preset, data)
    reached = {f"{prefix}{SHORT[m]} {o}": pick(_curve(rows)) for (m, o), rows in networks.items()}
    return reached, scale


def all_peaks(preset):
    """Return Table 1's twelve figures at a preset, and the weakest scale of its data sets."""
    found, scales = {}, []
    for data in ivan2019.DATA:
        best, scale = peaks(preset, data, f"{data} ")
        found |= best
        scales.append(scale)
    return found, next((scale for scale in scales if scale != "paper"), "paper")


def natural_lead(preset, data, part=None):
    """Return the CNN's lead over the MLP on natural images, best epochs, points (seeds,).

    preset: see `helpers.verdicts`. data: a name in `ivan2019.DATA`. part: as for `mlp_above`.
    """
    return _lead(preset, data, ("vgg", "natural"), ("mlp", "natural"), _best, part)


def drop(preset, data, part=None):
    """Return the CNN's loss of best accuracy, natural minus permuted, points (seeds,).

    preset: see `helpers.verdicts`. data: a name in `ivan2019.DATA`. part: as for `mlp_above`.
    """
    return _lead(preset, data, ("vgg", "natural"), ("vgg", "permuted"), _best, part)


def drops(preset):
    """Return the CNN's loss on CIFAR-10, Fashion-MNIST and MNIST at a preset, points (seeds, 3).

    The paper's claim is that it falls in this order. The three test sets share no images, so the
    squares of their errors add up.
    """
    order = ivan2019.DATA[::-1]
    tables, scale = _at_one_scale(preset, *(TABLE1[data] for data in order))
    pairs = [[_networks(t)["vgg", name] for name in ORDERS.values()] for t in tables]
    losses = [_by_run(natural) - _by_run(permuted) for natural, permuted in pairs]
    values = pd.DataFrame(dict(enumerate(losses))).dropna().to_numpy()
    names = tuple(evidence(TABLE1[data], preset).title(data) for data in order)
    right = [answers(*pair) for pair in pairs]
    if any(one is None for one in right):
        return Measurement(values, scale, names=names)
    each = [one[..., 0] - one[..., 1] for one in right]
    floor, shared = (
        _ends([error(one) for one in each]) for error in (repeats.floor, repeats.shared)
    )
    return Measurement(values, scale, floor, names, shared=shared)


def _ends(errors):
    """Return errors of the steps between levels and, last, of the ends; errors: of the levels."""
    return np.hypot(errors, [*errors[1:], errors[0]])[[*range(len(errors) - 1), -1]]


def pairs_without_loss(preset):
    """Return how many (seed, data set) pairs show no loss of best accuracy, at a preset."""
    found = drops(preset)
    return int((found.values <= 0).sum()), found.scale


def slices(preset, epoch="best"):
    """Return the CNN's accuracy by slices per side, (seeds, 6) (Figure 8).

    preset: see `helpers.verdicts`. epoch: best or last.
    """
    table, right, scale = _by_slices(preset, epoch)
    names = tuple(f"{count:g} slice" + "s" * (count > 1) for count in table.columns)
    return falling(table.to_numpy(), scale, right, names)


def _by_slices(preset, epoch="best"):
    found = evidence("figure8", preset)
    ends = {"natural": 1, "pixel_permutation": 32}
    counts = found.frame.slices.astype(float).fillna(found.frame.order.map(ends))
    return *_levels(found.frame.assign(slices=counts), "slices", epoch), found.scale("cifar10")


def _levels(rows, column, epoch="best"):
    """Return (accuracy by seed and level, the levels' `answers`), from rows of one network."""
    groups = {level: own for level, own in rows.groupby(column)}
    table = pd.DataFrame({level: _by_run(own, epoch) for level, own in groups.items()})
    return table.dropna(), answers(*groups.values())


def four_slices(preset):
    """Return the accuracy that four slices per side cost, at a preset, points (seeds,)."""
    table, right, scale = _by_slices(preset)
    at = ivan2019.SLICES.index(4)
    each = None if right is None else right[..., 0] - right[..., at]
    return measurement((table.iloc[:, 0] - table.iloc[:, at]).to_numpy(), scale, each)


def slice_ends(preset, epoch="best"):
    """Return the accuracy at the two ends of Figure 8, {name: (seeds,)}, and the scale.

    preset: see `helpers.verdicts`. epoch: best or last.
    """
    found = slices(preset, epoch)
    return {"1 slice": found.values[:, 0], "32 slices": found.values[:, -1]}, found.scale


def distances(preset, channels="all", epoch="best"):
    """Return the CNN's accuracy by distance, (seeds, distances) (Figure 10).

    preset: see `helpers.verdicts`. channels: a name in `ivan2019.INPUTS`. epoch: best or last.
    """
    found = evidence(CHANNELS[channels != "all"], preset)
    table, right = _by_distance(found.frame, channels, epoch)
    return falling(table.to_numpy(), found.scale("cifar10"), right, _named(table.columns))


def _named(levels):
    return tuple(f"D = {level:g}" for level in levels)


def _by_distance(rows, channels, epoch="best"):
    """Return `_levels` by distance, for one input."""
    rows = rows.assign(distance=rows.distance.astype(float).fillna(0))
    return _levels(rows[rows.channels == channels], "distance", epoch)


def _channels(frame):
    """Return ({channel: best accuracy (seeds, distances)}, {channel: answers}, distances)."""
    found = {channel: _by_distance(frame, channel) for channel in ivan2019.INPUTS[1:]}
    tables = {name: table.to_numpy() for name, (table, _) in found.items()}
    right = {name: answered for name, (_, answered) in found.items()}
    return tables, right, found["red"][0].columns


def full_level(preset):
    """Return accuracy at the largest D minus that fully permuted, at a preset, points (seeds,)."""
    (local, full), scale = _at_one_scale(preset, "figure10", TABLE1["cifar10"])
    local = local[local.channels == "all"]
    distance = local.distance.astype(float)
    farthest, permuted = local[distance == distance.max()], _networks(full)["vgg", "permuted"]
    right = answers(farthest, permuted)
    each = None if right is None else right[..., 0] - right[..., 1]
    return measurement((_by_run(farthest) - _by_run(permuted)).dropna().to_numpy(), scale, each)


def _gaps(preset):
    """Return (RGB minus the mean single channel (seeds, distances), the same by image, scale)."""
    (all_, single), scale = _at_one_scale(preset, *CHANNELS)
    tables, right, shared = _channels(single)
    all_ = all_[all_.distance.astype(float).fillna(0).isin(shared)]  # it may have more distances
    table, own = _by_distance(all_, "all")
    values = table.to_numpy() - np.mean(list(tables.values()), axis=0)
    known = own is not None and all(one is not None for one in right.values())
    each = own - np.mean(list(right.values()), axis=0) if known else None
    return values, each, scale


def gaps(preset):
    """Return (RGB minus the mean single channel (seeds, distances), scale), at a preset."""
    values, _, scale = _gaps(preset)
    return values, scale


def channel_cost(preset):
    """Return RGB minus the mean single channel on natural images, at a preset, points (seeds,)."""
    values, each, scale = _gaps(preset)
    return measurement(values[:, 0], scale, None if each is None else each[..., 0])


def channel_costs(preset):
    """Return the gap on natural images that Section 4 prints, at a preset, and the scale."""
    found = channel_cost(preset)
    return {"RGB minus single channel": found.values}, found.scale


def wider_gap(preset):
    """Return the mean gap at D > 0 minus the gap at D = 0, at a preset, points (seeds,)."""
    values, each, scale = _gaps(preset)
    each = None if each is None else each[..., 1:].mean(axis=-1) - each[..., 0]
    return measurement(values[:, 1:].mean(axis=1) - values[:, 0], scale, each)


def red_worst(preset):
    """Return the lead of green and blue over red at a preset, points (seeds, 2 x distances)."""
    found = evidence("figure10-channels", preset)
    tables, right, shared = _channels(found.frame)
    others = ("green", "blue")
    leads = np.concatenate([tables[name] - tables["red"] for name in others], axis=1)
    known = all(one is not None for one in right.values())
    each = np.concatenate([right[n] - right["red"] for n in others], axis=2) if known else None
    names = tuple(f"{name}, {level}" for name in others for level in _named(shared))
    return measurement(leads, found.scale("cifar10"), each, names)


def spread(preset):
    """Return the range of the three channels' accuracies at a preset, (seeds, distances).

    The distances run from the largest D to D = 0.
    """
    found = evidence("figure10-channels", preset)
    tables, _, shared = _channels(found.frame)
    values = np.ptp(list(tables.values()), axis=0)[:, ::-1]
    return Measurement(values, found.scale("cifar10"), names=_named(shared[::-1]))


def _at_one_scale(preset, *names):
    """Return ([table of each experiment], scale), all at the strongest scale that all have."""
    found = together("ivan2019", names, preset)
    return [one.frame for one in found], found[0].scale("cifar10")


def _by_run(rows, epoch="best"):
    """Return test accuracy by seed, at the best or last epoch, from rows with one run a seed."""
    runs = rows.sort_values("epoch").groupby("seed").test_accuracy
    return runs.max() if epoch == "best" else runs.last()


def _wide(preset, networks):
    """Return ({network in `WIDE`: its rows on permuted colour images}, scale), all at one scale."""
    tables, scale = _at_one_scale(preset, *sorted({WIDE[name] for name in networks}))
    found = {}
    for frame in tables:
        rows = frame[frame.data.isin(COLOUR) & (frame.order == "pixel_permutation")]
        for (model, depth), group in rows.groupby(["model", "depth"], dropna=False):
            name = model if model != "mlp" else f"mlp {int(depth)}"
            if name in networks:
                found[name] = group
    return found, scale


def wide_kernels(preset, networks=tuple(WIDE), epoch="best"):
    """Return ({network: accuracy on permuted colour images, by seed}, scale).

    preset: see `helpers.verdicts`. networks: names in `WIDE`; all are compared at one scale. epoch:
    best or last.
    """
    found, scale = _wide(preset, networks)
    return {name: _by_run(rows, epoch) for name, rows in found.items()}, scale


def dilated_lead(preset, *others):
    """Return the dilated network's lead over each of the others, points (seeds, others).

    preset: see `helpers.verdicts`. others: names in `WIDE`.
    """
    found, scale = _wide(preset, ("dilated", *others))
    best = {name: _by_run(rows) for name, rows in found.items()}
    leads = pd.DataFrame({name: best["dilated"] - best[name] for name in others}).dropna()
    right = answers(*(found[name] for name in ("dilated", *others)))
    each = None if right is None else right[..., :1] - right[..., 1:]
    names = tuple(name.replace("mlp ", "MLP of depth ") for name in others)
    return measurement(leads.to_numpy(), scale, each, names)


def dilated_peak(preset):
    """Return the accuracy that Figure 11 prints, measured at a preset, and the scale."""
    found, scale = wide_kernels(preset, ("dilated",))
    return {"dilated permuted": found["dilated"].to_numpy()}, scale


def strided_bound(preset):
    """Return 60 % minus the strided network's accuracy at a preset, (seeds,), and the scale."""
    found, scale = wide_kernels(preset, ("strided",))
    return 0.60 - found["strided"].to_numpy(), scale
