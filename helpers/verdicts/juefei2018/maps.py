"""What both networks make of images, stage by stage (juefei2018, Figure S3; Supplement 5)."""

from functools import lru_cache

import numpy as np
import torch

from helpers import metrics, models
from helpers.claims import Measurement
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.juefei2018.records import evidence

STAGES = ("stem", "stage 1", "stage 2", "stage 3", "stage 4")
LATE = (3, 4)


@lru_cache(maxsize=8)
def observed(preset, model):
    """Return the observations of the networks of one kind, a list over seeds, and the scale.

    preset: see `helpers.verdicts`. model: pnn or resnet.
    """
    found = evidence("figure_s3", preset)
    rows = found.last()
    rows = rows[rows.model == model].sort_values("seed")
    return rows.observed.to_list(), found.scale("cifar10")


def roughness(preset, model):
    """Return the roughness of the maps of each stage, (seeds, stages), and the scale.

    preset, model: as for `observed`.
    """
    seen, scale = observed(preset, model)
    return np.array([[stage["roughness"] for stage in one["stages"]] for one in seen]), scale


def sharper(preset):
    """Return how much rougher the PNN's maps are in each of the last two stages, (seeds, 2).

    preset: see `helpers.verdicts`.
    """
    (noisy, scale), (usual, _) = (roughness(preset, model) for model in ("pnn", "resnet"))
    names = tuple(STAGES[stage] for stage in LATE)
    return Measurement((noisy - usual)[:, LATE], scale, 0.0, names)


def alignments(preset):
    """Return how alike PNN and CNN arrange images at each stage, (seeds, stages), and the scale.

    preset: see `helpers.verdicts`. The measure is `metrics.alignment`.
    """
    (noisy, scale), (usual, _) = (observed(preset, model) for model in ("pnn", "resnet"))
    return _aligned(zip(noisy, usual, strict=True)), scale


def between_seeds(preset, model):
    """Return the alignment of each network with the next seed's network, (seeds, stages).

    preset, model: as for `observed`.
    """
    seen, _ = observed(preset, model)
    return _aligned(zip(seen, seen[1:] + seen[:1], strict=True))


def _aligned(pairs):
    return np.array([
        [metrics.alignment(*(metrics.symmetric(one["stages"][k]["gram"]) for one in pair))
         for k in range(len(STAGES))]
        for pair in pairs
    ])  # fmt: skip


def pictures(preset):
    """Return {model: maps of one image, a list over stages of uint8 (maps, H, W)}, of seed 0.

    preset: see `helpers.verdicts`.
    """
    return {
        model: [
            np.array(maps, np.uint8) for maps in observed(preset, model)[0][0]["stage_pictures"]
        ]
        for model in ("pnn", "resnet")
    }


@lru_cache(maxsize=8)
def receptive_field(model, side=512, width=1, depth=18):
    """Return how many px across a place in the last stage's maps depends on, with the 7x7 stem.

    model: pnn or resnet. side: of the input, px. width, depth: of the network. All activations and
    weights are positive and the noise is 0, so that nothing cancels. A max-pool passes the gradient
    of one pixel only, so we replace pools by means.
    """
    noise = {"level": 0.0} if model == "pnn" else {}
    network = models.build(model, (1, side, side), 10, 0, depth=depth, width=width, **noise)
    _make_plain(network)
    x = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        maps = x
        for part in (network.double().eval().stem, *network.layers):
            maps = part(maps)
        middle = maps.shape[-1] // 2
        maps[0, 0, middle, middle].backward()
    return int((x.grad[0, 0].abs().sum(dim=0) > 0).sum())


def _make_plain(module):
    for name, child in module.named_children():
        if isinstance(child, torch.nn.MaxPool2d):
            usual = (child.kernel_size, child.stride, child.padding)
            if child.kernel_size != 1:
                setattr(module, name, torch.nn.AvgPool2d(*usual, ceil_mode=child.ceil_mode))
        elif isinstance(child, torch.nn.BatchNorm2d):
            setattr(module, name, torch.nn.Identity())
        else:
            _make_plain(child)
    for weight in module.parameters(recurse=False):
        torch.nn.init.constant_(weight, 1e-3)


def field_excess(_):
    """Return by how many px the PNN's receptive field exceeds the CNN's, 0 if it is smaller."""
    return max(0, receptive_field("pnn") - receptive_field("resnet")), ANY
