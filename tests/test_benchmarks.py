"""The benchmark times the same network on both sides, and counts its arithmetic right."""

import multiprocessing
import re
from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks import clock, loops, networks, processes
from helpers import orderness, plan

MLP, CNN28, CNN32, *REST = networks.CASES


@pytest.mark.parametrize("case", networks.CASES, ids=lambda case: case.name)
def test_the_usual_network_is_ours(case):
    ours, x = case.build().double().eval(), torch.randn(2, *case.shape, dtype=torch.float64)
    usual = networks.as_written(ours)
    parts = list(usual.modules())
    kinds = [[type(layer).__name__ for layer in part] for part in parts if hasattr(part, "insert")]
    assert all("MaxPool2d" not in [a for a, b in pairwise(row) if b == "ReLU"] for row in kinds)
    assert all("forward" in vars(layer) for layer in parts if isinstance(layer, networks.Conv3x3))
    torch.testing.assert_close(usual(x), ours(x), rtol=1e-10, atol=1e-10)


def test_each_network_that_takes_long_is_timed():
    hours = plan.core_hours()
    assert list(hours.values()) == sorted(hours.values(), reverse=True)
    long = {name for name, spent in hours.items() if spent > sum(hours.values()) / 20}
    tuned = {"finetuned"}  # its weights and pictures cannot be passed on
    assert len(long) >= 4 and long - tuned <= {case.family for case in networks.CASES}


def test_loops_are_timed_in_processes_of_their_own_which_end():
    sides = [partial(loops.products, size, torch.float32) for size in (8, 256)]
    small, large = processes.compare([sides], seconds=0.01, pairs=2)
    assert len(small) == len(large) == 2 and min(small) > max(large) > 0
    ((two, one),) = processes.two_against_one(sides[0], seconds=0.01, pairs=1)
    assert two > 0 < one and not multiprocessing.active_children()


def test_a_loop_that_fails_ends_the_comparison():
    with pytest.raises(EOFError):
        processes.compare([[partial(loops.products, 8, None)], [partial(int, "x")]], 0.01, 1)
    assert not multiprocessing.active_children()


def test_flops_of_an_mlp_are_those_of_its_matrices():
    first, rest = 784 * 512, 512 * 512 + 512 * 10
    assert networks.training_flops(MLP.build(), MLP.shape) == 2 * (2 * first + 3 * rest)


def test_flops_of_a_cnn_are_those_of_its_maps():
    first = 32 * 32 * 64 * 3 * 9
    rest = (16 * 16 + 8 * 8) * 64 * 64 * 9 + 64 * 4 * 4 * 10  # the last pool leaves 4 px
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


def test_the_loop_over_triples_gives_what_we_give():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 7), np.uint8)
    paths_of = loops.triples(5, 7)
    straight, diagonal = 2 * (5 * 5 + 3 * 7), 8 * 4 * 6  # both ways; 8 in each 2 x 2 block
    assert len(paths_of) == len(set(paths_of)) == straight + diagonal
    by_triples = loops.orderness_by_triples(pixels, paths_of)
    assert by_triples == pytest.approx(orderness.orderness(pixels), abs=1e-5)


def test_orderness_is_compared_with_a_copy_and_with_a_loop(monkeypatch, noise):
    monkeypatch.setattr(loops, "random_images", lambda shape: noise(600, "cifar10"))
    clocks = iter([1.0, 0.1, 2.0] * 3)
    monkeypatch.setattr(clock, "spent", lambda side: side() is None or next(clocks))
    copy, loop = command._orderness(SimpleNamespace(pairs=2))
    assert (copy.values, copy.goal, copy.at_most) == ((10.0, 10.0), 50, True)
    every = len(loops.triples(32, 32))
    looped = len(range(0, every, command.STRIDE))
    assert loop.values == pytest.approx([2 * 600 * every / (300 * looped)] * 2)
    assert (loop.goal, loop.at_most, looped) == (200, False, 101)


@pytest.mark.parametrize(
    "option", [("--seconds", "0"), ("--seconds", "nan"), ("--pairs", "0"), ("--batch", "0")]
)
def test_a_bad_option_is_one_line_and_status_2(option, capsys):
    assert command.main(list(option)) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and option[0].strip("-") in error


def test_the_table_says_what_lies_below_its_goal():
    ratio = clock.Ratio("one thing", (1.0, 2.0, 4.0), 3, "a and b")
    line = command._line(ratio)
    assert re.search(r"one thing +>=3 +2\.00 +1\.00-4\.00 +a and b  below the goal$", line)
