"""Folders of photographs: streamed the same every time, resumed exactly, refused in one line."""

from dataclasses import replace

import numpy as np
import photo_folders
import pytest
import torch
from conftest import one_line
from PIL import Image
from torchvision import transforms

from helpers import __main__ as commands
from helpers import checkpoint, folder, machine, models, paths, precision, runs, training
from helpers.errors import InputError
from helpers.experiments import juefei2018_folders as folders
from helpers.models.resnet import stage_maps
from helpers.runs import Run

TINY = Run(
    "imagenet", "pnn", model_args={"depth": 18, "width": 8}, optimiser="momentum", lr=0.02,
    decay=0.0, weight_decay=1e-4, epochs=3, batch=8, crop=32, precision="float32",
    observers=("confusion",), augment="crop_flip",
)  # fmt: skip


@pytest.fixture(autouse=True)
def photographs(folders, monkeypatch):
    """Give every test the same small folder, read by no process but its own."""
    torch.set_num_threads(1)
    monkeypatch.setattr(folder, "LOADERS", 0)
    return photo_folders.imagenet(paths.data())


def train(run=TINY, **options):
    return folder.train(run, *folder.splits(run.data)[:2], **options)


def weights(view):
    return list(view.model.state_dict().values())


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))


def measures(epochs):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in epochs]


# The folder.


def test_the_splits_are_the_files_of_each_class(photographs):
    train_set, val, fingerprint = folder.splits("imagenet")
    assert train_set.classes == val.classes == photo_folders.NAMES
    assert (len(train_set), len(val)) == (24, 12)
    assert train_set.files[8] == (str(photographs / "train" / "china" / "0.png"), 1)
    assert train_set.fingerprint == val.fingerprint == fingerprint and len(fingerprint) == 64


def test_another_picture_changes_the_fingerprint(photographs):
    before = folder.splits("imagenet")[2]
    (photographs / "val" / "cat" / "0.png").write_bytes(b"other")
    folder._splits.cache_clear()
    assert folder.splits("imagenet")[2] != before


def test_imagenet100_has_the_largest_classes_and_breaks_ties_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "MOST", 2)
    for counts, kept in (((4, 4, 4), ("cat", "china")), ((3, 4, 5), ("china", "flower"))):
        data = tmp_path / str(counts)
        photo_folders.imagenet(data, counts)
        monkeypatch.setenv("DATA_DIR", str(data))
        train_set, val, _ = folder.splits("imagenet100")
        assert train_set.classes == val.classes == kept
        assert sorted({label for _, label in train_set.files}) == [0, 1]
        assert "the 2 classes with most photographs of 3" in train_set.source


@pytest.mark.parametrize(
    ("damage", "parts"),
    (
        (lambda root: root.rename(root.with_name("gone")), ("train", "DATA_DIR")),
        (lambda root: (root / "train" / "dog").mkdir(), ("train/dog", "must contain photographs")),
        (lambda root: (root / "val" / "cat").rename(root / "val" / "dog"), ("train/cat", "same")),
        (lambda root: (root / "val" / "cat" / "0.png").write_text("no picture"),
         ("val/cat/0.png", "cannot be read")),
    ),
)  # fmt: skip
def test_a_folder_that_cannot_be_used_is_one_line(photographs, damage, parts):
    damage(photographs)
    with pytest.raises(InputError) as error:
        train(replace(TINY, epochs=1))
    one_line(error, *parts)


def test_a_photograph_that_another_process_cannot_read_is_one_line(photographs, monkeypatch):
    monkeypatch.setattr(folder, "LOADERS", 1)
    (photographs / "train" / "flower" / "3.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError) as error:
        train()
    one_line(error, "train/flower/3.png", "cannot be read")


# What a batch holds.


def batches(seed=0):
    images = folder.splits("imagenet")[0]
    cut, order = folder._cut(32, at_random=True), list(range(23, -1, -1))
    found = folder._batches(images, order, TINY, cut, torch.device("cpu"), seed)
    return [(x.clone(), y.clone()) for x, y in found]


def test_crops_depend_on_the_seed_and_not_on_who_reads(monkeypatch):
    alone, other = batches(), batches(seed=1)
    monkeypatch.setattr(folder, "LOADERS", 2)
    together = batches()
    assert [x.shape for x, _ in alone] == [(8, 3, 32, 32)] * 3
    for (x, y), (again, labels), (changed, _) in zip(alone, together, other, strict=True):
        assert torch.equal(x, again) and torch.equal(y, labels)
        assert not torch.equal(x, changed)
    assert torch.cat([y for _, y in alone]).tolist() == [2] * 8 + [1] * 8 + [0] * 8


def test_the_result_is_that_of_a_plain_loop_over_the_validation_pictures():
    view, epochs = train(replace(TINY, epochs=1))
    usual = transforms.Compose([
        transforms.Resize(37), transforms.CenterCrop(32), transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])  # fmt: skip
    files = folder.splits("imagenet")[1].files
    x = torch.stack([usual(Image.open(path).convert("RGB")) for path, _ in files])
    labels = torch.tensor([label for _, label in files])
    with torch.no_grad():
        logits = view.model.eval()(x)
    assert np.array_equal(view.predictions, logits.argmax(1).numpy())
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    assert epochs[0]["test_loss"] == pytest.approx(loss, rel=1e-4)
    assert epochs[0]["test_accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean())


# Training, interrupted or not.


def test_it_learns_to_tell_photographs_apart():
    _, epochs = train(replace(TINY, epochs=8, drops={"after": [6], "factor": 0.1}))
    assert [row["epoch"] for row in epochs] == list(range(1, 9))
    assert epochs[-1]["loss"] < 0.8 * epochs[0]["loss"]
    assert epochs[-1]["accuracy"] > 0.5  # chance is a third


def test_a_killed_training_goes_on_to_the_very_same_weights(monkeypatch, tmp_path):
    whole, rows = train()
    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "other"))

    def kill(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(progress=kill)
    torch.rand(7)  # the generator stands elsewhere in a new process
    told = []
    resumed, again = train(progress=told.append)
    assert [row["epoch"] for row in told] == [2, 3]
    assert measures(again) == measures(rows) and same(whole, resumed)
    assert np.array_equal(whole.predictions, resumed.predictions)


@pytest.mark.parametrize(
    "damage",
    (lambda old: old[:-100], lambda old: old[:999] + bytes([old[999] ^ 1]) + old[1000:],
     lambda old: b""),
)  # fmt: skip
def test_a_damaged_checkpoint_is_named_and_training_starts_again(damage, capfd):
    run = replace(TINY, epochs=1)
    whole, _ = train(run)
    file = checkpoint.path(run.key(), folder.splits("imagenet")[2])
    file.write_bytes(damage(file.read_bytes()))
    capfd.readouterr()
    told = []
    again, _ = train(run, progress=told.append)
    first = capfd.readouterr().err.splitlines()[0]
    assert str(file) in first and "damaged" in first and "starts again" in first
    assert len(told) == 1 and same(whole, again)


def test_a_checkpoint_of_another_network_is_one_line():
    images = folder.splits("imagenet")
    file = checkpoint.path(TINY.key(), images[2])
    wider = replace(TINY, model_args={"depth": 18, "width": 9}, epochs=1)
    train(wider)
    file.write_bytes(checkpoint.path(wider.key(), images[2]).read_bytes())
    with pytest.raises(InputError) as error:
        train()
    one_line(error, file, "another network", "delete it")


# Runs and commands.


def test_the_record_of_such_a_run_is_like_any_other():
    record = runs.execute(TINY)
    assert runs.find(TINY) == record
    assert (record["data"]["train"], record["data"]["test"]) == (24, 12)
    assert np.array(record["observations"]["confusion"]).sum(1).tolist() == [4, 4, 4]
    right = np.trace(record["observations"]["confusion"]) / 12
    assert record["epochs"][-1]["test_accuracy"] == pytest.approx(right, abs=1e-6)
    assert record["run"]["crop"] == 32 and record["provenance"]["precision"] == "float32"
    _, trained = folder.trained(TINY)
    assert trained.keys() == models.build("pnn", (3, 32, 32), 3, 0, width=8).state_dict().keys()
    with pytest.raises(InputError) as error:
        folder.trained(replace(TINY, seed=1))
    one_line(error, "seed 1", "train it first")


@pytest.mark.parametrize(
    ("fields", "part"),
    (
        ({"arrangement": {"kind": "pixel_permutation", "seed": 0}}, "arrangement"),
        ({"train_size": 8}, "train_size: 8"),
        ({"channels": "red"}, "channels: 'red'"),
        ({"observers": ("map_orderness",)}, "observers: 'map_orderness'"),
        ({"model": "none", "epochs": 0, "observers": ()}, "model: 'none'"),
        ({"data": "mnist"}, "crop: 32"),
        ({"crop": 0}, "crop: 0"),
        ({"data": "imagenet1000"}, "imagenet100"),
    ),
)
def test_what_a_folder_cannot_do_is_one_line(fields, part):
    with pytest.raises(InputError) as error:
        replace(TINY, **fields)
    one_line(error, part)


def test_a_batch_larger_than_the_folder_is_one_line():
    with pytest.raises(InputError) as error:
        train(replace(TINY, batch=25))
    one_line(error, "batch: 25", "24 images")


@pytest.mark.parametrize(("fast", "chosen"), ((True, "bfloat16"), (False, "float32")))
def test_mixed_precision_asks_the_machine_and_no_gate(monkeypatch, fast, chosen):
    monkeypatch.setattr(machine, "has_fast_bfloat16", lambda: fast)
    monkeypatch.setattr(precision, "passed", set)
    assert precision.choose(replace(TINY, precision="mixed")) == chosen
    assert precision.choose(replace(TINY, precision="auto")) == "float32"


def test_table_1_at_the_scale_of_the_paper():
    wanted = folders.table1("paper")
    shape = [(r.model, r.model_args["depth"], r.model_args["width"]) for r in wanted]
    assert shape == [("pnn", 18, 256), ("pnn", 18, 128), ("pnn", 18, 64),
                     ("resnet", 34, 64), ("resnet", 18, 64)]  # fmt: skip
    for run in wanted:
        assert (run.optimiser, run.lr, run.weight_decay) == ("momentum", 0.1, 1e-4)
        assert (run.epochs, run.batch, run.crop) == (90, 256, 224)
        rates = [training.rate_of(run, epoch) for epoch in (1, 30, 31, 60, 61, 90)]
        assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])
    keys = {run.key() for run in wanted}
    assert len({run.key() for run in folders.table2("paper")} & keys) == 2  # both of 18 layers


def test_the_parameter_ratios_of_table_1():
    def count(run, **noise):
        with torch.device("meta"):
            arguments = run.model_args | noise
            return models.parameters(models.build(run.model, (3, 224, 224), 1000, 0, **arguments))

    *noisy, deep, usual = folders.table1("paper")
    ratios = [
        count(other) / count(run, norm=False, bias=False)
        for run, other in zip(noisy, (deep, usual, usual), strict=True)
    ]
    assert [round(ratio, 1) for ratio in ratios] == [0.9, 1.8, 6.1]  # the paper prints 5.9


def test_table_3_has_the_levels_of_the_paper_and_the_control():
    levels = [run.model_args["level"] for run in folders.table3("paper")]
    assert levels == [0.0, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0]
    assert {run.data for run in folders.table3("paper")} == {"imagenet100"}


def test_the_command_trains_an_experiment_and_then_has_nothing_to_do(monkeypatch, capsys):
    monkeypatch.setitem(folders.FOLDER_GRIDS, "table1", lambda preset: [replace(TINY, epochs=1)])
    arguments = ["train-folder", "--experiment", "table1", "--preset", "smoke"]
    assert commands.main(arguments) == 0
    assert "table1 smoke: 1 of 1 runs done" in capsys.readouterr().out
    monkeypatch.setattr(runs, "execute", None)
    assert commands.main(arguments) == 0


def test_published_records_come_in_order_with_none_where_one_lacks(photographs, monkeypatch):
    done, other = replace(TINY, epochs=1), replace(TINY, seed=1)
    grid = {"paper": [other, done]}
    monkeypatch.setitem(folders.FOLDER_GRIDS, "table1", lambda preset: grid[preset])
    assert folders.published("table1") == [None, None]
    runs.execute(other)  # not published
    record = runs.execute(done, paths.RESULTS / "paper")
    photographs.rename(photographs.with_name("gone"))
    assert folders.published("table1") == [None, record]
    with pytest.raises(InputError) as error:
        folders.published("table9")
    one_line(error, "experiment: 'table9'", "table1")


@pytest.mark.parametrize(
    ("arguments", "part"),
    (
        (["--experiment", "table9"], "experiment: 'table9'"),
        (["--experiment", "table1", "--preset", "huge"], "preset: 'huge'"),
        (["--experiment", "table1", "--preset", "smoke"], "DATA_DIR"),
    ),
)
def test_the_commands_errors_are_one_line(photographs, capsys, arguments, part):
    photographs.rename(photographs.with_name("gone"))
    assert commands.main(["train-folder", *arguments]) == 2
    one_line(capsys.readouterr().err, part)


# Feature maps (Figure S3).


@pytest.mark.parametrize("name", ("pnn", "resnet"))
def test_stage_maps_are_what_the_network_computes(name):
    model = models.build(name, (3, 64, 64), 3, 0, width=4)
    x = torch.randn(1, 3, 64, 64)
    maps = stage_maps(model, x)
    sides = [(4, 16), (4, 16), (8, 8), (16, 4), (32, 2)]
    assert [(m.shape[1], m.shape[2]) for m in maps] == sides
    assert torch.equal(model.head(maps[-1]), model(x))
    assert all(m.std() > 0 for m in maps)
