"""Start notebooks' kernels from a process that has already imported what every notebook imports.

A kernel takes seconds to import PyTorch and the like, as long as most notebooks compute. Here each
is forked, a process of its own as ever, from a server that has only imported.
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
_waiting = []  # kernels that were forked ahead: (process, where it waits for what to serve)


def install():
    """Make the provisioner known in this process, and what its server imports."""
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[NAME] = EntryPoint(NAME, f"{__name__}:Forked", factory.GROUP_NAME)
    multiprocessing.get_context("forkserver").set_forkserver_preload(list(IMPORTED))


@contextmanager
def ahead():
    """Fork the next kernel now, from this process, before it has threads or an event loop."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=_wait, args=(ours, theirs))
    process.start()
    theirs.close()
    _waiting.append((process, ours))
    try:
        yield
    finally:
        _waiting.clear()
        ours.close()  # one that was not needed ends


def _wait(ours, theirs):
    ours.close()
    try:
        about = theirs.recv()
    except EOFError:
        return
    _serve(*about)


class Manager(AsyncKernelManager):
    """Manage a kernel that is forked."""

    @default("kernel_spec_manager")
    def _specs(self):
        return Specs(data_dir=self.data_dir)


class Specs(KernelSpecManager):
    """Find a kernel's specification, and say there who provides it."""

    def get_kernel_spec(self, kernel_name):
        spec = super().get_kernel_spec(kernel_name)
        spec.metadata["kernel_provisioner"] = {"provisioner_name": NAME}
        return spec


class Forked(LocalProvisioner):
    """Provide a kernel by forking; all but the start is as for a local one."""

    async def launch_kernel(self, cmd, **kwargs):
        """Fork a kernel that reads the connection file of the command `cmd`."""
        about = cmd[cmd.index("-f") + 1], kwargs.get("cwd", os.getcwd()), kwargs["env"], _path()
        self.process = _Process(about)
        self.pid = self.process.pid
        return self.connection_info


class _Process:
    """Give a forked process the methods of `subprocess.Popen` that a provisioner calls."""

    stdin = stdout = stderr = None

    def __init__(self, about):
        if _waiting:
            self._process, pipe = _waiting.pop()
            pipe.send(about)
        else:
            forked = multiprocessing.get_context("forkserver")
            self._process = forked.Process(target=_serve, args=about)
            self._process.start()
        self.pid = self._process.pid

    def poll(self):
        return self._process.exitcode

    def wait(self):
        self._process.join()
        return self.poll()

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)


@lru_cache(maxsize=1)
def _path():
    """Return where a new interpreter looks for modules: not where pytest does."""
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    return json.loads(subprocess.check_output((sys.executable, "-c", code)))


def _serve(connection, cwd, env, path):
    import matplotlib
    from ipykernel import kernelapp

    # A kernel says so in the environment, which matplotlib reads when it is imported.
    matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
    sys.path[:] = path
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # it ends with that process
    kernelapp.launch_new_instance(["-f", connection, parent])
