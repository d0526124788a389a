"""Evidence: the strongest scale at which all of an experiment was published."""

import pandas as pd
import pytest

from helpers import evidence, experiments, paths, runs
from helpers.evidence import Evidence

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture
def experiment(tiny_run):
    """Return an experiment of one run at smoke, two at study, and none at the other scales."""
    seeds = {"smoke": [0], "study": [1, 2]}
    return lambda preset: [tiny_run(seed=seed) for seed in seeds.get(preset, ())]


def publish(experiment, count):
    for run in experiment("study")[:count]:
        runs.execute(run, paths.RESULTS / "study")


def trained_here():
    return list((paths.build() / "records").glob("*.json"))


def test_what_was_published_whole_is_read_and_nothing_is_trained(experiment):
    publish(experiment, 2)
    found = evidence.gather(experiment, "smoke")
    assert (found.preset, sorted(found.frame.seed)) == ("study", [1, 2])
    assert not trained_here()


def test_what_lacks_a_run_does_not_count_and_the_preset_is_trained(experiment):
    publish(experiment, 1)
    found = evidence.gather(experiment, "smoke")
    assert (found.preset, list(found.frame.seed)) == ("smoke", [0])
    assert found.missing["study"] == 1
    assert len(trained_here()) == 1


def test_an_experiment_without_runs_at_a_scale_has_no_evidence_there(experiment):
    found = evidence.gather(experiment, "quick")
    assert found.preset == "quick" and found.frame.empty


def test_who_asks_for_the_preset_itself_has_it_trained(experiment, monkeypatch):
    publish(experiment, 2)
    monkeypatch.setitem(experiments.PAPERS["ivan2019"].GRIDS, "planted", experiment)
    found = evidence.at("ivan2019", "planted", "smoke")
    assert (found.preset, list(found.frame.seed)) == ("smoke", [0])
    assert len(trained_here()) == 1


def test_experiments_that_are_compared_are_of_one_scale(monkeypatch):
    """While the queue runs, one part of an experiment is there at a larger scale than another."""
    there = {("a", "long"), ("a", "study"), ("b", "study")}

    def one(scale):
        return Evidence(scale, pd.DataFrame({"key": [1]}), {})

    def strongest(paper, name, preset):
        return one(next(s for s in ("long", "study", preset) if s == preset or (name, s) in there))

    def published(paper, name, scale):
        return one(scale) if (name, scale) in there else None

    def scales(names, preset):
        return [found.preset for found in evidence.together("ivan2019", names, preset)]

    monkeypatch.setattr(evidence, "of", strongest)
    monkeypatch.setattr(evidence, "_published_at", published)
    monkeypatch.setattr(evidence, "at", lambda paper, name, preset: one(preset))
    assert scales(["a", "b"], "quick") == ["study", "study"]
    assert scales(["a"], "quick") == ["long"]
    none = Evidence("quick", pd.DataFrame(), {})  # of no runs at study, and none at quick
    monkeypatch.setattr(
        evidence, "of", lambda *asked: none if asked[1] == "c" else strongest(*asked)
    )
    there.add(("c", "study"))
    assert scales(["a", "c", "b"], "quick") == ["study", "study", "study"]
    there.discard(("a", "study"))
    assert scales(["a", "b"], "smoke") == ["smoke", "smoke"]
