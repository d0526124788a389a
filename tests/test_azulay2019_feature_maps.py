"""Figures 3 and 4 of azulay2019: what is measured on maps that move, on maps that are known."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch

from helpers import claims, invariance, shift, verdicts
from helpers.evidence import Evidence
from helpers.experiments import azulay2019 as experiments
from helpers.models import pretrained
from helpers.verdicts.azulay2019 import feature_maps, sampling

FACTOR, CHANNELS = 8, 3
SIDE = feature_maps.FRAME


def sampled(signals, factor=FACTOR, shifts=FACTOR):
    """Return maps (shifts, C, H, W) of signals (C, N, W) that move down, one pixel a map."""
    return np.stack([np.roll(signals, p, axis=1)[:, ::factor] for p in range(shifts)])


def drawn(kept, seeds=CHANNELS):
    """Return random signals (C, N, 2) with the frequencies `kept` alone."""
    columns = [[sampling.drawn([k, x], kept, SIDE) for x in (0, 1)] for k in range(seeds)]
    return np.array(columns).transpose(0, 2, 1)


def test_all_shifts_together_are_the_response_at_every_pixel():
    signals = drawn(True)
    assert np.array_equal(feature_maps.dense(sampled(signals)), signals)


def test_what_interpolation_misses_is_known_for_slow_and_for_white_signals():
    slow = drawn(sampling.below(SIDE, FACTOR))
    assert np.allclose(feature_maps.missed(sampled(slow)), 0, atol=1e-12)
    white = drawn(True)
    found = feature_maps.missed(sampled(white))
    assert (found > 0.3).all() and (found < 1 - 1 / FACTOR).all()
    assert not np.allclose(found, feature_maps.missed(sampled(white)[::-1]))  # the order counts


@pytest.mark.parametrize("factor", [2, 8, 16])
def test_of_one_column_the_same_is_missed_as_of_its_signal(factor):
    signals = drawn(True)[:, :, :1]
    expected = [sampling.missed(signal[:, 0], factor) for signal in signals]
    assert np.allclose(feature_maps.missed(sampled(signals, factor, factor)), expected)


def travelled(signals):
    return feature_maps.moved(sampled(signals, shifts=feature_maps.PERIOD + 1))


def test_sums_of_slow_responses_are_kept_and_a_part_detectors_are_not():
    slow = travelled(drawn(sampling.below(SIDE, FACTOR)))
    assert slow.factor == FACTOR and slow.spread() < 1e-12
    part = np.zeros((1, SIDE, 2))
    part[0, 5] = 1  # the detector answers in one row only
    found = travelled(part)
    on = 1 / FACTOR  # of all shifts, in which the row is on the grid
    assert found.spread() == pytest.approx((on * (1 - on)) ** 0.5 / on)
    assert found.apart(FACTOR) == 0 < found.apart(FACTOR // 2)
    assert found.missed == pytest.approx(1 - on)


def test_sums_that_the_border_changes_differ_one_factor_apart():
    maps = sampled(drawn(sampling.below(SIDE, FACTOR)), shifts=feature_maps.PERIOD + 1)
    drifting = maps * np.linspace(1, 2, len(maps))[:, None, None, None]
    assert feature_maps.moved(drifting).apart(FACTOR) > 0.1
    assert feature_maps.moved(maps).apart(FACTOR) < 1e-12


def test_channels_that_hardly_respond_do_not_count():
    signals = drawn(sampling.below(SIDE, FACTOR))
    faint = np.zeros((1, SIDE, 2))
    faint[0, 5] = 1e-3
    found = travelled(np.concatenate([signals, faint]))
    assert found.responds.tolist() == [True] * CHANNELS + [False]
    assert found.spread() < 1e-12 and len(found.missed) == CHANNELS


def test_frames_move_down_by_one_pixel_and_end_in_black():
    frames = feature_maps.frames("cat")
    assert frames.shape == (feature_maps.PERIOD + 1, 3, SIDE, SIDE)
    assert all(torch.equal(b, a.roll(1, 1)) for a, b in pairwise(frames))
    size = shift.EMBEDDED
    assert int(frames[0].any(0).any(1).sum()) == int(frames[0].any(0).any(0).sum()) == size
    assert not frames[:, :, 0].any() and not frames[:, :, -1].any()


class Doubling(torch.nn.Module):
    """Stand in for a network: one map, a quarter of the picture's size, plus a constant."""

    def __init__(self):
        super().__init__()
        self.maps = torch.nn.Conv2d(3, 1, 1, stride=4)
        torch.nn.init.constant_(self.maps.weight, 2.0)
        torch.nn.init.constant_(self.maps.bias, 7.0)

    def forward(self, x):
        return self.maps(x).mean((2, 3))


def test_a_response_is_what_the_picture_adds_to_black():
    facts = {"side": SIDE, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    network = pretrained.Network("doubling", Doubling().eval(), **facts, crop=1, source="",
                                 interpolation="bilinear", digest="", names=())  # fmt: skip
    pixels = torch.randint(256, (30, 3, SIDE, SIDE), dtype=torch.uint8)
    (found,) = feature_maps.responses(network, pixels, ["maps"])
    expected = 4 * pixels[:, :, ::4, ::4].float().sum(1, keepdim=True) / 255
    assert np.allclose(found, expected, atol=1e-4)
    assert not network.model.maps._forward_hooks  # nothing is left behind


def test_depths_of_the_packaged_network_have_their_factors():
    found = feature_maps.travel("efficientnet_lite0", "cat")
    assert list(found) == list(feature_maps.DEPTHS["efficientnet_lite0"])
    assert [maps.factor for maps in found.values()] == [2, 2, 4, 8, 16, 16, 32, 32, 32]
    assert found["stem"].apart(2) < 1e-4  # the same grid, and no border is near
    assert found["last"].spread() > 10 * found["stem"].spread()
    shown = feature_maps.shown("efficientnet_lite0", "cat")
    assert [maps.shape[1] for maps in shown] == [224, 112, 56, 14, 7]
    assert all(len(maps) == 3 and maps.max() == 255 for maps in shown)


def test_factors_of_squeezenet_are_counted_despite_its_borders():
    from torchvision.models import squeezenet1_1

    facts = {"side": SIDE, "mean": (0,) * 3, "std": (1,) * 3}
    network = pretrained.Network("s", squeezenet1_1().eval(), **facts, crop=1, source="",
                                 interpolation="bilinear", digest="", names=())  # fmt: skip
    modules = feature_maps.DEPTHS["squeezenet1_1"].values()
    shapes = [maps.shape for maps in feature_maps.responses(network, _noise(), modules)]
    factors = [2 ** round(np.log2(SIDE / shape[2])) for shape in shapes]
    assert factors == [2, 4, 4, 8, 8, 16, 16, 16, 16, 16] and shapes[-1][1] == 1000


def _noise():
    return torch.randint(256, (1, 3, SIDE, SIDE), dtype=torch.uint8)


# Figure 4.


def packed(changed, change, accuracy, n=100):
    """Return what a record holds of a read-out, with `changed` of n predictions changed."""
    made = shift.Change(np.zeros(n, int), np.full(n, 0.5), np.arange(n) < changed,
                        np.full(n, change))  # fmt: skip
    return {**invariance.pack(made), "accuracy": accuracy}


def plant(monkeypatch, read):
    """Put records of the study in the place of evidence; read: read-outs of a seed."""
    rows = []
    for k, run in enumerate(experiments.plain("study")):
        assert "readouts" in run.observers
        observed = {"readouts": read(run.seed)}
        rows += [{"key": k, "data": "cifar10", "epoch": e, "seed": run.seed, "observed": observed,
                  "width": 16, "train": 10_000, "source": ""} for e in (1, 2)]  # fmt: skip
    frame = pd.DataFrame(rows).iloc[::-1]
    monkeypatch.setattr(feature_maps.evidence, "of", lambda *_: Evidence("study", frame, {}))


def judged(monkeypatch, read):
    plant(monkeypatch, read)
    measures = feature_maps.MEASURES["aw-fig4"]
    return {
        statement["id"]: claims.judge(statement, measures[statement["id"]]("study")).verdict
        for statement in claims.statements("aw-fig4")
    }


def test_readouts_are_read_seed_by_seed_and_depth_by_depth(monkeypatch):
    plant(monkeypatch, lambda seed: [packed(seed + d, d / 10, 0.2 * d) for d in range(4)])
    found, scale = feature_maps.readouts("study")
    assert scale == "study"
    assert np.allclose(found["P(top-1 change)"], [[(s + d) / 100 for d in range(4)]
                                                  for s in range(3)])  # fmt: skip
    assert np.allclose(found["mean absolute change"], [[0, 0.1, 0.2, 0.3]] * 3, atol=1e-4)
    assert np.allclose(found["accuracy"], [[0, 0.2, 0.4, 0.6]] * 3)
    assert np.allclose(found["top probability"], 0.5, atol=1e-4)


def test_growing_with_depth_is_reproduced_and_shrinking_is_not(monkeypatch):
    def read(first, step):
        # step: of 1,000 predictions, more at every depth; seeds differ a little
        return lambda seed: [
            packed(first + seed + d * (step + seed), 0.5 + d * (step + seed) / 1_000, 0.5, 1_000)
            for d in range(4)
        ]

    assert set(judged(monkeypatch, read(20, 30)).values()) == {"reproduced"}
    assert set(judged(monkeypatch, read(130, -30)).values()) == {"not reproduced"}


def test_one_depth_that_does_not_follow_is_enough(monkeypatch):
    def read(seed):
        return [packed(changed + seed * (d + 1), changed / 500 + 1e-3 * seed * d, 0.5, 1_000)
                for d, changed in enumerate((20, 120, 60, 200))]  # fmt: skip

    found = judged(monkeypatch, read)
    assert found == {"depth": "not reproduced", "mac": "not reproduced", "early": "reproduced"}
    statement = {"says": "x", "rule": "trend", "resolution": 0.01}
    for measure in ("depth", "mac"):
        measured = feature_maps.MEASURES["aw-fig4"][measure]("study")
        assert claims.judge(statement, measured).at == "depth 3 to depth 2"


def test_birds_are_shown_only_if_every_record_is_published(monkeypatch):
    record = {"observations": {"readouts": [packed(5, 0.1, 0.3), packed(9, 0.2, 0.4)]}}
    wanted = experiments.birds("study")
    lacking = wanted[-1].key()
    monkeypatch.setattr(feature_maps.runs, "find_published",
                        lambda run: None if run.key() == lacking else record)  # fmt: skip
    assert feature_maps.birds() == {}
    monkeypatch.setattr(feature_maps.runs, "find_published", lambda run: record)
    found = feature_maps.birds()
    assert list(found) == ["SqueezeNet 1.1", "EfficientNet-Lite0"]
    own = found["SqueezeNet 1.1"]
    assert own["P(top-1 change)"] == [0.05, 0.09] and own["accuracy"] == [0.3, 0.4]
    assert own["s.e. of P(top-1 change)"][0] == pytest.approx((0.05 * 0.95 / 99) ** 0.5)
    assert own["n"] == [100, 100]


def test_without_weights_in_the_data_folder_one_network_is_left(folders):
    assert feature_maps.networks() == ("efficientnet_lite0",)


def test_every_statement_has_its_measure_and_the_pictures_have_no_verdict():
    for row, measures in feature_maps.MEASURES.items():
        assert set(measures) == {statement["id"] for statement in claims.statements(row)}
    assert verdicts.verdict("aw-fig3", "smoke").verdict == "not run"
