"""Timings side by side: pairs, a planted slower function, and steps that compute what they say."""

import time

import numpy as np
import pytest
import torch
from conftest import one_line

from helpers import rules, timing
from helpers.errors import InputError

CPU = torch.device("cpu")


class Clock:
    """A clock that only planted work moves."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def step(self, seconds):
        """Return a function that takes so long."""

        def work():
            self.now += seconds

        return work


def test_each_round_times_every_step():
    clock = Clock()
    steps = {"one": clock.step(1.0), "three": clock.step(3.0)}
    times = timing.paired(steps, rounds=7, clock=clock, repeats=4)
    np.testing.assert_allclose(times["one"], np.full(7, 1.0))
    np.testing.assert_allclose(times["three"], np.full(7, 3.0))


def test_a_machine_that_slows_down_does_not_move_the_ratio():
    clock, speed = Clock(), iter(np.repeat(np.linspace(1, 9, 42), 2))

    def step(seconds):
        def work():
            clock.now += seconds * next(speed)

        return work

    times = timing.paired({"a": step(2.0), "b": step(1.0)}, rounds=40, clock=clock)
    assert times["a"].max() > 5 * times["a"].min()
    assert timing.ratios(times["a"], times["b"]) == pytest.approx(np.full(10, 2.0))


def test_the_order_changes_from_round_to_round():
    order = []
    steps = {name: (lambda name=name: order.append(name)) for name in "abc"}
    timing.paired(steps, rounds=20)
    rounds = {tuple(order[k : k + 3]) for k in range(3 * timing.WARM_UP, len(order), 3)}
    assert len(rounds) > 3 and all(sorted(r) == ["a", "b", "c"] for r in rounds)


def test_a_planted_slower_function_is_noticed():
    x = torch.ones(200_000)

    def once():
        return x.exp()

    def thrice():
        return x.exp(), x.exp(), x.exp()

    clock = time.process_time
    times = timing.paired({"once": once, "thrice": thrice, "again": once}, 40, clock, repeats=3)
    found = rules.order(timing.ratios(times["thrice"], times["once"]) - 1, resolution=0.01)
    assert found.says == "larger" and found.estimate > 0.8
    assert abs(np.median(timing.ratios(times["again"], times["once"])) - 1) < 0.4


def test_one_disturbed_round_in_a_group_does_not_count():
    fast = np.ones(50)
    slow = np.full(50, 1.5)
    slow[::5] = 100.0
    np.testing.assert_array_equal(timing.ratios(slow, fast), np.full(10, 1.5))


@pytest.mark.parametrize("train", (False, True))
def test_every_1x1_computes_the_same_and_so_do_both_3x3(train):
    steps = timing.combinations(5, 4, 3, CPU, train)
    assert tuple(steps) == timing.NAMES
    found = {name: step() for name, step in steps.items()}
    if train:  # the gradient of the inputs; that of the weights checks the shape below
        weights = {name: pair[1].reshape(5, -1) for name, pair in found.items()}
        found = {name: pair[0] for name, pair in found.items()}
        same = weights["1x1, NCHW"]
        for name in ("1x1, NHWC", "product, NHWC", "there and back"):
            torch.testing.assert_close(weights[name], same)
    found["product, NHWC"] = found["product, NHWC"].permute(0, 3, 1, 2)
    for name in ("1x1, NHWC", "product, NHWC", "there and back"):
        torch.testing.assert_close(found[name], found["1x1, NCHW"])
    torch.testing.assert_close(found["3x3, NHWC"], found["3x3, NCHW"], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found["3x3, NCHW"], found["1x1, NCHW"])


def test_layouts_are_what_the_names_say():
    found = {name: step() for name, step in timing.combinations(6, 4, 2, CPU, False).items()}
    last = {"memory_format": torch.channels_last}
    for name in ("1x1, NCHW", "3x3, NCHW", "there and back"):
        assert found[name].is_contiguous() and not found[name].is_contiguous(**last), name
    for name in ("1x1, NHWC", "3x3, NHWC"):
        assert found[name].is_contiguous(**last), name
    assert found["product, NHWC"].shape == (2, 4, 4, 6)
    assert not any(output.requires_grad for output in found.values())


def test_a_cpu_with_one_thread_is_timed_by_its_own_time():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert timing.clock_of(CPU) is time.process_time
        torch.set_num_threads(2)
        assert timing.clock_of(CPU) is time.perf_counter
    finally:
        torch.set_num_threads(threads)
    assert timing.clock_of(torch.device("cuda")) is timing._synchronised


@pytest.mark.parametrize(
    ("call", "part"),
    (
        (lambda: timing.paired({}, 3), "steps: {}"),
        (lambda: timing.paired({"a": int}, 0), "rounds: 0"),
        (lambda: timing.paired({"a": int}, 1, repeats=0), "repeats: 0"),
        (lambda: timing.ratios(np.ones(3), np.ones(4)), "fast: (4,)"),
        (lambda: timing.ratios(np.ones(3), np.ones(3)), "groups: 10"),
    ),
)
def test_bad_input_is_one_line(call, part):
    with pytest.raises(InputError) as error:
        call()
    one_line(error, part)


def test_verdicts_say_the_device_and_smoke_decides_nothing(monkeypatch):
    from helpers.verdicts.juefei2018 import speed

    values, scale = speed.slower("smoke", "3x3, NCHW", "1x1, NCHW")
    assert values.shape == (speed.PARTS,) and np.isfinite(values).all()
    assert scale.startswith("smoke")
    each = [
        speed.ratio("smoke", "1x1, NCHW", "product, NHWC", shape=shape) for shape in speed.SHAPES
    ]
    most = max(np.median(values) for values in each)  # the same times: measured once a process
    assert np.median(speed.beyond_twice("smoke")[0]) == pytest.approx(most - 2)
    monkeypatch.setattr(speed, "device", lambda: CPU)
    assert speed.timed("study") == "study, CPU, one thread"
    monkeypatch.setattr(speed, "device", lambda: torch.device("cuda"))
    assert speed.timed("study") == "paper"
