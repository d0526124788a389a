"""Pairs of frames one pixel apart, and what is measured of them (azulay2019, Section 2)."""

import math

import numpy as np
import pytest
import torch
from conftest import one_line
from numpy.testing import assert_allclose
from scipy import stats

from helpers import shift
from helpers.errors import InputError

SIDE, SIZE = 64, 30
SHAPES = [(50, 50), (40, 70), (70, 40), (300, 20), (20, 300), (1, 90), (17, 17)]


def picture(height=50, width=70, seed=0, least=40):
    """Return random pixels that are never black."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(least, 256, (3, height, width), dtype=np.uint8))


def places(height, width):
    """Return a picture whose first channel counts rows from 1, and whose second columns."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([rows + 1, columns + 1, torch.ones_like(rows)]).to(torch.uint8)


def box(frame):
    """Return (top, left, height, width) of what is not black in a frame (C, H, W)."""
    rows, columns = (frame.amax(0).amax(axis).nonzero()[:, 0] for axis in (1, 0))
    return (int(rows[0]), int(columns[0]), len(rows), len(columns))


def pair(protocol, made, seed=0, **more):
    """Return both frames (C, SIDE, SIDE) of one picture."""
    return shift.frames([made], protocol, SIDE, seed, **{"size": SIZE, **more})[:, 0]


def many(protocol, made, count=600, side=SIDE, size=SIZE):
    """Return the first frames of as many draws for one picture."""
    return shift.frames([made] * count, protocol, side, 1, size)[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_frames_are_what_a_network_expects(shape):
    pictures = [picture(*shape), picture(33, 44)]
    for protocol in shift.PROTOCOLS:
        made = shift.frames(pictures, protocol, SIDE, 0, SIZE)
        assert made.shape == (2, 2, 3, SIDE, SIDE) and made.dtype == torch.uint8
        assert not torch.equal(made[0], made[1])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_cropped_frames_are_one_pixel_apart(shape, seed):
    first, second = pair("crop", picture(*shape), seed)
    assert torch.equal(first[:, 1:, 1:], second[:, :-1, :-1])  # down and right


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_embedded_frames_are_one_pixel_apart_and_black_around(shape, seed):
    first, second = pair("black", picture(*shape), seed)
    assert torch.equal(first[:, :-1], second[:, 1:])  # down
    assert not second[:, 0].any() and not first[:, -1].any()
    top, left, height, width = box(first)
    assert box(second) == (top + 1, left, height, width)
    assert min(height, width) == min(SIZE, SIDE - 1) and max(height, width) <= SIDE - 1
    for frame, down in ((first, top), (second, top + 1)):
        outside = torch.ones(SIDE, SIDE, dtype=torch.bool)
        outside[down : down + height, left : left + width] = False
        assert not frame[:, outside].any() and (frame[:, ~outside] > 0).all()


def test_an_embedded_picture_is_the_shrunk_one():
    given = picture(50, 70)
    first = pair("black", given)[0]
    top, left, height, width = box(first)
    assert (height, width) == (30, 42)  # the aspect stays
    assert torch.equal(first[:, top : top + 30, left : left + 42], shift.resize(given, (30, 42)))


def test_of_what_is_too_wide_the_middle_is_embedded():
    first = pair("black", places(30, 200))[0]
    top, left, height, width = box(first)
    assert (height, width) == (30, SIDE - 1)
    assert first[1, top, left : left + width].tolist() == list(range(69, 69 + 63))


@pytest.mark.parametrize("shape", [(50, 50), (40, 70), (70, 40)])
@pytest.mark.parametrize("seed", range(4))
def test_scaled_frames_differ_by_a_pixel_of_size(shape, seed):
    first, second = pair("scale", picture(*shape), seed)
    (top, left, *small), (other_top, other_left, *large) = box(first), box(second)
    assert (top, left) == (other_top, other_left)
    assert (min(small), min(large)) == (SIZE, SIZE + 1)
    ratio = max(shape) / min(shape)
    assert (max(small), max(large)) == (round(SIZE * ratio), round((SIZE + 1) * ratio))
    assert top + large[0] <= SIDE and left + large[1] <= SIDE


def test_inpainted_frames_keep_the_picture_and_have_no_hole():
    for seed, shape in enumerate(SHAPES):
        given = picture(*shape)
        black, filled = pair("black", given, seed), pair("inpainted", given, seed)
        there = black.amax(1, keepdim=True) > 0
        assert torch.equal(torch.where(there, filled, 0), black)
        for frame, mask in zip(filled, there, strict=True):
            inside = frame[:, mask[0]]
            assert (frame.amax((1, 2)) <= inside.amax(1)).all()  # means of what is there
            assert (frame.amin((1, 2)) >= inside.amin(1)).all()


def test_inpainting_moves_with_the_picture():
    first, second = pair("inpainted", places(30, 30), seed=1)
    top, left, *_ = box(pair("black", places(30, 30), seed=1)[0])
    assert min(top, left, SIDE - 31 - top, SIDE - 30 - left) > shift.REACH  # away from the border
    near = (slice(None), slice(top - 5, top + 35), slice(left - 5, left + 35))
    below = (slice(None), slice(top - 4, top + 36), slice(left - 5, left + 35))
    assert torch.equal(first[near], second[below])


def test_inpainting_by_hand():
    """One pixel that is there fills everything; of two, the nearer has the larger weight."""
    pixels, there = torch.zeros(1, 1, 1, 9, dtype=torch.uint8), torch.zeros(1, 1, 1, 9).bool()
    pixels[..., 0], there[..., 0] = 200, True
    assert (shift.inpaint(pixels, there) == 200).all()
    pixels[..., 3], there[..., 3] = 20, True
    filled = shift.inpaint(pixels, there)[0, 0, 0].tolist()
    row = [math.comb(10, 5 + k) for k in range(6)]  # the binomial weights by distance
    assert filled[:4] == [200, round((200 * row[1] + 20 * row[2]) / (row[1] + row[2])),
                          round((200 * row[2] + 20 * row[1]) / (row[1] + row[2])), 20]  # fmt: skip
    assert filled[6] == 20  # five pixels reach the nearer one only


def test_black_of_the_picture_is_no_hole():
    given = picture(30, 30)
    given[:, 10:20, 10:20] = 0
    top, left, *_ = box(pair("black", given)[0])
    filled = pair("inpainted", given)[0]
    assert not filled[:, top + 10 : top + 20, left + 10 : left + 20].any()


def test_a_torus_has_no_border():
    given = picture(SIDE, SIDE)
    first, second = pair("circular", given)
    assert torch.equal(first, given) and torch.equal(second, given.roll(1, 1))
    with pytest.raises(InputError) as error:
        pair("circular", picture(SIDE, SIDE + 1))
    one_line(error, "picture", f"{SIDE} x {SIDE}")


@pytest.mark.parametrize("protocol", shift.PROTOCOLS)
def test_draws_depend_on_the_seed_and_the_number_only(protocol):
    a, b, c = picture(40, 60), picture(60, 40, 1), picture(50, 50, 2)
    both = shift.frames([a, b], protocol, SIDE, 7, SIZE)
    assert torch.equal(both, shift.frames([a, b], protocol, SIDE, 7, SIZE))
    other = shift.frames([c, b, a], protocol, SIDE, 7, SIZE)
    assert torch.equal(other[:, 1], both[:, 1])
    assert torch.equal(shift.frames([a], protocol, SIDE, 7, SIZE)[:, 0], both[:, 0])
    assert not torch.equal(shift.frames([a, b], protocol, SIDE, 8, SIZE), both)
    same = shift.frames([a, a], protocol, SIDE, 7, SIZE)
    assert not torch.equal(same[:, 0], same[:, 1])  # another draw for the second


def test_the_other_protocols_see_the_places_of_black():
    given = picture(50, 70)
    assert box(pair("black", given, 4)[0]) == box(pair("black", picture(50, 70, 9), 4)[0])
    filled, black = pair("inpainted", given, 4), pair("black", given, 4)
    assert torch.equal(torch.where(black > 0, filled, 0), black)


@pytest.mark.parametrize(("protocol", "room"), [("black", (4, 5)), ("scale", (4, 4))])
def test_places_are_uniform(protocol, room):
    """Embed 30 px in 34: four places down (one is kept to move) and five across."""
    boxes = np.array([box(frame)[:2] for frame in many(protocol, places(30, 30), side=34)])
    for axis, count in enumerate(room):
        seen = np.bincount(boxes[:, axis], minlength=count)
        assert len(seen) == count and stats.chisquare(seen).pvalue > 0.001
    joint = np.unique(boxes, axis=0, return_counts=True)[1]
    assert len(joint) == math.prod(room) and stats.chisquare(joint).pvalue > 0.001


def squares(monkeypatch, height, width, count=600):
    """Return (top, left, edge) of the squares that are cut from a picture."""
    cut = []

    def resize(square, shape):
        cut.append((int(square[0, 0, 0]) - 1, int(square[1, 0, 0]) - 1, square.shape[1]))
        assert square.shape[1] == square.shape[2]
        return square.new_zeros(3, *shape)

    monkeypatch.setattr(shift, "resize", resize)
    many("crop", places(height, width), count)
    return np.array(cut).T


def test_crops_are_uniform_in_area_and_place(monkeypatch):
    top, left, edge = squares(monkeypatch, 200, 200)
    area = edge**2 / 200**2
    assert 0.079 < area.min() < 0.09 and 0.98 < area.max() <= 1
    assert stats.kstest(area, stats.uniform(0.08, 0.92).cdf).pvalue > 0.001
    for corner in (top, left):
        room = 200 - edge[edge < 180]
        share = (corner[edge < 180] + 0.5) / (room + 1)
        assert stats.kstest(share, stats.uniform().cdf).pvalue > 0.001


def test_a_crop_of_a_wide_picture_stays_in_it(monkeypatch):
    top, left, edge = squares(monkeypatch, 100, 200)
    assert edge.max() == 100 and (top + edge <= 100).all() and (left + edge <= 200).all()
    assert abs((edge == 100).mean() - 0.5 / 0.92) < 0.07  # areas from a half on do not fit
    assert left[edge == 100].max() > 90 and (top[edge == 100] == 0).all()


def test_resizing():
    given = picture(40, 60)
    assert shift.resize(given, (40, 60)) is given
    assert (shift.resize(torch.full((3, 40, 60), 77, dtype=torch.uint8), (7, 90)) == 77).all()
    board = torch.zeros(1, 64, 64, dtype=torch.uint8)
    board[:, ::2, ::2] = board[:, 1::2, 1::2] = 255
    inner = shift.resize(board, (16, 16))[:, 2:-2, 2:-2].int()
    assert (inner - 127).abs().max() <= 1  # antialiased: nothing of the pattern is left
    steps = shift.resize(torch.tensor([[[0, 100]]], dtype=torch.uint8), (1, 4))
    assert steps.flatten().tolist() == [0, 25, 75, 100]  # bilinear, pixels are areas


def test_measures_by_hand():
    first = torch.tensor([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.3, 0.3, 0.4], [0.6, 0.3, 0.1]])
    second = torch.tensor([[0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.2, 0.3, 0.5], [0.3, 0.1, 0.6]])
    found = shift.compare(first, second)
    assert found.label.tolist() == [0, 1, 2, 0]
    assert_allclose(found.top, [0.7, 0.5, 0.4, 0.6])
    assert found.changed.tolist() == [False, True, False, True]
    # of the first frame's class: the fourth pair's is 0.3, not the 0.5 of its new class
    assert_allclose(found.change, [0.2, 0.1, 0.1, 0.3], atol=1e-7)
    row = found.row()
    assert row["n"] == 4 and row["P(top-1 change)"] == 0.5
    assert_allclose(row["mean absolute change"], 0.175)
    assert_allclose(row["its s.e."], math.sqrt(4 * 0.25 / 3 / 4))
    assert_allclose(row["s.e."], np.std([0.2, 0.1, 0.1, 0.3], ddof=1) / 2, rtol=1e-6)


def test_the_order_of_frames_matters_for_the_change_alone():
    first, second = torch.tensor([[0.9, 0.1, 0.0]]), torch.tensor([[0.2, 0.3, 0.5]])
    there, back = shift.compare(first, second), shift.compare(second, first)
    assert there.changed.all() and back.changed.all()
    assert_allclose([there.change[0], back.change[0]], [0.7, 0.5], atol=1e-7)


def test_ties_go_to_the_first_class_in_both_frames():
    level = torch.full((50, 1000), 0.001)
    found = shift.compare(level, level.clone())
    assert not found.changed.any() and not found.label.any() and not found.change.any()
    tie, last = torch.tensor([[0.1, 0.45, 0.45]]), torch.tensor([[0.1, 0.4, 0.5]])
    assert not shift.compare(tie, tie.clone()).changed.any()
    assert shift.compare(tie, last).changed.all()


def test_standard_errors():
    values = np.random.default_rng(0).normal(size=400)
    assert_allclose(shift.error(values), stats.sem(values))
    assert shift.error([True] * 9) == 0 and math.isnan(shift.error([1.0]))


def raises(*parts, **changed):
    asked = {"pictures": [picture()], "protocol": "black", "side": SIDE, "seed": 0, "size": SIZE}
    with pytest.raises(InputError) as error:
        shift.frames(**{**asked, **changed})
    one_line(error, *parts)


def test_what_does_not_fit():
    raises("protocol", "sideways", "crop", protocol="sideways")
    raises("side", "1", side=1)
    raises("size", SIDE, f"to {SIDE - 1}", size=SIDE)
    raises("size", "0", size=0)
    raises("size", "30.5", size=30.5)
    raises("picture", "float32", "uint8", pictures=[picture().float()])
    raises("picture", "(50, 70)", "(C, H, W)", pictures=[picture()[0]])
    raises("picture", "int64", pictures=[picture().numpy().astype(int)])
    with pytest.raises(InputError) as error:
        shift.compare(torch.zeros(2, 3), torch.zeros(2, 4))
    one_line(error, "(2, 3)", "(2, 4)")
    with pytest.raises(InputError) as error:
        shift.inpaint(torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4).bool())
    one_line(error, "there", "nowhere")
