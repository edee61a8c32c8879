"""Attention between sentences, and the heads whose attention narrows on few of them (sec. 2.6).

Costs: one forward pass over T tokens; one layer's attention (H, T, T) is in memory at a time, computed in place, and
leaves (H, M, M).
"""

from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.models.decoding import beginning
from anchors.models.language import LanguageModel
from anchors.thought.sentences import Sentence

POOLING = "anchors_sentence_pooling"  # the name of the attention function while it is in place


def token_spans(tokenizer: Any, text: str, sentences: Sequence[Sentence]) -> list[tuple[int, int]]:
    """Return the token range [first, last + 1) of every sentence; a token belongs where its last character lies.

    Raises
    ------
    InputError
        The tokenizer gives no offsets, or a sentence has no token of its own.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError("tokenizer", type(tokenizer).__name__, "a fast tokenizer, which gives offsets")
    ends = np.array([end for _, end in tokenizer(text, return_offsets_mapping=True)["offset_mapping"]])
    spans = spans_of(ends, sentences)
    for sentence, (a, b) in zip(sentences, spans, strict=True):
        if a >= b:
            raise InputError("sentence", repr(sentence.text[:40]), "at least one token", "Merge it with a neighbour.")
    return spans


def spans_of(ends: np.ndarray, sentences: Sequence[Sentence]) -> list[tuple[int, int]]:
    """Return the token range [first, last + 1) of every sentence from where each token ends in the text, (T,)."""
    first = np.searchsorted(ends, [s.start + 1 for s in sentences])
    last = np.searchsorted(ends, [s.end + 1 for s in sentences])
    return list(zip(first.tolist(), last.tolist(), strict=True))


def indicator(spans: Sequence[tuple[int, int]], tokens: int) -> np.ndarray:
    """Return W (M, T) float32: row i holds 1 / length on the tokens of sentence i."""
    w = np.zeros((len(spans), tokens), dtype=np.float32)
    for row, (first, last) in enumerate(spans):
        w[row, first:last] = 1 / (last - first)
    return w


def sentence_attention(
    model: LanguageModel, text: str, sentences: Sequence[Sentence], shared: str = ""
) -> np.ndarray:  # fmt: skip
    """Return sentence-averaged attention (L, H, M, M) float32, [reading sentence, read sentence]: W A W^T per head.

    Entry [i, j] is the mean attention weight from the tokens of sentence i to those of sentence j <= i. What the text
    and ``shared`` begin with, up to the first sentence, is read once for all texts (:func:`beginning`).

    Raises
    ------
    InputError
        No sentence, a text longer than the context, or a model whose attention cannot be reached.
    """
    import torch

    if not sentences:
        raise InputError("sentences", "none", "at least one", "Split the text first.")
    ids, spans, found = model.encode(text), token_spans(model.tokenizer, text, sentences), []
    past, n = beginning(model.network, ids, model.encode(shared), spans[0][0])
    rest = torch.tensor([ids[n:]], device=model.network.device)

    def pool(weights: Any) -> None:
        found.append(pooled(weights[0], spans).cpu().numpy())

    with torch.inference_mode(), attention_given_to(model.network, pool):
        model.network(rest, past_key_values=past, use_cache=n > 0, logits_to_keep=1)
    if not found:
        cure = "Choose a model with softmax attention in transformers' attention interface."
        raise InputError(model.name, "attention that cannot be reached", "attention weights", cure)
    return np.stack(found)


def pooled(weights: Any, spans: Sequence[tuple[int, int]]) -> Any:
    """Return W A W^T (H, M, M) of one layer's weights A (H, T, T), W the :func:`indicator` of disjoint spans.

    A may lack the rows (reading tokens) before the first span.
    The left product adds each row to its sentence's, which reads A once; the right one is small.
    """
    import torch

    heads, read, tokens = weights.shape
    owner = torch.full((tokens,), len(spans))  # of tokens outside all sentences: a row that is dropped
    for number, (first, last) in enumerate(spans):
        owner[first:last] = number
    size = torch.tensor([last - first for first, last in spans], dtype=weights.dtype, device=weights.device)
    rows = weights.new_zeros(heads, len(spans) + 1, tokens)
    rows.index_add_(1, owner[tokens - read :].to(weights.device), weights)
    w = torch.tensor(indicator(spans, tokens), dtype=weights.dtype, device=weights.device)
    return rows[:, : len(spans)] / size[:, None] @ w.T


@contextmanager
def attention_given_to(network: Any, receive: Any):
    """Within the context, every layer hands its weights (b, H, n, T) float32 to ``receive``, in order, and works on."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    def attend(module, query, key, value, attention_mask, scaling=None, softcap=None, **_):
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        query = query * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        weights = (query @ key.transpose(2, 3)).float()  # (b, H, n, T): from here on in place, one layer in memory
        if softcap is not None:
            weights.div_(softcap).tanh_().mul_(softcap)
        if attention_mask is not None:
            weights.add_(attention_mask[..., : key.shape[2]])
        weights.sub_(weights.amax(-1, keepdim=True)).exp_().div_(weights.sum(-1, keepdim=True))
        receive(weights)
        return (weights.to(value.dtype) @ value).transpose(1, 2).contiguous(), None

    AttentionInterface.register(POOLING, attend)
    AttentionMaskInterface.register(POOLING, eager_mask)
    before = network.config._attn_implementation
    try:
        network.set_attn_implementation(POOLING)
        yield
    except InputError:
        raise
    except (ValueError, TypeError) as error:
        raise InputError(type(network).__name__, str(error)[:80], "a model with transformers' attention") from error
    finally:
        network.set_attn_implementation(before)


def vertical_scores(matrices: np.ndarray, proximity: int = 4, depth_control: bool = False) -> np.ndarray:
    """Return the mean attention (L, H, M) that each sentence receives from those at least ``proximity`` later.

    Parameters
    ----------
    matrices : (L, H, M, M) [reading, read].
    proximity : d in sentences; 4 in v1/v2, 16 in the scripts of v4. The last d sentences are NaN.
    depth_control : replace each row's entries by their rank within the row over the row's length (ties averaged).
    """
    from scipy.stats import rankdata

    size = matrices.shape[-1]
    reading, read = np.indices((size, size))
    seen = np.where(reading - read >= proximity, matrices, np.nan)
    if depth_control:
        seen = rankdata(seen, axis=-1, nan_policy="omit") / np.maximum((~np.isnan(seen)).sum(-1, keepdims=True), 1)
    counts = (~np.isnan(seen)).sum(-2)
    return np.where(counts > 0, np.nansum(seen, -2) / np.maximum(counts, 1), np.nan)


def kurtosis(vertical: np.ndarray) -> np.ndarray:
    """Return the excess kurtosis (L, H) of the vertical scores over the sentences: biased, NaN left out (sec. 2.6)."""
    from scipy.stats import kurtosis as fisher

    return np.asarray(fisher(vertical, axis=-1, nan_policy="omit"), float)


def receiver_heads(
    kurtoses: np.ndarray, k: int, skip_first_layer: bool = True, average: str = "mean"
) -> list[tuple[int, int]]:
    """Return the k heads (layer, head) of highest kurtosis, highest first.

    Parameters
    ----------
    kurtoses : (traces, L, H); ``average`` over traces is ``mean`` (v1/v2) or ``median`` (plots of v4).
    skip_first_layer : as the paper does.
    """
    if average not in ("mean", "median"):
        raise InputError("average", repr(average), "mean | median")
    score = np.array({"mean": np.nanmean, "median": np.nanmedian}[average](kurtoses, axis=0))  # (L, H)
    heads = score.shape[1]
    if skip_first_layer:
        score[0] = -np.inf
    if not 1 <= k <= np.isfinite(score).sum():
        raise InputError("k", k, f"1 to {np.isfinite(score).sum()} heads", "Layer 0 does not count.")
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf).ravel(), kind="stable")[:k]
    return [(int(i) // heads, int(i) % heads) for i in order]


def receiver_scores(vertical: np.ndarray, heads: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the mean vertical score (M,) of each sentence over the given heads."""
    layers, numbers = zip(*heads, strict=True)
    return vertical[list(layers), list(numbers)].mean(0)
