"""The benchmark times the same network on both sides, and counts its arithmetic right."""

import json
from itertools import pairwise

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import clock, networks
from helpers import models

MLP, CNN28, CNN32, VGG = networks.CASES


def small_vgg():
    """Return a VGG16-like net of an eighth of the width at 28 px, its dropout off."""
    return models.build("vgg", (1, 28, 28), 10, seed=0, width=1 / 8).eval()


@pytest.mark.parametrize("build", [small_vgg, CNN28.build], ids=["vgg", "cnn"])
def test_the_usual_network_is_ours(build):
    ours, x = build().double().eval(), torch.randn(4, 1, 28, 28, dtype=torch.float64)
    usual = networks.as_written(ours)
    kinds = [type(layer).__name__ for layer in usual]
    assert "MaxPool2d" not in [a for a, b in pairwise(kinds) if b == "ReLU"]
    assert all("forward" in vars(layer) for layer in usual if isinstance(layer, networks.Conv3x3))
    torch.testing.assert_close(usual(x), ours(x), rtol=1e-10, atol=1e-10)


def test_flops_of_an_mlp_are_those_of_its_matrices():
    first, rest = 784 * 512, 512 * 512 + 512 * 10
    assert networks.training_flops(MLP.build(), MLP.shape) == 2 * (2 * first + 3 * rest)


def test_flops_of_a_cnn_are_those_of_its_maps():
    first = 32 * 32 * 64 * 3 * 9
    rest = (16 * 16 + 8 * 8) * 64 * 64 * 9 + 64 * 4 * 4 * 10
    assert networks.training_flops(CNN32.build(), CNN32.shape) == 2 * (2 * first + 3 * rest)


def test_a_ratio_is_held_to_its_goal_from_the_right_side():
    values = (1.0, 3.0, 2.0)
    assert clock.Ratio("", values, 2, "").reached() is True
    assert clock.Ratio("", values, 2.1, "").reached() is False
    assert clock.Ratio("", values, 2.1, "", at_most=True).reached() is True
    assert clock.Ratio("", values, None, "").reached() is None


def test_rate_counts_steps_and_takes_at_least_one():
    ticks = iter([0.0, 4.0])
    steps = iter([None])
    assert clock.rate(steps, 0, lambda: {"self": next(ticks)}) == pytest.approx(1 / 4)


@pytest.mark.parametrize(
    "option", [("--seconds", "0"), ("--seconds", "nan"), ("--pairs", "0"), ("--batch", "0")]
)
def test_a_bad_option_is_one_line_and_status_2(option, capsys):
    assert command.main(list(option)) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and option[0].strip("-") in error


def test_the_table_is_kept_whole_as_json(folders, monkeypatch, capsys):
    ratio = clock.Ratio("one thing", (1.0, 2.0, 4.0), 3, "a and b")
    monkeypatch.setattr(command, "_everything", lambda machine, options: iter([ratio]))
    assert command.main([]) == 0
    assert "one thing" in (out := capsys.readouterr().out) and "below the goal" in out
    record = json.loads((folders / "build" / "benchmarks" / "latest.json").read_text())
    (kept,) = record["measured"]
    assert (kept["seen"], kept["goal"], kept["reached"]) == (2.0, 3, False)
    assert record["machine"]["device"] and "load_before" in record["machine"]
