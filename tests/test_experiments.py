"""Experiments: which runs each paper asks for at each preset."""

import json
from dataclasses import asdict
from functools import cache
from itertools import pairwise

import pytest
from conftest import one_line

from helpers import experiments, models, paths, plan, presets
from helpers.errors import InputError
from helpers.experiments import azulay2019, ghosh2019, ivan2019, juefei2018
from helpers.runs import Run

pytestmark = pytest.mark.usefixtures("folders")


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds_and_asks_for_each_run_once(name):
    wanted = experiments.every_run("ivan2019", name)
    scale = presets.preset(name)
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    every = [run for experiment in ivan2019.GRIDS.values() for run in experiment(name)]
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


def test_one_experiment_can_be_asked_for_alone():
    alone = experiments.every_run("ghosh2019", "paper", "figure4a")
    assert alone == ghosh2019.GRIDS["figure4a"]("paper")
    assert len(alone) < len(experiments.every_run("ghosh2019", "paper"))


def test_how_many_runs_a_study_takes():
    count = {
        experiment.__name__: len(experiment("study")) for experiment in ivan2019.GRIDS.values()
    }
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
    every = [run for experiment in ghosh2019.GRIDS.values() for run in experiment(name)]
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
    for experiment in ivan2019.GRIDS.values():
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


# Perturbative networks.

RECIPES = ("adam", "nesterov")


@pytest.fixture(autouse=True, scope="module")
def widths_found_once():
    """Networks as wide as the paper's take seconds to build."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(juefei2018, "equal_width", cache(juefei2018.equal_width))
        yield


def recipe_of(run):
    """Return all that a comparison must hold fixed: everything but the network and the seed."""
    return {k: v for k, v in asdict(run).items() if k not in ("model", "model_args", "seed")}


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_run_of_the_third_paper_is_asked_for_once(name):
    wanted = experiments.every_run("juefei2018", name)
    every = [run for experiment in juefei2018.GRIDS.values() for run in experiment(name)]
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    assert {run.key() for run in wanted} == {run.key() for run in every}
    for other in ("ivan2019", "ghosh2019"):
        keys = {run.key() for run in experiments.every_run(other, name)}
        assert not keys & {run.key() for run in wanted}
    for run in wanted:
        assert Run(**json.loads(json.dumps(run.spec()))).key() == run.key()
        assert run.model in ("pnn", "resnet", "lbcnn")
        assert (run.decay, run.weight_decay) == (0, 1e-4)
        assert run.data in (ivan2019.colour(name), "mnist")
        assert run.augment in ("none", "crop_flip") and (run.data, run.augment) != (
            "mnist", "crop_flip"
        )  # fmt: skip
        assert run.train_size is None or run.batch <= run.train_size


def test_every_network_of_the_third_paper_can_be_built():
    networks = {
        (run.data == "mnist", run.model, json.dumps(run.model_args))
        for run in experiments.every_run("juefei2018", "smoke")
    }
    for grey, model, arguments in networks:
        shape = (1, 28, 28) if grey else (3, 32, 32)
        models.build(model, shape, 10, 0, **json.loads(arguments))


def test_how_many_runs_a_study_of_the_third_paper_takes():
    count = {name: len(grid("study")) for name, grid in juefei2018.GRIDS.items()}
    assert count == {
        "decisive-adam": 5 * (6 + 1 + 2),  # seeds; levels, learnt masks, 1x1 and 3x3
        "decisive-nesterov": 5 * (6 + 1 + 2),
        "everywhere": 3 * 2 * 2,  # seeds; recipes, with noise and without
        "metric": 3,  # seeds
        "table5": 3 * 4,  # seeds, masks
        "figure_s1": 5 * 3 * 2,  # seeds, splits, networks
        "table6": 3 * 2 * 3,  # seeds, widths, batch sizes
        "table4": 3 * 2 * 3,  # seeds, data, networks
        "table3": 3 * 6,  # seeds, levels
        "figure_s3": 3 * 2,  # seeds, networks
    }
    shared = 3  # Table 4's on CIFAR-10 is Table 3's at level 0.1
    wanted = experiments.every_run("juefei2018", "study")
    assert len(wanted) == sum(count.values()) - shared == 204


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ("study", "paper"))
def test_the_decisive_networks_are_paired(name, recipe):
    wanted = juefei2018.GRIDS[f"decisive-{recipe}"](name)
    assert all(recipe_of(run) == recipe_of(wanted[0]) for run in wanted)
    assert wanted[0].optimiser == recipe and wanted[0].data == "cifar10"
    seeds = {}
    for run in wanted:
        cell = run.model, json.dumps(run.model_args, sort_keys=True)
        seeds.setdefault(cell, []).append(run.seed)
    assert len(seeds) == 6 + 1 + 2
    assert all(sorted(used) == [0, 1, 2, 3, 4] for used in seeds.values())


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_network_without_noise_runs_the_same_code(name, recipe):
    first = [run for run in juefei2018.decisive(name, recipe) if run.seed == 0]
    noisy = [run for run in first if run.model == "pnn" and "learnt" not in run.model_args]
    levels = [run.model_args["level"] for run in noisy]
    assert 0 in levels and 0.1 in levels and len(set(levels)) == len(levels)
    assert name not in ("study", "paper") or levels == [0, 0.01, 0.1, 0.5, 1, 5]
    for run in noisy:
        assert run.model_args == noisy[0].model_args | {"level": run.model_args["level"]}
    usual = noisy[levels.index(0.1)].model_args
    others = [(run.model, run.model_args) for run in first if run not in noisy]
    own = {k: v for k, v in usual.items() if k != "level"}
    assert others[:2] == [("pnn", usual | {"learnt": True}), ("resnet", own | {"kernel": 1})]
    assert [(model, set(used)) for model, used in others[2:]] == [("resnet", set(own))]


@pytest.mark.parametrize("name", ("smoke", "quick", "study"))  # widths 4, 8 and 16
def test_the_3x3_network_has_as_many_parameters_as_can_be(name):
    def count(model, arguments):
        return models.parameters(models.build(model, (3, 32, 32), 10, 0, **arguments))

    first = [run for run in juefei2018.decisive(name, "adam") if run.seed == 0]
    wanted = count("pnn", next(r.model_args for r in first if r.model_args.get("level") == 0.1))
    used = first[-1].model_args
    missed = {
        width: abs(count("resnet", used | {"width": width}) - wanted)
        for width in (used["width"] - 1, used["width"], used["width"] + 1)
        if width
    }
    assert min(missed, key=missed.get) == used["width"]  # parameters only grow with the width


@pytest.mark.parametrize("name", ("smoke", "study"))
def test_noise_in_the_first_layer_is_compared_with_none(name):
    for run in juefei2018.everywhere(name):
        arguments = run.model_args
        assert arguments["stem"] == "noise" and arguments["level"] in (
            (0, 0.1) if run.optimiser == "adam" else (0, 0.5)
        )
        if run.optimiser == "adam":  # the corrected code has a stem of its own
            own = {"fan_out": 5 * arguments["width"], "sigmoid": True}
            assert arguments["stem_masks"] == own | {"level": 20 * arguments["level"]}
        else:
            assert "stem_masks" not in arguments
    cells = [(run.optimiser, run.model_args["level"] > 0, run.seed)
             for run in juefei2018.everywhere(name)]  # fmt: skip
    assert len(set(cells)) == len(cells) == 4 * len({seed for *_, seed in cells})


@pytest.mark.parametrize("name", presets.PRESETS)
def test_full_trainings_learn_at_the_rates_of_the_paper(name):
    own = {"adam": 1e-4, "nesterov": 1e-3} if name == "paper" else {"adam": 3e-3, "nesterov": 3e-2}
    for grid in ("decisive-adam", "decisive-nesterov", "everywhere"):
        for run in juefei2018.GRIDS[grid](name):
            assert run.lr == own[run.optimiser] and run.drops["factor"] == 0.2
    for grid in ("table3", "table4", "table5", "table6", "figure_s1"):
        for run in juefei2018.GRIDS[grid](name):
            assert (run.optimiser, run.lr) == ("adam", 1e-3)
            assert run.drops.get("factor", 0.1) == 0.1


def test_the_schedules_of_the_paper():
    after = {grid: {tuple(run.drops.get("after", ())) for run in juefei2018.GRIDS[grid]("paper")}
             for grid in ("decisive-adam", "decisive-nesterov", "table3", "figure_s1")}  # fmt: skip
    assert after == {
        "decisive-adam": {(150, 250, 300, 350, 400)},  # of 450 epochs
        "decisive-nesterov": {(180, 270, 360)},  # 60, 90 and 120 of 150, in 450
        "table3": {(60, 90)},  # of 120
        "figure_s1": {()},
    }


def test_drops_that_fall_on_one_epoch_count_once():
    found = {epochs: juefei2018._drops(epochs, (1 / 2, 3 / 4), 0.1) for epochs in (120, 4, 3, 1)}
    assert {drops["factor"] for drops in found.values()} == {0.1}
    after = {epochs: drops["after"] for epochs, drops in found.items()}
    assert after == {120: [60, 90], 4: [2, 3], 3: [2], 1: [1]}  # 1 of 1: no epoch is left to drop
    assert juefei2018._drops(5, juefei2018.RECIPES["adam"]["after"], 0.2)["after"] == [2, 3, 4]


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_run_of_the_fourth_paper_is_asked_for_once(name):
    wanted = experiments.every_run("azulay2019", name)
    every = [run for experiment in azulay2019.GRIDS.values() for run in experiment(name)]
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    assert {run.key() for run in wanted} == {run.key() for run in every}
    for run in wanted:
        assert Run(**json.loads(json.dumps(run.spec()))).key() == run.key()
        assert (run.model == "pretrained") == (run.epochs == 0)
        assert run.model == "pretrained" or run.data == ivan2019.colour(name)


def test_how_many_runs_a_study_of_the_fourth_paper_takes():
    count = {name: len(experiment("study")) for name, experiment in azulay2019.GRIDS.items()}
    assert count == {
        "protocols": 4 * 4,  # networks, protocols
        "embedded_sizes": 4 * 2,  # networks; shift and scale
        "samplings": 3 * 4,  # seeds, ways of subsampling
        "augmentations": 3 * 4,  # seeds, kinds; the usual kind is the plain network of `samplings`
        "subsampling_free": 3 * 4,  # seeds, networks
        "birds": 2,  # networks that are read out
        "bias": 2,  # data sets: photographs and birds
    }
    assert len(experiments.every_run("azulay2019", "study")) == 24 + 33 + 4


def test_networks_of_the_fourth_paper_differ_in_one_thing():
    for run in azulay2019.samplings("study"):
        assert run.augment == "crop_flip" and run.model_args["padding"] == "zeros"
    for run in azulay2019.augmentations("study"):
        assert run.model_args == {"width": 16, "sampling": "max", "padding": "zeros"}
    widths = {run.model_args["width"] for run in azulay2019.subsampling_free("study")}
    assert widths == {8}


def every_grid():
    return [
        pytest.param(grid, id=f"{paper}-{name}")
        for paper, module in experiments.PAPERS.items()
        for name, grid in module.GRIDS.items()
    ]


@pytest.mark.parametrize("grid", every_grid())
def test_further_seeds_keep_the_first_ones_as_they_are(grid):
    first = grid("study")
    if not experiments.takes_seeds(grid):
        assert experiments.first_stage(grid, "study") == 0
        return
    count = experiments.own_seeds(grid, "study")
    more = grid("study", seeds=count + 2)
    assert {run.key() for run in first} <= {run.key() for run in more}
    arms = {plan.arm(run) for run in first if run.seed == count - 1}
    for seed in range(count, count + 2):
        assert {plan.arm(run) for run in more if run.seed == seed} == arms
    assert experiments.first_stage(grid, "study") == max(3, count)
