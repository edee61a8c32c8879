"""Kernels that are ready at once: forked from one process that has imported what notebooks import.

A kernel started afresh spends two to six seconds of a core on imports, more than many a notebook computes. On Linux
:func:`provide` makes ``jupyter_client`` (papermill, nbval) fork kernels from :mod:`anchors.companion.warm` instead; the
results are the same. ``ANCHORS_FORK=0`` switches it off, ``ANCHORS_FORK=1`` on from the first kernel.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from multiprocessing import forkserver
from pathlib import Path
from stat import S_ISREG
from threading import Lock
from typing import Any

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from anchors.companion import warm

NAME = "anchors-fork"
WORTH = 4  # kernels: the imports of the process that forks cost as much as two or three kernels
# What libraries read when they are imported: a kernel that wants other values is started afresh.
READ_AT_IMPORT = ("HF_", "KMP_", "MKL_", "MPL", "NUMEXPR_", "OMP_", "OPENBLAS_", "PYTHON", "TORCH", "TRANSFORMERS_")
QUIET = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}  # a process with a second thread must not fork
PRELOADED = ["ipykernel.kernelapp", "anchors.companion.preloaded"]
STARTING = Lock()
LONGEST = 80  # bytes of a folder's path: a socket's has 107 at most, and its name goes after it
PREFIX = "anchors-"  # of folders with sockets
FRESH = 60  # seconds for which such a folder may not be held yet


def short_folder() -> str | None:
    """Return a folder for temporary files whose path is short enough for sockets in it, None where there is none."""
    for folder in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):
        if len(os.fsencode(folder)) <= LONGEST and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None


@contextmanager
def sockets() -> Iterator[str | None]:
    """Yield a folder for the sockets of one kernel, removed at the end; None where only TCP is left.

    What a build left that was killed is removed as well: nobody holds its lock any more.
    """
    place = None if os.name == "nt" else short_folder()
    if place is None:
        yield None
        return
    import fcntl

    sweep(Path(place))
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=place)
    with open(f"{folder}/held", "wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@cache
def sweep(place: Path) -> None:
    """Remove the folders with sockets that nobody holds; once in each process."""
    import fcntl

    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about, mark = folder.lstat(), folder / "held"
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < FRESH or not S_ISREG(mark.lstat().st_mode):
                continue
            with open(mark, "rb") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


def provide(kernels: int = WORTH) -> bool:
    """Let this process fork its kernels when that pays for so many of them; return whether it does."""
    wanted = os.environ.get("ANCHORS_FORK", "")
    if not can_fork() or wanted == "0" or (wanted != "1" and kernels < WORTH):
        return False
    register()
    start_server()
    return True


def register() -> None:
    """Make ``jupyter_client`` ask :class:`ForkProvisioner` for kernels."""
    entry = EntryPoint(NAME, f"{__name__}:ForkProvisioner", KernelProvisionerFactory.GROUP_NAME)
    KernelProvisionerFactory.provisioners[NAME] = entry
    KernelProvisionerFactory.instance().default_provisioner_name = NAME


def pytest_configure(config: Any) -> None:
    """As a plugin (``pytest -p anchors.companion.kernels --nbval …``), fork the kernels of tested notebooks."""
    if can_fork() and os.environ.get("ANCHORS_FORK", "") != "0":
        register()


def can_fork() -> bool:
    """Return whether kernels can be forked here: on Linux, by no script, with a folder for the server's socket."""
    return sys.platform == "linux" and not is_script() and short_folder() is not None


def is_script() -> bool:
    """Return whether a script runs here, which :mod:`multiprocessing` would run again in every kernel."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    return hasattr(main, "__file__") if spec is None else not spec.name.endswith("__main__")


@cache
def start_server() -> dict[str, str]:
    """Start the process that forks kernels, without waiting for it; return what its libraries were told."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)
    before, place = dict(os.environ), tempfile.tempdir
    os.environ.update(QUIET)
    tempfile.tempdir = short_folder()  # its socket lies where temporary files do
    try:
        forkserver.ensure_running()
    finally:
        tempfile.tempdir = place
        for name in QUIET:
            os.environ.pop(name)
        os.environ.update({name: before[name] for name in QUIET if name in before})
    return read_at_import(before)


def read_at_import(environment: dict[str, str]) -> dict[str, str]:
    """Return the variables that libraries read when they are imported."""
    return {name: v for name, v in environment.items() if name.startswith(READ_AT_IMPORT) and name != "MPLBACKEND"}


@dataclass
class ForkedProcess:
    """What ``jupyter_client`` asks of a ``subprocess.Popen``, for a process of the fork server."""

    process: multiprocessing.process.BaseProcess
    stdin = stdout = stderr = None

    @property
    def pid(self) -> int:
        return self.process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        return self.process.exitcode

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code."""
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.process.terminate()

    def kill(self) -> None:
        """End the process."""
        self.process.kill()


class ForkProvisioner(LocalProvisioner):
    """Forks a kernel where that gives the same as starting it; else starts it."""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Launch the kernel and return its connection."""
        streams = {number: getattr(kwargs.get(name), "name", kwargs.get(name)) for number, name in STREAMS.items()}
        streams = {number: path for number, path in streams.items() if path is not None}
        if not (is_python_module(cmd) and all(isinstance(path, str) for path in streams.values())):
            return await super().launch_kernel(cmd, **kwargs)
        if read_at_import(kwargs["env"]) != start_server():
            return await super().launch_kernel(cmd, **kwargs)
        self.cwd = kwargs.get("cwd") or os.getcwd()
        try:
            self.process = fork(cmd, kwargs["env"], str(self.cwd), streams)
        except (OSError, EOFError):  # the fork server is gone, for want of memory for example
            return await super().launch_kernel(cmd, **kwargs)
        self.pid = self.pgid = self.process.pid  # the kernel begins with a session, and so a group, of its own
        return self.connection_info


STREAMS = {1: "stdout", 2: "stderr"}


def is_python_module(command: list[str]) -> bool:
    """Return whether ``command`` is ``python -m module …`` with the Python that runs here."""
    return os.path.realpath(command[0]) == os.path.realpath(sys.executable) and command[1] == "-m"


def fork(command: list[str], environment: dict[str, str], folder: str, streams: dict[int, str]) -> ForkedProcess:
    """Fork a kernel; threads take turns, since :mod:`multiprocessing` counts its children without a lock."""
    with STARTING:
        process = multiprocessing.get_context("forkserver").Process(
            target=warm.run_kernel, args=(command, environment, folder, streams)
        )
        process.start()
    return ForkedProcess(process)
