"""Sockets of kernels: in a short folder whatever TMPDIR is, gone at the end; a killed kernel gets another try."""

import os
import time

import pytest
from companion.test_runner import kernels_of, lines

from anchors.companion import kernels, runner

DIES = """
import os, pathlib, signal
mark = pathlib.Path(note)
mark.write_text(mark.read_text() + "x" if mark.exists() else "x")
if len(mark.read_text()) <= {deaths}:
    os.kill(os.getpid(), signal.SIGKILL)
value = scale
"""


@pytest.fixture(autouse=True)
def _swept_anew():
    kernels.sweep.cache_clear()


def test_a_long_folder_is_left_for_a_short_one(tmp_path, monkeypatch):
    for folder in (tmp_path / ("a" * 100), tmp_path / ("é" * 50), tmp_path / "nowhere"):
        monkeypatch.setattr(kernels.tempfile, "tempdir", str(folder))
        assert kernels.short_folder() == "/tmp"
    monkeypatch.setattr(kernels.tempfile, "tempdir", "/var/tmp")
    assert kernels.short_folder() == "/var/tmp"
    monkeypatch.setattr(kernels.os, "access", lambda *_: False)
    assert kernels.short_folder() is None
    assert not kernels.can_fork()
    with kernels.sockets() as folder:
        assert folder is None
        assert not runner._kernel_config(folder).KernelManager, "then TCP"


def test_sockets_are_removed_at_the_end_and_what_was_killed_at_the_next_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels, "short_folder", lambda: str(tmp_path))
    old = time.time() - 1000
    dead, other, fresh, pipe = (tmp_path / f"anchors-{name}" for name in ("dead", "other", "fresh", "pipe"))
    for folder in (dead, other, fresh, pipe):
        folder.mkdir()
    for folder in (dead, fresh):
        (folder / "held").touch()
    os.mkfifo(pipe / "held")
    (dead / "kernel-1").touch()
    for folder in (dead, other, pipe):
        os.utime(folder, (old, old))
    with kernels.sockets() as one, kernels.sockets() as two:
        assert not dead.exists()
        os.utime(one, (old, old))
        kernels.sweep.cache_clear()
        with kernels.sockets() as three:
            assert all(map(os.path.isdir, (one, two, three))), "what is held stays"
    assert {path.name for path in tmp_path.iterdir()} == {"anchors-other", "anchors-fresh", "anchors-pipe"}


@pytest.mark.slow
@pytest.mark.parametrize("fork", "01")
@pytest.mark.parametrize("name", ["long" * 30, "with some spaces"])
def test_figures_are_built_whatever_the_folder_of_temporary_files_is_called(sandbox, name, fork):
    sandbox.add("fig_a")
    folder = sandbox.folder / name
    folder.mkdir()
    sandbox.environment |= {"TMPDIR": str(folder), "ANCHORS_FORK": fork}
    code, text = sandbox.run("figures")
    assert code == 0, text
    assert len(lines(text, "ran")) == 1
    assert not list(folder.rglob("kernel*"))


@pytest.mark.slow
@pytest.mark.parametrize(("deaths", "code", "what"), [(1, 0, "ran"), (2, 1, "failed: DeadKernelError: Kernel died")])
def test_a_killed_kernel_is_tried_once_more(sandbox, deaths, code, what):
    sandbox.add("fig_a", DIES.format(deaths=deaths))
    mark = sandbox.folder / "mark"
    found, text = sandbox.run("figures", "--id", "hashing/fig_a", "-P", f"note={mark}")
    assert found == code, text
    assert len(lines(text, what)) == 1, text
    assert mark.read_text() == "xx"
    assert "Traceback" not in text


@pytest.mark.slow
def test_ctrl_c_is_no_reason_to_try_again(sandbox):
    import signal

    import psutil

    mark = sandbox.folder / "mark"
    sandbox.add("fig_a", DIES.format(deaths=0) + "import time; time.sleep(60)")
    process = sandbox.start("figures", "--id", "hashing/fig_a", "-P", f"note={mark}")
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    started = kernels_of(psutil.Process(process.pid))
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert not psutil.wait_procs(started, timeout=10)[1]
    time.sleep(2)
    assert mark.read_text() == "x"
