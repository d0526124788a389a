"""Spatial orderness: how much more two-hop pixels differ than neighbours do (ghosh2019, Eq. 6).

A triple (p, q, r) is a path of two steps between 4-neighbours that does not turn back. It is
straight (r lies 2 px from p) or diagonal (the path turns, and r lies one step aside). All triples
of all images are counted, none is sampled. The value depends on the geometry: on a straight path
smooth images reach 3, since twice the distance makes four times the squared difference.
"""

import math

import numpy as np
import torch

from helpers.errors import InputError, one_of, whole

GEOMETRIES = {"straight": 3, "diagonal": 2, "both": 3}  # and the smallest side in px
SHUFFLES = 64  # of each kernel: their mean is far better known than that of a layer's kernels
SHUFFLED = 1 << 20  # values of shuffled kernels in memory at once
CHUNK = 1 << 17  # values worked on at once: they and their differences fit into a core's cache


def orderness(images, scale=1, geometry="both"):
    """Return so(I)^scale of a set of images as one number (ghosh2019, Section 3, Eq. 6).

    images: array or tensor (N, C, H, W) of any real type; every channel counts as an image. scale:
    means of blocks of scale x scale px are taken first; a rim without a whole block is left out.
    geometry: straight, diagonal, or both, which weighs every triple alike. NaN if all neighbours
    are equal (0/0). Raises `InputError` for images that hold no such triple.
    """
    images = _tensor(images)
    far, near = _moments(images.reshape(-1, 1, *images.shape[2:]), scale, geometry)
    return _ratio(far, near)[0]


def per_map(images, scale=1, geometry="both"):
    """Return the orderness of each channel by itself, a list of C numbers (Section 4.2).

    images: (N, C, H, W), such as the feature maps of N inputs. scale, geometry: as in `orderness`.
    """
    return _ratio(*_moments(_tensor(images), scale, geometry))


def per_kernel(weights, geometry="both"):
    """Return the orderness of each kernel of a convolution, a list of O * I numbers (Section 5).

    weights: (O, I, K, K). geometry: as in `orderness`. With nine values per kernel the ratio is
    noisy: white noise does not average to 0, and the orderness of all kernels together
    (`orderness`) is the steadier figure.
    """
    weights = _tensor(weights)
    return per_map(weights.reshape(1, -1, *weights.shape[2:]), geometry=geometry)


def above_chance(weights, geometry="both", shuffles=SHUFFLES, seed=0):
    """Return each kernel's orderness minus that of its own values shuffled, O * I numbers.

    weights: (O, I, K, K). geometry: as in `orderness`. shuffles: random orders of each kernel.
    seed: of the shuffles. A ratio of few values is biased: 3x3 kernels of independent normal
    weights have a mean `per_kernel` of 0.08. The mean over random orders of the same values has
    this bias too. The difference is therefore 0 in the mean if all orders are equally likely, for
    every size and every distribution of the values.
    """
    weights, rng = _tensor(weights).cpu(), np.random.default_rng(seed)
    values = weights.numpy().reshape(-1, weights.shape[2] * weights.shape[3])
    found = np.array(per_kernel(weights, geometry))
    chance = np.zeros_like(found)
    left = whole("shuffles", shuffles, 1)
    while left:  # many at a time: the call for one order takes longer than its arithmetic
        count = min(left, max(1, SHUFFLED // values.size))
        orders = np.stack([rng.permuted(values, axis=1) for _ in range(count)])
        orders = orders.reshape(-1, *weights.shape[1:])
        for one in np.reshape(per_kernel(orders, geometry), (count, -1)):
            chance += one
        left -= count
    return (found - chance / shuffles).tolist()


def _tensor(images):
    try:
        if isinstance(images, np.ndarray):
            images = np.ascontiguousarray(images)  # torch takes no flipped views
        images = torch.as_tensor(images)
    except (TypeError, ValueError) as error:
        raise InputError("images", type(images).__name__, f"use numbers ({error})") from None
    if images.is_complex():
        raise InputError("images", str(images.dtype), "use real numbers")
    if images.ndim != 4 or not images.numel():
        raise InputError(
            "images", tuple(images.shape), "use the shape (N, C, H, W), with no dimension 0"
        )
    return images


def _ratio(far, near):
    return torch.where(near > 0, far / near - 1, math.nan).tolist()


def _moments(images, scale, geometry):
    """Return the sums of (p - r)^2 and of (p - q)^2 over all triples, each float64 (C,)."""
    least = GEOMETRIES[one_of("geometry", geometry, GEOMETRIES)]
    whole("scale", scale, 1)
    sides = tuple(side // scale for side in images.shape[2:])
    if min(sides) < least:
        raise InputError(
            "images", f"{sides[0]} x {sides[1]} at scale {scale}",
            f"{geometry} triples need at least {least} px per side",
        )  # fmt: skip
    totals = torch.zeros(2, images.shape[1], dtype=torch.float64, device=images.device)
    for chunk in images.split(max(1, CHUNK // images[0].numel())):
        x = chunk.to(torch.float64 if images.dtype == torch.float64 else torch.float32)
        if scale > 1:
            x = torch.nn.functional.avg_pool2d(x, scale)
        x = x.swapaxes(0, 1).contiguous()  # (C, n, H, W): a channel's values lie together
        totals += _sums(x, geometry)
    return totals


def _sums(x, geometry):
    """Return both sums over the directed triples of (C, n, H, W), without listing the triples.

    A straight path of two steps is walked in two directions. A square of 2 x 2 pixels has eight
    paths that turn: each diagonal is the far pair of four, each side the first step of two.
    """
    straight, diagonal = geometry != "diagonal", geometry != "straight"
    far = near = 0
    for axis, across in ((2, 3), (3, 2)):
        size = x.shape[axis]
        step = x.narrow(axis, 1, size - 1) - x.narrow(axis, 0, size - 1)
        energy = _energy(step)
        if straight:  # a step is the first of two paths, at the border of one
            near = near + 2 * energy - _ends(step, axis)
            far = far + 2 * _energy(x.narrow(axis, 2, size - 2) - x.narrow(axis, 0, size - 2))
        if diagonal:  # a side lies in two squares, at the border in one
            near = near + 2 * (2 * energy - _ends(step, across))
    if diagonal:
        far = far + 4 * _energy(x[:, :, 1:, 1:] - x[:, :, :-1, :-1])
        far = far + 4 * _energy(x[:, :, 1:, :-1] - x[:, :, :-1, 1:])
    return torch.stack([far, near])


def _ends(x, axis):
    """Return the sum of squares in the first and the last slice along an axis, float64 (C,)."""
    return _energy(x.narrow(axis, 0, 1)) + _energy(x.narrow(axis, x.shape[axis] - 1, 1))


def _energy(x):
    """Return the sum of squares per channel of (C, n, H, W), float64 (C,)."""
    flat = x.flatten(1)
    return torch.linalg.vecdot(flat, flat).double()
