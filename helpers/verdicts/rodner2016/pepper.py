"""Pepper noise (rodner2016, Eqs. 3 and 4): the score over all masks, and the limits of its use.

What is exact here holds for outputs that are linear in the image; `faint` is about the outputs of
networks.

Everywhere in here, image and gradient (F) are float64 (1, 3, H, W); p is the probability of a black
pixel or value; kind is pepper_pixels, which blackens whole pixels, or pepper, single values.
"""

from itertools import product
from math import prod

import numpy as np
import torch

from helpers import sensitivity
from helpers.verdicts.ivan2019.untrained import ANY
from helpers.verdicts.rodner2016.exact import (
    SEEDS,
    chances,
    example,
    masks,
    moments,
    network,
    relative,
)

CHANCES = (0.001, 0.01, 0.1, 0.5)  # p
SIZES = {"pepper": (2, 2), "pepper_pixels": (2, 5)}  # 4096 and 1024 masks
FAINT = 1e-7  # a probability whose square is negligible
MEAN = torch.tensor([123.7, 116.8, 103.9], dtype=torch.float64).view(1, 3, 1, 1)  # of ImageNet


def blackened(image, kind):
    """Return an image under every mask, (2^N, 3, H, W), and the masks (2^N, N).

    image, kind: see the module.
    """
    shape = (3 if kind == "pepper" else 1, *image.shape[2:])
    every = masks(prod(shape))
    return image * (1 - every.view(-1, *shape)), every


def exactly(function, image, p, kind="pepper_pixels"):
    """Return second moment, variance and mean of an output's change over all masks.

    function: from images (B, 3, H, W) to values (B,). image, p, kind: see the module.
    """
    seen, every = blackened(image, kind)
    return moments(function(seen) - function(image), chances(every, p))


def linear(gradient):
    """Return the linear function of images with a given F.

    gradient: F, see the module.
    """
    return lambda images: (images * gradient).flatten(1).sum(1)


def matrix(_):
    """Return the largest error of E[theta theta^T] = p^2 e e^T - p (p - 1) I, for ten pixels."""
    theta, found = masks(10), []
    for p in CHANCES:
        products = (chances(theta, p)[:, None] * theta).T @ theta
        e = torch.ones(10, 1, dtype=torch.float64)
        printed = p**2 * e @ e.T - p * (p - 1) * torch.eye(10, dtype=torch.float64)
        found.append((products - printed).abs().max().item())
    return max(found), ANY


def score(_, kind, which):
    """Return the largest relative error of a predicted moment.

    kind: see the module. which: 0 for the second moment, 1 for the variance.
    """
    found = []
    for seed, p in product(range(SEEDS), CHANCES):
        image, gradient = example(seed, SIZES[kind])
        predicted = sensitivity.predict(kind, p, gradient, image)
        true = exactly(linear(gradient), image, p, kind)
        found.append(relative(predicted[which][0], true[which]))
    return max(found), ANY


def ten_pixels(p=0.1):
    """Return both moments over all masks, and as predicted, for ten pixels with v = -1 each.

    p: see the module.
    """
    image = torch.full((1, 3, 2, 5), 100.0, dtype=torch.float64)
    gradient = torch.full_like(image, 1 / 300)
    true = exactly(linear(gradient), image, p)[:2]
    predicted = sensitivity.predict("pepper_pixels", p, gradient, image)
    return [[round(float(value), 12) for value in pair] for pair in (true, predicted)]


def ten_error(_):
    """Return the largest error of variance 0.9 and score 1.9 in the example of `ten_pixels`."""
    (_second, variance), (score, _spread) = ten_pixels()
    return max(abs(variance - 0.9), abs(score - 1.9)), ANY


def pixels_or_channels(_, p=0.1):
    """Return by how much it fails that whole pixels have the same mean, and up to 3 x the variance.

    p: see the module. It is three times the variance where the channels agree, as they do for a
    grey image and an F that is the same in all channels.
    """
    found = []
    for seed in range(SEEDS):
        image, gradient = example(seed, (8, 8))
        grey = [part[:, :1].expand_as(part) for part in (image, gradient)]
        for z, field in ((image, gradient), grey):
            kinds = ("pepper_pixels", "pepper")
            (a, b), (c, d) = (sensitivity.predict(kind, p, field, z) for kind in kinds)
            ratio = float(b / d)
            found += [relative(a - b, c - d), abs(ratio - 3) if z is grey[0] else ratio - 3]
    return max(0.0, *found), ANY


def less_mean(weights):
    """Return a function from raw images to logits (B, 1) that subtracts the mean colour first.

    weights: (1, 3, H, W).
    """
    return lambda images: linear(weights / 57)(images - MEAN)[:, None]


def raw_values(_, p=0.1):
    """Return the largest relative error with raw z, for a function that subtracts a mean itself.

    p: see the module.
    """
    found = []
    for seed in range(SEEDS):
        image, weights = example(seed, SIZES["pepper_pixels"])
        function = less_mean(weights)
        gradient, _value, _label = sensitivity.gradients(function, image, output="logit")
        predicted = sensitivity.predict("pepper_pixels", p, gradient, image)[0]
        true = exactly(lambda seen, f=function: f(seen)[:, 0], image, p)[0]
        found.append(relative(predicted[0], true))
    return max(found), ANY


def centred_values(_, p=0.1):
    """Return |predicted / true - 1| of the deviation, with z minus the mean colour, (seeds,).

    p: see the module.
    """
    found = []
    for seed in range(SEEDS):
        image, gradient = example(seed, SIZES["pepper_pixels"])
        wrong = sensitivity.predict("pepper_pixels", p, gradient, image - MEAN)[0]
        true = exactly(linear(gradient), image, p)[0]
        found.append(abs(float((wrong[0] / true).sqrt()) - 1))
    return np.array(found), ANY


# A network's output is not linear in the image, and a black pixel is not a small change.


def faint(seed, side=8):
    """Return v of Eq. 3 and the true change when each pixel alone is black, (side^2,) each.

    seed: of image and network. side: px. They are for the top logit of a random ReLU network, on
    one image. Image and output follow.
    """
    image, net = example(seed, (side, side))[0], network(seed, side=side)
    gradient, _value, label = sensitivity.gradients(net, image, output="logit")
    v = -(image * gradient).sum(1).flatten()
    alone = image * (1 - torch.eye(side**2, dtype=torch.float64).view(-1, 1, side, side))
    with torch.no_grad():
        true = (net(alone) - net(image))[:, label[0]]
    return v, true, image, lambda seen: net(seen).detach()[:, label[0]]


def faint_limit(_):
    """Return the largest relative error of the sum of single squares, the limit of E[change^2] / p.

    The changes are a network's under pepper noise, as p goes to 0 (here `FAINT`).
    """
    found = []
    for seed in range(SEEDS):
        _v, true, image, output = faint(seed, side=3)
        found.append(relative(exactly(output, image, FAINT)[0] / FAINT, true.square().sum()))
    return max(found), ANY


def faint_error(_):
    """Return |predicted / true - 1| of the deviation as p goes to 0, (seeds,)."""
    pairs = [faint(seed)[:2] for seed in range(SEEDS)]
    return np.array([abs(float(v.norm() / true.norm()) - 1) for v, true in pairs]), ANY
