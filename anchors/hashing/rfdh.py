"""Robust and flexible discrete hashing with linear hash functions."""

import numpy as np

from anchors.hashing.codes import sign
from anchors.hashing.estimator import InMemoryHasher, check_number
from anchors.hashing.pairs import VIEWS


class RFDHLinear(InMemoryHasher):
    """Robust and flexible discrete hashing, linear (Wang, Gao, Wang and He, TCSVT 2018), on pairs.

    J = sum_v [ w_v^p ||X_v - B F_v'||_{2,1} + reg ||F_v||^2 ], B in {0, 1} with half of each bit set, sum_v w_v = 1.
    Rows are reweighted by 1 / (2 error); bits are set one at a time to the best balanced choice; every update lowers
    J or keeps it. The modality weights are the exact minimiser w_v ~ loss_v^(1/(1-p)). Hash functions are ridge
    regressions of the codes; the rotation of the original is left out. In ``codes_`` pairs share B, unpaired rows
    have the codes of ``transform``.

    Parameters
    ----------
    bits, kernel, n_landmarks, dtype, random_state : see `RREH`.
    p : exponent of the modality weights (> 1). reg : weight of ||F||^2. lam : relative ridge of the hash functions.
    max_iter : rounds. n_passes : passes over the bits in a round.

    Attributes
    ----------
    objective_ : (max_iter,) J after each round.
    """

    def __init__(
        self,
        bits=32,
        p=3.0,
        reg=1e-4,
        lam=1e-2,
        max_iter=20,
        n_passes=5,
        kernel="rbf",
        n_landmarks=300,
        dtype="float64",
        random_state=0,
    ):
        self.bits = bits
        self.p = p
        self.reg = reg
        self.lam = lam
        self.max_iter = max_iter
        self.n_passes = n_passes
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.dtype = dtype
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("p", self.p, 1, strict=True)
        for name in ("reg", "lam"):
            check_number(name, getattr(self, name), 0, strict=True)
        for name in ("max_iter", "n_passes"):
            check_number(name, getattr(self, name), 1, whole=True)

    def _learn_arrays(self, pairs, unpaired):
        X = [x / np.sqrt((x**2).sum(axis=1).mean()) for x in pairs]
        B = balanced(self._rng("start").random((len(X[0]), self.bits)))
        weights, rows, trace = np.full(2, 0.5), [np.ones(len(x)) for x in X], []
        for _ in range(self.max_iter):
            F = [factor(x, B, d, 2 * self.reg / w**self.p) for x, d, w in zip(X, rows, weights, strict=True)]
            B = set_bits(X, B, F, rows, weights**self.p, self.n_passes)
            errors = [np.linalg.norm(x - B @ f.T, axis=1) for x, f in zip(X, F, strict=True)]
            losses = np.array([e.sum() for e in errors]) + 1e-12
            weights = (losses / losses.sum()) ** (1 / (1 - self.p))
            weights /= weights.sum()
            rows = [1 / np.maximum(e, 1e-9) for e in errors]
            trace.append(weights**self.p @ losses + self.reg * sum(np.vdot(f, f) for f in F))
        self.objective_, self.modality_weights_ = np.array(trace), weights
        codes, self.W_ = sign(B - 0.5), {}
        for view, x in zip(VIEWS, pairs, strict=True):
            gram = x.T @ x
            ridge = self.lam * np.trace(gram) / len(gram) * np.eye(len(gram))
            self.W_[view] = np.linalg.solve(gram + ridge, x.T @ codes.astype(x.dtype))
        return [(codes, self._hash(u, view)) for view, u in zip(VIEWS, unpaired, strict=True)]


def balanced(cost: np.ndarray) -> np.ndarray:
    """Return {0, 1} floats: in each column the lower half of ``cost`` (n, r) gets 1."""
    order = cost.argsort(axis=0, kind="stable")
    out = np.zeros_like(cost)
    np.put_along_axis(out, order[: len(cost) // 2], 1.0, axis=0)
    return out


def factor(x: np.ndarray, B: np.ndarray, rows: np.ndarray, ridge: float) -> np.ndarray:
    """Return F (D, r) = argmin sum_i rows_i ||x_i - F b_i||^2 + ridge ||F||^2."""
    weighted = B * rows[:, None]
    return np.linalg.solve(weighted.T @ B + ridge * np.eye(B.shape[1]), weighted.T @ x).T


def set_bits(X: list, B: np.ndarray, F: list, rows: list, weights: np.ndarray, passes: int) -> np.ndarray:
    """Return B (n, r) after setting one bit at a time to its best balanced values, until nothing changes."""
    B = B.copy()
    linear = sum(w * d[:, None] * (x @ f) for x, f, d, w in zip(X, F, rows, weights, strict=True))  # (n, r)
    grams = [f.T @ f for f in F]
    for _ in range(passes):
        before = B.copy()
        for k in range(B.shape[1]):
            B[:, k] = 0
            cost = -2 * linear[:, k]
            for gram, d, w in zip(grams, rows, weights, strict=True):
                cost = cost + w * d * (2 * B @ gram[:, k] + gram[k, k])
            B[:, k] = balanced(cost[:, None])[:, 0]
        if (before == B).all():
            break
    return B
