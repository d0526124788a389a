"""What is compared across the papers: relations that are planted are found, others are not."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from helpers import evidence, invariance, shift
from helpers.verdicts import across


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(across, "RESAMPLES", 200)


def moves(seed=0, n=400, networks=1, relation=1.0, typical=0.0, protocol="black", typicality=True):
    """Return `Moves` whose predicted deviations and changes share a factor beside confidence.

    relation: of both logarithms' own parts. typical: what typicality takes away from the logarithm
    of the predicted deviation.
    """
    rng = np.random.default_rng(seed)
    top = rng.uniform(0.02, 0.98, (networks, n))
    typicality = rng.uniform(0, 1, (networks, n)) if typicality else None
    own = rng.normal(size=(networks, n))
    shared = relation * own + (1 - abs(relation)) * rng.normal(size=(networks, n))
    predicted = top * (1 - top) * np.exp(own - (typical * typicality if typical else 0))
    change = np.minimum(top * (1 - top) * np.exp(shared), 1)
    changed = rng.uniform(0, 0.5, top.shape) < change
    return across.Moves("planted", protocol, "smoke", predicted, change, changed, top, typicality)


def verdicts(found):
    return {finding.measure: finding.verdict for finding in found}


# The statistics


def test_spearman_and_auc_are_those_of_scipy_and_scikit_learn(rng):
    x, y = rng.integers(9, size=(2, 3, 50))  # with ties
    expected = [stats.spearmanr(*pair).statistic for pair in zip(x, y, strict=True)]
    assert across.spearman(x, y) == pytest.approx(expected)
    flags = y > 4
    expected = [roc_auc_score(flag, score) for flag, score in zip(flags, x, strict=True)]
    assert across.auc(x, flags) == pytest.approx(expected)


def test_auc_of_a_perfect_a_reversed_and_a_random_score(rng):
    flags = rng.random((1, 4_000)) < 0.3
    assert across.auc(flags + rng.random(flags.shape), flags) == 1
    assert across.auc(-1 * flags - rng.random(flags.shape), flags) == 0
    assert across.auc(np.zeros(flags.shape), flags) == 0.5
    assert across.auc(rng.random(flags.shape), flags) == pytest.approx(0.5, abs=0.03)
    assert np.isnan(across.auc(rng.random((1, 9)), np.zeros((1, 9), bool))).all()


def test_a_partial_correlation_vanishes_when_the_third_variable_explains_all(rng):
    given, *parts = rng.normal(size=(3, 4_000))
    x, y = (given + part for part in parts)
    assert across.spearman(x, y) > 0.4
    assert across.partial(x, y, given) == pytest.approx(0, abs=0.04)
    assert across.partial(x, y, rng.normal(size=4_000)) > 0.4


def test_a_partial_correlation_takes_out_p_times_one_minus_p(rng):
    """The spread of changes is largest about p = 1/2: what is monotone in p does not explain it."""
    p = rng.uniform(size=20_000)
    x, y = p * (1 - p) * np.exp(rng.normal(size=(2, 20_000)) / 2)
    assert across.spearman(x, p) == pytest.approx(0, abs=0.04)  # so that a line takes out nothing
    assert across.spearman(x, y) > 0.4
    assert across.partial(x, y, p) == pytest.approx(0, abs=0.04)


def test_a_partial_correlation_is_that_of_normal_variables(rng):
    given, x, noise = rng.normal(size=(3, 20_000))
    y = 0.6 * x + 0.8 * noise  # correlation 0.6, as ranks 6 / pi * asin(0.3)
    found = across.partial(x + given, -y + 2 * given, given)
    assert found == pytest.approx(-0.58, abs=0.03)


def test_fitted_scores_have_not_seen_the_picture(rng):
    flags, top, noise = rng.random((1, 300)) < 0.3, *rng.random((2, 1, 300))
    for others in ((), (noise,)):
        score = across.fitted(flags, top, *others)
        assert across.auc(score, flags) == pytest.approx(0.5, abs=0.1)
    leaking = across.fitted(flags, top, flags + 0.01 * noise)
    assert across.auc(leaking, flags) > 0.99
    scores = across.fitted(flags, top), leaking
    assert across.gain(*scores, flags) == across.auc(leaking, flags) - across.auc(scores[0], flags)


def test_fifths_go_from_the_smallest_to_the_largest(rng):
    order = rng.permutation(50)[None]
    assert across.fifths(order, 2.0 * order).ravel().tolist() == [9, 29, 49, 69, 89]
    assert across.fifths(-order, order).ravel().tolist() == [44.5, 34.5, 24.5, 14.5, 4.5]


def test_holm_is_as_computed_by_hand():
    assert across.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert across.holm([0.9, 0.8]).tolist() == [1, 1]
    assert across.holm([np.nan, 0.01]) == pytest.approx([1, 0.02])


def test_intervals_cover_the_truth_at_about_their_rate(rng):
    rho, trials = 0.5, 150
    truth = 6 / np.pi * np.arcsin(rho / 2)
    covered = 0
    for _ in range(trials):
        x, noise = rng.normal(size=(2, 1, 80))
        low, high, _ = across.resampled(across.spearman, x, rho * x + (1 - rho**2) ** 0.5 * noise)
        covered += low < truth < high
    assert 0.88 <= covered / trials <= 0.99


def test_an_interval_is_of_the_mean_over_networks_of_the_same_pictures(rng):
    x = rng.normal(size=(1, 200))
    one = across.resampled(lambda v: v.mean(-1), x)
    assert one[2] == pytest.approx(x.std() / 200**0.5, rel=0.15)
    assert one[0] < x.mean() < one[1]
    thrice = across.resampled(lambda v: v.mean(-1), np.repeat(x, 3, axis=0))
    assert thrice == pytest.approx(one)  # not three times as many pictures
    low, high, error = across.resampled(across.fifths, x, x)
    assert low.shape == high.shape == error.shape == (5,) and (low < high).all()


# The hypotheses


def test_a_planted_relation_holds_beyond_confidence():
    found = across.tests([moves(typical=3)])
    assert {"H1", "H2", "H3a", "H3b", "H4"} == {
        k for k, v in verdicts(found).items() if v == "holds"
    }
    assert all(f.low < f.estimate < f.high and f.holm >= f.p for f in found)


def test_without_a_relation_confidence_alone_makes_the_first_two_hold():
    found = verdicts(across.tests([moves(relation=0.0)]))
    assert found["H1"] == found["H2"] == "holds"
    assert {found[name] for name in ("H3a", "H3b", "H4", "H5")} == {"undecided"}


def test_a_planted_reverse_is_reversed():
    found = across.tests([moves(relation=-1.0, typical=-3)])
    assert verdicts(found)["H3a"] == verdicts(found)["H4"] == "reversed"


def test_typicality_is_tested_where_it_is_known_and_only_there():
    rng = np.random.default_rng(0)
    planted = moves()
    changed = rng.random(planted.typicality.shape) > planted.typicality
    planted = replace(planted, changed=changed)
    assert verdicts(across.tests([planted]))["H5"] == "holds"
    assert set(verdicts(across.tests([moves(typicality=False)]))) == {"H1", "H2", "H3a", "H3b"}


def test_too_few_pictures_or_answers_give_no_estimate():
    assert set(verdicts(across.tests([moves(n=20)])).values()) == {"too few"}
    planted = moves(n=60)
    planted = replace(planted, changed=np.arange(60)[None] < 9)
    found = verdicts(across.tests([planted]))
    assert found["H1"] == "holds"
    assert found["H2"] == found["H3b"] == found["H5"] == "too few"


def test_only_tests_that_were_run_are_corrected_for():
    alone = {f.measure: f for f in across.tests([moves(relation=0.0)])}
    beside = across.tests([moves(relation=0.0), moves(n=20)])
    assert [f.holm for f in beside if f.each] == [f.holm for f in alone.values()]
    twice = across.tests([moves(relation=0.0), moves(1, relation=0.0)])
    assert next(f for f in twice if f.measure == "H1").holm > alone["H1"].p


def test_conclusions_count_verdicts(monkeypatch):
    assert across.concluded(**{"holds": 3, "too few": 1}) == "decided: it holds"
    assert across.concluded(reversed=2) == "decided: the reverse holds"
    assert across.concluded(holds=1, reversed=1) == "decided in part"
    assert across.concluded(holds=1, undecided=1) == "decided in part"
    assert across.concluded(**{"too few": 4}) == across.concluded(undecided=1) == "undecided"
    every = [moves(), moves(n=20)]
    found = across.tests(every)
    monkeypatch.setattr(across, "seen", lambda preset: every)
    monkeypatch.setattr(across, "findings", lambda preset: found)
    lines = across.conclusions("smoke").set_index("")
    assert lines.loc["H1", ["holds", "too few"]].tolist() == [1, 1]
    shown = across.table("smoke", "H1")
    assert shown["verdict"].tolist() == ["holds", "too few"]
    areas = across.areas("smoke")
    assert areas.iloc[1, 3:].tolist() == ["too few"] * 5
    alone, both = areas.iloc[0, 3:5].astype(float)
    given = across.partial(every[0].predicted, every[0].changed, every[0].top)[0]
    assert float(areas.iloc[0, 7]) == pytest.approx(given, abs=0.005)
    gained = next(f.estimate for f in found if f.measure == "H3b")
    assert both - alone == pytest.approx(gained, abs=0.002)
    assert shown["P"].tolist() == ["<0.0001", ""]
    unsure = np.arange(400) % 4 == 0
    one = replace(moves(), top=np.where(unsure, 0.4, 0.9)[None], changed=unsure[None])
    monkeypatch.setattr(across, "seen", lambda preset: [one])
    assert across.areas("smoke").iloc[0, [2, 5, 6]].tolist() == ["25.0 %", "25 %", "100 %"]


def test_a_gradient_without_preferred_direction_gives_the_slopes_of_reference():
    angle = (np.arange(100_000) + 0.5) / 100_000 * 2 * np.pi
    down, right = np.sin(angle), np.cos(angle)  # of predicted deviation 1
    assert across.LINEAR["black"] == pytest.approx(np.abs(down).mean())
    assert across.LINEAR["crop"] == pytest.approx(np.abs(down + right).mean())


# The records


def record(planted, k, kinds):
    """Return what a record holds of the k-th network of `Moves`, the same under each protocol."""
    change = shift.Change(None, planted.top[k], planted.changed[k], planted.change[k])
    told = planted.predicted[k].astype("<f4").tobytes().hex()
    seen = {"pairs": invariance.pack(change), "foretold": {"n": len(change.top), "values": told}}
    return {f"{kind}_{name}": seen[kind] for kind in kinds for name in shift.PROTOCOLS}


def test_what_is_on_record_is_read_and_put_together(monkeypatch):
    here, others = moves(networks=2), moves(1, typicality=False)
    own = [
        record(here, k, ("pairs", "foretold")) | {"typicality": {"values": invariance._hex(t)}}
        for k, t in enumerate(here.typicality)
    ]
    name = {"name": "squeezenet1_1"}

    def rows(kind, which=name):
        return pd.DataFrame([{"arguments": which, "observed": record(others, 0, [kind])}])

    frames = {
        "moved": pd.DataFrame({"seed": [1, 0], "observed": own[::-1]}),
        "moved_by_others": rows("foretold"),
        "protocols": pd.concat([rows("pairs"), rows("pairs", {"name": "vgg16"})]),
    }

    def of(_, experiment, preset):
        frame = frames[experiment]
        return SimpleNamespace(frame=frame, preset=preset, last=lambda: frame,
                               scale=lambda data: f"{preset}, {data}")  # fmt: skip

    monkeypatch.setattr(evidence, "of", of)
    monkeypatch.setattr(evidence, "at", of)
    found = across.seen.__wrapped__("study")
    assert [(m.network, m.protocol) for m in found] == [
        (network, protocol)
        for network in (across.PLAIN, "SqueezeNet 1.1")
        for protocol in shift.PROTOCOLS
    ]
    for read, planted in ((found[1], here), (found[5], others)):
        assert np.array_equal(read.changed, planted.changed)
        for field in ("predicted", "change", "top"):
            assert getattr(read, field) == pytest.approx(getattr(planted, field), abs=1e-4)
    assert found[1].typicality == pytest.approx(here.typicality, abs=1e-4)
    assert found[5].typicality is None
    assert (found[1].scale, found[5].scale) == ("study, cifar10", "study")
    frames["moved"].at[0, "observed"] = {}
    with pytest.raises(KeyError):  # a record that lacks what was asked for is no evidence
        across.seen.__wrapped__("study")


def test_whole_numbers_are_ranked_by_counting_as_scipy_ranks_them():
    rng = np.random.default_rng(0)
    values = rng.integers(40, size=(3, 2, 57))
    for kind in (np.int64, np.int16, np.uint8):
        found = across.midranks(values.astype(kind))
        assert np.array_equal(found, stats.rankdata(values, axis=-1))
    assert np.array_equal(across.midranks(values / 7), stats.rankdata(values, axis=-1))


@pytest.mark.parametrize("name", across.MEASURES)
def test_a_bootstrap_of_whole_numbers_is_one_of_the_values(name, monkeypatch):
    rng = np.random.default_rng(1)
    change, top, typicality = rng.uniform(size=(3, 2, 80)).round(1)  # with ties
    predicted = change + rng.normal(size=(2, 80)).round(1)
    moves = across.Moves("a", "crop", "smoke", predicted, change, change > 0.5, top, typicality)
    found = across.test(moves, name)
    assert found.each and found.low < found.high
    monkeypatch.setattr(across, "dense", lambda values: values)
    again = across.test(moves, name)
    for field in ("each", "low", "high", "p"):
        assert getattr(found, field) == pytest.approx(getattr(again, field), rel=1e-9)
