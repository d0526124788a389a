"""What the trained claims of azulay2019 are judged by, on planted records."""

import numpy as np
import pandas as pd
import pytest

from helpers import claims, invariance, shift
from helpers.evidence import Evidence
from helpers.experiments import azulay2019
from helpers.verdicts.azulay2019 import embedded, trained

N = 500


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
             "augment": run.augment, "epoch": 6, "test_accuracy": accuracy(run),
             "observed": observed(run)}
            for k, run in enumerate(runs)
        ])  # fmt: skip
        return Evidence("study", frame, frame, {})

    monkeypatch.setattr(trained, "HERE", evidence)


def judged(row, identity, measured):
    """Return the verdict on a statement of a row, from what was measured."""
    _, entry = claims.row(row)
    statement = next(s for s in entry["statements"] if s["id"] == identity)
    return claims.judge(statement, measured).verdict


@pytest.mark.parametrize(
    ("left", "verdict"), [(0.2, "not reproduced"), (0.5, "undecided"), (0.8, "reproduced")]
)
def test_what_a_blur_leaves_is_compared_with_half(monkeypatch, left, verdict):
    def observed(run):
        noise = 0.005 * (run.seed - 1)
        share = 0.3 * (left if run.model_args["sampling"] == "bin5" else 1) + noise
        return {f"pairs_{name}": packed(share, run.seed) for name in ("black", "crop")}

    plant(monkeypatch, observed)
    assert judged("aw-fig9-mid", "helps", trained.helps("study")) == "reproduced"
    for identity, protocol in (("small", "black"), ("crop", "crop")):
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
    for row, sampling in (("aw-fig8", "max"), ("aw-fig9-bot", "bin5")):
        found = trained.fifths("study", sampling=sampling)
        assert found[0].shape == (3, 5) and judged(row, "changed", found) == "reproduced"
    assert judged("aw-fig8", "mac", trained.fifths("study", "mac")) == "reproduced"
    assert judged("aw-fig12", "weaker", trained.weaker("study")) == "reproduced"
    assert judged("aw-fig12", "changed", trained.fifths("study", by="confidence")) == "undecided"
    assert judged("aw-fig8", "zero", trained.near_zero("study")) != "reproduced"  # 4 % of them


def test_confidence_that_matters_is_seen(monkeypatch):
    plant(monkeypatch, typical("confidence"))
    assert judged("aw-fig12", "changed", trained.fifths("study", by="confidence")) == "reproduced"
    assert judged("aw-fig12", "weaker", trained.weaker("study")) == "not reproduced"
    assert judged("aw-fig8", "changed", trained.fifths("study")) == "undecided"


def test_fifths_go_from_least_to_most_typical(monkeypatch):
    plant(monkeypatch, typical("typicality"))
    found, _ = trained.fifths("study")
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
    values, _ = trained.other_network("study")
    assert np.allclose(values, 1)


def augmentation(gain):
    """Return observations in which augmentation lowers a share; gain: {(kind, protocol): by}."""

    def observed(run):
        jitter = 0.004 * (run.seed - 1) * (1 if run.augment == "none" else -1)
        return {
            f"pairs_{p}": packed(0.3 - gain.get((run.augment, p), 0) + jitter, run.seed)
            for p in shift.PROTOCOLS
        }

    return observed


def test_a_gain_under_the_own_protocol_alone_is_the_papers(monkeypatch):
    plant(monkeypatch, augmentation({("black", "black"): 0.2, ("square", "crop"): 0.2}))
    assert judged("aw-fig10", "own", trained.own_gain("study")) == "reproduced"
    assert judged("aw-fig10", "more", trained.more("study")) == "reproduced"
    assert np.allclose(np.mean(trained.other_gain("study")[0]), 0, atol=0.003)


def test_a_gain_under_all_protocols_is_not(monkeypatch):
    everywhere = {(kind, p): 0.2 for kind in trained.OWN for p in shift.PROTOCOLS}
    plant(monkeypatch, augmentation(everywhere))
    assert judged("aw-fig10", "own", trained.own_gain("study")) == "reproduced"
    assert judged("aw-fig10", "more", trained.more("study")) != "reproduced"
    assert judged("aw-fig10", "others", trained.other_gain("study")) == "not reproduced"


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
    ("gain", "verdict"), [(0.05, "reproduced"), (0.0, "undecided"), (-0.05, "not reproduced")]
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


def test_sizes_are_in_order_however_a_record_sorts_them(monkeypatch):
    sizes = {"100": 0.2, "140": 0.15, "180": 0.1, "220": 0.05, "60": 0.3}
    frame = pd.DataFrame([
        {"arguments": {"name": name}, "source": "made", "observed": {
            kind: {size: packed(share, 0) for size, share in sizes.items()}}}
        for name in ("a", "b", "c", "d") for kind in embedded.KINDS.values()
    ])  # fmt: skip
    found = Evidence("study", frame, frame, {})
    monkeypatch.setattr(embedded.evidence, "of", lambda *_: found)
    values, order, _ = embedded.by_network("study", "shift")
    assert order == [60, 100, 140, 180, 220] and list(values) == ["a", "b", "c", "d"]
    assert values["a"].tolist() == [0.3, 0.2, 0.15, 0.1, 0.05]
    assert judged("aw-fig6", "shift", embedded.falls("study", "shift")) == "reproduced"
    assert embedded.printed("study")[0] is None


def test_printed_shares_are_read_at_their_sizes_and_without_vgg(monkeypatch):
    frame = pd.DataFrame([
        {"arguments": {"name": name}, "source": "made", "observed": {
            "sizes_black": {"60": packed(0.5, 0), "100": packed(share, 0), "220": packed(0.1, 0)}}}
        for name, share in (("vgg16", 0.1), ("resnet50", 0.3), ("inception_resnet_v2", 0.2))
    ])  # fmt: skip
    monkeypatch.setattr(embedded.evidence, "of", lambda *_: Evidence("paper", frame, frame, {}))
    values, scale = embedded.printed("paper")
    assert scale == "paper"
    assert values["near 100 px"].tolist() == [0.3, 0.2]
    assert values["near 220 px"].tolist() == [0.1, 0.1]
