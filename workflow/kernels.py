"""Start notebooks' kernels from a process that has already imported what every notebook imports.

A kernel takes seconds to import PyTorch and other libraries, as long as most notebooks compute.
Here each kernel is still its own process, but forked from a server that has done nothing except
import.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import EntryPoint

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import default

IMPORTED = ("ipykernel.ipkernel", "ipykernel.kernelapp", "helpers.figures", "helpers.report")
NAME = "forked"
_waiting = []  # kernels forked ahead: (process, pipe on which it waits for its task)


def install():
    """Register the provisioner in this process, and name the modules that its server imports."""
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:Forked", factory.GROUP_NAME)
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(IMPORTED))


@contextmanager
def ahead():
    """Fork the next kernel now, before this process has threads or an event loop.

    A fork copies only the calling thread, so locks that other threads hold would stay locked.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_wait, args=(ours, theirs))
    process.start()
    theirs.close()
    _waiting.append((process, ours))
    try:
        yield
    finally:
        _waiting.clear()
        ours.close()  # ends a kernel that was not needed


def _wait(ours, theirs):
    ours.close()
    try:
        about = theirs.recv()
    except EOFError:
        return
    _serve(*about)


class Manager(AsyncKernelManager):
    """Manager of a forked kernel."""

    @default("kernel_spec_manager")
    def _specs(self):
        return Specs(data_dir=self.data_dir)


class Specs(KernelSpecManager):
    """Finder of kernel specifications that names our provisioner in each."""

    def get_kernel_spec(self, kernel_name):
        """Return the specification of the kernel `kernel_name`, to be started by `Forked`."""
        spec = super().get_kernel_spec(kernel_name)
        spec.metadata["kernel_provisioner"] = {"provisioner_name": NAME}
        return spec


class Forked(LocalProvisioner):
    """Provisioner that forks a kernel; everything but the start is as for a local kernel."""

    async def launch_kernel(self, cmd, **kwargs):
        """Fork a kernel that reads the connection file in the command `cmd`.

        kwargs: env, and optionally cwd, of the kernel. Returns the connection's facts, a dict.
        """
        about = cmd[cmd.index("-f") + 1], kwargs.get("cwd", os.getcwd()), kwargs["env"], _path()
        self.process = _Process(about)
        self.pid = self.process.pid
        return self.connection_info


class _Process:
    """A forked process with the methods of `subprocess.Popen` that a provisioner calls."""

    stdin = stdout = stderr = None

    def __init__(self, about):
        """Give the process its task `about`: (connection file, folder, environment, path)."""
        if _waiting:
            self._process, pipe = _waiting.pop()
            pipe.send(about)
        else:
            forked = multiprocessing.get_context("forkserver")
            self._process = forked.Process(target=_serve, args=about)
            self._process.start()
        self.pid = self._process.pid

    def poll(self):
        """Return the exit status, None while the process runs."""
        return self._process.exitcode

    def wait(self):
        """Wait for the end of the process; return the exit status."""
        self._process.join()
        return self.poll()

    def send_signal(self, number):
        """Send the signal `number`, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


@lru_cache(maxsize=1)
def _path():
    """Return where a new interpreter looks for modules, which differs from where pytest does."""
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    return json.loads(subprocess.check_output((sys.executable, "-c", code)))


def _serve(connection, cwd, env, path):
    import matplotlib
    from ipykernel import kernelapp

    # A kernel sets the backend in its environment, which matplotlib reads at import: too late here.
    matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
    sys.path[:] = path
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # the kernel ends with that process
    kernelapp.launch_new_instance(["-f", connection, parent])
