"""Pictures in files, of any size, which are read when they are looked at.

Pillow is imported where it is needed, because that takes long.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from helpers import photos, shift
from helpers.errors import InputError, cause

SUFFIXES = (".jpg", ".jpeg", ".png")
SEED = 5  # of the orders in which pictures are drawn


@dataclass(frozen=True)
class Pictures:
    """Hold the names of pictures, which are read when they are iterated over.

    files: of each (path, or a name in `photos.PHOTOGRAPHS`; label or None). classes: names of the
    labels, () where there are none. source: a line that says where the pictures come from. boxes:
    (left, top, right, bottom) of what is shown of each, in px, or () for whole pictures.
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
        """Return the pictures with these numbers, in their order."""
        rows = list(rows)
        files, boxes = (tuple(of[k] for k in rows if of) for of in (self.files, self.boxes))
        return replace(self, files=files, boxes=boxes)

    def __iter__(self):
        """Yield uint8 (3, H, W) of each."""
        for (file, _), box in self._boxed():
            yield within(read(file), box, file) if box else read(file)

    def _boxed(self):
        return zip(self.files, self.boxes or [None] * len(self), strict=True)

    @property
    def labels(self):
        """Return int64 (N,), or None where any label is unknown."""
        labels = [label for _, label in self.files]
        return None if None in labels else torch.tensor(labels)

    def fingerprint(self):
        """Return a sha256 of names, sizes, labels and boxes, 64 hex digits."""
        digest = hashlib.sha256(self.source.encode())
        for (file, label), box in self._boxed():
            size = 0 if file in photos.PHOTOGRAPHS else Path(file).stat().st_size
            shown = f" {box}" if box else ""
            digest.update(f"{Path(file).name} {label} {size}{shown}\n".encode())
        return digest.hexdigest()


def read(file):
    """Return a picture uint8 (3, H, W): a path, or a name in `photos.PHOTOGRAPHS`."""
    if file in photos.PHOTOGRAPHS:
        return torch.from_numpy(np.array(photos.photograph(file))).permute(2, 0, 1)
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
    except Exception as error:  # what a decoder can raise is no closed list
        raise InputError("picture", str(file), f"it cannot be read ({cause(error)})") from None


def within(picture, box, file):
    """Return the part uint8 (3, h, w) of a picture in a box, without what lies outside of it.

    Raises `InputError`, which names the `file`, where nothing is left.
    """
    left, top, right, bottom = (max(0, edge) for edge in box)
    part = picture[:, top:bottom, left:right]
    if not part.numel():
        raise InputError("picture", str(file), f"nothing of it is in its box {box}")
    return part


def middle(picture, shorter, side):
    """Return the middle (3, side, side) of a picture whose shorter side is made `shorter` px."""
    small = shift.shorter(picture, shorter)
    top, left = ((length - side) // 2 for length in small.shape[1:])
    return small[:, top : top + side, left : left + side]


def in_folder(folder):
    """Return all pictures under a folder, in the order of their names, without labels."""
    folder = Path(folder)
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        kinds = ", ".join(SUFFIXES)
        raise InputError("pictures", str(folder), f"use a folder that has pictures ({kinds})")
    return Pictures(tuple((str(file), None) for file in files), (), f"{len(files)} pictures")
