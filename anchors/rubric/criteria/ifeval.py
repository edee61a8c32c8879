"""The 25 verifiable instructions of IFEval (Zhou et al., arXiv 2311.07911), options named as in its own file.

A check is named ``ifeval:<instruction id>``. All follow the published checkers, quirks included: a blank response
follows nothing, "don't" counts as two words, a divider at either end makes no paragraph, paragraphs are numbered with
the blank ones. ``loose`` accepts a response when it passes without its first line, its last line, both, or with its
asterisks removed.

Deliberate differences (ours), each of them tested:

* Keywords, section marks and postscript marks are literal text, never regular expressions: ``c++`` is a keyword.
* A forbidden word is one that no letter, digit or underscore touches; the same as ``\\b`` for words made of letters.
* ``letter`` may be any one character (the file asks for ``#`` and ``!``, for which the published code draws a letter).
* Options that are missing are an error (the published code draws them at random).
* A bullet is a line; ``*`` at the end of a line is one, and does not swallow the next line.
* JSON nested too deep to be read is not JSON (the published code ends with an error).
* Sentences are split without the trained model of nltk: numbers of list items end none, three dots or "p.m." before a
  capital letter end one, "?!" ends one and not two.
* The language is told by script, common words and letters, see :mod:`anchors.rubric.criteria.language`: upper case is
  read as well as lower case, and when it cannot be told, any language that has the script counts as followed.

All of them take time in proportion to the text; several of the published expressions do not.
"""

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from anchors.companion.errors import InputError
from anchors.rubric.criteria import language as languages
from anchors.rubric.criteria.registry import Checked, Number, Text, Verdict, Words, add, fields_of, gathered
from anchors.rubric.criteria.spans import LIMIT, Span, places, spans, whole

PREFIX = "ifeval:"
Relation = Literal["less than", "at least"]
Found = tuple[bool, tuple[Span, ...]]  # whether the instruction is followed, and evidence

_BREAKS = re.compile(
    r"[\s\[\](){}<>\"“”‘’`«»„?!;@#$%&*‒–—―]+|--|\.{2,}|''|[:,](?!\d)"  # between tokens of a treebank
    r"|(?<=\w)(?:'(?=(?:[sSmMdD]|ll|LL|re|RE|ve|VE)(?![\w']))|(?=(?:n't|N'T)(?![\w'])))"  # I|'m, DO|N'T
)


def instruction(name: str) -> Callable:
    """Register a maker ``m(*, **kwargs) -> (text -> Found)`` as ``ifeval:<name>`` with the option ``loose``."""

    def register(maker: Callable[..., Callable[[str], Found]]) -> Callable:
        def function(prompts: Sequence[str], responses: Sequence[str], **options: Any) -> Checked:
            judge = maker(**{key: value for key, value in options.items() if key != "loose"})
            return gathered(_verdict(judge, text, options.get("loose", False)) for text in responses)

        fields = fields_of(maker) | {"loose": (bool, False)}
        add(PREFIX + name, "program", function, fields, maker.__doc__ or name)
        return maker

    return register


def _verdict(judge: Callable[[str], Found], text: str, loose: bool) -> Verdict:
    if not text.strip():
        return 0.0, whole(text, "blank")
    met, evidence = judge(text)
    if not met and loose:
        met = any(judge(variant)[0] for variant in variants(text) if variant.strip())
    return float(met), evidence


def variants(text: str) -> list[str]:
    """Return what loose checking also accepts: first line, last line or both gone, asterisks gone, and pairs of these.

    Zhou et al., section 3.2; the published code.
    """
    lines = text.split("\n")
    cut = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    return [*cut, *(part.replace("*", "") for part in (text, *cut))]


def compare(count: int, relation: str, number: int) -> bool:
    return count < number if relation == "less than" else count >= number


def _literal(word: str) -> re.Pattern:
    return re.compile(re.escape(word), re.IGNORECASE)


@instruction("punctuation:no_comma")
def no_comma() -> Callable[[str], Found]:
    """No comma anywhere; evidence: the commas."""
    comma = re.compile(",")
    return lambda text: (False, spans(comma.finditer(text), "comma")) if "," in text else (True, ())


@instruction("keywords:existence")
def existence(*, keywords: Words) -> Callable[[str], Found]:
    """Every keyword occurs, as part of a word too, in any case; evidence: the first place of each."""
    patterns = [_literal(word) for word in keywords]

    def judge(text: str) -> Found:
        matches = [pattern.search(text) for pattern in patterns]
        found = tuple(Span(*m.span(), w) for m, w in zip(matches, keywords, strict=True) if m)
        return len(found) == len(keywords), found[:LIMIT]

    return judge


@instruction("keywords:frequency")
def frequency(*, keyword: Text, frequency: Number, relation: Relation) -> Callable[[str], Found]:
    """A keyword occurs at least, or less than, so many times, as part of a word too; evidence: its places."""
    return counted(_literal(keyword.strip()), keyword, relation, frequency)


def counted(pattern: re.Pattern, label: str, relation: str, number: int) -> Callable[[str], Found]:
    def judge(text: str) -> Found:
        found = list(pattern.finditer(text))
        return compare(len(found), relation, number), spans(found, label)

    return judge


@instruction("keywords:forbidden_words")
def forbidden_words(*, forbidden_words: Words) -> Callable[[str], Found]:
    """None of the words occurs as a whole word, in any case; evidence: those that do."""
    patterns = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in forbidden_words]

    def judge(text: str) -> Found:
        found = [match for pattern in patterns if (match := pattern.search(text))]
        return not found, spans(found, "forbidden")

    return judge


@instruction("keywords:letter_frequency")
def letter_frequency(
    *, letter: Annotated[str, Field(min_length=1, max_length=1)], let_frequency: Number, let_relation: Relation
) -> Callable[[str], Found]:
    """A letter occurs at least, or less than, so many times, in any case; evidence: its first places."""
    low = letter.lower()

    def judge(text: str) -> Found:
        found = places(text, lambda c: c.lower() == low, letter)
        return compare(text.lower().count(low), let_relation, let_frequency), found

    return judge


@instruction("language:response_language")
def response_language(*, language: str) -> Callable[[str], Found]:
    """The response is in a language (ISO 639-1); evidence: the whole, labelled with what it looks like."""
    if language not in languages.KNOWN:
        expected = " ".join(sorted(languages.KNOWN))
        raise InputError(f"option 'language' of check '{PREFIX}language:response_language'", repr(language), expected)

    def judge(text: str) -> Found:
        return languages.written_in(text, language), whole(text, languages.detect(text) or "unclear")

    return judge


@instruction("combination:two_responses")
def two_responses() -> Callable[[str], Found]:
    """Two different answers with ``******`` between them; evidence: the dividers."""
    divider = re.compile(re.escape("******"))

    def judge(text: str) -> Found:
        parts = [part.strip() for part in text.split("******")]
        answers = [part for part in parts if part]
        met = all(parts[1:-1]) and len(answers) == 2 and answers[0] != answers[1]
        return met, spans(divider.finditer(text), "divider")

    return judge


@instruction("combination:repeat_prompt")
def repeat_prompt(*, prompt_to_repeat: Text) -> Callable[[str], Found]:
    """The response begins with the request, in any case; evidence: as much of it as is repeated."""
    wanted = prompt_to_repeat.strip().lower()

    def judge(text: str) -> Found:
        start = len(text) - len(text.lstrip())
        met = text.strip().lower().startswith(wanted)
        return met, (Span(start, min(len(text), start + len(wanted)), "request"),) if met else ()

    return judge


@instruction("startend:end_checker")
def end_checker(*, end_phrase: Text) -> Callable[[str], Found]:
    """The response ends with a phrase, in any case, before a quotation mark or not; evidence: the end."""
    wanted = end_phrase.strip().lower()

    def judge(text: str) -> Found:
        met = text.strip().strip('"').lower().endswith(wanted)
        end = len(text.rstrip())
        return met, (Span(max(0, end - len(wanted)), end, "end"),)

    return judge


@instruction("startend:quotation")
def quotation() -> Callable[[str], Found]:
    """The whole is inside double quotation marks; evidence: its first and last character."""

    def judge(text: str) -> Found:
        bare = text.strip()
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        met = len(bare) > 1 and bare[0] == bare[-1] == '"'
        return met, (Span(start, start + 1, "first"), Span(end - 1, end, "last"))

    return judge


@instruction("change_case:english_capital")
def english_capital() -> Callable[[str], Found]:
    """English in capital letters only; evidence: what is not a capital letter, or the language."""
    return _cased(str.isupper, str.islower, "not a capital")


@instruction("change_case:english_lowercase")
def english_lowercase() -> Callable[[str], Found]:
    """English without a capital letter; evidence: the capital letters, or the language."""
    return _cased(str.islower, str.isupper, "capital")


def _cased(right: Callable[[str], bool], wrong: Callable[[str], bool], label: str) -> Callable[[str], Found]:
    def judge(text: str) -> Found:
        if not right(text):
            return False, places(text, wrong, label)
        return languages.written_in(text, "en"), whole(text, languages.detect(text) or "unclear")

    return judge


@instruction("change_case:capital_word_frequency")
def capital_word_frequency(*, capital_frequency: Number, capital_relation: Relation) -> Callable[[str], Found]:
    """At least, or less than, so many words in capital letters, by treebank tokens; evidence: the first of them."""

    def judge(text: str) -> Found:
        found, start = [], 0
        for gap in [*_BREAKS.finditer(text), None]:
            end = gap.start() if gap else len(text)
            if end > start and text[start:end].isupper():
                found.append(Span(start, end, "capitals"))
            start = gap.end() if gap else end
        return compare(len(found), capital_relation, capital_frequency), tuple(found[:LIMIT])

    return judge
