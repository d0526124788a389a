"""The judgements of ivan2019 on planted trainings: every comparison, paired seed by seed."""

import numpy as np
import pandas as pd
import pytest

from helpers import claims
from helpers.evidence import Evidence
from helpers.verdicts.ivan2019 import accuracy, errors

SHUFFLED = "pixel_permutation"


def runs(values, seeds=None, **about):
    """Return rows of an evidence table; values: test accuracy (seeds, epochs)."""
    usual = {"data": "cifar10", "model": "vgg", "depth": None, "order": "natural",
             "channels": "all", "distance": None, "slices": None}  # fmt: skip
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
        monkeypatch.setattr(
            accuracy, "evidence", lambda name, _: Evidence(preset, found[name], found[name], {})
        )

    return plant


def judged(row, statement, measurement):
    (wanted,) = (s for s in claims.statements(row) if s["id"] == statement)
    return claims.judge(wanted, measurement)


def test_one_epoch_the_other_way_contradicts(planted):
    natural = np.array([[0.3, 0.9, 0.9], [0.31, 0.9, 0.91], [0.3, 0.91, 0.9]])
    permuted = np.array([[0.5, 0.6, 0.6], [0.5, 0.6, 0.61], [0.51, 0.6, 0.6]])
    mlp = np.array([[0.7, 0.71, 0.7], [0.71, 0.7, 0.7], [0.7, 0.7, 0.71]])
    planted(table1=[
        runs(natural, data="mnist"), runs(permuted, data="mnist", order=SHUFFLED),
        runs(mlp, data="mnist", model="mlp"), runs(mlp, data="mnist", model="mlp", order=SHUFFLED),
    ])  # fmt: skip
    found = accuracy.cnn_below("study", "mnist")
    assert found.values == pytest.approx(natural - permuted)
    finding = judged("ivan-fig2", "cnn-below", found)
    assert (finding.verdict, finding.at) == ("not reproduced", "epoch 1")
    finding = judged("ivan-fig2", "mlp-above", accuracy.mlp_above("study", "mnist"))
    assert finding.verdict == "reproduced"
    lead, _ = accuracy.natural_lead("study", "mnist")
    assert lead == pytest.approx([0.9 - 0.71, 0.91 - 0.71, 0.91 - 0.71])  # best epochs


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
        table1=[
            runs([[0.1], [0.28], [0.37]], seeds=[2, 0, 1], order=SHUFFLED),
            runs([[0.1], [0.1], [0.1]], order=SHUFFLED, model="mlp"),
            runs([[0.1], [0.1], [0.1]], order=SHUFFLED, data="mnist"),
        ],
    )  # fmt: skip
    values, _ = accuracy.full_level("study")
    assert values == pytest.approx([0.30 - 0.28, 0.40 - 0.37])


def test_red_is_compared_with_both_others_at_every_distance(planted):
    def channel(name, at_0, at_32):
        far = runs([[at_32]] * 2, order="local_permutation", distance=32, channels=name)
        return [runs([[at_0]] * 2, channels=name), far]

    planted(figure10=[*channel("red", 0.3, 0.2), *channel("green", 0.35, 0.28),
                      *channel("blue", 0.4, 0.19)])  # fmt: skip
    found = accuracy.red_worst("study")
    assert found.names == ("green, D = 0", "green, D = 32", "blue, D = 0", "blue, D = 32")
    assert found.values[0] == pytest.approx([0.05, 0.08, 0.1, -0.01])
    spread = accuracy.spread("study")
    assert spread.names == ("D = 32", "D = 0") and spread.values[0] == pytest.approx([0.09, 0.1])


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
