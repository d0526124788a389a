"""Compare two training processes with one: how well does a run per core share the machine?"""

import multiprocessing

import torch

from benchmarks import clock, loops


def two_against_one(case, batch, precision, seconds, pairs):
    """Return [(images/s of two processes together, images/s of one), ...], wall time, in turns."""
    spawn = multiprocessing.get_context("spawn")
    ends = [spawn.Pipe() for _ in range(2)]
    children = [
        spawn.Process(target=_serve, args=(theirs, case, batch, precision), daemon=True)
        for _, theirs in ends
    ]
    pipes = [mine for mine, _ in ends]
    for child in children:
        child.start()
    try:
        for pipe in pipes:
            pipe.recv()  # warmed up
        return [(_total(pipes, seconds), _total(pipes[:1], seconds)) for _ in range(pairs)]
    finally:
        for child in children:
            child.terminate()
            child.join()


def _total(pipes, seconds):
    for pipe in pipes:
        pipe.send(seconds)
    return sum([pipe.recv() for pipe in pipes])


def _serve(pipe, case, batch, precision):
    """Train whenever told to, and answer with images/s."""
    torch.set_num_threads(1)
    loop = loops.ours(case.build(), loops.random_images(case.shape), batch, precision)
    for _ in range(clock.WARM_UP):
        next(loop)
    pipe.send("ready")
    while True:
        pipe.send(batch * clock.rate(loop, pipe.recv(), clock.wall_clock))
