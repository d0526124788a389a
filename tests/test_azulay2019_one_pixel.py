"""Section 2 of azulay2019: examples, the measures behind its rows, and Table 3."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import one_line
from scipy import stats
from torch import nn

from helpers import claims, evidence, invariance, rules, shift
from helpers.errors import InputError
from helpers.machine import device
from helpers.models.pretrained import SCRIPT_FACTS, Network
from helpers.verdicts.azulay2019 import one_pixel

COUNT = 400
# the share of pairs that change, by network and protocol
SHARES = {
    "steady": {"crop": 0.02, "black": 0.10, "inpainted": 0.08, "scale": 0.06},
    "jumpy": {"crop": 0.10, "black": 0.12, "inpainted": 0.30, "scale": 0.25},
}


def packed(share, mac, seed, accuracy=0.5):
    """Return what a record holds where the first `share` of pairs change, and its change."""
    change = np.random.default_rng(seed).uniform(0, 2 * mac, COUNT)
    changed = np.arange(COUNT) < round(share * COUNT)
    found = shift.Change(np.zeros(COUNT, int), np.full(COUNT, 0.9), changed, change)
    return {**invariance.pack(found), "accuracy": accuracy}, change


def planted(monkeypatch, scale, shares=SHARES, accuracy=0.5):
    """Let the strongest evidence be made up; return {(network, protocol): changes (N,)}."""
    rows, truth = [], {}
    for k, (network, own) in enumerate(shares.items()):
        for protocol, share in own.items():
            part, truth[network, protocol] = packed(share, share / 2, k, accuracy)
            rows.append({"key": f"{network} {protocol}", "epoch": 0, "source": "made up",
                         "arguments": {"name": network},
                         "observed": {f"pairs_{protocol}": part}})  # fmt: skip
    found = evidence.Evidence(scale, pd.DataFrame(rows), {})
    monkeypatch.setattr(evidence, "of", lambda *asked: {("azulay2019", "protocols"): found}[
        asked[:2]])  # fmt: skip
    return truth


def measured(row, statement):
    return one_pixel.MEASURES[row][statement]("study")


def test_every_statement_has_a_measure():
    assert list(one_pixel.MEASURES) == ["aw-fig1-top", "aw-fig1-mid", "aw-fig1-bot", "aw-fig2",
                                        "aw-table1", "aw-human", "aw-table3"]  # fmt: skip
    for row, measures in one_pixel.MEASURES.items():
        stated = claims.row(row)[1].get("statements", [])
        assert [statement["id"] for statement in stated] == list(measures), row


def test_rates_are_those_of_the_records(monkeypatch):
    truth = planted(monkeypatch, "study")
    rates = one_pixel.rates("study")
    assert [(rate["network"], rate["protocol"]) for rate in rates] == list(truth)
    for rate in rates:
        share = SHARES[rate["network"]][rate["protocol"]]
        wilson = stats.binomtest(round(share * COUNT), COUNT).proportion_ci(method="wilson")
        assert rate["changed"] == pytest.approx((share, *wilson))
        student = rules.interval(truth[rate["network"], rate["protocol"]])
        assert rate["mac"] == pytest.approx(student, abs=2e-5)  # what a record rounds to
        assert (rate["n"], rate["accuracy"]) == (COUNT, 0.5)
    assert (
        one_pixel.note("study") == "Preset study: 400 pairs for each network and protocol. made up."
    )


@pytest.mark.parametrize("protocol", ["inpainted", "black"])
def test_more_change_than_cropped(monkeypatch, protocol):
    planted(monkeypatch, "study")
    found = measured("aw-fig2", {"black": "embedded"}.get(protocol, protocol))
    values = found.values
    assert found.scale == "study" and values.shape == (COUNT,)
    steady, jumpy = SHARES.values()
    for name, own in SHARES.items():
        assert found.parts[name].mean() == pytest.approx(own[protocol] - own["crop"])
    wanted = (steady[protocol] - steady["crop"] + jumpy[protocol] - jumpy["crop"]) / 2
    assert values.mean() == pytest.approx(wanted)
    # picture by picture: the first 2 % change under both protocols with both networks
    assert not values[: round(0.02 * COUNT)].any() and set(values) <= {0, 0.5, 1}


def test_every_network_is_a_comparison(monkeypatch):
    truth = planted(monkeypatch, "study")
    crop, black, mac = (measured("aw-table1", name) for name in ("crop", "black", "mac"))
    np.testing.assert_allclose(crop.values.mean(axis=0), [0.02, 0.10])
    np.testing.assert_allclose(black.values.mean(axis=0), [0.08, 0.02])
    for k, name in enumerate(SHARES):
        wanted = truth[name, "black"] - truth[name, "crop"]
        np.testing.assert_allclose(mac.values[:, k], wanted, atol=2e-5)
    assert all(found.names == tuple(SHARES) for found in (crop, black, mac))
    assert all(found.scale == "study" for found in (crop, black, mac))
    for found in (crop, black, mac):  # the page shows each of them, so that it says which fail
        assert list(found.parts) == list(SHARES)
        np.testing.assert_array_equal(np.stack([*found.parts.values()], axis=1), found.values)


def test_one_network_that_objects_is_enough(monkeypatch):
    good = {"crop": 0.05, "black": 0.2, "inpainted": 0.2, "scale": 0.2}
    statements = {s["id"]: s for s in claims.statements("aw-table1")}

    def verdict(**shares):
        planted(monkeypatch, "study", {"good": good, "other": {**good, **shares}})
        judged = [claims.judge(statements[name], measured("aw-table1", name))
                  for name in ("black", "crop")]  # fmt: skip
        return [(found.verdict, found.at) for found in judged]

    assert [name for name, _ in verdict()] == ["reproduced", "reproduced"]
    black, crop = verdict(black=0.01)
    assert black == ("not reproduced", "other") and crop[0] == "reproduced"
    # of 400 predictions none ever changed: it is shown to be less than a point
    assert verdict(crop=0.0)[1] == ("not reproduced", "other")
    assert verdict(crop=0.01)[1] == ("reproduced", "other")


def test_the_highest_share_is_of_the_papers_networks_on_imagenet(monkeypatch):
    planted(monkeypatch, "study")
    assert measured("aw-fig2", "highest") == (
        None, "needs VGG16, ResNet50 and InceptionResNetV2 on ImageNet")  # fmt: skip
    theirs = {name: dict(SHARES["steady"]) for name in one_pixel.KERAS.values()}
    theirs["densenet121"] = {"crop": 0.9}  # not in Figure 2
    theirs["resnet50"]["scale"] = 0.31
    planted(monkeypatch, "paper", theirs)
    values, scale = measured("aw-fig2", "highest")
    found = values["highest P(top-1 change)"]
    assert scale == "paper" and found.mean() == pytest.approx(0.31) and len(found) == COUNT
    planted(monkeypatch, "paper", SHARES)
    assert measured("aw-fig2", "highest")[0] is None


def picture(height=60, width=90):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(1, 256, (3, height, width), dtype=np.uint8))


def test_a_moving_picture_moves_by_a_pixel_a_frame():
    frames = one_pixel.moving(picture(), 100, size=30, steps=12)
    assert frames.shape == (13, 3, 100, 100) and frames.dtype == torch.uint8
    for before, after in pairwise(frames):
        assert torch.equal(before[..., :-1], after[..., 1:]) and not torch.equal(before, after)
    shrunk = shift.resize(picture(), (30, 45))
    assert torch.equal(frames[0, :, 35:65, 21:66], shrunk)  # in the middle of its way
    assert (frames > 0).sum() == 13 * shrunk.numel()


def test_a_growing_picture_grows_by_a_pixel_a_frame():
    frames = one_pixel.growing(picture(60, 120), 100, sizes=range(20, 31))
    assert len(frames) == 11
    for size, frame in zip(range(20, 31), frames, strict=True):
        small = shift.resize(picture(60, 120), (size, 2 * size))
        assert torch.equal(frame[:, 35 : 35 + size, 20 : 20 + 2 * size], small)
        assert (frame > 0).sum() == small.numel()
    with pytest.raises(InputError) as error:
        one_pixel.growing(picture(10, 90), 100, sizes=(10, 20))
    one_line(error, "picture", "100 x 100 px")


class Brightness(nn.Module):
    """Say how bright the first pixel is, against 0: class 1 is on top where it is bright."""

    def forward(self, x):
        bright = x[:, 0, 0, 0]
        return torch.stack([torch.zeros_like(bright), bright], 1)


def test_a_curve_follows_the_first_frames_class_and_finds_its_largest_jump():
    facts = {**SCRIPT_FACTS, "side": 4, "mean": (0.5,) * 3, "std": (0.1,) * 3}
    network = Network("bright", Brightness().to(device()), **facts, source="", digest="",
                      names=("dark", "bright"))  # fmt: skip
    levels = np.array([160, 150, 151, 90, 140, 140])
    frames = torch.from_numpy(levels.astype(np.uint8))[:, None, None, None].repeat(1, 3, 4, 4)
    found = one_pixel.curve(network, frames)
    assert found.label == "bright" and found.at == 2  # from 151 to 90
    assert found.tops == ("bright", "bright", "bright", "dark", "bright", "bright")
    np.testing.assert_allclose(
        found.values, 1 / (1 + np.exp(-(levels / 255 - 0.5) / 0.1)), rtol=1e-4
    )


def test_table_3():
    lines = one_pixel.table3()
    assert [line["parameters"] for line in lines] == [138_357_544, 25_636_712, 55_873_736]
    assert [line["depth"] for line in lines] == [16, 50, 176]
    measures = one_pixel.MEASURES["aw-table3"]
    found = {name: measure("study")[0] for name, measure in measures.items()}
    assert found == {"VGG16": 0, "ResNet50": 0, "InceptionResNetV2": 0, "depth": 0,
                     "inception-depth": 42, "accuracy": None}  # fmt: skip


def test_table_3_notices_another_count(monkeypatch):
    monkeypatch.setattr(one_pixel, "_counted", lambda network: (138_357_545, 17))
    measures = one_pixel.MEASURES["aw-table3"]
    assert measures["VGG16"]("study") == (1, "no training")
    assert measures["depth"]("study")[0] == 33  # the larger of 1 and 33
