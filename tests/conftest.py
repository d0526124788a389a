"""What several test modules share. No test may depend on what lies in the user's folders."""

import os
from dataclasses import replace

# Before torch is imported anywhere: the tests are small, threads would only compete.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest


def pytest_configure(config):
    """Let nbval fork its kernels."""
    if config.getoption("nbval_lax", False):
        from nbval import kernel  # slow to import, and of no use elsewhere

        from workflow import kernels

        kernels.install()
        kernel.NbvalKernelspecManager = kernels.Specs


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Give a test empty folders for data, records and results, and return the one above them."""
    from helpers import datasets, paths

    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "build"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    datasets.splits.cache_clear()
    yield tmp_path
    datasets.splits.cache_clear()


@pytest.fixture
def tiny_run():
    """Return a function that makes a run of a fraction of a second, `fields` changed."""
    from helpers.runs import Run

    run = Run(
        "mnist", "mlp", train_size=64, test_size=32, precision="float32",
        model_args={"hidden": 16},
    )  # fmt: skip
    return lambda **fields: replace(run, **fields)


@pytest.fixture
def noise():
    """Return a function that makes random `Images` of the right shape for `name`."""
    from helpers import datasets

    def make(count, name="mnist", seed=0):
        rng = np.random.default_rng(seed)
        pixels = rng.integers(256, size=(count, *datasets.SHAPES[name]), dtype=np.uint8)
        labels = rng.integers(len(datasets.CLASSES[name]), size=count)
        return datasets.Images(name, pixels, labels, datasets.CLASSES[name], "random numbers")

    return make


def fails(action, *parts):
    """Assert that an action is refused in one line that holds each of `parts`."""
    from helpers.errors import InputError

    with pytest.raises(InputError) as error:
        action()
    one_line(error, *parts)


def one_line(error, *parts):
    """Assert that an error's message is one line and holds each of `parts`."""
    message = str(getattr(error, "value", error))
    assert message and "\n" not in message.strip(), message
    for part in parts:
        assert str(part) in message, f"{part!r} is not in: {message}"
