"""Sections 4 and 5 of azulay2019 on networks that are trained here, on CIFAR-10."""

from functools import partial

import numpy as np
import torch
from scipy.stats import spearmanr

from helpers import augment, claims, datasets, evidence, invariance
from helpers.experiments.azulay2019 import AUGMENTS
from helpers.shift import PROTOCOLS, TITLES

FIFTHS = 5
OWN = {"black": "black", "square": "crop"}  # which protocol a kind of augmentation shows
HERE = partial(evidence.of, "azulay2019")


def rows(name, preset):
    """Return the last epoch's rows of an experiment, with what they vary as columns."""
    found = HERE(name, preset)
    last = found.last()
    for field in ("sampling", "padding"):
        last = last.assign(**{field: [arguments[field] for arguments in last.arguments]})
    return last.sort_values("seed"), found.scale("cifar10")


def select(name, preset, **which):
    """Return the observations of runs, one a seed, of which each of `which` holds, and the scale.

    which: sampling, padding or augment.
    """
    last, scale = rows(name, preset)
    for field, value in which.items():
        last = last[last[field] == value]
    return list(last.observed), scale


def share(observed, protocol):
    """Return P(top-1 change) under a protocol (seeds,)."""
    return np.array([invariance.unpack(seen[f"pairs_{protocol}"])[0].mean() for seen in observed])


def change(observed, protocol):
    """Return the mean absolute change under a protocol (seeds,)."""
    return np.array([invariance.unpack(seen[f"pairs_{protocol}"])[2].mean() for seen in observed])


MEASURED = {"changed": share, "mac": change}


# Typicality and confidence (Figures 7, 8, 9 below, 12)


def per_image(observed, by):
    """Return (value (N,), changed (N,), change (N,)) of one network under the crop protocol.

    by: typicality (mean correlation with the ten nearest training images) or confidence (the top
    class's probability in the first frame).
    """
    changed, top, moved = invariance.unpack(observed["pairs_crop"])
    value = top if by == "confidence" else invariance.shares(observed["typicality"]["values"])
    return value, changed, moved


def fifths(preset, what="changed", by="typicality", sampling="max"):
    """Return a measure in fifths of the images, from least to most typical, (seeds, 5)."""
    seen, scale = select("samplings", preset, sampling=sampling)
    found = []
    for observed in seen:
        value, *measures = per_image(observed, by)
        order = value.argsort(kind="stable")
        measure = measures[("changed", "mac").index(what)]
        found.append([measure[part].mean() for part in np.array_split(order, FIFTHS)])
    return np.array(found), scale


def near_zero(preset):
    """Return 1 % minus what changes of the most typical fifth, (seeds,)."""
    found, scale = fifths(preset)
    return 0.01 - found[:, -1], scale


def rho(observed, by, other=None):
    """Return Spearman's rank correlation of a value with the absolute change of an image.

    other: observations of the network whose change it is, by default the same.
    """
    value = per_image(observed, by)[0]
    return spearmanr(value, per_image(other or observed, by)[2]).statistic


def plain(preset):
    """Return the observations of the networks without blur, one a seed."""
    return select("samplings", preset, sampling="max")[0]


def examples(preset):
    """Return typical and atypical test images with neighbours, for `figures.neighbours`.

    They are those of the first network at `preset` itself, whose images are at hand: a list of rows
    [(image uint8 (C, H, W), correlation or None), ...].
    """
    live = HERE("samplings", preset).live
    row = next(live[live.seed == 0].itertuples())
    train, test, _ = datasets.splits(row.data, int(row.train), int(row.test))
    seen = row.observed["typicality"]
    return [
        [(test.pixels[found["image"]], None), *((train.pixels[k], r) for k, r in found["near"])]
        for end in ("typical", "atypical")
        for found in seen[end]
    ]


def weaker(preset):
    """Return by how much typicality predicts changes better than confidence, (seeds,)."""
    seen, scale = select("samplings", preset, sampling="max")
    return [abs(rho(o, "typicality")) - abs(rho(o, "confidence")) for o in seen], scale


def other_network(preset):
    """Return minus the correlation of one network's confidence with another's changes, (seeds,)."""
    seen, scale = select("samplings", preset, sampling="max")
    return [-rho(o, "confidence", seen[k - 1]) for k, o in enumerate(seen)], scale


# Antialiasing (Figure 9)


def by_sampling(preset, protocol, what="changed"):
    """Return {sampling: measure (seeds,)} under a protocol, and the scale."""
    last, scale = rows("samplings", preset)
    return {
        sampling: MEASURED[what](list(last[last.sampling == sampling].observed), protocol)
        for sampling in last.sampling.unique()
    }, scale


def helps(preset):
    """Return by how much bin-5 lowers the share that changes, embedded in black, (seeds,)."""
    found, scale = by_sampling(preset, "black")
    return found["max"] - found["bin5"], scale


def stays(preset, protocol):
    """Return the share that changes with bin-5 minus half the share without, (seeds,)."""
    found, scale = by_sampling(preset, protocol)
    return found["bin5"] - found["max"] / 2, scale


def accuracy(name, preset, field):
    """Return {value of a field: test accuracy after the last epoch (seeds,)}."""
    last, _ = rows(name, preset)
    return {value: part.test_accuracy.to_numpy() for value, part in last.groupby(field, sort=False)}


# Augmentation (Figure 10)


def cross_table(preset, what="changed"):
    """Return {(augmentation, protocol): measure (seeds,)} and the scale."""
    last, scale = rows("augmentations", preset)
    return {
        (kind, protocol): MEASURED[what](list(part.observed), protocol)
        for kind, part in last.groupby("augment", sort=False)
        for protocol in PROTOCOLS
    }, scale


def gains(preset):
    """Return {augmentation of `OWN`: {protocol: gain over none (seeds,)}} and the scale."""
    found, scale = cross_table(preset)
    return {kind: {p: found["none", p] - found[kind, p] for p in PROTOCOLS} for kind in OWN}, scale


def own_gain(preset):
    """Return the gain under the protocol of training, both kinds and all seeds."""
    found, scale = gains(preset)
    return np.concatenate([found[kind][own] for kind, own in OWN.items()]), scale


def other_gain(preset):
    """Return the mean gain under the other protocols, both kinds and all seeds."""
    found, scale = gains(preset)
    return np.concatenate([
        np.mean([gain for protocol, gain in found[kind].items() if protocol != own], axis=0)
        for kind, own in OWN.items()
    ]), scale  # fmt: skip


def more(preset):
    """Return the gain under the protocol of training minus that under the others."""
    own, scale = own_gain(preset)
    return own - other_gain(preset)[0], scale


def first_frames(preset):
    """Return {augmentation: {protocol: accuracy on the first frames in %, as text}}."""
    last, _ = rows("augmentations", preset)
    found = {}
    for kind, part in last.groupby("augment", sort=False):
        for protocol in PROTOCOLS:
            own = [100 * seen[f"pairs_{protocol}"]["accuracy"] for seen in part.observed]
            mean, low, high = claims.interval(own)
            found.setdefault(kind, {})[TITLES[protocol]] = f"{mean:.1f} [{low:.1f}, {high:.1f}]"
    return found


def views(preset, count=8):
    """Return {kind of augmentation: views uint8 (count, C, H, W) of the same training images}."""
    live = HERE("augmentations", preset).live.iloc[0]
    pixels = datasets.splits(live.data, int(live.train), int(live.test))[0].pixels[:count]
    images, generator = torch.from_numpy(pixels), torch.Generator().manual_seed(0)
    made = {"none": pixels}
    for kind in AUGMENTS[1:]:
        drawn = augment.draw(torch.arange(count), generator, kind, images.shape[2:])
        prepared = augment.prepare(images, kind)
        made[kind] = augment.take(prepared, drawn, kind, images.shape[2:]).numpy()
    return made


# Without subsampling (Figure 11)


def torus(preset, observer, sampling="none", padding="circular"):
    """Return the largest change of any probability, and 1 where a prediction changed."""
    seen, scale = select("subsampling_free", preset, sampling=sampling, padding=padding)
    packed = [part for observed in seen for part in _parts(observed[observer])]
    flags, _, moved = zip(*map(invariance.unpack, packed), strict=True)
    return float(max(max(m.max() for m in moved), max(f.max() for f in flags))), scale


def _parts(observed):
    return [observed] if "changed" in observed else list(observed.values())


def networks(preset):
    """Return {(sampling, padding): rows of the networks, one a seed}."""
    last, _ = rows("subsampling_free", preset)
    return dict(iter(last.groupby(["sampling", "padding"], sort=False)))


def zeros(preset):
    """Return the share that changes on a torus where zeros surround the image, (seeds,)."""
    seen, scale = select("subsampling_free", preset, sampling="none", padding="zeros")
    return share(seen, "circular"), scale


def as_accurate(preset):
    """Return the accuracy without subsampling minus that with, both on a torus, (seeds,)."""
    last, scale = rows("subsampling_free", preset)
    last = last[last.padding == "circular"]
    found = {name: part.test_accuracy.to_numpy() for name, part in last.groupby("sampling")}
    return found["none"] - found["max"], scale


def by_size(preset, what="changed"):
    """Return {network: (sizes, measure (seeds, sizes))} of pictures embedded in black."""
    found = {}
    for name, part in networks(preset).items():
        sizes = sorted(map(int, part.observed.iloc[0]["sizes_black"]))
        index = {"changed": 0, "mac": 2}[what]
        found[name] = sizes, np.array([
            [invariance.unpack(seen["sizes_black"][str(size)])[index].mean() for size in sizes]
            for seen in part.observed
        ])  # fmt: skip
    return found


def printed(row):
    """Return the measure of printed numbers that belong to networks which are not at hand."""
    return lambda preset: (None, "needs " + ", ".join(claims.row(row)[1]["needs"]))


MEASURES = {
    "aw-fig7": {},
    "aw-fig8": {
        "changed": fifths,
        "mac": partial(fifths, what="mac"),
        "zero": near_zero,
        "shares": printed("aw-fig8"),
    },
    "aw-fig9-top": {},
    "aw-fig9-mid": {
        "share": printed("aw-fig9-mid"),
        "helps": helps,
        "small": partial(stays, protocol="black"),
        "crop": partial(stays, protocol="crop"),
    },
    "aw-fig9-bot": {
        "changed": partial(fifths, sampling="bin5"),
        "share": printed("aw-fig9-bot"),
    },
    "aw-fig10": {"own": own_gain, "more": more, "others": other_gain},
    "aw-fig11": {
        "torus": partial(torus, observer="pairs_circular"),
        "black": partial(torus, observer="sizes_black"),
        "zeros": zeros,
        "accuracy": as_accurate,
        "aps": partial(torus, observer="pairs_circular", sampling="aps"),
    },
    "aw-fig12": {
        "changed": partial(fifths, by="confidence"),
        "weaker": weaker,
        "other": other_network,
    },
    "aw-fig13": {},
}
