"""Collective matrix factorisation hashing."""

import numpy as np

from anchors.hashing.codes import sign
from anchors.hashing.estimator import InMemoryHasher, check_number
from anchors.hashing.pairs import VIEWS


class CMFH(InMemoryHasher):
    """Collective matrix factorisation hashing (Ding, Guo and Zhou, CVPR 2014), on pairs.

    J = sum_v lam_v ||X_v - V U_v'||^2 + mu sum_v ||V - X_v W_v||^2 + reg (||V||^2 + sum_v ||U_v||^2 + ||W_v||^2)
    by exact alternating least squares, so J never rises. Features are reduced to ``n_components`` principal
    components of all training rows and scaled to unit mean square (on raw RBF features the method collapses).
    In ``codes_`` pairs have the shared code sgn(V - mean V), unpaired rows those of ``transform``.

    Parameters
    ----------
    bits, kernel, n_landmarks, dtype, random_state : see `RREH`.
    lam : weight of the image, the text has 1 - lam. mu, reg : weights of J.
    n_components : principal components kept of each modality. max_iter : rounds.

    Attributes
    ----------
    objective_ : (max_iter,) J after each round.
    """

    def __init__(
        self,
        bits=32,
        lam=0.5,
        mu=100.0,
        reg=0.01,
        n_components=64,
        max_iter=25,
        kernel="rbf",
        n_landmarks=300,
        dtype="float64",
        random_state=0,
    ):
        self.bits = bits
        self.lam = lam
        self.mu = mu
        self.reg = reg
        self.n_components = n_components
        self.max_iter = max_iter
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.dtype = dtype
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("lam", self.lam, 0, 1)
        for name in ("mu", "reg"):
            check_number(name, getattr(self, name), 0, strict=True)
        for name in ("n_components", "max_iter"):
            check_number(name, getattr(self, name), 1, whole=True)

    def _learn_arrays(self, pairs, unpaired):
        bases = [principal_basis(np.vstack(rows), self.n_components) for rows in zip(pairs, unpaired, strict=True)]
        X = [x @ basis for x, basis in zip(pairs, bases, strict=True)]  # (n, k_v)
        V = self._rng("start").random((len(X[0]), self.bits))
        W = [np.zeros((x.shape[1], self.bits)) for x in X]
        trace = []
        for _ in range(self.max_iter):
            U, V, W = self._round(X, V, W)
            trace.append(self._objective(X, U, V, W))
        self.objective_ = np.array(trace)
        self.W_ = {view: b @ w for view, b, w in zip(VIEWS, bases, W, strict=True)}
        self.offsets_ = dict.fromkeys(VIEWS, V.mean(axis=0))
        shared = sign(V - V.mean(axis=0))
        return [(shared, self._hash(u, view)) for view, u in zip(VIEWS, unpaired, strict=True)]

    def _round(self, X, V, W):
        """One exact pass over U_v (k_v, r), V (n, r) and W_v (k_v, r)."""
        eye, lams = np.eye(self.bits), (self.lam, 1 - self.lam)
        U = [a * np.linalg.solve(a * V.T @ V + self.reg * eye, V.T @ x).T for x, a in zip(X, lams, strict=True)]
        left = sum(a * u.T @ u for u, a in zip(U, lams, strict=True)) + (2 * self.mu + self.reg) * eye
        right = sum(x @ (a * u + self.mu * w) for x, u, w, a in zip(X, U, W, lams, strict=True))
        V = np.linalg.solve(left, right.T).T
        W = [np.linalg.solve(x.T @ x + self.reg / self.mu * np.eye(x.shape[1]), x.T @ V) for x in X]
        return U, V, W

    def _objective(self, X, U, V, W) -> float:
        value = self.reg * np.vdot(V, V)
        for x, u, w, a in zip(X, U, W, (self.lam, 1 - self.lam), strict=True):
            value += a * ((x - V @ u.T) ** 2).sum() + self.mu * ((V - x @ w) ** 2).sum()
            value += self.reg * (np.vdot(u, u) + np.vdot(w, w))
        return float(value)


def principal_basis(x: np.ndarray, k: int) -> np.ndarray:
    """Return (D, min(k, D)) principal directions, scaled so that rows of ``x @ basis`` have mean square one."""
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    return vectors[:, ::-1][:, :k] / np.sqrt(values[::-1][:k].sum())
