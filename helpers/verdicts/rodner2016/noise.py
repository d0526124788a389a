"""Sections 2 and 5 of rodner2016: what degradations cost networks that never saw them.

Statements about given networks, the fine-tuned ones, are judged over pictures, each value the mean
over the networks. Statements about kinds of networks, the small ones, are judged over trainings.
"""

from functools import partial
from itertools import product

import numpy as np

from helpers import degrade, evidence, metrics, robustness
from helpers.verdicts.rodner2016 import records

GAUSSIAN = ("rgb", "intensity", "saturation", "hue", "local_hue")
WORDS = {
    "rgb": "RGB",
    "intensity": "intensity",
    "saturation": "saturation",
    "hue": "global hue",
    "local_hue": "hue of single pixels",
    "pepper": "pepper",
}
LEVEL = 16  # at which kinds are compared: the level that the paper names for flowers
SMALL = 4  # of intensity noise (Section 5)
DRAMATIC = 0.05  # accuracy that it has to cost at least to be called dramatic: a mild reading
FAIRLY_HIGH = {"rotation": 0.23, "upside_down": 0.28}  # half of what Table 1 likely prints
SEVERE = (("rgb", 32), ("intensity", 32), ("pepper", 0.08))
PLAIN, VGG, OTHER = "plain", "vgg", "resnet"  # in place of AlexNet, VGG19 and GoogLeNet
POINTS = (0.10, 0.20)  # that 4 % of pepper costs: the paper's smaller and larger figure
BESIDE = {"intensity": 0.06, "pepper": 0.015}  # half of what Section 5 prints for both together


def not_run(row):
    """Return the measure of a row's printed figures, which need what is not at hand."""
    return lambda _: (None, records.needed(row))


def falls(preset, kind, name="birds"):
    """Measure the accuracy at every level, from the lowest on, without the clean picture.

    The parts are the lowest level minus the highest.
    """
    own, scale = records.each(preset, name, _at_levels, kind)
    if own is None:
        return records.of_pictures(None, scale)
    names = tuple(at(kind, level) for level in robustness.LEVELS[kind])
    ends = {network: seeds[:, 0] - seeds[:, -1] for network, seeds in own.items()}
    parts = records.of_pictures(ends, scale).parts
    return records.of_pictures(own, scale, names)._replace(parts=parts)


def _at_levels(found, kind):
    """Return the shares named rightly at every level, float64 (levels, n)."""
    return np.array([records.right(found, kind, level) for level in robustness.LEVELS[kind]])


def at(kind, level):
    """Return a level in words, such as "σ = 16"."""
    unit = degrade.KINDS[kind].unit
    return f"{level:g} px" if unit == "px" else f"{unit} = {level:g}"


def cost(preset, kind, level, name="birds", beyond=0.0, sign=1):
    """Measure what a degradation costs each picture, beyond so many points.

    sign: -1 for by how much it costs less than that.
    """

    def own(found):
        return sign * (records.lost(found, kind, level) - beyond)

    return records.of_pictures(*records.each(preset, name, own))


def moved(preset, name="birds"):
    """Measure what moves as large as the paper's 16 px of 224 cost: `robustness.SCALED` px of 160.

    Older records lack that level; the mean of 8 and 16 px, whose middle it is, then stands for it.
    """

    def own(found):
        levels = found["noise_translation"]["levels"]
        near = [robustness.SCALED] if str(robustness.SCALED) in levels else [8, 16]
        return np.mean([records.lost(found, "translation", level) for level in near], axis=0)

    return records.of_pictures(*records.each(preset, name, own))


def changes(preset, kind, level, name="birds"):
    """Measure how many labels a degradation changes beyond `FAIRLY_HIGH`, picture by picture."""

    def own(found):
        return records.changed(found, kind, level) - FAIRLY_HIGH[kind]

    return records.of_pictures(*records.each(preset, name, own))


def costs_more(preset, worse, milder, name="birds", level=LEVEL):
    """Measure how much more each of the kinds `worse` costs than each of the kinds `milder`.

    One comparison a pair. Over trainings for the small networks, over pictures for the others.
    """
    pairs = tuple(product(worse, milder))

    def more(found):
        costs = {kind: records.lost(found, kind, level) for kind in (*worse, *milder)}
        return [costs[bad] - costs[mild] for bad, mild in pairs]

    names = tuple(f"{WORDS[bad]} beside {WORDS[mild]}" for bad, mild in pairs)
    measure = records.of_trainings if name in records.SMALL else records.of_pictures
    return measure(*records.each(preset, name, more), names)


def each_costs(preset, name="birds", level=LEVEL):
    """Measure what every kind of Gaussian noise costs, picture by picture."""

    def costs(found):
        return [records.lost(found, kind, level) for kind in GAUSSIAN]

    names = tuple(WORDS[kind] for kind in GAUSSIAN)
    return records.of_pictures(*records.each(preset, name, costs), names)


def halved(preset, name="birds"):
    """Measure half of the clean accuracy minus that under intensity noise, picture by picture."""

    def left(found):
        clean, noisy = (records.right(found, "intensity", level) for level in (0, LEVEL))
        return clean / 2 - noisy

    return records.of_pictures(*records.each(preset, name, left))


def vgg_loses_less(preset, *than):
    """Measure how much less the small VGG loses than other kinds in severe noise, by training.

    Each value is the mean over the degradations of `SEVERE`; one comparison a kind.
    """
    own = {}
    for kind, level in SEVERE:
        lost, scale = records.each(preset, "colour", records.lost, kind, level)
        more = np.stack([lost[other] - lost[VGG] for other in than], axis=1)  # (seeds, kinds, n)
        own[f"{WORDS[kind]}, {at(kind, level)}"] = more if len(than) > 1 else more[:, 0]
    names = tuple(records.TITLES[other] for other in than) if len(than) > 1 else ()
    return records.of_trainings(own, scale, names)


def all_hurt(preset):
    """Measure what small intensity noise costs each fine-tuned network beyond `DRAMATIC`.

    Picture by picture, one comparison a network.
    """
    own, scale = records.each(preset, "birds", records.lost, "intensity", SMALL)
    if own is None:
        return records.of_pictures(None, scale)
    every = np.stack([seeds.mean(0) for seeds in own.values()])[None] - DRAMATIC
    names = tuple(records.TITLES.get(network, network) for network in own)
    return records.of_pictures({"each": every}, scale, names)


def combined(preset, alone):
    """Measure how much lower both kinds of noise together are than one alone, beyond `BESIDE`."""

    def lower(found):
        return together(found, alone) - together(found) - BESIDE[alone]

    return records.of_pictures(*records.each(preset, "birds", lower))


def matched(preset):
    """Return {network: shares right (2, seeds, n)} of pictures with intensity noise of LEVEL.

    First of networks that were trained on clean images, over each picture's draws; then of those
    trained on images with such noise, which see one draw of it. Seeds are those that both have.
    With the scale, or (None, why).
    """
    data = "cifar10"
    found = evidence.of("rodner2016", "noisy", preset)
    clean, scale = records.group(preset, "colour")
    if scale != found.scale(data):
        return None, f"needs both trainings at one scale, not {scale} and {found.scale(data)}"
    pairs = {}
    for row in found.last(found.rows(data)).itertuples():
        if (row.model, row.seed) not in clean:
            continue
        before = records.right(clean[row.model, row.seed], "intensity", LEVEL)
        after = metrics.bits(row.observed["correct"], row.test)[: len(before)]
        pairs.setdefault(row.model, []).append((before, after))
    return {network: np.array(own, float).swapaxes(0, 1) for network, own in pairs.items()}, scale


def same_noise(preset):
    """Measure how much better networks do on noisy pictures that were trained on such.

    By training: each value is the mean over the kinds of networks of one seed.
    """
    pairs, scale = matched(preset)
    if pairs is None:
        return records.of_trainings(None, scale)
    own = {network: after - before for network, (before, after) in pairs.items()}
    return records.of_trainings(own, scale)


def together(found, which="both"):
    """Return the share of each picture's draws named rightly under the noise of Section 5, (n,).

    which: both kinds of `robustness.COMBINED`, one after the other, or the name of one.
    """
    return robustness.read_bits(found["noise_combined"], "right", which).mean(1)


MEASURES = {
    "rod-fig1": {},
    "rod-tab1": {
        "printed": not_run("rod-tab1"),
        "rotation": partial(changes, kind="rotation", level=180),
        "upside-down": partial(changes, kind="upside_down", level=1),
    },
    "rod-fig2": {
        "printed": not_run("rod-fig2"),
        **{kind.replace("_", "-"): partial(falls, kind=kind)
           for kind in (*GAUSSIAN, "pepper", "translation")},
        "strong": each_costs,
    },
    "rod-flip": {
        "printed": not_run("rod-flip"),
        "left-right": partial(cost, kind="left_right", level=1),
        "translation": moved,
        "rotation": partial(cost, kind="rotation", level=180),
        "upside-down": partial(cost, kind="upside_down", level=1),
    },
    "rod-pepper4": {
        "printed": not_run("rod-pepper4"),
        "ten": partial(cost, kind="pepper", level=0.04, beyond=POINTS[0]),
        "twenty": partial(cost, kind="pepper", level=0.04, beyond=POINTS[1], sign=-1),
    },
    "rod-order": {
        "printed": not_run("rod-order"),
        "intensity": partial(costs_more, worse=["intensity"],
                             milder=[kind for kind in GAUSSIAN if kind != "intensity"]),
        "saturation": partial(costs_more, milder=["saturation"],
                              worse=[kind for kind in GAUSSIAN if kind != "saturation"]),
    },
    "rod-vgg-robust": {
        "printed": not_run("rod-vgg-robust"),
        "plain": lambda preset: vgg_loses_less(preset, PLAIN),
        "other": lambda preset: vgg_loses_less(preset, OTHER),
        "small": all_hurt,
    },
    "rod-fig3": {
        "printed": not_run("rod-fig3"),
        "intensity": partial(costs_more, name="colour", worse=["intensity"],
                             milder=[kind for kind in GAUSSIAN if kind != "intensity"]),
        "two-and-two": partial(costs_more, name="colour", worse=["rgb", "local_hue"],
                               milder=["hue", "saturation"]),
        "garments": partial(costs_more, name="garments", worse=["intensity"], milder=["rgb"]),
    },
    "rod-436": {"printed": not_run("rod-436"), "half": halved},
    "rod-combo": {
        "printed": not_run("rod-combo"),
        "intensity": partial(combined, alone="intensity"),
        "pepper": partial(combined, alone="pepper"),
    },
}  # fmt: skip
