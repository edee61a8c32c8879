"""Rewards of neighbouring work as closed formulas, and advantages of groups of rollouts (section 3 and 1.5).

Arrays: scores (n, K) u in [0, 1]; rewards (g, G), G rollouts of each of g prompts; NaN = not judged.
"""

import numpy as np

from anchors.companion.errors import InputError

SCALES = ("group", "batch", "none")
RAR_WEIGHTS = {"essential": 1.0, "important": 0.7, "optional": 0.3, "pitfall": 0.9}  # of Rubrics as Rewards
ROUNDING = 1e-9  # a score that misses a bound by less is on it; rewards that differ by less are equal


def rubrics_as_rewards(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the explicit reward Σ w c / Σ w (n,) of scores (n, K), weights (K,) (Rubrics as Rewards, 2507.17746).

    Its weights of labels are :data:`RAR_WEIGHTS`; a pitfall counts when it is avoided. The implicit reward of that
    work, one grade for the whole rubric, is a judge's and no formula.

    Raises
    ------
    InputError
        NaN or scores outside [0, 1], weights that are negative or add up to 0.
    """
    weights = _vector("weights", weights)
    if (weights < 0).any() or not weights.sum() > 0:
        raise InputError("weights", f"{weights.tolist()}", "numbers of at least 0, one of them above 0")
    return _judged(scores, len(weights)) @ weights / weights.sum()


def healthbench(points: np.ndarray, met: np.ndarray, clip: bool = True) -> np.ndarray:
    """Return Σ points of what is met / Σ positive points (n,), clipped to [0, 1] unless told not to (HealthBench).

    Parameters
    ----------
    points : (K,) signed. met : (n, K) in [0, 1], how far each description is met (negative points too: not turned).

    Raises
    ------
    InputError
        NaN or values outside [0, 1] in ``met``, no positive points.
    """
    points = _vector("points", points)
    positive = points[points > 0].sum()
    if not positive > 0:
        raise InputError("points", f"{points.tolist()}", "a positive number among them")
    reward = _judged(met, len(points)) @ points / positive
    return np.clip(reward, 0, 1) if clip else reward


def all_pass(scores: np.ndarray, thresholds: np.ndarray | float = 0.5) -> np.ndarray:
    """Return 1.0 where every score (n, K) reaches its threshold (K,) or scalar, else 0.0 (n,) (AdvancedIF's variant).

    NaN or scores outside [0, 1] are an InputError.
    """
    scores = np.asarray(scores, dtype=float)
    scores = _judged(scores, scores.shape[-1] if scores.ndim == 2 else "K")
    return (scores >= np.broadcast_to(thresholds, scores.shape[1:]) - ROUNDING).all(1).astype(float)


def group_advantages(rewards: np.ndarray, scale: str = "group", eps: float = 0.0) -> np.ndarray:
    """Return advantages (g, G) of rewards (g, G): less the group's mean, divided by a standard deviation (GRPO).

    Any positive affine map of the rewards leaves them as they are with ``scale`` group and ``eps`` 0 (section 1.5,
    derived). A group whose rewards are equal - all vetoed, for one - has advantages of exactly 0. NaN rewards are left
    out of mean and deviation and stay NaN.

    Parameters
    ----------
    scale : divide by the deviation of the ``group``, of the whole ``batch``, or by ``none``. Divisor n - 1, as TRL's.
    eps : added to the deviation; TRL adds 1e-4.

    Raises
    ------
    InputError
        Another shape, an unknown scale, infinite rewards.
    """
    rewards = _finite("rewards", rewards, 2, "(g, G): rollouts of one prompt in a row")
    if scale not in SCALES:
        raise InputError("scale", repr(scale), " | ".join(SCALES))
    centred = _centred(rewards)
    if scale == "none":
        return centred
    deviation = _deviation(rewards) if scale == "group" else _deviation(rewards.reshape(1, -1))
    return centred / np.where(deviation > 0, deviation + eps, 1.0)


def gdpo(scores: np.ndarray, weights: np.ndarray, batch: bool = True, eps: float = 0.0) -> np.ndarray:
    """Return advantages (g, G) of scores (g, G, K): criteria normalised in their group, then added (GDPO, 2601.05242).

    A criterion that is the same in a whole group adds 0, and so does one that was not judged; a rollout without any
    judgement is NaN. ``batch`` normalises the sums once more over all rollouts, as GDPO and TRL do; ``eps`` as in
    :func:`group_advantages`.

    Raises
    ------
    InputError
        Another shape, infinite scores, weights that are no (K,) numbers.
    """
    scores, weights = _finite("scores", scores, 3, "(g, G, K): rollouts, criteria"), _vector("weights", weights)
    if scores.shape[2] != len(weights):
        raise InputError("weights", f"{len(weights)}", f"{scores.shape[2]}, one a criterion")
    each = np.moveaxis(scores, 2, 1)  # (g, K, G)
    deviation = _deviation(each)
    normal = _centred(each) / np.where(deviation > 0, deviation + eps, 1.0)
    total = np.einsum("k,gkn->gn", weights, np.nan_to_num(normal))
    total[np.isnan(scores).all(2)] = np.nan
    return group_advantages(total.reshape(1, -1), eps=eps).reshape(total.shape) if batch else total


def _centred(x: np.ndarray) -> np.ndarray:
    """Return x (…, G) less its mean over what is judged; exactly 0 where all that is judged is equal."""
    judged = ~np.isnan(x)
    mean = np.where(judged, x, 0.0).sum(-1, keepdims=True) / np.maximum(judged.sum(-1, keepdims=True), 1)
    return np.where(judged & ~_differs(x), 0.0, x - mean)


def _deviation(x: np.ndarray) -> np.ndarray:
    """Return the standard deviation (…, 1), divisor n - 1, of what is judged in x (…, G); 0 where that is equal."""
    count = (~np.isnan(x)).sum(-1, keepdims=True)
    squares = np.nan_to_num(_centred(x) ** 2).sum(-1, keepdims=True)
    return np.sqrt(squares / np.maximum(count - 1, 1))


def _differs(x: np.ndarray) -> np.ndarray:
    return np.fmax.reduce(x, axis=-1, keepdims=True) - np.fmin.reduce(x, axis=-1, keepdims=True) > ROUNDING


def matrix(scores: np.ndarray, columns: int | str) -> np.ndarray:
    """Return scores as float64 (n, columns); InputError for another shape or something else than numbers."""
    try:
        scores = np.asarray(scores, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError("scores", str(error), "an array of numbers", "Say NaN for what was not judged.") from error
    if scores.ndim != 2 or scores.shape[1] != columns:
        raise InputError("scores", f"shape {scores.shape}", f"(n, {columns}): one column a criterion")
    return scores


def outside(what: str, value: float, cure: str = "") -> InputError:
    """Return the error for a score that is no number in [0, 1]."""
    found = "NaN" if np.isnan(value) else f"{value:g}"
    return InputError(what, found, "a number in [0, 1]", f"Judge it again, leave the row out{cure}.")


def _judged(scores: np.ndarray, columns: int | str) -> np.ndarray:
    scores = matrix(scores, columns)
    bad = ~((scores >= -ROUNDING) & (scores <= 1 + ROUNDING))
    if bad.any():
        row, k = (int(at[0]) for at in np.nonzero(bad))
        raise outside(f"score of criterion {k} in row {row}", scores[row, k], " (no reward is made of it)")
    return scores


def _vector(name: str, values: np.ndarray) -> np.ndarray:
    return _finite(name, values, 1, "(K,): one number a criterion", missing=False)


def _finite(name: str, values: np.ndarray, dimensions: int, shape: str, missing: bool = True) -> np.ndarray:
    try:
        values = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(name, str(error), "an array of numbers") from error
    if values.ndim != dimensions or values.size == 0:
        raise InputError(name, f"shape {values.shape}", shape)
    if np.isinf(values).any() or (np.isnan(values).any() and not missing):
        raise InputError(name, "numbers that are not finite", "finite numbers" + " or NaN" * missing)
    return values
