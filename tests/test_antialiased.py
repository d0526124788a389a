"""Networks that subsample in different ways: what they do to a shift."""

import pytest
import torch
from torch.nn import functional

from helpers import models
from helpers.models.antialiased import BINOMIAL, SAMPLINGS, Sample, strongest_grid

IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def build(**arguments):
    return models.build("antialiased", (3, 32, 32), 10, 0, width=8, **arguments).eval()


def moved(model, rows, columns):
    """Return the largest change of the logits when images move on a torus, over their spread."""
    with torch.no_grad():
        before, after = model(IMAGES), model(IMAGES.roll((rows, columns), (2, 3)))
    return float((after - before).abs().max() / before.std())


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_all_have_the_same_weights_and_sizes(sampling):
    model, usual = build(sampling=sampling), build()
    assert models.parameters(model) == models.parameters(usual)
    x, sides = IMAGES, []
    for layer in model.layers:
        x = layer(x)
        sides.append(x.shape[2])
    assert sides == ([32] * 4 if sampling == "none" else [32, 16, 8, 4])
    for name, weight in usual.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)


@pytest.mark.parametrize("sampling", ["none", "aps"])
@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (3, 5)])
def test_nothing_changes_on_a_torus(sampling, shift):
    assert moved(build(sampling=sampling, padding="circular"), *shift) < 1e-4


@pytest.mark.parametrize("sampling", ["max", "bin3", "bin5"])
def test_subsampling_changes_the_output_unless_the_shift_is_a_multiple(sampling):
    model = build(sampling=sampling, padding="circular")
    assert moved(model, 8, 16) < 1e-4
    assert moved(model, 1, 0) > 1e-2


@pytest.mark.parametrize("sampling", ["none", "aps"])
def test_zeros_around_the_image_take_exactness_away(sampling):
    assert moved(build(sampling=sampling), 1, 0) > 1e-3


def test_a_blur_helps():
    change = {name: moved(build(sampling=name, padding="circular"), 1, 1) for name in SAMPLINGS}
    assert change["bin5"] < change["bin3"] < change["max"]


@pytest.mark.parametrize("name", BINOMIAL)
def test_the_blur_is_binomial_and_keeps_a_constant(name):
    taps = BINOMIAL[name]
    kernel = Sample(2, name, "zeros").kernel
    assert kernel.sum((2, 3)).tolist() == [[1.0]] * 2
    assert torch.allclose(
        kernel[0, 0] * sum(taps) ** 2, torch.outer(*[torch.tensor(taps).float()] * 2)
    )
    constant = torch.full((1, 2, 8, 8), 3.0)
    assert torch.allclose(Sample(2, name, "circular")(constant), constant[:, :, ::2, ::2])


def test_max_and_blur_come_before_every_second_value():
    x = IMAGES[:, :2]
    wrapped = functional.pad(x, (0, 1, 0, 1), mode="circular")
    largest = functional.max_pool2d(wrapped, 2, stride=1)
    assert torch.equal(Sample(2, "none", "circular")(x), largest)
    assert torch.equal(Sample(2, "max", "circular")(x), largest[:, :, ::2, ::2])


def test_the_strongest_of_four_grids_is_taken_image_by_image():
    x = torch.rand(4, 3, 6, 6)
    for k in range(4):
        x[k, :, k // 2 :: 2, k % 2 :: 2] += 10
    expected = torch.stack([x[k, :, k // 2 :: 2, k % 2 :: 2] for k in range(4)])
    assert torch.equal(strongest_grid(x), expected)


@pytest.mark.parametrize("bad", [{"sampling": "mean"}, {"padding": "reflect"}])
def test_unknown_arguments_are_one_line(bad):
    (field,) = bad
    with pytest.raises(ValueError, match=f"^model_args.{field}: .* is not allowed; use one of"):
        build(**bad)
