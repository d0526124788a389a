"""Difference maps: by hand, in closed form, and their moments against the maps themselves."""

import numpy as np
import pytest
from conftest import one_line

from helpers import differences
from helpers.errors import InputError

SIZES = (3, 5, 7)


def rough(count=3, height=17, width=20, seed=0):
    """Return images with some structure and a level, uint8 (count, height, width)."""
    rng = np.random.default_rng(seed)
    waves = 60 * np.sin(np.arange(width) / 3) + 5 * np.arange(height)[:, None]
    return (90 + waves + rng.integers(-30, 30, (count, height, width))).astype(np.uint8)


def by_hand(image, weights, divided):
    """Return one valid difference map as the sum of eps_i w_i, place by place (Eq. 24)."""
    image, k = image.astype(float), len(weights)
    shape = image.shape[0] - k + 1, image.shape[1] - k + 1
    found = np.zeros(shape)
    for y, x in np.ndindex(shape):
        centre = image[y + k // 2, x + k // 2]
        for a, b in np.ndindex(k, k):
            found[y, x] += (image[y + a, x + b] - centre) * weights[a, b]
    return found / weights.sum() if divided else found


@pytest.mark.parametrize("divided", (False, True))
@pytest.mark.parametrize("size", SIZES)
def test_a_map_is_the_weighted_sum_of_differences(size, divided):
    images, weights = rough(2), differences.filters(2, size, -1, 1, seed=1)
    found = differences.maps(images, weights, divided)
    assert found.shape == (2, 2, 17 - size + 1, 20 - size + 1)
    for n, f in np.ndindex(2, 2):
        expected = by_hand(images[n], weights[f], divided)
        np.testing.assert_allclose(found[n, f], expected, rtol=0, atol=1e-9)


def test_zero_padding_surrounds_the_image_with_zeros():
    images, weights = rough(2), differences.filters(3, 5, 0, 1, seed=2)
    bordered = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    padded = differences.maps(images, weights, padding="zero")
    np.testing.assert_allclose(padded, differences.maps(bordered, weights), atol=1e-9)
    inside = differences.maps(images, weights)
    np.testing.assert_allclose(padded[:, :, 2:-2, 2:-2], inside, atol=1e-9)
    assert padded.shape[2:] == images.shape[1:]


@pytest.mark.parametrize("level", (0, 200))
def test_a_constant_image_has_no_differences(level):
    image = np.full((1, 9, 9), level, np.uint8)
    weights = differences.filters(4, 3, -1, 1, seed=0)
    assert abs(differences.maps(image, weights)).max() < 1e-10
    assert abs(np.concatenate([m.ravel() for m in differences.moments(image)])).max() == 0


def test_a_ramp_gives_one_value_everywhere():
    down, right = 3.0, 2.0
    image = (down * np.arange(12)[:, None] + right * np.arange(11))[None]
    weights = differences.filters(5, 5, -1, 1, seed=3)
    steps = np.arange(-2, 3)
    value = (weights * (down * steps[:, None] + right * steps)).sum(axis=(1, 2))
    found = differences.maps(image, weights)
    np.testing.assert_allclose(found[0], np.broadcast_to(value[:, None, None], found[0].shape))
    # eps_i is the same everywhere; squared offsets of rows or columns add up to 5 * (1 + 4) * 2
    assert np.trace(differences.moments(image, 5)[1]) == pytest.approx((down**2 + right**2) * 50)


@pytest.mark.parametrize("padding", differences.PADDINGS)
@pytest.mark.parametrize("divided", (False, True))
def test_moments_give_what_the_maps_give(divided, padding):
    images, weights = rough(), differences.filters(6, 5, 0, 1, seed=4)
    maps = differences.maps(images, weights, divided, padding)
    found = differences.moments(images, 5, padding)
    mean, square = differences.of_filters(found, weights, divided)
    np.testing.assert_allclose(mean, maps.mean(axis=(0, 2, 3)), atol=1e-9)
    np.testing.assert_allclose(square, (maps**2).mean(axis=(0, 2, 3)), rtol=1e-9)
    assert differences.spread(mean, square) == pytest.approx(maps.std(), rel=1e-9)


@pytest.mark.parametrize("size", (3, 5, 7))
def test_a_window_holds_the_moments_of_smaller_ones(size):
    images = rough()
    large, cut = differences.moments(images, 7), (7 - size) // 2
    inner = images[:, cut : 17 - cut, cut : 20 - cut]  # where 7x7 filters fit
    for given, own in zip(
        differences.within(large, size), differences.moments(inner, size), strict=True
    ):
        np.testing.assert_allclose(given, own, atol=1e-9)


@pytest.mark.parametrize("taps", ((-1, 1), (0, 1), (-0.5, 2)))
def test_sampled_filters_agree_with_the_exact_expectation(taps):
    found = differences.moments(rough(), 5)
    draws = [
        differences.of_filters(found, differences.filters(200, 5, *taps, seed))
        for seed in range(40)
    ]
    exact = differences.expected(found, *taps)
    for sampled, expected in zip(np.mean(draws, axis=2).T, exact, strict=True):
        error = sampled.std(ddof=1) / len(sampled) ** 0.5
        assert abs(sampled.mean() - expected) < 4 * error
    assert error < 0.03 * expected  # of the mean square: the check is a sharp one


def test_white_noise_has_the_variance_of_equation_27():
    # x white with variance s^2: delta = 1, so E n^2 = s^2 (sum of w_i^2 + (sum of w_i)^2)
    images = np.random.default_rng(0).normal(50, 4, (40, 30, 30))
    _, square = differences.expected(differences.moments(images, 3), 0, 1)
    assert square == pytest.approx(16 * (8 / 3 + 8 / 3 + 8 * 7 / 4), rel=0.02)


def test_filters_are_uniform_and_the_same_in_every_range():
    unit, wide = (differences.filters(500, 7, *taps, seed=5) for taps in ((0, 1), (-1, 1)))
    np.testing.assert_allclose(wide, 2 * unit - 1)
    assert unit.shape == (500, 7, 7) and 0 <= unit.min() < 0.001 and 0.999 < unit.max() < 1
    assert unit.mean() == pytest.approx(0.5, abs=0.01)
    assert unit.var() == pytest.approx(1 / 12, abs=0.002)
    assert not np.allclose(unit, differences.filters(500, 7, 0, 1, seed=6))


@pytest.mark.parametrize(
    ("call", "part"),
    (
        (lambda: differences.filters(1, 4, 0, 1, 0), "size: 4"),
        (lambda: differences.moments(rough(), 6), "size: 6"),
        (lambda: differences.moments(rough()[0]), "images: (17, 20)"),
        (lambda: differences.maps(rough(), np.ones((2, 3, 5))), "weights: (2, 3, 5)"),
        (lambda: differences.maps(rough(), np.ones((2, 3, 3)), padding="same"), "padding: 'same'"),
        (lambda: differences.within(differences.moments(rough(), 3), 5), "size: 5"),
    ),
)
def test_bad_input_is_one_line(call, part):
    with pytest.raises(InputError) as error:
        call()
    one_line(error, part)


# What the verdicts rest on, with photographs alone.


@pytest.fixture
def supplement(folders):
    from helpers.verdicts.juefei2018 import differences as supplement

    assert not supplement.sample_on_disk() and supplement.strongest() == "photographs"
    return supplement


def test_crops_are_disjoint_and_whole(supplement):
    grey = np.arange(5 * 7).reshape(5, 7)
    found = supplement.crops(grey, side=2)
    assert found.shape == (6, 2, 2)
    assert sorted(found.ravel()) == sorted(grey[:4, :6].ravel())
    np.testing.assert_array_equal(found[0], [[2, 3], [9, 10]])  # in the middle of its row
    np.testing.assert_array_equal(found[-1], [[18, 19], [25, 26]])


def test_photographs_are_ten_groups_and_their_noise_grows(supplement):
    groups, says = supplement.pictures("smoke", "photographs")
    assert len(groups) == 10 and "10 photographs" in says
    assert all(group.shape[1:] == (224, 224) and group.dtype == np.uint8 for group in groups)
    values, scale = supplement.grows("smoke", "zero-mean")
    assert values.shape == (10, 3) and scale.startswith("no training")
    assert (np.diff(values, axis=1) < 0).all()
    sampled = supplement.together("smoke", "photographs", "zero-mean")[1]
    exact = supplement.exact("smoke", "photographs", -1, 1)[1]
    np.testing.assert_allclose(sampled, exact, rtol=0.1)


def test_the_fitted_range_finds_a_planted_one(supplement, monkeypatch):
    planted = (-1.5, 2.0)
    figures = supplement.exact("smoke", "photographs", *planted)
    monkeypatch.setattr(supplement, "printed", lambda: np.hypot(*figures))  # fits mean squares
    assert supplement.fitted("smoke", "photographs") == pytest.approx(planted, rel=1e-6)


def test_figures_are_compared_with_the_paper_on_imagenet_only(supplement):
    assert supplement._as_printed("study", "photographs").startswith("no training")
    assert supplement._as_printed("quick", "photographs") != "paper"
    assert supplement._as_printed("study", "imagenet") == "paper"
    errors = np.array([[0.1, -0.4, 0.2], [0.0, 0.4, 0.3]])
    np.testing.assert_array_equal(supplement._worst(errors), [0.2, 0.3])
