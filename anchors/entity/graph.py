"""Knowledge graphs as integer arrays: triples with texts, inverse relations, known tails, and statistics of a graph.

A triple is (head, relation, tail). Every triple is also read backwards as (tail, inverse relation, head), with relation
``r + R``, so that there is only the prediction of tails (SimKGC, ACL 2022, section 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

SPLITS = ("train", "valid", "test")
CLASSES = ("1-1", "1-N", "N-1", "N-N")  # cardinality of a relation, read forwards
MANY = 1.5  # mean number of tails (heads) from which a side counts as N (Bordes et al., NIPS 2013)


@dataclass(frozen=True, eq=False)
class Graph:
    """A knowledge graph with the texts of its elements.

    Attributes
    ----------
    entities, relations : identifiers; their positions are the integers in the splits.
    splits : ``{"train" | "valid" | "test": (n, 3) int64}`` of head, relation, tail.
    texts : ``"name: description"`` of each entity; ``relation_texts`` of each relation, read forwards.
    notes : what was counted when it was read (duplicates, leaks between splits, …).
    """

    name: str
    entities: tuple[str, ...]
    relations: tuple[str, ...]
    splits: dict[str, np.ndarray]
    texts: tuple[str, ...]
    relation_texts: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The number of entities."""
        return len(self.entities)

    @property
    def directions(self) -> int:
        """The number of relations, counted forwards and backwards (2 R)."""
        return 2 * len(self.relations)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the entities: what their texts begin with, up to the first colon."""
        return tuple(text.split(":")[0] for text in self.texts)

    @cached_property
    def directed_texts(self) -> tuple[str, ...]:
        """Texts of the 2 R directed relations; backwards they begin with "inverse" (SimKGC)."""
        return self.relation_texts + tuple(f"inverse {text}" for text in self.relation_texts)

    def directed(self, split: str) -> np.ndarray:
        """Return (2 n, 3) triples of a split: first as they are, then backwards."""
        forward = self.splits[split]
        return np.concatenate([forward, forward[:, ::-1] + [0, len(self.relations), 0]])

    def known(self, splits: Sequence[str] = ("train",)) -> "Known":
        """Return the tails of each (head, directed relation) in ``splits``."""
        return Known.of(np.concatenate([self.directed(split) for split in splits]), self.directions)

    @cached_property
    def filter(self) -> "Known":
        """What a filtered rank leaves out: the tails known from train, valid and test."""
        return self.known(SPLITS)

    @cached_property
    def degree(self) -> np.ndarray:
        """(N,) number of training triples at each entity."""
        train = self.splits["train"]
        return np.bincount(train[:, [0, 2]].ravel(), minlength=self.size)

    @cached_property
    def in_train(self) -> np.ndarray:
        """(N,) whether an entity occurs in training; the others are unseen, and are ranked all the same."""
        return self.degree > 0

    @cached_property
    def neighbours(self) -> Any:
        """(N, N) scipy CSR of ones: the undirected training graph without loops."""
        return adjacency(self.splits["train"], self.size)

    @cached_property
    def links(self) -> np.ndarray:
        """(N,) number of distinct neighbours in the training graph."""
        return np.diff(self.neighbours.indptr)

    @cached_property
    def cardinality(self) -> np.ndarray:
        """(2 R,) class of each directed relation, an index of :data:`CLASSES` (training triples; unseen: N-N)."""
        return cardinality(self.directed("train"), self.directions)

    def with_train(self, train: np.ndarray) -> "Graph":
        """Return the graph with other training triples."""
        return replace(self, splits={**self.splits, "train": train})


@dataclass(frozen=True, eq=False)
class Known:
    """Known tails of each (head, relation): sorted keys ``head * relations + relation`` and a CSR of tails.

    ``tails[starts[i]:starts[i + 1]]`` belong to ``keys[i]``, ascending and distinct.
    """

    keys: np.ndarray
    starts: np.ndarray
    tails: np.ndarray
    relations: int

    @classmethod
    def of(cls, triples: np.ndarray, relations: int) -> "Known":
        """Return the index of ``triples`` (n, 3); duplicates count once."""
        keys, tails = triples[:, 0] * relations + triples[:, 1], triples[:, 2]
        order = np.lexsort((tails, keys))
        keys, tails = keys[order], tails[order]
        fresh = np.r_[True, (np.diff(keys) != 0) | (np.diff(tails) != 0)][: len(keys)]
        keys, starts = np.unique(keys[fresh], return_index=True)
        return cls(keys, np.r_[starts, fresh.sum()], tails[fresh], relations)

    def pairs(self, heads: np.ndarray, relations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(row, tail)``, both (p,): every known tail of the queries ``heads, relations`` (q,), row by row."""
        if not len(self.keys):
            return np.zeros(0, np.int64), self.tails
        wanted = np.asarray(heads, np.int64) * self.relations + relations
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        count = np.where(self.keys[place] == wanted, self.starts[place + 1] - self.starts[place], 0)
        rows = np.repeat(np.arange(len(wanted)), count)
        shift = np.repeat(self.starts[place] - (np.cumsum(count) - count), count)  # from the p pairs to the CSR
        return rows, self.tails[np.arange(len(rows)) + shift]

    def mask(
        self, heads: np.ndarray, relations: np.ndarray, candidates: np.ndarray, own: np.ndarray | None = None
    ) -> np.ndarray:
        """Return (q, c) booleans: whether candidate entity ``candidates[j]`` is a known tail of query i, or ``own[i]``.

        The candidates may repeat; the cost is that of the queries' known tails, not of q x c look-ups.
        """
        if not len(candidates):
            return np.zeros((len(heads), 0), bool)
        rows, tails = self.pairs(heads, relations)
        if own is not None:
            rows, tails = np.r_[rows, np.arange(len(own))], np.r_[tails, own]
        distinct, position = np.unique(candidates, return_inverse=True)
        table = np.full(max(distinct[-1], tails.max(initial=0)) + 1, -1, np.int32)  # entity -> its place, or -1
        table[distinct] = np.arange(len(distinct), dtype=np.int32)
        place = table[tails]
        met = np.flatnonzero(place >= 0)
        hit = np.zeros((len(heads), len(distinct)), bool)
        hit[rows[met], place[met]] = True
        return hit.take(position, axis=1)


def adjacency(triples: np.ndarray, size: int) -> Any:
    """Return (size, size) scipy CSR of ones: who is linked to whom by ``triples`` in either direction; no loops."""
    from scipy.sparse import coo_array

    heads, tails = triples[:, 0], triples[:, 2]
    other = heads != tails
    rows, columns = np.r_[heads[other], tails[other]], np.r_[tails[other], heads[other]]
    matrix = coo_array((np.ones(len(rows), np.float32), (rows, columns)), shape=(size, size)).tocsr()
    matrix.data[:] = 1
    return matrix


def cardinality(directed: np.ndarray, directions: int) -> np.ndarray:
    """Return (2 R,) indices of :data:`CLASSES` from directed triples (Bordes et al.: more than 1.5 on a side is N)."""
    known = Known.of(directed, directions)
    relation = known.keys % directions
    count, total = (np.bincount(relation, w, minlength=directions) for w in (None, np.diff(known.starts)))
    tails = np.divide(total, count, out=np.full(directions, np.inf), where=count > 0)
    half = directions // 2
    heads = np.r_[tails[half:], tails[:half]]
    return 2 * (heads > MANY) + (tails > MANY)


def components(graph: Graph) -> np.ndarray:
    """Return the sizes of the connected components of the training graph, largest first; isolated entities are 1."""
    from scipy.sparse.csgraph import connected_components

    _, label = connected_components(graph.neighbours, directed=False)
    return np.sort(np.bincount(label))[::-1]


def statistics(graph: Graph) -> dict[str, float]:
    """Return the counts of section 4 of the dossier: sizes, unseen entities, degrees of the entities in training."""
    seen = graph.degree[graph.in_train]
    found = {"entities": graph.size, "relations": len(graph.relations), "entities in train": int(graph.in_train.sum())}
    for split in SPLITS:
        triples = graph.splits[split]
        found[split] = len(triples)
        if split != "train":
            found[f"{split} unseen"] = int((~graph.in_train[triples[:, [0, 2]]]).any(1).sum())
    found |= {"degree mean": float(seen.mean()), "degree median": float(np.median(seen))}
    return found | {"degree p90": float(np.percentile(seen, 90)), "degree max": int(seen.max())}
