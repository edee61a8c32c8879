"""Kullback-Leibler divergence between two answer distributions, estimated from counts, and bootstrap intervals.

Four estimators of D(p‖q) in nats from counts c (n rollouts) and d (m rollouts); V is the number of answers seen in
either, and an answer that neither saw never counts.

official_2025_08  Σ p̃ ln(p̃/q̃), p̃ = (c+α)/(n+αV), α = 1e-9, not below 0: one unseen answer costs about ln 1e9
official_2025_10  Σ c/n ln(p̃/q̃), α = 0.5: the weights are not smoothed, so it can be negative
smoothed          Σ p̃ ln(p̃/q̃), α = 0.5 (Krichevsky-Trofimov, which is Jeffreys' prior), ours; never negative
corrected         Σ c/n [ψ(c) − ψ(n) − ψ(d+1) + ψ(m+1)], ours, no smoothing: digamma form of the estimator of Zhang and
                  Grabchak, Neural Computation 26 (2014). Both sums it stands for are unbiased but for terms that fall
                  like (1−p)^n and (1−q)^m; it may be negative, as an estimate of zero must be half of the time.
"""

import numpy as np

from anchors.companion.errors import InputError

VARIANTS = ("official_2025_08", "official_2025_10", "smoothed", "corrected")
ALPHA = {"official_2025_08": 1e-9, "official_2025_10": 0.5, "smoothed": 0.5}


def kl(p_counts: np.ndarray, q_counts: np.ndarray, variant: str = "corrected", alpha: float | None = None):
    """Return D(p‖q) in nats, shape (…), from counts (…, V); NaN where either holds no rollout (sec. 2.4, derived).

    Parameters
    ----------
    variant : one of :data:`VARIANTS`; ``alpha`` replaces its smoothing (``corrected`` has none).

    Raises
    ------
    InputError
        An unknown variant, alpha ≤ 0, negative counts, or different numbers of answers.
    """
    p, q = _counts(p_counts, q_counts)
    if variant == "corrected":
        return _corrected(p, q)
    if variant not in ALPHA:
        raise InputError("variant", repr(variant), " | ".join(VARIANTS))
    alpha = ALPHA[variant] if alpha is None else alpha
    if not alpha > 0:
        raise InputError("alpha", alpha, "a number above 0")
    seen = (p > 0) | (q > 0)  # (…, V)
    n, m, size = (x.sum(-1, keepdims=True) for x in (p, q, seen))
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth_p, smooth_q = (p + alpha) / (n + alpha * size), (q + alpha) / (m + alpha * size)
        weight = p / n if variant == "official_2025_10" else smooth_p
        terms = np.where(seen, weight * np.log(smooth_p / smooth_q), 0.0)
    value = np.where((n > 0) & (m > 0), terms.sum(-1, keepdims=True), np.nan)[..., 0]
    return value if variant == "official_2025_10" else np.maximum(value, 0.0)


def binary_kl(p_correct, p_total, q_correct, q_total, variant: str = "corrected", alpha: float | None = None):
    """Return D between two chances of a correct answer, from numbers of correct and of all answers (sec. 2.4)."""
    pairs = [np.stack([np.asarray(k, float), np.asarray(n, float) - k], -1) for k, n in
             ((p_correct, p_total), (q_correct, q_total))]  # fmt: skip
    return kl(*pairs, variant=variant, alpha=alpha)


def exact_kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return D(p‖q) in nats of distributions (…, V); infinite where q lacks an answer that p gives (definition)."""
    p, q = np.asarray(p, float), np.asarray(q, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(-1)


def bootstrap_counts(counts: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``draws`` resamples (draws, …, V) of counts (…, V): as many rollouts, drawn with replacement (derived)."""
    counts = np.asarray(counts)
    total = counts.sum(-1)
    shares = np.where(total[..., None] > 0, counts / np.maximum(total, 1)[..., None], 1 / counts.shape[-1])
    return rng.multinomial(total, shares, size=(draws, *total.shape))


def interval(draws: np.ndarray, value: np.ndarray, level: float = 0.95, kind: str = "percentile"):
    """Return ``(low, high)``, shapes (…), of bootstrap draws (B, …) of an estimate ``value`` (…) (derived).

    ``percentile`` takes quantiles of the draws. ``centred`` first moves the draws so that their mean is the estimate:
    resampling adds the estimator's bias a second time, and moving takes it out again. NaN draws are left out.
    """
    import warnings

    if kind not in ("percentile", "centred"):
        raise InputError("kind", repr(kind), "percentile | centred")
    tails = [(1 - level) / 2, (1 + level) / 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where all draws are NaN the result is NaN, as it should be
        shift = np.nanmean(draws, axis=0) - value if kind == "centred" else 0.0
        low, high = np.nanquantile(draws - shift, tails, axis=0)
    return low, high


def _counts(p_counts: np.ndarray, q_counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, q = np.asarray(p_counts, float), np.asarray(q_counts, float)
    if p.ndim == 0 or q.ndim == 0 or p.shape[-1] != q.shape[-1]:
        raise InputError("counts", f"shapes {p.shape} and {q.shape}", "(…, V) with one V")
    if (p < 0).any() or (q < 0).any():
        raise InputError("counts", "negative numbers", "numbers of rollouts")
    return np.broadcast_arrays(p, q)


def _corrected(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    from scipy.special import digamma

    n, m = p.sum(-1), q.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(p > 0, p * digamma(np.where(p > 0, p, 1)), 0.0).sum(-1) / n - digamma(n)
        cross = digamma(m + 1) - (p * digamma(q + 1)).sum(-1) / n
        return np.where((n > 0) & (m > 0), own + cross, np.nan)
