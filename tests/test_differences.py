"""Difference maps: by hand, in closed form, and their moments against the maps themselves."""

import json
from itertools import product

import numpy as np
import pytest
from conftest import one_line
from PIL import Image

from helpers import claims, differences, paths, photos, presets, records
from helpers.errors import InputError
from helpers.verdicts.juefei2018 import differences as supplement
from helpers.verdicts.juefei2018 import imagenet, map_statistics
from helpers.verdicts.juefei2018.differences import MEASURES

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


# What the verdicts rest on: published statistics, and photographs that are measured now.

ROWS = ("pnn-s-table1", "pnn-figS2", "pnn-3.5-multiscale")


def judged(preset):
    """Return {(row, statement): `claims.Measurement`} of all that is judged here."""
    return {(row, name): measure(preset) for row in ROWS for name, measure in MEASURES[row].items()}


def same(found, expected, digits=0):
    """Assert that two `Statistics` are the same but for digits that were cut."""
    close = {"rtol": 10.0 ** -(digits - 1) if digits else 0}
    assert (found.says, found.chosen) == (expected.says, expected.chosen)
    for name in ("moments", "histograms"):
        ours, others = (getattr(one, name) for one in (found, expected))
        assert ours.keys() == others.keys()
        for key, parts in ours.items():
            for part, other in zip(parts, others[key], strict=True):
                np.testing.assert_allclose(part, other, **close)
    assert found.widths.keys() == expected.widths.keys()
    for reading, widths in found.widths.items():
        np.testing.assert_allclose(widths, expected.widths[reading], **close)
    np.testing.assert_allclose(found.alike, expected.alike, **close)


def pictures_on_disk(count):
    """Write a folder like that of ImageNet's pictures: colour, of several sizes, one too small."""
    folder = paths.data() / "imagenet_sample"
    folder.mkdir(parents=True)
    whole = photos.photograph("coffee")
    for k in range(count):
        cut = whole[9 * k : 9 * k + 224 + k % 3, 11 * k : 11 * k + 230]
        Image.fromarray(cut).save(folder / f"n{k:02d}_cup.jpg")
    Image.fromarray(whole[:300, :223]).save(folder / "a_narrow.jpg")
    return folder


def test_crops_are_disjoint_and_whole():
    grey = np.arange(5 * 7).reshape(5, 7)
    found = map_statistics.crops(grey, side=2)
    assert found.shape == (6, 2, 2)
    assert sorted(found.ravel()) == sorted(grey[:4, :6].ravel())
    np.testing.assert_array_equal(found[0], [[2, 3], [9, 10]])  # in the middle of its row
    np.testing.assert_array_equal(found[-1], [[18, 19], [25, 26]])


def test_halving_takes_means():
    image = np.arange(16).reshape(1, 4, 4)
    np.testing.assert_array_equal(map_statistics.scaled(image, 2), [[[2.5, 4.5], [10.5, 12.5]]])
    assert map_statistics.scaled(image, 4) is image


def test_photographs_are_ten_groups_and_their_noise_grows():
    groups = map_statistics.photographs(1)
    assert [group.shape for group in groups] == [(1, 224, 224)] * 10
    assert all(group.dtype == np.uint8 for group in groups)
    values, scale, _, names, *_ = supplement.grows("smoke", "zero-mean")
    assert values.shape == (10, 3) and scale == "no training, 10 photographs, 10 crops of 224 px"
    assert (np.diff(values, axis=1) < 0).all() and names == ("7x7", "5x5", "3x3")
    sampled = supplement.together("smoke", "photographs", "zero-mean")[1]
    exact = supplement.exact("smoke", "photographs", -1, 1)[1]
    np.testing.assert_allclose(sampled, exact, rtol=0.1)


def test_statistics_of_photographs_are_those_of_their_maps():
    found, groups = map_statistics.of("smoke", "photographs"), map_statistics.photographs(1)
    mean, second = (part[3] for part in found.moments["zero", 112])
    halved = map_statistics.scaled(groups[3], 112)
    for part, own in zip((mean, second), differences.moments(halved, 7, "zero"), strict=True):
        np.testing.assert_array_equal(part, own)
    weights = differences.filters(20, 5, 0, 1, seed=3)
    maps = differences.maps(groups[3], weights, divided=True)
    low, high = np.quantile(maps, (0.25, 0.75))  # of all values, not of every few
    assert found.widths["positive-divided"][3, 1] == pytest.approx(high - low, rel=0.02)
    limit, counts = found.histograms[7]
    maps = [differences.maps(g, differences.filters(20, 7, -1, 1, k)) for k, g in enumerate(groups)]
    assert limit == pytest.approx(3 * np.std(maps), rel=0.02) and len(counts) == map_statistics.BINS
    assert counts.sum() == pytest.approx(
        np.mean(np.abs(maps) < limit) * np.size(maps) / 7, rel=0.01
    )


def test_likeness_is_of_what_pictures_share():
    shared, *own = rough(5, height=40, width=41).astype(float)
    groups = [np.stack([shared + k * one]) for k, one in enumerate(own)]
    assert 0.1 < map_statistics.alike(groups).mean() < 0.95
    assert map_statistics.alike([shared[None]] * 4) == pytest.approx(np.ones(10))


def test_what_is_written_is_what_was_measured():
    found = map_statistics.of("smoke", "photographs")
    text = json.dumps(map_statistics.pack(found))
    same(map_statistics.unpack(json.loads(text)), found, map_statistics.DIGITS)


def test_the_command_publishes_what_the_verdicts_read(folders, monkeypatch, capsys):
    monkeypatch.setattr(imagenet, "COUNT", 10)
    measure, measured = map_statistics.measure, []
    monkeypatch.setattr(
        map_statistics, "measure", lambda *given: measured.append(measure(*given)) or measured[0]
    )
    pictures_on_disk(11)
    assert imagenet.main() == 0 and "10 pictures of ImageNet" in capsys.readouterr().out
    groups = imagenet.draw()
    assert [group.shape for group in groups] == [(1, 224, 224)] * 10
    assert len({group.tobytes() for group in groups}) == 10
    same(map_statistics.of("quick", "imagenet"), *measured, map_statistics.DIGITS)
    values, scale, *_ = supplement.grows("quick", "positive")
    assert scale == "no training, 10 pictures of ImageNet"
    weights = differences.filters(supplement.FILTERS, 7, 0, 1, seed=4)
    assert values[4, 0] == pytest.approx(differences.maps(groups[4], weights).std(), rel=1e-6)


def test_a_picture_is_its_grey_middle(folders, monkeypatch):
    monkeypatch.setattr(imagenet, "COUNT", 1)
    colours = np.zeros((230, 227, 3), np.uint8)
    colours[3, 1] = colours[226, 224] = (255, 0, 0)  # corners of the middle: rows 3, columns 1
    folder = paths.data() / "imagenet_sample"
    folder.mkdir(parents=True)
    Image.fromarray(colours).save(folder / "one.jpg", format="png")  # keeps every value
    (image,) = imagenet.draw()[0]
    assert image[0, 0] == image[-1, -1] == 76 and image.sum() == 2 * 76  # 0.299 of 255


def test_too_few_pictures_are_one_line(folders, capsys):
    pictures_on_disk(2)
    assert imagenet.main() == 2
    one_line(capsys.readouterr().err, "2", "500", "DATA_DIR/imagenet_sample")
    assert not map_statistics.published().exists()
    with pytest.raises(InputError) as error:
        supplement.grows("quick", "zero-mean")
    one_line(error, "differences-imagenet.json", "python -m")


def test_published_statistics_are_those_of_500_pictures():
    path = map_statistics.published()
    assert path.stat().st_size < 1_000_000
    assert len(records.read(path)["fingerprint"]) == 64
    found = map_statistics.of("quick", "imagenet")
    assert found.says == "500 pictures of ImageNet"
    assert list(found.moments) == list(product(differences.PADDINGS, map_statistics.PX))
    for mean, second in found.moments.values():
        assert mean.shape == (10, 49) and second.shape == (10, 49, 49)
        assert not mean[:, 24].any() and not second[:, 24].any()  # the centre's own difference
        least, *_, most = np.linalg.eigvalsh(second).T
        assert (least > -1e-6 * most).all() and (most > 1000).all()
    sampled = supplement.together("quick", "imagenet", "positive")[1]
    np.testing.assert_allclose(sampled, supplement.exact("quick", "imagenet", 0, 1)[1], rtol=0.1)
    assert {widths.shape for widths in found.widths.values()} == {(10, 3)}


def test_verdicts_do_not_depend_on_the_data_folder(tmp_path, monkeypatch):
    found = []
    for data in ("empty", "full"):
        monkeypatch.setenv("DATA_DIR", str(tmp_path / data))
        if data == "full":
            pictures_on_disk(11)
            map_statistics._read.cache_clear()
            map_statistics._of_photographs.cache_clear()
        found.append({preset: judged(preset) for preset in presets.PRESETS})
    empty, full = found
    for preset, statements in empty.items():
        assert statements.keys() == full[preset].keys()
        for key, (values, scale, *_) in statements.items():
            np.testing.assert_array_equal(values, full[preset][key][0])
            assert scale == full[preset][key][1]
            if preset != "smoke":
                np.testing.assert_array_equal(values, empty["paper"][key][0])
                assert "500 pictures" in scale
            else:
                assert "photographs" in scale


def test_the_fitted_range_finds_a_planted_one(monkeypatch):
    planted = (-1.5, 2.0)
    figures = supplement.exact("smoke", "photographs", *planted)
    monkeypatch.setattr(supplement, "printed", lambda: np.hypot(*figures))  # fits mean squares
    assert supplement.fitted("smoke", "photographs") == pytest.approx(planted, rel=1e-6)


def test_figures_that_no_range_gives_are_noticed(monkeypatch):
    figures = supplement.exact("smoke", "photographs", -1.5, 2.0)[1]
    monkeypatch.setattr(supplement, "printed", lambda: figures)
    (stated,) = (s for s in claims.statements("pnn-s-table1") if s["id"] == "figures")
    error, scale = supplement.fit_error("smoke")
    assert error < 1e-6 and "photographs" in scale  # its own padding and size fit it
    assert error <= stated["limit"]
    monkeypatch.setattr(supplement, "printed", lambda: figures * [1.0, 1.5, 1.0])
    assert supplement.fit_error("smoke")[0] > stated["limit"]
