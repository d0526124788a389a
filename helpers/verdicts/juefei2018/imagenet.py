"""Publish the statistics of 500 images of ImageNet that `map_statistics` reads.

    DATA_DIR=/path/to/data python -m helpers.verdicts.juefei2018.imagenet

It reads images from DATA_DIR/imagenet_sample/*.jpg and writes
results/statistics/differences-imagenet.json, which contains no pixel of any of them.
"""

import hashlib
import sys
from itertools import islice

import numpy as np
from PIL import Image

from helpers import paths, records
from helpers.errors import InputError
from helpers.verdicts.juefei2018 import map_statistics
from helpers.verdicts.juefei2018.map_statistics import SIDE

GROUPS = 10
COUNT = 500  # images, as in the paper


def main():
    """Measure the images and write the record; return 2, after one line, if images are missing."""
    try:
        record = make()
    except (InputError, OSError) as error:  # OSError: a file that is not an image
        print(error, file=sys.stderr)
        return 2
    path = map_statistics.published()
    records.write(path, record)
    print(f"{record['says']}: {path}")
    return 0


def make():
    """Return the record of the images that `draw` returns."""
    groups = draw()
    says = f"{sum(map(len, groups))} pictures of ImageNet"
    chosen = (
        f"the first {COUNT} that have {SIDE} px at least both ways, in a drawn order (seed 0) of "
        f"files sorted by name; grey values, the middle {SIDE} px, in {GROUPS} groups by this order"
    )
    record = map_statistics.pack(map_statistics.measure(groups, says, chosen))
    return record | {"fingerprint": hashlib.sha256(np.concatenate(groups).tobytes()).hexdigest()}


def draw():
    """Return ten groups of grey images, each uint8 (N, 224, 224), not resized.

    Raises `InputError` where DATA_DIR/imagenet_sample has fewer than 500 that are large enough.
    """
    files = sorted((paths.data() / "imagenet_sample").glob("*.jpg"))
    opened = (Image.open(files[k]) for k in np.random.default_rng(0).permutation(len(files)))
    large = (picture for picture in opened if min(picture.size) >= SIDE)
    middles = [_middle(map_statistics.grey(picture)) for picture in islice(large, COUNT)]
    if len(middles) < COUNT:
        needed = f"put {COUNT} *.jpg images of at least {SIDE} px into DATA_DIR/imagenet_sample"
        raise InputError("images", len(middles), needed)
    return np.array_split(np.stack(middles), GROUPS)


def _middle(image):
    top, left = ((side - SIDE) // 2 for side in image.shape)
    return image[top : top + SIDE, left : left + SIDE]


if __name__ == "__main__":
    sys.exit(main())
