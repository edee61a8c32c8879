"""Embedding checks: how near a response is to its prompt or to a reference, by all-MiniLM-L6-v2 (ours)."""

from collections.abc import Sequence

import numpy as np

from anchors.rubric.criteria.registry import Checked, Real, check
from anchors.rubric.criteria.spans import clean, whole
from anchors.rubric.criteria.statistics import ramp

READ = 4000  # characters of a text that are embedded; the embedder itself stops after 256 tokens


@check("relevance", kind="embedding")
def relevance(
    prompts: Sequence[str], responses: Sequence[str], *, model: str = "minilm", low: Real = 0.0, high: Real = 0.7
) -> Checked:
    """Cosine between prompt and response, from ``low`` (u = 0) to ``high`` (u = 1); a blank response gets 0.

    A response that repeats its prompt is near it, too: guard it with ``copied``. NaN for a blank prompt.
    """
    cosines = cosine(prompts, responses, model)
    cosines = np.where([not prompt.strip() for prompt in prompts], np.nan, cosines)
    return _checked(cosines, responses, low, high)


@check("similarity", kind="embedding")
def similarity(
    prompts: Sequence[str],
    responses: Sequence[str],
    *,
    reference: str,
    model: str = "minilm",
    low: Real = 0.0,
    high: Real = 0.8,
) -> Checked:
    """Cosine between response and a reference text, from ``low`` to ``high``; a blank response gets 0."""
    return _checked(cosine([reference] * len(responses), responses, model), responses, low, high)


def cosine(first: Sequence[str], second: Sequence[str], model: str = "minilm") -> np.ndarray:
    """Return the cosine (n,) of each pair of texts; each distinct text is embedded once.

    Raises
    ------
    MissingData
        The embedder is nowhere and cannot be downloaded.
    """
    from anchors.models.embed import embed

    if not len(first):
        return np.zeros(0)
    shown = [clean(text[:READ]) for text in (*first, *second)]
    distinct = {text: row for row, text in enumerate(dict.fromkeys(shown))}
    vectors = embed(list(distinct), model)
    rows = np.array([distinct[text] for text in shown])
    return (vectors[rows[: len(first)]] * vectors[rows[len(first) :]]).sum(1).astype(float)


def _checked(cosines: np.ndarray, responses: Sequence[str], low: Real, high: Real) -> Checked:
    blank = np.array([not text.strip() for text in responses], dtype=bool)
    evidence = [whole(text, f"cosine {value:.3f}") for text, value in zip(responses, cosines, strict=True)]
    return Checked(np.where(blank, 0.0, ramp(cosines, low, high)), evidence)
