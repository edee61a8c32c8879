"""What a rubric measures before anything is trained on it: base rates, saturation, redundancy, perturbations (5.5).

The list of what to look at is section 5.5's; definitions are ours unless said otherwise. Scores are u in [0, 1], NaN
where not judged; a prompt's rollouts are the rows with that prompt.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import datasets
from anchors.companion.errors import InputError
from anchors.companion.stats import known_interval, known_mean
from anchors.rubric import criteria as checks
from anchors.rubric.perturb import PERTURBATIONS, Perturbation
from anchors.rubric.rates import Rate, failed, rate
from anchors.rubric.rubric import Rubric

LEARNABLE = (0.1, 0.8)  # base rates that can be learnt in about 100 steps (section 5.3)
REDUNDANT = 0.9  # correlation within a group of redundant criteria
FEWEST = 3  # rows for a correlation


@dataclass(frozen=True, eq=False)
class Audit:
    """Tidy tables of an audit.

    Attributes
    ----------
    criteria : a row for each criterion, see :func:`base_rates`, with its redundancy ``group``.
    correlations : a row for each pair, see :func:`correlations`.
    perturbations : a row for each perturbation and criterion, see :func:`perturbed`; empty if none was asked for.
    human : a row for each critical criterion and one for ``any``, see :func:`false_vetoes`; empty without human texts.
    effective : number of independent criteria, see :func:`effective_number`.
    """

    criteria: pd.DataFrame
    correlations: pd.DataFrame
    perturbations: pd.DataFrame
    human: pd.DataFrame
    effective: float


def audit(
    rubric: Rubric,
    prompts: Sequence[str],
    responses: Sequence[str],
    judge: Any = None,
    human: tuple[Sequence[str], Sequence[str]] | None = None,
    perturbations: Mapping[str, Perturbation] | None = None,
    redundant: float = REDUNDANT,
    seed: int = 0,
) -> Audit:
    """Return the audit of a rubric on ``responses[i]`` to ``prompts[i]``.

    Parameters
    ----------
    judge : for criteria of kind llm_judge, as in :func:`anchors.rubric.criteria.score`.
    human : prompts and texts of people, for the false vetoes of critical criteria.
    perturbations : ``{name: function}``; None takes all of :data:`anchors.rubric.perturb.PERTURBATIONS`, ``{}`` none.
        Each scores all responses once more.
    redundant : correlation from which criteria are grouped.

    Raises
    ------
    InputError
        No responses, or as :func:`anchors.rubric.criteria.score`.
    """
    if not len(responses):
        raise InputError("responses", "none", "at least one")
    values = checks.score(rubric, prompts, responses, judge).values
    table = base_rates(rubric, prompts, values)
    table["group"] = groups(values, redundant)
    chosen = PERTURBATIONS if perturbations is None else perturbations
    return Audit(
        table,
        correlations(values, prompts, rubric.ids),
        perturbed(rubric, prompts, responses, values, chosen, judge, seed),
        false_vetoes(rubric, *(human or ((), ())), judge=judge),
        effective_number(values),
    )


def base_rates(rubric: Rubric, prompts: Sequence[str], values: np.ndarray) -> pd.DataFrame:
    """Return one row for each criterion of scores ``values`` (n, K).

    Columns: criterion, kind, weight, critical, n (judged), missing (share), base_rate (share of u >= threshold) with
    low and high (95 % interval over prompts, from five on), mean, std (over all), within_std (mean over prompts of the
    deviation within one), zero_std (share of prompts whose scores are all equal: no gradient), at_top (share of u = 1),
    saturation ((mean - min)/(max - min), section 3, GDPO's variant; of a constant the constant), learnable (base rate
    in :data:`LEARNABLE`). Deviations are divided by n; a prompt has one where two of its rollouts were judged.
    """
    inside = _numbers(prompts)
    rows = []
    for k, criterion in enumerate(rubric.criteria):
        u = values[:, k]
        judged = np.isfinite(u)
        met = np.where(judged, u >= criterion.threshold, np.nan)
        spread = _spread(u, inside)
        interval = known_interval(_means(met, inside))
        share = float(known_mean(met, 0))
        rows.append({
            "criterion": criterion.id, "kind": criterion.kind, "weight": criterion.weight,
            "critical": criterion.critical, "n": int(judged.sum()), "missing": 1 - judged.mean(), "base_rate": share,
            "low": float(np.clip(interval.low, 0, 1)), "high": float(np.clip(interval.high, 0, 1)),
            "mean": float(known_mean(u, 0)),
            "std": float(np.std(u[judged])) if judged.any() else np.nan, "within_std": float(known_mean(spread, 0)),
            "zero_std": float(known_mean(np.where(np.isnan(spread), np.nan, spread == 0), 0)),
            "at_top": float(known_mean(np.where(judged, u == 1, np.nan), 0)), "saturation": _saturation(u[judged]),
            "learnable": bool(LEARNABLE[0] <= share <= LEARNABLE[1]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _numbers(prompts: Sequence[str]) -> np.ndarray:
    """Return the number (n,) of each row's prompt, from 0."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(prompt, len(known)) for prompt in prompts], int)


def _means(u: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    """Return the mean of ``u`` (n,) within each prompt (P,), NaN where nothing was judged."""
    known = np.isfinite(u)
    size = prompt.max(initial=-1) + 1
    total, count = np.bincount(prompt[known], u[known], size), np.bincount(prompt[known], minlength=size)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _spread(u: np.ndarray, prompt: np.ndarray) -> np.ndarray:
    """Return the deviation within each prompt, exactly 0 for equal scores, NaN with fewer than two judged."""
    known = np.isfinite(u)
    u, prompt, mean = u[known], prompt[known], _means(u, prompt)
    low, high = np.full(len(mean), np.inf), np.full(len(mean), -np.inf)
    np.minimum.at(low, prompt, u)
    np.maximum.at(high, prompt, u)
    count = np.bincount(prompt, minlength=len(mean))
    deviation = np.sqrt(np.bincount(prompt, (u - mean[prompt]) ** 2, len(mean)) / np.maximum(count, 1))
    return np.where(count < 2, np.nan, np.where(low == high, 0.0, deviation))


def _saturation(u: np.ndarray) -> float:
    if not len(u):
        return np.nan
    low, high = float(u.min()), float(u.max())
    return float((u.mean() - low) / (high - low)) if high > low else high


def correlations(values: np.ndarray, prompts: Sequence[str], ids: Sequence[str]) -> pd.DataFrame:
    """Return one row for each pair of criteria: one, other, n (rows both judged), r, within.

    ``r`` is Pearson's over all rows, ``within`` the same after each prompt's mean is taken off, which is what
    group-relative advantages see. NaN where one of the two is constant or fewer than three rows are judged by both.
    """
    number = _numbers(prompts)
    centred = np.stack([column - _means(column, number)[number] for column in values.T], 1)
    r, within = _pearson(values), _pearson(np.round(centred, 12))
    known = np.isfinite(values).astype(int)
    both = known.T @ known
    one, other = np.triu_indices(values.shape[1], 1)
    return pd.DataFrame(
        {"one": [ids[k] for k in one], "other": [ids[k] for k in other], "n": both[one, other],
         "r": r[one, other], "within": within[one, other]}
    )  # fmt: skip


def _pearson(values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlations (K, K) of the rows that both columns have; NaN where one of them is constant."""
    return pd.DataFrame(values).corr(min_periods=FEWEST).to_numpy()


def groups(values: np.ndarray, redundant: float = REDUNDANT) -> np.ndarray:
    """Return the redundancy group (K,) of each criterion, numbered from 0 in their order.

    Complete linkage: all pairs of a group have a correlation of at least ``redundant``. Constants are by themselves.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if not 0 < redundant <= 1:
        raise InputError("redundant", redundant, "a correlation above 0, at most 1")
    if values.shape[1] < 2:
        return np.zeros(values.shape[1], int)
    distance = 1 - np.nan_to_num(_pearson(values), nan=-1.0)
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(np.clip(distance, 0, 2), checks=False), "complete")
    label = fcluster(tree, 1 - redundant + 1e-9, "distance")
    _, first, which = np.unique(label, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which]


def effective_number(values: np.ndarray) -> float:
    """Return the participation ratio (sum of eigenvalues)² / sum of their squares of the correlations (ours).

    It is K for uncorrelated criteria, 1 for copies of one. Constants are left out; 0 if all are.
    """
    r = _pearson(values)
    varied = np.isfinite(np.diag(r))
    r = np.nan_to_num(r[np.ix_(varied, varied)])
    return float(np.trace(r) ** 2 / (r**2).sum()) if varied.any() else 0.0


def perturbed(
    rubric: Rubric,
    prompts: Sequence[str],
    responses: Sequence[str],
    values: np.ndarray,
    perturbations: Mapping[str, Perturbation],
    judge: Any = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Return how scores ``values`` (n, K) change when responses are perturbed; blank responses are left out.

    Columns: perturbation, criterion, n (judged before and after), before, after, change (means; a prompt's rollouts
    count as one), low, high (95 % interval of the change over prompts, from five on), fell and rose (shares of
    responses that cross the criterion's threshold).
    """
    columns = ["perturbation", "criterion", "n", "before", "after", "change", "low", "high", "fell", "rose"]
    rows = []
    for name, change in perturbations.items():
        texts = [change(text, _generator(text, seed)) if text.strip() else None for text in responses]
        kept = np.array([k for k, text in enumerate(texts) if text is not None], int)
        if not len(kept):
            continue
        asked = [prompts[k] for k in kept]
        after = checks.score(rubric, asked, [texts[k] for k in kept], judge).values
        for k, criterion in enumerate(rubric.criteria):
            changed = _changed(asked, values[kept, k], after[:, k], criterion.threshold)
            rows.append([name, criterion.id, *changed])
    return pd.DataFrame(rows, columns=columns)


def _changed(prompts: Sequence[str], before: np.ndarray, after: np.ndarray, threshold: float) -> list[float]:
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any():
        return [0, *[np.nan] * 7]
    inside = _numbers([prompt for prompt, is_known in zip(prompts, known, strict=True) if is_known])
    x, y = before[known], after[known]
    first, second = _means(x, inside), _means(y, inside)
    interval = known_interval(second - first)
    fell, rose = (x >= threshold) & (y < threshold), (x < threshold) & (y >= threshold)
    return [int(known.sum()), first.mean(), second.mean(), (second - first).mean(), interval.low, interval.high,
            fell.mean(), rose.mean()]  # fmt: skip


def _generator(text: str, seed: int) -> np.random.Generator:
    """Return a generator that depends on the text and the seed only."""
    return np.random.default_rng([seed, zlib.crc32(text.encode("utf-8", "surrogatepass"))])


def false_vetoes(rubric: Rubric, prompts: Sequence[str], texts: Sequence[str], judge: Any = None) -> pd.DataFrame:
    """Return how many texts of people each critical criterion fails, and all together (``any``), with 95 % intervals.

    Columns: criterion, value, low, high, count, n. Empty without texts or without critical criteria.
    """
    critical = [criterion for criterion in rubric.criteria if criterion.critical]
    columns = ["criterion", *Rate._fields]
    if not critical or not len(texts):
        return pd.DataFrame([], columns=columns)
    hit = failed(critical, prompts, texts, judge)
    named = [*((c.id, hit[:, k]) for k, c in enumerate(critical)), ("any", hit.any(1))]
    return pd.DataFrame([[name, *rate(int(column.sum()), len(texts))] for name, column in named], columns=columns)


def human_texts() -> tuple[list[str], list[str]]:
    """Return prompts and answers that people wrote: the user-oriented instructions of Self-Instruct, 252 of them.

    Wang et al., ACL 2023, arXiv 2212.10560 (Apache-2.0). Errors as :func:`anchors.companion.datasets.fetch`.
    """
    path = next(p for name, p in datasets.fetch("rubric_self_instruct").items() if name.endswith(".jsonl"))
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    pairs = [(row["instruction"], one) for row in rows for one in row["instances"]]
    prompts = ["\n\n".join(filter(None, (instruction, one["input"]))) for instruction, one in pairs]
    return prompts, [one["output"] for _, one in pairs]
