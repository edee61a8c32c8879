"""What a training logs of each step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anchors.rubric.rollout_log import Rollout, RolloutLog


@dataclass(eq=False)
class Log:
    """What a training returns.

    Attributes
    ----------
    policy : the trained :class:`anchors.rubric.policy.Policy`. rollouts : the :class:`RolloutLog`, open.
    entries : one dict per step: ``reward``, ``reward_std``, ``score/<criterion>/mean`` and ``/std``,
        ``frac_zero_std``, ``frac_all_vetoed`` (of groups), ``frac_unjudged``, ``frac_truncated``, ``length`` (tokens),
        ``loss``, ``entropy``, ``kl`` (nats a token), ``clip_low``, ``clip_high``, ``grad_norm``, ``rate``,
        ``seconds_rollouts``, ``seconds_update``, and what ``evaluate`` returned.
    """

    policy: Any
    rollouts: RolloutLog
    entries: list[dict[str, float]] = field(default_factory=list)

    def table(self) -> Any:
        """Return the entries as a DataFrame, one row per step."""
        import pandas as pd

        return pd.DataFrame(self.entries)


def summary(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Return means of a step's rollouts; unjudged ones are counted, and left out of every other number.

    ``frac_zero_std`` and ``frac_all_vetoed`` are shares of the groups that have a judgement: neither has anything to
    learn from.
    """
    rewards, groups = np.array([one.reward for one in rollouts]), np.array([one.group for one in rollouts])
    good = np.isfinite(rewards)
    vetoed = np.array([one.vetoed for one in rollouts])
    members = [rows for g in dict.fromkeys(groups.tolist()) if (rows := (groups == g) & good).any()]
    found = {
        "reward": _mean(rewards[good]),
        "reward_std": _std(rewards[good]),
        "frac_zero_std": _mean([np.ptp(rewards[rows]) < 1e-8 for rows in members]),
        "frac_all_vetoed": _mean([vetoed[rows].all() for rows in members]),
        "frac_vetoed": _mean(vetoed[good]),
        "frac_unjudged": _mean(~good),
        "frac_truncated": _mean([not one.finished for one in rollouts]),
        "length": _mean([len(one.tokens) for one in rollouts]),
    }
    for name in dict.fromkeys(name for one in rollouts for name in one.scores):
        u = np.array([one.scores.get(name, np.nan) for one in rollouts])
        found |= {f"score/{name}/mean": _mean(u[np.isfinite(u)]), f"score/{name}/std": _std(u[np.isfinite(u)])}
    return found


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _std(values: Any) -> float:
    """Return the sample standard deviation, as TRL logs it; NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
