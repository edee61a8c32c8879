"""What is given to make is handed over as it stands: no value is run, by make or by the shell."""

import os
import shutil
import subprocess
import sys

import pytest

from anchors.companion import browser
from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT

SAYS = "#!{python} -IS\nimport json, os, sys\nprint(json.dumps([sys.argv[1:], os.environ.get('PYTHON')]))\n"
VALUES = ("ID", "P", "FROM", "OUT", "NAME", "PROFILE", "JOBS", "PYTHON", "TORCH_INDEX", "CHROMIUM")
TARGETS = ("figures", "figure", "tables", "explore", "runs", "site", "new", "lab", "list", "picture", "help")


@pytest.fixture
def make(tmp_path):
    """Return a function that runs make in a folder with spaces, where Python only says what it was called with."""
    folder = tmp_path / "a clone"
    (folder / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "requirements.nodeps.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for path, text in ((".venv/bin/python", SAYS.format(python=sys.executable)), ("environment.sh", "#!/bin/sh\n")):
        (folder / path).write_text(text)
        (folder / path).chmod(0o755)
    (folder / ".venv" / ".installed").touch()

    def go(*words, **variables):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **variables}
        done = subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout, done.stderr

    go.folder = folder
    return go


@pytest.mark.parametrize("by", ["word", "environment"])
@pytest.mark.parametrize("dry", ["-n", "-s"])
@pytest.mark.parametrize("name", VALUES)
def test_no_value_runs_anything(make, tmp_path, name, dry, by):
    trap = tmp_path / "trap"
    texts = ("$(shell touch {})", "$(eval x:=$(shell touch {}))", "`touch {}`", "$$(touch {})", "'; touch {}; '",
             '"; touch {}; "', "$(touch {})", "x\n\ttouch {}", "${{shell touch {}}}", "| touch {}",
             "$(file >{},x)")  # fmt: skip
    for text in (text.format(trap) for text in texts):
        words = [f"{name}={text}"] if by == "word" else []
        make(dry, "-k", *TARGETS, *words, **({} if words else {name: text}))
        assert not trap.exists(), text


@pytest.mark.parametrize("name", ["ANCHORS_CACHE", "ANCHORS_DATA_MIRROR", "OMP_NUM_THREADS", "ANYTHING"])
def test_no_other_word_runs_anything(make, tmp_path, name):
    make("-s", "figures", f"{name}=$(shell touch {tmp_path / 'trap'})")
    assert not (tmp_path / "trap").exists()


RAW = "datasets=['a[1].npz', \"b c\"] x=$(shell id) y=$$HOME z=#1 \\ *"
CALLS = [
    (["figure", "ID=a/b", f"P={RAW}"], ["figures", "--profile=laptop", "--id=a/b", "-P", f" {RAW}"]),
    (["figure", "ID=--force"], ["figures", "--profile=laptop", "--id=--force", "-P", " "]),
    (["figures", "PROFILE=--help", "JOBS=7"], ["figures", "--profile=--help", "--jobs=7"]),
    (["tables", "PROFILE=smoke"], ["figures", "--profile=smoke", "--jobs=2", "--tables"]),
    (["runs"], ["runs"]),
    (["runs", "NAME=a b"], ["runs", "--name=a b"]),
    (["site"], ["site", "--out=_site"]),
    (["site", "OUT=my site"], ["site", "--out=my site"]),
    (["new", "ID=-x"], ["new", "--id=-x"]),
    (["lab"], ["lab", "--id="]),
    (["list", "PROFILE=$(HOME)"], ["list", "--profile=$(HOME)"]),
]


@pytest.mark.parametrize(("words", "called"), CALLS)
def test_values_arrive_as_they_are(make, words, called):
    code, said, errors = make("-s", *words)
    assert (code, errors) == (0, "")
    assert said == said_by(["-m", "anchors", *called], "python3")


def said_by(words, python):
    import json

    return json.dumps([words, python]) + "\n"


def test_a_source_is_one_path_where_there_is_one_and_else_words(make):
    (make.folder / "my trace").mkdir()
    for source, words in (
        ("my trace", ["my trace"]),
        ("r.db --cases c.json", ["r.db", "--cases", "c.json"]),
        ("*", ["*"]),
    ):
        code, said, _ = make("-s", "explore", f"FROM={source}", "OUT=a b.html")
        assert code == 0
        assert said == said_by(["-m", "anchors.thought.explorer", *words, "-o", "a b.html"], "python3")


@pytest.mark.parametrize("target", ["figures", "tables", "test", "test-data"])
@pytest.mark.parametrize("jobs", ["0", "-1", "abc", "", "2.0", "1e1", "65", "9" * 40, "1 2", "02", "*", "2;id"])
def test_an_impossible_number_of_jobs_is_one_line(make, jobs, target):
    (make.folder / ".venv/.chromium").touch()
    code, said, errors = make("-s", target, f"JOBS={jobs}")
    assert (code, said) == (2, "")
    line, made = errors.splitlines()
    assert line == f"error: JOBS: found '{jobs}'; expected a number from 1 to 64. Say for example JOBS=2."
    assert made.startswith("make: ***")


# ---- Chromium --------------------------------------------------------------------------------------------------------


def program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A machine without any browser."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(browser, "FOLDERS", (tmp_path / "Applications",))
    return tmp_path


@pytest.mark.parametrize("name", ["bin/chromium", "bin/google-chrome",
                                  "Applications/Chromium.app/Contents/MacOS/Chromium",
                                  "Applications/Google Chrome.app/Contents/MacOS/Google Chrome"])  # fmt: skip
def test_a_browser_is_found_on_the_path_and_in_app_bundles(bare, name):
    assert browser.browser() is None
    path = program(bare / name)
    assert browser.browser() == str(path)


def test_a_browser_that_is_asked_for_comes_first(bare, monkeypatch):
    program(bare / "bin/chromium")
    own = program(bare / "my own/chrome")
    bundle = program(bare / "My Chromium.app/Contents/MacOS/My Chromium")
    for asked, found in ((own, own), (bundle.parents[2], bundle), ("chromium", bare / "bin/chromium")):
        monkeypatch.setenv("CHROMIUM", str(asked))
        assert browser.browser() == str(found)


@pytest.mark.parametrize("asked", ["nowhere", "/etc/passwd", "/", "/proc", "a\nb", "~nobody-at-all/x", "x" * 5000])
def test_a_browser_that_is_none_is_one_line(bare, monkeypatch, asked, capsys):
    monkeypatch.setenv("CHROMIUM", asked)
    with pytest.raises(
        InputError, match=r"^CHROMIUM: found .*; expected a program, or an app bundle, that can be run\."
    ):
        browser.browser()
    assert browser.main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_no_browser_is_one_line(bare, capsys):
    assert browser.main() == 2
    assert capsys.readouterr().err == (
        "error: Chromium: found none; expected chromium or chromium-browser or google-chrome on the path, or an app "
        "bundle. Install it (Debian: apt-get install chromium), or say CHROMIUM=/path/to/chromium.\n"
    )
