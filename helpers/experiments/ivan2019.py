"""Convolutional Neural Networks on Randomized Data (ivan2019): every training behind its claims.

What the paper leaves open is decided here, once; `book/papers/ivan2019.md` gives the reasons.
"""

from functools import partial

from helpers import datasets
from helpers.presets import preset as get
from helpers.runs import Run

DATA = ("mnist", "fashion_mnist", "cifar10")
NETWORKS = {"CNN": "vgg", "MLP": "mlp"}
ORDERS = ("natural", "permuted")
SLICES = (1, 2, 4, 8, 16, 32)  # per side of a 32 px image (Figure 8)
DISTANCES = {
    "smoke": (0, 4),
    "quick": (0, 4, 32),
    "study": (0, 1, 4, 32),
    "long": (0, 1, 4, 32),
    "paper": (0, 1, 2, 4, 8, 16, 32),
}
ENDS = {"study": (0, 32)}  # for single channels, to save time on two cores
INPUTS = ("all", "red", "green", "blue")
DEPTHS = (4, 8)  # hidden layers of the deep MLPs
STAYS = 1 / 4  # at most, of the pixels: one patch of four, as many as stay on average by chance
KEPT = {"observers": ("confusion", "correct")}
RECIPES = {
    "long": KEPT | {"lr": 1e-3, "batch": 64, "drops": {"after": [5, 7], "factor": 0.2}},
    "paper": KEPT,
}  # what differs from the paper's learning rate and a batch of 32
OWN_RATE = {"lr": 1e-4, "batch": 32, "drops": {}, "epochs": 40}


def colour(preset):
    """Return the name of a preset's colour data set: CIFAR-10, or photo patches instead.

    preset: a name in `presets.PRESETS`. Small presets use photo patches where CIFAR-10 is not on
    disk, and `smoke` always does.
    """
    scale = get(preset)
    at_hand = scale.full or (scale.name != "smoke" and datasets.on_disk("cifar10"))
    return "cifar10" if at_hand else "photo_patches"


def table1(preset, data, seeds=None):
    """Return CNN and MLP on natural and permuted images of one data set (Table 1).

    preset: a name in `presets.PRESETS`. data: a name in `DATA`. seeds: how many, None for the
    preset's own number.
    """
    used = colour(preset) if data == "cifar10" else data
    return _networks(preset, seeds, data=used)


def own_rate(preset, seeds=None):
    """Return Table 1 on colour images at the paper's learning rate.

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. At
    `long` the networks train until nothing improves. The other presets use that rate everywhere, so
    these are the runs of `table1`.
    """
    return _networks(preset, seeds, **(OWN_RATE if preset == "long" else {}))


def _networks(preset, seeds, **rest):
    return [
        _run(preset, seed, model, _pixels(preset, order, seed), **rest)
        for seed in _seeds(preset, seeds)
        for model in NETWORKS.values()
        for order in ORDERS
    ]


def figure11(preset, seeds=None):
    """Return the wide-kernel network on natural and permuted colour images (Figure 11).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    return [
        _run(preset, seed, "dilated", _pixels(preset, order, seed))
        for seed in _seeds(preset, seeds)
        for order in ORDERS
    ]


def section5(preset, seeds=None):
    """Return the strided 8x8 network and deep MLPs on permuted colour images (Section 5).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    deep = [("mlp", {"model_args": {"depth": depth}}) for depth in DEPTHS]
    return [
        _run(preset, seed, model, _pixels(preset, "permuted", seed), **more)
        for seed in _seeds(preset, seeds)
        for model, more in [("strided", {}), *deep]
    ]


def figure8(preset, seeds=None):
    """Return the CNN on colour images cut into slices and shuffled (Figure 8).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    return [
        _run(preset, seed, "vgg", _patches(preset, slices, seed))
        for seed in _seeds(preset, seeds, most=2)
        for slices in SLICES
    ]


def figure10(preset, seeds=None, inputs=INPUTS[:1]):
    """Return the CNN on locally permuted colour images, all channels or one (Figure 10).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. inputs:
    channels that the networks see, names in `INPUTS`.
    """
    return [
        _run(preset, seed, "vgg", _local(preset, distance, seed), channels=channels)
        for channels in inputs
        for seed in _seeds(preset, seeds, most=2)
        for distance in distances(preset, channels)
    ]


def distances(preset, channels="all"):
    """Return the distances D, in px, at which Figure 10 trains on an input.

    preset: a name in `presets.PRESETS`. channels: a name in `INPUTS`.
    """
    every = DISTANCES[preset]
    return every if channels == "all" else ENDS.get(preset, every)


GRIDS = {
    **{f"table1-{data}": partial(table1, data=data) for data in reversed(DATA)},
    "figure11": figure11,
    "section5": section5,
    "figure8": figure8,
    "figure10": figure10,
    "figure10-channels": partial(figure10, inputs=INPUTS[1:]),
    "table1-own_rate": own_rate,
}


def _run(preset, seed, model, arrangement, data=None, **rest):
    scale = get(preset)
    if model == "vgg":
        rest["model_args"] = {"width": scale.width}
    usual = {"train_size": scale.train, "test_size": scale.test, "epochs": scale.epochs}
    return Run(
        data or colour(preset), model, seed, arrangement,
        **usual | RECIPES.get(preset, {}) | rest,
    )  # fmt: skip


def _seeds(preset, seeds=None, most=None):
    """Return the seeds: at most `most` for the wide grids of Figures 8 and 10.

    The presets in `RECIPES` always take all their seeds.
    """
    scale = get(preset)
    own = min(scale.seeds, most) if most and preset not in RECIPES else scale.seeds
    return range(seeds or own)


def _pixels(preset, order, seed):
    return _moving(preset, "pixel_permutation", seed) if order == "permuted" else {}


def _patches(preset, slices, seed):
    """Return a patch shuffle; its two extremes are Table 1's natural and permuted images."""
    if slices in (1, 32):
        return _pixels(preset, "natural" if slices == 1 else "permuted", seed)
    return _moving(preset, "patch_permutation", seed, slices=slices)


def _local(preset, distance, seed):
    if not distance:
        return {}
    return _moving(preset, "local_permutation", seed, distance=distance)


def _moving(preset, kind, seed, **arguments):
    """Return an arrangement in which few pixels stay put: at most `STAYS` of them.

    Older presets have no such limit: it would change the keys of their records.
    """
    limit = {"stays": STAYS} if preset in RECIPES else {}
    return {"kind": kind, **arguments, "seed": seed, **limit}
