"""What is exactly true of the program: probabilities of texts, and rates of what texts show, over all paths (ours)."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from math import inf, log
from typing import Any

from anchors.rubric.writer.lexicon import ENDS, LINE
from anchors.rubric.writer.program import Form, Next, State, choices
from anchors.rubric.writer.prompts import Prompt
from anchors.rubric.writer.vocabulary import tokens


def transitions(prompt: Prompt, state: State) -> list[tuple[float, Next]]:
    """Return every next sentence's form with its probability; nothing when the text has ended."""
    return list(_leaves(1.0, choices(prompt, state)))


def _leaves(weight: float, found: Any) -> Iterator[tuple[float, Next]]:
    for p, then in found:
        if p > 0:
            yield from [(weight * p, then)] if isinstance(then, Next) else _leaves(weight * p, then())


def logprob(prompt: Prompt, text: str) -> float:
    """Return the log-probability (nats) of a text and of its end under the program; -inf for what it cannot write."""
    return words_logprob(prompt, tokens(text))


def words_logprob(prompt: Prompt, words: Sequence[str]) -> float:
    """Return what :func:`logprob` does, of words and marks."""
    state, total = State(), 0.0
    for sentence in [*sentences(words), ()]:
        step = _step(prompt, state, sentence)
        if step is None:
            return -inf
        p, found = step
        total += log(p) - sum(log(len(slot)) for slot in found.form)
        state = found.state
    return total if state.phase == "end" else -inf


def _step(prompt: Prompt, state: State, sentence: Sequence[str]) -> tuple[float, Next] | None:
    return next(((p, found) for p, found in transitions(prompt, state) if fits(found.form, sentence)), None)


def sentences(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the sentences of a text, each with its end mark and the break before it; an unfinished last one counts."""
    found, start = [], 0
    for place, word in enumerate(words):
        if word in ENDS:
            found.append(tuple(words[start : place + 1]))
            start = place + 1
    return [*found, tuple(words[start:])] if start < len(words) else found


def fits(form: Form, words: Sequence[str]) -> bool:
    """Return whether words and marks are one of the sentences of a form."""
    place = 0
    for slot in form:
        end = place + slot[0].count(" ") + 1
        if " ".join(words[place:end]) not in slot:
            return False
        place = end
    return place == len(words)


@lru_cache(1)
def forms() -> tuple[Form, ...]:
    """Return the forms of all sentences that the program can write, whatever the prompt, without breaks and bullets."""
    prompt = Prompt(topic="")
    starts = [State(), State("voice"), State("body", 2, 2, layout="prose"), State("body", 2, 2, layout="list")]
    found = chain.from_iterable(transitions(prompt, state) for state in starts)
    bare = (tuple(slot for slot in step.form if slot[0][0] != LINE) for _, step in found)
    return tuple(dict.fromkeys(form for form in bare if form))


def endings(prompt: Prompt) -> dict[State, float]:
    """Return the exact probabilities of the states in which texts for ``prompt`` end, summed over all paths (4 s)."""
    ahead: dict[State, float] = {State(): 1.0}
    ended: dict[State, float] = {}
    while ahead:
        following: dict[State, float] = defaultdict(float)
        for state, p in ahead.items():
            for q, found in transitions(prompt, state):
                following[found.state] += p * q
        ended |= {state: ended.get(state, 0.0) + p for state, p in following.items() if state.phase == "end"}
        ahead = {state: p for state, p in following.items() if state.phase != "end"}
    return ended


def rate(ended: dict[State, float], shows: Callable[[State], bool]) -> float:
    """Return the probability of the states (:func:`endings`) that show something."""
    return sum(p for state, p in ended.items() if shows(state))
