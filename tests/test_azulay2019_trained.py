"""What the trained claims of azulay2019 are judged by, on planted records."""

import numpy as np
import pandas as pd
import pytest

from helpers import claims, invariance, shift
from helpers.evidence import Evidence
from helpers.experiments import azulay2019
from helpers.verdicts import repeats
from helpers.verdicts.azulay2019 import embedded, trained

N = 20_000  # pictures: fifths of them are then known to a point


def packed(share, seed, scale=0.1, top=None, moved=None):
    """Return pairs of which a share changes, as a record holds them."""
    rng = np.random.default_rng(seed)
    changed = np.arange(N) < share * N if np.isscalar(share) else share
    moved = scale * rng.random(N) if moved is None else moved
    top = rng.random(N) if top is None else top
    change = shift.Change(np.zeros(N, int), top, changed, moved)
    return invariance.pack(change) | {"accuracy": 0.5}


def plant(monkeypatch, observed, accuracy=lambda run: 0.6):
    """Put made observations in the place of all evidence; observed: function of a run."""

    def evidence(name, preset):
        runs = azulay2019.GRIDS[name](preset)
        frame = pd.DataFrame([
            {"key": k, "data": "cifar10", "seed": run.seed, "arguments": run.model_args,
             "augment": run.augment, "epoch": 6, "test_accuracy": accuracy(run), "test": N,
             "observed": observed(run)}
            for k, run in enumerate(runs)
        ])  # fmt: skip
        return Evidence("study", frame, {})

    monkeypatch.setattr(trained, "HERE", evidence)


def judged(row, identity, measured):
    """Return the verdict on a statement of a row, from what was measured."""
    statement = next(s for s in claims.statements(row) if s["id"] == identity)
    return claims.judge(statement, measured).verdict


def test_the_floor_is_the_error_of_a_share_of_the_pictures():
    flags = np.stack([np.arange(N) < share * N for share in (0.2, 0.2, 0.4)]).astype(float)
    by_hand = np.mean([(p * (1 - p) / N) ** 0.5 for p in (0.2, 0.2, 0.4)])
    assert repeats.floor(flags) == pytest.approx(by_hand, rel=1e-3)
    both = np.stack([flags, 2 * flags], axis=2)
    assert repeats.floor(both) == pytest.approx([by_hand, 2 * by_hand], rel=1e-3)
    found = repeats.trend(both, "study", ("a", "b"))
    assert found.values.shape == (3, 2)
    assert found.floor == pytest.approx(by_hand, rel=1e-3)  # of the difference


def test_the_floor_of_fifths_is_that_of_two_shares_of_different_pictures(monkeypatch):
    plant(monkeypatch, typical("typicality"))
    found, n = trained.fifths("study"), N / 5
    errors = found.values * (1 - found.values) / n
    by_hand = (errors + np.roll(errors, -1, axis=1)) ** 0.5  # the last: of the ends
    assert found.floor == pytest.approx(by_hand.mean(axis=0), rel=1e-2)
    assert found.names == tuple(f"fifth {k}" for k in range(1, 6))
    zero = trained.near_zero("study")
    assert zero.floor == pytest.approx((errors[:, -1] ** 0.5).mean(), rel=1e-3)


@pytest.mark.parametrize(
    ("left", "verdict"), [(0.2, "not reproduced"), (0.5, "undecided"), (0.8, "reproduced")]
)
def test_what_a_blur_leaves_is_compared_with_half(monkeypatch, left, verdict):
    def observed(run):
        blurred = run.model_args["sampling"] == "bin5"
        noise = 0.01 * (run.seed - 1) * (-1 if blurred else 1)
        share = 0.3 * (left if blurred else 1) + noise
        return {f"pairs_{name}": packed(share, run.seed) for name in ("black", "crop")}

    plant(monkeypatch, observed)
    for identity, protocol in (("helps", "black"), ("helps-crop", "crop")):
        assert judged("aw-fig9-mid", identity, trained.helps("study", protocol)) == "reproduced"
    for identity, protocol in (("half", "black"), ("half-crop", "crop")):
        assert judged("aw-fig9-mid", identity, trained.stays("study", protocol)) == verdict


def typical(effect):
    """Return observations in which typicality, or confidence, decides what changes."""

    def observed(run):
        rng = np.random.default_rng(run.seed)
        value, top = rng.random(N), rng.random(N)
        risk = {"typicality": value, "confidence": top, "nothing": rng.random(N)}[effect]
        risk = 0.4 * (1 - risk)
        return {
            "pairs_crop": packed(rng.random(N) < risk, run.seed, top=top, moved=risk / 2),
            "typicality": {"values": invariance._hex(value)},
        }

    return observed


def test_typicality_that_matters_is_seen(monkeypatch):
    plant(monkeypatch, typical("typicality"))
    for row, sampling, name in (("aw-fig8", "max", "plain"), ("aw-fig9-bot", "bin5", "samplings")):
        found = trained.fifths("study", sampling=sampling, name=name)
        assert found.values.shape == (3, 5) and judged(row, "changed", found) == "reproduced"
    assert judged("aw-fig8", "mac", trained.fifths("study", "mac")) == "reproduced"
    assert judged("aw-fig12", "weaker", trained.weaker("study")) == "reproduced"
    assert judged("aw-fig12", "changed", trained.fifths("study", by="confidence")) == "undecided"
    assert judged("aw-fig8", "zero", trained.near_zero("study")) != "reproduced"  # 4 % of them


def test_all_test_images_count_where_a_record_has_them(monkeypatch):
    """The first thousand of a record at long say the opposite here, and are not read."""

    def observed(run):
        every, first = typical("typicality")(run), typical("nothing")(run)
        return {f"all_{name}": found for name, found in every.items()} | first

    plant(monkeypatch, observed)
    assert judged("aw-fig8", "changed", trained.fifths("study")) == "reproduced"
    crops = trained.each([observed(azulay2019.plain("study")[0])], "crop")
    expected = invariance.unpack(typical("typicality")(azulay2019.plain("study")[0])["pairs_crop"])
    assert np.array_equal(crops[0], expected[0])


def test_confidence_that_matters_is_seen(monkeypatch):
    plant(monkeypatch, typical("confidence"))
    assert judged("aw-fig12", "changed", trained.fifths("study", by="confidence")) == "reproduced"
    assert judged("aw-fig12", "weaker", trained.weaker("study")) == "not reproduced"
    assert judged("aw-fig8", "changed", trained.fifths("study")) == "undecided"


def test_fifths_go_from_least_to_most_typical(monkeypatch):
    plant(monkeypatch, typical("typicality"))
    found = trained.fifths("study").values
    assert (found[:, 0] > 0.25).all() and (found[:, -1] < 0.12).all()


def test_one_network_is_asked_about_another(monkeypatch):
    def observed(run):
        own = typical("confidence")(run)
        return own | {
            "pairs_crop": packed(
                0.1,
                run.seed,
                top=np.linspace(0, 1, N),
                moved=np.linspace(0.5, 0, N) * (run.seed + 1) / 3,
            )
        }

    plant(monkeypatch, observed)
    found = trained.other_network("study")
    assert np.allclose(found.values, 1) and found.values.shape == (3,)
    assert found.floor == pytest.approx((N - 1) ** -0.5)


def test_pairs_of_networks_vary_as_the_networks_do(monkeypatch):
    """What a network adds to a pair, as the one that foretells and as the other, is its value."""
    own, other = {0: 0.1, 1: 0.3, 2: -0.1}, {0: 0.05, 1: -0.2, 2: 0.4}
    plant(monkeypatch, lambda run: {"seed": run.seed, "pairs_crop": {"n": N}})
    monkeypatch.setattr(trained, "rho", lambda one, by, two: own[one["seed"]] + other[two["seed"]])
    values = trained.other_network("study").values
    assert np.allclose(values, [-own[k] - other[k] for k in range(3)])
    monkeypatch.setattr(trained, "select", lambda *_, select=trained.select, **which: (
        select("plain", "study", **which)[0][:2], "study"))  # fmt: skip
    assert np.allclose(trained.other_network("study").values, [-(0.1 - 0.2 + 0.3 + 0.05) / 2])


def augmentation(gain):
    """Return observations in which augmentation lowers a share; gain: {(kind, protocol): by}."""

    def observed(run):
        jitter = 0.004 * (run.seed - 1) * (1 if run.augment == "none" else -1)
        return {
            f"pairs_{p}": packed(
                0.3 - gain.get((run.augment, p), 0) + jitter * (1 + k / 4), run.seed
            )
            for k, p in enumerate(shift.PROTOCOLS)
        }

    return observed


def fig10(kind):
    """Return {statement: `Finding`} of a kind of augmentation."""
    stated = {statement["id"]: statement for statement in claims.statements("aw-fig10")}
    measures = trained.MEASURES["aw-fig10"]
    names = {name: f"{name}-{kind}" for name in ("own", "more", "others")}
    return {
        name: claims.judge(stated[full], measures[full]("study")) for name, full in names.items()
    }


def test_a_gain_under_the_own_protocol_alone_is_the_papers(monkeypatch):
    plant(monkeypatch, augmentation({("black", "black"): 0.2, ("square", "crop"): 0.2}))
    for kind in trained.OWN:
        found = fig10(kind)
        assert (found["own"].verdict, found["more"].verdict) == ("reproduced", "reproduced")
        assert found["others"].verdict == "undecided"  # three seeds leave more than a point
        assert np.allclose(trained.other_gains("study", kind).values.mean(axis=0), 0, atol=1e-3)


def test_each_augmentation_has_its_own_verdict(monkeypatch):
    plant(monkeypatch, augmentation({("black", "black"): 0.2, ("square", "crop"): -0.2}))
    assert fig10("black")["own"].verdict == "reproduced"
    assert fig10("square")["own"].verdict == "not reproduced"


def test_one_other_protocol_with_a_gain_is_enough(monkeypatch):
    plant(monkeypatch, augmentation({("black", "black"): 0.2, ("black", "scale"): 0.25}))
    found = fig10("black")
    assert found["own"].verdict == "reproduced"
    assert (found["more"].verdict, found["more"].at) == ("not reproduced", "scale")
    # a change of scale shows images on black as well: it is not among those without black
    assert trained.other_gains("study", "black").names == ("crop", "embedded, inpainted")
    assert trained.other_gains("study", "square").values.shape == (3, 3)
    plant(monkeypatch, augmentation({("black", "black"): 0.2, ("black", "crop"): 0.25}))
    found = fig10("black")
    for name in ("more", "others"):
        assert (found[name].verdict, found[name].at) == ("not reproduced", "crop")
    plant(monkeypatch, augmentation({("black", "black"): 0.2, ("black", "scale"): 0.25}))
    found = trained.more("study", "black")
    assert found.names == ("crop", "embedded, inpainted", "scale")
    assert np.allclose(found.values.mean(axis=0), [0.2, 0.2, -0.05], atol=1e-3)


def test_a_gain_under_all_protocols_is_not(monkeypatch):
    everywhere = {(kind, p): 0.2 for kind in trained.OWN for p in shift.PROTOCOLS}
    plant(monkeypatch, augmentation(everywhere))
    for kind in trained.OWN:
        found = fig10(kind)
        assert found["own"].verdict == "reproduced"
        assert found["more"].verdict != "reproduced"
        assert found["others"].verdict == "not reproduced"


def free(broken=0.0):
    def observed(run):
        exact = run.model_args["sampling"] != "max" and run.model_args["padding"] == "circular"
        share, size = (broken, broken) if exact else (0.1 + 0.01 * run.seed, 0.2)
        pairs = packed(share, run.seed, scale=size)
        return {"pairs_circular": pairs, "pairs_black": pairs,
                "sizes_black": {str(k): pairs for k in (12, 16, 20, 24, 28)}}  # fmt: skip

    return observed


@pytest.mark.parametrize(("broken", "verdict"), [(0, "reproduced"), (0.01, "not reproduced")])
def test_exactness_is_exact(monkeypatch, broken, verdict):
    plant(monkeypatch, free(broken))
    for identity, measured in (
        ("torus", trained.torus("study", "pairs_circular")),
        ("black", trained.torus("study", "sizes_black")),
        ("aps", trained.torus("study", "pairs_circular", "aps")),
    ):
        assert judged("aw-fig11", identity, measured) == verdict
    assert judged("aw-fig11", "zeros", trained.zeros("study")) == "reproduced"


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [
        (0.05, "reproduced"),
        (0.0, "reproduced"),  # equal is at least as accurate
        (-0.01, "undecided"),
        (-0.05, "not reproduced"),
    ],
)
def test_accuracy_is_compared_on_the_torus(monkeypatch, gain, verdict):
    def accuracy(run):
        own = run.model_args
        if own["padding"] == "zeros":
            return 0.9  # is not what is compared
        return 0.6 + 0.004 * run.seed * (-1) ** run.seed + gain * (own["sampling"] == "none") + (
            0.003 * (run.seed - 1) * (own["sampling"] == "none"))  # fmt: skip

    plant(monkeypatch, free(), accuracy)
    assert judged("aw-fig11", "accuracy", trained.as_accurate("study")) == verdict


def test_accuracies_are_compared_image_by_image_where_a_record_has_them(monkeypatch):
    """Errors on the same images say little about a difference; the floor is that of the pairs."""

    def observed(run):
        rng = np.random.default_rng(0)  # every network is right about the same images, but few
        right = rng.random(N) < 0.8
        right ^= np.arange(N) < 20 * (run.seed + 3 * (run.model_args["sampling"] == "none"))
        return free()(run) | {"correct": np.packbits(right).tobytes().hex()}

    plant(monkeypatch, observed)
    found = trained.as_accurate("study")
    alone = (0.8 * 0.2 / N) ** 0.5
    assert found.values.shape == (3,) and found.floor.max() < alone / 4
    assert judged("aw-fig11", "accuracy", found) == "reproduced"


@pytest.mark.parametrize(("accuracy", "holds"), [(0.7, False), (0.75, False), (0.8, True)])
def test_a_network_has_learnt_above_three_quarters(monkeypatch, accuracy, holds):
    def of(run):
        plain = run.augment == "none" or run.model_args["sampling"] == "max"
        return accuracy + 0.002 * run.seed if plain else 0.2

    plant(monkeypatch, lambda run: {}, of)
    rows = {"aw-fig8": "plain", "aw-fig9-mid": "samplings", "aw-fig10": "augmentations",
            "aw-fig11": "subsampling_free"}  # fmt: skip
    for row in rows:
        measured = trained.MEASURES[row]["learnt"]("study")
        assert len(measured[0]) == 3
        assert (judged(row, "learnt", measured) == "reproduced") == holds, row


def test_every_row_on_networks_trained_here_needs_one_that_has_learnt():
    for row in claims.paper("azulay2019")["rows"]:
        for statement in claims.statements(row["id"]):
            on = {"plain", "samplings", "augmentations", "subsampling_free"} & {
                *statement.get("experiments", ())
            }
            if on and statement["id"] != "learnt":
                (name,) = statement["precondition"]
                identity, wanted = name.split("/")
                (asked,) = (s for s in claims.statements(identity) if s["id"] == wanted)
                assert {*asked["experiments"]} == on, row["id"]  # the same networks have learnt
                assert asked["precondition"] == []


def test_sizes_are_in_order_however_a_record_sorts_them(monkeypatch):
    sizes = {"100": 0.2, "140": 0.15, "180": 0.1, "220": 0.05, "60": 0.3}
    frame = pd.DataFrame([
        {"arguments": {"name": name}, "source": "made", "observed": {
            kind: {size: packed(share, 0) for size, share in sizes.items()}}}
        for name in ("a", "b", "c", "d") for kind in embedded.KINDS.values()
    ])  # fmt: skip
    seen = Evidence("study", frame, {})
    monkeypatch.setattr(embedded.evidence, "of", lambda *_: seen)
    values, order, _ = embedded.by_network("study", "shift")
    assert order == [60, 100, 140, 180, 220] and list(values) == ["a", "b", "c", "d"]
    assert values["a"].tolist() == [0.3, 0.2, 0.15, 0.1, 0.05]
    found = embedded.falls("study", "shift")
    assert judged("aw-fig6", "shift", found) == "reproduced"
    assert found.values.shape == (N, 5) and found.names[0] == "60 px"
    assert {name: part.mean() for name, part in found.parts.items()} == {
        name: pytest.approx(0.25) for name in "abcd"
    }
    assert embedded.printed("study")[0] is None  # only the paper's networks have the figures


def test_printed_shares_are_read_at_their_sizes_and_without_vgg_at_100_px(monkeypatch):
    frame = pd.DataFrame([
        {"arguments": {"name": name}, "source": "made", "observed": {
            kind: {"60": packed(0.5, 0), "100": packed(share, 0), "220": packed(near, 0)}}}
        for kind in embedded.KINDS.values()
        for name, share, near in (("vgg16", 0.1, 0.4), ("resnet50", 0.3, 0.1),
                                  ("inception_resnet_v2", 0.2, 0.1), ("densenet121", 0.9, 0.9))
    ])  # fmt: skip
    monkeypatch.setattr(embedded.evidence, "of", lambda *_: Evidence("paper", frame, {}))
    values, scale = embedded.printed("paper")
    assert scale == "paper"
    near = values["near 100 px"]  # of a picture: neither, one or both of the modern networks
    assert [int((near == share).sum()) for share in (0, 0.5, 1)] == [0.7 * N, 0.1 * N, 0.2 * N]
    assert values["near 220 px"].mean() == pytest.approx(0.2) and len(near) == N  # of all three


def test_drawn_pictures_are_read_where_there_are_some(monkeypatch):
    frame = pd.DataFrame([
        {"arguments": {"name": "a"}, "source": "made", "observed": {
            f"drawn_{kind}": {"60": packed(0.3, 0), "100": packed(0.2, 0)}}}
        for kind in embedded.KINDS.values()
    ])  # fmt: skip
    monkeypatch.setattr(embedded.evidence, "of", lambda *_: Evidence("long", frame, {}))
    values, sizes, scale = embedded.by_network("long", "scale")
    assert (sizes, scale) == ([60, 100], "long") and values["a"].tolist() == [0.3, 0.2]
    assert "images drawn at random" in embedded.note("long")
