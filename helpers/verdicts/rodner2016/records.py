"""What networks of rodner2016 did with degraded pictures, read from their records.

All networks of a group were shown the same pictures with the same noise, so that every comparison
is made picture by picture: each value is a mean over a picture's draws and over the networks.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from helpers import claims, evidence, robustness

GROUPS = {  # an experiment, and the data that it is on
    "birds": ("curves", "birds"),
    "dropout": ("dropped", "birds"),
    "colour": ("small", "cifar10"),
    "garments": ("small", "fashion_mnist"),
}
SMALL = ("colour", "garments")  # groups of networks that were trained here from the start


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
        network = row.arguments.get("name", row.model)
        seen.setdefault((network, row.seed), {}).update(row.observed)
    scale = found.scale(data) if name in SMALL else found.preset
    return seen, scale


def note(preset, name):
    """Return a line that says what the evidence of a group is."""
    experiment, data = GROUPS[name]
    seen, scale = group(preset, name)
    if seen is None:
        return f"not run here: {scale}"
    shown = next(iter(next(iter(seen.values())).values()))
    source = evidence.of("rodner2016", experiment, preset)
    if name in SMALL:
        # of no use here: a network's width is a factor, another's a number of channels
        line = replace(source, frame=source.frame.assign(width=np.nan)).note(data)
    else:
        known = networks(preset, name)
        seeds = f"{len(known)} networks, n = {len(seen) // len(known)} seeds of each"
        line = f"Preset {scale}: {seeds}. {source.frame.source.iloc[0]}."
    return f"{line} {shown['n']} test pictures, {shown['draws']} draws of each at every level."


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


def over(preset, name, measure, *args, only=None):
    """Return the mean over a group's networks of measure(found, *args), picture by picture.

    only: a network's name. With the scale, or (None, why).
    """
    seen, scale = group(preset, name)
    if seen is None:
        return None, scale
    own = [measure(found, *args) for (network, _), found in seen.items() if only in (None, network)]
    return np.mean(own, axis=0), scale


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
