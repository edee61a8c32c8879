"""Filtered ranks against all entities, and what is read off them.

Ranks follow PyKEEN's evaluator: optimistic is 1 + the number of better candidates, pessimistic the number of candidates
at least as good (the target is one), realistic their mean; known answers other than the target do not count.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from anchors.entity.graph import Known

HITS = (1, 3, 5, 10)
RANKS = ("optimistic", "realistic", "pessimistic")
AMOUNT = 0.05  # of SimKGC's graph re-ranking
BLOCK = 1 << 25  # scores in memory at a time


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the targets of directed queries.

    Attributes
    ----------
    optimistic, pessimistic : (q,) float64; ``realistic`` is their mean.
    options : (q,) candidates that compete, the target among them.
    """

    optimistic: np.ndarray
    pessimistic: np.ndarray
    options: np.ndarray

    @property
    def realistic(self) -> np.ndarray:
        """(q,) mean of the optimistic and the pessimistic rank."""
        return (self.optimistic + self.pessimistic) / 2


def ranked(queries: np.ndarray, candidates: np.ndarray, triples: np.ndarray, known: Known, boost: Any = None) -> Ranks:
    """Return filtered ranks of the tails of directed ``triples`` (q, 3).

    Parameters
    ----------
    queries, candidates : (q, d) and (N, d) float32; a score is their inner product.
    known : answers that do not count (of all splits).
    boost : function from a slice of queries to an array (b, N) that is added to their scores, or None.
    """

    def score(rows: slice) -> np.ndarray:
        scores = queries[rows] @ candidates.T
        return scores if boost is None else scores + boost(rows)

    return ranked_scores(score, len(candidates), triples, known)


def ranked_scores(score: Callable[[slice], np.ndarray], size: int, triples: np.ndarray, known: Known) -> Ranks:
    """Return filtered ranks from a function that gives the scores (b, N) of a slice of the queries.

    Known answers are counted out rather than masked, so that the scores are read twice and never written.
    """
    better, equal, options = (np.zeros(len(triples)) for _ in range(3))
    step = max(1, BLOCK // size)
    for start in range(0, len(triples), step):
        rows = slice(start, min(start + step, len(triples)))
        heads, relations, tails = triples[rows].T
        scores = score(rows)
        target = scores[np.arange(len(scores)), tails][:, None]
        above, least = (scores > target).sum(1), (scores >= target).sum(1)
        query, tail = known.pairs(heads, relations)
        other = tail != tails[query]
        query, tail = query[other], tail[other]
        found, goal = scores[query, tail], target[query, 0]
        out = [np.bincount(query, hit, len(scores)) for hit in (found > goal, found >= goal, np.ones(len(query)))]
        better[rows], equal[rows], options[rows] = above - out[0], least - out[1], size - out[2]
    return Ranks(better + 1, equal, options)


def near(neighbours: Any, heads: np.ndarray, hops: int) -> np.ndarray:
    """Return (q, N) booleans: entities within ``hops`` of each head, the head among them, in the training graph."""
    reached = np.zeros((len(heads), neighbours.shape[0]), np.float32)
    reached[np.arange(len(heads)), heads] = 1
    for _ in range(hops):
        reached = ((neighbours @ reached.T).T + reached > 0).astype(np.float32)
    return reached > 0


def rerank(neighbours: Any, heads: np.ndarray, amount: float = AMOUNT, hops: int = 2) -> Callable[[slice], np.ndarray]:
    """Return SimKGC's graph re-ranking for :func:`ranked`: ``amount`` is added within ``hops`` of the head.

    Its values are 0.05 and 2, with 5 hops on WN18RR. Off by default; a table shows both.
    """
    return lambda rows: amount * near(neighbours, heads[rows], hops)


def metrics(ranks: np.ndarray, options: np.ndarray | None = None) -> dict[str, float]:
    """Return MRR, mean rank and Hits@k of ``ranks`` (q,); with ``options`` also the adjusted ones.

    AMR is the mean rank over its expectation for random scores, AMRI one minus its excess over 1 in these units
    (1 best, 0 random; Berrendorf et al. 2020), and "adjusted hits" the hits above chance over their largest excess.
    """
    found = {"MRR": float((1 / ranks).mean()), "MR": float(ranks.mean())}
    found |= {f"H@{k}": float((ranks <= k).mean()) for k in HITS}
    if options is not None:
        chance = float(((options + 1) / 2).mean())
        found |= {"AMR": found["MR"] / chance, "AMRI": 1 - (found["MR"] - 1) / ((chance - 1) or np.nan)}
        for k in HITS:
            lucky = float(np.minimum(k / options, 1).mean())
            found[f"adjusted H@{k}"] = (found[f"H@{k}"] - lucky) / (1 - lucky) if lucky < 1 else 0.0
    return found


def by_group(ranks: np.ndarray, groups: np.ndarray, names: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the metrics of each group: ``groups`` (q,) holds positions in ``names``; empty ones are left out."""
    return [
        {"group": name, "n": int((groups == place).sum()), **metrics(ranks[groups == place])}
        for place, name in enumerate(names)
        if (groups == place).any()
    ]


def degree_buckets(degree: np.ndarray, edges: tuple[int, ...] = (1, 5, 20, 100)) -> tuple[np.ndarray, list[str]]:
    """Return the bucket of each degree and the names of the buckets: 0, 1-4, 5-19, … and "100 or more"."""
    ends = [f"{low}–{high - 1}" for low, high in pairwise(edges)]
    return np.digitize(degree, edges), [f"under {edges[0]}", *ends, f"{edges[-1]} or more"]
