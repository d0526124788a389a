"""The claims files against the inventory's counts, and how findings and rows are judged."""

import re

import numpy as np
import pytest

from helpers import claims, experiments, frozen, rules, verdicts
from helpers.errors import InputError

ROWS = {"ivan2019": 28, "juefei2018": 42, "ghosh2019": 22, "azulay2019": 32, "rodner2016": 24}
KEYS = {"id", "where", "kind", "says", "numbers", "lost", "needs", "errors", "notebook",
        "statements", "printed", *claims.SHARED}  # fmt: skip


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
        assert all(s["rule"] in rules.RULES for s in row.get("statements", []))
    rows = {row["id"] for row in claims.paper(paper)["rows"]}
    assert rows == set(verdicts.MEASURES[paper])


@pytest.mark.parametrize("paper", verdicts.MEASURES)
def test_every_row_has_a_target_in_its_notebook(paper):
    from helpers import paths

    for row in claims.paper(paper)["rows"]:
        text = (paths.ROOT / "notebooks" / paper / f"{row['notebook']}.ipynb").read_text()
        assert f"({row['id']})=" in text, row["id"]
        assert re.search(rf'verdict_table\(\\"{row["id"]}\\"', text), row["id"]


def test_number_compares_at_paper_scale_only():
    statement = {"says": "x", "rule": "number", "printed": 0.9, "tolerance": 0.01}
    assert claims.judge(statement, ([0.9, 0.9], "study")).verdict == "not run"
    assert claims.judge(statement, ([0.9, 0.901, 0.902], "paper")).verdict == "reproduced"
    assert claims.judge(statement, ([0.70, 0.71], "paper")).verdict == "not reproduced"
    bound = {"says": "x", "rule": "order", "resolution": 0.01, "scale": "paper"}
    assert claims.judge(bound, ([0.1, 0.11, 0.12], "study")).verdict == "not run"
    assert claims.judge(bound, ([0.1, 0.11, 0.12], "paper")).verdict == "reproduced"


def test_smoke_decides_nothing_that_needs_training():
    statement = {"says": "x", "rule": "order", "resolution": 0.01}
    assert claims.judge(statement, ([5.0, 5.1, 5.2], "smoke")).verdict == "undecided"
    assert claims.judge({"says": "x", "rule": "exact"}, (0, "no training")).verdict == "reproduced"


def test_nothing_left_to_compare_is_undecided():
    statement = {"says": "x", "rule": "order", "unit": "points", "resolution": 0.01}
    finding = claims.judge(statement, (np.empty(0), "study"))
    assert (finding.verdict, finding.n) == ("undecided", 0)
    assert finding.measured() == "–"


def test_a_finding_says_which_comparison_decided_and_what_it_is_a_mean_over():
    statement = {"says": "x", "rule": "order", "resolution": 0.01, "unit": "points",
                 "repeats": "trainings"}  # fmt: skip
    values = np.array([[0.3, 0.1], [0.31, 0.1], [0.32, 0.11]])
    parts = {"plain": [0.2, 0.2, 0.2], "wide": [0.3, 0.31, 0.32]}
    measured = claims.Measurement(values, "study", 0.0, ("epoch 1", "epoch 2"), parts)
    found = claims.judge(statement, measured, grade="B")
    assert found.verdict == found.label == "reproduced"
    assert found.measured() == "epoch 2: 10.3 [8.9, 11.8] points, n = 3 trainings"
    assert [name for name, _ in found.parts] == ["plain", "wide"]
    assert found.shown(*found.parts[1][1]) == "31.0 [28.5, 33.5]"
    # the floor that the measurement names widens the interval
    wide = claims.judge(statement, measured._replace(floor=0.1))
    assert wide.low < found.low and wide.verdict == "undecided"


def test_a_trend_shows_the_step_that_decided_and_its_ends():
    statement = {"says": "x", "rule": "trend", "resolution": 0.01, "unit": "points"}
    series = np.array([[0.5, 0.7, 0.3], [0.51, 0.7, 0.31], [0.52, 0.71, 0.3]])
    measured = claims.Measurement(series, "study", names=("D = 0", "D = 1", "D = 32"))
    found = claims.judge(statement, measured, grade="C")
    assert found.verdict == "not reproduced" and found.label == "preview: not reproduced"
    assert found.at == "D = 0 to D = 1"
    assert found.measured().startswith("D = 0 to D = 1: -19.3 [")
    assert "ends: 20.7 [" in found.measured()


def finding(verdict, about="paper", grade="A"):
    return claims.Finding("x", verdict, "", about=about, grade=grade)


@pytest.mark.parametrize(
    ("verdicts_", "whole", "count"),
    [
        (["reproduced", "not run"], "reproduced", "1 of 1 hold"),
        (["reproduced", "undecided"], "undecided", "1 of 2 hold"),
        (["reproduced", "paper in error"], "paper in error", "1 of 2 hold"),
        (["paper in error"], "paper in error", "0 of 1 hold"),
        (["reproduced", "not reproduced"], "partly reproduced", "1 of 2 hold"),
        (["undecided", "not reproduced"], "not reproduced", "0 of 2 hold"),
        (["reproduced", "paper in error", "not reproduced"], "partly reproduced", "1 of 3 hold"),
        (["not run"], "not run", ""),
        ([], "not run", ""),
    ],
)
def test_a_row_is_judged_by_all_of_the_papers_statements(verdicts_, whole, count):
    found = claims.together([finding(name) for name in verdicts_])
    assert (found.verdict, found.count, found.column) == (whole, count, whole)


def test_ours_and_substitutes_neither_lower_nor_raise_a_row():
    theirs = finding("reproduced")
    others = [finding("not reproduced", about, "C") for about in ("ours", "substitute")]
    assert str(claims.together([theirs, *others])) == "reproduced"
    # where nothing of the paper's was run, substitutes decide, and are counted apart
    alone = claims.together([finding("not run"), *others])
    assert (alone.column, str(alone)) == ("substitute", "substitute, preview: not reproduced")
    assert claims.together([finding("not run"), others[0]]).column == "not run"


def test_a_row_is_as_strong_as_the_weakest_evidence_that_decides_it():
    found = claims.together([finding("reproduced"), finding("reproduced", grade="C")])
    assert (found.grade, found.column, str(found)) == ("C", "preview", "preview: reproduced")
    assert claims.together([finding("reproduced"), finding("not run", grade="")]).grade == "A"


@pytest.mark.parametrize("key", claims.PAPERS)
def test_statements_say_what_they_are_about_and_what_matters(key):
    for row in claims.paper(key)["rows"]:
        for statement in claims.statements(row["id"]):
            name = frozen.title(row["id"], statement)
            assert statement["about"] in claims.ABOUT, name
            ours = statement["says"].startswith("Ours")
            assert not ours or statement["about"] == "ours", name
            if statement["rule"] in ("order", "same", "trend"):
                assert statement["resolution"] > 0, name
                assert statement["repeats"] in claims.REPEATS, name
            if statement["rule"] == "misprint":
                assert ("printed" in statement) != ("implied" in statement), name
            assert statement.get("after") in (None, *claims.AFTER), name
            for part in statement.get("experiments", ()):
                paper, experiment = experiments.split(part, key)
                assert experiment in experiments.PAPERS[paper].GRIDS, name


@pytest.mark.parametrize("key", claims.PAPERS)
def test_a_printed_figure_has_one_tolerance(key):
    found = {}
    for row in claims.paper(key)["rows"]:
        for statement in claims.statements(row["id"]):
            if statement["rule"] == "number":
                printed = statement["printed"], statement.get("unit")
                found.setdefault(printed, set()).add(statement["tolerance"])
    assert {printed: own for printed, own in found.items() if len(own) > 1} == {}


def test_unknown_names_are_refused_in_one_line():
    with pytest.raises(InputError, match="row: 'ivan-fig99'"):
        claims.row("ivan-fig99")
    with pytest.raises(InputError, match="rule: 'guess'"):
        claims.judge({"says": "x", "rule": "guess"}, ([1.0], "study"))


def test_exact_rows_of_ivan2019_hold():
    for row in ("ivan-eq1", "ivan-fig7", "ivan-fig9", "ivan-table2", "ivan-table3"):
        assert verdicts.verdict(row, "smoke").verdict == "reproduced", row
    assert verdicts.verdict("ivan-mlp-exact", "smoke").verdict == "reproduced"


def test_the_scan_of_three_pixels_is_not_uniform():
    from helpers.verdicts.ivan2019 import untrained

    # 27 outcomes on 6 orders: 4 or 5 each, so the worst deviates by 5/27 - 1/6 = 1/54
    assert untrained.scan_bias("no training", pixels=3)[0] == pytest.approx(1 / 54)
    assert untrained.scan_bias("no training", pixels=2)[0] == 0


def test_printed_means_of_table_4():
    from helpers.verdicts.ivan2019 import untrained

    for network in ("CNN", "MLP"):  # .8702 and .9477, printed .870 and .947: rounding allows .001
        assert untrained.excess_of_mean("no training", network)[0] == 0
