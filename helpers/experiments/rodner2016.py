"""Sensitivity to noise (rodner2016): every fine-tuning, every small network, every look at them.

What the paper leaves open is decided here, once; the reasons stand in `book/papers/rodner2016.md`.
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
DROPOUT = 0.1  # of the input (Section 3)
TRAINED_ON = {"kind": "intensity", "level": 16, "seed": 6}  # noise in training and test images
NOISE = tuple(f"noise_{kind}" for kind in robustness.LEVELS)
LOOKS = (  # what one run of a fine-tuned network looks at, so that a killed one loses minutes
    ("noise_rgb", "noise_intensity", "noise_saturation"),
    ("noise_hue", "noise_local_hue"),
    ("noise_pepper", "noise_translation", "noise_combined"),
    ("noise_rotation", "noise_upside_down", "noise_left_right"),
)
FILTERED = tuple(f"filtered_{kind}" for kind in robustness.FILTERED)
PREDICTED = tuple(f"predicted_{kind}" for kind in robustness.PREDICTED)


@dataclass(frozen=True)
class Scale:
    """Say how large this paper's experiments are at a preset.

    train, test: images of the small networks, None for whole splits. width: of theirs, of 64
    channels. epochs: of theirs. seeds: of theirs; tuned: of the fine-tuned networks. side: px that
    these are shown, 0 where there are none. tuning: epochs of fine-tuning.
    """

    train: int | None
    test: int | None
    width: int
    epochs: int
    seeds: int
    tuned: int = 0
    side: int = 0
    tuning: int = 0


SCALES = {
    "smoke": Scale(128, 20, width=4, epochs=1, seeds=1),
    "quick": Scale(1_000, 100, width=8, epochs=3, seeds=2),
    "study": Scale(10_000, 2_000, width=16, epochs=6, seeds=3, tuned=2, side=160, tuning=8),
    "paper": Scale(None, None, width=64, epochs=30, seeds=5, tuned=3, side=224, tuning=30),
}


def small(preset, seeds=None):
    """Return small networks of three kinds on garments and in colour, under every degradation."""
    return [
        _small(preset, data, kind, seed, (*NOISE, "noise_combined"))
        for seed in range(seeds or _scale(preset).seeds)
        for data in ("fashion_mnist", colour(preset))
        for kind in SMALL
    ]


def noisy(preset, seeds=None):
    """Return the same kinds in colour, trained and tested on images of one noise level."""
    return [
        _small(preset, colour(preset), kind, seed, ("correct",), degradation=TRAINED_ON)
        for seed in range(seeds or _scale(preset).seeds)
        for kind in SMALL
    ]


def foretold(preset, seeds=None):
    """Return plain networks whose deviations are foretold (Section 4, Figure 6)."""
    return [
        _small(preset, colour(preset), "plain", seed, (*PREDICTED, *FILTERED))
        for seed in range(seeds or _scale(preset).seeds)
    ]


def curves(preset, seeds=None):
    """Return the fine-tuned networks under every degradation (Section 2, Figure 2, Table 1)."""
    return [run for look in LOOKS for run in _every(preset, look, seeds)]


def filtered(preset, seeds=None):
    """Return one fine-tuned network behind filters (Section 3, Figure 4)."""
    return [run for look in FILTERED for run in _every(preset, (look,), seeds, first=True)]


def dropped(preset, seeds=None):
    """Return the same network trained with dropout of its input (Section 3, Figure 4)."""
    looks = ("noise_rgb", "noise_pepper", "noise_intensity")
    return _every(preset, looks, seeds, first=True, dropout=DROPOUT)


def varied(preset):
    """Return it on every test picture under faint noise (Section 3, Figure 5)."""
    return _every(preset, ("deviations",), first=True)[:1]


def predicted(preset):
    """Return it with deviations foretold and measured (Section 4, Figure 6)."""
    return [_every(preset, (look,), first=True)[0] for look in PREDICTED if _scale(preset).tuned]


GRIDS = {
    "curves": curves,
    "dropped": dropped,
    "filtered": filtered,
    "varied": varied,
    "predicted": predicted,
    "small": small,
    "noisy": noisy,
    "foretold": foretold,
}


def _scale(preset):
    return SCALES[get(preset).name]


def _every(preset, observers, seeds=None, first=False, dropout=0.0):
    """Return the fine-tuned networks of a preset, or the first alone, each with its seeds."""
    networks = THEIRS if get(preset).name == "paper" else HERE
    tuned = _scale(preset).tuned
    return [
        _tuned(preset, name, seed, observers, dropout)
        for seed in range(seeds or tuned if tuned else 0)
        for name in (networks[:1] if first else networks)
    ]


def _tuned(preset, name, seed, observers, dropout=0.0):
    scale = _scale(preset)
    data = "cub200" if get(preset).name == "paper" else "birds"
    arguments = {"name": name, "side": scale.side} | ({"dropout": dropout} if dropout else {})
    drops = [round(scale.tuning * share) for share in (5 / 8, 7 / 8)]
    return Run(
        data, "finetuned", seed, model_args=arguments, optimiser="momentum", lr=5e-3, decay=0.0,
        weight_decay=5e-4, drops={"after": drops, "factor": 0.2}, epochs=scale.tuning, batch=32,
        augment="crop_flip", observers=observers,
    )  # fmt: skip


def _small(preset, data, kind, seed, observers, degradation=None):
    scale = _scale(preset)
    width = {"plain": {"units": scale.width}, "vgg": {"width": scale.width / 64},
             "resnet": {"width": scale.width}}[kind]  # fmt: skip
    return Run(
        data, kind, seed, channels="rgb", model_args=SMALL[kind] | width, train_size=scale.train,
        test_size=scale.test, lr=3e-3, decay=0.0, epochs=scale.epochs, batch=64,
        augment="none" if data == "fashion_mnist" else "crop_flip", observers=observers,
        degradation=degradation or {},
        drops={"after": [max(1, round(scale.epochs * 2 / 3))], "factor": 0.2},
    )  # fmt: skip
