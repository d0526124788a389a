"""The reach of the first order (rodner2016, Section 4): an untrained network on real images."""

from functools import lru_cache
from math import prod

import numpy as np
import torch

from helpers import datasets, degrade, sensitivity
from helpers.verdicts.rodner2016.exact import network

LEVELS = {
    "rgb": (0.25, 1, 4, 16, 64),
    "pepper": (0.004, 0.016, 0.064, 0.256),
    "pepper_pixels": (0.004, 0.016, 0.064, 0.256),
    "translation": (0.02, 0.1, 0.5, 2, 8),
}
IMAGES, DRAWS = 8, 120
CHUNK = 25  # images at a time, the fastest on one core


@lru_cache(maxsize=1)
def sample():
    """Return `Images` of Fashion-MNIST in three equal channels."""
    return datasets.channel(datasets.load("fashion_mnist", "test", IMAGES), "rgb")


@lru_cache(maxsize=1)
def gradients():
    """Return images (N, 3, 28, 28), the network, F, the clean outputs and their classes."""
    images = torch.from_numpy(sample().pixels).float()
    net = network(0, side=images.shape[-1], classes=10)
    return images, net, *sensitivity.gradients(net, images)


def ratios(kind, level):
    """Return predicted over measured change of the top class's probability, (2, N).

    kind, level: of the degradation, from `LEVELS`. First come the roots of the second moments,
    about the clean output; then those of the variances.
    """
    images, net, gradient, clean, labels = gradients()
    generator = torch.Generator().manual_seed(0)
    drawn = sensitivity.empirical(net, images, labels, kind, level, DRAWS, generator)
    measured = torch.stack([sensitivity.rms(drawn, clean), sensitivity.deviation(drawn)])
    predicted = torch.stack(sensitivity.predict(kind, level, gradient, images))
    return (predicted.sqrt() / measured).numpy()


def by_level(kind):
    """Return the ratios at every level: {which moment: (N, levels)}.

    kind: of degradation, a key of `LEVELS`.
    """
    found = np.stack([ratios(kind, level) for level in LEVELS[kind]], axis=-1)
    return dict(zip(("about the clean output", "about the mean output"), found, strict=True))


def limits():
    """Return the limits of the ratios about the clean output as levels go to 0: {kind: (N,)}.

    We need no draws: for pepper noise we blacken each pixel or value by itself, and for
    translations we take the slopes in all four directions.
    """
    images, _net, gradient, *_rest = gradients()
    effect = -images.double() * gradient.double()
    score = sensitivity.predict("translation", 1, gradient, images)[0]
    rows = range(len(images))
    return {
        "pepper": np.array([float(effect[k].norm() / _singly(k, 3)) for k in rows]),
        "pepper_pixels": np.array([float(effect[k].sum(0).norm() / _singly(k, 1)) for k in rows]),
        "translation": np.array([float((score[k] / _kinked(k)) ** 0.5) for k in rows]),
    }


def _changes(k, images):
    _images, net, _gradient, clean, labels = gradients()
    with torch.no_grad():
        logits = torch.cat([net(part) for part in images.split(CHUNK)])
    return sensitivity.read(logits, labels[k].expand(len(images))) - clean[k]


def _singly(k, channels):
    """Return the root of the summed squares of changes by single black pixels, or values."""
    image = gradients()[0][k]
    shape = (channels, *image.shape[1:])
    return _changes(k, image * (1 - torch.eye(prod(shape)).view(-1, *shape))).norm()


def _kinked(k, reach=1e-3):
    """Return the second moment of small bilinear moves, for sigma = 1.

    With slopes a and b right and left, c and d down and up, it is (a^2 + b^2 + c^2 + d^2) / 2 from
    both axes, and (a - b)(c - d) / pi from the product of their mean shifts.
    """
    ways = reach * torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64)
    image = gradients()[0][k].double().expand(4, -1, -1, -1)
    a, b, c, d = _changes(k, degrade.move(image, ways)) / ways.sum(1)
    return (a**2 + b**2 + c**2 + d**2) / 2 + (a - b) * (c - d) / torch.pi
