"""Program checks of form that are not IFEval's: case, marks, lists, words asked for, beginnings and ends (ours).

A blank response meets none of them. Options: ``relation`` compares a number of places with ``count``.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Literal

from anchors.rubric.criteria import ifeval, ifeval_formats
from anchors.rubric.criteria.registry import Number, Text, Verdict, Words, each
from anchors.rubric.criteria.spans import LIMIT, Span, places, sentences, spans, whole, words

Relation = Literal["at least", "at most", "less than", "exactly"]
COMPARE = {
    "at least": int.__ge__, "at most": int.__le__, "less than": int.__lt__, "exactly": int.__eq__,
}  # fmt: skip
BULLET = re.compile(r"^[^\S\n]*[-*+•](?=[^\S\n]).*", re.MULTILINE)
NUMBERED = re.compile(r"^[^\S\n]*\d{1,3}[.)](?=[^\S\n]).*", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}(?=[^\S\n]).*", re.MULTILINE)
LINK = re.compile(r"https?://[^\s)\]>]+")
CODE = re.compile(r"^```[^\n]*$", re.MULTILINE)
DIGIT = re.compile(r"\d+")
_COMPLETE = re.compile(r"[.!?…。！？।][\"'”’)\]*_`]*\Z")
Judge = Callable[[str], tuple[float, tuple[Span, ...]]]


def form(name: str) -> Callable:
    """Register a maker ``m(*, **options) -> (text -> (met, evidence))`` whose check gives 0 to a blank response."""

    def register(maker: Callable[..., Judge]) -> Callable:
        @each(name)
        @wraps(maker)
        def made(**options: object) -> Callable[[str], Verdict]:
            judge = maker(**options)
            return lambda text: _verdict(judge, text)

        return maker

    return register


def _verdict(judge: Judge, text: str) -> Verdict:
    if not text.strip():
        return 0.0, whole(text, "blank")
    met, evidence = judge(text)
    return float(met), evidence


def counted(pattern: re.Pattern, label: str, relation: str, count: int) -> Judge:
    """Return what compares the number of matches with ``count``."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        found = list(pattern.finditer(text))
        return COMPARE[relation](len(found), count), spans(found, label)

    return judge


form("no_comma")(ifeval.no_comma)
form("quoted")(ifeval.quotation)
form("title")(ifeval_formats.title)
form("json")(ifeval_formats.json_format)


@form("bullets")
def bullets(*, count: Number = 1, relation: Relation = "at least") -> Judge:
    """So many bullet lines, begun by ``- * + •`` and a blank; evidence: them."""
    return counted(BULLET, "bullet", relation, count)


@form("numbered")
def numbered(*, count: Number = 1, relation: Relation = "at least") -> Judge:
    """So many numbered lines, such as ``1. …`` or ``1) …``; evidence: them."""
    return counted(NUMBERED, "number", relation, count)


@form("headings")
def headings(*, count: Number = 1, relation: Relation = "at least") -> Judge:
    """So many Markdown headings; evidence: them."""
    return counted(HEADING, "heading", relation, count)


@form("links")
def links(*, count: Number = 1, relation: Relation = "at least") -> Judge:
    """So many web addresses; evidence: them."""
    return counted(LINK, "link", relation, count)


@form("code_block")
def code_block(*, count: Number = 1, relation: Relation = "at least") -> Judge:
    """So many fenced blocks of code; evidence: the first fence of each."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        found = list(CODE.finditer(text))
        pairs = len(found) // 2
        return COMPARE[relation](pairs, count), spans(found[: 2 * pairs : 2], "code")

    return judge


@form("paragraphs")
def paragraphs(*, count: Number, relation: Relation = "exactly") -> Judge:
    """So many paragraphs, with blank lines between them; evidence: their first lines."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        found, blank, start = [], True, 0
        for line in text.split("\n"):
            if line.strip() and blank:
                found.append(Span(start, start + len(line), "paragraph"))
            blank, start = not line.strip(), start + len(line) + 1
        return COMPARE[relation](len(found), count), tuple(found[:LIMIT])

    return judge


@form("lowercase")
def lowercase() -> Judge:
    """No capital letter (any language, unlike IFEval's); evidence: the capitals."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        if text == text.lower():  # the quick way: nothing has a small form other than itself
            return 1.0, ()
        found = places(text, str.isupper, "capital")
        return not found, found

    return judge


@form("uppercase")
def uppercase() -> Judge:
    """No small letter, and at least one letter; evidence: the small letters."""
    return lambda text: (text.isupper(), places(text, str.islower, "small letter"))


@form("no_digits")
def no_digits() -> Judge:
    """No digit; evidence: the numbers."""
    return lambda text: (not DIGIT.search(text), spans(DIGIT.finditer(text), "number"))


@form("one_line")
def one_line() -> Judge:
    """Everything on one line; evidence: the line breaks inside."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        found = spans(re.finditer(r"\n", text.rstrip()), "line break")
        return not found, found

    return judge


@form("complete")
def complete() -> Judge:
    """The last sentence is finished: it ends with a mark; evidence: the last words."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        end = len(text.rstrip())
        tail = text[max(0, end - 12) : end]
        return bool(_COMPLETE.search(tail)), (Span(end - len(tail), end, "end"),)

    return judge


@form("contains")
def contains(*, words: Words, whole_words: bool = True, share: bool = False) -> Judge:
    """Every one of the words or phrases occurs, in any case; with ``share``, how large a part of them does."""
    patterns = [_literal(word, whole_words) for word in words]

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        found = [(m, w) for p, w in zip(patterns, words, strict=True) if (m := p.search(text))]
        part = len(found) / len(words)
        return part if share else part == 1, tuple(Span(*m.span(), w) for m, w in found[:LIMIT])

    return judge


@form("excludes")
def excludes(*, words: Words, whole_words: bool = True) -> Judge:
    """None of the words or phrases occurs, in any case; evidence: those that do."""
    patterns = [_literal(word, whole_words) for word in words]

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        found = [match for pattern in patterns if (match := pattern.search(text))]
        return not found, spans(found, "excluded")

    return judge


@form("starts_with")
def starts_with(*, phrase: Text) -> Judge:
    """The response begins with a phrase, in any case; evidence: the beginning."""
    wanted = phrase.strip().lower()

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        start = len(text) - len(text.lstrip())
        end = min(len(text), start + len(wanted))
        return text[start : start + 2 * len(wanted)].lower().startswith(wanted), (Span(start, end, "beginning"),)

    return judge


@form("ends_with")
def ends_with(*, phrase: Text) -> Judge:
    """The response ends with a phrase, in any case; evidence: the end."""
    wanted = phrase.strip().lower()

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        end = len(text.rstrip())
        tail = text[max(0, end - 2 * len(wanted)) : end].lower()
        return tail.endswith(wanted), (Span(max(0, end - len(wanted)), end, "end"),)

    return judge


@form("short_sentences")
def short_sentences(*, most: Number) -> Judge:
    """No sentence has more than so many words; evidence: the longer ones."""

    def judge(text: str) -> tuple[float, tuple[Span, ...]]:
        long = [(start, end) for start, end in sentences(text) if len(words(text[start:end])) > most]
        return not long, tuple(Span(*place, "long sentence") for place in long[:LIMIT])

    return judge


def _literal(word: str, whole_words: bool) -> re.Pattern:
    bare = re.escape(word)
    return re.compile(rf"(?<!\w){bare}(?!\w)" if whole_words else bare, re.IGNORECASE)
