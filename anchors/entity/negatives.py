"""What a mini-batch encodes, and which pairs of it are negatives.

Every text is encoded once: a plan lists the distinct sequences, and who uses which. Random negatives are drawn once a
mini-batch and serve all its queries, forwards and backwards (SEA-KGC's abstract: "reusable within each mini-batch");
the same trick was used for lookup embeddings by PyTorch-BigGraph and DGL-KE.
"""

from dataclasses import dataclass

import numpy as np

from anchors.entity.anchors import NONE, Anchors
from anchors.entity.graph import Known

POWER = 0.75  # of the degree, where random negatives are drawn by degree


@dataclass(frozen=True, eq=False)
class Plan:
    """Sequences of one step.

    Attributes
    ----------
    triples : (B, 3) directed triples of the batch.
    queries : (u, 3) distinct head, relation and dropped anchor (an entity, or -1); ``query`` (B,) says which is whose.
    candidates : (v, 2) distinct entity and dropped anchor; ``tail`` (B,), ``random`` (n,), ``own`` (B,) or (0,) are
        the rows of the tails, the random negatives and the heads as their own negatives.
    drawn : (n,) entities of the random negatives.
    """

    triples: np.ndarray
    queries: np.ndarray
    query: np.ndarray
    candidates: np.ndarray
    tail: np.ndarray
    random: np.ndarray
    own: np.ndarray
    drawn: np.ndarray


def plan(triples: np.ndarray, anchors: Anchors | None, drawn: np.ndarray, self_negative: bool, leakage: bool) -> Plan:
    """Return what a batch of directed ``triples`` (B, 3) with random negatives ``drawn`` (n,) encodes.

    With ``leakage``, a query whose target is one of its head's anchors goes without that anchor, and so does the target
    without the head (sec. 1.2); such sequences are distinct from those with all anchors.
    """
    heads, relations, tails = triples.T
    lost = _hit(anchors, heads, tails) if leakage else np.full(len(heads), NONE)
    gone = _hit(anchors, tails, heads) if leakage else np.full(len(heads), NONE)
    queries, query = np.unique(np.stack([heads, relations, lost], 1), axis=0, return_inverse=True)
    whole = np.concatenate([drawn, heads if self_negative else drawn[:0]])
    keys = np.concatenate([np.stack([tails, gone], 1), np.stack([whole, np.full(len(whole), NONE)], 1)])
    candidates, rows = np.unique(keys, axis=0, return_inverse=True)
    tail, random, own = np.split(rows, [len(tails), len(tails) + len(drawn)])
    return Plan(triples, queries, query.ravel(), candidates, tail, random, own, drawn)


def _hit(anchors: Anchors | None, entities: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return ``other`` (n,) where it is one of the anchors of ``entities`` (n,), else -1."""
    if anchors is None:
        return np.full(len(entities), NONE)
    ids = anchors.nearest[entities]
    return np.where(((anchors.chosen[ids] == other[:, None]) & (ids != NONE)).any(1), other, NONE)


def anchors_of(anchors: Anchors, entities: np.ndarray, dropped: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return anchors and hops (n, k) of ``entities`` without the anchor ``dropped`` (n,; -1 for none), types behind.

    ``anchors`` holds one more than k where there is one, so that a sequence is as long without the dropped anchor and
    its length betrays nothing.
    """
    ids, hops = anchors.nearest[entities], anchors.hops[entities]
    out = (ids == NONE) | ((anchors.chosen[ids] == dropped[:, None]) & (dropped[:, None] != NONE))
    order = np.argsort(out, axis=1, kind="stable")[:, :k]
    ids = np.where(np.take_along_axis(out, order, 1), NONE, np.take_along_axis(ids, order, 1))
    hops = np.take_along_axis(hops, order, 1)
    if anchors.types is None:
        return ids, hops
    types = anchors.types[entities]
    return np.concatenate([ids, types], 1), np.concatenate([hops, np.ones(types.shape, np.int8)], 1)


def drop(ids: np.ndarray, single: float, whole: float, rng: np.random.Generator) -> np.ndarray:
    """Return anchors (n, k) with single ones and whole rows dropped at random (sec. 1.2)."""
    gone = (rng.random(ids.shape) < single) | (rng.random((len(ids), 1)) < whole)
    return np.where(gone, NONE, ids)


def draw(degree: np.ndarray, count: int, weighting: str, rng: np.random.Generator) -> np.ndarray:
    """Return ``count`` distinct random entities (all of them if there are fewer): uniform, or by degree^0.75."""
    size = len(degree)
    if weighting == "uniform":
        return rng.permutation(size)[:count]
    weight = degree.astype(float) ** POWER
    keys = np.log(np.maximum(weight, 1e-12)) + rng.gumbel(size=size)  # Gumbel top-k draws without replacement
    return np.argsort(-keys)[: min(count, int((weight > 0).sum()))]


def in_batch(known: Known, triples: np.ndarray) -> np.ndarray:
    """Return (B, B): whether tail j is a known answer of query i, or repeats its tail (false negatives)."""
    return against(known, triples, triples[:, 2])


def against(known: Known, triples: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """Return (B, c): whether candidate ``entities`` (c,) are known answers of the queries, or their own tail."""
    heads, relations, tails = triples.T
    return known.mask(heads, relations, entities, own=tails)


def self_known(known: Known, triples: np.ndarray) -> np.ndarray:
    """Return (B,): whether the head is a known answer of its own query."""
    heads, relations, tails = triples.T
    rows, found = known.pairs(heads, relations)
    hit = np.zeros(len(heads), bool)
    hit[rows[found == heads[rows]]] = True
    return hit | (heads == tails)
