"""The judgements of ghosh2019: theory against simulation, the theorem, and planted trainings."""

import numpy as np
import pytest

from helpers import orderness, verdicts
from helpers.verdicts.ghosh2019 import depth, progress, theorem, theory
from helpers.verdicts.ghosh2019.progress import Progress


def test_all_triples_are_listed_once():
    for side in (2, 3, 5):
        straight, diagonal, both = (
            {tuple(t) for t in theory.triples(side, kind).reshape(-1, 3)}
            for kind in ("straight", "diagonal", "both")
        )
        assert len(straight) == 4 * side * (side - 2)  # rows and columns, two directions
        assert len(diagonal) == 8 * (side - 1) ** 2  # eight to a square of 2 x 2
        assert straight | diagonal == both and not straight & diagonal
        assert all(len(set(triple)) == 3 for triple in both)


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
@pytest.mark.parametrize("scale", [1, 2])
def test_the_expected_orderness_is_that_of_many_images(geometry, scale):
    side, rng = 8, np.random.default_rng(0)
    for covariance in (theory.diffusion(side), theory.permuted(side)):
        root = np.linalg.cholesky(covariance + 1e-9 * np.eye(side**2))
        images = (rng.normal(size=(20_000, side**2)) @ root.T).reshape(-1, 1, side, side)
        means = theory.block_means(side, scale)
        expected = theory.expected_orderness(means @ covariance @ means.T, geometry)
        assert orderness.orderness(images, scale, geometry) == pytest.approx(expected, abs=0.02)


def test_diagonal_orderness_is_at_most_one():
    images = np.random.default_rng(1).normal(size=(500, 1, 4, 4)).cumsum(axis=2).cumsum(axis=3)
    assert max(orderness.per_kernel(images, "diagonal")) <= 1 + 1e-6
    assert max(orderness.per_kernel(images, "straight")) > 1.5


@pytest.mark.parametrize(
    "row, verdict",
    [
        ("so-eq1-4", "paper in error"),
        ("so-eq5", "reproduced"),
        ("so-eq6", "paper in error"),
        ("so-prop-interp", "reproduced"),
        ("so-prop-perm", "reproduced"),
        ("so-prop-const", "reproduced"),
        ("so-thm1", "paper in error"),
        ("so-cor1.1", "paper in error"),
        ("so-cor1.2", "reproduced"),
    ],
)
def test_rows_without_training(row, verdict):
    assert verdicts.verdict(row, "smoke") == verdict


def test_a_wrong_factor_breaks_the_theorem():
    net = theorem.trained()
    left, right = theorem.bounds()[0]
    assert (left <= right).all() and (left > 0).all()
    assert (left > right / 1e6).all()  # a bound with no alpha at all would not hold
    assert abs(net.change).max() > 1e-3
    other = theorem.trained(seed=1)
    summed = np.einsum("fnm,nmk->fk", other.updates, net.patches).reshape(net.change.shape)
    assert abs(summed - net.change).max() > 1e-3  # another training's factors do not add up


def seen(curve, accuracy=(0.1, 0.1, 0.5, 0.9), seeds=3, noise=0.0, layers=2):
    """Return a planted `Progress` whose layers all follow `curve`, with noise."""
    rng = np.random.default_rng(0)
    shape = (seeds, len(curve), layers)
    so = np.array(curve)[None, :, None] + noise * rng.normal(size=shape)
    return Progress(np.arange(len(curve)), so, np.tile(accuracy, (seeds, 1)), [], "planted")


def test_a_planted_rise_and_fall_are_found():
    planted = seen((0.2, 0.5, 0.3, 0.1))
    assert progress.rises(planted) == pytest.approx(0.3)
    assert progress.falls(planted) == pytest.approx(0.4)
    assert progress.before(planted) == pytest.approx(0)
    assert progress.last_most(planted) == pytest.approx(0)
    assert progress.before(seen((0.2, 0.3, 0.5, 0.1))) == pytest.approx(0.5)


def test_no_rise_is_seen_in_a_fall_or_in_noise():
    assert progress.rises(seen((0.5, 0.4, 0.3, 0.2))) == pytest.approx(-0.1)
    found = []
    for trial in range(200):
        rng = np.random.default_rng(trial)
        noise = rng.normal(size=(3, 10, 2))
        flat = Progress(np.arange(10), noise, np.zeros((3, 10)), [], "planted")
        found.append(progress.rises(flat).mean())
    assert np.mean(found) < 0.1  # a seed's own maximum would give about 1.5 deviations


def test_the_layer_that_falls_most():
    planted = seen((0.2, 0.5, 0.3, 0.1))
    planted.orderness[..., -1] *= 2
    assert progress.last_most(planted) == pytest.approx(0.4)


def test_depth_is_compared_within_a_seed(monkeypatch):
    # errors by seed, swaps (0, 30) and depth (1, 2, 3); in the last seed one layer learns nothing
    natural, swapped = [0.10, 0.06, 0.05], [0.40, 0.37, 0.43]
    values = np.array(
        [[natural, swapped], [[0.12, 0.06, 0.04], swapped], [[0.9, 0.1, 0.1], swapped]]
    )
    monkeypatch.setattr(depth, "errors", lambda *_: ((0, 30), (1, 2, 3), values, "study"))
    helps, hurts, shrinks = (
        measure("study", "mnist")[0]
        for measure in (depth.first_helps, depth.last_hurts, depth.gain_shrinks)
    )
    assert helps == pytest.approx([0.03, 0.03])
    assert hurts == pytest.approx([0.06] * 3)
    assert shrinks == pytest.approx([0.01 + 0.06, 0.02 + 0.06, 0.06])


def test_printed_correlations_are_possible_and_others_are_not():
    for step, printed in (("1 to 2", 0.99), ("2 to 3", 0.985)):
        low, high = depth.rounding_range(step)
        own = np.corrcoef(depth.printed_rows(step))[0, 1]
        assert low < own < high and low < printed < high
        assert depth.printed_r("no training", step)[0] == 0
    assert depth.rounding_range("1 to 2")[0] > 0.9
