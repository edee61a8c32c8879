"""Where the numbers of a notebook come from, read off the code: functions, modules, and the tests that import them."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anchors.companion import codehash
from anchors.companion.paths import ROOT


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
    return {node.name: node.lineno for node in _tree(path).body if isinstance(node, kinds)}


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
    return [Module(kept[name], name in direct, _tests().get(name, ())) for name in order]


def _counts(path: Path) -> bool:
    """Return whether a module can make a number: it is not the companion's, and it is not empty."""
    return "companion" not in path.relative_to(ROOT).parts and any(not _is_text(node) for node in _tree(path).body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


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
    return tuple(codehash.imports(path.read_text(encoding="utf-8")))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _files(names: list[str] | tuple[str, ...]) -> dict[str, Path]:
    """Return ``{name: file}`` of those names that are modules of this package."""
    found = {}
    for name in names:
        base = ROOT.joinpath(*name.split("."))
        path = next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)
        if path is not None:
            found[name] = path
    return found
