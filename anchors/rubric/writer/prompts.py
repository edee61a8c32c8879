"""The prompts of the writer: an instruction with a topic and up to three constraints (ours)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.writer.lexicon import KEYWORDS, NUMBERS, REQUESTS, TOPICS

CONSTRAINTS = ("sentences", "list", "word", "no_commas", "question", "loud")
KINDS = ("creative", "instruction", "mixed")
ASKED = {1: 0.5, 2: 0.35, 3: 0.15}  # how many constraints an instruction has
_SENTENCES = {
    "sentences": r"Use (two|three|four|five) sentences\.", "list": r"Use a list\.", "word": r"Use the word (\w+)\.",
    "no_commas": r"Use no commas\.", "question": r"End with a question\.", "loud": r"Use capitals once\.",
}  # fmt: skip
_ASKS = {name: re.compile(pattern) for name, pattern in _SENTENCES.items()}
_TOPIC = re.compile(f"(?:{'|'.join(REQUESTS)}) ({'|'.join(TOPICS)})\\.")


@dataclass(frozen=True)
class Prompt:
    """A request for a text.

    ``topic`` is one of :data:`~anchors.rubric.writer.lexicon.TOPICS` or empty where none is known. Constraints:
    ``sentences`` asks for so many (0: any), ``word`` for a word, ``list`` for bullets, ``no_commas`` for none,
    ``question`` for one at the end, ``loud`` for a word in capitals.
    """

    request: str = REQUESTS[0]
    topic: str = "the sea"
    sentences: int = 0
    list: bool = False
    word: str = ""
    no_commas: bool = False
    question: bool = False
    loud: bool = False

    @property
    def asks(self) -> tuple[str, ...]:
        """Names of its constraints, in the order of :data:`CONSTRAINTS`."""
        return tuple(name for name in CONSTRAINTS if getattr(self, name))

    @property
    def text(self) -> str:
        """The prompt as one line that ends with ``Text:``."""
        parts = [f"{self.request} {self.topic}."]
        if self.sentences:
            parts.append(f"Use {next(word for word, k in NUMBERS.items() if k == self.sentences)} sentences.")
        words = {
            "list": "Use a list.", "word": f"Use the word {self.word}.", "no_commas": "Use no commas.",
            "question": "End with a question.", "loud": "Use capitals once.",
        }  # fmt: skip
        return " ".join([*parts, *(words[name] for name in self.asks if name in words), "Text:"])


@lru_cache(4096)
def read(text: str) -> Prompt:
    """Return the prompt that a text says; what it does not say, topic included, is left empty. Never raises."""
    asked = {name: found for name, pattern in _ASKS.items() if (found := pattern.search(text))}
    topic = _TOPIC.search(text)
    flags = dict.fromkeys((name for name in asked if name not in ("sentences", "word")), True)
    count = NUMBERS[asked["sentences"][1]] if "sentences" in asked else 0
    word = asked["word"][1] if "word" in asked else ""
    known = text.startswith(REQUESTS) and next(request for request in REQUESTS if text.startswith(request))
    return Prompt(known or REQUESTS[0], topic[1] if topic else "", sentences=count, word=word, **flags)


def sample(rng: np.random.Generator, kind: str = "mixed") -> Prompt:
    """Return a random prompt.

    ``creative`` has no constraint, ``instruction`` one to three of :data:`CONSTRAINTS` (:data:`ASKED`), ``mixed`` is
    either with probability 1/2. InputError for another kind.
    """
    if kind not in KINDS:
        raise InputError("kind of prompts", repr(kind), " | ".join(KINDS))
    prompt = Prompt(str(rng.choice(REQUESTS)), str(rng.choice(list(TOPICS))))
    if kind == "creative" or (kind == "mixed" and rng.random() < 0.5):
        return prompt
    count = int(rng.choice(list(ASKED), p=list(ASKED.values())))
    values = {"sentences": int(rng.choice(list(NUMBERS.values()))), "word": str(rng.choice(list(KEYWORDS)))}
    return replace(prompt, **{str(name): values.get(name, True) for name in rng.permutation(CONSTRAINTS)[:count]})


def distinct(kind: str, n: int, seed: int, without: Sequence[str] = ()) -> list[Prompt]:
    """Return n different random prompts whose texts are not among ``without``; there are 72 creative ones.

    Raises
    ------
    InputError
        An unknown kind, or more prompts than can be had.
    """
    rng, found, taken = np.random.default_rng(seed), {}, set(without)
    for _ in range(200 * (n + 10)):
        if len(found) == n:
            break
        prompt = sample(rng, kind)
        if prompt.text not in taken:
            found[prompt.text] = prompt
    if len(found) < n:
        raise InputError("n", n, f"at most {len(found)} different {kind} prompts", "Ask for fewer.")
    return list(found.values())
