"""What a model's inside says of a trace, as fields of the bundle: attention, its heads, attention suppression."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anchors.thought import attention, receivers
from anchors.thought.explorer import bundle
from anchors.thought.suppression import centred, suppression_matrix

PROXIMITY = 2  # sentences; the paper's 4 would leave little of a short trace
LONG, FAR = 40, 4  # from so many sentences on, the paper's own proximity
FEW = 32  # heads up to which all of them keep their links; of more heads only receiver heads do


def fields(model: Any, text: str, sentences: Sequence[Any], shared: str = "") -> dict[str, Any]:
    """Return links of suppression and attention, receiver-head scores and heads of one text (sec. 2.6, 2.7).

    ``model`` is a loaded language model, ``sentences`` lie in ``text``, which begins with the prompt; what it
    and ``shared`` begin with is read once.
    """
    matrices = np.nan_to_num(
        attention.sentence_attention(model, text, sentences, shared)
    )  # (L, H, M, M) [reading, read]
    found = heads(matrices)
    if len(sentences) > 1:
        effects = centred(suppression_matrix(model, text, sentences, shared=shared))
        found["links"].insert(0, suppressed(effects))
    return found


def suppressed(effects: np.ndarray, origin: str = "measured") -> dict[str, Any]:
    """Return the links of a suppression matrix (M, M) [source, target], each target's mean taken off."""
    return bundle.links("suppression", "Attention suppression", "log units, centred for each target", origin, effects)


def heads(matrices: np.ndarray) -> dict[str, Any]:
    """Return the fields that sentence attention (L, H, M, M) [reading, read] gives."""
    layers, width, size = matrices.shape[:3]
    vertical = attention.vertical_scores(matrices, FAR if size >= LONG else PROXIMITY)  # (L, H, M)
    kurtosis = np.where(np.isfinite(k := attention.kurtosis(vertical)), k, np.nan)
    chosen = _receivers(kurtosis)
    every = bundle.links("attention", "Attention, mean of all heads", "weight per token", "measured",
                         matrices.mean((0, 1)).T)  # fmt: skip
    rows = [
        _head(layer, head, kurtosis[layer, head], (layer, head) in chosen, vertical[layer, head],
              matrices[layer, head].T if layers * width <= FEW or (layer, head) in chosen else None)
        for layer in range(layers) for head in range(width)
    ]  # fmt: skip
    score = [] if not chosen else [_score(vertical, chosen)]
    return {"importances": score, "links": [every], "heads": rows}


def _receivers(kurtosis: np.ndarray) -> list[tuple[int, int]]:
    """Return the receiver heads by the kurtosis (L, H) on this trace alone; none where too few are defined."""
    layers, width = kurtosis.shape
    count = receivers.head_count(layers, width)
    if np.isfinite(kurtosis[1:]).sum() < count:
        return []
    return attention.receiver_heads(np.where(np.isnan(kurtosis), -np.inf, kurtosis)[None], count)


def _score(vertical: np.ndarray, chosen: list[tuple[int, int]]) -> dict[str, Any]:
    words = f"Attention received, mean of {len(chosen)} receiver heads"
    score = attention.receiver_scores(vertical, chosen)
    return bundle.importance("receiver", words, "weight per token", "measured", score)


def _head(
    layer: int, head: int, kurtosis: float, receiver: bool, received: np.ndarray, rows: np.ndarray | None
) -> dict[str, Any]:
    about = {"layer": layer, "head": head, "kurtosis": bundle.number(kurtosis), "receiver": receiver}
    found = about | {"received": bundle.numbers(received)}
    return found if rows is None else found | {"rows": bundle.upper(rows)}
