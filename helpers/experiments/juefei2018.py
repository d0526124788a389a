"""Perturbative Neural Networks (juefei2018): every training behind its claims.

What the paper and its code leave open is decided here, once; `book/papers/juefei2018.md` gives the
reasons.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import sqrt

from helpers import models
from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run

LEVELS = (0.0, 0.01, 0.1, 0.5, 1.0, 5.0)  # Table 3's, and 0, the control that nobody published
LEVEL = 0.1  # in the authors' code
HIGH = 1.0  # from here on a level is no longer "low"
# The recipes of the authors' corrected code and of the critic: optimiser, learning rate, and the
# shares of the epochs after which the rate is multiplied by 0.2. With a rate meant for hundreds of
# epochs, a network learns hardly anything in a few. So we chose the other rates by the lowest
# *training* loss of the network without noise after equally little training: `short` after two
# epochs of 157 steps (from Adam 1e-4, 3e-4, 1e-3, 3e-3; Nesterov 1e-3, 1e-2, 3e-2, 1e-1), `long`
# after 300 steps of 128 images (from Adam 1e-3, 3e-3, 1e-2, 3e-2; Nesterov 3e-2, 1e-1, 3e-1).
RECIPES = {
    "adam": {"paper": 1e-4, "short": 3e-3, "long": 1e-2,
             "after": (150 / 450, 250 / 450, 300 / 450, 350 / 450, 400 / 450)},
    "nesterov": {"paper": 1e-3, "short": 3e-2, "long": 1e-1,
                 "after": (60 / 150, 90 / 150, 120 / 150)},
}  # fmt: skip
CRITIC_LEVEL = 0.5
PAPER = {"lr": 1e-3, "drops": {"shares": (60 / 120, 90 / 120), "factor": 0.1}}  # Section 5.3
MASKS = (160, 128, 96, 64, 32, 16, 8)  # Table 5
# Parameters in Table 4: PNN-ResNet-50 of 64 masks over He et al.'s ResNet-110 (`counts.resnet110`).
RATIO = 13_468_746 / 1_727_962
CLASS_IMAGES = 52  # per person in Figure S1, on average
SPLITS = (0.2, 0.4, 0.6)  # share of these images that trains
SMALL_TEST = 1_000  # images; the rest of 520 would be too few to tell much
FULL = ("long", "paper")  # presets whose records keep the right answers, image by image
OLDER = ("quick", "study")  # presets whose runs predate the control with random filters
PARTS = ("decisive", "low", "high", "learnt", "plain", "convolution", "random")


@dataclass(frozen=True)
class Scale:
    """Size of this paper's experiments at a preset.

    depth: layers of the networks of Tables 3 and 6; the paper's 50 layers do not learn in a few
    epochs. train, test: images, None for whole splits. width: channels of the networks whose noise
    we vary. table4: layers, width and first layer of Table 4's perturbative network on CIFAR-10.
    batch, epochs: of the decisive experiment, and of Table 4 where the first layer is the same;
    long: epochs of Tables 3 to 6; small: of the networks behind the metric; few: of Figure S1.
    seeds: of the decisive experiment and Figure S1; trials: seeds of the others. levels: of noise.
    masks, batches: numbers of masks in Table 5, batch sizes in Table 6.
    """

    depth: int
    train: int | None
    test: int | None
    width: int
    table4: tuple
    batch: int
    epochs: int
    long: int
    small: int
    few: int
    seeds: int
    trials: int
    levels: tuple
    masks: tuple
    batches: tuple


SCALES = {
    "smoke": Scale(
        18, 128, 100, width=4, table4=(18, 4, "conv7"), batch=32, epochs=2, long=2, small=2, few=2,
        seeds=2, trials=2, levels=(0.0, 0.1, 0.5, 5.0), masks=(8, 4), batches=(10, 50),
    ),
    "quick": Scale(
        18, 1_000, 1_000, width=8, table4=(18, 8, "conv7"), batch=32, epochs=2, long=2, small=5,
        few=5, seeds=2, trials=2, levels=(0.0, 0.1, 0.5, 5.0), masks=(16, 8), batches=(10, 100),
    ),
    "study": Scale(
        18, 5_000, 5_000, width=16, table4=(18, 16, "conv7"), batch=32, epochs=5, long=10, small=20,
        few=20, seeds=5, trials=3, levels=LEVELS, masks=(64, 32, 16, 8), batches=(10, 50, 100),
    ),
    "long": Scale(  # with 39 masks, the ResNet that is smaller by Table 4's ratio has width 5
        18, None, None, width=16, table4=(18, 39, "conv3"), batch=128, epochs=12, long=20,
        small=20, few=200, seeds=5, trials=3, levels=(0.0, 0.1, 0.5, 1.0, 5.0),
        masks=(64, 32, 16, 8), batches=(10, 50, 100),
    ),
    "paper": Scale(
        50, None, None, width=128, table4=(50, 64, "conv7"), batch=10, epochs=450, long=120,
        small=100, few=200, seeds=5, trials=3, levels=LEVELS, masks=MASKS,
        batches=(10, 20, 50, 100),
    ),
}  # fmt: skip


def decisive(preset, recipe, part="decisive", seeds=None):
    """Return the networks of one part of the decisive experiment, 18 layers, on CIFAR-10.

    It asks whether the noise does anything, so the networks differ in nothing else. preset: a name
    in `presets.PRESETS`. recipe: a name in `RECIPES`. part: a name in `PARTS`. seeds: how many,
    None for the preset's own number.

    decisive: level 0 and the authors' level. low, high: the other levels. learnt: the authors'
    level, with masks that are learnt. plain: the network without its noise layers. convolution: an
    ordinary residual network with as many parameters. random: fixed random 3x3 filters instead of
    the masks; the presets in `OLDER` have none. Within a seed, all levels have the same masks,
    scaled, and the same initial weights.
    """
    scale = _scale(preset)
    own = {"width": scale.width, "stem": "conv3"}
    rest = [level for level in scale.levels if level not in (0.0, LEVEL)]
    cells = {
        "decisive": [("pnn", {"level": level}) for level in (0.0, LEVEL)],
        "low": [("pnn", {"level": level}) for level in rest if level < HIGH],
        "high": [("pnn", {"level": level}) for level in rest if level >= HIGH],
        "learnt": [("pnn", {"level": LEVEL, "learnt": True})],
        "plain": [("resnet", {"kernel": 1})],
        "convolution": [("resnet", {"width": equal_width(scale.width)})],
        "random": [("pnn", {"fixed": "filters"})] if preset not in OLDER else [],
    }[part]
    runs = [
        _recipe(preset, recipe, seed, name, own | more)
        for seed in range(seeds or scale.seeds)
        for name, more in cells
    ]
    return [_looked_at(run) if _is_usual(run) and preset in FULL else run for run in runs]


def everywhere(preset, recipe, seeds=None):
    """Return networks with noise in the first layer too, as the critic and the authors built it.

    preset: a name in `presets.PRESETS`. recipe: nesterov for the critic's network, adam for the
    authors'. seeds: how many, None for the preset's own number. The critic's first layer has one
    mask a channel; the authors' has 5 masks for each channel and filter, 20 times the level, and
    sigmoids. We train each network with and without noise.
    """
    scale = _scale(preset)
    level = {"nesterov": CRITIC_LEVEL, "adam": LEVEL}[recipe]
    masks = {"fan_out": 5 * scale.width, "sigmoid": True} if recipe == "adam" else None
    return [
        _recipe(preset, recipe, seed, "pnn",
                {"width": scale.width, "stem": "noise", "level": used, **stem})
        for seed in range(seeds or scale.trials)
        for used in (0.0, level)
        for stem in [{"stem_masks": {**masks, "level": 20 * used}} if masks else {}]
    ]  # fmt: skip


def table3(preset, seeds=None):
    """Return networks at every noise level (Table 3, Figure 6; here on CIFAR-10).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    scale = _scale(preset)
    return [
        _paper(preset, seed, arguments={"depth": scale.depth, "level": level})
        for seed in range(seeds or scale.trials)
        for level in scale.levels
    ]


def table4(preset, data, beside, seeds=None):
    """Return the perturbative network and another one on one data set (Table 4).

    preset: a name in `presets.PRESETS`. data: cifar10, or mnist, for which the paper uses half as
    many masks. beside: resnet or lbcnn. The ResNet is smaller than the perturbative network by the
    paper's ratio (at presets below `long` it is as wide); the LBCNN is as wide. seeds: how many,
    None for the preset's own number.
    """
    scale = _scale(preset)
    depth, width, stem = scale.table4
    if preset == "long" and beside == "lbcnn":
        width = scale.width  # with fixed 3x3 filters, wide maps would take hours
    if preset in FULL and data == "mnist":
        width, stem = width // 2, "conv7"
    noisy, rest = {"depth": depth, "width": width}, {}
    if stem != "conv7":
        noisy["stem"] = stem
        rest = {"epochs": scale.epochs, "drops": _drops(scale.epochs, **PAPER["drops"])}
    other = noisy
    if preset in FULL and beside == "resnet":
        other = {**noisy, "depth": 18, "width": smaller_width(**noisy)}
    return [
        _paper(preset, seed, name, data, arguments, **rest)
        for seed in range(seeds or scale.trials)
        for name, arguments in (("pnn", {**noisy, "level": LEVEL}), (beside, other))
    ]


def table5(preset, few=False, seeds=None):
    """Return networks with several numbers of masks, which is their width (Table 5).

    preset: a name in `presets.PRESETS`. few: true for the three smallest numbers, or as many as
    there are; false for all but the two smallest. seeds: how many, None for the preset's own
    number.
    """
    scale = _scale(preset)
    masks = scale.masks[-3:] if few else scale.masks[:-2] or scale.masks
    return [
        _paper(preset, seed, arguments={"width": width})
        for seed in range(seeds or scale.trials)
        for width in masks
    ]


def table6(preset, seeds=None):
    """Return networks trained with every batch size at one learning rate, at two widths (Table 6).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    scale = _scale(preset)
    return [
        _paper(preset, seed, arguments={"depth": scale.depth, "width": width}, batch=batch,
               lr=PAPER["lr"])
        for seed in range(seeds or scale.trials)
        for width in (scale.width // 2, scale.width)
        for batch in scale.batches
    ]  # fmt: skip


def figure_s1(preset, share, seeds=None):
    """Return both networks trained on a share of 10 classes of 52 images (Figure S1).

    preset: a name in `presets.PRESETS`. share: a number in `SPLITS`. seeds: how many, None for the
    preset's own number.
    """
    scale = _scale(preset)
    every = 10 * CLASS_IMAGES
    return [
        _paper(preset, seed, name, train_size=round(share * every), test_size=SMALL_TEST,
               sample=seed, epochs=scale.few, drops={}, batch=10, augment="none",
               lr=PAPER["lr"])
        for seed in range(seeds or scale.seeds)
        for name in ("pnn", "resnet")
    ]  # fmt: skip


def metric(preset, seeds=None):
    """Return networks as the first code had them, with the right answers after every epoch.

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. From
    these answers we can compute the accuracy that the code reported, for any order of the test
    images.
    """
    scale = _scale(preset)
    steps = (scale.train or 50_000) // scale.batch  # in an epoch
    ends = [steps * epoch for epoch in range(1, scale.small + 1)]
    return [
        _paper(preset, seed, epochs=scale.small, drops=_drops(scale.small, **PAPER["drops"]),
               watch={"steps": ends, "observers": ["correct"]})
        for seed in range(seeds or scale.trials)
    ]  # fmt: skip


def figure_s3(preset, seeds=None):
    """Return the perturbative and the ordinary network of one width, stages observed (Figure S3).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    scale = _scale(preset)
    # The default level, spelled out as in `decisive` so that both share a record.
    level = {"level": LEVEL} if preset in FULL else {}
    return [
        _looked_at(_recipe(preset, "adam", seed, name, own | {"width": scale.width}))
        for seed in range(seeds or scale.trials)
        for name, own in (("pnn", {"stem": "conv3"} | level), ("resnet", {"stem": "conv3"}))
    ]


def _is_usual(run):
    """Return whether a run is the network that Figure S3 observes too."""
    arguments = run.model_args
    usual = arguments.get("level") == LEVEL and "learnt" not in arguments
    return usual and run.optimiser == "adam"


def _looked_at(run):
    """Return a run whose stages are observed too; that of seed 0 also records example maps."""
    more = ("stages", *(("stage_pictures",) if run.seed == 0 else ()))
    return replace(run, observers=(*run.observers, *more))


GRIDS = {
    **{
        f"{part}-{recipe}": partial(decisive, recipe=recipe, part=part)
        for part in PARTS
        for recipe in RECIPES
    },
    **{f"everywhere-{recipe}": partial(everywhere, recipe=recipe) for recipe in RECIPES},
    "metric": metric,
    "figure_s3": figure_s3,
    **{f"figure_s1-{share:g}": partial(figure_s1, share=share) for share in SPLITS},
    "table5": table5,
    "table5-few": partial(table5, few=True),
    **{
        f"table4-{data}-{beside}": partial(table4, data=data, beside=beside)
        for data in ("cifar10", "mnist")
        for beside in ("resnet", "lbcnn")
    },
    "table6": table6,
    "table3": table3,
}


@lru_cache(maxsize=16)
def equal_width(width):
    """Return the width of the 18-layer ResNet with about as many parameters as a perturbative one.

    width: channels of the perturbative network, which has 18 layers too. The ResNet's parameter
    count is the closest possible.
    """
    return _nearest(_count("pnn", width=width, stem="conv3"), width, stem="conv3")


@lru_cache(maxsize=16)
def smaller_width(depth, width, stem="conv7"):
    """Return the width of the 18-layer ResNet that is RATIO times smaller than a perturbative one.

    depth, width, stem: layers, channels and first layer of the perturbative network. The width is
    the one with the closest parameter count, computed on CIFAR-10 as for Table 5's ratios.
    """
    noisy = _count("pnn", depth=depth, width=width, stem=stem, norm=False, bias=False)
    return _nearest(noisy / RATIO, width, stem=stem)


def _nearest(wanted, width, **arguments):
    """Return the width of the 18-layer ResNet whose parameter count is closest to `wanted`."""
    guess = max(1, round(width * sqrt(wanted / _count("resnet", width=width, **arguments))))
    near = (guess - 1 or 1, guess, guess + 1)
    return min(near, key=lambda k: abs(_count("resnet", width=k, **arguments) - wanted))


def _count(name, **arguments):
    return models.parameters(models.build(name, (3, 32, 32), 10, 0, **arguments))


def _scale(preset):
    return SCALES[get(preset).name]


def _recipe(preset, recipe, seed, name, arguments):
    epochs, used = _scale(preset).epochs, RECIPES[recipe]
    return _run(
        preset, seed, name, "cifar10", arguments, epochs=epochs, optimiser=recipe,
        lr=used[preset if preset in FULL else "short"], drops=_drops(epochs, used["after"], 0.2),
    )  # fmt: skip


def _drops(epochs, shares, factor):
    """Return learning-rate drops after shares of the epochs; those in the same epoch count once."""
    return {"after": sorted({max(1, round(epochs * x)) for x in shares}), "factor": factor}


def _paper(preset, seed, name="pnn", data="cifar10", arguments=None, **rest):
    """Return a run with the paper's own recipe and network, with its 7x7 stem.

    At `long` the rate is the one that suits few steps on large batches, as for `RECIPES`.
    """
    scale = _scale(preset)
    rate = RECIPES["adam"]["long"] if preset == "long" else PAPER["lr"]
    usual = {"epochs": scale.long, "lr": rate, "drops": _drops(scale.long, **PAPER["drops"])}
    arguments = {"width": scale.width, **(arguments or {})}
    return _run(preset, seed, name, data, arguments, **(usual | rest))


def _run(preset, seed, name, data, arguments, **rest):
    scale = _scale(preset)
    usual = {"train_size": scale.train, "test_size": scale.test, "batch": scale.batch,
             "decay": 0.0, "weight_decay": 1e-4,
             "observers": ("correct",) if preset in FULL else (),
             "augment": "crop_flip" if data == "cifar10" else "none"}  # fmt: skip
    used = colour(preset) if data == "cifar10" else data
    return Run(used, name, seed, model_args=arguments, **(usual | rest))
