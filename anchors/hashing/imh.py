"""Inter-media hashing."""

import numpy as np

from anchors.hashing.codes import sign
from anchors.hashing.estimator import InMemoryHasher, check_number
from anchors.hashing.pairs import VIEWS


class IMH(InMemoryHasher):
    """Inter-media hashing (Song, Yang, Yang, Huang and Shen, SIGMOD 2013), which takes semi-paired data.

    F_1, F_2 minimise sum_v tr F_v'(P_v + lam L_v) F_v + link ||S_1 F_1 - S_2 F_2||^2 with F_1'F_1 = I, where
    P_v = I - X_v (X_v'X_v + beta I)^-1 X_v', L_v is a kNN graph Laplacian and S_v selects the linked rows.
    The cost is O(N^3). At most ``max_samples`` rows a modality are used: the pairs first (a random subset if they
    are too many), then uniformly drawn unpaired rows. ``codes_`` are sgn(F_v - median) for the rows used (an image
    and its text nearly agree) and those of ``transform`` for the others.

    Parameters
    ----------
    bits, kernel, n_landmarks, dtype, random_state : see `RREH`.
    beta : ridge of the hash functions. lam : weight of the graphs. link : weight of the links.
    n_neighbors : neighbours in the graphs. max_samples : rows used of each modality.
    """

    def __init__(
        self,
        bits=32,
        beta=1.0,
        lam=1.0,
        link=1e6,
        n_neighbors=5,
        max_samples=3000,
        kernel="rbf",
        n_landmarks=300,
        dtype="float64",
        random_state=0,
    ):
        self.bits = bits
        self.beta = beta
        self.lam = lam
        self.link = link
        self.n_neighbors = n_neighbors
        self.max_samples = max_samples
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.dtype = dtype
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in ("beta", "link"):
            check_number(name, getattr(self, name), 0, strict=True)
        check_number("lam", self.lam, 0)
        check_number("n_neighbors", self.n_neighbors, 1, whole=True)
        check_number("max_samples", self.max_samples, self.bits + 1, whole=True)

    def _learn_arrays(self, pairs, unpaired):
        rng = self._rng("samples")
        linked = subset(len(pairs[0]), self.max_samples, rng)
        free = [subset(len(u), self.max_samples - len(linked), rng) for u in unpaired]
        X = [np.vstack([p[linked], u[f]]).astype(np.float64) for p, u, f in zip(pairs, unpaired, free, strict=True)]
        F = embed(X, len(linked), self.bits, self.beta, self.lam, self.link, self.n_neighbors)
        self.W_, out = {}, []
        for v, view in enumerate(VIEWS):
            self.W_[view] = np.linalg.solve(X[v].T @ X[v] + self.beta * np.eye(X[v].shape[1]), X[v].T @ F[v])
            self.offsets_ = self.offsets_ | {view: np.median(X[v] @ self.W_[view], axis=0)}
            codes = sign(F[v] - np.median(F[v], axis=0))
            signs = self._hash(pairs[v], view), self._hash(unpaired[v], view)
            signs[0][linked], signs[1][free[v]] = codes[: len(linked)], codes[len(linked) :]
            out.append(signs)
        return out


def subset(n: int, limit: int, rng) -> np.ndarray:
    """Return all of 0..n-1, or ``limit`` of them drawn uniformly, sorted."""
    return np.arange(n) if n <= limit else np.sort(rng.choice(n, limit, replace=False))


def embed(X: list, n: int, bits: int, beta: float, lam: float, link: float, k: int) -> list:
    """Return F_1 (N_1, bits) and F_2 = C F_1 (N_2, bits); the first ``n`` rows of both modalities are linked."""
    from scipy.linalg import eigh, solve

    cost = [residual_projector(x, beta) + lam * laplacian(x, k) for x in X]
    ties = np.zeros((len(X[1]), len(X[0])))  # S_2' U S_1
    ties[np.arange(n), np.arange(n)] = link
    inner = cost[1] + link * np.diag(np.arange(len(X[1])) < n)
    C = solve(inner, ties, assume_a="sym")
    D = cost[0] + link * np.diag(np.arange(len(X[0])) < n) - ties.T @ C  # the Schur complement of F_2
    first = eigh((D + D.T) / 2, subset_by_index=(0, bits - 1))[1]
    return [first, C @ first]


def residual_projector(x: np.ndarray, beta: float) -> np.ndarray:
    """Return I - X (X'X + beta I)^-1 X' (n, n): what ridge regression on X leaves over."""
    return np.eye(len(x)) - x @ np.linalg.solve(x.T @ x + beta * np.eye(x.shape[1]), x.T)


def laplacian(x: np.ndarray, k: int) -> np.ndarray:
    """Return the Laplacian (n, n) of the symmetric k-nearest-neighbour graph with Gaussian weights."""
    squares = (x**2).sum(axis=1)
    distance = np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0)
    np.fill_diagonal(distance, np.inf)
    k = min(k, len(x) - 1)
    nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(distance, nearest, axis=1)
    weights = np.zeros_like(distance)
    width = max(near.mean(), np.finfo(float).tiny)
    np.put_along_axis(weights, nearest, np.exp(-near / (2 * width)), axis=1)
    weights = np.maximum(weights, weights.T)
    return np.diag(weights.sum(axis=1)) - weights
