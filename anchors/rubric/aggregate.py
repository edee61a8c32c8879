"""From scores of K criteria to one reward, and from rewards to advantages (sections 1.4 and 1.5, neighbours section 3).

The linear baseline Σ w_k u_k / Σ w_k is the paper's. The four steps beyond it are told there in prose only, their
formulas are ours (:mod:`anchors.rubric.steps`). Scores are u in [0, 1], 1 = good, NaN = not judged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.formulas import (
    ROUNDING,
    all_pass,
    gdpo,
    group_advantages,
    healthbench,
    matrix,
    outside,
    rubrics_as_rewards,
)
from anchors.rubric.rubric import Rubric
from anchors.rubric.steps import ORDER, Interaction, Saturation, Shaping, Step, Veto

__all__ = [
    "Aggregator", "Interaction", "Part", "Saturation", "Shaping", "Veto",
    "all_pass", "gdpo", "group_advantages", "healthbench", "rubrics_as_rewards",
]  # fmt: skip
MISSING = ("refuse", "renormalise")
_ROWS = 8192  # at a time, so that a block stays in the processor's cache


@dataclass(frozen=True)
class Part:
    """One bar of a waterfall: a criterion (``value`` is its score u) or a step (``value`` is the reward after it).

    ``change`` is what it adds to the reward.
    """

    name: str
    value: float
    change: float


@dataclass(frozen=True)
class Aggregator:
    """The reward of scores under a rubric: normalise → saturation → weighted sum and interaction → shaping → veto.

    Parameters
    ----------
    rubric : gives weights, thresholds, which criteria are critical, ids.
    steps : at most one each of :class:`Saturation`, :class:`Interaction`, :class:`Shaping` and :class:`Veto`, applied
        in the order above, whatever order they are given in. Without any this is the linear baseline.
    missing : ``refuse`` NaN scores, or ``renormalise``: the weights of the judged criteria stand for all, pairs with a
        criterion that was not judged count for nothing, and such a criterion does not veto. Where no criterion with a
        weight was judged the reward is NaN (unless another one vetoes).

    Raises
    ------
    InputError
        A step twice, something else than a step, weights that add up to 0, an unknown id in a pair, or negative
        interaction weights that break monotonicity (the bound is said).
    """

    rubric: Rubric
    steps: tuple[Step, ...] = ()
    missing: str = "refuse"

    def __post_init__(self):
        for step in self.steps:
            if not isinstance(step, ORDER):
                expected = " | ".join(kind.__name__ for kind in ORDER)
                raise InputError("step", repr(step), f"one of {expected}", "Call it: Veto(), not Veto.")
        kinds = [type(step) for step in self.steps]
        if twice := [kind.__name__ for number, kind in enumerate(kinds) if kind in kinds[:number]]:
            raise InputError("steps", f"{twice[0]} twice", "each step at most once", "Leave one out.")
        if self.missing not in MISSING:
            raise InputError("missing", repr(self.missing), " | ".join(MISSING))
        total = self.rubric.weights.sum()
        if not 0 < total < np.inf:
            found = f"weights that add up to {total:g}"
            raise InputError(f"rubric {self.rubric.id!r}", found, "a finite sum above 0", "Mend the weights.")
        object.__setattr__(self, "steps", tuple(sorted(self.steps, key=lambda step: ORDER.index(type(step)))))
        if interaction := self._step(Interaction):
            interaction.refuse_losses(self.rubric.ids, self.rubric.weights / total)

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return rewards (n,) float64 of scores (n, K): in [0, 1], or the veto's value.

        A response's reward does not depend, to the last bit, on what else is in the batch.

        Raises
        ------
        InputError
            Another shape than (n, K), a score outside [0, 1], or NaN where missing scores are refused; the row and the
            criterion are named.
        """
        scores, compute = self._checked(scores), self._compiled()
        rewards = np.empty(len(scores))
        for start in range(0, len(scores), _ROWS):
            block = np.ascontiguousarray(scores[start : start + _ROWS].T)  # (K, rows)
            if not (block.min() >= 0 and block.max() <= 1):  # NaN too
                self._refuse(block, start)
                block = np.clip(block, 0, 1)
            rewards[start : start + _ROWS] = compute(block)
        return rewards

    def vetoed(self, scores: np.ndarray) -> np.ndarray:
        """Return whether a critical criterion fails (n,), for scores (n, K); never without a :class:`Veto` step."""
        scores = self._checked(scores)
        if self._step(Veto) is None:
            return np.zeros(len(scores), bool)
        return _fails(scores.T, self.rubric.thresholds, np.flatnonzero(self.rubric.critical))

    def explain(self, scores: np.ndarray) -> list[Part]:
        """Return the waterfall of one response's scores (K,): criteria, then steps (ours).

        The changes add up to the reward: a criterion's is its share of the linear baseline (0 when it was not judged),
        a step's is what the reward moves by when the step is added to those before it.
        """
        row = self._checked([scores])
        weights = np.where(np.isnan(row[0]), 0.0, self.rubric.weights)
        with np.errstate(invalid="ignore"):
            shares = np.nan_to_num(row[0]) * weights / weights.sum()
        parts = [Part(*part) for part in zip(self.rubric.ids, row[0].tolist(), shares.tolist(), strict=True)]
        before = float(Aggregator(self.rubric, (), self.missing)(row)[0])
        for count, step in enumerate(self.steps, 1):
            after = float(Aggregator(self.rubric, self.steps[:count], self.missing)(row)[0])
            parts.append(Part(type(step).__name__.lower(), after, after - before))
            before = after
        return parts

    def _step(self, kind: type) -> Any:
        return next((step for step in self.steps if isinstance(step, kind)), None)

    def _compiled(self):
        """Return the function of a block (K, m) of scores in [0, 1] or NaN to rewards (m,)."""
        weights, thresholds = self.rubric.weights, self.rubric.thresholds
        critical, place = np.flatnonzero(self.rubric.critical), {id: k for k, id in enumerate(self.rubric.ids)}
        saturation, interaction, shaping, veto = (self._step(kind) for kind in ORDER)
        pairs = [(place[one], place[other], g) for (one, other), g in interaction.pairs.items()] if interaction else []

        def compute(u: np.ndarray) -> np.ndarray:
            judged = None if not np.isnan(u).any() else ~np.isnan(u)
            phi = u if judged is None else np.where(judged, u, 0.0)
            phi = saturation(phi) if saturation else phi
            z = _mean(phi, weights, judged)
            z = _interact(z, phi, judged, pairs) if pairs else z
            z = shaping(z) if shaping else z
            if veto and len(critical):
                z = np.where(_fails(u, thresholds, critical), veto.value, z)
            return z

        return compute

    def _checked(self, scores: np.ndarray) -> np.ndarray:
        return matrix(scores, len(self.rubric.criteria))

    def _refuse(self, block: np.ndarray, start: int) -> None:
        """Raise InputError at the first score (K, m) outside [0, 1], or NaN unless missing scores are allowed."""
        bad = (block < -ROUNDING) | (block > 1 + ROUNDING)
        if self.missing == "refuse":
            bad |= np.isnan(block)
        if bad.any():
            row, k = (int(at[0]) for at in np.nonzero(bad.T))
            what = f"score of criterion {self.rubric.ids[k]!r} in row {start + row}"
            raise outside(what, block[k, row], " or say missing='renormalise'")


def _mean(phi: np.ndarray, weights: np.ndarray, judged: np.ndarray | None) -> np.ndarray:
    """Return Σ w φ / Σ w (m,) of φ (K, m) over what was judged; always added in one order, to equal bits."""
    total, weight = np.zeros(phi.shape[1]), np.zeros(1 if judged is None else phi.shape[1])
    for k in np.flatnonzero(weights):
        total += weights[k] * phi[k]
        weight += weights[k] if judged is None else weights[k] * judged[k]
    with np.errstate(invalid="ignore"):
        return total / weight  # 0/0 is NaN: nothing was judged


def _interact(z: np.ndarray, phi: np.ndarray, judged: np.ndarray | None, pairs: list) -> np.ndarray:
    top = np.ones(1 if judged is None else len(z))
    z = z.copy()
    for one, other, gamma in pairs:
        z += gamma * phi[one] * phi[other]
        if gamma > 0:
            top += gamma if judged is None else gamma * (judged[one] & judged[other])
    return np.clip(z / top, 0, 1)


def _fails(u: np.ndarray, thresholds: np.ndarray, critical: np.ndarray) -> np.ndarray:
    """Return whether one of the critical criteria of u (K, m) is below its threshold (m,); NaN is not."""
    return (u[critical] < thresholds[critical, None] - ROUNDING).any(0)
