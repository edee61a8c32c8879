"""The three lists of packages agree, and every tool that the companion names is used."""

import re
import tomllib
from importlib.metadata import version

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from anchors.companion.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RANGES = [
    Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]
]  # fmt: skip
LOCK = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().split())
LOCKED = {canonicalize_name(name): Version(value) for name, value in LOCK.items()}
NAMED = ("jupyterlab", "papermill", "torch", "transformers", "numpy", "matplotlib", "seaborn", "nbval")


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


def test_conda_reads_the_lock_and_the_same_python():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert "-r requirements.lock" in pip
    assert "python=3.11" in environment["dependencies"]
    assert environment["channels"] == ["conda-forge"]
    assert PROJECT["requires-python"] == ">=3.11"


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


def test_ci_is_make_test_and_nothing_else():
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines == ["#!/bin/sh", "exec make test"]
