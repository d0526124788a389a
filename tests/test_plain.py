"""The plain networks of ghosh2019: shapes, sizes, the exact shortcut, and initial weights."""

import math

import pytest
import torch
from conftest import one_line
from torch import nn
from torch.nn import functional

from helpers import models
from helpers.errors import InputError

GREY, COLOUR = (1, 28, 28), (3, 32, 32)


def maps(model, shape):
    """Return the shape of each layer's output for one image."""
    x, found = torch.zeros(2, *shape), []
    for layer in model.layers:
        x = layer(x)
        found.append(tuple(x.shape[1:]))
    assert tuple(model(torch.zeros(2, *shape)).shape) == (2, 10)
    return found


def kinds(model):
    """Return the names of the parts, layer by layer, then those of the head."""
    return [[type(part).__name__ for part in unit] for unit in (*model.layers, model.head)]


# Architecture.


@pytest.mark.parametrize("depth", (1, 2, 3, 4))
@pytest.mark.parametrize(("shape", "sides"), ((GREY, (14, 7, 3, 1)), (COLOUR, (16, 8, 4, 2))))
def test_every_layer_halves_the_map(shape, sides, depth):
    model = models.build("plain", shape, 10, 0, depth=depth)
    assert len(model.layers) == depth
    assert maps(model, shape) == [(64, side, side) for side in sides[:depth]]
    assert kinds(model) == [["Conv2d", "MaxPool2d", "ReLU"]] * depth + [["Flatten", "Linear"]]
    first, others = 64 * (9 * shape[0] + 1), 64 * (9 * 64 + 1)
    head = 64 * sides[depth - 1] ** 2 * 10 + 10
    assert models.parameters(model) == first + (depth - 1) * others + head


@pytest.mark.parametrize(
    ("depth", "sides"), ((1, [32]), (2, [32, 16]), (3, [32, 16, 16]), (4, [32, 16, 16, 8]))
)
def test_a_pool_after_every_second_layer_and_a_hidden_layer(depth, sides):
    model = models.build("plain", COLOUR, 10, 0, depth=depth, pool_every=2, hidden=64)
    assert maps(model, COLOUR) == [(64, side, side) for side in sides]
    plain, pooled = ["Conv2d", "ReLU"], ["Conv2d", "MaxPool2d", "ReLU"]
    assert kinds(model) == [
        *([plain, pooled] * 2)[:depth],
        ["Flatten", "Linear", "ReLU", "Linear"],
    ]
    convolutions = 64 * 28 + (depth - 1) * 64 * 577
    head = 64 * sides[-1] ** 2 * 64 + 64 + 64 * 10 + 10
    assert models.parameters(model) == convolutions + head


def test_a_map_of_one_pixel_is_not_pooled():
    model = models.build("plain", GREY, 10, 0, depth=6)
    assert [side for _, side, _ in maps(model, GREY)] == [14, 7, 3, 1, 1, 1]


@pytest.mark.parametrize("kernel", (3, 5, 9, 13, 19, 26, 27))
def test_an_unpadded_first_kernel_shrinks_the_map(kernel):
    model = models.build("plain", GREY, 10, 0, kernel=kernel, valid=True)
    left = 28 - kernel + 1
    sides = []
    for _ in range(3):
        left = left // 2 if left > 1 else left
        sides.append(left)
    assert maps(model, GREY) == [(64, side, side) for side in sides]
    sizes = [unit[0].kernel_size for unit in model.layers]
    assert sizes == [(kernel, kernel), (3, 3), (3, 3)]
    count = 64 * (kernel**2 + 1) + 2 * 64 * 577 + 64 * sides[-1] ** 2 * 10 + 10
    assert models.parameters(model) == count


def test_a_padded_first_kernel_does_not():
    model = models.build("plain", GREY, 10, 0, kernel=9)
    assert maps(model, GREY) == [(64, 14, 14), (64, 7, 7), (64, 3, 3)]
    assert model.layers[0][0].weight.shape == (64, 1, 9, 9)


def test_units_are_the_width():
    model = models.build("plain", GREY, 10, 0, depth=2, units=5)
    assert maps(model, GREY) == [(5, 14, 14), (5, 7, 7)]


@pytest.mark.parametrize("arguments", ({"depth": 4}, {"depth": 3, "pool_every": 2, "hidden": 64}))
def test_pooling_before_relu_changes_nothing(arguments):
    model = models.build("plain", GREY, 10, 0, units=8, **arguments).double()
    with torch.no_grad():  # biases are 0 at first, where a mistake in their sign would not show
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    swapped = []
    for unit in model.layers:
        parts = list(unit)
        if isinstance(parts[1], nn.MaxPool2d):
            parts[1], parts[2] = parts[2], parts[1]
        swapped.append(nn.Sequential(*parts))
    assert any(isinstance(unit[-1], nn.MaxPool2d) for unit in swapped)
    usual = nn.Sequential(*swapped, *model.head)
    x, labels = torch.randn(4, *GREY, dtype=torch.float64), torch.arange(4)
    found = []
    for network in (model, usual):
        logits = network(x)
        loss = functional.cross_entropy(logits, labels)
        found.append((logits, torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)
    assert all(gradient.abs().max() > 0 for gradient in found[0][1])


# Initial weights.


def layers(model):
    return [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize("init", ("he_normal", "glorot_uniform"))
def test_initial_weights_have_the_distribution_asked_for(init):
    model = models.build("plain", COLOUR, 10, 0, hidden=64, init=init)
    assert len(layers(model)) == 5
    for layer in layers(model):
        weights = layer.weight.detach()
        area = math.prod(weights.shape[2:])
        inputs, outputs = weights.shape[1] * area, weights.shape[0] * area
        variance = 2 / inputs if init == "he_normal" else 2 / (inputs + outputs)
        n = weights.numel()
        # standard errors of a normal's and a uniform's sample variance
        error = variance * math.sqrt((2 if init == "he_normal" else 0.8) / n)
        assert abs(weights.var().item() - variance) < 5 * error
        assert abs(weights.mean().item()) < 5 * math.sqrt(variance / n)
        bound = weights.abs().max().item() / math.sqrt(3 * variance)
        assert bound > 1.2 if init == "he_normal" else 0.97 < bound <= 1
        assert not layer.bias.any()


def test_he_normal_is_what_runs_have_unless_said():
    usual, named, other = (
        models.build("plain", GREY, 10, 0, **arguments).state_dict()
        for arguments in ({}, {"init": "he_normal"}, {"init": "glorot_uniform"})
    )
    assert all(torch.equal(usual[key], named[key]) for key in usual)
    assert not torch.equal(usual["layers.0.0.weight"], other["layers.0.0.weight"])


@pytest.mark.parametrize("model", ("mlp", "plain"))
def test_an_unknown_initialisation_is_one_line(model):
    with pytest.raises(InputError) as error:
        models.build(model, GREY, 10, 0, init="lecun")
    one_line(error, "model_args.init: 'lecun'", "he_normal", "glorot_uniform")


# Bad arguments.


@pytest.mark.parametrize(
    ("arguments", "part"),
    (
        ({"depth": 0}, "model_args.depth: 0"),
        ({"depth": 2.0}, "model_args.depth: 2.0"),
        ({"depth": True}, "model_args.depth: True"),
        ({"pool_every": 0}, "model_args.pool_every: 0"),
        ({"pool_every": "2"}, "model_args.pool_every: '2'"),
        ({"kernel": 0}, "model_args.kernel: 0"),
        ({"kernel": 29}, "model_args.kernel: 29"),
        ({"kernel": 29, "valid": True}, "from 1 to 28"),
        ({"kernel": (3, 3)}, "model_args.kernel: (3, 3)"),
        ({"width": 0.5}, "width"),
    ),
)
def test_bad_arguments_are_one_line(arguments, part):
    with pytest.raises(InputError) as error:
        models.build("plain", GREY, 10, 0, **arguments)
    one_line(error, "model_args", part)
