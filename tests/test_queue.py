"""The queue: every missing run once, in order, whatever interrupts it; and its command."""

import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from helpers import __main__ as command
from helpers import paths, queue, records, runs
from helpers.errors import InputError

pytestmark = pytest.mark.usefixtures("folders")

# The command with runs of its own, more than a busy machine trains before it is caught.
RUNS = 100
SCRIPT = f"""
import signal
import sys
from helpers import __main__ as command, experiments
from helpers.runs import Run

experiments.every_run = lambda *asked: [
    Run("mnist", "mlp", seed, train_size=320, test_size=32, precision="float32",
        epochs=100, model_args={{"hidden": 16}})
    for seed in range({RUNS})
]
if __name__ == "__main__":
    # as in a terminal: what a shell starts in the background ignores Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(command.main(["train", "--preset", "smoke", "--workers", "2"]))
"""


def record_files(folder=None):
    folder = folder or paths.build() / "records"
    return sorted(folder.glob("*.json"))


@pytest.fixture
def executed(monkeypatch):
    """List the seeds of the runs that this process trains."""
    seeds, execute = [], runs.execute

    def spy(run, *rest):
        seeds.append(run.seed)
        return execute(run, *rest)

    monkeypatch.setattr(runs, "execute", spy)
    return seeds


def test_missing_runs_are_trained_once_and_returned_in_order(tiny_run, executed):
    runs.execute(tiny_run(seed=2))
    executed.clear()
    wanted = [tiny_run(seed=seed) for seed in (3, 1, 2, 3, 0)]
    found = queue.results(wanted, workers=1)
    assert [record["run"].get("seed", 0) for record in found] == [3, 1, 2, 3, 0]
    assert executed == [3, 1, 0]
    assert queue.results(wanted, workers=1) == found
    assert executed == [3, 1, 0]


def test_a_time_limit_leaves_the_rest(tiny_run, executed, monkeypatch):
    now = iter(range(100))
    monkeypatch.setattr(queue.time, "monotonic", lambda: next(now))
    wanted = [tiny_run(seed=seed) for seed in range(5)]
    assert queue.train_missing(wanted, workers=1, seconds=2) == 3
    assert executed == [0, 1] and len(record_files()) == 2
    assert queue.train_missing(wanted, workers=1, seconds=0) == 3  # no time is no time
    assert queue.train_missing(wanted, workers=1) == 0
    assert executed == [0, 1, 2, 3, 4]


def test_an_error_keeps_what_was_done(tiny_run, executed):
    wanted = [tiny_run(seed=0), tiny_run(seed=1, batch=65), tiny_run(seed=2)]
    with pytest.raises(ValueError, match="batch: 65"):
        queue.train_missing(wanted, workers=1)
    assert len(record_files()) == 1


@pytest.fixture
def pool_of_threads(monkeypatch):
    """Let the pool's workers be threads, which start at once; the next test uses processes."""
    sizes, masks = [], []

    class Threads(ThreadPoolExecutor):
        def __init__(self, workers, mp_context, initializer):
            assert mp_context.get_start_method() == "spawn" and initializer is queue._worker
            sizes.append(workers)
            super().__init__(workers)

        def submit(self, *arguments):
            masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, []))
            return super().submit(*arguments)

    monkeypatch.setattr(queue, "ProcessPoolExecutor", Threads)
    return sizes, masks


@pytest.mark.parametrize("workers", (2, 3, 8))
def test_the_pool_trains_each_run_once_and_stops_at_the_limit(
    tiny_run, executed, pool_of_threads, workers
):
    wanted = [tiny_run(seed=seed) for seed in range(6)]
    published = paths.RESULTS / "smoke"
    # the limit has passed when the first ones, one for each worker, come back
    left = queue.train_missing([*wanted, wanted[0]], workers, published, seconds=1e-6)
    assert left == max(0, 6 - workers)
    assert len(record_files(published)) == 6 - left and not record_files()
    found = queue.results(wanted, workers, published)
    assert [record["run"].get("seed", 0) for record in found] == [0, 1, 2, 3, 4, 5]
    assert sorted(executed) == [0, 1, 2, 3, 4, 5]
    assert len(record_files(published)) == 6 and not record_files()
    assert pool_of_threads[0][0] == min(workers, 6)


def test_another_training_is_handed_out_before_another_look_at_one_in_progress(tiny_run):
    first, again = (tiny_run(observers=seen) for seen in (("correct",), ("confusion",)))
    other = tiny_run(seed=1)
    waiting = [again, other]
    assert queue._next(waiting, [first]) == other
    assert queue._next(waiting, [first, other]) == again  # nothing else is left
    assert not waiting


def test_workers_start_deaf_to_ctrl_c(tiny_run, pool_of_threads):
    """A process inherits the signals blocked when it starts: importing takes it seconds."""
    queue.train_missing([tiny_run(seed=seed) for seed in range(3)], 2)
    _, masks = pool_of_threads
    assert [signal.SIGINT in mask for mask in masks[:2]] == [True, True]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_an_error_in_the_pool_reaches_the_caller(tiny_run, pool_of_threads):
    wanted = [tiny_run(seed=0, batch=65), tiny_run(seed=1), tiny_run(seed=2)]
    with pytest.raises(ValueError, match="batch: 65"):
        queue.train_missing(wanted, 2)
    queue.train_missing(wanted[1:], 1)
    assert len(record_files()) == 2


def test_an_error_leaves_a_process_as_the_same_line():
    before = InputError("batch", 65, "the training split has 64 images")
    after = pickle.loads(pickle.dumps(before))
    assert type(after) is InputError and str(after) == str(before)
    assert str(after) == "batch: 65 is not allowed; the training split has 64 images"


def start(folder):
    """Start the command in a process group of its own, as a terminal does."""
    script = folder / "command.py"
    script.write_text(SCRIPT)
    return subprocess.Popen(
        [sys.executable, str(script)], start_new_session=True, cwd=folder, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(paths.ROOT)},
    )  # fmt: skip


def wait_for_records(process, count, seconds=240):
    until = time.monotonic() + seconds
    while len(record_files()) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until, "no new record in time"
        time.sleep(0.02)


def seconds_later(children):
    """Return which of these processes still run after a while."""
    return psutil.wait_procs(children, timeout=15)[1]


@pytest.mark.slow
def test_kill_9_and_ctrl_c_cost_the_runs_in_progress_and_no_more(folders, monkeypatch):
    process = start(folders)
    wait_for_records(process, 1)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) >= 2  # the workers
    process.kill()
    process.communicate()
    assert not seconds_later(children)
    done = {path: path.stat().st_mtime_ns for path in record_files()}
    assert 1 <= len(done) < RUNS
    assert all(records.read(path) for path in done)

    process = start(folders)  # the same command goes on ...
    wait_for_records(process, len(done) + 1)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    lines = [line for line in errors.replace("\r", "\n").splitlines() if line.strip()]
    said = [line for line in lines if "run/s" not in line and "s/run" not in line]  # not the bar
    assert said == ["interrupted: finished runs are kept; the same command resumes"]
    assert not seconds_later(children)
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert len(done) < len(record_files()) < RUNS

    wanted = [runs.Run(**records.read(path)["run"]) for path in record_files()]
    assert queue.train_missing(wanted, 1, seconds=0) == 0  # ... and finds what there is


@pytest.mark.parametrize("after", (0, 2))
def test_ctrl_c_is_one_line_and_keeps_what_was_done(monkeypatch, tiny_run, capsys, after):
    wanted = [tiny_run(seed=seed) for seed in range(4)]
    execute = runs.execute

    def interrupt(run, *rest):
        if run.seed == after:
            raise KeyboardInterrupt
        execute(run, *rest)

    monkeypatch.setattr(command.experiments, "every_run", lambda *asked: wanted)
    line = ["train", "--preset", "smoke", "--workers", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(runs, "execute", interrupt)
        assert command.main(line) == 130
    assert (
        capsys.readouterr()
        .err.rstrip()
        .splitlines()[-1]
        .endswith("interrupted: finished runs are kept; the same command resumes")
    )
    assert len(record_files()) == after
    assert command.main(line) == 0
    assert "4 of 4 runs done" in capsys.readouterr().out
    assert len(record_files()) == 4


@pytest.mark.parametrize(
    ("arguments", "part"),
    (
        (["--preset", "huge"], "preset: 'huge'"),
        (["--paper", "ivan2020", "--preset", "smoke"], "paper: 'ivan2020'"),
        (["--preset", "smoke", "--workers", "0"], "workers: 0"),
        (["--experiment", "table1", "--preset", "smoke"], "experiment: 'table1'"),
        (
            ["--paper", "ivan2019", "--experiment", "tabel1", "--preset", "smoke"],
            "experiment: 'tabel1'",
        ),
    ),
)
def test_bad_input_is_status_2_and_one_line(arguments, part, capsys):
    assert command.main(["train", *arguments]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert said.err.count("\n") == 1 and part in said.err


@pytest.mark.parametrize("arguments", ([], ["fly"], ["train", "--workers", "two"], ["train", "-x"]))
def test_a_command_line_that_cannot_be_read_is_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        command.main(arguments)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err.splitlines()[-1]


def test_the_command_says_what_is_done(monkeypatch, tiny_run, capsys):
    wanted = [tiny_run(seed=seed) for seed in range(2)]
    monkeypatch.setattr(command.experiments, "every_run", lambda *asked: wanted)
    monkeypatch.setattr(command.frozen, "check_commit", lambda: None)  # the tests' tree may differ
    assert command.main(["train", "--preset", "smoke", "--workers", "1", "--publish"]) == 0
    assert "2 of 2 runs done" in capsys.readouterr().out
    assert len(record_files(paths.RESULTS / "smoke")) == 2
