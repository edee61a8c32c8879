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

FINDERS = ("files", "find_spec", "import_module")  # of importlib: a package is used by its name
PARSING = threading.Lock()  # two threads that parse at once can trip Python 3.11 (AST recursion depth mismatch)


def digest(*parts: Any) -> str:
    """Return 64 hex digits (sha256) of JSON-able parts; dictionaries hash the same in any order."""
    text = json.dumps(parts, sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def source_hash(modules: list[str]) -> str:
    """Return the hash of the named modules and of every ``anchors`` module they import, directly or not.

    No name of a module or file is in it: code that is moved keeps its hash.
    """
    files = closure(modules)
    roots = [module_hash(files[name]) for name in modules if name in files]
    return digest(sorted(set(roots)), sorted({module_hash(path) for path in files.values()}))


def closure(modules: list[str]) -> dict[str, Path]:
    """Return ``{module name: file}`` of the named modules, the packages they lie in, and all they import from here."""
    found, waiting = {}, list(modules)
    while waiting:
        name = waiting.pop()
        path = None if name in found else locate(name)
        if path is not None:
            found[name] = path
            waiting += [*imported(path), *name.rpartition(".")[:1]]
    return found


class Code(NamedTuple):
    """What is known of a source file.

    ``tree`` is the hash of its syntax tree without the names of the ``anchors`` modules it imports; ``imports`` are
    these names, relative ones with their dots; ``libraries`` the other packages that it imports, anywhere.
    """

    tree: str
    imports: list[str]
    libraries: list[str]


def read_code(path: Path) -> Code:
    """Return the code of a file: read each time, parsed once per content, here or in an earlier process."""
    return parse_code(path.read_bytes())


def parse_code(content: bytes) -> Code:
    """Return what :func:`read_code` does, of the content of a file."""
    memory, key = _memory(), hashlib.sha256(content).hexdigest()
    if key not in memory:
        text = content.decode("utf-8")
        memory[key] = [text_hash(text), imports(text), libraries(text)]
    return Code(*memory[key])


def module_hash(path: Path) -> str:
    """Return the hash of a file's tree, in which content stands for the names of the modules that it imports."""
    named = [(name, file) for name in imported(path) if (file := locate(name)) is not None]
    inner = {name.rpartition(".")[0] for name, _ in named}  # of a package whose module is imported, the module counts
    return digest(read_code(path).tree, [read_code(file).tree for name, file in named if name not in inner])


def imported(path: Path) -> list[str]:
    """Return the absolute names of what a file imports from this package."""
    return _absolute(read_code(path).imports, path)


def _absolute(names: list[str], path: Path) -> list[str]:
    """Return names of modules; relative ones begin with a dot for the folder of ``path``, two for its parent."""
    folder = path.parent.relative_to(ROOT).parts if path.is_relative_to(ROOT) else ()
    found = []
    for name in names:
        bare = name.lstrip(".")
        level = len(name) - len(bare)
        found.append(".".join([*folder[: len(folder) - level + 1], bare]) if level else name)
    return found


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
    """Return the ``anchors`` modules that ``source`` imports anywhere (``from a.b import c`` gives a.b and a.b.c).

    Relative names keep their dots: they count from where the source lies.
    """
    names = []
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if is_own(alias.name)]
        elif isinstance(node, ast.ImportFrom) and (node.level or is_own(node.module)):
            base = "." * node.level + (node.module or "")
            dot = "." if node.module else ""
            names += [*filter(None, [base.rstrip(".") and base]), *(f"{base}{dot}{alias.name}" for alias in node.names)]
    return names


def libraries(source: str) -> list[str]:
    """Return the packages beside this one and Python's own that ``source`` imports anywhere, or finds by name."""
    names = []
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module)
        elif isinstance(node, ast.Call) and _called(node) in FINDERS and node.args:
            names += [node.args[0].value] if isinstance(getattr(node.args[0], "value", None), str) else []
    tops = {name.partition(".")[0] for name in names}
    return sorted(tops - sys.stdlib_module_names - {"anchors"})


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def is_own(module: str) -> bool:
    """Return whether a module is one of this package."""
    return module.partition(".")[0] == "anchors"


def locate(module: str) -> Path | None:
    """Return the file of a module of this package, None where there is none."""
    base = ROOT.joinpath(*module.split("."))
    if base.with_suffix(".py").is_file():
        return base.with_suffix(".py")
    return base / "__init__.py" if (base / "__init__.py").is_file() else None


def text_hash(source: str) -> str:
    """Return the hash of Python source without comments, docstrings, layout and names of ``anchors`` modules."""
    tree = _parsed(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                alias.name = "anchors" if is_own(alias.name) else alias.name
        elif isinstance(node, ast.ImportFrom) and (node.level or is_own(node.module)):
            node.module, node.level = "anchors", 0
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
