"""Remedies at test time, against SciPy's filters (rodner2016, Section 3)."""

import numpy as np
import pytest
import torch
from conftest import one_line
from scipy import ndimage

from helpers import denoise
from helpers.errors import InputError


@pytest.fixture
def images():
    found = np.random.default_rng(0).uniform(0, 255, (3, 3, 20, 27))
    return torch.from_numpy(found).float()


@pytest.mark.parametrize(("size", "sigma"), ((3, 0.5), (5, 1.0), (7, 3)))
def test_the_gaussian_is_that_of_scipy(size, sigma, images):
    found = denoise.gaussian(images, size, sigma)
    expected = ndimage.gaussian_filter(
        images.double().numpy(), sigma, mode="mirror", radius=size // 2, axes=(2, 3)
    )
    assert abs(found.numpy() - expected).max() < 1e-3
    assert abs(found - images).max() > 10


@pytest.mark.parametrize(("size", "sigma"), ((3, 0.5), (5, 1.0)))
def test_the_gaussian_has_weights_that_sum_to_1_in_one_channel(size, sigma):
    point = torch.zeros(1, 3, 15, 15)
    point[0, 1, 7, 7] = 1
    found = denoise.gaussian(point, size, sigma)
    assert not found[0, [0, 2]].any()
    assert found[0, 1].sum().item() == pytest.approx(1)
    assert int((found > 0).sum()) == size**2
    taps = np.exp(-(np.arange(-(size // 2), size // 2 + 1) ** 2) / (2 * sigma**2))
    taps /= taps.sum()
    reach = slice(7 - size // 2, 8 + size // 2)
    assert abs(found[0, 1, reach, reach].numpy() - np.outer(taps, taps)).max() < 1e-6


@pytest.mark.parametrize("size", (3, 5))
def test_the_closing_is_that_of_scipy(size, images):
    found = denoise.closing(images, size).numpy()
    expected = ndimage.grey_closing(images.numpy(), (1, 1, size, size))
    inside = (..., slice(size, -size), slice(size, -size))
    assert np.array_equal(found[inside], expected[inside])


@pytest.mark.parametrize("size", (3, 5))
def test_a_closing_makes_nothing_darker_and_is_done_once(size, images):
    found = denoise.closing(images, size)
    assert (found >= images).all() and (found > images).float().mean() > 0.5
    assert torch.equal(denoise.closing(found, size), found)
    assert found.max() == images.max()


def test_a_closing_removes_dark_points_even_in_a_corner_and_keeps_dark_squares():
    picture = torch.full((1, 3, 12, 12), 200.0)
    expected = picture.clone()
    expected[0, 1, 5:8, 5:8] = 10  # as large as the square itself
    picture[0, 1, 5:8, 5:8] = 10
    picture[0, 0, [0, 3, 11], [0, 8, 4]] = 0
    picture[0, 2, 4:6, 4:8] = 0  # too low
    assert torch.equal(denoise.closing(picture, 3), expected)


@pytest.mark.parametrize("name", denoise.FILTERS)
def test_filters_leave_a_plain_image_and_their_input_as_they_are(name, images):
    plain = torch.tensor([3.0, 100, 254]).view(1, 3, 1, 1).expand(2, 3, 9, 11)
    assert torch.allclose(denoise.FILTERS[name](plain), plain, atol=1e-3)
    before = images.clone()
    found = denoise.FILTERS[name](images)
    assert torch.equal(images, before)
    assert found.dtype == torch.float32 and found.shape == images.shape
    assert torch.equal(found, images) == (name == "none")
    alone = denoise.FILTERS[name](images[1:2, 2:])
    assert torch.allclose(alone, found[1:2, 2:], atol=1e-4)  # neither image nor channel mixes


def test_filters_are_those_of_the_conventions(images):
    assert list(denoise.FILTERS) == ["none", "gaussian 3", "gaussian 5", "closing 3"]
    named = {"gaussian 3": denoise.gaussian(images, 3, 0.5),
             "gaussian 5": denoise.gaussian(images, 5, 1.0),
             "closing 3": denoise.closing(images, 3)}  # fmt: skip
    for name, expected in named.items():
        assert torch.equal(denoise.FILTERS[name](images), expected)


def test_uint8_is_filtered_without_rounding(images):
    whole = images.byte()
    found = denoise.gaussian(whole, 3, 0.5)
    assert torch.equal(found, denoise.gaussian(whole.float(), 3, 0.5))
    assert (found != found.round()).any()
    assert torch.equal(denoise.closing(whole, 3), denoise.closing(whole.float(), 3))


@pytest.mark.parametrize(
    ("call", "parts"),
    (
        (lambda x: denoise.gaussian(x, 4, 1), ("size: 4", "odd")),
        (lambda x: denoise.closing(x, 2), ("size: 2", "odd")),
        (lambda x: denoise.closing(x, 0), ("size: 0",)),
        (lambda x: denoise.closing(x, 3.0), ("size: 3.0",)),
        (lambda x: denoise.gaussian(x, 3, 0), ("sigma: 0", "above 0")),
        (lambda x: denoise.gaussian(x, 3, float("nan")), ("sigma: nan",)),
        (lambda x: denoise.gaussian(x, 3, "1"), ("sigma: '1'",)),
        (lambda x: denoise.gaussian(x[..., :2], 5, 1), ("size: 5", "(20, 2)")),
    ),
)
def test_bad_input_is_one_line_that_names_the_field(call, parts, images):
    with pytest.raises(InputError) as error:
        call(images)
    one_line(error, *parts)
