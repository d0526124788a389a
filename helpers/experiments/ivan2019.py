"""Convolutional Neural Networks on Randomized Data: every training behind its claims.

What the paper leaves open is decided here, once; the reasons stand in `book/papers/ivan2019.md`.
"""

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
    "paper": (0, 1, 2, 4, 8, 16, 32),
}
ENDS = {"study": (0, 32)}  # single channels, where that is fewer: time is short on two cores
INPUTS = ("all", "red", "green", "blue")
DEPTHS = (4, 8)  # hidden layers of the deep MLPs


def colour(preset):
    """Return the colour data set: CIFAR-10, or at small presets without it the photo patches."""
    scale = get(preset)
    at_hand = scale.full or (scale.name != "smoke" and datasets.on_disk("cifar10"))
    return "cifar10" if at_hand else "photo_patches"


def table1(preset, seeds=None):
    """Return CNN and MLP on natural and permuted images of three data sets (Table 1)."""
    names = [colour(preset) if name == "cifar10" else name for name in DATA]
    return [
        _run(preset, seed, model, _pixels(order, seed), data=name)
        for seed in _seeds(preset, seeds)
        for name in reversed(names)
        for model in NETWORKS.values()
        for order in ORDERS
    ]


def figure11(preset, seeds=None):
    """Return the wide-kernel network on natural and permuted colour images (Figure 11)."""
    return [
        _run(preset, seed, "dilated", _pixels(order, seed))
        for seed in _seeds(preset, seeds)
        for order in ORDERS
    ]


def section5(preset, seeds=None):
    """Return the strided 8x8 network and deep MLPs on permuted colour images (Section 5)."""
    variants = [("strided", {})] + [("mlp", {"depth": depth}) for depth in DEPTHS]
    return [
        _run(preset, seed, model, _pixels("permuted", seed), **({"model_args": a} if a else {}))
        for seed in _seeds(preset, seeds)
        for model, a in variants
    ]


def figure8(preset, seeds=None):
    """Return the CNN on colour images cut into slices and shuffled (Figure 8)."""
    return [
        _run(preset, seed, "vgg", _patches(slices, seed))
        for seed in _seeds(preset, seeds, most=2)
        for slices in SLICES
    ]


def figure10(preset, seeds=None):
    """Return the CNN on locally permuted colour images, all channels or one (Figure 10)."""
    return [
        _run(preset, seed, "vgg", _local(distance, seed), channels=channels)
        for channels in INPUTS
        for seed in _seeds(preset, seeds, most=2)
        for distance in distances(preset, channels)
    ]


def distances(preset, channels="all"):
    """Return the distances D at which Figure 10 trains an input."""
    every = DISTANCES[preset]
    return every if channels == "all" else ENDS.get(preset, every)


GRIDS = {
    "table1": table1,
    "figure11": figure11,
    "section5": section5,
    "figure8": figure8,
    "figure10": figure10,
}


def _run(preset, seed, model, arrangement, data=None, **rest):
    scale = get(preset)
    if model == "vgg":
        rest["model_args"] = {"width": scale.width}
    return Run(
        data or colour(preset), model, seed, arrangement,
        train_size=scale.train, test_size=scale.test, epochs=scale.epochs, **rest,
    )  # fmt: skip


def _seeds(preset, seeds=None, most=None):
    """Return the seeds; the wide grids of Figures 8 and 10 take two where Table 1 takes three."""
    scale = get(preset)
    own = min(scale.seeds, most) if most and scale.name != "paper" else scale.seeds
    return range(seeds or own)


def _pixels(order, seed):
    return {"kind": "pixel_permutation", "seed": seed} if order == "permuted" else {}


def _patches(slices, seed):
    """Return a patch shuffle; its two ends are the natural and the permuted images of Table 1."""
    if slices in (1, 32):
        return _pixels("natural" if slices == 1 else "permuted", seed)
    return {"kind": "patch_permutation", "slices": slices, "seed": seed}


def _local(distance, seed):
    return {"kind": "local_permutation", "distance": distance, "seed": seed} if distance else {}
