"""Looking at a training does not touch it, and what is seen is what the network sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import one_line

from helpers import arrange, degrade, metrics, models, observers, orderness, runs, training
from helpers.errors import InputError
from helpers.observers import OBSERVERS

TOTAL = 6  # steps: two epochs of 3 batches
LOW_PASS = {"kind": "low_pass", "radius": 3}
SWAPS = {"kind": "block_swaps", "block": 7, "swaps": 6, "seed": 1, "per_image": True}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def watched_run(tiny_run):
    """Return a function that makes a run of `TOTAL` steps, looked at in `steps`."""

    def make(*steps, seen=("accuracy",), **fields):
        looks = {"steps": list(steps), "observers": list(seen)} if steps else {}
        return tiny_run(epochs=2, watch=looks, **fields)

    return make


def trained(run, noise, watch=None):
    """Train on 100 random images, of which 96 fill batches, and test on 40 others."""
    return training.train(run, noise(100), noise(40, seed=1), watch=watch)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


def without_time(epochs):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in epochs]


PLAIN = {"model": "plain", "model_args": {"depth": 2, "units": 4}}


# When it is looked.


@pytest.mark.parametrize(
    ("asked", "looked"),
    (
        ((0,), [0]),
        ((TOTAL,), [TOTAL]),
        ((0, 1, 3, 4, TOTAL), [0, 1, 3, 4, TOTAL]),  # 3 is the end of an epoch
        ((5, 2, 2, 99), [2, 5]),
        ((), []),
    ),
)
def test_it_is_looked_at_exactly_the_steps_asked_for(watched_run, noise, asked, looked):
    steps = []
    trained(watched_run(*asked), noise, lambda step, view: steps.append(step))
    assert steps == looked


def test_step_0_is_untrained_and_the_last_step_is_the_end(watched_run, noise):
    seen = {}

    def look(step, view):
        assert not view.model.training
        assert view.predictions is None
        seen[step] = weights(view.model)

    view, _ = trained(watched_run(0, 1, 5, TOTAL), noise, look)
    assert torch.equal(seen[0], weights(view.untrained()))
    assert torch.equal(seen[TOTAL], weights(view.model))
    assert len({tuple(values.tolist()) for values in seen.values()}) == 4
    assert view.predictions is not None


def test_a_run_without_training_is_looked_at_once(watched_run, noise):
    steps = []
    run = replace(watched_run(0, 1), epochs=0)
    trained(run, noise, lambda step, view: steps.append(step))
    assert steps == [0]


# What looking does not do.


@pytest.mark.parametrize(
    "fields",
    (
        {"model": "mlp", "model_args": {"hidden": 16}},  # dropout draws random numbers
        {"model": "vgg", "model_args": {"width": 1 / 16}},  # normalisation keeps averages
        PLAIN,
    ),
)
def test_looking_changes_nothing(watched_run, noise, fields):
    seen = ("accuracy", "map_orderness", "kernel_orderness") if fields is PLAIN else ("accuracy",)

    def look(step, view):
        for name in seen:
            OBSERVERS[name](view)

    blind = trained(watched_run(**fields), noise)
    watched = trained(watched_run(*range(TOTAL + 1), seen=seen, **fields), noise, look)
    assert without_time(watched[1]) == without_time(blind[1])
    assert torch.equal(weights(watched[0].model), weights(blind[0].model))
    assert np.array_equal(watched[0].predictions, blind[0].predictions)
    other = trained(watched_run(**fields, lr=2e-4), noise)
    assert without_time(other[1]) != without_time(blind[1])


# What a view shows.


def test_the_accuracy_of_a_view_is_the_records(watched_run, noise):
    during = {}
    run = watched_run(3, TOTAL, **PLAIN)
    view, epochs = trained(run, noise, lambda step, view: during.update({step: view.accuracy(40)}))
    assert view.accuracy(40) == pytest.approx(epochs[-1]["test_accuracy"], abs=1e-6)
    ends = [row["test_accuracy"] for row in epochs]
    assert [during[3], during[TOTAL]] == pytest.approx(ends, abs=1e-6)
    right = view.predictions == view.test[1].numpy()
    for count in (1, 7, 39):  # the first ones, not any
        assert view.accuracy(count) == pytest.approx(right[:count].mean())


@pytest.mark.parametrize("init", ("he_normal", "glorot_uniform"))
def test_untrained_is_the_initial_model(watched_run, noise, init):
    run = watched_run(model="plain", model_args={**PLAIN["model_args"], "init": init}, seed=5)
    view, _ = trained(run, noise)
    first = models.build("plain", (1, 28, 28), 10, 5, depth=2, units=4, init=init)
    assert torch.equal(weights(view.untrained()), weights(first))
    assert not torch.equal(weights(view.model.cpu()), weights(first))


def test_inputs_are_what_the_model_gets(watched_run, noise):
    view, _ = trained(watched_run(arrangement=SWAPS), noise)
    x = view.inputs(12)
    assert x.shape == (12, 1, 28, 28) and x.dtype == torch.float32
    natural = noise(100).pixels
    arranged = arrange.apply(natural, arrange.from_spec(SWAPS, 28, 100, 0))[:12] / 255
    expected = (arranged - (natural / 255).mean()) / (natural / 255).std()
    np.testing.assert_allclose(x.cpu().numpy(), expected, atol=1e-5)


# What the network is shown.


def test_images_are_degraded_first_and_arranged_then(watched_run, noise):
    view, _ = trained(watched_run(arrangement=SWAPS, degradation=LOW_PASS), noise)
    for part, images in enumerate((noise(100), noise(40, seed=1))):
        index = arrange.from_spec(SWAPS, 28, len(images), part)
        shown = (view.train, view.test)[part][0].cpu().numpy()
        smooth = degrade.apply(images.pixels, LOW_PASS)
        assert np.array_equal(shown, arrange.apply(smooth, index))
        other_way = degrade.apply(arrange.apply(images.pixels, index), LOW_PASS)
        assert not np.array_equal(shown, other_way)
        assert not np.array_equal(shown, arrange.apply(images.pixels, index))


def test_swaps_of_training_and_test_images_differ(watched_run, noise):
    images = noise(64)
    view, _ = training.train(watched_run(arrangement=SWAPS), images, images)
    train_set, test_set = (part[0].cpu().numpy() for part in (view.train, view.test))
    differ = (train_set != test_set).any((1, 2, 3))
    assert differ.mean() > 0.9
    assert np.array_equal(np.sort(train_set.reshape(64, -1)), np.sort(test_set.reshape(64, -1)))
    alike = {**SWAPS, "per_image": False}
    view, _ = training.train(watched_run(arrangement=alike), images, images)
    assert torch.equal(view.train[0], view.test[0])


# Observers.


def test_a_record_keeps_what_was_seen_in_the_order_of_steps(watched_run, folders):
    run = watched_run(0, 1, 4, seen=("accuracy", "map_orderness"), observers=("accuracy",), **PLAIN)
    record = runs.execute(run)
    assert runs.find(run)["watched"] == record["watched"]
    assert [row["step"] for row in record["watched"]] == [0, 1, 4]
    for row in record["watched"]:
        assert set(row) == {"step", "accuracy", "map_orderness"}
        assert len(row["map_orderness"]) == 2
    last = record["epochs"][-1]["test_accuracy"]
    assert record["observations"]["accuracy"] == pytest.approx(last, abs=1e-6)
    blind = runs.execute(replace(run, watch={}))
    assert "watched" not in blind
    assert without_time(blind["epochs"]) == without_time(record["epochs"])


def test_map_orderness_is_of_each_layers_output(watched_run, noise):
    run = watched_run(model="plain", model_args={"depth": 4, "units": 5})
    view, _ = trained(run, noise)
    found = observers.map_orderness(view)
    x, sides = view.inputs(500), []
    for layer, seen in zip(view.model.layers, found, strict=True):
        with torch.no_grad():
            x = layer(x)
        sides.append(x.shape[-1])
        assert x.min() >= 0  # after the ReLU
        for geometry, least in orderness.GEOMETRIES.items():
            if sides[-1] < least:
                assert seen[geometry] is None
            else:
                values = orderness.per_map(x, geometry=geometry)
                assert seen[geometry] == pytest.approx(np.nanmean(values), abs=1e-5)
        if sides[-1] >= 3:
            kept = [np.nan if value is None else value for value in seen["maps"]]
            assert kept == pytest.approx(orderness.per_map(x), abs=1e-5, nan_ok=True)
        else:
            assert seen["maps"] == []
    assert sides == [14, 7, 3, 1]


def test_kernel_orderness_is_of_the_weights_and_of_what_training_changed(watched_run, noise):
    run = watched_run(0, lr=0.01, model="plain", model_args={"depth": 2, "units": 5, "kernel": 9})
    before = []
    view, _ = trained(run, noise, lambda _, early: before.append(observers.kernel_orderness(early)))
    assert all(set(layer["change"]["pooled"].values()) == {None} for layer in before[0])
    found = observers.kernel_orderness(view)
    initial = view.untrained().layers
    assert len(found) == 2
    for layer, start, seen in zip(view.model.layers, initial, found, strict=True):
        now, then = layer[0].weight.detach(), start[0].weight.detach()
        for name, kernels in (("weights", now), ("change", now - then)):
            for geometry in orderness.GEOMETRIES:
                mean = np.nanmean(orderness.per_kernel(kernels, geometry))
                assert seen[name][geometry] == pytest.approx(mean, abs=1e-5)
                pooled = orderness.orderness(kernels, geometry=geometry)
                assert seen[name]["pooled"][geometry] == pytest.approx(pooled, abs=1e-5)
    assert found[0]["weights"] != found[0]["change"]


def test_map_orderness_needs_named_layers(watched_run, noise):

    view, _ = trained(watched_run(), noise)
    with pytest.raises(InputError) as error:
        observers.map_orderness(view)
    one_line(error, "map_orderness", "plain")


def test_the_right_answers_are_those_of_the_accuracy(watched_run, noise):
    seen = []
    run = watched_run(TOTAL, seen=("correct",))
    _, epochs = trained(run, noise, lambda _, view: seen.append(OBSERVERS["correct"](view)))
    right = metrics.bits(seen[0], 40)
    assert right.mean() == pytest.approx(epochs[-1]["test_accuracy"], abs=1e-6)


def residual_view(noise, images=None):
    """Return a view of an untrained residual network of five maps a stage, at most 40 images."""
    run = runs.Run("cifar10", "resnet", epochs=0, model_args={"width": 5, "stem": "conv3"})
    data = noise(60, "cifar10"), noise(40, "cifar10", seed=1) if images is None else images
    return training.train(run, *data)[0]


def test_stages_are_measured_as_by_hand(noise):
    view = residual_view(noise)
    found = OBSERVERS["stages"](view)
    with torch.no_grad():
        stem = view.model.eval().stem(view.standardise(view.test[0][:40])).numpy().astype(float)
    ratios = []
    for maps in stem.reshape(-1, 32, 32):
        down, across = ((np.diff(maps, axis=k) ** 2).mean() for k in (0, 1))
        if maps.var() > 1e-12:
            ratios.append((down + across) / 2 / (2 * maps.var()))
    assert found[0]["roughness"] == pytest.approx(np.mean(ratios), abs=2e-4)
    flat = stem.reshape(40, -1) - stem.reshape(40, -1).mean(0)
    wanted = flat @ flat.T / np.trace(flat @ flat.T)
    assert np.allclose(metrics.symmetric(found[0]["gram"]), wanted, atol=1e-5)
    assert len(found) == 5


def test_white_noise_has_roughness_one_and_a_ramp_next_to_none():
    noise = torch.randn(4, 2, 64, 64, generator=torch.Generator().manual_seed(0))
    ramp = torch.arange(64.0).expand(1, 1, 64, 64)
    assert observers._roughness(noise) == pytest.approx(1, abs=0.03)
    assert observers._roughness(ramp) < 0.01


def test_pictures_of_stages_fill_the_range(noise):
    found = OBSERVERS["stage_pictures"](residual_view(noise))
    assert [np.array(maps).shape for maps in found] == [
        (4, side, side) for side in (32, 32, 16, 8, 4)
    ]
    for maps in map(np.array, found):
        assert (maps.min(axis=(1, 2)) == 0).all() and (maps.max(axis=(1, 2)) == 255).all()


def test_only_residual_networks_have_stages(watched_run, noise):
    with pytest.raises(InputError) as error:
        trained(watched_run(1, seen=("stages",)), noise, lambda _, v: OBSERVERS["stages"](v))
    one_line(error, "observers: 'mlp'", "residual")
