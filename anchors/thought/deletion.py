"""How much each later sentence changes when an earlier one's text is deleted, and the distance profile (sec. 2.9).

This needs log-probabilities only, so it works for models whose attention cannot be reached, behind an endpoint that
echoes the prompt's log-probabilities. Unlike suppression it moves all later tokens to other positions.

Costs for M sentences and T tokens: M passes over what follows each sentence (the keys and values before it are reused),
T M / 2 tokens in all; memory for the logits of one pass, (T, V). What many texts begin with is read once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.models.decoding import beginning, first_tokens, with_cache
from anchors.models.language import LanguageModel
from anchors.models.scoring import Scored, ends_of
from anchors.thought.attention import spans_of, token_spans
from anchors.thought.sentences import Sentence

STATISTICS = ("mean", "total", "first")  # over the tokens of the target: mean, sum, mean of its first three
FIRST = 3  # tokens
CLOSE = (1, 2)  # distances of close range in the official profile (code default; long range is 16 to 64)


def without(text: str, sentence: Sentence) -> tuple[str, int, int]:
    """Return the text less a sentence and the blank before it, where the cut is, and how many characters are gone.

    At the very start, the blank after it goes instead.
    """
    start, end = sentence.start, sentence.end
    if start > 0 and text[start - 1].isspace():
        start -= 1
    elif end < len(text) and text[end].isspace():
        end += 1
    return text[:start] + text[end:], start, end - start


def read(model: LanguageModel, text: str, shared: str = "") -> tuple[Any, int]:
    """Return the model's output on a text, and n: logits (1, T - n, V), and the keys and values of all T tokens.

    The first n tokens, all that the text and ``shared`` begin with (but never the last), are read once for all texts
    (:func:`beginning`).
    """
    import torch

    ids = model.encode(text)
    past, n = beginning(model.network, ids, model.encode(shared), len(ids) - 1)
    with torch.inference_mode():
        return with_cache(model.network, torch.tensor([ids[n:]], device=model.network.device), past), n


def deletion_matrix(
    model: LanguageModel, text: str, sentences: Sequence[Sentence], statistic: str = "mean",
    full: tuple[Any, int] | None = None,
) -> np.ndarray:  # fmt: skip
    """Return the effect (M, M) [source, target] of deleting each source, NaN unless source < target.

    ``full`` is the pass over the whole text (:func:`read`), where it is there already.

    The effect is KL(whole || deleted) in nats over the full vocabulary at temperature 1, at the tokens of the target
    that are the same in both texts; NaN where none is (sec. 2.9, there over the five likeliest tokens).

    Raises
    ------
    InputError
        An unknown statistic, fewer than two sentences, a tokenizer without offsets, a text beyond the context, or a
        pass whose logits begin after the first sentence.
    """
    import torch

    _check(sentences, statistic)
    spans = token_spans(model.tokenizer, text, sentences)
    ids, ends = model.encode(text), ends_of(model, text)
    matrix = np.full((len(spans), len(spans)), np.nan)
    with torch.inference_mode():
        whole, n = read(model, text) if full is None else full
        if n >= spans[0][1]:
            raise InputError("full", f"{n} tokens not read", f"fewer than {spans[0][1]}, the end of the first sentence")
        base = whole.logits[0].float().log_softmax(-1)  # (T - n, V), from place n on
        for source, sentence in enumerate(sentences[:-1]):
            shorter, cut, gone = without(text, sentence)
            new_ids, new_ends = model.encode(shorter), ends_of(model, shorter)
            same = next((t for t, (a, b) in enumerate(zip(ids, new_ids, strict=False)) if a != b), len(new_ids) - 1)
            reused = min(same, int(np.searchsorted(ends, cut, "right")), len(new_ids) - 1)
            reused = max(reused, 1)  # the first token is predicted by nothing
            q = _from(
                model, whole.past_key_values, new_ids, reused - 1
            )  # (T' - reused + 1, V), which predict reused on
            old, new = _aligned(ids, ends, new_ids, new_ends, cut + gone, gone, reused)
            p = base[torch.tensor(old) - 1 - n]
            change = (p.exp() * (p - q[torch.tensor(new) - reused])).sum(-1).clamp(min=0).cpu().numpy()
            matrix[source] = _pooled(change, old, spans, source, statistic)
    return matrix


def deletion_matrix_from(
    score: Callable[[str], Scored], text: str, sentences: Sequence[Sentence], statistic: str = "mean"
) -> np.ndarray:
    """Return :func:`deletion_matrix` from the likeliest tokens only, as the official code has it from an endpoint.

    KL over the whole text's likeliest tokens, not renormalised; a token that the other text's list lacks has the
    lowest log-probability that the whole text's lists hold. ``score`` is :func:`anchors.models.scoring.scorer` of a
    local model, or ``Endpoint.scored`` (:mod:`anchors.models.remote`).
    """
    _check(sentences, statistic)
    base = score(text)
    floor = min((p for likely in base.likely for p in likely.values()), default=0.0)
    spans = spans_of(base.ends, sentences)
    matrix = np.full((len(spans), len(spans)), np.nan)
    for source, sentence in enumerate(sentences[:-1]):
        shorter, cut, gone = without(text, sentence)
        other = score(shorter)
        old, new = _aligned(base.tokens, base.ends, other.tokens, other.ends, cut + gone, gone, 1)
        change = [_listed(base.likely[a], other.likely[b], floor) for a, b in zip(old, new, strict=True)]
        matrix[source] = _pooled(np.array(change), old, spans, source, statistic)
    return matrix


def distance_profile(matrix: np.ndarray, longest: int = 128) -> np.ndarray:
    """Return the mean effect (K + 1,) of pairs k sentences apart, k < min(longest, M / 2); NaN at 0 (sec. 2.9)."""
    size = len(matrix)
    count = max(min(longest, (size + 1) // 2), 2)
    diagonals = [np.diagonal(matrix, k) for k in range(1, count)]
    return np.array([np.nan, *(np.nanmean(d) if np.isfinite(d).any() else np.nan for d in diagonals)])


def _check(sentences: Sequence, statistic: str) -> None:
    if statistic not in STATISTICS:
        raise InputError("statistic", repr(statistic), " | ".join(STATISTICS))
    if len(sentences) < 2:
        raise InputError("sentences", len(sentences), "at least two", "One sentence has no later one to change.")


def _from(model: LanguageModel, cache: Any, ids: list[int], reused: int) -> Any:
    """Return the log-probabilities (T' - reused, V) of what follows each token from ``reused`` on."""
    import torch

    past = first_tokens(cache, reused)
    rest = torch.tensor([ids[reused:]], device=model.network.device)
    return model.network(rest, past_key_values=past, use_cache=True).logits[0].float().log_softmax(-1)


def _aligned(a: Sequence, a_ends: np.ndarray, b: Sequence, b_ends: np.ndarray, after: int, gone: int, first: int):
    """Return the places in both texts of the tokens beyond the cut that are the same token of the same characters.

    ``after`` is where the deleted piece ended, ``first`` the earliest place in the shorter text that was scored.
    """
    places = {int(end) + gone: t for t, end in enumerate(b_ends) if t >= first}
    pairs = [(t, places[int(end)]) for t, end in enumerate(a_ends) if end > after and int(end) in places]
    pairs = [(t, u) for t, u in pairs if a[t] == b[u]]
    return [t for t, _ in pairs], [u for _, u in pairs]


def _pooled(change: np.ndarray, places: list[int], spans: list, source: int, statistic: str) -> np.ndarray:
    """Return the statistic (M,) of the changes (n,) at token places (n,) over each target after the source."""
    places, row = np.asarray(places), np.full(len(spans), np.nan)
    for target in range(source + 1, len(spans)):
        own = change[(places >= spans[target][0]) & (places < spans[target][1])]
        if own.size:
            row[target] = own.sum() if statistic == "total" else own[: FIRST if statistic == "first" else None].mean()
    return row


def _listed(p: dict[str, float], q: dict[str, float], floor: float) -> float:
    """Return sum p (ln p - ln q) over the tokens of ``p``, both as log-probabilities by token."""
    return float(sum(np.exp(x) * (x - q.get(token, floor)) for token, x in p.items()))
