"""The doctor on ill machines: a cache that cannot be written, a full disk, a browser that is none; it always ends."""

import errno
import os

import pytest

from anchors.companion import doctor

VARIABLES = "ANCHORS_CACHE", "ANCHORS_FIGURES"


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "gpu", lambda: "none")
    for variable in VARIABLES:
        monkeypatch.setenv(variable, str(tmp_path / variable))


def test_a_machine_where_all_is_well():
    assert doctor.obstacles() == []
    assert "nothing can be built here" not in doctor.report()


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_folder_that_is_a_file_is_told(variable, tmp_path):
    (tmp_path / variable).touch()
    last = doctor.report().split("nothing can be built here\n")[1]
    assert last == f"  {tmp_path / variable}: cannot be made (File exists); set {variable} to a writable folder"


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_folder_below_a_file_is_told(variable, tmp_path, monkeypatch):
    monkeypatch.setenv(variable, "/etc/passwd/x")
    assert "  /etc/passwd/x: cannot be made (Not a directory); set" in doctor.report()


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EACCES, errno.EDQUOT, errno.EIO])
def test_a_folder_that_takes_nothing_is_told(code, monkeypatch, tmp_path):
    def refuse(dir):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    lines = doctor.report().splitlines()
    cure = "free some space, or choose a writable folder"
    assert lines[-3:] == [
        "nothing can be built here",
        *(f"  {tmp_path / name}: cannot be written ({os.strerror(code)}); {cure} ({name})" for name in VARIABLES),
    ]
    assert "every figure can be built here" not in lines


def test_a_browser_that_is_none_is_told_and_nothing_else_lost(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/nowhere")
    told = doctor.report()
    assert "browser   CHROMIUM: found '/nowhere'; expected a program" in told
    assert "data sets" in told


@pytest.mark.parametrize(("version", "says"), [((3, 11, 4), "needed"), ((3, 14, 0), "needed"), ((3, 12, 1), "ok")])
def test_the_bounds_of_python_are_told(monkeypatch, version, says):
    monkeypatch.setattr(doctor.sys, "version_info", (*version, "final", 0))
    assert says in dict(doctor.machine())["Python"]
