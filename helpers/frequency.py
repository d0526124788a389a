"""Frequency masks: frequencies removed from images before a network sees them."""

import numpy as np

from helpers.errors import InputError, whole


def low_pass(pixels, radius):
    """Keep the frequencies up to `radius` cycles per image (the radial mask of ghosh2019, §6).

    pixels: uint8 (N, C, H, W). Returns the same, rounded and clipped to 0..255. Raises `InputError`
    for a radius below 0.
    """
    return _masked(pixels, _radii(pixels.shape[-2:]) <= _radius(radius))


def random_mask(pixels, radius, seed):
    """Keep as many random frequencies as `low_pass` does, the same for all images (ghosh2019, §6).

    pixels: uint8 (N, C, H, W). radius: cycles per image, as in `low_pass`. seed: of the draw.
    Returns the same, rounded and clipped. The mean is always kept. A frequency and its negative are
    kept together, as real images need: one more may be kept to complete a pair.
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
        raise InputError("radius", radius, "use a number of cycles per image, at least 0")
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
