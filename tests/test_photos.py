"""Photo patches: ten classes, drawn the same every time, with splits that share no pixel."""

import numpy as np
import pytest

from helpers import photos


def test_photo_patches():
    splits = {split: photos.photo_patches(split) for split in ("train", "test")}
    for split, each in (("train", 1000), ("test", 200)):
        images = splits[split]
        assert images.pixels.shape == (10 * each, 3, 32, 32) and images.pixels.dtype == np.uint8
        assert np.bincount(images.labels).tolist() == [each] * 10
        assert len(images.classes) == 10
        assert not np.all(np.diff(images.labels) >= 0)  # shuffled
    again = photos.photo_patches.__wrapped__("test")
    assert again.fingerprint() == splits["test"].fingerprint()
    shared = {p.tobytes() for p in splits["train"].pixels}
    # a black sky repeats; beyond such patches no test image is a training image
    shared &= {p.tobytes() for p in splits["test"].pixels if p.std() > 2}
    assert not shared


@pytest.mark.parametrize("height, width", ((512, 512), (300, 451), (1411, 1411)))
def test_patches_of_the_two_splits_share_no_pixel(height, width):
    """Cut a picture whose colours are its coordinates, and read where the patches came from."""
    y, x = np.mgrid[:height, :width]
    picture = np.stack([y % 256, x % 256, y // 256 * 16 + x // 256], -1).astype(np.uint8)
    seen = {}
    for split, count in photos.COUNT.items():
        patches = photos._cut(picture, split, np.random.default_rng(0)).astype(int)
        assert patches.shape == (count, 32, 32, 3)
        rows = patches[..., 2] // 16 * 256 + patches[..., 0]
        columns = patches[..., 2] % 16 * 256 + patches[..., 1]
        assert (np.diff(rows, axis=1) == 1).all() and (np.diff(columns, axis=2) == 1).all()
        seen[split] = np.unique(rows * width + columns)
    assert not np.intersect1d(seen["train"], seen["test"]).size
    assert len(seen["train"]) > len(seen["test"])
