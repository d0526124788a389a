"""Checkpoints: the whole state of a long training after each epoch, so that a killed one goes on.

A run of seconds is simply made again; those that take days, on folders of photographs, are kept.
"""

import fcntl
import hashlib
import io
import sys
from contextlib import contextmanager

import torch
from tqdm import tqdm

from helpers import paths
from helpers.errors import InputError, cause

DIGEST = hashlib.sha256().digest_size  # bytes at the end of the file


def path(key, fingerprint):
    """Return where the checkpoint of a training, on data of this fingerprint, is or would be."""
    return paths.build() / "checkpoints" / f"{key}-{fingerprint[:8]}.pt"


def epochs(file, count, parts, train_epoch, title):
    """Train up to epoch `count`, from where the checkpoint `file` stands; return a row per epoch.

    parts: what has a state, as {"model": model, "optimiser": optimiser}. train_epoch: trains the
    epoch of this number, from 1, drawing from PyTorch's own generators, and returns its row of
    numbers. A checkpoint is written after each epoch; a training that was killed goes on to the
    very same weights (on a GPU, up to what its sums vary from run to run). A row is said on
    stderr when its epoch ends.
    """
    rows = _restore(file, parts)
    for epoch in range(len(rows) + 1, count + 1):
        rows.append(train_epoch(epoch))
        state = {name: part.state_dict() for name, part in parts.items()}
        _write(file, {**state, "rows": rows, "generators": _generators()})
        said = ", ".join(f"{k} {v}" for k, v in rows[-1].items() if isinstance(v, float))
        tqdm.write(f"{title}: epoch {epoch} of {count}: {said}", file=sys.stderr)
    return rows


@contextmanager
def alone(file):
    """Keep other processes from training what is kept in the checkpoint `file`, within the block.

    They wait; the lock of a process that was killed is gone with it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(file, where="cpu"):
    """Return the state in a checkpoint; None if there is none, or, said on stderr, if damaged."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    body = memoryview(content)[:-DIGEST]
    if hashlib.sha256(body).digest() != content[-DIGEST:]:
        print(f"checkpoint {file}: damaged; the training starts anew", file=sys.stderr)
        return None
    return torch.load(io.BytesIO(body), map_location=where, weights_only=True)


def load(part, state, file):
    """Give a network or an optimiser its state; raise `InputError` if it is another one's."""
    try:
        part.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        why = f"it is of another network ({cause(error)}); delete it"
        raise InputError("checkpoint", str(file), why) from None


def _restore(file, parts):
    state = read(file, "cuda" if torch.cuda.is_available() else "cpu")
    if state is None:
        return []
    for name, part in parts.items():
        load(part, state[name], file)
    torch.set_rng_state(state["generators"][0].cpu())
    if torch.cuda.is_available() and len(state["generators"]) > 1:
        torch.cuda.set_rng_state(state["generators"][1].cpu())
    return state["rows"]


def _generators():
    on_gpu = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *on_gpu]


def _write(file, state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(hashlib.sha256(buffer.getbuffer()).digest())
    paths.write_atomic(file, buffer.getbuffer())
