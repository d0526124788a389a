"""Random crops and flips: what is cut, what chance decides, and what a run makes of them."""

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from helpers import augment, runs, training

SHAPE = (7, 3, 6, 5)  # of images that are neither square nor as wide as the rim
EVERY = [(top, left, flip) for top in range(9) for left in range(9) for flip in (0, 1)]


@pytest.fixture
def images():
    """Return images without a black pixel, so that the rim is known."""
    return np.random.default_rng(0).integers(1, 256, SHAPE, dtype=np.uint8)


def by_numpy(image, top, left, flip):
    """Cut one image (C, H, W), black around it, and turn it over."""
    height, width = image.shape[1:]
    cut = np.pad(image, ((0, 0), (4, 4), (4, 4)))[:, top : top + height, left : left + width]
    return cut[:, :, ::-1] if flip else cut


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def draw(rows, generator, kind="crop_flip", side=32):
    return augment.draw(rows, generator, kind, (side, side))


def take(pixels, draws, kind):
    return augment.take(augment.prepare(pixels, kind), draws, kind, pixels.shape[2:])


def test_every_crop_and_flip_is_that_of_numpy(images):
    draws = [(k % len(images), *cut) for k, cut in enumerate(EVERY)]
    found = take(torch.from_numpy(images), torch.tensor(draws), "crop_flip")
    assert found.shape == (162, 3, 6, 5) and found.dtype == torch.uint8
    expected = [by_numpy(images[row], *cut) for row, *cut in draws]
    assert np.array_equal(found.numpy(), np.stack(expected))


def test_the_centre_without_a_flip_gives_the_image_back(images):
    pixels = torch.from_numpy(images)
    padded = augment.prepare(pixels, "crop_flip")
    assert padded.shape == (7, 14, 13, 3) and padded.dtype == torch.uint8
    assert padded.is_contiguous()
    centre = torch.tensor([[k, 4, 4, 0] for k in (3, 0, 3)])  # rows may come twice, in any order
    assert torch.equal(augment.take(padded, centre, "crop_flip", (6, 5)), pixels[[3, 0, 3]])


def test_draws_depend_on_the_generator_alone():
    rows, generator = torch.randperm(50, generator=seeded(9)), seeded(1)
    before = torch.get_rng_state()
    first, later = (draw(rows, generator) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)  # and the other way round
    assert torch.equal(draw(rows, seeded(1)), first)
    assert first.shape == (50, 4) and first.dtype == torch.int64
    assert torch.equal(first[:, 0], rows)
    assert torch.equal(draw(rows.flip(0), seeded(1))[:, 1:], first[:, 1:])
    for other in (later, draw(rows, seeded(2))):
        assert all((first[:, k] != other[:, k]).any() for k in (1, 2, 3))


def test_every_crop_and_flip_is_as_likely_as_any_other():
    draws = draw(torch.zeros(162 * 50, dtype=torch.int64), seeded(0))[:, 1:]
    assert draws.min() == 0 and draws.amax(0).tolist() == [8, 8, 1]
    cells = torch.bincount((draws * torch.tensor([18, 2, 1])).sum(1), minlength=162)
    assert len(cells) == 162 and cells.min() > 0
    # chi-square of 161 degrees of freedom: one seed in a million would fail
    assert ((cells - 50) ** 2 / 50).sum() < chi2.isf(1e-6, 161)


def spy(monkeypatch, name):
    """Return a list that will hold what a method of `training.Step` was called with."""
    calls, method = [], getattr(training.Step, name)

    def called(self, *given):
        calls.append(given)
        return method(self, *given)

    monkeypatch.setattr(training.Step, name, called)
    return calls


def test_a_run_learns_from_cut_images_with_their_own_labels(noise, tiny_run, monkeypatch):
    drawn, learnt = (spy(monkeypatch, name) for name in ("__call__", "learn"))
    images = noise(64)
    training.train(tiny_run(augment="crop_flip", epochs=2), images, noise(32, seed=1))
    assert len(learnt) == len(drawn) == 4
    for (batch,), (x, y) in zip(drawn, learnt, strict=True):
        expected = [by_numpy(images.pixels[row], *cut) for row, *cut in batch.tolist()]
        assert np.array_equal(x.numpy(), np.stack(expected))
        assert np.array_equal(y.numpy(), images.labels[batch[:, 0]])
    batches = [batch for (batch,) in drawn]
    first, second = (sorted(torch.cat(epoch).tolist()) for epoch in (batches[:2], batches[2:]))
    rows = [[row for row, *_ in epoch] for epoch in (first, second)]
    assert rows == [list(range(64))] * 2  # each image once in an epoch ...
    assert first != second  # ... and cut anew


def test_test_images_are_left_whole(noise, tiny_run):
    """At rate 0 nothing but the training images can differ, and they do."""
    plain, cut = (
        training.train(tiny_run(augment=kind, lr=0), noise(64), noise(32, seed=1))[1][0]
        for kind in ("none", "crop_flip")
    )
    assert cut["test_loss"] == plain["test_loss"] and cut["loss"] != plain["loss"]


@pytest.mark.usefixtures("folders")
def test_the_same_run_gives_the_same_record(tiny_run):
    def record(**fields):
        found = runs.execute(tiny_run(epochs=2, seed=3, **fields))
        del found["provenance"]
        for row in found["epochs"]:
            del row["seconds"]
        return found

    first, second = (record(augment="crop_flip") for _ in range(2))
    assert first == second and first["run"]["augment"] == "crop_flip"
    assert record()["epochs"] != first["epochs"]


@pytest.fixture
def squares():
    """Return square images without a black pixel, int (N, C, 32, 32)."""
    return torch.randint(1, 256, (5, 3, 32, 32), generator=seeded(3), dtype=torch.uint8)


def test_a_small_image_on_black_is_at_every_place_alike(squares):
    draws = draw(torch.zeros(20_000, dtype=torch.int64), seeded(0), "black")
    places = torch.bincount(draws[:, 1] * 13 + draws[:, 2], minlength=169)
    assert len(places) == 169 and places.min() > 0
    assert ((places - 20_000 / 169) ** 2 / (20_000 / 169)).sum() < chi2.isf(1e-6, 168)
    for (row, top, left, flip), view in zip(
        draws[:20].tolist(), take(squares, draws[:20], "black"), strict=True
    ):
        filled = (view > 0).all(0)
        assert filled.sum() == 400
        y, x = filled.nonzero().amin(0).tolist()
        # the window moves against the image, and a flip turns the whole view over
        assert y == 12 - top and x == (left if flip else 12 - left)
        small = augment.take(augment.prepare(squares, "black"), torch.tensor([[row, 0, 0, 0]]),
                             "black", (32, 32))[0, :, 12:, 12:]  # fmt: skip
        assert torch.equal(view[:, y : y + 20, x : x + 20], small.flip(2) if flip else small)


def test_the_largest_square_is_the_image(squares):
    whole = torch.tensor([[2, 500, 500, 0, augment.STEPS], [2, 0, 700, 1, augment.STEPS]])
    found = take(squares, whole, "square")
    assert torch.equal(found[0], squares[2]) and torch.equal(found[1], squares[2].flip(2))


def test_a_square_of_a_ramp_is_a_ramp_of_its_edge():
    ramp = torch.arange(0, 256, 8).float().expand(3, 32, 32).to(torch.uint8)[None]
    quarter = round((0.25 - augment.AREA[0]) / (1 - augment.AREA[0]) * augment.STEPS)
    draws = torch.tensor([[0, 0, 0, 0, quarter], [0, 0, augment.STEPS, 0, quarter],
                          [0, 0, 0, 1, quarter]])  # fmt: skip
    left, right, turned = take(ramp, draws, "square")[:, 0, 0].float()
    # half as wide, so half as steep; left edge from 0 on, right edge up to the end
    for view, sign in ((left, 1), (right, 1), (turned, -1)):
        assert (view.diff()[2:-2] * sign - 4).abs().max() <= 1
    assert left[0] <= 4 and right[-1] >= 244 and torch.equal(turned, left.flip(0))


def test_squares_have_areas_and_places_all_alike():
    draws = draw(torch.zeros(4_000, dtype=torch.int64), seeded(0), "square")
    assert draws.shape == (4_000, 5)
    for column in (1, 2, 4):
        drawn = draws[:, column].float() / augment.STEPS
        assert drawn.min() < 0.01 and drawn.max() > 0.99
        assert abs(drawn.mean() - 0.5) < 5 * (1 / 12 / 4_000) ** 0.5


def test_only_square_images_are_put_on_black(images):
    with pytest.raises(ValueError, match="augment: 'black' is not allowed; images must be square"):
        augment.prepare(torch.from_numpy(images), "black")
