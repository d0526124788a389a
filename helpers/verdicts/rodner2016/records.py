"""What networks of rodner2016 did with degraded pictures, read from their records.

All networks of a group were shown the same pictures with the same noise, so that every comparison
is made picture by picture, each value a mean over a picture's draws. What given networks do is
judged over pictures (`of_pictures`), what a training does over trainings (`of_trainings`).
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

    name: in `GROUPS`.
    """
    experiment, data = GROUPS[name]
    found = evidence.of("rodner2016", experiment, preset)
    if found.frame.empty:
        return None, "needs the birds (study)"
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
    """Return the name of an observer, whether it was shown few pictures or many."""
    return observer.removeprefix("many_")


def note(preset, name):
    """Return a line that says what the evidence of a group is."""
    experiment, data = GROUPS[name]
    seen, scale = group(preset, name)
    if seen is None:
        return f"not run here: {scale}"
    shown = next(iter(seen.values()))["noise_rgb"]
    source = evidence.of("rodner2016", experiment, preset)
    if name in SMALL:
        # of no use here: a network's width is a factor, another's a number of channels
        line = replace(source, frame=source.frame.assign(width=np.nan)).note(data)
    else:
        known = networks(preset, name)
        seeds = f"{len(known)} networks, n = {len(seen) // len(known)} seeds of each"
        line = f"Preset {scale}: {seeds}. {source.frame.source.iloc[0]}."
    draws = f"{shown['draws']} draw" + "s" * (shown["draws"] > 1)
    return f"{line} {shown['n']:,} test pictures, {draws} of each at every level."


def title(preset, name):
    """Return what to call the pictures of a group: the name of what was used."""
    experiment, data = GROUPS[name]
    return evidence.of("rodner2016", experiment, preset).title(data) if name in SMALL else data


def networks(preset, name):
    """Return the names of a group's networks, each once, [] where there are none."""
    seen, _ = group(preset, name)
    return list(dict.fromkeys(network for network, _ in seen or ()))


def right(found, kind, level):
    """Return the share of each picture's draws that a network names rightly, float64 (n,).

    found: {observer: what it saw}. level: 0 for the clean picture.
    """
    seen = found[f"noise_{kind}"]
    if level == 0:
        return robustness.read_clean(seen).astype(float)
    return robustness.read_bits(seen, "right", f"{level:g}").mean(1)


def changed(found, kind, level):
    """Return the share of each picture's draws that change its label, p_Delta, float64 (n,)."""
    return 1 - robustness.read_bits(found[f"noise_{kind}"], "kept", f"{level:g}").mean(1)


def each(preset, name, measure, *args):
    """Return {network: what measure(found, *args) gives, its seeds stacked, (seeds, ..., n)}.

    With the scale, or (None, why).
    """
    seen, scale = group(preset, name)
    if seen is None:
        return None, scale
    own = {}
    for (network, _), found in seen.items():
        own.setdefault(network, []).append(measure(found, *args))
    return {network: np.array(seeds) for network, seeds in own.items()}, scale


def over(preset, name, measure, *args, only=None):
    """Return the mean over a group's networks of measure(found, *args), picture by picture.

    Each network is first averaged over its seeds. only: a network's name. With the scale, or
    (None, why).
    """
    own, scale = each(preset, name, measure, *args)
    if own is None:
        return None, scale
    means = [seeds.mean(0) for network, seeds in own.items() if only in (None, network)]
    return np.mean(means, axis=0), scale


def of_pictures(own, scale, names=()):
    """Return the `Measurement` of given networks, over n pictures.

    own: {what is averaged, such as a network: values (seeds, n), or (seeds, k, n) for k comparisons
    or levels with these names}; None where nothing was run. Each value is the mean over the seeds,
    and then over all of `own`.
    """
    if own is None:
        return claims.Measurement(None, scale)
    means = {key: seeds.mean(0).T for key, seeds in own.items()}
    return claims.Measurement(
        np.mean(list(means.values()), axis=0), scale, names=names, parts=_parts(means, names)
    )


def of_trainings(own, scale, names=()):
    """Return the `Measurement` of what a training does, over its seeds.

    own: as for `of_pictures`. Each value is the mean over all of `own` and over the pictures.
    """
    if own is None:
        return claims.Measurement(None, scale)
    pooled = np.moveaxis(np.mean(list(own.values()), axis=0), -1, 1)  # pictures after seeds
    parts = _parts({key: seeds.mean(-1) for key, seeds in own.items()}, names)
    return repeats.over_trainings(pooled, scale, names)._replace(parts=parts)


def _parts(means, names):
    """Return {title: values (n,)} of what is pooled, {} of one thing alone.

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
    """Return how much accuracy a degradation costs each picture, float64 (n,) from -1 to 1."""
    return right(found, kind, 0) - right(found, kind, level)


def curve(preset, name, kind, what=right):
    """Return {network: shares (seeds, levels)} of a kind from the clean picture on, and the levels.

    Shares are means over pictures and draws. what: right or changed, which starts at 0.
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
    """Return what a row's printed figures need."""
    return f"needs {', '.join(claims.row(row)[1]['needs'])}"
