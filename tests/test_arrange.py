"""Arrangements: exact properties of the index maps, and the ranges that chance may take."""

import numpy as np
import pytest
from conftest import one_line
from scipy.stats import chisquare

from helpers import arrange, datasets, training
from helpers.errors import InputError

SIDES = (1, 2, 4, 28, 32)
SEEDS = (0, 1, 7)


def divisors(side):
    return [patch for patch in range(1, side + 1) if side % patch == 0]


def pictures(count, channels, side, seed=0):
    """Return images whose pixels all differ within a channel, uint16 (N, C, H, W)."""
    rng = np.random.default_rng(seed)
    values = [rng.permutation(side * side) for _ in range(count * channels)]
    return np.array(values, np.uint16).reshape(count, channels, side, side)


def cut(image, patch):
    """Return the patches of one image (H, W) as byte strings, row by row, cut by plain slices."""
    starts = range(0, len(image), patch)
    return [image[y : y + patch, x : x + patch].tobytes() for y in starts for x in starts]


def maps(side, seed):
    """Return one map of every kind, or several where a kind has a size to choose."""
    yield arrange.identity(side)
    yield arrange.pixel_permutation(side, seed)
    for patch in divisors(side):
        yield arrange.patch_permutation(side, patch, seed)
    for distance in (0, 1, 3, side):
        yield arrange.local_permutation(side, distance, seed)
    for block in {1, min(3, side), side}:
        yield arrange.block_swaps(side, block, 5, seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", SIDES)
def test_every_map_is_a_bijection(side, seed):
    for index in maps(side, seed):
        assert index.shape == (side * side,)
        assert index.dtype == np.int64
        assert np.array_equal(np.sort(index), np.arange(side * side))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", SIDES)
def test_identity_at_the_neutral_size(side, seed):
    natural = np.arange(side * side)
    assert np.array_equal(arrange.patch_permutation(side, side, seed), natural)
    assert np.array_equal(arrange.local_permutation(side, 0, seed), natural)
    assert np.array_equal(arrange.block_swaps(side, 1, 0, seed), natural)
    assert np.array_equal(arrange.block_swaps(side, side, 9, seed), natural)  # one block only
    assert np.array_equal(arrange.from_spec({}, side), natural)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", SIDES)
def test_patches_of_one_pixel_are_the_pixel_permutation(side, seed):
    pixels = arrange.pixel_permutation(side, seed)
    assert np.array_equal(arrange.patch_permutation(side, 1, seed), pixels)


def test_seeds_give_different_maps_and_the_same_seed_the_same():
    for make in (
        lambda seed: arrange.pixel_permutation(8, seed),
        lambda seed: arrange.patch_permutation(8, 2, seed),
        lambda seed: arrange.local_permutation(8, 2, seed),
        lambda seed: arrange.block_swaps(8, 2, 9, seed),
    ):
        assert len({make(seed).tobytes() for seed in range(5)}) == 5
        assert np.array_equal(make(3), make(3))


@pytest.mark.parametrize("side", (28, 32))
def test_patches_keep_their_insides(side):
    image = pictures(1, 1, side)
    for patch in divisors(side):
        index = arrange.patch_permutation(side, patch, 3)
        before, after = cut(image[0, 0], patch), cut(arrange.apply(image, index)[0, 0], patch)
        assert sorted(after) == sorted(before)
        assert (after != before) == (patch < side)


def test_block_swaps_keep_insides_and_rim():
    image = pictures(1, 1, 28)
    after = arrange.apply(image, arrange.block_swaps(28, 3, 100, 0))  # 9 blocks a side, 1 px over
    inner, moved = image[0, 0, :27, :27], after[0, 0, :27, :27]
    assert sorted(cut(moved, 3)) == sorted(cut(inner, 3))
    assert not np.array_equal(moved, inner)
    assert np.array_equal(after[..., 27, :], image[..., 27, :])
    assert np.array_equal(after[..., :, 27], image[..., :, 27])


@pytest.mark.parametrize("swaps", (1, 2, 3, 10))
def test_a_swap_is_a_transposition_of_two_different_blocks(swaps):
    for seed in range(50):
        index = arrange.block_swaps(8, 2, swaps, seed)
        moved = {cell for cell in np.flatnonzero(index != np.arange(64)) // 16 * 4
                 + np.flatnonzero(index != np.arange(64)) % 8 // 2}  # fmt: skip
        assert len(moved) <= 2 * swaps
        # each swap of two different blocks changes the parity of the order of the blocks
        order = [int(v) // 16 * 4 + int(v) % 8 // 2 for v in index.reshape(8, 8)[::2, ::2].ravel()]
        crossed = sum(a > b for k, a in enumerate(order) for b in order[k + 1 :])
        assert crossed % 2 == swaps % 2
        if swaps == 1:
            assert len(moved) == 2
            assert np.array_equal(index[index], np.arange(64))


def test_block_swaps_draw_anew_for_each_image():
    many = arrange.block_swaps(8, 2, 4, seed=0, images=20)
    assert many.shape == (20, 64)
    assert len({row.tobytes() for row in many}) > 10
    assert all(np.array_equal(np.sort(row), np.arange(64)) for row in many)
    assert np.array_equal(arrange.block_swaps(8, 2, 4, seed=0, images=1)[0],
                          arrange.block_swaps(8, 2, 4, seed=0))  # fmt: skip


def test_apply_moves_every_channel_and_image_alike():
    plain = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8)
    images = np.tile(plain, (5, 3, 1, 1))
    index = arrange.pixel_permutation(8, 0)
    after = arrange.apply(images, index)
    assert after.dtype == np.uint8 and after.shape == images.shape
    assert np.array_equal(after, np.tile(index.astype(np.uint8).reshape(1, 1, 8, 8), (5, 3, 1, 1)))
    assert np.array_equal(images[:1, :1], plain)  # the input is left alone


def test_training_and_test_images_get_the_same_map(tiny_run):
    coordinates = np.arange(784).reshape(1, 1, 28, 28)
    run = tiny_run(arrangement={"kind": "pixel_permutation", "seed": 4})
    seen = []
    for part, split in enumerate(("train", "test")):
        for position in (coordinates // 28, coordinates % 28):
            pixels = position.astype(np.uint8)
            images = datasets.Images("mnist", pixels, np.zeros(1, int), datasets.DIGITS, split)
            kept, _ = training._resident(images, run, "cpu", part)
            seen.append(kept.numpy().ravel().astype(int))
    index = arrange.pixel_permutation(28, 4)
    assert np.array_equal(seen[0] * 28 + seen[1], index)
    assert np.array_equal(seen[2] * 28 + seen[3], index)


def test_a_map_per_image_equals_each_map_applied_alone():
    images = pictures(6, 3, 8)
    many = arrange.block_swaps(8, 2, 4, seed=1, images=6)
    together = arrange.apply(images, many)
    for k in range(6):
        assert np.array_equal(together[k], arrange.apply(images[k : k + 1], many[k])[0])


def each(images=40, part=0, **changed):
    """Return the maps of block swaps drawn for each image, `changed` in the usual spec."""
    spec = {"kind": "block_swaps", "block": 2, "swaps": 5, "seed": 3, "per_image": True}
    return arrange.from_spec(spec | changed, 8, images, part)


def test_a_spec_per_image_draws_a_map_for_each():
    many = each()
    assert many.shape == (40, 64) and many.dtype == np.int64
    assert all(np.array_equal(np.sort(row), np.arange(64)) for row in many)
    assert len({row.tobytes() for row in many}) > 35
    assert np.array_equal(each(), many)
    for other in (each(part=1), each(seed=4)):  # test images, another seed
        assert (other != many).any(axis=1).mean() > 0.9
        assert not {row.tobytes() for row in other} & {row.tobytes() for row in many}
    alone = each(per_image=False)
    assert np.array_equal(alone, arrange.block_swaps(8, 2, 5, 3))  # one map, the same for all


@pytest.mark.parametrize("part", (0, 1))
@pytest.mark.parametrize(("fewer", "more"), ((0, 3), (5, 8), (10, 11)))
def test_more_swaps_continue_fewer(fewer, more, part):
    """What leads from the one map to the other are `more - fewer` swaps of blocks, not more."""
    before, after = (each(part=part, swaps=swaps) for swaps in (fewer, more))
    assert max(swaps_between(before, after)) == more - fewer
    unrelated = each(part=part, swaps=more, seed=4)
    assert fewer == 0 or max(swaps_between(before, unrelated)) > more - fewer


def swaps_between(before, after):
    """Return the least swaps of 2 px blocks that turn one map of 8 px into another, per image."""
    since = np.take_along_axis(np.argsort(before), after, axis=1)
    corners = since.reshape(-1, 8, 8)[:, ::2, ::2].reshape(-1, 16)
    return [16 - cycles(row) for row in (corners // 16 * 4 + corners % 8 // 2).tolist()]


def cycles(order):
    """Return how many cycles a permutation has: n minus the transpositions that make it."""
    left, count = set(range(len(order))), 0
    while left:
        count, k = count + 1, min(left)
        while k in left:
            left.remove(k)
            k = order[k]
    return count


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("side", (2, 28))
def test_inverse_undoes(side, seed):
    images = pictures(2, 3, side)
    for index in maps(side, seed):
        there = arrange.apply(images, index)
        assert np.array_equal(arrange.apply(there, arrange.inverse(index)), images)


def test_direction_of_the_map():
    image = np.array([10, 20, 30, 40], np.uint8).reshape(1, 1, 2, 2)
    index = np.array([1, 2, 0, 3])  # position 0 shows the original's pixel 1, and so on
    assert arrange.apply(image, index).ravel().tolist() == [20, 30, 10, 40]
    # Eq. 1: the pixel at k moves to sigma(k); 20, at 1, moved to 0
    sigma = arrange.inverse(index)
    assert sigma.tolist() == [2, 0, 1, 3]
    after = arrange.apply(image, index).ravel()
    assert all(after[sigma[k]] == image.ravel()[k] for k in range(4))


def test_displacement_by_hand():
    index = np.array([8, 1, 5, 3, 4, 2, 6, 7, 0])  # 3 px: corners (0,0)-(2,2) and (0,2)-(1,2)
    assert arrange.displacement(index, 3).tolist() == [2, 0, 1, 0, 0, 1, 0, 0, 2]
    assert arrange.displacement(np.arange(9), 3).tolist() == [0] * 9


def test_pixel_permutations_are_uniform():
    orders = [tuple(arrange.pixel_permutation(2, seed)) for seed in range(4800)]
    kinds, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(kinds) == 24
    assert chisquare(counts).pvalue > 0.001


class Recorder:
    """Stand in for a random generator: note every range asked for, answer with one end of it."""

    def __init__(self, end):
        self.end, self.ranges = end, []

    def integers(self, low, high):
        self.ranges.append((low, high))
        return low if self.end == "low" else high - 1


@pytest.mark.parametrize("end", ("low", "high"))
@pytest.mark.parametrize("distance", (0, 1, 3, 5, 9))
def test_partners_lie_in_the_clipped_window(monkeypatch, distance, end):
    recorder = Recorder(end)
    monkeypatch.setattr(arrange.np.random, "default_rng", lambda seed: recorder)
    arrange.local_permutation(6, distance, 0)
    assert len(recorder.ranges) == 2 * 36  # each position is swapped once
    for here in range(36):
        for centre, (low, high) in zip(
            divmod(here, 6), recorder.ranges[2 * here : 2 * here + 2], strict=True
        ):
            window = [k for k in range(6) if abs(k - centre) <= distance]
            assert list(range(low, high)) == window


@pytest.mark.parametrize("distance", (1, 2, 4))
def test_one_swap_moves_no_further_than_the_distance(distance):
    """The scan may carry a pixel on; stopped after one position, nothing is further away."""
    whole_window = set()
    for seed in range(300):
        rng = np.random.default_rng(seed)
        row, column = (int(arrange._near(rng, 10, distance, 28)) for _ in range(2))
        assert max(abs(row - 10), abs(column - 10)) <= distance
        whole_window.add((row, column))
    if distance == 1:
        assert len(whole_window) == 9  # the position itself and the diagonals included


def test_the_scan_can_carry_a_pixel_beyond_the_distance():
    moved = [arrange.displacement(arrange.local_permutation(28, 2, seed), 28) for seed in SEEDS]
    assert all(m.max() > 2 for m in moved)
    assert all(np.mean(m <= 2) > 0.5 for m in moved)


@pytest.mark.parametrize("distance", (4, 5, 100))
def test_from_side_on_every_distance_is_the_same(distance):
    at_side = arrange.local_permutation(4, 3, 0)
    assert np.array_equal(arrange.local_permutation(4, distance, 0), at_side)
    reached = {int(arrange.local_permutation(4, distance, seed)[0]) for seed in range(300)}
    assert reached == set(range(16))


@pytest.mark.parametrize(
    ("spec", "parts"),
    (
        ({"kind": "rotation"}, ("arrangement.kind", "rotation", "pixel_permutation")),
        ({"seed": 1}, ("arrangement.kind", "None")),
        ({"kind": "pixel_permutation"}, ("pixel_permutation", "seed")),
        ({"kind": "pixel_permutation", "seed": -1}, ("seed: -1",)),
        ({"kind": "pixel_permutation", "seed": 0.5}, ("seed: 0.5",)),
        ({"kind": "pixel_permutation", "seed": 0, "patch": 4}, ("pixel_permutation", "patch")),
        ({"kind": "patch_permutation", "seed": 0, "patch": 5}, ("patch: 5", "28")),
        ({"kind": "patch_permutation", "seed": 0, "patch": 0}, ("patch: 0",)),
        ({"kind": "patch_permutation", "seed": 0, "patch": 56}, ("patch: 56",)),
        ({"kind": "patch_permutation", "seed": 0, "slices": 3}, ("arrangement.slices: 3", "28")),
        ({"kind": "patch_permutation", "seed": 0, "slices": 0}, ("arrangement.slices: 0",)),
        ({"kind": "patch_permutation", "seed": 0, "slices": "2"}, ("arrangement.slices: '2'",)),
        ({"kind": "local_permutation", "seed": 0, "distance": -1}, ("distance: -1",)),
        ({"kind": "block_swaps", "seed": 0, "block": 29, "swaps": 1}, ("block: 29",)),
        ({"kind": "block_swaps", "seed": 0, "block": 2, "swaps": -1}, ("swaps: -1",)),
        ({"kind": "pixel_permutation", "seed": 0, "per_image": True}, ("pixel_permutation",)),
        ({"kind": "pixel_permutation", "seed": 0, "stays": 1}, ("arrangement.stays: 1",)),
        ({"kind": "pixel_permutation", "seed": 0, "stays": "no"}, ("arrangement.stays: 'no'",)),
        ({"kind": "pixel_permutation", "stays": 0.5}, ("pixel_permutation", "seed")),
        (
            {"kind": "local_permutation", "seed": 0, "distance": 0, "stays": 0.5},
            ("arrangement.stays: 0.5", "100 draws"),
        ),
        ({"kind": "block_swaps", "block": 2, "swaps": 1, "per_image": True}, ("seed: None",)),
        (
            {"kind": "block_swaps", "seed": -1, "block": 2, "swaps": 1, "per_image": True},
            ("seed: -1",),
        ),
    ),
)
def test_a_bad_spec_is_one_line_that_names_the_field(spec, parts):
    with pytest.raises(InputError) as error:
        arrange.from_spec(spec, 28)
    one_line(error, *parts)


MOVING = [
    ({"kind": "pixel_permutation"}, 28),
    *(({"kind": "patch_permutation", "slices": slices}, 32) for slices in (2, 4, 8, 16)),
    ({"kind": "local_permutation", "distance": 1}, 16),  # of all distances it leaves most in place
    ({"kind": "local_permutation", "distance": 8}, 8),
    ({"kind": "block_swaps", "block": 7, "swaps": 12}, 28),
]


@pytest.mark.parametrize(("spec", "side"), MOVING)
def test_no_seed_of_a_thousand_leaves_more_in_place_than_is_allowed(spec, side):
    """Without the limit one of 24 shuffles of four patches is the identity, for instance seed 1."""
    for seed in range(1000):
        index = arrange.from_spec(spec | {"seed": seed, "stays": 0.25}, side)
        assert arrange.staying(index) <= 0.25, seed
        assert np.array_equal(np.sort(index), np.arange(side * side))


def test_no_image_of_a_thousand_keeps_more_than_is_allowed():
    swaps = {"kind": "block_swaps", "block": 14, "swaps": 2, "seed": 3, "per_image": True}
    many = arrange.from_spec(swaps, 28, 1000)
    few = arrange.from_spec(swaps | {"stays": 0.25}, 28, 1000)
    assert arrange.staying(many).max() == 1 and arrange.staying(few).max() <= 0.25
    kept = arrange.staying(many) <= 0.25
    assert np.array_equal(few[kept], many[kept])  # only what stayed was drawn again
    assert len({row.tobytes() for row in few}) > 5


def test_the_first_draw_counts_where_it_moves_enough_or_nothing_is_asked():
    spec = {"kind": "patch_permutation", "slices": 2, "seed": 1}
    assert np.array_equal(arrange.from_spec(spec, 32), np.arange(1024))  # as old records have it
    moved = arrange.from_spec(spec | {"stays": 0.25}, 32)
    assert np.array_equal(arrange.from_spec(spec | {"stays": 0.25}, 32), moved)
    for seed in range(50):
        first = arrange.from_spec(spec | {"seed": seed}, 32)
        if arrange.staying(first) <= 0.25:
            limited = arrange.from_spec(spec | {"seed": seed, "stays": 0.25}, 32)
            assert np.array_equal(limited, first)


def test_every_shuffle_that_is_allowed_is_as_likely_as_the_others():
    spec = {"kind": "patch_permutation", "slices": 2, "stays": 0.25}
    drawn = [tuple(arrange.from_spec(spec | {"seed": seed}, 2)) for seed in range(3400)]
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(kinds) == 9 + 8  # no patch stays, or one
    assert chisquare(counts).pvalue > 0.001


def test_specs_reach_their_maps_and_are_left_alone():
    spec = {"kind": "patch_permutation", "slices": 4, "seed": 2}
    assert np.array_equal(arrange.from_spec(spec, 32), arrange.patch_permutation(32, 8, 2))
    assert spec == {"kind": "patch_permutation", "slices": 4, "seed": 2}
    spec = {"kind": "local_permutation", "distance": 3, "seed": 5}
    assert np.array_equal(arrange.from_spec(spec, 28), arrange.local_permutation(28, 3, 5))


@pytest.mark.parametrize("side", (0, -1, 2.0, "28", True))
def test_a_bad_side(side):
    with pytest.raises(InputError) as error:
        arrange.pixel_permutation(side, 0)
    one_line(error, "side", repr(side))


@pytest.mark.parametrize("shape", ((63,), (2, 64), (5, 63), (1, 1, 64)))
def test_a_map_of_the_wrong_shape(shape):
    with pytest.raises(InputError) as error:
        arrange.apply(pictures(5, 1, 8), np.zeros(shape, int))
    one_line(error, "index", shape, "(64,)", "(5, 64)")
