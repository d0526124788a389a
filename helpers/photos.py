"""Colour patches of photographs: a small substitute if no colour data set is on disk."""

from functools import lru_cache

import numpy as np

from helpers.images import Images

PHOTOGRAPHS = ("astronaut", "cat", "coffee", "hubble_deep_field", "immunohistochemistry",
               "motorcycle", "retina", "rocket", "china", "flower")  # fmt: skip
PATCH, TILE = 32, 64  # px
COUNT = {"train": 1000, "test": 200}  # patches of each photograph
SEED = {"train": 1, "test": 2}


@lru_cache(maxsize=2)
def photo_patches(split):
    """Return 32 px patches of ten photographs as `Images`; the photographs are the classes.

    split: train or test. Each photograph is cut into 64 px tiles, every fifth of which (in a fixed
    random order) is kept for testing. A patch lies inside one tile, so training and test share no
    pixel. The photographs come with scikit-image and scikit-learn.
    """
    rng = np.random.default_rng(SEED[split])
    patches = [_cut(photograph(name), split, rng) for name in PHOTOGRAPHS]
    labels = np.repeat(np.arange(len(PHOTOGRAPHS)), COUNT[split])
    order = rng.permutation(len(labels))
    pixels = np.ascontiguousarray(np.concatenate(patches)[order].transpose(0, 3, 1, 2))
    source = "photographs of scikit-image and scikit-learn, cut into patches"
    return Images("photo_patches", pixels, labels[order], PHOTOGRAPHS, source)


def photograph(name):
    """Return a photograph, uint8 (H, W, 3), from scikit-image or scikit-learn.

    name: in `PHOTOGRAPHS`.
    """
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    import skimage.data

    if name == "motorcycle":
        return skimage.data.stereo_motorcycle()[0]
    return getattr(skimage.data, name)()[..., :3]


def _cut(photograph, split, rng):
    rows, columns = photograph.shape[0] // TILE, photograph.shape[1] // TILE
    tiles = np.random.default_rng(0).permutation(rows * columns)  # the same for both splits
    testing = np.arange(len(tiles)) % 5 == 0
    tiles = tiles[testing if split == "test" else ~testing]
    top, left = np.divmod(rng.choice(tiles, COUNT[split]), columns)
    top = top * TILE + rng.integers(TILE - PATCH + 1, size=len(top))
    left = left * TILE + rng.integers(TILE - PATCH + 1, size=len(left))
    return np.stack(
        [photograph[y : y + PATCH, x : x + PATCH] for y, x in zip(top, left, strict=True)]
    )
