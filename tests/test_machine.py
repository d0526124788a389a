"""What the process asks of the machine it runs on."""

import platform
import subprocess
import sys

import pytest

from helpers import machine

STEPS = """
import resource
import torch
from helpers import machine

torch.set_num_threads(1)
if {keep}:
    assert machine.keep_freed_memory()

def step():
    maps = [torch.ones(12 << 20) for _ in range(3)]  # 48 MiB each, more than glibc keeps by itself
    return sum(float(one[0]) for one in maps)

for _ in range(20):  # the heap finds its size
    step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep):
    """Return how often the system had to hand out a page in five more steps."""
    command = [sys.executable, "-c", STEPS.format(keep=keep)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_memory_that_is_kept_is_not_asked_for_again():
    assert 4 * faults(keep=True) < faults(keep=False)


@pytest.mark.parametrize(
    ("flags", "fast"),
    [("avx2 avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True), ("avx2 avx512f", False)],
)
def test_bfloat16_is_fast_where_the_processor_multiplies_it(flags, fast, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
    monkeypatch.setattr(machine, "CPU", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: False)
    assert machine.has_fast_bfloat16() is fast
    monkeypatch.setattr(machine, "CPU", tmp_path / "nothing")  # no Linux
    assert not machine.has_fast_bfloat16()
