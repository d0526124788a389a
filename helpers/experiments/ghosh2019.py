"""Investigating CNNs using Spatial Orderness (ghosh2019): every training behind its claims.

What the paper leaves open is decided here, once; `book/papers/ghosh2019.md` gives the reasons.
"""

from dataclasses import dataclass
from functools import partial

from helpers import observers
from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run

DATA = ("mnist", "fashion_mnist", "cifar10")
DEPTH = {"mnist": 3, "fashion_mnist": 3, "cifar10": 4}  # layers (Figure 3)
BLOCK = {"mnist": 6, "fashion_mnist": 6, "cifar10": 8}  # px (Figure 1)
SMALL_BLOCK = 3  # px (Figure 4 and Table S1)
SWAPS = (0, 10, 20, 30)
TABLE_SWAPS = (0, 10, 30, 60)
KERNEL_SWAPS = (0, 25, 50, 100)
TRIALS = 6  # repeats of Table S1 and Figure 4
FILTERS = observers.MASKS[1:]
RADIUS = observers.RADIUS
INITS = ("he_normal", "glorot_uniform")
OPTIMISERS = ("adam", "sgd")
IMAGES = {"mnist": 60_000, "fashion_mnist": 60_000, "cifar10": 50_000}
BATCH = 128
WITHOUT = ("quick", "study")  # presets whose experiments were complete before some were added
FULL = ("long", "paper")  # presets whose records keep the right answers, image by image
# We chose it from 1e-4, 3e-4 and 1e-3: on CIFAR-10 it gives four layers the lowest training loss
# after 100 steps. One layer learns at it too, if more slowly than at 1e-4; at 1e-3 it hardly does.
COLOUR_RATE = 3e-4


@dataclass(frozen=True)
class Scale:
    """Size of this paper's experiments at a preset.

    train, test: images, None for whole splits. colour: training images of CIFAR-10. few: training
    images, test images and epochs of MNIST-1000. epochs: of networks that classify; long: of those
    whose orderness we follow over training, one number for each of `DATA`; slow: of Figure 5.
    control: of the networks on MNIST that differ from Figure 6's only in optimiser or initial
    weights, with Adam and with plain gradient descent. trials: repeats of Figure 2 and of the
    curves; repeats: of Table S1; splits: of Figure 4. swaps: numbers of block swaps in Figure 2;
    depths: layers in Figure 2, on 28 px and on colour images. kernels: sizes in Figure 4 (b), px.
    """

    train: int | None
    test: int | None
    colour: int | None
    few: tuple
    epochs: int
    long: tuple
    slow: int
    control: tuple
    trials: int
    repeats: int
    splits: int
    swaps: tuple
    depths: tuple
    kernels: tuple


SCALES = {
    "smoke": Scale(
        256, 100, 256, (256, 100, 1), epochs=1, long=(1, 1, 1), slow=1, control=(1, 1), trials=2,
        repeats=2, splits=2, swaps=(0, 30), depths=((1, 2), (1, 2)), kernels=(3, 27),
    ),
    "quick": Scale(
        1_000, 1_000, 1_000, (1_000, 1_000, 4), epochs=1, long=(1, 1, 1), slow=1, control=(1, 1),
        trials=2, repeats=2, splits=2, swaps=(0, 30), depths=((1, 2, 3), (2, 4)), kernels=(3, 27),
    ),
    "study": Scale(
        None, None, None, (1_000, 2_000, 10), epochs=1, long=(2, 2, 1), slow=2, control=(1, 1),
        trials=3, repeats=TRIALS, splits=TRIALS, swaps=(0, 30),
        depths=((1, 2, 3, 4), (1, 2, 4)), kernels=(3, 5, 9, 13, 19, 27),
    ),
    "long": Scale(
        None, None, 25_000, (1_000, 2_000, 50), epochs=10, long=(50, 20, 10), slow=50,
        control=(50, 20), trials=3, repeats=3, splits=TRIALS, swaps=(0, 30),
        depths=((1, 2, 3, 4), (1, 2, 4)), kernels=(3, 5, 9, 13, 19, 27),
    ),
    "paper": Scale(
        None, None, None, (1_000, None, 50), epochs=50, long=(50, 50, 50), slow=50,
        control=(50, 50), trials=TRIALS, repeats=TRIALS, splits=TRIALS, swaps=SWAPS,
        depths=((1, 2, 3, 4), (1, 2, 4, 6)), kernels=tuple(range(3, 28, 2)),
    ),
}  # fmt: skip


def figure1(preset):
    """Return runs that measure each data set with blocks swapped, untrained (Figures 1, 4 a and 7).

    preset: a name in `presets.PRESETS`. Swaps are drawn for each image, and for Figure 1 also once
    for the whole data set.
    """
    return [
        *[_look(preset, data, _swaps(BLOCK[data], swaps, 0, per_image))
          for data in DATA for swaps in SWAPS for per_image in (True, False)],
        *[_look(preset, "mnist", _swaps(SMALL_BLOCK, swaps, 0))
          for swaps in (*TABLE_SWAPS, *KERNEL_SWAPS)],
        *[_look(preset, "mnist", {}, degradation=observers.mask(kind, 0)) for kind in FILTERS],
    ]  # fmt: skip


def figure4a(preset, seeds=None, init="he_normal", added=False):
    """Return 3-layer networks on 1000 images with blocks of 3 px swapped (Figure 4 a).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. init:
    initial weights, a name in `INITS`. added: whether to record the kernels' orderness above chance
    too. The presets in `WITHOUT` have no such runs.
    """
    return [
        _few(preset, seed, swaps=swaps, init=init, added=added)
        for seed in _new(preset, seeds or _scale(preset).splits, added)
        for swaps in KERNEL_SWAPS
    ]


def figure4b(preset, seeds=None, init="he_normal", added=False):
    """Return 3-layer networks on 1000 images, with first-layer kernels of all sizes (Figure 4 b).

    preset, seeds, init, added: as for `figure4a`; at presets in `FULL` added is always true.
    """
    added = added or preset in FULL
    return [
        _few(preset, seed, kernel=kernel, init=init, added=added)
        for seed in _new(preset, seeds or _scale(preset).splits, added)
        for kernel in _scale(preset).kernels
    ]


def filters(preset, seeds=None, added=False):
    """Return networks as in Figure 4 on unfiltered, low-pass and randomly masked images (§6).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. added:
    whether to test each network on all three kinds of images; the presets in `WITHOUT` have no such
    runs.
    """
    return [
        _few(preset, seed, degradation=observers.mask(kind, seed), added=added, masked=added)
        for seed in _new(preset, seeds or _scale(preset).splits, added)
        for kind in observers.MASKS
    ]


def figure3(preset, data, seeds=None, init="he_normal"):
    """Return Figure 3's network on one data set, observed during training (MNIST: Figure 6 too).

    preset: a name in `presets.PRESETS`. data: a name in `DATA`. seeds: how many, None for the
    preset's own number. init: initial weights, a name in `INITS`.
    """
    own = init == "he_normal"
    return [
        _watched(preset, data, seed, DEPTH[data], _scale(preset).long[DATA.index(data)], init=init)
        for seed in _new(preset, seeds or _scale(preset).trials, not own)
    ]


def figure5(preset, seeds=None, **how):
    """Return two layers on MNIST at the small learning rate, 1e-4 (Figure 5).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. how:
    fields or arguments that differ from the usual, such as init or optimiser.
    """
    scale = _scale(preset)
    return [
        _watched(preset, "mnist", seed, 2, scale.slow, lr=1e-4, **how)
        for seed in _new(preset, seeds or scale.trials, bool(how))
    ]


def control(preset, optimiser, init, seeds=None):
    """Return Figure 6's network with another optimiser or other initial weights: our control.

    preset: a name in `presets.PRESETS`. optimiser: a name in `OPTIMISERS`. init: a name in `INITS`.
    seeds: how many, None for the preset's own number.
    """
    scale = _scale(preset)
    epochs = scale.control[OPTIMISERS.index(optimiser)]
    return [
        _watched(preset, "mnist", seed, DEPTH["mnist"], epochs, init=init, optimiser=optimiser)
        for seed in range(seeds or scale.trials)
    ]


def table_s1(preset, seeds=None, per_image=True):
    """Return 1 to 3 layers on MNIST with blocks of 3 px swapped (Table S1 and Figure 7).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    per_image: whether swaps are drawn for each image, or once for all images of a trial.
    """
    return [
        _classify(preset, "mnist", seed, depth, _swaps(SMALL_BLOCK, swaps, seed, per_image))
        for seed in range(seeds or _scale(preset).repeats)
        for swaps in TABLE_SWAPS
        for depth in (1, 2, 3)
    ]


def figure2(preset, data, seeds=None):
    """Return networks of every depth on one data set with large blocks swapped (Figure 2).

    preset: a name in `presets.PRESETS`. data: a name in `DATA`. seeds: how many, None for the
    preset's own number. At `long`, a network that Figure 3 has too is trained only once, provided
    it trains for as many epochs there.
    """
    scale = _scale(preset)
    return [
        _shared(preset, data, seed, depth)
        if preset == "long" and not swaps and depth == DEPTH[data] and _as_long(scale, data)
        else _classify(preset, data, seed, depth, _swaps(BLOCK[data], swaps, seed))
        for seed in range(seeds or scale.trials)
        for swaps in scale.swaps
        for depth in scale.depths[data == "cifar10"]
    ]


GRIDS = {
    "figure1": figure1,
    "figure3-mnist": partial(figure3, data="mnist"),
    "adam-glorot_uniform": partial(control, optimiser="adam", init="glorot_uniform"),
    "figure2-mnist": partial(figure2, data="mnist"),
    "figure2-fashion_mnist": partial(figure2, data="fashion_mnist"),
    "figure3-fashion_mnist": partial(figure3, data="fashion_mnist"),
    "glorot-fashion_mnist": partial(figure3, data="fashion_mnist", init="glorot_uniform"),
    "figure4a": figure4a,
    "figure4a-added": partial(figure4a, added=True),
    "figure4a-glorot": partial(figure4a, init="glorot_uniform", added=True),
    "figure4b": figure4b,
    "figure4b-glorot": partial(figure4b, init="glorot_uniform", added=True),
    "filters": filters,
    "filters-added": partial(filters, added=True),
    "figure5": figure5,
    "glorot-figure5": partial(figure5, init="glorot_uniform"),
    "figure3-cifar10": partial(figure3, data="cifar10"),
    "glorot-cifar10": partial(figure3, data="cifar10", init="glorot_uniform"),
    "figure2-cifar10": partial(figure2, data="cifar10"),
    "sgd-he_normal": partial(control, optimiser="sgd", init="he_normal"),
    "sgd-glorot_uniform": partial(control, optimiser="sgd", init="glorot_uniform"),
    "table_s1-once": partial(table_s1, per_image=False),
    "table_s1": table_s1,
    "sgd-figure5": partial(figure5, init="glorot_uniform", optimiser="sgd"),
}


def _new(preset, seeds, added):
    """Return the seeds; none for added runs at presets in `WITHOUT`."""
    return range(0 if added and preset in WITHOUT else seeds)


def _scale(preset):
    return SCALES[get(preset).name]


def _plain(preset, data, seed, depth, arrangement=None, init="he_normal", kernel=None, **rest):
    """Return a run of the paper's network: Adam at a constant rate of 0.001 unless overridden."""
    scale = _scale(preset)
    arguments = {"depth": depth}
    arguments |= {"pool_every": 2, "hidden": 64} if data == "cifar10" else {}
    arguments |= {"kernel": kernel, "valid": True} if kernel else {}
    arguments |= {"init": init} if init != "he_normal" else {}
    colour_set = data == "cifar10"
    usual = {"train_size": scale.colour if colour_set else scale.train, "test_size": scale.test,
             "epochs": scale.epochs, "batch": BATCH, "decay": 0.0,
             "lr": COLOUR_RATE if colour_set and preset == "long" else 1e-3}  # fmt: skip
    name = colour(preset) if data == "cifar10" else data
    return Run(name, "plain", seed, arrangement or {}, model_args=arguments, **(usual | rest))


def _look(preset, data, arrangement, **rest):
    """Return a run without a network, which measures the training images after the swaps."""
    name = colour(preset) if data == "cifar10" else data
    return Run(
        name, "none", 0, arrangement, epochs=0, train_size=_scale(preset).train,
        test_size=_scale(preset).test, observers=("data_orderness",), **rest,
    )  # fmt: skip


def _classify(preset, data, seed, depth, arrangement):
    return _plain(preset, data, seed, depth, arrangement, observers=_seen(preset))


def _seen(preset):
    """Return the observers of a network that classifies."""
    return ("map_orderness", "correct") if preset in FULL else ("map_orderness",)


def _few(preset, seed, swaps=0, added=False, masked=False, **rest):
    """Return a run on MNIST-1000; the seed also draws the images."""
    images, test, epochs = _scale(preset).few
    seen = ("map_orderness", "kernel_orderness")
    seen += ("kernel_above_chance",) if added else ()
    return _plain(
        preset, "mnist", seed, 3, _swaps(SMALL_BLOCK, swaps, seed), train_size=images,
        test_size=test, epochs=epochs, batch=32, sample=seed,
        observers=(*seen, "masked") if masked else seen, **rest,
    )  # fmt: skip


def _watched(preset, data, seed, depth, epochs, **rest):
    scale = _scale(preset)
    images = (scale.colour if data == "cifar10" else scale.train) or IMAGES[data]
    each = images // BATCH
    wanted = ends(epochs, each) if preset == "long" else steps(epochs * each)
    looks = {"steps": wanted, "observers": ["accuracy", "map_orderness"]}
    seen = _seen(preset) if preset == "long" else ()
    return _plain(preset, data, seed, depth, epochs=epochs, watch=looks, observers=seen, **rest)


def _shared(preset, data, seed, depth):
    return _watched(preset, data, seed, depth, _scale(preset).epochs)


def _as_long(scale, data):
    """Return whether Figure 3's network trains for as many epochs on a data set as Figure 2's."""
    return scale.long[DATA.index(data)] == scale.epochs


def ends(epochs, each):
    """Return the optimiser steps at which a long training is observed: early ones and epoch ends.

    epochs: of the training. each: steps in an epoch. The first 500 steps are observed as in
    `steps`.
    """
    first = [step for step in steps(epochs * each) if step < min(500, epochs * each)]
    return sorted({*first, *(each * epoch for epoch in range(1, epochs + 1))})


def steps(total):
    """Return the optimiser steps at which a training is observed, densest at its start.

    total: steps of the training; the last one is always observed.
    """
    wanted = [*range(0, 20, 5), *range(20, 100, 10), *range(100, 500, 40), *range(500, total, 200)]
    return [step for step in wanted if step < total] + [total]


def _swaps(block, swaps, seed, per_image=True):
    """Return block swaps, drawn for each image; within a seed, more swaps extend fewer ones."""
    once = {"kind": "block_swaps", "block": block, "swaps": swaps, "seed": seed}
    return (once | ({"per_image": True} if per_image else {})) if swaps else {}
