"""Section 4 of rodner2016 on planted records: correlations, their errors, the cost of few draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from test_rodner2016_remedies import plant, stated  # noqa: F401

from helpers import robustness
from helpers.verdicts.rodner2016 import prediction

N = 200
SMALL, LARGE = 0, 1  # which of a kind's levels
CASES = [  # row, statement, {(level, draws): correlation}, verdict and estimate
    *[
        (row, "high", {(SMALL, 10): r, (LARGE, 10): 0.5}, verdict, r - 0.8)
        for row in prediction.ROWS
        for r, verdict in ((0.95, "reproduced"), (0.82, "undecided"), (0.4, "not reproduced"))
    ],
    *[
        (row, "ranks", {(SMALL, 10): r, (LARGE, 10): 0.5}, verdict, r - 0.8)
        for row in prediction.ROWS
        for r, verdict in ((0.97, "reproduced"), (0.4, "not reproduced"))
    ],
    *[
        (row, "larger", {(SMALL, 10): first, (LARGE, 10): second}, verdict, first - second)
        for row in prediction.ROWS
        for first, second, verdict in (
            (0.9, 0.5, "reproduced"), (0.7, 0.7, "undecided"), (0.5, 0.9, "not reproduced"))
    ],
    *[
        ("rod-few-samples", name, {(level, 10): few, (level, 100): many}, verdict, many - few)
        for name, level in (("rgb", LARGE), ("pepper", LARGE), ("small", SMALL))
        for few, many, verdict in (
            (0.5, 0.9, "reproduced"), (0.7, 0.7, "undecided"), (0.9, 0.5, "not reproduced"))
    ],
    *[
        ("rod-few-samples", "linear", {(SMALL, 100): first, (LARGE, 100): second}, verdict,
         first - second)
        for first, second, verdict in (
            (0.9, 0.5, "reproduced"), (0.7, 0.7, "undecided"), (0.5, 0.9, "not reproduced"))
    ],
]  # fmt: skip


def correlated(rng, r, x):
    """Return values (n,) whose correlation with x (n,) is exactly r."""
    x = (x - x.mean()) / x.std()
    other = rng.normal(size=len(x))
    other -= other.mean() + x * (x @ other) / len(x)
    return r * x + (1 - r**2) ** 0.5 * other / other.std()


def hexed(values):
    return np.asarray(values, "<f4").tobytes().hex()


def predictions(kinds, correlations, seed=0):
    """Return what `robustness.predicted` saw; correlations: {(level, draws): r}, otherwise .6."""
    rng = np.random.default_rng(seed)
    found = {}
    for kind in kinds:
        outputs = {}
        for output in ("probability", "logit"):
            outputs[output] = {}
            for which, level in enumerate(robustness.PREDICTED[kind]):
                own = {}
                for what in ("variance", "moment"):
                    x = rng.normal(size=N)
                    own[what] = hexed(10 + x)
                    for draws in (10, 100):
                        r = correlations.get((which, draws), 0.6)
                        # only what the statements are about has the planted correlation
                        told = output == "probability" and what == "variance"
                        y = correlated(rng, r if told else 0.1, x)
                        own[f"{what} {draws}"] = hexed(10 + y)
                outputs[output][f"{level:g}"] = own
        found[f"predicted_{kind}"] = {"n": N, "draws": [10, 100], "outputs": outputs}
    return found


def one_each(correlations, only=None):
    """Return records as the birds' are, one a kind; kinds other than `only` know nothing of r."""
    return [predictions([kind], correlations if only in (None, kind) else {})
            for kind in robustness.PREDICTED]  # fmt: skip


@pytest.fixture
def planted(plant):  # noqa: F811
    """Return a function that plants one network's records, kind by kind."""

    def put(observed):
        merged = {name: seen for one in observed for name, seen in one.items()}
        plant(predicted=[merged])

    return put


def test_every_measure_is_tested():
    tested = {(row, statement) for row, statement, *_ in CASES}
    printed = {(row, "printed") for row in prediction.MEASURES}
    measured = {(row, name) for row, own in prediction.MEASURES.items() for name in own}
    assert tested | printed == measured


@pytest.mark.parametrize("row, statement, correlations, verdict, estimate", CASES)
def test_statements(row, statement, correlations, verdict, estimate, planted):
    kind = prediction.ROWS.get(row, "pepper_pixels" if statement == "pepper" else "rgb")
    planted(one_each(correlations, only=kind))
    found = stated(row, statement, prediction)
    assert (found.verdict, found.n) == (verdict, N)
    assert found.estimate == pytest.approx(estimate, abs=0.06 if statement == "ranks" else 0.02)
    assert found.low < found.estimate < found.high


def test_correlation_by_hand():
    assert prediction.correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert prediction.correlation([1, 2, 3], [1, 3, 2]) == pytest.approx(0.5)
    x = np.random.default_rng(0).normal(size=50)
    y = correlated(np.random.default_rng(1), 0.3, x)
    assert prediction.correlation(x, y) == pytest.approx(0.3)
    assert stats.pearsonr(x, y).statistic == pytest.approx(0.3)


def test_pseudo_values_of_a_mean_are_the_values():
    values = np.random.default_rng(0).normal(size=20)
    assert_allclose(prediction.pseudo_values(np.mean, values), values)


@pytest.mark.parametrize("r", [0, 0.5, 0.9])
def test_pseudo_values_know_the_error_of_a_correlation(r):
    """That of normal columns is (1 - r^2) / sqrt(n)."""
    rng, n = np.random.default_rng(3), 1500
    x = rng.normal(size=n)
    y = correlated(rng, r, x)
    found = prediction.pseudo_values(prediction.correlation, x, y)
    assert found.mean() == pytest.approx(r, abs=0.005)
    assert found.std(ddof=1) / n**0.5 == pytest.approx((1 - r**2) / n**0.5, rel=0.1)


def test_intervals_of_correlations_hold_the_true_one():
    """Nineteen of twenty of them should."""
    rng, n, held = np.random.default_rng(0), 60, 0
    true = 0.8
    for _ in range(200):
        x = rng.normal(size=n)
        y = true * x + (1 - true**2) ** 0.5 * rng.normal(size=n)
        found = prediction.pseudo_values(prediction.correlation, x, y)
        error = stats.t.ppf(0.975, n - 1) * found.std(ddof=1) / n**0.5
        held += abs(found.mean() - true) < error
    assert 180 <= held <= 198


# What few draws cost.


def test_standard_deviations_of_few_draws_are_too_small():
    assert prediction.shrinkage(2) == pytest.approx((2 / np.pi) ** 0.5)
    assert prediction.shrinkage(10) == pytest.approx(0.9727, abs=1e-4)
    error = (1 - prediction.shrinkage(10) ** 2) ** 0.5 / prediction.shrinkage(10)
    assert error == pytest.approx(1 / 18**0.5, rel=0.02)
    drawn = np.random.default_rng(0).normal(size=(20_000, 5)).std(1, ddof=1)
    assert drawn.mean() == pytest.approx(prediction.shrinkage(5), rel=0.01)


@pytest.mark.parametrize("wide", [0.1, 0.5, 1.5])
@pytest.mark.parametrize("draws", [3, 10, 100])
def test_attenuation_is_that_of_a_simulation(wide, draws):
    rng, n = np.random.default_rng(0), 20_000
    shape = 1 / wide**2
    true = rng.gamma(shape, 1 / shape, size=n)
    found = true * rng.chisquare(draws - 1, size=n) ** 0.5 / (draws - 1) ** 0.5
    expected = prediction.attenuation(wide, draws)
    assert np.corrcoef(true, found)[0, 1] == pytest.approx(expected, abs=0.02)
    assert prediction.spread(found, draws) == pytest.approx(wide, rel=0.05, abs=0.03)


def test_attenuation_at_its_ends():
    assert prediction.attenuation(1e9, 10) == pytest.approx(prediction.shrinkage(10))
    assert prediction.attenuation(0.0, 10) == 0
    assert prediction.attenuation(1.0, 10, shrunk=1.0) == 1
    assert prediction.attenuation(0.5, 100) > prediction.attenuation(0.5, 10)


def test_no_spread_is_not_below_zero():
    assert prediction.spread(np.full(10, 3.0), 10) == 0


def test_density():
    x = np.array([0.0, 0.01, 0.02, 5.0])
    found = prediction.density(x, x)
    assert found.max() == 1 and found.argmin() == 3 and found[3] < 0.5
    assert_allclose(prediction.density(x, np.zeros(4)), prediction.density(3 * x, np.ones(4)))


# Tables.


def test_table(planted):
    planted(one_each({(SMALL, 10): 0.9, (SMALL, 100): 0.95, (LARGE, 10): 0.3}))
    rows = prediction.table("study")
    assert len(rows) == 4 * 2 * 2 * 2
    (row,) = [
        row for row in rows if list(row.values())[:4] == ["rgb", 1, "probability", "variance"]
    ]
    assert_allclose([row[10], row[100]], [0.9, 0.95], atol=1e-4)
    others = [row for row in rows if row["output"] == "logit"]
    assert_allclose([[row[10], row[100]] for row in others], 0.1, atol=1e-4)


def test_tables_are_means_over_networks(plant):  # noqa: F811
    plant(foretold=[predictions(robustness.PREDICTED, {(SMALL, 10): r}) for r in (0.9, 0.5)])
    first = prediction.table("study", "colour")[0]
    assert first[10] == pytest.approx(0.7, abs=1e-4)


def test_networks_are_averaged_and_shown(plant):  # noqa: F811
    """Records of many pictures go by the same names."""
    seen = [predictions(robustness.PREDICTED, {(SMALL, 10): r}, seed=k)
            for k, r in enumerate((0.9, 0.5))]  # fmt: skip
    plant(predicted=[{f"many_{name}": what for name, what in one.items()} for one in seen])
    found = stated("rod-fig6-left", "high", prediction)
    assert found.n == N and found.estimate == pytest.approx(0.7 - 0.8, abs=0.02)
    parts = [mean for _, (mean, *_) in found.parts]
    assert parts == pytest.approx([0.1, -0.3], abs=0.02)


def test_every_kind_has_to_be_predicted(planted):
    planted(one_each({(SMALL, 10): 0.95}))
    both = prediction.all_high("study")
    assert both.values.shape == (N, 3) and len(both.names) == 3
    planted(one_each({(SMALL, 10): 0.95}, only="rgb"))
    assert prediction.all_high("study").values.mean(0) == pytest.approx(
        [0.15, -0.2, -0.2], abs=0.03
    )


def test_costs_of_few_draws(plant):  # noqa: F811
    """Deviations that are drawn: what the formula foretells is what is measured."""
    rng, n = np.random.default_rng(0), 20_000
    true = rng.gamma(4, 1 / 4, size=n)  # a spread of one half
    few, many = (true * (rng.chisquare(draws - 1, size=n) / (draws - 1)) ** 0.5
                 for draws in (10, 100))  # fmt: skip
    own = {"variance": hexed(true), "variance 10": hexed(few), "variance 100": hexed(many)}
    seen = {"n": n, "draws": [10, 100], "outputs": {"probability": {"1": own, "4": own}}}
    plant(predicted=[{"predicted_rgb": seen}])
    rows = prediction.costs("study")
    assert [(row["kind"], row["level"]) for row in rows] == [("rgb", 1), ("rgb", 4)]
    assert rows[0]["spread"] == pytest.approx(0.5, abs=0.02)
    assert rows[0]["measured"] == pytest.approx(rows[0]["predicted"], abs=0.01)
    assert 0.86 < rows[0]["predicted"] < 0.92


@pytest.mark.parametrize("row", prediction.MEASURES)
def test_without_birds_nothing_is_judged(row, plant):  # noqa: F811
    plant()
    for statement in prediction.MEASURES[row]:
        values, why, *_ = prediction.MEASURES[row][statement]("smoke")
        assert values is None and why.startswith("needs ")
        assert stated(row, statement, prediction).verdict == "not run"


def test_without_birds_tables_are_empty(plant):  # noqa: F811
    plant()
    assert prediction.table("smoke") == prediction.costs("smoke") == []
