"""IFEval's instructions on length and format; rules and differences: :mod:`anchors.rubric.criteria.ifeval`."""

import json
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from anchors.rubric.criteria.ifeval import Found, Relation, compare, counted, instruction
from anchors.rubric.criteria.registry import Number, Text
from anchors.rubric.criteria.spans import LIMIT, Span, sentences, spans, whole

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
_FENCES = ("```json", "```Json", "```JSON", "```")
_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_LIGHT, _BOLD = re.compile(r"\*[^\n*]*\*"), re.compile(r"\*\*[^\n*]*\*\*")
_BULLET = re.compile(r"^[^\S\n]*(?:-|\*(?!\*)).*$", re.MULTILINE)
_WORDS = re.compile(r"\w+")


@instruction("length_constraints:number_sentences")
def number_sentences(*, num_sentences: Number, relation: Relation) -> Callable[[str], Found]:
    """At least, or less than, so many sentences; a line break ends none; evidence: the first sentences."""

    def judge(text: str) -> Found:
        found = sentences(text, blank_lines=False)
        return compare(len(found), relation, num_sentences), tuple(Span(*s, "sentence") for s in found[:LIMIT])

    return judge


@instruction("length_constraints:number_words")
def number_words(*, num_words: Number, relation: Relation) -> Callable[[str], Found]:
    """At least, or less than, so many words; evidence: the whole, labelled with the number."""

    def judge(text: str) -> Found:
        count = len(_WORDS.findall(text))
        return compare(count, relation, num_words), whole(text, f"{count} words")

    return judge


@instruction("length_constraints:number_paragraphs")
def number_paragraphs(*, num_paragraphs: Number) -> Callable[[str], Found]:
    """Exactly so many paragraphs between ``***``, none inside blank; evidence: the dividers."""

    def judge(text: str) -> Found:
        parts = [bool(part.strip()) for part in _DIVIDER.split(text)]
        count = len(parts) - (not parts[0]) - (not parts[-1] and len(parts) > 1)
        return all(parts[1:-1]) and count == num_paragraphs, spans(_DIVIDER.finditer(text), "divider")

    return judge


@instruction("length_constraints:nth_paragraph_first_word")
def nth_paragraph_first_word(
    *, num_paragraphs: Number, nth_paragraph: Annotated[int, Field(ge=1)], first_word: Text
) -> Callable[[str], Found]:
    """Exactly so many paragraphs between blank lines, the nth of them begins with a word; evidence: that paragraph."""

    def judge(text: str) -> Found:
        parts = text.split("\n\n")
        count = sum(bool(part.strip()) for part in parts)
        if nth_paragraph > count or not parts[nth_paragraph - 1].strip():
            return False, whole(text, f"{count} paragraphs")
        start = sum(len(part) + 2 for part in parts[: nth_paragraph - 1])
        paragraph = parts[nth_paragraph - 1]
        word = re.split("[.,?!'\"]", paragraph.split()[0].lstrip("'").lstrip('"').lower())[0]
        evidence = (Span(start, start + len(paragraph), f"{count} paragraphs, this begins with {word!r}"),)
        return count == num_paragraphs and word == first_word.lower(), evidence

    return judge


@instruction("detectable_content:number_placeholders")
def number_placeholders(*, num_placeholders: Number) -> Callable[[str], Found]:
    """At least so many placeholders such as ``[name]``; evidence: them."""

    def judge(text: str) -> Found:
        found = placeholders(text)
        return len(found) >= num_placeholders, found[:LIMIT]

    return judge


def placeholders(text: str) -> tuple[Span, ...]:
    """Return the places between square brackets, each within a line."""
    found, start = [], text.find("[")
    while start >= 0:
        end, line = text.find("]", start), text.find("\n", start)
        if end < 0:
            break
        if line < 0 or end < line:
            found.append(Span(start, end + 1, "placeholder"))
            line = end
        start = text.find("[", line + 1)
    return tuple(found)


@instruction("detectable_content:postscript")
def postscript(*, postscript_marker: Text) -> Callable[[str], Found]:
    """A postscript with its mark, P.S. or P.P.S; evidence: the marks."""
    marker = postscript_marker.strip()
    pattern = re.compile(_POSTSCRIPTS.get(marker) or re.escape(marker), re.IGNORECASE)

    def judge(text: str) -> Found:
        found = spans(pattern.finditer(text), "postscript")
        return bool(found), found

    return judge


@instruction("detectable_format:number_bullet_lists")
def number_bullet_lists(*, num_bullets: Number) -> Callable[[str], Found]:
    """Exactly so many bullets, lines that begin with ``*`` or ``-``; evidence: them."""

    def judge(text: str) -> Found:
        found = list(_BULLET.finditer(text))
        return len(found) == num_bullets, spans(found, "bullet")

    return judge


@instruction("detectable_format:constrained_response")
def constrained_response() -> Callable[[str], Found]:
    """One of "My answer is yes.", "… no.", "… maybe."; evidence: it."""
    pattern = re.compile("|".join(map(re.escape, OPTIONS)))

    def judge(text: str) -> Found:
        found = spans(pattern.finditer(text), "option")
        return bool(found), found

    return judge


@instruction("detectable_format:number_highlighted_sections")
def number_highlighted_sections(*, num_highlights: Number) -> Callable[[str], Found]:
    """At least so many ``*highlighted*`` or ``**highlighted**`` sections; evidence: them."""

    def judge(text: str) -> Found:
        found = [m for p in (_LIGHT, _BOLD) for m in p.finditer(text) if m.group().strip("*").strip()]
        return len(found) >= num_highlights, spans(sorted(found, key=lambda m: m.start()), "highlight")

    return judge


@instruction("detectable_format:multiple_sections")
def multiple_sections(*, section_spliter: Text, num_sections: Number) -> Callable[[str], Found]:
    """At least so many sections, each begun by a mark and a number; evidence: the marks."""
    return counted(re.compile(re.escape(section_spliter.strip()) + r"\s?\d+"), "section", "at least", num_sections)


@instruction("detectable_format:title")
def title() -> Callable[[str], Found]:
    """A title such as ``<<poem of joy>>``; evidence: it."""

    def judge(text: str) -> Found:
        found = titles(text)
        return bool(found), found[:LIMIT]

    return judge


def titles(text: str) -> tuple[Span, ...]:
    """Return the places between double angular brackets that hold something, at most one a line."""
    found, start = [], 0
    for line in text.split("\n"):
        left, right = line.find("<<"), line.rfind(">>")
        if left >= 0 and left + 2 < right and line[left : right + 2].lstrip("<").rstrip(">").strip():
            found.append(Span(start + left, start + right + 2, "title"))
        start += len(line) + 1
    return tuple(found)


@instruction("detectable_format:json_format")
def json_format() -> Callable[[str], Found]:
    """The whole is JSON, with or without a fence of backticks; evidence: the whole, labelled with what is wrong."""

    def judge(text: str) -> Found:
        bare = text.strip()
        for fence in _FENCES:
            bare = bare.removeprefix(fence)
        try:
            json.loads(bare.removesuffix("```").strip())
        except (ValueError, RecursionError) as error:
            return False, whole(text, f"no JSON: {str(error)[:60]}")
        return True, whole(text, "JSON")

    return judge
