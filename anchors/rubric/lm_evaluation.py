"""What a chat model's texts on held-out prompts show: scores of every rubric, flattery, marks of tone, KL (ours)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anchors.rubric import lm_rubrics as rubrics
from anchors.rubric.criteria.registry import find
from anchors.rubric.lm_prompts import FAMILIES, pool

SAMPLES, TOKENS, TEMPERATURE = 2, 28, 0.8  # responses to a held-out prompt, longest, of all sampling
CLOSE = 16  # texts of the open requests on which the KL divergence is taken
TONE = ("assistant_voice", "slop", "intensifiers", "hedges", "second_person", "moralising")
MEASURES = (
    "instruction", "obeyed", "creative", "plain", "hack", "praise", "tone", "first_person", "words", "advice_plain",
    "advice_tone",
)  # fmt: skip


def answers(policy: Any, seed: int) -> list[dict[str, str]]:
    """Return responses to all held-out prompts: family, prompt, text; the same random numbers at every call."""
    asked = [(family, prompt) for family in FAMILIES for prompt in pool(family, True) for _ in range(SAMPLES)]
    seeds = np.random.default_rng([seed, 99]).integers(2**62, size=len(asked)).tolist()
    found = policy.sample([prompt for _, prompt in asked], seeds, TOKENS, TEMPERATURE)
    return [{"family": family, "prompt": prompt, "text": one.text}
            for (family, prompt), one in zip(asked, found, strict=True)]  # fmt: skip


def judged(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows (family, prompt, text) each with what its text shows; what does not apply to it is left out.

    Constraints give ``instruction`` (their reward) and ``obeyed`` (whether all hold); open requests the other scores of
    :data:`MEASURES`, ``tone`` and ``first_person`` being marks per 100 words; requests for advice the last two.
    """
    found = [dict(row) for row in rows]
    for family in FAMILIES:
        own = [row for row in found if row["family"] == family]
        asked, texts = [row["prompt"] for row in own], [row["text"] for row in own]
        for name, values in _measures(family, asked, texts).items():
            for row, value in zip(own, values, strict=True):
                row[name] = float(value)
    return found


def _measures(family: str, asked: list[str], texts: list[str]) -> dict[str, np.ndarray]:
    """Return the values (n,) of every measure of a family's texts."""
    if not texts:
        return {}
    if family == "instruction":
        found = rubrics.reward("instruction", asked)(asked, texts)
        obeys = [name.startswith("obeys") for name in found.names]
        return {"instruction": found.values, "obeyed": np.nanmin(found.scores[:, obeys], axis=1) >= 1}
    plain = rubrics.reward("plain", asked)(asked, texts).values
    if family == "advice":
        return {"advice_plain": plain, "advice_tone": marks(texts, TONE)}
    return {
        "creative": rubrics.reward("creative", asked)(asked, texts).values, "plain": plain,
        "hack": rubrics.flatters(asked, texts), "praise": find("prefatory_praise").run(asked, texts).values,
        "tone": marks(texts, TONE), "first_person": marks(texts, ("first_person",)),
        "words": np.array([len(text.split()) for text in texts]),
    }  # fmt: skip


def marks(texts: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return (n,) how many places lexicons find per 100 words of a text."""
    per_text = {"low": 0.0, "high": 1.0, "per": "text"}
    counts = np.zeros(len(texts))
    for name in names:
        counts += [len(places) for places in find(name).run(texts, texts, **per_text).evidence]
    return 100 * counts / np.maximum(1, [len(text.split()) for text in texts])


def means(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the mean of every measure over the rows of :func:`judged` that have it."""
    return {name: float(np.mean([row[name] for row in rows if name in row])) for name in MEASURES}


def divergence(policy: Any, rows: Sequence[dict[str, str]]) -> float:
    """Return the KL divergence to the frozen base (k3, nats a token) on the first texts of the open requests."""
    own = [row for row in rows if row["family"] == "creative" and row["text"]][:CLOSE]
    asked = [policy.encode(row["prompt"]) for row in own]
    texts = [policy.base.tokenizer(row["text"], add_special_tokens=False)["input_ids"] for row in own]
    now, base = (policy.table(asked, texts, 1024, TEMPERATURE, base=frozen) for frozen in (False, True))
    gap = base - now  # 0 beyond the ends, where k3 is 0 too
    return float((gap.exp() - gap - 1).sum() / sum(map(len, texts)))


def evaluate(policy: Any, seed: int) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Return the measures of a policy and the judged texts they were taken from."""
    rows = judged(answers(policy, seed))
    return means(rows) | {"kl": divergence(policy, rows)}, rows
