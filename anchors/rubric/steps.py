"""Four steps that turn scores into one reward: saturation, interaction, shaping, veto (section 1.5).

The paper describes the four ideas in prose: it gives no equation, no parameter and no ablation. Every formula and every
default here is ours. Each step is a small frozen object; :class:`anchors.rubric.aggregate.Aggregator` puts them
together.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from anchors.companion.errors import InputError

FORMS = ("exponential", "cap", "logistic")
_TINY = 1e-12  # a curvature below this is none: the curve is the identity to the last digit


def _number(name: str, value: object, low: float = -math.inf, high: float = math.inf, wanted: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not low <= value <= high:
        raise InputError(name, repr(value), wanted or f"a number from {low:g} to {high:g}")
    if not math.isfinite(value):
        raise InputError(name, repr(value), "a finite number")
    return float(value)


@dataclass(frozen=True)
class Saturation:
    """Diminishing returns on each criterion: φ(u) with φ(0) = 0, φ(1) = 1, concave, so that balance wins (1.5, ours).

    ``exponential`` (1 - e^(-κu)) / (1 - e^(-κ)); ``logistic`` tanh(κu/2) / tanh(κ/2), the upper half of a logistic
    curve; ``cap`` min(u, c) / c with c = 1/κ, full credit from there on (κ ≤ 1 caps nothing). κ = 0 is the identity.
    """

    kappa: float = 3.0
    form: str = "exponential"

    def __post_init__(self):
        _number("kappa of the saturation", self.kappa, 0, wanted="a number of at least 0")
        if self.form not in FORMS:
            raise InputError("form of the saturation", repr(self.form), " | ".join(FORMS))

    def __call__(self, u: np.ndarray) -> np.ndarray:
        """Return φ of scores (…) in [0, 1]."""
        if self.form == "cap":
            top = 1 / max(self.kappa, 1.0)
            return np.minimum(u, top) / top
        if self.kappa < _TINY:
            return u
        if self.form == "logistic":
            return np.tanh(self.kappa / 2 * u) / np.tanh(self.kappa / 2)
        return np.expm1(-self.kappa * u) / np.expm1(-self.kappa)


@dataclass(frozen=True)
class Interaction:
    """Synergy (γ > 0) or conflict (γ < 0) of pairs of criteria: γ_ij φ_i φ_j is added to Σ ŵ_k φ_k (1.5, ours).

    The sum is divided by 1 + Σ_{γ>0} γ, its greatest possible value.

    Parameters
    ----------
    pairs : ``{(id, other id): γ}``, γ in units of the normalised weights ŵ (which add up to 1).
    """

    pairs: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def __post_init__(self):
        seen = set()
        for pair, gamma in self.pairs.items():
            if not isinstance(pair, tuple) or len(set(pair)) != 2 or len(pair) != 2:
                raise InputError("pair of the interaction", repr(pair), "a tuple of two different ids of criteria")
            if frozenset(pair) in seen:
                raise InputError("pair of the interaction", f"{pair!r} in both orders", "each pair once")
            seen.add(frozenset(pair))
            _number(f"interaction weight of {pair!r}", gamma)
        object.__setattr__(self, "pairs", dict(self.pairs))

    def refuse_losses(self, ids: tuple[str, ...], shares: np.ndarray) -> None:
        """Raise InputError if a better score could lower the reward; ``shares`` (K,): normalised weights ŵ of ``ids``.

        The slope in φ_k is ŵ_k + Σ_j γ_kj φ_j, with φ ≤ 1 at worst ŵ_k - Σ_{γ_kj<0} |γ_kj|: that must not be below 0.
        """
        if strange := {name for pair in self.pairs for name in pair} - set(ids):
            raise InputError("pairs of the interaction", repr(min(strange)), "ids of criteria: " + " | ".join(ids))
        for name, share in zip(ids, shares, strict=True):
            lost = -sum(gamma for pair, gamma in self.pairs.items() if name in pair and gamma < 0)
            if lost > share + _TINY:
                found = f"negative ones that add up to -{lost:.6g}"
                expected = f"a sum of at least -{share:.6g}, the criterion's share of the weights"
                cure = "Below that bound a better score would lower the reward: weaken them or raise the weight."
                raise InputError(f"interaction weights of criterion {name!r}", found, expected, cure)


@dataclass(frozen=True)
class Shaping:
    """Magnify differences among high scores: ψ(z) with ψ(0) = 0, ψ(1) = 1, convex (1.5, ours).

    Either ``beta``: (e^(βz) - 1) / (e^β - 1), 4 by default, 0 is the identity; or ``theta`` and ``slope``: z below θ,
    from there on ``slope`` (at least 1) times as steep, rescaled.
    """

    beta: float | None = None
    theta: float | None = None
    slope: float | None = None

    def __post_init__(self):
        if (self.theta is None) != (self.slope is None) or None not in (self.beta, self.theta):
            found = f"beta={self.beta}, theta={self.theta}, slope={self.slope}"
            raise InputError("shaping", found, "either beta, or theta and slope", "Leave the other out.")
        if self.theta is not None:
            _number("theta of the shaping", self.theta, 0, math.nextafter(1, 0), "a number from 0 to below 1")
            _number("slope of the shaping", self.slope, 1, wanted="a number of at least 1")
        elif self.beta is None:
            object.__setattr__(self, "beta", 4.0)
        else:
            _number("beta of the shaping", self.beta, 0, wanted="a number of at least 0")

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """Return ψ of totals (…) in [0, 1]."""
        if self.theta is not None:
            bent = z + (self.slope - 1) * np.maximum(z - self.theta, 0.0)
            return bent / (1 + (self.slope - 1) * (1 - self.theta))
        if self.beta < _TINY:
            return z
        return np.exp(self.beta * (z - 1)) * np.expm1(-self.beta * z) / np.expm1(-self.beta)  # no overflow at any β


@dataclass(frozen=True)
class Veto:
    """A critical criterion below its threshold cancels all credit: the reward is exactly ``value`` (1.5).

    The paper gives a null score; a ``value`` below 0 is ours.
    """

    value: float = 0.0

    def __post_init__(self):
        _number("value of the veto", self.value, high=0, wanted="a finite number of at most 0")


Step = Saturation | Interaction | Shaping | Veto
ORDER = (Saturation, Interaction, Shaping, Veto)
