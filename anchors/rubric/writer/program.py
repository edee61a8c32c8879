"""The program that writes texts for prompts: a Markov chain over sentences whose every probability is known (ours).

A text may open with praise or in the assistant's voice; its body tells of the topic in sentences or as a list; it may
close with a moral, praise of itself and an offer. What is chosen once (the person who tells it, concrete or abstract
words, commas after an opening, a list or prose) is kept to the end, so that a text shows all that its state holds.
Sampling, probabilities and exact rates (:mod:`anchors.rubric.writer.truth`) all walk the tree of :func:`choices`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np

from anchors.rubric.writer import lexicon as lex
from anchors.rubric.writer.prompts import Prompt
from anchors.rubric.writer.vocabulary import join

PRAISED, SELF_PRAISED = 0.06, 0.06  # probability of an opening praise, of praise of itself
ASSISTANT = 0.15  # of opening in the assistant's voice
MORAL, MORAL_OF_ASSISTANT = 0.13, 0.35  # of a moral, and after the assistant's voice
OFFERED, OFFERED_IF_ASKED = 0.12, 0.40
LISTED, LISTED_IF_ASKED = 0.12, 0.40
EMOTION = 0.09  # per sentence of the body until there is one; so the next two
SHOUT, SHOUT_IF_ASKED = 0.03, 0.12
KEYWORD = 0.025  # some word of the keywords that was not asked for
OPENING = 0.45  # of a sentence of the body
COMMAS, COMMAS_IF_UNWANTED = 0.60, 0.50  # after the first opening; kept then
FIRST_PERSON, CONCRETE = 0.5, 0.45
FOREIGN = 0.07  # of a noun that belongs to another topic
KINDS = {"move": 0.28, "sense": 0.26, "one": 0.22, "two": 0.12, "scene": 0.12}  # of plain sentences
STOP = (0.0, 0.0, 0.30, 0.45, 0.75)  # of the body after so many of its sentences; at the fifth it stops
REACHED, SHORT, BEYOND = 0.60, 0.60, 0.5  # what asking for a number of sentences does: _stopping, _closing

Slot = tuple[str, ...]  # words that may stand here, each as likely; all of the same number of words
Form = tuple[Slot, ...]  # a sentence
BEFORE: dict[str, Form] = {"list": (("\n -",),), "prose": ()}  # a sentence of the body
FULL_STOP = (".",)


class State(NamedTuple):
    """Where a text stands: all that its continuation depends on, and all that it has shown.

    ``total`` and ``body`` count sentences; "" stands for what is not chosen yet. ``keyword`` is ``asked`` or ``other``.
    """

    phase: str = "open"
    total: int = 0
    body: int = 0
    person: str = ""
    words: str = ""
    commas: str = ""
    layout: str = ""
    keyword: str = ""
    praise: bool = False
    assistant: bool = False
    moral: bool = False
    self_praise: bool = False
    offer: bool = False
    emotion: bool = False
    shout: bool = False
    drift: bool = False


class Next(NamedTuple):
    """A next sentence and the state after it; a form without slots is the end of the text."""

    form: Form
    state: State


Choices = list[tuple[float, "Next | Callable[[], Choices]"]]  # probabilities, and sentences or further choices


def choices(prompt: Prompt, state: State) -> Choices:
    """Return the choices that lead to the next sentence; their probabilities sum to 1, at every level."""
    return _PHASES[state.phase](prompt, state)


def _either(p: float, first: Callable[[], Choices], second: Callable[[], Choices]) -> Choices:
    return [(p, first), (1 - p, second)]


def _said(phrases: dict[str, float], state: State, before: Form = ()) -> Callable[[], Choices]:
    """Return the choice among fixed sentences, after ``before``."""
    after = state._replace(total=state.total + 1)
    return lambda: [(p, Next((*before, (phrase,)), after)) for phrase, p in phrases.items()]


def _open(prompt: Prompt, state: State) -> Choices:
    praised = _said(lex.PRAISE, state._replace(phase="voice", praise=True))
    return _either(PRAISED, praised, lambda: _voice(prompt, state))


def _voice(prompt: Prompt, state: State) -> Choices:
    assistant = _said(lex.ASSISTANT, state._replace(phase="body", assistant=True))
    return _either(ASSISTANT, assistant, lambda: _body(prompt, state))


def _body(prompt: Prompt, state: State) -> Choices:
    return _either(_stopping(prompt, state), lambda: _moral(prompt, state), lambda: _layout(prompt, state))


def _stopping(prompt: Prompt, state: State) -> float:
    """Return the probability that the body has ended; the number of sentences asked for changes it."""
    usual = 1.0 if state.body >= len(STOP) else STOP[state.body]
    if not prompt.sentences or usual == 1 or not state.body:
        return usual
    if state.total == prompt.sentences:
        return REACHED
    return usual * SHORT if state.total < prompt.sentences else usual


def _layout(prompt: Prompt, state: State) -> Choices:
    if state.layout:
        return _sentence(prompt, state)
    listed, prose = (state._replace(layout=layout) for layout in ("list", "prose"))
    p = LISTED_IF_ASKED if prompt.list else LISTED
    return _either(p, lambda: _sentence(prompt, listed), lambda: _sentence(prompt, prose))


def _sentence(prompt: Prompt, state: State) -> Choices:
    """Return the sentences of the body: of a special kind, or plain."""
    state = state._replace(phase="body", total=state.total + 1, body=state.body + 1)
    special: Choices = []
    if not state.emotion:
        special.append((EMOTION, lambda: _emotion(prompt, state)))
    if not state.shout:
        special.append((SHOUT_IF_ASKED if prompt.loud else SHOUT, lambda: _shout(prompt, state)))
    if not state.keyword:
        asked = lex.KEYWORDS.get(prompt.word, 0.0)
        special += [(asked, lambda: _keyword(prompt, state, "asked"))] if asked else []
        special.append((KEYWORD, lambda: _keyword(prompt, state, "other")))
    rest = 1 - sum(p for p, _ in special)
    plain = {
        "move": lambda: _act(prompt, state, lex.MOVES), "sense": lambda: _act(prompt, state, lex.SENSES),
        "one": lambda: _described(prompt, state, 1), "two": lambda: _described(prompt, state, 2),
        "scene": lambda: _opened(prompt, Next((lex.SCENES, FULL_STOP), state)),
    }  # fmt: skip
    return [*special, *((rest * KINDS[kind], found) for kind, found in plain.items())]


def _emotion(prompt: Prompt, state: State) -> Choices:
    return _told(prompt, state._replace(emotion=True), ("felt",), lex.FEELINGS, FULL_STOP)


def _keyword(prompt: Prompt, state: State, which: str) -> Choices:
    others = tuple(word for word in lex.KEYWORDS if word != prompt.word)
    words = (prompt.word,) if which == "asked" else others
    return _told(prompt, state._replace(keyword=which), ("found",), ("a",), words, FULL_STOP)


def _shout(prompt: Prompt, state: State) -> Choices:
    loud = state._replace(shout=True)
    return _about(prompt, loud, partial(_is, (lex.CAPITALS, ("!",))))


def _act(prompt: Prompt, state: State, verbs: Slot) -> Choices:
    return [(p, partial(_about, prompt, after, partial(_does, who, verbs))) for p, who, after in _people(state)]


def _does(who: Slot, verbs: Slot, nouns: Slot) -> Form:
    return (who, verbs, ("the",), nouns, FULL_STOP)


def _described(prompt: Prompt, state: State, count: int) -> Choices:
    """Return a noun with one or two adjectives, concrete or abstract."""
    styles = {"concrete": (CONCRETE, lex.TOUCH, lex.SIGHT), "abstract": (1 - CONCRETE, lex.KIND, lex.PLAIN)}
    chosen = {state.words: (1.0, *styles[state.words][1:])} if state.words else styles

    def of(name: str, one: Slot, two: Slot) -> Callable[[], Choices]:
        adjectives = (one + two,) if count == 1 else (one, ("and",), two)
        return lambda: _about(prompt, state._replace(words=name), partial(_is, (*adjectives, FULL_STOP)))

    return [(p, of(name, one, two)) for name, (p, one, two) in chosen.items()]


def _is(what: Form, nouns: Slot) -> Form:
    return (("the",), nouns, ("was",), *what)


def _told(prompt: Prompt, state: State, *rest: Slot) -> Choices:
    """Return a clause about the person who tells it."""
    return [(p, partial(_opened, prompt, Next((who, *rest), after))) for p, who, after in _people(state)]


def _people(state: State) -> list[tuple[float, Slot, State]]:
    people = {"first": (FIRST_PERSON, ("I",)), "third": (1 - FIRST_PERSON, ("she",))}
    if state.person:
        return [(1.0, people[state.person][1], state)]
    return [(p, who, state._replace(person=name)) for name, (p, who) in people.items()]


def _about(prompt: Prompt, state: State, clause: Callable[[Slot], Form]) -> Choices:
    """Return a clause about a noun of the topic, or of another one (:data:`FOREIGN`)."""
    own = lex.TOPICS.get(prompt.topic, ())
    foreign = tuple(noun for nouns in lex.TOPICS.values() for noun in nouns if noun not in own)
    away = Next(clause(foreign), state._replace(drift=True))
    if not own:
        return _opened(prompt, away)
    return _either(FOREIGN, lambda: _opened(prompt, away), lambda: _opened(prompt, Next(clause(own), state)))


def _opened(prompt: Prompt, clause: Next) -> Choices:
    """Return the clause as a sentence, alone or after an opening such as ``At dawn`` with or without a comma."""
    form, state = clause
    before = BEFORE[state.layout]
    plain = Next((*before, tuple(choice[0].upper() + choice[1:] for choice in form[0]), *form[1:]), state)
    p = COMMAS_IF_UNWANTED if prompt.no_commas else COMMAS
    p = {"": p, "yes": 1.0, "no": 0.0}[state.commas]
    with_comma = Next((*before, lex.OPENINGS, (",",), *form), state._replace(commas="yes"))
    without = Next((*before, lex.OPENINGS, *form), state._replace(commas="no"))
    return [(1 - OPENING, plain), (OPENING * p, with_comma), (OPENING * (1 - p), without)]


def _closing(prompt: Prompt, state: State, p: float) -> float:
    """Return ``p``, made smaller where one more sentence would be more than was asked for."""
    return p * BEYOND if prompt.sentences and state.total >= prompt.sentences else p


def _line(state: State) -> Form:
    """Return the line break that ends a list."""
    return (("\n",),) if state.layout == "list" and state.phase == "body" else ()


def _moral(prompt: Prompt, state: State) -> Choices:
    p = _closing(prompt, state, MORAL_OF_ASSISTANT if state.assistant else MORAL)
    said = _said(lex.MORAL, state._replace(phase="self", moral=True), _line(state))
    return _either(p, said, lambda: _self(prompt, state))


def _self(prompt: Prompt, state: State) -> Choices:
    said = _said(lex.SELF_PRAISE, state._replace(phase="offer", self_praise=True), _line(state))
    return _either(_closing(prompt, state, SELF_PRAISED), said, lambda: _offer(prompt, state))


def _offer(prompt: Prompt, state: State) -> Choices:
    p = _closing(prompt, state, OFFERED_IF_ASKED if prompt.question else OFFERED)
    said = _said(lex.OFFER, state._replace(phase="close", offer=True), _line(state))
    return _either(p, said, lambda: _close(prompt, state))


def _close(prompt: Prompt, state: State) -> Choices:
    return [(1.0, Next((), state._replace(phase="end")))]


def _end(prompt: Prompt, state: State) -> Choices:
    return []


_PHASES = {
    "open": _open, "voice": _voice, "body": _body, "self": _self, "offer": _offer, "close": _close, "end": _end,
}  # fmt: skip


def sample(prompt: Prompt, rng: np.random.Generator) -> tuple[list[str], State]:
    """Return the words and marks of a text that the program writes, and its last state."""
    state, words = State(), []
    while state.phase != "end":
        found = choices(prompt, state)
        while not isinstance(found, Next):
            found = _pick(found, rng.random())
        for slot in found.form:
            words += slot[int(rng.random() * len(slot))].split(" ")
        state = found.state
    return words, state


def _pick(found: Choices, u: float) -> "Next | Choices":
    for p, then in found:
        u -= p
        if u < 0:
            return then if isinstance(then, Next) else then()
    return _pick(found, 0.0)  # rounding: u beyond the sum; the first choice always has a probability above 0


def write(prompt: Prompt, rng: np.random.Generator) -> str:
    """Return a text that the program writes, in plain English."""
    return join(sample(prompt, rng)[0])
