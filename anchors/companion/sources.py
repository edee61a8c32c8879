"""Where the numbers of a notebook come from, read off the code: functions, modules, and the tests that import them."""

import ast
import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion import codehash
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import Notebook
from anchors.companion.paths import ROOT, cache_dir

EMPTY = codehash.text_hash("")


@dataclass(frozen=True)
class Call:
    """A function that a notebook calls: its name there, the file and the line where it is defined."""

    name: str
    path: Path
    line: int


@dataclass(frozen=True)
class Module:
    """A module behind a notebook: its file, whether the notebook itself imports it, the tests that do."""

    path: Path
    direct: bool
    tests: tuple[Path, ...]


def behind(notebooks: tuple[Notebook, ...]) -> dict[str, dict[str, Any]]:
    """Return ``{id: {calls, modules}}`` with paths from the repository; read again when a source has changed."""
    stamp, kept = _stamp(notebooks), cache_dir() / "pages" / "sources.json"
    try:
        known = json.loads(kept.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if known.get("stamp") != stamp:
        known = {"stamp": stamp, "found": {one.id: _behind(one.code) for one in notebooks}}
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(kept, json.dumps(known).encode())
    return known["found"]


def _stamp(notebooks: tuple[Notebook, ...]) -> str:
    """Return the hash of all sources, tests and code of notebooks."""
    found = hashlib.sha256()
    for path in (*sorted((ROOT / "anchors").rglob("*.py")), *sorted((ROOT / "tests").rglob("test_*.py"))):
        found.update(f"\0{path}\0".encode() + path.read_bytes())
    for one in notebooks:
        found.update(f"\0{one.id}\0{one.code}".encode())
    return found.hexdigest()


def _behind(code: str) -> dict[str, Any]:
    return {
        "calls": [{"name": call.name, "path": _named(call.path), "line": call.line} for call in calls(code)],
        "modules": [
            {"path": _named(one.path), "direct": one.direct, "tests": [_named(test) for test in one.tests]}
            for one in modules(code)
        ],
    }


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def calls(code: str) -> list[Call]:
    """Return the functions and classes of the package that ``code`` calls, in the order of their first call.

    What belongs to the companion (Run, plots' style) is left out: it makes no numbers.
    """
    tree, found = ast.parse(code), {}
    known = _names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            written = ast.unparse(node.func)
            first, _, rest = written.partition(".")
            place = _place(f"{known[first]}.{rest}".rstrip(".")) if first in known else None
            if place is not None:
                found[written] = (node.lineno, Call(written, *place))
    return [call for _, call in sorted(found.values(), key=lambda pair: pair[0])]


def _names(tree: ast.Module) -> dict[str, str]:
    """Return ``{name in the code: dotted name}`` of what it imports from the papers' packages and the models."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {k: v for k, v in names.items() if v.startswith("anchors.") and not v.startswith("anchors.companion.")}


def _place(dotted: str) -> tuple[Path, int] | None:
    """Return file and line of the function or class with this dotted name, or None when it is none."""
    module, _, name = dotted.rpartition(".")
    path = _files([module]).get(module)
    return (path, _definitions(path)[name]) if path is not None and name in _definitions(path) else None


@cache
def _definitions(path: Path) -> dict[str, int]:
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node.lineno for node in tree.body if isinstance(node, kinds)}


def modules(code: str) -> list[Module]:
    """Return the modules of papers and models behind ``code``, those that it imports itself first."""
    direct = _files(codehash.imports(code))
    found, waiting = {}, list(direct)
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _files([name]).get(name)) is not None:
            found[name] = path
            waiting += _used(path)
    kept = {name: path for name, path in found.items() if _counts(path)}
    order = sorted(kept, key=lambda name: (name not in direct, name))
    return [Module(kept[name], name in direct, tests_of(name)) for name in order]


@cache
def _counts(path: Path) -> bool:
    """Return whether a module can make a number: it is not the companion's, and it is not empty."""
    return "companion" not in path.relative_to(ROOT).parts and codehash.read_code(path).tree != EMPTY


def tests_of(name: str) -> tuple[Path, ...]:
    """Return the test files that import the module of this name."""
    return _tests().get(name, ())


@cache
def _tests() -> dict[str, tuple[Path, ...]]:
    """Return ``{module: test files that import it}``."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _files(_used(path)):
            found.setdefault(name, []).append(path)
    return {name: tuple(paths) for name, paths in found.items()}


@cache
def _used(path: Path) -> tuple[str, ...]:
    return tuple(codehash.read_code(path).imports)


def _files(names: list[str] | tuple[str, ...]) -> dict[str, Path]:
    """Return ``{name: file}`` of those names that are modules of this package."""
    return {name: path for name in names if (path := _file(name)) is not None}


@cache
def _file(name: str) -> Path | None:
    base = ROOT.joinpath(*name.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)
