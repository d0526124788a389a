"""Runs and their records."""

import json
from dataclasses import dataclass, fields, replace

import pytest
from conftest import one_line

from helpers import datasets, experiments, orderness, paths, records, runs
from helpers.errors import InputError
from helpers.runs import Run

PUBLISHED = paths.RESULTS / "study"  # before a test moves it
pytestmark = pytest.mark.usefixtures("folders")


def local_files():
    return sorted((paths.build() / "records").glob("*"))


# Keys.

OTHER = {
    "data": "cifar10", "model": "vgg", "seed": 1, "arrangement": {"kind": "pixel_permutation"},
    "channels": "red", "model_args": {"depth": 4}, "train_size": 100, "test_size": 100,
    "optimiser": "sgd", "lr": 2e-4, "decay": 0.0, "epochs": 2, "batch": 64,
    "precision": "float32", "observers": (), "sample": 1,
    "watch": {"steps": [0, 9], "observers": ["accuracy"]},
    "degradation": {"kind": "low_pass", "radius": 7}, "weight_decay": 1e-4,
    "drops": {"after": [1], "factor": 0.1}, "augment": "crop_flip", "crop": 32,
}  # fmt: skip
# Fields that came after the first records were published.
NEW = ("sample", "watch", "degradation", "weight_decay", "drops", "augment", "crop")


def test_keys_are_what_they_were():
    """Published records are found by these: to change them is to train everything again."""
    assert Run("mnist", "mlp").key() == "72b87722f29b414c"
    full = {name: value for name, value in OTHER.items() if name not in NEW}
    full["optimiser"] = "adam"
    assert Run(**full).key() == "d4c047f8af580762"


def test_published_records_of_the_first_paper_are_still_found():
    """Fields that came later must not change a key; `folders` hides the results, so look there."""
    published = {path.name.split("-")[0] for path in PUBLISHED.glob("*.json")}
    wanted = {run.key() for run in experiments.every_run("ivan2019", "study")}
    assert len(wanted) == 77 and wanted <= published
    for new in NEW:
        assert not any(new in run.spec() for run in experiments.every_run("ivan2019", "study"))


@pytest.mark.parametrize("field", [field.name for field in fields(Run)])
def test_every_field_changes_the_key(field):
    plain, other = Run("mnist", "mlp"), Run("mnist", "mlp")
    object.__setattr__(other, field, OTHER[field])  # also values that no run may have yet
    assert other.key() != plain.key()
    assert other.spec()[field] == OTHER[field]


def test_the_key_of_a_training_is_the_same_whatever_is_looked_at():
    looks = [Run("mnist", "mlp", observers=seen) for seen in ((), ("correct",), ("confusion",))]
    assert len({run.key() for run in looks}) == 3
    assert {run.training_key() for run in looks} == {looks[0].key()}
    assert Run("mnist", "mlp", seed=1).training_key() != looks[0].key()


def test_the_version_of_the_training_code_changes_the_key(monkeypatch):
    before = Run("mnist", "mlp").key()
    monkeypatch.setattr(runs, "TRAINING_VERSION", runs.TRAINING_VERSION + 1)
    assert Run("mnist", "mlp").key() != before


def test_a_new_field_keeps_the_keys(monkeypatch):
    @dataclass(frozen=True)
    class Later(Run):
        momentum: float = 0.9

    before = Run("mnist", "vgg", seed=3, lr=1e-3)
    monkeypatch.setattr(runs, "Run", Later)
    later = Later("mnist", "vgg", seed=3, lr=1e-3)
    assert later.key() == before.key()
    assert replace(later, momentum=0.5).key() != before.key()


def test_a_spec_names_what_differs_and_makes_the_run_again():
    assert Run("mnist", "mlp").spec() == {"data": "mnist", "model": "mlp"}
    in_memory = {name: value for name, value in OTHER.items() if name != "crop"}
    for run in (Run("mnist", "mlp", seed=2), Run(**in_memory)):
        assert Run(**run.spec()) == run
        again = json.loads(json.dumps(run.spec()))
        assert Run(**again).key() == run.key()


@pytest.mark.parametrize(
    ("bad", "parts"),
    (
        ({"data": "svhn"}, ("data: 'svhn'", "mnist")),
        ({"model": "resnext"}, ("model: 'resnext'", "vgg")),
        ({"optimiser": "rmsprop"}, ("optimiser: 'rmsprop'", "adam", "sgd")),
        ({"precision": "float16"}, ("precision: 'float16'", "bfloat16")),
        ({"observers": ("weights",)}, ("observers: 'weights'", "confusion")),
        ({"seed": -1}, ("seed: -1",)),
        ({"epochs": 1.5}, ("epochs: 1.5",)),
        ({"batch": 0}, ("batch: 0", "at least 1")),
        ({"lr": 1}, ("lr: 1",)),
        ({"lr": float("nan")}, ("lr: nan",)),
        ({"decay": -0.1}, ("decay: -0.1",)),
        ({"decay": "none"}, ("decay: 'none'",)),
        ({"model_args": {"seed": 1}}, ("model_args: 'seed'",)),
        ({"model": "none"}, ("epochs: 1", "without a model")),
        ({"sample": -1}, ("sample: -1",)),
        ({"sample": 1.0}, ("sample: 1.0",)),
        ({"watch": {"steps": [0]}}, ("watch: {'steps': [0]}", "observers")),
        ({"watch": {"steps": [0], "observers": [], "every": 2}}, ("watch: ", "every")),
        ({"watch": {"steps": [-1], "observers": []}}, ("watch.steps: -1",)),
        ({"watch": {"steps": [0, 2.5], "observers": []}}, ("watch.steps: 2.5",)),
        ({"augment": "mirror"}, ("augment: 'mirror'", "crop_flip")),
        ({"model": "pretrained"}, ("model: 'pretrained'", "imagenet_sample")),
        ({"data": "photographs"}, ("model: 'mlp'", "use pretrained or finetuned for")),
        ({"data": "photographs", "model": "pretrained"}, ("model_args: {}", "0 epochs")),
        (
            {
                "data": "photographs",
                "model": "pretrained",
                "model_args": {"name": "x"},
                "epochs": 0,
                "lr": 0.5,
            },
            ("lr: 0.5", "pretrained network"),
        ),
        ({"watch": {"steps": [0], "observers": ["eyes"]}}, ("observers: 'eyes'", "accuracy")),
    ),
)
def test_bad_fields_are_one_line(bad, parts):
    with pytest.raises(InputError) as error:
        Run(**{"data": "mnist", "model": "mlp", **bad})
    one_line(error, *parts)


def test_titles_tell_runs_apart():
    run = Run("mnist", "vgg", 2, {"kind": "patch_permutation", "slices": 4, "seed": 2},
              channels="red", model_args={"width": 0.125})  # fmt: skip
    assert run.title() == "mnist vgg patch 4 red seed 2"
    assert Run("mnist", "mlp").title() == "mnist mlp natural seed 0"


# Records.


def test_a_record_says_everything_and_is_found_again(tiny_run):
    run = tiny_run(epochs=2, seed=1)
    assert runs.find(run) is None
    record = runs.execute(run)
    assert runs.find(run) == json.loads(json.dumps(record))
    assert runs.find(tiny_run(epochs=2, seed=2)) is None
    assert Run(**record["run"]) == run
    assert [row["epoch"] for row in record["epochs"]] == [1, 2]
    _, test, fingerprint = datasets.splits("mnist", 64, 32)
    assert record["data"] == {"name": "mnist", "fingerprint": fingerprint, "source": test.source,
                              "train": 64, "test": 32}  # fmt: skip
    confusion = record["observations"]["confusion"]
    assert sum(map(sum, confusion)) == 32
    right = sum(confusion[k][k] for k in range(10))
    assert right / 32 == pytest.approx(record["epochs"][-1]["test_accuracy"], abs=1e-6)
    assert record["parameters"] == 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10
    assert record["provenance"]["precision"] == "float32"
    assert {"version", "device", "torch", "python", "commit", "started", "seconds"} <= set(
        record["provenance"]
    )
    assert [path.name for path in local_files()] == [f"{run.key()}-{fingerprint[:8]}.json"]


def test_images_can_be_looked_at_without_a_network(tiny_run):
    swaps = {"kind": "block_swaps", "block": 7, "swaps": 9, "seed": 0}
    found = {}
    for name, how in (("natural", {}), ("swapped", swaps)):
        run = tiny_run(model="none", model_args={}, epochs=0, arrangement=how,
                       observers=("data_orderness",))  # fmt: skip
        record = runs.execute(run)
        assert runs.find(run) == json.loads(json.dumps(record))
        assert record["epochs"] == []
        found[name] = record["observations"]["data_orderness"]
    pixels = datasets.splits("mnist", 64, 32)[0].pixels
    for scale, geometries in found["natural"].items():
        for geometry, tenths in geometries.items():
            assert len(tenths) == 10
            whole = orderness.orderness(pixels, int(scale), geometry)
            assert min(tenths) < whole < max(tenths)
    mean = {name: sum(seen["1"]["both"]) / 10 for name, seen in found.items()}
    assert mean["swapped"] < mean["natural"] - 0.1


def flip_a_digit(content):
    """Return the record with one digit of its first loss changed: still valid JSON."""
    at = content.index(b'"loss":') + 10
    return content[:at] + (b"1" if content[at : at + 1] != b"1" else b"2") + content[at + 1 :]


DAMAGE = {
    "truncated": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content[:-3],
    "empty": lambda content: b"",
    "a digit flipped": flip_a_digit,
    "no text": lambda content: b"\xff\xfe" + content,
    "another document": lambda content: b"[1, 2]",
    "no digest": lambda content: b'{"run": {}}',
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_record_is_named_and_passed_over(kind, tiny_run, capsys):
    run = tiny_run()
    path = runs._local(run)
    records.write(path, {"run": run.spec(), "epochs": [{"loss": 2.3456}]})
    assert runs.find(run) and not capsys.readouterr().err
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    assert runs.find(run) is None
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and str(path) in message and "damaged" in message


def test_a_damaged_record_is_made_again(tiny_run):
    run = tiny_run()
    first = runs.execute(run)
    (path,) = local_files()
    path.write_bytes(flip_a_digit(path.read_bytes()))
    from helpers import queue

    (again,) = queue.results([run], workers=1)
    assert local_files() == [path]
    assert again["observations"] == first["observations"]
    assert again["epochs"][0]["loss"] == first["epochs"][0]["loss"]


def test_a_record_round_trips_every_number(tmp_path):
    record = {"a": 0.1 + 0.2, "b": 1e-300, "c": -7, "d": None, "é": "ü", "e": [1, [2.5]], "f": {}}
    records.write(tmp_path / "x.json", record)
    assert records.read(tmp_path / "x.json") == record
    assert "digest" not in record
    assert records.read(tmp_path / "y.json") is None


def test_a_local_record_counts_for_its_data_only(tiny_run, noise):
    run = tiny_run()
    runs.execute(run)
    assert runs.find(run)
    images = noise(200)
    pixels = images.pixels.transpose(0, 2, 3, 1)
    content = {"source": "other data"}
    for split in ("train", "test"):
        content |= {f"{split}_images": pixels, f"{split}_labels": images.labels}
    datasets._save_npz(paths.data() / "mnist.npz", content)
    datasets.splits.cache_clear()  # as in a new process
    assert runs.find(run) is None
    assert runs.execute(run)["data"]["source"] == "other data"
    assert len(local_files()) == 2
    assert runs.find(run)["data"]["source"] == "other data"


def test_a_published_record_counts_without_its_data(monkeypatch):
    def absent(*_):
        raise AssertionError("the data were asked for")

    monkeypatch.setattr(datasets, "load", absent)
    run = Run("cifar10", "mlp")
    path = paths.RESULTS / "study" / f"{run.key()}-01234567.json"
    records.write(path, {"run": run.spec(), "epochs": []})
    assert runs.find(run) == {"run": run.spec(), "epochs": []}
    path.write_text("{")
    with pytest.raises(AssertionError):
        runs.find(run)


def test_publishing_writes_there_and_nowhere_else(tiny_run):
    run = tiny_run()
    runs.execute(run, paths.RESULTS / "smoke")
    assert not local_files()
    (path,) = (paths.RESULTS / "smoke").iterdir()
    assert path.name.startswith(run.key())
    assert runs.find(run)["run"] == run.spec()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = paths.write_atomic(tmp_path / "file.txt", "old")
    assert path.stat().st_mode & 0o777 == 0o644

    def full(_):
        raise OSError("no space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(paths.os, step, full if step == "fsync" else lambda *_: full(0))
            with pytest.raises(OSError, match="no space"):
                paths.write_atomic(path, "new and longer")
        assert path.read_text() == "old"
        assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    paths.write_atomic(path, b"new")
    assert path.read_text() == "new"
