"""What may be committed: outputs of notebooks as ``make refresh`` writes them, no data of others, nothing large.

The hook of ``.pre-commit-config.yaml`` runs ``python -m anchors.companion.commit_rules FILES``; the tests of the house
hold all committed files to the same rules.
"""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anchors.companion.datasets import registry
from anchors.companion.errors import AnchorsError
from anchors.companion.files import read_json, sha256
from anchors.companion.paths import ROOT, relative

LARGEST = 4 * 2**20  # bytes
CURE = "Build it and run make refresh, which takes the outputs over."
METADATA = {"anchors", "kernelspec", "language_info"}
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:home|root|tmp|Users|private|mnt|opt|var/folders)/[\w.-]+")
WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = ("image/png", "image/jpeg")  # base64: any word can turn up in it


def notebook_faults(node: dict[str, Any]) -> list[str]:
    """Return what in a notebook is not as ``make refresh`` leaves it, one phrase a fault.

    Parameters
    ----------
    node : the notebook's JSON, version 4.
    """
    code = [cell for cell in node["cells"] if cell["cell_type"] == "code"]
    rules = {
        "metadata of another program": set(node["metadata"]) <= METADATA and _kernel(node) == ("python3", ["name"]),
        "cell metadata other than tags": all(set(cell["metadata"]) <= {"tags"} for cell in node["cells"]),
        "injected parameters": not any("injected-parameters" in cell["metadata"].get("tags", []) for cell in code),
        "execution counts that are not 1, 2, 3, …": _counts(code) == list(range(1, len(code) + 1)),
        "fewer than four cells with outputs": sum(bool(cell["outputs"]) for cell in code) >= 4,
        "no picture among the outputs": "anchors" not in node["metadata"] or _has_picture(code),
        "an error among the outputs": not any(output["output_type"] == "error" for output in _outputs(code)),
        "a bar among the outputs": not any(WIDGET in output.get("data", {}) for output in _outputs(code)),
        "what a cell wrote to stderr": not any(output.get("name") == "stderr" for output in _outputs(code)),
    }
    paths = machine_paths(node)
    return [fault for fault, kept in rules.items() if not kept] + [f"a path of a machine, {path}" for path in paths]


def machine_paths(node: dict[str, Any]) -> list[str]:
    """Return the paths of a machine in a notebook's text, each once; pictures are not searched."""
    outputs = [{**output, "data": _readable(output)} for output in _outputs(node["cells"])]
    text = json.dumps([[cell["source"] for cell in node["cells"]], outputs, node["metadata"]], ensure_ascii=False)
    found = [str(ROOT)] if str(ROOT) in text else []
    return list(dict.fromkeys(found + MACHINE_PATH.findall(text)))


def file_faults(path: Path, registered: dict[str, str]) -> list[str]:
    """Return why a file may not be committed, one line a reason.

    Parameters
    ----------
    registered : ``{sha256: name of the data set}``, see :func:`registered_files`.
    """
    faults, size = [], path.stat().st_size
    if size > LARGEST:
        found, expected = f"{size / 2**20:.1f} MiB", f"at most {LARGEST // 2**20} MiB"
        faults.append(f"found {found}; expected {expected}. Register it as a data set, or keep fewer numbers.")
    if name := registered.get(sha256(path)):
        faults.append(f"found a file of the data set {name!r}; expected none. Data of others stay in the mirror.")
    if path.suffix == ".ipynb":
        faults += [f"found {fault}; expected none. {CURE}" for fault in _faults_of(read_json(path, dict))]
    return faults


def registered_files() -> dict[str, str]:
    """Return ``{sha256: name of the data set}`` of all registered files, plain and packed."""
    files = [(name, file) for name, entry in registry().items() for file in entry.files]
    return {form.sha256: name for name, file in files for form in (file, file.served)}


def main(paths: Iterable[str]) -> int:
    """Print one line for each fault of the files; return 1 if there is one, else 0."""
    registered = registered_files()
    found = [(path, fault) for path in map(Path, paths) for fault in file_faults(path.resolve(), registered)]
    for path, fault in found:
        print(f"error: {relative(path.resolve())}: {fault}", file=sys.stderr)
    return int(bool(found))


def _faults_of(node: dict[str, Any]) -> list[str]:
    try:
        return notebook_faults(node)
    except (KeyError, TypeError, AttributeError):
        return ["JSON that is no notebook of version 4"]


def _kernel(node: dict[str, Any]) -> tuple[str, list[str]]:
    metadata = node["metadata"]
    return metadata.get("kernelspec", {}).get("name", ""), list(metadata.get("language_info", {}))


def _counts(code: list[dict[str, Any]]) -> list[int | None]:
    return [cell["execution_count"] for cell in code]


def _has_picture(code: list[dict[str, Any]]) -> bool:
    return any("image/png" in output.get("data", {}) for output in _outputs(code))


def _outputs(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [output for cell in cells for output in cell.get("outputs", [])]


def _readable(output: dict[str, Any]) -> dict[str, Any]:
    return {kind: value for kind, value in output.get("data", {}).items() if kind not in PICTURES}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except AnchorsError as error:
        sys.exit(f"error: {error}")
