"""Which values a notebook's parameter may take: what is impossible is refused before anything runs.

Unless the comment of a parameter ends with ``in [low, high]``, its name and its default say enough: a seed is 0 or
more; a whole number is a count, 1 or more, or 0 or more where the default is 0; a share lies in [0, 1]; no other number
changes its sign; none is beyond a million. The numbers in a list or a dictionary obey the same rule, one by one; a list
has entries, and none twice, where the default has.
"""

import re
from collections.abc import Iterator
from typing import Any

SHARES = ("hidden", "ratio", "ratios", "share", "shares")
LARGEST = {"seed": 10**9}  # by name
MANY = 10**6  # the largest number: far above what the paper profile asks for
LONGEST = 4_096  # characters of a text: no path is longer
DECLARED = re.compile(r"\bin \[(-?[\d.e+-]+), (-?[\d.e+-]+)\]$")


def interval(name: str, default: Any, help: str) -> tuple[float, float]:
    """Return the lowest and the highest number that the parameter ``name`` may be or hold."""
    if declared := DECLARED.search(help):
        return float(declared[1]), float(declared[2])
    numbers = [one for one in _leaves(default) if isinstance(one, int | float) and not isinstance(one, bool)]
    if name == "seed":
        return 0, LARGEST["seed"]
    if name in SHARES:
        return 0, 1
    if all(isinstance(one, int) for one in numbers):
        return (1 if all(one > 0 for one in numbers) else 0 if all(one >= 0 for one in numbers) else -MANY), MANY
    return (0 if all(one >= 0 for one in numbers) else -MANY), MANY


def impossible(value: Any, default: Any, low: float, high: float) -> str:
    """Return what a value would have to be instead, nothing where it is possible."""
    for one in _leaves(value):
        if isinstance(one, str) and len(one) > LONGEST:
            return f"texts of at most {LONGEST:,} characters"
        if isinstance(one, str) and not one.isprintable():
            return "printable text on one line"
        if isinstance(one, int | float) and not isinstance(one, bool) and not low <= one <= high:  # NaN neither
            kind = "numbers" if isinstance(value, list | dict) else "a number"
            return f"{kind} from {low:,.10g} to {high:,.10g}"
    if isinstance(value, list) and isinstance(default, list):
        if default and not value:
            return "at least one entry"
        if any(one in value[:place] for place, one in enumerate(value)) and len(default) > 0:
            return "no entry twice"
    return ""


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the texts and numbers in a value, also those deep in lists and dictionaries."""
    if isinstance(value, dict):
        for pair in value.items():
            yield from _leaves(pair)
    elif isinstance(value, list | tuple):
        yield from (leaf for one in value for leaf in _leaves(one))
    else:
        yield value
