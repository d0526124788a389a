"""Time steps with little disturbance from other work on the machine.

We count CPU time, not wall-clock time: a step that waits for a busy core is not slower. If a loop
has worker processes, the busiest process counts, as if each had its own core; that favours the
usual loop, whose workers get cores on which we could train.
"""

import time
from dataclasses import dataclass
from multiprocessing import active_children
from statistics import median

WARM_UP = 4  # steps: the first ones choose kernels and allocate


@dataclass(frozen=True)
class Ratio:
    """A measured ratio, one value per pair, and the goal for its median.

    name: of the ratio. values: floats. goal: None if there is none. detail: the two sides in words.
    at_most: whether the goal is a ceiling.
    """

    name: str
    values: tuple
    goal: float | None
    detail: str
    at_most: bool = False

    @property
    def seen(self):
        """Median of the values."""
        return median(self.values)

    def reached(self):
        """Return whether the goal is met, None if there is none."""
        if self.goal is None:
            return None
        return self.seen <= self.goal if self.at_most else self.seen >= self.goal


def rate(loop, seconds, clocks=None):
    """Return a loop's steps per second of `clocks`, a float.

    loop: iterator of steps. seconds: wall-clock time to run it, at least one step. clocks: function
    to {name: seconds}, by default `cpu_clocks`; the clock that advances most counts.
    """
    clocks = clocks or cpu_clocks
    started, steps, before = time.perf_counter(), 0, clocks()
    while not steps or time.perf_counter() - started < seconds:
        next(loop)
        steps += 1
    return steps / max(now - before.get(name, 0) for name, now in clocks().items())


def cpu_clocks():
    """Return the CPU time of this process and of each of its worker processes, {name: seconds}."""
    workers = {child.pid: time.clock_gettime(_clock_of(child.pid)) for child in active_children()}
    return {"self": time.process_time(), **workers}


def wall_clock():
    """Return the wall-clock time, {name: seconds}, for measurements of shared cores."""
    return {"wall": time.perf_counter()}


def spent(function):
    """Return the CPU seconds that one call of `function` takes."""
    before = time.process_time()
    function()
    return time.process_time() - before


def _clock_of(pid):
    return (~pid << 3) | 2  # clock_getcpuclockid(3), as Linux computes it
