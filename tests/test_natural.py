"""Pictures of any size, and what a network that others trained is shown of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import fails
from photo_folders import save
from torch import nn

from helpers import natural, paths, photos, shift
from helpers.machine import device
from helpers.models import pretrained
from helpers.models.pretrained import SCRIPT_FACTS, Network
from helpers.pictures import Pictures
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
    return natural.View(None, network, None, Pictures(tuple(files), classes, "made here"))


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
    fails(lambda: natural.splits("imagenet_sample", None), 19, "one image of each")
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
    fails(lambda: view(bare).features(frames(1)), "tiny", "a sequence")
