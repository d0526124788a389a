"""The theory of rodner2016: every check holds, and notices an error that is planted."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from helpers import claims, degrade, sensitivity, verdicts
from helpers.verdicts.rodner2016 import exact, moves, pepper, reach, theory

HOLD = {  # statements that hold as said: an error, within the limit of the claim
    "rod-eq1-2": ("first", "pass", "shapes", "trace", "mean", "parts"),
    "rod-eq-gauss": ("identity", "score", "drawn", "curved"),
    "rod-eq3-4": ("v", "matrix", "score", "drawn", "variance", "spread", "channels",
                  "channel-spread", "both", "raw", "limit"),
    "rod-eq5": ("ramp", "smooth", "sided", "slopes", "central"),
}  # fmt: skip
EFFECTS = {"rod-eq3-4": ("centred", "faint"), "rod-eq5": ("white",)}


def pairs(table):
    return [(row, statement) for row, names in table.items() for statement in names]


def stated(row, statement):
    """Return a statement of the claims, and what was found on it."""
    table = zip(claims.statements(row), verdicts.findings(row, "smoke"), strict=True)
    (pair,) = [(said, found) for said, found in table if said["id"] == statement]
    return pair


def test_every_measure_is_tested():
    tested = pairs(HOLD) + pairs(EFFECTS)
    assert sorted(tested) == sorted(pairs(theory.MEASURES))


@pytest.mark.parametrize("row, statement", pairs(HOLD))
def test_identities_hold(row, statement):
    said, found = stated(row, statement)
    assert said["rule"] == "exact" and said.get("limit", 0) <= (4 if statement == "drawn" else 0.01)
    assert 0 <= found.estimate <= said.get("limit", 0)
    assert found.verdict == "reproduced"


@pytest.mark.parametrize("row, statement", pairs(EFFECTS))
def test_effects_are_there(row, statement):
    said, found = stated(row, statement)
    assert said["rule"] == "order" and found.n >= 10
    assert found.low > 0 and found.verdict == "reproduced"


@pytest.mark.parametrize("row", HOLD)
def test_verdicts(row):
    found = verdicts.verdict(row, "smoke")
    assert (found.verdict, found.about) == ("reproduced", "paper")


def test_the_mean_moves_under_pepper_noise_only():
    """By half of the root of the score in places, so that the assumption is no small matter."""
    moved = {name: abs(theory.means(name)).max() for name in theory.CASES}
    assert moved["rgb"] < 1e-12 and moved["translation"] < 1e-12
    assert moved["pepper_pixels"] > 0.3
    assert pepper.ten_pixels() == [[1.9, 0.9], [1.9, 0.9]]


# The tools, against closed forms and draws.


def test_nodes_have_the_moments_of_normal_numbers():
    theta, weights = exact.nodes(2, 3.0)
    assert_allclose(weights.sum(), 1)
    found = [weights @ theta[:, 0] ** k for k in range(6)]
    assert_allclose(found, [1, 0, 9, 0, 3 * 81, 0], atol=1e-12)
    assert_allclose(weights @ (theta[:, 0] * theta[:, 1]), 0, atol=1e-12)


def test_nodes_to_both_sides_are_a_normal_number_too():
    theta, weights = moves.half_normal(0.3)
    found = [weights @ torch.from_numpy(abs(theta) ** k) for k in range(3)]
    assert_allclose(found, [1, 0.3 * (2 / np.pi) ** 0.5, 0.09], rtol=1e-12)


def test_masks_are_all_there_once():
    every = exact.masks(5)
    assert len({tuple(mask.tolist()) for mask in every}) == 32
    assert_allclose(exact.chances(every, 0.3).sum(), 1)
    assert_allclose(exact.chances(every, 0.3) @ every, 0.3 * np.ones(5))


def test_masks_blacken_pixels_or_values():
    image, _ = exact.example(0, (2, 2))
    pixels, channels = (pepper.blackened(image, kind)[0] for kind in ("pepper_pixels", "pepper"))
    assert (len(pixels), len(channels)) == (16, 4096)
    assert ((pixels == 0).all(1) == (pixels == 0).any(1)).all()
    assert (pixels[-1] == 0).all() and torch.equal(pixels[0], image[0])
    assert not ((channels == 0).all(1) == (channels == 0).any(1)).all()


def test_images_move_as_degraded_ones_do():
    image, _ = exact.example(0, (moves.SIDE, moves.SIDE))
    for right, down in ((0.3, -0.6), (1.7, 0.0), (-2.25, 2.5)):
        wanted = degrade.move(image.float(), torch.tensor([[right, down]]))
        inside = (..., slice(3, -3), slice(3, -3))
        found = moves.shifted(image, right, down)
        assert_allclose(found[inside], wanted[inside], atol=2e-3)
        assert abs(found - image).max() > 50


def test_waves_move_and_rise_as_their_derivatives_say():
    image, across, along = moves.waves(3)
    assert_allclose(moves.waves(3, right=1)[0], image.roll(1, 3), atol=1e-12)
    assert_allclose(moves.waves(3, down=2)[0], image.roll(2, 2), atol=1e-12)
    small = 1e-5
    for slope, way in ((across, (small, 0)), (along, (0, small))):
        back = tuple(-x for x in way)
        difference = (moves.waves(3, *back)[0] - moves.waves(3, *way)[0]) / (2 * small)
        assert_allclose(slope, difference, atol=1e-8)


def test_eq_2_by_draws_of_theta():
    """The sums over nodes and masks, against draws of theta itself."""
    generator = torch.Generator().manual_seed(0)
    for name, (_size, level, count) in theory.CASES.items():
        theta, weights, slopes, gradient = theory.case(name, 1)
        if name == "pepper_pixels":
            drawn = (torch.rand(100_000, count, generator=generator) < level).double()
        else:
            drawn = level * torch.randn(100_000, count, generator=generator).double()
        squares = (drawn @ slopes @ gradient).square()
        second = exact.moments(theta @ slopes @ gradient, weights)[0]
        assert abs(squares.mean() - second) < 4 * squares.std() / 100_000**0.5, name


def test_black_pixels_are_blackened_one_at_a_time():
    v, true, image, output = pepper.faint(2)
    one = image.clone()
    one[0, :, 3, 5] = 0
    assert_allclose(true[3 * 8 + 5], output(one) - output(image))
    faint = image.clone()  # a pixel a little darker: v is the slope
    faint[0, :, 3, 5] *= 1 - 1e-6
    assert_allclose(1e-6 * v[3 * 8 + 5], output(faint) - output(image), rtol=1e-3)


def test_limits_of_the_figure():
    """Slopes to four sides against draws, and black pixels against one after the other."""
    images, net, _gradient, clean, labels = reach.gradients()
    one, label, generator = images[:1], labels[:1], torch.Generator().manual_seed(0)
    drawn = sensitivity.empirical(net, one, label, "translation", 0.01, 1500, generator)
    assert_allclose(sensitivity.rms(drawn, clean[:1]) / 0.01, reach._kinked(0) ** 0.5, rtol=0.08)
    squares = 0
    for place in range(28 * 28):
        black = one.clone()
        black[..., place // 28, place % 28] = 0
        value = sensitivity.read(net(black).detach(), label)
        squares += float(value - clean[0]) ** 2
    assert_allclose(reach._singly(0, 1), squares**0.5)


# Planted errors.

GRADIENTS, PREDICT = sensitivity.gradients, sensitivity.predict


def loud(*args, **how):
    """Return gradients that are a tenth of a per cent too large."""
    gradient, *rest = GRADIENTS(*args, **how)
    return 1.001 * gradient, *rest


def mixed(*args, **how):
    """Return gradients of which each image has a bit of the others'."""
    gradient, *rest = GRADIENTS(*args, **how)
    return gradient + 1e-4 * gradient.mean(0), *rest


def swapped(kind, *args):
    """Return the two moments in the wrong order."""
    return PREDICT(kind, *args)[::-1]


def other(kind, *args):
    """Return what goes with the other kind of pepper."""
    names = {"pepper": "pepper_pixels", "pepper_pixels": "pepper"}
    return PREDICT(names.get(kind, kind), *args)


def louder(kind, level, *args):
    """Return the score of a higher level."""
    return PREDICT(kind, 1.1 * level, *args)


def transposed(*args):
    """Return G with its sides exchanged."""
    theta, weights, slopes, gradient = theory_case(*args)
    return theta, weights, slopes.T, gradient


def nearest(image, right, down):
    """Return an image moved by whole pixels."""
    return image.roll((round(float(down)), round(float(right))), (2, 3))


def steeper(seed, *way):
    """Return a moved image with derivatives that are one per cent too large."""
    image, *slopes = WAVES(seed, *way)
    return image, *(1.01 * slope for slope in slopes)


theory_case, WAVES, SLOPES = theory.case, moves.waves, moves.slopes
FAULTS = [  # (module, what is broken, the error, row, statement)
    (sensitivity, "gradients", loud, "rod-eq1-2", "first"),
    (sensitivity, "gradients", mixed, "rod-eq1-2", "pass"),
    (theory, "case", transposed, "rod-eq1-2", "shapes"),
    (theory, "noisy", lambda theta, image: image + 1.01 * theta.view_as(image),
     "rod-eq-gauss", "identity"),
    (sensitivity, "predict", louder, "rod-eq-gauss", "score"),
    (sensitivity, "predict", louder, "rod-eq-gauss", "drawn"),
    (theory, "peppered", lambda theta, image: image * (1 + theta.view(1, *image.shape[1:])),
     "rod-eq3-4", "v"),
    (pepper, "chances", lambda mask, p: torch.ones(len(mask)).double() / len(mask),
     "rod-eq3-4", "matrix"),
    (sensitivity, "predict", swapped, "rod-eq3-4", "score"),
    (sensitivity, "predict", louder, "rod-eq3-4", "drawn"),
    (sensitivity, "predict", swapped, "rod-eq3-4", "spread"),
    (sensitivity, "predict", other, "rod-eq3-4", "channels"),
    (sensitivity, "predict", other, "rod-eq3-4", "both"),
    (sensitivity, "gradients", loud, "rod-eq3-4", "raw"),
    (pepper, "FAINT", 1e-3, "rod-eq3-4", "limit"),
    (sensitivity, "predict", louder, "rod-eq5", "ramp"),
    (moves, "shifted", nearest, "rod-eq5", "ramp"),
    (moves, "waves", steeper, "rod-eq5", "smooth"),
    (moves, "slopes", lambda *args: SLOPES(*args).mean(1, keepdim=True).expand(2, 2),
     "rod-eq5", "sided"),
    (moves, "slopes", lambda *args: SLOPES(*args).flip(1), "rod-eq5", "slopes"),
    (sensitivity, "predict", louder, "rod-eq5", "central"),
]  # fmt: skip


@pytest.mark.parametrize("module, name, error, row, statement", FAULTS)
def test_planted_errors_are_noticed(module, name, error, row, statement, monkeypatch):
    monkeypatch.setattr(module, name, error)
    values, scale = theory.MEASURES[row][statement]("smoke")
    assert scale == "no training"
    (said,) = [s for s in claims.statements(row) if s["id"] == statement]
    assert values > said.get("limit", 0)
