"""The training of RREH (reconstructed): what is computed once, the alternating updates and the objective.

Rows are samples: X_v (n, D_v) pairs, Xb_v (n_v, D_v) unpaired, V and B (n, r), B_v (n_v, r), V_S (m, r) anchor rows.
Every update is exact or majorised, so J never rises. All work on rows goes through ``data.runner``, block by block.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.linalg import eigh

from anchors.companion.errors import InputError
from anchors.hashing import anchors as anchor_rules
from anchors.hashing import steps
from anchors.hashing.blocks import gather, picks, starts
from anchors.hashing.pairs import VIEWS, SemiPaired


@dataclass
class Problem:
    """What does not change during training (lists are per view)."""

    data: SemiPaired
    maps: list  # feature maps of the blocks
    model: object  # the RREH with its parameters
    mu: float  # weight of the hash functions during training
    theta: float  # weight of the reconstruction relations
    n: int  # pairs
    total: np.ndarray  # (D1 + D2,) column sums of both views side by side, pairs
    stacked: np.ndarray  # their Gram matrix
    grams: list  # X'X (D, D)
    unpaired_sums: list  # Xb'1 (D,), Xb'Xb (D, D)
    scales: list  # s_v
    ridges: list  # lam_v
    inverses: list = field(default_factory=list)  # (X'X + gamma Xb'Xb + lam_v I)^-1
    anchors: np.ndarray | None = None  # (m,) rows of the pairs
    relations: list = field(default_factory=list)
    relation_blocks: list = field(default_factory=list)
    quadratic: list = field(default_factory=list)  # R_v R_v' (m, m)
    spectrum: tuple = ()  # eigenvalues (ascending; the largest only when orthogonal) and vectors of sum_v R_v R_v'

    @property
    def weights(self) -> tuple[float, float]:
        """(alpha, 1 - alpha)."""
        return self.model.alpha, 1 - self.model.alpha

    def n_unpaired(self, v: int) -> int:
        """Number of unpaired rows of view ``v``."""
        return sum(self.data.unpaired_sizes[v])


@dataclass
class State:
    """What training changes: columns of blocks, and the small sums that describe them."""

    pairs: list  # blocks of (V, B)
    products: list  # X_v'V (D, r)
    code_products: list  # X_v'B (D, r)
    latent_gram: np.ndarray  # V'V (r, r)
    agreement: float  # tr(B'V)
    anchor_latent: np.ndarray  # V_S (m, r)
    codes: list = field(default_factory=list)  # blocks of B_v
    unpaired_products: list = field(default_factory=list)  # Xb'B_v (D, r)
    cross: list = field(default_factory=list)  # R_v B_v (m, r)
    W: list = field(default_factory=list)  # (D, r)
    U: list = field(default_factory=list)  # (D, r)


def build_problem(model, data: SemiPaired, maps: list) -> Problem:
    """Compute Gram matrices, scales, anchors, reconstruction factors and regression inverses, once."""
    run, n = data.runner.run, data.n_pairs
    total, stacked = run(steps.moments_step, *data.pairs, maps=maps)[1]
    unpaired = [
        run(steps.moments_step, c, maps=[f])[1] or (np.zeros(d), np.zeros((d, d)))
        for c, f, d in zip(data.unpaired, maps, _widths(model), strict=True)
    ]
    edge = _widths(model)[0]
    grams = [stacked[:edge, :edge], stacked[edge:, edge:]]
    traces = [np.trace(g) for g in grams]
    for trace, mean, view in zip(traces, np.split(total / n, [edge]), VIEWS, strict=True):
        if not trace - n * (mean @ mean) > 10 * np.finfo(model.dtype).eps * trace:
            raise InputError(f"{view}s", "constant features in the paired rows", "rows that vary", "Link other rows.")
    mu = 0.0 if model.hash_functions == "two_step" else model.mu
    ridges = [model.lam * t / len(g) for t, g in zip(traces, grams, strict=True)]
    theta = model.theta if model.reconstructs else 0.0
    p = Problem(
        data, maps, model, mu, theta, n, total, stacked, grams, unpaired, [np.sqrt(t / n) for t in traces], ridges
    )
    p.inverses = [_inverse(g, model.gamma * u[1], k) for g, u, k in zip(grams, unpaired, ridges, strict=True)]
    _relate(p)
    return p


def _widths(model) -> list[int]:
    features = [model.features_[view] for view in VIEWS]
    return [len(f.shift if f.landmarks is None else f.landmarks) for f in features]


def _inverse(gram, extra, ridge) -> np.ndarray:
    return np.linalg.inv(gram + extra + ridge * np.eye(len(gram)))


def _relate(p: Problem) -> None:
    """Choose the anchors and compute the reconstruction relations to them."""
    model, data, runner = p.model, p.data, p.data.runner
    alone = [_inverse(g, 0, k) for g, k in zip(p.grams, p.ridges, strict=True)] if model.anchors == "leverage" else None
    settings = (p.scales, alone, model.n_anchors_, model._rng("anchors"))
    p.anchors = anchor_rules.choose(model.anchors, runner, data.pairs, data.pair_sizes, p.maps, *settings)
    for v in (0, 1):
        rows = gather(runner, data.pairs[v], data.pair_sizes, p.anchors, p.maps[v])
        if not data.unpaired[v]:
            p.relations.append(None), p.relation_blocks.append([]), p.quadratic.append(np.zeros((len(rows),) * 2))
            continue
        relation = anchor_rules.relations(model.reconstruction, rows, model.delta, p.scales[v], model.n_neighbors)
        blocks = relation.columns(runner, data.unpaired[v], p.maps[v])
        total, gram = p.unpaired_sums[v]
        p.relations.append(relation), p.relation_blocks.append(blocks)
        p.quadratic.append(relation.gram(runner, blocks, gram, total, p.n_unpaired(v)))
    quadratic, last = sum(p.quadratic), len(p.anchors) - 1
    if not model.orthogonal:
        p.spectrum = eigh(quadratic)
    else:
        p.spectrum = (eigh(quadratic, eigvals_only=True, subset_by_index=(last, last)), None)


def initialise(p: Problem) -> State:
    """Start from the (rotated) principal components of the scaled, stacked pairs; then B, B_v, W and U."""
    model, r, runner = p.model, p.model.bits, p.data.runner
    scale = np.repeat(np.sqrt(p.weights) / p.scales, [len(g) for g in p.grams])
    pulls = np.split(steps.principal_directions(p.stacked, p.total, p.n, scale, r), [len(p.grams[0])])
    empty = runner.run(_empty_step, p.data.pairs[0], p.data.pair_sizes, bits=r, dtype=model.dtype)[0]
    z, sums = runner.run(
        steps.score_step, *p.data.pairs, empty, _picks(p), maps=p.maps, pulls=pulls, beta=0, shift=0, anchor_term=None
    )
    z, mean, transform = steps.feasible(runner, z, *sums, p.n, starts(p.data.pair_sizes), model.random_state)
    if model.rotation:
        q, upper = np.linalg.qr(model._rng("rotation").standard_normal((r, r)))
        transform = transform @ (q * np.sign(np.diag(upper)))
    state = _finish(p, z, mean, transform, beta=1.0, weights=None)
    targets = zip(p.grams, p.ridges, state.code_products, strict=True)
    alone = [np.linalg.solve(g + k * np.eye(len(g)), c) for g, k, c in targets]
    update_unpaired(p, state, alone, hash_weight=0.0)
    update_linear(p, state)
    return state


def _empty_step(block, size, *, bits, dtype):
    return (np.zeros((size, bits), dtype), np.zeros((size, bits), np.int8)), (np.zeros(1),)


def _picks(p: Problem) -> list:
    return picks(p.data.pair_sizes, p.anchors)


def _finish(p: Problem, z, mean, transform, beta, weights, anchor_latent=None) -> State:
    """Turn Z blocks into (V, B) blocks and collect their sums."""
    shared = {"weights": weights, "mean": mean, "transform": transform, "beta": beta, "count": len(p.anchors)}
    step = partial(p.data.runner.run, steps.finish_step, *p.data.pairs, z, _picks(p), maps=p.maps)
    pairs, (first, second, *rest) = step(anchor_latent=anchor_latent, **shared)
    (xv1, xb1), (xv2, xb2) = np.hsplit(first, 2), np.hsplit(second, 2)
    return State(pairs, [xv1, xv2], [xb1, xb2], rest[0], float(rest[1]), rest[2])


def update(p: Problem, state: State) -> State:
    """One round: V, B, B_v, then W and U. Returns the new state."""
    new = update_pairs(p, state)
    update_unpaired(p, new, state.W, hash_weight=p.mu * p.model.gamma)
    update_linear(p, new)
    return new


def update_pairs(p: Problem, state: State) -> State:
    """V-step (centred SVD of the majorised surrogate, or freely by a Sylvester equation), then B."""
    model, runner = p.model, p.data.runner
    pulls = [a / s * u for a, s, u in zip(p.weights, p.scales, state.U, strict=True)]
    anchor_term, shift = p.theta * sum(state.cross), 0.0
    if model.orthogonal and model.quadratic:
        anchor_term = anchor_term - p.theta * sum(p.quadratic) @ state.anchor_latent
        shift = p.theta * float(p.spectrum[0][-1])
    columns = (*p.data.pairs, state.pairs, _picks(p))
    shared = {"maps": p.maps, "pulls": pulls, "beta": model.beta, "shift": shift, "anchor_term": anchor_term}
    z, sums = runner.run(steps.score_step, *columns, **shared)
    weights = [p.mu * w for w in state.W] if p.mu else None
    if model.orthogonal:
        fit = steps.feasible(runner, z, *sums, p.n, starts(p.data.pair_sizes), model.random_state, state.pairs)
        return _finish(p, *fit, model.beta, weights)
    left = sum(a * u.T @ u for a, u in zip(p.weights, state.U, strict=True)) + model.beta * np.eye(model.bits)
    theta = p.theta if model.quadratic else 0.0
    right = gather(runner, z, p.data.pair_sizes, p.anchors)
    free = steps.sylvester_latent(left, *p.spectrum, right, theta)
    return _finish(p, z, np.zeros(model.bits), np.linalg.inv(left), model.beta, weights, free)


def update_unpaired(p: Problem, state: State, W: list, hash_weight: float) -> None:
    """B_v = sgn(theta R_v' V_S + mu gamma Xb_v W_v); with theta = 0 the pseudo-codes sgn(Xb_v W_v)."""
    theta, still = p.theta, np.zeros(p.model.bits)
    state.codes, state.unpaired_products, state.cross = [], [], []
    for v in (0, 1):
        relation, blocks = p.relations[v], p.relation_blocks[v]
        weights, offset = W[v] * (hash_weight if theta else 1.0), still
        pull = relation.pull(state.anchor_latent) if relation and theta else None
        if pull is not None:
            weights, offset = weights + theta * pull[0], theta * pull[1]
        shared = {"feature_map": p.maps[v], "weights": weights, "offset": offset}
        columns, latent = (p.data.unpaired[v], blocks), theta * state.anchor_latent
        codes, sums = p.data.runner.run(steps.unpaired_step, *columns, anchor_latent=latent, **shared)
        zero = np.zeros_like(state.anchor_latent)
        state.codes.append(codes)
        state.unpaired_products.append(sums[0] if sums else np.zeros_like(W[v]))
        state.cross.append(relation.cross(*sums) if sums else zero)


def update_linear(p: Problem, state: State) -> None:
    """W_v = (X'X + gamma Xb'Xb + lam_v I)^-1 (X'B + gamma Xb'B_v) and U_v = X'V (V'V)^-1 / s_v."""
    gamma, model = p.model.gamma, p.model
    moments = zip(p.inverses, state.code_products, state.unpaired_products, strict=True)
    state.W = [inverse @ (c + gamma * u) for inverse, c, u in moments]
    inverse = np.eye(model.bits) / p.n if model.orthogonal else np.linalg.pinv(state.latent_gram, hermitian=True)
    state.U = [x @ inverse / s for x, s in zip(state.products, p.scales, strict=True)]


def objective(p: Problem, state: State) -> float:
    """J from the small sums; see the module `rreh` for the formula."""
    model, r, value = p.model, p.model.bits, 0.0
    gram = state.latent_gram
    for v in (0, 1):
        U, W, n_v = state.U[v], state.W[v], p.n_unpaired(v)
        value += p.weights[v] * (p.n - 2 * np.vdot(U, state.products[v]) / p.scales[v] + np.vdot(U.T @ U, gram))
        related = n_v * r - 2 * np.vdot(state.cross[v], state.anchor_latent)
        value += p.theta * (related + np.vdot(p.quadratic[v] @ state.anchor_latent, state.anchor_latent))
        paired = p.n * r - 2 * np.vdot(W, state.code_products[v]) + np.vdot(W, p.grams[v] @ W)
        alone = n_v * r - 2 * np.vdot(W, state.unpaired_products[v]) + np.vdot(W, p.unpaired_sums[v][1] @ W)
        value += p.mu * (paired + model.gamma * alone + p.ridges[v] * np.vdot(W, W))
    return float(value + model.beta * (p.n * r - 2 * state.agreement + np.trace(gram)))
