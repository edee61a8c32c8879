"""The lists of packages agree, the environment is made or refused in one line, and every tool that is named is used."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from anchors.companion.codehash import text_hash
from anchors.companion.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RANGES = [
    Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
]  # fmt: skip
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().split())
LOCKED = {canonicalize_name(name): Version(value) for name, value in LOCK.items()}
NAMED = ("jupyterlab", "papermill", "torch", "transformers", "numpy", "matplotlib", "seaborn", "nbval")
LISTS = ("requirements.lock", "requirements.nodeps.lock", "pyproject.toml")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CURE = "Install one of these, then say make PYTHON=/path/to/python3.12 figures."
GRAMMARS = ("py311", "py312", "py313")

# Stands for a Python of any version: what it is asked in -c it answers as that version, venv and pip it only pretends.
PRETENDER = """#!{python} -IS
import json, os, pathlib, shutil, sys
words = sys.argv[1:]
number = "{number}"
if words[0] == "-V":
    print("Python", number)
elif words[0] == "-c":
    sys.path.append(str(pathlib.Path(__file__).parent.parent / "site"))
    sys.version_info = (*map(int, number.split(".")), "final", 0)
    exec(words[1])
elif words[:2] == ["-m", "venv"]:
    target = pathlib.Path(words[-1]) / "bin" / "python"
    if "--clear" in words:
        shutil.rmtree(words[-1])
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(__file__, target)
else:
    with open("pip.log", "a") as calls:
        print(json.dumps(words), file=calls)
    if "index" in words:
        print("torch (9.0)\\nAvailable versions:", os.environ["OFFERED"])
    print("WARNING: Location is ignored", file=sys.stderr)
    sys.exit(int(os.environ["PIP_EXIT"]) if words[-1] == "." else 0)
"""


class Sandbox:
    """A folder with ``environment.sh`` and what it reads, and a path on which Python, df and uname only pretend."""

    def __init__(self, folder):
        self.folder, self.bin = folder / "checkout", folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        for name in ("environment.sh", *LISTS):
            shutil.copy(ROOT / name, self.folder)
        self.script("df", f"#!/bin/sh\necho head\necho disk 0 0 $(({'$FREE'} * 1048576)) 0% /\n")
        self.script("uname", "#!/bin/sh\necho ${SYSTEM:-Linux}\n")
        self.pythons(python3="3.11.7")

    def script(self, name, text):
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def pythons(self, **numbers):
        """Put these Pythons on the path, and ones too old under the other names that the script tries."""
        names = {"python3": "3.9.2", "python3_11": "3.11.2", "python3_12": "3.9.2", "python3_13": "3.9.2"}
        for name, number in {**names, **numbers}.items():
            self.script(name.replace("_", "."), PRETENDER.format(python=sys.executable, number=number))

    def run(self, free=50, offered="2.14.0, 2.13.0+cpu, 2.13.0", **variables):
        """Run the script; return its exit code, what it printed, and its errors."""
        variables = {"PYTHON": "python3", "PIP_EXIT": "0", **variables, "FREE": str(free), "OFFERED": offered}
        environment = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder), **variables}
        done = subprocess.run(["./environment.sh"], cwd=self.folder, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    @property
    def calls(self):
        """What pip was called with, one call a line."""
        path = self.folder / "pip.log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def sandbox(tmp_path):
    return Sandbox(tmp_path)


def test_the_lock_is_exact_and_pins_torch():
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), line
    assert "torch==2.13.0" in (ROOT / "requirements.lock").read_text().splitlines()


def test_every_range_of_the_project_is_met_by_the_lock():
    for requirement in RANGES:
        assert LOCKED[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_packages_without_their_dependencies_are_exact_and_installed():
    for line in (ROOT / "requirements.nodeps.lock").read_text().splitlines():
        name, pinned = line.split("==")
        assert version(name) == pinned
        assert canonicalize_name(name) not in LOCKED
        assert "requirements.nodeps.lock" in (ROOT / "environment.yml").read_text()


def test_conda_reads_the_lock_and_a_supported_python():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert "-r requirements.lock" in pip
    assert "python=3.11" in environment["dependencies"]
    assert environment["channels"] == ["conda-forge"]


def test_what_is_installed_is_what_is_locked():
    for requirement in RANGES:
        name = canonicalize_name(requirement.name)
        assert Version(Version(version(name)).public) == LOCKED[name], name


def test_the_named_tools_are_used():
    sources = [*(ROOT / "anchors").rglob("*.py"), ROOT / "Makefile", *(ROOT / "tests").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    uses = {"jupyterlab": "jupyter lab", "nbval": "--nbval"}
    for name in NAMED:
        assert uses.get(name, f"import {name}") in text or f"from {name}" in text, name


def test_ci_runs_targets_of_the_makefile_and_nothing_else():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    called = re.findall(r"\bmake ([a-z-]+)", (ROOT / ".ci/run").read_text())
    assert "test" in called
    assert set(called) <= targets


def test_one_range_of_pythons_is_stated_everywhere():
    assert PROJECT["requires-python"] == ">=3.11.5,<3.14"
    script = (ROOT / "environment.sh").read_text()
    assert "(3, 11, 5) <= sys.version_info[:3] < (3, 14)" in script
    assert 'supported="3.11.5 to 3.13"' in script
    listed = {line.rsplit(" ", 1)[-1] for line in PROJECT["classifiers"] if line.startswith("Programming Language")}
    assert listed == {"3.11", "3.12", "3.13"} == {f"3.{grammar[3:]}" for grammar in GRAMMARS}


def test_the_lock_can_be_installed_on_every_supported_python():
    """Each installed package says which Pythons it is for; all of them are for the whole range."""
    from importlib.metadata import distributions

    for found in distributions():
        accepted = SpecifierSet(found.metadata.get("Requires-Python") or "")
        refused = [number for number in ("3.11.5", "3.12.0", "3.13.0") if number not in accepted]
        assert not refused, f"{found.name} {found.version} is not for Python {refused}"


@pytest.mark.parametrize("grammar", GRAMMARS)
def test_the_code_is_in_the_grammar_of_every_supported_python(grammar):
    ruff = [shutil.which("ruff", path=os.path.dirname(sys.executable)), "check", "--target-version", grammar]
    done = subprocess.run([*ruff, "--select", "E9,F", "-q", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_code_has_one_hash_under_every_supported_python():
    """Recorded runs are known by the hash of their code; what Pythons write differently is in this one."""
    code = "class A:\n    def f(self, *a, b=None):\n        return f'{a!r:>{b}}' f'{b}', [], lambda: ()\n"
    assert text_hash(code).startswith("23f05b330b6bf1b2")


def test_a_fresh_environment_is_made_in_silence_and_once(sandbox):
    code, said, errors = sandbox.run()
    assert (code, errors) == (0, "")
    assert (
        said
        == "making the environment in .venv (CPU build of torch: 0.7 GB to download, 2.6 GB on disk, some minutes)\n"
    )
    assert "WARNING" in (sandbox.folder / ".venv/install.log").read_text()
    assert [("requirements.lock" in c, "nodeps" in c, '"-e"' in c) for c in sandbox.calls[1:]] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert sandbox.run() == (0, "", "")
    assert len(sandbox.calls) == 4


def test_what_is_there_is_brought_up_to_date_without_asking_for_room(sandbox):
    assert sandbox.run()[0] == 0
    (sandbox.folder / ".venv/site").mkdir()
    (sandbox.folder / ".venv/site/torch.py").touch()
    (sandbox.folder / ".venv/.installed").unlink()
    assert sandbox.run(free=1, offered="") == (0, "bringing the environment in .venv up to date\n", "")


def test_wheels_with_cuda_are_announced_with_the_way_to_the_cpu_build(sandbox):
    code, said, _ = sandbox.run(offered="2.14.0, 2.13.0, 2.12.0")
    assert code == 0
    assert said.startswith(
        "note: torch 2.13.0 comes with CUDA here, 3.2 GB to download, 6.6 GB on disk; for the CPU build"
    )
    assert f"make TORCH_INDEX={CPU_INDEX} figures" in said


def test_an_index_that_was_named_is_asked_and_used(sandbox):
    code, said, _ = sandbox.run(offered="2.13.0+cu130, 2.13.0+cpu", TORCH_INDEX="file:///wheels")
    assert code == 0
    assert "comes with CUDA" in said
    assert ['"--extra-index-url", "file:///wheels"' in call for call in sandbox.calls] == [True, True, False, False]


def test_wheels_of_other_systems_have_no_cuda(sandbox):
    code, said, _ = sandbox.run(offered="2.13.0", SYSTEM="Darwin")
    assert code == 0
    assert "CUDA" not in said


@pytest.mark.parametrize(
    ("free", "offered", "least"), [(3, "2.13.0+cpu, 2.13.0", 4), (3, "2.13.0", 4), (12, "2.13.0", 13)]
)
def test_a_full_disk_is_refused_before_anything_is_installed(sandbox, free, offered, least):
    code, _, errors = sandbox.run(free=free, offered=offered)
    assert code == 2
    assert errors.startswith(f"error: disk: found {free} GiB free; expected at least {least} GiB")
    assert errors.count("\n") == 1
    assert (CPU_INDEX in errors) == (least == 13)
    assert not [call for call in sandbox.calls if "install" in call]


@pytest.mark.parametrize("number", ["3.10.13", "3.11.2", "3.14.0"])
def test_other_pythons_are_refused_in_one_line(sandbox, number):
    sandbox.pythons(python3=number)
    code, said, errors = sandbox.run()
    assert (code, said) == (2, "")
    assert errors == f"error: Python: found Python {number}; expected 3.11.5 to 3.13. {CURE}\n"


def test_a_python_that_is_not_there_is_named(sandbox):
    code, _, errors = sandbox.run(PYTHON="python9")
    assert code == 2
    assert errors.startswith("error: Python: found none called 'python9'; expected 3.11.5 to 3.13. ")


def test_where_python3_is_not_supported_another_is_taken(sandbox):
    sandbox.pythons(python3="3.14.0", python3_12="3.12.1")
    assert sandbox.run()[0] == 0
    assert '"3.12.1"' in (sandbox.folder / ".venv/bin/python").read_text()


def test_asking_for_another_python_makes_the_environment_anew(sandbox):
    sandbox.pythons(python3="3.11.7", python3_12="3.12.1")
    assert sandbox.run()[0] == 0
    code, said, errors = sandbox.run(PYTHON="python3.12")
    assert (code, errors) == (0, "")
    assert said.startswith(".venv is of another Python: making it anew with Python 3.12.1\n")
    assert '"3.12.1"' in (sandbox.folder / ".venv/bin/python").read_text()
    assert sandbox.run() == (0, "", ""), "who asks for none keeps the one that is there"


def test_an_environment_whose_python_has_gone_is_made_anew(sandbox):
    assert sandbox.run()[0] == 0
    (sandbox.folder / ".venv/bin/python").write_text("#!/nowhere/python3\n")
    code, said, _ = sandbox.run()
    assert code == 0
    assert "making it anew with Python 3.11.7" in said


def test_when_pip_fails_its_last_words_are_shown_and_the_next_run_tries_again(sandbox):
    code, _, errors = sandbox.run(PIP_EXIT="1")
    assert code == 2
    *words, line = errors.splitlines()
    assert "WARNING: Location is ignored" in words
    assert line.startswith("error: packages: pip did not install anchors (")
    assert not (sandbox.folder / ".venv/.installed").exists()
    assert sandbox.run()[0] == 0


def test_a_registry_without_torch_is_refused_in_one_line(sandbox):
    code, said, errors = sandbox.run(offered="2.14.0")
    assert (code, said) == (2, "")
    assert errors.startswith("error: packages: found no torch 2.13.0; expected a package registry that has it. ")
    assert errors.count("\n") == 1


def test_a_clone_that_cannot_be_written_is_one_line(sandbox):
    (sandbox.folder / ".environment.lock").mkdir()
    code, said, errors = sandbox.run()
    assert (code, said) == (2, "")
    assert errors == (
        f"error: folder: found {sandbox.folder}, which cannot be written; expected a clone of your own. "
        "Make room, or clone elsewhere.\n"
    )


def test_a_file_in_the_place_of_the_environment_is_one_line(sandbox):
    (sandbox.folder / ".venv").touch()
    assert sandbox.run() == (
        2, "", "error: .venv: found a file; expected a folder, or nothing. Remove it, then say make again.\n"
    )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["", "-V", "; touch trap", "$(touch trap)", "/", "/etc/passwd", "python3 -c pass", "*"]
)
def test_what_is_no_python_is_one_line(sandbox, name):
    code, said, errors = sandbox.run(PYTHON=name)
    if name:
        assert (code, said) == (2, "")
        assert errors.startswith("error: Python: found ")
        assert "; expected 3.11.5 to 3.13. Install one of these" in errors
        assert errors.count("\n") == 1
    else:
        assert code == 0, "no name is any"
    assert not (sandbox.folder / "trap").exists()


def test_the_environment_is_made_in_a_folder_with_spaces(tmp_path):
    (tmp_path / "my clones").mkdir()
    code, _, errors = Sandbox(tmp_path / "my clones").run()
    assert (code, errors) == (0, "")


def test_the_doctor_and_the_script_know_the_same_pythons():
    from anchors.companion import doctor

    assert (str(doctor.LEAST), str(doctor.BELOW)) == ("(3, 11, 5)", "(3, 14)")
    assert f'supported="{doctor.PYTHONS}"' in (ROOT / "environment.sh").read_text()
