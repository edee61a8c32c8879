"""What the results of a notebook depend on: noted in its kernel when it saves, and compared with what is here now."""

import json
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from anchors.companion.codehash import closure, digest, imported, imports, locate, module_hash, read_code
from anchors.companion.files import atomic_write
from anchors.companion.libraries import versions_behind
from anchors.companion.loaded import LOADED
from anchors.companion.notebooks import Notebook, cell_hash, own_files
from anchors.companion.paths import ROOT
from anchors.companion.used import PROCESS, dataset_hash, file_hash, hashes

EDITED = "edited while the notebook ran"
NEVER = "not built here yet"
Manifest = dict[str, Any]


def save(notebook: Notebook, path: Path) -> None:
    """Write what this kernel has used so far: modules, files, data sets and libraries, each with what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(kernel(notebook)).encode())


def kernel(notebook: Notebook) -> Manifest:
    """Return what this process has used: what the cells import in any way, and what was imported and read besides."""
    here = {name: Path(path) for name, (path, _) in LOADED.items() if name in sys.modules}
    modules = closure(imports(notebook.code)) | here
    return {
        "modules": {str(path.relative_to(ROOT)): _loaded(name, path) for name, path in sorted(modules.items())},
        "libraries": versions_behind(modules.values(), notebook.libraries), **hashes(PROCESS),
    }  # fmt: skip


def _loaded(name: str, path: Path) -> list[str]:
    """Return the code of a module as it was imported; :data:`EDITED` where its file holds something else by now."""
    if name in LOADED and LOADED[name] != (str(path), file_hash(path)):
        return [EDITED, EDITED]
    return _code(path)


def asked(notebook: Notebook, values: dict[str, Any]) -> Manifest:
    """Return what is asked for before a kernel runs: cells, parameters, and the files that these name."""
    named = {name: p.default for name, p in notebook.parameters.items()} | values
    return {
        "title": notebook.title, "cells": [cell_hash(cell) for cell in notebook.code_cells],
        "imports": _trees(imports(notebook.code)), "parameters": values, "own": own_files(named),
    }  # fmt: skip


def _trees(names: list[str]) -> list[str]:
    """Return the code of the modules that cells import, in their order: what an imported name stands for."""
    return [_code(path)[0] for name in names if (path := locate(name)) is not None]


def changes(known: Manifest, notebook: Notebook, values: dict[str, Any]) -> list[str]:
    """Return in words what differs by now from what a run depended on, the nearest to the reader first."""
    return list(_changes(known, notebook, values)) if known else [NEVER]


def _changes(known: Manifest, notebook: Notebook, values: dict[str, Any]) -> Iterator[str]:
    now = json.loads(json.dumps(asked(notebook, values)))
    if known["title"] != now["title"]:
        yield "title"
    yield from _cells(known["cells"], now["cells"])
    yield from (f"parameter {name}" for name in _differing(known["parameters"], now["parameters"]))
    yield from (f"own file {name}" for name in _differing(known["own"], now["own"]))
    modules = _changed_modules(known["modules"])
    yield from modules
    if known["imports"] != now["imports"] and not modules:
        yield "what cells import"
    yield from (name for name, value in known["files"].items() if file_hash(ROOT / name) != value)
    for name, value in known["datasets"].items():
        if (found := dataset_hash(name)) != value:
            was, is_now = ("absent" if one == "absent" else "here" for one in (value, found))
            yield f"data set {name} ({was} → {is_now})"
    for name, value in known["libraries"].items():
        if (found := _version(name)) != value:
            yield f"{name} {value} → {found}"


def _cells(known: list[str], now: list[str]) -> Iterator[str]:
    if len(known) != len(now):
        yield f"{len(now)} code cells, not {len(known)}"
    else:
        yield from (f"code cell {n}" for n, (a, b) in enumerate(zip(known, now, strict=True), 1) if a != b)


def _differing(known: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return sorted(name for name in known.keys() | now.keys() if known.get(name) != now.get(name))


def _changed_modules(known: dict[str, list[str]]) -> list[str]:
    """Return the modules whose code is neither where it was nor, where that file is gone, elsewhere in the package.

    Only where all code is as it was, those of which an imported name stands for other code by now.
    """
    now = {name: _code(ROOT / name) for name in known if (ROOT / name).is_file()}
    elsewhere = [] if len(now) == len(known) else [_code(path) for path in (ROOT / "anchors").rglob("*.py")]
    for part in (0, 1):
        kept = {code[part] for code in elsewhere}
        same = {name for name, code in known.items() if code[part] in ({now[name][part]} if name in now else kept)}
        changed = [name for name in known if name not in same]
        if changed:
            return changed
    return []


def _code(path: Path) -> list[str]:
    """Return the hash of a module's tree, and that with what its imports stand for; known until a file is touched."""
    files = _imported_files(path, file_hash(path))
    return list(_code_now(path, file_hash(path), tuple(file_hash(file) for file in files)))


@cache
def _code_now(path: Path, _content: str, _imported: tuple[str, ...]) -> tuple[str, str]:
    return read_code(path).tree, module_hash(path)


@cache
def _imported_files(path: Path, _content: str) -> tuple[Path, ...]:
    return tuple(file for name in imported(path) if (file := locate(name)) is not None)


def _version(name: str) -> str:
    if name == "python":
        return sys.version.split()[0]
    return _distribution(name)


@cache
def _distribution(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def prose(notebook: Notebook) -> str:
    """Return the hash of what a notebook says: every word of its cells, comments too, and the claim."""
    return digest([cell["source"] for cell in notebook.cells], notebook.claim)


def renew(notebook: Notebook, executed: Path) -> None:
    """Write the words of a notebook into its executed copy, whose outputs stay.

    The cells are the notebook's; where papermill put the parameters of the run, that cell stays.
    """
    old = json.loads(executed.read_text(encoding="utf-8"))
    code = [cell for cell in old["cells"] if cell["cell_type"] == "code"]
    added = [cell for cell in code if "injected-parameters" in cell["metadata"].get("tags", [])]
    ran = iter([cell for cell in code if cell not in added])
    cells = []
    for cell in notebook.cells:
        cells.append(next(ran) | {"source": cell["source"]} if cell["cell_type"] == "code" else cell)
        if "parameters" in cell["metadata"].get("tags", []):
            cells += added
    old["cells"] = cells
    old["metadata"]["anchors"] = notebook.meta
    atomic_write(executed, (json.dumps(old, indent=1, ensure_ascii=False) + "\n").encode())
