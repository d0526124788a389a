"""One-pixel shifts (azulay2019): every training and every network that others trained.

What the paper leaves open is decided here, once; the reasons stand in `book/papers/azulay2019.md`.
"""

from dataclasses import dataclass

from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run
from helpers.shift import PROTOCOLS

LITE = ("squeezenet1_1", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
THEIRS = ("vgg16", "resnet50", "densenet121", "inception_resnet_v2")  # the paper's, 1.7 GB
SAMPLINGS = ("max", "bin3", "bin5", "aps")
AUGMENTS = ("none", "crop_flip", "square", "black")
TORUS = (("max", "circular"), ("aps", "circular"), ("none", "circular"), ("none", "zeros"))
PAIRS = tuple(f"pairs_{protocol}" for protocol in PROTOCOLS)


@dataclass(frozen=True)
class Scale:
    """Say how large this paper's trainings are at a preset.

    train, test: images, None for whole splits. width: of the networks that subsample in different
    ways; narrow: of those that are compared with a network without subsampling, which costs about
    five times as much. epochs, seeds: as they say. pictures: that networks of others are shown.
    """

    train: int | None
    test: int | None
    width: int
    narrow: int
    epochs: int
    seeds: int
    pictures: int


SCALES = {
    "smoke": Scale(128, 100, width=4, narrow=4, epochs=1, seeds=2, pictures=4),
    "quick": Scale(1_000, 500, width=8, narrow=4, epochs=2, seeds=2, pictures=20),
    "study": Scale(10_000, 2_000, width=16, narrow=8, epochs=6, seeds=3, pictures=1_000),
    "paper": Scale(None, None, width=64, narrow=64, epochs=100, seeds=5, pictures=1_000),
}


def samplings(preset, seeds=None):
    """Return networks that blur before they subsample, or do not (Section 5.1; Figures 4, 8, 9)."""
    drawn = range(seeds or _scale(preset).seeds)
    return [_wide(preset, seed, sampling) for seed in drawn for sampling in SAMPLINGS]


def augmentations(preset, seeds=None):
    """Return plain networks trained on different views (Section 5.2, Figure 10)."""
    drawn = range(seeds or _scale(preset).seeds)
    return [_wide(preset, seed, augment=augment) for seed in drawn for augment in AUGMENTS]


def subsampling_free(preset, seeds=None):
    """Return networks with and without subsampling, on a torus or with zeros (Figure 11)."""
    scale = _scale(preset)
    return [
        _run(preset, seed, scale.narrow, sampling, ("pairs_circular", "pairs_black", "sizes_black"),
             padding=padding)
        for seed in range(seeds or scale.seeds)
        for sampling, padding in TORUS
    ]  # fmt: skip


def protocols(preset):
    """Return networks that others trained, under each protocol (Section 2, Figure 2, Table 1)."""
    return _pretrained(preset, PAIRS)


def embedded_sizes(preset):
    """Return the same with embedded pictures of several sizes (Section 4, Figure 6)."""
    return _pretrained(preset, ("sizes_black", "sizes_scale"))


def birds(preset):
    """Return networks read out at every depth, on bird species (Figure 4), at `study` only.

    The read-outs are trained on the 100 classes of CUB-200-2011 in the data folder.
    """
    names = LITE[:2] if get(preset).name == "study" else ()
    return [_looked_at("birds", name, "readouts", None) for name in names]


def bias(preset):
    """Return the network that says where objects are (Figure 5), at `study` only.

    On photographs, and on birds, whose pictures were cut to them.
    """
    if get(preset).name != "study":
        return []
    data = {"imagenet_sample": SCALES["study"].pictures, "all_birds": None}
    return [_looked_at(name, LITE[0], "positions", count) for name, count in data.items()]


GRIDS = {
    "protocols": protocols,
    "embedded_sizes": embedded_sizes,
    "samplings": samplings,
    "augmentations": augmentations,
    "subsampling_free": subsampling_free,
    "birds": birds,
    "bias": bias,
}


def _scale(preset):
    return SCALES[get(preset).name]


def _pretrained(preset, observers):
    """Return a run for each network and observer, so that a short one can end before a long one."""
    name = get(preset).name
    data = {"study": "imagenet_sample", "paper": "imagenet_val"}.get(name, "photographs")
    networks = {"study": LITE, "paper": THEIRS}.get(name, LITE[1:2])
    count = _scale(preset).pictures
    return [_looked_at(data, network, seen, count) for network in networks for seen in observers]


def _looked_at(data, name, observer, count):
    return Run(data, "pretrained", model_args={"name": name}, epochs=0, test_size=count,
               observers=(observer,))  # fmt: skip


def _wide(preset, seed, sampling="max", augment="crop_flip"):
    """Return a run that is tested by all protocols; the plain network is also read out."""
    plain = (sampling, augment) == ("max", "crop_flip")
    observers = (*PAIRS, "typicality", *(["readouts"] * plain))
    width = _scale(preset).width
    return _run(preset, seed, width, sampling, observers, augment=augment)


def _run(preset, seed, width, sampling, observers, padding="zeros", augment="crop_flip"):
    scale = _scale(preset)
    drops = sorted({max(1, round(scale.epochs * share)) for share in (1 / 2, 3 / 4)})
    return Run(
        colour(preset), "antialiased", seed,
        model_args={"width": width, "sampling": sampling, "padding": padding},
        train_size=scale.train, test_size=scale.test, epochs=scale.epochs, batch=64,
        lr=3e-3, decay=0.0, weight_decay=1e-4, augment=augment, observers=observers,
        drops={"after": drops, "factor": 0.2},
    )  # fmt: skip
