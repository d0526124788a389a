"""What Sections 2 and 5 of rodner2016 are judged by, on planted records."""

import numpy as np
import pandas as pd
import pytest

from helpers import claims, evidence, robustness
from helpers.evidence import Evidence
from helpers.verdicts.rodner2016 import conclusions, noise, records

N, DRAWS = 40, 10  # the first half of the pictures is right when clean
BIRDS = {"squeezenet1_1": 2, "efficientnet_lite0": 2}  # networks and seeds
SMALL = {"plain": 3, "vgg": 3, "resnet": 3}
MISSING = None, "needs the images of birds (preset study)"
VERDICTS = {1: "reproduced", 0: "undecided", -1: "not reproduced"}


def packed(shares):
    """Return the bits of draws of which each picture has a share, in tenths, right or kept."""
    flags = np.arange(DRAWS) < np.round(10 * np.asarray(shares))[:, None]
    return np.packbits(flags).tobytes().hex()


def right(cost):
    """Return the share of right draws of each picture where `cost`, of all, is lost on average.

    Some pictures lose and some gain, so that there is an interval. Costs are in steps of .05.
    """
    lost, gained = (0.2 + 2 * max(way * cost, 0) for way in (1, -1))
    return np.repeat([1 - lost, gained], N // 2)


def wobble(*place, n=N):
    """Return ±.1 for each of n pictures, as often up as down, in another order at each place."""
    return np.random.default_rng(place).permutation(np.repeat([0.1, -0.1], n // 2))


def seen(cost=lambda kind, level: 0, changed=lambda kind: 0.2, together=(0, 0, 0), seed=1):
    """Return what a network's observers saw.

    cost: of a kind at a level. changed: share of labels. together: costs of intensity noise, of
    pepper noise and of both. The draws of the pictures that are wrong when clean `wobble`, so that
    no two settings are alike picture by picture. seed: those beside 1 lose or gain a draw of a few
    of them, of more the later a kind is in the list.
    """

    def varied(share, *place, lost=0):
        share[N // 2 :] += wobble(*place, n=N // 2)
        share[N - lost :] -= 0.1 * (seed - 1)
        return packed(share)

    clean = np.packbits(np.arange(N) < N // 2).tobytes().hex()
    levels = {
        kind: {
            f"{level:g}": {
                "right": varied(right(cost(kind, level)), k, step, lost=2 * (k + 1)),
                "kept": packed(1 - changed(kind) - wobble(k, step)),
            }
            for step, level in enumerate(values)
        }
        for k, (kind, values) in enumerate(robustness.LEVELS.items())
    }
    names = ("intensity", "pepper", "both")
    levels["combined"] = {
        name: {"right": varied(right(own), 100, k)}
        for k, (name, own) in enumerate(zip(names, together, strict=True))
    }
    return {f"noise_{kind}": {"n": N, "draws": DRAWS, "clean": clean, "levels": own}
            for kind, own in levels.items()}  # fmt: skip


def plant(monkeypatch, networks=BIRDS, make=lambda network, seed: seen(), group="birds"):
    """Put made records in the place of one group's; all others lack."""
    found = {(network, seed): make(network, seed) for network, count in networks.items()
             for seed in range(count)}  # fmt: skip
    monkeypatch.setattr(
        records, "group", lambda preset, name: (found, "study") if name == group else MISSING
    )


def finding(row, identity):
    """Return the finding on a statement of a row, as it is measured by default."""
    (statement,) = (s for s in claims.statements(row) if s["id"] == identity)
    measure = (noise.MEASURES | conclusions.MEASURES)[row][identity]
    return claims.judge(statement, measure("study"))


def at(**costs):
    """Return a cost that is the same at every level of a kind."""
    return lambda kind, level: costs.get(kind, costs.get("others", 0))


def test_records_are_read_as_they_were_planted(monkeypatch):
    plant(monkeypatch, make=lambda *_: seen(at(rgb=0.15), lambda kind: 0.3))
    found = records.group("study", "birds")[0]["squeezenet1_1", 0]
    assert records.right(found, "rgb", 0).tolist() == [1] * 20 + [0] * 20
    expected = np.concatenate([[0.5] * 20, 0.2 + wobble(0, 2, n=20)])
    assert records.right(found, "rgb", 8) == pytest.approx(expected)
    assert records.lost(found, "rgb", 8).mean() == pytest.approx(0.15)
    assert records.changed(found, "hue", 64).mean() == pytest.approx(0.3)
    assert records.networks("study", "birds") == list(BIRDS)
    assert records.networks("study", "colour") == []


def test_curves_begin_at_the_clean_picture(monkeypatch):
    plant(monkeypatch, make=lambda *_: seen(lambda kind, level: 0.05 * (level == 32)))
    values, levels = records.curve("study", "birds", "rgb")
    assert levels == (0, 2, 4, 8, 16, 32) and list(values) == list(BIRDS)
    for own in values.values():
        assert own.shape == (2, 6)
        assert own == pytest.approx(np.tile([0.5] * 5 + [0.45], (2, 1)))
    values, _ = records.curve("study", "birds", "rgb", what=records.changed)
    assert values["squeezenet1_1"][0] == pytest.approx([0] + [0.2] * 5)
    assert records.curve("study", "colour", "rgb")[0] == {}


def test_one_network_or_the_mean_of_all(monkeypatch):
    own = {"squeezenet1_1": 0.2, "efficientnet_lite0": 0.1}
    plant(monkeypatch, make=lambda network, _: seen(at(rgb=own[network])))
    for only, cost in [*own.items(), (None, 0.15)]:
        values, scale = records.over("study", "birds", records.lost, "rgb", 4, only=only)
        assert (values.shape, scale) == ((N,), "study")
        assert values.mean() == pytest.approx(cost)
    found = noise.cost("study", "rgb", 4)
    assert found.values == pytest.approx(values) and found.scale == "study"
    parts = {title: part.mean() for title, part in found.parts.items()}
    assert parts == pytest.approx({"SqueezeNet 1.1": 0.2, "EfficientNet-Lite 0": 0.1})
    assert noise.cost("study", "rgb", 4, beyond=0.1).values.mean() == pytest.approx(0.05)


def test_networks_count_alike_whatever_their_seeds():
    """Seeds are averaged first, and one picture is one repeat."""
    own = {"squeezenet1_1": np.array([[0.1, 0.3], [0.3, 0.5]]), "vgg": np.array([[1.0, 0.0]])}
    found = records.of_pictures(own, "study")
    assert found.values == pytest.approx([0.6, 0.2]) and found.floor is None
    assert found.parts["SqueezeNet 1.1"] == pytest.approx([0.2, 0.4])
    assert records.of_pictures({"vgg": own["vgg"]}, "study").parts == {}
    assert records.of_pictures(None, "why") == claims.Measurement(None, "why")


def test_a_training_is_one_repeat_and_its_pictures_are_the_floor():
    """Two kinds of networks, three seeds, two comparisons, 50 pictures."""
    drawn = np.random.default_rng(0).normal(size=(2, 3, 2, 50)) * [[1], [3]]
    own = {"plain": drawn[0], "vgg": drawn[1]}
    found = records.of_trainings(own, "study", ("a", "b"))
    assert found.values == pytest.approx(drawn.mean((0, 3))) and found.values.shape == (3, 2)
    second = drawn.mean(0)[:, 1]  # the one whose pictures differ more
    assert found.floor[1] == pytest.approx((second.std(1, ddof=1) / 50**0.5).mean())
    assert list(found.parts) == ["plain, a", "plain, b", "VGG, a", "VGG, b"]
    assert found.parts["VGG, b"] == pytest.approx(drawn[1, :, 1].mean(1))
    assert records.of_trainings(None, "why").values is None


@pytest.mark.parametrize("way", VERDICTS)
def test_labels_change_more_than_half_of_what_is_printed(monkeypatch, way):
    changed = {"rotation": 0.23 + 0.2 * way, "upside_down": 0.28 + 0.2 * way}
    # shares are in tenths: all pictures have the nearest below or above, by their number
    plant(monkeypatch, make=lambda *_: seen(changed=lambda kind: changed.get(kind, 0.9)))
    for identity in ("rotation", "upside-down"):
        found = finding("rod-tab1", identity)
        assert found.estimate == pytest.approx(0.2 * way, abs=0.05)
        assert found.verdict == VERDICTS[way] or way == 0
    assert noise.FAIRLY_HIGH == {"rotation": 0.23, "upside_down": 0.28}


@pytest.mark.parametrize("way", VERDICTS)
def test_accuracy_falls_from_level_to_level(monkeypatch, way):
    def cost(kind, level):
        return 0.05 * way * robustness.LEVELS[kind].index(level) * (kind == "hue")

    plant(monkeypatch, make=lambda *_: seen(cost))
    values, _, floor, names, parts, _ = noise.falls("study", "hue")
    assert values.shape == (N, 5) and floor is None  # no clean pictures
    assert names == ("σ = 4", "σ = 8", "σ = 16", "σ = 32", "σ = 64")
    assert [part.mean() for part in parts.values()] == pytest.approx([0.2 * way] * 2)
    found = finding("rod-fig2", "hue")
    assert (found.verdict, found.n) == (VERDICTS[way], N)
    assert found.overall[0] == pytest.approx(0.2 * way)
    assert finding("rod-fig2", "local-hue").verdict == "undecided"


def test_one_step_the_wrong_way_is_no_trend(monkeypatch):
    """The ends differ, and the third level is better than the second."""
    steps = (0, 0.15, 0.05, 0.2, 0.25)
    plant(monkeypatch, make=lambda *_: seen(
        lambda kind, level: steps[robustness.LEVELS[kind].index(level)]
    ))  # fmt: skip
    found = finding("rod-fig2", "pepper")
    assert (found.verdict, found.at) == ("not reproduced", "p = 0.01 to p = 0.02")
    assert found.estimate == pytest.approx(-0.1)
    assert noise.at("translation", 16) == "16 px"


@pytest.mark.parametrize("way", VERDICTS)
def test_every_kind_has_to_be_strong(monkeypatch, way):
    plant(monkeypatch, make=lambda *_: seen(at(others=0.3, saturation=0.15 * way)))
    found = finding("rod-fig2", "strong")
    assert (found.verdict, found.at, found.n) == (VERDICTS[way], "saturation", N)
    assert found.estimate == pytest.approx(0.15 * way)


def test_levels_are_those_that_the_claims_and_the_page_name():
    assert (noise.LEVEL, noise.SMALL, noise.POINTS) == (16, 4, (0.1, 0.2))
    assert (noise.DRAMATIC, noise.BESIDE) == (0.05, {"intensity": 0.06, "pepper": 0.015})
    assert noise.SEVERE == (("rgb", 32), ("intensity", 32), ("pepper", 0.08))
    assert robustness.COMBINED == (("intensity", 4), ("pepper", 0.02))


def test_only_the_level_of_comparison_counts(monkeypatch):
    plant(monkeypatch, make=lambda *_: seen(lambda kind, level: 0.2 * (level == noise.LEVEL)))
    assert noise.each_costs("study").values.mean(0) == pytest.approx([0.2] * 5)
    assert noise.each_costs("study", level=8).values.mean(0) == pytest.approx([0] * 5)


@pytest.mark.parametrize(
    ("loss", "verdict"), [(0, "reproduced"), (0.03, "undecided"), (0.2, "not reproduced")]
)
def test_flips_and_moves_change_little(monkeypatch, loss, verdict):
    """Many pictures, since an interval of forty is wider than three points."""
    values = loss + np.random.default_rng(0).choice([-0.1, 0.1], 400)
    values += loss - values.mean()
    monkeypatch.setattr(records, "each", lambda *_: ({"made": values[None]}, "study"))
    for identity in ("left-right", "translation"):
        assert finding("rod-flip", identity).verdict == verdict
    # an interval within a point says that nothing is lost
    assert finding("rod-flip", "rotation").verdict == ("reproduced" if loss else "not reproduced")


@pytest.mark.parametrize("levels, cost", [((1, 2, 4, 8, 16), 0.15), ((1, 2, 4, 8, 11, 16), 0.05)])
def test_moves_are_as_large_as_the_papers(monkeypatch, levels, cost):
    """16 px of 224 are 11 of 160; older records have 8 and 16 px only."""
    own = {8: 0.1, 11: 0.05, 16: 0.2}
    monkeypatch.setitem(robustness.LEVELS, "translation", levels)
    plant(monkeypatch, make=lambda *_: seen(
        lambda kind, level: own.get(level, 0) * (kind == "translation")
    ))  # fmt: skip
    assert noise.moved("study").values.mean() == pytest.approx(cost)
    assert round(16 * 160 / 224) == robustness.SCALED


@pytest.mark.parametrize(
    ("loss", "least", "most"),
    [(0.0, "not reproduced", "reproduced"), (0.15, "reproduced", "reproduced"),
     (0.4, "reproduced", "not reproduced")],
)  # fmt: skip
def test_pepper_is_compared_with_both_printed_figures(monkeypatch, loss, least, most):
    """What costs more than the paper's networks lose does not reproduce them."""
    values = loss + np.random.default_rng(0).choice([-0.1, 0.1], 400)
    monkeypatch.setattr(records, "lost", lambda *_: values)
    monkeypatch.setattr(records, "group", lambda *_: ({("vgg", 0): {}}, "study"))
    assert finding("rod-pepper4", "ten").verdict == least
    assert finding("rod-pepper4", "twenty").verdict == most


@pytest.mark.parametrize("way", VERDICTS)
def test_every_pair_of_kinds_is_compared(monkeypatch, way):
    costs = {"intensity": 0.25 + 0.1 * way, "local_hue": 0.25, "rgb": 0.2, "hue": 0.15,
             "saturation": 0.15 - 0.1 * way}  # fmt: skip
    plant(monkeypatch, make=lambda *_: seen(at(**costs)))
    places = {"intensity": "intensity minus hue of single pixels",
              "saturation": "global hue minus saturation"}  # fmt: skip
    for identity, place in places.items():
        found = finding("rod-order", identity)
        assert found.estimate == pytest.approx(0.1 * way)  # not .15 to .3, of pairs further apart
        assert found.verdict == (VERDICTS[way] if way else "undecided")
        assert found.at == place or way < 0  # where two pairs are equally wrong
    both = noise.costs_more("study", ["rgb", "local_hue"], ["hue", "saturation"])
    assert both.values.mean(0) == pytest.approx([0.05, 0.05 + 0.1 * way, 0.1, 0.1 + 0.1 * way])
    assert both.names[1:3] == ("RGB minus saturation", "hue of single pixels minus global hue")


@pytest.mark.parametrize("way", VERDICTS)
@pytest.mark.parametrize(
    ("group", "identity", "compared"),
    [("colour", "intensity", 4), ("colour", "two-and-two", 4), ("garments", "garments", 1)],
)
def test_other_data_are_judged_by_training(monkeypatch, group, identity, compared, way):
    costs = {"intensity": 0.15 + 0.15 * way, "rgb": 0.15, "local_hue": 0.15,
             "hue": 0.15 - 0.15 * way if identity == "two-and-two" else 0.1,
             "saturation": -0.05}  # fmt: skip
    plant(monkeypatch, SMALL, lambda _, seed: seen(at(**costs), seed=seed), group)
    found = finding("rod-fig3", identity)
    assert (found.verdict, found.n) == (VERDICTS[way], 3)
    assert found.estimate == pytest.approx(0.15 * way)
    measured = noise.MEASURES["rod-fig3"][identity]("study")
    assert measured.values.shape == (3, compared)
    assert 0 < np.min(measured.floor) <= np.max(measured.floor) < 0.1
    assert len(measured.parts) == 3 * compared and len(measured.names) == compared


@pytest.mark.parametrize(("left", "way"), [(0.1, 1), (0.25, 0), (0.4, -1)])
def test_half_of_the_accuracy(monkeypatch, left, way):
    plant(monkeypatch, make=lambda *_: seen(at(intensity=0.5 - left)))
    found = finding("rod-436", "half")
    assert found.estimate == pytest.approx(0.25 - left) and found.about == "ours"
    assert found.verdict == VERDICTS[way]


@pytest.mark.parametrize("way", VERDICTS)
def test_vgg_is_compared_in_severe_noise_only(monkeypatch, way):
    def make(network, seed):
        def cost(kind, level):
            severe = {"vgg": 0.2 - 0.1 * way}.get(network, 0.2)
            return severe if (kind, level) in noise.SEVERE else 0.3 * way * (network == "vgg")

        return seen(cost, seed=seed if network == "vgg" else 1)

    plant(monkeypatch, SMALL, make, "colour")
    for identity in ("plain", "other"):
        found = finding("rod-vgg-robust", identity)
        assert (found.verdict, found.n) == (VERDICTS[way], 3)
        assert found.estimate == pytest.approx(0.1 * way)
        parts = [name for name, _ in found.parts]
        assert parts == ["RGB, σ = 32", "intensity, σ = 32", "pepper, p = 0.08"]
    found = finding("rod-concl", "architecture")  # beside both others
    assert (found.verdict, found.at) == (VERDICTS[way], "plain")
    assert found.estimate == pytest.approx(0.1 * way)


def test_the_most_robust_is_ahead_of_both_others(monkeypatch):
    own = {"plain": 0.3, "vgg": 0.2, "resnet": 0.1}

    def make(network, seed):
        return seen(at(others=own[network]), seed=seed if network == "vgg" else 1)

    plant(monkeypatch, SMALL, make, "colour")
    assert finding("rod-vgg-robust", "plain").verdict == "reproduced"
    assert finding("rod-concl", "architecture").verdict == "not reproduced"


@pytest.mark.parametrize("way", VERDICTS)
def test_every_network_has_to_be_hurt(monkeypatch, way):
    own = {"squeezenet1_1": 0.3, "efficientnet_lite0": 0.05 + 0.15 * way}
    plant(monkeypatch, make=lambda network, _: seen(
        lambda kind, level: own[network] * ((kind, level) == ("intensity", noise.SMALL))
    ))  # fmt: skip
    found = finding("rod-vgg-robust", "small")
    assert found.verdict == VERDICTS[way] and found.estimate == pytest.approx(0.15 * way)
    assert (found.at, found.n) == ("EfficientNet-Lite 0", N)


@pytest.mark.parametrize("way", VERDICTS)
def test_both_kinds_of_noise_are_compared_with_each(monkeypatch, way):
    plant(monkeypatch, make=lambda *_: seen(together=(0.1, 0.05, 0.15 + 0.15 * way)))
    found = finding("rod-combo", "intensity")
    assert found.estimate == pytest.approx(0.05 + 0.15 * way - 0.06)
    assert found.verdict == VERDICTS[way]
    assert finding("rod-combo", "pepper").estimate == pytest.approx(0.1 + 0.15 * way - 0.015)


def bits(share, test=300):
    """Return hex digits of which test images are right: that share of every N."""
    right = np.arange(test) * 7 % N < round(N * share)
    return np.packbits(right).tobytes().hex()


def trained_on_noise(monkeypatch, accuracy, scale="study"):
    """Put made networks, trained on noise, in the place of the evidence."""
    rows = [{"key": (network, seed), "data": "cifar10", "model": network, "seed": seed,
             "epoch": epoch, "test": 300, "observed": {"correct": bits(accuracy(seed))}}
            for network, count in SMALL.items() for seed in range(count)
            for epoch in (5, 6)]  # fmt: skip
    found = Evidence(scale, pd.DataFrame(rows), {})
    monkeypatch.setattr(evidence, "of", lambda paper, name, preset: {"noisy": found}[name])


@pytest.mark.parametrize("way", VERDICTS)
def test_training_on_the_noise_of_the_test(monkeypatch, way):
    plant(monkeypatch, SMALL, lambda *_: seen(at(intensity=0.2)), "colour")  # leaves .3
    trained_on_noise(monkeypatch, lambda seed: 0.3 + 0.2 * way + 0.025 * (seed - 1))
    found = finding("rod-concl", "same")
    assert (found.verdict, found.n) == (VERDICTS[way], 3)
    assert found.estimate == pytest.approx(0.2 * way)
    assert [name for name, _ in found.parts] == ["plain", "VGG", "residual"]
    pairs, scale = noise.matched("study")
    assert scale == "study" and list(pairs) == list(SMALL)
    for before, after in pairs.values():
        assert before.shape == after.shape == (3, N)
        assert before.mean(1) == pytest.approx([0.3] * 3)
        expected = 0.3 + 0.2 * way + 0.025 * np.arange(-1, 2)
        assert after.mean(1) == pytest.approx(expected)


def test_seeds_without_a_partner_are_left_out(monkeypatch):
    plant(monkeypatch, dict.fromkeys(SMALL, 2), lambda *_: seen(), "colour")
    trained_on_noise(monkeypatch, lambda seed: 0.3)  # three seeds
    pairs, _ = noise.matched("study")
    assert all(own.shape == (2, 2, N) for own in pairs.values())


def test_trainings_of_two_scales_are_not_compared(monkeypatch):
    plant(monkeypatch, SMALL, lambda *_: seen(), "colour")
    trained_on_noise(monkeypatch, lambda seed: 0.3, scale="quick")
    assert noise.matched("study")[0] is None
    found = finding("rod-concl", "same")
    assert found.verdict == "not run" and "study and quick" in found.why


def test_what_lacks_is_not_run(monkeypatch):
    monkeypatch.setattr(records, "group", lambda preset, name: MISSING)
    small = {("rod-vgg-robust", "plain"), ("rod-vgg-robust", "other")}
    for row, measures in noise.MEASURES.items():
        for identity in measures:
            if (row, identity) in small:
                continue
            found = finding(row, identity)
            assert found.verdict == "not run", (row, identity)
            assert found.why == (records.needed(row) if identity == "printed" else MISSING[1])
    for identity in ("clean", "strong"):
        assert finding("rod-concl", identity).verdict == "not run"


@pytest.fixture
def gathered(monkeypatch):
    """Put planted runs in the place of the evidence, read past the cache."""

    def give(rows, scale="study"):
        columns = None if rows else ["key", "epoch"]
        frame = pd.DataFrame(rows, columns=columns)
        found = Evidence(scale, frame, {})
        monkeypatch.setattr(evidence, "of", lambda *_: found)
        records.group.cache_clear()

    yield give
    records.group.cache_clear()


def row(key, data, model, seed=0, observed=None, **arguments):
    """Return one row of evidence."""
    return {"key": key, "data": data, "model": model, "seed": seed, "epoch": 8,
            "arguments": arguments, "observed": observed or seen(), "width": 0.25, "train": 100,
            "source": "made up"}  # fmt: skip


def test_looks_at_one_network_are_put_together(gathered):
    whole = seen()
    parts = [{name: whole[name]} for name in ("noise_rgb", "noise_hue")]
    gathered([row(k, "birds", "finetuned", observed=part, name="squeezenet1_1")
              for k, part in enumerate(parts)])  # fmt: skip
    found, scale = records.group("study", "birds")
    assert scale == "study" and list(found) == [("squeezenet1_1", 0)]
    assert list(found["squeezenet1_1", 0]) == ["noise_rgb", "noise_hue"]
    assert records.title("study", "birds") == "birds"
    note = records.note("study", "birds")
    assert "40 test images, 10 draws for each" in note and "made up" in note


def test_many_pictures_go_by_the_names_of_few(gathered):
    many = {f"many_{name}": what for name, what in seen().items()}
    gathered([row(0, "birds_official", "finetuned", observed=many, name="squeezenet1_1")], "long")
    found, scale = records.group("long", "birds")
    assert scale == "long" and set(found["squeezenet1_1", 0]) == set(seen())


def test_networks_with_dropout_are_parted_from_those_without(gathered):
    gathered([row(k, "birds", "finetuned", name="squeezenet1_1", **share)
              for k, share in enumerate(({}, {"dropout": 0.1}))], "long")  # fmt: skip
    for name in ("usual", "dropout", "birds"):
        records.group.cache_clear()
        assert len(records.group("long", name)[0]) == 1


def test_small_networks_are_parted_by_their_data(gathered):
    gathered([row(0, "photo_patches", "plain"), row(1, "fashion_mnist", "vgg")], "smoke")
    assert records.networks("smoke", "colour") == ["plain"]
    assert records.networks("smoke", "garments") == ["vgg"]
    assert records.group("smoke", "colour")[1] == "smoke, photo patches"
    assert records.title("smoke", "colour") == "photo patches"
    note = records.note("smoke", "colour")
    assert note.startswith("Preset smoke") and "width" not in note


def test_no_records_are_no_group(gathered):
    gathered([])
    assert records.group("smoke", "birds") == MISSING
    assert records.note("smoke", "birds") == f"not run here: {MISSING[1]}"
