"""The server of notebooks does what `workflow/execute.py` does, and ends with its owner."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest
from test_workflow import write_notebook

from workflow import execute, server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="notebooks are forked on Linux")
SHOWS = "import os, sys\nprint(os.getcwd(), preset, limit, 'torch' in sys.modules, os.getppid())"
SLEEPS = "open({!r}, 'w').close()\nimport time\ntime.sleep(100)"
OWNER = """
import sys
from workflow import server
with server.running(sys.stderr):
    print(server.os.environ[server.SERVER], flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Run a server, and return the file in which it and its notebooks speak."""
    monkeypatch.setenv("BUILD_DIR", str(tmp_path / "build"))
    path = tmp_path / "log"
    with path.open("a") as file, server.running(file):
        yield path


def command(notebook, *words):
    """Return the words that execute a notebook into out.ipynb beside it."""
    return [sys.executable, "workflow/server.py", str(notebook),
            str(notebook.with_name("out.ipynb")), *words]  # fmt: skip


def ask(notebook, *words):
    """Return the exit status of the command."""
    return subprocess.run(command(notebook, *words), cwd=execute.ROOT).returncode


def printed(notebook):
    """Return what the executed notebook printed, split."""
    cells = json.loads(notebook.with_name("out.ipynb").read_text())["cells"]
    return [word for cell in cells for out in cell.get("outputs", ()) for word in
            "".join(out.get("text", ())).split()]  # fmt: skip


def soon(true):
    """Tell whether something becomes true within 20 s."""
    give_up = time.monotonic() + 20
    while not true() and time.monotonic() < give_up:
        time.sleep(0.05)
    return true()


def running(name):
    """Tell whether a process says `name` in its command line."""
    lines = (" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
    return any(str(name) in line for line in lines)


def test_a_notebook_is_executed_as_without_a_server_in_a_process_that_has_imported(
    log, tmp_path, monkeypatch
):
    notebook = write_notebook(tmp_path / "in.ipynb", SHOWS)
    assert ask(notebook, "-p", "limit", "7") == 0
    served = printed(notebook)
    monkeypatch.delenv(server.SERVER)
    assert ask(notebook, "-p", "limit", "7") == 0
    alone = printed(notebook)
    assert served[:3] == alone[:3] == [str(execute.ROOT), "smoke", "7"]
    assert (served[3], alone[3]) == ("True", "False")


def test_what_one_notebook_changes_the_next_does_not_see(log, tmp_path):
    source = "import os, torch\nprint(os.environ.get('LEFT'), hasattr(torch, 'left'))\n"
    notebook = write_notebook(
        tmp_path / "in.ipynb", f"{source}os.environ['LEFT'] = torch.left = '1'"
    )
    for _ in range(2):
        assert ask(notebook) == 0
        assert printed(notebook) == ["None", "False"]


def test_the_exit_status_is_the_same_and_the_log_says_why(log, tmp_path):
    assert ask(write_notebook(tmp_path / "in.ipynb", "1 / 0")) == 1
    assert ask(write_notebook(tmp_path / "dies.ipynb", "import os\nos._exit(3)")) == 1
    assert ask(tmp_path / "nothing.ipynb") == 2
    said = log.read_text()
    assert "in.ipynb: cell [2]: ZeroDivisionError" in said
    assert re.search(r"dies.ipynb: .*DeadKernelError", said)
    assert "notebook: " in said and "use a file that exists" in said


def test_who_stops_asking_stops_the_notebook(log, tmp_path):
    kernel = tmp_path / "kernel"
    source = f"import os\nopen({str(kernel)!r}, 'w').write(str(os.getpid()))\n"
    notebook = write_notebook(tmp_path / "in.ipynb", source + "import time\ntime.sleep(100)")
    process = subprocess.Popen(command(notebook), cwd=execute.ROOT)
    assert soon(lambda: kernel.exists() and kernel.read_text())
    process.kill()
    process.wait()
    assert soon(lambda: not psutil.pid_exists(int(kernel.read_text())))
    assert not notebook.with_name("out.ipynb").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_owner_however_that_ends(number, tmp_path):
    owner = subprocess.Popen(
        (sys.executable, "-c", OWNER), cwd=execute.ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    socket = owner.stdout.readline().strip()
    assert running(socket)
    notebook = write_notebook(tmp_path / "in.ipynb", SLEEPS.format(str(tmp_path / "started")))
    known = {**os.environ, server.SERVER: socket, "BUILD_DIR": str(tmp_path)}
    asker = subprocess.Popen(command(notebook), cwd=execute.ROOT, env=known)
    assert soon((tmp_path / "started").exists)
    owner.send_signal(number)
    assert asker.wait(20) == 1  # and says so
    assert soon(lambda: not running(socket))
    owner.communicate()
