"""Does the distance of dependent sentences go with how hard a problem is? Deleted text on own traces (sec. 2.9)."""

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, mean_interval
from anchors.thought.deletion import CLOSE, distance_profile
from anchors.thought.ranking import spearman
from anchors.thought.studies import corpus, methods, resampling

FAR = 5  # sentences; the paper's 16 to 64 do not exist in traces of ten
RANGES = {"close": "close-range", "far": "long-range"}


def compute(
    models: list[str], profile: str, seed: int, traces: int, far: int
) -> tuple[pd.DataFrame, list[Row]]:  # fmt: skip
    """Return one row per model, trace and distance k: effect [nats per token], with accuracy of the trace's problem.

    Beside it, what of recorded traces is repeated, as table rows (:func:`anchors.thought.studies.methods.live_rows`).
    ``accuracy`` is the share of right answers before the first sentence: exact for the reasoner, of the model's own
    rollouts otherwise. ``close`` and ``far`` are the trace's means over k = 1 … 2 and k >= ``far``.
    """
    tables, live = [], []
    for model in models:
        count = choose(profile, 6 if model == "reasoner" else 1, traces, 4 * traces)
        found, matrices, logprobs = methods.scored_deletions(model, profile, seed, count)
        for trace, matrix in zip(found, matrices, strict=True):
            about = {"model": model, "trace": trace.number, "problem": trace.problem}
            about["accuracy"] = accuracy(model, trace)
            tables.append(pd.DataFrame(about | _profile(matrix, far)))
        live += methods.live_rows(model, found, profile, logprobs)
    return pd.concat(tables, ignore_index=True), live


def _profile(matrix: np.ndarray, far: int) -> dict:
    """Return the columns distance, effect, close and far of one matrix (M, M)."""
    profile = distance_profile(matrix, longest=len(matrix))
    i, j = np.triu_indices(len(matrix), far)
    long = matrix[i, j][np.isfinite(matrix[i, j])]
    close = profile[CLOSE[0] : CLOSE[1] + 1]
    ends = {"close": float(np.nanmean(close)), "far": float(long.mean()) if long.size else float("nan")}
    return {"distance": range(1, len(profile)), "effect": profile[1:], "sentences": len(matrix)} | ends


def accuracy(model: str, trace: corpus.Trace) -> float:
    """Return how often the trace's problem is solved: exactly for the reasoner, else in the model's rollouts."""
    return float(resampling.exact(model, trace)["accuracy"][0]) if model == "reasoner" else trace.accuracy


def by_trace(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return one row per trace of a model."""
    return table[table.model == model].drop_duplicates("trace").reset_index(drop=True)


def correlation(table: pd.DataFrame, model: str, column: str, draws: int, seed: int) -> tuple[Interval, float]:
    """Return the rank correlation of a column with accuracy over traces, and its permutation p (two-sided).

    Interval: bootstrap over problems (2.5 and 97.5 % quantiles); traces of one problem are drawn and permuted together.
    """
    own = by_trace(table, model).dropna(subset=[column])
    groups = [own.index[own.problem == g].to_numpy() for g in own.problem.unique()]
    if len(groups) < 3:
        return Interval(float("nan"), float("nan"), float("nan"), len(groups)), float("nan")
    x, y, rng = own[column], own.accuracy, np.random.default_rng(seed)
    value = spearman(x, y)
    drawn = [np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))]) for _ in range(draws)]
    low, high = np.nanquantile([spearman(x[d], y[d]) for d in drawn], [0.025, 0.975])
    levels = np.array([y[g[0]] for g in groups])
    sizes, order = [len(g) for g in groups], np.concatenate(groups)
    shuffled = [spearman(x[order], np.repeat(rng.permutation(levels), sizes)) for _ in range(draws)]
    p = (1 + (np.abs(shuffled) >= abs(value) - 1e-12).sum()) / (1 + draws)
    return Interval(value, float(low), float(high), len(groups)), float(p)


def beyond_length(table: pd.DataFrame, model: str, column: str) -> float:
    """Return the partial rank correlation of a column with accuracy, number of sentences held fixed; NaN if few."""
    own = by_trace(table, model).dropna(subset=[column])
    ranks = own[[column, "accuracy", "sentences"]].rank()
    if len(own) < 5 or (ranks.std() == 0).any():
        return float("nan")
    r = ranks.corr().to_numpy()
    scale = np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    return float((r[0, 1] - r[0, 2] * r[1, 2]) / scale) if scale > 1e-9 else float("nan")


def mean_profile(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return mean effect with its 95 % interval over traces by distance, where at least five traces reach it.

    Where there are fewer traces than that, all of them must.
    """
    rows, least = [], min(5, len(by_trace(table, model)))
    for distance, own in table[table.model == model].dropna(subset=["effect"]).groupby("distance"):
        if len(own) >= least:
            found = mean_interval(own.effect.to_numpy())
            rows.append({"distance": distance, "mean": found.mean, "low": found.low, "high": found.high, "n": len(own)})
    columns = ["distance", "mean", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns, dtype=None if rows else float)


def summarise(
    table: pd.DataFrame, live: list[Row], profile: str, seed: int, far: int
) -> tuple[list[Row], Verdict]:  # fmt: skip
    """Return the correlations of close- and long-range dependence with accuracy beside the quoted ones, and a verdict.

    ``table`` and ``live`` as :func:`compute` gives them.
    """
    draws, rows, words, signs = choose(profile, 50, 1000, 4000), [], [], []
    for model in table.model.unique():
        mark = corpus.mark_of(model)
        for column, name in RANGES.items():
            r, p = correlation(table, model, column, draws, seed)
            n = int(by_trace(table, model)[column].notna().sum())
            rows.append(row(f"{mark}correlation of {name} dependence with accuracy", r, n, source="cached"))
            about = {"n": n, "source": "cached", "slack": corpus.MOVED}
            rows.append(Row(f"{mark}{name}: permutation p", p, **about))
            held = beyond_length(table, model, column)
            rows.append(Row(f"{mark}{name}: correlation, number of sentences held fixed", held, **about))
            expected = 1 if column == "close" else -1
            signs.append((p < 0.05) * (1 if expected * r.mean > 0 else -1))
            ends = f"{r.low:+.2f} to {r.high:+.2f}, p = {p:.3f}"
            words.append(
                f"{corpus.name_of(model)} {name} {r.mean:+.2f} ({ends}; number of sentences held fixed {held:+.2f})"
            )
        own = by_trace(table, model)
        length = spearman(own.sentences, own.accuracy)
        rows.append(
            Row(f"{mark}correlation of the number of sentences with accuracy", length, n=len(own), slack=corpus.MOVED)
        )
    found = sum(s > 0 for s in signs)
    kind = "holds" if found == len(signs) else "mixed" if found else "does not hold"
    text = (
        f"Rank correlation with the accuracy of the problem: {'; '.join(words)}. Quoted: +.44 close-range, −.54 "
        f"long-range, over subjects of MMLU. As quoted and clear in {found} of {len(signs)} cases, the other way round "
        f"in {sum(s < 0 for s in signs)}. Long range here is {far} sentences or more: reduced scale."
    )
    return rows + live, Verdict(kind, text)
