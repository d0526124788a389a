"""Fine-grained data sets of birds, flowers and pets, whose classes look much alike.

They lie in the data folder as their authors' archives unpack. torchvision downloads flowers and
pets if they are missing; you have to put the birds there. The splits are the authors' own, except
for `birds`, which exchanges them. Test images come in a random order, so that the first n show any
class, except for the 100 classes of birds.
"""

import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from helpers import checkpoint, paths
from helpers.errors import InputError, cause
from helpers.pictures import SEED, Pictures


def birds():
    """Return both splits of 100 classes of CUB-200-2011, exchanged and uncropped, as `Pictures`.

    It trains on the 2,903 images that the list flags 1, and tests on those it flags 0. This is the
    authors' split the other way round (see `birds_official`); older records use it. Raises
    `InputError` for lists that cannot be read.
    """
    root = paths.data() / "cub100"
    with _lists("birds", root):
        classes, parts = _caltech(root, ", ")
    source = f"{len(classes)} classes of CUB-200-2011"
    files = (tuple((file, label) for _, file, label in rows) for rows in parts)
    return tuple(Pictures(part, tuple(classes.values()), source) for part in files)


def birds_official():
    """Return the authors' own two splits of the 100 classes of `birds`.

    Flag 0 has 30 images of each class but one, 2,999 in all, as the authors' training split has;
    the number of images with flag 1 differs from class to class. CUB-200-2011 itself flags training
    images with 1.
    """
    train, test = birds()
    return test, train


def all_birds():
    """Return two `Pictures`: none to train on, and all images of `birds` to test on."""
    train, test = birds()
    return train[:0], Pictures(train.files + test.files, test.classes, test.source)


def cub200():
    """Return both splits of CUB-200-2011 (Wah et al. 2011), with each image cropped to its box.

    Raises `InputError` if the data are missing or damaged.
    """
    root = paths.data() / "CUB_200_2011"
    if not root.is_dir():
        why = "it is missing; set DATA_DIR to the folder above CUB_200_2011"
        raise InputError("cub200", str(root), why)
    with _lists("cub200", root):
        classes, parts = _caltech(root, " ")
        lines = _list(root / "bounding_boxes.txt", " ")
        boxes = [tuple(_box(lines[number]) for number, _, _ in rows) for rows in parts]
    names = tuple(name.split(".", 1)[-1] for name in classes.values())  # 001.Black_footed_Albatross
    source = f"{len(names)} classes of CUB-200-2011, cropped to their boxes"
    files = [tuple((file, label - 1) for _, file, label in rows) for rows in parts]
    train, test = (Pictures(files[k], names, source, boxes[k]) for k in (0, 1))
    return _whole("cub200", root, train, test)


def flowers102():
    """Return both splits of Oxford Flowers 102 (Nilsback & Zisserman 2008).

    It trains on the train and validation splits combined, 10 and 10 images of each class. Raises
    `InputError` if the data are missing or damaged.
    """
    from torchvision.datasets import Flowers102

    root = _fetched("flowers102", Flowers102, "flowers-102")
    labels = dict(enumerate(_numbers(root / "imagelabels.mat", "labels"), 1))
    training, validation, test = (
        _numbers(root / "setid.mat", part) for part in ("trnid", "valid", "tstid")
    )
    with _lists("flowers102", root):
        files = [tuple((str(root / "jpg" / f"image_{k:05}.jpg"), labels[k] - 1) for k in rows)
                 for rows in (training + validation, test)]  # fmt: skip
    names = tuple(Flowers102.classes)
    source = f"{len(names)} classes of Oxford Flowers 102, trained on training and validation"
    return _whole("flowers102", root, *(Pictures(part, names, source) for part in files))


def pets():
    """Return both splits, trainval and test, of Oxford-IIIT Pet (Parkhi et al. 2012).

    Raises `InputError` if the data are missing or damaged.
    """
    from torchvision.datasets import OxfordIIITPet

    root = _fetched("pets", OxfordIIITPet, "oxford-iiit-pet")
    with _lists("pets", root):
        parts = [_breeds(root / "annotations" / f"{split}.txt") for split in ("trainval", "test")]
    known, others = (sorted({(label, name) for _, label, name in rows}) for rows in parts)
    if known != others or [label for label, _ in known] != list(range(len(known))):
        why = "trainval.txt and test.txt must have the same classes, numbered from 1"
        raise InputError("pets", str(root / "annotations"), why)
    names = tuple(name for _, name in known)
    source = f"{len(names)} classes of Oxford-IIIT Pet"
    files = (tuple((str(root / "images" / f"{picture}.jpg"), label) for picture, label, _ in rows)
             for rows in parts)  # fmt: skip
    return _whole("pets", root, *(Pictures(part, names, source) for part in files))


SPLITS = {"birds": birds, "birds_official": birds_official, "all_birds": all_birds,
          "cub200": cub200, "flowers102": flowers102, "pets": pets}  # fmt: skip


@contextmanager
def _lists(name, root):
    """Raise `InputError` in one line if the lists of a folder, read within the block, are bad."""
    try:
        yield
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise InputError(name, str(root), f"its lists cannot be read ({cause(error)})") from None


def _caltech(root, mark):
    """Return {number: class}, and [(number, path, label)] of the training and of the test images.

    mark: separator of the fields of a line. Numbers are as they are listed.
    """
    names = ("classes", "images", "image_class_labels", "train_test_split")
    classes, images, labels, training = (_list(root / f"{name}.txt", mark) for name in names)
    parts = {"1": [], "0": []}  # 1 marks training images
    for number, file in images.items():
        parts[training[number]].append((number, str(root / "images" / file), int(labels[number])))
    return classes, tuple(parts.values())


def _list(path, mark):
    """Return {number: rest of the line} of a list with one line per number."""
    return dict(line.split(mark, 1) for line in path.read_text().splitlines())


def _box(line):
    """Return the left, top, right and bottom edge in whole px of a box `x y width height`."""
    left, top, width, height = map(float, line.split())
    return round(left), round(top), round(left + width), round(top + height)


def _numbers(path, name):
    """Return the whole numbers of an array in a MATLAB file as a list."""
    from scipy.io import loadmat

    try:
        return loadmat(path)[name].ravel().astype(int).tolist()
    except Exception as error:  # a damaged file can raise almost anything
        raise InputError("data file", str(path), f"it cannot be read ({cause(error)})") from None


def _breeds(path):
    """Return (picture, label from 0, breed) of each line `picture class species breed`."""
    found = []
    for line in path.read_text().splitlines():
        picture, label, _, _ = line.split()
        breed = picture.rpartition("_")[0].replace("_", " ").title()
        found.append((picture, int(label) - 1, breed))
    return found


def _fetched(name, dataset, folder):
    """Return the folder of a data set, which torchvision's class downloads if it is missing.

    torchvision checks the archives' published hashes, but takes a partly unpacked folder for a
    complete one. We therefore unpack elsewhere, from the start, and move only a complete folder.
    """
    root, place = paths.data() / folder, paths.data() / "unfinished"
    try:
        if not root.is_dir():
            with checkpoint.alone(place / name):
                if not root.is_dir():  # another process may have been first
                    _download(dataset, place / folder, root)
    except (OSError, ValueError, RuntimeError) as error:
        why = f"it is missing and the download failed ({cause(error)})"
        where = f"set DATA_DIR to the folder above {folder}"
        raise InputError(name, str(root), f"{why}; {where}") from None
    return root


def _download(dataset, place, root):
    for part in place.glob("*"):
        if part.is_dir():  # archives stay: a complete one is not downloaded again
            shutil.rmtree(part)
    dataset(place.parent, download=True)
    place.rename(root)
    for archive in root.glob("*gz"):
        archive.unlink()


def _whole(name, root, train, test):
    """Return both splits, with the test images in a random order.

    Raises `InputError` if one is empty, or if an image or the name of its class is missing.
    """
    files = train.files + test.files
    if not len(train) or not len(test):
        raise InputError(name, str(root), "it must have training images and test images")
    lacking = [file for file, _ in files if not Path(file).is_file()]
    if lacking:
        why = f"it is the first of {len(lacking)} missing images, of {len(files)} in all"
        raise InputError(name, lacking[0], why)
    for file, label in files:
        if not 0 <= label < len(test.classes):
            why = f"its image {file} must have a class from 1 to {len(test.classes)}"
            raise InputError(name, label + 1, why)
    return train, test.pick(np.random.default_rng(SEED).permutation(len(test)))
