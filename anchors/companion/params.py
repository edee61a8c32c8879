"""Profiles, and the annotated literals in a notebook's ``parameters`` cell."""

import ast
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from anchors.companion.errors import InputError, short
from anchors.companion.limits import impossible, interval

PROFILES = ("smoke", "laptop", "paper")
JOBS = 64  # notebooks at a time at most: each is a process
PAIRS = 'Separate pairs by blanks: P="bits=64 ratio=0.1".'
_TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict, "None": None}
_CLOSING = {"[": "]", "{": "}", "(": ")"}
Value = TypeVar("Value")


@dataclass(frozen=True)
class Parameter:
    """One line of a ``parameters`` cell: ``name: annotation = default  # help``; ``kind`` is the annotation's type."""

    name: str
    annotation: str
    default: Any
    help: str
    kind: Any = Any


def choose(profile: str, smoke: Value, laptop: Value, paper: Value) -> Value:
    """Return the value that belongs to ``profile``; an unknown profile is an InputError."""
    return {"smoke": smoke, "laptop": laptop, "paper": paper}[check_profile(profile)]


def check_profile(profile: str) -> str:
    """Return ``profile`` if it is one of :data:`PROFILES`, else raise InputError."""
    if profile not in PROFILES:
        raise InputError("PROFILE", short(profile), " | ".join(PROFILES), "Say for example PROFILE=laptop.")
    return profile


def check_jobs(text: str | int) -> int:
    """Return how many notebooks are built at a time; anything but a number from 1 to :data:`JOBS` is an InputError."""
    if not (re.fullmatch(r"[0-9]{1,9}", str(text)) and 1 <= int(text) <= JOBS):
        raise InputError("JOBS", short(text), f"a number from 1 to {JOBS}", "Say for example JOBS=2.")
    return int(text)


def parse_cell(source: str, where: str = "parameters cell") -> dict[str, Parameter]:
    """Return the parameters declared in a cell's source, in order.

    Every statement must be ``name: annotation = literal  # help`` on one line, of a name not yet declared and a type
    made of int, float, str, bool, list, dict and None; anything else is an InputError.
    """
    lines, found = source.splitlines(), {}
    for node in _statements(source, where):
        line = lines[node.lineno - 1].strip()
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise InputError(where, short(line), "name: type = literal  # help", "Annotate it.")
        name, tail = node.target.id, lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
        if name in found:
            raise InputError(where, f"{name} twice", "each name once", "Remove one of them.")
        try:
            default, kind = ast.literal_eval(node.value), _type(node.annotation)
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(where, short(line), "a literal, and a type made of " + ", ".join(_TYPES)) from error
        found[name] = Parameter(name, ast.unparse(node.annotation), default, tail.partition("#")[2].strip(), kind)
    return found


def _statements(source: str, where: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f" in line {error.lineno}" if getattr(error, "lineno", None) else ""
        raise InputError(where, f"{type(error).__name__}{line}", "Python: name: type = literal  # help") from error


def _type(node: ast.expr) -> Any:
    """Return the type that an annotation stands for; KeyError or TypeError when it is not made of :data:`_TYPES`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _type(node.left) | _type(node.right)
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _type(node.value)[tuple(_type(one) for one in inner)]
    return _TYPES[str(node.value) if isinstance(node, ast.Constant) else getattr(node, "id", "")]


def parse_overrides(text: str) -> dict[str, str]:
    """Return ``{"bits": "64", "ratio": "0.1"}`` for ``"bits=64 ratio=0.1"``.

    Lists, dictionaries and quoted texts may hold blanks, brackets and each other. A name that comes twice is an
    InputError.
    """
    pairs, rest = {}, (text or "").strip()
    while rest:
        found = re.match(r"([A-Za-z_]\w*)=(?=\S)", rest)
        end = _end_of_value(rest, found.end()) if found else None
        if end is None:
            raise InputError("P", short(rest), "name=value", PAIRS)
        name, value = found[1], rest[found.end() : end]
        if name in pairs:
            raise InputError("P", f"{name} twice: {short(pairs[name])} and {short(value)}", "each name once", PAIRS)
        pairs[name], rest = value, rest[end:].lstrip()
    return pairs


def _end_of_value(text: str, start: int) -> int | None:
    """Return where the value that begins at ``start`` ends: at a blank outside brackets and quotes; None if nowhere.

    In a value that begins with neither a bracket nor a quote, both are ordinary characters.
    """
    if text[start] not in "[{(\"'":
        return start + re.match(r"\S+", text[start:]).end()
    open_, quote, place = [], "", start
    while place < len(text):
        c = text[place]
        if quote:
            place += c == "\\"
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c in _CLOSING:
            open_.append(_CLOSING[c])
        elif c in _CLOSING.values():
            if not open_ or open_.pop() != c:
                return None
        elif c.isspace() and not open_:
            return place
        place += 1
    return None if quote or open_ else len(text)


def resolve(declared: dict[str, Parameter], overrides: dict[str, Any], where: str) -> dict[str, Any]:
    """Return typed values for ``overrides``; an unknown name, an ill-typed or impossible value is an InputError.

    Strings (from the command line) are read as Python literals where they are one; ``int`` is accepted for ``float``.
    What is impossible is in :mod:`anchors.companion.limits`.
    """
    return {name: _typed(declared, name, value, where) for name, value in overrides.items()}


def _typed(declared: dict[str, Parameter], name: str, value: Any, where: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    what = f"{where}: parameter {name!r}"
    if name == "profile":
        raise InputError(what, short(value), "PROFILE=... beside P", "Say make PROFILE=smoke.")
    if name not in declared:
        raise InputError(what, "no such parameter", " | ".join(declared), "Mind the spelling.")
    one = declared[name]
    cure = f"The default is {one.default!r}."
    adapter = TypeAdapter(_of_entries(one))
    for candidate in _readings(value):
        try:
            typed = adapter.validate_python(candidate, strict=True)
        except (ValidationError, RecursionError):
            continue
        expected = impossible(typed, one.default, *interval(name, one.default, one.help))
        if expected:
            raise InputError(what, short(typed), expected, cure)
        return typed
    raise InputError(what, short(value), _words(one), cure)


def _of_entries(parameter: Parameter) -> Any:
    """Return the type of a parameter; the entries of a plain ``list`` are of the one type that the default's have."""
    types = {type(entry) for entry in parameter.default} if isinstance(parameter.default, list) else set()
    scalars = {int, float, str, bool}
    return list[types.pop()] if parameter.kind is list and len(types) == 1 and types <= scalars else parameter.kind


def _words(parameter: Parameter) -> str:
    kind = _of_entries(parameter)
    return parameter.annotation if kind is parameter.kind else str(kind)


def _readings(value: Any) -> list[Any]:
    """Return what ``value`` may mean, most literal first: ``"64"`` is 64, then the text ``"64"``."""
    if not isinstance(value, str):
        return [value]
    try:
        return [ast.literal_eval(value), value]
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return [value]
