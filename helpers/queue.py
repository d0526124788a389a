"""A resumable queue of runs: one single-threaded process per core, one run at a time on a GPU."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager

import torch
from tqdm import tqdm

from helpers import frozen, runs


def results(wanted, workers=None, folder=None):
    """Return the records of the runs `wanted`, in their order; train those without one.

    workers: number of processes, by default one per core, or one on a GPU. folder: where new
    records go, by default that of local records. Each record is written when its run ends, so an
    interruption loses only the runs in progress.
    """
    train_missing(wanted, workers, folder)
    return [runs.find(run) for run in wanted]


def train_missing(wanted, workers=None, folder=None, seconds=None):
    """Train the runs that have no record; return how many are left.

    wanted: the runs. workers, folder: as in `results`. seconds: no run starts after this time, None
    for no limit.
    """
    missing = list({run.key(): run for run in wanted if runs.find(run) is None}.values())
    if not missing:
        return 0
    workers = min(workers or default_workers(), len(missing))
    until = time.monotonic() + seconds if seconds is not None else float("inf")
    bar = tqdm(total=len(missing), unit="run", leave=False, smoothing=0,
               mininterval=0.5 if sys.stderr.isatty() else 5)  # fmt: skip
    with bar:
        train = _in_process if workers == 1 else _in_pool
        for run in train(missing, workers, folder, until):
            bar.set_description(run.title())
            bar.update()
    return bar.total - bar.n


def default_workers():
    """Return how many runs this machine should train at once: one per core, or one on a GPU."""
    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


def _in_process(missing, _, folder, until):
    for run in missing:
        if time.monotonic() > until:
            return
        runs.execute(run, folder, frozen.bearing(run))
        yield run


def _in_pool(missing, workers, folder, until):
    # A forked child would inherit PyTorch's threads and CUDA context in an unusable state.
    spawn = multiprocessing.get_context("spawn")
    waiting, active = list(missing), {}
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_worker) as pool:

        def hand_out():
            run = _next(waiting, active.values())
            active[pool.submit(_execute, run, folder, frozen.bearing(run))] = run

        try:
            with _deaf():
                for _ in range(workers):
                    hand_out()
            while active:
                done = next(as_completed(active))
                run = active.pop(done)
                done.result()
                yield run
                if time.monotonic() < until and waiting:  # none starts past the limit
                    hand_out()
        except BaseException:
            # Workers ignore Ctrl-C, so they are ended here.
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _next(waiting, active):
    """Remove and return the first run whose training is not in progress, or else the first of all.

    Runs that differ only in their observers share one training and would wait for one another.
    """
    busy = {run.training_key() for run in active}
    place = (k for k, run in enumerate(waiting) if run.training_key() not in busy)
    return waiting.pop(next(place, 0))


def _execute(run, folder, statements):
    """Train `run` and return nothing.

    A record is too long for a pipe to take at once: if a worker were killed while it sent one, the
    parent would wait for the rest for ever.
    """
    runs.execute(run, folder, statements)


@contextmanager
def _deaf():
    """Block Ctrl-C within the block; workers started there inherit this, even while they import."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _worker():
    """Leave Ctrl-C to the parent, and exit when the parent is gone, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch():
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
