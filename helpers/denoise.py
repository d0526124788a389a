"""Remedies at test time: filters applied before a network sees the image (rodner2016, §3)."""

from functools import partial, reduce

import torch
from torch.nn import functional

from helpers.errors import InputError, whole


def gaussian(images, size, sigma):
    """Blur images with a Gaussian of size x size px, mirrored at the border; weights sum to 1.

    images: (N, C, H, W) with sides above size / 2 px, uint8 or floats. size: odd, px. sigma: px,
    above 0. Returns floats. Raises `InputError` for other values. The paper's filter has 3 x 3 px
    and sigma .5 (Section 3, "Robustness by test image denoising").
    """
    _odd(size)
    number = isinstance(sigma, int | float) and not isinstance(sigma, bool)
    if not (number and 0 < sigma < float("inf")):
        raise InputError("sigma", sigma, "use a number of px above 0")
    if size // 2 >= min(images.shape[-2:]):
        raise InputError(
            "size", size, f"it is too large for images of {tuple(images.shape[-2:])} px"
        )
    from torchvision.transforms.functional import gaussian_blur  # as slow to import as torch

    return gaussian_blur(_floats(images), [size, size], [sigma, sigma])


def closing(images, size):
    """Fill what is darker and narrower than size x size px, in each channel on its own.

    images: (N, C, H, W), uint8 or floats. size: odd, px. Returns floats. Raises `InputError` for an
    even size. Each pixel becomes the largest value around it, and then the least of these. Only
    pixels of the image count, so that no pixel becomes darker and a second closing changes nothing.
    (Section 3, "morphological closing".)
    """
    _odd(size)
    return -_largest(-_largest(_floats(images), size), size)


FILTERS = {
    "none": lambda images: images,
    "gaussian 3": partial(gaussian, size=3, sigma=0.5),  # the paper's
    "gaussian 5": partial(gaussian, size=5, sigma=1.0),  # the "larger" one, our choice
    "closing 3": partial(closing, size=3),
}


def _largest(images, size):
    """Return the largest value in the square around each pixel, ignoring what lies outside.

    This is eight times faster on a CPU than `max_pool2d`, which also has to return positions.
    """
    height, width = images.shape[-2:]
    padded = functional.pad(images, (size // 2,) * 4, value=-torch.inf)
    columns = reduce(torch.maximum, (padded[..., k : k + width] for k in range(size)))
    return reduce(torch.maximum, (columns[..., k : k + height, :] for k in range(size)))


def _odd(size):
    if not whole("size", size, 1) % 2:
        raise InputError("size", size, "use an odd number of px")


def _floats(images):
    return images if images.is_floating_point() else images.to(torch.float32)
