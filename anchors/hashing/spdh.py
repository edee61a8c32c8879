"""A graph in place of the reconstruction: an ablation in the style of semi-paired discrete hashing."""

import numpy as np

from anchors.hashing.blocks import LocalRunner
from anchors.hashing.codes import sign
from anchors.hashing.estimator import InMemoryHasher, check_number
from anchors.hashing.pairs import VIEWS
from anchors.hashing.steps import feasible, principal_directions


class SPDHStyle(InMemoryHasher):
    """RREH with an anchor-graph Laplacian instead of reconstruction relations (derived).

    This is not SPDH (Shen et al., IEEE T-Cybernetics 2017), whose code and text were not at hand; it only borrows
    the idea of a cross-view anchor graph over paired and unpaired rows. The term sum_v ||B_v - R_v'V_S||^2 of `RREH`
    becomes tr(Y'(I - Z D^-1 Z')Y), Y = [V; B_1; B_2], Z the rows' weights on their nearest anchors (for a pair the
    mean of both modalities), D = diag(Z'1). The concave part is linearised, so J never rises.
    In ``codes_`` pairs share B and unpaired rows have their own B_v, as in `RREH`.

    Parameters
    ----------
    bits, alpha, beta, mu, gamma, lam, kernel, n_landmarks, max_iter, dtype, random_state : see `RREH`.
    theta : weight of the graph. n_anchors : anchors among the pairs, or all if fewer. n_neighbors : anchors of a row.

    Attributes
    ----------
    objective_ : (max_iter + 1,) J after initialisation and after each round.
    """

    def __init__(
        self,
        bits=32,
        alpha=0.5,
        beta=0.1,
        theta=1.0,
        mu=10.0,
        gamma=1.0,
        lam=1e-2,
        n_anchors=300,
        n_neighbors=5,
        kernel="rbf",
        n_landmarks=300,
        max_iter=20,
        dtype="float64",
        random_state=0,
    ):
        self.bits = bits
        self.alpha = alpha
        self.beta = beta
        self.theta = theta
        self.mu = mu
        self.gamma = gamma
        self.lam = lam
        self.n_anchors = n_anchors
        self.n_neighbors = n_neighbors
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.max_iter = max_iter
        self.dtype = dtype
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0, 1)
        for name in ("theta", "mu", "gamma"):
            check_number(name, getattr(self, name), 0)
        for name in ("beta", "lam"):
            check_number(name, getattr(self, name), 0, strict=True)
        for name in ("n_anchors", "n_neighbors", "max_iter"):
            check_number(name, getattr(self, name), 1, whole=True)

    def _learn_arrays(self, pairs, unpaired):
        weights = np.sqrt([self.alpha, 1 - self.alpha])
        scales = [np.sqrt((x**2).sum(axis=1).mean()) for x in pairs]
        stacked = np.hstack([w / s * x for x, s, w in zip(pairs, scales, weights, strict=True)])
        Z, V = self._graph(pairs, unpaired), self._start(stacked)
        B = sign(V).astype(V.dtype)
        W = self._regress(pairs, unpaired, B, None)
        codes = [sign(u @ w).astype(V.dtype) for u, w in zip(unpaired, W, strict=True)]
        W, trace = self._regress(pairs, unpaired, B, codes), []
        for step in range(self.max_iter + 1):
            if step:
                V, B, codes = self._round(stacked, Z, V, B, codes, W, pairs, unpaired)
                W = self._regress(pairs, unpaired, B, codes)
            trace.append(self._objective(stacked, Z, V, B, codes, W, pairs, unpaired))
        self.objective_, self.W_ = np.array(trace), dict(zip(VIEWS, W, strict=True))
        return [(B.astype(np.int8), c.astype(np.int8)) for c in codes]

    def _round(self, stacked, Z, V, B, codes, W, pairs, unpaired):
        """One round over V (n, r), B (n, r) and B_v (n_v, r), each by its linearised surrogate."""
        n = len(V)
        smooth = self.theta * self._smooth(Z, V, codes)[:n]
        V = nearest_feasible(self.beta * B + stacked @ (stacked.T @ V / n) + smooth, self.random_state, V)
        V = V.astype(B.dtype, copy=False)
        B = sign(self.beta * V + self.mu * sum(x @ w for x, w in zip(pairs, W, strict=True))).astype(V.dtype)
        smooth = np.split(self.theta * self._smooth(Z, V, codes)[n:], [len(codes[0])])
        hashed = [self.mu * self.gamma * u @ w for u, w in zip(unpaired, W, strict=True)]
        if self.theta == 0 and self.mu * self.gamma == 0:
            hashed = [u @ w for u, w in zip(unpaired, W, strict=True)]
        return V, B, [sign(s + h).astype(V.dtype) for s, h in zip(smooth, hashed, strict=True)]

    def _ridge(self, x) -> float:
        return self.lam * np.vdot(x, x) / x.shape[1]

    def _regress(self, pairs, unpaired, B, codes):
        """Return the hash functions W_v (D, r): ridge regressions of the codes, of pairs alone without ``codes``."""
        W = []
        for v, (x, u) in enumerate(zip(pairs, unpaired, strict=True)):
            gram, target = x.T @ x + self._ridge(x) * np.eye(x.shape[1], dtype=x.dtype), x.T @ B
            if codes is not None:
                gram, target = gram + self.gamma * u.T @ u, target + self.gamma * u.T @ codes[v]
            W.append(np.linalg.solve(gram, target))
        return W

    def _start(self, stacked):
        """Return the rotated principal components of the stacked pairs, made feasible: V (n, r)."""
        gram, total = stacked.T @ stacked, stacked.sum(axis=0)
        axes = principal_directions(gram, total, len(stacked), np.ones(len(gram)), self.bits)
        q, _ = np.linalg.qr(self._rng("rotation").standard_normal((self.bits, self.bits)))
        return (nearest_feasible(stacked @ axes, self.random_state) @ q).astype(stacked.dtype)

    def _graph(self, pairs, unpaired):
        """Return D^-1/2-scaled sparse weights (n + n_1 + n_2, m) of all rows on the anchors."""
        from scipy.sparse import diags_array, vstack

        m, n = min(self.n_anchors, len(pairs[0])), len(pairs[0])
        index = np.sort(self._rng("anchors").choice(n, m, replace=False))
        linked = [0.5 * anchor_weights(x, x[index], self.n_neighbors) for x in pairs]
        alone = [anchor_weights(u, x[index], self.n_neighbors) for u, x in zip(unpaired, pairs, strict=True)]
        Z = vstack([linked[0] + linked[1], *alone], format="csr")
        return Z @ diags_array(1 / np.sqrt(np.maximum(Z.sum(axis=0), 1e-12)))

    def _smooth(self, Z, V, codes):
        """Return Z D^-1 Z'Y, the rows' averages over the graph."""
        return Z @ (Z.T @ np.vstack([V, *codes]))

    def _objective(self, stacked, Z, V, B, codes, W, pairs, unpaired) -> float:
        """J of `RREH` with the graph term in place of the reconstruction term (U minimised out)."""
        Y, pulled = np.vstack([V, *codes]), stacked.T @ V
        value = (stacked**2).sum() - (pulled**2).sum() / len(V) + self.beta * ((B - V) ** 2).sum()
        value += self.theta * ((Y**2).sum() - ((Z.T @ Y) ** 2).sum())
        for x, u, c, w in zip(pairs, unpaired, codes, W, strict=True):
            value += self.mu * (((B - x @ w) ** 2).sum() + self._ridge(x) * np.vdot(w, w))
            value += self.mu * self.gamma * ((c - u @ w) ** 2).sum()
        return float(value)


def nearest_feasible(z: np.ndarray, seed: int, previous=None) -> np.ndarray:
    """Return V (n, r) that maximises tr(V'Z) over V'V = n I, 1'V = 0."""
    old = None if previous is None else [(previous, None)]
    fit = feasible(LocalRunner(), [z], z.sum(axis=0), z.T @ z, len(z), [0], seed, old)
    return (fit[0][0] - fit[1]) @ fit[2]


def anchor_weights(x: np.ndarray, anchors: np.ndarray, k: int):
    """Return sparse (n, m) Gaussian weights of each row on its k nearest anchors, summing to one."""
    from scipy.sparse import csr_array

    k = min(k, len(anchors))
    distance = (x**2).sum(axis=1)[:, None] + (anchors**2).sum(axis=1) - 2 * x @ anchors.T
    index = np.argpartition(distance, k - 1, axis=1)[:, :k]
    near = np.maximum(np.take_along_axis(distance, index, axis=1), 0)
    weight = np.exp(-near / (2 * max(near.mean(), 1e-12))) if len(x) else near
    weight = weight / weight.sum(axis=1, keepdims=True)
    pointer = np.arange(0, index.size + 1, k)
    return csr_array((weight.ravel(), index.ravel(), pointer), shape=(len(x), len(anchors)))
