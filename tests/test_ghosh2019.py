"""The judgements of ghosh2019: theory against simulation, the theorem, and planted trainings."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import (
    claims,
    datasets,
    degrade,
    grades,
    metrics,
    observers,
    orderness,
    rules,
    training,
    verdicts,
)
from helpers.experiments import ghosh2019
from helpers.experiments.ghosh2019 import BLOCK, DATA
from helpers.verdicts.ghosh2019 import blocks, depth, kernels, progress, theorem, theory
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
        ("so-eq6", "reproduced"),
        ("so-prop-interp", "reproduced"),
        ("so-prop-perm", "reproduced"),
        ("so-prop-const", "reproduced"),
        ("so-thm1", "paper in error"),
        ("so-cor1.1", "reproduced"),
        ("so-cor1.2", "paper in error"),
    ],
)
def test_rows_without_training(row, verdict):
    assert verdicts.verdict(row, "smoke").verdict == verdict


def test_the_slips_are_not_in_the_corrected_text():
    net = theorem.trained(6)
    means = theory.block_means(6, 2)
    left = net.change.reshape(len(net.change), -1) @ means.T  # E[w(p)] over blocks, as it should be
    right = np.einsum("fnm,nmk->fk", net.updates, net.patches @ means.T)
    assert abs(left - right).max() < 1e-12 < theorem.printed_mean("no training")[0]
    assert theorem.printed_case("no training", block=1, kernel=3)[0] == 0  # d = 1 is Theorem 1
    assert theorem.outputs(padding="same") == 28**2 != theorem.outputs() == 26**2


def test_p_is_in_one_of_the_sets_in_both_readings():
    near = set(theory.STEPS)
    two_hops = {(a + c, b + d) for a, b in near for c, d in near}
    assert (0, 0) in two_hops - near and (0, 0) not in near  # r may be p
    assert theory.two_hop_sets("no training")[0] == 1


def test_a_wrong_factor_breaks_the_theorem():
    net = theorem.trained()
    left, right = theorem.bounds()[0]
    assert (left <= right).all() and (left > 0).all()
    assert (left > right / 1e6).all()  # a bound with no alpha at all would not hold
    assert abs(net.change).max() > 1e-3
    other = theorem.trained(seed=1)
    summed = np.einsum("fnm,nmk->fk", other.updates, net.patches).reshape(net.change.shape)
    assert abs(summed - net.change).max() > 1e-3  # another training's factors do not add up


def seen(curve, accuracy=(0.1, 0.1, 0.5, 0.9), seeds=3, noise=0.0, layers=2, scale="planted"):
    """Return a planted `Progress` whose layers all follow `curve`, with noise."""
    rng = np.random.default_rng(0)
    shape = (seeds, len(curve), layers)
    so = np.array(curve)[None, :, None] + noise * rng.normal(size=shape)
    return Progress(np.arange(len(curve)), so, np.tile(accuracy, (seeds, 1)), [], scale)


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


def test_a_peak_before_the_first_step_is_no_peak(monkeypatch):
    falling = seen((0.9, 0.5, 0.4, 0.3, 0.2, 0.1), [0.1] * 6, noise=1e-3)
    falling = replace(falling, scale="study")
    found = judged(monkeypatch, falling, "so-fig8", "smooth")
    assert found.verdict == "reproduced"  # the fall from 0.9 to 0.5 is before the look after step 0
    assert progress.smooth("study").names[0] == "steps 1 to 2"


def by_epoch(curve, tested, **rest):
    """Return a planted `Progress` with looks at steps 0 to 2 and at the ends of epochs."""
    looks = (0.3, 0.35, 0.4, *curve)
    found = seen(looks, [0.1] * len(looks), scale="long", noise=1e-4, **rest)
    ends = tuple(range(3, len(looks)))
    tested = np.tile(tested, (len(found.orderness), 1))
    tested += 1e-4 * np.random.default_rng(1).normal(size=tested.shape)
    return replace(found, ends=ends, tested=tested, whole=400)


def test_accuracy_is_judged_at_the_ends_of_epochs(monkeypatch):
    quiet = by_epoch((0.4, 0.5, 0.6, 0.3, 0.2), (0.30, 0.31, 0.32, 0.7, 0.9), layers=3)
    found = judged(monkeypatch, quiet, "so-fig3", "flat-mnist")
    assert found.estimate == pytest.approx(0.1 - 0.02 / 0.6, abs=1e-3)
    values, _, floor, names, *_ = progress.flat("long", "mnist")
    assert values.shape == (3, 3) and names[0] == "layer 1"
    assert floor == pytest.approx(rules.test_set_error(0.32, 400) / 0.6, rel=1e-2)
    busy = by_epoch((0.4, 0.5, 0.6, 0.3, 0.2), (0.30, 0.5, 0.8, 0.85, 0.9), layers=3)
    assert judged(monkeypatch, busy, "so-fig3", "flat-mnist").verdict == "not reproduced"
    rise = progress.rises_by_epoch("long", "figure3-mnist")
    assert rise.values == pytest.approx(np.full((3, 3), 0.2), abs=1e-3)


def test_without_a_rise_there_is_no_phase_to_judge(monkeypatch):
    falling = by_epoch((0.6, 0.5, 0.4, 0.3, 0.2), (0.3, 0.5, 0.8, 0.85, 0.9))
    found = judged(monkeypatch, falling, "so-fig3", "flat-mnist")
    assert (found.verdict, found.n) == ("undecided", 0)
    falling.orderness[..., 1] = falling.orderness[:, ::-1, 1]  # now the second layer rises
    assert progress.flat("long", "mnist").names == ("layer 2",)
    few = replace(falling, ends=(1, 2))
    assert judged(monkeypatch, few, "so-fig3", "flat-mnist").verdict == "not run"
    assert judged(monkeypatch, None, "so-fig3", "flat-mnist").verdict == "not run"
    assert judged(monkeypatch, None, "so-concl-biphasic", "sgd-he_normal").verdict == "not run"


def test_two_phases_need_a_rise_and_a_fall(monkeypatch):
    for curve, verdict, at in (
        ((0.2, 0.5, 0.3, 0.1), "reproduced", None),
        ((0.2, 0.3, 0.4, 0.5), "not reproduced", "falls"),
        ((0.5, 0.4, 0.3, 0.2), "not reproduced", "rises"),
    ):
        planted = replace(seen(curve, noise=1e-3), scale="study")
        found = judged(monkeypatch, planted, "so-concl-biphasic", "adam-he_normal")
        if at == "falls":  # the end is the peak of all: it neither rises nor falls from there
            assert found.verdict == "undecided" and found.at.endswith(at)
        else:
            assert found.verdict == verdict and (at is None or found.at.endswith(at))


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
    assert found.values.shape == (3, 2 * (2 + 3 + 4)) and len(found.names) == 18
    assert found.names[0] == "MNIST, layer 1 rises" and found.names[-1] == "CIFAR10, layer 4 falls"
    assert found.values[:, ::2].min() > 0.2
    assert found.scale == "study, photo patches"


def test_every_scale_below_the_blocks_counts(monkeypatch):
    # orderness by scale after 30 swaps, of 0.8 before
    kept = {1: 0.7, 2: 0.6, 3: 0.3, 4: 0.5, 6: 0.0, 8: 0.0}
    monkeypatch.setattr(
        blocks, "at", lambda _, data, scale, swaps=0: np.full(10, kept[scale] if swaps else 0.8)
    )
    monkeypatch.setattr(blocks, "_scale", lambda *_: "paper")
    found = blocks.kept_below("paper", "mnist")
    assert BLOCK["mnist"] == 6 and found.names == ("scale 1", "scale 2", "scale 3")
    assert found.values[0] == pytest.approx(np.array([0.7, 0.6, 0.3]) / 0.8 - 0.5)
    rest = blocks.kept_below("paper", "mnist", straddling=True)
    assert rest.names == ("scale 4",) and rest.values[0] == pytest.approx([0.5 / 0.8 - 0.5])
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
    monkeypatch.setattr(depth, "wrong", lambda *_: None)
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


def test_known_answers_give_the_floor(monkeypatch):
    rng = np.random.default_rng(0)
    wrong = (rng.random((3, 2, 3, 200)) < 0.3).astype(float)  # seeds, swaps, depths, images
    wrong[1:] = wrong[:1]  # all seeds err on the same images: nothing is their own
    found = ((0, 30), (1, 2, 3), wrong.mean(axis=-1), "long")
    monkeypatch.setattr(depth, "errors", lambda *_: found)
    monkeypatch.setattr(depth, "wrong", lambda *_: wrong)
    own = {
        depth.first_helps: wrong[0, :, 0] - wrong[0, :, 1],
        depth.last_hurts: wrong[0, -1, -1] - wrong[0, -1, -2],
        depth.gain_shrinks: wrong[0, 0, -2] - wrong[0, 0, -1] - wrong[0, 1, -2] + wrong[0, 1, -1],
    }
    for measure, each in own.items():
        measured = measure("long", "mnist")
        assert measured.values[0] == pytest.approx(each.mean(axis=-1))
        error = each.std(axis=-1, ddof=1) / 200**0.5
        assert measured.floor == pytest.approx(error)
        assert measured.shared == pytest.approx(error)


def test_the_gap_is_between_test_sets(monkeypatch):
    def answers(**accuracies):
        counts = {mask: np.arange(100) < 100 * value for mask, value in accuracies.items()}
        return {mask: np.tile(right, (3, 1)) for mask, right in counts.items()}

    natural = answers(none=0.9, low_pass=0.8, random_mask=0.5)
    smooth = answers(none=0.85, low_pass=0.9, random_mask=0.6)
    right = {"none": natural, "low_pass": smooth, "random_mask": natural}
    monkeypatch.setattr(kernels, "tested", lambda _: (right, "long"))
    found = kernels.gap("long", "none")
    assert found.values == pytest.approx([0.4 - 0.3] * 3) and found.floor > 0
    monkeypatch.setattr(kernels, "tested", lambda _: (None, ""))
    assert kernels.gap("study", "none").values is None


def test_networks_are_tested_under_all_masks():
    wanted = [run for run in ghosh2019.filters("smoke", added=True) if run.seed == 1]
    assert [run.degradation.get("kind", "none") for run in wanted] == list(observers.MASKS)
    for run in wanted:
        train, test, _ = datasets.splits(run.data, run.train_size, run.test_size, run.sample)
        view, _ = training.train(replace(run, precision="float32"), train, test)
        found = observers.masked(view)
        assert set(found) == set(observers.MASKS) and len(set(found.values())) > 1
        own = run.degradation.get("kind", "none")
        assert found[own] == observers.correct(view)
        for kind, text in found.items():
            pixels = degrade.apply(test.pixels, observers.mask(kind, run.seed))
            x = view.standardise(view.test[0].new_tensor(pixels))
            right = view.model(x).argmax(1).numpy() == test.labels
            assert metrics.bits(text, len(test)).tolist() == right.tolist()
    with pytest.raises(Exception, match="natural order"):
        observers.masked(SimpleNamespace(run=replace(wanted[0], arrangement={"kind": "x"})))


def test_records_keep_the_kernels_above_chance():
    (run, *_) = ghosh2019.figure4b("smoke", init="glorot_uniform", added=True)
    train, test, _ = datasets.splits(run.data, run.train_size, run.test_size, run.sample)
    view, _ = training.train(replace(run, precision="float32"), train, test)
    found, usual = observers.kernel_above_chance(view), observers.kernel_orderness(view)
    assert len(found) == len(usual) == 3
    weights = view.model.layers[0][0].weight.detach()
    for geometry in orderness.GEOMETRIES:
        mean = np.mean(orderness.above_chance(weights, geometry))
        assert found[0]["weights"][geometry] == pytest.approx(mean, abs=1e-5)
        assert found[0]["weights"][geometry] < usual[0]["weights"][geometry]  # 3x3: a bias upwards
    assert set(found[0]["change"]) == set(orderness.GEOMETRIES)


@pytest.mark.parametrize("name", ("quick", "study"))
def test_what_older_presets_lack_is_not_run(name, monkeypatch):
    later = [grid for grid in ghosh2019.GRIDS if not ghosh2019.GRIDS[grid](name)]
    assert later == [
        "glorot-fashion_mnist", "figure4a-added", "figure4a-glorot", "figure4b-glorot",
        "filters-added", "glorot-figure5", "glorot-cifar10", "sgd-figure5",
    ]  # fmt: skip
    statements = [
        (row["id"], statement)
        for row in claims.paper("ghosh2019")["rows"]
        for statement in claims.statements(row["id"])
        if set(statement.get("experiments", ())) & set(later)
    ]
    assert len(statements) > 20
    monkeypatch.setattr(grades, "frames", lambda *_: pytest.fail("there is nothing to grade"))
    for row, statement in statements:
        if statement["id"] != "everywhere-glorot":  # it reads older records first
            assert verdicts.single(row, statement, name).verdict == "not run"
