"""Random views of training images, drawn on the CPU and cut on the device.

crop_flip is the usual augmentation for CIFAR-10: a window of an image with a black rim. The others
show images as two protocols of azulay2019 (`helpers.shift`) do: shrunk and embedded in black, or as
a random square at full size. Every kind flips half of the images.
"""

import torch
from torch.nn import functional

from helpers.errors import InputError

PAD = 4  # px of black around an image
EMBEDDED = 20 / 32  # side of an embedded image, as a share of the whole
AREA = (0.08, 1.0)  # share of an image that a square keeps; `shift.AREA`
STEPS = 1_000  # resolution with which area and position are drawn
KINDS = ("none", "crop_flip", "black", "square")


def prepare(pixels, kind):
    """Return images in the layout that `take` needs, uint8 (N, H', W', C).

    pixels: uint8 (N, C, H, W). kind: crop_flip, black or square. A black rim is added, in which
    `take` moves its windows: `PAD` px for crop_flip; for black, wide enough for every position of
    the shrunk image; none for square. Raises `InputError` for black if the images are not square.
    """
    rim = {"crop_flip": PAD, "black": 0, "square": 0}[kind]
    if kind == "black":
        side = pixels.shape[2]
        if pixels.shape[2] != pixels.shape[3]:
            raise InputError("augment", kind, "images must be square")
        small = embedded(side)
        pixels = torch.cat([_shrink(part, small) for part in pixels.split(1000)])
        rim = side - small
    return functional.pad(pixels, (rim,) * 4).permute(0, 2, 3, 1).contiguous()


def embedded(side):
    """Return the side in px to which an image of `side` px is shrunk before black surrounds it."""
    return round(EMBEDDED * side)


def draw(rows, generator, kind, shape):
    """Return the random views of some images, int64 (B, 4): row, top, left and flip (0 or 1).

    rows: (B,) row numbers. generator: a `torch.Generator` on the CPU, None for PyTorch's own. kind:
    crop_flip, black or square. shape: (H, W) of the images. For square there is a fifth number, the
    area; it, top and left count `STEPS` of what is possible.
    """
    count = len(rows)
    places = {"crop_flip": 2 * PAD, "black": shape[0] - embedded(shape[0]), "square": STEPS}[
        kind
    ] + 1
    corners = torch.randint(places, (count, 2), generator=generator)
    flips = torch.randint(2, (count, 1), generator=generator)
    sizes = [torch.randint(STEPS + 1, (count, 1), generator=generator)] * (kind == "square")
    return torch.cat([rows[:, None], corners, flips, *sizes], 1)


def take(prepared, draws, kind, shape):
    """Return the views that `draws` describes, uint8 (B, C, H, W).

    prepared: from `prepare`. draws: from `draw`, on the same device. kind: crop_flip, black or
    square. shape: (H, W) of the views.
    """
    if kind == "square":
        return _squares(prepared[draws[:, 0]].permute(0, 3, 1, 2), *draws[:, 1:].unbind(1))
    row, top, left, flip = draws.unbind(1)
    down, across = (torch.arange(length, device=prepared.device) for length in shape)
    across = torch.where(flip[:, None] == 1, shape[1] - 1 - across, across)
    y, x = (top[:, None] + down)[:, :, None], (left[:, None] + across)[:, None]
    return prepared[row[:, None, None], y, x].permute(0, 3, 1, 2)


def _squares(images, top, left, flip, size):
    """Return a square of each image, enlarged bilinearly to the image's size."""
    share = AREA[0] + (AREA[1] - AREA[0]) * size / STEPS
    edge = share.sqrt()  # share of the image's side; affine coordinates run from -1 to 1
    down, across = ((2 * part / STEPS - 1) * (1 - edge) for part in (top, left))
    zero, sign = torch.zeros_like(edge), 1 - 2 * flip
    matrix = torch.stack([edge * sign, zero, across, zero, edge, down], 1).view(-1, 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    found = functional.grid_sample(images.float(), grid, padding_mode="border",
                                   align_corners=False)  # fmt: skip
    return found.round_().clamp_(0, 255).to(torch.uint8)


def _shrink(pixels, side):
    found = functional.interpolate(pixels.float(), (side, side), mode="bilinear", antialias=True,
                                   align_corners=False)  # fmt: skip
    return found.round_().clamp_(0, 255).to(torch.uint8)
