"""Importance by category over the 20 released traces, under two rules of the official code (sec. 2.5, v1/v2)."""

import numpy as np
import pandas as pd

from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, mean_within, paired_interval
from anchors.thought import official
from anchors.thought.convergence import converged_from
from anchors.thought.taxonomy import CATEGORIES, INITIALS

METRICS = {
    "forced_importance_kl": "forced KL",
    "counterfactual_importance_kl": "counterfactual KL",
    "counterfactual_importance_accuracy": "counterfactual accuracy",
}
RULES = {"a": "c1", "b": "c4"}  # names of the rules in sec. 2.5 and of their convergence rules
MAIN = ("plan_generation", "uncertainty_management", "fact_retrieval", "active_computation", "result_consolidation")
ANCHORS, PLAIN = MAIN[:2], MAIN[2:4]
UNITS = {"forced KL": "nats", "counterfactual KL": "nats", "counterfactual accuracy": ""}


def compute(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per rule, metric, trace and category: value, position (share of the trace), sentences.

    Only sentences before convergence count. Rule ``a``: negative values are 0, the mean over the sentences of a trace;
    rule ``b``: absolute values, their median. KL as stored by the authors (natural log, smoothing 1e-9).
    """
    return pd.DataFrame([
        {"rule": rule, "metric": name, "trace": trace.name} | cell
        for rule in RULES for metric, name in METRICS.items() for trace in official.released_traces()
        for cell in by_category(trace, metric, rule)
    ])  # fmt: skip


def by_category(trace: official.Trace, metric: str, rule: str) -> list[dict]:
    """Return for each category of a trace its value and mean position before convergence."""
    stop = converged_from(trace.labels["accuracy"], RULES[rule])
    values = trace.labels[metric][:stop]
    values, pool = (np.maximum(values, 0), np.mean) if rule == "a" else (np.abs(values), np.median)
    place = np.arange(stop) / (len(trace.sentences) - 1)
    own = np.array(trace.categories[:stop])
    return [
        {"category": c, "value": pool(values[own == c]), "position": place[own == c].mean(), "n": (own == c).sum()}
        for c in CATEGORIES if (own == c).any()
    ]  # fmt: skip


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard error over traces of value and position by rule, metric and category."""
    groups = table.groupby(["rule", "metric", "category"])[["value", "position"]]
    found = groups.agg(["mean", "sem", "count"])
    found.columns = [f"{column}_{statistic}" for column, statistic in found.columns]
    return found.reset_index()


def difference(table: pd.DataFrame, metric: str, first: str, second: str, rule: str = "b") -> Interval:
    """Return the mean difference between two categories over the traces that have both, with its 95 % t interval."""
    own = table[(table["rule"] == rule) & (table["metric"] == metric)]
    wide = own.pivot(index="trace", columns="category", values="value")[[first, second]].dropna()
    return paired_interval(wide[first], wide[second])


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return means by category under both rules, differences between categories, and the verdicts."""
    rows = [
        _mean_row(table, rule, metric, category)
        for rule, metric in (("b", "counterfactual KL"), ("b", "forced KL"), ("b", "counterfactual accuracy"),
                             ("a", "counterfactual KL"), ("a", "forced KL"))
        for category in MAIN
    ]  # fmt: skip
    pairs = {(m, a, p): difference(table, m, a, p) for m in UNITS for a in ANCHORS for p in PLAIN}
    for (metric, a, p), interval in pairs.items():
        quantity = f"{metric}, {INITIALS[a]} − {INITIALS[p]}, rule b"
        rows.append(row(quantity, interval, interval.n, UNITS[metric], "live"))
    return rows, _verdict(table, pairs)


def _mean_row(table: pd.DataFrame, rule: str, metric: str, category: str) -> Row:
    own = table[(table["rule"] == rule) & (table["metric"] == metric) & (table["category"] == category)]
    quantity = f"{metric} of {INITIALS[category]}, rule {rule}"
    value = mean_within(own["value"], *((0.0, np.inf) if UNITS[metric] else (-1.0, 1.0)))
    return row(quantity, value, len(own), UNITS[metric], "live", same_scale=True)


def _verdict(table: pd.DataFrame, pairs: dict[tuple, Interval]) -> Verdict:
    first = _claim_counterfactual(table, pairs)
    second = _claim_forced(table)
    text = f"{first.text} {second.text} KL as stored (smoothing 1e-9), which one unseen answer can rule."
    kinds = {first.kind, second.kind}
    kind = first.kind if len(kinds) == 1 else "mixed"
    return Verdict(kind, text, {"planning_and_uncertainty_anchor": first, "forced_favours_computation": second})


def _claim_counterfactual(table: pd.DataFrame, pairs: dict[tuple, Interval]) -> Verdict:
    above = [v for (metric, _, _), v in pairs.items() if metric == "counterfactual KL"]
    accuracy = [v for (metric, _, _), v in pairs.items() if metric == "counterfactual accuracy"]
    sure, sure_too = sum(v.low > 0 for v in above), sum(v.low > 0 for v in accuracy)
    m = _means(table, "b", "counterfactual KL")
    text = (
        f"Counterfactual KL: PG {m['plan_generation']:.2f} and UM {m['uncertainty_management']:.2f} stand above "
        f"FR {m['fact_retrieval']:.2f} and AC {m['active_computation']:.2f} nats in the means, but only {sure} of the "
        f"{len(above)} paired differences have an interval above 0; in accuracy {sure_too} of {len(accuracy)} have."
    )
    order = min(m[c] for c in ANCHORS) > max(m[c] for c in PLAIN)
    return Verdict("holds" if order and sure == len(above) else "mixed" if order or sure else "does not hold", text)


def _claim_forced(table: pd.DataFrame) -> Verdict:
    tops = {rule: _means(table, rule, "forced KL")[list(MAIN)].idxmax() for rule in RULES}
    shown = ", ".join(f"{INITIALS[top]} under rule {rule}" for rule, top in tops.items())
    right = [top == "active_computation" for top in tops.values()]
    kind = "holds" if all(right) else "mixed" if any(right) else "does not hold"
    return Verdict(kind, f"Forced KL is highest for {shown} (of the five main categories).")


def _means(table: pd.DataFrame, rule: str, metric: str) -> pd.Series:
    own = table[(table["rule"] == rule) & (table["metric"] == metric)]
    return own.groupby("category")["value"].mean()
