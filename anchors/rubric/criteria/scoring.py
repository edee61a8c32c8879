"""From a rubric, prompts and responses to a matrix of scores u (n, K) with evidence (the reward vector of sec. 1.4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.rubric.criteria.registry import Checked, find
from anchors.rubric.criteria.spans import Span

JUDGE = "llm_judge"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Scores:
    """Scores of n responses on K criteria, 1 = good, NaN = not judged or not applicable.

    Attributes
    ----------
    values : (n, K) u in [0, 1], snapped down to a tier where the criterion says so.
    raw : (n, K) the same before snapping.
    evidence : [n][K] tuples of spans into the response.
    ids : K ids of the criteria.
    """

    values: np.ndarray
    raw: np.ndarray
    evidence: list[tuple[tuple[Span, ...], ...]]
    ids: tuple[str, ...]


def validate(rubric: Any) -> list[dict[str, Any]]:
    """Return the options of every criterion with their right types (``{}`` for a judge's).

    Raises
    ------
    InputError
        Names the criterion: an unknown check, another kind than the check's, an option that is unknown, missing or
        wrong, a regular expression that is ill-formed or explodes on probes.
    """
    return [_options(criterion) for criterion in rubric.criteria]


def _options(criterion: Any) -> dict[str, Any]:
    if criterion.kind == JUDGE:
        return {}
    try:
        return find(criterion.check, criterion.kind).validated(criterion.options)
    except InputError as error:
        what = f"criterion {criterion.id!r}: {error.what}"
        raise InputError(what, error.found, error.expected, error.cure) from error


def score(rubric: Any, prompts: Sequence[str], responses: Sequence[str], judge: Any = None) -> Scores:
    """Return the scores of ``responses[i]`` to ``prompts[i]`` under a rubric (sec. 1.4; tiers and turning are ours).

    What a check returns says how far the description is met; it is snapped down to a tier and, for criteria to avoid,
    turned round (u = 1 - met).

    Parameters
    ----------
    rubric : has ``criteria``, each with id, kind, check, options, tiers, avoid, snap.
    judge : has ``.judge(criterion, prompts, responses) -> (n,)``; needed for criteria of kind llm_judge. It says how
        far the description is met, NaN where it gave no verdict.

    Raises
    ------
    InputError
        As :func:`validate`; prompts and responses that are no strings or not as many; a missing judge; a check or judge
        that returns another number of scores than responses, or scores outside [0, 1].
    """
    _check_texts(prompts, responses)
    options = validate(rubric)
    columns = [
        _met(criterion, chosen, prompts, responses, judge)
        for criterion, chosen in zip(rubric.criteria, options, strict=True)
    ]
    raw = np.stack([column.values for column in columns], axis=1)
    values = np.stack([snapped(c, column.values) for c, column in zip(rubric.criteria, columns, strict=True)], axis=1)
    avoid = np.array([bool(criterion.avoid) for criterion in rubric.criteria])
    evidence = list(zip(*(column.evidence for column in columns), strict=True))
    turned = (np.where(avoid, 1 - array, array) for array in (values, raw))
    return Scores(*turned, evidence, tuple(criterion.id for criterion in rubric.criteria))


def snapped(criterion: Any, met: np.ndarray) -> np.ndarray:
    """Return met (n,) lowered to the position of the highest tier reached; as it is where ``snap`` is off."""
    if not criterion.snap:
        return met
    scores = np.array([tier.score for tier in criterion.tiers], dtype=float)
    positions = (scores - scores[0]) / (scores[-1] - scores[0])
    reached = np.searchsorted(positions, np.nan_to_num(met) + _ROUNDING, side="right") - 1
    return np.where(np.isnan(met), np.nan, positions[reached])


def _check_texts(prompts: Sequence[str], responses: Sequence[str]) -> None:
    for name, texts in (("prompts", prompts), ("responses", responses)):
        if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
            found = "one string" if isinstance(texts, str) else "something else than strings"
            raise InputError(name, found, "a sequence of strings", "Wrap one text as [text].")
    if len(prompts) != len(responses):
        raise InputError("responses", f"{len(responses)} for {len(prompts)} prompts", "one prompt for each response")


def _met(criterion: Any, options: dict, prompts: Sequence[str], responses: Sequence[str], judge: Any) -> Checked:
    """Return how far each response meets one criterion, before turning."""
    if criterion.kind == JUDGE:
        if judge is None:
            cure = "Give score(…, judge=…), or leave such criteria out."
            raise InputError(f"criterion {criterion.id!r}", "kind llm_judge and no judge", "a judge", cure)
        name = "the judge"
        values = np.asarray(judge.judge(criterion, prompts, responses), dtype=float)
        found = Checked(values, [()] * len(responses))
    else:
        name = f"check {criterion.check!r}"
        found = find(criterion.check).run(prompts, responses, **options)
    _check_values(f"criterion {criterion.id!r}, {name}", found.values, len(responses))
    return found


def _check_values(what: str, values: np.ndarray, n: int) -> None:
    if values.shape != (n,):
        raise InputError(what, f"scores of shape {values.shape}", f"({n},)")
    if ((values < 0) | (values > 1) | np.isinf(values)).any():
        bad = values[(values < 0) | (values > 1)][0]
        raise InputError(what, f"the score {bad:g}", "numbers in [0, 1] or NaN")
