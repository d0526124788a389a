"""Write the embedded samples of MNIST and Fashion-MNIST from their official IDX files.

Usage: python data/embedded/make.py {mnist,fashion_mnist} FOLDER
README.md beside this file says where the IDX files come from.
"""

import gzip
import hashlib
import io
import os
import sys
import zlib
from pathlib import Path

import numpy as np

SEED = 2019
FILES = {  # split: official names of its images and labels, images of each class in the sample
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 1000),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 200),
}
LARGEST = 47_040_016  # bytes of the training images: nothing longer is ever unpacked
# sha256 of the uncompressed images and labels, however a package compressed them.
SHA256 = {
    "mnist": {
        "train": ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                  "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        "test": ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                 "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    },
    "fashion_mnist": {
        "train": ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                  "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        "test": ("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                 "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    },
}  # fmt: skip


def read_idx(folder, name, sha256, header):
    """Return the values of an IDX file, raw or gzip, as uint8 (n,) once its hash is right."""
    raw, packed = folder / name, folder / f"{name}.gz"
    path, opener = (raw, open) if raw.is_file() else (packed, gzip.open)
    if not path.is_file():
        raise ValueError(f"FOLDER {folder}: must hold {name} or {name}.gz")
    try:
        with opener(path, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: sha256 of the content is {found}, must be {sha256}")
    return np.frombuffer(content, np.uint8, offset=header)


def sample(folder, name, split):
    """Return images uint8 (N, 28, 28, 1) and labels uint8 (N,): a balanced, shuffled selection."""
    image_file, label_file, per_class = FILES[split]
    image_hash, label_hash = SHA256[name][split]
    images = read_idx(folder, image_file, image_hash, header=16).reshape(-1, 28, 28, 1)
    labels = read_idx(folder, label_file, label_hash, header=8)
    # RandomState and not default_rng: numpy promises that its stream never changes.
    rng = np.random.RandomState(SEED)
    chosen = [rng.choice(np.flatnonzero(labels == c), per_class, replace=False) for c in range(10)]
    rows = rng.permutation(np.concatenate(chosen))
    return {"images": images[rows], "labels": labels[rows]}


def write(path, arrays):
    """Write one npz atomically; numpy dates its members 1980, so equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    unfinished = path.with_suffix(".tmp")
    with open(unfinished, "wb") as stream:
        stream.write(buffer.getvalue())
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(unfinished, path)
    print(hashlib.sha256(buffer.getvalue()).hexdigest(), path.name)


def main(arguments):
    """Check all four files, then write both samples beside this file; ValueError on bad input."""
    if len(arguments) != 2 or arguments[0] not in SHA256:
        raise ValueError(f"arguments {arguments}: must be one of {', '.join(SHA256)}, then FOLDER")
    name, folder = arguments[0], Path(arguments[1])
    if not folder.is_dir():
        raise ValueError(f"FOLDER {folder}: must be a folder")
    for split, arrays in [(split, sample(folder, name, split)) for split in FILES]:
        write(Path(__file__).resolve().with_name(f"{name}_{split}.npz"), arrays)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as problem:
        print(f"make.py: {problem}", file=sys.stderr)
        sys.exit(2)
