"""Reconstruction Relations Embedded Hashing, reconstructed: the objective, its updates and the estimator.

The body of the paper (Wang et al., ICIC 2024, arXiv 2405.17777) could not be had. The objective and the updates here
are reconstructed from its abstract; they are not the paper's equations. Rows are samples:

J = sum_v alpha_v ||X_v/s_v - V U_v'||^2 + beta ||B - V||^2 + theta sum_v ||B_v - R_v' V_S||^2
    + mu sum_v [ ||B - X_v W_v||^2 + gamma ||B_v - Xb_v W_v||^2 + lam_v ||W_v||^2 ],   V'V = n I, 1'V = 0.
"""

import numpy as np

from anchors.companion.errors import InputError
from anchors.hashing import anchors as anchor_rules
from anchors.hashing.estimator import SemiPairedHasher, check_number, check_option
from anchors.hashing.pairs import VIEWS
from anchors.hashing.training import build_problem, initialise, objective, update


class RREH(SemiPairedHasher):
    """Reconstruction Relations Embedded Hashing (reconstructed).

    Parameters
    ----------
    bits : code length r; more pairs than bits are needed.
    alpha : weight of the image modality in the shared latent subspace, the text has 1 - alpha.
    beta : quantisation weight.
    theta : weight of the reconstruction relations.
    mu, gamma : weight of the hash functions, and of unpaired rows in them.
    delta : relative ridge of the reconstruction factors. lam : relative ridge of the hash functions.
    n_anchors : "auto" (300, or all pairs if fewer), None (all pairs) or a number.
    anchors : "random", "kmeans" or "leverage".
    kernel : "rbf" on ``n_landmarks`` sampled training rows, or None for linear features. Kernel features are stored
        (n x n_landmarks numbers a modality); linear features are read from the input block by block.
    reconstruction : "ridge", "sum_to_one" (softly, by an augmented feature) or "knn" (``n_neighbors`` anchors).
    orthogonal : keep V'V = n I and 1'V = 0; False solves for V freely.
    hash_functions : "joint", or "two_step": codes without the mu terms, then ridge regression.
    quadratic : keep the term V S M S'V' in the V-step; False drops it and J may rise.
    rotation : start from randomly rotated principal components.
    max_iter, tol : stop after ``max_iter`` rounds or a relative change of J below ``tol``.
    dtype : "float64" or "float32", of features and latent rows.
    random_state : int seed of anchors, landmarks and rotation.

    Attributes
    ----------
    objective_ : (n_iter_ + 1,) J after initialisation and after each round. n_iter_ : rounds done.
    anchor_index_ : (m,) training rows of ``images`` used as anchors.
    W_, U_ : dict view -> (D_v, bits). scales_ : dict view -> s_v. See `SemiPairedHasher` for the rest.

    Notes
    -----
    Reconstructed from the abstract of Wang et al., "RREH: Reconstruction Relations Embedded Hashing for Semi-Paired
    Cross-Modal Retrieval", ICIC 2024. In ``codes_`` the image and the text of a pair share one learnt code B.
    """

    reconstructs = True  # a subclass without the theta term sets it to False

    def __init__(
        self,
        bits=32,
        alpha=0.5,
        beta=0.1,
        theta=1.0,
        mu=10.0,
        gamma=1.0,
        delta=1e-2,
        lam=1e-2,
        n_anchors="auto",
        anchors="random",
        kernel="rbf",
        n_landmarks=300,
        reconstruction="ridge",
        n_neighbors=5,
        orthogonal=True,
        hash_functions="joint",
        quadratic=True,
        rotation=True,
        max_iter=20,
        tol=1e-5,
        dtype="float64",
        random_state=0,
    ):
        self.bits = bits
        self.alpha = alpha
        self.beta = beta
        self.theta = theta
        self.mu = mu
        self.gamma = gamma
        self.delta = delta
        self.lam = lam
        self.n_anchors = n_anchors
        self.anchors = anchors
        self.kernel = kernel
        self.n_landmarks = n_landmarks
        self.reconstruction = reconstruction
        self.n_neighbors = n_neighbors
        self.orthogonal = orthogonal
        self.hash_functions = hash_functions
        self.quadratic = quadratic
        self.rotation = rotation
        self.max_iter = max_iter
        self.tol = tol
        self.dtype = dtype
        self.random_state = random_state

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_number("alpha", self.alpha, 0, 1)
        for name in ("theta", "mu", "gamma", "tol"):
            check_number(name, getattr(self, name), 0)
        for name in ("beta", "delta", "lam"):
            check_number(name, getattr(self, name), 0, strict=True)
        for name in ("n_neighbors", "max_iter"):
            check_number(name, getattr(self, name), 1, whole=True)
        if self.n_anchors not in ("auto", None):
            check_number("n_anchors", self.n_anchors, 1, whole=True)
        check_option("anchors", self.anchors, anchor_rules.CHOICES)
        check_option("reconstruction", self.reconstruction, anchor_rules.RECONSTRUCTIONS)
        check_option("hash_functions", self.hash_functions, ("joint", "two_step"))

    def _check_size(self, data) -> None:
        super()._check_size(data)
        n = data.n_pairs
        m = {"auto": min(300, n), None: n}.get(self.n_anchors, self.n_anchors)
        if m > n:
            raise InputError("n_anchors", f"{m} anchors and {n} pairs", "m <= paired", "Lower n_anchors or use 'auto'.")
        self.n_anchors_ = m

    def _learn(self, data, maps):
        problem = build_problem(self, data, maps)
        state = initialise(problem)
        trace = [objective(problem, state)]
        for _ in range(self.max_iter):
            state = update(problem, state)
            trace.append(objective(problem, state))
            if abs(trace[-2] - trace[-1]) <= self.tol * abs(trace[-2]):
                break
        self.objective_, self.n_iter_ = np.array(trace), len(trace) - 1
        linked = data.order[0]
        self.anchor_index_ = problem.anchors if linked is None else linked[problem.anchors]
        self.W_, self.U_ = dict(zip(VIEWS, state.W, strict=True)), dict(zip(VIEWS, state.U, strict=True))
        self.scales_ = dict(zip(VIEWS, problem.scales, strict=True))
        codes, _ = data.runner.run(_codes_step, state.pairs)
        return [(codes, state.codes[0]), (codes, state.codes[1])]

    def _arrays(self):
        extra = {"objective_": self.objective_, "anchor_index_": self.anchor_index_, "n_iter_": np.array(self.n_iter_)}
        extra |= {f"U_.{v}": self.U_[v] for v in VIEWS} | {f"scales_.{v}": np.array(self.scales_[v]) for v in VIEWS}
        return super()._arrays() | extra

    def _restore(self, arrays):
        super()._restore(arrays)
        self.objective_, self.anchor_index_ = arrays["objective_"], arrays["anchor_index_"]
        self.n_iter_, self.n_anchors_ = int(arrays["n_iter_"]), len(self.anchor_index_)
        self.U_ = {v: arrays[f"U_.{v}"] for v in VIEWS}
        self.scales_ = {v: float(arrays[f"scales_.{v}"]) for v in VIEWS}
        return self


def _codes_step(state):
    return state[1], (np.zeros(1),)
