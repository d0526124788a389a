"""Networks that others trained, on images embedded at many sizes (azulay2019, Figure 6).

Everywhere in here, preset is as in `helpers.verdicts`, and kind is shift or scale.
"""

import numpy as np

from helpers import claims, evidence, invariance

KINDS = {"shift": "sizes_black", "scale": "sizes_scale"}
MODERN = ("resnet50", "inception_resnet_v2")
PRINTED = {"near 220 px": (220, ("vgg16", *MODERN)), "near 100 px": (100, MODERN)}


def by_picture(preset, kind, what="changed"):
    """Return {network: measure of every image at every size}, the sizes in px, and the scale.

    preset, kind: see the module. what: changed, 1 where the prediction changes; or mac, the
    absolute change. A measure is float64 (images, sizes).
    """
    table, sizes, scale = _seen(preset, kind)
    found, index = {}, {"changed": 0, "mac": 2}[what]
    for network, own in table.items():
        measured = [invariance.unpack(own[size])[index] for size in sizes]
        found[network] = np.array(measured, float).T
    return found, sizes, scale


def by_network(preset, kind, what="changed"):
    """Return {network: measure (sizes,)}, the sizes in px, and the scale.

    preset, kind: see the module. what: as for `by_picture`, of which this is the mean over images;
    or accuracy of the first frames, nan for images without labels.
    """
    if what == "accuracy":
        table, sizes, scale = _seen(preset, kind)
        found = {name: [own[size]["accuracy"] for size in sizes] for name, own in table.items()}
        return {name: np.array(own, float) for name, own in found.items()}, sizes, scale
    found, sizes, scale = by_picture(preset, kind, what)
    return {name: own.mean(axis=0) for name, own in found.items()}, sizes, scale


def _seen(preset, kind):
    """Return {network: {size in px: packed `shift.Change`}}, the sizes, and the scale."""
    found, table = evidence.of("azulay2019", "embedded_sizes", preset), {}
    for row in found.frame.itertuples():
        if own := _of_sizes(row.observed, kind):
            table[row.arguments["name"]] = {int(size): packed for size, packed in own.items()}
    sizes = sorted(next(iter(table.values())))
    return table, sizes, found.preset


def _of_sizes(observed, kind):
    """Return {size: packed `shift.Change`} of drawn images, or else of the first; or None."""
    return observed.get(f"drawn_{KINDS[kind]}", observed.get(KINDS[kind]))


def note(preset):
    """Return a line that describes the evidence at a preset."""
    found = evidence.of("azulay2019", "embedded_sizes", preset)
    seen = next(seen for seen in found.frame.observed if _of_sizes(seen, "shift"))
    pairs = next(iter(_of_sizes(seen, "shift").values()))["n"]
    which = "images drawn at random" if "drawn_sizes_black" in seen else "the first images"
    source = found.frame.source.iloc[0]
    return f"Preset {found.preset}: {pairs} pairs for each size, of {which}. {source}."


def falls(preset, kind):
    """Return how many networks change their prediction on an image, as a share, (images, sizes).

    preset, kind: see the module. Sizes ascend. The parts are the networks: the change at the
    smallest size minus that at the largest.
    """
    found, sizes, scale = by_picture(preset, kind)
    names = tuple(f"{size} px" for size in sizes)
    parts = {name: own[:, 0] - own[:, -1] for name, own in found.items()}
    return claims.Measurement(np.mean([*found.values()], axis=0), scale, None, names, parts)


def printed(preset):
    """Return {printed name: how many of the paper's networks change, as a share, (images,)}.

    preset: see the module. As in the text, this is after a shift or a change of size, near 220 px
    for all three networks and near 100 px for the two modern ones. Without them, None and what is
    needed.
    """
    both = [by_picture(preset, kind) for kind in KINDS]
    _, sizes, scale = both[0]
    if scale != "paper":
        return None, "needs " + ", ".join(claims.row("aw-fig6")[1]["needs"])
    return {
        name: np.mean([own[network][:, sizes.index(size)] for own, *_ in both for network in of], 0)
        for name, (size, of) in PRINTED.items()
    }, scale


MEASURES = {
    "aw-fig6": {
        "shift": lambda preset: falls(preset, "shift"),
        "scale": lambda preset: falls(preset, "scale"),
        "shares": printed,
    }
}
