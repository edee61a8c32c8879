"""Which prompts are worth training on: the central band of a score distribution, and bands to compare it with.

Section 1.7 says that candidates are kept in "a calibrated central quantile" of their scores under the base model: above
it there is nothing to learn, below it the data are noisy or broken. Neither the bounds nor a formula were published.
The formal version, the default bounds and the floor of variance are ours (section 1.7).

Scores are (n, G): G rollouts of each of n prompts, NaN for a rollout that was not judged. A prompt with fewer than two
judged rollouts has no variance and is never kept.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchors.companion.errors import InputError

LOW, HIGH = 0.2, 0.8  # ours; the paper's bounds are unknown
FLOOR = 1e-6  # a group of equal rewards has no group-relative gradient
ROUNDING = 1e-12  # scores are in [0, 1]; a mean that ties with a bound stays in
ARMS = ("central", "top", "bottom", "random")


@dataclass(frozen=True, eq=False)
class Selection:
    """What was kept and why the rest was not.

    Attributes
    ----------
    mask : (n,) whether a prompt is kept.
    mean, std : (n,) mean and standard deviation (divided by the number of judged rollouts) within the prompt; NaN where
        fewer than two were judged.
    low, high : the score at either bound of the band; NaN when nothing was judged.
    reasons : (n,) ``kept`` | ``too low`` | ``too high`` | ``no variance`` | ``not judged``, the first that applies
        from the right.
    """

    mask: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    low: float
    high: float
    reasons: np.ndarray

    def counts(self) -> dict[str, int]:
        """Return how many prompts each reason has, in the order of the table above, with the candidates first."""
        names = ("kept", "too low", "too high", "no variance", "not judged")
        return {"candidates": len(self.mask), **{name: int((self.reasons == name).sum()) for name in names}}


def central(scores: np.ndarray, low: float = LOW, high: float = HIGH, floor: float = FLOOR) -> np.ndarray:
    """Return the mask (n,) of prompts in the central band of scores (n, G); see :func:`select` (section 1.7, ours)."""
    return select(scores, low, high, floor).mask


def select(scores: np.ndarray, low: float = LOW, high: float = HIGH, floor: float = FLOOR) -> Selection:
    """Return the :class:`Selection` that keeps Q(low) <= mean <= Q(high) and std > floor (section 1.7, ours).

    Parameters
    ----------
    scores : (n, G), NaN where a rollout was not judged.
    low, high : quantiles, between 0 and 1, of the means of all prompts that were judged (linear interpolation; both
        bounds are kept, so prompts that tie with one are).
    floor : of the standard deviation within a prompt, in units of the score; the comparison is strict.

    Raises
    ------
    InputError
        Another shape, infinite scores, bounds out of order or a negative floor.
    """
    mean, std = moments(scores)
    if not 0 <= low < high <= 1:
        raise InputError("filter: low and high", f"{low} and {high}", "0 <= low < high <= 1")
    if not floor >= 0:
        raise InputError("filter: floor", floor, "a number of at least 0", "0 drops groups of equal scores only.")
    judged = np.isfinite(mean)
    bounds = np.quantile(mean[judged], [low, high]) if judged.any() else (np.nan, np.nan)
    rules = {
        "not judged": ~judged,
        "no variance": judged & ~(std > floor),
        "too high": judged & (mean > bounds[1] + ROUNDING),
        "too low": judged & (mean < bounds[0] - ROUNDING),
    }
    reasons = np.select(list(rules.values()), list(rules), "kept")
    return Selection(reasons == "kept", mean, std, float(bounds[0]), float(bounds[1]), reasons)


def moments(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation (n,) within the prompts of scores (n, G), NaN with fewer than two judged.

    The deviation is exactly 0 where all judged scores of a prompt are equal.
    """
    scores = np.asarray(scores, float)
    if scores.ndim != 2:
        raise InputError("scores", f"shape {scores.shape}", "(prompts, rollouts)", "One row for each prompt.")
    if np.isinf(scores).any():
        raise InputError("scores", "infinite values", "finite numbers, or NaN for what was not judged")
    enough = np.isfinite(scores).sum(1) > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without a judgement are NaN, as they should be
        mean, std = np.nanmean(scores, axis=1), np.nanstd(scores, axis=1)
        equal = np.nanmax(scores, axis=1, initial=-np.inf) == np.nanmin(scores, axis=1, initial=np.inf)
    return np.where(enough, mean, np.nan), np.where(enough, np.where(equal, 0.0, std), np.nan)


def arms(
    scores: np.ndarray,
    rng: np.random.Generator,
    size: int | None = None,
    low: float = LOW,
    high: float = HIGH,
    floor: float = FLOOR,
    floor_everywhere: bool = False,
) -> dict[str, np.ndarray]:
    """Return masks (n,) of equal size for the comparison of bands: central, top, bottom, random (section 5.4, E6).

    ``central`` is drawn at random from the central band; ``top`` and ``bottom`` have the highest and the lowest means
    (ties by the order of prompts); ``random`` is drawn from all that were judged.

    Parameters
    ----------
    size : prompts of each; by default as many as the central band holds, at most 30 % of those judged.
    floor_everywhere : whether the floor of variance holds for all four, which leaves only the band to differ.

    Raises
    ------
    InputError
        As :func:`select`, or fewer prompts than ``size`` in one of them.
    """
    chosen = select(scores, low, high, floor)
    pool = np.isfinite(chosen.mean) & ((chosen.std > floor) | (not floor_everywhere))
    band = np.flatnonzero(chosen.mask)
    size = min(len(band), max(1, int(0.3 * pool.sum()))) if size is None else size
    if not 0 < size <= min(len(band), pool.sum()):
        expected = f"1 to {min(len(band), int(pool.sum()))}, the prompts in the smallest pool"
        raise InputError("filter: size", size, expected, "Widen the band, or score more prompts.")
    order = np.flatnonzero(pool)[np.argsort(chosen.mean[pool], kind="stable")]
    rows = {
        "central": rng.choice(band, size, replace=False),
        "top": order[-size:],
        "bottom": order[:size],
        "random": rng.choice(np.flatnonzero(pool), size, replace=False),
    }
    return {name: _mask(rows[name], len(chosen.mean)) for name in ARMS}


def by_bin(scores: np.ndarray, bins: int = 5) -> pd.DataFrame:
    """Return one row for each quantile bin of the prompts' means: how much group-relative signal is in it (ours).

    Columns: bin (0 is the lowest), low and high mean, prompts, mean, std (mean of the deviations within the prompts),
    zero_std (share of prompts whose scores are all equal). Bins hold equally many prompts, ties by their order.
    """
    if not bins >= 1:
        raise InputError("filter: bins", bins, "a whole number of at least 1")
    mean, std = moments(scores)
    order = np.flatnonzero(np.isfinite(mean))[np.argsort(mean[np.isfinite(mean)], kind="stable")]
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return pd.DataFrame(
        [
            {
                "bin": k,
                "low": mean[part].min(),
                "high": mean[part].max(),
                "prompts": len(part),
                "mean": mean[part].mean(),
                "std": std[part].mean(),
                "zero_std": (std[part] == 0).mean(),
            }
            for k, part in enumerate(parts)
        ],
        columns=["bin", "low", "high", "prompts", "mean", "std", "zero_std"],
    )


def _mask(rows: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[rows] = True
    return mask
