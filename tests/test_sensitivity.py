"""Gradients, predictions and measured deviations, each against a slower way or a closed form."""

import numpy as np
import pytest
import torch
from conftest import one_line
from numpy.testing import assert_allclose
from torch import nn

from helpers import sensitivity
from helpers.errors import InputError

SHAPE = (4, 3, 5, 6)


def images_and_field(shape=SHAPE, seed=0):
    """Return random images and a field of the same shape, float32 (N, 3, H, W)."""
    generator = torch.Generator().manual_seed(seed)
    images = 255 * torch.rand(shape, generator=generator)
    return images, torch.randn(shape, generator=generator)


@pytest.fixture
def net():
    """Return a small network with batch norm, in evaluation mode."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(48, 5)
    ).eval()


def scaled(net):
    """Return the network as a function of pixels from 0 to 255."""
    return lambda images: net(images / 255)


@pytest.mark.parametrize("output", sensitivity.OUTPUTS)
def test_one_backward_pass_is_many(net, output):
    images, _ = images_and_field()
    found, values, labels = sensitivity.gradients(scaled(net), images, output=output)
    logits = scaled(net)(images).detach()
    wanted = logits.softmax(1) if output == "probability" else logits
    assert labels.tolist() == logits.argmax(1).tolist()
    assert_allclose(values, wanted.max(1).values, rtol=1e-5)
    for image, label, gradient in zip(images, labels, found, strict=True):
        alone = image[None].clone().requires_grad_()
        score = scaled(net)(alone)[0]
        score = score.softmax(0) if output == "probability" else score
        score[label].backward()
        assert_allclose(gradient, alone.grad[0], rtol=1e-3, atol=1e-7)


def test_gradients_of_a_class_that_is_named(net):
    images, _ = images_and_field()
    labels = torch.tensor([4, 3, 2, 1])
    _, values, kept = sensitivity.gradients(scaled(net), images, labels, "logit")
    assert kept is labels
    logits = scaled(net)(images).detach()
    assert_allclose(values, [logits[k, label] for k, label in enumerate(labels)], rtol=1e-6)


def test_nothing_else_gets_a_gradient(net):
    images, _ = images_and_field()
    with torch.no_grad():  # as in an observer
        gradient, values, _ = sensitivity.gradients(scaled(net), images)
    assert gradient.abs().max() > 0 and not gradient.requires_grad and not values.requires_grad
    assert not images.requires_grad and images.grad is None
    assert all(weights.grad is None for weights in net.parameters())


def by_hand(kind, level, field, image):
    """Return both moments of one image's linearised change from G and E[theta theta^T]."""
    field, image = field.double().numpy(), image.double().numpy()
    if kind == "rgb":
        effect = field.ravel()
    elif kind == "translation":
        effect = np.array([(np.gradient(image, axis=k) * field).sum() for k in (1, 2)])
    else:
        effect = -(image * field)
        effect = effect.sum(0).ravel() if kind == "pepper_pixels" else effect.ravel()
    count = len(effect)
    if kind.startswith("pepper"):
        covariance, mean = level * (1 - level) * np.eye(count), level * np.ones(count)
    else:
        covariance, mean = level**2 * np.eye(count), np.zeros(count)
    variance = effect @ covariance @ effect
    return variance + (mean @ effect) ** 2, variance


@pytest.mark.parametrize("kind, level", [("rgb", 4), ("pepper", 0.1), ("pepper_pixels", 0.1),
                                         ("translation", 0.5)])  # fmt: skip
def test_predictions_by_hand(kind, level):
    images, field = images_and_field()
    found = torch.stack(sensitivity.predict(kind, level, field, images), dim=1)
    assert found.shape == (4, 2) and found.dtype == torch.float64
    wanted = [by_hand(kind, level, f, z) for f, z in zip(field, images, strict=True)]
    assert_allclose(found, wanted, rtol=1e-12)
    assert (found[:, 0] > found[:, 1]).all() == kind.startswith("pepper")
    assert torch.stack(sensitivity.predict(kind, 0, field, images)).abs().max() == 0


def test_sums_keep_what_float32_would_lose():
    field = torch.zeros(1, 3, 1, 3)
    field[0, 0, 0] = torch.tensor([1e8, 1.0, -1e8])
    second, variance = sensitivity.predict("pepper", 1, field, torch.ones_like(field))
    assert (second, variance) == (1, 0)  # all is black: the change is the sum of v, which is -1
    assert field[0, 0, 0, 0] + field[0, 0, 0, 1] == field[0, 0, 0, 0]  # the 1 is gone


@pytest.mark.parametrize("kind, level", [("rgb", 4), ("pepper", 0.1), ("pepper_pixels", 0.1),
                                         ("translation", 0.3)])  # fmt: skip
def test_a_linear_output_deviates_as_predicted(kind, level, draws=2500):
    _, field = images_and_field((2, 3, 9, 9))
    field[:, :, [0, 1, 2, -3, -2, -1]] = field[:, :, :, [0, 1, 2, -3, -2, -1]] = 0
    down, across = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    images = torch.stack([torch.stack([12 * down, 20 * across, 5 * down + 9 * across]),
                          torch.stack([20 * across, 20 * down, 90 - 8 * down])])  # fmt: skip

    def function(seen):  # one linear output for each of the two images
        return torch.einsum("nchw,kchw->nk", seen, field)

    labels = torch.tensor([0, 1])
    gradient, clean, _ = sensitivity.gradients(function, images, labels, "logit")
    assert_allclose(gradient, field)
    generator = torch.Generator().manual_seed(0)
    drawn = sensitivity.empirical(function, images, labels, kind, level, draws, generator, "logit")
    assert drawn.shape == (2, draws)
    second, variance = sensitivity.predict(kind, level, gradient, images)
    change = (drawn - clean[:, None]).square()
    error = change.std(dim=1) / draws**0.5
    assert ((change.mean(1) - second).abs() < 4 * error).all()
    assert_allclose(sensitivity.rms(drawn, clean), second.sqrt(), rtol=0.06)
    assert_allclose(sensitivity.deviation(drawn), variance.sqrt(), rtol=0.06)


def test_draws_are_reproducible_and_leave_images_alone(net):
    images, _ = images_and_field()
    before, labels = images.clone(), torch.zeros(4, dtype=torch.int64)
    first, second = (
        sensitivity.empirical(
            scaled(net), images, labels, "rgb", 8.0, 3, torch.Generator().manual_seed(1)
        )
        for _ in range(2)
    )
    assert first.shape == (4, 3) and torch.equal(first, second)
    assert (first.std(1) > 0).all() and torch.equal(images, before)


def test_noise_is_not_cut_off():
    """An output linear in the image keeps its mean: a cut at 0 would lift it."""
    images = torch.zeros(1, 3, 20, 20)
    drawn = sensitivity.empirical(
        lambda seen: seen.mean((1, 2, 3))[:, None], images, torch.tensor([0]), "rgb", 10.0, 400,
        torch.Generator().manual_seed(0), "logit",
    )  # fmt: skip
    assert abs(drawn.mean()) < 0.06  # its standard error is 0.014; cut, it would be 4


def test_deviations_by_hand():
    outputs, clean = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 3.0]]), torch.tensor([2.0, 0.0])
    assert_allclose(sensitivity.deviation(outputs), [1, 3**0.5])
    assert_allclose(sensitivity.rms(outputs, clean), [(2 / 3) ** 0.5, 3**0.5])


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda x: sensitivity.predict("blur", 1, x, x), "kind: 'blur'"),
        (lambda x: sensitivity.predict("rgb", -1, x, x), "level: -1"),
        (lambda x: sensitivity.predict("pepper", 1.5, x, x), "level: 1.5"),
        (lambda x: sensitivity.predict("rgb", 1, x[:1], x), "gradient: (1, 3, 5, 6)"),
        (lambda x: sensitivity.gradients(lambda z: z.mean((2, 3)), x.byte()), "images: "),
        (lambda x: sensitivity.gradients(lambda z: z.mean((2, 3)), x, output="loss"), "'loss'"),
        (lambda x: sensitivity.read(x[:, 0, 0], torch.tensor([0])), "labels: (1,)"),
        (lambda x: sensitivity.deviation(x[:, 0, 0, :1]), "outputs: (4, 1)"),
        (lambda x: sensitivity.empirical(None, x, None, "rgb", 1, 0, None), "draws: 0"),
    ],
)
def test_bad_input_is_one_line(call, said):
    with pytest.raises(InputError) as error:
        call(images_and_field()[0])
    one_line(error, said)
