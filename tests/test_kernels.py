"""A forked kernel is to a notebook what a started one is."""

import nbval.kernel
import pytest
from jupyter_client.manager import start_new_kernel

from workflow import kernels

ABOUT = """
import os, sys, matplotlib
print(os.getcwd(), sys.executable, sys.path, __name__, os.environ["HERE"], matplotlib.get_backend())
"""
FIGURE = "from matplotlib import pyplot as plt\nplt.plot([1, 2])\nplt.show()"
PROCESS = """
import os, sys
print(os.environ.get("LEFT"), "torch" in sys.modules, os.getpid())
os.environ["LEFT"] = "something"
"""


@pytest.fixture
def forked(monkeypatch):
    """Return what starts a forked kernel."""
    monkeypatch.setattr(nbval.kernel, "NbvalKernelspecManager", kernels.Specs)
    kernels.install()
    return nbval.kernel.start_new_kernel


def shown(start, code, folder):
    """Return what a new kernel shows for a cell: text, or the kinds of what it displays."""
    manager, client = start(kernel_name="python3", cwd=str(folder))
    messages = []

    def take(message):
        content = message["content"]
        assert message["msg_type"] != "error", content
        messages.append(content.get("text") or sorted(content.get("data", ())))

    try:
        client.execute_interactive(code, timeout=120, output_hook=take)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert not manager.is_alive()
    return [what for what in messages if what]


@pytest.mark.parametrize("code", [ABOUT, FIGURE], ids=["about", "figure"])
def test_a_forked_kernel_answers_as_a_started_one(code, forked, tmp_path, monkeypatch):
    monkeypatch.setenv("HERE", "there")
    found = shown(forked, code, tmp_path)
    assert found == shown(start_new_kernel, code, tmp_path) != []


def test_each_kernel_is_a_process_of_its_own_that_has_imported(forked, tmp_path):
    first, second = (shown(forked, PROCESS, tmp_path)[0].split() for _ in range(2))
    assert first[:2] == second[:2] == ["None", "True"]
    assert first[2] != second[2]
