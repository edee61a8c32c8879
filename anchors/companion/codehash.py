"""Hashes of code: a module together with all modules of this package that it imports.

Comments, docstrings and formatting do not count: the hash is taken over the syntax tree.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion.paths import ROOT


def digest(*parts: Any) -> str:
    """Return 64 hex digits (sha256) of JSON-able parts; dictionaries hash the same in any order."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def source_hash(modules: list[str]) -> str:
    """Return the hash of the named modules and of every ``anchors`` module they import, directly or not."""
    return digest({name: _tree_hash(path) for name, path in sorted(closure(modules).items())})


def closure(modules: list[str]) -> dict[str, Path]:
    """Return ``{module name: file}`` of the named modules and all they import from this package."""
    found, waiting = {}, list(modules)
    while waiting:
        name = waiting.pop()
        path = _file(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += imports(path.read_text(encoding="utf-8"))
    return found


def imports(source: str) -> list[str]:
    """Return the ``anchors`` modules that ``source`` imports anywhere (``from a.b import c`` gives a.b and a.b.c)."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in names if name.split(".")[0] == "anchors"]


def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


def _tree_hash(path: Path) -> str:
    return _tree_hash_at(str(path), path.stat().st_mtime_ns)


@cache
def _tree_hash_at(path: str, _mtime: int) -> str:
    return text_hash(Path(path).read_text(encoding="utf-8"))


def text_hash(source: str) -> str:
    """Return the hash of Python source without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_doc(node):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _has_doc(node: ast.AST) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
