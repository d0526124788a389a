"""Sensitivity to noise (rodner2016): every fine-tuning, every small network and their observers.

What the paper leaves open is decided here, once; `book/papers/rodner2016.md` gives the reasons.
"""

from dataclasses import dataclass

from helpers import robustness
from helpers.experiments.ivan2019 import colour
from helpers.presets import preset as get
from helpers.runs import Run

HERE = ("squeezenet1_1", "efficientnet_lite0")
THEIRS = ("alexnet", "vgg19", "googlenet")  # the paper's; their weights are downloaded
SMALL = {
    "plain": {"depth": 4},
    "vgg": {},
    "resnet": {"depth": 18, "stem": "conv3"},
}
ALIKE = {  # comparable sizes: about 115, 240 and 176 thousand parameters; then ten times as many
    "long": {"plain": {"units": 64}, "vgg": {"width": 1 / 8, "hidden": 64}, "resnet": {"width": 8}},
    "paper": {
        "plain": {"units": 256},
        "vgg": {"width": 3 / 8, "hidden": 64},
        "resnet": {"width": 24},
    },
}
RATES = {  # chosen by training loss, for presets with `Scale.many`
    "plain": 1e-3, "vgg": 3e-3, "resnet": 3e-3, "squeezenet1_1": 2e-3,
}  # fmt: skip
GARMENTS = 20_000  # training images at `long`; one statement depends on them
DROPOUT = 0.1  # of the input (Section 3)
TRAINED_ON = {"kind": "intensity", "level": 16, "seed": 6}  # noise in both training and test images
NOISE = tuple(f"noise_{kind}" for kind in robustness.LEVELS)
LOOKS = (  # observers, split over several runs so that a killed run loses only minutes
    ("noise_rgb", "noise_intensity", "noise_saturation"),
    ("noise_hue", "noise_local_hue"),
    ("noise_pepper", "noise_translation", "noise_combined"),
    ("noise_rotation", "noise_upside_down", "noise_left_right"),
)
DROPPED = (0, 2)  # indices into `LOOKS`: what compares networks with and without dropout
FILTERED = tuple(f"filtered_{kind}" for kind in robustness.FILTERED)
PREDICTED = tuple(f"predicted_{kind}" for kind in robustness.PREDICTED)


@dataclass(frozen=True)
class Scale:
    """Size of this paper's experiments at a preset.

    train, test: images of the small networks, None for whole splits. width: theirs, relative to 64
    channels, at presets that `ALIKE` has no sizes for. epochs, seeds: of the small networks. tuned:
    seeds of the fine-tuned networks. side: px of their images, 0 where a preset has no such
    networks. tuning: epochs of fine-tuning, for each network. birds: the data set they are
    fine-tuned on. many: whether networks train until they stop improving, and are tested on all
    images there are, see `robustness.noise`. predicted: how many of the fine-tuned networks have
    their deviations predicted.
    """

    train: int | None
    test: int | None
    width: int
    epochs: int
    seeds: int
    tuned: int = 0
    side: int = 0
    tuning: tuple = ()
    birds: str = "birds"
    many: bool = False
    predicted: int = 1


SCALES = {
    "smoke": Scale(128, 20, width=4, epochs=1, seeds=1),
    "quick": Scale(1_000, 100, width=8, epochs=3, seeds=2),
    "study": Scale(10_000, 2_000, width=16, epochs=6, seeds=3, tuned=2, side=160, tuning=(8, 8)),
    "long": Scale(None, None, width=0, epochs=24, seeds=3, tuned=5, side=160, tuning=(20, 12),
                  birds="birds_official", many=True, predicted=3),
    "paper": Scale(None, None, width=0, epochs=30, seeds=5, tuned=5, side=224,
                   tuning=(30, 30, 30), birds="cub200", many=True, predicted=5),
}  # fmt: skip


def dropped(preset, seeds=None):
    """Return the first fine-tuned network, trained with dropout of its input and without (Fig. 4).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. The
    networks without dropout are runs of `curves`.
    """
    usual = [_looks(preset)[k] for k in DROPPED]
    looks = usual if _scale(preset).many else [("noise_rgb", "noise_pepper", "noise_intensity")]
    arms = ((DROPOUT, looks), (0.0, usual))
    return [run for share, own in arms for look in own
            for run in _every(preset, look, seeds, first=True, dropout=share)]  # fmt: skip


def noisy(preset, seeds=None):
    """Return small networks in colour, trained and tested on images of one noise level.

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    return [
        _small(preset, colour(preset), kind, seed, ("correct",), degradation=TRAINED_ON)
        for seed in range(seeds or _scale(preset).seeds)
        for kind in SMALL
    ]


def small_colour(preset, seeds=None):
    """Return small networks of three kinds on colour images, tested under every degradation.

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    return _kinds(preset, colour(preset), seeds)


def small_garments(preset, seeds=None):
    """Return the networks of `small_colour` on Fashion-MNIST (instead of Figure 3's other data).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    return _kinds(preset, "fashion_mnist", seeds)


def curves(preset, seeds=None):
    """Return the fine-tuned networks under every degradation (Section 2, Figure 2, Table 1).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    found = [run for look in _looks(preset) for run in _every(preset, look, seeds)]
    return sorted(found, key=lambda run: _networks(preset).index(run.model_args["name"]))


def filtered(preset, seeds=None):
    """Return one fine-tuned network that sees images through filters (Section 3, Figure 4).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number.
    """
    looks = _seen(preset, FILTERED)
    return [run for look in looks for run in _every(preset, (look,), seeds, first=True)]


def varied(preset):
    """Return the first fine-tuned network on all test images under faint noise (Section 3, Fig. 5).

    preset: a name in `presets.PRESETS`. It has one seed.
    """
    look = "scores" if _scale(preset).many else "deviations"
    return _every(preset, (look,), first=True)[:1]


def predicted(preset):
    """Return the first fine-tuned network with predicted and measured deviations (§4, Figure 6).

    preset: a name in `presets.PRESETS`; `Scale.predicted` says for how many seeds.
    """
    count = _scale(preset).predicted
    looks = _seen(preset, PREDICTED)
    return [run for look in looks for run in _every(preset, (look,), first=True)[:count]]


def foretold(preset, seeds=None):
    """Return plain networks with deviations predicted and measured (Section 4, Figure 6).

    preset: a name in `presets.PRESETS`. seeds: how many, None for the preset's own number. At
    presets with `Scale.many` these are the plain networks of `small_colour`.
    """
    if _scale(preset).many:
        return [run for run in small_colour(preset, seeds) if run.model == "plain"]
    return [
        _small(preset, colour(preset), "plain", seed, (*PREDICTED, *FILTERED))
        for seed in range(seeds or _scale(preset).seeds)
    ]


GRIDS = {
    "dropped": dropped,
    "noisy": noisy,
    "small-cifar10": small_colour,
    "curves": curves,
    "filtered": filtered,
    "varied": varied,
    "predicted": predicted,
    "small-fashion_mnist": small_garments,
    "foretold": foretold,
}


def _scale(preset):
    return SCALES[get(preset).name]


def _networks(preset):
    return THEIRS if get(preset).name == "paper" else HERE


def _seen(preset, names):
    """Return the named observers, for many images where a preset has `Scale.many`."""
    return tuple(f"many_{name}" for name in names) if _scale(preset).many else tuple(names)


def _looks(preset):
    return [_seen(preset, look) for look in LOOKS]


def _every(preset, observers, seeds=None, first=False, dropout=0.0):
    """Return the fine-tuned networks of a preset, or the first alone, each with its seeds."""
    networks = _networks(preset)
    tuned = _scale(preset).tuned
    return [
        _tuned(preset, name, seed, observers, dropout)
        for seed in range(seeds or tuned if tuned else 0)
        for name in (networks[:1] if first else networks)
    ]


def _tuned(preset, name, seed, observers, dropout=0.0):
    scale = _scale(preset)
    epochs = scale.tuning[_networks(preset).index(name)]
    arguments = {"name": name, "side": scale.side} | ({"dropout": dropout} if dropout else {})
    rate = RATES.get(name, 5e-3) if scale.many else 5e-3
    return Run(
        scale.birds, "finetuned", seed, model_args=arguments, optimiser="momentum", lr=rate,
        decay=0.0, weight_decay=5e-4, epochs=epochs, batch=32, augment="crop_flip",
        drops=_drops(epochs, (1 / 2, 3 / 4) if scale.many else (5 / 8, 7 / 8)),
        observers=observers,
    )  # fmt: skip


def _drops(epochs, shares):
    return {"after": [max(1, round(epochs * share)) for share in shares], "factor": 0.2}


def _kinds(preset, data, seeds):
    """Return the small networks of all kinds on one data set, under every degradation.

    Where they train long, the plain network on colour images also has its deviations predicted and
    sees images through filters.
    """
    looks = _seen(preset, (*NOISE, "noise_combined"))
    plain = ()
    if _scale(preset).many:
        looks = (*looks, "correct")
        plain = _seen(preset, (*PREDICTED, *FILTERED)) if data != "fashion_mnist" else ()
    return [
        _small(preset, data, kind, seed, looks + (plain if kind == "plain" else ()))
        for seed in range(seeds or _scale(preset).seeds)
        for kind in SMALL
    ]


def _small(preset, data, kind, seed, observers, degradation=None):
    scale, name = _scale(preset), get(preset).name
    if scale.many:
        own, rate = ALIKE[name][kind], RATES[kind]
    else:
        rate = 3e-3
        own = {"plain": {"units": scale.width}, "vgg": {"width": scale.width / 64},
               "resnet": {"width": scale.width}}[kind]  # fmt: skip
    garments = data == "fashion_mnist"
    return Run(
        data, kind, seed, channels="rgb", model_args=SMALL[kind] | own,
        train_size=GARMENTS if garments and name == "long" else scale.train,
        test_size=scale.test, lr=rate, decay=0.0, epochs=scale.epochs, batch=64,
        augment="none" if garments else "crop_flip", observers=observers,
        degradation=degradation or {},
        drops=_drops(scale.epochs, (1 / 2, 3 / 4) if scale.many else (2 / 3,)),
    )  # fmt: skip
