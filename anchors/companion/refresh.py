"""Takes results over as the committed ones: outputs of executed notebooks, and figures of times measured here."""

from pathlib import Path

import nbformat

from anchors.companion.commit_rules import METADATA
from anchors.companion.committed import ENDINGS
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import Notebook
from anchors.companion.results import about_path
from anchors.companion.runner import Task, is_current


def refresh_outputs(notebook: Notebook) -> str:
    """Take the outputs of the current laptop build over into the notebook; return what was done."""
    task = Task(notebook, "laptop", {})
    if not is_current(task):
        return "not current: build it first"
    copy_outputs(task.executed, notebook.path)
    measured = [ending for ending in ENDINGS if copy_measured(task, ending)]
    return f"refreshed{', with times and memory measured here' if measured else ''}"


def copy_measured(task: Task, ending: str) -> bool:
    """Copy a result that :meth:`~anchors.companion.results.Run.save` put beside: only facts of the machine differ."""
    fresh = about_path(task.id, task.profile, task.changes, f".clock.{ending}")
    if fresh.is_file():
        atomic_write(Path(f"{task.stem}.{ending}"), fresh.read_bytes())
    return fresh.is_file()


def copy_outputs(copy: Path, path: Path) -> None:
    """Write the outputs of an executed copy into the notebook at ``path``.

    Cells, tags and the companion's metadata of that notebook stay; what an editor adds to metadata goes, and
    papermill's injected cell and its timings do not enter.
    """
    executed = nbformat.read(copy, as_version=4)
    outputs = [c.outputs for c in executed.cells if c.cell_type == "code" and "injected-parameters" not in _tags(c)]
    node = nbformat.read(path, as_version=4)
    code = [cell for cell in node.cells if cell.cell_type == "code"]
    for number, (cell, cell_outputs) in enumerate(zip(code, outputs, strict=True), 1):
        cell.outputs, cell.execution_count = [_plain(output, number) for output in cell_outputs], number
    _drop_foreign_metadata(node)
    atomic_write(path, (nbformat.writes(node, indent=1) + "\n").encode())


def _tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def _plain(output: nbformat.NotebookNode, number: int) -> nbformat.NotebookNode:
    """Return the output with the cell's own number, so that an unchanged result gives an unchanged file."""
    if "execution_count" in output:
        output["execution_count"] = number
    return output


def _drop_foreign_metadata(node: nbformat.NotebookNode) -> None:
    """Keep of all metadata what :mod:`anchors.companion.commit_rules` lets be committed."""
    node.metadata = {key: value for key, value in node.metadata.items() if key in METADATA}
    node.metadata["language_info"] = {"name": "python"}
    for cell in node.cells:
        cell.metadata = {"tags": _tags(cell)} if _tags(cell) else {}
