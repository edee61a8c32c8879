"""Sentence-to-sentence importance: does keeping sentence i make something like sentence j turn up? (sec. 2.8)"""

from collections.abc import Callable, Sequence

import numpy as np

from anchors.companion.errors import InputError

THRESHOLD = 0.8  # cosine from which two sentences say the same (sec. 2.4)
Embedder = Callable[[Sequence[str]], np.ndarray]


def step_matrix(
    sentences: np.ndarray, vectors: np.ndarray, rollout: np.ndarray, vector: np.ndarray, owner: np.ndarray,
    threshold: float = THRESHOLD, block: int = 8192,
) -> np.ndarray:  # fmt: skip
    """Return (M, M) [source i, target j]: match rate of S_j in the rollouts that keep S_i − in those that drop it.

    NaN on and below the diagonal, and where one of the two sets of rollouts is empty (sec. 2.8). A rollout matches S_j
    when any of its sentences has cosine ≥ ``threshold`` with it. As in the official code, the rollouts that drop S_i
    are all of them, also those that say it again.

    Parameters
    ----------
    sentences : (M, d) vectors of the trace's sentences; vectors : (u, d) vectors of distinct rollout sentences.
    rollout, vector : (K,) for each sentence of each rollout, its rollout (0 … R−1) and its row in ``vectors``.
    owner : (R,) number of sentences each rollout keeps, 0 … M.
    block : rows compared at once, which bounds the memory at ``block`` × M.
    """
    rates = match_rates(sentences, vectors, rollout, vector, owner, threshold, block)
    matrix = rates[1:] - rates[:-1]
    return np.where(np.triu(np.ones_like(matrix, bool), 1), matrix, np.nan)


def match_rates(
    sentences: np.ndarray, vectors: np.ndarray, rollout: np.ndarray, vector: np.ndarray, owner: np.ndarray,
    threshold: float = THRESHOLD, block: int = 8192,
) -> np.ndarray:  # fmt: skip
    """Return (M+1, M): share of the rollouts that keep i sentences in which S_j turns up; see :func:`step_matrix`."""
    from scipy.sparse import csr_array

    count, owner = len(sentences), np.asarray(owner, int)
    if owner.size and not 0 <= owner.min() <= owner.max() <= count:
        raise InputError("owner", f"{owner.min()} … {owner.max()}", f"0 … {count}, sentences kept")
    target = _unit(sentences)
    alike = np.empty((len(vectors), count), bool)
    for start in range(0, len(vectors), block):
        alike[start : start + block] = _unit(vectors[start : start + block]) @ target.T >= threshold
    ones = np.ones(len(rollout), np.float32)
    said = csr_array((ones, (rollout, vector)), shape=(len(owner), len(vectors)))
    hits = np.zeros((count + 1, count))
    for start in range(0, len(owner), block):
        rows = slice(start, start + block)
        np.add.at(hits, owner[rows], said[rows] @ alike.astype(np.float32) > 0)
    total = np.bincount(owner, minlength=count + 1)[:, None]
    return np.where(total > 0, hits / np.maximum(total, 1), np.nan)


def step_importance(
    sentences: Sequence[str], texts: Sequence[str], owner: np.ndarray, embed: Embedder,
    split: Callable[[str], list[str]], threshold: float = THRESHOLD,
) -> np.ndarray:  # fmt: skip
    """Return :func:`step_matrix` from texts; each distinct sentence is embedded once.

    ``texts`` (R,) are continuations, ``owner`` (R,) the sentences each keeps, ``split`` cuts one into sentences.
    """
    parts = [split(text) for text in texts]
    rollout = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    found, index = np.unique([*sentences, *(s for part in parts for s in part)], return_inverse=True)
    vectors, count = embed(found.tolist()), len(sentences)
    return step_matrix(vectors[index[:count]], vectors, rollout, index[count:], np.asarray(owner), threshold)


def summary(matrix: np.ndarray, top: int = 5) -> dict[str, object]:
    """Return the aggregates of a step matrix (M, M), missing pairs counted as zero where the official code does so.

    ``average`` is over all M² entries, zeros and missing ones included; ``largest`` and ``smallest`` over those there;
    ``outgoing`` and ``incoming`` (M,) are means over later targets and earlier sources; ``top_sources`` and
    ``top_targets`` are the ``top`` sentences by these (sec. 2.8).
    """
    import warnings

    matrix = np.asarray(matrix, float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        outgoing = np.nan_to_num(np.nanmean(matrix, axis=1)) if matrix.size else np.zeros(0)
        incoming = np.nan_to_num(np.nanmean(matrix, axis=0)) if matrix.size else np.zeros(0)
    present = matrix[~np.isnan(matrix)]
    return {
        "average": float(np.nansum(matrix) / max(matrix.size, 1)),
        "largest": float(present.max()) if present.size else 0.0,
        "smallest": float(present.min()) if present.size else 0.0,
        "outgoing": outgoing,
        "incoming": incoming,
        "top_sources": np.argsort(-outgoing, kind="stable")[:top].tolist(),
        "top_targets": np.argsort(-incoming, kind="stable")[:top].tolist(),
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
