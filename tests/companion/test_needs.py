"""The marker ``needs``: left out where a data set is missing, alone with ``--data``, never in silence."""

import os
import shutil
import subprocess
import sys

import pytest

from anchors.companion import datasets
from anchors.companion.paths import ROOT

TESTS = """
import os
import socket
import pytest
from anchors.companion import datasets
from anchors.companion.errors import MissingData


def test_plain():
    assert os.environ["ANCHORS_OFFLINE"] == os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["ANCHORS_DATA_MIRROR"] == ""
    assert not os.listdir(os.environ["ANCHORS_DOWNLOADS"])
    assert not datasets.available("wiki")
    with pytest.raises(socket.gaierror, match="tests use no network"):
        socket.getaddrinfo("data.example", 443)


@pytest.mark.needs("wiki")
@pytest.mark.parametrize("one", [1, pytest.param(2, marks=pytest.mark.needs("umls_texts"))])
def test_marked(one):
    assert datasets.available("wiki")
    assert datasets.available("umls_texts") or one == 1
"""
BUILT = """
import pytest
from anchors.companion import datasets


@pytest.mark.built
def test_built():
    assert datasets.available("wiki")
"""
INI = """[pytest]
markers =
  needs(*names): data sets
  built: made before
addopts = --strict-markers -p no:cacheprovider
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return a function that runs pytest on a folder of its own with the conftest of these tests."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text(INI)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(ROOT), "ANCHORS_CACHE": str(tmp_path / "cache")}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # most take seconds to load

    def go(*options, tests=TESTS, mirror="", **more):
        (tmp_path / "test_it.py").write_text(tests)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", "test_it.py", *options]
        own = environment | {"ANCHORS_DATA_MIRROR": str(mirror), **more}
        done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    return go


@pytest.fixture
def mirror(tmp_path):
    """A mirror in which two data sets seem to be, to a process that trusts their size alone."""
    for name in ("wiki", "umls_texts"):
        for file in datasets.dataset(name).files:
            path = tmp_path / "mirror" / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    (tmp_path / "sitecustomize.py").write_text(
        "from anchors.companion import datasets\ndatasets._verified = lambda path, file: path\n"
    )
    return {"mirror": tmp_path / "mirror", "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}


def test_what_needs_missing_data_is_left_out_and_counted(run):
    code, told = run("-n", "2")
    assert code == 0, told
    assert "2 tests left out: need umls_texts (1), wiki (2); make test-data runs them with the data mirror" in told
    assert "1 passed" in told
    assert "skipped" not in told


def test_a_mirror_is_not_seen_without_the_option(run, mirror):
    code, told = run(**mirror)
    assert code == 0, told
    assert "2 tests left out" in told


def test_with_the_option_the_marked_tests_run_alone(run, mirror):
    code, told = run("--data", **mirror)
    assert code == 0, told
    assert "2 passed" in told
    assert "left out" not in told


def test_with_the_option_missing_data_are_an_error(run):
    code, told = run("--data", "-n", "2")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: --data: found no umls_texts, wiki; expected all that these tests need. Set ANCHORS_DATA" in told
    assert "passed" not in told


@pytest.mark.parametrize("marks", ['"wikki"', ""])
def test_a_mark_without_a_registered_name_is_an_error(run, marks):
    code, told = run(tests=f"import pytest\n\n@pytest.mark.needs({marks})\ndef test_it():\n    assert True\n")
    assert code == pytest.ExitCode.USAGE_ERROR
    assert ("data set 'wikki': found no such entry" if marks else "test_it: found needs() without a name") in told


def test_a_missed_mark_fails(run, mirror):
    code, told = run(tests=TESTS.replace('@pytest.mark.needs("wiki")\n', ""), **mirror)
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 1 passed" in told


def test_what_was_built_is_tested_on_the_data_it_was_built_on(run, mirror):
    code, told = run("-m", "built", tests=BUILT, **mirror)
    assert code == 0, told
    assert "1 passed" in told
