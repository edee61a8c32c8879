"""The notebook to start with: run like the others, with its outputs committed, short, and its links lead somewhere."""

import json
import re
import resource

import pytest

from anchors.companion import start
from anchors.companion.cli import main
from anchors.companion.errors import InputError
from anchors.companion.notebooks import notebooks
from anchors.companion.paths import NOTEBOOKS, PAPERS, ROOT

NODE = json.loads(start.PATH.read_text(encoding="utf-8"))
CODE = [cell for cell in NODE["cells"] if cell["cell_type"] == "code"]
TEXT = "".join("".join(cell["source"]) for cell in NODE["cells"])
MOST = 60.0  # seconds of one core for all cells, where nothing is cached


def shown(cell):
    """Return the text of a cell's outputs."""
    parts = [output.get("text") or output["data"].get("text/plain", "") for output in cell["outputs"]]
    return "\n".join("".join(part) for part in parts)


def used():
    """Return the seconds of processor time of the processes that this one started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def test_each_paper_has_a_live_cell_with_its_output():
    for paper in PAPERS:
        assert any(f"from anchors.{paper}" in "".join(cell["source"]) for cell in CODE), paper
    assert [cell for cell in CODE if "parameters" in cell["metadata"].get("tags", [])] == CODE[:1]
    for cell in CODE[1:]:
        assert shown(cell), "".join(cell["source"])
    for cell in CODE:
        assert not any(output["output_type"] == "error" for output in cell["outputs"])


def test_there_is_no_trace_of_a_machine_and_nothing_is_defined():
    assert str(ROOT) not in json.dumps(NODE)
    assert "/home" not in json.dumps(NODE)
    assert NODE["metadata"]["kernelspec"]["name"] == "python3"
    assert not re.search(r"^(def|class) ", TEXT, re.M)
    assert all(len("".join(line)) <= 120 for cell in CODE for line in "".join(cell["source"]).splitlines())


def test_links_lead_to_notebooks_and_docs():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", TEXT)
    assert len(links) >= 12
    assert [link for link in links if not (start.PATH.parent / link).is_file()] == []


def test_it_is_run_by_nbval_and_is_no_figure(capsys):
    assert main(["paths"]) == 0
    assert capsys.readouterr().out.split()[0] == "notebooks/00_start_here.ipynb"
    assert start.PATH.stem not in {notebook.path.stem for notebook in notebooks()}


def test_lab_opens_it_or_the_notebook_that_is_asked_for():
    assert start.lab_command()[-1] == "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"
    assert start.lab_command("hashing/fig_topn")[-1].endswith("/lab/tree/notebooks/hashing/fig_topn.ipynb")
    with pytest.raises(InputError, match="ID: found 'topn'"):
        start.lab_command("topn")


@pytest.mark.slow
def test_it_runs_from_nothing_in_its_time(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    monkeypatch.setenv("ANCHORS_HEADLESS", "1")
    monkeypatch.setenv("ANCHORS_OFFLINE", "1")
    monkeypatch.setenv("ANCHORS_DATA_MIRROR", "")
    begun = used()
    executed = json.loads(start.executed().read_text(encoding="utf-8"))
    assert used() - begun < MOST
    cells = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    assert len(cells) == len(CODE)
    table = next(cell for cell in cells if "importance, exact" in "".join(cell["source"]))
    assert "plan" in shown(table)
    answers = shown(cells[-1]).splitlines()
    assert len(answers) == 4
    assert "fish" in answers[0].split("→")[1]


def test_notebooks_lists_only_folders_of_papers():
    assert {path.parent.name for path in NOTEBOOKS.glob("*/*.ipynb")} <= set(PAPERS)
