"""The theory of azulay2019: every check holds, and notices an error that is planted."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from helpers.errors import InputError
from helpers.verdicts.azulay2019 import sampling, stacks, theory


def measured(row, statement):
    values, scale, *_ = theory.MEASURES[row][statement]("smoke")
    assert scale == "no training"
    return values


ZERO = {  # statements that hold as said: errors and counts of exceptions
    "aw-obs1": ("periodic", "inside"),
    "aw-def-shiftable": ("if", "limit", "past", "octave", "rule"),
    "aw-claim": ("constant", "sums", "spectrum", "enough", "zero"),
    "aw-cor-piecewise": ("inside", "room"),
    "aw-stride-multiple": ("multiples", "others"),
    "aw-part-detector": ("exact", "broad", "units", "binomial"),
    "aw-obs2": ("equal", "pools"),
    "aw-cor2": ("above", "below"),
    "aw-linear-blur": ("rebuilt", "sums"),
    "aw-one-stride": ("ideal", "sums"),
    "aw-table2": ("lines", "sums", "last", "shifted", "conclusion"),
    "aw-a3": ("sums", "first", "height", "second"),
}
EFFECTS = {  # what is lost, per seed
    "aw-obs1": ("zero", "valid"),
    "aw-claim": ("relu",),
    "aw-cor-piecewise": ("sharp", "torn"),
    "aw-stride-multiple": ("padding",),
    "aw-obs2": ("undilated",),
    "aw-linear-blur": ("relu", "relu-sums"),
    "aw-one-stride": ("box", "bin5"),
}
CORRECT = {  # what the printed figures should be
    ("aw-stride-multiple", "factor"): 32,
    ("aw-stride-multiple", "share"): 1024,
    ("aw-table2", "linear"): 0.0224,
    ("aw-a3", "half"): 0.6366,
    ("aw-a3", "three-halves"): -0.2122,
    ("aw-a3", "bias"): 0.6366,
}


def pairs(table):
    return [(row, statement) for row, names in table.items() for statement in names]


def test_every_measure_is_tested():
    tested = pairs(ZERO) + pairs(EFFECTS) + list(CORRECT)
    assert sorted(tested) == sorted(pairs(theory.MEASURES))


@pytest.mark.parametrize("row, statement", pairs(ZERO))
def test_identities_hold(row, statement):
    assert 0 <= measured(row, statement) <= 1e-12


@pytest.mark.parametrize("row, statement", pairs(EFFECTS))
def test_effects_are_there_for_every_seed(row, statement):
    values = measured(row, statement)
    assert len(values) >= 10
    assert values.min() > 1e-4


@pytest.mark.parametrize("row, statement", CORRECT)
def test_corrected_figures(row, statement):
    assert measured(row, statement) == CORRECT[row, statement]


def test_every_multiple_of_the_stride_is_a_comparison_of_its_own():
    values, _, _, names, *_ = theory.MEASURES["aw-stride-multiple"]["padding"]("smoke")
    assert values.shape == (stacks.SEEDS, 15) and len(set(names)) == 15
    one = names.index("8 px down, 24 px right")
    moved = stacks.pooled(
        stacks.picture(3),
        [(0, 0), (8, 24)],
        stacks.weights(3, 3),
        strides=(2, 2, 2),
        padding="zero",
    )
    assert_allclose(values[3, one], stacks.change(moved)[1])


# The tools, against slower or closed forms.


def test_low_pass_is_the_dirichlet_kernel():
    n, step = 48, 4
    x = np.arange(1, n)
    kernel = np.sin(11 * np.pi * x / n) / np.sin(np.pi * x / n)  # 11 frequencies: -5 ... 5
    assert_allclose(
        sampling.basis(sampling.below(n, step), step)[1:], kernel * step / n, atol=1e-14
    )


def test_missed_is_what_least_squares_leaves():
    step, r = 3, np.random.default_rng(1).normal(size=24)
    grid = np.arange(24) % step == 0
    moved = [np.roll(r, shift) for shift in range(step)]
    system = np.concatenate(
        [[np.roll(np.where(grid, m, 0)[::-1], x + 1) for x in range(24)] for m in moved]
    )
    wanted = np.concatenate(moved)
    left = np.linalg.lstsq(system, wanted)[1]
    assert_allclose(sampling.missed(r, step), left / (wanted @ wanted))


def test_missed_and_sums_work_in_the_plane():
    r = np.random.default_rng(0).normal(size=(12, 12))
    assert sampling.missed(r, 2) > 0.5
    assert sampling.missed(sampling.low_pass(r, 2), 2) < 1e-24
    by_hand = [[r[a::3, b::3].sum() for b in range(3)] for a in range(3)]
    assert_allclose(sampling.grid_sums(r, 3), by_hand)


def test_bin5_misses_what_its_transfer_function_says():
    f = np.arange(2400) / 2400
    passed, folded = np.cos(np.pi * f) ** 8, np.sin(np.pi * f) ** 8
    expected = (2 * passed * folded / (passed + folded)).sum() / 2 / passed.sum()
    assert round(expected, 4) == measured("aw-table2", "linear")


def test_the_random_sets_of_frequencies_are_of_both_kinds():
    kinds = [sampling.unalike(kept, 3) for kept in sampling.frequency_sets()]
    assert 20 < sum(kinds) < 80


def test_all_forty_maps_reach_above_the_limit():
    found = [r for seed in range(stacks.SEEDS) for r in stacks.dilated(seed)]
    assert len(found) == 40
    assert all(abs(r - sampling.low_pass(r, 2)).max() > 0.01 for r in found)


def test_a_dense_map_holds_the_strided_one():
    image, layers = stacks.picture(0, 16), stacks.weights(2, 0)
    (_, two), (found, four) = stacks.dense(image, layers, (2, 2))
    plain = stacks.maps(stacks.translated(image, [(0, 0)]), layers, (2, 2))[-1][0]
    down = stacks.maps(stacks.translated(image, [(-1, -3)]), layers, (2, 2))[-1][0]
    assert (two, four) == (2, 4)
    assert_allclose(found[:, ::4, ::4], plain)
    assert_allclose(found[:, 1::4, 3::4], down)


# Planted errors.


def leaky(n, step):
    """Return a band that reaches the limit itself."""
    return 2 * step * abs(sampling.waves(n)) <= n


def absolute(images, layers, *args, maps=stacks.maps, **how):
    """Return maps to which their place was added: no longer convolutional."""
    found = maps(images, layers, *args, **how)
    rows = torch.arange(found[-1].shape[-2], dtype=torch.float64)[:, None]
    return [*found[:-1], found[-1] * (1 + 0.01 * rows)]


FAULTS = [  # (module, what is broken, the error, row, statement)
    (sampling, "below", leaky, "aw-def-shiftable", "if"),
    (sampling, "unalike", lambda kept, step: True, "aw-def-shiftable", "rule"),
    (sampling, "enough", lambda: np.ones(sampling.SIDE, bool), "aw-claim", "enough"),
    (sampling, "gaussian", lambda: np.ones(5) / 5, "aw-cor-piecewise", "inside"),
    (stacks, "maps", absolute, "aw-obs1", "periodic"),
    (stacks, "STRIDES", (2, 2, 3), "aw-stride-multiple", "multiples"),
    (stacks, "maps", absolute, "aw-stride-multiple", "multiples"),
    (theory, "BIN5", np.array([1.0, 3, 6, 4, 1]), "aw-table2", "lines"),
    (theory, "relu", theory.thresholded, "aw-a3", "height"),
    (theory, "relu", theory.thresholded, "aw-table2", "shifted"),
    (theory, "thresholded", sampling.relu, "aw-a3", "first"),
    (theory, "thresholded", sampling.relu, "aw-table2", "last"),
]


@pytest.mark.parametrize("module, name, error, row, statement", FAULTS)
def test_planted_errors_are_noticed(module, name, error, row, statement, monkeypatch):
    monkeypatch.setattr(module, name, error)
    assert measured(row, statement) > 1e-6


def test_a_thresholded_relu_gives_the_printed_row_and_a_shifted_one_does_not():
    lines = theory.table2(2)
    assert lines["thresholded"].tolist() == [0, 6, 0, 0]
    assert lines["relu"].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    "call",
    [
        lambda: sampling.below(48, 5),
        lambda: sampling.grid_sums(np.ones(48), 0),
        lambda: sampling.tuning("sharp"),
        lambda: stacks.deep(0, "median"),
        lambda: stacks.maps(torch.zeros(1, 1, 4, 4).double(), stacks.weights(1, 0), padding="same"),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(InputError):
        call()
