"""The live check: what is trained here, and the published figure that stands beside it."""

import re

import numpy as np
import pytest

from helpers import __main__ as commands
from helpers import claims, evidence, live, paths, queue, shift, verdicts
from helpers.experiments import PAPERS
from tests.conftest import fails


def test_every_paper_has_one_check_of_one_seed_on_embedded_images():
    assert set(live.CHECKS) == set(claims.PAPERS)
    for paper in live.CHECKS:
        named = live._named(paper, "quick")
        assert {run.seed for run in named.values()} == {0}
        assert {(run.train_size, run.test_size) for run in named.values()} == {(10_000, 2_000)}
        assert {run.data for run in named.values()} <= {"mnist", "fashion_mnist", "photo_patches"}
        for preset in ("study", "long", "paper"):  # one scale, whatever else is trained
            assert live._named(paper, preset) == named
        small = live._named(paper, "smoke").values()
        assert all(run.epochs <= 1 and run.train_size == 200 for run in small)


def test_the_runs_of_a_check_differ_in_what_is_compared_alone():
    kept = {
        "ivan2019": {"model", "model_args", "arrangement"},
        "juefei2018": {"model_args"},
        "ghosh2019": {"arrangement"},
        "azulay2019": {"model_args"},
        "rodner2016": {"degradation", "observers"},
    }
    for paper, differ in kept.items():
        one, *others = (run.spec() for run in live._named(paper, "quick").values())
        fields = {
            name
            for other in others
            for name in one.keys() | other.keys()
            if one.get(name) != other.get(name)
        }
        assert fields == differ, paper


@pytest.mark.parametrize("paper", claims.PAPERS)
def test_the_published_figure_is_that_of_its_statement(paper):
    said, statement = live.published(paper), live.CHECKS[paper].statement
    with evidence.looking():
        found = verdicts.finding(statement, "study")
    assert found.shown(found.estimate, found.low, found.high) in said
    assert re.search(r"-?[\d.]+ \[-?[\d.]+, -?[\d.]+\]", said)
    assert f"n = {found.n} {found.repeats}" in said and f"grade {found.grade}" in said
    assert found.preset.split(",")[0] in evidence.PUBLISHED
    assert not any(verdict in said for verdict in claims.VERDICTS)


def accuracy(*values):
    return {"epochs": [{"test_accuracy": value} for value in values]}


def test_what_is_said_follows_from_the_records():
    lost = {
        ("vgg", "natural"): accuracy(0.5, 0.9), ("vgg", "permuted"): accuracy(0.8, 0.7),
        ("mlp", "natural"): accuracy(0.9), ("mlp", "permuted"): accuracy(0.91),
    }  # fmt: skip
    assert live._losses(lost) == pytest.approx({"vgg": 10, "mlp": -1})
    assert live._gained({0.0: accuracy(0.7), 0.1: accuracy(0.69)}) == pytest.approx({"gain": -1})

    def orderness(value):
        return {"observations": {"data_orderness": {"6": {"both": [value, value + 0.2]}}}}

    found = live._fall({0: orderness(0.3), 30: orderness(-0.1)})
    assert found == pytest.approx({"before": 0.4, "after": 0.0, "fall": 0.4})

    def changes(share):
        changed = np.arange(100) < 100 * share
        zeros = np.zeros(100)
        pairs = live.invariance.pack(shift.Change(zeros.astype(int), zeros, changed, zeros))
        return {"observations": {"pairs_black": pairs}}

    found = live._helped({"max": changes(0.3), "bin5": changes(0.1)})
    assert found == pytest.approx({"max": 30, "bin5": 10, "fewer": 20})


def test_networks_are_compared_on_the_same_noisy_images(monkeypatch):
    monkeypatch.setattr(live.noise, "right", lambda found, kind, level: np.array([0.5, 0.7, 0, 0]))
    monkeypatch.setattr(live.metrics, "bits", lambda packed, n: np.array([1, 1, 0, 1, 0, 0])[:n])
    records = {
        "clean": {"observations": {}},
        "noisy": {"observations": {"correct": ""}, "data": {"test": 6}},
    }
    assert live._matched(records) == pytest.approx({"clean": 30, "noisy": 75, "gain": 45})


def test_without_published_records_the_sentence_says_so(folders):
    evidence.of.cache_clear()
    try:
        assert live.published("ivan2019") == "No record of this is published."
    finally:
        evidence.of.cache_clear()
    assert not list((paths.build() / "records").glob("*"))  # nothing was trained for it


def test_the_command_trains_what_lacks_and_says_one_sentence_a_paper(folders, capsys, monkeypatch):
    assert commands.main(["live", "--preset", "smoke", "--workers", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(live.CHECKS)
    for line in lines:
        assert "On this machine, " in line and "200 training images" in line and "n = 1)" in line
    made = sorted((paths.build() / "records").glob("*"))
    assert len(made) == len(live.runs("smoke"))
    monkeypatch.setattr(queue.runs, "execute", None)  # a second call trains nothing
    assert commands.main(["live", "--preset", "smoke", "--workers", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_a_paragraph_is_the_sentence_as_text(monkeypatch):
    monkeypatch.setattr(live, "sentence", lambda paper, preset: f"{paper} < {preset}")
    assert live.paragraph("ivan2019", "quick") == '<p class="live">ivan2019 &lt; quick</p>'
    assert live.paragraphs("quick").count("<li>") == len(live.CHECKS)


def test_bad_input_is_one_line():
    fails(lambda: live.sentence("ivan2020", "quick"), "paper", "ivan2020", "ivan2019")
    fails(lambda: live.runs("huge"), "preset", "huge", "smoke")
    assert set(live.CHECKS) < set(PAPERS)
