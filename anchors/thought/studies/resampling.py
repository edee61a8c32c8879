"""Which sentences of a model's own traces move its answers: resampled importances by category (sec. 2.4, 2.5)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchors.companion.errors import InputError
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, known_interval
from anchors.thought.reasoner import truth
from anchors.thought.studies import corpus, methods
from anchors.thought.studies.corpus import is_recorded, name_of

ANCHORS = ("plan_generation", "uncertainty_management")
PLAIN = ("active_computation", "fact_retrieval")
METHODS, UNITS = ("counterfactual", "resampling"), ("kl", "accuracy")
ENDS = {"value": "", "low": "_low", "high": "_high"}
MEASURES = {
    "counterfactual_kl": ("counterfactual KL", "nats"),
    "counterfactual_all": ("counterfactual KL, 0 where nothing else was written", "nats"),
    "counterfactual_size": ("counterfactual |accuracy|", ""),
    "resampling_kl": ("resampling KL", "nats"),
    "resampling_size": ("resampling |accuracy|", ""),
    "exact_size": ("exact counterfactual |accuracy|", ""),
}
CLAIMED = ("counterfactual_kl", "counterfactual_size")  # what the claim is about
PUBLISHED_ROLLOUTS, OTHERS = 100, 4  # per prefix in the paper; wrong answers that are shown by name


@dataclass(frozen=True)
class Example:
    """One trace to look at: ``shares`` (M + 1, answers) before sentence 0 … M, right answer first, rest last.

    ``own`` holds the rows of :func:`sentence_table` of this trace, ``exact`` (M + 1,) the accuracy of the process, NaN
    for models without one.
    """

    model: str
    trace: corpus.Trace
    shares: pd.DataFrame
    own: pd.DataFrame
    exact: np.ndarray


def compute(models: list[str], profile: str, seed: int, traces: int, rollouts: int) -> dict[str, list[methods.Rolled]]:
    """Return the rollouts of every model's traces, as many as asked for, five times as many in paper.

    SmolLM2 has as many as were recorded. In smoke the reasoner has two traces, another model one. Rollouts per
    prefix: 8 in smoke, at least the paper's 100 in paper.
    """
    each = choose(profile, 8, rollouts, max(rollouts, PUBLISHED_ROLLOUTS))
    counts = {model: choose(profile, 2 if model == "reasoner" else 1, traces, 5 * traces) for model in models}
    found = {model: methods.rolled(model, profile, seed, count, each) for model, count in counts.items()}
    return {model: [one for one in own if len(one.counts)] for model, own in found.items()}


def importances(one: methods.Rolled, method: str, unit: str, draws: int = 0, seed: int = 0) -> pd.DataFrame:
    """Return value, low and high (bootstrap, 95 %), and n_before, of every sentence.

    All are NaN where no rollout of the trace has an answer.
    """
    columns = [*ENDS, "n_before"]
    try:
        return one.importance(method, unit, draws, seed)[columns]
    except InputError:
        return pd.DataFrame(np.nan, range(len(one.trace.categories)), columns)


def exact(model: str, trace: corpus.Trace) -> dict[str, np.ndarray]:
    """Return the exact accuracy (M + 1,) and counterfactual accuracy (M,) of the reasoner's process; NaN for others."""
    if model != "reasoner":
        size = len(trace.categories)
        return {"accuracy": np.full(size + 1, np.nan), "counterfactual_accuracy": np.full(size, np.nan)}
    problem = corpus.problem_of(model, trace.seed, trace.number)
    return truth.exact_importances(problem, [s.text for s in trace.case.sentences])


def sentence_table(found: dict[str, list[methods.Rolled]], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per model, trace and sentence: category, text, accuracy before it, importances with intervals.

    Accuracy importances are positive where the sentence helps; ``…_size`` is their absolute value; KL in nats.
    ``counterfactual_all`` is 0 where no rollout begins differently, as in the authors' code; NaN there otherwise.
    """
    draws = choose(profile, 200, 1000, 1000)
    tables = [_sentences(model, one, draws, seed) for model, own in found.items() for one in own]
    return pd.concat(tables, ignore_index=True)


def _sentences(model: str, one: methods.Rolled, draws: int, seed: int) -> pd.DataFrame:
    trace, true, right = one.trace, exact(model, one.trace), shares(one)["right"].to_numpy()
    columns = {
        "model": model, "trace": trace.number, "sentence": range(len(trace.categories)),
        "category": trace.categories, "text": [s.text for s in trace.case.sentences],
        "accuracy": right[:-1], "exact_accuracy": true["accuracy"][:-1],
    }  # fmt: skip
    for method in METHODS:
        for unit in UNITS:
            own = importances(one, method, unit, draws, seed)
            ends = {f"{method}_{unit}{end}": own[c].to_numpy() for c, end in ENDS.items()}
            columns |= ends | {f"{method}_alternatives": own["n_before"].to_numpy()}
        columns[f"{method}_size"] = np.abs(columns[f"{method}_accuracy"])
    alone = columns["counterfactual_alternatives"] == 0
    columns["counterfactual_all"] = np.where(alone, 0.0, columns["counterfactual_kl"])
    return pd.DataFrame(columns | {"exact_size": np.abs(true["counterfactual_accuracy"])})


def shares(one: methods.Rolled, others: int = OTHERS) -> pd.DataFrame:
    """Return the share of the right answer, of the most frequent wrong ones and of the rest before sentence 0 … M.

    Rollouts without an answer do not count; a row is NaN where none has one. Columns: right, the wrong ones, rest.
    """
    own = one.counts[(one.counts["kind"] == "resample") & (one.counts["answer"] != "")]
    names = np.where(own["correct"].astype(bool), "right", own["answer"].map(plain))
    found = pd.crosstab(own["sentence"], names, own["count"], aggfunc="sum").fillna(0)
    found = found.reindex(range(len(one.trace.categories) + 1), fill_value=0).astype(float)
    found = found.div(found.sum(axis=1).where(lambda total: total > 0), axis=0)
    wrong = found.drop(columns="right", errors="ignore")
    order = wrong.sum().sort_values(ascending=False, kind="stable").index
    result = wrong[order[:others]].copy()
    none = found.sum(axis=1, min_count=1) * 0.0  # NaN where nothing is answered
    result.insert(0, "right", found.get("right", none))
    return result.assign(rest=wrong[order[others:]].sum(axis=1).where(result["right"].notna()))


def plain(answer: str) -> str:
    """Return an answer as it is shown, one spelling for a number: ``14.0`` is ``14``; eight characters at most."""
    try:
        return f"{float(answer):g}"
    except ValueError:
        return answer[:8]


def examples(found: dict[str, list[methods.Rolled]], table: pd.DataFrame) -> list[Example]:
    """Return for each model the trace that holds its largest counterfactual KL, the first one where none is defined."""
    result = []
    for model, rolled in found.items():
        number = largest(table, model)["trace"]
        one = next(one for one in rolled if one.trace.number == number)
        own = table[(table["model"] == model) & (table["trace"] == number)].reset_index(drop=True)
        result.append(Example(model, one.trace, shares(one), own, exact(model, one.trace)["accuracy"]))
    return result


def largest(table: pd.DataFrame, model: str) -> pd.Series:
    """Return the row of a model's sentence with the largest counterfactual KL, its first row where none is defined."""
    own = table[table["model"] == model]
    known = own["counterfactual_kl"].dropna()
    return own.loc[known.idxmax()] if len(known) else own.iloc[0]


def contrast(table: pd.DataFrame, model: str, column: str) -> Interval:
    """Return plans and doubts − computations and facts of a column: trace means, over the traces that have both."""
    own = table[table["model"] == model].dropna(subset=[column])
    means = [
        own[own["category"].isin(group)].groupby("trace")[column].mean().rename(name)
        for name, group in (("anchors", ANCHORS), ("plain", PLAIN))
    ]
    both = pd.concat(means, axis=1).dropna()
    return known_interval((both["anchors"] - both["plain"]).to_numpy())


def category_mean(table: pd.DataFrame, model: str, group: tuple[str, ...], column: str) -> Interval:
    """Return the mean of a column over the sentences of some categories: trace means over the traces that have any."""
    own = table[(table["model"] == model) & table["category"].isin(group)].dropna(subset=[column])
    return known_interval(own.groupby("trace")[column].mean().to_numpy())


def live_rows(found: dict[str, list[methods.Rolled]], profile: str) -> list[Row]:
    """Return :func:`anchors.thought.studies.methods.live_rows` of all models."""
    return [r for model, own in found.items() for r in methods.live_rows(model, [one.trace for one in own], profile)]


def summarise(found: dict[str, list[methods.Rolled]], table: pd.DataFrame, profile: str) -> tuple[list[Row], Verdict]:
    """Return means of both groups, their differences paired by trace, the live part, and the verdict on the claim."""
    rows = [r for model, own in found.items() for r in _model_rows(model, own, table, profile)]
    return rows + live_rows(found, profile), _verdict(table, list(found))


def _model_rows(model: str, own: list[methods.Rolled], table: pd.DataFrame, profile: str) -> list[Row]:
    name, source = name_of(model), "recorded" if is_recorded(model, profile) else "cached"
    rows, both = [], "plans and doubts − computations and facts"
    for column in MEASURES if model == "reasoner" else list(MEASURES)[:-1]:
        words, unit = MEASURES[column]
        by = source if column != "exact_size" else "live"
        for group, what in ((ANCHORS, "plans and doubts"), (PLAIN, "computations and facts")):
            mean = category_mean(table, model, group, column)
            rows.append(row(f"{name}: {words} of {what}", mean, mean.n, unit, by))
        gap = contrast(table, model, column)
        rows.append(row(f"{name}: {words}, {both}", gap, gap.n, unit, by))
    mine = table[table["model"] == model]
    known = mine["counterfactual_kl"].notna()
    rows.append(
        Row(f"{name}: sentences with ten rollouts that differ", known.mean(), n=len(mine), source=source, slack=0.02)
    )
    return [*rows, Row(f"{name}: rollouts with an answer", answered(own), n=len(own), source=source, slack=0.002)]


def answered(rolled: list[methods.Rolled]) -> float:
    """Return the share of rollouts that give an answer."""
    counts = pd.concat([one.counts for one in rolled])
    counts = counts[counts["kind"] == "resample"]
    total = counts["count"].sum()
    return float(counts.loc[counts["answer"] != "", "count"].sum() / total) if total else float("nan")


def _verdict(table: pd.DataFrame, models: list[str]) -> Verdict:
    gaps = {(m, c): contrast(table, m, c) for m in models for c in MEASURES}
    own = [gaps[m, c].low for m in models for c in CLAIMED]  # the other measures are shown and decide nothing
    if not np.isfinite(own).any():
        kind = "measured"
    elif all(low > 0 for low in own):
        kind = "holds"
    else:
        kind = "mixed" if any(low > 0 for low in own) else "does not hold"
    text = _text(gaps, models)
    return Verdict(kind, text, {"planning_and_uncertainty_anchor": Verdict(kind, text)})


def _text(gaps: dict[tuple[str, str], Interval], models: list[str]) -> str:
    first = []
    for m in models:
        kl, size = (gaps[m, column] for column in CLAIMED)
        first.append(f"{name_of(m)} {in_words(kl, unit=' nats')} and {in_words(size)}, n = {kl.n}")
    second = [f"{name_of(m)} {in_words(gaps[m, 'resampling_size'])}" for m in models]
    true = rules = ""
    if "reasoner" in models:
        true = f"; exact |accuracy| in the reasoner's process {in_words(gaps['reasoner', 'exact_size'])}"
    if models != ["reasoner"]:
        rules = "labels of other models than the reasoner are made by rules; "
    return (
        f"Plans and doubts less computations and facts, by trace, counterfactual KL and |accuracy|: {'; '.join(first)}"
        f"{true}. Resampling |accuracy|, which counts sentences that hardly vary too: {'; '.join(second)}. "
        f"Reduced scale: {rules}small models, few traces."
    )
