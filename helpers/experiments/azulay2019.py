"""One-pixel shifts (azulay2019): every training, and every network that others trained.

What the paper leaves open is decided here, once; `book/papers/azulay2019.md` gives the reasons.
"""

from dataclasses import dataclass

from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run
from helpers.shift import PROTOCOLS

LITE = ("squeezenet1_1", "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
THEIRS = ("vgg16", "resnet50", "densenet121", "inception_resnet_v2")  # the paper's; 1.7 GB
SAMPLINGS = ("max", "bin3", "bin5", "aps")
AUGMENTS = ("none", "crop_flip", "square", "black")
HERE = ("study", "long")  # presets that use the pretrained networks at hand, `LITE`
TORUS = (("max", "circular"), ("aps", "circular"), ("none", "circular"), ("none", "zeros"))
PAIRS = tuple(f"pairs_{protocol}" for protocol in PROTOCOLS)
ALL_PAIRS = tuple(f"all_pairs_{protocol}" for protocol in PROTOCOLS)
PREDICTED = tuple(f"foretold_{protocol}" for protocol in PROTOCOLS)


@dataclass(frozen=True)
class Scale:
    """Size of this paper's trainings at a preset.

    train, test: images, None for whole splits. width: channels of the networks that subsample in
    different ways. narrow: channels of those that we compare with a network without subsampling,
    which costs about five times as much. epochs, seeds: of each network; free_epochs: epochs in the
    comparison without subsampling, None for `epochs`. pictures: photographs shown to networks that
    others trained. every: whether our own networks see all test images, rather than the first ones,
    and records keep which answers are right.
    """

    train: int | None
    test: int | None
    width: int
    narrow: int
    epochs: int
    seeds: int
    pictures: int
    free_epochs: int | None = None
    every: bool = False


SCALES = {
    "smoke": Scale(128, 100, width=4, narrow=4, epochs=1, seeds=2, pictures=4),
    "quick": Scale(1_000, 500, width=8, narrow=4, epochs=2, seeds=2, pictures=20),
    "study": Scale(10_000, 2_000, width=16, narrow=8, epochs=6, seeds=3, pictures=1_000),
    "long": Scale(None, None, width=32, narrow=16, epochs=20, seeds=3, pictures=1_000,
                  free_epochs=16, every=True),
    "paper": Scale(None, None, width=64, narrow=64, epochs=100, seeds=5, pictures=1_000,
                   every=True),
}  # fmt: skip


def plain(preset, seeds=None):
    """Return plain networks, which do not blur (Figures 4, 8, 12).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. These
    runs are also in `samplings` and in `augmentations`. At `long` they have the observers that
    `across` needs, too.
    """
    return [_wide(preset, seed) for seed in range(seeds or _scale(preset).seeds)]


def samplings(preset, seeds=None):
    """Return networks that blur before subsampling, and some that do not (Section 5.1; Figure 9).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. At
    `long` we train only the two kinds that the paper discusses.
    """
    drawn = range(seeds or _scale(preset).seeds)
    kinds = ("max", "bin5") if get(preset).name == "long" else SAMPLINGS
    return [_wide(preset, seed, sampling) for seed in drawn for sampling in kinds]


def augmentations(preset, seeds=None):
    """Return plain networks trained with different augmentations (Section 5.2, Figure 10).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    drawn = range(seeds or _scale(preset).seeds)
    return [_wide(preset, seed, augment=augment) for seed in drawn for augment in AUGMENTS]


def subsampling_free(preset, seeds=None):
    """Return networks with and without subsampling, on a torus or with zero padding (Figure 11).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    scale = _scale(preset)
    seen = ("pairs_circular", "pairs_black", "sizes_black", *(["correct"] * scale.every))
    return [
        _run(preset, seed, scale.narrow, sampling, seen, scale.free_epochs, padding=padding)
        for seed in range(seeds or scale.seeds)
        for sampling, padding in TORUS
    ]  # fmt: skip


def protocols(preset):
    """Return networks that others trained, under each protocol (Section 2, Figure 2, Table 1).

    preset: a name in `presets.PRESETS`.
    """
    return _pretrained(preset, PAIRS)


def embedded_sizes(preset):
    """Return the same networks on embedded images of several sizes (Section 4, Figure 6).

    preset: a name in `presets.PRESETS`. The smaller presets show the first images of the folder,
    all of which are animals.
    """
    which = "drawn_sizes" if _scale(preset).every else "sizes"
    return _pretrained(preset, (f"{which}_black", f"{which}_scale"))


def birds(preset):
    """Return networks read out at every depth, on bird species (Figure 4), at `study` and `long`.

    preset: a name in `presets.PRESETS`; the others have no such run. We train the read-outs on the
    100 classes of CUB-200-2011 in the data folder.
    """
    names = LITE[:2] if get(preset).name in HERE else ()
    return [_looked_at("birds", name, "readouts", None) for name in names]


def bias(preset):
    """Return the network that tells us where objects are (Figure 5), at `study` and `long`.

    preset: a name in `presets.PRESETS`; the others have no such run. The network sees photographs,
    and images of birds that were cropped to the bird.
    """
    if get(preset).name not in HERE:
        return []
    data = {"imagenet_sample": SCALES["study"].pictures, "all_birds": None}
    return [_looked_at(name, LITE[0], "positions", count) for name, count in data.items()]


GRIDS = {
    "protocols": protocols,
    "embedded_sizes": embedded_sizes,
    "plain": plain,
    "samplings": samplings,
    "augmentations": augmentations,
    "subsampling_free": subsampling_free,
    "birds": birds,
    "bias": bias,
}


def _scale(preset):
    return SCALES[get(preset).name]


def _pretrained(preset, observers):
    """Return one run for each network and observer, so that a short one can end before a long one.

    At `long` these are the runs of `study`, which already has all networks and images that there
    are.
    """
    name = "study" if get(preset).name in HERE else get(preset).name
    data = {"study": "imagenet_sample", "paper": "imagenet_val"}.get(name, "photographs")
    networks = {"study": LITE, "paper": THEIRS}.get(name, LITE[1:2])
    count = _scale(preset).pictures
    return [_looked_at(data, network, seen, count) for network in networks for seen in observers]


def _looked_at(data, name, observer, count):
    return Run(data, "pretrained", model_args={"name": name}, epochs=0, test_size=count,
               observers=(observer,))  # fmt: skip


def _wide(preset, seed, sampling="max", augment="crop_flip"):
    """Return a run tested under all protocols; the plain network is also read out."""
    is_plain = (sampling, augment) == ("max", "crop_flip")
    if _scale(preset).every:
        observers = (*ALL_PAIRS, "all_typicality", "correct")
        read = ("all_readouts", *PREDICTED, *PAIRS, "typicality")
    else:
        observers, read = (*PAIRS, "typicality"), ("readouts",)
    seen = (*observers, *(read * is_plain))
    return _run(preset, seed, _scale(preset).width, sampling, seen, augment=augment)


def _run(preset, seed, width, sampling, observers, epochs=None, padding="zeros",
         augment="crop_flip"):  # fmt: skip
    scale = _scale(preset)
    epochs = epochs or scale.epochs
    drops = sorted({max(1, round(epochs * share)) for share in (1 / 2, 3 / 4)})
    return Run(
        colour(preset), "antialiased", seed,
        model_args={"width": width, "sampling": sampling, "padding": padding},
        train_size=scale.train, test_size=scale.test, epochs=epochs, batch=64,
        lr=3e-3, decay=0.0, weight_decay=1e-4, augment=augment, observers=observers,
        drops={"after": drops, "factor": 0.2},
    )  # fmt: skip
