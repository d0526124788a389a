"""Frequencies: a mask keeps what lies inside it, takes the rest, and is the same for all."""

import numpy as np
import pytest
import torch
from conftest import one_line

from helpers import degrade, frequency
from helpers.errors import InputError


def wave(side, down, across, amplitude=60.0, mean=128.0):
    """Return a sinusoid of whole cycles per image, float64 (side, side)."""
    y, x = np.mgrid[:side, :side]
    return mean + amplitude * np.cos(2 * np.pi * (down * y + across * x) / side + 0.4)


def as_pixels(*images):
    return np.rint(np.stack(images)[:, None]).astype(np.uint8)


def kept(mask_of, side=28, radius=7):
    """Return which frequencies survive, bool (side, side), from how single waves come out.

    Every frequency but 0 is asked with a wave of its own; half the plane is enough, a wave and its
    negative are the same.
    """
    survives = np.zeros((side, side), bool)
    survives[0, 0] = True
    asked = [(u, v) for u in range(side) for v in range(side) if (u, v) != (0, 0)]
    pixels = as_pixels(*(wave(side, u, v) for u, v in asked))
    after = mask_of(pixels, radius)
    contrast = after.std((1, 2, 3)) / pixels.std((1, 2, 3))
    # all or nothing: a mask that kept f without -f would leave a wave half of its contrast
    assert ((contrast < 0.05) | (contrast > 0.95)).all()
    for (u, v), c in zip(asked, contrast, strict=True):
        survives[u, v] = c > 0.5
    return survives


def radii(side):
    """Return each frequency's distance from 0, by its definition: i and i - side are the same."""
    near = np.minimum(np.arange(side), side - np.arange(side))
    return np.sqrt(np.add.outer(near**2, near**2))


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (30, 3, 28, 28), np.uint8)


MASKS = {
    "low_pass": frequency.low_pass,
    "random_mask": lambda pixels, radius: frequency.random_mask(pixels, radius, seed=0),
}


# The low-pass filter.


@pytest.mark.parametrize(("side", "radius"), ((28, 7), (32, 7), (9, 2.5)))
def test_low_pass_keeps_a_disc_of_frequencies(side, radius):
    assert np.array_equal(kept(frequency.low_pass, side, radius), radii(side) <= radius)


@pytest.mark.parametrize("side", (28, 9))
def test_low_pass_keeps_images_that_have_nothing_else(side):
    two = wave(side, 1, 2, 40) + wave(side, 0, 2, 30, mean=0)
    smooth = [two, wave(side, 2, -1), wave(side, 0, 0)]
    pixels = as_pixels(*smooth)
    after = frequency.low_pass(pixels, 3)
    assert after.dtype == np.uint8 and after.shape == pixels.shape
    assert abs(after.astype(int) - pixels).max() <= 1
    assert pixels[:2].std() > 10


def test_low_pass_removes_a_fine_wave_and_leaves_the_coarse_one():
    coarse, fine = wave(28, 1, 1, 40), wave(28, 9, 4, 40, mean=0)
    after = frequency.low_pass(as_pixels(coarse + fine), 7)
    assert abs(after[0, 0] - coarse).max() <= 2


@pytest.mark.parametrize("shape", ((5, 7), (8, 4)))
def test_sides_may_differ(shape):
    height, width = shape
    y, x = np.mgrid[:height, :width]
    fine = 100 + 50 * np.cos(2 * np.pi * 2 * x / width)
    coarse = 100 + 50 * np.cos(2 * np.pi * y / height)
    after = frequency.low_pass(as_pixels(coarse, fine), 1)
    assert abs(after[0, 0] - coarse).max() <= 1
    assert abs(after[1, 0] - fine.mean()).max() <= 1


# Both masks.


@pytest.mark.parametrize("name", MASKS)
def test_the_mean_is_kept(name, pictures):
    pixels = pictures // 4 + 96  # far from 0 and 255, nothing is clipped
    after = MASKS[name](pixels, 5)
    assert after.min() > 0 and after.max() < 255
    # rounding errors are up to 0.5 each and independent: 0.29 / 28 is the mean's standard error
    assert abs(after.mean((2, 3)) - pixels.mean((2, 3))).max() < 6 * 0.29 / 28
    flat = MASKS[name](pixels, 0)  # nothing but the mean is left
    assert (flat == np.rint(pixels.mean((2, 3)))[:, :, None, None]).all()


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("radius", (20, 1000.0, float("inf")))
def test_a_radius_beyond_every_frequency_changes_nothing(name, radius, pictures):
    assert np.array_equal(MASKS[name](pictures, radius), pictures)  # 14 * sqrt(2) < 20


@pytest.mark.parametrize("name", MASKS)
def test_every_image_and_channel_gets_the_same_mask(name, pictures):
    after = MASKS[name](pictures, 6)
    assert np.array_equal(MASKS[name](pictures[7:9], 6), after[7:9])
    assert np.array_equal(MASKS[name](pictures[:, 1:2], 6), after[:, 1:2])
    assert np.array_equal(MASKS[name](np.tile(pictures[:1], (4, 1, 1, 1)), 6)[3], after[0])
    assert not np.array_equal(after, pictures)


def test_what_leaves_the_range_is_clipped():
    square = np.zeros((1, 1, 28, 28), np.uint8)
    square[..., 8:20, 8:20] = 255
    exact = np.fft.ifft2(np.fft.fft2(square) * (radii(28) <= 7)).real
    assert exact.min() < -5 and exact.max() > 260
    after = frequency.low_pass(square, 7)
    assert after.dtype == np.uint8
    assert (after[exact < 0] == 0).all() and (after[exact > 255] == 255).all()


def test_images_are_left_alone(pictures):
    before = pictures.copy()
    frequency.low_pass(pictures, 3)
    frequency.random_mask(pictures, 3, 0)
    assert np.array_equal(pictures, before)


def test_more_images_than_a_chunk_are_all_filtered(pictures):
    mask = radii(28) <= 4
    in_parts = frequency._masked(pictures, mask, chunk=7)
    assert in_parts.shape == pictures.shape
    assert np.array_equal(in_parts, frequency.low_pass(pictures, 4))


# The random mask.


@pytest.mark.parametrize(("side", "radius"), ((28, 7), (28, 2), (9, 3)))
def test_a_random_mask_keeps_as_much_as_low_pass_does(side, radius):
    """One frequency more where the last one drawn is half of a pair."""
    asked = int((radii(side) <= radius).sum())
    for seed in range(3):
        mask = kept(lambda p, r, seed=seed: frequency.random_mask(p, r, seed), side, radius)
        assert asked <= mask.sum() <= asked + 1
        assert (radii(side)[mask] > radius).mean() > 0.2  # not the disc, nor near it


def test_random_masks_reach_every_frequency_and_none_more_often_than_chance():
    """Fine and coarse frequencies are alike; over 40 masks each is kept about as often."""
    seen = []

    def note(pixels, mask):
        seen.append(np.broadcast_to(mask, (28, 28)).copy())
        return pixels

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frequency, "_masked", note)
        for seed in range(40):
            frequency.random_mask(np.zeros((1, 1, 28, 28), np.uint8), 7, seed)
    share = np.mean(seen, axis=0)
    assert share[0, 0] == 1
    coarse = (radii(28) <= 7) & (radii(28) > 0)
    expected = ((radii(28) <= 7).sum() - 1) / (28 * 28 - 1)
    # pairs, not frequencies, are independent: binomial, 40 masks of half as many draws
    for region in (coarse, radii(28) > 7):
        error = np.sqrt(expected * (1 - expected) / (40 * region.sum() / 2))
        assert abs(share[region].mean() - expected) < 5 * error


def test_seeds_draw_different_masks_and_a_seed_the_same(pictures):
    found = [frequency.random_mask(pictures, 7, seed) for seed in (0, 0, 1)]
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


# Specs of runs.


def test_specs_reach_their_filters_and_are_left_alone(pictures):
    assert degrade.apply(pictures, {}) is pictures
    spec = {"kind": "low_pass", "radius": 5}
    assert np.array_equal(degrade.apply(pictures, spec), frequency.low_pass(pictures, 5))
    assert spec == {"kind": "low_pass", "radius": 5}
    spec = {"kind": "random_mask", "radius": 5, "seed": 3}
    assert np.array_equal(degrade.apply(pictures, spec), frequency.random_mask(pictures, 5, 3))


@pytest.mark.parametrize(
    ("kind", "level"), (("intensity", 16), ("pepper", 0.1), ("rotation", 180), ("left_right", 0))
)
def test_other_specs_draw_once_for_each_image_and_round(kind, level, pictures):
    before = pictures.copy()
    found = degrade.apply(pictures, {"kind": kind, "level": level, "seed": 5})
    assert found.dtype == np.uint8 and np.array_equal(pictures, before)
    generator = torch.Generator().manual_seed(5)
    exact = degrade.draw(torch.from_numpy(pictures), kind, level, generator).numpy()
    assert np.array_equal(found, np.rint(exact))
    again = degrade.apply(pictures, {"kind": kind, "level": level, "seed": 6})
    assert np.array_equal(found, again) == (kind == "left_right")


def test_more_images_than_a_chunk_are_all_drawn():
    same = np.full((20, 3, 8, 8), 128, np.uint8)
    found = degrade._once(same, "rgb", 16, 0, chunk=7)
    assert found.shape == same.shape
    assert len({image.tobytes() for image in found}) == 20
    assert abs(found.astype(float) - 128).mean((1, 2, 3)).min() > 5


@pytest.mark.parametrize(
    ("spec", "parts"),
    (
        ({"kind": "blur"}, ("degradation.kind: 'blur'", "low_pass", "random_mask", "intensity")),
        ({"radius": 3}, ("degradation.kind: None", "low_pass")),
        ({"kind": "low_pass"}, ("low_pass", "radius")),
        ({"kind": "low_pass", "radius": 3, "seed": 0}, ("low_pass", "seed")),
        ({"kind": "random_mask", "radius": 3}, ("random_mask", "seed")),
        ({"kind": "random_mask", "radius": 3, "seed": -1}, ("seed: -1",)),
        ({"kind": "random_mask", "radius": 3, "seed": 0.5}, ("seed: 0.5",)),
        ({"kind": "low_pass", "radius": -1}, ("radius: -1", "at least 0")),
        ({"kind": "low_pass", "radius": float("nan")}, ("radius: nan",)),
        ({"kind": "low_pass", "radius": "7"}, ("radius: '7'",)),
        ({"kind": "low_pass", "radius": True}, ("radius: True",)),
        ({"kind": "random_mask", "radius": None, "seed": 0}, ("radius: None",)),
        ({"kind": "intensity", "seed": 0}, ("intensity", "level")),
        ({"kind": "intensity", "level": 16}, ("intensity", "seed")),
        ({"kind": "intensity", "level": 16, "seed": -1}, ("seed: -1",)),
        ({"kind": "intensity", "level": -16, "seed": 0}, ("level: -16",)),
        ({"kind": "intensity", "radius": 16, "seed": 0}, ("intensity", "radius")),
    ),
)
def test_a_bad_spec_is_one_line_that_names_the_field(spec, parts, pictures):
    with pytest.raises(InputError) as error:
        degrade.apply(pictures, spec)
    one_line(error, *parts)
