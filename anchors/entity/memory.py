"""How much memory a step will take, said before it starts (derived: what backpropagation keeps of a BERT layer)."""

from dataclasses import replace
from typing import Any

from anchors.companion.errors import AnchorsError
from anchors.entity.settings import Settings

FLOAT = 4  # bytes
KEPT = 9  # vectors of the model's width that a layer keeps of a token, besides its inner ones and its attention
SHARE = 0.9  # of the free memory that a step may take


def step_bytes(settings: Settings, config: Any, tokens: int, sequences: int) -> int:
    """Return the bytes of activations of one step: ``sequences`` of at most ``tokens`` tokens, ``chunk`` at a time.

    Parameters
    ----------
    config : of the language model: ``hidden_size``, ``intermediate_size``, ``num_attention_heads``.
    """
    at_once = min(settings.chunk or sequences, sequences)
    vectors = 2 * sequences * settings.width * FLOAT
    scores = 6 * settings.batch * (settings.batch * (1 + settings.pre_batch) + settings.random) * FLOAT
    if not settings.top:
        return 12 * at_once * (settings.hidden + config.hidden_size) * FLOAT + vectors + scores
    token = KEPT * config.hidden_size + 2 * config.intermediate_size + 2 * config.num_attention_heads * tokens
    return at_once * tokens * settings.top * token * FLOAT + vectors + scores


def sequences_of(settings: Settings) -> int:
    """Return the number of sequences of a step at most, before deduplication: queries, tails, random, heads."""
    return (2 + settings.self_negative) * settings.batch + settings.random


def check(settings: Settings, config: Any, tokens: int, free: int) -> None:
    """Raise AnchorsError when a step would take more than ``free`` bytes; the message says which chunk fits."""
    sequences = sequences_of(settings)
    need = step_bytes(settings, config, tokens, sequences)
    if need <= SHARE * free:
        return
    fitting = (2**power for power in range(12, -1, -1) if 2**power < sequences)
    chunk = next((c for c in fitting if _fits(replace(settings, chunk=c), config, tokens, sequences, free)), 0)
    cure = f"say chunk={chunk} (gradient caching)" if chunk else f"say a batch smaller than {settings.batch}"
    raise AnchorsError(
        f"batch {settings.batch}: a step needs about {need / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; {cure}"
    )


def _fits(settings: Settings, config: Any, tokens: int, sequences: int, free: int) -> bool:
    return step_bytes(settings, config, tokens, sequences) <= SHARE * free


def free_bytes(device: Any) -> int:
    """Return the free memory where a run takes place."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return psutil.virtual_memory().available
