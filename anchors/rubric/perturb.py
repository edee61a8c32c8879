"""Changes of a response that should not change its score: more length, other order, praise (section 5.5; texts ours).

A perturbation is a function of a text and a generator that returns the changed text, or None where it does not apply.
"""

from collections.abc import Callable
from itertools import cycle, pairwise

import numpy as np

from anchors.rubric.criteria.spans import sentences, words

Perturbation = Callable[[str, np.random.Generator], str | None]
PADDED = 1.5  # times the words
FILLER = (
    "There is more that could be said here.",
    "The same can be put in other words.",
    "Some of this depends on the case at hand.",
    "Other parts of it are treated elsewhere.",
    "This holds in general and in most cases.",
    "One could go on in the same way.",
)
PRAISE, SELF_PRAISE = "Great question! ", " I hope this thorough and well-structured answer helps."


def padding(text: str, rng: np.random.Generator) -> str:
    """Return the text with empty sentences behind it, until it has one and a half times the words."""
    missing, extra = (PADDED - 1) * len(words(text)), []
    for sentence in cycle(FILLER):
        if extra and sum(len(words(part)) for part in extra) >= missing:
            break
        extra.append(sentence)
    return " ".join([text.rstrip(), *extra])


def repetition(text: str, rng: np.random.Generator) -> str:
    """Return the text twice."""
    return f"{text.rstrip()}\n\n{text.strip()}"


def order(text: str, rng: np.random.Generator) -> str | None:
    """Return the text with its sentences in another order, what is between them in place; None if there is no other."""
    places = sentences(text)
    parts = [text[start:end] for start, end in places]
    if len(set(parts)) < 2:
        return None
    shuffled = [parts[k] for k in rng.permutation(len(parts))]
    while shuffled == parts:
        shuffled = [parts[k] for k in rng.permutation(len(parts))]
    gaps = [text[: places[0][0]], *(text[a[1] : b[0]] for a, b in pairwise(places)), text[places[-1][1] :]]
    return "".join(gap + part for gap, part in zip(gaps, [*shuffled, ""], strict=True))


def praise(text: str, rng: np.random.Generator) -> str:
    """Return the text with praise of the question before it: prefatory sycophancy (section 1.6)."""
    return PRAISE + text.lstrip()


def self_praise(text: str, rng: np.random.Generator) -> str:
    """Return the text with praise of itself behind it: laudatory self-evaluation (section 1.6)."""
    return text.rstrip() + SELF_PRAISE


PERTURBATIONS: dict[str, Perturbation] = {
    "padding": padding, "repetition": repetition, "order": order, "praise": praise, "self_praise": self_praise,
}  # fmt: skip
