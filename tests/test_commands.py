"""Every command that the documentation shows works as it is written, at the smallest scale.

A shell runs the words as they stand, in a clean copy of the repository. What makes a command small
goes behind its words: in front of PATH, and in the place of `.venv`, stand the real programs with
$SMALL behind their arguments. What the documentation calls /path/to/data and my/photographs are
small folders of such data. `RUNNERS` says what $SMALL is for a command and what the command must
leave behind; `STAND_INS` is the only list of commands that do not run, or only as dry runs. A new
command takes a line in one of them.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import commands
import numpy as np
import own_networks
import photo_folders
import pytest
import requests
import torch
import websocket
from jupyter_client.session import Session
from jupyter_server.serverapp import list_running_servers, shutdown_server
from PIL import Image

from benchmarks import networks
from helpers import datasets, photos
from helpers.paths import ROOT
from workflow import execute

COMMANDS = commands.shown()
SHIM = """#!/bin/sh
case "$DATA_DIR" in /path*) export DATA_DIR="$SMALL_DATA" ;; esac
exec "{}" "$@" $SMALL
"""
SHIMMED = ("python", "papermill", "snakemake", "pip", "jupyter")


@dataclass(frozen=True)
class Runner:
    """Say how the commands that match the regular expression `of` run.

    small: words that go behind the command's own. leaves: files (a pattern) that it must write.
    says: what must be printed, a regular expression. before: what the documentation tells to run
    first. records: whether those of the smoke build, where it has been built, are at hand. check:
    asserts what else there must be in the copy of the repository.
    """

    of: str
    small: str = ""
    leaves: str = ""
    says: str = ""
    before: str = ""
    records: bool = False
    check: Callable = lambda copy: None


def benchmarked(copy):
    """Every ratio was measured, and is kept with the machine."""
    record = json.loads((copy / "build" / "benchmarks" / "latest.json").read_text())
    named = " ".join(ratio["name"] for ratio in record["measured"])
    assert all(0 < ratio["seen"] < np.inf for ratio in record["measured"])
    assert all(case.name in named for case in networks.CASES)
    assert "two processes" in named and "permutation" in named and "orderness" in named
    assert record["machine"]["device"] and "load_before" in record["machine"]
    assert record["core_hours"]["pnn"] > 1


def has_weights(copy):
    """The extra is there: pip passes over one that is not."""
    project = tomllib.loads((copy / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["weights"]


HELPERS = r"(DATA_DIR=\S+ )?python -m helpers"
FEW = "-p preset smoke -p network efficientnet_lite0 -p count 2"
MINE = "--network efficientnet_lite0 --count 2"
FIRST = "--preset smoke --seconds 0.5"  # no run but the first is started
TRAIN = "--preset smoke --paper ivan2019 --experiment figure10 --workers 1 --seconds 0.5"

RUNNERS = (
    Runner("make|make help", says=r"make book\s"),
    Runner("make clean", says="rm -rf build"),
    Runner("make study", TRAIN, leaves="results/smoke/*.json"),
    Runner("make bench", "--seconds 0.001 --pairs 1 --batch 4",
           leaves="build/benchmarks/latest.json", check=benchmarked),
    # What a plan has begun is trained to its end.
    Runner(f"{HELPERS} train --plan.*", "--paper ivan2019 --hours 1e-9", says="runs of the plan"),
    Runner(f"{HELPERS} train .*--publish", TRAIN, leaves="results/smoke/*.json"),
    Runner(f"{HELPERS} train .*", TRAIN, leaves="build/records/*.json"),
    Runner(f"{HELPERS} plan", "--paper ivan2019", says="core-hours"),
    Runner(f"{HELPERS} live.*", "--preset smoke", says="Published", leaves="build/records/*.json"),
    Runner(f"{HELPERS} train-folder .*--publish", FIRST, leaves="results/smoke/*.json"),
    Runner(f"{HELPERS} train-folder .*", FIRST, leaves="build/records/*.json"),
    Runner(f"{HELPERS} detect.*", "--preset smoke", says="mAP",
           before="DATA_DIR=/path/to/data python -m helpers train-folder --experiment table7"),
    Runner(f"{HELPERS} stability .*resnet50.*", MINE, leaves="build/stability/*.csv"),
    Runner(f"{HELPERS} stability .*", "--count 2", leaves="build/stability/*.csv"),
    Runner(f"{HELPERS} noise .*resnet50.*", f"{MINE} --draws 2", leaves="build/noise/*.csv"),
    Runner(f"{HELPERS} noise .*", "--count 2", leaves="build/noise/*.csv"),
    Runner(f"{HELPERS}.verdicts.juefei2018.imagenet",
           leaves="results/statistics/differences-imagenet.json"),
    Runner(r"papermill .*resnet50.*", FEW, leaves="my_network.ipynb"),
    Runner(r"(papermill|python workflow/(execute|server)\.py) .*", "-p preset smoke",
           leaves="out.ipynb", records=True),
    Runner(r"snakemake .*--unlock", says="Unlocked"),
    Runner(r"pip install '\.\[weights\]'", "--dry-run --no-deps --no-build-isolation",
           says="Would install pixels-out-of-place", check=has_weights),
)  # fmt: skip


# What stands for a command that does not run. Those of `make` and `snakemake` are dry runs.
STAND_INS = {
    "make test": "it is what runs these tests",
    "make book( [A-Z]+=.*)?": "`make test` executes every notebook and builds the book, at smoke",
    "snakemake .*": "as for `make book`; others take a GPU or a cluster, too",
    r"python workflow/(assemble|book)\.py .*": "`make test` builds the book with them",
    "python -m benchmarks": "`make bench` runs it",
    "pip install snakemake-executor-plugin-slurm": "it would have to be fetched",
    "conda .*": "there may be no conda; tests/test_environment.py checks environment.yml",
    "uv .*|python tests/lock_files.py .*": "they ask PyPI; tests check what they write",
}
DRY = {"MAKEFLAGS": "n", "SMALL": "--dry-run"}
LAB = "make lab"


def runner_of(command):
    """Return the first of `RUNNERS` whose pattern is the whole command, or None."""
    return next((runner for runner in RUNNERS if re.fullmatch(runner.of, command)), None)


def stand_in_of(command):
    """Return the first pattern of `STAND_INS` that is the whole command, or None."""
    return next((pattern for pattern in STAND_INS if re.fullmatch(pattern, command)), None)


RUN = list(filter(runner_of, COMMANDS))
LEFT = [command for command in COMMANDS if command not in (*RUN, LAB)]


def test_every_command_has_a_runner_or_a_stand_in():
    lost = {c: COMMANDS[c] for c in LEFT if not stand_in_of(c)}
    assert not lost, "give each a line in RUNNERS or STAND_INS"
    assert LAB in COMMANDS


def test_every_runner_and_every_stand_in_has_a_command():
    assert {runner_of(command) for command in RUN} == set(RUNNERS)
    assert {stand_in_of(command) for command in LEFT} == set(STAND_INS)


@pytest.mark.parametrize("command", RUN)
def test_a_command_does_what_its_page_says(command, place):
    runner, copy = runner_of(command), place / "copy"
    variables = {"SMALL": runner.small}
    if runner.records:
        variables["BUILD_DIR"] = str(place / "smoke")
    clean(place)
    for path in copy.glob(runner.leaves or "none"):
        path.unlink()
    said = run(" && ".join(filter(None, (runner.before, command))), place, **variables)
    assert re.search(runner.says, said), said
    assert not runner.leaves or any(copy.glob(runner.leaves)), said
    runner.check(copy)
    assert all(execute.problem(path) is None for path in copy.glob("*.ipynb"))


@pytest.mark.parametrize("command", [c for c in LEFT if c.startswith(("make", "snakemake"))])
def test_a_dry_run_knows_the_words(command, place):
    clean(place)
    said = run(command, place, **DRY)
    assert "workflow/" in said, said


def test_make_lab_runs_cells(place):
    options = "--no-browser --allow-root --ServerApp.port=0"
    clean(place)
    process, runtime = start(LAB, place, SMALL=options), place / "runtime"
    try:
        until = time.monotonic() + 120
        while not (servers := list(list_running_servers(runtime))):
            assert process.poll() is None and time.monotonic() < until, process.communicate()
            time.sleep(0.1)
        (server,) = servers
        said = in_lab(server, "import helpers; print(helpers.__file__)")
        assert said.strip() == str(place / "copy" / "helpers" / "__init__.py")
        assert shutdown_server(server)
        assert process.wait(60) == 0
    finally:
        end(process)


def in_lab(server, code):
    """Run a cell in a new kernel of a Jupyter server and return what it prints."""
    headers, kernels = {"Authorization": f"token {server['token']}"}, f"{server['url']}api/kernels"
    kernel = requests.post(kernels, headers=headers, json={"name": "python3"}, timeout=60).json()
    channels = f"{kernels}/{kernel['id']}/channels".replace("http", "ws", 1)
    ask = Session().msg("execute_request", {"code": code, "silent": False})
    socket = websocket.create_connection(channels, header=headers, timeout=120)
    socket.send(json.dumps({**ask, "channel": "shell"}, default=str))
    while True:
        answer = json.loads(socket.recv())
        assert answer["msg_type"] != "error", answer["content"]
        if answer["msg_type"] == "stream":
            socket.close()
            return answer["content"]["text"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Return a folder with a copy of the repository, small data, and the programs with $SMALL."""
    folder = tmp_path_factory.mktemp("commands")
    copy_of_the_repository(folder / "copy")
    small_data(folder / "data")
    if (records := ROOT / "build" / "smoke" / "records").exists():
        shutil.copytree(records, folder / "smoke" / "records")
    own = folder / "own" / "my" / "photographs"
    own.mkdir(parents=True)
    for name in photo_folders.NAMES:
        Image.fromarray(photos.photograph(name)).save(own / f"{name}.png")
    torch.jit.script(own_networks.Deaf()).save(folder / "own" / "my_model.pt")

    real, programs = Path(sys.executable).parent, folder / "venv" / "bin"
    programs.mkdir(parents=True)
    for path in real.iterdir():
        (programs / path.name).symlink_to(path)
    for name in SHIMMED:
        (programs / name).unlink()
        (programs / name).write_text(SHIM.format(real / name))
        (programs / name).chmod(0o755)
    stamp = ("make", "-s", "--eval", "stamp: ; @echo $(STAMP)", "stamp")
    Path(said_by(*stamp, VENV=folder / "venv").strip()).touch()  # so that make installs nothing
    return folder


def copy_of_the_repository(copy):
    """Make a repository of the files that git knows or would take, in one commit."""
    names = said_by("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in names.split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    # What only the Slurm plugin knows cannot be read without it.
    profile = copy / "workflow" / "profiles" / "slurm" / "config.yaml"
    profile.write_text(re.sub(r"(?m)^(executor|slurm-[\w-]+):.*\n", "", profile.read_text()))
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    for words in (("init",), ("add", "."), ("commit", "-m", "a copy")):
        subprocess.run((*git, *words, "-q") if words[0] != "add" else (*git, *words),
                       cwd=copy, check=True)  # fmt: skip


def said_by(*words, **variables):
    """Return what a command prints in the repository's root."""
    env = os.environ | {name: str(value) for name, value in variables.items()}
    return subprocess.check_output(words, cwd=ROOT, env=env, text=True)


def small_data(folder):
    """Write a few images of each data set in the layouts that the documentation asks for."""
    folder.mkdir()
    for name, stand_in in (*((name,) * 2 for name in ("mnist", "fashion_mnist")),
                           ("cifar10", "photo_patches")):  # fmt: skip
        arrays = {"source": "a few"}
        for split, size in (("train", 200), ("test", 100)):
            images = datasets.load(stand_in, split, size)
            arrays[f"{split}_images"] = images.pixels.transpose(0, 2, 3, 1)
            arrays[f"{split}_labels"] = images.labels
        np.savez(folder / f"{name}.npz", **arrays)
    photo_folders.imagenet(folder)
    photo_folders.voc(folder)
    (folder / "imagenet_sample").mkdir()
    noise = np.random.default_rng(0).integers(256, size=(10, 224, 224), dtype=np.uint8)
    for k in range(500):
        file = folder / "imagenet_sample" / f"{k}.jpg"
        if k < len(noise):
            Image.fromarray(noise[k]).save(file)
        else:
            file.hardlink_to(folder / "imagenet_sample" / f"{k % len(noise)}.jpg")


def clean(place):
    """Bring the copy of the repository back to its commit, with a user's own files beside."""
    copy = place / "copy"
    subprocess.run("git clean -fdxq && git checkout -q .", shell=True, cwd=copy, check=True)
    shutil.copytree(place / "own", copy, dirs_exist_ok=True)


def start(command, place, **variables):
    """Start a command in the copy of the repository; return the process."""
    outer = ("BUILD", "BUILD_DIR", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS", "PRESET")
    env = {name: value for name, value in os.environ.items() if name not in outer}
    env |= {
        "PATH": f"{place}/venv/bin:{env['PATH']}",
        "PYTHONPATH": f"{place}/copy",
        "VENV": f"{place}/venv",
        "CONDA_PREFIX": f"{place}/venv",
        "CORES": "2",
        "DATA_DIR": f"{place}/nothing",
        "SMALL_DATA": f"{place}/data",
        "PIP_NO_INDEX": "1",
        "JUPYTER_RUNTIME_DIR": f"{place}/runtime",
        "JUPYTER_CONFIG_DIR": f"{place}/settings",
    }
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(("bash", "-c", command), cwd=place / "copy", env=env | variables,
                            start_new_session=True, **output)  # fmt: skip


def end(process):
    """Leave nothing behind of a command that has failed."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(command, place, **variables):
    """Run a command to its end and return what it says."""
    process = start(command, place, **variables)
    try:
        said, _ = process.communicate(timeout=900)
    finally:
        end(process)
    assert process.returncode == 0, said
    return said
