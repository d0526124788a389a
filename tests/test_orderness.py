"""Spatial orderness: it is what counting every triple one by one gives, and no more memory."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import one_line

from helpers import orderness, paths
from helpers.errors import InputError

SHAPES = ((3, 3), (5, 7), (8, 4))
NEIGHBOURS = ((0, 1), (1, 0), (0, -1), (-1, 0))


def triples(height, width, geometry):
    """Yield every directed path p-q-r of 4-neighbours that does not turn back, as positions."""
    inside = {(y, x) for y in range(height) for x in range(width)}
    for y, x in sorted(inside):  # p
        for down, right in NEIGHBOURS:
            for further, aside in NEIGHBOURS:
                q = y + down, x + right
                r = q[0] + further, q[1] + aside
                straight = (further, aside) == (down, right)
                turns = not straight and r != (y, x)
                fits = {"straight": straight, "diagonal": turns, "both": straight or turns}
                if fits[geometry] and q in inside and r in inside:
                    yield (y, x), q, r


def by_hand(images, geometry="both"):
    """Return Eq. 6 by adding up triple after triple, in Python's own numbers."""
    far = near = 0.0
    for image in np.asarray(images, float).reshape(-1, *images.shape[2:]):
        rows = image.tolist()
        for p, q, r in triples(*image.shape, geometry):
            a, b, c = (rows[y][x] for y, x in (p, q, r))
            far += (a - c) ** 2
            near += (a - b) ** 2
    return far / near - 1


def random(shape, dtype=np.uint8, seed=0):
    """Return rough but not white images, so that no geometry's value is near a special one."""
    rng = np.random.default_rng(seed)
    values = (
        rng.integers(0, 120, shape) + 10 * np.arange(shape[-1]) + 3 * np.arange(shape[-2])[:, None]
    )
    return values.astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype) / 7


def ramp(height, width):
    return np.add.outer(5 * np.arange(height), 2 * np.arange(width))[None, None].astype(np.uint8)


# Against every triple counted one by one.


@pytest.mark.parametrize("dtype", (np.uint8, np.int32, np.float32, np.float64))
@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_it_counts_every_triple_of_every_image_and_channel(shape, geometry, dtype):
    images = random((3, 2, *shape), dtype)
    precise = 1e-12 if dtype == np.float64 else 2e-5
    expected = by_hand(images, geometry)
    assert abs(expected) > 0.01
    for given in (images, torch.from_numpy(images)):
        found = orderness.orderness(given, geometry=geometry)
        assert isinstance(found, float)
        assert found == pytest.approx(expected, abs=precise)


def test_the_smallest_image_of_each_geometry():
    corner = np.array([[[[1, 3], [4, 9]]]], np.uint8)
    far, near = 8 * 8 + 1 * 1, (4 + 36 + 25 + 9)  # each diagonal twice, each edge in two corners
    assert orderness.orderness(corner, geometry="diagonal") == pytest.approx(2 * far / near - 1)
    assert by_hand(corner, "diagonal") == pytest.approx(2 * far / near - 1)


def test_geometries_differ_and_both_weighs_every_triple_alike():
    images = random((2, 1, 5, 7), np.float64)
    straight, diagonal, both = (
        orderness.orderness(images, geometry=g) for g in ("straight", "diagonal", "both")
    )
    assert len({round(v, 3) for v in (straight, diagonal, both)}) == 3
    assert min(straight, diagonal) < both < max(straight, diagonal)


# Known values.


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
@pytest.mark.parametrize("kind", ("uint8", "normal"))
def test_white_noise_has_none(kind, geometry):
    rng = np.random.default_rng(1)
    groups = (
        rng.integers(0, 256, (25, 40, 1, 16, 16), np.uint8)
        if kind == "uint8"
        else rng.normal(3, 2, (25, 40, 1, 16, 16)).astype(np.float32)
    )
    values = [orderness.orderness(images, geometry=geometry) for images in groups]
    error = np.std(values, ddof=1) / 5
    assert 0 < error < 0.005
    assert abs(np.mean(values)) < 4 * error
    whole = orderness.orderness(groups.reshape(-1, 1, 16, 16), geometry=geometry)
    assert abs(whole) < 4 * error


def test_a_ramp_reaches_3_and_what_a_diagonal_step_gives():
    image = ramp(9, 6)
    assert orderness.orderness(image, geometry="straight") == pytest.approx(3, abs=1e-6)
    # (5 + 2)^2 and (5 - 2)^2 on the diagonals, 5^2 and 2^2 on the edges, all equally often
    assert orderness.orderness(image, geometry="diagonal") == pytest.approx(1, abs=1e-6)
    one_way = np.tile(np.arange(6.0), (6, 1))[None, None]
    for geometry in orderness.GEOMETRIES:
        assert orderness.orderness(one_way, geometry=geometry) == pytest.approx(
            by_hand(one_way, geometry), abs=1e-12
        )


def test_a_checkerboard_is_the_least_possible():
    image = (np.indices((7, 8)).sum(0) % 2 * 255).astype(np.uint8)[None, None]
    for geometry in orderness.GEOMETRIES:  # every two-hop pair is of one colour
        assert orderness.orderness(image, geometry=geometry) == -1


@pytest.mark.parametrize("value", (0, 255, 0.1, -1e6))
def test_constant_images_have_no_value(value):
    for geometry in orderness.GEOMETRIES:
        for scale in (1, 2):
            images = np.full((2, 3, 8, 8), value, np.float32)
            assert math.isnan(orderness.orderness(images, scale, geometry))
            assert all(map(math.isnan, orderness.per_map(images, scale, geometry)))


def test_constant_images_add_nothing_to_others():
    images = random((2, 2, 6, 6))
    constant = np.full_like(images, 9)
    value = orderness.orderness(images)
    assert orderness.orderness(np.concatenate([images, constant])) == pytest.approx(value)
    noise = np.random.default_rng(0).normal(100, 1, (400, 1, 12, 12))
    assert abs(orderness.orderness(noise)) < 0.05  # a level alone is no order


# Invariances.


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
def test_levels_and_contrast_do_not_matter(geometry):
    images = random((3, 2, 5, 7), np.float64)
    value = orderness.orderness(images, geometry=geometry)
    for changed in (images + 40, -2.5 * images, 1e-3 * images - 7):
        assert orderness.orderness(changed, geometry=geometry) == pytest.approx(value, abs=1e-9)
    one_brighter = images * np.array([1.0, 4.0])[:, None, None]
    assert abs(orderness.orderness(one_brighter, geometry=geometry) - value) > 1e-4  # sums, no mean


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
def test_turned_and_mirrored_images_have_the_same(geometry):
    images = random((3, 2, 5, 7), np.float64)
    value = orderness.orderness(images, geometry=geometry)
    for turned in (images.swapaxes(2, 3), np.flip(images, 2), np.rot90(images, 1, (2, 3))):
        same = np.ascontiguousarray(turned)
        assert orderness.orderness(same, geometry=geometry) == pytest.approx(value, abs=1e-12)
    mixed = np.random.default_rng(0).permuted(images.reshape(3, 2, 35), axis=2)
    assert abs(orderness.orderness(mixed.reshape(images.shape), geometry=geometry) - value) > 0.01


def test_it_leaves_the_images_alone():
    images = random((3, 2, 8, 8), np.float32)
    before = images.copy()
    orderness.orderness(images, scale=2)
    assert np.array_equal(images, before)


# Scales, maps, kernels.


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
@pytest.mark.parametrize("scale", (2, 3, 4))
def test_a_scale_takes_block_means_and_drops_the_rim(scale, geometry):
    images = random((4, 2, 3 * scale + scale - 1, 5 * scale + 1))
    blocks = np.empty((4, 2, 3, 5))
    for y in range(3):
        for x in range(5):
            block = images[:, :, y * scale : (y + 1) * scale, x * scale : (x + 1) * scale]
            blocks[:, :, y, x] = block.mean((2, 3), dtype=np.float64)
    found = orderness.orderness(images, scale, geometry)
    assert found == pytest.approx(by_hand(blocks, geometry), abs=2e-5)
    assert abs(found - orderness.orderness(images, 1, geometry)) > 1e-3


@pytest.mark.parametrize("geometry", orderness.GEOMETRIES)
@pytest.mark.parametrize("scale", (1, 2))
def test_a_map_by_itself_is_one_channel_by_itself(scale, geometry):
    maps = random((5, 4, 6, 8), np.float32) * np.arange(1, 5, dtype=np.float32)[:, None, None]
    found = orderness.per_map(maps, scale, geometry)
    alone = [orderness.orderness(maps[:, k : k + 1], scale, geometry) for k in range(4)]
    assert found == pytest.approx(alone, abs=1e-6)
    assert len({round(value, 4) for value in found}) == 4
    channels_last = torch.from_numpy(maps).to(memory_format=torch.channels_last)
    assert orderness.per_map(channels_last, scale, geometry) == pytest.approx(alone, abs=1e-5)


def test_a_map_without_variation_has_no_value_and_spoils_no_other():
    maps = random((5, 3, 6, 6), np.float32)
    maps[:, 1] = 0.3
    found = orderness.per_map(maps)
    assert [math.isnan(value) for value in found] == [False, True, False]
    assert found[2] == pytest.approx(orderness.orderness(maps[:, 2:]), abs=1e-6)


@pytest.mark.parametrize(("geometry", "side"), (("both", 3), ("straight", 5), ("diagonal", 2)))
def test_a_kernel_by_itself_is_one_image_by_itself(geometry, side):
    weights = torch.from_numpy(random((3, 2, side, side), np.float64))
    found = orderness.per_kernel(weights, geometry)
    alone = [by_hand(kernel[None, None].numpy(), geometry) for kernel in weights.flatten(0, 1)]
    assert found == pytest.approx(alone, abs=1e-12)
    assert len({round(value, 6) for value in found}) == 6


@pytest.mark.parametrize("draw", ("normal", "exponential", "uniform"))
@pytest.mark.parametrize("side", (3, 5, 9))
def test_kernels_without_order_are_at_chance_whatever_their_size(side, draw):
    weights = getattr(np.random.default_rng(2), draw)(size=(3000, 1, side, side))
    plain, above = orderness.per_kernel(weights), orderness.above_chance(weights, shuffles=8)
    error = np.std(above, ddof=1) / 3000**0.5
    assert abs(np.mean(above)) < 4 * error
    if side == 3 and draw == "normal":
        assert np.mean(plain) == pytest.approx(0.084, abs=0.02)  # the bias that is taken away
    assert np.mean(plain) > np.mean(above)


def test_chance_is_the_mean_over_all_orders_of_a_kernels_values():
    kernel = np.array([1.0, 3.0, 4.0, 9.0])
    every = [np.reshape(order, (1, 1, 2, 2)) for order in itertools.permutations(kernel)]
    chance = np.mean([orderness.per_kernel(order, "diagonal") for order in every])
    own = kernel.reshape(1, 1, 2, 2)
    (found,) = orderness.above_chance(own, "diagonal", shuffles=4000)
    assert found == pytest.approx(orderness.per_kernel(own, "diagonal")[0] - chance, abs=0.02)


def test_order_stays_above_chance_and_no_variation_has_no_value():
    weights = np.stack([ramp(5, 5)[0], np.full((1, 5, 5), 7), ramp(5, 5)[0]]).astype(np.float32)
    before = weights.copy()
    found = orderness.above_chance(weights)
    assert found[0] > 1 and math.isnan(found[1]) and len(found) == 3
    assert np.array_equal(weights, before)
    assert found == pytest.approx(orderness.above_chance(weights), nan_ok=True)  # a fixed seed
    assert found != orderness.above_chance(weights, seed=1)
    with pytest.raises(InputError) as error:
        orderness.above_chance(weights, shuffles=0)
    one_line(error, "shuffles", "0")


# Chunks and memory.


@pytest.mark.parametrize("chunk", (1, 36, 100, 150, 10**9))
def test_the_size_of_the_chunks_does_not_matter(monkeypatch, chunk):
    images = random((7, 2, 6, 6), np.float64)
    whole, maps = orderness.orderness(images), orderness.per_map(images, 2)
    monkeypatch.setattr(orderness, "CHUNK", chunk)
    assert orderness.orderness(images) == pytest.approx(whole, abs=1e-12)
    assert orderness.per_map(images, 2) == pytest.approx(maps, abs=1e-12)


MEASURE = """
import os, resource
if os.fork():  # a child's peak starts afresh; ours would start at that of the test process
    os.wait()
    os._exit(0)
import numpy as np, torch
from helpers import orderness
torch.set_num_threads(1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = np.random.default_rng(0).integers(0, 256, (5000, 3, 32, 32), np.uint8)
orderness.orderness(images[:300])
for chunk in (orderness.CHUNK, images.size):
    orderness.CHUNK, before = chunk, peak()
    orderness.orderness(images)
    print(peak() - before, flush=True)
"""


def test_a_whole_data_set_takes_little_memory():
    """2 GiB for 50,000 images would be 215 MB here; chunks need next to nothing."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    in_chunks, at_once = (unit * int(line) for line in done.stdout.split())
    assert in_chunks < 20e6
    assert at_once > 60e6  # a copy in float32: the measure can tell


# Bad input.


@pytest.mark.parametrize("geometry", ("round", "", None, 2))
@pytest.mark.parametrize("measure", (orderness.orderness, orderness.per_map, orderness.per_kernel))
def test_an_unknown_geometry_is_one_line(measure, geometry):
    with pytest.raises(InputError) as error:
        measure(random((1, 1, 4, 4)), geometry=geometry)
    one_line(error, f"geometry: {geometry!r}", "straight", "diagonal", "both")


@pytest.mark.parametrize("shape", ((4, 4), (1, 4, 4), (1, 1, 1, 4, 4), (0, 1, 4, 4), (1, 0, 4, 4)))
@pytest.mark.parametrize("measure", (orderness.orderness, orderness.per_map, orderness.per_kernel))
def test_images_of_the_wrong_shape_are_one_line(measure, shape):
    with pytest.raises(InputError) as error:
        measure(np.ones(shape, np.float32))
    one_line(error, "images", shape, "(N, C, H, W)")


@pytest.mark.parametrize("scale", (0, -1, 2.0, "2", True, None))
def test_a_bad_scale_is_one_line(scale):
    for measure in (orderness.orderness, orderness.per_map):
        with pytest.raises(InputError) as error:
            measure(random((1, 1, 8, 8)), scale)
        one_line(error, f"scale: {scale!r}", "at least 1")


@pytest.mark.parametrize(
    ("shape", "scale", "geometry", "parts"),
    (
        ((2, 9), 1, "straight", ("2 x 9 at scale 1", "straight", "3 px")),
        ((9, 2), 1, "both", ("9 x 2 at scale 1", "both", "3 px")),
        ((1, 9), 1, "diagonal", ("1 x 9 at scale 1", "diagonal", "2 px")),
        ((8, 8), 3, "both", ("2 x 2 at scale 3", "3 px")),
        ((8, 8), 9, "diagonal", ("0 x 0 at scale 9", "2 px")),
    ),
)
def test_images_too_small_for_a_triple_are_one_line(shape, scale, geometry, parts):
    for measure in (orderness.orderness, orderness.per_map):
        with pytest.raises(InputError) as error:
            measure(random((2, 1, *shape)), scale, geometry)
        one_line(error, "images", *parts)
