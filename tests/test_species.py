"""Fine-grained data sets, in tiny folders of their true layouts."""

import io
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import conftest
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torch import nn
from torchvision.datasets import utils

from helpers import finetune, natural, paths
from helpers.machine import device
from helpers.models import pretrained
from helpers.models.pretrained import SCRIPT_FACTS, Network
from helpers.runs import Run


@pytest.fixture(autouse=True)
def fresh(folders, monkeypatch):
    """Keep what one test found out of the next, and all of them off the network."""

    def none(*_, **__):
        raise urllib.error.URLError("no network\nnone at all")

    monkeypatch.setattr(urllib.request, "urlopen", none)
    natural.splits.cache_clear()
    yield
    natural.splits.cache_clear()


def save(path, size=(8, 6)):
    """Write a picture in which each pixel tells its row (red) and column (green)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.uint8)
    Image.fromarray(np.stack([rows, columns, rows], 2)).save(path, format="PNG")
    return str(path)


def write(root, lists):
    for name, lines in lists.items():
        (root / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines))


def names(pictures):
    return [Path(file).name for file, _ in pictures.files]


def fails(action, *parts):
    natural.splits.cache_clear()
    conftest.fails(action, *parts)


# 100 classes of birds, as they lie in cub100.

LISTS = {
    "classes": ["0, Black_footed_Albatross", "1, Laysan_Albatross"],
    "images": ["0, a/0.png", "1, a/1.png", "2, b/0.png", "3, b/1.png"],
    "image_class_labels": ["0, 0", "1, 0", "2, 1", "3, 1"],
    "train_test_split": ["0, 1", "1, 0", "2, 1", "3, 0"],
}


def birds(**changed):
    """Write a tiny folder of the birds' layout and return both splits."""
    root = paths.data() / "cub100"
    for line in LISTS["images"]:
        save(root / "images" / line.split(", ")[1])
    write(root, {**LISTS, **changed})
    return natural.splits("birds", None)


def test_birds_are_split_by_their_lists():
    train, test, _ = birds()
    assert [file.rpartition("images/")[2] for file, _ in train.files] == ["a/0.png", "b/0.png"]
    assert [file.rpartition("images/")[2] for file, _ in test.files] == ["a/1.png", "b/1.png"]
    assert train.labels.tolist() == test.labels.tolist() == [0, 1]
    assert train.classes == ("Black_footed_Albatross", "Laysan_Albatross")
    assert train.source == test.source == "2 classes of CUB-200-2011"
    assert [tuple(picture.shape) for picture in train] == [(3, 6, 8)] * 2


def test_the_official_split_of_the_birds_is_the_other_way_round():
    train, test, _ = birds()
    official = natural.splits("birds_official", None)
    assert official[0].files == test.files and official[1].files == train.files
    assert official[2] == train.fingerprint() != test.fingerprint()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("images", ["0 a/0.png"]),
        ("image_class_labels", ["0, 0", "1, 0"]),
        ("image_class_labels", ["0, 0", "1, 0", "2, one", "3, 1"]),
        ("train_test_split", ["0, 1", "1, 0", "2, 1", "3, 2"]),
    ],
)
def test_lists_of_birds_that_do_not_fit(name, lines):
    fails(lambda: birds(**{name: lines}), "birds", "cub100", "lists")


def test_birds_that_are_not_there():
    fails(lambda: natural.splits("birds", None), "birds", "cub100", "lists", "classes.txt")


# CUB-200-2011 as it is published.

CUB = {
    "classes": ["1 001.Black_footed_Albatross", "2 002.Laysan_Albatross"],
    "images": [f"{k} 00{c}.Albatross/{k}.jpg" for k, c in enumerate((1, 1, 1, 2, 2, 2), 1)],
    "image_class_labels": ["1 1", "2 1", "3 1", "4 2", "5 2", "6 2"],
    "train_test_split": ["1 1", "2 0", "3 0", "4 1", "5 1", "6 0"],
    "bounding_boxes": [f"{k} {k}.0 1.0 2.0 3.0" for k in range(1, 7)],
}


def cub200(**changed):
    root = paths.data() / "CUB_200_2011"
    for line in CUB["images"]:
        save(root / "images" / line.split()[1])
    write(root, {**CUB, **changed})
    return natural.splits("cub200", None)


def test_published_birds_are_split_and_cropped():
    train, test, _ = cub200()
    assert names(train) == ["1.jpg", "4.jpg", "5.jpg"] and train.labels.tolist() == [0, 1, 1]
    assert sorted(zip(names(test), test.labels.tolist(), strict=True)) == [
        ("2.jpg", 0), ("3.jpg", 0), ("6.jpg", 1)
    ]  # fmt: skip
    assert train.classes == test.classes == ("Black_footed_Albatross", "Laysan_Albatross")
    assert train.source == "2 classes of CUB-200-2011, cropped to their boxes"
    for part in (train, test):
        for name, picture in zip(names(part), part, strict=True):
            number = int(name.removesuffix(".jpg"))  # where its box begins
            assert picture.shape == (3, 3, 2) and picture[:2, 0, 0].tolist() == [1, number]


def test_the_first_test_pictures_are_of_any_class():
    images = [f"{k} a/{k}.jpg" for k in range(1, 61)]
    for line in images:
        save(paths.data() / "CUB_200_2011" / "images" / line.split()[1])
    lists = {
        "images": images,
        "image_class_labels": [f"{k} {1 + (k > 30)}" for k in range(1, 61)],
        "train_test_split": [f"{k} {k % 2}" for k in range(1, 61)],
        "bounding_boxes": [f"{k} 0 0 1 1" for k in range(1, 61)],
    }
    _, test, _ = cub200(**lists)
    few = natural.splits("cub200", 8)[1]
    assert few.files == test.files[:8] and few.boxes == test.boxes[:8]
    assert set(few.labels.tolist()) == {0, 1}
    many = natural.splits("cub200", 33)[1]  # there are 30
    assert many.files[30:] == test.files[:3] and len(many.boxes) == 33


@pytest.mark.parametrize(
    ("name", "lines", "parts"),
    [
        ("images", ["1, a/0.jpg"], ("lists",)),
        ("bounding_boxes", CUB["bounding_boxes"][:4], ("lists",)),
        ("bounding_boxes", [f"{k} 1.0 1.0 2.0" for k in range(1, 7)], ("lists",)),
        ("bounding_boxes", [f"{k} nan 1.0 2.0 3.0" for k in range(1, 7)], ("lists",)),
        ("bounding_boxes", [f"{k} inf 1.0 2.0 3.0" for k in range(1, 7)], ("lists",)),
        ("image_class_labels", [f"{k} 3" for k in range(1, 7)], (3, "1.jpg", "from 1 to 2")),
        ("image_class_labels", [f"{k} 0" for k in range(1, 7)], (0, "1.jpg", "from 1 to 2")),
        ("train_test_split", [f"{k} 1" for k in range(1, 7)], ("CUB_200_2011", "test images")),
    ],
)
def test_lists_of_published_birds_that_do_not_fit(name, lines, parts):
    fails(lambda: cub200(**{name: lines}), "cub200", *parts)


def test_published_birds_that_are_not_there():
    fails(lambda: natural.splits("cub200", None), "cub200", paths.data() / "CUB_200_2011",
          "set DATA_DIR")  # fmt: skip
    cub200()
    (paths.data() / "CUB_200_2011" / "images" / "001.Albatross" / "2.jpg").unlink()
    fails(lambda: natural.splits("cub200", None), "cub200", "2.jpg", "first of 1", "of 6")


def test_an_empty_box_is_named_with_its_picture():
    train, _, _ = cub200(bounding_boxes=[f"{k} 1.0 1.0 0.0 3.0" for k in range(1, 7)])
    fails(lambda: list(train), "1.jpg", (1, 1, 1, 4))


def test_a_network_is_fine_tuned_on_them(monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 5))
    facts = {**SCRIPT_FACTS, "side": 40, "crop": 0.5}
    network = Network("tiny", model.to(device()), **facts, source="made here", digest="",
                      names=tuple("abcde"))  # fmt: skip
    monkeypatch.setattr(pretrained, "load", {"tiny": network}.get)
    run = Run("cub200", "finetuned", model_args={"name": "tiny", "side": 32}, epochs=2, batch=2,
              observers=(), augment="crop_flip", precision="float32")  # fmt: skip
    train, test, _ = cub200()
    view, epochs = finetune.train(run, train, test)
    assert [row["epoch"] for row in epochs] == [1, 2]
    assert view.network.names == train.classes and view.labels.tolist() == test.labels.tolist()
    frames, labels = view.sample(2)
    assert frames.shape == (2, 3, 32, 32) and view.scores(frames.to(device())).shape == (2, 2)
    assert len(labels) == 2


# Oxford Flowers 102.


def flowers(root, count=12):
    """Write pictures 1 to `count`, of classes 102, 1, 2, ...; each split has a third of them."""
    for k in range(1, count + 1):
        save(root / "jpg" / f"image_{k:05}.jpg")
    labels = np.array([[102, *range(1, count)]], np.uint8)
    numbers = np.arange(1, count + 1, dtype=np.uint16).reshape(1, 3, -1)
    savemat(root / "imagelabels.mat", {"labels": labels})
    savemat(root / "setid.mat", dict(zip(("trnid", "valid", "tstid"), numbers[0], strict=True)))
    return root


def check_flowers():
    train, test, _ = natural.splits("flowers102", None)
    assert names(train) == [f"image_{k:05}.jpg" for k in range(1, 9)]  # training, then validation
    assert train.labels.tolist() == [101, 0, 1, 2, 3, 4, 5, 6]
    assert sorted(zip(names(test), test.labels.tolist(), strict=True)) == [
        (f"image_{k:05}.jpg", k - 2) for k in range(9, 13)
    ]
    assert len(train.classes) == 102 and train.classes == test.classes
    assert (train.classes[0], train.classes[101]) == ("pink primrose", "blackberry lily")
    assert "102 classes of Oxford Flowers 102" in train.source and train.boxes == ()
    assert [tuple(picture.shape) for picture in train] == [(3, 6, 8)] * 8


def test_flowers_are_trained_on_training_and_validation_pictures():
    flowers(paths.data() / "flowers-102")
    check_flowers()


def test_flowers_that_do_not_fit():
    root = flowers(paths.data() / "flowers-102")

    def refused(*parts):
        fails(lambda: natural.splits("flowers102", None), *parts)

    (root / "jpg" / "image_00009.jpg").unlink()
    (root / "jpg" / "image_00011.jpg").unlink()
    refused("flowers102", "image_00009.jpg", "first of 2", "of 12")
    savemat(root / "imagelabels.mat", {"labels": np.full((1, 12), 103)})
    save(root / "jpg" / "image_00009.jpg"), save(root / "jpg" / "image_00011.jpg")
    refused("flowers102", 103, "from 1 to 102")
    savemat(root / "imagelabels.mat", {"labels": np.ones((1, 11))})
    refused("flowers102", root, "lists")
    (root / "setid.mat").write_bytes(b"no\nmatrix")
    refused("data file", root / "setid.mat", "cannot be read")
    (root / "imagelabels.mat").unlink()
    refused("data file", root / "imagelabels.mat", "cannot be read")


# Oxford-IIIT Pet.


def pets(root, **changed):
    lists = {
        "trainval": ["Abyssinian_1 1 1 1", "american_bulldog_2 2 2 1", "Bengal_3 3 1 2"],
        "test": ["Abyssinian_7 1 1 1", "american_bulldog_8 2 2 1", "Bengal_9 3 1 2"],
    }
    for line in lists["trainval"] + lists["test"]:
        save(root / "images" / f"{line.split()[0]}.jpg")
    (root / "annotations").mkdir(exist_ok=True)
    write(root / "annotations", {**lists, **changed})
    return root


def check_pets():
    train, test, _ = natural.splits("pets", None)
    assert names(train) == ["Abyssinian_1.jpg", "american_bulldog_2.jpg", "Bengal_3.jpg"]
    assert train.labels.tolist() == [0, 1, 2]
    assert sorted(zip(test.labels.tolist(), names(test), strict=True)) == [
        (0, "Abyssinian_7.jpg"), (1, "american_bulldog_8.jpg"), (2, "Bengal_9.jpg")
    ]  # fmt: skip
    assert train.classes == test.classes == ("Abyssinian", "American Bulldog", "Bengal")
    assert train.source == "3 classes of Oxford-IIIT Pet"
    assert [tuple(picture.shape) for picture in test] == [(3, 6, 8)] * 3


def test_pets_are_split_by_their_lists():
    pets(paths.data() / "oxford-iiit-pet")
    check_pets()


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"trainval": ["Abyssinian_1 1 1"]}, ("lists",)),
        ({"trainval": ["Abyssinian_1 one 1 1"]}, ("lists",)),
        ({"trainval": ["Abyssinian_1 1 1 1", "american_bulldog_2 2 2 1"]}, ("same classes",)),
        ({"test": ["Abyssinian_7 1 1 1", "american_bulldog_8 1 2 1"]}, ("same classes",)),
        ({"trainval": [], "test": []}, ("training images",)),
        ({"test": ["Abyssinian_6 1 1 1", "american_bulldog_8 2 2 1", "Bengal_9 3 1 2"]},
         ("Abyssinian_6.jpg", "first of 1")),
    ],
)  # fmt: skip
def test_pets_that_do_not_fit(changed, parts):
    pets(paths.data() / "oxford-iiit-pet", **changed)
    fails(lambda: natural.splits("pets", None), "pets", *parts)


# Downloads.


class Response(io.BytesIO):
    """Answer a request with bytes."""

    def __init__(self, url, content):
        super().__init__(content)
        self.url, self.length = url, len(content)


def packed(*parts):
    """Return an archive of files and folders."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for part in parts:
            archive.add(part, part.name)
    return content.getvalue()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Give what is downloaded by the ends of addresses; it has hashes of its own, not checked."""
    flower, pet = flowers(tmp_path / "flowers"), pets(tmp_path / "pets")
    files = {
        "102flowers.tgz": packed(flower / "jpg"),
        "imagelabels.mat": (flower / "imagelabels.mat").read_bytes(),
        "setid.mat": (flower / "setid.mat").read_bytes(),
        "images.tar.gz": packed(pet / "images"),
        "annotations.tar.gz": packed(pet / "annotations"),
    }

    def answer(request):
        name = request.full_url.rpartition("/")[2]
        if name not in files:
            raise urllib.error.URLError(f"{name} is not served")
        return Response(request.full_url, files[name])

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setattr(utils, "check_md5", lambda *_: True)
    return files


DOWNLOADS = [("flowers102", "flowers-102", check_flowers), ("pets", "oxford-iiit-pet", check_pets)]


@pytest.mark.parametrize(("name", "folder", "check"), DOWNLOADS)
def test_what_is_not_there_is_downloaded_once(name, folder, check, served):
    check()
    assert not list((paths.data() / folder).glob("*gz"))  # their content is there
    served.clear()
    natural.splits.cache_clear()
    check()


@pytest.mark.parametrize(("name", "folder", "check"), DOWNLOADS)
def test_a_failed_download_is_one_line(name, folder, check):
    fails(lambda: natural.splits(name, None), name, paths.data() / folder, "no network",
          "set DATA_DIR")  # fmt: skip


@pytest.mark.parametrize(("name", "folder", "check"), DOWNLOADS)
def test_a_download_with_another_hash_is_refused(name, folder, check, served, monkeypatch):
    monkeypatch.setattr(utils, "check_md5", lambda path, md5: md5 == utils.calculate_md5(path))
    fails(lambda: natural.splits(name, None), name, paths.data() / folder, "corrupted")
    assert not (paths.data() / folder).exists()


@pytest.mark.parametrize(
    ("lacks", "name", "folder", "check"),
    [
        ("102flowers.tgz", *DOWNLOADS[0]),
        ("setid.mat", *DOWNLOADS[0]),
        ("images.tar.gz", *DOWNLOADS[1]),
        ("annotations.tar.gz", *DOWNLOADS[1]),
    ],
)
def test_a_part_of_a_download_is_not_taken_for_the_whole(lacks, name, folder, check, served):
    missing = served.pop(lacks)
    fails(lambda: natural.splits(name, None), name, lacks)
    assert not (paths.data() / folder).exists()
    served[lacks] = missing
    check()


def test_what_was_unpacked_in_part_is_unpacked_anew(served):
    place = paths.data() / "unfinished" / "oxford-iiit-pet"
    save(place / "images" / "Abyssinian_1.jpg")
    (place / "annotations").mkdir()
    (place / "annotations" / "trainval.txt").write_text("Abyssinian_1 1 1 1\n")
    check_pets()
