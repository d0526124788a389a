"""What networks of rodner2016 did with degraded images, read from their records.

All networks of a group saw the same images with the same noise, so we compare them image by image;
a value is a mean over an image's draws. We judge what given networks do over images
(`of_pictures`), and what a training does over trainings (`of_trainings`).

Everywhere in here, preset is as in `helpers.verdicts`; name is a key of `GROUPS`; kind is a
degradation and level one of its levels, see `robustness.LEVELS`, or 0 for the clean image; found is
{observer: what it saw} of one network.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from helpers import claims, evidence, robustness
from helpers.verdicts import repeats

GROUPS = {  # an experiment, and the data that it is on
    "birds": ("curves", "birds"),
    "dropout": ("dropped", "birds"),
    "usual": ("dropped", "birds"),  # the same network, trained without dropout
    "colour": ("small-cifar10", "cifar10"),
    "garments": ("small-fashion_mnist", "fashion_mnist"),
}
BIRDS_NEEDED = "needs the images of birds (preset study)"
SMALL = ("colour", "garments")  # groups of networks that were trained here from the start
TITLES = {
    "squeezenet1_1": "SqueezeNet 1.1",
    "efficientnet_lite0": "EfficientNet-Lite 0",
    "plain": "plain",
    "vgg": "VGG",
    "resnet": "residual",
}


@lru_cache(maxsize=16)
def group(preset, name):
    """Return ({(network, seed): {observer: what it saw}}, scale); (None, why) where there is none.

    preset, name: see the module.
    """
    experiment, data = GROUPS[name]
    found = evidence.of("rodner2016", experiment, preset)
    if found.frame.empty:
        return None, BIRDS_NEEDED
    seen = {}
    for row in found.last(found.rows(data) if name in SMALL else None).itertuples():
        if name not in SMALL and bool(row.arguments.get("dropout")) != (name == "dropout"):
            continue
        network = row.arguments.get("name", row.model)
        own = {plain(observer): what for observer, what in row.observed.items()}
        seen.setdefault((network, row.seed), {}).update(own)
    scale = found.scale(data) if name in SMALL else found.preset
    return seen, scale


def plain(observer):
    """Return the name of an observer without its prefix for many images.

    observer: its full name.
    """
    return observer.removeprefix("many_")


def note(preset, name):
    """Return a line that describes the evidence of a group.

    preset, name: see the module.
    """
    experiment, data = GROUPS[name]
    seen, scale = group(preset, name)
    if seen is None:
        return f"not run here: {scale}"
    shown = next(iter(seen.values()))["noise_rgb"]
    source = evidence.of("rodner2016", experiment, preset)
    if name in SMALL:
        # Widths would mislead: one network's is a factor, another's a number of channels.
        line = replace(source, frame=source.frame.assign(width=np.nan)).note(data)
    else:
        known = networks(preset, name)
        seeds = f"{len(known)} networks, n = {len(seen) // len(known)} seeds of each"
        line = f"Preset {scale}: {seeds}. {source.frame.source.iloc[0]}."
    draws = f"{shown['draws']} draw" + "s" * (shown["draws"] > 1)
    return f"{line} {shown['n']:,} test images, {draws} for each at every level."


def title(preset, name):
    """Return what to call the images of a group: the name of what was used.

    preset, name: see the module.
    """
    experiment, data = GROUPS[name]
    return evidence.of("rodner2016", experiment, preset).title(data) if name in SMALL else data


def networks(preset, name):
    """Return the names of a group's networks, each once, [] where there are none.

    preset, name: see the module.
    """
    seen, _ = group(preset, name)
    return list(dict.fromkeys(network for network, _ in seen or ()))


def right(found, kind, level):
    """Return the share of each image's draws that a network classifies correctly, float64 (n,).

    found, kind, level: see the module.
    """
    seen = found[f"noise_{kind}"]
    if level == 0:
        return robustness.read_clean(seen).astype(float)
    return robustness.read_bits(seen, "right", f"{level:g}").mean(1)


def changed(found, kind, level):
    """Return the share of each image's draws that change its label, p_Delta, float64 (n,).

    found, kind, level: see the module.
    """
    return 1 - robustness.read_bits(found[f"noise_{kind}"], "kept", f"{level:g}").mean(1)


def each(preset, name, measure, *args):
    """Return ({network: measure of its seeds, (seeds, ..., n)}, scale), or (None, why).

    preset, name: see the module. measure: a function of found and args.
    """
    seen, scale = group(preset, name)
    if seen is None:
        return None, scale
    own = {}
    for (network, _), found in seen.items():
        own.setdefault(network, []).append(measure(found, *args))
    return {network: np.array(seeds) for network, seeds in own.items()}, scale


def over(preset, name, measure, *args, only=None):
    """Return the mean of a measure over a group's networks, image by image, and the scale.

    preset, name: see the module. measure: a function of found and args. only: a network's name,
    None for all. We first average each network over its seeds. Where nothing was run: (None, why).
    """
    own, scale = each(preset, name, measure, *args)
    if own is None:
        return None, scale
    means = [seeds.mean(0) for network, seeds in own.items() if only in (None, network)]
    return np.mean(means, axis=0), scale


def of_pictures(own, scale, names=()):
    """Return the `Measurement` of given networks, over n images.

    own: {what we average over, such as a network: values (seeds, n), or (seeds, k, n) for k
    comparisons or levels}; None where nothing was run. scale: of the evidence. names: of the k
    comparisons or levels. Each value is the mean over the seeds, and then over all of `own`.
    """
    if own is None:
        return claims.Measurement(None, scale)
    means = {key: seeds.mean(0).T for key, seeds in own.items()}
    return claims.Measurement(
        np.mean(list(means.values()), axis=0), scale, names=names, parts=_parts(means, names)
    )


def of_trainings(own, scale, names=()):
    """Return the `Measurement` of what a training does, over its seeds.

    own, scale, names: as for `of_pictures`. Each value is the mean over all of `own` and over
    images.
    """
    if own is None:
        return claims.Measurement(None, scale)
    pooled = np.moveaxis(np.mean(list(own.values()), axis=0), -1, 1)  # images after seeds
    parts = _parts({key: seeds.mean(-1) for key, seeds in own.items()}, names)
    return repeats.over_trainings(pooled, scale, names)._replace(parts=parts)


def _parts(means, names):
    """Return {title: values (n,)} of what is pooled, {} if it is one thing alone.

    means: {key: values (n,) or (n, k)}. names: of the k comparisons.
    """
    if len(means) == 1:
        return {}
    titled = {TITLES.get(key, key): values for key, values in means.items()}
    if not names:
        return titled
    return {
        f"{title}, {name}": column
        for title, values in titled.items()
        for name, column in zip(names, values.T, strict=True)
    }


def lost(found, kind, level):
    """Return how much accuracy a degradation costs each image, float64 (n,) from -1 to 1.

    found, kind, level: see the module.
    """
    return right(found, kind, 0) - right(found, kind, level)


def curve(preset, name, kind, what=right):
    """Return {network: shares (seeds, levels)} from the clean image on, and the levels.

    preset, name, kind: see the module. what: the function `right` or `changed`; the latter starts
    at 0. Shares are means over images and draws.
    """
    seen, _ = group(preset, name)
    levels = robustness.LEVELS[kind]
    values = {}
    for (network, _), found in (seen or {}).items():
        first = right(found, kind, 0).mean() if what is right else 0.0
        row = [first, *(what(found, kind, level).mean() for level in levels)]
        values.setdefault(network, []).append(row)
    return {network: np.array(rows) for network, rows in values.items()}, (0, *levels)


def needed(row):
    """Return what a row's printed figures need.

    row: id of the claim.
    """
    return f"needs {', '.join(claims.row(row)[1]['needs'])}"
