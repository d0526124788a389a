"""Execute notebooks in processes that have already imported what every notebook imports.

    python workflow/server.py notebooks/ivan2019/02_pixel_permutations.ipynb out.ipynb \
        -p preset study

asks the server named in NOTEBOOK_SERVER to do what `workflow/execute.py` does with the same words,
and ends with its exit status. If no server is named, it executes the notebook itself.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

SERVER = "NOTEBOOK_SERVER"  # environment variable with the path of its socket
IMPORTED = ("papermill", "workflow.execute")


@contextmanager
def running(log):
    """Run a server within the block, and name it in the environment of processes started there.

    log: open file for the output of the server and its notebooks. The server ends with this
    process, however that ends, and its notebooks with it. It exists only on Linux: elsewhere
    libraries do not survive a fork.
    """
    if sys.platform != "linux":
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        socket = os.path.join(folder, "notebooks")
        process = subprocess.Popen(
            (sys.executable, __file__, "--serve", socket), cwd=ROOT, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            if process.stdout.readline():
                os.environ[SERVER] = socket
            yield
        finally:
            os.environ.pop(SERVER, None)
            process.stdin.close()
            process.wait()
            process.stdout.close()


def serve(socket):
    """Answer at `socket` (a path) until the standard input ends; then end with every process."""
    import multiprocessing
    from multiprocessing import forkserver
    from multiprocessing.connection import Listener

    from workflow import kernels

    multiprocessing.get_context("forkserver").set_forkserver_preload([*kernels.IMPORTED, *IMPORTED])
    with Listener(socket) as listener:
        print("ready", flush=True)
        # Nobody reads the pipe after "ready": output goes to the log instead.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        forkserver.ensure_running()  # its imports are done before the first notebook arrives
        threading.Thread(target=_end_with_the_owner, daemon=True).start()
        while True:
            threading.Thread(target=_answer, args=(listener.accept(),), daemon=True).start()


def _end_with_the_owner():
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


def _answer(connection):
    """Execute the notebook that is asked for; stop when the process that asked is gone."""
    import multiprocessing
    from multiprocessing.connection import wait

    with connection:
        process = multiprocessing.get_context("forkserver").Process(
            target=_execute, args=connection.recv()
        )
        process.start()
        if process.sentinel not in wait([process.sentinel, connection]):
            process.terminate()
            return
        process.join()
        connection.send(process.exitcode)


def _execute(words, folder, environment):
    from workflow import execute, kernels

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    kernels.install()
    with kernels.ahead():
        sys.exit(execute.main(words, kernel_manager_class=kernels.Manager))


def ask(words):
    """Return the exit status of `workflow/execute.py` with the arguments `words`."""
    if not (socket := os.environ.get(SERVER)):
        from workflow import execute

        return execute.main(words)
    from multiprocessing.connection import Client

    with Client(socket) as connection:
        connection.send((words, os.getcwd(), dict(os.environ)))
        try:
            status = connection.recv()
        except EOFError:
            print(f"{words[0]}: the notebook server stopped", file=sys.stderr)
            return 1
    return status if status >= 0 else 128 - status  # ended by a signal


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2])
    sys.exit(ask(sys.argv[1:]))
