"""What degradations cost networks that never saw them in training (rodner2016, Sections 2 and 5).

We judge statements about given networks, the fine-tuned ones, over images, where each value is the
mean over the networks. We judge statements about kinds of networks, the small ones, over trainings.

Everywhere in here, preset is as in `helpers.verdicts`; name is a key of `records.GROUPS`; kind is a
degradation and level one of its levels.
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
LEVEL = 16  # where we compare kinds: the level that the paper names for flowers
SMALL = 4  # of intensity noise (Section 5)
DRAMATIC = 0.05  # the least cost in accuracy that we call dramatic: a mild reading
FAIRLY_HIGH = {"rotation": 0.23, "upside_down": 0.28}  # half of what Table 1 likely prints
SEVERE = (("rgb", 32), ("intensity", 32), ("pepper", 0.08))
PLAIN, VGG, OTHER = "plain", "vgg", "resnet"  # instead of AlexNet, VGG19 and GoogLeNet
POINTS = (0.10, 0.20)  # cost of 4 % of pepper: the paper's smaller and larger figure
BESIDE = {"intensity": 0.06, "pepper": 0.015}  # half of what Section 5 prints for both together


def not_run(row):
    """Return the measure of a row's printed figures, which need what we do not have.

    row: id of the claim.
    """
    return lambda _: (None, records.needed(row))


def falls(preset, kind, name="birds"):
    """Measure the accuracy at every level, in ascending order, without the clean image.

    preset, kind, name: see the module. The parts are the lowest level minus the highest.
    """
    own, scale = records.each(preset, name, _at_levels, kind)
    if own is None:
        return records.of_pictures(None, scale)
    names = tuple(at(kind, level) for level in robustness.LEVELS[kind])
    ends = {network: seeds[:, 0] - seeds[:, -1] for network, seeds in own.items()}
    parts = records.of_pictures(ends, scale).parts
    return records.of_pictures(own, scale, names)._replace(parts=parts)


def _at_levels(found, kind):
    """Return the shares classified correctly at every level, float64 (levels, n)."""
    return np.array([records.right(found, kind, level) for level in robustness.LEVELS[kind]])


def at(kind, level):
    """Return a level in words, such as "σ = 16".

    kind, level: see the module.
    """
    unit = degrade.KINDS[kind].unit
    return f"{level:g} px" if unit == "px" else f"{unit} = {level:g}"


def cost(preset, kind, level, name="birds", beyond=0.0, sign=1):
    """Measure what a degradation costs each image beyond some share, over images (n,).

    preset, kind, level, name: see the module. beyond: the share. sign: -1 for by how much it costs
    less than that.
    """

    def own(found):
        return sign * (records.lost(found, kind, level) - beyond)

    return records.of_pictures(*records.each(preset, name, own))


def moved(preset, name="birds"):
    """Measure the cost of moves as large as the paper's 16 px of 224, on images of 160 px.

    preset, name: see the module. The level is `robustness.SCALED`. In older records it is missing;
    we then take the mean of 8 and 16 px, whose middle it is.
    """

    def own(found):
        levels = found["noise_translation"]["levels"]
        near = [robustness.SCALED] if str(robustness.SCALED) in levels else [8, 16]
        return np.mean([records.lost(found, "translation", level) for level in near], axis=0)

    return records.of_pictures(*records.each(preset, name, own))


def changes(preset, kind, level, name="birds"):
    """Measure how many labels a degradation changes beyond `FAIRLY_HIGH`, image by image.

    preset, kind, level, name: see the module.
    """

    def own(found):
        return records.changed(found, kind, level) - FAIRLY_HIGH[kind]

    return records.of_pictures(*records.each(preset, name, own))


def costs_more(preset, worse, milder, name="birds", level=LEVEL):
    """Measure how much more each of the kinds `worse` costs than each of the kinds `milder`.

    preset, name, level: see the module. There is one comparison for each pair: over trainings for
    the small networks, over images for the others.
    """
    pairs = tuple(product(worse, milder))

    def more(found):
        costs = {kind: records.lost(found, kind, level) for kind in (*worse, *milder)}
        return [costs[bad] - costs[mild] for bad, mild in pairs]

    names = tuple(f"{WORDS[bad]} minus {WORDS[mild]}" for bad, mild in pairs)
    measure = records.of_trainings if name in records.SMALL else records.of_pictures
    return measure(*records.each(preset, name, more), names)


def each_costs(preset, name="birds", level=LEVEL):
    """Measure what every kind of Gaussian noise costs, image by image.

    preset, name, level: see the module.
    """

    def costs(found):
        return [records.lost(found, kind, level) for kind in GAUSSIAN]

    names = tuple(WORDS[kind] for kind in GAUSSIAN)
    return records.of_pictures(*records.each(preset, name, costs), names)


def halved(preset, name="birds"):
    """Measure half of the clean accuracy minus that under intensity noise, image by image.

    preset, name: see the module.
    """

    def left(found):
        clean, noisy = (records.right(found, "intensity", level) for level in (0, LEVEL))
        return clean / 2 - noisy

    return records.of_pictures(*records.each(preset, name, left))


def vgg_loses_less(preset, *than):
    """Measure how much less the small VGG loses than other kinds in severe noise, by training.

    preset: see the module. than: the other kinds, one comparison each. Values are means over the
    degradations in `SEVERE`.
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

    preset: see the module. It is image by image, with one comparison for each network.
    """
    own, scale = records.each(preset, "birds", records.lost, "intensity", SMALL)
    if own is None:
        return records.of_pictures(None, scale)
    every = np.stack([seeds.mean(0) for seeds in own.values()])[None] - DRAMATIC
    names = tuple(records.TITLES.get(network, network) for network in own)
    return records.of_pictures({"each": every}, scale, names)


def combined(preset, alone):
    """Measure how far both kinds of noise together are below one alone, beyond `BESIDE`.

    preset: see the module. alone: intensity or pepper.
    """

    def lower(found):
        return together(found, alone) - together(found) - BESIDE[alone]

    return records.of_pictures(*records.each(preset, "birds", lower))


def matched(preset):
    """Return {network: shares right (2, seeds, n)} under intensity noise of LEVEL, and the scale.

    preset: see the module. First come networks trained on clean images, over each image's draws;
    then those trained on images with such noise, which see one draw of it. Seeds are those that
    both have. Where the two differ in scale: (None, why).
    """
    data = "cifar10"
    found = evidence.of("rodner2016", "noisy", preset)
    clean, scale = records.group(preset, "colour")
    if scale != found.scale(data):
        return None, f"needs both trainings at the same scale, not {scale} and {found.scale(data)}"
    pairs = {}
    for row in found.last(found.rows(data)).itertuples():
        if (row.model, row.seed) not in clean:
            continue
        before = records.right(clean[row.model, row.seed], "intensity", LEVEL)
        after = metrics.bits(row.observed["correct"], row.test)[: len(before)]
        pairs.setdefault(row.model, []).append((before, after))
    return {network: np.array(own, float).swapaxes(0, 1) for network, own in pairs.items()}, scale


def same_noise(preset):
    """Measure how much training on noisy images helps on noisy images, by training.

    preset: see the module. Each value is the mean over the kinds of networks of one seed.
    """
    pairs, scale = matched(preset)
    if pairs is None:
        return records.of_trainings(None, scale)
    own = {network: after - before for network, (before, after) in pairs.items()}
    return records.of_trainings(own, scale)


def together(found, which="both"):
    """Return the share of each image's draws classified correctly under Section 5's noise, (n,).

    found: {observer: what it saw}. which: both kinds of `robustness.COMBINED`, one after the other,
    or the name of one.
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
