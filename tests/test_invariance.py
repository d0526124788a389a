"""What runs record about one-pixel changes, and what it reads back as."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from helpers import invariance, natural, shift, training
from helpers.invariance import OBSERVERS
from helpers.pictures import Pictures
from helpers.runs import Run

pytestmark = pytest.mark.usefixtures("folders")


def view(noise, model=None, sampling="max", test=60, **arguments):
    """Return the view of a small network on random images, trained for an epoch or given."""
    run = Run("cifar10", "antialiased", model_args={"width": 4, "sampling": sampling, **arguments},
              epochs=1, batch=16, precision="float32", observers=())  # fmt: skip
    found, _ = training.train(run, noise(64, "cifar10"), noise(test, "cifar10", 1))
    return found if model is None else type(found)(**{**vars(found), "model": model})


class Brightest(nn.Module):
    """Tell in which half of the image the sum is larger: shifts matter near the middle only."""

    def forward(self, x):
        return torch.stack([x[:, :, :16].mean((1, 2, 3)), x[:, :, 16:].mean((1, 2, 3))], 1)


def test_what_is_packed_is_read_back():
    rng = np.random.default_rng(0)
    change = shift.Change(rng.integers(3, size=37), rng.random(37), rng.random(37) < 0.3,
                          rng.random(37))  # fmt: skip
    packed = invariance.pack(change, torch.from_numpy(change.label))
    changed, top, moved = invariance.unpack(packed)
    assert packed["n"] == 37 and packed["accuracy"] == 1
    assert np.array_equal(changed, change.changed)
    assert np.abs(top - change.top).max() < 1e-5 and np.abs(moved - change.change).max() < 1e-5
    assert invariance.pack(change)["accuracy"] is None


def test_nothing_changes_reads_as_exactly_nothing():
    nothing = shift.Change(*(np.zeros(9, kind) for kind in (int, float, bool, float)))
    assert not any(part.any() for part in invariance.unpack(invariance.pack(nothing)))


@pytest.mark.parametrize("protocol", shift.MAKERS)
def test_pairs_are_those_of_the_protocol_in_every_chunk(noise, protocol, monkeypatch):
    monkeypatch.setattr(invariance, "CHUNK", 16)
    seen = view(noise, Brightest())
    packed = OBSERVERS[f"pairs_{protocol}"](seen)
    changed, top, moved = invariance.unpack(packed)
    expected = [
        shift.compare(*(
            Brightest()(seen.standardise(frame)).softmax(1)
            for frame in shift.frames(seen.test[0][k : k + 16], protocol, 32,
                                      invariance.SEED + k, 20)))
        for k in range(0, 60, 16)
    ]  # fmt: skip
    assert np.array_equal(changed, np.concatenate([part.changed for part in expected]))
    assert np.abs(moved - np.concatenate([part.change for part in expected])).max() < 1e-4
    assert np.abs(top - np.concatenate([part.top for part in expected])).max() < 1e-4
    labels = np.concatenate([part.label for part in expected])
    assert packed["accuracy"] == (labels == seen.test[1].numpy()).mean()


@pytest.mark.parametrize("protocol", shift.PROTOCOLS)
def test_what_is_foretold_is_the_slope_along_both_axes(noise, protocol, monkeypatch):
    monkeypatch.setattr(invariance, "CHUNK", 16)
    seen = view(noise, Brightest())  # smooth: its slopes are those of short steps
    values = invariance.foreseen(OBSERVERS[f"foretold_{protocol}"](seen))
    first = torch.cat([
        shift.frames(seen.test[0][k : k + 16], protocol, 32, invariance.SEED + k, 20)[0]
        for k in range(0, 60, 16)
    ]).float()  # fmt: skip
    with torch.no_grad():
        label = seen.scores(first).argmax(1, keepdim=True)
        steps = [0.02 * slope for slope in torch.gradient(first, dim=(2, 3))]
        ahead, back = (
            [
                seen.scores(first + sign * step).double().softmax(1).gather(1, label)
                for step in steps
            ]
            for sign in (1, -1)
        )
    slopes = [(a - b) / 0.04 for a, b in zip(ahead, back, strict=True)]
    expected = torch.cat(slopes, 1).norm(dim=1).numpy()
    assert values.shape == (60,) and values.std() > 0
    assert np.abs(values - expected).max() < 0.05 * values.max()


def test_every_size_is_looked_at(noise):
    found = OBSERVERS["sizes_black"](view(noise, sampling="aps", padding="circular"))
    assert list(map(int, found)) == [12, 16, 20, 24, 28]
    for packed in found.values():
        assert packed["n"] == 60 and not invariance.unpack(packed)[0].any()


@pytest.mark.parametrize("name", ["pairs_crop", "pairs_scale", "typicality", "readouts"])
def test_all_test_images_begin_with_the_first_ones(noise, name, monkeypatch):
    """The first thousand, here 40 of 60, are seen alike, so that both kinds of records agree."""
    seen = view(noise)
    every = OBSERVERS[f"all_{name}"](seen)
    few = replace(seen, test=tuple(part[:40] for part in seen.test))
    first = OBSERVERS[name](few)
    if name == "typicality":
        ours, theirs = (invariance.shares(found["values"]) for found in (every, first))
        assert len(ours) == 60 and np.abs(ours[:40] - theirs).max() < 1e-4
        return
    pairs = zip(every, first, strict=True) if name == "readouts" else [(every, first)]
    for ours, theirs in pairs:
        assert (ours["n"], theirs["n"]) == (60, 40)
        for whole, part in zip(invariance.unpack(ours), invariance.unpack(theirs), strict=True):
            assert np.abs(whole[:40].astype(float) - part).max() < 1e-4


def test_pictures_are_drawn_and_not_the_first_of_a_folder(monkeypatch):
    files = tuple((f"{k:04}.jpg", k) for k in range(1000))
    pictures = Pictures(files, (), "made")
    seen = natural.View(None, SimpleNamespace(names=("other",)), pictures[:0], pictures)
    shown = []

    def changes(view, protocol, size, count):
        shown.append([label for _, label in view.pictures.files[:count]])
        return shift.Change(*(np.zeros(9, kind) for kind in (int, float, bool, float)))

    monkeypatch.setattr(invariance, "changes", changes)
    for name in ("sizes_black", "drawn_sizes_black", "drawn_sizes_scale"):
        assert list(OBSERVERS[name](seen)) == [str(size) for size in natural.SIZES]
    first, *drawn = shown[:5], shown[5:10], shown[10:]
    assert all(labels == list(range(250)) for labels in first)
    assert drawn[0] == drawn[1] and all(labels == drawn[0][0] for labels in drawn[0])
    # ImageNet's first 398 classes are animals: all of the first 250, and two in five of a draw
    assert len(set(drawn[0][0])) == 250
    assert 0.3 < np.mean(np.array(drawn[0][0]) < 398) < 0.5


def test_typicality_is_the_mean_cosine_with_the_nearest(noise):
    seen = view(noise)
    found = OBSERVERS["typicality"](seen)
    with torch.no_grad():
        train, test = (
            seen.model.head[:2](seen.model.layers(seen.standardise(part[0])))
            for part in (seen.train, seen.test)
        )
    cosine = torch.cosine_similarity(test[:, None], train[None], dim=2).numpy()
    expected = np.sort(cosine, axis=1)[:, -10:].mean(1)
    values = invariance.shares(found["values"])
    assert np.abs(values - expected).max() < 1e-4
    order = values.argsort()
    assert {e["image"] for e in found["atypical"]} == set(order[:4].tolist())
    assert {e["image"] for e in found["typical"]} == set(order[-4:].tolist())
    for example in found["typical"] + found["atypical"]:
        numbers, correlations = zip(*example["near"], strict=True)
        assert list(numbers) == cosine[example["image"]].argsort()[::-1][:5].tolist()
        assert np.allclose(correlations, cosine[example["image"], list(numbers)], atol=1e-3)


def test_read_outs_learn_what_can_be_read(noise):
    """Brightness is in the mean of every map; a class of it can be read out at every depth."""
    seen = view(noise)
    for pixels, labels in (seen.train, seen.test):
        labels.copy_(torch.arange(len(labels)) % 2)
        pixels.copy_((pixels.float() * (0.4 + 0.5 * labels[:, None, None, None])).byte())
    found = OBSERVERS["readouts"](seen)
    assert len(found) == 4
    for depth in found:
        assert depth["n"] == 60 and depth["accuracy"] > 0.9


def test_features_need_named_layers(noise):
    with pytest.raises(ValueError, match="observers: 'antialiased' is not allowed; use a model"):
        OBSERVERS["typicality"](view(noise, Brightest()))
