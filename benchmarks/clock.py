"""Time steps so that other work on the machine disturbs little.

What counts is CPU time, not the time on the wall: a step that waits for a busy core is not slower.
Where a loop has worker processes, the busiest process counts, as if each had a core of its own;
that favours the usual loop, whose workers are given cores which we could train on.
"""

import time
from dataclasses import dataclass
from multiprocessing import active_children
from statistics import median

WARM_UP = 4  # steps: the first ones choose kernels and allocate


@dataclass(frozen=True)
class Ratio:
    """Keep a measured ratio, one value a pair, and the goal that its median is held to.

    detail: the two sides in words. at_most: whether the goal is a ceiling.
    """

    name: str
    values: tuple
    goal: float | None
    detail: str
    at_most: bool = False

    @property
    def seen(self):
        """Return the median."""
        return median(self.values)

    def reached(self):
        """Tell whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.seen <= self.goal if self.at_most else self.seen >= self.goal


def rate(loop, seconds, clocks=None):
    """Return steps per second of `clocks` over `seconds` on the wall, at least one step."""
    clocks = clocks or cpu_clocks
    started, steps, before = time.perf_counter(), 0, clocks()
    while not steps or time.perf_counter() - started < seconds:
        next(loop)
        steps += 1
    return steps / max(now - before.get(name, 0) for name, now in clocks().items())


def cpu_clocks():
    """Return the CPU time of this process and of each worker process it has."""
    workers = {child.pid: time.clock_gettime(_clock_of(child.pid)) for child in active_children()}
    return {"self": time.process_time(), **workers}


def wall_clock():
    """Return the time on the wall, where sharing the cores is what is measured."""
    return {"wall": time.perf_counter()}


def spent(function):
    """Return the CPU seconds that one call takes."""
    before = time.process_time()
    function()
    return time.process_time() - before


def _clock_of(pid):
    return (~pid << 3) | 2  # clock_getcpuclockid(3), as Linux computes it
