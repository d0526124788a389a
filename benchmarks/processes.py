"""Time each loop in a process of its own: what one asks of the system does not help the next."""

import multiprocessing
from contextlib import contextmanager

import torch

from benchmarks import clock


@contextmanager
def started(loops):
    """Start one process for each of `loops`, and yield what talks to them, warmed up.

    loops: picklable functions without arguments that return an endless iterator of steps.
    """
    spawn = multiprocessing.get_context("spawn")
    ends = [spawn.Pipe() for _ in loops]
    children = [
        spawn.Process(target=_serve, args=(theirs, loop))  # not daemons: loaders have workers
        for (_, theirs), loop in zip(ends, loops, strict=True)
    ]
    pipes = [mine for mine, _ in ends]
    try:
        for child in children:
            child.start()
        for _, theirs in ends:
            theirs.close()  # the child's alone now: one that dies ends our wait
        for pipe in pipes:
            pipe.recv()
        yield pipes
    finally:
        for child in filter(multiprocessing.Process.is_alive, children):
            child.terminate()
            child.join()


def compare(loops, seconds, pairs):
    """Measure the loops in turns, and return each one's steps per CPU second, [(pair 1, ...)]."""
    with started(loops) as pipes:
        turns = [[_total([pipe], seconds, "cpu_clocks") for pipe in pipes] for _ in range(pairs)]
    return list(zip(*turns, strict=True))


def two_against_one(loop, seconds, pairs):
    """Return [(steps/s of two processes together, of one), ...], on the wall, in turns."""
    with started([loop, loop]) as pipes:
        return [
            (_total(pipes, seconds, "wall_clock"), _total(pipes[:1], seconds, "wall_clock"))
            for _ in range(pairs)
        ]


def _total(pipes, seconds, clocks):
    for pipe in pipes:
        pipe.send((seconds, clocks))
    return sum([pipe.recv() for pipe in pipes])


def _serve(pipe, loop):
    """Train whenever told to, and answer with steps per second, until nobody asks any more."""
    torch.set_num_threads(1)
    steps = loop()
    for _ in range(clock.WARM_UP):
        next(steps)
    pipe.send("ready")
    while True:
        try:
            seconds, clocks = pipe.recv()
        except EOFError:
            return
        pipe.send(clock.rate(steps, seconds, getattr(clock, clocks)))
