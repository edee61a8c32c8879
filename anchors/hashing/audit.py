"""The same codes under every convention of mean average precision found in public hashing code."""

import numpy as np

from anchors.hashing.codes import hamming
from anchors.hashing.histograms import Histograms, distance_histograms, matching_labels, relevance
from anchors.hashing.metrics import expected_average_precision, harmonic_numbers, map_at, mean_average_precision

TIE_RULES = {
    "tie-aware": "exact expectation over random order inside ties; the convention used here",
    "stable order": "database order inside ties, as a stable sort gives; favours whatever the file holds first",
    "stable order, class-sorted database": "the same codes in a file sorted by class",
    "random order": "one random order inside ties, what an unstable sort amounts to",
    "optimistic": "relevant items first inside ties: the upper bound",
    "pessimistic": "relevant items last inside ties: the lower bound",
}
DEFECT = "average over n queries with relevant items, divided by n + 10: the counter of good queries starts at 10"


def audit(
    query_codes: np.ndarray,
    database_codes: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    bits: int,
    cutoffs: tuple = (50, 100),
    random_state: int = 0,
) -> list[dict]:
    """mAP of one set of codes under every convention (derived).

    Parameters
    ----------
    query_codes, database_codes : packed uint8 arrays (n, ceil(bits / 8))
    query_labels, database_labels : integer array (n,) or multi-hot array (n, C)
    bits : code length
    cutoffs : R of mAP@R
    random_state : seed of the row "random order"

    Returns
    -------
    list of {"convention": str, "value": float, "source": str}

    Raises
    ------
    InputError : bad codes or labels, or no query with a relevant item.
    """
    hist = distance_histograms(query_codes, database_codes, query_labels, database_labels, bits)
    rows = [(f"mAP@all, {rule}", value, TIE_RULES[rule]) for rule, value in tie_rules(hist).items()]
    order = order_rules(query_codes, database_codes, query_labels, database_labels, random_state)
    rows += [(f"mAP@all, {rule}", value, TIE_RULES[rule]) for rule, value in order.items()]
    for R in cutoffs:
        rows.append((f"mAP@{R}, retrieved", map_at(hist, R), "divided by the relevant items among the first R"))
        value = map_at(hist, R, "min_relevant")
        rows.append((f"mAP@{R}, min_relevant", value, "divided by min(R, relevant items), as in information retrieval"))
    skip, good = mean_average_precision(hist, "skip"), int((hist.r.sum(axis=1) > 0).sum())
    rows.append(("mAP@all, empty queries skipped", skip, "queries without relevant items are left out"))
    rows.append(("mAP@all, counter starts at 10", skip * good / (good + 10), DEFECT))
    return [{"convention": name, "value": float(value), "source": source} for name, value, source in rows]


def tie_rules(hist: Histograms) -> dict:
    """mAP under the tie rules that follow from the histograms alone; empty queries count as 0."""
    return {
        "tie-aware": expected_average_precision(hist).mean(),
        "optimistic": extreme_average_precision(hist, relevant_first=True).mean(),
        "pessimistic": extreme_average_precision(hist, relevant_first=False).mean(),
    }


def extreme_average_precision(hist: Histograms, relevant_first: bool) -> np.ndarray:
    """AP with relevant items first or last inside ties, float (nq,) (derived).

    The r relevant items of a level sit at consecutive ranks b + 1..b + r, so with R relevant items before them
    sum_t (R + t) / (b + t) = r + (R - b)(H_{b+r} - H_b).
    """
    before, found = np.cumsum(hist.n, axis=1) - hist.n, np.cumsum(hist.r, axis=1) - hist.r
    before = before if relevant_first else before + hist.n - hist.r
    harmonic = harmonic_numbers(int((before + hist.r).max(initial=0)))
    sums = hist.r + (found - before) * (harmonic[before + hist.r] - harmonic[before])
    return sums.sum(axis=1) / np.maximum(hist.r.sum(axis=1), 1)


def order_rules(query_codes, database_codes, query_labels, database_labels, random_state: int = 0) -> dict:
    """mAP under the tie rules that depend on the order of the database; empty queries count as 0."""
    _, labels = matching_labels(query_labels, database_labels)
    by_class = np.argsort(labels, kind="stable") if labels.ndim == 1 else np.lexsort(labels.T[::-1])
    shuffled = np.random.default_rng(random_state).permutation(len(database_codes))
    orders = {
        "stable order": np.arange(len(database_codes)),
        "stable order, class-sorted database": by_class,
        "random order": shuffled,
    }
    labels = np.asarray(database_labels)
    return {
        rule: stable_average_precision(query_codes, database_codes[order], query_labels, labels[order]).mean()
        for rule, order in orders.items()
    }


def stable_average_precision(query_codes, database_codes, query_labels, database_labels) -> np.ndarray:
    """AP with ties in database order, float (nq,): a stable sort for every query (derived)."""
    values, ranks, rows = np.zeros(len(query_codes)), np.arange(1, len(database_codes) + 1), 64
    for start in range(0, len(query_codes), rows):
        block = slice(start, start + rows)
        order = np.argsort(hamming(query_codes[block], database_codes), axis=1, kind="stable")
        relevant = np.take_along_axis(relevance(query_labels[block], database_labels), order, axis=1)
        precision = np.cumsum(relevant, axis=1) / ranks
        values[block] = (precision * relevant).sum(axis=1) / np.maximum(relevant.sum(axis=1), 1)
    return values
