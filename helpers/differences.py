"""Difference maps: a convolution written as the centre pixel plus noise (juefei2018, Eqs. 22-26).

The difference of a neighbour i from the centre pixel c is eps_i = x_i - x_c. A filter w turns these
differences into the map sum_i eps_i w_i, its response minus the centre pixel times the sum of its
taps; the paper calls it the equivalent noise (Section 3.4; supplement, Section 4). Its mean is
linear in w and its mean square quadratic, so both follow from the first two moments of eps.
"""

import numpy as np
import torch
from torch.nn import functional

from helpers.errors import InputError, one_of, whole

PADDINGS = ("valid", "zero")
LARGEST = 7  # px, the largest filter of the supplement's Table 1


def filters(count, size, low, high, seed):
    """Return random filters of independent uniform taps, float64 (count, size, size).

    count: filters. size: side in px, odd. low, high: range of the taps. seed: the same seed with
    another range gives the same filters, shifted and stretched. (Supplement, Section 4, which does
    not name the range.)
    """
    unit = np.random.default_rng([seed, odd(size)]).random((count, size, size))
    return low + (high - low) * unit


def odd(size):
    """Return `size` if it is an odd whole number, so that a filter has a centre.

    Raises `InputError` otherwise.
    """
    if whole("size", size, 1) % 2 == 0:
        raise InputError("size", size, "use an odd number of px")
    return size


def maps(images, weights, divided=False, padding="valid"):
    """Return the difference map of each image under each filter, float64 (N, F, H', W').

    images: (N, H, W) of any real type. weights: (F, K, K), K odd, not mirrored, as networks
    convolve. divided: whether maps are divided by the sum of the taps, as Eq. 26 needs. padding:
    `valid` leaves out a rim of K // 2 px, `zero` surrounds the image with zeros, as networks do.
    Raises `InputError` for shapes that do not fit (juefei2018, Eqs. 24-26).
    """
    images, weights = _images(images), np.asarray(weights, float)
    if weights.ndim != 3 or weights.shape[1] != weights.shape[2]:
        raise InputError("weights", weights.shape, "use the shape (F, K, K)")
    reach = odd(weights.shape[1]) // 2
    sums = weights.sum(axis=(1, 2))
    rim = reach if one_of("padding", padding, PADDINGS) == "zero" else 0
    response = functional.conv2d(images, torch.from_numpy(weights)[:, None], padding=rim)
    cut = reach - rim
    centre = images[:, :, cut : images.shape[2] - cut, cut : images.shape[3] - cut]
    found = response.numpy() - centre.numpy() * sums[:, None, None]
    return found / sums[:, None, None] if divided else found


def moments(images, size=LARGEST, padding="valid"):
    """Return mean (K*K,) and mean products (K*K, K*K) of the differences eps, both float64.

    images: (N, H, W); means are over all images and positions. size: K, px, odd. padding: as in
    `maps`. Neighbours count row by row; the centre's own difference is 0 (juefei2018, Section 3.4).
    """
    images, reach = _images(images), odd(size) // 2
    if one_of("padding", padding, PADDINGS) == "zero":
        images = functional.pad(images, [reach] * 4)
    places, mean, second = 0, 0.0, 0.0
    for image in images:  # one by one: each is spread out K * K times
        eps = functional.unfold(image[None], size)[0]
        eps = eps - eps[size * size // 2]
        places += eps.shape[1]
        mean, second = mean + eps.sum(dim=1).numpy(), second + (eps @ eps.T).numpy()
    return mean / places, second / places


def within(found, size):
    """Return the moments of the inner size x size px from those of a larger window.

    found: (mean, second) from `moments`. size: px, odd. Raises `InputError` for a size above that
    of the window.
    """
    mean, second = found
    large = round(len(mean) ** 0.5)
    rim = (large - odd(size)) // 2
    if rim < 0:
        raise InputError("size", size, f"use at most {large}, the size of the moments")
    inner = np.arange(large * large).reshape(large, large)[rim : large - rim, rim : large - rim]
    return mean[inner.ravel()], second[np.ix_(inner.ravel(), inner.ravel())]


def of_filters(found, weights, divided=False):
    """Return mean (F,) and mean square (F,) of the maps of filters, from the moments of eps.

    found: (mean, second) from `moments`, for the filters' own size. weights: (F, K, K). divided: as
    in `maps`. The result equals that of averaging `maps`: mean = w . E eps and mean square = w'
    E(eps eps') w.
    """
    mean, second = found
    flat = np.asarray(weights, float).reshape(len(weights), -1)
    if divided:
        flat = flat / flat.sum(axis=1, keepdims=True)
    return flat @ mean, np.einsum("fi,ij,fj->f", flat, second, flat)


def spread(mean, square):
    """Return the standard deviation over all positions of all maps, a float.

    mean, square: mean (F,) and mean square (F,) of each map.
    """
    return float(np.sqrt(np.mean(square) - np.mean(mean) ** 2))


def expected(found, low, high):
    """Return mean and mean square that filters of uniform taps have on average, exactly.

    found: (mean, second) from `moments`. low, high: range of the taps. Taps are independent, so E
    w_i w_j is E w^2 for i = j and (E w)^2 otherwise: the mean square is E w^2 sum_i E eps_i^2 + (E
    w)^2 sum_{i != j} E eps_i eps_j, for any images (this generalises the supplement's Section 4 of
    juefei2018, which has two taps and equal correlations). It holds only for maps that are not
    divided by the sum of the taps.
    """
    mean, second = found
    tap, variance = (low + high) / 2, (high - low) ** 2 / 12
    diagonal = np.trace(second)
    others = second.sum() - diagonal
    return tap * mean.sum(), (variance + tap**2) * diagonal + tap**2 * others


def _images(images):
    """Return images (N, H, W) as a float64 tensor (N, 1, H, W)."""
    images = np.asarray(images)
    if images.ndim != 3 or not images.size:
        raise InputError("images", images.shape, "use the shape (N, H, W), with no dimension 0")
    return torch.from_numpy(images.astype(np.float64))[:, None]
