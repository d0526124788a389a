"""Pictures of any size, and what a network that others trained is shown of them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import one_line
from PIL import Image
from torch import nn

from helpers import natural, paths, photos, shift
from helpers.errors import InputError
from helpers.machine import device
from helpers.models import pretrained
from helpers.models.pretrained import SCRIPT_FACTS, Network
from helpers.runs import Run

SIDE = 32


@pytest.fixture(autouse=True)
def fresh(folders):
    """Keep what one test found out of the next."""
    natural.splits.cache_clear()
    yield
    natural.splits.cache_clear()


class Tiny(nn.Module):
    """Have a stem and a short and a long sequence of parts, one of them not of maps."""

    def __init__(self):
        super().__init__()
        self.short = nn.Sequential(nn.Conv2d(3, 4, 1))
        self.long = nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(7))
        self.fails = False

    def forward(self, x):
        x = self.long(self.short(x))
        if self.fails:
            raise RuntimeError("out of memory")
        return x


@pytest.fixture
def network():
    """Return a network of random weights for pictures of 32 px."""
    torch.manual_seed(0)
    model = Tiny().eval()
    with torch.no_grad():
        model(torch.zeros(1, 3, SIDE, SIDE))
    facts = {**SCRIPT_FACTS, "side": SIDE, "crop": 0.5}
    return Network("tiny", model.to(device()), **facts, source="made here", digest="", names=())


def view(network, files=(), classes=()):
    return natural.View(None, network, None, natural.Pictures(tuple(files), classes, "made here"))


def save(path, size=(8, 6), mode="RGB", colour=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return str(path)


def fails(action, *parts):
    with pytest.raises(InputError) as error:
        action()
    one_line(error, *parts)


def test_a_folder_is_listed_in_the_order_of_its_names(tmp_path):
    for name in ("b/2.PNG", "b/1.jpeg", "a.jpg", "c/d/3.jpg"):
        save(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / "folder.jpg").mkdir()
    found = natural.in_folder(str(tmp_path / "in"))
    names = [file.removeprefix(f"{tmp_path}/in/") for file, _ in found.files]
    assert names == ["a.jpg", "b/1.jpeg", "b/2.PNG", "c/d/3.jpg"]
    assert found.labels is None and found.classes == () and found.source == "4 pictures"
    assert [tuple(picture.shape) for picture in found] == [(3, 6, 8)] * 4
    assert [file for file, _ in found[1:3].files] == [file for file, _ in found.files[1:3]]
    assert len(found[1:3]) == 2


def test_a_folder_without_pictures(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    for folder in (tmp_path, tmp_path / "nowhere"):
        fails(lambda folder=folder: natural.in_folder(folder), folder, ".jpg, .jpeg, .png")


def test_pictures_are_read_as_three_channels(tmp_path):
    colour = natural.read(save(tmp_path / "colour.png"))
    assert colour.dtype == torch.uint8 and colour[:, 0, 0].tolist() == [10, 20, 30]
    grey = natural.read(save(tmp_path / "grey.png", mode="L", colour=7))
    assert grey.shape == (3, 6, 8) and (grey == 7).all()
    clear = natural.read(save(tmp_path / "clear.png", mode="RGBA", colour=(1, 2, 3, 0)))
    assert clear[:, 0, 0].tolist() == [1, 2, 3]
    cat = natural.read("cat")
    assert torch.equal(cat, torch.from_numpy(photos.photograph("cat").transpose(2, 0, 1)))


def test_what_cannot_be_read_is_named_in_one_line(tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no\npicture")
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(save(tmp_path / "whole.png", (300, 300))).read_bytes()[:200])
    for file in (broken, cut, tmp_path / "nowhere.jpg"):
        fails(lambda file=file: natural.read(str(file)), "picture", file, "cannot be read")
    pictures = natural.in_folder(tmp_path)  # listing opens nothing
    fails(lambda: list(pictures), broken)


def test_labels_are_known_for_all_pictures_or_none():
    known = natural.Pictures((("cat", 3), ("coffee", 0)), ("a", "b", "c", "d"), "x")
    assert known.labels.tolist() == [3, 0] and known.labels.dtype == torch.int64
    assert natural.Pictures((("cat", 3), ("coffee", None)), (), "x").labels is None


def test_a_fingerprint_is_of_names_sizes_and_labels(tmp_path):
    file = save(tmp_path / "a.png")
    base = natural.Pictures(((file, 1), ("cat", 0)), (), "x").fingerprint()
    assert len(base) == 64
    assert base == natural.Pictures(((file, 1), ("cat", 0)), (), "x").fingerprint()
    for changed in (((file, 2), ("cat", 0)), (("cat", 0), (file, 1)), ((file, 1), ("coffee", 0))):
        assert natural.Pictures(changed, (), "x").fingerprint() != base
    save(tmp_path / "a.png", (80, 60))
    assert natural.Pictures(((file, 1), ("cat", 0)), (), "x").fingerprint() != base


def test_a_fingerprint_without_boxes_is_of_names_labels_and_sizes_alone(tmp_path):
    """Published records depend on it."""
    files = [save(tmp_path / name) for name in ("a.png", "b.png")]
    text = "".join(f"{Path(file).name} 4 {Path(file).stat().st_size}\n" for file in files)
    found = natural.Pictures(tuple((file, 4) for file in files), (), "x").fingerprint()
    assert found == hashlib.sha256(f"x{text}".encode()).hexdigest()


def numbered(path):
    """Write a picture of 8 by 6 px in which each tells its row (red) and column (green)."""
    rows, columns = np.mgrid[:6, :8].astype(np.uint8)
    Image.fromarray(np.stack([rows, columns, rows], 2)).save(path)
    return str(path)


def test_a_picture_is_cropped_to_its_box(tmp_path):
    """The box is cut to the picture."""
    file = numbered(tmp_path / "a.png")
    boxes = ((2, 1, 5, 4), (0, 0, 8, 6), (-3, -2, 2, 3), (6, 4, 90, 70))
    pictures = natural.Pictures(((file, 0),) * 4, ("a",), "x", boxes)
    seen = [(tuple(p.shape[1:]), p[:2, 0, 0].tolist()) for p in pictures]
    assert seen == [((3, 3), [1, 2]), ((6, 8), [0, 0]), ((3, 2), [0, 0]), ((2, 2), [4, 6])]


def test_boxes_go_with_their_pictures(tmp_path):
    files = tuple((numbered(tmp_path / f"{k}.png"), k) for k in range(4))
    boxes = tuple((k, 0, k + 1, 1) for k in range(4))
    pictures = natural.Pictures(files, (), "x", boxes)
    for part, kept in ((pictures[1:3], [1, 2]), (pictures.pick([3, 0, 3]), [3, 0, 3])):
        assert part.labels.tolist() == kept
        assert [int(picture[1, 0, 0]) for picture in part] == kept
    assert pictures[:0].boxes == () and list(pictures[:0]) == []
    with pytest.raises(ValueError, match="zip"):
        list(replace(pictures, files=files[:2]))


@pytest.mark.parametrize("box", [(3, 1, 3, 4), (5, 1, 2, 4), (8, 0, 9, 6), (-4, 0, 0, 6)])
def test_a_box_that_shows_nothing_is_named_with_its_picture(box, tmp_path):
    file = numbered(tmp_path / "a.png")
    fails(lambda: list(natural.Pictures(((file, 0),), (), "x", (box,))), "a.png", box)


def test_boxes_count_in_the_fingerprint(tmp_path):
    files = ((save(tmp_path / "a.png"), 0), (save(tmp_path / "b.png"), 1))
    boxes = ((0, 0, 1, 1), (0, 0, 2, 2))
    found = {natural.Pictures(files, (), "x", of).fingerprint() for of in ((), boxes, boxes[::-1])}
    assert len(found) == 3


def test_photographs_are_taken_again_where_there_are_too_few():
    train, test, fingerprint = natural.splits("photographs", None)
    assert len(train) == 0 and [file for file, _ in test.files] == list(photos.PHOTOGRAPHS)
    assert test.labels is None
    many = natural.splits("photographs", 23)[1]
    assert [file for file, _ in many.files] == [*photos.PHOTOGRAPHS * 2, *photos.PHOTOGRAPHS[:3]]
    assert natural.splits("photographs", 4)[1].files == test.files[:4]
    assert natural.splits("photographs", 4)[2] != fingerprint
    fails(lambda: natural.splits("holiday", 4), "holiday", "photographs", "birds")


def test_the_sample_has_one_picture_of_each_class(monkeypatch):
    names = natural._imagenet()
    assert (len(names), names[0], names[999]) == (1000, "tench", "toilet tissue")
    monkeypatch.setattr(natural, "_imagenet", lambda: names[:20])  # as many files are enough
    folder = paths.data() / "imagenet_sample"
    folder.mkdir(parents=True)
    for number in range(19):
        (folder / f"n{number:04}_name.jpg").touch()
    fails(lambda: natural.splits("imagenet_sample", None), 19, "one picture of each")
    (folder / "n0019_name.jpg").touch()
    _, test, _ = natural.splits("imagenet_sample", None)
    assert test.labels.tolist() == list(range(20)) and test.classes == names[:20]
    assert test.files[7][0].endswith("n0007_name.jpg")


def test_imagenet_needs_its_validation_pictures_only(monkeypatch):
    names = natural._imagenet()[:5]
    monkeypatch.setattr(natural, "_imagenet", lambda: names)
    root = paths.data() / "imagenet" / "val"
    for label in range(5):
        for number in range(4):
            if label or number < 2:
                save(root / f"n{label:04}" / f"{number}.png")
    natural.splits.cache_clear()
    _, every, _ = natural.splits("imagenet_val", None)
    assert sorted(every.files) == [
        (str(root / f"n{label:04}" / f"{number}.png"), label)
        for label in range(5) for number in range(4) if label or number < 2
    ]  # fmt: skip
    assert every.classes == names
    assert len(set(every.labels[:9].tolist())) > 3  # a few are of many classes
    assert natural.splits("imagenet_val", 9)[1].files == every.files[:9]
    save(root / "n0005" / "0.png")
    natural.splits.cache_clear()
    fails(lambda: natural.splits("imagenet_val", None), 6, "1,000")


def run(**changed):
    asked = {"data": "photographs", "model": "pretrained", "model_args": {"name": "tiny"},
             "epochs": 0, "test_size": 4, "observers": ("pairs_crop",)}  # fmt: skip
    return Run(**{**asked, **changed})


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"model": "mlp", "model_args": {}}, ("model", "mlp", "pretrained")),
        ({"data": "mnist"}, ("model", "pretrained", "photographs")),
        ({"epochs": 1}, ("model_args", "0 epochs")),
        ({"model_args": {}}, ("model_args", "name")),
        ({"model_args": {"name": "x", "width": 4}}, ("model_args", "width")),
        ({"train_size": 10}, ("train_size", 10)),
        ({"seed": 3}, ("seed", 3)),
        ({"channels": "red"}, ("channels", "red")),
        ({"arrangement": {"kind": "pixel_permutation", "seed": 0}}, ("arrangement",)),
        ({"degradation": {"kind": "blur"}}, ("degradation",)),
    ],
)
def test_runs_that_cannot_be(changed, parts):
    run()  # this one can
    fails(lambda: run(**changed), *parts)


def test_a_run_trains_nothing(network, monkeypatch):
    monkeypatch.setattr(pretrained, "load", {"tiny": network}.get)
    train, test, _ = natural.splits("photographs", 4)
    seen, epochs = natural.train(run(), train, test)
    assert epochs == [] and seen.network is network and seen.model is network.model
    assert (seen.side, seen.embedded, len(seen.pictures)) == (SIDE, shift.EMBEDDED, 4)
    assert seen.labels is None


def test_labels_count_where_they_are_the_networks_classes(network):
    files = (("cat", 1), ("coffee", 0))
    named = replace(network, names=("cup", "animal"))
    assert view(named, files, ("cup", "animal")).labels.tolist() == [1, 0]
    assert view(named, files, ("animal", "cup")).labels is None
    readable = natural.View(None, network, view(network, files[:1]).pictures,
                            view(network, files).pictures).readable()  # fmt: skip
    assert [labels.tolist() for _, labels in readable] == [[1], [1, 0]]


def frames(count):
    rng = np.random.default_rng(1)
    return torch.from_numpy(rng.integers(256, size=(count, 3, SIDE, SIDE), dtype=np.uint8))


def test_probabilities_come_in_chunks(network):
    pixels = frames(natural.CHUNK + 3)
    found = view(network).probabilities(pixels)
    assert found.shape == (natural.CHUNK + 3, 7)
    torch.testing.assert_close(found.sum(1), torch.ones_like(found[:, 0]))
    torch.testing.assert_close(found, network.logits(pixels).softmax(1))


def test_features_are_means_of_the_maps_of_the_longest_sequence(network):
    pixels = frames(natural.CHUNK + 3)
    found = view(network).features(pixels)
    assert [tuple(depth.shape) for depth in found] == [(len(pixels), 5)] * 2  # maps alone
    mean, std = (torch.tensor(v)[:, None, None] for v in (network.mean, network.std))
    with torch.no_grad():
        x = ((pixels / 255 - mean) / std).to(found[0].device)
        maps = network.model.long[0](network.model.short(x))
    torch.testing.assert_close(found[0], maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], maps.relu().mean((2, 3)), rtol=1e-4, atol=1e-5)


def test_a_part_is_seen_before_the_next_one_overwrites_it(network):
    before = view(network).features(frames(2))
    network.model.long[1].inplace = True
    after = view(network).features(frames(2))
    torch.testing.assert_close(after, before)
    assert not torch.equal(after[0], after[1])


def test_features_of_pictures_are_those_of_their_middle(network):
    seen = view(network, (("cat", None), ("coffee", None)))
    middle = torch.stack([seen.centre(picture) for picture in seen.pictures])
    for found, wanted in zip(seen.features(seen.pictures), seen.features(middle), strict=True):
        assert torch.equal(found, wanted) and len(found) == 2


def test_the_middle_of_a_picture(network):
    """At half of the shorter side: 32 px of 64, whatever the shape."""
    rows, columns = torch.meshgrid(torch.arange(128), torch.arange(64), indexing="ij")
    tall = torch.stack([rows, columns, rows]).to(torch.uint8)
    for picture, first in ((tall, (48, 16)), (tall.transpose(1, 2), (16, 48))):
        centre = view(network).centre(picture)
        assert centre.shape == (3, SIDE, SIDE)
        corner = (0, 1) if picture is tall else (1, 0)
        assert [int(centre[k, 0, 0]) for k in corner] == list(first)


def test_no_hook_is_left_behind(network):
    hooks = [part._forward_hooks for part in network.model.long]
    view(network).features(frames(2))
    assert not any(hooks)
    network.model.fails = True
    with pytest.raises(RuntimeError, match="out of memory"):
        view(network).features(frames(2))
    assert not any(hooks)


def test_a_network_without_parts(network):
    bare = replace(network, model=nn.Conv2d(3, 4, 1))
    fails(lambda: view(bare).features(frames(1)), "tiny", "no sequence")
