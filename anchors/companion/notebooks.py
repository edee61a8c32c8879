"""The notebooks as data: id, claim, parameters, needs, and the hash of all that their results depend on."""

import json
import os
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from anchors.companion.codehash import closure, digest, imports, read_code, source_hash, text_hash
from anchors.companion.datasets import available, dataset, fingerprint
from anchors.companion.errors import InputError
from anchors.companion.files import sha256
from anchors.companion.params import Parameter, parse_cell
from anchors.companion.paths import NOTEBOOKS, PAPERS, PUBLISHED, ROOT, RUNS, relative
from anchors.companion.style import STYLE
from anchors.companion.widgets import WEB


@dataclass(frozen=True)
class Notebook:
    """One ``notebooks/<paper>/<name>.ipynb``; its metadata hold claim, needs and expected seconds per profile."""

    id: str
    path: Path

    @staticmethod
    def find(id: str) -> "Notebook":
        """Return the notebook called ``id`` (``paper/name``); InputError when there is none."""
        found = {notebook.id: notebook for notebook in notebooks()}
        if id not in found:
            near = [name for name in found if id.split("/")[-1] in name] or list(found)
            raise InputError(
                "ID", repr(id), "the id of a notebook", f"For example {', '.join(near[:3])}; see make list."
            )
        return found[id]

    @cached_property
    def node(self) -> dict[str, Any]:
        """The notebook's JSON (nbformat itself costs 1.6 s to import, too much for every kernel)."""
        try:
            node = json.loads(self.path.read_text(encoding="utf-8"))
            for cell in node["cells"]:
                cell["source"] = "".join(cell["source"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(relative(self.path), f"{error}"[:80], "a version 4 notebook", "Restore it.") from error
        return node

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells, each with its source as one string."""
        return self.node["cells"]

    @property
    def meta(self) -> dict[str, Any]:
        """The companion's own metadata: title, claim, needs, expected_seconds."""
        return self.node["metadata"].get("anchors", {})

    @property
    def title(self) -> str:
        """A few words that name the figure."""
        return self.meta.get("title", self.id)

    @property
    def claim(self) -> str:
        """The sentence that the figure tests."""
        return self.meta.get("claim", "")

    @property
    def needs(self) -> list[str]:
        """The registered data sets without which the notebook cannot be built."""
        return list(self.meta.get("needs", []))

    @property
    def missing(self) -> list[str]:
        """The needed data sets that are neither in the cache nor in the mirror."""
        return [name for name in self.needs if not available(name)]

    @property
    def wants(self) -> list[str]:
        """The registered data sets that the notebook uses where they are here, and can do without."""
        return list(self.meta.get("wants", []))

    @property
    def lacking(self) -> dict[str, str]:
        """The wanted data sets that are not here, and in a few words what stands for each."""
        return {name: dataset(name).without for name in self.wants if not available(name)}

    def expected(self, profile: str) -> float | None:
        """Seconds that the notebook took on the reference machine, cold; None when unknown."""
        return self.meta.get("expected_seconds", {}).get(profile)

    @property
    def is_table(self) -> bool:
        """Whether the notebook's main result is a table."""
        return self.path.stem.startswith("tab")

    @cached_property
    def code(self) -> str:
        """The source of all code cells, without lines that only IPython understands."""
        cells = [cell["source"] for cell in self.cells if cell["cell_type"] == "code"]
        return "\n".join(line for cell in cells for line in cell.splitlines() if not line.startswith(("%", "!")))

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters that the notebook declares, with their defaults."""
        for cell in self.cells:
            if "parameters" in cell["metadata"].get("tags", []):
                return parse_cell(cell["source"], relative(self.path))
        raise InputError(relative(self.path), "no cell tagged 'parameters'", "one such cell", "Tag it.")

    def input_hash(self, values: dict[str, Any]) -> str:
        """Return the hash of everything the results depend on: cells, parameters, package code, data, libraries."""
        data = {name: fingerprint(name) for name in [*self.needs, *self.wants] if available(name)}
        files = own_files({**{name: p.default for name, p in self.parameters.items()}, **values})
        code = [text_hash(self.code), source_hash(imports(self.code)), sha256(STYLE), self.scripts()]
        return digest(code, values, self.logs(), data, files, installed())

    def scripts(self) -> dict[str, str]:
        """Return the hashes of scripts and style sheets of widgets, where the notebook's code makes one."""
        modules = closure(imports(self.code))
        makers = [path for name, path in modules.items() if name.split(".")[1:2] != ["companion"] and _imports(path)]
        files = {file for path in makers for file in path.parent.rglob("widget.*") if file.suffix in (".js", ".css")}
        return {relative(file): sha256(file) for file in sorted(files | (set(WEB.glob("*")) if makers else set()))}

    def logs(self) -> dict[str, str]:
        """Return the hashes of the recorded logs and published values of the notebook's paper."""
        paper = self.id.split("/")[0]
        files = [*sorted((RUNS / paper).glob("*")), PUBLISHED / f"{paper}.yml"]
        return {path.name: _hash_of(path, path.stat()) for path in files if path.is_file()}


def _hash_of(path: Path, stat: os.stat_result) -> str:
    return _hash_at(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@cache
def _hash_at(path: Path, _mtime: int, _size: int, _file: int) -> str:
    return sha256(path)


def _imports(path: Path, module: str = "anchors.companion.widgets") -> bool:
    return module in read_code(path).imports


def own_files(values: dict[str, Any]) -> dict[str, str]:
    """Return the hashes of the files and folders that parameters name (a user's own data), by path."""
    words = [word for value in values.values() for word in (value if isinstance(value, list) else [value])]
    found: dict[str, str] = {}
    for path in (ROOT / word for word in words if isinstance(word, str) and word):
        files = sorted(path.glob("*")) if path.is_dir() else [path]
        found |= {str(file): sha256(file) for file in files if file.is_file()}
    return found


@cache
def installed() -> str:
    """Return one hash of the names and versions of all installed packages: any upgrade may change a figure."""
    return digest(sorted((d.name, d.version) for d in distributions()))


@cache
def notebooks() -> tuple[Notebook, ...]:
    """Return all notebooks, by paper in the companion's order, then by name."""
    paths = [path for paper in PAPERS for path in sorted((NOTEBOOKS / paper).glob("[!.]*.ipynb"))]
    return tuple(Notebook(str(path.relative_to(NOTEBOOKS).with_suffix("")), path) for path in paths)
