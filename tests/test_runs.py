"""Runs and their records, and the experiments that list them."""

import json
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise

import pytest
from conftest import one_line

from helpers import datasets, experiments, orderness, paths, presets, records, runs
from helpers.errors import InputError
from helpers.experiments import ghosh2019, ivan2019
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
    "degradation": {"kind": "low_pass", "radius": 7},
}  # fmt: skip


def test_keys_are_what_they_were():
    """Published records are found by these: to change them is to train everything again."""
    assert Run("mnist", "mlp").key() == "72b87722f29b414c"
    full = {**OTHER, "optimiser": "adam", "sample": 0, "watch": {}, "degradation": {}}
    assert Run(**full).key() == "d4c047f8af580762"


def test_published_records_of_the_first_paper_are_still_found():
    """Fields that came later must not change a key; `folders` hides the results, so look there."""
    published = {path.name.split("-")[0] for path in PUBLISHED.glob("*.json")}
    wanted = {run.key() for run in experiments.every_run("ivan2019", "study")}
    assert len(wanted) == 77 and wanted <= published
    for new in ("watch", "degradation", "sample"):
        assert not any(new in run.spec() for run in experiments.every_run("ivan2019", "study"))


@pytest.mark.parametrize("field", [field.name for field in fields(Run)])
def test_every_field_changes_the_key(field):
    plain, other = Run("mnist", "mlp"), Run("mnist", "mlp")
    object.__setattr__(other, field, OTHER[field])  # also values that no run may have yet
    assert other.key() != plain.key()
    assert other.spec()[field] == OTHER[field]


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
    for run in (Run("mnist", "mlp", seed=2), Run(**OTHER)):
        assert Run(**run.spec()) == run
        again = json.loads(json.dumps(run.spec()))
        assert Run(**again).key() == run.key()


@pytest.mark.parametrize(
    ("bad", "parts"),
    (
        ({"data": "svhn"}, ("data: 'svhn'", "mnist")),
        ({"model": "resnet"}, ("model: 'resnet'", "vgg")),
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


# Experiments.


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_builds_and_asks_for_each_run_once(name):
    wanted = experiments.every_run("ivan2019", name)
    scale = presets.preset(name)
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    every = [run for experiment in ivan2019.EXPERIMENTS for run in experiment(name)]
    assert {run.key() for run in wanted} == {run.key() for run in every}
    for run in wanted:
        assert (run.epochs, run.train_size, run.test_size) == (
            scale.epochs, scale.train, scale.test
        )  # fmt: skip
        assert run.model_args.get("width") == (scale.width if run.model == "vgg" else None)
        assert (run.lr, run.decay) == (1e-4, 1e-6)  # Section 1


def test_presets_and_papers_that_do_not_exist():
    with pytest.raises(InputError) as error:
        experiments.every_run("ivan2019", "huge")
    one_line(error, "preset: 'huge'", "smoke", "study")
    with pytest.raises(InputError) as error:
        experiments.every_run("ivan2020", "smoke")
    one_line(error, "paper: 'ivan2020'", "ivan2019")


def test_how_many_runs_a_study_takes():
    count = {experiment.__name__: len(experiment("study")) for experiment in ivan2019.EXPERIMENTS}
    assert count == {
        "table1": 3 * 3 * 2 * 2,  # seeds, data sets, networks, orders
        "figure11": 3 * 2,  # seeds, orders
        "section5": 3 * 3,  # seeds; strided, MLP-4, MLP-8
        "figure8": 2 * 6,  # seeds, slices
        "figure10": 2 * (4 + 3 * 2),  # seeds; distances of RGB, of the single channels
    }
    shared = 2 * 2 + 2  # both ends of figure 8, and distance 0 of figure 10, at two seeds
    assert len(experiments.every_run("ivan2019", "study")) == sum(count.values()) - shared == 77


@pytest.mark.parametrize("name", ("smoke", "study"))
def test_the_ends_of_figures_8_and_10_are_networks_of_table_1(name):
    table = {run.key(): run for run in ivan2019.table1(name)}
    seeds = {run.seed for run in ivan2019.figure8(name)}
    assert seeds == {0, 1}
    shared = [run for run in ivan2019.figure8(name) if run.key() in table]
    ends = {(run.seed, run.arrangement.get("kind", "natural")) for run in shared}
    assert ends == {(s, kind) for s in seeds for kind in ("natural", "pixel_permutation")}
    assert all(table[run.key()].data == ivan2019.colour(name) for run in shared)
    shared = [run for run in ivan2019.figure10(name) if run.key() in table]
    assert {(run.seed, str(run.arrangement), run.channels) for run in shared} == {
        (s, "{}", "all") for s in seeds
    }


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_run_of_the_second_paper_is_asked_for_once(name):
    wanted = experiments.every_run("ghosh2019", name)
    every = [run for experiment in ghosh2019.EXPERIMENTS for run in experiment(name)]
    assert len({run.key() for run in wanted}) == len(wanted) > 0
    assert {run.key() for run in wanted} == {run.key() for run in every}
    assert not {run.key() for run in wanted} & {
        run.key() for run in experiments.every_run("ivan2019", name)
    }
    for run in wanted:
        if run.model == "none":
            assert run.epochs == 0 and run.observers == ("data_orderness",)
        else:
            assert run.model == "plain" and run.decay == 0 and run.lr in (1e-3, 1e-4)
        assert run.arrangement.get("per_image", True)
        assert {run.arrangement.get("seed", run.seed), run.degradation.get("seed", run.seed)} == {
            run.seed
        }  # compared networks share images, swaps and masks
        assert Run(**json.loads(json.dumps(run.spec()))).key() == run.key()
        if run.watch:
            steps = run.watch["steps"]
            images = run.train_size or ghosh2019.IMAGES[run.data]
            assert steps == sorted(set(steps))
            assert (steps[0], steps[-1]) == (0, run.epochs * (images // run.batch))


def test_how_many_runs_a_study_of_the_second_paper_takes():
    count = {name: len(grid("study")) for name, grid in ghosh2019.GRIDS.items()}
    assert count == {
        "figure1": 3 * 4 * 2 + 8 + 2,  # data, swaps, once or per image; small blocks; filters
        "figure4a": 6 * 4,  # seeds, swaps
        "figure4b": 6 * 6,  # seeds, kernels
        "filters": 6 * 3,  # seeds; none, low-pass, random
        "figure3-mnist": 3,
        "figure5": 3,
        "dependence": 3 * 3,  # seeds; optimiser and weights but for those of figure 3
        "figure3-fashion_mnist": 3,
        "figure3-cifar10": 3,
        "table_s1": 6 * 4 * 3,  # seeds, swaps, depths
        "figure2-mnist": 3 * 4 * 4,  # seeds, swaps, depths
        "figure2-fashion_mnist": 3 * 4 * 4,
        "figure2-cifar10": 3 * 4 * 3,
    }
    # natural images: figure 4 (a) and the filters at six seeds, figure 2 and Table S1 at three
    # seeds and three depths; looks without a network at them, one of each data set is enough
    shared = 6 + 3 * 3 + 3 + 2
    wanted = experiments.every_run("ghosh2019", "study")
    assert len(wanted) == sum(count.values()) - shared
    assert sum(run.model != "none" for run in wanted) == 288


@pytest.mark.parametrize("total", (1, 4, 5, 100, 468, 700, 2_000))
def test_looks_are_densest_at_the_start_and_take_both_ends(total):
    steps = ghosh2019.steps(total)
    assert (steps[0], steps[-1]) == (0, total)
    gaps = [b - a for a, b in pairwise(steps)]
    assert min(gaps) > 0 and max(gaps) <= 200
    assert gaps[:-1] == sorted(gaps[:-1])


def test_comparisons_are_paired():
    """Networks and data sets compared in one cell share the seed and the very permutation."""
    for experiment in ivan2019.EXPERIMENTS:
        for run in experiment("study"):
            assert run.arrangement.get("seed", run.seed) == run.seed
    pairs = {}
    for run in ivan2019.table1("study"):
        spec = asdict(run)
        pairs.setdefault((run.data, run.seed), set()).add(
            (spec["model"], json.dumps(spec["arrangement"], sort_keys=True))
        )
    assert len(pairs) == 9
    assert all(len(cell) == 4 and len({how for _, how in cell}) == 2 for cell in pairs.values())


def test_the_colour_data_set_of_each_preset():
    assert [ivan2019.colour(name) for name in presets.PRESETS] == [
        "photo_patches", "photo_patches", "cifar10", "cifar10",
    ]  # fmt: skip
    paths.write_atomic(paths.data() / "cifar10.npz", b"")  # it is enough that it is there
    assert [ivan2019.colour(name) for name in ("smoke", "quick")] == ["photo_patches", "cifar10"]
