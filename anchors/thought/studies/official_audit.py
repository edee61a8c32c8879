"""What the released data keep of their own rules, and how far known defects of the rules reach (derived)."""

import numpy as np
import pandas as pd

from anchors.companion.results import Row, Verdict
from anchors.thought import official
from anchors.thought.answers import boxed, equal, normalise
from anchors.thought.sentences import released
from anchors.thought.taxonomy import CATEGORIES, INITIALS, label_by_rules

COLLISIONS = (
    (r"\frac{12}{3}", r"\frac{1}{23}"),
    (r"\sqrt{2}3", r"\sqrt{23}"),
    ("1,234", "1.234"),
    ("(1,2)", "(1.2)"),
)
DEVELOPED = official.PROBLEMS[:5]  # the cues of the labeller by rules were chosen on their traces
DRAWS = 2000
CHECKS = {
    "V1": "sentences are those of the rule",
    "V2": "resampling importance is a difference of accuracies",
    "V3": "summary follows from the matrix",
    "V4": "suppression is centred for each target",
    "V6": "v4 counts are those of its rows",
    "V7": "answer is the first box",
    "V8": "v4 keeps the importances of v1/v2",
    "V12": "overdeterminedness follows from the sentences",
    "bounds": "counterfactual accuracy is possible given the shares",
}
REACH = ("prefix destroyed", "first and last box differ", "signs of two importances oppose", "helpful, set to 0",
         "forced importance exactly 0", "no different rollout")  # fmt: skip


def compute(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per finding: kind (check | reach | collision | label), name, part, hits, of (how many).

    ``check``: hits are traces or sentences that pass; ``reach``: sentences or traces a defect touches, by trace;
    ``label``: sentences the labeller by rules gives the released category, by split and trace.
    """
    traces = official.released_traces()
    rows = [*_whole_traces(traces), *_matrices(), *_generations(), *_collisions()]
    for trace in traces:
        rows += [{"kind": "reach", "part": trace.name} | found for found in reach(trace)]
        rows.append({"kind": "check", "name": "bounds", "part": trace.name} | _bounds(trace))
    return pd.DataFrame(rows + _labels(traces))


def _whole_traces(traces: list[official.Trace]) -> list[dict]:
    rows = []
    for trace in traces:
        steps = np.append(np.diff(trace.labels["accuracy"]), 0)
        passed = {
            "V1": released(trace.full_cot) == list(trace.sentences),
            "V2": np.allclose(trace.labels["resampling_importance_accuracy"], steps, rtol=0, atol=1e-9),
            "V7": boxed(trace.full_cot, "first") == trace.answer,
        }
        rows += [{"kind": "check", "name": n, "part": trace.name, "hits": int(p), "of": 1} for n, p in passed.items()]
    return rows


def _matrices() -> list[dict]:
    rows = []
    for problem in official.MATRIX_PROBLEMS:
        centre = np.nanmean(official.step_importance(problem, "suppression")[:, 1:], axis=0)
        for name, passed in (("V3", summary_follows(problem)), ("V4", np.abs(centre).max() < 1e-14)):
            rows.append({"kind": "check", "name": name, "part": problem, "hits": int(passed), "of": 1})
    return rows


def summary_follows(problem: str) -> bool:
    """Return whether the released aggregates and both top-five lists follow from the matrix, to 1e-12 (sec. 2.8)."""
    matrix, stored = np.nan_to_num(official.step_importance(problem)), official.summary(problem)
    m = len(matrix)
    later = np.arange(m - 1, -1, -1)
    means = {
        "influential": matrix.sum(1) / np.maximum(later, 1),
        "dependent": matrix.sum(0) / np.maximum(later[::-1], 1),
    }
    ours = [matrix.mean(), matrix.max(), matrix.min()]
    theirs = [stored[f"{name}_importance"] for name in ("avg", "max", "min")]
    for kind, direction in (("influential", "outgoing"), ("dependent", "incoming")):
        ours += np.sort(means[kind])[::-1][:5].tolist()
        top = stored[f"top_{kind}_steps"]
        theirs += [step[f"avg_{direction}_importance"] for step in top]
        ours += means[kind][[step["step_idx"] for step in top]].tolist()
        theirs += theirs[-5:]
    return np.allclose(ours, theirs, rtol=0, atol=1e-12)


def _generations() -> list[dict]:
    rows, table = [], official.variance_rows()
    stated, counted = official.category_counts(), table["category"].value_counts()
    for category in CATEGORIES:
        same = stated[category] == counted[category]
        rows.append({"kind": "check", "name": "V6", "part": category, "hits": int(same), "of": 1})
    for problem in official.RESAMPLED_PROBLEMS:
        labels = official.released_trace(problem).labels
        own = table[(table["problem"] == problem) & table["correct"]].sort_values("sentence")["value"].to_numpy()
        kept = np.abs(own - labels["counterfactual_importance_accuracy"]) <= 5.01e-5
        texts = official.resampled_sentences(problem)
        repeats = np.array([1 - len(set(t)) / len(t) if t else 0.0 for t in texts])
        exact = np.abs(repeats - labels["overdeterminedness"]) < 1e-9
        for name, hit in (("V8", kept), ("V12", exact)):
            rows.append({"kind": "check", "name": name, "part": problem, "hits": int(hit.sum()), "of": hit.size})
    return rows


def _bounds(trace: official.Trace) -> dict:
    """Return how many counterfactual accuracies the stored accuracies and shares of different rollouts allow."""
    acc, share = trace.labels["accuracy"], trace.labels["different_trajectories_fraction"]
    now, after, f, stored = acc[:-1], acc[1:], share[:-1], trace.labels["counterfactual_importance_accuracy"][:-1]
    some = f > 0
    low = np.maximum(0, (now[some] - (1 - f[some])) / f[some]) - after[some]
    high = np.minimum(1, now[some] / f[some]) - after[some]
    inside = (low - 1e-6 <= stored[some]) & (stored[some] <= high + 1e-6)
    return {"hits": int(inside.sum()), "of": int(some.sum())}


def reach(trace: official.Trace) -> list[dict]:
    """Return how many sentences of a trace each known defect touches (for the boxes: whether the trace is touched)."""
    labels, m = trace.labels, len(trace.sentences)
    resampling, counterfactual = (labels[f"{name}_importance_accuracy"] for name in ("resampling", "counterfactual"))
    forced = (labels["forced_importance_accuracy"] == 0) & (labels["forced_importance_kl"] == 0)
    hits = {
        "prefix destroyed": destroyed(trace.sentences).sum(),
        "signs of two importances oppose": (resampling * counterfactual < 0).sum(),
        "helpful, set to 0": (counterfactual < 0).sum(),
        "forced importance exactly 0": forced.sum(),
        "no different rollout": (labels["different_trajectories_fraction"] == 0).sum(),
    }
    boxes = int(normalise(boxed(trace.full_cot)) != normalise(boxed(trace.full_cot, "first")))
    found = [{"name": name, "hits": int(count), "of": m} for name, count in hits.items()]
    return [*found, {"name": "first and last box differ", "hits": boxes, "of": 1}]


def destroyed(sentences: tuple[str, ...]) -> np.ndarray:
    """Return ``(M,)`` whether deleting the sentence's text everywhere also deletes text before it (sec. 5.4)."""
    return np.array([text in " ".join(sentences[:k]) for k, text in enumerate(sentences)])


def _collisions() -> list[dict]:
    pairs = [(rule, equal(a, b, rule)) for a, b in COLLISIONS for rule in ("official", "exact")]
    return [{"kind": "collision", "name": rule, "part": "", "hits": int(same), "of": 1} for rule, same in pairs]


def _labels(traces: list[official.Trace]) -> list[dict]:
    rows = []
    for trace in traces:
        split = "developed on" if trace.problem in DEVELOPED else "held out"
        for true, ours in zip(trace.categories, label_by_rules(list(trace.sentences)), strict=True):
            rows.append({"kind": "label", "name": split, "part": trace.name, "true": true, "ours": ours,
                         "hits": int(true == ours), "of": 1})  # fmt: skip
    return rows


def agreement(table: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return how well the labeller by rules agrees with the released labels, one row per split.

    Columns: ``n``, ``accuracy`` and ``kappa`` with ``_low`` and ``_high`` (bootstrap over traces), F1 by category.
    """
    own = table[table["kind"] == "label"]
    return pd.DataFrame({split: _agreement(part, seed) for split, part in own.groupby("name")}).T


def _agreement(part: pd.DataFrame, seed: int) -> dict[str, float]:
    place = {name: k for k, name in enumerate(CATEGORIES)}
    true, ours = (part[column].map(place).to_numpy(int) for column in ("true", "ours"))
    trace = np.unique(part["part"], return_inverse=True)[1]
    size = trace.max() + 1
    confusion = np.bincount(64 * trace + 8 * true + ours, minlength=64 * size).reshape(size, 8, 8)
    whole = confusion.sum(0)
    found = {"n": whole.sum()} | dict(zip(("accuracy", "kappa"), _scores(whole), strict=True))
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), DRAWS)
    for name, values in zip(("accuracy", "kappa"), _scores(np.tensordot(drawn, confusion, 1)), strict=True):
        found[f"{name}_low"], found[f"{name}_high"] = np.quantile(values, [0.025, 0.975])
    f1 = 2 * np.diag(whole) / np.maximum(whole.sum(0) + whole.sum(1), 1)
    return found | dict(zip(CATEGORIES, f1, strict=True))


def _scores(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracy and Cohen's kappa of confusion matrices ``(…, 8, 8)``."""
    n = confusion.sum((-2, -1))
    accuracy = np.trace(confusion, axis1=-2, axis2=-1) / n
    chance = (confusion.sum(-1) * confusion.sum(-2)).sum(-1) / n**2
    return accuracy, (accuracy - chance) / (1 - chance)


def pooled(own: pd.DataFrame, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of the pooled share of hits, the rows (traces) drawn with replacement (derived)."""
    size = len(own)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), DRAWS)
    low, high = np.quantile(drawn @ own["hits"].to_numpy() / (drawn @ own["of"].to_numpy()), [0.025, 0.975])
    return float(low), float(high)


def totals(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return hits, of and share by name for one kind of finding."""
    sums = table[table["kind"] == kind].groupby("name", sort=False)[["hits", "of"]].sum()
    return sums.assign(share=sums["hits"] / sums["of"])


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return checks passed, the reach of the defects, collisions and the labeller's agreement, and the verdict."""
    checks, hit = totals(table, "check"), totals(table, "reach")
    rows = [_row(f"{name}: {text}", checks.loc[name]) for name, text in CHECKS.items()]
    for name in REACH:
        own = table[(table["kind"] == "reach") & (table["name"] == name)]
        ends = pooled(own) if own["hits"].any() else ()  # drawing zeros again says nothing
        rows.append(Row(f"share: {name}", hit.loc[name, "share"], *ends, n=int(hit.loc[name, "of"])))
    for rule, found in totals(table, "collision").iterrows():
        rows.append(Row(f"different answers taken for one, {rule} rule", found["hits"], n=int(found["of"])))
    return rows + _label_rows(table), _verdict(table, checks, hit)


def _row(quantity: str, found: pd.Series) -> Row:
    return Row(quantity, found["share"], n=int(found["of"]))


def _label_rows(table: pd.DataFrame) -> list[Row]:
    found, rows = agreement(table), []
    for split, line in found.iterrows():
        for score, name in (("accuracy", "accuracy"), ("kappa", "Cohen's kappa")):
            ends = line[f"{score}_low"], line[f"{score}_high"]
            rows.append(Row(f"labeller by rules, {split}: {name}", line[score], *ends, n=int(line["n"])))
    held = table[(table["kind"] == "label") & (table["name"] == "held out")]
    for c in CATEGORIES:
        n = int((held["true"] == c).sum())
        rows.append(Row(f"labeller by rules, held out: F1 of {INITIALS[c]}", found.loc["held out", c], n=n))
    return rows


def _verdict(table: pd.DataFrame, checks: pd.DataFrame, hit: pd.DataFrame) -> Verdict:
    whole = checks.loc[["V1", "V2", "V3", "V4", "V6", "V7", "bounds"]]
    share = 100 * hit["share"]
    held = agreement(table).loc["held out"]
    collided = totals(table, "collision")["hits"]
    text = (
        f"{(whole['share'] == 1).sum()} of {len(whole)} exact checks pass everywhere; v4 keeps "
        f"{checks.loc['V8', 'hits']:.0f} of {checks.loc['V8', 'of']:.0f} importances of two traces. Deleting a "
        f"sentence's text destroys earlier text for {hit.loc['prefix destroyed', 'hits']:.0f} of "
        f"{hit.loc['prefix destroyed', 'of']:,.0f} sentences ({share['prefix destroyed']:.1f} %), forced importance is "
        f"exactly 0 for {share['forced importance exactly 0']:.0f} %, and setting negative values to 0 hides "
        f"{share['helpful, set to 0']:.0f} % that help. The official answer rule confuses {collided['official']} of "
        f"{len(COLLISIONS)} pairs, ours {collided['exact']}; the boxes of the 20 traces agree. The labeller by rules "
        f"reaches kappa {held['kappa']:.2f} on traces it was not made on: a stopgap, no replacement."
    )
    return Verdict("measured", text)
