"""Experiments: which runs each paper asks for at each preset."""

import json
from dataclasses import asdict
from itertools import pairwise

import pytest
from conftest import one_line

from helpers import experiments, paths, presets
from helpers.errors import InputError
from helpers.experiments import ghosh2019, ivan2019
from helpers.runs import Run

pytestmark = pytest.mark.usefixtures("folders")


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds_and_asks_for_each_run_once(name):
    wanted = experiments.every_run("ivan2019", name)
    scale = presets.preset(name)
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    every = [run for experiment in ivan2019.EXPERIMENTS for run in experiment(name)]
    assert {run.key() for run in wanted} == {run.key() for run in every}
    for run in wanted:
        assert (run.epochs, run.train_size, run.test_size) == (
            scale.epochs, scale.train, scale.test
        )  # fmt: skip
        assert run.model_args.get("width") == (scale.width if run.model == "vgg" else None)
        assert (run.lr, run.decay) == (1e-4, 1e-6)  # Section 1


def test_presets_and_papers_that_do_not_exist():
    with pytest.raises(InputError) as error:
        experiments.every_run("ivan2019", "huge")
    one_line(error, "preset: 'huge'", "smoke", "study")
    with pytest.raises(InputError) as error:
        experiments.every_run("ivan2020", "smoke")
    one_line(error, "paper: 'ivan2020'", "ivan2019")


def test_how_many_runs_a_study_takes():
    count = {experiment.__name__: len(experiment("study")) for experiment in ivan2019.EXPERIMENTS}
    assert count == {
        "table1": 3 * 3 * 2 * 2,  # seeds, data sets, networks, orders
        "figure11": 3 * 2,  # seeds, orders
        "section5": 3 * 3,  # seeds; strided, MLP-4, MLP-8
        "figure8": 2 * 6,  # seeds, slices
        "figure10": 2 * (4 + 3 * 2),  # seeds; distances of RGB, of the single channels
    }
    shared = 2 * 2 + 2  # both ends of figure 8, and distance 0 of figure 10, at two seeds
    assert len(experiments.every_run("ivan2019", "study")) == sum(count.values()) - shared == 77


@pytest.mark.parametrize("name", ("smoke", "study"))
def test_the_ends_of_figures_8_and_10_are_networks_of_table_1(name):
    table = {run.key(): run for run in ivan2019.table1(name)}
    seeds = {run.seed for run in ivan2019.figure8(name)}
    assert seeds == {0, 1}
    shared = [run for run in ivan2019.figure8(name) if run.key() in table]
    ends = {(run.seed, run.arrangement.get("kind", "natural")) for run in shared}
    assert ends == {(s, kind) for s in seeds for kind in ("natural", "pixel_permutation")}
    assert all(table[run.key()].data == ivan2019.colour(name) for run in shared)
    shared = [run for run in ivan2019.figure10(name) if run.key() in table]
    assert {(run.seed, str(run.arrangement), run.channels) for run in shared} == {
        (s, "{}", "all") for s in seeds
    }


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_run_of_the_second_paper_is_asked_for_once(name):
    wanted = experiments.every_run("ghosh2019", name)
    every = [run for experiment in ghosh2019.EXPERIMENTS for run in experiment(name)]
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    assert {run.key() for run in wanted} == {run.key() for run in every}
    assert not {run.key() for run in wanted} & {
        run.key() for run in experiments.every_run("ivan2019", name)
    }
    for run in wanted:
        if run.model == "none":
            assert run.epochs == 0 and run.observers == ("data_orderness",)
        else:
            assert run.model == "plain" and run.decay == 0 and run.lr in (1e-3, 1e-4)
        assert run.arrangement.get("per_image", True)
        assert {run.arrangement.get("seed", run.seed), run.degradation.get("seed", run.seed)} == {
            run.seed
        }  # compared networks share images, swaps and masks
        assert Run(**json.loads(json.dumps(run.spec()))).key() == run.key()
        if run.watch:
            steps = run.watch["steps"]
            images = run.train_size or ghosh2019.IMAGES[run.data]
            assert steps == sorted(set(steps))
            assert (steps[0], steps[-1]) == (0, run.epochs * (images // run.batch))


def test_how_many_runs_a_study_of_the_second_paper_takes():
    count = {name: len(grid("study")) for name, grid in ghosh2019.GRIDS.items()}
    assert count == {
        "figure1": 3 * 4 * 2 + 8 + 2,  # data, swaps, once or per image; small blocks; filters
        "figure4a": 6 * 4,  # seeds, swaps
        "figure4b": 6 * 6,  # seeds, kernels
        "filters": 6 * 3,  # seeds; none, low-pass, random
        "figure3-mnist": 3,
        "figure5": 3,
        "dependence": 3 * 3,  # seeds; optimiser and weights but for those of figure 3
        "figure3-fashion_mnist": 3,
        "figure3-cifar10": 3,
        "table_s1": 6 * 4 * 3,  # seeds, swaps, depths
        "table_s1-once": 6 * 4 * 3,
        "figure2-mnist": 3 * 2 * 4,  # seeds, swaps, depths
        "figure2-fashion_mnist": 3 * 2 * 4,
        "figure2-cifar10": 3 * 2 * 3,
    }
    # natural images: figure 4 (a) and the filters at six seeds, both of Table S1 at six and three
    # depths, figure 2 at three of those; looks without a network, one of each data set is enough
    shared = 6 + 6 * 3 + 3 * 3 + 3 + 2
    wanted = experiments.every_run("ghosh2019", "study")
    assert len(wanted) == sum(count.values()) - shared
    assert sum(run.model != "none" for run in wanted) == 276


@pytest.mark.parametrize("total", (1, 4, 5, 100, 468, 700, 2_000))
def test_looks_are_densest_at_the_start_and_take_both_ends(total):
    steps = ghosh2019.steps(total)
    assert (steps[0], steps[-1]) == (0, total)
    gaps = [b - a for a, b in pairwise(steps)]
    assert min(gaps) > 0 and max(gaps) <= 200
    assert gaps[:-1] == sorted(gaps[:-1])


def test_comparisons_are_paired():
    """Networks and data sets compared in one cell share the seed and the very permutation."""
    for experiment in ivan2019.EXPERIMENTS:
        for run in experiment("study"):
            assert run.arrangement.get("seed", run.seed) == run.seed
    pairs = {}
    for run in ivan2019.table1("study"):
        spec = asdict(run)
        pairs.setdefault((run.data, run.seed), set()).add(
            (spec["model"], json.dumps(spec["arrangement"], sort_keys=True))
        )
    assert len(pairs) == 9
    assert all(len(cell) == 4 and len({how for _, how in cell}) == 2 for cell in pairs.values())


def test_the_colour_data_set_of_each_preset():
    assert [ivan2019.colour(name) for name in presets.PRESETS] == [
        "photo_patches", "photo_patches", "cifar10", "cifar10",
    ]  # fmt: skip
    paths.write_atomic(paths.data() / "cifar10.npz", b"")  # it is enough that it is there
    assert [ivan2019.colour(name) for name in ("smoke", "quick")] == ["photo_patches", "cifar10"]
