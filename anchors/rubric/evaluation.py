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
    written = {
        family: answers(policy, pool(family, held_out=True), SAMPLES, [seed, 99])
        for family in ("creative", "instruction")
    }
    for family, kind in (("creative", "creative"), ("instruction", "instruction"), ("creative", "terse")):
        rubric = gold(kind)
        scores = score(rubric, *written[family]).values
        found[kind] = float(np.nanmean(Aggregator(rubric, missing="renormalise")(scores)))
        found |= {f"{kind}/{id}": float(value) for id, value in zip(rubric.ids, np.nanmean(scores, 0), strict=True)}
    rates = attributes.decide(*written["creative"]).mean(0)
    found |= {f"rate/{name}": float(rate) for name, rate in zip(attributes.ATTRIBUTES, rates, strict=True)}
    found["hack"] = float(hacks(*written["creative"]).mean())
    found["words"] = float(np.mean([len(text.split()) for text in written["creative"][1]]))
    held = held_out(policy.network, 200)
    return found | {"held_out": held.loss, "entropy_of_program": held.entropy}


def answers(policy: Any, asked: Sequence[str], each: int, stream: int | list[int]) -> tuple[list[str], list[str]]:
    """Return prompts, each so many times, and a policy's responses (n each); ``stream`` seeds their random numbers."""
    repeated = [prompt for prompt in asked for _ in range(each)]
    seeds = np.random.default_rng(stream).integers(2**62, size=len(repeated)).tolist()
    return repeated, [one.text for one in policy.sample(repeated, seeds, TOKENS)]


def untrained(model: str = "writer", seed: int = 0) -> Any:
    """Return the policy of a model of which all weights can be trained, as it is before the first step."""
    from anchors.models.language import load
    from anchors.rubric.policy import Policy

    return Policy(load(model), rank=0, seed=seed)


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
