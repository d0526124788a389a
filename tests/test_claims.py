"""The claims files against the inventory's counts, and the judges against planted data."""

import re

import numpy as np
import pytest

from helpers import claims, verdicts
from helpers.errors import InputError

ROWS = {"ivan2019": 28, "juefei2018": 42, "ghosh2019": 22, "azulay2019": 32, "rodner2016": 24}
KEYS = {"id", "where", "kind", "says", "numbers", "lost", "needs", "errors", "notebook",
        "statements", "printed"}  # fmt: skip
TRIALS = 2000


def test_every_row_of_the_inventory_has_a_claim():
    counts = {key: len(claims.paper(key)["rows"]) for key in claims.PAPERS}
    assert counts == ROWS
    assert sum(counts.values()) == 148
    every = [row["id"] for key in claims.PAPERS for row in claims.paper(key)["rows"]]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("key", claims.PAPERS)
def test_rows_say_where_what_and_how(key):
    for row in claims.paper(key)["rows"]:
        assert set(row) <= KEYS, row["id"]
        assert row["where"] and len(row["says"]) > 10, row["id"]
        assert row["kind"] in claims.KINDS, row["id"]


@pytest.mark.parametrize("paper", verdicts.MEASURES)
def test_every_statement_is_measured_and_nothing_else(paper):
    for row in claims.paper(paper)["rows"]:
        stated = [statement["id"] for statement in row.get("statements", [])]
        assert stated or row.get("needs") or row.get("lost"), f"{row['id']} says not why"
        assert set(stated) == set(verdicts.MEASURES[paper][row["id"]]), row["id"]
        assert len(stated) == len(set(stated)), row["id"]
        assert all(s["rule"] in claims.RULES for s in row.get("statements", []))
    rows = {row["id"] for row in claims.paper(paper)["rows"]}
    assert rows == set(verdicts.MEASURES[paper])


@pytest.mark.parametrize("paper", verdicts.MEASURES)
def test_every_row_has_a_target_in_its_notebook(paper):
    from helpers import paths

    for row in claims.paper(paper)["rows"]:
        text = (paths.ROOT / "notebooks" / paper / f"{row['notebook']}.ipynb").read_text()
        assert f"({row['id']})=" in text, row["id"]
        assert re.search(rf'verdict_table\(\\"{row["id"]}\\"', text), row["id"]


def rate(judge, draw, verdict):
    """Return how often `judge` gives `verdict` on data from `draw(rng)`."""
    rng = np.random.default_rng(2019)
    return np.mean([judge(draw(rng))[0] == verdict for _ in range(TRIALS)])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_order_errs_as_often_as_stated(n):
    # no effect: each side is declared in 2.5 % of cases, as a 95 % interval promises
    for verdict in ("reproduced", "not reproduced"):
        assert 0.012 < rate(claims.judge_order, lambda r: r.normal(0, 1, n), verdict) < 0.04
    # a false effect of five deviations is hardly ever taken for a true one
    assert rate(claims.judge_order, lambda r: r.normal(-5, 1, n), "reproduced") < 0.002


@pytest.mark.parametrize(("n", "effect", "least"), [(2, 60, 0.95), (3, 8, 0.95), (5, 3, 0.95)])
def test_order_finds_true_effects(n, effect, least):
    assert rate(claims.judge_order, lambda r: r.normal(effect, 1, n), "reproduced") > least


def test_same_needs_a_narrow_interval_inside_the_margin():
    def judge(values):
        return claims.judge_same(values, margin=1.0)

    assert rate(judge, lambda r: r.normal(0, 0.1, 3), "reproduced") > 0.95
    assert rate(judge, lambda r: r.normal(1.0, 0.1, 3), "reproduced") < 0.04  # at the margin
    assert rate(judge, lambda r: r.normal(3, 0.1, 3), "not reproduced") > 0.95
    assert judge([0.0, 0.3])[0] == "undecided"  # two seeds: the interval is wide


def test_trend_errs_and_finds_as_stated():
    falling = np.arange(6)[::-1]
    assert (
        rate(claims.judge_trend, lambda r: falling + r.normal(0, 0.5, (2, 6)), "reproduced") > 0.95
    )
    assert (
        rate(claims.judge_trend, lambda r: -falling + r.normal(0, 0.5, (2, 6)), "not reproduced")
        > 0.95
    )
    for verdict in ("reproduced", "not reproduced"):
        assert rate(claims.judge_trend, lambda r: r.normal(0, 1, (2, 6)), verdict) < 0.04


def test_a_trend_over_two_levels_is_an_order():
    falling = [[0.5, 0.3], [0.51, 0.31], [0.5, 0.29]]
    assert claims.judge_trend(falling)[0] == "reproduced"
    assert claims.judge_trend([row[::-1] for row in falling])[0] == "not reproduced"


def test_a_trend_of_one_repeat_is_undecided():
    verdict, why, mean, *_, n = claims.judge_trend([[0.5, 0.4, 0.3]])
    assert (verdict, why, n) == ("undecided", "one repeat shows no trend", 1)
    assert mean == pytest.approx(0.2)
    statement = {"says": "x", "rule": "trend", "unit": "points"}
    assert claims.judge(statement, ([[0.5, 0.4, 0.3]], "quick")).measured() == "20.0 points, n = 1"


def test_number_compares_at_paper_scale_only():
    statement = {"says": "x", "rule": "number", "printed": 0.9, "tolerance": 0.01}
    assert claims.judge(statement, ([0.9, 0.9], "study")).verdict == "not run"
    assert claims.judge(statement, ([0.9, 0.905], "paper")).verdict == "reproduced"
    assert claims.judge(statement, ([0.70, 0.71], "paper")).verdict == "not reproduced"
    bound = {"says": "x", "rule": "order", "scale": "paper"}
    assert claims.judge(bound, ([0.1, 0.11, 0.12], "study")).verdict == "not run"
    assert claims.judge(bound, ([0.1, 0.11, 0.12], "paper")).verdict == "reproduced"


def test_smoke_decides_nothing_that_needs_training():
    statement = {"says": "x", "rule": "order"}
    assert claims.judge(statement, ([5.0, 5.1, 5.2], "smoke")).verdict == "undecided"
    assert claims.judge({"says": "x", "rule": "exact"}, (0, "no training")).verdict == "reproduced"


def test_nothing_left_to_compare_is_undecided():
    statement = {"says": "x", "rule": "order", "unit": "points"}
    finding = claims.judge(statement, (np.empty(0), "study"))
    assert (finding.verdict, finding.n) == ("undecided", 0)
    assert finding.measured() == "–"


def test_exact_and_misprint_can_fail():
    assert claims.judge_exact(1e-3)[0] == "not reproduced"
    assert claims.judge_exact(1e-13, limit=1e-12)[0] == "reproduced"
    assert claims.judge_misprint(0.948, 0.947)[0] == "paper in error"
    assert claims.judge_misprint(0.870, 0.870)[0] == "reproduced"


def test_a_row_is_as_good_as_its_worst_statement():
    def found(*names):
        return [claims.Finding("x", name, "") for name in names]

    assert claims.together(found("reproduced", "not run")) == "reproduced"
    assert claims.together(found("reproduced", "paper in error")) == "paper in error"
    assert claims.together(found("paper in error", "undecided")) == "undecided"
    assert claims.together(found("undecided", "not reproduced")) == "not reproduced"
    assert claims.together([]) == "not run"
    # what we add cannot stand in for what the paper says and nobody ran
    ours = claims.Finding("Ours: y", "reproduced", "")
    assert claims.together([*found("not run"), ours]) == "not run"
    assert claims.together([*found("not run", "undecided"), ours]) == "undecided"


def test_unknown_names_are_refused_in_one_line():
    with pytest.raises(InputError, match="row: 'ivan-fig99'"):
        claims.row("ivan-fig99")
    with pytest.raises(InputError, match="rule: 'guess'"):
        claims.judge({"says": "x", "rule": "guess"}, ([1.0], "study"))


def test_exact_rows_of_ivan2019_hold():
    for row in ("ivan-eq1", "ivan-fig7", "ivan-fig9", "ivan-table2", "ivan-table3"):
        assert verdicts.verdict(row, "smoke") == "reproduced", row
    assert verdicts.verdict("ivan-mlp-exact", "smoke") == "reproduced"


def test_the_scan_of_three_pixels_is_not_uniform():
    from helpers.verdicts.ivan2019 import untrained

    # 27 outcomes on 6 orders: 4 or 5 each, so the worst deviates by 5/27 - 1/6 = 1/54
    assert untrained.scan_bias("no training", pixels=3)[0] == pytest.approx(1 / 54)
    assert untrained.scan_bias("no training", pixels=2)[0] == 0


def test_printed_means_of_table_4():
    from helpers.verdicts.ivan2019 import untrained

    assert untrained.printed_mean("no training", "CNN")[0] == 0.870
    assert untrained.printed_mean("no training", "MLP")[0] == 0.948
