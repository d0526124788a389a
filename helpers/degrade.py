"""Degradations of images: colour noise, pepper noise, shifts and flips (rodner2016, Section 2).

Images are float32 (N, 3, H, W) from 0 to 255, red first, and every level of Gaussian noise is on
that scale: for saturation, which goes from 0 to 1, and for hue, 255 is the whole range. Intensity,
saturation and hue are those of Gonzalez and Woods, `rgb_to_hsi`; noise on one of them leaves the
other two as they are. Where the paper leaves something open we decide here; its page gives the
reasons.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch.nn import functional

from helpers import frequency
from helpers.errors import InputError, one_of, whole

TINY = 1e-30  # avoids divisions by 0; vanishes in the rounding of any larger number


def draw(images, kind, level, generator, clip=True):
    """Degrade every image with its own random draw; return float32 (N, 3, H, W).

    images: uint8 or floats (N, 3, H, W) from 0 to 255, left unchanged. kind: a name in `KINDS`.
    level: of the noise, in the unit of its kind; flips use neither it nor the generator. generator:
    a `torch.Generator` on the images' device. clip: clip values to 0..255; False gives the g(z,
    theta) of Section 4. Nothing is rounded. Raises `InputError` for an unknown kind, for images of
    another shape, and for levels below 0 or above what the kind allows.
    """
    chosen = KINDS[one_of("kind", kind, KINDS)]
    if images.ndim != 4 or images.shape[1] != 3:
        raise InputError("images", tuple(images.shape), "use the shape (N, 3, H, W)")
    if chosen.unit:
        _check(level, chosen.most)
    found = chosen.function(images.to(torch.float32), level, generator)
    return found.clamp_(0, 255) if clip else found


def apply(pixels, spec):
    """Degrade images as a run's `degradation` says; return uint8 (N, C, H, W).

    pixels: uint8 (N, C, H, W). spec: {} leaves them as they are; {"kind": name in `SPECS`, ...} has
    the arguments of the kind: for random draws, level and seed. Raises `InputError` for a spec that
    does not fit.
    """
    if not spec:
        return pixels
    if not isinstance(spec, dict):
        raise InputError("degradation", spec, "use {'kind': ..., ...}")
    spec = dict(spec)
    kind = one_of("degradation.kind", spec.pop("kind", None), SPECS)
    try:
        return SPECS[kind](pixels, **spec)
    except TypeError as error:
        raise InputError(f"degradation ({kind})", spec, str(error)) from None


def rgb_to_hsi(images):
    """Return hue (degrees), saturation (0..1) and intensity (0..255), float32 (N, 3, H, W).

    images: (N, 3, H, W) from 0 to 255, red first. I = (R + G + B) / 3, S = 1 - min(R, G, B) / I,
    and H is the angle from red towards green, 0..360: the arc cosine of Gonzalez and Woods (Digital
    Image Processing, Section 6.2), written as an arc tangent. A grey pixel has neither hue nor
    saturation: both are 0.
    """
    intensity, depth, around = _parts(images.to(torch.float32))
    red, green, blue = around.split(1, 1)
    hue = torch.atan2(3**0.5 * (green - blue), 2 * red - green - blue).rad2deg() % 360
    return torch.cat([hue, depth / (intensity + TINY), intensity], 1)


def add_intensity(images, noise):
    """Add noise to the intensity, clipped to 0..255, and leave hue and saturation as they are.

    images: float32 (N, 3, H, W). noise: (N, 1, H, W) or what broadcasts to it. All three channels
    are multiplied by one factor. Black has neither hue nor saturation, and becomes grey.
    """
    intensity = images.sum(1, keepdim=True) / 3
    wanted = (intensity + noise).clamp_(0, 255)
    return (images + TINY) * wanted.div_(intensity + TINY)


def add_saturation(images, noise):
    """Add noise / 255 to the saturation, clipped to 0..1, and leave hue and intensity as they are.

    images, noise: as in `add_intensity`. The channels' distances from their mean are multiplied by
    one factor, so grey pixels stay grey.
    """
    intensity, depth, around = _parts(images)
    wanted = torch.minimum((depth + intensity * noise / 255).clamp_(0), intensity)
    return around.mul_(wanted.div_(depth + TINY)).add_(intensity)


def add_hue(images, noise):
    """Rotate the hue by noise / 255 of a full turn, and leave saturation and intensity as they are.

    images, noise: as in `add_intensity`. The channels' distances from their mean rotate about the
    grey axis, and are then scaled until their minimum, which decides the saturation, is as before.
    Grey pixels stay.
    """
    intensity, depth, around = _parts(images)
    angle = noise * (2 * math.pi / 255)
    aside = (around.roll(1, 1) - around.roll(-1, 1)).mul_(angle.sin() / 3**0.5)
    turned = around.mul_(angle.cos()).add_(aside)
    return turned.mul_(depth.div_(TINY - _least(turned))).add_(intensity)


def move(images, offsets):
    """Shift images bilinearly, mirrored at their edges; return (N, C, H, W).

    images: floats (N, C, H, W). offsets: (N, 2) in px, right and down.
    """
    sides = torch.tensor([images.shape[3], images.shape[2]], device=images.device)
    one = torch.eye(2, device=images.device).expand(len(images), 2, 2)
    return _sample(images, torch.cat([one, (-2 * offsets / sides)[:, :, None]], 2))


def rotate(images, degrees):
    """Rotate images about their centres, mirrored at their edges; return (N, C, H, W).

    images: floats (N, C, H, W). degrees: (N,), anticlockwise.
    """
    height, width = images.shape[2:]
    cos, sin = degrees.deg2rad().cos(), degrees.deg2rad().sin()
    zero = torch.zeros_like(cos)  # affine coordinates run from -1 to 1 along both sides
    rows = [cos, -sin * height / width, zero, sin * width / height, cos, zero]
    return _sample(images, torch.stack(rows, 1).view(-1, 2, 3))


def _rgb(images, level, generator):
    return _normal(images.shape, level, generator, images.device).add_(images)


def _hsi(images, level, generator, add, local=True):
    """Add noise with the function `add`: one number per pixel, or per image if not `local`."""
    count, _, height, width = images.shape
    shape = (count, 1, height, width) if local else (count, 1, 1, 1)
    return add(images, _normal(shape, level, generator, images.device))


def _pepper(images, level, generator, channels):
    """Set random values to 0: each on its own, or, with one channel drawn, whole pixels."""
    count, _, height, width = images.shape
    drawn = torch.rand((count, channels, height, width), generator=generator, device=images.device)
    return images.masked_fill(drawn < level, 0)


def _translation(images, level, generator):
    return move(images, _normal((len(images), 2), level, generator, images.device))


def _rotation(images, level, generator):
    drawn = torch.rand(len(images), generator=generator, device=images.device)
    return rotate(images, (2 * drawn - 1) * level)


def _normal(shape, level, generator, device):
    return torch.randn(shape, generator=generator, device=device).mul_(level)


@dataclass(frozen=True)
class Kind:
    """One kind of degradation.

    title: for figures. unit: of its levels, for figures; "" if it has none. function: (images,
    level, generator) to images, not clipped. most: the largest level.
    """

    title: str
    unit: str
    function: Callable
    most: float = math.inf


KINDS = {
    "rgb": Kind("Gaussian RGB noise", "σ", _rgb),
    "intensity": Kind("Gaussian intensity noise", "σ", partial(_hsi, add=add_intensity)),
    "saturation": Kind("Gaussian saturation noise", "σ", partial(_hsi, add=add_saturation)),
    "hue": Kind("global colour shift", "σ", partial(_hsi, add=add_hue, local=False)),
    "local_hue": Kind("local colour shift", "σ", partial(_hsi, add=add_hue)),
    "pepper": Kind("pepper noise", "p", partial(_pepper, channels=3), 1),
    "pepper_pixels": Kind("pepper noise, whole pixels", "p", partial(_pepper, channels=1), 1),
    "translation": Kind("translation", "px", _translation),
    "rotation": Kind("rotation", "°", _rotation, 180),
    "left_right": Kind("left-right flip", "", lambda images, *_: images.flip(3)),
    "upside_down": Kind("upside-down flip", "", lambda images, *_: images.flip(2)),
}


def _once(pixels, kind, level, seed, chunk=1000):
    """Return pixels uint8 (N, 3, H, W), each degraded by one draw and rounded."""
    generator = torch.Generator().manual_seed(whole("seed", seed))
    parts = [
        draw(torch.tensor(pixels[k : k + chunk]), kind, level, generator).round_().byte().numpy()
        for k in range(0, len(pixels), chunk)
    ]
    return np.concatenate(parts)


SPECS = frequency.KINDS | {kind: partial(_once, kind=kind) for kind in KINDS}


def _check(level, most):
    number = isinstance(level, int | float) and not isinstance(level, bool)
    if not (number and 0 <= level <= most and level < math.inf):
        bound = "of at least 0" if most == math.inf else f"from 0 to {most}"
        raise InputError("level", level, f"use a number {bound}")


def _parts(images):
    """Return the intensity, its distance from the least channel, and all channels minus it.

    All are computed from the least channel, so that a grey pixel is exactly 0 from its mean.
    """
    least = _least(images)
    above = images - least
    depth = above.sum(1, keepdim=True) / 3
    return least + depth, depth, above.sub_(depth)


def _least(images):
    red, green, blue = images.split(1, 1)
    return torch.minimum(torch.minimum(red, green), blue)  # several times faster than amin


def _sample(images, matrix):
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
