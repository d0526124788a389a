"""Spatial orderness: how much more two-hop pixels differ than neighbours do (ghosh2019, Eq. 6).

A triple (p, q, r) is a path of two steps between 4-neighbours that does not turn back. It is
straight (r lies 2 px from p) or diagonal (the path turns, r lies one step aside). All triples of
all images are counted, none is sampled. The value depends on the geometry: on a straight path
smooth images reach 3, since twice the distance makes four times the squared difference.
"""

import math

import torch

from helpers.errors import InputError, one_of, whole

GEOMETRIES = {"straight": 3, "diagonal": 2, "both": 3}  # and the smallest side in px
CHUNK = 1 << 17  # values worked on at once: they and their differences fit into a core's cache


def orderness(images, scale=1, geometry="both"):
    """Return so(I)^scale of a set of images as one number (ghosh2019, Section 3, Eq. 6).

    images: array or tensor (N, C, H, W) of any real type; every channel counts as an image.
    scale: block means of scale x scale px are taken first, a rim without a whole block is left
    out. geometry: straight, diagonal, or both, which weighs every triple alike. NaN if all
    neighbours are equal (0/0). Raises `InputError` for images that hold no such triple.
    """
    images = _tensor(images)
    far, near = _moments(images.reshape(-1, 1, *images.shape[2:]), scale, geometry)
    return _ratio(far, near)[0]


def per_map(images, scale=1, geometry="both"):
    """Return the orderness of each channel by itself, a list of C numbers (Section 4.2).

    images: (N, C, H, W), such as the feature maps of N inputs; the rest as for `orderness`.
    """
    return _ratio(*_moments(_tensor(images), scale, geometry))


def per_kernel(weights, geometry="both"):
    """Return the orderness of each kernel of a convolution, a list of O * I numbers (Section 5).

    weights: (O, I, K, K). With nine values a kernel the ratio is noisy: white noise does not
    average to 0, and the orderness of all kernels together (`orderness`) is the steadier figure.
    """
    weights = _tensor(weights)
    return per_map(weights.reshape(1, -1, *weights.shape[2:]), geometry=geometry)


def _tensor(images):
    images = torch.as_tensor(images)
    if images.ndim != 4 or not images.numel():
        raise InputError("images", tuple(images.shape), "use (N, C, H, W), none of them 0")
    return images


def _ratio(far, near):
    pairs = zip(far.tolist(), near.tolist(), strict=True)
    return [f / n - 1 if n > 0 else math.nan for f, n in pairs]


def _moments(images, scale, geometry):
    """Return sums of (p - r)^2 and of (p - q)^2 over all triples, float64 (C,) each."""
    least = GEOMETRIES[one_of("geometry", geometry, GEOMETRIES)]
    whole("scale", scale, 1)
    sides = tuple(side // scale for side in images.shape[2:])
    if min(sides) < least:
        raise InputError(
            "images", f"{sides[0]} x {sides[1]} at scale {scale}",
            f"{geometry} triples need {least} px a side",
        )  # fmt: skip
    totals = torch.zeros(2, images.shape[1], dtype=torch.float64, device=images.device)
    for chunk in images.split(max(1, CHUNK // images[0].numel())):
        x = chunk.to(torch.float64 if images.dtype == torch.float64 else torch.float32)
        if scale > 1:
            x = torch.nn.functional.avg_pool2d(x, scale)
        x = x.swapaxes(0, 1).contiguous()  # (C, n, H, W): a channel's values lie together
        if geometry != "diagonal":
            totals += 2 * _straight(x)
        if geometry != "straight":
            totals += 4 * _diagonal(x)
    return totals


def _straight(x):
    """Return the two sums over undirected straight paths; the near one is the mean of its steps."""
    sums = 0
    for axis in (2, 3):
        size = x.shape[axis]
        step = x.narrow(axis, 1, size - 1) - x.narrow(axis, 0, size - 1)
        ends = _energy(step.narrow(axis, 0, 1)) + _energy(step.narrow(axis, size - 2, 1))
        far = _energy(x.narrow(axis, 2, size - 2) - x.narrow(axis, 0, size - 2))
        sums = sums + torch.stack([far, _energy(step) - ends / 2])
    return sums


def _diagonal(x):
    """Return the two sums over both diagonals of every 2 x 2 block, near ones halved likewise."""
    down, across = x[:, :, 1:] - x[:, :, :-1], x[..., 1:] - x[..., :-1]
    near = 2 * (_energy(down) + _energy(across))  # an edge lies in two blocks, at a border in one
    near = near - _energy(down[..., :1]) - _energy(down[..., -1:])
    near = near - _energy(across[:, :, :1]) - _energy(across[:, :, -1:])
    far = _energy(x[:, :, 1:, 1:] - x[:, :, :-1, :-1])
    far = far + _energy(x[:, :, 1:, :-1] - x[:, :, :-1, 1:])
    return torch.stack([far, near / 2])


def _energy(x):
    """Return the sum of squares per channel of (C, n, H, W), float64 (C,)."""
    flat = x.flatten(1)
    return torch.stack([row @ row for row in flat]).double()
