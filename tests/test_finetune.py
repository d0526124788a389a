"""Fine-tuning: a network of others learns new classes, once for all that is asked of it."""

from dataclasses import replace

import pytest
import torch
from conftest import one_line
from PIL import Image
from torch import nn

from helpers import checkpoint, finetune, machine, natural, runs, training
from helpers.errors import InputError
from helpers.models import pretrained
from helpers.models.pretrained import SCRIPT_FACTS, Network
from helpers.pictures import Pictures
from helpers.runs import Run

SIDE = 32
CLASSES = ("red", "green")
RUN = Run(
    "birds", "finetuned", model_args={"name": "tiny", "side": SIDE}, optimiser="momentum", lr=0.02,
    decay=0.0, epochs=3, batch=8, augment="crop_flip", observers=(), precision="float32",
)  # fmt: skip


def tiny(head=1000):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                          nn.Linear(8, head))  # fmt: skip
    names = tuple(map(str, range(head)))
    facts = {**SCRIPT_FACTS, "side": SIDE}
    model = model.eval().to(machine.device())
    return Network("tiny", model, **facts, source="made here", digest="", names=names)


@pytest.fixture(autouse=True)
def network(folders, monkeypatch):
    """Stand in for a network that others trained."""
    torch.set_num_threads(1)
    made = tiny()
    monkeypatch.setattr(pretrained, "load", lambda name: made)
    return made


@pytest.fixture
def pictures(tmp_path):
    """Return (train, test): pictures that are reddish or greenish, of any shape."""
    generator = torch.Generator().manual_seed(1)

    def make(count, part):
        files = []
        for k in range(count):
            shape = (40 + k % 3, 44 - k % 2, 3)
            pixels = torch.randint(120, shape, generator=generator).to(torch.uint8)
            pixels[..., k % 2] += 100
            file = tmp_path / part / f"{k}.png"
            file.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels.numpy()).save(file)
            files.append((str(file), k % 2))
        return Pictures(tuple(files), CLASSES, "made here")

    return make(24, "train"), make(10, "test")


def weights(view):
    return [weight.cpu() for weight in view.model.state_dict().values()]


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def test_new_classes_are_learnt_and_the_network_of_others_stays(network, pictures):
    before = [weight.clone() for weight in network.model.state_dict().values()]
    view, epochs = finetune.train(RUN, *pictures)
    assert [row["epoch"] for row in epochs] == [1, 2, 3]
    assert epochs[-1]["test_accuracy"] == 1.0 and epochs[-1]["loss"] < epochs[0]["loss"]
    assert view.network.names == CLASSES and view.side == SIDE
    frames, labels = view.sample(None)
    assert (view.scores(frames).argmax(1).cpu() == labels).all()
    assert all(map(torch.equal, before, network.model.state_dict().values()))
    assert not view.model.training


def test_what_is_looked_at_does_not_train_again(pictures, monkeypatch):
    first, rows = finetune.train(RUN, *pictures)
    monkeypatch.setattr(training, "Step", None)
    second, again = finetune.train(replace(RUN, observers=("noise_rgb",)), *pictures)
    assert rows == again and same(first, second)


def test_a_killed_training_goes_on_to_the_same_weights(pictures, monkeypatch, folders):
    whole, rows = finetune.train(RUN, *pictures)
    for file in folders.rglob("*.pt"):
        file.unlink()
    write, written = checkpoint._write, []

    def killed(file, state):
        write(file, state)
        written.append(file)
        if len(written) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "_write", killed)
    with pytest.raises(KeyboardInterrupt):
        finetune.train(RUN, *pictures)
    resumed, found = finetune.train(RUN, *pictures)
    assert len(written) == 3  # two epochs before, one after
    assert same(whole, resumed)
    assert [row["loss"] for row in found] == [row["loss"] for row in rows]


def test_seeds_and_pictures_make_networks_of_their_own(pictures):
    views = [finetune.train(run, *pictures)[0] for run in (RUN, replace(RUN, seed=1))]
    assert not same(*views)
    other = Pictures(pictures[0].files[:16], CLASSES, "made here")
    assert not same(views[0], finetune.train(RUN, other, pictures[1])[0])


def test_dropout_is_of_the_input_while_it_learns(pictures):
    run = replace(RUN, model_args={**RUN.model_args, "dropout": 0.5})
    view, _ = finetune.train(run, *pictures)
    assert not same(view, finetune.train(RUN, *pictures)[0])
    frames, _ = view.sample(4)
    assert torch.equal(view.scores(frames), view.scores(frames))
    x = view.network.standardise(frames)
    view.model.train()
    torch.manual_seed(0)
    dropped = view.model[0](x)
    assert 0.4 < (dropped == 0).float().mean() < 0.6
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], 2 * x[kept])


def test_views_are_windows_half_of_them_mirrored():
    pixels = torch.zeros(2000, 37, 37, 3, dtype=torch.uint8)
    torch.manual_seed(0)
    drawn = finetune._views(RUN, pixels, SIDE)
    assert sorted(drawn[:, 0].tolist()) == list(range(2000))
    assert set(drawn[:, 1].tolist()) == set(drawn[:, 2].tolist()) == set(range(6))
    assert 0.45 < drawn[:, 3].float().mean() < 0.55
    still = finetune._views(replace(RUN, augment="none"), pixels, SIDE)
    assert (still[:, 1:] == torch.tensor([2, 2, 0])).all()


def test_without_augmentation_it_learns_what_it_is_tested_on(pictures):
    view, _ = finetune.train(replace(RUN, augment="none"), *pictures)
    edge = (round(finetune.MARGIN * SIDE) - SIDE) // 2
    (square,) = finetune._squares(view.pictures[:1], SIDE)
    cut = square[edge : edge + SIDE, edge : edge + SIDE].permute(2, 0, 1)
    assert torch.equal(cut, view.centre(next(iter(view.pictures))))


@pytest.mark.parametrize("last", [nn.Linear(8, 1000), nn.Conv2d(8, 1000, 1)])
def test_the_last_layer_is_replaced(last):
    model = nn.Sequential(nn.Linear(4, 1000), last, nn.ReLU())
    finetune.replace_head(model, 1000, 7, "made")
    assert model[0].out_features == 1000
    assert (model[1].weight.shape[0], type(model[1])) == (7, type(last))


def test_a_network_without_such_a_layer(pictures, monkeypatch):
    monkeypatch.setattr(pretrained, "load", lambda name: replace(tiny(7), names=("a",) * 1000))
    with pytest.raises(InputError) as error:
        finetune.train(RUN, *pictures)
    one_line(error, "tiny", "1000 classes")


def test_data_without_training_pictures(pictures):
    with pytest.raises(InputError) as error:
        finetune.train(RUN, pictures[0][:0], pictures[1])
    one_line(error, "birds", "training images")


@pytest.mark.parametrize(
    "wrong, part",
    [
        ({"model_args": {"name": "tiny"}}, "side"),
        ({"model_args": {"name": "tiny", "side": 8}}, "32"),
        ({"model_args": {"name": "tiny", "side": 64, "dropout": 1.0}}, "dropout"),
        ({"epochs": 0}, "epochs"),
        ({"augment": "black"}, "crop_flip"),
        ({"data": "mnist"}, "finetuned"),
        ({"arrangement": {"kind": "pixel_permutation", "seed": 0}}, "arrangement"),
        ({"train_size": 8}, "train_size"),
    ],
)
def test_runs_that_make_no_sense(wrong, part):
    with pytest.raises(InputError) as error:
        replace(RUN, **wrong)
    one_line(error, part)


def test_a_run_writes_its_record(pictures, monkeypatch):
    monkeypatch.setattr(natural, "splits", lambda *_: (*pictures, pictures[1].fingerprint()))
    record = runs.execute(replace(RUN, observers=("noise_upside_down",)))
    assert record["epochs"][-1]["test_accuracy"] == 1.0
    found = record["observations"]["noise_upside_down"]
    assert (found["n"], list(found["levels"])) == (10, ["1"])
