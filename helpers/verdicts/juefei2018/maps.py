"""Supplement, Section 5 of juefei2018: what becomes of images in both networks (Figure S3)."""

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
    """Return what was seen in the networks of one kind, a list over seeds, and the scale."""
    found = evidence("figure_s3", preset)
    rows = found.last()
    rows = rows[rows.model == model].sort_values("seed")
    return rows.observed.to_list(), found.scale("cifar10")


def roughness(preset, model):
    """Return the roughness of the maps of each stage, (seeds, stages), and the scale."""
    seen, scale = observed(preset, model)
    return np.array([[stage["roughness"] for stage in one["stages"]] for one in seen]), scale


def sharper(preset):
    """Return by how much the PNN's maps are rougher in each of the last two stages, (seeds, 2)."""
    (noisy, scale), (usual, _) = (roughness(preset, model) for model in ("pnn", "resnet"))
    names = tuple(STAGES[stage] for stage in LATE)
    return Measurement((noisy - usual)[:, LATE], scale, 0.0, names)


def alignments(preset):
    """Return how alike PNN and CNN arrange images at each stage, (seeds, stages), and the scale."""
    (noisy, scale), (usual, _) = (observed(preset, model) for model in ("pnn", "resnet"))
    return _aligned(zip(noisy, usual, strict=True)), scale


def between_seeds(preset, model):
    """Return the same of networks of one kind, each and the next seed's, (seeds, stages)."""
    seen, _ = observed(preset, model)
    return _aligned(zip(seen, seen[1:] + seen[:1], strict=True))


def _aligned(pairs):
    return np.array([
        [metrics.alignment(*(metrics.symmetric(one["stages"][k]["gram"]) for one in pair))
         for k in range(len(STAGES))]
        for pair in pairs
    ])  # fmt: skip


def pictures(preset):
    """Return {model: maps of one image, a list over stages of uint8 (maps, H, W)} of seed 0."""
    return {
        model: [
            np.array(maps, np.uint8) for maps in observed(preset, model)[0][0]["stage_pictures"]
        ]
        for model in ("pnn", "resnet")
    }


@lru_cache(maxsize=8)
def receptive_field(model, side=512, width=1, depth=18):
    """Return how many px across a place of the last stage's maps depends on, 7x7 stem.

    Every activation and weight is positive and the noise is 0, so that nothing cancels; a max-pool
    passes the gradient of one pixel only, so pools take means here.
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
