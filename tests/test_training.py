"""Training: it learns, it repeats itself, and it does what a plain loop would do."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import one_line
from torch.nn import functional

from helpers import arrange, datasets, models, training
from helpers.errors import DivergedError, InputError

MEASURES = ("epoch", "loss", "accuracy", "test_loss", "test_accuracy")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def separable(noise):
    """Return a function that makes images whose label is the one bright band of rows."""

    def make(count, seed):
        images = noise(count, seed=seed)
        pixels = images.pixels // 4
        for k, label in enumerate(images.labels):
            pixels[k, 0, 2 * label : 2 * label + 2] += 150
        return replace(images, pixels=pixels)

    return make


def measures(epochs):
    """Return what was measured, without the time it took."""
    return [[row[name] for name in MEASURES] for row in epochs]


@pytest.fixture
def watch(monkeypatch):
    """Record (rate of the optimiser, rows of the batch) of every step."""
    steps, step = [], training.Step.__call__

    def spy(self, batch):
        steps.append((float(self.optimiser.param_groups[0]["lr"]), batch.tolist()))
        return step(self, batch)

    monkeypatch.setattr(training.Step, "__call__", spy)
    return steps


@pytest.mark.parametrize(
    "fields",
    (
        {"model": "mlp", "model_args": {}},
        {"model": "vgg", "model_args": {"width": 1 / 16}},
        {"model": "mlp", "model_args": {}, "arrangement": {"kind": "pixel_permutation", "seed": 0}},
    ),
)
def test_it_learns_what_is_easy(separable, tiny_run, fields):
    run = tiny_run(lr=2e-3, epochs=4, **fields)
    view, epochs = training.train(run, separable(640, 0), separable(200, 1))
    assert [row["epoch"] for row in epochs] == [1, 2, 3, 4]
    assert epochs[-1]["test_accuracy"] > 0.95
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert view.predictions.shape == (200,) and view.predictions.dtype == np.int64


@pytest.mark.parametrize("model, arguments", (("mlp", {}), ("vgg", {"width": 1 / 16})))
def test_the_same_run_gives_the_same_numbers(noise, tiny_run, model, arguments):
    run = tiny_run(model=model, model_args=arguments, epochs=2)
    first, second, other = (
        training.train(replace(run, seed=seed), noise(96), noise(40, seed=1)) for seed in (5, 5, 6)
    )
    assert measures(first[1]) == measures(second[1])
    assert np.array_equal(first[0].predictions, second[0].predictions)
    for a, b in zip(first[0].model.parameters(), second[0].model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert measures(first[1]) != measures(other[1])


def test_it_equals_a_plain_loop(noise, tiny_run):
    """Train by hand: floats in [0, 1], standardised, permuted per batch, Adam as torch has it."""
    run = tiny_run(arrangement={"kind": "pixel_permutation", "seed": 3}, epochs=2, lr=1e-3,
                   decay=1e-2, seed=4)  # fmt: skip
    train_set, test_set = noise(80), noise(30, seed=1)
    _, epochs = training.train(run, train_set, test_set)

    index = arrange.pixel_permutation(28, 3)
    x = torch.from_numpy(arrange.apply(train_set.pixels, index)).float() / 255
    x = (x - x.mean()) / x.std(unbiased=False)
    y = torch.from_numpy(train_set.labels)
    model = models.build("mlp", (1, 28, 28), 10, 4, **run.model_args)
    torch.manual_seed(4)
    optimiser = torch.optim.Adam(model.parameters())
    order, t = torch.Generator().manual_seed(4), 0
    for row in epochs:
        losses = []
        for batch in torch.randperm(80, generator=order).split(32)[:2]:
            optimiser.param_groups[0]["lr"] = 1e-3 / (1 + 1e-2 * t)
            optimiser.zero_grad()
            loss = functional.cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            t += 1
        assert row["loss"] == pytest.approx(np.mean(losses), abs=1e-4)


# The steps of each optimiser, from their papers: called with the state that a weight keeps, its
# gradient, the rate, and the number of the step, they return what is subtracted from the weight.


def plain_step(kept, gradient, rate, t):
    return rate * gradient


def momentum_step(kept, gradient, rate, t):
    kept["v"] = 0.9 * kept.get("v", 0) + gradient
    return rate * kept["v"]


def nesterov_step(kept, gradient, rate, t):
    return rate * gradient + 0.9 * momentum_step(kept, gradient, rate, t)


def adam_step(kept, gradient, rate, t):
    kept["m"] = 0.9 * kept.get("m", 0) + 0.1 * gradient
    kept["s"] = 0.999 * kept.get("s", 0) + 0.001 * gradient**2
    return rate * kept["m"] / (1 - 0.9**t) / ((kept["s"] / (1 - 0.999**t)).sqrt() + 1e-8)


@pytest.mark.parametrize(
    ("optimiser", "subtracted", "lr"),
    (
        ("sgd", plain_step, 0.05),
        ("momentum", momentum_step, 0.01),
        ("nesterov", nesterov_step, 0.01),
        ("adam", adam_step, 1e-3),
    ),
)
@pytest.mark.parametrize("weight_decay", (0.0, 0.1))
def test_every_optimiser_equals_a_loop(noise, tiny_run, optimiser, subtracted, lr, weight_decay):
    """The penalty is half the weights' squared sum: it adds to the gradient, Adam's too."""
    run = tiny_run(optimiser=optimiser, lr=lr, decay=0.1, weight_decay=weight_decay, epochs=2,
                   seed=4, drops={"after": [1], "factor": 0.5})  # fmt: skip
    images = noise(80)
    view, epochs = training.train(run, images, noise(30, seed=1))

    x = torch.from_numpy(images.pixels).float() / 255
    x = (x - x.mean()) / x.std(unbiased=False)
    y = torch.from_numpy(images.labels)
    model = models.build("mlp", (1, 28, 28), 10, 4, **run.model_args)
    weights = list(model.parameters())
    kept = [{} for _ in weights]
    torch.manual_seed(4)
    order, t = torch.Generator().manual_seed(4), 0
    for row in epochs:
        losses = []
        for batch in torch.randperm(80, generator=order).split(32)[:2]:
            loss = functional.cross_entropy(model(x[batch]), y[batch])
            penalty = weight_decay / 2 * sum(weight.square().sum() for weight in weights)
            gradients = torch.autograd.grad(loss + penalty, weights)
            rate = lr * 0.5 ** (row["epoch"] - 1) / (1 + 0.1 * t)
            t += 1
            with torch.no_grad():
                for weight, gradient, own in zip(weights, gradients, kept, strict=True):
                    weight -= subtracted(own, gradient, rate, t)
            losses.append(loss.item())
        assert row["loss"] == pytest.approx(np.mean(losses), abs=1e-5)
    for ours, theirs in zip(view.model.parameters(), weights, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_rate_decays_as_in_keras(noise, tiny_run, watch):
    training.train(tiny_run(lr=0.01, decay=0.5, epochs=2), noise(96), noise(10))
    assert [rate for rate, _ in watch] == pytest.approx([0.01 / (1 + 0.5 * t) for t in range(6)])


@pytest.mark.parametrize(
    ("drops", "rates"),
    (
        ({}, [0.1] * 6),
        ({"after": [], "factor": 0.5}, [0.1] * 6),
        ({"after": [2, 4], "factor": 0.5}, [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]),
        ({"after": [5, 1], "factor": 0.2}, [0.1, 0.02, 0.02, 0.02, 0.02, 0.004]),
        ({"after": [6, 9], "factor": 0.1}, [0.1] * 6),
    ),
)
def test_the_rate_drops_after_the_epochs_named(tiny_run, drops, rates):
    run = tiny_run(lr=0.1, drops=drops)
    assert [training.rate_of(run, epoch) for epoch in range(1, 7)] == pytest.approx(rates)


def test_dropped_rates_are_those_of_the_steps_and_decay_goes_on(noise, tiny_run, watch):
    fields = {"lr": 0.01, "decay": 0.5, "epochs": 3, "drops": {"after": [1, 2], "factor": 0.1}}
    training.train(tiny_run(**fields), noise(64), noise(10))
    expected = [0.01 * 0.1 ** (t // 2) / (1 + 0.5 * t) for t in range(6)]
    assert [rate for rate, _ in watch] == pytest.approx(expected)


def test_drops_by_the_factor_1_change_nothing_and_others_do(noise, tiny_run):
    plain, same, other = (
        training.train(tiny_run(epochs=2, lr=1e-3, drops=drops), noise(64), noise(10))
        for drops in ({}, {"after": [1], "factor": 1}, {"after": [1], "factor": 0.1})
    )
    assert measures(same[1]) == measures(plain[1])
    assert measures(other[1][:1]) == measures(plain[1][:1])  # the first epoch comes before it
    weights = [list(view.model.parameters()) for view, _ in (plain, same, other)]
    for a, b, c in zip(*weights, strict=True):
        assert torch.equal(a, b) and not torch.equal(a, c)


def test_an_incomplete_batch_is_dropped_and_epochs_are_shuffled_anew(noise, tiny_run, watch):
    training.train(tiny_run(epochs=2, batch=30), noise(100), noise(10))
    assert [len(rows) for _, rows in watch] == [30] * 6
    epochs = [[row for _, rows in watch[k : k + 3] for row in rows] for k in (0, 3)]
    assert all(len(set(rows)) == 90 for rows in epochs)  # no image twice in an epoch
    assert epochs[0] != epochs[1]


def test_a_rate_of_zero_and_no_epochs_leave_the_weights(noise, tiny_run):
    fresh = models.build("mlp", (1, 28, 28), 10, 0, hidden=16)
    for fields, rows in (({"lr": 0, "epochs": 1}, 1), ({"epochs": 0}, 0)):
        view, epochs = training.train(tiny_run(**fields), noise(64), noise(50))
        assert len(epochs) == rows and len(view.predictions) == 50
        for a, b in zip(view.model.parameters(), fresh.parameters(), strict=True):
            assert torch.equal(a.cpu(), b)


def test_progress_is_told_every_epoch(noise, tiny_run):
    told = []
    _, epochs = training.train(tiny_run(epochs=3), noise(64), noise(10), told.append)
    assert told == epochs and len(told) == 3


def test_a_loss_that_is_no_number_is_one_line(noise, tiny_run, monkeypatch):
    build = models.build

    def broken(*arguments, **named):
        model = build(*arguments, **named)
        with torch.no_grad():
            model[-1].bias[0] = float("nan")
        return model

    monkeypatch.setattr(models, "build", broken)
    with pytest.raises(DivergedError) as error:
        training.train(tiny_run(seed=3), noise(64), noise(10))
    one_line(error, "loss: nan", "epoch 1", "mnist mlp", "seed 3", "lr")


def test_splits_of_different_classes_are_refused(noise, tiny_run):
    other = replace(noise(10), classes=datasets.DIGITS[:9])
    with pytest.raises(InputError) as error:
        training.train(tiny_run(), noise(64), other)
    one_line(error, "classes: 9", "both splits")


def test_a_batch_larger_than_the_split_is_refused(noise, tiny_run):
    with pytest.raises(InputError) as error:
        training.train(tiny_run(batch=65), noise(64), noise(10))
    one_line(error, "batch: 65", "64 images")


@pytest.mark.parametrize(
    ("fields", "part"),
    (
        ({"channels": "red"}, "channels: 'red'"),
        ({"channels": "alpha"}, "channels: 'alpha'"),
        ({"model_args": {"colour": 1}}, "colour"),
        ({"arrangement": {"kind": "patch_permutation", "patch": 3, "seed": 0}}, "patch: 3"),
    ),
)
def test_what_does_not_fit_the_data_is_one_line(noise, tiny_run, fields, part):
    with pytest.raises(InputError) as error:
        training.train(tiny_run(**fields), noise(64), noise(10))
    one_line(error, part)


@pytest.mark.parametrize(("optimiser", "weight_decay"), (("adam", 0.0), ("nesterov", 0.1)))
@pytest.mark.parametrize(
    ("model", "arguments", "still"),
    (
        ("resnet", {"frozen_stem": True}, ("stem.0.weight",)),
        ("pnn", {}, ("masks",)),
        ("pnn", {"frozen_stem": True, "level": 0.0}, ("stem.0.weight", "masks")),
        ("pnn", {"learnt": True}, ()),
    ),
)
def test_all_but_what_is_fixed_moves(noise, tiny_run, optimiser, weight_decay, model, arguments,
                                     still):  # fmt: skip
    arguments = {"width": 4, "stem": "conv3", **arguments}
    run = tiny_run(data="cifar10", model=model, model_args=arguments, batch=8, lr=0.01, seed=2,
                   optimiser=optimiser, weight_decay=weight_decay)  # fmt: skip
    view, _ = training.train(run, noise(16, "cifar10"), noise(8, "cifar10", 1))
    after = view.model.state_dict()
    before = models.build(model, (3, 32, 32), 10, 2, **arguments).state_dict()
    fixed = {name for name, value in after.items() if torch.equal(value.cpu(), before[name])}
    assert fixed == {name for name in after if name.endswith(still)}
    assert len(fixed) == 16 * ("masks" in still) + ("stem.0.weight" in still)
    assert sum(name.endswith("masks") for name in after) == 16 * (model == "pnn")


def test_bfloat16_trains_and_differs_from_float32(noise, tiny_run):
    low, full = (
        training.train(tiny_run(precision=name), noise(32), noise(20, seed=1))
        for name in ("bfloat16", "float32")
    )
    assert low[1][0]["loss"] == pytest.approx(full[1][0]["loss"], rel=0.05)
    assert measures(low[1]) != measures(full[1])
    assert {p.dtype for p in low[0].model.parameters()} == {torch.float32}  # the weights stay whole


def test_standardised_pixels_have_mean_0_and_deviation_1(noise):
    images = noise(50, "cifar10")
    images = replace(images, pixels=images.pixels // np.array([1, 2, 5], "u1")[:, None, None])
    x = training._standardise(images, "cpu")(torch.from_numpy(images.pixels)).double()
    assert x.shape == (50, 3, 32, 32)
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(
        x.std((0, 2, 3), correction=0), torch.ones(3).double(), rtol=0, atol=1e-5
    )


def test_test_images_are_standardised_by_the_training_images(noise, tiny_run):
    train_set, test_set = noise(64), noise(200, seed=1)
    brighter = replace(test_set, pixels=test_set.pixels // 2 + 128)
    losses = [
        training.train(tiny_run(), train_set, images)[1][0]["test_loss"]
        for images in (test_set, brighter)
    ]
    assert losses[0] != losses[1]


def test_evaluation_counts_every_image_once(noise, monkeypatch):
    images = noise(50)
    model = models.build("mlp", (1, 28, 28), 10, 0, hidden=16)
    pixels, labels = torch.from_numpy(images.pixels), torch.from_numpy(images.labels)
    standardise = training._standardise(images, "cpu")
    results = []
    for size in (1000, 50, 7, 1):  # one batch, a full one, an incomplete last one, single images
        monkeypatch.setattr(training, "EVALUATION_BATCH", size)
        results.append(training.evaluate(model.train(), pixels, labels, standardise))
    logits = model.eval()(standardise(pixels))
    for predictions, loss in results:
        assert np.array_equal(predictions, logits.argmax(1).numpy())
        assert loss == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_the_accuracies_are_shares_of_images(noise, tiny_run):
    test_set = noise(70, seed=1)
    view, epochs = training.train(tiny_run(), noise(64), test_set)
    right = float(np.mean(view.predictions == test_set.labels))
    assert epochs[0]["test_accuracy"] == round(right, 6)
    assert (epochs[0]["accuracy"] * 64) == pytest.approx(
        round(epochs[0]["accuracy"] * 64), abs=1e-3
    )


def test_training_leaves_the_images_alone(noise, tiny_run):
    images = noise(64)
    before = copy.deepcopy(images.pixels)
    training.train(tiny_run(arrangement={"kind": "pixel_permutation", "seed": 0}), images, images)
    assert np.array_equal(images.pixels, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")
def test_graphed_steps_equal_plain_steps(separable, tiny_run, monkeypatch):
    # without dropout, whose random numbers a graph draws in an order of its own
    build = models.build

    def without_dropout(*given, **named):
        network = build(*given, **named)
        for layer in network.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        return network

    monkeypatch.setattr(models, "build", without_dropout)
    graphed_step = training.GraphedStep
    for model, arguments in (("mlp", {}), ("vgg", {"width": 1 / 8})):
        run = tiny_run(model=model, model_args=arguments, epochs=2, lr=1e-3)
        graphed, plain = [], []
        for step, epochs in ((graphed_step, graphed), (training.Step, plain)):
            monkeypatch.setattr(training, "GraphedStep", step)
            epochs += training.train(run, separable(320, 0), separable(100, 1))[1]
        for a, b in zip(graphed, plain, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], rel=1e-3)
            assert a["test_loss"] == pytest.approx(b["test_loss"], rel=1e-2)
