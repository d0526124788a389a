"""Our own networks on CIFAR-10 (azulay2019, Sections 4 and 5).

Everywhere in here, preset is as in `helpers.verdicts`; name is that of an experiment; protocol is a
name in `shift.PROTOCOLS`; observed is a list of observations, one a seed; what is changed, 1 where
the top class changes, or mac, the absolute change; by is typicality, the mean correlation with the
ten nearest training images, or confidence, the top class's probability in the first frame; sampling
is a name in `experiments.azulay2019.SAMPLINGS`, or none; kind is that of an augmentation.
"""

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
LEARNT = 0.75  # accuracy that we require of a network before we conclude anything from it
OWN = {"black": "black", "square": "crop"}  # {augmentation: the protocol whose frames it shows}
ALIKE = {"black": ("black", "scale"), "square": ("crop",)}  # all with such frames
HERE = partial(evidence.of, "azulay2019")


def rows(name, preset):
    """Return the last epoch's rows of an experiment, with what they vary as columns, and the scale.

    name, preset: see the module.
    """
    found = HERE(name, preset)
    last = found.last()
    for field in ("sampling", "padding"):
        last = last.assign(**{field: [arguments[field] for arguments in last.arguments]})
    return last.sort_values("seed"), found.scale("cifar10")


def select(name, preset, **which):
    """Return the observations of some runs, one a seed, and the scale.

    name, preset: see the module. which: values of sampling, padding or augment that all of them
    have.
    """
    last, scale = rows(name, preset)
    for field, value in which.items():
        last = last[last[field] == value]
    return list(last.observed), scale


def each(observed, protocol, what="changed"):
    """Return a measure of every image under a protocol, float64 (seeds, images).

    observed, protocol, what: see the module.
    """
    packed = [invariance.seen(seen, f"pairs_{protocol}") for seen in observed]
    return np.array([invariance.unpack(pairs)[INDEX[what]] for pairs in packed], float)


def share(observed, protocol, what="changed"):
    """Return P(top-1 change), or the mean absolute change, under a protocol, (seeds,).

    observed, protocol, what: see the module.
    """
    return each(observed, protocol, what).mean(axis=1)


def learnt(name, preset, **which):
    """Return how far the accuracy of networks exceeds what we require of them, (seeds,).

    name, preset: see the module. which: as for `select`.
    """
    last, scale = rows(name, preset)
    for field, value in which.items():
        last = last[last[field] == value]
    return last.test_accuracy.to_numpy() - LEARNT, scale


# Typicality and confidence (Figures 7, 8, 9 below, 12)


def per_image(observed, by):
    """Return (value (N,), changed (N,), change (N,)) of one network under the crop protocol.

    observed: observations of one network. by: see the module.
    """
    changed, top, moved = invariance.unpack(invariance.seen(observed, "pairs_crop"))
    if by == "confidence":
        return top, changed, moved
    typical = invariance.seen(observed, "typicality")
    return invariance.shares(typical["values"]), changed, moved


def parted(preset, what="changed", by="typicality", sampling="max", name="plain"):
    """Return a measure of every image in fifths of the images, and the scale.

    preset, what, by, sampling, name: see the module. The result is a list over seeds, of lists of
    (images,) from the least to the most typical or confident fifth.
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

    preset, what, by, sampling, name: see the module. The floors are the standard errors that the
    images give the difference of each two neighbours and, last, of the ends, which are different
    images; means over seeds.
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
    """Return 1 % minus the share that changes in the most typical fifth, at a preset, (seeds,)."""
    found, scale = parted(preset)
    return over_trainings(0.01 - np.array([parts[-1] for parts in found]), scale)


def rho(observed, by, other=None):
    """Return Spearman's rank correlation of a value with the absolute change of an image.

    observed: observations of one network. by: see the module. other: observations of the network
    whose change it is, None for the same.
    """
    value = per_image(observed, by)[0]
    return spearmanr(value, per_image(other or observed, by)[2]).statistic


def plain(preset):
    """Return the observations of the networks without blur at a preset, one a seed."""
    return select("plain", preset)[0]


def examples(preset):
    """Return typical and atypical test images with neighbours, for `figures.neighbours`.

    preset: used as it is, because we need the images of its first network. The result is a list of
    rows [(image uint8 (C, H, W), correlation or None), ...].
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
    """Return the standard error that the images give a rank correlation, where it is near 0.

    observed: see the module.
    """
    return (invariance.seen(observed[0], "pairs_crop")["n"] - 1) ** -0.5


def weaker(preset):
    """Return how much better typicality predicts changes than confidence does, (seeds,).

    preset: see the module. A prediction's quality is its absolute rank correlation. The floor is
    that of a difference of two correlations that are independent of one another.
    """
    seen, scale = select("plain", preset)
    values = np.array([abs(rho(o, "typicality")) - abs(rho(o, "confidence")) for o in seen])
    return claims.Measurement(values, scale, 2**0.5 * rho_error(seen))


def other_network(preset):
    """Return minus the correlation of networks' confidence with the changes of others, (seeds,).

    preset: see the module. Pairs that share a network are no independent repeats. So the value of
    one of n networks is n times the mean over all pairs, minus n - 1 times the mean over those
    without it: the mean of these values is that of all pairs, and they vary as the networks do
    (jackknife, Tukey 1958). Two networks are one pair, and one value.
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
    """Return {sampling: measure (seeds,)} under a protocol, and the scale.

    preset, protocol, what: see the module.
    """
    last, scale = rows("samplings", preset)
    return {
        sampling: share(list(last[last.sampling == sampling].observed), protocol, what)
        for sampling in last.sampling.unique()
    }, scale


def helps(preset, protocol):
    """Return how much bin-5 lowers the share that changes under a protocol, points (seeds,).

    preset, protocol: see the module.
    """
    plain, blurred, scale = _with_and_without(preset, protocol)
    return over_trainings(plain - blurred, scale)


def stays(preset, protocol):
    """Return the share that changes with bin-5 minus half the share without it, points (seeds,).

    preset, protocol: see the module.
    """
    plain, blurred, scale = _with_and_without(preset, protocol)
    return over_trainings(blurred - plain / 2, scale)


def _with_and_without(preset, protocol):
    """Return which predictions change without blur and with bin-5, (seeds, images), and scale."""
    (plain, scale), (blurred, _) = (
        select("samplings", preset, sampling=sampling) for sampling in ("max", "bin5")
    )
    return each(plain, protocol), each(blurred, protocol), scale


def accuracy(name, preset, field):
    """Return {value of a field: test accuracy after the last epoch (seeds,)}.

    name, preset: see the module. field: a column of `rows`.
    """
    last, _ = rows(name, preset)
    return {value: part.test_accuracy.to_numpy() for value, part in last.groupby(field, sort=False)}


# Augmentation (Figure 10)


def cross_table(preset, what="changed"):
    """Return {(augmentation, protocol): measure (seeds,)} and the scale.

    preset, what: see the module.
    """
    last, scale = rows("augmentations", preset)
    return {
        (kind, protocol): share(list(part.observed), protocol, what)
        for kind, part in last.groupby("augment", sort=False)
        for protocol in PROTOCOLS
    }, scale


def gains(preset, kind):
    """Return {protocol: which predictions change less than without augmentation}, and the scale.

    preset, kind: see the module. Values are -1, 0 or 1, float64 (seeds, images).
    """
    (plain, scale), (own, _) = (
        select("augmentations", preset, augment=augment) for augment in ("none", kind)
    )
    return {p: each(plain, p) - each(own, p) for p in PROTOCOLS}, scale


def own_gain(preset, kind):
    """Return the gain of an augmentation under the protocol of training, points (seeds,).

    preset, kind: see the module.
    """
    found, scale = gains(preset, kind)
    return over_trainings(found[OWN[kind]], scale)


def other_gains(preset, kind):
    """Return the gain under the protocols whose frames differ from those of training, (seeds, k).

    preset, kind: see the module. These are all protocols but its own. With images on black, the
    change of scale is left out too, because its frames are images on black as well.
    """
    found, scale = gains(preset, kind)
    for alike in ALIKE[kind]:
        del found[alike]
    return over_trainings(np.stack([*found.values()], axis=2), scale, _titles(found))


def more(preset, kind):
    """Return the gain under the protocol of training minus that under each other, (seeds, 3).

    preset, kind: see the module.
    """
    found, scale = gains(preset, kind)
    own = found.pop(OWN[kind])
    differences = np.stack([own - other for other in found.values()], axis=2)
    return over_trainings(differences, scale, _titles(found))


def _titles(protocols):
    return tuple(TITLES[protocol] for protocol in protocols)


def first_frames(preset):
    """Return {augmentation: {protocol: accuracy on first frames in %, as text}}, at a preset."""
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
    """Return {kind of augmentation: views uint8 (count, C, H, W) of the same training images}.

    preset: see the module. count: how many images.
    """
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
    """Return the largest change of any probability, or 1 if a prediction changed, and the scale.

    preset, sampling: see the module. observer: a name in the records. padding: circular or zeros.
    """
    seen, scale = select("subsampling_free", preset, sampling=sampling, padding=padding)
    packed = [part for observed in seen for part in _parts(observed[observer])]
    flags, _, moved = zip(*map(invariance.unpack, packed), strict=True)
    return float(max(max(m.max() for m in moved), max(f.max() for f in flags))), scale


def _parts(observed):
    return [observed] if "changed" in observed else list(observed.values())


def networks(preset):
    """Return {(sampling, padding): rows of the networks, one a seed}, at a preset."""
    last, _ = rows("subsampling_free", preset)
    return dict(iter(last.groupby(["sampling", "padding"], sort=False)))


def zeros(preset):
    """Return the share that changes on a torus if zeros surround images, at a preset, (seeds,)."""
    seen, scale = select("subsampling_free", preset, sampling="none", padding="zeros")
    return over_trainings(each(seen, "circular"), scale)


def as_accurate(preset):
    """Return the accuracy without subsampling minus that with it, plus one point, (seeds,).

    preset: see the module. Both are on a torus. "At least as accurate" should hold for equal
    networks, which differ by less than the point that matters: for them the sum is above 0. Where
    the records say which images are right, we compute from them what the test images do to the
    difference.
    """
    last, scale = rows("subsampling_free", preset)
    last = last[last.padding == "circular"]
    with_, without = (last[last.sampling == name] for name in ("max", "none"))
    if all("correct" in seen for part in (with_, without) for seen in part.observed):
        return over_trainings(_right(without) - _right(with_) + POINT, scale)
    return without.test_accuracy.to_numpy() - with_.test_accuracy.to_numpy() + POINT, scale


def _right(last):
    """Return which test images the networks classify correctly, float64 (seeds, images)."""
    bits = [metrics.bits(row.observed["correct"], int(row.test)) for row in last.itertuples()]
    return np.array(bits, float)


def by_size(preset, what="changed"):
    """Return {network: (sizes, measure (seeds, sizes))} of images embedded in black.

    preset, what: see the module.
    """
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
    """Return a measure for printed numbers of networks that we do not have.

    row: id of the claim, which says what is needed.
    """
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
