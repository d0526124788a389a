"""Section 3 of rodner2016 on planted records: effects are found where they are, and as large."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image

from helpers import claims, denoise, evidence, natural, robustness
from helpers.errors import InputError
from helpers.finetune import MARGIN
from helpers.models.pretrained import Network
from helpers.pictures import Pictures
from helpers.verdicts.rodner2016 import prediction, records, remedies

N, DRAWS, EFFECT = 200, 10, 0.2
CACHED = (records.group, remedies.filtered, remedies.varied, prediction.seen)
VERDICTS = {EFFECT: "reproduced", 0: "undecided", -EFFECT: "not reproduced"}
CELLS = {  # statement: the filter, kind and level that decide it, and which sign it has there
    ("rod-fig4-gauss", "clean"): (remedies.SMALL, "rgb", 0, -1),
    ("rod-fig4-gauss", "mild-rgb"): (remedies.SMALL, "rgb", 8, -1),
    ("rod-fig4-gauss", "mild-pepper"): (remedies.SMALL, "pepper", 0.01, -1),
    ("rod-fig4-gauss", "rgb"): (remedies.SMALL, "rgb", 16, 1),
    ("rod-fig4-gauss", "pepper"): (remedies.SMALL, "pepper", 0.04, 1),
    ("rod-fig4-gauss", "larger"): (remedies.LARGE, "rgb", 0, -1),
    ("rod-fig4-gauss", "steadier"): (remedies.LARGE, "rgb", 32, 1),
    ("rod-fig4-closing", "rgb"): (remedies.CLOSING, "rgb", 32, 1),
    ("rod-fig4-closing", "pepper"): (remedies.CLOSING, "pepper", 0.08, 1),
    ("rod-fig4-closing", "slight-rgb"): (remedies.CLOSING, "rgb", 32, -1),
    ("rod-fig4-closing", "slight-pepper"): (remedies.CLOSING, "pepper", 0.08, -1),
    ("rod-fig4-closing", "gauss-rgb"): (remedies.SMALL, "rgb", 32, 1),
    ("rod-fig4-closing", "gauss-pepper"): (remedies.SMALL, "pepper", 0.08, 1),
}
BEYOND = {  # statement: the gain with which it is compared, with the sign of the statement
    ("rod-fig4-gauss", "mild-rgb"): 0.01,
    ("rod-fig4-gauss", "mild-pepper"): 0.01,
    ("rod-fig4-closing", "slight-rgb"): 0.1,
    ("rod-fig4-closing", "slight-pepper"): 0.1,
}
DROPOUT = {"clean": ("rgb", 0, -1), "rgb": ("rgb", 32, 1), "pepper": ("pepper", 0.08, 1)}
GREAT = {"clean": 0, "rgb": 0.1, "pepper": 0.1}  # what it has to cost or gain at least
SIGNS = {(row, name + how): sign
         for how in ("", "-probability")
         for (row, name), sign in {("rod-fig5", "contrast"): -1, ("rod-fig5", "confident"): 1,
                                   ("rod-entropy", "hue"): -1}.items()}  # fmt: skip
PROPERTY = {"contrast": "contrast", "confident": "top", "hue": "hue"}
UNITS = {"contrast": 30, "top": 1, "hue": 3}  # with which intervals are wider than the resolution


@pytest.fixture
def plant(monkeypatch):
    """Return a function that puts experiments in the place of all evidence.

    Each is a list of what networks saw, seed by seed; usual: those without dropout of `dropped`.
    """

    def put(scales=None, **experiments):
        def of(_paper, name, _preset):
            arms = {name: {"dropout": 0.1} if name == "dropped" else {}}
            arms |= {"usual": {}} if name == "dropped" else {}
            rows = [
                {"key": f"{arm} {seed}", "epoch": 1, "seed": seed, "model": "finetuned",
                 "data": "birds", "arguments": {"name": "squeezenet1_1"} | arguments,
                 "source": "planted", "observed": observed}
                for arm, arguments in arms.items()
                for seed, observed in enumerate(experiments.get(arm, []))
            ]  # fmt: skip
            frame = pd.DataFrame(rows, columns=None if rows else ["key", "epoch"])
            return evidence.Evidence((scales or {}).get(name, "study"), frame, {})

        monkeypatch.setattr(evidence, "of", of)
        clear()

    yield put
    clear()


def clear():
    for cached in CACHED:
        cached.cache_clear()


def stated(row, statement, module=remedies):
    """Return the `Finding` of a statement on the planted records."""
    (said,) = [said for said in claims.statements(row) if said["id"] == statement]
    return claims.judge(said, module.MEASURES[row][statement]("study"))


def bits(seed, accuracy):
    """Return hex digits of N * DRAWS draws that are right with this probability, paired by seed."""
    drawn = np.random.default_rng(seed).random((N, DRAWS))
    return np.packbits(drawn < accuracy).tobytes().hex()


def shown(kind, accuracy, seed=0):
    """Return what an observer saw, other draws at each level; accuracy: level to a probability."""
    levels = {
        f"{level:g}": {"right": bits(seed + 500 * k, accuracy(level)), "kept": bits(seed, 0.5)}
        for k, level in enumerate((0, *robustness.LEVELS[kind]))
    }
    clean = np.random.default_rng(seed).random(N) < accuracy(0)
    return {"n": N, "draws": DRAWS, "clean": np.packbits(clean).tobytes().hex(), "levels": levels}


def cell(*place, effect=0.0, at=0.5):
    """Return the accuracy of a place (..., level): `at` everywhere, but at one place."""
    return lambda *asked: at + effect * (asked == place)


def filters(accuracy, seeds=2):
    """Return what networks saw behind every filter; accuracy: of (filter, kind, level).

    Each filter has other draws, or two of one accuracy would agree in every picture.
    """
    return [
        {f"filtered_{kind}": {name: shown(kind, partial(accuracy, name, kind), seed + 100 * k)
                              for k, name in enumerate(denoise.FILTERS)}
         for kind in robustness.FILTERED}
        for seed in range(seeds)
    ]  # fmt: skip


def networks(accuracy, seeds=2, other=0):
    """Return what networks saw of three degradations; accuracy: of (kind, level).

    other: added to the seeds of the draws, so that they are not paired with another list's.
    """
    return [{f"noise_{kind}": shown(kind, partial(accuracy, kind), seed + other)
             for kind in ("rgb", "pepper", "intensity")} for seed in range(seeds)]  # fmt: skip


def test_every_measure_is_tested():
    tested = {*CELLS, *SIGNS, *(("rod-fig4-dropout", statement) for statement in DROPOUT)}
    printed = {(row, "printed") for row in remedies.MEASURES}
    measured = {(row, name) for row, own in remedies.MEASURES.items() for name in own}
    assert tested | printed == measured


@pytest.mark.parametrize("effect", VERDICTS)
@pytest.mark.parametrize("row, statement", CELLS)
def test_filters(row, statement, effect, plant):
    *place, sign = CELLS[row, statement]
    beyond = BEYOND.get((row, statement), 0)
    plant(filtered=filters(cell(*place, effect=sign * effect + beyond)))
    found = stated(row, statement)
    assert (found.verdict, found.n) == (VERDICTS[effect], N)
    assert found.estimate == pytest.approx(effect, abs=0.03)
    assert found.low <= found.estimate <= found.high and found.high - found.low < 0.1


def test_steadier_is_not_just_better(plant):
    """What the larger filter gains or loses at every level alike makes it no steadier."""
    plant(filtered=filters(lambda name, *_: 0.5 - 0.3 * (name == remedies.LARGE)))
    assert abs(stated("rod-fig4-gauss", "steadier").estimate) < 0.03
    assert stated("rod-fig4-gauss", "larger").estimate == pytest.approx(0.3, abs=0.03)


def test_networks_that_disagree_are_averaged(plant):
    good, bad = (filters(cell(remedies.SMALL, "rgb", 16, effect=sign * EFFECT), 1)
                 for sign in (1, -1))  # fmt: skip
    plant(filtered=good + bad)
    found = stated("rod-fig4-gauss", "rgb")
    assert found.estimate == pytest.approx(0, abs=0.01)
    assert [name for name, _ in found.parts] == ["seed 0", "seed 1"]
    shown = [mean for _, (mean, _, _) in found.parts]
    assert shown == pytest.approx([EFFECT, -EFFECT], abs=0.03)


def test_curves_behind_filters(plant):
    def accuracy(name, kind, level):
        return 0.9 - 0.02 * level - 0.1 * (name == remedies.LARGE)

    plant(filtered=filters(accuracy, seeds=3))
    curves, levels = remedies.filter_curves("study", "rgb")
    assert list(curves) == list(remedies.TITLES) and set(curves) == set(denoise.FILTERS)
    assert levels == (0, 2, 4, 8, 16, 32) and curves["none"].shape == (3, 6)
    assert_allclose(curves["none"].mean(0), 0.9 - 0.02 * np.array(levels), atol=0.03)
    assert_allclose(curves["none"] - curves["gaussian 5"], 0.1, atol=0.05)


@pytest.mark.parametrize("effect", VERDICTS)
@pytest.mark.parametrize("statement", DROPOUT)
def test_dropout(statement, effect, plant):
    """Over trainings: twelve, since two or three leave an interval wider than the effect."""
    *place, sign = DROPOUT[statement]
    dropped = networks(cell(*place, effect=sign * effect + GREAT[statement]), seeds=12)
    plant(dropped=dropped, usual=networks(cell(), seeds=12, other=100))
    found = stated("rod-fig4-dropout", statement)
    assert (found.verdict, found.n, found.parts) == (VERDICTS[effect], 12, ())
    assert found.estimate == pytest.approx(effect, abs=0.04)
    for other in set(DROPOUT) - {statement}:
        estimate = stated("rod-fig4-dropout", other).estimate
        assert estimate == pytest.approx(-GREAT[other], abs=0.04)


@pytest.mark.parametrize(("gain", "verdict"), [(0.0, "undecided"), (-0.2, "reproduced"),
                                              (0.2, "not reproduced")])  # fmt: skip
def test_dropout_is_of_no_use_in_faint_noise(gain, verdict, plant):
    plant(dropped=networks(cell("rgb", 4, effect=gain), seeds=12),
          usual=networks(cell(), seeds=12, other=100))  # fmt: skip
    found = remedies.mild_dropout("study")
    assert found.values.mean() == pytest.approx(0.01 - gain, abs=0.04)
    (said,) = (s for s in claims.statements("rod-concl") if s["id"] == "mild")
    assert claims.judge(said, found).verdict == verdict


def test_dropout_counts_trainings_or_pictures(plant):
    """The floor is what the pictures alone give, and the pictures at hand have an interval too."""
    effects = [cell("rgb", 32, effect=effect) for effect in (0.1, 0.3)]
    dropped = [networks(effect, seeds=1)[0] for effect in effects]
    plant(dropped=dropped, usual=networks(cell(), seeds=3, other=100))
    values, scale, floor, names, parts, _ = remedies.dropout_gain("study", "rgb", 32)
    assert (scale, names, parts) == ("study", (), {})  # the third seed has no partner
    assert values == pytest.approx([0.1, 0.3], abs=0.04)
    by_picture = remedies.dropout_gain("study", "rgb", 32, over=records.of_pictures).values
    assert by_picture.shape == (N,) and by_picture.mean() == pytest.approx(values.mean())
    assert floor == pytest.approx(2**0.5 * by_picture.std(ddof=1) / N**0.5, rel=0.2)
    costs = remedies.DROPOUT_COSTS("study").values
    assert costs == pytest.approx(-remedies.dropout_gain("study", "rgb", 0).values)


def test_dropout_needs_networks_of_both_kinds(plant):
    for given in ({"dropped": networks(cell())}, {"usual": networks(cell())}):
        plant(**given)
        assert remedies.dropout_gain("study", "rgb", 32)[:2] == (
            None, "needs trainings with and without dropout"
        )  # fmt: skip
        assert remedies.dropout_curves("study", "rgb")[0] == {}


def test_curves_with_dropout(plant):
    plant(dropped=networks(lambda kind, level: 0.8), usual=networks(lambda kind, level: 0.6))
    curves, levels = remedies.dropout_curves("study", "pepper")
    assert curves["with dropout"].shape == (2, len(levels))
    assert_allclose(curves["with dropout"] - curves["as usual"], 0.2, atol=0.08)


# Where a remedy begins to help.


@pytest.mark.parametrize("first", [0, 2, 16, None])
def test_the_crossing_is_the_first_level_that_helps(first, plant):
    def accuracy(name, kind, level):
        helps = first is not None and level >= first
        return 0.5 + (name == remedies.SMALL) * (EFFECT if helps else -EFFECT)

    plant(filtered=filters(accuracy))
    gained = partial(remedies.gain, "study", remedies.SMALL)
    assert remedies.crossing(gained, "rgb") == first
    means, levels = remedies.by_level(gained, "rgb")
    assert means.shape == (6, 3) and levels[1] == 2
    expected = [EFFECT if first is not None and level >= first else -EFFECT for level in levels]
    assert_allclose(means[:, 0], expected, atol=0.03)
    assert (means[:, 1] < means[:, 0]).all() and (means[:, 0] < means[:, 2]).all()


def test_no_effect_has_no_crossing(plant):
    plant(filtered=filters(cell()))
    assert remedies.crossing(partial(remedies.gain, "study", remedies.SMALL), "pepper") is None


# The most and the least sensitive pictures.


def deviations(effects, n=600, seed=0, units=None, logits=True):
    """Return what `robustness.scores` saw: properties that rise with sensitivity by effects.

    units: {property: what to multiply it by}. logits: whether the record has them; older ones, of
    `robustness.deviations`, do not.
    """
    rng = np.random.default_rng(seed)
    rank = rng.permutation(n) / n
    values = {name: 5 + effects.get(name, 0) * rank + 0.2 * rng.normal(size=n)
              for name in ("top", "hue", "contrast")}  # fmt: skip
    values = {name: own * (units or {}).get(name, 1) for name, own in values.items()}
    found = {name: hexed(values[name]) for name in ("hue", "contrast")}
    found |= {"n": n, "draws": 10, "right": "ff" * (n // 8)}
    own = {"sd": hexed(0.01 * rank), "top": hexed(values["top"])}
    if not logits:
        return [{"deviations": found | own}]
    other = {"sd": hexed(0.1 * rank), "top": hexed(rng.normal(size=n))}
    return [{"scores": found | {"outputs": {"probability": own, "logit": other}}}]


def hexed(values):
    return np.asarray(values, "<f4").tobytes().hex()


def test_older_records_have_probabilities_only(plant):
    plant(varied=deviations({"hue": 1}, logits=False))
    for row, statement in SIGNS:
        found = stated(row, statement)
        assert (found.verdict == "not run") == ("probability" not in statement)
    assert "output" in stated("rod-fig5", "contrast").why
    assert remedies.rank_sum("study") is None
    assert remedies.rank_sum("study", output="probability") < 1e-10


def test_ends_go_by_the_output_that_is_asked_for(plant):
    seen = deviations({})
    outputs = seen[0]["scores"]["outputs"]
    outputs["logit"]["sd"] = hexed(-robustness.read(outputs["probability"]["sd"]))
    plant(varied=seen)
    most, least = remedies.extremes("study")
    other = remedies.extremes("study", "probability")
    assert set(most) == set(other[1]) and set(least) == set(other[0])
    both = (remedies.varied("study", output)[0]["top"] for output in ("logit", "probability"))
    assert_allclose(*both)  # confidence is a probability, whatever the score is


@pytest.mark.parametrize("effect", VERDICTS)
@pytest.mark.parametrize("row, statement", SIGNS)
def test_ends(row, statement, effect, plant):
    name = PROPERTY[statement.removesuffix("-probability")]
    plant(varied=deviations({name: SIGNS[row, statement] * effect * 3}, units=UNITS))
    found = stated(row, statement)
    assert (found.verdict, found.n) == (VERDICTS[effect], remedies.EXTREME)
    middles = UNITS[name] * effect * 3 * 5 / 6  # of the ends
    assert found.estimate == pytest.approx(middles, abs=0.08 * UNITS[name])
    assert (remedies.rank_sum("study", name) < 1e-10) == bool(effect)


def test_half_a_level_of_contrast_is_no_difference(plant):
    """It is less than what is said to matter, however surely it is there."""
    plant(varied=deviations({"contrast": -0.6}))
    found = stated("rod-fig5", "contrast")
    assert found.verdict == "not reproduced" and 0 < found.low < found.high < 1


def test_ends_are_the_hundred_at_either_end(plant):
    plant(varied=deviations({}))
    most, least = remedies.extremes("study")
    sd = remedies.varied("study")[0]["sd"]
    assert len({*most, *least}) == 200 and sd[most[0]] == sd.max() and sd[least[0]] == sd.min()
    assert sd[most].min() == np.sort(sd)[-100] and sd[least].max() == np.sort(sd)[99]


def test_ends_are_two_independent_samples(plant):
    """Pairing at random gives the standard error of a difference of independent means."""
    plant(varied=deviations({"hue": 1}))
    values, _ = remedies.apart("study", "hue")
    seen, _ = remedies.varied("study")
    ends = [seen["hue"][end].astype(float) for end in remedies.extremes("study")]
    expected = np.hypot(*(end.std(ddof=1) for end in ends))
    assert values.std(ddof=1) == pytest.approx(expected, rel=0.2)
    assert values.mean() == pytest.approx(ends[1].mean() - ends[0].mean(), abs=1e-5)


def test_rank_sum_by_hand(plant):
    """Ends that do not overlap: W is 5,000 from its mean, its variance 100 * 100 * 201 / 12."""
    plant(varied=deviations({"hue": 30}))
    z = 5000 / (100 * 100 * 201 / 12) ** 0.5
    assert remedies.rank_sum("study") == pytest.approx(torch.special.erfc(
        torch.tensor(z / 2**0.5, dtype=torch.float64)).item())  # fmt: skip


def test_pictures_are_those_that_the_network_saw(plant, tmp_path, monkeypatch):
    rng, side = np.random.default_rng(0), 160
    files = []
    for k in range(6):
        pixels = rng.integers(256, size=(200, 190 + 5 * k, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        files.append((str(tmp_path / f"{k}.png"), k))
    test = Pictures(tuple(files), tuple("abcdef"), "noise")
    network = Network("made", None, side, (0.0,) * 3, (1.0,) * 3, 1 / MARGIN, "bilinear", "", "",
                      tuple("abcdef"))  # fmt: skip
    frames, _ = natural.View(None, network, test, test).sample(None)
    monkeypatch.setattr(natural, "splits", lambda *_: (test, test, ""))
    plant(varied=deviations({}, n=6))
    found = remedies.pictures("study", [3, 0])
    assert_allclose(np.stack(found), frames[[3, 0]])
    plant(varied=deviations({}, n=8))  # a record of other pictures
    assert remedies.pictures("study", [3, 0]) is None


def test_pictures_may_be_missing(plant, monkeypatch):
    def splits(*_):
        raise InputError("birds", "nowhere", "its lists cannot be read")

    monkeypatch.setattr(natural, "splits", splits)
    plant(varied=deviations({}))
    assert remedies.pictures("study", [0]) is None


# Without birds.


@pytest.mark.parametrize("row", remedies.MEASURES)
def test_without_birds_nothing_is_judged(row, plant):
    plant()
    for statement in remedies.MEASURES[row]:
        values, why, *_ = remedies.MEASURES[row][statement]("smoke")
        assert values is None and why.startswith("needs ")
        assert stated(row, statement).verdict == "not run"


def test_without_birds_figures_have_nothing_to_show(plant):
    plant()
    assert remedies.filter_curves("smoke", "rgb")[0] == {}
    assert remedies.dropout_curves("smoke", "rgb")[0] == {}
    assert remedies.rank_sum("smoke") is None and remedies.pictures("smoke", [0]) is None
    gained = partial(remedies.gain, "smoke", remedies.SMALL)
    assert remedies.by_level(gained, "rgb")[0].shape == (0, 3)
    assert remedies.crossing(gained, "rgb") is None
    assert remedies.note("smoke", "filtered") == f"not run here: {records.BIRDS_NEEDED}"


def test_notes_say_what_was_seen(plant):
    plant(filtered=filters(cell()), varied=deviations({}))
    assert remedies.note("study", "filtered") == (
        "Preset study: squeezenet1_1, n = 2 seeds. planted. 200 test images, 10 draws for each."
    )
    assert "squeezenet1_1. planted. 600 test images" in remedies.note("study", "varied")
    other = {"predicted_rgb": {"n": 50, "draws": [10, 100]}}
    plant(foretold=[one | other for one in filters(cell())])
    found = remedies.note("study", "foretold", "predicted")
    assert found.endswith("50 test images, 10 and 100 draws for each.")
