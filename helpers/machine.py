"""The machine at hand: where networks are computed, and what it is fast at."""

from pathlib import Path

import torch


def device():
    """Return the device that trains: the current GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_fast_bfloat16():
    """Tell whether this machine multiplies bfloat16 matrices in hardware made for it."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpu = Path("/proc/cpuinfo")
    return cpu.exists() and "amx_bf16" in cpu.read_text()
