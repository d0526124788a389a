"""Parameter counts of the networks of juefei2018."""

from functools import lru_cache

from helpers import claims, models
from helpers.experiments.juefei2018 import MASKS
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.records import on_folder

CIFAR, IMAGENET = ((3, 32, 32), 10), ((3, 224, 224), 1000)
LAYERS = {256: 34, 128: 18, 64: 18}  # of the ResNet beside each number of masks (Table 1)
# What the printed ratios count: masks are fixed; only the released code has batch norm and bias.
AS_COUNTED = {"norm": False, "bias": False}


@lru_cache(maxsize=64)
def parameters(name, depth, width, task=CIFAR, released=False):
    """Return the number of learnable parameters of a network on a task.

    name, depth, width: of the network. task: (image shape, classes). released: whether to count
    batch norm and biases in the noise layers, which the authors' code has.
    """
    noise = AS_COUNTED if name == "pnn" and not released else {}
    return models.parameters(models.build(name, *task, 0, depth=depth, width=width, **noise))


def resnet110():
    """Return the number of parameters of He et al.'s residual network of 110 layers for CIFAR-10.

    It has a 3x3 stem of 16 channels, three stages of 18 basic blocks with 16, 32 and 64 channels,
    shortcuts without parameters, batch norm after every convolution, and a dense layer.
    """
    widths, blocks, classes = (16, 32, 64), 18, 10
    total, channels = 9 * 3 * 16 + 2 * 16, 16
    for width in widths:
        for _ in range(2 * blocks):
            total += 9 * channels * width + 2 * width
            channels = width
    return total + (channels + 1) * classes


def ratio(masks, task=CIFAR, layers=18, released=False):
    """Return the parameters of the usual ResNet over those of PNN-ResNet-18.

    masks: width of the perturbative network. task, released: as for `parameters`. layers: of the
    ResNet.
    """
    return parameters("resnet", layers, 64, task) / parameters("pnn", 18, masks, task, released)


def table5_error(preset):
    """Return the largest difference of a counted and a printed ratio of Table 5, at any preset."""
    printed = claims.row("pnn-table5")[1]["printed"]["ratio"]
    pairs = zip(MASKS, printed, strict=True)
    return max(abs(ratio(masks) - value) for masks, value in pairs), ANY


def table1_ratio(masks):
    """Return the ratio of parameters of Table 1.

    masks: their number, a key of `LAYERS`.
    """
    return ratio(masks, IMAGENET, LAYERS[masks])


def table1_error(_, masks, printed):
    """Return how far Table 1's ratio for a number of masks differs from the printed one.

    masks: a key of `LAYERS`. printed: the ratio in the table.
    """
    return abs(table1_ratio(masks) - printed), ANY


def more_than_resnet(_, depth):
    """Return the parameters of a network of Table 2 over those of the ResNet beside it.

    depth: layers of both.
    """
    noisy, usual = (parameters(name, depth, width, IMAGENET)
                    for name, width in (("pnn", 256), ("resnet", 64)))  # fmt: skip
    return round(noisy / usual, 1), ANY


def reduction(_, against=110):
    """Return the parameters of a ResNet over those of the best PNN, rounded (Section 5.3).

    against: layers of the ResNet; 110 is that of He et al.
    """
    usual = resnet110() if against == 110 else parameters("resnet", against, 64)
    return round(usual / parameters("pnn", 50, 64), 1), ANY


def small_sample_ratio(_):
    """Return the ratio of Supplement 3.3's networks for 64 masks, rounded to a whole number."""
    return float(round(ratio(64))), ANY


def table1(preset):
    """Return Table 1's accuracies on the reader's ImageNet, or what is needed, at any preset."""
    names = [f"PNN, {masks} masks" for masks in LAYERS]
    names += [f"ResNet, {layers} layers" for layers in (34, 18)]
    return on_folder("table1", names, "pnn-table1")


def table2(preset):
    """Return Table 2's accuracies on the reader's ImageNet, or what is needed, at any preset."""
    names = [f"{name}-{depth}" for depth in (18, 50) for name in ("PNN-ResNet", "ResNet")]
    return on_folder("table2", names, "pnn-table2")
