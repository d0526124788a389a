"""Investigating CNNs using Spatial Orderness: every training behind its claims.

What the paper leaves open is decided here, once; the reasons stand in `book/papers/ghosh2019.md`.
"""

from dataclasses import dataclass
from functools import partial
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
FILTERS = ("low_pass", "random_mask")
RADIUS = 7  # cycles per image: half of what 28 px can hold
INITS = ("he_normal", "glorot_uniform")
OPTIMISERS = ("adam", "sgd")
IMAGES = {"mnist": 60_000, "fashion_mnist": 60_000, "cifar10": 50_000}
BATCH = 128


@dataclass(frozen=True)
class Scale:
    """Say how large this paper's experiments are at a preset.

    train, test: images, None for whole splits. few: training images, test images and epochs of
    MNIST-1000. epochs: of classification; long: of the curves over training, on 28 px and on
    colour images; control: of those that only differ in optimiser or initial weights.
    trials: of Figure 2 and of the curves; repeats: of Table S1 and Figure 4.
    swaps, depths: of Figure 2, depths on 28 px and on colour images. kernels: of Figure 4 (b).
    """

    train: int | None
    test: int | None
    few: tuple
    epochs: int
    long: tuple
    control: int
    trials: int
    repeats: int
    swaps: tuple
    depths: tuple
    kernels: tuple


SCALES = {
    "smoke": Scale(
        256, 100, (256, 100, 1), epochs=1, long=(1, 1), control=1, trials=2, repeats=2,
        swaps=(0, 30), depths=((1, 2), (1, 2)), kernels=(3, 27),
    ),
    "quick": Scale(
        1_000, 1_000, (1_000, 1_000, 4), epochs=1, long=(1, 1), control=1, trials=2, repeats=2,
        swaps=(0, 30), depths=((1, 2, 3), (2, 4)), kernels=(3, 27),
    ),
    "study": Scale(
        None, None, (1_000, 2_000, 10), epochs=1, long=(2, 1), control=1, trials=3, repeats=TRIALS,
        swaps=(0, 30), depths=((1, 2, 3, 4), (1, 2, 4)), kernels=(3, 5, 9, 13, 19, 27),
    ),
    "paper": Scale(
        None, None, (1_000, None, 50), epochs=50, long=(50, 50), control=50, trials=TRIALS,
        repeats=TRIALS, swaps=SWAPS, depths=((1, 2, 3, 4), (1, 2, 4, 6)),
        kernels=tuple(range(3, 28, 2)),
    ),
}  # fmt: skip


def figure1(preset):
    """Return a look at each data set with blocks swapped: no training (Figures 1, 4 a and 7).

    Swaps are drawn for each image, and for Figure 1 once for the whole data set as well.
    """
    return [
        *[_look(preset, data, _swaps(BLOCK[data], swaps, 0, per_image))
          for data in DATA for swaps in SWAPS for per_image in (True, False)],
        *[_look(preset, "mnist", _swaps(SMALL_BLOCK, swaps, 0))
          for swaps in (*TABLE_SWAPS, *KERNEL_SWAPS)],
        *[_look(preset, "mnist", {}, degradation=_filter(kind, 0)) for kind in FILTERS],
    ]  # fmt: skip


def figure4a(preset, seeds=None):
    """Return 3-layer networks on 1000 images with blocks of 3 px swapped (Figure 4 a)."""
    return [
        _few(preset, seed, swaps=swaps)
        for seed in range(seeds or _scale(preset).repeats)
        for swaps in KERNEL_SWAPS
    ]


def figure4b(preset, seeds=None):
    """Return 3-layer networks on 1000 images with first-layer kernels of any size (Figure 4 b)."""
    return [
        _few(preset, seed, kernel=kernel)
        for seed in range(seeds or _scale(preset).repeats)
        for kernel in _scale(preset).kernels
    ]


def filters(preset, seeds=None):
    """Return networks as in Figure 4 on unfiltered, low-pass and randomly masked images (§6)."""
    return [
        _few(preset, seed, degradation=_filter(kind, seed))
        for seed in range(seeds or _scale(preset).repeats)
        for kind in ("none", *FILTERS)
    ]


def figure3(preset, data, seeds=None):
    """Return the network of Figure 3 on one data set, watched closely (MNIST: Figure 6 too)."""
    colour_set = data == "cifar10"
    epochs, depth = _scale(preset).long[colour_set], 4 if colour_set else 3
    return [
        _watched(preset, data, seed, depth, epochs)
        for seed in range(seeds or _scale(preset).trials)
    ]


def figure5(preset, seeds=None):
    """Return two layers on MNIST at the small learning rate (Figure 5)."""
    scale = _scale(preset)
    return [
        _watched(preset, "mnist", k, 2, scale.long[0], lr=1e-4)
        for k in range(seeds or scale.trials)
    ]


def dependence(preset, seeds=None):
    """Return Figure 6's network with the other optimiser and initial weights: our control."""
    scale = _scale(preset)
    return [
        _watched(preset, "mnist", seed, 3, scale.control, init=init, optimiser=optimiser)
        for seed in range(seeds or scale.trials)
        for optimiser, init in product(OPTIMISERS, INITS)
        if (optimiser, init) != ("adam", "he_normal")  # Figure 6 itself
    ]


def table_s1(preset, seeds=None, per_image=True):
    """Return 1 to 3 layers on MNIST with blocks of 3 px swapped (Table S1 and Figure 7).

    per_image: whether swaps are drawn for each image, or once for all images of a trial.
    """
    return [
        _classify(preset, "mnist", seed, depth, _swaps(SMALL_BLOCK, swaps, seed, per_image))
        for seed in range(seeds or _scale(preset).repeats)
        for swaps in TABLE_SWAPS
        for depth in (1, 2, 3)
    ]


def figure2(preset, data, seeds=None):
    """Return networks of every depth on one data set with large blocks swapped (Figure 2)."""
    scale = _scale(preset)
    return [
        _classify(preset, data, seed, depth, _swaps(BLOCK[data], swaps, seed))
        for seed in range(seeds or scale.trials)
        for swaps in scale.swaps
        for depth in scale.depths[data == "cifar10"]
    ]


GRIDS = {
    "figure1": figure1,
    "figure4a": figure4a,
    "figure4b": figure4b,
    "filters": filters,
    "figure3-mnist": partial(figure3, data="mnist"),
    "figure5": figure5,
    "dependence": dependence,
    "figure3-fashion_mnist": partial(figure3, data="fashion_mnist"),
    "figure3-cifar10": partial(figure3, data="cifar10"),
    "table_s1": table_s1,
    "table_s1-once": partial(table_s1, per_image=False),
    "figure2-mnist": partial(figure2, data="mnist"),
    "figure2-fashion_mnist": partial(figure2, data="fashion_mnist"),
    "figure2-cifar10": partial(figure2, data="cifar10"),
}


def _scale(preset):
    return SCALES[get(preset).name]


def _plain(preset, data, seed, depth, arrangement=None, init="he_normal", kernel=None, **rest):
    """Return a run of the paper's network: Adam at a constant rate of 0.001 unless said."""
    scale = _scale(preset)
    arguments = {"depth": depth}
    arguments |= {"pool_every": 2, "hidden": 64} if data == "cifar10" else {}
    arguments |= {"kernel": kernel, "valid": True} if kernel else {}
    arguments |= {"init": init} if init != "he_normal" else {}
    usual = {"train_size": scale.train, "test_size": scale.test, "epochs": scale.epochs,
             "batch": BATCH, "lr": 1e-3, "decay": 0.0}  # fmt: skip
    name = colour(preset) if data == "cifar10" else data
    return Run(name, "plain", seed, arrangement or {}, model_args=arguments, **(usual | rest))


def _look(preset, data, arrangement, **rest):
    """Return a run without a network: the training images as they are after the swaps."""
    name = colour(preset) if data == "cifar10" else data
    return Run(
        name, "none", 0, arrangement, epochs=0, train_size=_scale(preset).train,
        test_size=_scale(preset).test, observers=("data_orderness",), **rest,
    )  # fmt: skip


def _classify(preset, data, seed, depth, arrangement):
    return _plain(preset, data, seed, depth, arrangement, observers=("map_orderness",))


def _few(preset, seed, swaps=0, **rest):
    """Return a run on MNIST-1000; the seed draws the images too."""
    images, test, epochs = _scale(preset).few
    return _plain(
        preset, "mnist", seed, 3, _swaps(SMALL_BLOCK, swaps, seed), train_size=images,
        test_size=test, epochs=epochs, batch=32, sample=seed,
        observers=("map_orderness", "kernel_orderness"), **rest,
    )  # fmt: skip


def _watched(preset, data, seed, depth, epochs, **rest):
    total = epochs * ((_scale(preset).train or IMAGES[data]) // BATCH)
    looks = {"steps": steps(total), "observers": ["accuracy", "map_orderness"]}
    return _plain(preset, data, seed, depth, epochs=epochs, watch=looks, observers=(), **rest)


def steps(total):
    """Return the steps at which a training of `total` steps is looked at, densest at its start."""
    wanted = [*range(0, 20, 5), *range(20, 100, 10), *range(100, 500, 40), *range(500, total, 200)]
    return [step for step in wanted if step < total] + [total]


def _swaps(block, swaps, seed, per_image=True):
    """Return block swaps, drawn for each image; within a seed, more swaps continue fewer ones."""
    once = {"kind": "block_swaps", "block": block, "swaps": swaps, "seed": seed}
    return (once | ({"per_image": True} if per_image else {})) if swaps else {}


def _filter(kind, seed):
    mask = {"none": None, "low_pass": {}, "random_mask": {"seed": seed}}[kind]
    return {} if mask is None else {"kind": kind, "radius": RADIUS, **mask}
