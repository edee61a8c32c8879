"""Anchors and reconstruction factors: unpaired rows written as combinations of anchor rows (reconstructed)."""

from dataclasses import dataclass

import numpy as np

from anchors.hashing.blocks import gather, load

CHOICES = ("random", "kmeans", "leverage")
RECONSTRUCTIONS = ("ridge", "sum_to_one", "knn")
SAMPLE = 10_000  # pairs that k-means sees


def choose(how: str, runner, columns, sizes, maps, scales, inverses, m: int, rng) -> np.ndarray:
    """Return the row numbers (m,) of the anchors among the pairs, sorted.

    random: uniform. kmeans: the pair nearest to each of m cluster centres of the scaled, stacked features (of at
    most 10,000 pairs). leverage: drawn with probability proportional to sum_v x_v'(X_v'X_v + lam_v I)^-1 x_v.
    """
    n = sum(sizes)
    if how == "random" or m == n:
        return np.sort(rng.choice(n, m, replace=False))
    if how == "leverage":
        (scores,) = runner.run(leverage_step, *columns, _ranges(sizes), maps=maps, inverses=inverses, n=n)[1]
        scores = np.maximum(scores, 1e-12 * scores.max())
        return np.sort(rng.choice(n, m, replace=False, p=scores / scores.sum()))
    rows = np.sort(rng.choice(n, min(n, max(SAMPLE, m)), replace=False))
    parts = [gather(runner, c, sizes, rows, f) / s for c, f, s in zip(columns, maps, scales, strict=True)]
    return np.sort(rows[nearest_to_centres(np.hstack(parts), m, int(rng.integers(2**31)))])


def _ranges(sizes):
    ends = np.cumsum(sizes)
    return [(int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]


def leverage_step(*columns, maps, inverses, n):
    """Step: ridge leverage of each row, summed over views, placed in a vector (n,)."""
    *views, (start, stop) = columns
    out = np.zeros(n)
    for block, f, inverse in zip(views, maps, inverses, strict=True):
        x = load(block, f)
        out[start:stop] += np.einsum("ij,ij->i", x @ inverse.astype(x.dtype), x)
    return None, (out,)


def nearest_to_centres(x: np.ndarray, m: int, seed: int) -> np.ndarray:
    """Return m distinct row numbers of ``x``, each the nearest free row to one k-means centre."""
    from sklearn.cluster import KMeans

    centres = KMeans(m, n_init=1, max_iter=30, random_state=seed).fit(x).cluster_centers_
    distance = (centres**2).sum(axis=1)[:, None] - 2 * centres @ x.T
    chosen = np.empty(m, dtype=int)
    for i, row in enumerate(distance):
        chosen[i] = row.argmin()
        distance[:, chosen[i]] = np.inf
    return chosen


@dataclass(frozen=True)
class LinearRelations:
    """Factors R = G X' + g 1' of ridge or sum-to-one reconstruction; R itself (m, n_v) is never stored.

    Attributes
    ----------
    factor : G (m, d).
    offset : g (m,), zero for ridge.
    """

    factor: np.ndarray
    offset: np.ndarray

    def columns(self, runner, blocks, feature_map) -> list:
        """Return the per-block relations: none needed."""
        return [None] * len(blocks)

    def gram(self, runner, relations, gram, total, n) -> np.ndarray:
        """Return R R' (m, m) from the unpaired X'X (d, d), X'1 (d,) and n_v."""
        side = np.outer(self.factor @ total, self.offset)
        return self.factor @ gram @ self.factor.T + side + side.T + n * np.outer(self.offset, self.offset)

    def cross(self, product, total, cross) -> np.ndarray:
        """Return R B_v (m, r) from X'B_v (d, r) and 1'B_v (r,)."""
        return self.factor @ product + np.outer(self.offset, total)

    def pull(self, anchor_latent) -> tuple[np.ndarray, np.ndarray]:
        """Return (H, h) with latent positions R'V_S = X H + h."""
        return self.factor.T @ anchor_latent, self.offset @ anchor_latent


@dataclass(frozen=True)
class NeighbourRelations:
    """Sum-to-one weights on the k nearest anchors (as in locally linear embedding), a sparse block per row block.

    Attributes
    ----------
    anchors : A (m, d); k : neighbours; delta : relative ridge of the local Gram matrices.
    """

    anchors: np.ndarray
    k: int
    delta: float

    def columns(self, runner, blocks, feature_map) -> list:
        """Return the sparse R' blocks (rows, m)."""
        shared = {"feature_map": feature_map, "anchors": self.anchors, "k": self.k, "delta": self.delta}
        return runner.run(neighbour_step, blocks, **shared)[0]

    def gram(self, runner, relations, gram, total, n) -> np.ndarray:
        """Return R R' (m, m)."""
        return runner.run(_relation_gram_step, relations)[1][0]

    def cross(self, product, total, cross) -> np.ndarray:
        """Return R B_v (m, r), summed by the blocks."""
        return cross

    def pull(self, anchor_latent) -> None:
        """Return None: latent positions are not linear in the features."""


def neighbour_step(block, *, feature_map, anchors, k, delta, rows=1024):
    """Step: sparse (rows, m) weights of each row on its k nearest anchors, summing to one."""
    from scipy.sparse import csr_array

    x = load(block, feature_map)
    anchors = anchors.astype(x.dtype)
    parts = [local_weights(x[i : i + rows], anchors, k, delta) for i in range(0, len(x), rows)]
    index, weight = (np.concatenate(p).ravel() for p in zip(*parts, strict=True))
    pointer = np.arange(0, len(index) + 1, k)
    return csr_array((weight, index, pointer), shape=(len(x), len(anchors))), (np.zeros(1),)


def local_weights(x, anchors, k, delta):
    """Return (index, weight), each (n, k): the k nearest anchors and min ||x - sum_j w_j a_j||^2, sum_j w_j = 1."""
    distance = (anchors**2).sum(axis=1) - 2 * x @ anchors.T
    index = np.sort(np.argpartition(distance, k - 1, axis=1)[:, :k], axis=1)
    differences = x[:, None] - anchors[index]  # (n, k, d)
    gram = differences @ differences.transpose(0, 2, 1)
    trace = np.trace(gram, axis1=1, axis2=2) / k
    gram += (delta * trace + np.finfo(x.dtype).tiny ** 0.5)[:, None, None] * np.eye(k, dtype=x.dtype)
    weight = np.linalg.solve(gram, np.ones((len(x), k, 1), dtype=x.dtype))[..., 0]
    return index, weight / weight.sum(axis=1, keepdims=True)


def _relation_gram_step(relation):
    return None, ((relation.T @ relation).toarray().astype(np.float64),)


def relations(kind: str, anchors: np.ndarray, delta: float, scale: float, k: int):
    """Return the reconstruction relations to ``anchors`` A (m, d).

    ridge: min_R ||X' - A'R||^2 + delta' ||R||^2 with delta' = delta tr(AA')/m, so R = G X'.
    sum_to_one: the same with one more feature, the constant ``scale``, that draws 1'R to one.
    knn: see `NeighbourRelations`.
    """
    if kind == "knn":
        return NeighbourRelations(anchors, min(k, len(anchors)), delta)
    constant = np.full((len(anchors), 1), scale if kind == "sum_to_one" else 0.0)
    factor = ridge_factor(np.hstack([anchors, constant]), delta)
    return LinearRelations(factor[:, :-1], factor[:, -1] * constant[0])


def ridge_factor(anchors: np.ndarray, delta: float) -> np.ndarray:
    """Return G = (A A' + delta' I)^-1 A (m, d), by the smaller of the m x m and the d x d system."""
    from scipy.linalg import solve

    m, d = anchors.shape
    ridge = delta * max(np.vdot(anchors, anchors), np.finfo(float).tiny) / m
    if m <= d:
        return solve(anchors @ anchors.T + ridge * np.eye(m), anchors, assume_a="pos")
    return solve(anchors.T @ anchors + ridge * np.eye(d), anchors.T, assume_a="pos").T
