"""The judgements of ivan2019 on planted trainings: every comparison, paired seed by seed."""

import numpy as np
import pandas as pd
import pytest

from helpers import claims, evidence
from helpers.evidence import Evidence
from helpers.verdicts.ivan2019 import accuracy, errors, untrained

SHUFFLED = "pixel_permutation"


def runs(values, seeds=None, **about):
    """Return rows of an evidence table; values: test accuracy (seeds, epochs)."""
    usual = {"data": "cifar10", "model": "vgg", "depth": None, "order": "natural",
             "channels": "all", "distance": None, "slices": None,
             "observed": {}, "test": 10_000}  # fmt: skip
    return pd.DataFrame(
        {
            **usual,
            **about,
            "key": f"{about}{seed}",
            "seed": seed,
            "epoch": epoch + 1,
            "test_accuracy": value,
        }
        for seed, own in zip(seeds or range(len(values)), values, strict=True)
        for epoch, value in enumerate(own)
    )


@pytest.fixture
def planted(monkeypatch):
    """Return a function that plants tables of experiments, {name: list of `runs`}."""

    def plant(preset="study", **tables):
        found = {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}
        monkeypatch.setattr(evidence, "of", lambda _, name, __: Evidence(preset, found[name], {}))
        monkeypatch.setattr(accuracy, "evidence", lambda name, _: Evidence(preset, found[name], {}))

    return plant


def judged(row, statement, measurement):
    (wanted,) = (s for s in claims.statements(row) if s["id"] == statement)
    return claims.judge(wanted, measurement)


def test_one_epoch_the_other_way_contradicts(planted):
    natural = np.array([[0.3, 0.9, 0.9], [0.31, 0.9, 0.91], [0.3, 0.91, 0.9]])
    permuted = np.array([[0.5, 0.6, 0.6], [0.5, 0.6, 0.61], [0.51, 0.6, 0.6]])
    mlp = np.array([[0.7, 0.71, 0.7], [0.71, 0.7, 0.7], [0.7, 0.7, 0.71]])
    planted(**{"table1-mnist": [
        runs(natural, data="mnist"), runs(permuted, data="mnist", order=SHUFFLED),
        runs(mlp, data="mnist", model="mlp"), runs(mlp, data="mnist", model="mlp", order=SHUFFLED),
    ]})  # fmt: skip
    found = accuracy.cnn_below("study", "mnist")
    assert found.values == pytest.approx(natural - permuted)
    finding = judged("ivan-fig2", "cnn-below", found)
    assert (finding.verdict, finding.at) == ("not reproduced", "epoch 1")
    finding = judged("ivan-fig2", "mlp-above", accuracy.mlp_above("study", "mnist"))
    assert finding.verdict == "reproduced"
    lead = accuracy.natural_lead("study", "mnist")
    assert lead.values == pytest.approx([0.9 - 0.71, 0.91 - 0.71, 0.91 - 0.71])  # best epochs
    assert lead.floor is None  # these records do not keep which images were right
    late, _ = accuracy.delay("study", "mnist")
    assert late == pytest.approx([0.1 - 0.6, 0.11 - 0.6, 0.09 - 0.61])


def test_a_network_that_is_only_worse_does_not_learn_later(planted):
    natural, permuted = np.array([[0.9, 0.99]] * 3), np.array([[0.7, 0.79]] * 3)
    planted(**{"table1-mnist": [runs(natural, data="mnist"),
                                runs(permuted, data="mnist", order=SHUFFLED)]})  # fmt: skip
    values, _ = accuracy.delay("study", "mnist")
    assert values == pytest.approx(np.zeros(3))


def answered(right, **about):
    """Return `runs` of two epochs that keep which test images are right; right: bool (seeds, N)."""
    last = np.mean(right, axis=1)
    rows = runs(np.stack([np.full(len(last), 0.5), last], axis=1), **about)
    kept = [{"correct": np.packbits(own).tobytes().hex()} for own in right]
    return rows.assign(observed=[kept[seed] for seed in rows.seed], test=right.shape[1])


def drawn(accuracy_of, count=1000, seeds=3, shift=0):
    """Return which images are right, bool (seeds, count): easy ones in all seeds but for luck."""
    rng = np.random.default_rng(shift)
    easy = np.random.default_rng(7).random(count)
    return (easy + 0.3 * rng.normal(size=(seeds, count))) < accuracy_of


def test_the_error_of_test_images_is_computed_where_records_keep_the_answers(planted):
    first, second = drawn(0.7, shift=1), drawn(0.6, shift=2)
    planted(**{"table1-cifar10": [answered(first), answered(second, order=SHUFFLED)]})
    found = accuracy.drop("study", "cifar10")
    each = first.astype(float) - second
    assert found.values == pytest.approx(first.mean(axis=1) - second.mean(axis=1))
    assert found.floor == pytest.approx(np.mean(each.std(axis=1, ddof=1)) / 1000**0.5)
    assert 0 < found.shared < found.floor
    epochs = accuracy.cnn_below("study", "cifar10")
    assert epochs.floor[1] == pytest.approx(found.floor)
    assert epochs.floor[0] > found.floor  # half right, an image says least
    assert epochs.shared.shape == epochs.floor.shape == (2,)


def test_a_trend_has_the_errors_of_its_steps_and_ends(planted):
    levels = {1: 0.95, 2: 0.9, 4: 0.8, 8: 0.7, 16: 0.65, 32: 0.6}
    right = {count: drawn(share, shift=count) for count, share in levels.items()}
    kinds = {1: {}, 32: {"order": SHUFFLED}}
    planted(figure8=[
        answered(own, **kinds.get(count, {"order": "patch_permutation", "slices": count}))
        for count, own in right.items()
    ])  # fmt: skip
    found = accuracy.slices("study")
    assert found.values.shape == (3, 6) and found.names[:2] == ("1 slice", "2 slices")
    ends = right[1].astype(float) - right[32]
    assert len(found.floor) == len(found.shared) == 6
    assert found.floor[-1] == pytest.approx(np.mean(ends.std(axis=1, ddof=1)) / 1000**0.5)
    step = right[2].astype(float) - right[4]
    assert found.floor[1] == pytest.approx(np.mean(step.std(axis=1, ddof=1)) / 1000**0.5)
    assert judged("ivan-fig8", "falls", found).overall[0] == pytest.approx(ends.mean())
    four = accuracy.four_slices("study")
    assert four.values == pytest.approx(right[1].mean(axis=1) - right[4].mean(axis=1))


def test_losses_on_three_test_sets_have_errors_that_add_up(planted):
    shares = {"mnist": 0.9, "fashion_mnist": 0.8, "cifar10": 0.6}
    tables = {
        f"table1-{data}": [answered(drawn(0.95, shift=k), data=data),
                           answered(drawn(share, shift=k + 9), data=data, order=SHUFFLED)]
        for k, (data, share) in enumerate(shares.items())
    }  # fmt: skip
    planted(**tables)
    found = accuracy.drops("study")
    own = [accuracy.drop("study", data).floor for data in ("cifar10", "fashion_mnist", "mnist")]
    assert found.floor == pytest.approx(
        [np.hypot(own[0], own[1]), np.hypot(own[1], own[2]), np.hypot(own[0], own[2])]
    )
    assert (np.diff(found.values.mean(axis=0)) < 0).all()
    assert accuracy.pairs_without_loss("study") == (0, "study")


def test_the_rate_of_the_paper_is_judged_on_its_own_experiment(planted):
    high, low = np.array([[0.3, 0.6]] * 3), np.array([[0.2, 0.4]] * 3)
    networks = {("vgg", "natural"): high, ("mlp", "natural"): low,
                ("vgg", SHUFFLED): low, ("mlp", SHUFFLED): high}  # fmt: skip
    planted(**{accuracy.OWN_RATE: [runs(c, model=m, order=o) for (m, o), c in networks.items()]})
    lead = accuracy.natural_lead("study", "cifar10", accuracy.OWN_RATE)
    assert lead.values == pytest.approx(np.full(3, 0.2))
    every = accuracy.mlp_above("study", "cifar10", accuracy.OWN_RATE)
    assert every.values == pytest.approx(np.array([[0.1, 0.2]] * 3))


def test_networks_are_paired_by_seed(planted):
    wide = {"order": SHUFFLED}
    planted(
        figure11=[runs([[0.5], [0.6], [0.7], [0.8]], **wide, model="dilated")],
        section5=[
            runs([[0.65], [0.45]], seeds=[2, 0], **wide, model="mlp", depth=4),
            runs([[0.75], [0.4]], seeds=[2, 0], **wide, model="mlp", depth=8),
            runs([[0.1]], **wide, model="strided"),
        ],
    )
    found = accuracy.dilated_lead("study", "mlp 4", "mlp 8")
    assert found.values == pytest.approx(np.array([[0.05, 0.1], [0.05, -0.05]]))  # seeds 0 and 2
    assert found.names == ("MLP of depth 4", "MLP of depth 8")


def test_the_largest_distance_is_paired_with_the_full_permutation_by_seed(planted):
    local = {"order": "local_permutation"}
    planted(
        figure10=[
            runs([[0.4], [0.5]]), runs([[0.35, 0.3], [0.1, 0.45]], **local, distance=4),
            runs([[0.2, 0.3], [0.4, 0.1]], **local, distance=32),
            runs([[0.9], [0.9]], **local, distance=32, channels="red"),
        ],
        **{"table1-cifar10": [
            runs([[0.1], [0.28], [0.37]], seeds=[2, 0, 1], order=SHUFFLED),
            runs([[0.1], [0.1], [0.1]], order=SHUFFLED, model="mlp"),
        ]},
    )  # fmt: skip
    values = accuracy.full_level("study").values
    assert values == pytest.approx([0.30 - 0.28, 0.40 - 0.37])


def test_red_is_compared_with_both_others_at_every_distance(planted):
    def channel(name, at_0, at_32):
        far = runs([[at_32]] * 2, order="local_permutation", distance=32, channels=name)
        return [runs([[at_0]] * 2, channels=name), far]

    single = [*channel("red", 0.3, 0.2), *channel("green", 0.35, 0.28), *channel("blue", 0.4, 0.19)]
    planted(**{"figure10-channels": single, "figure10": channel("all", 0.5, 0.3)})
    found = accuracy.red_worst("study")
    assert found.names == ("green, D = 0", "green, D = 32", "blue, D = 0", "blue, D = 32")
    assert found.values[0] == pytest.approx([0.05, 0.08, 0.1, -0.01])
    spread = accuracy.spread("study")
    assert spread.names == ("D = 32", "D = 0") and spread.values[0] == pytest.approx([0.09, 0.1])
    gaps, _ = accuracy.gaps("study")
    assert gaps[0] == pytest.approx([0.5 - 0.35, 0.3 - 0.67 / 3])
    assert accuracy.channel_cost("study").values == pytest.approx([0.15, 0.15])


def confusion(right=0.7, seeds=3, **rates):
    """Return counts (seeds, 10, 10) of 1000 images a class, drawn at random for each seed.

    right: share of each class that is right; the rest is spread evenly. rates: {"_a_b": share of
    class a taken for class b}, at the cost of what is right; {"_a_a": share that is right}.
    """
    shares = np.full((10, 10), (1 - right) / 9)
    np.fill_diagonal(shares, right)
    for name, share in rates.items():
        a, b = map(int, name[1:].split("_"))
        if a == b:
            shares[a] *= (1 - share) / (1 - shares[a, a])
        else:
            shares[a, a] -= share - shares[a, b]
        shares[a, b] = share
    return np.random.default_rng(0).multinomial(1000, shares, size=(seeds, 10))


def test_the_error_of_rates_is_that_of_drawing_the_images_again():
    counts = confusion(0.6, _3_5=0.2)
    weights = errors._both_ways(3, 5) - errors._both_ways(3, 8)  # both in the row of class 3
    values, floor = errors._weighted(counts, weights, errors._cells(1, 8, 8))
    rates = counts[0] / 1000
    assert counts.sum(axis=2).tolist() == [[1000] * 10] * 3
    assert values[0, 0] == pytest.approx(
        (rates[3, 5] + rates[5, 3]) / 2 - (rates[3, 8] + rates[8, 3]) / 2
    )
    assert values[0, 1] == pytest.approx(rates[8, 8])
    rng = np.random.default_rng(1)
    drawn = np.stack([[rng.multinomial(1000, row) for row in rates] for _ in range(1000)])
    again = errors._weighted(drawn, weights, errors._cells(1, 8, 8))[0].std(axis=0)
    assert floor == pytest.approx(again.max(), rel=0.1)


def test_cat_and_dog_are_compared_with_every_other_pair(monkeypatch):
    own = {"_3_5": 0.15, "_5_3": 0.12}
    counts = confusion(**own)
    monkeypatch.setattr(errors, "_counts", lambda *_: (counts, "study"))
    found = errors.cat_dog("study", "natural")
    assert found.values.shape == (3, 44) and found.floor > 0
    assert judged("ivan-fig14", "catdog-natural", found).verdict == "reproduced"
    counts = confusion(seeds=8, **own, _4_6=0.3, _6_4=0.2)
    finding = judged("ivan-fig14", "catdog-natural", errors.cat_dog("study", "natural"))
    assert (finding.verdict, finding.at) == ("not reproduced", "deer and frog")
    assert finding.estimate == pytest.approx(0.135 - 0.25, abs=0.02)


def test_every_class_is_compared_with_cats(monkeypatch):
    counts = confusion(0.6, _3_3=0.4)
    monkeypatch.setattr(errors, "_counts", lambda *_: (counts, "study"))
    found = errors.cat_worst("study", "natural")
    assert found.values.shape == (3, 9) and "cat against cat" not in found.names
    assert judged("ivan-fig14", "cat-natural", found).verdict == "reproduced"


def test_a_printed_mean_may_be_off_by_what_rounding_allows(monkeypatch):
    row = {"numbers": {"MLP mean r": 0.947}, "printed": {"MLP": [0.9477] * 10}}
    monkeypatch.setattr(claims, "row", lambda _: ("ivan2019", row))
    assert untrained.excess_of_mean("study", "MLP")[0] == 0
    row["printed"]["MLP"] = [0.9485] * 10
    assert untrained.excess_of_mean("study", "MLP")[0] == pytest.approx(0.0005)


def test_equal_errors_do_not_make_cat_and_dog_the_largest(monkeypatch):
    rng = np.random.default_rng(2)
    shares = np.full(10, 0.05) + 0.5 * np.eye(10)
    values = []
    for _ in range(100):
        counts = np.stack([[rng.multinomial(1000, row / row.sum()) for row in shares]])
        monkeypatch.setattr(errors, "_counts", lambda *_, now=counts: (now, "study"))
        values.append(errors.cat_dog("study", "natural").values.mean())
    assert abs(np.mean(values)) < 0.001  # the larger of both ways would lie 0.004 above


def test_ship_and_automobile_are_each_compared_with_all_others(monkeypatch):
    counts = confusion(0.6, _1_1=0.8, _8_8=0.85)
    monkeypatch.setattr(errors, "_counts", lambda *_: (counts, "study"))
    found = errors.top_two("study", "natural")
    assert found.values.shape == (3, 16)
    assert judged("ivan-fig14", "top-natural", found).verdict == "reproduced"
    counts = confusion(0.6, _1_1=0.8, _8_8=0.95, _6_6=0.9)  # frog is above one of the two
    finding = judged("ivan-fig14", "top-natural", errors.top_two("study", "natural"))
    assert (finding.verdict, finding.at) == ("not reproduced", "automobile against frog")


def test_labels_near_ninety_per_cent_leave_their_share_open(monkeypatch):
    floors = []
    for right in (990, 901):
        counts = np.zeros((3, 10, 10), int)
        counts[:, range(10), range(10)] = right
        counts[:, range(10), [*range(1, 10), 0]] = 1000 - right
        monkeypatch.setattr(errors, "_counts", lambda *_, now=counts: (now, "study"))
        found = errors.ninety("study")
        assert found.values == pytest.approx(np.full(3, 0.5))  # all six are above, not three
        floors.append(found.floor)
    assert floors[0] == 0 and floors[1] == pytest.approx(0.5 / np.sqrt(6), rel=0.1)
