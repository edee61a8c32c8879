"""Suppressing attention against resampling on models, and both against true dependencies (sec. 2.7, 2.8)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, known_interval
from anchors.thought import ranking
from anchors.thought.reasoner import program, truth
from anchors.thought.studies import corpus, methods
from anchors.thought.studies.corpus import is_recorded, name_of
from anchors.thought.studies.resampling import compute as roll
from anchors.thought.studies.resampling import live_rows
from anchors.thought.studies.suppression_vs_resampling import COLUMNS, NEAR, SCOPES, STATISTICS, compared, judged
from anchors.thought.suppression import centred

METHODS = {
    "nearness": "nearness",
    "steps": "sentence to sentence",
    "exact": "sentence to sentence, exact",
    "suppression": "suppression",
}


@dataclass(frozen=True)
class Case:
    """One trace: ``suppression`` (M, M) [source, target] in log units, each target's mean taken off; ``steps`` (M, M).

    Of the reasoner's trace, ``edges`` (M, M) bool are the true dependencies and ``exact`` (M, M) the steps of its
    process without sampling noise; both ``None`` for any other model.
    """

    model: str
    trace: corpus.Trace
    suppression: np.ndarray
    steps: np.ndarray
    edges: np.ndarray | None = None
    exact: np.ndarray | None = None


def compute(
    models: list[str], profile: str, seed: int, traces: int, rollouts: int
) -> tuple[dict[str, list[methods.Rolled]], list[Case]]:
    """Return the rollouts of every model's traces (as many as ``resampling.compute`` has) and a :class:`Case` each."""
    found, cases = roll(models, profile, seed, traces, rollouts), []
    for model, own in found.items():
        _, matrices = methods.suppressions(model, profile, seed, len(own))
        for one, matrix in zip(own, matrices, strict=True):
            cases.append(Case(model, one.trace, centred(matrix), one.steps, *known_truth(model, one.trace)))
    return found, cases


def known_truth(model: str, trace: corpus.Trace) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return true dependencies and exact steps (M, M) [source, target] of a reasoner's trace, else ``None`` twice."""
    if model != "reasoner":
        return None, None
    problem, texts = corpus.problem_of(model, trace.seed, trace.number), [s.text for s in trace.case.sentences]
    edges = truth.dependency_matrix(program.read_trace(problem, texts).dependencies, len(texts))
    return edges, truth.exact_step_matrix(problem, texts)


def shown(cases: list[Case], model: str) -> Case:
    """Return the trace of a model that is drawn: the longest, of equal ones the first."""
    return max((case for case in cases if case.model == model), key=lambda case: len(case.trace.categories))


def correlations(cases: list[Case], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per model, trace, scope and statistic; other columns as in ``suppression_vs_resampling``.

    Rows of scope ``exact`` are on all pairs with the exact steps of the process; those of scope ``edges`` hold in ``r``
    the AUROC of a method for the true dependencies. Pairs that a method knows
    nothing of do not count; what is undefined is NaN.
    """
    draws, rows = choose(profile, 50, 500, 2000), []
    for case in cases:
        about = {"model": case.model, "trace": case.trace.number}
        for scope in [*SCOPES] + ["exact"] * (case.exact is not None):
            for statistic in STATISTICS:
                steps, limit = (case.exact, "all") if scope == "exact" else (case.steps, scope)
                found = compared(*pairs(steps, case.suppression), limit, statistic, draws, seed)
                rows.append(about | {"scope": scope, "statistic": statistic} | found)
        for method, (area, count) in edge_areas(case).items():
            rows.append(about | {"scope": "edges", "statistic": method, "pairs": count, "r": area})
    return pd.DataFrame(rows, columns=["model", "trace", "scope", "statistic", "pairs", *COLUMNS])


def pairs(steps: np.ndarray, effects: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return both effects, distances and targets (P,) of all pairs source < target that have both effects."""
    i, j = np.triu_indices(len(steps), 1)
    known = np.isfinite(steps[i, j]) & np.isfinite(effects[i, j])
    i, j = i[known], j[known]
    return steps[i, j], effects[i, j], j - i, j


def edge_areas(case: Case) -> dict[str, tuple[float, int]]:
    """Return for each of :data:`METHODS` its AUROC for the true dependencies and the number of pairs; {} without."""
    if case.edges is None:
        return {}
    i, j = np.triu_indices(len(case.edges), 1)
    scores = {"steps": case.steps, "exact": case.exact, "suppression": case.suppression}
    scores = {"nearness": i - j} | {name: matrix[i, j] for name, matrix in scores.items()}
    return {name: (ranking.auroc(scores[name], case.edges[i, j]), i.size) for name in METHODS}


def of(table: pd.DataFrame, model: str, scope: str, statistic: str) -> pd.DataFrame:
    """Return the rows (one per trace) of a model, scope and statistic."""
    return table[(table.model == model) & (table["scope"] == scope) & (table["statistic"] == statistic)]


def edge_gap(table: pd.DataFrame, model: str, method: str) -> Interval:
    """Return AUROC of a method less that of nearness, paired by trace."""
    own, near = (of(table, model, "edges", m).r.to_numpy() for m in (method, "nearness"))
    return known_interval(own - near)


def summarise(found: dict[str, list[methods.Rolled]], table: pd.DataFrame, profile: str) -> tuple[list[Row], Verdict]:
    """Return the mean correlations over traces with their baselines, AUROC for true edges, the live part, the verdict.

    The claim is judged as worded (:func:`anchors.thought.studies.suppression_vs_resampling.judged`).
    """
    rows, words, found_by = [], [], []
    for model in found:
        rows += _rows(table, model, "recorded" if is_recorded(model, profile) else "cached") + _edge_rows(table, model)
        every, near = (of(table, model, scope, "Pearson").r.to_numpy() for scope in SCOPES)
        found_by.append((known_interval(every), known_interval(near - every)))
        words.append(_words(table, model))
    text = f"{'. '.join(words)}. Small models, short traces and few of them: reduced scale."
    return rows + live_rows(found, profile), Verdict(judged(found_by), text)


def _rows(table: pd.DataFrame, model: str, source: str) -> list[Row]:
    rows, mark = [], name_of(model)
    for scope, name in SCOPES.items():
        for statistic in STATISTICS:
            own = of(table, model, scope, statistic)
            own = own[np.isfinite(own.r)]
            n, quantity = int(own.pairs.sum()), f"{mark}: {statistic} correlation over {name}"
            rows.append(row(quantity, known_interval(own.r), n, source=source))
            rows.append(row(f"{quantity}, beyond distance", known_interval(own.beyond), n, source=source))
            rows.append(row(f"{quantity}, permuted at equal distance", known_interval(own.chance), n, source=source))
    for statistic in STATISTICS:
        own = of(table, model, "exact", statistic)
        quantity = f"{mark}: {statistic} correlation over all pairs, exact sentence to sentence"
        for column, words in (("r", ""), ("beyond", ", beyond distance")) if len(own) else ():
            rows.append(row(quantity + words, known_interval(own[column]), int(own.pairs.sum())))
    own = of(table, model, "all", "Pearson")
    left_out = int(own.r.isna().sum())
    return [*rows, Row(f"{mark}: traces left out (an effect is constant)", left_out, n=len(own), source=source)]


def _edge_rows(table: pd.DataFrame, model: str) -> list[Row]:
    found = {method: of(table, model, "edges", method) for method in METHODS}
    if found["nearness"].empty:
        return []
    rows = [
        row(f"{name_of(model)}: AUROC for true dependencies, {METHODS[m]}", known_interval(own.r), int(own.pairs.sum()))
        for m, own in found.items()
    ]
    for method in ("steps", "suppression"):
        quantity = f"{name_of(model)}: AUROC of {METHODS[method]} − AUROC of nearness"
        rows.append(row(quantity, edge_gap(table, model, method), int(found[method].pairs.sum())))
    return rows


def _words(table: pd.DataFrame, model: str) -> str:
    own, ranks = of(table, model, "all", "Pearson"), of(table, model, "all", "Spearman")
    r, near = (known_interval(of(table, model, scope, "Pearson").r) for scope in SCOPES)
    beyond, chance = known_interval(own.beyond), known_interval(own.chance)
    text = (
        f"{name_of(model)}, {own.r.notna().sum()} of {len(own)} traces: r = {in_words(r, '.2f')} over all pairs (ranks "
        f"{known_interval(ranks.r).mean:.2f}) and {near.mean:.2f} within {NEAR} sentences, {chance.mean:.2f} when "
        f"permuted at equal distance, {in_words(beyond, '.2f')} beyond distance"
    )
    areas = {m: known_interval(of(table, model, "edges", m).r).mean for m in METHODS}
    if np.isnan(areas["nearness"]):
        return text
    r, rho = (known_interval(of(table, model, "exact", statistic).r) for statistic in STATISTICS)
    left = of(table, model, "exact", "Spearman")
    found = ", ".join(f"{METHODS[m]} {area:.2f}" for m, area in areas.items())
    return (
        f"{text}; with exact importances r = {r.mean:.2f}, ranks {in_words(rho, '.2f')}, ranks beyond distance "
        f"{in_words(known_interval(left.beyond), '.2f')}; AUROC for its true dependencies: {found}"
    )
