"""Forked kernels: the same results as ordinary ones, with random numbers of their own; they end when they should."""

import json
import os
import signal
import subprocess
import time
from multiprocessing import forkserver

import psutil
import pytest
from companion.test_runner import kernels_of, lines, start_and_wait_for_first
from jupyter_client.manager import start_new_kernel
from jupyter_client.provisioning import KernelProvisionerFactory

from anchors.companion import kernels
from anchors.companion.paths import ROOT

pytestmark = pytest.mark.slow
REAL = "rubric/tab1_open_ended", "hashing/own_metric_audit"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@pytest.fixture(scope="module")
def forking():
    """Let kernels that this process starts be forked, until the end of this file."""
    forkserver._forkserver._stop()  # one that other tests have left here has other imports, and threads
    kernels.start_server.cache_clear()
    factory, patch = KernelProvisionerFactory.instance(), pytest.MonkeyPatch()
    before = factory.default_provisioner_name
    for name, value in (THREADS | {"ANCHORS_FORK": "1"}).items():
        patch.setenv(name, value)
    assert kernels.provide(1)
    yield
    factory.default_provisioner_name = before
    patch.undo()


@pytest.fixture
def kernel(forking):
    """Return ``ask(code) -> what it printed``, a function of a new kernel, with ``ask.manager``."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT), stderr=open(os.devnull, "w"))  # noqa: SIM115

    def ask(code: str) -> str:
        said = []
        hook = lambda message: said.append(message["content"].get("text", ""))  # noqa: E731
        reply = client.execute_interactive(code, output_hook=hook, timeout=60, allow_stdin=False)
        ask.status = reply["content"]["status"]
        return "".join(said).strip()

    ask.manager, ask.client = manager, client
    yield ask
    client.stop_channels()
    manager.shutdown_kernel(now=True)


STATE = """
import json, os, random, sys
import numpy as np, torch
print(json.dumps({
    "draws": [random.random(), np.random.rand(), np.random.default_rng().random(), torch.rand(1).item()],
    "package": [name for name in sys.modules if name.partition(".")[0] == "anchors"],
    "threads_of_parent": len(os.listdir(f"/proc/{os.getppid()}/task")), "parent": os.getppid(), "folder": os.getcwd(),
    "seeded": [torch.manual_seed(5).initial_seed(), float(np.random.RandomState(5).rand())],
    "backend": os.environ["MPLBACKEND"], "arguments": sys.argv[0], "input": sys.stdin.name,
}))
"""


def test_a_kernel_begins_as_a_fresh_process_does(kernel):
    first = json.loads(kernel(STATE))
    other, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT))
    said = []
    client.execute_interactive(STATE, output_hook=lambda m: said.append(m["content"].get("text", "")), timeout=60)
    other.shutdown_kernel(now=True)
    second = json.loads("".join(said))
    assert not set(first["draws"]) & set(second["draws"])
    assert first["seeded"] == second["seeded"]
    assert first["parent"] == second["parent"] != os.getpid()
    assert first["threads_of_parent"] == 1
    assert first["package"] == []
    assert first["folder"] == str(ROOT)
    assert first["backend"] == "module://matplotlib_inline.backend_inline"
    assert first["arguments"].endswith("ipykernel_launcher.py")


def test_a_kernel_starts_processes_as_any_other(kernel):
    assert kernel("import multiprocessing as m; print(m.get_start_method())") == "fork"
    assert kernel("with m.Pool(2) as pool: print(pool.map(abs, [-1, -2]))") == "[1, 2]"
    code = (
        "import subprocess, sys\n"
        "peak = [sys.executable, '-c', \"print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\"]\n"
        "print(int(subprocess.check_output(peak)) < 60_000)"
    )
    assert kernel(code) == "True", "what a notebook starts does not count the memory of its kernel"


def test_a_kernel_shows_figures_and_can_be_interrupted(kernel):
    shown = []
    kernel.client.execute_interactive(
        "import matplotlib.pyplot as plt; plt.plot([1, 2]);", output_hook=shown.append, timeout=60
    )
    assert any("image/png" in message["content"].get("data", {}) for message in shown)
    message = kernel.client.execute("import time; print('asleep'); time.sleep(60)")
    while kernel.client.get_iopub_msg(timeout=20)["msg_type"] != "stream":
        pass
    kernel.manager.interrupt_kernel()
    while (reply := kernel.client.get_shell_msg(timeout=20))["parent_header"].get("msg_id") != message:
        pass
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert kernel("print(6 * 7)") == "42"
    assert kernel.manager.is_alive()


def test_a_kernel_that_dies_is_seen_to_be_dead(kernel):
    process = psutil.Process(kernel.manager.provisioner.pid)
    process.kill()
    assert psutil.wait_procs([process], timeout=10)[0]
    assert kernel.manager.provisioner.process.wait() == -signal.SIGKILL
    assert not kernel.manager.is_alive()


def test_other_variables_of_libraries_get_an_ordinary_kernel(forking, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        assert isinstance(manager.provisioner.process, subprocess.Popen)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(("wanted", "count", "expected"), [("0", 99, False), ("", 1, False), ("", 3, False)])
def test_few_kernels_and_those_who_do_not_want_it_get_ordinary_ones(monkeypatch, wanted, count, expected):
    monkeypatch.setenv("ANCHORS_FORK", wanted)
    assert kernels.provide(count) is expected


def test_both_kinds_of_kernels_give_the_same_files(sandbox):
    """Figures, tables and numbers of two notebooks of the companion, byte by byte."""
    words = [word for name in REAL for word in ("--id", name)]
    results = {}
    for fork in "01":
        figures = sandbox.folder / f"figures{fork}"
        changes = {"ANCHORS_FORK": fork, "ANCHORS_FIGURES": str(figures), "ANCHORS_CACHE": f"{sandbox.cache}{fork}"}
        sandbox.environment |= THREADS | changes
        sandbox.environment["ANCHORS_NOTEBOOKS"] = str(ROOT / "notebooks")
        code, text = sandbox.run("figures", *words)
        assert code == 0, text
        results[fork] = {
            f"{id}.{e}": (figures / f"{id}.{e}").read_bytes() for id in REAL for e in ("csv", "json", "png")
        }
    assert results["0"] == results["1"]


def build_with_forked_kernels(sandbox):
    """Return a build that runs, the process that forks its kernels, and the kernel of its second notebook."""
    sandbox.environment["ANCHORS_FORK"] = "1"
    process, _ = start_and_wait_for_first(sandbox)
    deadline = time.monotonic() + 20
    while len(started := kernels_of(psutil.Process(process.pid))) < 2:
        assert time.monotonic() < deadline, "no kernel beside the process that forks"
        time.sleep(0.05)
    return process, started


def test_kill_9_of_the_driver_ends_the_kernels_and_what_forks_them(sandbox):
    process, started = build_with_forked_kernels(sandbox)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive, "kernels outlived the driver"
    code, text = sandbox.run("figures", "--jobs", "1")
    assert code == 0, text
    assert len(lines(text, "cached")) == 1


def test_ctrl_c_ends_the_kernels_and_what_forks_them(sandbox):
    process, started = build_with_forked_kernels(sandbox)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    _, alive = psutil.wait_procs(started, timeout=20)
    assert not alive
