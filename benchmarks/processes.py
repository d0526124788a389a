"""Time loops in separate processes, so that none benefits from what another asked of the system."""

import multiprocessing
from contextlib import contextmanager

import torch

from benchmarks import clock

# Processes are forked from one that has only imported, since imports take longer than most
# measurements; an optimiser imports torch._dynamo.
IMPORTED = ["benchmarks.loops", "torch._dynamo"]


@contextmanager
def started(groups):
    """Start a process per group, warm up their loops, and yield the pipes to the processes.

    groups: lists of loops, picklable functions without arguments that return an endless iterator of
    steps. The loops of a group share a process.
    """
    fork = multiprocessing.get_context("forkserver")
    fork.set_forkserver_preload(IMPORTED)
    ends = [fork.Pipe() for _ in groups]
    children = [
        fork.Process(target=_serve, args=(theirs, loops))  # not daemons: loaders have workers
        for (_, theirs), loops in zip(ends, groups, strict=True)
    ]
    pipes = [mine for mine, _ in ends]
    try:
        for child in children:
            child.start()
        for _, theirs in ends:
            theirs.close()  # only the child holds it now, so its death ends our wait
        for pipe in pipes:
            pipe.recv()
        yield pipes
    finally:
        for child in filter(multiprocessing.Process.is_alive, children):
            child.terminate()
            child.join()


def compare(groups, seconds, pairs):
    """Measure all loops in turns; return each one's steps per CPU second, [(pair 1, ...), ...].

    groups: as in `started`. seconds: of one measurement. pairs: number of turns.
    """
    with started(groups) as pipes:
        places = [(pipe, k) for pipe, loops in zip(pipes, groups, strict=True)
                  for k in range(len(loops))]  # fmt: skip
        turns = [
            [_total([pipe], k, seconds, "cpu_clocks") for pipe, k in places] for _ in range(pairs)
        ]
    return list(zip(*turns, strict=True))


def two_against_one(loop, seconds, pairs):
    """Return [(steps/s of two processes together, of one), ...] in wall-clock time, in turns.

    loop: as in `started`. seconds: of one measurement. pairs: number of turns.
    """
    with started([[loop], [loop]]) as pipes:
        return [
            tuple(_total(some, 0, seconds, "wall_clock") for some in (pipes, pipes[:1]))
            for _ in range(pairs)
        ]


def _total(pipes, number, seconds, clocks):
    for pipe in pipes:
        pipe.send((number, seconds, clocks))
    return sum([pipe.recv() for pipe in pipes])


def _serve(pipe, loops):
    """Step whenever told to, and answer with steps per second, until nobody asks any more."""
    torch.set_num_threads(1)
    loops = [loop() for loop in loops]
    for steps in loops:
        for _ in range(clock.WARM_UP):
            next(steps)
    pipe.send("ready")
    while True:
        try:
            number, seconds, clocks = pipe.recv()
        except EOFError:
            return
        pipe.send(clock.rate(loops[number], seconds, getattr(clock, clocks)))
