"""Families of criteria that a program checks, each a template with a ladder of arguments; they need no data (ours).

After what others publish where it says so: words to include as in IFScale (up to 500 at once) and Collie (positions,
counts, lines), formats as in IFEval. No text of theirs is used. Which words are asked for is drawn from
:data:`anchors.rubric.family_words.WORDS` by a generator whose numbers Python promises not to change.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anchors.companion.codehash import digest
from anchors.rubric import family_patterns as patterns
from anchors.rubric.family_words import ENDINGS, OPENINGS, WORDS
from anchors.rubric.rubric import Criterion

LICENCE = "MIT"  # this repository's
INCLUDE = {1: 240, 2: 80, 3: 80, 4: 80, 5: 80, 6: 60, 8: 60, 10: 60, 12: 40, 15: 40, 20: 40, 25: 40, 30: 40, 40: 30,
           50: 30, 75: 30, 100: 30, 150: 20, 200: 20, 250: 20, 300: 20, 400: 20, 500: 20}  # fmt: skip
EXCLUDE = {1: 160, 2: 80, 3: 80, 5: 60, 8: 40, 12: 40, 20: 20}  # words and how many such criteria
GRADED = 10  # from so many words on, the share that is included counts


@dataclass(frozen=True)
class Made:
    """What a family makes: description, check, kind, options; graded ones are not snapped to a tier."""

    description: str
    check: str
    options: dict[str, Any] = field(default_factory=dict)
    kind: str = "program"
    avoid: bool = False
    graded: bool = False


_FAMILIES: dict[str, tuple[Callable[[], Iterator[Made]], str]] = {}


def family(name: str, after: str = "ours") -> Callable:
    """Register a function that yields what a family holds; ``after`` names what it follows."""

    def register(function: Callable[[], Iterator[Made]]) -> Callable[[], Iterator[Made]]:
        _FAMILIES[name] = function, after
        return function

    return register


def names() -> dict[str, str]:
    """Return the families and what each follows."""
    import anchors.rubric.family_styles  # noqa: F401, registers its families

    return {name: after for name, (_, after) in _FAMILIES.items()}


def criteria(name: str) -> list[Criterion]:
    """Return the criteria of a family in order; ids are ``<family>_<8 hex digits of the content>``."""
    names()
    function, after = _FAMILIES[name]
    source = f"program family {name} ({after})"
    return [
        Criterion(
            id=f"{name}_{digest(made.check, made.options, made.avoid)[:8]}",
            description=made.description, kind=made.kind, check=made.check, options=made.options, avoid=made.avoid,
            snap=not made.graded, source=source, licence=LICENCE,
        )
        for made in function()
    ]  # fmt: skip


def pick(key: str, count: int) -> list[str]:
    """Return ``count`` distinct words in alphabetical order, always the same ones for a key."""
    return sorted(_shuffled(key)[:count])


def _shuffled(key: str) -> list[str]:
    rng = random.Random(key)  # random() is promised to stay as it is for a seed, sample() is not
    return sorted(WORDS, key=lambda word: (rng.random(), word))


def several(count: int, thing: str) -> str:
    """Return a number and a thing: ``1 word``, ``3 words``, ``2 dashes``, ``2 runs of three dots``."""
    head, of, tail = thing.partition(" of ") if " of " in thing else thing.partition(" in ")
    ending = "es" if head.endswith(("x", "sh", "ch", "s")) else "s"
    return f"{count} {head}{'' if count == 1 else ending}{of}{tail}"


@family("include_words", "after IFScale and Collie")
def include_words() -> Iterator[Made]:
    for count, draws in INCLUDE.items():
        for draw in range(draws):
            words = _shuffled("include/1")[draw : draw + 1] if count == 1 else pick(f"include/{count}/{draw}", count)
            listed, graded = ", ".join(words), count >= GRADED
            text = f"Includes as many as it can of these {count} words: {listed}." if graded else (
                f"Includes the word {listed}." if count == 1 else f"Includes all {count} words: {listed}."
            )  # fmt: skip
            yield Made(text, "contains", {"words": words, "share": True} if graded else {"words": words}, graded=graded)


@family("exclude_words", "after IFEval")
def exclude_words() -> Iterator[Made]:
    for count, draws in EXCLUDE.items():
        for draw in range(draws):
            words = _shuffled("exclude/1")[draw : draw + 1] if count == 1 else pick(f"exclude/{count}/{draw}", count)
            text = f"Avoids the word {words[0]}." if count == 1 else f"Uses none of these words: {', '.join(words)}."
            yield Made(text, "excludes", {"words": words})


@family("word_count", "after IFEval and Collie")
def word_count() -> Iterator[Made]:
    for word in _shuffled("word_count")[:100]:
        for count in (2, 3, 4, 6):
            options = {"keyword": word, "frequency": count, "relation": "at least"}
            yield Made(f"Uses the word {word} at least {count} times.", "ifeval:keywords:frequency", options)
        for count in (2, 3):
            options = {"keyword": word, "frequency": count, "relation": "less than"}
            text = f"Uses the word {word} fewer than {count} times."
            yield Made(text, "ifeval:keywords:frequency", options)


@family("letter_count", "after IFEval")
def letter_count() -> Iterator[Made]:
    for letter in "abcdefghijklmnopqrstuvwxyz":
        for relation, word, counts in (
            ("at least", "at least", (5, 10, 20, 40)),
            ("less than", "fewer than", (3, 6, 12)),
        ):
            for count in counts:
                options = {"letter": letter, "let_frequency": count, "let_relation": relation}
                text = f"The letter {letter} occurs {word} {count} times."
                yield Made(text, "ifeval:keywords:letter_frequency", options)
        options = {"letter": letter, "let_frequency": 1, "let_relation": "less than"}
        yield Made(f"Never uses the letter {letter}.", "ifeval:keywords:letter_frequency", options)


@family("word_position", "after Collie")
def word_position() -> Iterator[Made]:
    for place in range(1, 9):
        for word in _shuffled(f"position/{place}")[:25]:
            text = f"The first word is {word}." if place == 1 else f"Word number {place} is {word}."
            yield Made(text, "regex", {"pattern": patterns.word_at(place, word)})
    for word in _shuffled("position/last")[:60]:
        yield Made(f"The last word is {word}.", "regex", {"pattern": patterns.last_word(word)})


@family("word_order", "after Collie")
def word_order() -> Iterator[Made]:
    for draw in range(120):
        one, two = _shuffled(f"order/{draw}")[:2]
        text = f"Mentions {one} and, later on, {two}."
        yield Made(text, "regex", {"pattern": patterns.in_order(one, two), "flags": "is"})


@family("acrostic")
def acrostic() -> Iterator[Made]:
    for word in [word for word in _shuffled("acrostic") if 3 <= len(word) <= 6][:80]:
        text = f"Is an acrostic: its {len(word)} lines begin with the letters of {word.upper()}."
        yield Made(text, "regex", {"pattern": patterns.acrostic(word)})


@family("one_sentence", "after Collie")
def one_sentence() -> Iterator[Made]:
    for count in range(4, 31):
        yield Made(f"Is one sentence of exactly {count} words.", "regex", {"pattern": patterns.one_sentence(count)})
        for word in _shuffled(f"sentence/{count}")[:4]:
            text = f"Is one sentence of exactly {count} words, one of which is {word}."
            yield Made(text, "regex", {"pattern": patterns.one_sentence(count, word), "flags": "is"})


@family("lines_of_words", "after Collie")
def lines_of_words() -> Iterator[Made]:
    for lines in range(2, 9):
        for count in range(2, 9):
            text = f"Has exactly {lines} lines, each of exactly {count} words."
            yield Made(text, "regex", {"pattern": patterns.lines_of(lines, count)})


@family("lengths", "after IFEval")
def lengths() -> Iterator[Made]:
    ladders = {
        "words": (5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 100, 120, 150, 200, 250, 300, 400, 500, 600, 800, 1000),
        "sentences": (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30),
        "characters": (50, 100, 140, 200, 280, 400, 500, 750, 1000, 1500, 2000, 3000, 5000),
        "lines": (1, 2, 3, 4, 5, 6, 8, 10, 14, 20),
    }
    for check, counts in ladders.items():
        for count in counts:
            thing = several(count, check[:-1])
            yield Made(f"Has at least {thing}.", check, {"low": count, "high": count}, "statistic")
            yield Made(f"Has at most {thing}.", check, {"low": count + 1, "high": count}, "statistic")
    for count in range(5, 31):
        yield Made(f"No sentence has more than {count} words.", "short_sentences", {"most": count})


@family("counts", "after IFEval")
def counts() -> Iterator[Made]:
    things = {"bullets": "bullet point", "numbered": "numbered line", "headings": "Markdown heading",
              "paragraphs": "paragraph", "code_block": "code block", "links": "web address"}  # fmt: skip
    for check, thing in things.items():
        for relation in ("exactly", "at least", "at most"):
            for count in range(2 if check == "paragraphs" else 1, 13 if check in ("bullets", "paragraphs") else 9):
                yield Made(f"Has {relation} {several(count, thing)}.", check, {"count": count, "relation": relation})
        if check != "paragraphs":
            yield Made(f"Has no {thing}.", check, {"count": 0, "relation": "exactly"})


@family("marks")
def marks() -> Iterator[Made]:
    for thing, pattern in patterns.MARKS.items():
        for count in (1, 2, 3, 5, 8):
            options = {"pattern": pattern, "count": count}
            yield Made(f"Has at least {several(count, thing)}.", "regex", options)
        for count in (1, 2, 4):
            options = {"pattern": pattern, "count": count, "relation": "less than"}
            text = f"Has no {thing}." if count == 1 else f"Has fewer than {several(count, thing)}."
            yield Made(text, "regex", options)


@family("word_lengths", "after Collie")
def word_lengths() -> Iterator[Made]:
    for size in range(5, 16):
        options = {"pattern": patterns.long_word(size + 1), "relation": "less than"}
        yield Made(f"No word has more than {size} letters.", "regex", options)
    for size in range(8, 15):
        for count in (1, 3, 5, 10):
            options = {"pattern": patterns.long_word(size), "count": count}
            yield Made(f"Has at least {several(count, 'word')} of {size} letters or more.", "regex", options)


@family("beginnings_and_ends", "after IFEval")
def beginnings_and_ends() -> Iterator[Made]:
    for phrase in OPENINGS:
        yield Made(f"Begins with “{phrase}”", "starts_with", {"phrase": phrase})
    for phrase in ENDINGS:
        yield Made(f"Ends with “{phrase}”", "ends_with", {"phrase": phrase})
