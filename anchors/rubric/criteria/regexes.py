"""Regular expressions given by a user, limited in time: none can hang scoring, one that explodes is refused (ours).

The package ``regex`` counts the processor time of a search and gives up; the standard library's ``re`` cannot.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from anchors.companion.errors import InputError
from anchors.rubric.criteria.registry import Checked, Number, Verdict, check, gathered
from anchors.rubric.criteria.spans import LIMIT, Span, whole

PROBE, LENGTHS = 0.25, (40, 200, 1000)  # seconds for one probe at validation, and lengths of the probes
SEARCH, GIVEN_UP = 0.1, 20  # seconds for one response at scoring; after so many time-outs the others are not searched
LONGEST = 2000  # characters of a pattern
_COMMON = "a0 -.,x\n"
Pattern = Annotated[str, Field(min_length=1, max_length=LONGEST)]


@check("regex")
def regex(
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    pattern: Pattern,
    flags: str = "i",
    count: Number = 1,
    relation: Literal["at least", "less than"] = "at least",
) -> Checked:
    """A regular expression is found at least, or less than, so many times; evidence: the places.

    ``flags``: any of i (case), m (lines), s (dot matches all), x (verbose), a (ASCII). Empty matches do not count. NaN
    where the search took more than 0.1 s, and for all responses after twenty such. A blank response meets nothing.
    """
    compiled, left = compiled_safely(pattern, flags), GIVEN_UP
    verdicts = []
    for text in responses:
        verdicts.append(_searched(compiled, text, count, relation) if left else _timed_out(text))
        left -= bool(np.isnan(verdicts[-1][0])) if left else 0
    return gathered(verdicts)


def _searched(compiled: Any, text: str, count: int, relation: str) -> Verdict:
    if not text.strip():
        return 0.0, whole(text, "blank")
    try:
        matches = (match for match in compiled.finditer(text, timeout=SEARCH) if match.end() > match.start())
        found = list(islice(matches, max(count, LIMIT)))
    except TimeoutError:
        return _timed_out(text)
    met = len(found) >= count if relation == "at least" else len(found) < count
    return float(met), tuple(Span(*match.span(), "match") for match in found[:LIMIT])


def _timed_out(text: str) -> Verdict:
    return np.nan, whole(text, "search timed out")


@lru_cache(256)
def compiled_safely(pattern: str, flags: str = "i") -> Any:
    """Return a compiled pattern of the package ``regex``.

    Raises
    ------
    InputError
        The pattern or its flags are ill-formed, or one of the probes (long runs of its own characters, up to 1,000)
        takes more than 0.25 s of processor time: it would explode on longer responses.
    """
    import regex as engine

    unknown = set(flags) - set("imsxa")
    if unknown:
        raise InputError("option 'flags' of check 'regex'", repr(flags), "any of i, m, s, x, a")
    chosen = engine.RegexFlag(0)
    for flag in flags:
        chosen |= getattr(engine, flag.upper())
    try:
        compiled = engine.compile(pattern, chosen)
        explodes = any(_explodes(compiled, probe) for probe in _probes(pattern))
    except (engine.error, ValueError, OverflowError, RecursionError, KeyError) as error:
        raise InputError(f"pattern {pattern[:80]!r}", str(error), "a regular expression") from error
    if explodes:
        cure = "Avoid repeats inside repeats and alternatives that match the same text."
        raise InputError(f"pattern {pattern[:80]!r}", "a search that explodes", "one that takes linear time", cure)
    return compiled


def _explodes(compiled: Any, probe: str) -> bool:
    try:
        for _ in compiled.finditer(probe, timeout=PROBE):
            pass
    except TimeoutError:
        return True
    return False


def _probes(pattern: str) -> list[str]:
    """Return runs of the pattern's own characters and of common ones, each with an end that no pattern expects."""
    own = list(dict.fromkeys(c for c in pattern if c.isalnum() or c.isspace()))[:24]
    units = [*dict.fromkeys([*_COMMON, *own]), "".join(own) or "ab", "word ", "a, "]
    return [(unit * length)[:length] + end for length in LENGTHS for unit in units for end in ("\x00", "!\n")]
