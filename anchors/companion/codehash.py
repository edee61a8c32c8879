"""Hashes of code: a module together with all modules of this package that it imports.

Comments, docstrings and formatting do not count: the hash is taken over the syntax tree.
"""

import ast
import hashlib
import json
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from anchors.companion.files import atomic_write
from anchors.companion.paths import ROOT, cache_dir

PARSING = threading.Lock()  # two threads that parse at once can trip Python 3.11 (AST recursion depth mismatch)


def digest(*parts: Any) -> str:
    """Return 64 hex digits (sha256) of JSON-able parts; dictionaries hash the same in any order."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def source_hash(modules: list[str]) -> str:
    """Return the hash of the named modules and of every ``anchors`` module they import, directly or not."""
    return digest({name: read_code(path).tree for name, path in sorted(closure(modules).items())})


def closure(modules: list[str]) -> dict[str, Path]:
    """Return ``{module name: file}`` of the named modules and all they import from this package."""
    found, waiting = {}, list(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in found else _file(name)
        if path is not None:
            found[name] = path
            waiting += read_code(path).imports
    return found


class Code(NamedTuple):
    """What is known of a source file: the hash of its syntax tree, and the ``anchors`` modules that it imports."""

    tree: str
    imports: list[str]


def read_code(path: Path) -> Code:
    """Return the code of a file: read each time, parsed once per content, here or in an earlier process."""
    content, memory = path.read_bytes(), _memory()
    key = hashlib.sha256(content).hexdigest()
    if key not in memory:
        text = content.decode("utf-8")
        memory[key] = [text_hash(text), imports(text)]
    return Code(*memory[key])


@cache
def _memory() -> dict[str, list]:
    """Return ``{sha256 of a file: [hash of its tree, its imports]}`` as earlier processes left it."""
    try:
        memory = json.loads(_memory_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        memory = {}
    return memory if isinstance(memory, dict) else {}


def _memory_path() -> Path:
    """Return where parsed code is remembered: by Python's version and by this module, which parses."""
    own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    return cache_dir() / "code" / f"{sys.version_info.major}.{sys.version_info.minor}-{own}.json"


def remember() -> None:
    """Leave what this process has parsed to later ones."""
    _memory_path().parent.mkdir(parents=True, exist_ok=True)
    atomic_write(_memory_path(), json.dumps(_memory()).encode())


def imports(source: str) -> list[str]:
    """Return the ``anchors`` modules that ``source`` imports anywhere (``from a.b import c`` gives a.b and a.b.c)."""
    names = []
    for node in ast.walk(_parsed(source)):
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


def text_hash(source: str) -> str:
    """Return the hash of Python source without comments, docstrings and layout."""
    tree = _parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _has_doc(node):
            node.body = node.body[1:]
    return hashlib.sha256(_dump(tree).encode()).hexdigest()


def _dump(tree: ast.Module) -> str:
    """Return the tree as text, the same under every supported Python: recorded runs are known by their code's hash.

    Python 3.12 has a field for type parameters, and its first releases empty parts of f-strings; 3.13 leaves out empty
    lists.
    """
    for node in ast.walk(tree):
        if getattr(node, "type_params", None) == []:
            del node.type_params
        if isinstance(node, ast.JoinedStr):
            node.values = [part for part in node.values if not (isinstance(part, ast.Constant) and part.value == "")]
    return ast.dump(tree, **({"show_empty": True} if sys.version_info >= (3, 13) else {}))


def _parsed(source: str) -> ast.Module:
    with PARSING:
        return ast.parse(source)


def _has_doc(node: ast.AST) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
