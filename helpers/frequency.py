"""Masks on the frequencies of images: what is taken away before a network sees them."""

import numpy as np

from helpers.errors import InputError, whole


def low_pass(pixels, radius):
    """Keep the frequencies up to `radius` cycles per image (the radial mask of ghosh2019, §6).

    pixels: uint8 (N, C, H, W). Returns the same, rounded and clipped to 0..255.
    """
    return _masked(pixels, _radii(pixels.shape[-2:]) <= _radius(radius))


def random_mask(pixels, radius, seed):
    """Keep as many frequencies as `low_pass` does, drawn at random, the same for all images.

    The mean is always kept, and a frequency goes together with its negative, as in any real image:
    one more may be kept so that a pair stays whole.
    """
    height, width = pixels.shape[-2:]
    count = (_radii((height, width)) <= _radius(radius)).sum()
    rank = np.random.default_rng(whole("seed", seed)).random((height, width))
    rank = np.minimum(rank, rank[-np.arange(height) % height][:, -np.arange(width) % width])
    rank[0, 0] = -1
    return _masked(pixels, rank <= np.sort(rank, axis=None)[count - 1])


KINDS = {"low_pass": low_pass, "random_mask": random_mask}


def _radius(radius):
    if isinstance(radius, bool) or not isinstance(radius, int | float) or not radius >= 0:
        raise InputError("radius", radius, "use a number of cycles per image from 0")
    return radius


def _radii(shape):
    """Return each frequency's distance from 0 in cycles per image, float64 (H, W)."""
    rows, columns = (np.fft.fftfreq(side, 1 / side) for side in shape)
    return np.hypot(rows[:, None], columns)


def _masked(pixels, mask, chunk=2000):
    parts = [
        np.fft.ifft2(np.fft.fft2(pixels[k : k + chunk]) * mask).real
        for k in range(0, len(pixels), chunk)
    ]
    return np.rint(np.concatenate(parts)).clip(0, 255).astype(np.uint8)
