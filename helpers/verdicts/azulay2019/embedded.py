"""Figure 6 of azulay2019: networks that others trained, and pictures embedded at many sizes."""

import numpy as np

from helpers import claims, evidence, invariance

KINDS = {"shift": "sizes_black", "scale": "sizes_scale"}
PRINTED = {"near 220 px": 220, "near 100 px": 100}


def by_network(preset, kind, what="changed"):
    """Return {network: measure (sizes,)}, the sizes in px, and the scale.

    kind: shift or scale. what: changed, the share of changed predictions; mac; or accuracy of the
    first frames, nan where no labels are known.
    """
    found = evidence.of("azulay2019", "embedded_sizes", preset)
    values, sizes = {}, []
    for row in found.frame.itertuples():
        if KINDS[kind] in row.observed:
            packed = row.observed[KINDS[kind]]
            sizes = sorted(map(int, packed))
            means = [_mean(packed[str(size)], what) for size in sizes]
            values[row.arguments["name"]] = np.array(means, float)
    return values, sizes, found.preset


def _mean(packed, what):
    if what == "accuracy":
        return packed["accuracy"]
    return invariance.unpack(packed)[{"changed": 0, "mac": 2}[what]].mean()


def note(preset):
    """Return a line that says what the evidence is."""
    found = evidence.of("azulay2019", "embedded_sizes", preset)
    seen = next(seen for seen in found.frame.observed if "sizes_black" in seen)
    pairs = next(iter(seen["sizes_black"].values()))["n"]
    return f"Preset {found.preset}: {pairs} pairs a size. {found.frame.source.iloc[0]}."


def falls(preset, kind):
    """Return the share of changed predictions from the smallest size on, (networks, sizes)."""
    values, _, scale = by_network(preset, kind)
    return np.array(list(values.values())), scale


def printed(preset):
    """Return {printed name: shares (networks,)} of a shift, of the paper's networks only."""
    values, sizes, scale = by_network(preset, "shift")
    if scale != "paper":
        return None, "needs " + ", ".join(claims.row("aw-fig6")[1]["needs"])
    modern = [own for name, own in values.items() if not name.startswith("vgg")]
    return {
        name: np.array([own[sizes.index(size)] for own in modern]) for name, size in PRINTED.items()
    }, scale


MEASURES = {
    "aw-fig6": {
        "shift": lambda preset: falls(preset, "shift"),
        "scale": lambda preset: falls(preset, "scale"),
        "shares": printed,
    }
}
