"""The writer's gold as program checks of :mod:`anchors.rubric.criteria`, named ``writer_…`` (ours).

Importing this module registers them; each decides on words alone and never raises on hostile text.
"""

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from anchors.rubric.criteria.registry import Checked, Number, check
from anchors.rubric.criteria.spans import Span, spans
from anchors.rubric.writer import attributes as gold
from anchors.rubric.writer import lexicon as lex
from anchors.rubric.writer.prompts import CONSTRAINTS

Attribute = Literal[gold.ATTRIBUTES]
Constraint = Literal[CONSTRAINTS]
SHOWN_BY = {"list": "list", "no_commas": "commas", "question": "offer", "loud": "shout", "word": "keyword"}
_NARRATOR = rf"\bI (?:{'|'.join(gold.VERBS)})\b"
_PATTERNS = {
    **{name: rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)" for name, words in lex.MARKS.items()},
    "commas": ",", "first_person": _NARRATOR, "list": r"^[^\S\n]*-.*",
    "drift": rf"\b(?:{'|'.join(noun for nouns in lex.TOPICS.values() for noun in nouns)})\b",
}  # fmt: skip
_MARKED = {name: re.compile(pattern, re.MULTILINE) for name, pattern in _PATTERNS.items()}


def _evidence(names: Sequence[str], response: str) -> tuple[Span, ...]:
    return tuple(span for name in names for span in spans(_MARKED[name].finditer(response), name.replace("_", " ")))


@check("writer_shows")
def shows(prompts: Sequence[str], responses: Sequence[str], *, names: list[Attribute]) -> Checked:
    """One of the attributes ``names`` is there; evidence: the words that mark them (for drift: all nouns)."""
    columns = [gold.ATTRIBUTES.index(name) for name in names]
    met = gold.decide(prompts, responses)[:, columns].any(1)
    evidence = [_evidence(names, text) if hit else () for text, hit in zip(responses, met, strict=True)]
    return Checked(met.astype(float), evidence)


@check("writer_obeys")
def obeys(prompts: Sequence[str], responses: Sequence[str], *, constraint: Constraint) -> Checked:
    """The constraint is obeyed; not applicable to prompts that do not ask for it; evidence: what it is about."""
    values = gold.obeyed(prompts, responses)[:, CONSTRAINTS.index(constraint)]
    names = [SHOWN_BY[constraint]] if constraint in SHOWN_BY else []
    pairs = zip(responses, values, strict=True)
    return Checked(values, [() if np.isnan(value) else _evidence(names, text) for text, value in pairs])


@check("writer_grounded")
def grounded(prompts: Sequence[str], responses: Sequence[str], *, enough: Number = 2) -> Checked:
    """How many concrete adjectives there are, ``enough`` of them being 1; evidence: them."""
    values = np.minimum(gold.concrete(responses) / max(enough, 1), 1.0)
    return Checked(values, [_evidence(["sensory"], text) for text in responses])


@check("writer_developed")
def developed(prompts: Sequence[str], responses: Sequence[str], *, low: float = 0.0, high: float = 4.0) -> Checked:
    """How many different sentences tell something, from ``low`` (0) to ``high`` (1), either way round."""
    told = gold.sentence_shares(responses)[:, 2]
    return Checked(np.clip((told - low) / ((high - low) or 1.0), 0.0, 1.0), [()] * len(responses))


@check("writer_on_topic")
def on_topic(prompts: Sequence[str], responses: Sequence[str]) -> Checked:
    """Share of the nouns that are of the prompt's topic; evidence: all nouns."""
    return Checked(gold.on_topic(prompts, responses), [_evidence(["drift"], text) for text in responses])


@check("writer_readable")
def readable(prompts: Sequence[str], responses: Sequence[str]) -> Checked:
    """Share of the sentences that are sentences of the writer's English."""
    return Checked(gold.sentence_shares(responses)[:, 0], [()] * len(responses))


@check("writer_varied")
def varied(prompts: Sequence[str], responses: Sequence[str]) -> Checked:
    """Share of the sentences that are different ones."""
    return Checked(gold.sentence_shares(responses)[:, 1], [()] * len(responses))
