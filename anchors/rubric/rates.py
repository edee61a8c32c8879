"""Shares with exact intervals, and which responses critical criteria fail."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric import criteria
from anchors.rubric.rubric import Criterion, Rubric


class Rate(NamedTuple):
    """``count`` of ``n``: the share with a two-sided 95 % interval; NaN where n is 0."""

    value: float
    low: float
    high: float
    count: int
    n: int


def rate(count: int, n: int, level: float = 0.95) -> Rate:
    """Return a share with its interval (Clopper and Pearson 1934: never narrower than it says)."""
    from scipy.stats import beta

    if not 0 <= count <= n:
        raise InputError("count", f"{count} of {n}", "0 <= count <= n")
    if n == 0:
        return Rate(np.nan, np.nan, np.nan, 0, 0)
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, count, n - count + 1)) if count else 0.0
    high = float(beta.ppf(1 - tail, count + 1, n - count)) if count < n else 1.0
    return Rate(count / n, low, high, int(count), int(n))


def failed(chosen: Sequence[Criterion], prompts: Sequence[str], responses: Sequence[str], judge=None) -> np.ndarray:
    """Return (n, K) whether each response fails each criterion, u < threshold; what was not judged does not fail."""
    if not chosen:
        return np.zeros((len(responses), 0), bool)
    rubric = Rubric(id="chosen", criteria=tuple(chosen))
    values = criteria.score(rubric, prompts, responses, judge).values
    return values < np.array([criterion.threshold for criterion in chosen])  # NaN < threshold is False
