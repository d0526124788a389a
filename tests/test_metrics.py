"""Metrics: confusion counts, shares, ivan2019's correlations, juefei2018's smoothed accuracy."""

import numpy as np
import pytest
from conftest import one_line

from helpers import metrics, training
from helpers.errors import InputError


def test_confusion_by_hand():
    counts = metrics.confusion(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 0, 2]), 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]


def test_row_rates():
    rates = metrics.row_rates([[6, 2], [1, 3]])
    assert rates.tolist() == [[0.75, 0.25], [0.25, 0.75]]


def test_column_correlations_by_hand():
    first = [[1, 2, 0], [2, 0, 1], [3, 1, 5]]
    second = [[2, 1, 1], [4, 2, 0], [6, 0, 2]]
    # columns: (1,2,3)-(2,4,6): 1; (2,0,1)-(1,2,0): deviations (1,-1,0)(0,1,-1): -1/2;
    # (0,1,5)-(1,0,2): deviations (-2,-1,3)(0,-1,1): 4 / sqrt(14 * 2)
    found = metrics.column_correlations(first, second)
    np.testing.assert_allclose(found, [1, -0.5, 4 / 28**0.5], atol=1e-12)


@pytest.mark.parametrize(("spike", "other"), ((0.9, 0.5), (0.2, 0.99), (0.3, 0.3)))
def test_with_the_diagonal_any_two_spikes_correlate_fully(spike, other):
    """Hence Table 4, which keeps the diagonal, says little about the mistakes."""
    first, second = (np.full((10, 10), (1 - s) / 9) + np.eye(10) * (s - (1 - s) / 9)
                     for s in (spike, other))  # fmt: skip
    np.testing.assert_allclose(metrics.column_correlations(first, second), 1, atol=1e-9)


def test_without_the_diagonal_only_mistakes_count():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 6, 6))
    before = metrics.column_correlations(first, second, diagonal=False)
    expected = [
        np.corrcoef(np.delete(first[:, k], k), np.delete(second[:, k], k))[0, 1] for k in range(6)
    ]
    np.testing.assert_allclose(before, expected, atol=1e-12)
    after = metrics.column_correlations(first + np.eye(6) * 50, second, diagonal=False)
    np.testing.assert_allclose(after, before, atol=1e-12)
    with_diagonal = metrics.column_correlations(first + np.eye(6) * 50, second + np.eye(6) * 50)
    assert (with_diagonal > 0.99).all() and before.max() < 0.99


def test_a_constant_column_goes_with_nothing():
    first, second = np.eye(3), np.array([[1.0, 2, 3], [4, 5, 6], [9, 8, 7]])
    found = metrics.column_correlations(first, second, diagonal=False)
    assert found.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shapes", (((3, 3), (4, 4)), ((3, 4), (3, 4)), ((9,), (9,))))
def test_matrices_that_do_not_match_are_one_line(shapes):
    with pytest.raises(InputError) as error:
        metrics.column_correlations(*(np.ones(shape) for shape in shapes))
    one_line(error, "confusion matrices", *shapes)


# The accuracy that the first code of juefei2018 reported.


def test_the_smoothed_accuracy_is_that_of_a_loop():
    correct = np.random.default_rng(0).random(130) < 0.6
    for batch, before in ((10, 0.0), (50, 0.3), (1, 0.9)):
        value = before
        for start in range(0, 130 - batch + 1, batch):
            right = sum(bool(correct[k]) for k in range(start, start + batch))
            value = 0.7 * value + 0.3 * right / batch
        assert metrics.smoothed(correct, batch, before) == pytest.approx(value, abs=1e-12)
    assert metrics.smoothed(np.array([True, False]), 1, kept=0.5) == 0.25
    assert type(metrics.smoothed(correct, 10)) is float  # records are JSON


def test_a_partial_last_batch_is_left_out():
    correct = np.random.default_rng(1).random(40) < 0.5
    for rest in (np.ones(9, bool), np.zeros(9, bool)):
        assert metrics.smoothed(np.append(correct, rest), 10) == metrics.smoothed(correct, 10)
    whole = [metrics.smoothed(np.append(correct, [right] * 10), 10) for right in (True, False)]
    assert whole[0] > metrics.smoothed(correct, 10) > whole[1]
    assert metrics.smoothed(np.ones(9, bool), 10, before=0.25) == 0.25


def test_the_smoothed_accuracy_is_carried_over():
    first, second = np.random.default_rng(2).random((2, 60)) < 0.5
    at_once = metrics.smoothed(np.append(first, second), 20)
    assert metrics.smoothed(second, 20, metrics.smoothed(first, 20)) == pytest.approx(at_once)
    assert metrics.smoothed(second, 20) != pytest.approx(at_once)


@pytest.mark.parametrize(("accuracy", "batch"), ((0.3, 10), (0.9, 100)))
def test_smoothing_leaves_as_much_chance_as_a_test_set_of_few_batches(accuracy, batch):
    """A batch's variance p (1 - p) / B times (1 - 0.7) / (1 + 0.7): 5.667 B images' worth.

    3 000 values tell their standard deviation to 1 / sqrt(6 000) = 1.3 % (the excess kurtosis is
    below 0.1, which adds next to nothing). We allow five of these, 6.5 %: a seed in a million
    would fail. The first batches are forgotten: 0.7^60 of the variance is left of 30.
    """
    correct = np.random.default_rng(3).random((3_000, 30 * batch)) < accuracy
    values = [metrics.smoothed(row, batch, before=accuracy) for row in correct]
    expected = (accuracy * (1 - accuracy) / (batch * 1.7 / 0.3)) ** 0.5
    assert np.std(values) == pytest.approx(expected, rel=0.065)
    assert np.mean(values) == pytest.approx(accuracy, abs=5 * expected / 3_000**0.5)


def test_smoothed_accuracies_go_on_over_epochs_in_one_order(noise, tiny_run, monkeypatch):
    """The run's seed draws the order of the images; only the first epoch starts at 0."""
    found, evaluate = [], training.evaluate

    def spy(*given):
        found.append(evaluate(*given))
        return found[-1]

    monkeypatch.setattr(training, "evaluate", spy)
    test_set = noise(230, seed=1)
    _, epochs = training.train(tiny_run(seed=7, epochs=3, lr=0.01), noise(64), test_set)
    order = np.random.default_rng(7).permutation(230)

    def by_hand(size, order, reset=False):
        values, value = [], 0.0
        for predictions, _ in found:
            right = (predictions == test_set.labels)[order]
            value = 0.0 if reset else value
            for k in range(230 // size):
                value = 0.7 * value + 0.3 * right[k * size : (k + 1) * size].mean()
            values.append(value)
        return pytest.approx(values, abs=1e-6)

    for size in (10, 20, 50, 100):
        logged = [row[f"smoothed_{size}"] for row in epochs]
        assert logged == by_hand(size, order)
        assert logged != by_hand(size, np.arange(230)) and logged != by_hand(size, order[::-1])
        assert logged != by_hand(size, order, reset=True)
    assert sum(name.startswith("smoothed") for name in epochs[0]) == 4


@pytest.mark.parametrize("batch", [10, 50])
def test_many_orders_at_once_are_the_loop_over_orders(batch):
    rng = np.random.default_rng(4)
    correct = rng.random((3, 400)) < [[0.3], [0.5], [0.7]]
    orders = np.stack([rng.permutation(400) for _ in range(5)])
    found = metrics.shown_in(orders, correct, batch)
    assert found.shape == (5, 3)
    for k, order in enumerate(orders):
        value = 0.0
        for epoch, right in enumerate(correct):
            value = metrics.smoothed(right[order], batch, value)
            # what is carried over shrinks by 0.7 a batch, eight batches at least
            assert abs(found[k, epoch] - value) < 0.7 ** min(400 // batch, 40)


def test_bits_are_what_was_packed():
    right = np.random.default_rng(5).random(37) < 0.5
    assert (metrics.bits(np.packbits(right).tobytes().hex(), 37) == right).all()


def kernel(maps):
    centred = maps - maps.mean(0)
    return centred @ centred.T


def test_alignment_sees_through_rotation_and_scale_and_finds_nothing_in_noise():
    rng = np.random.default_rng(6)
    maps = rng.normal(size=(40, 12))
    turned = 3 * maps @ np.linalg.qr(rng.normal(size=(12, 12)))[0]
    assert metrics.alignment(kernel(maps), kernel(turned)) == pytest.approx(1)
    # unbiased: unrelated maps of many more channels than images are at 0 in the mean
    pairs = [
        metrics.alignment(*(kernel(rng.normal(size=(40, 500))) for _ in range(2)))
        for _ in range(200)
    ]
    assert abs(np.mean(pairs)) < 5 * np.std(pairs) / len(pairs) ** 0.5


def test_a_triangle_makes_its_matrix():
    matrix = kernel(np.random.default_rng(7).normal(size=(6, 3)))
    assert np.allclose(metrics.symmetric(matrix[np.triu_indices(6)]), matrix)
