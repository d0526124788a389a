"""What the trained claims of juefei2018 are judged by, on planted records."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from helpers import claims, evidence, metrics, report, verdicts
from helpers.evidence import Evidence
from helpers.experiments import juefei2018
from helpers.verdicts.juefei2018 import (
    counts,
    layers,
    maps,
    metric,
    noise,
    records,
    small,
    tables,
)


@pytest.fixture
def planted(monkeypatch):
    """Return a function that puts a table in the place of all evidence."""

    def plant(rows):
        frame = pd.DataFrame(rows)
        frame["key"] = range(len(frame)) if "key" not in frame else frame.key
        frame["data"] = frame.get("data", "cifar10")
        found = Evidence("study", frame, {})
        monkeypatch.setattr(evidence, "of", lambda *_: found)
        for module in (records, noise, tables, metric, small, maps):
            if hasattr(module, "evidence"):
                monkeypatch.setattr(module, "evidence", lambda *_: found)

    cached = (metric.answers, metric.reported, small.curves, maps.observed)
    for function in cached:
        function.cache_clear()
    yield plant
    for function in cached:
        function.cache_clear()


def decisive(accuracy, how=("study", "adam")):
    """Return rows of the decisive experiment; accuracy: function of (arm, seed).

    how: preset and recipe.
    """
    rows = []
    for run in (run for part in juefei2018.PARTS for run in juefei2018.decisive(*how, part)):
        row = {"model": run.model, "arguments": run.model_args, "seed": run.seed, "epoch": 5,
               "optimiser": run.optimiser}  # fmt: skip
        name = noise.arm(pd.Series(row))
        rows.append(row | {"test_accuracy": accuracy(name, run.seed)})
    return rows


def test_arms_are_told_apart():
    rows = decisive(lambda arm, seed: 0.5)
    arms = [noise.arm(pd.Series(row)) for row in rows if row["seed"] == 0]
    assert arms == [0.0, 0.1, 0.01, 0.5, 1.0, 5.0, "learnt", "1x1", "3x3"]
    rows = decisive(lambda arm, seed: 0.5, ("long", "nesterov"))
    arms = [noise.arm(pd.Series(row)) for row in rows if row["seed"] == 0]
    assert arms == [0.0, 0.1, 0.5, 1.0, 5.0, "learnt", "1x1", "3x3", "random 3x3"]
    names = noise.experiments_of("nesterov", arms)
    assert names == [f"{part}-nesterov" for part in juefei2018.PARTS]


def test_differences_are_taken_seed_by_seed(planted):
    planted(decisive(lambda arm, seed: seed / 10 + (0.02 if arm == 0.1 else 0)))
    found = noise.against("study", "adam", 0.0)
    assert np.allclose(found.values, 0.02) and len(found.values) == 5 and found.scale == "study"
    assert found.floor is None  # the judge estimates it
    assert np.allclose(noise.against("study", "adam", "3x3").values, 0.02)
    assert noise.random_filters("study", "adam").values is None  # study has none
    both = [row | {"optimiser": recipe} for recipe in noise.RECIPES
            for row in decisive(lambda arm, seed: 0.5 + (0.02 if arm == 0.1 else 0))]  # fmt: skip
    planted(both)
    assert np.allclose(noise.pooled("study").values, [0.02 / 3] * 5)  # one of three levels


def test_answers_to_single_images_give_the_error_that_they_leave(planted):
    """Two networks that differ in their seeds alone: what the images leave is in the answers."""
    rng = np.random.default_rng(0)
    rows = decisive(lambda arm, seed: 0.0)
    for row in rows:
        right = rng.random(1000) < (0.6 if row["arguments"].get("level") == 0 else 0.7)
        row |= {"test": 1000, "test_accuracy": right.mean(),
                "observed": {"correct": np.packbits(right).tobytes().hex()}}  # fmt: skip
    planted(rows)
    found = noise.against("study", "adam", 0.0)
    by_seed = {
        row["seed"]: row["test_accuracy"] for row in rows if noise.arm(pd.Series(row)) == 0.1
    }
    none = {row["seed"]: row["test_accuracy"] for row in rows if noise.arm(pd.Series(row)) == 0.0}
    assert np.allclose(found.values, [by_seed[seed] - none[seed] for seed in range(5)])
    assert abs(found.floor - np.sqrt((0.24 + 0.21) / 1000)) < 0.001  # independent answers
    assert found.shared < found.floor / 2
    trend = noise.high_levels("study", "adam")
    assert trend.values.shape == (5, 3) and trend.floor.shape == (3,)
    assert noise.low_levels("study", "adam").floor.shape == (3,)
    rows[0]["observed"] = {}
    planted(rows)
    assert noise.against("study", "adam", 0.0).floor is None  # one record without answers


def test_all_pairs_of_low_levels_are_compared(planted):
    planted(decisive(lambda arm, seed: 0.4 + (0.02 + seed / 1000 if arm == 0.1 else 0)))
    found = noise.low_levels("study", "adam")
    gaps = 0.02 + np.arange(5) / 1000
    assert np.allclose(found.values, np.stack([gaps, 0 * gaps, -gaps]).T)
    assert found.names == ("levels 0.01 and 0.1", "levels 0.01 and 0.5", "levels 0.1 and 0.5")
    statement = {"says": "x", "rule": "same", "resolution": 0.01}
    finding = claims.judge(statement, found)
    assert (finding.verdict, finding.n) == ("not reproduced", 5) and "0.1" in finding.at


def test_a_seed_under_both_recipes_is_one_repeat(planted):
    effects = {"adam": 0.03, "nesterov": -0.01}

    def accuracy(recipe, arm, seed):
        if arm in (0.0, 5.0):
            return seed / 10 - (1 if arm == 5.0 else 0)
        return seed / 10 + effects[recipe] + seed / 100

    planted([
        row for recipe in effects
        for row in decisive(lambda arm, seed, r=recipe: accuracy(r, arm, seed), ("study", recipe))
    ])  # fmt: skip
    found = noise.pooled("study")
    assert np.allclose(found.values, 0.01 + np.arange(5) / 100)
    assert list(found.parts) == list(noise.TITLES.values())
    for part, effect in zip(found.parts.values(), effects.values(), strict=True):
        assert np.allclose(part, effect + np.arange(5) / 100)
    assert np.allclose(noise.pooled("study", [5.0]).values, -1)


def test_rising_levels_are_in_order(planted):
    planted(decisive(lambda arm, seed: 0.9 - arm / 10 if isinstance(arm, float) else 0.5))
    found = noise.high_levels("study", "adam")
    assert np.allclose(found.values, [[0.85, 0.8, 0.4]] * 5)
    assert found.names == ("level 0.5", "level 1", "level 5")


def test_what_the_first_layer_costs_uses_the_seeds_that_both_have(planted):
    everywhere = [
        {"model": "pnn", "arguments": run.model_args, "seed": run.seed, "epoch": 5,
         "optimiser": "adam", "test_accuracy": 0.5}
        for run in juefei2018.everywhere("study", "adam")
    ]  # fmt: skip
    planted(decisive(lambda arm, seed: 0.6 + seed / 100) + everywhere)
    assert np.allclose(noise.first_layer("study", "adam").values, [0.1, 0.11, 0.12])


def test_the_reported_accuracy_of_the_grid_is_smoothed_and_the_best(planted):
    rows = [
        {"key": f"{seed}{width}{batch}", "model": "pnn", "arguments": {"width": width},
         "batch": batch, "seed": seed, "epoch": epoch,
         "test_accuracy": 0.5 + width / 100 - batch / 1000 * (width == 16),
         "smoothed_10": 0.6 + 0.01 * epoch, "smoothed_50": 0.4 + 0.01 * epoch}
        for seed in range(3) for width in (8, 16) for batch in (10, 50) for epoch in (1, 2)
    ]  # fmt: skip
    planted(rows)
    assert np.allclose(tables.by_batch_as_reported("study").values, [[0.62, 0.42]] * 3)
    found = tables.by_batch("study")
    assert np.allclose(found.values, [[0.615, 0.595]] * 3)
    assert found.names == ("batches of 10", "batches of 50")
    assert np.allclose(found.parts["8 masks"], [0.0] * 3)  # the larger batch costs the wide only
    assert np.allclose(found.parts["16 masks"], [0.04] * 3)
    found = tables.doubled("study")
    assert np.allclose(found.values, [0.05] * 3)
    assert np.allclose(found.parts["batches of 10"], [0.07] * 3)
    assert np.allclose(found.parts["batches of 50"], [0.03] * 3)


def test_each_late_stage_has_to_be_sharper(planted):
    rows = [
        {"model": model, "seed": seed, "epoch": 5,
         "observed": {"stages": [{"roughness": value} for value in values]}}
        for seed in range(3)
        for model, values in (
            ("pnn", (0, 0, 0, 0.9 + seed / 100, 0.2 + seed / 100)), ("resnet", (1, 1, 1, 0.1, 0.3))
        )
    ]  # fmt: skip
    planted(rows)
    found = maps.sharper("study")
    assert np.allclose(found.values, [[0.8 + k / 100, -0.1 + k / 100] for k in range(3)])
    statement = {"says": "x", "rule": "order", "resolution": 0.01}
    finding = claims.judge(statement, found)  # in the mean over both stages it would hold
    assert (finding.verdict, finding.at) == ("not reproduced", "stage 4")


def test_the_metric_is_predicted_for_a_network_of_known_accuracy(planted):
    """Independent epochs: deviation and inflation are those of the formula."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(3):
        looks = [np.packbits(rng.random(4000) < 0.7).tobytes().hex() for _ in range(6)]
        rows.append({"key": seed, "seed": seed, "epoch": 6, "test": 4000, "test_accuracy": 0.7,
                     "watched": [{"correct": look} for look in looks]})  # fmt: skip
    planted(rows)
    for batch in (10, 100):  # 500 drawn orders: 5 deviations
        drawn = [shown[:, -1].std() for shown in metric.reported("study", batch)]
        assert np.allclose(metric.spreads("study", batch)[0], drawn, rtol=0.16)
    gains = metric.inflations("study").values
    assert (np.diff(gains, axis=1) < 0).all()
    wanted = np.stack([metric.expected_inflation("study", b) for b in (10, 20, 50, 100)]).T
    assert np.allclose(gains, wanted, rtol=0.15)
    # six normal draws exceed their mean by 1.267 deviations; the best epoch is above it already
    shares = [right.mean(axis=1) for right in metric.answers("study")[0]]
    above = np.array([share.max() - share.mean() for share in shares])
    assert np.allclose(wanted[:, 0] + above, 1.267 * metrics.spread(0.7, 10), rtol=0.06)


def test_the_spread_over_orders_is_exact():
    """All orders of six images in batches of two, one by one."""
    right = np.array([[True, False, True, True, False, True]])
    orders = np.array(list(permutations(range(6))))
    drawn = metrics.shown_in(orders, right, 2).std()
    assert metric.over_orders(right.mean(), 6, 2) == pytest.approx(drawn, rel=1e-12)
    assert metric.spread_error("smoke")[0] < 0.003
    assert metric.spread_error("smoke", batch=1000)[0] > 0.2  # ten batches are the whole test set


def test_converged_is_the_first_epoch_near_ones_own_best():
    values = np.array([[0.1, 0.46, 0.5], [0.5, 0.5, 0.5], [0.1, 0.2, 1.0]])
    assert small.converged(values).tolist() == [2, 1, 3]


def test_curves_of_small_samples_have_their_shares(planted):
    rows = [
        {"key": f"{train}{model}{seed}", "train": train, "model": model, "seed": seed,
         "epoch": epoch, "test_accuracy": value}
        for train in (104, 208, 312) for seed in range(2)
        for model, values in (("pnn", (0.5, 0.5)), ("resnet", (0.1, 0.6)))
        for epoch, value in enumerate(values, start=1)
    ]  # fmt: skip
    planted(rows)
    for share in juefei2018.SPLITS:
        assert np.allclose(small.better("study", share).values, -0.1)
        assert (small.faster("study", share).values == 1).all()


def test_counted_parameters():
    # He et al. give 1.7 million; torchvision's ResNet-18 and -34 for ImageNet are known
    assert counts.resnet110() == 1_727_962
    assert counts.parameters("resnet", 18, 64, counts.IMAGENET) == 11_689_512
    assert counts.parameters("resnet", 34, 64, counts.IMAGENET) == 21_797_672
    assert counts.table5_error("study")[0] < 0.05
    assert [round(counts.table1_ratio(m), 1) for m in counts.LAYERS] == [0.9, 1.8, 6.1]
    assert counts.table1_error(0, 64, 5.9)[0] > 0.1


def test_fixed_parts_stay_and_weights_move():
    assert layers.moved(0, learnt=False)[0] == 0
    assert layers.moved(0, learnt=True)[0] == 0
    assert [layers.fed_by(0, kernel)[0] for kernel in (3, 1, None)] == [9, 1, 25]


def test_receptive_fields_are_those_of_the_sums():
    # 7x7 and pool 3x3: 11 px; three pools of 2 more: 11 + 4 (1 + 2 + 4)
    assert maps.receptive_field("pnn", side=256) == 39
    assert maps.receptive_field("resnet") == 435


def test_data_that_lack_are_named_and_nothing_is_judged(folders):
    values, why = records.on_folder("table1", [None] * 5, "pnn-table1")
    assert values is None and why == "needs ImageNet-1k"
    finding = claims.judge({"says": "x", "rule": "number", "printed": 1.0}, (values, why))
    assert (finding.verdict, finding.why, finding.n) == ("not run", why, None)


def test_a_users_records_are_compared_with_the_printed_figures(monkeypatch):
    found = [{"epochs": [{"test_accuracy": 0.5}, {"test_accuracy": 0.4}]}] * 5
    monkeypatch.setattr(records.folders, "published", lambda _: found)
    values, scale = counts.table1("paper")
    assert scale == "paper" and list(values) == list(claims.row("pnn-table1")[1]["numbers"])
    assert all(value == [50.0] for value in values.values())


def test_rows_without_statements_say_why():
    for row, parts in {
        "pnn-fig4": ("missing from our copy",), "pnn-table6": ("missing from our copy",),
        "pnn-fig5": ("needs ImageNet-1k", "missing from our copy"),
    }.items():  # fmt: skip
        assert verdicts.verdict(row, "smoke").verdict == "not run"
        for part in parts:
            assert part in report.verdict_table(row, "smoke")
