"""What might stand at each place of a given text: log-probabilities of the likeliest tokens, by a local model.

An endpoint that echoes the prompt gives the same (``Endpoint.scored``).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from anchors.models.language import LanguageModel

TOP = 5  # log-probabilities per token that endpoints give


@dataclass(frozen=True)
class Scored:
    """Tokens of a text: ``tokens`` with their ends ``ends`` (T,) in characters, and what might stand in their place.

    ``likely[t]`` maps the likeliest tokens at place t to their log-probabilities (nats); the first token has none.
    """

    tokens: list[str]
    ends: np.ndarray
    likely: list[dict[str, float]]


def ends_of(model: LanguageModel, text: str) -> np.ndarray:
    """Return where each token ends in the text, (T,) in characters."""
    return np.array([end for _, end in model.tokenizer(text, return_offsets_mapping=True)["offset_mapping"]])


def scorer(model: LanguageModel, top: int = TOP) -> Callable[[str], Scored]:
    """Return what scores a text by a local model, at temperature 1."""
    import torch

    def score(text: str) -> Scored:
        ids = model.encode(text)
        with torch.inference_mode():
            logits = model.network(torch.tensor([ids], device=model.network.device), use_cache=False).logits[0]
            values, order = logits.float().log_softmax(-1).topk(min(top, logits.shape[-1]), -1)
        names = model.tokenizer.convert_ids_to_tokens
        likely = [dict(zip(names(o), v, strict=True)) for o, v in zip(order.tolist(), values.tolist(), strict=True)]
        return Scored(names(ids), ends_of(model, text), [{}, *likely[:-1]])

    return score
