"""How much each later sentence changes when attention to an earlier one is cut off (sec. 2.7).

Costs for M sentences and T tokens: one full pass, then for each batch of sources one pass over the tokens from the
earliest of them on, whose keys and values before it are reused – a prompt is never read again; memory for the
distributions of the text that is read, 2 (T, V), and the logits of a batch, (b, T, V).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.models.decoding import beginning, first_tokens, with_cache
from anchors.models.language import LanguageModel
from anchors.thought.attention import token_spans
from anchors.thought.sentences import Sentence

FLOOR = 1e-9  # added to the divergence before its logarithm
NUCLEUS, MOST, MISSING = 0.9999, 100, -1e9  # of the official approximation
NOWHERE = -1e30  # logit of a token in neither support
LARGEST = 80.0  # rise of a log-probability whose exponential single precision still holds


def suppression_matrix(
    model: LanguageModel, text: str, sentences: Sequence[Sentence], temperature: float = 0.6,
    normalise: str = "none", approximation: str = "exact", scale: str = "log", batch: int | None = None,
    shared: str = "",
) -> np.ndarray:  # fmt: skip
    """Return the effect (M, M) [source, target] of hiding each source, NaN unless source < target.

    Every layer and head of all tokens from the source on is kept from attending to the source's tokens. The effect is
    the mean, over the tokens of the target, of ln(KL(base || masked) + 1e-9) at ``temperature`` (nats), at the
    positions whose logits predict these tokens.

    Parameters
    ----------
    normalise : ``none``, or ``official``: for each target, the mean over its earlier sources is subtracted.
    approximation : ``exact`` (whole vocabulary), or ``official``: likeliest tokens only (mass .9999, 100 at most) in
        half precision, missing ones at -1e9, at the tokens' own positions, whose logits predict the next ones.
    scale : ``log``, or ``kl`` for the plain mean divergence.
    batch : sources per pass; 8 on a GPU, 2 on a CPU, where the logits of more do not stay in its caches.
    shared : a text; what it and ``text`` begin with, up to the first sentence, is read once for all texts
        (:func:`beginning`).

    Raises
    ------
    InputError
        An unknown switch, fewer than two sentences, a text longer than the context, or a model that takes no mask.
    """
    import torch

    _check(sentences, normalise, approximation, scale)
    batch = batch or (2 if model.network.device.type == "cpu" else 8)
    spans = token_spans(model.tokenizer, text, sentences)
    official = approximation == "official"
    matrix = np.full((len(spans), len(spans)), np.nan)
    with torch.inference_mode():
        ids = torch.tensor([model.encode(text)], device=model.network.device)
        _check_window(model, ids.shape[1])
        past, n = beginning(model.network, ids[0].tolist(), model.encode(shared), spans[0][0])
        full = with_cache(model.network, ids[:, n:], past)  # its logits begin at place n
        change_of = _official(full.logits, temperature) if official else _exact(full.logits, temperature)
        for first in range(0, len(spans) - 1, batch):
            sources = range(first, min(first + batch, len(spans) - 1))
            start = spans[first][0]
            seen = spans[first][1] - 1  # the first place whose logits predict a later sentence's token
            logits = _masked(model, ids, full.past_key_values, [spans[i] for i in sources], start, seen)
            change = change_of(logits, seen - n)  # (b, T - seen)
            change = torch.log(change + FLOOR) if scale == "log" else change
            for row, source in enumerate(sources):
                for target in range(source + 1, len(spans)):
                    a, b = (place - seen - (0 if official else 1) for place in spans[target])
                    matrix[source, target] = change[row, a:b].mean().item()
    return centred(matrix) if normalise == "official" else matrix


def centred(matrix: np.ndarray) -> np.ndarray:
    """Return the matrix (M, M) less, for each target, the mean over its earlier sources."""
    known = ~np.isnan(matrix)
    return matrix - np.where(known, matrix, 0).sum(0) / np.maximum(known.sum(0), 1)


def _check(sentences: Sequence, normalise: str, approximation: str, scale: str) -> None:
    for name, value, allowed in (
        ("normalise", normalise, ("none", "official")),
        ("approximation", approximation, ("exact", "official")),
        ("scale", scale, ("log", "kl")),
    ):
        if value not in allowed:
            raise InputError(name, repr(value), " | ".join(allowed))
    if len(sentences) < 2:
        raise InputError("sentences", len(sentences), "at least two", "One sentence has no later one to change.")


def _check_window(model: LanguageModel, tokens: int) -> None:
    """Raise InputError for a text beyond the sliding window of a model: one mask is for all layers."""
    config = model.network.config
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    if window and tokens > window:
        cure = "Take a shorter text, or a model that attends to all of it."
        raise InputError(f"text for {model.name}", f"{tokens} tokens", f"at most its sliding window of {window}", cure)


def _masked(model: LanguageModel, ids: Any, cache: Any, spans: list[tuple[int, int]], start: int, seen: int) -> Any:
    """Return the logits (b, T - seen, V) with each source hidden; what comes before ``start`` is reused."""
    import torch

    total = ids.shape[1]
    try:
        past = first_tokens(cache, start, len(spans)) if start else None
        return model.network(
            ids[:, start:].expand(len(spans), -1), past_key_values=past, use_cache=start > 0,
            attention_mask=hidden_mask(spans, start, total, model.network.dtype).to(ids.device),
            position_ids=torch.arange(start, total, device=ids.device)[None].expand(len(spans), -1),
            logits_to_keep=total - seen,
        ).logits  # fmt: skip
    except torch.OutOfMemoryError as error:
        found = f"{len(spans)} sources at a time, {total} tokens"
        raise InputError("batch", found, "what fits in memory", "Lower it, or take a shorter text.") from error
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        cure = "Choose a decoder whose attention transformers can mask."
        raise InputError(model.name, str(error).splitlines()[0][:80], "a model that takes a 4D mask", cure) from error


def hidden_mask(spans: Sequence[tuple[int, int]], start: int, total: int, dtype: Any) -> Any:
    """Return additive masks (b, 1, total - start, total): causal, and each source's tokens hidden from all queries."""
    import torch

    query, key = torch.arange(start, total)[:, None], torch.arange(total)[None]
    blocked = torch.stack([(key > query) | ((key >= a) & (key < b)) for a, b in spans])[:, None]
    return torch.zeros(blocked.shape, dtype=dtype).masked_fill(blocked, torch.finfo(dtype).min)


def _exact(base: Any, temperature: float) -> Callable:
    """Return ``change(logits, seen)``: :func:`divergence` from ``base`` (1, T, V), whose part is computed once."""
    log_p = base.float().div(temperature).log_softmax(-1)
    p = log_p.exp()

    def change(logits: Any, seen: int) -> Any:
        log_q = logits.float().div_(temperature).log_softmax(-1)
        return relative_entropy(log_p[:, seen:], p[:, seen:], log_q)

    return change


def _official(base: Any, temperature: float) -> Callable:
    """Return ``change(logits, seen)``: the official approximation of :func:`divergence`."""
    return lambda logits, seen: divergence(base[:, seen:], logits, temperature, official=True)


def divergence(base: Any, masked: Any, temperature: float, official: bool = False) -> Any:
    """Return KL(softmax(base / T) || softmax(masked / T)) in nats over the last axis, clipped at 0 from below."""
    if official:
        base, masked = _approximated(base, masked, temperature)
    p, q = (logits.float().div(temperature).log_softmax(-1) for logits in (base, masked))
    return (p.exp() * (p - q)).sum(-1).clamp(min=0) if official else relative_entropy(p, p.exp(), q)


def relative_entropy(log_p: Any, p: Any, log_q: Any) -> Any:
    """Return sum p ln(p / q) over the last axis as sum p (e^d - 1 - d), d = ln q - ln p; ``log_q`` is overwritten.

    The two are equal, as p and q add up to one. Every term of the second is positive and of second order in d: near
    zero, where the logarithm of the divergence looks, the first is what rounding left of terms that cancel.
    """
    import torch

    change = log_q.sub_(log_p)
    if change.numel() and float(change.max()) > LARGEST:
        change, p = change.double(), log_p.double().exp()
    return torch.expm1(change).sub_(change).mul_(p).sum(-1).to(log_p.dtype)


def _approximated(base: Any, masked: Any, temperature: float) -> tuple[Any, Any]:
    """Return both logits as the official code stores them: half precision, likeliest tokens, the union of both."""
    import torch

    kept = []
    for logits in (base, masked):
        values, order = logits.float().sort(-1, descending=True)
        p = values.softmax(-1)
        keep = (p.cumsum(-1) - p < NUCLEUS) & (torch.arange(p.shape[-1], device=p.device) < MOST)
        stored = torch.full_like(values, -torch.inf).scatter(-1, order, values.half().float().where(keep, -torch.inf))
        kept.append(stored)
    a, b = torch.broadcast_tensors(*kept)
    outside = a.isinf() & b.isinf()
    return tuple(x.where(~x.isinf(), MISSING).masked_fill(outside, NOWHERE) for x in (a, b))
