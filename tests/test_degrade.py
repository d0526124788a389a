"""Degradations: each does what its name says, and leaves the rest (rodner2016, Section 2)."""

import math

import numpy as np
import pytest
import torch
from conftest import one_line
from scipy import stats

from helpers import degrade
from helpers.errors import InputError

LEVELS = {"pepper": 0.1, "pepper_pixels": 0.1, "translation": 4, "rotation": 180}
RANDOM = [kind for kind, chosen in degrade.KINDS.items() if chosen.unit]
FLIPS = {"left_right": 3, "upside_down": 2}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def drawn(images, kind, level=None, seed=0, **asked):
    level = LEVELS.get(kind, 16) if level is None else level
    return degrade.draw(images, kind, level, seeded(seed), **asked)


def colours(count=6, side=24, least=0, most=255, seed=0):
    """Return random floats, of which no pixel is grey or black: everything about it is defined."""
    found = np.random.default_rng(seed).uniform(least, most, (count, 3, side, side))
    return torch.from_numpy(found).float()


def greys(count=4, side=16):
    found = torch.rand(count, 1, side, side, generator=seeded(1)) * 255
    return found.expand(-1, 3, -1, -1).contiguous()


def smooth(height=30, width=30, count=2):
    """Return waves, no two of them the same."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    waves = [torch.sin(x / (2 + k) + k) + torch.cos(y / (3 + k)) for k in range(3 * count)]
    return (128 + 50 * torch.stack(waves)).view(count, 3, height, width)


# The colours of a book, one pixel at a time: Gonzalez and Woods, Section 6.2, in degrees.


def textbook_hsi(red, green, blue):
    top = ((red - green) + (red - blue)) / 2
    below = math.sqrt((red - green) ** 2 + (red - blue) * (green - blue))
    angle = math.degrees(math.acos(max(-1, min(1, top / below)))) if below else 0.0
    mean = (red + green + blue) / 3
    saturation = 1 - 3 * min(red, green, blue) / (red + green + blue) if mean else 0.0
    return (360 - angle if blue > green else angle), saturation, mean


def textbook_rgb(hue, saturation, mean):
    sector, within = divmod(hue % 360, 120)
    low = mean * (1 - saturation)
    cosines = math.cos(math.radians(within)) / math.cos(math.radians(60 - within))
    high = mean * (1 + saturation * cosines)
    rest = 3 * mean - (low + high)
    return [(high, rest, low), (low, high, rest), (rest, low, high)][int(sector)]


def by_the_book(images, change):
    """Return images whose (hue, saturation, intensity) `change` has turned into others."""
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).double().tolist()
    found = [textbook_rgb(*change(k, *textbook_hsi(*pixel))) for k, pixel in enumerate(pixels)]
    count, _, height, width = images.shape
    return torch.tensor(found).view(count, height, width, 3).permute(0, 3, 1, 2)


def test_hue_saturation_and_intensity_are_those_of_the_book():
    images = colours(2, 20)
    found = degrade.rgb_to_hsi(images)
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3).double().tolist()
    book = np.array([textbook_hsi(*pixel) for pixel in pixels])
    ours = found.permute(0, 2, 3, 1).reshape(-1, 3).numpy()
    turned = (ours[:, 0] - book[:, 0] + 180) % 360 - 180
    assert abs(turned).max() < 0.01
    assert abs(ours[:, 1] - book[:, 1]).max() < 1e-5 and abs(ours[:, 2] - book[:, 2]).max() < 1e-3
    back = by_the_book(images, lambda k, *_: tuple(map(float, ours[k])))
    assert abs(back - images).max() < 0.05


@pytest.mark.parametrize(
    ("rgb", "hsi"),
    (
        ((255, 0, 0), (0, 1, 85)),
        ((255, 255, 0), (60, 1, 170)),
        ((0, 90, 0), (120, 1, 30)),
        ((0, 0, 30), (240, 1, 10)),
        ((20, 10, 20), (300, 0.4, 50 / 3)),
        ((77, 77, 77), (0, 0, 77)),
        ((0, 0, 0), (0, 0, 0)),
    ),
)
def test_colours_with_names(rgb, hsi):
    found = degrade.rgb_to_hsi(torch.tensor(rgb, dtype=torch.uint8).view(1, 3, 1, 1))
    assert found.flatten().tolist() == pytest.approx(hsi, abs=1e-4)


# Noise that is given, against the book.


def given(level, shape, seed=3):
    return torch.randn(shape, generator=seeded(seed)) * level


@pytest.mark.parametrize("level", (4, 64))
def test_noise_on_the_intensity_keeps_hue_and_saturation(level):
    images = colours(2, 20)
    noise = given(level, (2, 1, 20, 20))
    flat = noise.flatten().tolist()
    book = by_the_book(images, lambda k, h, s, i: (h, s, max(0, min(255, i + flat[k]))))
    found = degrade.add_intensity(images, noise)
    assert abs(found - book).max() < 0.02
    inside = ((images.mean(1) + noise[:, 0]) > 0) & ((images.mean(1) + noise[:, 0]) < 255)
    assert inside.float().mean() > 0.8
    moved = found.mean(1) - images.mean(1)
    assert torch.allclose(moved[inside], noise[:, 0][inside], atol=1e-3)


@pytest.mark.parametrize("level", (4, 128))
def test_noise_on_the_saturation_keeps_hue_and_intensity(level):
    images = colours(2, 20)
    noise = given(level, (2, 1, 20, 20))
    flat = noise.flatten().tolist()
    book = by_the_book(images, lambda k, h, s, i: (h, max(0, min(1, s + flat[k] / 255)), i))
    found = degrade.add_saturation(images, noise)
    assert abs(found - book).max() < 0.02
    assert torch.allclose(found.mean(1), images.mean(1), atol=1e-3)


@pytest.mark.parametrize("shape", ((2, 1, 20, 20), (2, 1, 1, 1)))
def test_noise_on_the_hue_keeps_saturation_and_intensity_and_wraps_round(shape):
    images = colours(2, 20)
    noise = given(300, shape)  # more than a turn
    flat = noise.expand(2, 1, 20, 20).flatten().tolist()
    book = by_the_book(images, lambda k, h, s, i: (h + 360 * flat[k] / 255, s, i))
    found = degrade.add_hue(images, noise)
    assert abs(found - book).max() < 0.05
    assert torch.allclose(found.mean(1), images.mean(1), atol=1e-3)
    assert torch.allclose(found.amin(1), images.amin(1), atol=1e-2)
    assert abs(degrade.add_hue(images, torch.tensor(255.0)) - images).max() < 0.01
    # thirds of a turn lead from red to green, and by way of blue back to red
    red, third = torch.tensor([90.0, 0, 0]).view(1, 3, 1, 1), torch.tensor(85.0)
    assert abs(degrade.add_hue(red, third) - red.roll(1, 1)).max() < 0.01
    assert abs(degrade.add_hue(red.roll(1, 1), 2 * third) - red).max() < 0.01


@pytest.mark.parametrize("kind", ("saturation", "hue", "local_hue"))
def test_grey_pixels_have_no_hue_and_stay(kind):
    images = greys()
    assert abs(drawn(images, kind, 64, clip=False) - images).max() < 1e-3
    assert abs(drawn(colours(), kind, 64) - colours()).max() > 10


def test_noise_on_the_intensity_leaves_grey_grey_and_makes_black_grey():
    black = torch.zeros(4, 3, 16, 16)
    for images in (greys(), black):
        found = drawn(images, "intensity")
        assert abs(found - found[:, :1]).max() < 1e-3
        assert abs(found - images).mean() > 5
    about(drawn(black, "intensity")[:, 0] > 0, 0.5)


# Noise that is drawn.


@pytest.mark.parametrize("level", (2, 30))
def test_rgb_noise_is_normal_and_independent(level):
    images = torch.full((4, 3, 100, 100), 128.0)
    found = (drawn(images, "rgb", level, clip=False) - images) / level
    assert stats.kstest(found.flatten(), "norm").pvalue > 0.001
    independent(found)


@pytest.mark.parametrize("kind", ("intensity", "saturation", "local_hue"))
def test_noise_on_one_of_hsi_is_normal_with_a_draw_for_each_pixel(kind):
    """Every pixel is the same and in the middle of what is possible: nothing is cut."""
    images = torch.tensor([120.0, 60, 75]).view(1, 3, 1, 1).repeat(3, 1, 80, 80)
    found = drawn(images, kind, 8, clip=False)
    change = degrade.rgb_to_hsi(found) - degrade.rgb_to_hsi(images)
    part, whole = {"local_hue": (0, 360), "saturation": (1, 1), "intensity": (2, 255)}[kind]
    change[:, 0] = (change[:, 0] + 180) % 360 - 180
    found = change[:, part : part + 1] / whole * 255 / 8
    assert stats.kstest(found.flatten(), "norm").pvalue > 0.001
    independent(found)
    assert abs(change[:, [k for k in range(3) if k != part]]).max() < 0.02


def independent(found):
    """Assert that normal deviates (N, C, H, W) have no correlation between any two neighbours."""
    pairs = [(found[1:], found[:-1]), (found[..., 1:], found[..., :-1])]
    pairs += [(found[:, 1:], found[:, :-1])] * (found.shape[1] > 1)
    for one, other in (*pairs, (found[..., 1:, :], found[..., :-1, :])):
        assert abs((one * other).mean()) < 5 / math.sqrt(one.numel())


def test_a_global_shift_turns_all_pixels_of_an_image_by_one_angle_and_a_local_does_not():
    images = colours(300, 3, 60, 180)
    before = degrade.rgb_to_hsi(images)[:, 0]
    spread = {}
    for kind in ("hue", "local_hue"):
        after = degrade.rgb_to_hsi(drawn(images, kind, 10, clip=False))[:, 0]
        turned = ((after - before + 180) % 360 - 180).flatten(1) * 255 / 360
        spread[kind] = turned.std(1)
        assert stats.kstest(turned[:, 0] / 10, "norm").pvalue > 0.001
        assert len(set(turned[:, 0].tolist())) > 290  # some round to the same
    assert spread["hue"].max() < 0.05
    assert spread["local_hue"].mean() > 8


def test_what_leaves_the_range_is_cut_unless_it_should_not_be():
    images = colours()
    for kind in RANDOM:
        free, cut = (drawn(images, kind, clip=clip) for clip in (False, True))
        assert torch.equal(free.clamp(0, 255), cut)
    free = drawn(images, "rgb", clip=False)
    assert free.min() < -5 and free.max() > 260


# Pepper.


@pytest.mark.parametrize("share", (0.01, 0.3))
def test_pepper_sets_each_value_to_0_on_its_own(share):
    images = colours(4, 100, least=1)
    found = drawn(images, "pepper", share)
    gone = found == 0
    assert torch.equal(found[~gone], images[~gone])
    about(gone, share)
    for channel in range(3):
        about(gone[:, channel], share)
    about(gone.all(1), share**3)
    about(gone[:, 0] & gone[:, 1], share**2)
    about(gone[..., 1:] & gone[..., :-1], share**2)


@pytest.mark.parametrize("share", (0.01, 0.3))
def test_pepper_on_pixels_makes_them_black(share):
    images = colours(4, 100, least=1)
    found = drawn(images, "pepper_pixels", share)
    gone = found == 0
    assert torch.equal(gone.any(1), gone.all(1))
    assert torch.equal(found[~gone], images[~gone])
    about(gone[:, 0], share)
    about(gone[:, 0, 1:] & gone[:, 0, :-1], share**2)


def about(found, share):
    """Assert that as many are true as independent draws may be; for pairs, roughly."""
    error = math.sqrt(share * (1 - share) / found.numel())
    assert abs(found.float().mean() - share) < 6 * error


@pytest.mark.parametrize("kind", ("pepper", "pepper_pixels"))
def test_pepper_of_0_and_of_1(kind):
    images = colours()
    assert torch.equal(drawn(images, kind, 0), images)
    assert not drawn(images, kind, 1).any()


# Moves and flips.


@pytest.mark.parametrize("offset", ((3, 0), (0, -2), (-4, 5)))
def test_a_move_by_whole_px_is_the_image_moved_right_and_down_and_mirrored(offset):
    images = smooth(30, 40)
    right, down = offset
    found = degrade.move(images, torch.tensor([offset, (0, 0)], dtype=torch.float32))
    assert abs(found[1] - images[1]).max() < 0.01
    wide = np.pad(images[0].numpy(), ((0, 0), (8, 8), (8, 8)), mode="symmetric")
    expected = wide[:, 8 - down : 38 - down, 8 - right : 48 - right]
    assert abs(found[0].numpy() - expected).max() < 0.01
    assert abs(found[0] - images[0]).max() > 5


def test_half_a_px_is_the_mean_of_two():
    images = smooth()
    found = degrade.move(images, torch.tensor([[0.5, 0.0]] * 2))
    assert torch.allclose(found[..., 1:], (images[..., 1:] + images[..., :-1]) / 2, atol=0.01)


def test_translations_are_normal_along_both_axes():
    ramps = [torch.arange(200.0).expand(2000, 1, 1, 200), torch.full((2000, 2, 1, 200), 7.0)]
    across = torch.cat(ramps, 1)
    for images in (across, across.transpose(2, 3)):
        found = drawn(images, "translation", 3).flatten(2)[:, 0, 100] - 100
        assert stats.kstest(found / 3, "norm").pvalue > 0.001
    both = torch.stack([torch.arange(40.0).expand(40, 40)] * 3)
    both[1] = both[0].T
    found = drawn(both.expand(2000, -1, -1, -1), "translation", 3)[:, :2, 20, 20]
    assert abs(np.corrcoef(found.T)[0, 1]) < 5 / math.sqrt(2000)


@pytest.mark.parametrize("turns", (0, 1, 2, 3))
def test_rotations_by_right_angles_are_exact_on_a_square(turns):
    images = smooth()
    found = degrade.rotate(images, torch.full((2,), 90.0 * turns))
    assert abs(found - images.rot90(turns, (2, 3))).max() < 0.02  # anticlockwise


def test_half_a_turn_of_an_oblong_and_a_full_one():
    images = smooth(20, 44)
    assert abs(degrade.rotate(images, torch.full((2,), 180.0)) - images.flip(2, 3)).max() < 0.02
    assert abs(degrade.rotate(images, torch.full((2,), -360.0)) - images).max() < 0.02


def test_rotations_keep_distances_in_an_oblong():
    """A disc in the middle stays a disc whatever the angle."""
    y, x = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(81.0) - 40, indexing="ij")
    disc = (200 - 10 * torch.hypot(x, y)).clamp(0).expand(8, 3, -1, -1)
    found = degrade.rotate(disc, torch.arange(8) * 17.0 + 5)
    near = torch.hypot(x, y) < 19
    assert abs(found - disc)[..., near].max() < 5  # the tip, between pixels


@pytest.mark.parametrize("most", (180, 20))
def test_angles_are_uniform(most):
    """A disc of one bright side: where the brightness is tells the angle."""
    y, x = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(21.0) - 10, indexing="ij")
    tilted = (128 + 10 * x).where(torch.hypot(x, y) < 10, 128).expand(1000, 3, -1, -1)
    found = drawn(tilted, "rotation", most)[:, 0] - 128
    near = torch.hypot(x, y) < 8
    angle = torch.atan2(-(found * y)[:, near].sum(1), (found * x)[:, near].sum(1)).rad2deg()
    assert stats.kstest(angle, "uniform", args=(-most, 2 * most)).pvalue > 0.001


@pytest.mark.parametrize("kind", FLIPS)
def test_flips_are_what_they_are_called_and_undo_themselves(kind):
    images = colours()
    found = degrade.draw(images, kind, None, None)
    assert torch.equal(found.flip(FLIPS[kind]), images) and not torch.equal(found, images)
    assert torch.equal(degrade.draw(found, kind, -3, None), images)


# All kinds.


@pytest.mark.parametrize("kind", degrade.KINDS)
def test_images_come_back_as_floats_and_are_left_alone(kind):
    for images in (colours(3, 20).byte(), colours(3, 20)):
        before = images.clone()
        found = drawn(images[..., 4:], kind)
        assert found.dtype == torch.float32 and found.shape == (3, 3, 20, 16)
        assert found.device == images.device
        assert torch.equal(images, before)
        assert found.min() >= 0 and found.max() <= 255
    assert torch.equal(drawn(images.byte(), kind), drawn(images.byte().float(), kind))


@pytest.mark.parametrize("kind", RANDOM)
def test_seeds_and_images_have_draws_of_their_own(kind):
    images = smooth(count=1).expand(4, -1, -1, -1)
    found = drawn(images, kind)
    assert torch.equal(found, drawn(images, kind))
    assert not torch.equal(found, drawn(images, kind, seed=1))
    for one, other in ((0, 1), (1, 2), (0, 3)):
        assert abs(found[one] - found[other]).max() > 0.05
    generator = seeded()
    again = [degrade.draw(images, kind, LEVELS.get(kind, 16), generator) for _ in range(2)]
    assert torch.equal(again[0], found) and not torch.equal(again[1], found)


@pytest.mark.parametrize("kind", RANDOM)
def test_level_0_changes_nothing_and_more_changes_more(kind):
    images = smooth()
    assert abs(drawn(images, kind, 0) - images).max() < 0.01
    level = LEVELS.get(kind, 16)
    low, high = (abs(drawn(images, kind, x) - images).mean() for x in (level / 8, level))
    assert 0 < low < high


@pytest.mark.parametrize(
    ("changed", "parts"),
    (
        ({"kind": "blur"}, ("kind: 'blur'", "pepper_pixels", "upside_down")),
        ({"level": -1}, ("level: -1", "at least 0")),
        ({"level": float("nan")}, ("level: nan",)),
        ({"level": float("inf")}, ("level: inf",)),
        ({"level": "4"}, ("level: '4'",)),
        ({"level": True}, ("level: True",)),
        ({"level": 1.01, "kind": "pepper"}, ("level: 1.01", "from 0 to 1")),
        ({"level": 181, "kind": "rotation"}, ("level: 181", "from 0 to 180")),
        ({"images": torch.zeros(3, 8, 8)}, ("images: (3, 8, 8)", "(N, 3, H, W)")),
        ({"images": torch.zeros(2, 1, 8, 8)}, ("images: (2, 1, 8, 8)", "(N, 3, H, W)")),
    ),
)
def test_bad_input_is_one_line_that_names_the_field(changed, parts):
    asked = {"images": colours(), "kind": "rgb", "level": 1, "generator": seeded()}
    with pytest.raises(InputError) as error:
        degrade.draw(**{**asked, **changed})
    one_line(error, *parts)
