"""The plan: how many seeds Stein's procedure asks for, in which order, and that it can go on."""

import math
from dataclasses import replace

import numpy as np
import pytest
import yaml

from helpers import (
    claims,
    evidence,
    experiments,
    frozen,
    paths,
    plan,
    records,
    rules,
    runs,
    verdicts,
)
from helpers.__main__ import main

FIRST = plan.FIRST


def test_n_makes_the_interval_as_narrow_as_the_resolution():
    rng = np.random.default_rng(0)
    first = rng.normal(0, 2.0, 5)
    n = plan.needed(first, 1.0, first=5)
    more = np.concatenate([first, rng.normal(0, 2.0, n - 5)])
    _, low, high = rules.interval(more, first=5)
    assert high - low <= 1.0 + 1e-9
    _, low, high = rules.interval(more[:-1], first=5)
    assert high - low > 1.0  # one fewer is too few


def test_n_depends_on_the_first_stage_alone_and_not_on_its_mean():
    first = np.array([0.1, 1.2, -0.7])
    n = plan.needed(first, 1.0, first=3)
    assert n == plan.needed(first + 100, 1.0, first=3)
    assert n == plan.needed([*first, 50.0, -50.0], 1.0, first=3)
    assert plan.needed([0.0, 0.001, 0.002], 1.0, first=3) == 3  # never fewer than the first stage
    assert plan.needed([0.1, 0.9], 1.0, first=3) == 3  # two seeds: complete the first stage


def test_n_allows_for_the_test_images_and_for_the_widest_comparison():
    first = np.array([0.1, 1.2, -0.7])
    n = plan.needed(first, 1.0, 3, shared=0.25)
    assert n > plan.needed(first, 1.0, 3) == plan.needed(first, 1.0, 3, shared=0.1)
    half = [1.959964 * np.hypot(first.std(ddof=1) / m**0.5, 0.25) for m in (n, n - 1)]
    assert half[0] <= 0.5 < half[1]
    assert plan.needed(first, 1.0, 3, shared=0.3) is None  # 1.96 x 0.3 is more than half of it
    lucky = first / 100  # seeds that vary less than their test images allow
    assert plan.needed(lucky, 1.0, 3) == 3 < plan.needed(lucky, 1.0, 3, floor=0.5, shared=0.1)
    both = np.stack([first / 10, first], axis=1)
    assert plan.needed(both, 1.0, 3) == plan.needed(first, 1.0, 3)


@pytest.fixture
def paper(folders, tiny_run, monkeypatch):
    """Give a paper of two experiments, whose runs take a moment, and return its statement."""

    def grid(preset, seeds=None, lr=1e-3):
        drawn = range(seeds or 2) if preset == "study" else ()
        return [tiny_run(seed=seed, lr=rate) for seed in drawn for rate in (lr, 2 * lr)]

    statement = {"id": "larger", "says": "One rate is better", "rule": "order", "unit": "points",
                 "resolution": 0.5, "repeats": "trainings", "experiments": ["rates"]}  # fmt: skip
    row = {"id": "x-fig1", "where": "Figure 1", "kind": "order", "says": "One rate is better.",
           "notebook": "x", "statements": [statement]}  # fmt: skip

    def measure(preset):
        found = evidence.of("ivan2019", "rates", preset)
        last = found.last().pivot(index="seed", columns="lr", values="test_accuracy")
        return (last.iloc[:, 0] - last.iloc[:, 1]).to_numpy(), found.preset

    real = evidence.table

    def table(wanted, found):
        rates = {run.key(): run.lr for run in wanted}
        return real(wanted, found).assign(lr=lambda rows: rows.key.map(rates))

    monkeypatch.setattr(evidence, "table", table)
    monkeypatch.setattr(experiments.PAPERS["ivan2019"], "GRIDS", {"rates": grid})
    monkeypatch.setattr(claims, "paper", lambda key: {"rows": [row] if key == "ivan2019" else []})
    monkeypatch.setitem(verdicts.MEASURES, "ivan2019", {"x-fig1": {"larger": measure}})
    clear = [claims.row.cache_clear, evidence.of.cache_clear, verdicts.findings.cache_clear,
             plan._durations.cache_clear, frozen.every.cache_clear,
             frozen._keys.cache_clear]  # fmt: skip
    for forget in clear:
        forget()
    yield statement, lambda: [forget() for forget in clear]
    for forget in clear:
        forget()


def test_without_records_the_plan_is_the_first_stage(paper):
    (need,) = plan.needs("study")
    assert (need.name, need.now, need.needed, need.label) == ("x-fig1/larger", 0, 3, "not run")
    (step,) = plan.steps([need])
    assert (step.seeds, len(step.runs), step.decides) == (3, 6, ("x-fig1/larger",))
    assert math.isnan(step.hours)  # no record says how long such a run takes
    assert not list(paths.RESULTS.glob("*/*"))  # looking is not training


def test_the_plan_is_carried_out_goes_on_and_ends(paper, monkeypatch):
    statement, forget = paper

    def fresh(preset, papers):
        forget()
        return plan.make(preset, papers)[1]

    monkeypatch.setattr(plan, "_fresh", fresh)
    said = []
    assert plan.carry_out(0.0, workers=1, preset="study") == 6  # no time, no run
    execute, started = runs.execute, []

    def interrupted(run, *rest):
        started.append(run)
        if len(started) == 3:
            raise KeyboardInterrupt
        return execute(run, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(runs, "execute", interrupted)
        plan.carry_out(math.inf, workers=1, preset="study")
    assert len(list(paths.RESULTS.glob("study/*"))) == 2  # what was done is kept
    statement["resolution"] = 0.05  # of accuracies on 32 images: more than the first stage
    assert plan.carry_out(math.inf, workers=1, preset="study", say=said.append) == 0
    assert said[0].startswith("step 1 of 1: study ivan2019: rates to 3 seeds, 4 runs, 0.0 core")
    forget()
    made, planned = plan.make("study")
    assert planned == []
    found = verdicts.findings("x-fig1", "study")[0]
    if found.verdict == "undecided":
        assert [need.why for need in made] in ([plan.REACHED], [plan.ALONE])
    seeds = {records.read(path)["run"].get("seed", 0) for path in paths.RESULTS.glob("study/*")}
    assert seeds == set(range(len(seeds))) and found.n == len(seeds) >= 3


def test_seeds_beyond_the_first_stage_count_when_they_are_whole(paper):
    _, forget = paper
    grid = experiments.PAPERS["ivan2019"].GRIDS["rates"]
    for run in grid("study", seeds=5)[:-1]:  # the fifth seed lacks a run
        runs.execute(run, paths.RESULTS / "study")
    forget()
    found = evidence.of("ivan2019", "rates", "study")
    assert (sorted(set(found.frame.seed)), found.first) == ([0, 1, 2, 3], 3)
    judged = verdicts.findings("x-fig1", "study")[0]
    assert judged.n == 4


def test_what_decides_more_in_an_hour_comes_first(monkeypatch, tmp_path):
    (tmp_path / "first.yml").write_text("[]")
    monkeypatch.setattr(plan, "FIRST", tmp_path / "first.yml")
    needs_ = [
        plan.Need("a/1", "undecided", "study", (("ghosh2019", "figure5"),), 3, 5),
        plan.Need("a/2", "undecided", "study", (("ghosh2019", "figure5"),), 3, 5),
        plan.Need("b/1", "undecided", "study", (("juefei2018", "decisive-adam"),), 5, 40),
        plan.Need("c/1", "undecided", "study", (), 200, None, "no more pictures"),
    ]
    first, second = plan.steps(needs_)
    assert first.decides == ("a/1", "a/2") and first.value > second.value
    lines = plan.table(needs_, [first, second])
    assert lines[0].startswith("  1  study ghosh2019: figure5 to 5 seeds, 2 runs, ")
    assert lines[-2:] == ["No number of seeds decides:",
                          "       c/1: n = 200; no more pictures (undecided)"]  # fmt: skip


def test_first_stages_that_verdicts_rest_on_most_come_before_everything_else(monkeypatch, tmp_path):
    parts = [("ghosh2019", "figure5"), ("juefei2018", "decisive-adam")]
    stages = [experiments.first_stage(experiments.PAPERS[paper].GRIDS[name], "long")
              for paper, name in parts]  # fmt: skip
    first = tmp_path / "first.yml"
    monkeypatch.setattr(plan, "FIRST", first)
    for place in (0, 1):
        first.write_text(f"[{'/'.join(parts[place])}]")
        needs_ = [plan.Need(f"a/{part}", "not run", "long", (part,), 0, stage)
                  for part, stage in zip(parts, stages, strict=True)]  # fmt: skip
        # what follows from a first stage waits its turn, although its experiment stands in the file
        needs_.append(
            plan.Need("b", "undecided", "long", (parts[place],), stages[place], plan.MOST)
        )
        planned = [(step.parts[0], step.seeds) for step in plan.steps(needs_)]
        assert planned[0] == (parts[place], stages[place])
        assert planned[1:] == [
            (parts[1 - place], stages[1 - place]), (parts[place], plan.MOST)
        ]  # fmt: skip
    assert all(
        name in experiments.PAPERS[paper].GRIDS
        for paper, name in (one.split("/") for one in yaml.safe_load(FIRST.read_text()))
    )


def test_an_experiment_without_seeds_is_run_once():
    part = ("rodner2016", "varied")
    (step,) = plan.steps([plan.Need("a/1", "not run", "long", (part,), 0, 1)])
    wanted = experiments.PAPERS["rodner2016"].GRIDS["varied"]("long")
    assert step.decides == ("a/1",)
    assert {run.key() for run in step.runs} <= {run.key() for run in wanted}


def test_what_was_never_trained_costs_what_such_networks_cost_an_image():
    (known, *_) = (run for run in experiments.every_run("ivan2019", "study", "table1-cifar10")
                   if run.model == "vgg" and run.data == "cifar10")  # fmt: skip
    longer = replace(known, epochs=20, lr=1e-3)
    assert plan.seconds(longer) == pytest.approx(10 * plan.seconds(known), rel=0.3)
    assert plan.seconds(replace(known, model_args={"width": 0.2})) > 0  # of its kind of network


def test_the_command_prints_the_plan_of_published_records(capsys):
    assert main(["plan", "--paper", "ghosh2019"]) == 0
    said = capsys.readouterr().out
    assert "core-hours" in said and "statements per hour" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--paper", "lecun1989"], "paper: 'lecun1989'"),
        (["train", "--plan", "--hours", "0"], "hours: '0'"),
        (["train", "--plan", "--hours", "soon"], "hours: 'soon'"),
        (["train", "--hours", "2"], "hours: '2'"),
        (["train", "--plan", "--seconds", "5"], "seconds: 5.0"),
        (["train", "--plan", "--paper", "nobody"], "paper: 'nobody'"),
    ],
)
def test_bad_input_is_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr("helpers.frozen.check_commit", lambda: None)
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(said) and error.count("\n") == 1
