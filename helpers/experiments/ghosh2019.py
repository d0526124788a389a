"""Investigating CNNs using Spatial Orderness: every training behind its claims.

What the paper leaves open is decided here, once, before any result was seen; the reasons stand
in `book/papers/ghosh2019.md`.
"""

from dataclasses import dataclass
from itertools import product

from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run

DATA = ("mnist", "fashion_mnist", "cifar10")
BLOCK = {"mnist": 6, "fashion_mnist": 6, "cifar10": 8}  # px (Figure 1)
SMALL_BLOCK = 3  # px (Figure 4 and Table S1)
SWAPS = (0, 10, 20, 30)
TABLE_SWAPS = (0, 10, 30, 60)
KERNEL_SWAPS = (0, 25, 50, 100)
TRIALS = 6  # of Table S1 and Figure 4
RADIUS = 7  # cycles per image: half of what 28 px can hold
INITS = ("he_normal", "glorot_uniform")
OPTIMISERS = ("adam", "sgd")
IMAGES = {"mnist": 60_000, "fashion_mnist": 60_000, "cifar10": 50_000}
BATCH = 128


@dataclass(frozen=True)
class Scale:
    """Say how large this paper's experiments are at a preset.

    train, test: images, None for whole splits. epochs: of classification, long: of the curves over
    training. few: training images, test images and epochs of MNIST-1000. trials: of Figure 2 and of the curves;
    repeats: of Table S1 and Figure 4. depths: of Figure 2, for 28 px and for colour.
    kernels: sizes of Figure 4 (b).
    """

    train: int | None
    test: int | None
    epochs: int
    long: int
    few: tuple
    trials: int
    repeats: int
    swaps: tuple
    depths: tuple
    kernels: tuple


SCALES = {
    "smoke": Scale(256, 100, 1, 1, (256, 100, 1), 2, 2, (0, 30), ((1, 2), (2,)), (3, 27)),
    "quick": Scale(1_000, 2_000, 1, 1, (1_000, 1_000, 4), 2, 2, (0, 30), ((1, 2, 3), (2, 4)), (3, 27)),
    "study": Scale(None, None, 1, 2, (1_000, 2_000, 20), 3, TRIALS, SWAPS, ((1, 2, 3, 4), (1, 2, 4)),
                   (3, 5, 9, 13, 19, 27)),
    "paper": Scale(None, None, 50, 50, (1_000, None, 50), TRIALS, TRIALS, SWAPS,
                   ((1, 2, 3, 4), (1, 2, 4, 6)), (3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27)),
}  # fmt: skip


def figure4a(preset):
    """Return 3-layer networks on 1000 images with blocks of 3 px swapped (Figure 4 a)."""
    return [
        _few(preset, seed, swaps=swaps)
        for seed in range(_scale(preset).repeats)
        for swaps in KERNEL_SWAPS
    ]


def figure4b(preset):
    """Return 3-layer networks on 1000 images with first-layer kernels of any size (Figure 4 b)."""
    return [
        _few(preset, seed, kernel=kernel)
        for seed in range(_scale(preset).repeats)
        for kernel in _scale(preset).kernels
    ]


def filters(preset):
    """Return networks as in Figure 4 on unfiltered, low-pass and randomly masked images (§6)."""
    kinds = ("", "low_pass", "random_mask")
    return [
        _few(preset, seed, degradation=_filter(kind, seed))
        for seed in range(_scale(preset).repeats)
        for kind in kinds
    ]


def figure3(preset, data):
    """Return the network of Figure 3 on one data set, watched closely (MNIST: Figure 6 too)."""
    return [
        _watched(preset, data, seed, 4 if data == "cifar10" else 3)
        for seed in range(_scale(preset).trials)
    ]


def figure5(preset):
    """Return two layers on MNIST at the small learning rate (Figure 5)."""
    return [_watched(preset, "mnist", seed, 2, lr=1e-4) for seed in range(_scale(preset).trials)]


def dependence(preset):
    """Return Figure 6's network for each optimiser and initialisation: our control."""
    return [
        _watched(preset, "mnist", seed, 3, init=init, optimiser=optimiser)
        for seed in range(_scale(preset).trials)
        for optimiser, init in product(OPTIMISERS, INITS)
    ]


def table_s1(preset):
    """Return 1 to 3 layers on MNIST with blocks of 3 px swapped (Table S1 and Figure 7)."""
    return [
        _classify(preset, "mnist", seed, depth, swaps, SMALL_BLOCK)
        for seed in range(_scale(preset).repeats)
        for swaps in TABLE_SWAPS
        for depth in (1, 2, 3)
    ]


def figure2(preset, data):
    """Return networks of every depth on one data set with large blocks swapped (Figure 2)."""
    scale = _scale(preset)
    return [
        _classify(preset, data, seed, depth, swaps, BLOCK[data])
        for seed in range(scale.trials)
        for swaps in scale.swaps
        for depth in scale.depths[data == "cifar10"]
    ]


def _each(experiment, data):
    def runs(preset):
        return experiment(preset, data)

    return runs


GRIDS = {
    "figure4a": figure4a,
    "figure4b": figure4b,
    "filters": filters,
    "figure3-mnist": _each(figure3, "mnist"),
    "figure5": figure5,
    "dependence": dependence,
    "figure3-fashion_mnist": _each(figure3, "fashion_mnist"),
    "figure3-cifar10": _each(figure3, "cifar10"),
    "table_s1": table_s1,
    "figure2-mnist": _each(figure2, "mnist"),
    "figure2-fashion_mnist": _each(figure2, "fashion_mnist"),
    "figure2-cifar10": _each(figure2, "cifar10"),
}
EXPERIMENTS = tuple(GRIDS.values())


def _scale(preset):
    return SCALES[get(preset).name]


def _plain(preset, data, seed, depth, epochs, arrangement=None, init=None, kernel=None, **rest):  # fmt: skip
    """Return a run of the paper's network: Adam at a constant rate of 0.001 unless said."""
    usual = {"train_size": _scale(preset).train, "test_size": _scale(preset).test,
             "lr": 1e-3, "decay": 0.0, "batch": BATCH}  # fmt: skip
    arguments = {"depth": depth}
    arguments |= {"pool_every": 2, "hidden": 64} if data == "cifar10" else {}
    arguments |= {"kernel": kernel, "valid": True} if kernel else {}
    arguments |= {"init": init} if init not in (None, "he_normal") else {}
    return Run(
        colour(preset) if data == "cifar10" else data, "plain", seed, arrangement or {},
        model_args=arguments, epochs=epochs, **(usual | rest),
    )  # fmt: skip


def _classify(preset, data, seed, depth, swaps, block):
    return _plain(
        preset, data, seed, depth, _scale(preset).epochs, _swaps(block, swaps, seed),
        observers=("map_orderness",),
    )  # fmt: skip


def _few(preset, seed, swaps=0, **rest):
    """Return a run on MNIST-1000; the seed draws the images too."""
    images, test, epochs = _scale(preset).few
    return _plain(
        preset, "mnist", seed, 3, epochs, _swaps(SMALL_BLOCK, swaps, seed), train_size=images,
        test_size=test, sample=seed, batch=32, observers=("map_orderness", "kernel_orderness"), **rest,
    )  # fmt: skip


def _watched(preset, data, seed, depth, **rest):
    scale = _scale(preset)
    total = scale.long * ((scale.train or IMAGES[data]) // BATCH)
    looks = {"steps": steps(total), "observers": ["accuracy", "map_orderness"]}
    return _plain(preset, data, seed, depth, scale.long, watch=looks, observers=(), **rest)


def steps(total):
    """Return the steps at which a training of `total` steps is looked at, densest at its start."""
    wanted = [*range(0, 20, 5), *range(20, 100, 10), *range(100, 500, 40), *range(500, total, 200)]
    return [step for step in wanted if step < total] + [total]


def _swaps(block, swaps, seed):
    """Return swaps drawn for each image; within a seed, more swaps continue fewer ones."""
    return {"kind": "block_swaps", "block": block, "swaps": swaps, "seed": seed,
            "per_image": True} if swaps else {}  # fmt: skip


def _filter(kind, seed):
    mask = {"low_pass": {}, "random_mask": {"seed": seed}}
    return {"kind": kind, "radius": RADIUS, **mask[kind]} if kind else {}
