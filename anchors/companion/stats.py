"""Means, intervals and paired differences over seeds; intervals of shares."""

from typing import Any, NamedTuple

import numpy as np

FEWEST = 5  # values from which an interval is shown
Z = 1.959963984540054  # of a 95 % interval


class Interval(NamedTuple):
    """A mean with its two-sided 95 % interval over ``n`` seeds."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: np.ndarray, level: float = 0.95) -> Interval:
    """Return the mean of ``values (n,)`` with its Student-t interval; one value has an infinite interval (derived).

    Not-a-number values are refused, since a silently dropped seed would narrow the interval.
    """
    from scipy.stats import t

    values = np.asarray(values, float)
    if values.size == 0 or np.isnan(values).any():
        raise ValueError(f"values: found {values.size} values, {np.isnan(values).sum()} of them NaN; expected numbers")
    mean, n = float(values.mean()), values.size
    half = float(t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n)) if n > 1 else np.inf
    return Interval(mean, mean - half, mean + half, n)


def paired_interval(treated: np.ndarray, control: np.ndarray, level: float = 0.95) -> Interval:
    """Return the mean of ``treated - control``, paired by seed, with its interval."""
    return mean_interval(np.asarray(treated, float) - np.asarray(control, float), level)


def within(found: Interval, low: float = 0.0, high: float = 1.0) -> Interval:
    """Return an interval cut to the range of its quantity, [0, 1] of a share; that of a single value stays infinite.

    Student's interval over few seeds or problems knows of no range and may leave it; the mean does not, so nothing
    that could be true is cut off. Shares of independent units have :func:`wilson`.
    """
    return found if found.n < 2 else found._replace(low=max(found.low, low), high=min(found.high, high))


def mean_within(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> Interval:
    """Return :func:`mean_interval` cut to the range of the quantity (:func:`within`)."""
    return within(mean_interval(values), low, high)


def known_interval(values: np.ndarray, fewest: int = FEWEST) -> Interval:
    """Return :func:`mean_interval` of the finite ones among ``values`` (n,), from ``fewest`` on.

    Below, there is a mean without interval; of fewer than two there is none (NaN).
    """
    known = np.asarray(values, float)[np.isfinite(values)]
    if known.size >= fewest:
        return mean_interval(known)
    nothing = float("nan")
    return Interval(float(known.mean()) if known.size > 1 else nothing, nothing, nothing, known.size)


def known_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean along ``axis`` of what is finite; NaN where nothing is, without a warning."""
    known = np.isfinite(values)
    total, count = np.where(known, values, 0.0).sum(axis), known.sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def wilson(share: np.ndarray, n: np.ndarray, z: float = Z) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of 95 % intervals of shares (…) of ``n`` (…) (Wilson 1927); NaN where n is 0."""
    n = np.where(n > 0, n, np.nan)
    centre, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)
    return np.where(share == 0, 0 * n, low), np.where(share == 1, 1 + 0 * n, high)  # exact, where rounding is not


def difference(first: np.ndarray, n_first: Any, second: np.ndarray, n_second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of 95 % intervals of ``second - first``, shares of independent samples (Newcombe 1998)."""
    (low_1, high_1), (low_2, high_2) = wilson(first, n_first), wilson(second, n_second)
    gap = second - first
    low = gap - np.sqrt((second - low_2) ** 2 + (high_1 - first) ** 2)
    return low, gap + np.sqrt((high_2 - second) ** 2 + (first - low_1) ** 2)


def in_words(found: Interval, form: str = "+.2f", unit: str = "") -> str:
    """Return a mean with its unit and interval as text: ``+0.12 nats (+0.05 to +0.19)``."""
    if not np.isfinite(found.mean):
        return "undefined"
    ends = f"{found.low:{form}} to {found.high:{form}}" if np.isfinite(found.low) else "too few for an interval"
    return f"{found.mean:{form}}{unit} ({ends})"


def loglog_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of log y against log x (the exponent of a power law)."""
    return float(np.polyfit(np.log(np.asarray(x, float)), np.log(np.asarray(y, float)), 1)[0])
