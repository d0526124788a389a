"""Checkpoints: the whole state of a long training after each epoch, so that it can be resumed.

A run that takes seconds is repeated from its start. Trainings that take days, on folders of
photographs, are worth a checkpoint.
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
    """Return the path of a training's checkpoint, whether or not it exists.

    key: of the run. fingerprint: of the data, hex digits.
    """
    return paths.build() / "checkpoints" / f"{key}-{fingerprint[:8]}.pt"


def epochs(file, count, parts, train_epoch, title):
    """Train up to epoch `count`, from the checkpoint `file` on; return a list of one row per epoch.

    parts: {name: module or optimiser}, the objects whose state is kept. train_epoch: function of
    the number of the epoch (from 1), which trains it, draws from PyTorch's own generators only, and
    returns its row of numbers, a dict. title: name of the training in messages. A checkpoint is
    written after each epoch, so a killed training resumes and reaches the same weights (on a GPU,
    except for what its sums vary from run to run). Each row is reported on stderr. Raises
    `InputError` for the checkpoint of another network.
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
    """Lock the checkpoint `file` within the block, so that only one process trains the network.

    Other processes wait. The system frees the lock of a killed process.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(file, where="cpu"):
    """Return the state in the checkpoint `file`, a dict; None if it is missing or damaged.

    where: device to load it on. Damage is reported on stderr.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    body = memoryview(content)[:-DIGEST]
    if hashlib.sha256(body).digest() != content[-DIGEST:]:
        print(
            f"checkpoint {file}: damaged; training starts again from the beginning", file=sys.stderr
        )
        return None
    return torch.load(io.BytesIO(body), map_location=where, weights_only=True)


def load(part, state, file):
    """Load `state` into `part`, a network or an optimiser.

    file: the checkpoint, for the message. Raises `InputError` if the state is another network's.
    """
    try:
        part.load_state_dict(state)
    except (KeyError, RuntimeError, ValueError) as error:
        why = f"it belongs to another network ({cause(error)}); delete it"
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
