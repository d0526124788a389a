"""The machine at hand: the device that computes, and what it is fast at."""

import ctypes
import sys
from functools import cache
from pathlib import Path

import torch

CPU = Path("/proc/cpuinfo")
MMAP_MAX, TRIM_THRESHOLD = -4, -1  # parameters of mallopt, from glibc's <malloc.h>


def device():
    """Return the device that trains: the current GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16():
    """Return whether this machine multiplies bfloat16 matrices in hardware made for it."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    flags = CPU.read_text() if CPU.exists() else ""
    return "amx_bf16" in flags or "avx512_bf16" in flags


@cache
def keep_freed_memory():
    """Make the C library keep the memory that this process frees; return whether it does.

    Only glibc can do it. A training step frees every map that it makes, and by default glibc
    returns maps of some MB to the system at once. The next step then waits while the system clears
    the same pages again, which is up to a third of its time. The process stays as large as it ever
    was.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(MMAP_MAX, 0) and mallopt(TRIM_THRESHOLD, 2**31 - 1))
