"""Each method's estimate beside the exact truth, on traces that the reasoner wrote."""

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, mean_interval, paired_interval
from anchors.thought import ranking
from anchors.thought.studies import specimens

RUN, CODE = "thought/calibration", ["anchors.thought.studies.specimens"]
OWN = {"seeds": [0, 1, 2, 3, 4], "traces": 4, "rollouts": 60}  # the recorded run: the reasoner resamples its own traces
ESTIMATES = ("resampling_accuracy", "counterfactual_accuracy", "resampling_kl", "counterfactual_kl")
EDGE_METHODS = {
    "distance": "nearness",
    "position": "position alone",
    "attention": "attention, all heads",
    "receiver": "attention, receiver heads",
    "suppression": "attention suppression",
    "steps": "sentence to sentence",
    "true_steps": "sentence to sentence, exact",
}
ANCHOR_METHODS = {
    "position": "position alone",
    "receiver_score": "receiver-head score",
    "attention_received": "attention received",
    "suppression_out": "suppression, mean",
    "steps_out": "sentence to sentence, mean",
    "forced_kl": "forced, KL",
    "resampling_kl": "resampling, KL",
    "resampling_size": "resampling, |accuracy|",
    "counterfactual_kl": "counterfactual, KL",
    "counterfactual_size": "counterfactual, |accuracy|",
    "true_counterfactual_kl": "counterfactual, exact KL",
}
CONTROLS = ("position", "distance", "true_steps", "true_counterfactual_kl")  # what methods are held against
RESAMPLED = ("resampling_kl", "resampling_size", "counterfactual_kl", "counterfactual_size")  # the claim is on these
TARGETS = {"planted": "planted plans and doubts", "top": "truly top sentences"}
TOP, TRACE = 3, ["seed", "number"]


def compute(
    profile: str, seed: int, model: str, reader: str, traces: int, rollouts: int
) -> tuple[pd.DataFrame, pd.DataFrame, list]:
    """Return the logs of sentences and of pairs over ``traces`` traces per seed (cached), and the receiver heads."""
    seeds = range(seed, seed + choose(profile, 3, 5, 10))
    count = choose(profile, 3, traces, 3 * traces)
    how = {"rollouts": choose(profile, 40, rollouts, rollouts), "model": model, "reader": reader}
    jobs = [{"seed": s, "number": k} | how for s in seeds for k in range(count)]
    salt = f"{identity_of(model)} {identity_of(reader)}"
    return specimens.assemble(cached_grid(specimens.specimen, jobs, "calibration", salt=salt))


def own_jobs() -> list[dict]:
    """Return the traces of the recorded run, written and continued by the reasoner."""
    how = {"rollouts": OWN["rollouts"], "model": "reasoner"}
    return [{"seed": s, "number": k} | how for k in range(OWN["traces"]) for s in OWN["seeds"]]


def own_log() -> tuple[pd.DataFrame, float, str]:
    """Return the recorded log of sentences, its largest |live − recorded| on the first trace, and a line about it."""
    log, record = recorded.load(RUN)
    found = cached_grid(specimens.specimen, own_jobs()[:1], "calibration", salt=identity_of("reasoner"))
    words = (
        f"recorded: {log.groupby(TRACE).ngroups} traces that the reasoner wrote and continued, {record['rollouts']} "
        f"rollouts per prefix, by “{record['command']}”, commit {record['commit']}, "
        f"made by {recorded.made_by(record, CODE)}; base traces sampled: {record['base_traces_sampled']}"
    )
    return log, largest_gap(pd.DataFrame(found[0]["sentences"]), log), words


def largest_gap(live: pd.DataFrame, log: pd.DataFrame) -> float:
    """Return the largest |live − logged| over the numbers of both; infinity when rows or missing values differ."""
    keys = [*TRACE, "sentence"]
    numbers = [c for c in live.select_dtypes("number") if c not in keys]
    own, other = live.set_index(keys)[numbers], log.set_index(keys)[numbers]
    if not set(own.index) <= set(other.index):
        return float("inf")
    a, b = own.to_numpy(float), other.loc[own.index].to_numpy(float)
    alike = (a == b) | (np.isnan(a) & np.isnan(b))
    gaps = np.abs(np.where(alike, 0.0, a) - np.where(alike, 0.0, b))
    return float(np.where(np.isnan(gaps), np.inf, gaps).max(initial=0.0))


def identity_of(model: str) -> str:
    """Return what stands for the weights of a model; the process has none."""
    if model in ("process", "none"):
        return model
    from anchors.models.language import identity

    return identity(model)


def has(methods: dict[str, str], table: pd.DataFrame) -> dict[str, str]:
    """Return those of ``methods`` that were applied: attention and suppression need a network."""
    return {
        m: words for m, words in methods.items() if m in table or m == "position" or m in set(table.get("method", []))
    }


def with_positions(sentences: pd.DataFrame, pairs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both logs with derived columns: sizes, labels, and the scores of position alone (fitted on other traces).

    ``sentences`` has one row per sentence (see :mod:`anchors.thought.studies.specimens`), ``pairs`` one per pair of
    sentences, source before target.
    """
    s = sentences.sort_values([*TRACE, "sentence"]).reset_index(drop=True)
    p = pairs.sort_values([*TRACE, "source", "target"]).reset_index(drop=True)
    for name in ("resampling", "counterfactual"):
        s[f"{name}_size"] = s[f"{name}_accuracy"].abs()
    s["planted"] = s.category.isin(["plan_generation", "uncertainty_management"])
    s["top"] = np.concatenate([ranking.top(g.true_counterfactual_kl.to_numpy(), TOP) for _, g in s.groupby(TRACE)])
    counts = s.groupby(TRACE).size().tolist()
    for target in TARGETS:
        labels = [g[target].to_numpy(bool) for _, g in s.groupby(TRACE)]
        features = [ranking.sentence_features(count) for count in counts]
        s[f"position_{target}"] = np.concatenate(ranking.position_scores(features, labels))
    p["distance"] = p.source - p.target
    edges = [g.edge.to_numpy(bool) for _, g in p.groupby(TRACE)]
    features = [ranking.pair_features(count)[2] for count in counts]
    p["position"] = np.concatenate(ranking.position_scores(features, edges))
    return s, p


def metrics(sentences: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return one row per trace, panel, method and metric: importance, edges, planted anchors, the truth's top."""
    s, p = with_positions(sentences, pairs)
    rows = []
    for key, own in s.groupby(TRACE):
        base = dict(zip(TRACE, key, strict=True))
        rows += [base | r for r in _importance(own)] + [base | r for r in _anchors(own)]
    for key, own in p.groupby(TRACE):
        label = own.edge.to_numpy(bool)
        rows += [
            dict(zip(TRACE, key, strict=True)) | _entry("edges", m, "auroc", ranking.auroc(own[m].to_numpy(), label))
            for m in has(EDGE_METHODS, own)
        ]
    return pd.DataFrame(rows)


def _importance(own: pd.DataFrame) -> list[dict]:
    """Return rank correlation and calibration slope of each estimate on one trace."""
    rows = []
    for name in ESTIMATES:
        estimate, truth = own[name].to_numpy(), own[f"true_{name}"].to_numpy()
        rows.append(_entry("importance", name, "spearman", ranking.spearman(estimate, truth)))
        rows.append(_entry("importance", name, "slope, by trace", ranking.slope(estimate, truth)))
    return rows


def _anchors(own: pd.DataFrame) -> list[dict]:
    rows = []
    for target in TARGETS:
        label = own[target].to_numpy(bool)
        for method in has(ANCHOR_METHODS, own):
            score = own[f"position_{target}" if method == "position" else method].to_numpy()
            rows.append(_entry(target, method, "auroc", ranking.auroc(score, label)))
            rows.append(_entry(target, method, "precision", ranking.precision_at(score, label, TOP)))
    return rows


def _entry(panel: str, method: str, metric: str, value: float) -> dict:
    return {"panel": panel, "method": method, "metric": metric, "value": value}


def over_traces(table: pd.DataFrame, panel: str, method: str, metric: str) -> Interval:
    """Return the mean over traces of a metric with its Student interval; traces where it is undefined are left out."""
    own = table[(table.panel == panel) & (table.method == method) & (table.metric == metric)]
    return mean_interval(own.value.dropna().to_numpy())


def gain(table: pd.DataFrame, panel: str, method: str, control: str = "position", metric: str = "auroc") -> Interval:
    """Return method − control, paired by trace."""
    own = table[(table.panel == panel) & (table.metric == metric)].set_index([*TRACE, "method"]).value.unstack("method")
    both = own[[method, control]].dropna()
    return paired_interval(both[method].to_numpy(), both[control].to_numpy())


def pooled_slope(sentences: pd.DataFrame, name: str, draws: int = 500, seed: int = 0) -> Interval:
    """Return the calibration slope over all sentences with a percentile bootstrap interval over traces."""
    groups = [g for _, g in sentences.groupby(TRACE)]
    pairs = [(g[name].to_numpy(), g[f"true_{name}"].to_numpy()) for g in groups]
    rng = np.random.default_rng(seed)

    def at(chosen):
        return ranking.slope(*(np.concatenate([pairs[i][side] for i in chosen]) for side in (0, 1)))

    found = [at(rng.integers(0, len(pairs), len(pairs))) for _ in range(draws)]
    return Interval(at(range(len(pairs))), *np.nanquantile(found, [0.025, 0.975]).tolist(), len(pairs))


def summarise(table: pd.DataFrame, sentences: pd.DataFrame, seed: int = 0) -> tuple[list[Row], Verdict]:
    """Return all metrics as rows (intervals over traces) and the verdict."""
    traces, rows, source = table.groupby(TRACE).ngroups, [], "cached"
    for name in ESTIMATES:
        words = name.replace("_", " ")
        ranks = over_traces(table, "importance", name, "spearman")
        rows.append(row(f"{words}: rank correlation with the truth", ranks, traces, source=source))
        rows.append(row(f"{words}: calibration slope", pooled_slope(sentences, name, seed=seed), traces, source=source))
    for method, words in has(EDGE_METHODS, table[table.panel == "edges"]).items():
        rows.append(
            row(f"true edges: AUROC of {words}", over_traces(table, "edges", method, "auroc"), traces, source=source)
        )
    for target, what in TARGETS.items():
        for method, words in has(ANCHOR_METHODS, table[table.panel == target]).items():
            for metric, unit in (("auroc", "AUROC"), ("precision", f"precision at {TOP}")):
                found = over_traces(table, target, method, metric)
                rows.append(row(f"{what}: {unit} of {words}", found, traces, source=source))
    return rows, _verdict(table, sentences)


def own_rows(log: pd.DataFrame, gap: float) -> list[Row]:
    """Return how the reasoner's own rollouts agree with the truth of the process, as rows."""
    table = pd.DataFrame(
        [dict(zip(TRACE, key, strict=True)) | r for key, g in log.groupby(TRACE) for r in _importance(g)]
    )
    traces, rows = log.groupby(TRACE).ngroups, []
    for name in ESTIMATES:
        words, how = f"the reasoner's own rollouts, {name.replace('_', ' ')}", {"n": traces, "source": "recorded"}
        rows.append(row(f"{words}: rank correlation", over_traces(table, "importance", name, "spearman"), **how))
        rows.append(row(f"{words}: calibration slope", pooled_slope(log, name), **how))
    return [*rows, Row("the reasoner's own rollouts: largest |live − recorded|", gap, n=1, slack=0.05)]


def _verdict(table: pd.DataFrame, sentences: pd.DataFrame) -> Verdict:
    rank = {name: over_traces(table, "importance", name, "spearman").mean for name in ESTIMATES}
    slopes = {name: pooled_slope(sentences, name).mean for name in ESTIMATES}
    edges, planted, top = (
        {m: gain(table, panel, m) for m in has(names, table[table.panel == panel]) if m not in CONTROLS}
        for panel, names in (("edges", EDGE_METHODS), ("planted", ANCHOR_METHODS), ("top", ANCHOR_METHODS))
    )
    text = (
        f"On {table.groupby(TRACE).ngroups} traces, resampling and counterfactual accuracy rank sentences as the truth "
        f"does to {rank['resampling_accuracy']:.2f} and {rank['counterfactual_accuracy']:.2f} (slopes "
        f"{slopes['resampling_accuracy']:.2f} and {slopes['counterfactual_accuracy']:.2f}), their divergences to "
        f"{rank['resampling_kl']:.2f} and {rank['counterfactual_kl']:.2f} (slopes {slopes['resampling_kl']:.2f} and "
        f"{slopes['counterfactual_kl']:.2f}). True dependency edges are found clearly "
        f"better than by position alone by {_clear(edges, EDGE_METHODS)}; planted plans and doubts by "
        f"{_clear(planted, ANCHOR_METHODS)}; the truly top {TOP} sentences by {_clear(top, ANCHOR_METHODS)}. Clearly "
        f"worse than position at the top {TOP}: {_clear(top, ANCHOR_METHODS, -1)}; at edges: "
        f"{_clear(edges, EDGE_METHODS, -1)}."
    )
    recovers = all(over_traces(table, "importance", name, "spearman").low > 0.5 for name in ESTIMATES[:2])
    ahead = [top[m].low > 0 for m in RESAMPLED]
    holds = recovers and all(ahead)
    return Verdict("holds" if holds else "mixed" if recovers or any(ahead) else "does not hold", text)


def _clear(gains: dict[str, Interval], names: dict[str, str], sign: int = 1) -> str:
    """Return the methods whose gain over position in AUROC is clearly of this sign, the largest first."""
    clear = (m for m, g in gains.items() if (g.low > 0 if sign > 0 else g.high < 0))
    good = sorted(clear, key=lambda m: -sign * gains[m].mean)
    return ", ".join(f"{names[m]} ({gains[m].mean:+.2f})" for m in good) or "none of the methods"
