"""Metrics: confusion counts, shares, and the correlations of ivan2019's Table 4."""

import numpy as np
import pytest
from conftest import one_line

from helpers import metrics
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
