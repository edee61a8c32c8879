"""Lexicon checks: how often a voice speaks in a response. 1 = it does; use ``avoid`` for voices that are not wanted.

``low`` and ``high`` map the number of places (``per: text``) or their rate (``per: 100 words``) to u as statistics do;
low 1, high 0 turns a check round, so that 1 says that the voice is absent. A blank response gets 0 either way.
What others say, in double quotation marks or on lines begun by ``>``, does not count for voices of the assistant.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from anchors.companion.used import remembered
from anchors.rubric.criteria import lexicons, word_lists
from anchors.rubric.criteria.registry import Checked, Real, Words, add, check, gathered
from anchors.rubric.criteria.spans import LIMIT, WORD, Span, sentences
from anchors.rubric.criteria.statistics import ramp

HEAD, TAIL = 400, 400  # characters that are an opening, an ending
Per = Literal["text", "100 words"]
_QUOTED = re.compile('"[^"\n]*"|“[^“”\n]*”|«[^«»\n]*»|^[^\\S\n]*>.*$', re.MULTILINE)
Finder = Callable[[str], list[Span]]


def unquoted(text: str) -> str:
    """Return the text with quoted speech blanked out, of the same length; quotes around the whole are not speech."""
    body, start = _unwrapped(text)
    blanked = _QUOTED.sub(lambda match: " " * len(match.group()), body)
    return " " * start + blanked + " " * (len(text) - start - len(body))


def _unwrapped(text: str) -> tuple[str, int]:
    """Return what is inside quotes around the whole text, and where it starts; else the text and 0."""
    bare, start = text.strip(), len(text) - len(text.lstrip())
    if len(bare) < 2 or bare[0] + bare[-1] not in ('""', "“”"):
        return text, 0
    inner = bare[1:-1]
    other = re.search('["“”]', inner)  # a closing one: the first quotation ends there, the text is dialogue
    speech = other and (other.group() == "”" or (other.group() == '"' and not _opens(inner, other.start())))
    return (text, 0) if speech else (inner, start + 1)


def _opens(text: str, place: int) -> bool:
    """Return whether the straight quote at a place opens a quotation: a blank before it, none after."""
    return (place == 0 or text[place - 1].isspace()) and bool(text[place + 1 : place + 2].strip())


def expression(pattern: re.Pattern, label: str, part: Literal["all", "opening", "ending"] = "all") -> Finder:
    """Return a finder of an expression outside quoted speech.

    An opening is the first 400 characters; an ending the last two sentences, at most 400 characters.
    """

    def find(text: str) -> list[Span]:
        shown = unquoted(text) if '"' in text or "“" in text or "«" in text or ">" in text else text
        start = max(0, len(text) - TAIL) if part == "ending" else 0
        end = HEAD if part == "opening" else len(text)
        found = [Span(m.start() + start, m.end() + start, label) for m in pattern.finditer(lower(shown[start:end]))]
        if found and part == "ending":
            first = ending(text)
            return [span for span in found if span.start >= first]
        return found

    return find


def ending(text: str) -> int:
    """Return where the ending starts: the last two sentences, at most 400 characters."""
    start = max(0, len(text) - TAIL)
    last = sentences(text[start:])[-2:]
    return start + last[0][0] if last else start


def listed(phrases: Iterable[str], label: str) -> Finder:
    """Return a finder of words and phrases, by whole words in any case, hyphens and apostrophes included."""
    table: dict[str, set[tuple[str, ...]]] = {}
    for phrase in phrases:
        parts = tuple(_tokens(phrase))
        if parts:
            table.setdefault(parts[0], set()).add(parts)
    sizes = {first: sorted({len(p) for p in found}, reverse=True) for first, found in table.items()}

    def find(text: str) -> list[Span]:
        low = lower(text)
        if table.keys().isdisjoint(WORD.findall(low)):
            return []
        matches, found, skip = list(WORD.finditer(low)), [], 0
        for k, match in enumerate(matches):
            word = match.group()
            if k < skip or word not in table:
                continue
            for size in sizes[word]:
                run = matches[k : k + size]
                if tuple(m.group() for m in run) in table[word]:
                    found.append(Span(match.start(), run[-1].end(), label))
                    skip = k + size
                    break
        return found

    return find


def lower(text: str) -> str:
    """Return the text in lower case with straight apostrophes, of the same length."""
    low = text.lower().replace("’", "'")
    if len(low) == len(text):
        return low
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text).replace("’", "'")


def _tokens(text: str) -> list[str]:
    return WORD.findall(lower(text))


def voice(name: str, finder: Finder, doc: str, per: str = "text", high: Real = 1.0) -> None:
    """Register a finder as a check with the options low, high and per."""

    def function(
        prompts: Sequence[str], responses: Sequence[str], *, low: Real = 0.0, high: Real = high, per: str = per
    ) -> Checked:
        return _judged([finder(text) for text in responses], responses, low, high, per)

    add(name, "lexicon", function, {"low": (Real, 0.0), "high": (Real, high), "per": (Per, per)}, doc)


def _judged(found: list[list[Span]], responses: Sequence[str], low: Real, high: Real, per: str) -> Checked:
    verdicts = []
    for places, text in zip(found, responses, strict=True):
        amount = len(places)
        if per == "100 words" and amount:
            amount = 100 * amount / max(1, len(WORD.findall(text)))
        u = float(ramp(amount, low, high)) if text.strip() else 0.0
        verdicts.append((u, tuple(places[:LIMIT])))
    return gathered(verdicts)


_praise = expression(lexicons.PRAISE, "prefatory praise", "opening")


@check("prefatory_praise", kind="lexicon")
def prefatory_praise(
    prompts: Sequence[str], responses: Sequence[str], *, low: Real = 0.0, high: Real = 1.0, exempt: bool = True
) -> Checked:
    """The response opens with praise or thanks for the question or the user (paper, section 1.6).

    With ``exempt``, not where the prompt asks for praise or thanks; the evidence says so.
    """
    found = [_praise(text) for text in responses]
    free = [exempt and bool(lexicons.PRAISE_ASKED.search(lower(prompt))) for prompt in prompts]
    counted = [[] if out else places for places, out in zip(found, free, strict=True)]
    judged = _judged(counted, responses, low, high, "text")
    exempted = [
        tuple(Span(start, end, "exempt: the prompt asks for it") for start, end, _ in places) if out else evidence
        for places, out, evidence in zip(found, free, judged.evidence, strict=True)
    ]
    return Checked(judged.values, exempted)


_FINDERS = {
    "self_praise": (lexicons.SELF_PRAISE, "all", "The response praises itself (paper, section 1.6)."),
    "ai_disclaimer": (lexicons.AI_DISCLAIMER, "all", "The response says that it comes from an AI, or what AIs lack."),
    "closing_offer": (
        lexicons.CLOSING_OFFER,
        "ending",
        "The last two sentences offer more help or hope to have helped.",
    ),
    "moralising": (lexicons.MORALISING, "all", "The response draws a moral, warns or reminds."),
    "assistant_opening": (lexicons.ASSISTANT_OPENING, "all", "Openings and summaries of assistants: Certainly! …"),
}
for _name, (_pattern, _part, _doc) in _FINDERS.items():
    voice(_name, expression(_pattern, _name.replace("_", " "), _part), _doc)


_ASSISTANT = [expression(_FINDERS[name][0], name.replace("_", " "), _FINDERS[name][1])
              for name in ("ai_disclaimer", "closing_offer", "assistant_opening")]  # fmt: skip


def _assistant(text: str) -> list[Span]:
    return sorted(span for find in _ASSISTANT for span in find(text))


voice("assistant_voice", _assistant, "AI disclaimer, closing offer, or an assistant's opening or summary.")

_LISTS = {
    "first_person": (word_lists.FIRST_PERSON, 5.0, "Words such as I, my, we, per 100 words."),
    "second_person": (word_lists.SECOND_PERSON, 5.0, "Words such as you, your, per 100 words."),
    "sensory": (word_lists.SENSORY, 5.0, "Words of seeing, hearing, smelling, tasting, touching, per 100 words."),
    "concrete": (word_lists.CONCRETE, 5.0, "Words for bodies, objects, places, animals, kin, per 100 words."),
    "named_emotion": (word_lists.EMOTION, 3.0, "Words that name a feeling, per 100 words."),
    "intensifiers": (word_lists.INTENSIFIERS, 3.0, "Words that exaggerate, per 100 words."),
    "hedges": (word_lists.HEDGES, 3.0, "Words that hedge, per 100 words."),
}
for _name, (_words, _high, _doc) in _LISTS.items():
    voice(_name, listed(word_lists.word_set(_words), _name.replace("_", " ")), _doc, "100 words", _high)


@remembered()
def _slop(lists: str) -> Finder:
    if lists == "own":
        return listed(word_lists.SLOP.split(";"), "slop")
    from anchors.companion.datasets import fetch

    found = [json.loads(path.read_text(encoding="utf-8")) for name, path in fetch("rubric_antislop").items()
             if name.endswith(".json")]  # fmt: skip
    return listed((str(row[0]) for rows in found for row in rows), "slop")


@check("slop", kind="lexicon")
def slop(
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    lists: Literal["own", "antislop"] = "own",
    low: Real = 0.0,
    high: Real = 3.0,
    per: Per = "100 words",
) -> Checked:
    """Overused words and phrases of language models, per 100 words: our own short list, or the antislop data set.

    The data set's three regular expressions are left out: they hit ordinary English such as "teach a".
    """
    finder = _slop(lists)
    return _judged([finder(text) for text in responses], responses, low, high, per)


@check("phrases", kind="lexicon")
def phrases(
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    phrases: Words,
    where: Literal["anywhere", "opening", "ending"] = "anywhere",
    low: Real = 0.0,
    high: Real = 1.0,
    per: Per = "text",
) -> Checked:
    """One's own words or phrases, by whole words in any case, anywhere, in the first or in the last two sentences."""
    finder = listed(phrases, "phrase")
    found = [_within(finder(text), text, where) for text in responses]
    return _judged(found, responses, low, high, per)


def _within(places: list[Span], text: str, where: str) -> list[Span]:
    if where == "anywhere" or not places:
        return places
    if where == "ending":
        start = ending(text)
        return [span for span in places if span.start >= start]
    first = sentences(text[:HEAD])[:2]
    end = first[-1][1] if first else 0
    return [span for span in places if span.start < end]
