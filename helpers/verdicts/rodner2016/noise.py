"""Sections 2 and 5 of rodner2016: what degradations cost networks that never saw them.

Statements are judged picture by picture on the fine-tuned networks, each value the mean over
networks, unless they name others. Where one kind of noise is to be worse than several others, it
is compared with the one that comes nearest.
"""

from functools import partial

import numpy as np

from helpers import evidence, metrics, robustness
from helpers.verdicts.rodner2016 import records

GAUSSIAN = ("rgb", "intensity", "saturation", "hue", "local_hue")
LEVEL = 16  # at which kinds are compared: the level that the paper names for flowers
SMALL = 4  # of intensity noise (Section 5)
SEVERE = (("rgb", 32), ("intensity", 32), ("pepper", 0.08))
PLAIN, VGG, OTHER = "plain", "vgg", "resnet"  # in place of AlexNet, VGG19 and GoogLeNet
POINTS = 0.10  # that 4 % of pepper has to cost at least: the paper's smaller figure


def not_run(row):
    """Return the measure of a row's printed figures, which need what is not at hand."""
    return lambda _: (None, records.needed(row))


def falls(preset, kind, name="birds"):
    """Return the accuracy at every level, from the lowest on, float64 (networks, levels)."""
    _, scale = records.group(preset, name)
    values, _ = records.curve(preset, name, kind)
    if not values:
        return None, scale
    return np.concatenate(list(values.values()))[:, 1:], scale


def cost(preset, kind, level, name="birds", beyond=0.0, only=None):
    """Return what a degradation costs each picture, beyond so many points."""
    values, scale = records.over(preset, name, records.lost, kind, level, only=only)
    return (values - beyond if values is not None else None), scale


def more_changes(preset, kind, level, than="left_right", name="birds"):
    """Return how many more labels a degradation changes than flips do, picture by picture."""
    values, scale = records.over(preset, name, records.changed, kind, level)
    if values is None:
        return None, scale
    return values - records.over(preset, name, records.changed, than, 1)[0], scale


def nearest(preset, worse, milder, name="birds", level=LEVEL):
    """Return how much more the kinds `worse` cost than the kinds `milder`, of all pairs the least.

    One value a picture; the pair is the one with the least mean.
    """
    costs = {kind: cost(preset, kind, level, name) for kind in (*worse, *milder)}
    values, scale = next(iter(costs.values()))
    if values is None:
        return None, scale
    pairs = [costs[bad][0] - costs[mild][0] for bad in worse for mild in milder]
    return min(pairs, key=np.mean), scale


def weakest(preset, name="birds", level=LEVEL):
    """Return what the mildest kind of Gaussian noise costs, picture by picture."""
    costs = [cost(preset, kind, level, name) for kind in GAUSSIAN]
    if costs[0][0] is None:
        return costs[0]
    return min((values for values, _ in costs), key=np.mean), costs[0][1]


def halved(preset, name="birds"):
    """Return half of the clean accuracy minus that under intensity noise, picture by picture."""
    clean, scale = records.over(preset, name, records.right, "intensity", 0)
    if clean is None:
        return None, scale
    return clean / 2 - records.over(preset, name, records.right, "intensity", LEVEL)[0], scale


def vgg_loses_less(preset, than):
    """Return how much less the small VGG loses than another kind in severe noise, by picture.

    The mean over the degradations of SEVERE.
    """
    costs = {
        network: [cost(preset, *severe, "colour", only=network) for severe in SEVERE]
        for network in (VGG, than)
    }
    scale = costs[VGG][0][1]
    mean = {
        network: np.mean([values for values, _ in own], axis=0) for network, own in costs.items()
    }
    return mean[than] - mean[VGG], scale


def least_hurt(preset):
    """Return what small intensity noise costs the fine-tuned network that it hurts least."""
    seen, scale = records.group(preset, "birds")
    if seen is None:
        return None, scale
    networks = {network for network, _ in seen}
    costs = [cost(preset, "intensity", SMALL, only=network)[0] for network in sorted(networks)]
    return min(costs, key=np.mean), scale


def combined(preset, alone):
    """Return how much lower both kinds of noise together are than one alone, by picture."""
    return records.over(preset, "birds", lambda found: together(found, alone) - together(found))


def matched(preset):
    """Return {network: shares right (2, seeds, n)} of pictures with intensity noise of LEVEL.

    First of networks that were trained on clean images, over each picture's draws; then of those
    trained on images with such noise, which see one draw of it. With the scale, or (None, why).
    """
    data = "cifar10"
    found = evidence.of("rodner2016", "noisy", preset)
    clean, scale = records.group(preset, "colour")
    if scale != found.scale(data):
        return None, f"needs both trainings at one scale, not {scale} and {found.scale(data)}"
    pairs = {}
    for row in found.last(found.rows(data)).itertuples():
        before = records.right(clean[row.model, row.seed], "intensity", LEVEL)
        after = metrics.bits(row.observed["correct"], row.test)[: len(before)]
        pairs.setdefault(row.model, []).append((before, after))
    return {network: np.array(own, float).swapaxes(0, 1) for network, own in pairs.items()}, scale


def same_noise(preset):
    """Return how much better networks do on noisy pictures that were trained on such, (n,).

    Picture by picture, a mean over networks.
    """
    pairs, scale = matched(preset)
    if pairs is None:
        return None, scale
    return np.concatenate([after - before for before, after in pairs.values()]).mean(0), scale


def together(found, which="both"):
    """Return the share of each picture's draws named rightly under the noise of Section 5, (n,).

    which: both kinds of `robustness.COMBINED`, one after the other, or the name of one.
    """
    return robustness.read_bits(found["noise_combined"], "right", which).mean(1)


MEASURES = {
    "rod-fig1": {},
    "rod-tab1": {
        "printed": not_run("rod-tab1"),
        "rotation": partial(more_changes, kind="rotation", level=180),
        "upside-down": partial(more_changes, kind="upside_down", level=1),
    },
    "rod-fig2": {
        "printed": not_run("rod-fig2"),
        **{kind.replace("_", "-"): partial(falls, kind=kind)
           for kind in (*GAUSSIAN, "pepper", "translation")},
        "strong": weakest,
    },
    "rod-flip": {
        "printed": not_run("rod-flip"),
        "left-right": partial(cost, kind="left_right", level=1),
        "translation": partial(cost, kind="translation", level=16),
        "rotation": partial(cost, kind="rotation", level=180),
        "upside-down": partial(cost, kind="upside_down", level=1),
    },
    "rod-pepper4": {
        "printed": not_run("rod-pepper4"),
        "ten": partial(cost, kind="pepper", level=0.04, beyond=POINTS),
    },
    "rod-order": {
        "printed": not_run("rod-order"),
        "intensity": partial(nearest, worse=["intensity"],
                             milder=[kind for kind in GAUSSIAN if kind != "intensity"]),
        "saturation": partial(nearest, milder=["saturation"],
                              worse=[kind for kind in GAUSSIAN if kind != "saturation"]),
    },
    "rod-vgg-robust": {
        "printed": not_run("rod-vgg-robust"),
        "plain": partial(vgg_loses_less, than=PLAIN),
        "other": partial(vgg_loses_less, than=OTHER),
        "small": least_hurt,
    },
    "rod-fig3": {
        "printed": not_run("rod-fig3"),
        "intensity": partial(nearest, name="colour", worse=["intensity"],
                             milder=[kind for kind in GAUSSIAN if kind != "intensity"]),
        "two-and-two": partial(nearest, name="colour", worse=["rgb", "local_hue"],
                               milder=["hue", "saturation"]),
        "garments": partial(nearest, name="garments", worse=["intensity"], milder=["rgb"]),
    },
    "rod-436": {"printed": not_run("rod-436"), "half": halved},
    "rod-combo": {
        "printed": not_run("rod-combo"),
        "intensity": partial(combined, alone="intensity"),
        "pepper": partial(combined, alone="pepper"),
    },
}  # fmt: skip
