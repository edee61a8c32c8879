"""The explorer's bundle: arrays in, plain JSON out; see ``docs/explorer.md`` for every name.

Numbers are rounded to four significant digits; what is not known, and what JSON cannot say (NaN, infinity), is null.
M is the number of sentences.
"""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write, read_json
from anchors.companion.stats import wilson
from anchors.thought.explorer.schema import FORMAT, checked

DIGITS = 4

__all__ = ["FORMAT", "bundle", "trace", "validate"]


def number(value: Any) -> int | float | None:
    """Return a number with four significant digits, whole ones as int; None for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return None
    short = float(f"{float(value):.{DIGITS}g}")
    if math.isinf(short):  # the largest numbers there are, rounded upwards
        return float(value)
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def numbers(values: Iterable[Any]) -> list[int | float | None]:
    """Return :func:`number` of each value."""
    return [number(value) for value in values]


def importance(
    key: str, label: str, unit: str, origin: str, values: Any, low: Any = None, high: Any = None
) -> dict[str, Any]:
    """Return one importance of M sentences; ``low`` and ``high`` (M,) are the ends of 95 % intervals."""
    about = {"key": key, "label": label, "unit": unit, "origin": origin, "values": numbers(values)}
    return about if low is None else about | {"low": numbers(low), "high": numbers(high)}


def links(
    key: str, label: str, unit: str, origin: str, matrix: Any, low: Any = None, high: Any = None
) -> dict[str, Any]:
    """Return the links of a matrix (M, M) [source, target], of which the part above the diagonal is taken."""
    about = {"key": key, "label": label, "unit": unit, "origin": origin, "rows": upper(matrix)}
    return about if low is None else about | {"low": upper(low), "high": upper(high)}


def upper(matrix: Any) -> list[list[int | float | None]]:
    """Return for each sentence its row of a matrix (M, M), from the next sentence on."""
    return [numbers(row[i + 1 :]) for i, row in enumerate(np.asarray(matrix, float).tolist())]


def shares(right: Any, answered: Any) -> dict[str, Any]:
    """Return shares of right answers with Wilson's 95 % intervals, from counts (n,) of right and of all answers."""
    right, answered = np.asarray(right, float), np.asarray(answered, float)
    share = np.divide(right, answered, out=np.full(right.shape, np.nan), where=answered > 0)
    low, high = wilson(share, answered)
    return {"values": numbers(share), "low": numbers(low), "high": numbers(high), "n": [int(n) for n in answered]}


def trace(id: str, sentences: Sequence[str], categories: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return a trace of the bundle.

    ``more`` are its other fields, left out where empty, and ``depends``, lists of the earlier sentences each is made
    from. Two importances or links with the same key get their origin into it.
    """
    depends = more.pop("depends", None) or [[] for _ in sentences]
    rows = [
        {"text": text, "category": category, "depends": sorted(int(k) for k in sources)}
        for text, category, sources in zip(sentences, categories, depends, strict=True)
    ]
    for name in ("importances", "links"):
        more[name] = _distinct(more.get(name) or [])
    return {"id": id, "sentences": rows} | {name: value for name, value in more.items() if value not in ("", None, [])}


def bundle(traces: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the checked bundle of traces; a second trace with the same id gets a number."""
    found: dict[str, dict] = {}
    for one in traces:
        id, count = one["id"], 2
        while id in found:
            id, count = f"{one['id']} ({count})", count + 1
        found[id] = one | {"id": id}
    return validate({"format": FORMAT, "traces": list(found.values())})


def validate(content: Any) -> dict[str, Any]:
    """Return a bundle as it is when it is one; InputError, one line with trace and field, when it is not."""
    return checked(content)


def by_key(trace: dict[str, Any], field: str) -> dict[str, dict[str, Any]]:
    """Return the ``importances`` or ``links`` of a trace by their keys."""
    return {one["key"]: one for one in trace[field]}


def merged(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of several analyses of a trace as one; lists follow one another."""
    result: dict[str, Any] = {}
    for fields in parts:
        for name, value in fields.items():
            joins = name in ("importances", "links", "notes")
            result[name] = result.get(name, []) + value if joins else value
    return result


def load(path: str | Path) -> dict[str, Any]:
    """Return the bundle in a JSON file; InputError when it is none."""
    content = read_json(Path(path), dict)
    try:
        return validate(content)
    except InputError as error:
        raise InputError(f"{Path(path).name}, {error.what}", error.found, error.expected, error.cure) from error


def save(content: dict[str, Any], path: str | Path) -> Path:
    """Write a bundle as JSON, whole or not at all, and return the path."""
    text = json.dumps(validate(content), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return atomic_write(path, text.encode("utf-8"))


def _distinct(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return importances or links with keys of their own: a key seen before is followed by its origin."""
    seen: set[str] = set()
    result = []
    for one in found:
        key = one["key"] if one["key"] not in seen else f"{one['key']}_{one['origin']}"
        seen.add(key)
        result.append(one | {"key": key})
    return result
