"""One-pixel changes of an image: four protocols and two measures (azulay2019, Section 2).

A protocol turns one image into two frames of the network's input size that differ by one pixel.
Frames are uint8 and black is 0, before any standardisation. Images are resized bilinearly with
antialiasing. Where the paper leaves something else open we decide here; its page gives the reasons.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from helpers.errors import InputError, one_of, whole

PROTOCOLS = ("crop", "black", "inpainted", "scale")  # of the paper
TITLES = {"crop": "crop", "black": "embedded in black", "inpainted": "embedded, inpainted",
          "scale": "scale", "circular": "moved on a torus"}  # fmt: skip
AREA = (0.08, 1.0)  # share of the image that a crop keeps (Szegedy et al. 2015)
REACH = 5  # px, of the weighted mean that fills holes
EMBEDDED = 100  # px, the shorter side of an embedded image


def frames(pictures, protocol, side, seed, size=EMBEDDED):
    """Return both frames of every image, uint8 (2, N, C, side, side) (azulay2019, Section 2).

    pictures: N tensors or arrays uint8 (C, H, W), of any sizes. protocol: one of `PROTOCOLS`, or
    circular. side: px of the network's input. seed: draws positions and crops, for each image
    separately, so that they do not depend on the other images. size: px, the shorter side of an
    embedded image. Raises `InputError` for arguments that do not fit.
    """
    make = MAKERS[one_of("protocol", protocol, MAKERS)]
    whole("side", side, 2)
    whole("size", size, 1, side - 1)
    made = []
    for number, picture in enumerate(pictures):
        picture = torch.as_tensor(picture)
        if picture.dtype != torch.uint8 or picture.ndim != 3:
            raise InputError("picture", f"{picture.dtype} {tuple(picture.shape)}",
                             "use uint8 (C, H, W)")  # fmt: skip
        made.append(make(picture, side, np.random.default_rng([seed, number]), size))
    return torch.stack(made, dim=1)


def crop(picture, side, rng, _=None):
    """Return a random square, and that square one pixel down and right, (2, C, side, side).

    picture: uint8 (C, H, W). side: px of the network's input. rng: numpy generator. _: not used.
    The square's area is a uniform share of the image's, as far as it fits, and its position is
    uniform. It is resized to side + 1 px, and the frames are two windows of that: so the shift is
    one pixel of the network's input.
    """
    height, width = picture.shape[1:]
    area = rng.uniform(*AREA) * height * width
    edge = max(1, min(round(area**0.5), height, width))
    top, left = rng.integers(height - edge + 1), rng.integers(width - edge + 1)
    square = resize(picture[:, top : top + edge, left : left + edge], (side + 1, side + 1))
    return torch.stack([square[:, :-1, :-1], square[:, 1:, 1:]])


def black(picture, side, rng, size):
    """Return the image in black at a random position, and one pixel further down.

    picture, side, rng: as in `crop`. size: px, the shorter side of the embedded image. Returns (2,
    C, side, side).
    """
    return _embedded(picture, side, rng, size)[0]


def inpainted(picture, side, rng, size):
    """Return the frames of `black` with everything but the image filled in by `inpaint`.

    picture, side, rng, size: as in `black`.
    """
    return inpaint(*_embedded(picture, side, rng, size))


def scale(picture, side, rng, size):
    """Return the image in black, and the same one pixel larger with its corner in place.

    picture, side, rng, size: as in `black`. Returns (2, C, side, side).
    """
    small, large = (_shrunk(picture, side, size + k) for k in (0, 1))
    top, left = _place(large, side, rng)
    return torch.stack([embed(part, side, top, left) for part in (small, large)])


def circular(picture, side, rng, _=None):
    """Return the image, and the same shifted down by one pixel on a torus; our own protocol.

    picture, side, rng, _: as in `crop`; rng is not used. Returns (2, C, side, side). Raises
    `InputError` unless the image has side x side px.
    """
    if tuple(picture.shape[1:]) != (side, side):
        raise InputError(
            "picture", tuple(picture.shape), f"on a torus it must have {side} x {side} px"
        )
    return torch.stack([picture, picture.roll(1, 1)])


MAKERS = {"crop": crop, "black": black, "inpainted": inpainted, "scale": scale,
          "circular": circular}  # fmt: skip


def resize(picture, shape):
    """Return an image resized bilinearly with antialiasing, uint8 (C, *shape).

    picture: uint8 (C, H, W). shape: (height, width) in px.
    """
    if tuple(picture.shape[1:]) == tuple(shape):
        return picture
    found = functional.interpolate(picture[None].float(), tuple(shape), mode="bilinear",
                                   antialias=True, align_corners=False)[0]  # fmt: skip
    return found.round_().clamp_(0, 255).to(torch.uint8)


def shorter(picture, size):
    """Return an image uint8 (C, H, W) resized so that its shorter side is `size` px.

    picture: uint8 (C, H, W). The aspect ratio is kept.
    """
    ratio = size / min(picture.shape[1:])
    return resize(picture, [max(1, round(length * ratio)) for length in picture.shape[1:]])


def embed(small, side, top, left):
    """Return an image on black, (C, side, side).

    small: (C, h, w). side: px. top, left: position of its corner in px. Raises `InputError` if it
    does not fit.
    """
    below, right = side - top - small.shape[1], side - left - small.shape[2]
    if min(top, left, below, right) < 0:
        raise InputError("picture", tuple(small.shape), f"it must stay within {side} x {side} px")
    return functional.pad(small, (left, right, top, below))


def inpaint(pixels, there):
    """Fill holes with weighted means of what is near, repeatedly until none is left; return uint8.

    pixels: uint8 (N, C, H, W). there: bool (N, 1, H, W), where the image is. The weights are
    binomial over 2 * REACH + 1 px, and only filled pixels count (azulay2019, Section 2: "a weighted
    average of the non black pixels in its neighborhood"). Raises `InputError` if one of the images
    is nowhere.
    """
    image, mask = pixels.float(), there.float()
    taps = torch.tensor([1.0])
    for _ in range(2 * REACH):
        taps = functional.conv1d(taps[None, None], torch.ones(1, 1, 2) / 2, padding=1)[0, 0]
    if not mask.flatten(1).any(1).all():
        raise InputError("there", "nowhere", "holes can only be filled from known pixels")
    image = image * mask
    while not mask.all():
        weight, near = _blur(mask, taps), _blur(image, taps)
        fresh = (mask == 0) & (weight > 0)
        image = torch.where(fresh, near / weight.clamp(min=1e-12), image)
        mask = mask + fresh
    return image.round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Change:
    """How a network's output differs between two frames, one entry per pair.

    label: int64 (N,), the first frame's top class. top: float32 (N,), its probability there.
    changed: bool (N,), whether the second frame's top class is another. change: float32 (N,), by
    how much the probability of `label` changed. (azulay2019, Section 2, "P(Top-1 change)" and "mean
    absolute change".)
    """

    label: np.ndarray
    top: np.ndarray
    changed: np.ndarray
    change: np.ndarray

    def row(self):
        """Return both measures with their standard errors as shares, and n, in a dict."""
        n = len(self.changed)
        return {"P(top-1 change)": self.changed.mean(), "its s.e.": error(self.changed),
                "mean absolute change": self.change.mean(), "s.e.": error(self.change),
                "n": n}  # fmt: skip


def compare(first, second):
    """Return the `Change` between the class probabilities of two sets of frames.

    first, second: (N, K). Raises `InputError` for other shapes.
    """
    if first.shape != second.shape or first.ndim != 2:
        raise InputError("probabilities", (tuple(first.shape), tuple(second.shape)),
                         "use two of one shape (N, K)")  # fmt: skip
    top, label = first.max(1)
    after = second.gather(1, label[:, None])[:, 0]
    parts = (label, top, second.argmax(1) != label, (after - top).abs())
    return Change(*(part.cpu().numpy() for part in parts))


def error(values):
    """Return the standard error of the mean of `values` (N,), nan for one value."""
    values = np.asarray(values, float)
    return float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")


def _shrunk(picture, side, size):
    """Return an image with its shorter side of `size` px; what is wider than `side` is cut off."""
    small = shorter(picture, size)
    cut = [max(0, length - side + 1) for length in small.shape[1:]]  # leave room to move
    top, left = (part // 2 for part in cut)
    return small[:, top : top + side - 1, left : left + side - 1]


def _embedded(picture, side, rng, size):
    """Return frames (2, C, side, side) of an image shifted down, and a mask of it (2, 1, ...)."""
    small = _shrunk(picture, side, size)
    top, left = _place(small, side, rng, down=1)
    there = torch.ones_like(small[:1])
    parts = [[embed(part, side, top + k, left) for k in (0, 1)] for part in (small, there)]
    return torch.stack(parts[0]), torch.stack(parts[1]) > 0


def _place(small, side, rng, down=0):
    """Draw the corner of an embedded image that is going to shift down by so many px."""
    height, width = small.shape[1:]
    return int(rng.integers(side - height - down + 1)), int(rng.integers(side - width + 1))


def _blur(image, taps):
    """Return images (N, C, H, W) blurred along both axes; nothing comes from outside."""
    channels = image.flatten(0, 1)[:, None]
    for axis in (2, 3):
        shape = [1, 1, 1, 1]
        shape[axis] = len(taps)
        padding = [len(taps) // 2 if k == axis else 0 for k in (2, 3)]
        channels = functional.conv2d(channels, taps.to(image).view(shape), padding=padding)
    return channels.reshape(image.shape)
