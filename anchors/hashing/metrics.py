"""Retrieval metrics from distance histograms: exact expectations over the order inside each tie group.

Codes of r bits have r + 1 distances, so most ranks are ties. Every metric here takes the items of one distance
in uniformly random order and gives the exact expectation; nothing depends on the order of the database.
"""

from typing import NamedTuple

import numpy as np

from anchors.companion.errors import InputError
from anchors.hashing.histograms import Histograms, distance_histograms, relevance

__all__ = [
    "Histograms",
    "PrecisionRecall",
    "distance_histograms",
    "evaluate",
    "expected_average_precision",
    "map_at",
    "mean_average_precision",
    "precision_at_radius",
    "precision_recall_by_radius",
    "relevance",
    "top_n_precision",
]

BLOCK_ENTRIES = 1 << 20


class PrecisionRecall(NamedTuple):
    """Precision and recall of the Hamming balls of radius 0..bits, arrays (bits + 1,)."""

    precision: np.ndarray
    recall: np.ndarray


def expected_average_precision(hist: Histograms) -> np.ndarray:
    """Expected average precision of each query under random order inside ties (derived, closed form).

    A level with n items, r of them relevant, N and R items and relevant items before it, adds
    (r / n) [s n + (R + 1 - s - s N)(H_{N+n} - H_N)] with s = (r - 1) / (n - 1) and H the harmonic numbers;
    the sum is divided by the number of relevant items.

    Parameters
    ----------
    hist : Histograms, arrays (nq, bits + 1)

    Returns
    -------
    float array (nq,); 0 for a query without relevant items.
    """
    total = hist.r.sum(axis=1)
    return level_sums(hist, hist.n).sum(axis=1) / np.maximum(total, 1)


def mean_average_precision(hist: Histograms, empty: str = "zero") -> float:
    """Mean of the expected average precision over queries (derived).

    Parameters
    ----------
    hist : Histograms
    empty : "zero" counts a query without relevant items as 0, "skip" leaves it out.

    Raises
    ------
    InputError : unknown rule, or no query to average over.
    """
    return mean_over_queries(expected_average_precision(hist), hist, empty)


def map_at(hist: Histograms, R: int | None, denominator: str = "retrieved", empty: str = "zero") -> float:
    """Mean expected average precision of the first R items (derived, exact for both denominators).

    AP@R = sum_{k <= R} precision(k) relevant(k) / D. With "min_relevant" D = min(R, relevant items), fixed, so
    the expectation of the sum is divided. With "retrieved" D = relevant items among the first R, which is
    random when R cuts a tie group: the expectation of the ratio is taken over the hypergeometric number of
    relevant items that make the cut. AP@R = 0 where D = 0.

    Parameters
    ----------
    hist : Histograms
    R : cut-off; None or a value beyond the database means the whole database.
    denominator : "retrieved" (usual in hashing) or "min_relevant" (information retrieval).
    empty : as in `mean_average_precision`; it concerns queries without relevant items in the whole database.

    Raises
    ------
    InputError : R < 1, unknown denominator or rule.
    """
    return mean_over_queries(average_precision_at(hist, R, denominator), hist, empty)


def average_precision_at(hist: Histograms, R: int | None, denominator: str = "retrieved") -> np.ndarray:
    """Expected AP@R of each query, float array (nq,); see `map_at` (derived)."""
    items = int(hist.n.sum(axis=1).max(initial=0))
    if R is not None and R < 1:
        raise InputError("cut-off R", R, "at least 1", "Use None for the whole database.")
    if denominator not in ("retrieved", "min_relevant"):
        raise InputError("denominator", repr(denominator), '"retrieved" or "min_relevant"')
    R = items if R is None else min(R, items)
    if denominator == "min_relevant":
        total = np.minimum(hist.r.sum(axis=1), R)
        return level_sums(hist, taken(hist.n, R)).sum(axis=1) / np.maximum(total, 1)
    rows = max(1, BLOCK_ENTRIES // max(R, 1))
    starts = range(0, len(hist.n), rows)
    blocks = (Histograms(hist.n[i : i + rows], hist.r[i : i + rows]) for i in starts)
    return np.concatenate([np.empty(0), *(retrieved_average_precision(block, R) for block in blocks)])


def retrieved_average_precision(hist: Histograms, R: int) -> np.ndarray:
    """E[sum / relevant items in the first R], float (nq,); the cut level's share is averaged over j."""
    rows, take = np.arange(len(hist.n)), taken(hist.n, R)
    cut = np.argmax((take < hist.n) & (take > 0), axis=1)  # at most one level is taken in part
    q, n, r = take[rows, cut], hist.n[rows, cut], hist.r[rows, cut]
    q = np.where(q < n, q, 0)  # no level is cut: nothing more to draw
    whole = np.where(take == hist.n, take, 0)
    before, found = whole.sum(axis=1), np.where(whole > 0, hist.r, 0).sum(axis=1)
    full = level_sums(hist, whole).sum(axis=1)
    j = np.arange(np.minimum(q, r).max(initial=0) + 1)  # (J,) relevant items that make the cut
    chance = hypergeometric(j, n[:, None], r[:, None], q[:, None])  # (nq, J)
    part = level_sum(j, q[:, None], before[:, None], found[:, None], q[:, None])
    return (chance * (full[:, None] + part) / np.maximum(found[:, None] + j, 1)).sum(axis=1)


def hypergeometric(j: np.ndarray, n: np.ndarray, r: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Probability of j relevant items among q drawn from n items of which r are relevant; broadcast shapes."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n.max(initial=0) + 1)))])  # log factorials
    possible = (j <= q) & (j <= r) & (q - j <= n - r)
    i = np.where(possible, j, np.maximum(0, q + r - n))  # a possible count in place of an impossible one

    def choose(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return logs[a] - logs[b] - logs[a - b]

    chance = np.where(possible, np.exp(choose(r, i) + choose(n - r, q - i) - choose(n, q)), 0.0)
    return chance / chance.sum(axis=1, keepdims=True)


def level_sums(hist: Histograms, take: np.ndarray) -> np.ndarray:
    """Expected sum of precision(k) relevant(k) over the first `take` items of every level, float (nq, bits + 1)."""
    before = np.cumsum(hist.n, axis=1) - hist.n
    found = np.cumsum(hist.r, axis=1) - hist.r
    return level_sum(hist.r, hist.n, before, found, take)


def level_sum(r: np.ndarray, n: np.ndarray, before: np.ndarray, found: np.ndarray, take: np.ndarray) -> np.ndarray:
    """The closed form of one level: r of n items relevant, `take` items taken, broadcast shapes."""
    s = (r - 1) / np.maximum(n - 1, 1) * (n > 1)
    harmonic = harmonic_numbers(int((before + take).max(initial=0)))
    span = harmonic[before + take] - harmonic[before]
    return r / np.maximum(n, 1) * (s * take + (found + 1 - s - s * before) * span)


def harmonic_numbers(n: int) -> np.ndarray:
    """H_0..H_n, float (n + 1,)."""
    return np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, n + 1))])


def taken(n: np.ndarray, R: int) -> np.ndarray:
    """How many items of every level are among the first R, integer array like n (nq, bits + 1)."""
    return np.clip(R - (np.cumsum(n, axis=1) - n), 0, n)


def mean_over_queries(values: np.ndarray, hist: Histograms, empty: str) -> float:
    """Mean of `values` (nq,) with queries without relevant items counted or skipped."""
    if empty not in ("zero", "skip"):
        raise InputError("rule for queries without relevant items", repr(empty), '"zero" or "skip"')
    values = values[hist.r.sum(axis=1) > 0] if empty == "skip" else values
    if not len(values):
        raise InputError("queries", "none to average over", "one or more", "Check the labels of both sides.")
    return float(values.mean())


def precision_recall_by_radius(hist: Histograms, average: str = "micro", empty_ball: str = "skip") -> PrecisionRecall:
    """Precision and recall of the Hamming ball of every radius 0..bits (derived).

    "micro" divides sums over queries. "macro" averages per-query values: recall over queries with relevant
    items; precision over queries with a non-empty ball (empty_ball="skip") or over all, an empty ball counting
    as 0 ("zero"). Where nothing remains to divide by, the value is NaN.

    Raises
    ------
    InputError : unknown average or rule.
    """
    if average not in ("micro", "macro") or empty_ball not in ("skip", "zero"):
        found = f"average={average!r}, empty_ball={empty_ball!r}"
        raise InputError("averaging", found, '"micro" or "macro"; "skip" or "zero"')
    retrieved, hits = np.cumsum(hist.n, axis=1), np.cumsum(hist.r, axis=1)
    total = hits[:, -1:]
    if average == "micro":
        return PrecisionRecall(ratio(hits.sum(axis=0), retrieved.sum(axis=0)), ratio(hits.sum(axis=0), total.sum()))
    counted = np.maximum(retrieved > 0, empty_ball == "zero")
    precision = ratio((hits / np.maximum(retrieved, 1)).sum(axis=0), counted.sum(axis=0))
    return PrecisionRecall(precision, ratio((hits / np.maximum(total, 1)).sum(axis=0), (total > 0).sum()))


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, NaN where b = 0."""
    return np.where(b > 0, a / np.maximum(b, 1), np.nan)


def precision_at_radius(hist: Histograms, radius: int = 2) -> float:
    """Mean precision of the ball of the given radius in bits; an empty ball counts as 0 (derived).

    Raises
    ------
    InputError : radius outside 0..bits.
    """
    if not 0 <= radius < hist.n.shape[1]:
        raise InputError("Hamming radius", radius, f"0..{hist.n.shape[1] - 1}", "Use at most the number of bits.")
    return float(precision_recall_by_radius(hist, "macro", "zero").precision[radius])


def top_n_precision(hist: Histograms, ns: np.ndarray) -> np.ndarray:
    """Mean expected precision of the first N items for every N in `ns`, float (len(ns),) (derived).

    Inside a tie group the expected number of relevant items grows linearly, so the value is exact.

    Raises
    ------
    InputError : an N outside 1..database size.
    """
    ns, items = np.atleast_1d(np.asarray(ns)), int(hist.n.sum(axis=1).min(initial=np.iinfo(np.int64).max))
    if not np.issubdtype(ns.dtype, np.integer) or ns.ndim != 1 or not np.all((ns >= 1) & (ns <= items)):
        raise InputError("ns", ns.tolist(), f"integers in 1..{items}", "Use at most the size of the database.")
    zero = np.zeros((len(hist.n), 1), dtype=np.int64)
    ends, hits = (np.hstack([zero, np.cumsum(counts, axis=1)]) for counts in (hist.n, hist.r))
    return np.mean([np.interp(ns, *row) for row in zip(ends, hits, strict=True)], axis=0) / ns


def evaluate(
    query: dict, database: dict, query_labels, database_labels, bits: int, top: tuple = (50,), empty: str = "zero"
) -> dict:
    """mAP of both directions under every protocol (derived).

    Protocols: "A" codes the database by the learnt training codes, where a pair shares one code; "B" codes it by
    the hash function of the database's own modality. I2T: image queries, text database; T2I the reverse.

    Parameters
    ----------
    query : {"image": packed (nq, width), "text": packed (nq, width)}
    database : {"A": {"image": packed, "text": packed}, "B": {...}}
    query_labels, database_labels : labels, or {"image": labels, "text": labels} where the modalities differ
    bits : code length
    top : cut-offs R of mAP@R (relevant-among-retrieved denominator)
    empty : "zero" or "skip", queries without relevant items

    Returns
    -------
    flat dict with keys such as "I2T_A" and "I2T_A@50".

    Raises
    ------
    InputError : bad codes, labels or rule.
    """
    result = {}
    for protocol, codes in database.items():
        for task, source, target in (("I2T", "image", "text"), ("T2I", "text", "image")):
            labels = of_modality(query_labels, source), of_modality(database_labels, target)
            hist = distance_histograms(query[source], codes[target], *labels, bits)
            result[f"{task}_{protocol}"] = mean_average_precision(hist, empty)
            result |= {f"{task}_{protocol}@{R}": map_at(hist, R, empty=empty) for R in top}
    return result


def of_modality(labels, modality: str):
    """The labels of one modality."""
    return labels[modality] if isinstance(labels, dict) else labels
