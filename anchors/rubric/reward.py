"""What a rollout is worth: a reward is a function of prompts and responses (ours).

It returns :class:`Rewarded`. A response without a judgement has the value NaN: it is never counted as a score.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.rubric.aggregate import Aggregator
from anchors.rubric.rubric import Rubric


@dataclass(frozen=True, eq=False)
class Rewarded:
    """Rewards of n responses.

    Attributes
    ----------
    values : (n,) float64; NaN where there is no judgement.
    scores : (n, K) u in [0, 1] of the criteria ``names``, NaN where not judged or not applicable.
    vetoed : (n,) bool, whether a critical criterion failed; None when nothing can veto.
    weights : (K,) of the criteria, needed where advantages are taken from each criterion.
    """

    values: np.ndarray
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    names: tuple[str, ...] = ()
    vetoed: np.ndarray | None = None
    weights: np.ndarray | None = None


Reward = Callable[[Sequence[str], Sequence[str]], Rewarded]


class RubricReward:
    """The aggregated reward of a rubric.

    Parameters
    ----------
    aggregator : linear with the rubric's weights by default. With ``missing="refuse"`` a response that lacks a
        judgement has no reward (NaN).
    judge : for criteria of the kind llm_judge.

    Attributes
    ----------
    identity : names rubric and aggregation; a training that is resumed compares it. names : the criteria.
    """

    def __init__(self, rubric: Rubric, aggregator: Aggregator | None = None, judge: Any = None):
        self.rubric, self.aggregator, self.judge = rubric, aggregator or Aggregator(rubric), judge
        self.identity = f"{rubric.hash} {self.aggregator.steps} {self.aggregator.missing}"
        self.names = rubric.ids

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Rewarded:
        from anchors.rubric import criteria

        scores = criteria.score(self.rubric, prompts, responses, judge=self.judge).values
        whole = ~np.isnan(scores).any(1) | (self.aggregator.missing != "refuse")
        values = np.full(len(scores), np.nan)
        if whole.any():
            values[whole] = self.aggregator(scores[whole])
        return Rewarded(values, scores, self.rubric.ids, self.aggregator.vetoed(scores), self.rubric.weights)


def by_prompt(rewards: Mapping[str, Reward], default: Reward | None = None) -> Reward:
    """Return the reward that asks for each prompt its own reward, as rubrics of one instance or family need (ours).

    Criteria are the union of all that were asked; one that a prompt's reward does not have is NaN there.

    Raises
    ------
    InputError
        When called: a prompt without a reward, and no ``default``.
    """

    def routed(prompts: Sequence[str], responses: Sequence[str]) -> Rewarded:
        groups: dict[int, tuple[Reward, list[int]]] = {}
        for row, prompt in enumerate(prompts):
            one = rewards.get(prompt, default)
            if one is None:
                raise InputError("prompt", repr(prompt[:40]), "one of those with a reward", "Give a default.")
            groups.setdefault(id(one), (one, []))[1].append(row)
        parts = [(rows, one([prompts[r] for r in rows], [responses[r] for r in rows])) for one, rows in groups.values()]
        return _joined(len(prompts), parts)

    distinct = dict.fromkeys(identity(one) for one in [*rewards.values(), *([default] if default else [])])
    routed.identity = " | ".join(distinct)
    return routed


def _joined(count: int, parts: Sequence[tuple[list[int], Rewarded]]) -> Rewarded:
    """Return the rewards of ``count`` rows from those of some rows each; rows of no part are NaN."""
    names = tuple(dict.fromkeys(name for _, part in parts for name in part.names))
    values, scores = np.full(count, np.nan), np.full((count, len(names)), np.nan)
    vetoed = np.zeros(count, bool)
    for rows, part in parts:
        values[rows] = part.values
        if part.names:
            scores[np.ix_(rows, [names.index(name) for name in part.names])] = part.scores
        if part.vetoed is not None:
            vetoed[rows] = part.vetoed
    vetoed = vetoed if any(part.vetoed is not None for _, part in parts) else None
    given = {name: weight for _, part in parts if part.weights is not None
             for name, weight in zip(part.names, part.weights, strict=True)}  # fmt: skip
    weights = np.array([given[name] for name in names]) if names and len(given) == len(names) else None
    return Rewarded(values, scores, names, vetoed, weights)


def identity(reward: Reward) -> str:
    """Return what names a reward in a training's record: its ``identity``, else its function's name."""
    return str(getattr(reward, "identity", "") or getattr(reward, "__qualname__", type(reward).__qualname__))


def judged(reward: Reward, prompts: Sequence[str], responses: Sequence[str]) -> Rewarded:
    """Return the rewards (n) checked; a response whose judgement fails is NaN and warned of, the others are kept.

    Values that are not finite become NaN. A failure that is not one response's (no endpoint answers, nothing can be
    judged) is raised.

    Raises
    ------
    InputError
        The reward returned other shapes than (n,) and (n, K).
    """
    try:
        found = reward(prompts, responses)
    except Exception as error:
        if _is_final(error):
            raise
        found = _one_by_one(reward, prompts, responses, error)
    return _checked(found, len(responses))


def _is_final(error: Exception) -> bool:
    """Return whether a failure is not one response's: no endpoint answers, the budget is spent, the disk is full."""
    return isinstance(error, AnchorsError) and not isinstance(error, InputError)


def _one_by_one(reward: Reward, prompts: Sequence[str], responses: Sequence[str], error: Exception) -> Rewarded:
    """Judge response by response, so that one bad judgement costs one rollout; raise ``error`` when all fail."""
    parts = []
    for row, pair in enumerate(zip(prompts, responses, strict=True)):
        try:
            parts.append(([row], reward([pair[0]], [pair[1]])))
        except Exception as fault:
            if _is_final(fault):
                raise
            error = fault
    if not parts:
        raise error
    said = " ".join(f"{type(error).__name__}: {error}".split())
    warnings.warn(f"{len(responses) - len(parts)} of {len(responses)} judgements failed ({said})", stacklevel=3)
    return _joined(len(responses), [(row, _checked(part, 1)) for row, part in parts])


def _checked(found: Rewarded, count: int) -> Rewarded:
    """Return the rewards as float64 arrays with NaN in place of infinities."""
    values, scores = np.array(found.values, float), np.array(found.scores, float)
    names, vetoed = tuple(found.names), found.vetoed
    scores = scores if names else np.zeros((count, 0))
    shapes = values.shape, scores.shape, None if vetoed is None else np.shape(vetoed)
    if shapes != ((count,), (count, len(names)), None if vetoed is None else (count,)):
        raise InputError("reward", f"shapes {shapes}", f"values ({count},), scores ({count}, {len(names)})")
    values[~np.isfinite(values)] = np.nan
    return Rewarded(values, scores, names, None if vetoed is None else np.asarray(vetoed, bool), found.weights)
