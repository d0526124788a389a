"""The judgements of ghosh2019: theory against simulation, the theorem, and planted trainings."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import claims, orderness, rules, verdicts
from helpers.experiments.ghosh2019 import BLOCK, DATA
from helpers.verdicts.ghosh2019 import blocks, depth, progress, theorem, theory
from helpers.verdicts.ghosh2019.progress import Progress


def test_all_triples_are_listed_once():
    for side in (2, 3, 5):
        straight, diagonal, both = (
            {tuple(t) for t in theory.triples(side, kind).reshape(-1, 3)}
            for kind in ("straight", "diagonal", "both")
        )
        assert len(straight) == 4 * side * (side - 2)  # rows and columns, two directions
        assert len(diagonal) == 8 * (side - 1) ** 2  # eight to a square of 2 x 2
        assert straight | diagonal == both and not straight & diagonal
        assert all(len(set(triple)) == 3 for triple in both)


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
@pytest.mark.parametrize("scale", [1, 2])
def test_the_expected_orderness_is_that_of_many_images(geometry, scale):
    side, rng = 8, np.random.default_rng(0)
    for covariance in (theory.diffusion(side), theory.permuted(side)):
        root = np.linalg.cholesky(covariance + 1e-9 * np.eye(side**2))
        images = (rng.normal(size=(20_000, side**2)) @ root.T).reshape(-1, 1, side, side)
        means = theory.block_means(side, scale)
        expected = theory.expected_orderness(means @ covariance @ means.T, geometry)
        assert orderness.orderness(images, scale, geometry) == pytest.approx(expected, abs=0.02)


def test_diagonal_orderness_is_at_most_one():
    images = np.random.default_rng(1).normal(size=(500, 1, 4, 4)).cumsum(axis=2).cumsum(axis=3)
    assert max(orderness.per_kernel(images, "diagonal")) <= 1 + 1e-6
    assert max(orderness.per_kernel(images, "straight")) > 1.5


@pytest.mark.parametrize(
    "row, verdict",
    [
        ("so-eq1-4", "paper in error"),
        ("so-eq5", "reproduced"),
        ("so-eq6", "paper in error"),
        ("so-prop-interp", "reproduced"),
        ("so-prop-perm", "reproduced"),
        ("so-prop-const", "reproduced"),
        ("so-thm1", "paper in error"),
        ("so-cor1.1", "paper in error"),
        ("so-cor1.2", "reproduced"),
    ],
)
def test_rows_without_training(row, verdict):
    assert verdicts.verdict(row, "smoke").verdict == verdict


def test_a_wrong_factor_breaks_the_theorem():
    net = theorem.trained()
    left, right = theorem.bounds()[0]
    assert (left <= right).all() and (left > 0).all()
    assert (left > right / 1e6).all()  # a bound with no alpha at all would not hold
    assert abs(net.change).max() > 1e-3
    other = theorem.trained(seed=1)
    summed = np.einsum("fnm,nmk->fk", other.updates, net.patches).reshape(net.change.shape)
    assert abs(summed - net.change).max() > 1e-3  # another training's factors do not add up


def seen(curve, accuracy=(0.1, 0.1, 0.5, 0.9), seeds=3, noise=0.0, layers=2):
    """Return a planted `Progress` whose layers all follow `curve`, with noise."""
    rng = np.random.default_rng(0)
    shape = (seeds, len(curve), layers)
    so = np.array(curve)[None, :, None] + noise * rng.normal(size=shape)
    return Progress(np.arange(len(curve)), so, np.tile(accuracy, (seeds, 1)), [], "planted")


def test_a_planted_rise_and_fall_are_found():
    planted = seen((0.2, 0.5, 0.3, 0.1))
    assert progress.rises(planted) == pytest.approx(np.full((3, 2), 0.3))
    assert progress.falls(planted) == pytest.approx(np.full((3, 2), 0.4))
    assert progress.before(planted) == pytest.approx(0)
    assert progress.last_most(planted) == pytest.approx(np.zeros((3, 1)))
    assert progress.before(seen((0.2, 0.3, 0.5, 0.1))) == pytest.approx(0.5)


def test_no_rise_is_seen_in_a_fall_or_in_noise():
    falling = seen((0.5, 0.4, 0.3, 0.2))
    assert progress.rises(falling) == pytest.approx(np.full((3, 2), -0.1))
    found = []
    for trial in range(200):
        rng = np.random.default_rng(trial)
        noise = rng.normal(size=(3, 10, 2))
        flat = Progress(np.arange(10), noise, np.zeros((3, 10)), [], "planted")
        found.append(progress.rises(flat).mean())
    assert abs(np.mean(found)) < 0.15  # a seed's own maximum would give about 1.5 deviations


def test_the_layer_that_falls_most():
    planted = seen((0.2, 0.5, 0.3, 0.1))
    planted.orderness[..., -1] *= 2
    assert progress.last_most(planted) == pytest.approx(np.full((3, 1), 0.4))


def judged(monkeypatch, planted, row, statement):
    """Return the finding on a statement whose trainings are all the planted ones."""
    monkeypatch.setattr(progress, "progress", lambda *_: planted)
    (wanted,) = (s for s in claims.statements(row) if s["id"] == statement)
    return claims.judge(wanted, verdicts.MEASURES["ghosh2019"][row][statement]("study"))


def test_one_layer_that_does_not_rise_contradicts_the_others(monkeypatch):
    planted = seen((0.2, 0.5, 0.3, 0.1), noise=0.002, layers=3)
    planted = replace(planted, scale="study")
    assert judged(monkeypatch, planted, "so-fig3", "rises-mnist").verdict == "reproduced"
    planted.orderness[..., 1] = 0.4 - planted.orderness[..., 1]  # the second one dips
    found = judged(monkeypatch, planted, "so-fig3", "rises-mnist")
    assert (found.verdict, found.at, found.n) == ("not reproduced", "layer 2", 3)
    assert found.estimate == pytest.approx(-0.3, abs=0.01)


def test_accuracy_is_read_at_the_peak_of_each_layer():
    planted = seen((0.2, 0.5, 0.3, 0.1))  # accuracy 0.1, 0.1, 0.5, 0.9
    planted.orderness[..., 1] = [0.2, 0.3, 0.5, 0.1]  # peaks one look later
    found = progress.flat_at_peaks(planted, range(2))
    assert found.values == pytest.approx(np.tile([0.1, 0.1 - 0.5], (3, 1)))
    assert found.names == ("layer 1", "layer 2")
    # a thousand images give an accuracy of 0.5 an error of 1.6 points, and 0.8 are gained
    assert found.floor == pytest.approx(rules.test_set_error(0.5, 1000) / 0.8)


def test_a_smooth_fall_and_a_sudden_one(monkeypatch):
    accuracy = [0.1] * 6
    smooth = replace(seen((0.2, 0.5, 0.4, 0.3, 0.2, 0.1), accuracy, noise=1e-3), scale="study")
    sudden = replace(seen((0.2, 0.5, 0.5, 0.1, 0.1, 0.1), accuracy, noise=1e-3), scale="study")
    assert judged(monkeypatch, smooth, "so-fig8", "smooth").verdict == "reproduced"
    assert judged(monkeypatch, smooth, "so-fig8", "falls").verdict == "reproduced"
    found = judged(monkeypatch, sudden, "so-fig8", "smooth")
    assert (found.verdict, found.at) == ("not reproduced", "steps 2 to 3")
    assert found.estimate == pytest.approx(0.4 / 2 - 0.4, abs=0.01)
    rising = replace(smooth, orderness=smooth.orderness[:, ::-1])
    assert judged(monkeypatch, rising, "so-fig8", "falls").verdict != "reproduced"


def test_everywhere_takes_all_layers_of_all_data_at_the_weakest_scale(monkeypatch):
    scales = dict(zip(DATA, ("paper", "study", "study, photo patches"), strict=True))
    planted = {
        f"figure3-{data}": replace(seen((0.2, 0.5, 0.3, 0.1), seeds=3 + k, layers=2 + k),
                                   scale=scales[data])
        for k, data in enumerate(DATA)
    }  # fmt: skip
    monkeypatch.setattr(progress, "progress", lambda _, name: planted[name])
    monkeypatch.setattr(progress, "evidence", lambda *_: SimpleNamespace(title=str.upper))
    found = progress.everywhere("study")
    assert found.values.shape == (3, 2 + 3 + 4) and len(found.names) == 9
    assert found.names[0] == "MNIST, layer 1" and found.names[-1] == "CIFAR10, layer 4"
    assert found.scale == "study, photo patches"


def test_every_scale_below_the_blocks_counts(monkeypatch):
    # orderness by scale after 30 swaps, of 0.8 before
    kept = {1: 0.7, 2: 0.6, 3: 0.3, 4: 0.5, 6: 0.0, 8: 0.0}
    monkeypatch.setattr(
        blocks, "at", lambda _, data, scale, swaps=0: np.full(10, kept[scale] if swaps else 0.8)
    )
    monkeypatch.setattr(blocks, "_scale", lambda *_: "paper")
    found = blocks.kept_below("paper", "mnist")
    assert BLOCK["mnist"] == 6 and found.names == ("scale 1", "scale 2", "scale 3", "scale 4")
    assert found.values[0] == pytest.approx(np.array([0.7, 0.6, 0.3, 0.5]) / 0.8 - 0.5)
    (statement,) = (s for s in claims.statements("so-fig1") if s["id"] == "below-mnist")
    noisy = found.values + 0.001 * np.random.default_rng(0).normal(size=found.values.shape)
    finding = claims.judge(statement, found._replace(values=noisy))
    assert (finding.verdict, finding.at) == ("not reproduced", "scale 3")


def test_depth_is_compared_within_a_seed(monkeypatch):
    # errors by seed, swaps (0, 30) and depth (1, 2, 3); in the last seed one layer learns nothing
    natural, swapped = [0.10, 0.06, 0.05], [0.40, 0.37, 0.43]
    values = np.array(
        [[natural, swapped], [[0.12, 0.06, 0.04], swapped], [[0.9, 0.1, 0.1], swapped]]
    )
    monkeypatch.setattr(depth, "errors", lambda *_: ((0, 30), (1, 2, 3), values, "study"))
    helps, hurts, shrinks = (
        measure("study", "mnist")[0]
        for measure in (depth.first_helps, depth.last_hurts, depth.gain_shrinks)
    )
    assert helps == pytest.approx(np.array([[0.04, 0.03], [0.06, 0.03]]))  # (seeds, swaps)
    assert depth.first_helps("study", "mnist").names == ("0 swaps", "30 swaps")
    assert hurts == pytest.approx([0.06] * 3)
    assert shrinks == pytest.approx([0.01 + 0.06, 0.02 + 0.06, 0.06])


def test_printed_correlations_are_possible_and_others_are_not():
    for step, printed in (("1 to 2", 0.99), ("2 to 3", 0.985)):
        low, high = depth.rounding_range(step)
        own = np.corrcoef(depth.printed_rows(step))[0, 1]
        assert low < own < high and low < printed < high
        assert depth.printed_r("no training", step)[0] == 0
    assert depth.rounding_range("1 to 2")[0] > 0.9
