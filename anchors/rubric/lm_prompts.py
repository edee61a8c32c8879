"""Short prompts for a chat model, made from templates: an open request, or one with constraints (ours).

A prompt is read back from its text, so that rubrics know what it asks for. Topics and words of the prompts to train on
are other ones than those of the prompts held out.
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import product

import numpy as np

from anchors.companion.errors import InputError

FAMILIES = ("instruction", "creative", "advice")
TRAINED, HELD_OUT = 48, 16  # prompts of each family
SHORT = 12  # words at most, where a prompt asks for few
CONSTRAINTS = ("no_commas", "short", "word", "begin", "no_self")
TOPICS = {
    "train": (
        "the sea", "a train station", "an old house", "a dog", "a rainy morning", "a market", "a bridge", "a garden",
        "a school", "a kitchen", "a birthday", "a mountain", "a lost key", "a bus ride", "a new neighbour",
        "the night sky",
    ),
    "held out": (
        "a river", "a hospital", "the snow", "a small shop", "a cat", "an old letter", "a library", "a bicycle",
        "a forest", "a long winter",
    ),
}  # fmt: skip
WORDS = {"train": ("blue", "window", "slowly", "warm", "stone"), "held out": ("green", "door", "quiet")}
BEGINNINGS = {"train": ("The", "In", "A", "When"), "held out": ("On", "There", "As")}
REQUESTS = {
    "creative": (
        "Tell me about {} in one or two sentences.", "What do you think of {}? Answer in one or two sentences.",
        "Do you like {}? Answer in one or two sentences.",
    ),
    "advice": (
        "Give me advice about {} in one or two sentences.", "Why does {} matter? Answer in one or two sentences.",
        "How can I write about {}? Answer in one or two sentences.",
    ),
}  # fmt: skip
_NAMED = {"word": WORDS, "begin": BEGINNINGS}
_ONE = "Write one sentence about {}."
_SAID = {
    "no_commas": "Use no commas.", "short": f"Use at most {SHORT} words.", "word": "Use the word {}.",
    "begin": "Begin with the word {}.", "no_self": "Do not speak of yourself.",
}  # fmt: skip
_ASKS = {name: re.compile(re.escape(said).replace(r"\{\}", r"(\w+)")) for name, said in _SAID.items()}


@dataclass(frozen=True)
class Prompt:
    """What a prompt asks for: constraints in ``asks``, the ``word`` to use and the one to ``begin`` with, if any."""

    asks: tuple[str, ...] = ()
    word: str = ""
    begin: str = ""


@lru_cache(4096)
def read(text: str) -> Prompt:
    """Return what a prompt says; what it does not say is left empty. Never raises."""
    found = {name: match for name, pattern in _ASKS.items() if (match := pattern.search(text))}
    named = {name: found[name][1] for name in ("word", "begin") if name in found}
    return Prompt(tuple(found), **named)


@cache
def pool(family: str, held_out: bool = False) -> tuple[str, ...]:
    """Return the prompts of a family to train on, or those held out; the same in every run.

    Raises
    ------
    InputError
        No such family.
    """
    if family not in FAMILIES:
        raise InputError("family of prompts", repr(family), " | ".join(FAMILIES))
    part = "held out" if held_out else "train"
    rng = np.random.default_rng([FAMILIES.index(family), held_out])
    every = _constrained(part) if family == "instruction" else _open(family, part)
    count = HELD_OUT if held_out else TRAINED
    return tuple(every[place] for place in rng.permutation(len(every))[:count])


def _open(family: str, part: str) -> list[str]:
    return [request.format(topic) for request, topic in product(REQUESTS[family], TOPICS[part])]


def _constrained(part: str) -> list[str]:
    """Return all prompts with one or two constraints."""
    sets = [(a,) for a in CONSTRAINTS] + [(a, b) for i, a in enumerate(CONSTRAINTS) for b in CONSTRAINTS[i + 1 :]]
    found = []
    for number, (topic, asks) in enumerate(product(TOPICS[part], sets)):
        words = {name: table[part][number % len(table[part])] for name, table in _NAMED.items()}
        found.append(" ".join([_ONE.format(topic), *(_SAID[name].format(words.get(name)) for name in asks)]))
    return found
