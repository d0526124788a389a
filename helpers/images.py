"""Images: one split of one data set in memory."""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Images:
    """One split of one data set.

    name: of the data set. pixels: uint8 (N, C, H, W). labels: int64 (N,), from 0. classes: their
    names, in order. source: a line that says where the images come from.
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray
    classes: tuple
    source: str

    def __len__(self):
        return len(self.labels)

    @property
    def side(self):
        """Height and width in px."""
        return self.pixels.shape[-1]

    def fingerprint(self):
        """Return the sha256 of shape, pixels and labels, as 64 hex digits."""
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        digest.update(np.ascontiguousarray(self.pixels))
        digest.update(np.ascontiguousarray(self.labels))
        return digest.hexdigest()
