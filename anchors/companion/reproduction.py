"""What a rebuild reproduced: each row of each figure beside the committed one, and numbers within text.

The states of a row, from best to worst, are :data:`STATES`. A row agrees *within its interval* where each of the two
values lies in the other's interval and the fresh interval is at most twice as wide; a row without an interval where
the two differ by no more than its own ``slack``.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anchors.companion import committed, results
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import Notebook, notebooks
from anchors.companion.paths import cache_dir

IDENTICAL, PRINTED, WITHIN, OUTSIDE = "identical", "equal to the printed digits", "within its interval", "outside"
CHANGED, OTHER, TIMING, NOT_BUILT = "verdict changed", "other data", "timing", "not built here"
NEW = "not committed"
STATES = (IDENTICAL, PRINTED, WITHIN, OUTSIDE, CHANGED, OTHER, TIMING, NOT_BUILT, NEW)
COMPARED, BAD = STATES[:4], (OUTSIDE, CHANGED)
FIELDS = ("measured", "low", "high")
WIDER = 2.0  # how many times as wide as the committed interval a fresh one may be
ELSEWHERE = 0.05  # relative: how far a number in a text may move that belongs to no row
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?|\bnan\b|\bNaN\b")
HASH = re.compile(r"\b[0-9a-f]{16}\b")  # of data: features differ in their last bits between processors


def compare_row(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return the state of a fresh row (as in a results json) beside the committed one."""
    if old.get("clock") or new.get("clock"):
        return TIMING
    a, b = ([results.six_digits(math.nan if row[f] is None else float(row[f])) for f in FIELDS] for row in (old, new))
    if a == b:
        return IDENTICAL
    if any((x is None) != (y is None) for x, y in zip(a, b, strict=True)):
        return OUTSIDE
    if all(x is None or abs(x - y) <= 0.5 * last_digit(results.in_digits(x)) for x, y in zip(a, b, strict=True)):
        return PRINTED
    return WITHIN if _within(a, b, max(old.get("slack", 0), new.get("slack", 0))) else OUTSIDE


def _within(a: list[float | None], b: list[float | None], slack: float) -> bool:
    if a[0] is None or a[1] is None or a[2] is None:
        return a[0] is not None and abs(a[0] - b[0]) <= slack
    inside = a[1] <= b[0] <= a[2] and b[1] <= a[0] <= b[2]
    return inside and b[2] - b[1] <= WIDER * (a[2] - a[1])


def last_digit(text: str) -> float:
    """Return what one unit of the last digit of a printed number is worth: 0.001 for ``1.234``, 1e-9 for ``1.2e-08``.

    A number without a point counts its last digit too: 1 for ``1234``.
    """
    mantissa, _, exponent = text.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def compare_results(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any]:
    """Return state, counts and rows of one figure; ``old`` is committed, ``new`` fresh, either may be missing."""
    if new is None or old is None:
        return {"state": NOT_BUILT if new is None else NEW, "counts": {}, "rows": [], "note": ""}
    if new["profile"] != old["profile"]:
        note = f"profile {new['profile']}, where {old['profile']} is committed"
        return {"state": OTHER, "counts": {OTHER: len(new["rows"])}, "rows": [], "note": note}
    if new.get("reduced") or set(old.get("data", ())) != set(new.get("data", ())):
        return {"state": OTHER, "counts": {OTHER: len(new["rows"])}, "rows": [], "note": _reduced(new)}
    rows = list(_pairs(old["rows"], new["rows"]))
    counts = Counter(row["state"] for row in rows)
    kinds = old["verdict"]["kind"], new["verdict"]["kind"]
    worst = max((row["state"] for row in rows if row["state"] != TIMING), key=STATES.index, default=TIMING)
    same = kinds[0] == kinds[1] or worst == TIMING  # a verdict on times is a fact of the machine as well
    state, note = (worst, "") if same else (CHANGED, f"{kinds[0]} → {kinds[1]}")
    return {"state": state, "counts": _ordered(counts), "rows": rows, "note": note}


def _reduced(new: dict[str, Any]) -> str:
    return "; ".join(f"{words} ({name} is not here)" for name, words in new.get("reduced", {}).items()) or "other data"


def _pairs(old: list[dict], new: list[dict]) -> Iterable[dict[str, Any]]:
    """Yield quantity, state and numbers of each row; the k-th row of a quantity stands beside the k-th."""
    known, fresh = (_numbered(rows) for rows in (old, new))
    for key in dict.fromkeys([*known, *fresh]):
        pair = known.get(key), fresh.get(key)
        state = compare_row(*pair) if all(pair) else OUTSIDE
        numbers = [[row[f] for f in FIELDS] if row else None for row in pair]
        yield {"quantity": key[0], "state": state, "committed": numbers[0], "fresh": numbers[1]}


def _numbered(rows: list[dict]) -> dict[tuple[str, int], dict]:
    seen: Counter = Counter()
    found = {}
    for row in rows:
        found[row["quantity"], seen[row["quantity"]]] = row
        seen[row["quantity"]] += 1
    return found


def _ordered(counts: Counter) -> dict[str, int]:
    return {state: counts[state] for state in STATES if counts[state]}


def report(profile: str = "laptop") -> dict[str, Any]:
    """Return what has been reproduced here: one line, counts, and for each figure state, line, counts and rows."""
    figures = [{"id": notebook.id} | compare_figure(notebook, profile) for notebook in notebooks()]
    counts = _ordered(sum((Counter(one["counts"]) for one in figures), Counter()))
    built = sum(one["state"] != NOT_BUILT for one in figures)
    for one in figures:
        one["line"] = _line(one)
    return {"line": _summary(figures, counts, built), "counts": counts, "built": built, "figures": figures}


def compare_figure(notebook: Notebook, profile: str) -> dict[str, Any]:
    """Return :func:`compare_results` of what the last finished run of this code left here."""
    from anchors.companion.runner import Task, is_current

    task = Task(notebook, profile, {})
    path = Path(f"{task.stem}.json")
    fresh = results.load(path) if path.is_file() and is_current(task) else None
    found = compare_results(committed.result(notebook.id), fresh)
    if fresh is None and notebook.missing:
        found["note"] = f"needs {', '.join(notebook.missing)}"
    return found


def _line(one: dict[str, Any]) -> str:
    counts = ", ".join(f"{n} {state}" for state, n in one["counts"].items())
    note = f" ({one['note']})" if one["note"] else ""
    return f"{one['id']}: {one['state']}{note}" + (f"; {counts}" if len(one["counts"]) > 1 else "")


def _summary(figures: list[dict], counts: dict[str, int], built: int) -> str:
    """Return ``2,010 of 2,032 numbers identical, 22 within their interval, 0 outside; 41 of 53 figures built here``."""
    total = sum(counts.get(state, 0) for state in COMPARED)
    words = [f"{counts.get(IDENTICAL, 0):,} of {total:,} numbers identical"]
    words += [f"{counts[PRINTED]:,} equal to the printed digits"] if counts.get(PRINTED) else []
    words += [f"{counts.get(WITHIN, 0):,} within their interval, {counts.get(OUTSIDE, 0):,} outside"]
    changed = [one["id"] for one in figures if one["state"] == CHANGED]
    words += [f"verdict changed: {', '.join(changed)}"] if changed else []
    rest = [f"{counts[TIMING]:,} timings"] if counts.get(TIMING) else []
    rest += [f"{counts[OTHER]:,} on other data"] if counts.get(OTHER) else []
    aside = f" ({' and '.join(rest)} not compared)" if rest else ""
    return f"{', '.join(words)}{aside}; {built} of {len(figures)} figures built here"


def failed(found: dict[str, Any]) -> list[str]:
    """Return the ids of figures with a number outside, or with another verdict."""
    return [one["id"] for one in found["figures"] if one["state"] in BAD]


def path_of(profile: str) -> Path:
    """Return the path of the report of a profile."""
    return cache_dir() / "reproduction" / f"{results.variant(profile, {})}.json"


def write(profile: str = "laptop") -> dict[str, Any]:
    """Make the report, write it, and return it."""
    found, path = report(profile), path_of(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode())
    return found


def read(profile: str = "laptop") -> dict[str, Any]:
    """Return the last report, {} where there is none."""
    try:
        found = json.loads(path_of(profile).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and "figures" in found else {}


def differing(old: str, new: str, rows: list[dict[str, Any]]) -> str:
    """Return how two texts differ beyond what the rows of their figure allow; nothing when they do not.

    Words must be equal, blanks aside. A number may differ by one unit of its last printed digit; one that is a value
    of a row (or an end of its interval) may lie anywhere in that interval, one of a clock row anywhere; others may
    move by 5 % (:data:`ELSEWHERE`), which other processors need.
    """
    old, new = (HASH.sub("HASH", text) for text in (old, new))
    words = [" ".join(NUMBER.sub("#", text).split()) for text in (old, new)]
    if words[0] != words[1]:
        return f"words: {words[0]!r} became {words[1]!r}"
    for a, b in zip(NUMBER.findall(old), NUMBER.findall(new), strict=True):
        if a != b and not _close(a, b, rows):
            return f"number: {a} became {b}"
    return ""


def _close(a: str, b: str, rows: list[dict[str, Any]]) -> bool:
    x, y = (float(text.replace("−", "-").replace(",", "")) for text in (a, b))
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    unit = max(last_digit(a), last_digit(b))
    if abs(x - y) <= max(1.001 * unit, ELSEWHERE * min(abs(x), abs(y)) if x * y > 0 else 0):
        return True
    own = [row for row in rows if any(v is not None and abs(v - x) <= 0.51 * unit for v in map(row.get, FIELDS))]
    return any(row.get("clock") or _reaches(row, y, unit) for row in own)


def _reaches(row: dict[str, Any], y: float, unit: float) -> bool:
    """Return whether ``y`` may be a value of the row or an end of its interval in a rebuild."""
    low, value, high = (row[name] for name in ("low", "measured", "high"))
    if value is None or low is None or high is None:
        return value is not None and abs(value - y) <= row.get("slack", 0) + unit
    return low - (value - low) - unit <= y <= high + (high - value) + unit
