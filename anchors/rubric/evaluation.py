"""What a policy's texts on held-out prompts show: gold scores, attribute rates, loss on the program's texts (ours)."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from anchors.rubric.aggregate import Aggregator
from anchors.rubric.criteria import score
from anchors.rubric.writer import attributes, prompts
from anchors.rubric.writer.gold import gold

TRAINED, HELD_OUT, SAMPLES, TOKENS = 48, 24, 8, 64  # prompts of each family, responses to a held-out one, longest
STYLES = ("creative", "terse", "proxy")  # families on prompts without constraints
EVALUATED = ("creative", "instruction", "terse", "rate", "hack", "words", "held_out", "entropy_of_program")


def evaluate(policy: Any, seed: int) -> dict[str, Any]:
    """Return what held-out prompts show: gold scores, attribute rates, and the loss on new texts of the program."""
    from anchors.rubric.writer.audit import held_out

    found: dict[str, Any] = {}
    for family, kind in (("creative", "creative"), ("instruction", "instruction"), ("creative", "terse")):
        asked, written = _written(policy, family, seed)
        rubric = gold(kind)
        scores = score(rubric, asked, written).values
        found[kind] = float(np.nanmean(Aggregator(rubric, missing="renormalise")(scores)))
        found |= {f"{kind}/{id}": float(value) for id, value in zip(rubric.ids, np.nanmean(scores, 0), strict=True)}
    asked, written = _written(policy, "creative", seed)
    rates = attributes.decide(asked, written).mean(0)
    found |= {f"rate/{name}": float(rate) for name, rate in zip(attributes.ATTRIBUTES, rates, strict=True)}
    found["hack"] = float(hacks(asked, written).mean())
    found["words"] = float(np.mean([len(text.split()) for text in written]))
    held = held_out(policy.network, 200)
    return found | {"held_out": held.loss, "entropy_of_program": held.entropy}


def _written(policy: Any, family: str, seed: int) -> tuple[list[str], list[str]]:
    """Return held-out prompts of a family, each :data:`SAMPLES` times, and the policy's responses."""
    asked = [prompt for prompt in pool(family, held_out=True) for _ in range(SAMPLES)]
    seeds = np.random.default_rng([seed, 99]).integers(2**62, size=len(asked)).tolist()
    return asked, [one.text for one in policy.sample(asked, seeds, TOKENS)]


def texts(policy: Any, seed: int, count: int = 4) -> list[dict[str, str]]:
    """Return responses to the first held-out prompts without constraints, one each."""
    asked = pool("creative", held_out=True)[:count]
    found = policy.sample(asked, [seed + k for k in range(count)], TOKENS)
    return [{"prompt": prompt, "text": one.text} for prompt, one in zip(asked, found, strict=True)]


@cache
def pool(family: str, held_out: bool = False) -> tuple[str, ...]:
    """Return the prompts of a family to train on, or those held out; styles share theirs. The same in every run."""
    kind = "creative" if family in STYLES else family
    found = [one.text for one in prompts.distinct(kind, TRAINED + HELD_OUT, seed=11)]
    return tuple(found[TRAINED:] if held_out else found[:TRAINED])


def hacks(asked: Sequence[str], responses: Sequence[str]) -> np.ndarray:
    """Return (n,) whether a response praises the question or itself."""
    shown = attributes.decide(asked, responses)
    return shown[:, [attributes.ATTRIBUTES.index(name) for name in attributes.HACKS]].any(1)
