"""Evidence spans, and splitters for words and sentences that need no download (ours).

Every pattern here takes time in proportion to the text, whatever the text: run-ons of 100,000 full stops, open
brackets or blanks included.
"""

import re
from collections.abc import Callable, Iterable
from itertools import islice, pairwise
from typing import NamedTuple

LIMIT = 20  # spans kept as evidence of one criterion on one response

WORD = re.compile(r"\w+(?:['’]\w+)*")  # "don't" is one word, "well-known" two
_END = re.compile(
    r"(?<![.?!…])[.?!…]++[\"'”’)\]*_]*+(?=\s|\Z)"  # ends, with quotes and brackets that close, before a blank
    r"|[。！？।॥]++[”’」』)]*+"  # Chinese, Japanese and Indic ends need no blank
    r"|؟++(?=\s|\Z)"
)
_BLANK_LINE = re.compile(r"\n[^\S\n]*+\n")
# Abbreviations whose full stop never ends a sentence; only does so before a capital letter; only before a number not.
_TITLES = "mr mrs ms dr prof st sr jr rev hon gen capt lt sgt gov sen mt v vs cf viz al approx dept univ e.g i.e"
_TAILS = "etc inc ltd co corp bros a.m p.m u.s u.k e.u u.n d.c ph.d b.a m.a b.sc m.sc ft est"
_COUNTED = "no nos vol vols fig figs eq pp ca jan feb mar apr jun jul aug sep sept oct nov dec"
_ABBREVIATED = {word: kind for kind, words in enumerate((_TITLES, _TAILS, _COUNTED)) for word in words.split()}


class Span(NamedTuple):
    """A place in a response: character offsets ``start`` ≤ ``end`` and what was found there."""

    start: int
    end: int
    label: str


def spans(matches: Iterable[re.Match], label: str, limit: int = LIMIT) -> tuple[Span, ...]:
    """Return the first ``limit`` matches as evidence."""
    return tuple(Span(*match.span(), label) for match in islice(matches, limit))


def places(text: str, wanted: Callable[[str], bool], label: str, limit: int = LIMIT) -> tuple[Span, ...]:
    """Return the first ``limit`` characters of a kind as evidence."""
    found = (k for k, character in enumerate(text) if wanted(character))
    return tuple(Span(k, k + 1, label) for k in islice(found, limit))


def whole(text: str, label: str) -> tuple[Span, ...]:
    """Return the whole text as evidence; nothing for an empty text."""
    return (Span(0, len(text), label),) if text else ()


def words(text: str) -> list[str]:
    """Return the words of a text as they are written."""
    return WORD.findall(text)


def sentences(text: str, blank_lines: bool = True) -> list[tuple[int, int]]:
    """Return the sentences as spans ``(start, end)`` without surrounding blanks, in order (ours).

    A sentence ends at ``. ? ! …`` before a blank, unless the full stop belongs to an abbreviation, an initial or the
    number of a list item, or no capital letter follows three dots. With ``blank_lines`` a blank line ends one, too.
    """
    cuts = [m.end() for m in _END.finditer(text) if not _goes_on(text, m)]
    if blank_lines:
        cuts = sorted({*cuts, *(m.start() for m in _BLANK_LINE.finditer(text))})
    pieces = (_stripped(text, start, end) for start, end in pairwise([0, *cuts, len(text)]))
    return [(start, end) for start, end in pieces if start < end]


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def _goes_on(text: str, match: re.Match) -> bool:
    """Return whether the sentence goes on after what looks like its end."""
    mark, start = match.group(), match.start()
    if mark[0] not in ".…" or "?" in mark or "!" in mark:
        return False
    if mark.startswith(("..", "…")):
        after = _next(text, match.end())
        return bool(after) and not after.isupper()
    before = "\n" + text[:start] if start < 24 else text[start - 24 : start]
    word = before.split()[-1].lstrip("\"'“‘([*_") if before.strip() else ""
    kind = _ABBREVIATED.get(word.lower())
    if kind is None:
        numbered = word.isdigit() and before.rpartition("\n")[2].strip() == word and "\n" in before
        return numbered or (len(word) == 1 and word.isupper() and word != "I")
    after = _next(text, match.end())
    return kind == 0 or (kind == 1 and not after.isupper()) or (kind == 2 and after.isdigit())


def _next(text: str, place: int) -> str:
    """Return the next character that is neither blank nor an opening mark, or nothing."""
    return text[place : place + 40].lstrip().lstrip("\"'“‘(")[:1]


def ngrams(items: list, n: int) -> list[tuple]:
    """Return the runs of ``n`` items, in order."""
    return list(zip(*(items[k:] for k in range(n)), strict=False))


def clean(text: str) -> str:
    """Return the text with lone surrogates and null characters replaced, of the same length: for tokenizers."""
    return re.sub("[\ud800-\udfff\x00]", "�", text)
