"""What the explorer draws of traces whose truth is known: intervals against exact values, links against true ones."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import datasets
from anchors.companion.cache import cached, cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, known_interval
from anchors.models.language import identity
from anchors.thought import official, ranking
from anchors.thought.explorer import bundle, examples, folders, measured
from anchors.thought.explorer.widget import Explorer

PROMISED = 0.95  # share of the exact values that the intervals should hold
STEPS, EXACT, EDGES, NEAR = "counterfactual", "counterfactual_exact", "truth", "nearness"  # keys of links
LINKS = {
    NEAR: "nearness alone",
    "attention": "attention, all heads",
    "suppression": "suppression",
    STEPS: "resampling",
    EXACT: "resampling, exact",
}
KEYS = {f"{method}_{unit}": f"{method} importance, {'KL' if unit == 'kl' else unit}" for method, unit in measured.ORDER}
METRICS = {"coverage": "exact values within the intervals", "rank": "rank correlation with the exact values"}
RELEASED = "4682"
ABSENT = f"Problem {RELEASED} is missing here: the data set {official.TRACES} is not on this machine."


def compute(profile: str, seed: int, traces: int, rollouts: int) -> list[dict[str, Any]]:
    """Return specimens of the process as the explorer has them: 2 in smoke, ``traces``, four times as many in paper."""
    count, each = choose(profile, 2, traces, 4 * traces), choose(profile, 20, rollouts, rollouts)
    jobs = [{"number": k, "seed": seed, "rollouts": each} for k in range(count)]
    return cached_grid(examples.reasoner, jobs, "specimens", salt=identity("reasoner"))


def smollm2(number: int) -> dict[str, Any]:
    """Return a recorded trace of SmolLM2 as the explorer has it."""
    return cached(examples.smollm2, identity("smollm2"), number=number, seed=0)


def explorer(found: list[dict[str, Any]], natural: dict[str, Any]) -> Explorer:
    """Return the explorer of the released trace, of the longest specimen for each plan, and of SmolLM2's trace.

    Where the released data are not on this machine the first specimen says so in its notes.
    """
    first, *others = shown(found).values()
    if datasets.available(official.TRACES):
        return Explorer(bundle.bundle([folders.released(RELEASED), first, *others, natural]))
    first = first | {"notes": [ABSENT, *first.get("notes", [])]}
    return Explorer(bundle.bundle([first, *others, natural]))


def shown(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return for each plan (steps, guess, revoked guess) the longest specimen, of equal ones the first."""
    result: dict[str, dict] = {}
    for trace in found:
        plan = trace["title"].split(", ")[-1]
        if plan not in result or len(trace["sentences"]) > len(result[plan]["sentences"]):
            result[plan] = trace
    return result


def longest(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the specimen with the most sentences, of equal ones the first."""
    return max(found, key=lambda trace: len(trace["sentences"]))


def table(found: list[dict[str, Any]]) -> pd.DataFrame:
    """Return one row per specimen, measure and metric: ``coverage`` and ``rank`` of importances, ``edges`` of links.

    ``edges`` is the share of true dependencies among as many of the strongest links as there are true ones.
    """
    rows = []
    for trace in found:
        about = {"trace": trace["id"], "sentences": len(trace["sentences"])}
        rows += [about | one for one in _importances(trace) + _links(trace)]
    return pd.DataFrame(rows)


def _importances(trace: dict[str, Any]) -> list[dict[str, Any]]:
    by_key, rows = bundle.by_key(trace, "importances"), []
    for key in KEYS:
        exact = np.array(by_key[f"{key}_exact"]["values"], float)
        values, low, high = (np.array(by_key[key][part], float) for part in ("values", "low", "high"))
        rows.append({"measure": key, "metric": "coverage", "value": covered(exact, low, high)})
        rows.append({"measure": key, "metric": "rank", "value": ranking.spearman(values, exact)})
    return rows


def _links(trace: dict[str, Any]) -> list[dict[str, Any]]:
    by_key = bundle.by_key(trace, "links")
    edges = _flat(by_key[EDGES]["rows"]) > 0
    low, high = (_flat(by_key[STEPS][part]) for part in ("low", "high"))
    share = covered(_flat(by_key[EXACT]["rows"]), low, high)
    rows = [{"measure": STEPS, "metric": "coverage", "value": share}]
    for key in LINKS:
        scores = _nearness(len(trace["sentences"])) if key == NEAR else _flat(by_key[key]["rows"])
        rows.append({"measure": key, "metric": "edges", "value": ranking.precision_at(scores, edges, int(edges.sum()))})
    return rows


def covered(exact: np.ndarray, low: np.ndarray, high: np.ndarray) -> float:
    """Return the share of exact values (n,) within their intervals, of those where both are known; NaN without any."""
    known = np.isfinite(exact) & np.isfinite(low)
    rounding = 1e-3 * np.abs(exact) + 1e-9  # numbers have four digits here
    inside = (low - rounding <= exact) & (exact <= high + rounding)
    return float(inside[known].mean()) if known.any() else float("nan")


def _flat(rows: list[list[float | None]]) -> np.ndarray:
    return np.array([value for row in rows for value in row], float)


def _nearness(size: int) -> np.ndarray:
    i, j = np.triu_indices(size, 1)
    return (i - j).astype(float)


def over_traces(table: pd.DataFrame, measure: str, metric: str) -> Interval:
    """Return the mean of a metric over the specimens with its Student interval."""
    own = table[(table["measure"] == measure) & (table["metric"] == metric)]
    return known_interval(own["value"].to_numpy(float))


def gap(table: pd.DataFrame, measure: str) -> Interval:
    """Return true links among the strongest less those of nearness, paired by specimen."""
    own = table[table["metric"] == "edges"].pivot(index="trace", columns="measure", values="value")
    return known_interval((own[measure] - own[NEAR]).to_numpy())


def summarise(table: pd.DataFrame, natural: dict[str, Any]) -> tuple[list[Row], Verdict]:
    """Return coverage, rank correlations and true links over the specimens, SmolLM2's intervals, and the verdict."""
    rows = [
        row(f"{words}: {name}", found := over_traces(table, key, metric), found.n)
        for metric, name in METRICS.items() for key, words in KEYS.items()
    ]  # fmt: skip
    links = over_traces(table, STEPS, "coverage")
    rows.append(row(f"links of resampling: {METRICS['coverage']}", links, links.n))
    for key, words in LINKS.items():
        own = over_traces(table, key, "edges")
        rows.append(row(f"true dependencies among the strongest links: {words}", own, own.n))
    for key in list(LINKS)[1:]:
        rows.append(row(f"the same, {LINKS[key]} − nearness", found := gap(table, key), found.n))
    return [*rows, _width(natural)], _verdict(table)


def _width(natural: dict[str, Any]) -> Row:
    """Return how wide the intervals of a trace of a language model are: what a number of it can mean."""
    own = bundle.by_key(natural, "importances")["resampling_accuracy"]
    width = np.array(own["high"], float) - np.array(own["low"], float)
    words = f"SmolLM2, one trace: mean width of an interval, {KEYS['resampling_accuracy']}"
    return Row(words, float(np.nanmean(width)), n=int(np.isfinite(width).sum()), source="recorded")


def _verdict(table: pd.DataFrame) -> Verdict:
    held = {key: over_traces(table, key, "coverage") for key in (*KEYS, STEPS)}
    kept = [found.high >= PROMISED for found in held.values()]
    found = {key: gap(table, key) for key in ("attention", "suppression", STEPS)}
    above = [one.low > 0 for one in found.values()]
    kind = "holds" if all(kept + above) else "mixed" if any(kept + above) else "does not hold"
    shares = ", ".join(f"{held[key].mean:.2f} ({words})" for key, words in KEYS.items())
    words = ", ".join(f"{LINKS[key]} {in_words(one, '+.2f')}" for key, one in found.items())
    near = over_traces(table, NEAR, "edges").mean
    return Verdict(kind, (
        f"Over {held[STEPS].n} specimens the intervals hold the exact value in these shares, {PROMISED} promised: "
        f"{shares}, {held[STEPS].mean:.2f} (links of resampling). Of the strongest links, as many as there are true "
        f"dependencies, near pairs find {near:.2f}; less that: {words}. Read links as effects, not as dependencies."
    ))  # fmt: skip
