"""Perturbative Neural Networks: every training behind its claims.

What the paper and its code leave open is decided here, once; the reasons stand in
`book/papers/juefei2018.md`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from math import sqrt

from helpers import models
from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run

LEVELS = (0.0, 0.01, 0.1, 0.5, 1.0, 5.0)  # of Table 3, and the control that nobody published
LEVEL = 0.1  # the code's
HIGH = 1.0  # from here on a level is no longer "low"
# The authors' last word (their corrected code) and the critic's: optimiser, rate, and after which
# shares of the epochs it is multiplied by 0.2. A rate for hundreds of epochs teaches next to
# nothing in a few. Each of the others is that with which the network without noise had the least
# *training* loss after so little training: `short` after two epochs of 157 steps (of Adam 1e-4,
# 3e-4, 1e-3, 3e-3; Nesterov 1e-3, 1e-2, 3e-2, 1e-1), `long` after 300 steps of 128 images (of Adam
# 1e-3, 3e-3, 1e-2, 3e-2; Nesterov 3e-2, 1e-1, 3e-1).
RECIPES = {
    "adam": {"paper": 1e-4, "short": 3e-3, "long": 1e-2,
             "after": (150 / 450, 250 / 450, 300 / 450, 350 / 450, 400 / 450)},
    "nesterov": {"paper": 1e-3, "short": 3e-2, "long": 1e-1,
                 "after": (60 / 150, 90 / 150, 120 / 150)},
}  # fmt: skip
CRITIC_LEVEL = 0.5
PAPER = {"lr": 1e-3, "drops": {"shares": (60 / 120, 90 / 120), "factor": 0.1}}  # Section 5.3
MASKS = (160, 128, 96, 64, 32, 16, 8)  # Table 5
# Table 4's PNN-ResNet-50 of 64 masks over He et al.'s ResNet of 110 layers (`counts.resnet110`).
RATIO = 13_468_746 / 1_727_962
CLASS_IMAGES = 52  # per person in Figure S1, on average
SPLITS = (0.2, 0.4, 0.6)  # share of them that trains
SMALL_TEST = 1_000  # images; what is left of 520 would tell little
FULL = ("long", "paper")  # presets at which records keep the right answers, image by image
OLDER = ("quick", "study")  # presets whose networks are older than the control of random filters
PARTS = ("decisive", "low", "high", "learnt", "plain", "convolution", "random")


@dataclass(frozen=True)
class Scale:
    """Say how large this paper's experiments are at a preset.

    depth: layers of the networks of Tables 3 and 6; the paper's 50 do not learn in a few epochs.
    train, test: images, None for whole splits. width: of the networks whose noise is varied.
    table4: layers, width and first layer of its perturbative network on CIFAR-10. batch, epochs: of
    the decisive experiment, and of Table 4 where its first layer is the same; long: epochs of
    Tables 3 to 6; small: of the networks behind the metric; few: of Figure S1. seeds: of the
    decisive experiment and Figure S1; trials: of the others. masks, batches: of Tables 5 and 6.
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
    "long": Scale(  # 39 masks: the ResNet of Table 4's ratio then has a whole width, 5
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
    """Return the networks of one of `PARTS` under one recipe, 18 layers, on CIFAR-10.

    Whether the noise does anything is asked of networks that differ in nothing else. decisive:
    level 0 and the authors' level. low, high: the other levels. learnt: the authors' level, masks
    learnt. plain: the network with its noise layers taken out. convolution: an ordinary residual
    network of as many parameters. random: fixed random 3x3 filters in the place of the masks; no
    preset of `OLDER` has them. A seed gives all levels the same masks, scaled, and the same first
    weights.
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

    The critic's has one mask a channel; the authors' 5 masks a channel and filter, 20 times the
    level, and sigmoids. Each under its own recipe, and without noise as well.
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
    """Return networks of every noise level (Table 3, Figure 6; here on CIFAR-10)."""
    scale = _scale(preset)
    return [
        _paper(preset, seed, arguments={"depth": scale.depth, "level": level})
        for seed in range(seeds or scale.trials)
        for level in scale.levels
    ]


def table4(preset, data, beside, seeds=None):
    """Return the perturbative network and another one on one data set (Table 4).

    data: cifar10, or mnist, for which the paper has half as many masks. beside: resnet, which is as
    much smaller than the perturbative one as the paper's is (below the preset long, as wide); or
    lbcnn, as wide.
    """
    scale = _scale(preset)
    depth, width, stem = scale.table4
    if preset == "long" and beside == "lbcnn":
        width = scale.width  # fixed 3x3 filters on wide maps would take hours
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
    """Return networks of several numbers of masks, which is their width (Table 5).

    few: the three fewest, or fewer where there are not so many; else all but the two fewest.
    """
    scale = _scale(preset)
    masks = scale.masks[-3:] if few else scale.masks[:-2] or scale.masks
    return [
        _paper(preset, seed, arguments={"width": width})
        for seed in range(seeds or scale.trials)
        for width in masks
    ]


def table6(preset, seeds=None):
    """Return networks trained with every batch size at one rate, at two widths (Table 6)."""
    scale = _scale(preset)
    return [
        _paper(preset, seed, arguments={"depth": scale.depth, "width": width}, batch=batch,
               lr=PAPER["lr"])
        for seed in range(seeds or scale.trials)
        for width in (scale.width // 2, scale.width)
        for batch in scale.batches
    ]  # fmt: skip


def figure_s1(preset, share, seeds=None):
    """Return both networks on few images: 10 classes of 52, of which 20, 40 or 60 % train."""
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

    From these the accuracy that it reported follows for any order of the test images.
    """
    scale = _scale(preset)
    steps = (scale.train or 50_000) // scale.batch  # an epoch
    ends = [steps * epoch for epoch in range(1, scale.small + 1)]
    return [
        _paper(preset, seed, epochs=scale.small, drops=_drops(scale.small, **PAPER["drops"]),
               watch={"steps": ends, "observers": ["correct"]})
        for seed in range(seeds or scale.trials)
    ]  # fmt: skip


def figure_s3(preset, seeds=None):
    """Return the perturbative and the ordinary network of one width, their stages looked at."""
    scale = _scale(preset)
    level = {"level": LEVEL} if preset in FULL else {}  # the same network, said as `decisive` does
    return [
        _looked_at(_recipe(preset, "adam", seed, name, own | {"width": scale.width}))
        for seed in range(seeds or scale.trials)
        for name, own in (("pnn", {"stem": "conv3"} | level), ("resnet", {"stem": "conv3"}))
    ]


def _is_usual(run):
    """Return whether a run is the network that Figure S3 looks at too."""
    arguments = run.model_args
    usual = arguments.get("level") == LEVEL and "learnt" not in arguments
    return usual and run.optimiser == "adam"


def _looked_at(run):
    """Return a run whose stages are looked at as well, of seed 0 with pictures."""
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
    """Return the width of the 3x3 network that comes nearest to a perturbative one's parameters."""
    return _nearest(_count("pnn", width=width, stem="conv3"), width, stem="conv3")


@lru_cache(maxsize=16)
def smaller_width(depth, width, stem="conv7"):
    """Return the width of the 18-layer ResNet that is RATIO times smaller than a perturbative one.

    Nearest in parameters, counted on CIFAR-10 as Table 5's ratios are.
    """
    noisy = _count("pnn", depth=depth, width=width, stem=stem, norm=False, bias=False)
    return _nearest(noisy / RATIO, width, stem=stem)


def _nearest(wanted, width, **arguments):
    """Return the width of the 18-layer ResNet whose parameters come nearest to those wanted."""
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
    """Return drops after shares of the epochs; those that fall on one epoch count once."""
    return {"after": sorted({max(1, round(epochs * x)) for x in shares}), "factor": factor}


def _paper(preset, seed, name="pnn", data="cifar10", arguments=None, **rest):
    """Return a run of the paper's own recipe and network, with its 7x7 stem.

    At long the rate is the one that few steps of large batches call for, as for `RECIPES`.
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
