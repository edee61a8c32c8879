"""The notebooks as data: id, claim, parameters, needs, code."""

import json
from dataclasses import dataclass
from functools import cache, cached_property
from os.path import isdir, isfile  # False for what can be no path; Path's own raise
from pathlib import Path
from typing import Any

from anchors.companion.codehash import digest, libraries, text_hash
from anchors.companion.datasets import dataset, here
from anchors.companion.errors import InputError
from anchors.companion.files import sha256
from anchors.companion.params import Parameter, parse_cell
from anchors.companion.paths import NOTEBOOKS, PAPERS, ROOT, relative


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
        return [name for name in self.needs if not here(name)]

    @property
    def wants(self) -> list[str]:
        """The registered data sets that the notebook uses where they are here, and can do without."""
        return list(self.meta.get("wants", []))

    @property
    def lacking(self) -> dict[str, str]:
        """The wanted data sets that are not here, and in a few words what stands for each."""
        return {name: dataset(name).without for name in self.wants if not here(name)}

    def expected(self, profile: str) -> float | None:
        """Seconds that the notebook took on the reference machine, cold; None when unknown."""
        return self.meta.get("expected_seconds", {}).get(profile)

    @property
    def is_table(self) -> bool:
        """Whether the notebook's main result is a table."""
        return self.path.stem.startswith("tab")

    @property
    def code_cells(self) -> list[str]:
        """The sources of the code cells."""
        return [cell["source"] for cell in self.cells if cell["cell_type"] == "code"]

    @cached_property
    def code(self) -> str:
        """The code of all cells; one with a syntax error is left out, and fails when it runs."""
        return "\n".join(cell for cell in (divided(source)[0] for source in self.code_cells) if parses(cell))

    @property
    def libraries(self) -> set[str]:
        """The packages beside this one and Python's own that cells import."""
        return set(libraries(self.code))

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters that the notebook declares, with their defaults."""
        for cell in self.cells:
            if "parameters" in cell["metadata"].get("tags", []):
                return parse_cell(cell["source"], relative(self.path))
        raise InputError(relative(self.path), "no cell tagged 'parameters'", "one such cell", "Tag it.")


def cell_hash(source: str) -> str:
    """Return the hash of a cell's code; that of its text, where it is no code."""
    code, magic = divided(source)
    known = text_hash(code) if parses(code) else digest("no code", code)
    return digest(known, magic) if magic else known


def divided(source: str) -> tuple[str, list[str]]:
    """Return a cell's code, and apart from it the lines that only IPython understands."""
    lines = source.splitlines()
    magic = [line for line in lines if line.startswith(("%", "!"))]
    return "\n".join(line for line in lines if line not in magic), magic


def parses(source: str) -> bool:
    """Return whether a text is Python."""
    try:
        text_hash(source)
    except SyntaxError:
        return False
    return True


def own_files(values: dict[str, Any]) -> dict[str, str]:
    """Return the hashes of the files and folders that parameters name (a user's own data), by path."""
    words = [word for value in values.values() for word in (value if isinstance(value, list) else [value])]
    found: dict[str, str] = {}
    for path in (ROOT / word for word in words if isinstance(word, str) and word):
        files = sorted(path.glob("*")) if isdir(path) else [path]
        found |= {str(file): sha256(file) for file in files if isfile(file)}
    return found


@cache
def notebooks() -> tuple[Notebook, ...]:
    """Return all notebooks, by paper in the companion's order, then by name."""
    paths = [path for paper in PAPERS for path in sorted((NOTEBOOKS / paper).glob("[!.]*.ipynb"))]
    return tuple(Notebook(str(path.relative_to(NOTEBOOKS).with_suffix("")), path) for path in paths)
