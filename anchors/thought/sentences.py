"""Sentences of a reasoning trace: exact slices of the original text, and the texts as the authors released them.

A boundary lies after a blank line begins, or after one of ``. ? !`` that a space or a newline follows. Nothing knows
abbreviations: ``1. `` and ``e.g. `` end sentences too; pieces under ten characters are then joined to the next one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

MIN_CHARS = 10
OPEN, CLOSE = "<think>", "</think>"
_END = re.compile(r".(?=\n\n|\r\n\r\n)|[.?!](?=[ \n])", re.DOTALL)


@dataclass(frozen=True)
class Sentence:
    """One sentence of a text: ``text == source[start:end]``, offsets in characters of the original text."""

    start: int
    end: int
    text: str


def split(text: str, min_chars: int = MIN_CHARS) -> list[Sentence]:
    """Return the sentences of ``text`` as slices in order, without surrounding blanks (sec. 2.1, derived).

    The boundaries are those of :func:`released`, but nothing is rewritten: newlines stay, a joined short piece keeps
    whatever stood between it and its neighbour, and only blanks lie outside the sentences.
    """
    pieces = _pieces(text)
    spans = [(pieces[group[0]][0], pieces[group[-1]][1]) for group in _groups(text, pieces, min_chars)]
    return [Sentence(start, end, text[start:end]) for start, end in spans]


def released(full_cot: str) -> list[str]:
    """Return the sentence texts of a whole trace exactly as the authors released them (official code, sec. 2.1).

    The text between the think tags is taken when they are there; what remains after the last boundary is a sentence,
    and a short piece is joined to its neighbour with one space, which loses newlines. Released traces: 20 of 20 alike.
    """
    text = full_cot.split(OPEN, 1)[-1].split(CLOSE, 1)[0].strip()
    pieces = _pieces(text)
    return [" ".join(text[a:b] for a, b in (pieces[k] for k in g)) for g in _groups(text, pieces, MIN_CHARS)]


def prefixes(text: str, sentences: list[Sentence]) -> list[str]:
    """Return for each sentence the text before it, ``len(sentences)`` slices of the original (sec. 2.4).

    A slice keeps repeats of the sentence that come earlier; searching and deleting the sentence's text does not.
    """
    return [text[: sentence.start] for sentence in sentences]


def shifted(sentences: Iterable[Sentence], by: int) -> list[Sentence]:
    """Return sentences with their offsets moved by so many characters: their places after a prompt of that length."""
    return [Sentence(s.start + by, s.end + by, s.text) for s in sentences]


def first_sentence(continuation: str) -> str:
    """Return the first sentence of a continuation, ``""`` when it is blank (sec. 2.4)."""
    found = split(continuation)
    return found[0].text if found else ""


def _pieces(text: str) -> list[tuple[int, int]]:
    """Return the spans between boundaries, stripped; blank ones are left out."""
    cuts = [0, *(match.end() for match in _END.finditer(text)), len(text)]
    spans = (_strip(text, start, end) for start, end in pairwise(cuts))
    return [(start, end) for start, end in spans if start < end]


def _strip(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def _groups(text: str, pieces: Iterable[tuple[int, int]], min_chars: int) -> list[list[int]]:
    """Return which pieces make one sentence; lengths are of the pieces joined with one space, as released.

    A short group grows forwards; a short last one goes back to its neighbour.
    """
    groups, lengths = [], []
    for k, (start, end) in enumerate(pieces):
        if groups and lengths[-1] < min_chars:
            groups[-1].append(k)
            lengths[-1] += 1 + end - start
        else:
            groups.append([k])
            lengths.append(end - start)
    if len(groups) > 1 and lengths[-1] < min_chars:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups
