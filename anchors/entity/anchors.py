"""Entity anchors: which entities they are, and which of them stand for an entity (reconstructed).

SEA-KGC's text is not available. The closest published relative is NodePiece (Galkin et al., ICLR 2022): a few anchors
are chosen on the training graph, and an entity is described by the nearest ones and their distances. There is no
parameter per entity, so an entity that training never saw can still be encoded. Another meaning of the word is that of
RAA-KGC (2025), where an anchor is an entity of the head's neighbourhood for one relation; it is not meant here.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.entity.graph import Graph

STRATEGIES = ("degree", "pagerank", "random", "mix", "kmeans")
MIX = (("degree", 0.4), ("pagerank", 0.4), ("random", 0.2))  # NodePiece's ratios, as recalled
NONE = -1  # no anchor at this place
FAR = 127  # hops of an anchor that cannot be reached


@dataclass(frozen=True, eq=False)
class Anchors:
    """Anchors of a graph and which of them stand for each entity.

    Attributes
    ----------
    chosen : (m,) entities that are anchors, most important first.
    nearest : (N, k) positions in ``chosen`` of each entity's anchors, nearest first; :data:`NONE` where there are less.
    hops : (N, k) int8 distances to them in the training graph; 0 is the entity itself.
    types : (N, j) further tokens of each entity, or None: incident relation types, see :func:`with_types`. They are
        numbered after the anchors, and their rows of ``chosen`` are :data:`NONE`.
    """

    chosen: np.ndarray
    nearest: np.ndarray
    hops: np.ndarray
    types: np.ndarray | None = None

    @property
    def count(self) -> int:
        """The number of rows of the anchor table: anchors m, and relation types where they are tokens."""
        return len(self.chosen)

    @property
    def entities(self) -> np.ndarray:
        """(m,) the anchors as entities, without the rows of relation types."""
        return self.chosen[self.chosen != NONE]

    def permuted(self, rng: np.random.Generator) -> "Anchors":
        """Return the control: each entity gets the anchors of another one drawn at random; all counts stay the same."""
        order = rng.permutation(len(self.nearest))
        types = None if self.types is None else self.types[order]
        return replace(self, nearest=self.nearest[order], hops=self.hops[order], types=types)


def same_for_all(anchors: Anchors) -> Anchors:
    """Return the control "extra parameters": every entity has the same first tokens, so they carry no structure."""
    size, k = anchors.nearest.shape
    same = replace(anchors, nearest=_repeated(0, k, size), hops=np.ones((size, k), np.int8))
    if anchors.types is None:
        return same
    return replace(same, types=_repeated(len(anchors.entities), anchors.types.shape[1], size))


def _repeated(first: int, count: int, size: int) -> np.ndarray:
    return np.tile(np.arange(first, first + count, dtype=np.int32), (size, 1))


def select(
    graph: Graph, count: int, strategy: str, rng: np.random.Generator, vectors: np.ndarray | None = None
) -> np.ndarray:
    """Return (m,) distinct entities of the training graph that serve as anchors; m is at most their number.

    Parameters
    ----------
    strategy : ``degree`` (most distinct neighbours) | ``pagerank`` (highest first, ties by number) | ``random`` |
        ``mix`` (40 % by degree, 40 % by PageRank, 20 % at random, no repeats) | ``kmeans`` (the entity nearest to each
        centre of ``vectors``).
    vectors : (N, d), for ``kmeans`` only: embeddings of the texts, or of a trained lookup model.

    Raises
    ------
    InputError
        Unknown strategy, no anchor asked for, or ``kmeans`` without vectors.
    """
    if strategy not in STRATEGIES:
        raise InputError("strategy", repr(strategy), " | ".join(STRATEGIES))
    if count < 1:
        raise InputError("anchors", count, "at least 1", "Say k = 0 for none.")
    seen = np.flatnonzero(graph.in_train)
    count = min(count, len(seen))
    if strategy == "kmeans":
        if vectors is None:
            raise InputError("vectors", "none", "an (N, d) array for kmeans", "Give the embeddings of the texts.")
        return _medoids(vectors[seen], count, rng, seen)
    if strategy != "mix":
        return _ranked(graph, strategy, rng)[:count]
    parts, taken = [], np.zeros(graph.size, bool)
    for kind, share in MIX:
        order = _ranked(graph, kind, rng)
        part = order[~taken[order]][: int(np.ceil(share * count))]
        taken[part] = True
        parts.append(part)
    return np.concatenate(parts)[:count]


def _ranked(graph: Graph, strategy: str, rng: np.random.Generator) -> np.ndarray:
    """Return the entities of the training graph, the best anchor first."""
    seen = np.flatnonzero(graph.in_train)
    if strategy == "random":
        return rng.permutation(seen)
    weight = graph.links if strategy == "degree" else pagerank(graph.neighbours)
    return seen[np.argsort(-weight[seen], kind="stable")]


def pagerank(neighbours: Any, damping: float = 0.85, tolerance: float = 1e-10) -> np.ndarray:
    """Return (N,) PageRank of an undirected graph (CSR of ones) by power iteration; dangling mass is spread evenly."""
    size = neighbours.shape[0]
    degree = np.asarray(neighbours.sum(1)).ravel()
    share = np.divide(1.0, degree, out=np.zeros(size), where=degree > 0)
    rank = np.full(size, 1 / size)
    while True:
        spread = damping * (neighbours.T @ (rank * share) + rank[degree == 0].sum() / size) + (1 - damping) / size
        if np.abs(spread - rank).sum() < tolerance:
            return spread
        rank = spread


def _medoids(vectors: np.ndarray, count: int, rng: np.random.Generator, names: np.ndarray) -> np.ndarray:
    """Return for each k-means centre the entity nearest to it that is not taken yet."""
    from sklearn.cluster import MiniBatchKMeans

    seed = int(rng.integers(2**31))
    found = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=4096).fit(vectors)
    order = np.argsort(found.transform(vectors), axis=0)  # (n, m): the entities by distance to each centre
    chosen, taken = [], set()
    for column in order.T:
        chosen.append(next(int(row) for row in column if row not in taken))
        taken.add(chosen[-1])
    return names[np.array(chosen)]


def distances(neighbours: Any, sources: np.ndarray, furthest: int = FAR - 1) -> tuple[np.ndarray, np.ndarray]:
    """Return hops (m, N) int8 and numbers of shortest paths (m, N) float32 from each source, by sparse BFS.

    One sparse product a level serves all sources: the paths that arrive at an entity are those at its neighbours on
    the level before. :data:`FAR` marks what cannot be reached, or lies beyond ``furthest`` hops.
    """
    count, size = len(sources), neighbours.shape[0]
    hops = np.full((size, count), FAR, np.int8)
    paths = np.zeros((size, count), np.float32)
    frontier = np.zeros((size, count), np.float32)
    frontier[sources, np.arange(count)] = 1
    level = 0
    while level <= furthest and frontier.any():
        hops[frontier > 0] = level
        paths += frontier
        frontier = neighbours @ frontier
        frontier[hops < FAR] = 0
        level += 1
    return hops.T, paths.T


def apart(neighbours: Any, heads: np.ndarray, tails: np.ndarray, furthest: int, block: int = 500) -> np.ndarray:
    """Return (n,) int8 hops between heads and tails (n,); :data:`FAR` beyond ``furthest``. Heads share searches."""
    sources, place = np.unique(heads, return_inverse=True)
    blocks = [sources[at : at + block] for at in range(0, len(sources), block)]
    return np.concatenate([distances(neighbours, some, furthest)[0] for some in blocks])[place, tails]


def assign(graph: Graph, chosen: np.ndarray, k: int, furthest: int = FAR - 1) -> Anchors:
    """Return the k anchors nearest to each entity in the undirected training graph.

    Ties are broken by more shortest paths, then fewer neighbours of the anchor (it says more), then its number. An
    anchor is its own first anchor. An isolated or unseen entity has none.

    Raises
    ------
    InputError
        ``k`` is negative, or an anchor does not occur in training (that would leak).
    """
    if k < 0:
        raise InputError("k", k, "0 (no anchors) or more")
    if not graph.in_train[chosen].all():
        stranger = graph.entities[chosen[~graph.in_train[chosen]][0]]
        raise InputError("anchors", f"{stranger!r}, which training lacks", "entities of the training graph")
    k = min(k, len(chosen))
    nearest = np.full((graph.size, k), NONE, np.int32)
    far = np.full((graph.size, k), FAR, np.int8)
    if k == 0:
        return Anchors(chosen, nearest, far)
    for rows, hops, paths in _levels(graph.neighbours, chosen, k, furthest):
        place = np.lexsort((chosen + np.zeros_like(hops), graph.links[chosen] + np.zeros_like(hops), -paths, hops))
        best = place[:, :k]
        found = np.take_along_axis(hops, best, 1)
        nearest[rows] = np.where(found < FAR, best, NONE)
        far[rows] = found
    return Anchors(chosen, nearest, far)


def with_types(anchors: Anchors, graph: Graph, count: int) -> Anchors:
    """Return anchors with ``count`` relation types beside them: NodePiece's relational context.

    An entity's tokens are the directed relations that most often leave it in the training graph, ties by number. They
    exist in a graph that shares no entity with the one that was trained on, where no anchor can be reached.
    """
    if not count:
        return anchors
    triples = graph.directed("train")
    pairs, times = np.unique(triples[:, :2], axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], -times, pairs[:, 0]))
    heads, relations = pairs[order].T
    place = np.arange(len(heads)) - np.searchsorted(heads, heads)
    types = np.full((graph.size, count), NONE, np.int32)
    keep = place < count
    types[heads[keep], place[keep]] = len(anchors.chosen) + relations[keep]
    chosen = np.concatenate([anchors.chosen, np.full(graph.directions, NONE)])
    return replace(anchors, chosen=chosen, types=types)


def _levels(neighbours: Any, chosen: np.ndarray, k: int, furthest: int, block: int = 4096) -> Any:
    """Yield ``(rows, hops (b, m), paths (b, m))`` for blocks of entities."""
    hops, paths = distances(neighbours, chosen, furthest)
    for start in range(0, neighbours.shape[0], block):
        rows = slice(start, start + block)
        yield rows, hops[:, rows].T.astype(np.int64), paths[:, rows].T


def coverage(graph: Graph, chosen: np.ndarray) -> dict[str, float]:
    """Return how well anchors cover a graph (section 1.7 of the dossier): shares and a mean over all entities.

    An anchor at 1 hop is a neighbour of the entity, in the training graph without loops.
    """
    mark = np.zeros(graph.size, np.float32)
    mark[chosen] = 1
    direct = graph.neighbours @ mark
    near = _nearest_hops(graph.neighbours, chosen)
    return {
        "covered": float((direct > 0).mean()),
        "anchors at 1 hop": float(direct.mean()),
        "within 2": float((near <= 2).mean()),
        "unreachable": float((near == FAR).mean()),
    }


def _nearest_hops(neighbours: Any, chosen: np.ndarray) -> np.ndarray:
    """Return (N,) hops to the nearest anchor: one BFS from all anchors together."""
    near = np.full(neighbours.shape[0], FAR, np.int16)
    frontier = np.zeros(neighbours.shape[0], np.float32)
    frontier[chosen] = 1
    level = 0
    while frontier.any():
        near[frontier > 0] = level
        frontier = neighbours @ frontier
        frontier[near < FAR] = 0
        level += 1
    return near
