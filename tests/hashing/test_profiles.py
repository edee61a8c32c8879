"""The three profiles of every notebook, dry: the trials they would run, without running them."""

import importlib

import pytest

from anchors.companion.notebooks import Notebook, notebooks
from anchors.hashing.studies import common

IDS = [notebook.id for notebook in notebooks() if notebook.id.startswith("hashing/")]


class Planned(Exception):
    """Carries the jobs of a study instead of running them."""


def study_of(notebook: Notebook):
    line = next(line for line in notebook.code.splitlines() if line.endswith(" as study"))
    return importlib.import_module(f"anchors.hashing.studies.{line.split()[-3]}")


def jobs(id: str, profile: str, monkeypatch) -> list[dict]:
    """Return the jobs that the notebook's study would run with the notebook's own parameters."""
    notebook = Notebook.find(id)
    study = study_of(notebook)

    def stop(function_or_jobs, *rest):
        raise Planned(function_or_jobs if isinstance(function_or_jobs, list) else rest[0])

    for name in ("grid", "score_table"):
        if hasattr(study, name):
            monkeypatch.setattr(study, name, stop)
    values = {name: p.default for name, p in notebook.parameters.items() if name not in ("words", "rows", "profile")}
    compute = getattr(study, "compute", None) or study.compute_live
    with pytest.raises(Planned) as planned:
        compute(profile, **values)
    return planned.value.args[0]


@pytest.mark.parametrize("id", [id for id in IDS if "wiki" not in id])
def test_smoke_is_smaller_and_paper_larger_than_laptop(id, monkeypatch):
    sizes = [len(jobs(id, profile, monkeypatch)) for profile in ("smoke", "laptop", "paper")]
    assert 0 < sizes[0] < sizes[1] < sizes[2]


def test_seeds_follow_the_first_one():
    assert common.seeds_from(7, "laptop") == [7, 8, 9, 10, 11]
    assert len(common.seeds_from(0, "smoke")) == 2
    assert len(common.seeds_from(0, "paper")) == 10
