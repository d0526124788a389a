"""Perturbative Neural Networks on ImageNet and VOC 2007, for those who have the data.

Neither may be passed on, so no preset of the book trains these: they have commands of their own,
`python -m helpers train-folder` and `python -m helpers detect`. Below the preset `paper` they are
the same experiments at a scale that any folder of photographs allows.

The paper's recipe for ImageNet is lost from its text. We take the usual one for residual networks
(He et al. 2016), with the rate divided by 10 every 30 epochs, as in the authors' code.
"""

from helpers.experiments.juefei2018 import LEVELS
from helpers.presets import preset as get
from helpers.runs import Run

# width: what the paper calls 256 masks, so that a quarter of it is ResNet's usual width.
SCALES = {
    "smoke": {"width": 16, "epochs": 9, "batch": 8, "crop": 64},
    "quick": {"width": 32, "epochs": 9, "batch": 32, "crop": 128},
    "study": {"width": 64, "epochs": 30, "batch": 128, "crop": 128},
    "paper": {"width": 256, "epochs": 90, "batch": 256, "crop": 224},
}
PICTURE = {"smoke": 96, "quick": 300, "study": 600, "paper": 600}  # px, shorter side, of VOC


def table1(preset):
    """Return PNN-ResNet-18 at three widths and the ResNets beside it (Table 1, Figure 5)."""
    width = _scale(preset)["width"]
    noisy = [_run(preset, "pnn", 18, width // part) for part in (1, 2, 4)]
    return noisy + [_run(preset, "resnet", depth, width // 4) for depth in (34, 18)]


def table2(preset):
    """Return both networks of 18 and 50 layers (Table 2)."""
    width = _scale(preset)["width"]
    pairs = (("pnn", width), ("resnet", width // 4))
    return [_run(preset, name, depth, wide) for depth in (18, 50) for name, wide in pairs]


def table3(preset):
    """Return PNN-ResNet-50 of every noise level on 100 classes (Table 3, Figure 6).

    Level 0 is the control that the paper lacks.
    """
    width, levels = _scale(preset)["width"], sorted({*LEVELS, 0.05})
    return [_run(preset, "pnn", 50, width, "imagenet100", level=level) for level in levels]


def table7(preset):
    """Return the networks that the detectors start from."""
    return [detector.backbone for detector in detectors(preset)]


def detectors(preset, **fields):
    """Return the residual detectors of Table 7, with the ResNet-50 of the text; fields: `Detector`.

    The masks are those of Table 2; the paper gives none. Its detectors on VGG-16 are left out:
    it does not say which of their layers are perturbative.
    """
    from helpers.detection import Detector  # torchvision's detectors take seconds to import

    width = _scale(preset)["width"]
    networks = (("pnn", 50, width), ("resnet", 50, width // 4), ("resnet", 101, width // 4))
    return [
        Detector(_run(preset, *network), **{"scale": PICTURE[preset], **fields})
        for network in networks
    ]


# Kept apart from `juefei2018.GRIDS`, which everyone trains.
FOLDER_GRIDS = {"table1": table1, "table2": table2, "table3": table3, "table7": table7}


def _scale(preset):
    return SCALES[get(preset).name]


def _run(preset, name, depth, width, data="imagenet", **more):
    """Return a run of the usual recipe of residual networks; seed 0, as the paper has one run.

    The rate is 0.1 for batches of 256 and in proportion for others (Goyal et al. 2017).
    """
    scale = _scale(preset)
    third = max(1, scale["epochs"] // 3)
    return Run(
        data, name, model_args={"depth": depth, "width": width, **more}, optimiser="momentum",
        lr=0.1 * scale["batch"] / 256, decay=0.0, weight_decay=1e-4,
        drops={"after": [third, 2 * third], "factor": 0.1},
        epochs=scale["epochs"], batch=scale["batch"], crop=scale["crop"], precision="mixed",
        observers=(), augment="crop_flip",
    )  # fmt: skip
