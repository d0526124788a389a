"""Networks: the fast layers are exact, the architectures are the papers', the MLP is invariant."""

import pytest
import torch
from conftest import one_line
from torch import nn
from torch.nn import functional

from helpers import models
from helpers.errors import InputError
from helpers.models.layers import MANY, Conv3x3

LAYERS = nn.Conv2d | nn.Linear | nn.MaxPool2d


def shapes(model, shape):
    """Return (layer, shape of its output) for the layers that set shapes, on one image."""
    seen = []
    for layer in model.modules():
        if isinstance(layer, LAYERS):
            layer.register_forward_hook(lambda m, _, y: seen.append((m, tuple(y.shape[1:]))))
    model.eval()(torch.zeros(1, *shape))
    return seen


# The convolution that is faster on tiny maps.


@pytest.mark.parametrize("inputs", (3, MANY - 1, MANY, MANY + 2))
@pytest.mark.parametrize("side", (1, 2, 3, 4, 8))
def test_conv3x3_equals_the_convolution(side, inputs):
    torch.manual_seed(0)
    layer = Conv3x3(inputs, 6).double()
    x = torch.randn(3, inputs, side, side, dtype=torch.float64, requires_grad=True)
    towards = torch.randn(3, 6, side, side, dtype=torch.float64)
    y = layer(x)
    expected = functional.conv2d(x, layer.weight, padding=1)
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
    ours = torch.autograd.grad(y, (x, layer.weight), towards)
    theirs = torch.autograd.grad(expected, (x, layer.weight), towards)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_conv3x3_takes_the_fast_ways_where_it_should(monkeypatch):
    plain = []
    monkeypatch.setattr(nn.Conv2d, "forward", lambda self, x: plain.append(x.shape) or x)
    for channels, side in ((3, 1), (MANY, 2), (MANY, 4), (MANY - 1, 4), (MANY, 5)):
        Conv3x3(channels, 2)(torch.zeros(1, channels, side, side))
    assert plain == [(1, MANY - 1, 4, 4), (1, MANY, 5, 5)]


@pytest.mark.parametrize("side", (28, 32))
def test_pooling_before_relu_changes_nothing(side):
    model = models.build("vgg", (3, side, side), 10, 0, width=1 / 16).double()
    layers, swapped = list(model), 0
    for k, layer in enumerate(model):
        if isinstance(layer, nn.MaxPool2d):
            assert isinstance(layers[k + 1], nn.ReLU)
            layers[k : k + 2] = layers[k + 1], layer
            swapped += 1
    assert swapped == {28: 4, 32: 5}[side]
    x = torch.randn(4, 3, side, side, dtype=torch.float64)
    labels = torch.arange(4)
    found = []
    for network in (model, nn.Sequential(*layers)):
        torch.manual_seed(0)  # the same dropout
        logits = network.train()(x)
        loss = functional.cross_entropy(logits, labels)
        found.append((logits, torch.autograd.grad(loss, list(model.parameters()))))
    torch.testing.assert_close(found[0], found[1], rtol=1e-12, atol=1e-12)
    assert all(gradient.abs().max() > 0 for gradient in found[0][1])


# Architectures.


@pytest.mark.parametrize(("side", "maps"), ((28, (28, 14, 7, 3, 1)), (32, (32, 16, 8, 4, 2))))
def test_vgg_is_vgg16(side, maps):
    seen = shapes(models.build("vgg", (3, side, side), 10, 0), (3, side, side))
    convolutions = [shape for layer, shape in seen if isinstance(layer, nn.Conv2d)]
    blocks = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    assert convolutions == [
        (channels, here, here)
        for (channels, count), here in zip(blocks, maps, strict=True)
        for _ in range(count)
    ]
    assert len(convolutions) == 13
    linear = [shape for layer, shape in seen if isinstance(layer, nn.Linear)]
    assert linear == [(512,), (512,), (10,)]
    pools = [shape[1] for layer, shape in seen if isinstance(layer, nn.MaxPool2d)]
    assert pools == [*maps[1:], *([1] if side == 32 else [])]


@pytest.mark.parametrize("side", (28, 32))
def test_vgg_learns_as_many_numbers_as_arithmetic_says(side):
    taps = 9 * (
        3 * 64 + 64 * 64
        + 64 * 128 + 128 * 128
        + 128 * 256 + 2 * 256 * 256
        + 256 * 512 + 2 * 512 * 512
        + 3 * 512 * 512
    )  # fmt: skip
    normalisation = 2 * (2 * 64 + 2 * 128 + 3 * 256 + 6 * 512)
    fully_connected = 2 * (512 * 512 + 512) + 512 * 10 + 10
    assert taps == 14_710_464  # VGG16's convolutions without their 4,224 biases
    model = models.build("vgg", (3, side, side), 10, 0)
    assert models.parameters(model) == taps + normalisation + fully_connected == 15_249_354


def test_width_multiplies_the_channels():
    model = models.build("vgg", (1, 28, 28), 10, 0, width=1 / 8)
    outputs = [layer.out_channels for layer in model if isinstance(layer, nn.Conv2d)]
    assert outputs == [8] * 2 + [16] * 2 + [32] * 3 + [64] * 6
    assert [m.out_features for m in model if isinstance(m, nn.Linear)] == [512, 512, 10]


def test_vgg_at_full_scale_has_the_layers_of_another_implementation():
    from torchvision.models import vgg16_bn  # slow to import

    with torch.device("meta"):
        ours, theirs = models.build("vgg", (3, 224, 224), 1000, 0, hidden=4096), vgg16_bn()
    shapes = [[w.shape for w in m.parameters() if w.ndim > 1] for m in (ours, theirs)]
    assert shapes[0] == shapes[1] and len(shapes[0]) == 16
    assert models.parameters(ours) == models.parameters(theirs) - 4_224  # biases before a norm


def test_the_vgg_with_noise_has_no_convolution_of_neighbours_after_the_first():
    model = models.build("pnn_vgg", (3, 64, 64), 10, 0, width=1 / 16, hidden=32)
    usual = models.build("vgg", (3, 64, 64), 10, 0, width=1 / 16, hidden=32)
    of = [[layer for layer in m.modules() if isinstance(layer, nn.Conv2d)] for m in (model, usual)]
    assert [layer.kernel_size for layer in of[0]] == [(3, 3)] + [(1, 1)] * 12
    assert [layer.kernel_size for layer in of[1]] == [(3, 3)] * 13
    assert [c.weight.shape[:2] for c in of[0]] == [c.weight.shape[:2] for c in of[1]]
    masks = {name: mask for name, mask in model.named_buffers() if name.endswith("masks")}
    sides = [64] + [32] * 2 + [16] * 3 + [8] * 3 + [4] * 3  # of the map that each is added to
    assert [mask.shape[-1] for mask in masks.values()] == sides
    assert all(mask.abs().max() <= 0.1 and mask.std() > 0.05 for mask in masks.values())
    assert not {name for name, _ in model.named_parameters()} & set(masks)
    assert [str(layer) for layer in model[-7:]] == [str(layer) for layer in usual[-7:]]
    x = torch.randn(2, 3, 64, 64)
    quiet = models.build("pnn_vgg", (3, 64, 64), 10, 0, width=1 / 16, hidden=32, level=0).eval()
    assert not torch.equal(model.eval()(x), quiet(x))


def test_dilated_maps_shrink_from_32_to_20_to_8():
    model = models.build("dilated", (3, 32, 32), 10, 0)
    seen = shapes(model, (3, 32, 32))
    assert [shape for layer, shape in seen if isinstance(layer, nn.Conv2d)] == [
        (64, 20, 20),
        (64, 8, 8),
    ]
    head = 64 * 8 * 8 * 512 + 512 + 512 * 512 + 512 + 5130
    assert models.parameters(model) == 16 * (3 * 64 + 64 * 64) + 2 * 2 * 64 + head


def test_strided_map_is_7():
    model = models.build("strided", (3, 32, 32), 10, 0)
    seen = shapes(model, (3, 32, 32))
    assert [shape for layer, shape in seen if isinstance(layer, nn.Conv2d)] == [(64, 7, 7)]
    head = 64 * 7 * 7 * 512 + 512 + 512 * 512 + 512 + 5130
    assert models.parameters(model) == 64 * 3 * 64 + 2 * 64 + head


@pytest.mark.parametrize("depth", (2, 4, 8))
def test_mlp_depth_counts_hidden_layers(depth):
    model = models.build("mlp", (3, 32, 32), 10, 0, depth=depth)
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [512] * depth + [10]
    count = 3072 * 512 + 512 + (depth - 1) * (512 * 512 + 512) + 5130
    assert models.parameters(model) == count


def test_the_mlp_ends_as_the_cnn_does():
    cnn = models.build("vgg", (1, 28, 28), 10, 0)
    mlp = models.build("mlp", (1, 28, 28), 10, 0)
    ends = [[repr(layer) for layer in model][-6:] for model in (cnn, mlp)]
    assert ends[0] == ends[1]
    assert [layer.p for layer in mlp if isinstance(layer, nn.Dropout)] == [0.5, 0.5]


# Weights.


@pytest.mark.parametrize("depth", (2, 4))
@pytest.mark.parametrize("shape", ((1, 28, 28), (3, 32, 32)))
def test_the_mlp_is_invariant_to_a_permutation_of_its_inputs(shape, depth):
    model = models.build("mlp", shape, 10, 0, depth=depth).double().eval()
    x = torch.randn(5, *shape, dtype=torch.float64)
    before = model(x)
    pixels = torch.randperm(shape[1] * shape[2])
    columns = torch.cat([c * len(pixels) + pixels for c in range(shape[0])])
    permuted = x.flatten(2)[:, :, pixels].reshape(x.shape)
    first = next(layer for layer in model if isinstance(layer, nn.Linear))
    assert (model(permuted) - before).abs().max() > 1e-3  # the weights must move as well
    with torch.no_grad():
        first.weight.copy_(first.weight[:, columns].clone())
    torch.testing.assert_close(model(permuted), before, rtol=0, atol=1e-12)


def test_initial_weights_have_he_variance_and_no_bias():
    model = models.build("mlp", (3, 32, 32), 10, 0)
    for layer in (layer for layer in model if isinstance(layer, nn.Linear)):
        assert not layer.bias.any()
        variance = layer.weight.var().item() * layer.in_features
        assert abs(variance - 2) < (0.02 if layer.out_features > 10 else 0.2)


@pytest.mark.parametrize("name", models.MODELS)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(name):
    torch.manual_seed(123)
    state = torch.get_rng_state()
    arguments = {"width": 1 / 16} if "vgg" in name else {}
    first, second, other = (
        models.build(name, (1, 28, 28), 10, seed, **arguments).state_dict() for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "parts"),
    (
        ("lenet", (1, 28, 28), {}, ("model: 'lenet'", "vgg", "mlp", "dilated", "strided")),
        ("vgg", (1, 28, 28), {"depth": 3}, ("model_args", "depth")),
        ("vgg", (1, 28, 28), {"hidden": 0}, ("model_args.hidden: 0", "at least 1")),
        ("pnn_vgg", (1, 28, 28), {"depth": 3}, ("model_args", "depth")),
        ("pnn_vgg", (1, 28, 28), {"level": -1}, ("model_args.level: -1", "at least 0")),
        ("mlp", (1, 28, 28), {"width": 0.5}, ("model_args", "width")),
        ("mlp", (1, 28, 28), {"depth": 1}, ("model_args.depth: 1", "at least 2")),
        ("mlp", (1, 28, 28), {"depth": 2.0}, ("model_args.depth: 2.0",)),
        ("dilated", (1, 16, 16), {}, ("data: (1, 16, 16)", "dilated")),
        ("strided", (1, 4, 4), {}, ("data: (1, 4, 4)", "strided")),
    ),
)
def test_bad_models_are_one_line(name, shape, arguments, parts):
    with pytest.raises(InputError) as error:
        models.build(name, shape, 10, 0, **arguments)
    one_line(error, *parts)
