"""The rules against planted data, where the truth is known."""

import numpy as np
import pytest

from helpers import planted, records, rules

TRIALS = 200


def test_the_interval_is_students():
    mean, low, high = rules.interval([1.0, 2.0, 3.0])
    assert (mean, round(low, 4), round(high, 4)) == (2.0, -0.4841, 4.4841)
    assert rules.interval([1.0]) == (1.0, -np.inf, np.inf)


def test_after_a_first_stage_the_spread_is_its_own():
    values = [1.0, 2.0, 3.0, 50.0, -50.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 3.0]
    mean, _, high = rules.interval(values, first=3)
    assert mean == pytest.approx(np.mean(values))
    assert high - mean == pytest.approx(2.4841 / 2, rel=1e-4)  # 12 values: half as wide as three
    assert rules.interval(values[:3], first=3) == rules.interval(values[:3])
    assert rules.interval(values[:2], first=3) == rules.interval(values[:2])


def test_what_the_test_images_share_stays_however_many_repeats_there_are():
    def half(values, **how):
        _, low, high = rules.interval(values, **how)
        return (high - low) / 2

    many = np.tile([0.0, 0.02], 5000)
    assert half(many, floor=1.0) == pytest.approx(1.96 * rules.SHARED**0.5, rel=1e-3)
    assert half(many, floor=1.0, shared=0.5) == pytest.approx(1.96 * 0.5, rel=1e-3)
    few = np.array([-1.0, 0.0, 1.0] * 20)  # a standard error of 0.106
    assert half(few, shared=0.1) == pytest.approx(1.96 * np.hypot(0.1063, 0.1), rel=1e-3)


def test_seeds_that_vary_less_than_their_test_images_allow_do_so_by_luck():
    lucky, floor = np.array([0.0226, 0.0230]), rules.test_set_error(0.5, 10_000)
    assert floor == pytest.approx(0.005)
    _, low, high = rules.interval(lucky, floor=floor, shared=0.0)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.005 / 2**0.5, rel=1e-3)
    assert high - low > 3 * np.diff(rules.interval(lucky)[1:])[0] / 2


def test_repeats_that_agree_to_the_last_digit_are_no_proof():
    assert rules.interval([0.3] * 5) == (pytest.approx(0.3), -np.inf, np.inf)
    _, low, _ = rules.interval(np.full(100, 0.5))  # flags less one half
    assert 0.5 + low == pytest.approx(rules.share(np.ones(100), "exact")[1])


@pytest.mark.parametrize(
    ("values", "says", "verdict"),
    [
        ([2.0, 2.1, 2.2], "larger", "reproduced"),
        ([-2.0, -2.1, -2.2], "smaller", "not reproduced"),
        ([0.1, 0.0, -0.1], "no difference", "not reproduced"),
        ([0.3, 0.31, 0.32], "no difference", "not reproduced"),  # above 0, and does not matter
        ([3.0, 0.0, -3.0], "undecided", "undecided"),
    ],
)
def test_an_order_has_four_answers(values, says, verdict):
    found = rules.order(values, 1.0)
    assert (found.says, found.verdict) == (says, verdict)


def test_every_comparison_has_to_hold_and_one_contradicts():
    base = np.array([[2.0, 2.0], [2.1, 2.1], [2.2, 2.2]])
    assert rules.order(base, 1.0).verdict == "reproduced"
    against = rules.order(base * [1, -1], 1.0)
    assert (against.verdict, against.at, against.says) == ("not reproduced", 1, "smaller")
    doubtful = rules.order(base + np.array([[0, -5], [0, 5], [0, 0]]), 1.0)
    assert (doubtful.verdict, doubtful.at) == ("undecided", 1)
    equal = rules.same(0.1 * base, 1.0)
    assert (equal.verdict, equal.says) == ("reproduced", "no difference")
    assert rules.same(base * [0.1, 5], 1.0).verdict == "not reproduced"


def test_a_trend_that_goes_up_first_is_none():
    # nine rows of one shape: Page's test calls that a fall, with p = .02
    found = rules.trend([[0.40, 0.42, 0.35]] * 4 + [[0.41, 0.43, 0.36]] * 5, 0.01)
    assert (found.verdict, found.at) == ("not reproduced", 0)
    assert found.overall[0] == pytest.approx(0.05)


def test_a_trend_is_monotone_within_the_resolution_and_its_ends_differ():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (3, 4))
    falls = rules.trend(np.array([9, 6, 3, 0]) + noise, 1.0)
    assert (falls.verdict, falls.at) == ("reproduced", None) and falls.low > 0
    step = rules.trend(np.array([9, 0, 0.2, 0]) + noise, 1.0)
    assert step.verdict == "reproduced" and "nearly all of it in one step" in step.why
    flat = rules.trend(np.array([0, 0, 0, 0]) + noise, 1.0)
    assert (flat.verdict, flat.says) == ("not reproduced", "no difference")
    wide = rules.trend([[9.1, 6, 6, 0], [9, 6, 8, 0], [9, 6, 4, 0.1]], 1.0)
    assert (wide.verdict, wide.at) == ("undecided", 1)


def test_a_trend_over_two_levels_is_an_order():
    falling = [[0.5, 0.3], [0.51, 0.31], [0.5, 0.29]]
    assert rules.trend(falling, 0.01).verdict == "reproduced"
    assert rules.trend([row[::-1] for row in falling], 0.01).verdict == "not reproduced"


def test_a_trend_of_one_repeat_is_undecided():
    found = rules.trend([[0.5, 0.4, 0.3]], 0.01)
    assert (found.verdict, found.why, found.n) == ("undecided", "one repeat cannot show a trend", 1)


def test_a_number_needs_an_interval_as_narrow_as_its_tolerance():
    near = [0.899, 0.900, 0.901]
    assert rules.number(near, 0.9, 0.005).verdict == "reproduced"
    assert rules.number([0.8, 0.9, 1.0], 0.9, 0.005).verdict == "undecided"  # anything would fit
    assert rules.number(near, 0.95, 0.005).verdict == "not reproduced"
    assert rules.number([0.9], 0.9, 0.005).verdict == "undecided"


def test_exact_and_misprint_can_fail():
    assert rules.exact(1e-3).verdict == "not reproduced"
    assert rules.exact(1e-13, limit=1e-12).verdict == "reproduced"
    assert rules.misprint(0.870, 0.870).verdict == "reproduced"
    printed, implied = rules.misprint(0.948, 0.947), rules.misprint(8, implied=9)
    assert (printed.verdict, printed.why) == ("paper in error", "correct is 0.948, printed 0.947")
    assert implied.why == "correct is 8, the paper's wording gives 9"


# Planted data: the rates on the method page.


@pytest.fixture(scope="module")
def rates():
    """Return the published record of error rates."""
    return records.read(planted.PUBLISHED)


def test_published_rates_cover_every_case_and_stay_within_the_limit(rates):
    assert [(line["rule"], line["truth"]) for line in rates["rules"]] == [
        (case.rule, case.truth) for case in planted.CASES
    ]
    assert {case.rule for case in planted.CASES} == set(rules.RULES) - {"exact", "misprint"}
    for line in rates["rules"]:
        for n in planted.REPEATS:
            assert line[f"n = {n}"] <= planted.LIMIT, line
    for line in rates["two stages"]:
        assert line["false"] <= planted.LIMIT, line
        assert line["undecided"] == 0, line  # the second stage decides, whatever the truth is


@pytest.mark.parametrize("case", planted.CASES, ids=lambda case: f"{case.rule}: {case.truth}")
def test_the_rules_err_as_published(case, rates, capsys):
    (line,) = (
        line for line in rates["rules"]
        if (line["rule"], line["truth"]) == (case.rule, case.truth)
    )  # fmt: skip
    for n in planted.REPEATS:
        found = [planted.verdicts(case, n, s, TRIALS, seed=1) for s in planted.SPREADS]
        worst, published = max(planted.false_rate(case, one) for one in found), line[f"n = {n}"]
        with capsys.disabled():
            print(f"  n = {n}: {100 * worst:.1f} % false, published {100 * published:.1f} %")
        # four standard errors of so many trials; the worst of three spreads lies a little higher
        assert worst <= published + 4 * (max(published, 0.01) / TRIALS) ** 0.5


def test_pages_test_would_have_erred_where_the_trend_rule_does_not():
    """Where only the first level differs, neighbours decide: nothing is shown, or one step is."""
    rng = np.random.default_rng(0)
    said = []
    for _ in range(TRIALS):
        series = np.array([2.0, 0, 0, 0, 0, 0]) + rng.normal(0, 1, (2, 6))
        said.append(rules.trend(series, 1.0).verdict)
    assert said.count("reproduced") / TRIALS < 0.05
