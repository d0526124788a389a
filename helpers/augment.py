"""Random crops and flips of training images, as usual for CIFAR-10, drawn and cut on the device."""

import torch
from torch.nn import functional

KINDS = ("none", "crop_flip")
PAD = 4  # px of black around an image


def pad(pixels):
    """Return uint8 (N, C, H, W) images with a black rim of `PAD`, laid out as (N, H, W, C)."""
    return functional.pad(pixels, (PAD,) * 4).permute(0, 2, 3, 1).contiguous()


def draw(rows, generator):
    """Return int64 (B, 4) for row numbers (B,): the row, top and left of its crop, and its flip."""
    corners = torch.randint(2 * PAD + 1, (len(rows), 2), generator=generator)
    flips = torch.randint(2, (len(rows), 1), generator=generator)
    return torch.cat([rows[:, None], corners, flips], 1)


def take(padded, draws):
    """Return the crops that `draws` names, uint8 (B, C, H, W); padded: images from `pad`."""
    row, top, left, flip = draws.unbind(1)
    height, width = (padded.shape[k] - 2 * PAD for k in (1, 2))
    down, across = (torch.arange(n, device=padded.device) for n in (height, width))
    across = torch.where(flip[:, None] == 1, width - 1 - across, across)
    y, x = (top[:, None] + down)[:, :, None], (left[:, None] + across)[:, None]
    return padded[row[:, None, None], y, x].permute(0, 3, 1, 2)
