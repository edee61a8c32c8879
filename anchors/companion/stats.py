"""Means, intervals and paired differences over seeds."""

from typing import NamedTuple

import numpy as np

FEWEST = 5  # values from which an interval is shown


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


def in_words(found: Interval, form: str = "+.2f", unit: str = "") -> str:
    """Return a mean with its unit and interval as text: ``+0.12 nats (+0.05 to +0.19)``."""
    if not np.isfinite(found.mean):
        return "undefined"
    ends = f"{found.low:{form}} to {found.high:{form}}" if np.isfinite(found.low) else "too few for an interval"
    return f"{found.mean:{form}}{unit} ({ends})"


def loglog_slope(x: np.ndarray, y: np.ndarray) -> float:
    """Return the least-squares slope of log y against log x (the exponent of a power law)."""
    return float(np.polyfit(np.log(np.asarray(x, float)), np.log(np.asarray(y, float)), 1)[0])
