"""Perturbative Neural Networks on ImageNet and VOC 2007, for readers who have the data.

Neither data set may be redistributed, so no preset of the book trains these networks: they have
commands of their own, `train-folder` and `detect`. Below the preset `paper`, the same experiments
run at a scale that any folder of photographs allows.

The text of the paper is missing its recipe for ImageNet. We use the usual one for residual networks
(He et al. 2016), and divide the rate by 10 every 30 epochs, as the authors' code does.
"""

from helpers.errors import one_of
from helpers.experiments.juefei2018 import LEVELS
from helpers.presets import preset as get
from helpers.runs import Run, find_published

# width: at `paper` it is the paper's 256 masks. A quarter of it is a ResNet's usual width;
# VGG16 has its usual width at 256.
SCALES = {
    "smoke": {"width": 16, "epochs": 9, "batch": 8, "crop": 64},
    "quick": {"width": 32, "epochs": 9, "batch": 32, "crop": 128},
    "study": {"width": 64, "epochs": 30, "batch": 128, "crop": 128},
    "long": {"width": 64, "epochs": 30, "batch": 128, "crop": 128},
    "paper": {"width": 256, "epochs": 90, "batch": 256, "crop": 224},
}
PICTURE = {
    "smoke": 96,
    "quick": 300,
    "study": 600,
    "long": 600,
    "paper": 600,
}  # px, shorter side, of VOC
# For VGG16, what differs from `Detector` in the public code whose figures the paper compares with.
ON_VGG = {"epochs": 6, "weight_decay": 5e-4}


def table1(preset):
    """Return PNN-ResNet-18 at three widths and the ResNets beside it (Table 1, Figure 5).

    preset: a name in `presets.PRESETS`.
    """
    width = _scale(preset)["width"]
    noisy = [_run(preset, "pnn", 18, width // part) for part in (1, 2, 4)]
    return noisy + [_run(preset, "resnet", depth, width // 4) for depth in (34, 18)]


def table2(preset):
    """Return the perturbative and the ordinary network, with 18 and 50 layers (Table 2).

    preset: a name in `presets.PRESETS`.
    """
    width = _scale(preset)["width"]
    pairs = (("pnn", width), ("resnet", width // 4))
    return [_run(preset, name, depth, wide) for depth in (18, 50) for name, wide in pairs]


def table3(preset):
    """Return PNN-ResNet-50 at every noise level, on 100 classes (Table 3, Figure 6).

    preset: a name in `presets.PRESETS`. Level 0 is the control that the paper does not have.
    """
    width, levels = _scale(preset)["width"], sorted({*LEVELS, 0.05})
    return [_run(preset, "pnn", 50, width, "imagenet100", level=level) for level in levels]


def table7(preset):
    """Return the networks that the detectors of Table 7 start from.

    preset: a name in `presets.PRESETS`.
    """
    return [detector.backbone for detector in detectors(preset)]


def detectors(preset, **fields):
    """Return the detectors of Table 7, and the one on the ResNet-50 that the text mentions.

    preset: a name in `presets.PRESETS`. fields: fields of `Detector` to set. The paper does not say
    how many masks its networks have: we give the residual ones those of Table 2, and VGG16 as many
    channels with noise as without.
    """
    from helpers.detection import Detector  # torchvision's detectors take seconds to import

    width = _scale(preset)["width"]
    networks = (("pnn", 50, width), ("resnet", 50, width // 4), ("resnet", 101, width // 4))
    backbones = [(_vgg(preset, name), ON_VGG) for name in ("pnn_vgg", "vgg")]
    backbones += [(_run(preset, *network), {}) for network in networks]
    size = {"scale": PICTURE[preset]}
    return [Detector(backbone, **size | own | fields) for backbone, own in backbones]


def published(experiment, preset="paper"):
    """Return the published record of each run of an experiment, in order; None where there is none.

    experiment: a name in `FOLDER_GRIDS`. preset: a name in `presets.PRESETS`. Raises `InputError`
    for an unknown experiment.
    """
    grid = FOLDER_GRIDS[one_of("experiment", experiment, FOLDER_GRIDS)]
    return [find_published(run) for run in grid(preset)]


def published_detectors(preset="paper", **fields):
    """Return the published record of each detector, in order; None where there is none.

    preset, fields: as for `detectors`.
    """
    return [find_published(detector) for detector in detectors(preset, **fields)]


# Kept apart from `juefei2018.GRIDS`, which everyone can train.
FOLDER_GRIDS = {"table1": table1, "table2": table2, "table3": table3, "table7": table7}


def _scale(preset):
    return SCALES[get(preset).name]


def _run(preset, name, depth, width, data="imagenet", **more):
    return _usual(preset, name, {"depth": depth, "width": width, **more}, data)


def _vgg(preset, name):
    """Return a run of VGG16, at a tenth of the others' rate (Simonyan and Zisserman 2015)."""
    width = _scale(preset)["width"]
    return _usual(preset, name, {"width": width / 256, "hidden": 16 * width}, rate=0.01)


def _usual(preset, name, arguments, data="imagenet", rate=0.1):
    """Return a run with the usual recipe of residual networks; seed 0, as the paper has one run.

    rate: for batches of 256; it scales with the batch size (Goyal et al. 2017).
    """
    scale = _scale(preset)
    third = max(1, scale["epochs"] // 3)
    return Run(
        data, name, model_args=arguments, optimiser="momentum",
        lr=rate * scale["batch"] / 256, decay=0.0, weight_decay=1e-4,
        drops={"after": [third, 2 * third], "factor": 0.1},
        epochs=scale["epochs"], batch=scale["batch"], crop=scale["crop"], precision="mixed",
        observers=(), augment="crop_flip",
    )  # fmt: skip
