"""Images in files, of any size, read when they are looked at.

Pillow is imported only where it is needed, because its import takes long.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from helpers import photos, shift
from helpers.errors import InputError, cause

SUFFIXES = (".jpg", ".jpeg", ".png")
SEED = 5  # of the random orders of images


@dataclass(frozen=True)
class Pictures:
    """The files of some images, read when they are iterated over.

    files: ((path or name in `photos.PHOTOGRAPHS`, label or None), ...). classes: names of the
    labels, () if there are none. source: a line that says where the images come from. boxes:
    ((left, top, right, bottom) of the visible part in px, ...), or () for whole images.
    """

    files: tuple
    classes: tuple
    source: str
    boxes: tuple = ()

    def __len__(self):
        return len(self.files)

    def __getitem__(self, part):
        return self.pick(range(len(self))[part])

    def pick(self, rows):
        """Return the images with the numbers `rows`, in their order, as `Pictures`."""
        rows = list(rows)
        files, boxes = (tuple(of[k] for k in rows if of) for of in (self.files, self.boxes))
        return replace(self, files=files, boxes=boxes)

    def __iter__(self):
        """Yield each image, uint8 (3, H, W)."""
        for (file, _), box in self._boxed():
            yield within(read(file), box, file) if box else read(file)

    def _boxed(self):
        return zip(self.files, self.boxes or [None] * len(self), strict=True)

    @property
    def labels(self):
        """Labels int64 (N,), or None if any is unknown."""
        labels = [label for _, label in self.files]
        return None if None in labels else torch.tensor(labels)

    def fingerprint(self):
        """Return the sha256 of names, sizes, labels and boxes, as 64 hex digits."""
        digest = hashlib.sha256(self.source.encode())
        for (file, label), box in self._boxed():
            size = 0 if file in photos.PHOTOGRAPHS else Path(file).stat().st_size
            shown = f" {box}" if box else ""
            digest.update(f"{Path(file).name} {label} {size}{shown}\n".encode())
        return digest.hexdigest()


def read(file):
    """Return an image, uint8 (3, H, W).

    file: a path, or a name in `photos.PHOTOGRAPHS`. Raises `InputError` if it cannot be read.
    """
    if file in photos.PHOTOGRAPHS:
        return torch.from_numpy(np.array(photos.photograph(file))).permute(2, 0, 1)
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
    except Exception as error:  # a decoder can raise almost anything
        raise InputError("picture", str(file), f"it cannot be read ({cause(error)})") from None


def within(picture, box, file):
    """Return the part of an image inside a box, uint8 (3, h, w).

    picture: uint8 (3, H, W). box: (left, top, right, bottom) in px; what lies outside of the image
    is ignored. file: named in the `InputError` that is raised if nothing is left.
    """
    left, top, right, bottom = (max(0, edge) for edge in box)
    part = picture[:, top:bottom, left:right]
    if not part.numel():
        raise InputError("picture", str(file), f"its box {box} lies outside it")
    return part


def middle(picture, shorter, side):
    """Return the middle (3, side, side) of an image after resizing.

    picture: uint8 (3, H, W). shorter: px to which its shorter side is resized. side: px.
    """
    small = shift.shorter(picture, shorter)
    top, left = ((length - side) // 2 for length in small.shape[1:])
    return small[:, top : top + side, left : left + side]


def in_folder(folder):
    """Return all images under `folder` (path), sorted by name and unlabelled, as `Pictures`.

    Raises `InputError` if there are none.
    """
    folder = Path(folder)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        kinds = ", ".join(SUFFIXES)
        raise InputError("pictures", str(folder), f"use a folder with images ({kinds})")
    return Pictures(tuple((str(file), None) for file in files), (), f"{len(files)} pictures")
