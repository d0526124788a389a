"""The tables of the report, and the front page's sentences, which cannot contradict a page."""

import re

import pytest
import yaml

from helpers import claims, paths, report, verdicts
from helpers.verdicts.juefei2018 import speed

ENTRIES = yaml.safe_load((paths.CLAIMS / "findings.yml").read_text())
FOUND = claims.Finding(
    "On CIFAR-10, level 1 is above level 0", "reproduced", "", grade="B", estimate=0.01,
    low=0.005, high=0.015, unit="points", n=5, preset="study",
)  # fmt: skip
ENTRY = {"statement": "x/y", "text": "On CIFAR-10, noise of level 1 is better than level 0",
         "verdict": "reproduced", "words": ["CIFAR-10", "level 1", "level 0"]}  # fmt: skip


def changed(**fields):
    return claims.Finding(**{**FOUND.__dict__, **fields})


def test_a_sentence_that_fits_its_statement_may_stand():
    assert report.refused(ENTRY, FOUND) == ""
    assert report.refused({"statement": "x/y"}, FOUND) == ""  # the statement's own words


@pytest.mark.parametrize(
    ("entry", "found", "why"),
    [
        ({}, {"verdict": "undecided"}, "undecided"),
        ({}, {"verdict": "not run", "grade": ""}, "not run"),
        ({}, {"grade": "C"}, "preview"),
        ({}, {"verdict": "not reproduced"}, "true of reproduced"),
        ({"words": ["level 5"]}, {}, "'level 5'"),
        ({"words": ["MNIST"]}, {}, "'MNIST'"),
        ({"text": "Noise of level 1 is better than level 0", "words": ["level 1"]},
         {"about": "substitute"}, "does not name"),
    ],
)  # fmt: skip
def test_what_is_open_or_differs_from_its_statement_is_refused(entry, found, why):
    assert why in report.refused(ENTRY | entry, changed(**found))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["statement"])
def test_every_sentence_of_the_front_page_stands(entry):
    found = verdicts.finding(entry["statement"], "study")
    assert report.refused(entry, found) == ""
    if "text" in entry:
        assert len("".join(entry["words"])) >= 15, "say what ties it to its statement"
        rest = re.sub("|".join(map(re.escape, entry["words"])), "", entry["text"])
        assert not re.search(r"\d", rest), "a number that no record gives"


@pytest.fixture
def briefly(monkeypatch):
    """Time networks as briefly as at smoke: no count depends on it."""
    speed.times.cache_clear()
    monkeypatch.setitem(speed.LOAD, "study", speed.LOAD["smoke"])
    yield
    speed.times.cache_clear()


def test_the_scoreboard_counts_every_row_once_and_every_statement_once(briefly):
    board, statements = report.scoreboard("study"), report.statement_board("study")
    assert board.loc["all", "rows"] == 148 == board.loc[list(claims.PAPERS), "rows"].sum()
    every = sum(len(claims.statements(row["id"]))
                for key in claims.PAPERS for row in claims.paper(key)["rows"])  # fmt: skip
    assert statements.loc["all", "statements"] == every


def test_a_page_shows_whose_a_statement_is_its_grade_and_what_came_after():
    found = str(report.verdict_table("pnn-table3", "study"))
    assert "our statement" in found and "grade " in found and "the audit of November 2026" in found
    assert "in the ledger" in found


def test_labels_say_preview_and_substitute():
    preview = report.badge(changed(grade="C"))
    assert "preview: reproduced" in preview and "verdict-reproduced" in preview
    row = claims.together([changed(about="substitute")])
    assert ">substitute: reproduced<" in report.badge(row)


def test_the_gate_of_precision_is_shown_as_it_was_measured(monkeypatch):
    same = {kind: {"mnist": "natural"} for kind in ("float32", "bfloat16")}
    rows = {
        "vgg": {"differences": [0.001, 0.002, 0.003, 0.001, 0.003], "conclusions": same},
        "pnn": {
            "differences": [0.02, 0.02, 0.02, 0.02, 0.025],
            "conclusions": {**same, "bfloat16": {}},
        },
    }
    monkeypatch.setattr(report.precision, "measured", lambda: rows)
    cells = re.findall("<td>(.*?)</td>", report.precision_gate())
    assert cells == ["vgg", "5", "+0.20 [+0.08, +0.32]", "the same", "bfloat16",
                     "pnn", "5", "+2.10 [+1.82, +2.38]", "another", "float32"]  # fmt: skip
