"""Sections 4 and 5 of azulay2019 on networks that are trained here, on CIFAR-10."""

from functools import partial

import numpy as np
import torch
from scipy.stats import spearmanr

from helpers import augment, claims, datasets, evidence, invariance, metrics, queue, rules, shift
from helpers.experiments import azulay2019
from helpers.experiments.azulay2019 import AUGMENTS
from helpers.shift import PROTOCOLS, TITLES
from helpers.verdicts.repeats import over_trainings

FIFTHS = 5
INDEX = {"changed": 0, "mac": 2}  # of a measure in what `invariance.unpack` returns
POINT = 0.01  # of accuracy
LEARNT = 0.75  # accuracy that is asked of a network before anything is concluded from it
OWN = {"black": "black", "square": "crop"}  # which protocol a kind of augmentation shows
ALIKE = {"black": ("black", "scale"), "square": ("crop",)}  # whose frames are such as it shows
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


def each(observed, protocol, what="changed"):
    """Return a measure of every picture under a protocol, shares float64 (seeds, pictures).

    what: changed, 1 where the top class is another one, or mac, the absolute change.
    """
    packed = [invariance.seen(seen, f"pairs_{protocol}") for seen in observed]
    return np.array([invariance.unpack(pairs)[INDEX[what]] for pairs in packed], float)


def share(observed, protocol, what="changed"):
    """Return P(top-1 change), or the mean absolute change, under a protocol, (seeds,)."""
    return each(observed, protocol, what).mean(axis=1)


def learnt(name, preset, **which):
    """Return by how much the accuracy of networks exceeds what is asked of them, (seeds,).

    name: of an experiment. which: sampling, padding or augment of the networks.
    """
    last, scale = rows(name, preset)
    for field, value in which.items():
        last = last[last[field] == value]
    return last.test_accuracy.to_numpy() - LEARNT, scale


# Typicality and confidence (Figures 7, 8, 9 below, 12)


def per_image(observed, by):
    """Return (value (N,), changed (N,), change (N,)) of one network under the crop protocol.

    by: typicality (mean correlation with the ten nearest training images) or confidence (the top
    class's probability in the first frame).
    """
    changed, top, moved = invariance.unpack(invariance.seen(observed, "pairs_crop"))
    if by == "confidence":
        return top, changed, moved
    typical = invariance.seen(observed, "typicality")
    return invariance.shares(typical["values"]), changed, moved


def parted(preset, what="changed", by="typicality", sampling="max", name="plain"):
    """Return a measure of every image in fifths of the images, and the scale.

    A list over seeds, of a list of (images,) from the least to the most typical or confident fifth.
    name: of the experiment that the networks are from.
    """
    seen, scale = select(name, preset, sampling=sampling)
    found = []
    for observed in seen:
        value, *measures = per_image(observed, by)
        order = value.argsort(kind="stable")
        measure = measures[("changed", "mac").index(what)].astype(float)
        found.append([measure[part] for part in np.array_split(order, FIFTHS)])
    return found, scale


def fifths(preset, what="changed", by="typicality", sampling="max", name="plain"):
    """Return a measure in fifths of the images, from least to most typical, (seeds, 5).

    The floors are the standard errors that the images give of the difference of each two neighbours
    and, last, of the ends, which are different images; means over seeds.
    """
    found, scale = parted(preset, what, by, sampling, name)
    means, errors = (
        np.array([[measure(part) for part in parts] for parts in found])
        for measure in (np.mean, shift.error)
    )
    floor = np.hypot(errors, np.roll(errors, -1, axis=1)).mean(axis=0)  # the last: of the ends
    names = tuple(f"fifth {k + 1}" for k in range(FIFTHS))
    return claims.Measurement(means, scale, floor, names)


def near_zero(preset):
    """Return 1 % minus the share that changes of the most typical fifth, (seeds,)."""
    found, scale = parted(preset)
    return over_trainings(0.01 - np.array([parts[-1] for parts in found]), scale)


def rho(observed, by, other=None):
    """Return Spearman's rank correlation of a value with the absolute change of an image.

    other: observations of the network whose change it is, by default the same.
    """
    value = per_image(observed, by)[0]
    return spearmanr(value, per_image(other or observed, by)[2]).statistic


def plain(preset):
    """Return the observations of the networks without blur, one a seed."""
    return select("plain", preset)[0]


def examples(preset):
    """Return typical and atypical test images with neighbours, for `figures.neighbours`.

    They are those of the first network of `preset` itself, whose images are at hand: a list of rows
    [(image uint8 (C, H, W), correlation or None), ...].
    """
    run = azulay2019.plain(preset)[0]
    (record,) = queue.results([run], workers=1)
    train, test, _ = datasets.splits(run.data, run.train_size, run.test_size)
    seen = invariance.seen(record["observations"], "typicality")
    return [
        [(test.pixels[found["image"]], None), *((train.pixels[k], r) for k, r in found["near"])]
        for end in ("typical", "atypical")
        for found in seen[end]
    ]


def rho_error(observed):
    """Return the standard error that the images give a rank correlation, where it is near 0."""
    return (invariance.seen(observed[0], "pairs_crop")["n"] - 1) ** -0.5


def weaker(preset):
    """Return by how much typicality predicts changes better than confidence, (seeds,).

    The floor is that of a difference of two correlations that are independent of one another.
    """
    seen, scale = select("plain", preset)
    values = np.array([abs(rho(o, "typicality")) - abs(rho(o, "confidence")) for o in seen])
    return claims.Measurement(values, scale, 2**0.5 * rho_error(seen))


def other_network(preset):
    """Return minus the correlation of networks' confidence with the changes of others, (seeds,).

    Pairs that share a network are no independent repeats. So the value of one of n networks is n
    times the mean over all pairs, minus n - 1 times the mean over those without it: the mean of
    these values is that of all pairs, and they vary as the networks do (jackknife, Tukey 1958).
    Two networks are one pair, and one value.
    """
    seen, scale = select("plain", preset)
    n = len(seen)
    table = np.array([[-rho(own, "confidence", other) for other in seen] for own in seen])
    whole = _mean_of_pairs(table)
    if n < 3:
        return claims.Measurement(np.array([whole]), scale, rho_error(seen))
    without = [_mean_of_pairs(np.delete(np.delete(table, k, 0), k, 1)) for k in range(n)]
    return claims.Measurement(n * whole - (n - 1) * np.array(without), scale, rho_error(seen))


def _mean_of_pairs(table):
    """Return the mean of a square table without its diagonal."""
    return table[~np.eye(len(table), dtype=bool)].mean()


# Antialiasing (Figure 9)


def by_sampling(preset, protocol, what="changed"):
    """Return {sampling: measure (seeds,)} under a protocol, and the scale."""
    last, scale = rows("samplings", preset)
    return {
        sampling: share(list(last[last.sampling == sampling].observed), protocol, what)
        for sampling in last.sampling.unique()
    }, scale


def helps(preset, protocol):
    """Return by how much bin-5 lowers the share that changes under a protocol, (seeds,)."""
    plain, blurred, scale = _with_and_without(preset, protocol)
    return over_trainings(plain - blurred, scale)


def stays(preset, protocol):
    """Return the share that changes with bin-5 minus half the share without, (seeds,)."""
    plain, blurred, scale = _with_and_without(preset, protocol)
    return over_trainings(blurred - plain / 2, scale)


def _with_and_without(preset, protocol):
    """Return which predictions change without blur and with bin-5, (seeds, pictures), and scale."""
    (plain, scale), (blurred, _) = (
        select("samplings", preset, sampling=sampling) for sampling in ("max", "bin5")
    )
    return each(plain, protocol), each(blurred, protocol), scale


def accuracy(name, preset, field):
    """Return {value of a field: test accuracy after the last epoch (seeds,)}."""
    last, _ = rows(name, preset)
    return {value: part.test_accuracy.to_numpy() for value, part in last.groupby(field, sort=False)}


# Augmentation (Figure 10)


def cross_table(preset, what="changed"):
    """Return {(augmentation, protocol): measure (seeds,)} and the scale."""
    last, scale = rows("augmentations", preset)
    return {
        (kind, protocol): share(list(part.observed), protocol, what)
        for kind, part in last.groupby("augment", sort=False)
        for protocol in PROTOCOLS
    }, scale


def gains(preset, kind):
    """Return {protocol: which predictions change less than without augmentation}, and the scale.

    kind: of augmentation. Values are -1, 0 or 1, float64 (seeds, pictures).
    """
    (plain, scale), (own, _) = (
        select("augmentations", preset, augment=augment) for augment in ("none", kind)
    )
    return {p: each(plain, p) - each(own, p) for p in PROTOCOLS}, scale


def own_gain(preset, kind):
    """Return the gain of an augmentation under the protocol of training, (seeds,)."""
    found, scale = gains(preset, kind)
    return over_trainings(found[OWN[kind]], scale)


def other_gains(preset, kind):
    """Return its gain under the protocols whose frames are unlike those of training, (seeds, k).

    These are all but its own and, beside images on black, that of a change of scale, which shows
    them too.
    """
    found, scale = gains(preset, kind)
    for alike in ALIKE[kind]:
        del found[alike]
    return over_trainings(np.stack([*found.values()], axis=2), scale, _titles(found))


def more(preset, kind):
    """Return its gain under the protocol of training minus that under each other, (seeds, 3)."""
    found, scale = gains(preset, kind)
    own = found.pop(OWN[kind])
    differences = np.stack([own - other for other in found.values()], axis=2)
    return over_trainings(differences, scale, _titles(found))


def _titles(protocols):
    return tuple(TITLES[protocol] for protocol in protocols)


def first_frames(preset):
    """Return {augmentation: {protocol: accuracy on the first frames in %, as text}}."""
    last, _ = rows("augmentations", preset)
    found = {}
    for kind, part in last.groupby("augment", sort=False):
        for protocol in PROTOCOLS:
            seen = [invariance.seen(observed, f"pairs_{protocol}") for observed in part.observed]
            own = [100 * pairs["accuracy"] for pairs in seen]
            mean, low, high = rules.interval(own)
            found.setdefault(kind, {})[TITLES[protocol]] = f"{mean:.1f} [{low:.1f}, {high:.1f}]"
    return found


def views(preset, count=8):
    """Return {kind of augmentation: views uint8 (count, C, H, W) of the same training images}."""
    run = azulay2019.augmentations(preset)[0]
    pixels = datasets.splits(run.data, run.train_size, run.test_size)[0].pixels[:count]
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
    return over_trainings(each(seen, "circular"), scale)


def as_accurate(preset):
    """Return the accuracy without subsampling minus that with, plus one point, (seeds,).

    Both on a torus. "At least as accurate" is to hold for equal networks, which differ by less than
    the point that matters: the sum is above 0 for these. Where the records say which images are
    right, what the test images do to the difference is computed from them.
    """
    last, scale = rows("subsampling_free", preset)
    last = last[last.padding == "circular"]
    with_, without = (last[last.sampling == name] for name in ("max", "none"))
    if all("correct" in seen for part in (with_, without) for seen in part.observed):
        return over_trainings(_right(without) - _right(with_) + POINT, scale)
    return without.test_accuracy.to_numpy() - with_.test_accuracy.to_numpy() + POINT, scale


def _right(last):
    """Return which test images networks name correctly, float64 (seeds, images)."""
    bits = [metrics.bits(row.observed["correct"], int(row.test)) for row in last.itertuples()]
    return np.array(bits, float)


def by_size(preset, what="changed"):
    """Return {network: (sizes, measure (seeds, sizes))} of pictures embedded in black."""
    found = {}
    for name, part in networks(preset).items():
        sizes = sorted(map(int, part.observed.iloc[0]["sizes_black"]))
        found[name] = sizes, np.array([
            [invariance.unpack(seen["sizes_black"][str(size)])[INDEX[what]].mean()
             for size in sizes]
            for seen in part.observed
        ])  # fmt: skip
    return found


def printed(row):
    """Return the measure of printed numbers that belong to networks which are not at hand."""
    return lambda preset: (None, "needs " + ", ".join(claims.row(row)[1]["needs"]))


MEASURES = {
    "aw-fig7": {},
    "aw-fig8": {
        "learnt": partial(learnt, "plain"),
        "changed": fifths,
        "mac": partial(fifths, what="mac"),
        "zero": near_zero,
        "shares": printed("aw-fig8"),
    },
    "aw-fig9-top": {},
    "aw-fig9-mid": {
        "share": printed("aw-fig9-mid"),
        "small": printed("aw-fig9-mid"),
        "learnt": partial(learnt, "samplings", sampling="max"),
        "helps": partial(helps, protocol="black"),
        "helps-crop": partial(helps, protocol="crop"),
        "half": partial(stays, protocol="black"),
        "half-crop": partial(stays, protocol="crop"),
    },
    "aw-fig9-bot": {
        "changed": partial(fifths, sampling="bin5", name="samplings"),
        "share": printed("aw-fig9-bot"),
    },
    "aw-fig10": {
        "learnt": partial(learnt, "augmentations", augment="none"),
        **{
            f"{name}-{kind}": partial(measure, kind=kind)
            for kind in OWN
            for name, measure in (("own", own_gain), ("more", more), ("others", other_gains))
        },
    },
    "aw-fig11": {
        "learnt": partial(learnt, "subsampling_free", sampling="max"),
        "torus": partial(torus, observer="pairs_circular"),
        "black": partial(torus, observer="sizes_black"),
        "high": partial(learnt, "subsampling_free", sampling="none", padding="circular"),
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
