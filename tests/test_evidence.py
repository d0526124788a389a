"""Evidence: the strongest scale at which all of an experiment was published."""

import pytest

from helpers import evidence, paths, runs

pytestmark = pytest.mark.usefixtures("folders")


@pytest.fixture
def experiment(tiny_run):
    """Return an experiment of one run at smoke, two at study, and none at the other scales."""
    seeds = {"smoke": [0], "study": [1, 2]}
    return lambda preset: [tiny_run(seed=seed) for seed in seeds.get(preset, ())]


def publish(experiment, count):
    for run in experiment("study")[:count]:
        runs.execute(run, paths.RESULTS / "study")


def test_what_was_published_whole_is_stronger_than_what_runs_here(experiment):
    publish(experiment, 2)
    found = evidence.gather(experiment, "smoke")
    assert (found.preset, sorted(found.frame.seed), list(found.live.seed)) == ("study", [1, 2], [0])


def test_what_lacks_a_run_does_not_count(experiment):
    publish(experiment, 1)
    found = evidence.gather(experiment, "smoke")
    assert (found.preset, list(found.frame.seed)) == ("smoke", [0])
    assert found.missing["study"] == 1


def test_an_experiment_without_runs_at_a_scale_has_no_evidence_there(experiment):
    found = evidence.gather(experiment, "quick")
    assert found.preset == "quick" and found.frame.empty and found.live.empty
