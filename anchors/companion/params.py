"""Profiles, and the annotated literals in a notebook's ``parameters`` cell."""

import ast
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from anchors.companion.errors import InputError

PROFILES = ("smoke", "laptop", "paper")
_TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict, "None": None}
Value = TypeVar("Value")


@dataclass(frozen=True)
class Parameter:
    """One line of a ``parameters`` cell: ``name: annotation = default  # help``."""

    name: str
    annotation: str
    default: Any
    help: str


def choose(profile: str, smoke: Value, laptop: Value, paper: Value) -> Value:
    """Return the value that belongs to ``profile``; an unknown profile is an InputError."""
    return {"smoke": smoke, "laptop": laptop, "paper": paper}[check_profile(profile)]


def check_profile(profile: str) -> str:
    """Return ``profile`` if it is one of :data:`PROFILES`, else raise InputError."""
    if profile not in PROFILES:
        raise InputError("PROFILE", repr(profile), " | ".join(PROFILES), "Say for example PROFILE=laptop.")
    return profile


def parse_cell(source: str, where: str = "parameters cell") -> dict[str, Parameter]:
    """Return the parameters declared in a cell's source, in order.

    Every statement must be ``name: annotation = literal  # help`` on one line; anything else is an InputError.
    """
    lines, found = source.splitlines(), {}
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None):
            raise InputError(where, lines[node.lineno - 1].strip(), "name: type = literal  # help", "Annotate it.")
        tail = lines[node.end_lineno - 1][node.end_col_offset :]
        found[node.target.id] = Parameter(
            name=node.target.id,
            annotation=ast.unparse(node.annotation),
            default=ast.literal_eval(node.value),
            help=tail.partition("#")[2].strip(),
        )
    return found


def parse_overrides(text: str) -> dict[str, str]:
    """Return ``{"bits": "64", "ratio": "0.1"}`` for ``"bits=64 ratio=0.1"``; lists and quoted texts may hold blanks."""
    pairs, rest = {}, (text or "").strip()
    while rest:
        found = re.match(r"""([A-Za-z_]\w*)=(\[[^\]]*\]|"[^"]*"|'[^']*'|[^\s\[]\S*)(?:\s+|$)""", rest)
        if found is None:
            raise InputError("P", repr(rest), "name=value", 'Separate pairs by blanks: P="bits=64 ratio=0.1".')
        pairs[found[1]], rest = found[2], rest[found.end() :]
    return pairs


def resolve(declared: dict[str, Parameter], overrides: dict[str, Any], where: str) -> dict[str, Any]:
    """Return typed values for ``overrides``; an unknown name or an ill-typed value is an InputError.

    Strings (from the command line) are read as Python literals where they are one; ``int`` is accepted for ``float``.
    """
    return {name: _typed(declared, name, value, where) for name, value in overrides.items()}


def _typed(declared: dict[str, Parameter], name: str, value: Any, where: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    if name == "profile":
        raise InputError(
            f"{where}: parameter 'profile'", repr(value), "PROFILE=... beside P", "Say make PROFILE=smoke."
        )
    if name not in declared:
        raise InputError(
            f"{where}: parameter {name!r}", "no such parameter", " | ".join(declared), "Mind the spelling."
        )
    kind = eval(declared[name].annotation, {"__builtins__": {}}, _TYPES)
    for candidate in _readings(value):
        try:
            return TypeAdapter(kind).validate_python(candidate, strict=True)
        except ValidationError:
            continue
    cure = f"The default is {declared[name].default!r}."
    raise InputError(f"{where}: parameter {name!r}", repr(value), declared[name].annotation, cure)


def _readings(value: Any) -> list[Any]:
    """Return what ``value`` may mean, most literal first: ``"64"`` is 64, then the text ``"64"``."""
    if not isinstance(value, str):
        return [value]
    try:
        return [ast.literal_eval(value), value]
    except (ValueError, SyntaxError):
        return [value]
