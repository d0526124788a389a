"""Residual, perturbative and local binary networks: parameter counts, masks, exact equalities."""

import pytest
import torch
from conftest import one_line
from torchvision.models import resnet18, resnet50

from helpers import models
from helpers.errors import InputError
from helpers.models.local_binary import LocalBinary
from helpers.models.perturbative import Filtered, Perturbation

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def build(name="pnn", shape=COLOUR, seed=0, **arguments):
    """Return a narrow network, in evaluation mode."""
    return models.build(name, shape, 10, seed, **{"width": 4, **arguments}).eval()


def count(name, classes=10, **arguments):
    """Return how many numbers a network on colour images learns."""
    return models.parameters(models.build(name, COLOUR, classes, 0, **arguments))


# Residual networks.


@pytest.mark.parametrize(("depth", "reference"), ((18, resnet18), (50, resnet50)))
def test_the_residual_network_equals_torchvisions(depth, reference):
    torch.manual_seed(0)
    theirs = reference(num_classes=7).eval()
    ours = models.build("resnet", (3, 64, 64), 7, 0, depth=depth).eval()
    names, values = list(ours.state_dict()), list(theirs.state_dict().values())
    # torchvision registers a block's shortcut last, as we do, and the head after all stages
    ours.load_state_dict(dict(zip(names, values, strict=True)))
    x = torch.randn(2, 3, 64, 64)
    assert torch.allclose(ours(x), theirs(x), atol=1e-4)


@pytest.mark.parametrize("shape", (GREY, COLOUR))
@pytest.mark.parametrize("depth", (18, 50))
@pytest.mark.parametrize("stem", ("conv7", "conv3"))
@pytest.mark.parametrize("name", ("resnet", "pnn", "lbcnn"))
def test_every_network_takes_both_sizes_of_images(name, stem, depth, shape):
    assert build(name, shape, depth=depth, stem=stem)(torch.zeros(2, *shape)).shape == (2, 10)


def test_narrow_maps_survive_a_training_step_in_channels_last():
    # a strided 1x1 convolution of PyTorch would not: see `resnet._shortcut`
    model = models.build("resnet", COLOUR, 10, 0, width=5, stem="conv3")
    model.to(memory_format=torch.channels_last)
    x = torch.randn(8, *COLOUR).contiguous(memory_format=torch.channels_last)
    model(x).square().mean().backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters())


def test_a_frozen_stem_is_not_learnt():
    free, frozen = build(), build(frozen_stem=True)
    assert models.parameters(free) - models.parameters(frozen) == 4 * 3 * 49


# Table 5: the ratios of parameters, from which the paper's networks can be told.


@pytest.mark.parametrize(
    ("masks", "ratio"),
    ((160, 1.3), (128, 2.0), (96, 3.5), (64, 7.9), (32, 31.0), (16, 120.1), (8, 451.1)),
)
def test_the_parameter_ratios_of_table_5_come_out(masks, ratio):
    perturbative = count("pnn", width=masks, norm=False, bias=False)
    assert round(count("resnet") / perturbative, 1) == ratio


def test_batch_norm_and_bias_are_what_the_ratios_leave_out():
    assert round(count("resnet") / count("pnn", width=8), 1) == 428.2


# Perturbation layers.


def test_the_layer_is_equation_2():
    layer = Perturbation(3, 2, 5, level=0.7, norm=False)
    x = torch.randn(4, 3, 5, 5)
    weight, bias = layer.combine.weight[:, :, 0, 0], layer.combine.bias
    expected = torch.zeros(4, 2, 5, 5) + bias[:, None, None]
    for t in range(2):
        for i in range(3):
            expected[:, t] += weight[t, i] * (x[:, i] + layer.masks[0, i]).clamp(min=0)
    assert torch.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize("shared", (False, True))
def test_every_channel_meets_every_mask_of_its_own(shared):
    layer = Perturbation(3, 2, 5, level=0.7, fan_out=4, shared=shared, norm=False, bias=False)
    assert layer.masks.shape == (4, 1 if shared else 3, 5, 5)
    x = torch.randn(2, 3, 5, 5)
    maps = [(x[:, c] + layer.masks[f, 0 if shared else c]).clamp(min=0)
            for f in range(4) for c in range(3)]  # fmt: skip
    expected = torch.einsum("ti,nihw->nthw", layer.combine.weight[:, :, 0, 0], torch.stack(maps, 1))
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_masks_are_fixed_saved_and_the_same_draws_at_every_level():
    one, two = build(level=0.1), build(level=0.2)
    masks = {name: v for name, v in one.state_dict().items() if name.endswith("masks")}
    assert len(masks) == 16
    assert not any(name.endswith("masks") for name, _ in one.named_parameters())
    for name, mask in masks.items():
        assert torch.allclose(2 * mask, two.state_dict()[name])
        assert 0 < mask.abs().max() <= 0.1
    again = build(level=0.1, seed=1)
    x = torch.randn(2, *COLOUR)
    assert not torch.allclose(again(x), one(x))
    again.load_state_dict(one.state_dict())
    assert torch.equal(again(x), one(x))


def test_weights_do_not_depend_on_the_level():
    first, second = build(level=0.0), build(level=5.0)
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_level_0_is_exactly_the_1x1_network():
    """Without noise, norm and bias nothing is left but 1x1 convolutions and max-pools."""
    still = build(level=0, norm=False, bias=False, stem="conv3")
    plain = build("resnet", kernel=1, stem="conv3")
    values = [v for name, v in still.state_dict().items() if not name.endswith("masks")]
    plain.load_state_dict(dict(zip(plain.state_dict(), values, strict=True)))
    x = torch.randn(2, *COLOUR)
    assert torch.equal(still(x), plain(x))


def test_learnt_masks_are_parameters_with_a_gradient():
    model = build(learnt=True)
    model(torch.randn(2, *COLOUR)).square().mean().backward()
    masks = [weight for name, weight in model.named_parameters() if name.endswith("masks")]
    assert len(masks) == 16
    assert sum(mask.grad.abs().sum() for mask in masks) > 0


@pytest.mark.parametrize(("law", "deviation"), (("uniform", 0.5 / 3**0.5), ("normal", 0.5)))
def test_the_law_of_the_noise(law, deviation):
    masks = Perturbation(64, 1, 32, level=0.5, law=law).masks
    assert abs(masks.mean()) < 0.01
    assert masks.std().item() == pytest.approx(deviation, rel=0.01)
    assert (masks.abs().max() <= 0.5) == (law == "uniform")


def test_noise_in_the_first_layer_has_its_own_masks():
    own = {"level": 2.0, "fan_out": 5, "sigmoid": True}
    model = build(stem="noise", stem_masks=own)
    masks = [v for name, v in model.state_dict().items() if name.endswith("masks")]
    assert masks[0].shape == (5, 3, 32, 32) and masks[0].max() > 1
    assert masks[1].shape == (1, 4, 32, 32) and masks[1].max() <= 0.1
    assert model(torch.zeros(2, *COLOUR)).shape == (2, 10)


# Fixed random filters in the place of masks.


def test_random_filters_learn_as_many_numbers_as_masks():
    masks, filters = (
        count("pnn", width=8, **how) for how in ({"level": 0.1}, {"fixed": "filters"})
    )
    assert masks == filters


def test_the_layer_of_random_filters_is_a_fixed_convolution_a_relu_and_a_learnt_mix():
    torch.manual_seed(0)
    layer = Filtered(3, 2, norm=False)
    x = torch.randn(4, 3, 5, 5)
    maps = torch.stack([
        sum(torch.nn.functional.conv2d(x[:, c : c + 1], layer.filters[i : i + 1, c : c + 1],
                                       padding=1)[:, 0] for c in range(3)).clamp(min=0)
        for i in range(3)
    ], 1)  # fmt: skip
    weight, bias = layer.combine.weight[:, :, 0, 0], layer.combine.bias
    expected = torch.einsum("ti,nihw->nthw", weight, maps) + bias[:, None, None]
    assert torch.allclose(layer(x), expected, atol=1e-5)


def test_random_filters_are_fixed_saved_and_of_hes_law():
    model = build(fixed="filters", width=32)
    filters = {name: v for name, v in model.state_dict().items() if name.endswith("filters")}
    assert len(filters) == 16
    assert not any(name.endswith("filters") for name, _ in model.named_parameters())
    before = {name: v.clone() for name, v in filters.items()}
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model.train()(torch.randn(4, *COLOUR)).square().mean().backward()
    optimiser.step()
    for name, v in filters.items():
        assert torch.equal(before[name], v)
        assert v.std().item() == pytest.approx((2 / (9 * v.shape[1])) ** 0.5, rel=0.05)
    x, other = torch.randn(2, *COLOUR), build(fixed="filters", width=32, seed=1)
    assert not torch.allclose(model.eval()(x), other(x))


# Local binary layers.


def test_binary_filters_are_fixed_sparse_and_saved():
    layer = LocalBinary(16, 8, filters=64, density=0.3)
    assert set(layer.filters.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert layer.filters.abs().mean().item() == pytest.approx(0.3, abs=0.02)
    assert abs(layer.filters.mean()) < 0.02
    assert [name for name, _ in layer.named_parameters()] == ["combine.weight"]
    assert "filters" in layer.state_dict()


def test_the_local_binary_layer_is_equation_1():
    layer = LocalBinary(2, 1, filters=3)
    x = torch.randn(1, 2, 3, 3)
    response = (layer.filters * x).sum((1, 2, 3)).clamp(min=0)  # at the centre
    expected = layer.combine.weight.flatten() @ response
    assert torch.allclose(layer(x)[0, 0, 1, 1], expected, atol=1e-6)


# Bad input.


@pytest.mark.parametrize(
    ("name", "arguments", "part"),
    (
        ("pnn", {"level": -1}, "level"),
        ("pnn", {"level": "big"}, "level"),
        ("pnn", {"level": float("nan")}, "level"),
        ("pnn", {"fan_out": 0}, "fan_out"),
        ("pnn", {"law": "cauchy"}, "law"),
        ("pnn", {"depth": 20}, "depth"),
        ("pnn", {"stem": "conv5"}, "stem"),
        ("pnn", {"stem": "noise", "frozen_stem": True}, "stem"),
        ("resnet", {"stem": "noise"}, "stem"),
        ("resnet", {"kernel": 5}, "kernel"),
        ("resnet", {"width": 0}, "width"),
        ("lbcnn", {"density": 0}, "density"),
        ("pnn", {"nois": 1}, "nois"),
        ("pnn", {"fixed": "noise"}, "fixed"),
        ("pnn", {"fixed": "filters", "level": 0.1}, "level"),
        ("pnn", {"fixed": "filters", "stem": "noise"}, "stem"),
    ),
)
def test_bad_arguments_are_one_line(name, arguments, part):
    with pytest.raises(InputError) as error:
        build(name, **arguments)
    one_line(error, part)
