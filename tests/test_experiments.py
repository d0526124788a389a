"""Experiments: which runs each paper asks for at each preset."""

import json
import math
from dataclasses import asdict
from functools import cache
from itertools import pairwise

import pytest
import torch
from conftest import one_line

from helpers import arrange, experiments, grades, models, paths, plan, presets
from helpers.errors import InputError
from helpers.experiments import across, azulay2019, ghosh2019, ivan2019, juefei2018, rodner2016
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
        assert (run.train_size, run.test_size) == (scale.train, scale.test)
        assert run.model_args.get("width") == (scale.width if run.model == "vgg" else None)
        assert (run.decay, run.weight_decay, run.augment) == (1e-6, 0.0, "none")  # Section 1
        if name != "long":
            assert (run.lr, run.epochs, run.batch, run.drops) == (1e-4, scale.epochs, 32, {})


def test_short_trainings_share_one_recipe_and_own_rate_is_the_papers():
    own = ivan2019.GRIDS["table1-own_rate"]("long")
    assert {(r.lr, r.batch, r.epochs, str(r.drops)) for r in own} == {(1e-4, 32, 40, "{}")}
    assert {run.data for run in own} == {"cifar10"} and len(own) == 3 * 2 * 2
    others = [r for name, grid in ivan2019.GRIDS.items() for r in grid("long") if r not in own]
    assert len({(r.lr, r.batch, r.epochs, str(r.drops)) for r in others}) == 1
    last = others[0].epochs - max(1, math.ceil(others[0].epochs * grades.LAST))
    assert max(others[0].drops["after"]) < last  # the rate falls before improvement is looked at
    for name in ("smoke", "quick", "study", "paper"):  # all runs are at that rate
        assert ivan2019.own_rate(name) == ivan2019.table1(name, "cifar10")


def test_networks_that_are_compared_have_parameters_of_one_order():
    for data, shape in (("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))):
        wanted = [r for grid in ivan2019.GRIDS.values() for r in grid("long") if r.data == data]
        networks = {(run.model, json.dumps(run.model_args)) for run in wanted}
        counts = [models.parameters(models.build(model, shape, 10, 0, **json.loads(arguments)))
                  for model, arguments in networks]  # fmt: skip
        assert len(counts) == (2 if data == "mnist" else 6) and max(counts) < 3 * min(counts)


@pytest.mark.parametrize("name", ("long", "paper"))
def test_nothing_that_should_move_stays_and_answers_are_kept(name):
    wanted = experiments.every_run("ivan2019", name)
    for run in wanted:
        assert run.observers == ("confusion", "correct")
        assert not run.arrangement or run.arrangement["stays"] == ivan2019.STAYS
    shuffled = next(
        run for run in ivan2019.figure8(name) if run.arrangement.get("slices") == 2 and run.seed
    )
    assert shuffled.seed == 1  # the identity, where the first draw counts
    assert arrange.staying(arrange.from_spec(shuffled.arrangement, 32)) <= 1 / 4


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
    count = {name: len(experiment("study")) for name, experiment in ivan2019.GRIDS.items()}
    assert count == {
        **{f"table1-{data}": 3 * 2 * 2 for data in ivan2019.DATA},  # seeds, networks, orders
        "figure11": 3 * 2,  # seeds, orders
        "section5": 3 * 3,  # seeds; strided, MLP-4, MLP-8
        "figure8": 2 * 6,  # seeds, slices
        "figure10": 2 * 4,  # seeds; distances of RGB
        "figure10-channels": 3 * 2 * 2,  # channels, seeds, distances
        "table1-own_rate": 3 * 2 * 2,  # which are those of table1-cifar10
    }
    # both ends of figure 8, and distance 0 of figure 10, at two seeds; all at the paper's rate
    shared = 2 * 2 + 2 + 3 * 2 * 2
    assert len(experiments.every_run("ivan2019", "study")) == sum(count.values()) - shared == 77


@pytest.mark.parametrize("name", ("smoke", "study", "long"))
def test_the_ends_of_figures_8_and_10_are_networks_of_table_1(name):
    table = {run.key(): run for run in ivan2019.table1(name, "cifar10")}
    seeds = {run.seed for run in ivan2019.figure8(name)}
    assert seeds == ({0, 1, 2} if name == "long" else {0, 1})
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
            assert run.model == "plain" and run.decay == 0
            usual = ghosh2019.COLOUR_RATE if (name, run.data) == ("long", "cifar10") else 1e-3
            assert run.lr in (usual, *([1e-4] if run.model_args["depth"] == 2 else []))
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
        "adam-glorot_uniform": 3,
        "sgd-he_normal": 3,
        "sgd-glorot_uniform": 3,
        "figure3-fashion_mnist": 3,
        "figure3-cifar10": 3,
        "figure4a-added": 0,  # what is not there at study
        "figure4a-glorot": 0,
        "figure4b-glorot": 0,
        "filters-added": 0,
        "glorot-fashion_mnist": 0,
        "glorot-cifar10": 0,
        "glorot-figure5": 0,
        "sgd-figure5": 0,
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


@pytest.mark.parametrize(("epochs", "each"), ((1, 4), (2, 7), (3, 468), (50, 468), (10, 195)))
def test_long_trainings_are_looked_at_first_often_and_then_once_an_epoch(epochs, each):
    found = ghosh2019.ends(epochs, each)
    assert found[0] == 0 and found[-1] == epochs * each and found == sorted(set(found))
    closing = {each * epoch for epoch in range(1, epochs + 1)}
    assert closing <= set(found)
    assert set(found) - closing == {s for s in ghosh2019.steps(epochs * each) if s < 500} - closing
    assert len(found) <= 22 + epochs


def test_a_network_of_two_figures_is_trained_once():
    grids = ghosh2019.GRIDS
    for data in ghosh2019.DATA:
        (epochs,) = {run.epochs for run in grids[f"figure3-{data}"]("long")}
        both = {run.key() for run in grids[f"figure2-{data}"]("long")}
        both &= {run.key() for run in grids[f"figure3-{data}"]("long")}
        assert len(both) == (3 if epochs == ghosh2019.SCALES["long"].epochs else 0)
    natural = {run.key() for run in grids["figure2-mnist"]("long") if not run.arrangement}
    for name in ("table_s1", "table_s1-once"):
        own = {run.key() for run in grids[name]("long") if not run.arrangement}
        assert len(own) == 9 and own <= natural


def test_initial_weights_are_compared_at_one_length():
    for he, glorot in (("figure3-mnist", "adam-glorot_uniform"), ("figure5", "glorot-figure5"),
                       ("figure3-fashion_mnist", "glorot-fashion_mnist"),
                       ("figure3-cifar10", "glorot-cifar10"), ("figure4b", "figure4b-glorot"),
                       ("figure4a-added", "figure4a-glorot")):  # fmt: skip
        for one, other in zip(*(ghosh2019.GRIDS[name]("long") for name in (he, glorot)),
                              strict=True):  # fmt: skip
            assert other.model_args == one.model_args | {"init": "glorot_uniform"}
            a, b = asdict(one), asdict(other)
            del a["model_args"], b["model_args"]
            assert a == b


def test_comparisons_are_paired():
    """Networks and data sets compared in one cell share the seed and the very permutation."""
    for experiment in ivan2019.GRIDS.values():
        for run in experiment("study"):
            assert run.arrangement.get("seed", run.seed) == run.seed
    pairs = {}
    for run in [run for data in ivan2019.DATA for run in ivan2019.table1("study", data)]:
        spec = asdict(run)
        pairs.setdefault((run.data, run.seed), set()).add(
            (spec["model"], json.dumps(spec["arrangement"], sort_keys=True))
        )
    assert len(pairs) == 9
    assert all(len(cell) == 4 and len({how for _, how in cell}) == 2 for cell in pairs.values())


def test_the_colour_data_set_of_each_preset():
    assert [ivan2019.colour(name) for name in presets.PRESETS] == [
        "photo_patches", "photo_patches", "cifar10", "cifar10", "cifar10",
    ]  # fmt: skip
    paths.write_atomic(paths.data() / "cifar10.npz", b"")  # it is enough that it is there
    assert [ivan2019.colour(name) for name in ("smoke", "quick")] == ["photo_patches", "cifar10"]


# Perturbative networks.

RECIPES = ("adam", "nesterov")
LONG_RATES = {"adam": 1e-2, "nesterov": 1e-1}  # the least training loss, see book/papers


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
        **{f"decisive-{recipe}": 5 * 2 for recipe in RECIPES},  # seeds; levels 0 and 0.1
        **{f"low-{recipe}": 5 * 2 for recipe in RECIPES},
        **{f"high-{recipe}": 5 * 2 for recipe in RECIPES},
        **{f"{part}-{recipe}": 5 for part in ("learnt", "plain", "convolution")
           for recipe in RECIPES},
        **{f"random-{recipe}": 0 for recipe in RECIPES},  # its records are those of `long`
        **{f"everywhere-{recipe}": 3 * 2 for recipe in RECIPES},  # seeds; with noise and without
        "metric": 3,  # seeds
        "table5": 3 * 2,  # seeds, masks
        "table5-few": 3 * 3,
        **{f"figure_s1-{share}": 5 * 2 for share in (0.2, 0.4, 0.6)},  # seeds, networks
        "table6": 3 * 2 * 3,  # seeds, widths, batch sizes
        **{f"table4-{data}-{beside}": 3 * 2  # seeds, networks
           for data in ("cifar10", "mnist") for beside in ("resnet", "lbcnn")},
        "table3": 3 * 6,  # seeds, levels
        "figure_s3": 3 * 2,  # seeds, networks
    }  # fmt: skip
    # 32 masks are in both parts of Table 5, the noisy network beside both others of Table 4, and
    # Table 4's on CIFAR-10 is Table 3's at level 0.1
    shared = 3 + 2 * 3 + 3
    wanted = experiments.every_run("juefei2018", "study")
    assert len(wanted) == sum(count.values()) - shared == 204


def parts(name, recipe):
    """Return all runs of the decisive experiment at a preset under a recipe."""
    return [run for part in juefei2018.PARTS for run in juefei2018.GRIDS[f"{part}-{recipe}"](name)]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ("study", "long", "paper"))
def test_the_decisive_networks_are_paired(name, recipe):
    wanted = parts(name, recipe)
    looks = [{"observers": ()} if name != "study" else {}] * len(wanted)
    same = [recipe_of(run) | look for run, look in zip(wanted, looks, strict=True)]
    assert all(fields == same[0] for fields in same)
    assert wanted[0].optimiser == recipe and wanted[0].data == "cifar10"
    assert all(("correct" in run.observers) == (name != "study") for run in wanted)
    seeds = {}
    for run in wanted:
        cell = run.model, json.dumps(run.model_args, sort_keys=True)
        seeds.setdefault(cell, []).append(run.seed)
    levels, random = {"study": (6, 0), "long": (5, 1), "paper": (6, 1)}[name]
    assert len(seeds) == levels + 1 + 2 + random
    assert all(sorted(used) == [0, 1, 2, 3, 4] for used in seeds.values())


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", presets.PRESETS)
def test_the_network_without_noise_runs_the_same_code(name, recipe):
    first = [run for run in parts(name, recipe) if run.seed == 0]
    noisy = [run for run in first if set(run.model_args) == {"width", "stem", "level"}]
    levels = [run.model_args["level"] for run in noisy]
    assert levels[:2] == [0, 0.1] and len(set(levels)) == len(levels)
    assert name not in ("study", "paper") or levels == [0, 0.1, 0.01, 0.5, 1, 5]
    assert name != "long" or levels == [0, 0.1, 0.5, 1, 5]
    for run in noisy:
        assert run.model_args == noisy[0].model_args | {"level": run.model_args["level"]}
    usual = noisy[1].model_args
    others = [(run.model, run.model_args) for run in first if run not in noisy]
    own = {k: v for k, v in usual.items() if k != "level"}
    assert others[:2] == [("pnn", usual | {"learnt": True}), ("resnet", own | {"kernel": 1})]
    assert (others[2][0], set(others[2][1])) == ("resnet", set(own))
    assert others[3:] == (
        [("pnn", own | {"fixed": "filters"})] if name not in juefei2018.OLDER else []
    )


def test_the_first_thing_to_train_is_level_0_against_the_authors_level():
    for recipe in RECIPES:
        runs = juefei2018.GRIDS[f"decisive-{recipe}"]("long")
        assert sorted((run.seed, run.model_args["level"]) for run in runs) == [
            (seed, level) for seed in range(5) for level in (0.0, 0.1)
        ]


def test_a_network_that_two_experiments_have_is_trained_once():
    noisy = {run.key() for run in juefei2018.GRIDS["decisive-adam"]("long")}
    seen = [run for run in juefei2018.GRIDS["figure_s3"]("long") if run.model == "pnn"]
    assert len(seen) == 3 and {run.key() for run in seen} <= noisy
    assert all({"correct", "stages"} <= set(run.observers) for run in seen)


@pytest.mark.parametrize("name", ("long", "paper"))
def test_the_networks_of_table_4_have_the_papers_ratio_of_parameters(name):
    def count(run, **more):
        arguments = run.model_args | more
        with torch.device("meta"):
            return models.parameters(models.build(run.model, (3, 32, 32), 10, 0, **arguments))

    noisy, usual = juefei2018.GRIDS["table4-cifar10-resnet"](name)[:2]
    ratio = count(noisy, norm=False, bias=False) / count(usual)
    assert abs(ratio / juefei2018.RATIO - 1) < 0.05 and round(juefei2018.RATIO, 1) == 7.8
    assert noisy.model_args.get("stem") == usual.model_args.get("stem")
    assert recipe_of(noisy) == recipe_of(usual)
    if name == "paper":  # Table 4's own
        assert (noisy.model_args["depth"], noisy.model_args["width"], noisy.batch) == (50, 64, 10)
        assert juefei2018.GRIDS["table4-mnist-lbcnn"](name)[0].model_args["width"] == 32


@pytest.mark.parametrize("name", ("smoke", "quick", "study"))  # widths 4, 8 and 16
def test_the_3x3_network_has_as_many_parameters_as_can_be(name):
    def count(model, arguments):
        return models.parameters(models.build(model, (3, 32, 32), 10, 0, **arguments))

    first = [run for run in parts(name, "adam") if run.seed == 0]
    wanted = count("pnn", next(r.model_args for r in first if r.model_args.get("level") == 0.1))
    used = next(run.model_args for run in juefei2018.decisive(name, "adam", "convolution"))
    missed = {
        width: abs(count("resnet", used | {"width": width}) - wanted)
        for width in (used["width"] - 1, used["width"], used["width"] + 1)
        if width
    }
    assert min(missed, key=missed.get) == used["width"]  # parameters only grow with the width


@pytest.mark.parametrize("name", ("smoke", "study"))
def test_noise_in_the_first_layer_is_compared_with_none(name):
    runs = [run for recipe in RECIPES for run in juefei2018.everywhere(name, recipe)]
    for run in runs:
        arguments = run.model_args
        assert arguments["stem"] == "noise" and arguments["level"] in (
            (0, 0.1) if run.optimiser == "adam" else (0, 0.5)
        )
        if run.optimiser == "adam":  # the corrected code has a stem of its own
            own = {"fan_out": 5 * arguments["width"], "sigmoid": True}
            assert arguments["stem_masks"] == own | {"level": 20 * arguments["level"]}
        else:
            assert "stem_masks" not in arguments
    cells = [(run.optimiser, run.model_args["level"] > 0, run.seed) for run in runs]
    assert len(set(cells)) == len(cells) == 4 * len({seed for *_, seed in cells})


@pytest.mark.parametrize("name", presets.PRESETS)
def test_full_trainings_learn_at_the_rates_of_the_paper(name):
    own = {"adam": 3e-3, "nesterov": 3e-2}
    own = {"paper": {"adam": 1e-4, "nesterov": 1e-3}, "long": LONG_RATES}.get(name, own)
    for recipe in RECIPES:
        for run in (*parts(name, recipe), *juefei2018.everywhere(name, recipe)):
            assert run.lr == own[run.optimiser] and run.drops["factor"] == 0.2
    for grid in (name for name in juefei2018.GRIDS if name.startswith(("table", "figure_s1"))):
        for run in juefei2018.GRIDS[grid](name):
            chosen = name == "long" and grid.startswith(("table3", "table4", "table5"))
            rate = LONG_RATES["adam"] if chosen else 1e-3  # Table 6 and Figure S1 fix it
            assert (run.optimiser, run.lr) == ("adam", rate)
            assert run.drops.get("factor", 0.1) == 0.1


def test_the_schedules_of_the_paper():
    after = {grid: {tuple(run.drops.get("after", ())) for run in juefei2018.GRIDS[grid]("paper")}
             for grid in ("decisive-adam", "low-nesterov", "table3", "figure_s1-0.4")}  # fmt: skip
    assert after == {
        "decisive-adam": {(150, 250, 300, 350, 400)},  # of 450 epochs
        "low-nesterov": {(180, 270, 360)},  # 60, 90 and 120 of 150, in 450
        "table3": {(60, 90)},  # of 120
        "figure_s1-0.4": {()},
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
        "plain": 3,  # seeds; they are among the next
        "samplings": 3 * 4,  # seeds, ways of subsampling
        "augmentations": 3 * 4,  # seeds, kinds; the usual kind is the plain network of `samplings`
        "subsampling_free": 3 * 4,  # seeds, networks
        "birds": 2,  # networks that are read out
        "bias": 2,  # data sets: photographs and birds
    }
    assert len(experiments.every_run("azulay2019", "study")) == 24 + 33 + 4
    # at long bin3 and aps are left out, of which the paper says nothing
    assert len(experiments.every_run("azulay2019", "long")) == 24 + (6 + 9 + 12) + 4


def test_networks_of_the_fourth_paper_differ_in_one_thing():
    for preset, width, narrow in (("study", 16, 8), ("long", 32, 16)):
        for run in azulay2019.samplings(preset):
            assert run.augment == "crop_flip" and run.model_args["padding"] == "zeros"
        for run in azulay2019.augmentations(preset):
            assert run.model_args == {"width": width, "sampling": "max", "padding": "zeros"}
        widths = {run.model_args["width"] for run in azulay2019.subsampling_free(preset)}
        assert widths == {narrow}


def test_plain_networks_of_the_fourth_paper_are_trained_once():
    for preset in presets.PRESETS:
        keys = {run.key() for run in azulay2019.plain(preset)}
        for grid in (azulay2019.samplings, azulay2019.augmentations):
            assert keys <= {run.key() for run in grid(preset)}


def test_networks_of_others_are_the_same_at_study_and_long():
    for name in ("protocols", "birds", "bias"):
        assert azulay2019.GRIDS[name]("long") == azulay2019.GRIDS[name]("study")
    seen = {run.observers for run in azulay2019.embedded_sizes("long")}
    assert seen == {("drawn_sizes_black",), ("drawn_sizes_scale",)}


def test_long_trainings_of_the_fourth_paper_are_asked_about_all_test_images():
    for run in azulay2019.samplings("long") + azulay2019.augmentations("long"):
        assert run.train_size is run.test_size is None
        wanted = {"all_pairs_crop", "all_pairs_black", "all_typicality", "correct"}
        assert wanted <= {*run.observers}
        # the rate falls for the last time before the epochs in which nothing may be gained
        assert run.drops["after"][-1] <= run.epochs * (1 - grades.LAST)
    plain = {run.observers for run in azulay2019.plain("long")}
    assert all({"all_readouts", "pairs_crop", "foretold_crop"} <= {*seen} for seen in plain)


OLD_KEYS = {  # of the first run of each experiment at study
    "protocols": "3849ca0b4a3b915c",
    "embedded_sizes": "57d2ec42256a3b08",
    "plain": "f37749572a8ae7f9",
    "samplings": "f37749572a8ae7f9",
    "augmentations": "dfe6232fff28e22b",
    "subsampling_free": "bbafed899ed7d805",
    "birds": "1dfed6832cc7fc4b",
    "bias": "a463c47698b50cd6",
}


def test_old_specs_of_the_fourth_paper_are_what_they_were():
    """Records at study are found by the hash of a run's fields, which therefore may not change."""
    first = {name: experiment("study")[0].key() for name, experiment in azulay2019.GRIDS.items()}
    assert first == OLD_KEYS


# Sensitivity to noise, and across the papers.


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_run_of_the_fifth_paper_is_asked_for_once(name):
    wanted = experiments.every_run("rodner2016", name)
    every = [run for experiment in rodner2016.GRIDS.values() for run in experiment(name)]
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    assert {run.key() for run in wanted} == {run.key() for run in every}
    for run in wanted:
        assert Run(**json.loads(json.dumps(run.spec()))).key() == run.key()
    tuned = {run.data for run in wanted if run.model == "finetuned"}
    assert tuned <= {{"long": "birds_official", "paper": "cub200"}.get(name, "birds")}


def test_how_many_runs_a_study_of_the_fifth_paper_takes():
    count = {name: len(grid("study")) for name, grid in rodner2016.GRIDS.items()}
    assert count == {
        "dropped": 2 * 3,  # seeds; all looks with dropout, two of those without
        "noisy": 3 * 3,  # seeds, kinds
        "small-cifar10": 3 * 3,
        "curves": 4 * 2 * 2,  # looks, seeds, networks
        "filtered": 2 * 2,  # kinds of noise, seeds
        "varied": 1,
        "predicted": 4,  # kinds of noise
        "small-fashion_mnist": 3 * 3,
        "foretold": 3,
    }
    assert len(experiments.every_run("rodner2016", "study")) == sum(count.values()) - 2 * 2 == 57


@pytest.mark.parametrize("name", ("long", "paper"))
def test_networks_of_the_fifth_paper_train_until_they_stop_improving(name):
    """The rate has dropped for the last time before the last fifth of the epochs."""
    for run in experiments.every_run("rodner2016", name):
        assert run.drops["after"][-1] <= run.epochs * (1 - grades.LAST)
        assert all(name.startswith(("many_", "scores", "correct")) for name in run.observers)


def test_each_network_of_the_fifth_paper_is_trained_once():
    """Looks at one fine-tuned network share its checkpoint; small ones are looked at once."""
    wanted = experiments.every_run("rodner2016", "long")
    tuned = {run.training_key() for run in wanted if run.model == "finetuned"}
    assert len(tuned) == 5 * 3  # seeds; both networks, and the first with dropout
    small = [run.training_key() for run in wanted if run.model != "finetuned"]
    assert len(small) == len(set(small)) == 3 * 3 * 3  # seeds, kinds; colour, noisy, garments


def test_small_networks_of_the_fifth_paper_are_of_one_size():
    counts = [
        models.parameters(models.build(run.model, (3, 32, 32), 10, 0, **run.model_args))
        for run in rodner2016.small_colour("long", seeds=1)
    ]
    assert max(counts) < 2.2 * min(counts)


def test_dropout_is_compared_with_the_same_network_without():
    runs = rodner2016.dropped("long")
    arms = {}
    for run in runs:
        arguments = {k: v for k, v in run.model_args.items() if k != "dropout"}
        arms.setdefault("dropout" in run.model_args, set()).add(
            (run.seed, run.observers, run.epochs, run.lr, json.dumps(arguments))
        )
    assert arms[True] == arms[False]
    assert {run.key() for run in runs if "dropout" not in run.model_args} < {
        run.key() for run in rodner2016.curves("long")
    }


def test_networks_across_the_papers_are_trained_once():
    """Where the fourth paper's plain networks look at all that is asked, they are its very runs."""
    for name in presets.PRESETS:
        wanted = across.moved(name)
        assert all(set(across.WANTED) <= set(run.observers) for run in wanted)
        assert len({run.training_key() for run in wanted}) == len(wanted)
        assert {run.training_key() for run in wanted} == {
            run.training_key() for run in azulay2019.plain(name)
        }
    assert across.moved("long") == azulay2019.plain("long")


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
    if not first:  # not there at study, with any seeds
        assert not grid("study", seeds=2) and experiments.first_stage(grid, "study") == 0
        return
    count = experiments.own_seeds(grid, "study")
    more = grid("study", seeds=count + 2)
    assert {run.key() for run in first} <= {run.key() for run in more}
    arms = {plan.arm(run) for run in first if run.seed == count - 1}
    for seed in range(count, count + 2):
        assert {plan.arm(run) for run in more if run.seed == seed} == arms
    assert experiments.first_stage(grid, "study") == max(3, count)
