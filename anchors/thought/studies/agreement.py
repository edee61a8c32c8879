"""Do the methods agree on which sentences matter? One score per sentence from each, on the same traces (sec. 2)."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import FEWEST, Interval, in_words, known_interval, known_mean
from anchors.thought import attention, suppression
from anchors.thought.studies import methods, resampling
from anchors.thought.studies.corpus import MOVED, is_recorded, name_of
from anchors.thought.studies.resampling import compute as roll
from anchors.thought.studies.resampling import live_rows

MOVED_P = 0.2  # by how much another processor may move a permutation p: a rank correlation near 0 moves it most

METHODS = {
    "counterfactual": "counterfactual KL",
    "resampling": "resampling KL",
    "forced": "forced KL",
    "steps": "effect on later sentences",
    "receiver": "receiver heads",
    "suppression": "suppression",
}
PAIRS = tuple(combinations(METHODS, 2))
CROSSED = (  # pairs of the paper's three methods: resampling (three scores of it), receiver heads, suppression
    ("counterfactual", "receiver"),
    ("counterfactual", "suppression"),
    ("resampling", "receiver"),
    ("resampling", "suppression"),
    ("steps", "receiver"),
    ("steps", "suppression"),
    ("receiver", "suppression"),
)
ROLLED = ("counterfactual", "resampling", "forced", "steps")  # what needs rollouts
CONTROLS = {"raw": 0, "beyond": 2}  # degree of the polynomial in the sentence's index that is taken out of the ranks
LEAST = 5  # sentences with both scores: fewer leave nothing beyond a parabola
FLAT = 1e-9


@dataclass(frozen=True)
class Scores:
    """One trace of a model: ``values`` has one row per sentence and one column per method, NaN where undefined."""

    model: str
    trace: int
    categories: tuple[str, ...]
    values: pd.DataFrame


def compute(
    models: list[str], profile: str, seed: int, traces: int, rollouts: int, proximity: int
) -> tuple[dict[str, list[methods.Rolled]], list[Scores]]:
    """Return the rollouts of every model's traces and the scores of each sentence by each method."""
    found, result = roll(models, profile, seed, traces, rollouts), []
    for model, own in found.items():
        _, vertical = methods.vertical_scores(model, profile, seed, len(own), proximity)
        _, matrices = methods.suppressions(model, profile, seed, len(own))
        heads, _ = methods.receiver_heads(vertical)
        received = [attention.receiver_scores(v, heads) for v in vertical]
        for one, score, matrix in zip(own, received, matrices, strict=True):
            result.append(Scores(model, one.trace.number, one.trace.categories, scores(one, score, matrix)))
    return found, result


def scores(one: methods.Rolled, received: np.ndarray, effects: np.ndarray) -> pd.DataFrame:
    """Return one row per sentence and one column per method.

    ``received`` (M,) is the receiver-head score, ``effects`` (M, M) [source, target] the suppression matrix in log
    units; its columns are centred as the authors do. Divergences in nats, effects on later sentences as a share.
    """
    divergences = ("counterfactual", "resampling", "forced")
    values = {method: resampling.importances(one, method, "kl")["value"].to_numpy() for method in divergences}
    values |= {"steps": known_mean(one.steps, 1), "receiver": np.asarray(received, float)}
    return pd.DataFrame(values | {"suppression": known_mean(suppression.centred(effects), 1)})[list(METHODS)]


def residuals(values: np.ndarray, index: np.ndarray, degree: int) -> np.ndarray:
    """Return what a polynomial in ``index`` (n,) leaves of ``values`` (…, n), by least squares (derived)."""
    basis = np.stack([np.asarray(index, float) ** power for power in range(degree + 1)], 1)  # (n, degree + 1)
    q, _ = np.linalg.qr(basis / np.abs(basis).max(0).clip(1e-12))
    return values - (values @ q) @ q.T


def prepared(first: np.ndarray, second: np.ndarray, degree: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return ranks (n,) of both scores where both are known, less their fit on the sentence's index, and that index.

    None with fewer than :data:`LEAST` such sentences, or when a score is constant or follows from the index alone.
    """
    from scipy.stats import rankdata

    first, second = np.asarray(first, float), np.asarray(second, float)
    index = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    if index.size < LEAST:
        return None
    ranks = [rankdata(np.round(values[index], 9)) for values in (first, second)]
    left = [residuals(values, index, degree) for values in ranks]
    if any((values**2).sum() < FLAT for values in left):
        return None
    return left[0], left[1], index


def correlation(first: np.ndarray, second: np.ndarray, degree: int = 0) -> float:
    """Return the rank correlation of two scores (M,), with ``degree`` 2 beyond index and its square (derived).

    Degree 0 is Spearman's; NaN where :func:`prepared` has nothing to compare.
    """
    found = prepared(first, second, degree)
    return float("nan") if found is None else float(_cosine(found[0], found[1]))


def permuted(first: np.ndarray, second: np.ndarray, degree: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``(draws,)`` correlations with the second score's residuals shuffled among the sentences (derived).

    What was shuffled is fitted on the index again, so that it is beyond position as the estimate is.
    """
    found = prepared(first, second, degree)
    if found is None:
        return np.full(draws, np.nan)
    x, y, index = found
    shuffled = residuals(rng.permuted(np.tile(y, (draws, 1)), axis=1), index, degree)
    return _cosine(shuffled, x)


def _cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a @ b) / np.sqrt(np.maximum((a**2).sum(-1) * (b**2).sum(-1), 1e-30))


def pair_table(found: list[Scores], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per model, pair of methods and control: mean correlation over traces, with its interval.

    ``n`` traces count, ``left_out`` do not; ``p`` is the share of permutations with at least this mean (one-sided),
    ``chance_low`` and ``chance_high`` hold 95 % of them.
    """
    draws, rng = choose(profile, 100, 1000, 4000), np.random.default_rng(seed)
    return pd.DataFrame([
        {"model": model, "first": a, "second": b, "control": control}
        | _compared([s.values for s in found if s.model == model], a, b, degree, draws, rng)
        for model in dict.fromkeys(s.model for s in found)
        for a, b in PAIRS for control, degree in CONTROLS.items()
    ])  # fmt: skip


def _compared(own: list[pd.DataFrame], a: str, b: str, degree: int, draws: int, rng: np.random.Generator) -> dict:
    values = np.array([correlation(v[a], v[b], degree) for v in own])
    known = np.isfinite(values)
    mean, low, high, n = known_interval(values)
    result = {"mean": mean, "low": max(low, -1.0), "high": min(high, 1.0), "n": n, "left_out": int((~known).sum())}
    if n < 2:
        return result | dict.fromkeys(("p", "chance_low", "chance_high"), np.nan)
    chance = np.mean([permuted(v[a], v[b], degree, draws, rng) for v, k in zip(own, known, strict=True) if k], axis=0)
    ends = np.quantile(chance, [0.025, 0.975])
    p = (1 + (chance >= mean - FLAT).sum()) / (1 + draws)
    return result | {"p": float(p), "chance_low": float(ends[0]), "chance_high": float(ends[1])}


def at(table: pd.DataFrame, model: str, pair: tuple[str, str], control: str) -> pd.Series:
    """Return the row of a model, a pair of methods (in either order) and a control."""
    a, b = sorted(pair, key=list(METHODS).index)
    own = table[(table["model"] == model) & (table["first"] == a) & (table["second"] == b)]
    return own[own["control"] == control].iloc[0]


def summarise(
    rolled: dict[str, list[methods.Rolled]], table: pd.DataFrame, profile: str
) -> tuple[list[Row], Verdict]:  # fmt: skip
    """Return the correlations between the paper's three methods as rows, with and without position, and the verdict."""
    rows = [r for model in rolled for pair in CROSSED for r in _pair_rows(table, model, pair, profile)]
    return rows + live_rows(rolled, profile), _verdict(table, list(rolled))


def _pair_rows(table: pd.DataFrame, model: str, pair: tuple[str, str], profile: str) -> list[Row]:
    """Return raw correlation, that beyond position, its permutation p, and the number of traces left out."""
    recorded = is_recorded(model, profile) and any(method in ROLLED for method in pair)
    source = "recorded" if recorded else "cached"
    name = f"{name_of(model)}: {METHODS[pair[0]]} and {METHODS[pair[1]]}"
    raw, left = (at(table, model, pair, control) for control in CONTROLS)
    return [
        row(f"{name}, rank correlation", _interval(raw), int(raw["n"]), source=source, slack=MOVED),
        row(f"{name}, beyond position", _interval(left), int(left["n"]), source=source, slack=MOVED),
        Row(f"{name}, beyond position: permutation p", left["p"], n=int(left["n"]), source=source, slack=MOVED_P),
        Row(f"{name}: traces left out", int(left["left_out"]), n=int(left["n"] + left["left_out"]), source=source,
            slack=1),
    ]  # fmt: skip


def _interval(own: pd.Series) -> Interval:
    return Interval(float(own["mean"]), float(own["low"]), float(own["high"]), int(own["n"]))


def is_clear(own: pd.Series) -> bool:
    """Return whether a mean correlation is above zero by its interval and above 97.5 % of the permutations."""
    return bool(own["low"] > 0 and own["mean"] > own["chance_high"])


def _verdict(table: pd.DataFrame, models: list[str]) -> Verdict:
    left = {(m, pair): at(table, m, pair, "beyond") for m in models for pair in CROSSED}
    known = [own for own in left.values() if np.isfinite(own["low"])]
    clear, above = sum(is_clear(own) for own in known), sum(own["low"] > 0 for own in known)
    few = f" ({len(left) - len(known)} have fewer than {FEWEST} traces)" if len(known) < len(left) else ""
    below = sum(own["high"] < 0 for own in known)
    text = (
        "Mean rank correlation within a trace, beyond position: "
        f"{'; '.join(_words(left, table, model) for model in models)}. Of {len(CROSSED)} pairs of methods on "
        f"{len(models)} models{few}, above zero by their interval: {above}, by permutation as well: {clear}; clearly "
        f"below zero: {below}. Few short traces of small models: reduced scale."
    )
    kind = "measured" if not known else "holds" if clear == len(left) else "mixed" if clear else "does not hold"
    return Verdict(kind, text, {"methods_agree": Verdict(kind, text)})


def _words(left: dict, table: pd.DataFrame, model: str) -> str:
    """Return the three pairs of methods of a model in words; resampling stands with its effect on later sentences."""
    pairs = CROSSED[-3:]
    words = [f"{METHODS[a]} and {METHODS[b]} {in_words(_interval(left[model, (a, b)]))}" for a, b in pairs]
    means = [at(table, model, pair, "raw")["mean"] for pair in pairs]
    plain = ", ".join(f"{mean:+.2f}" if np.isfinite(mean) else "undefined" for mean in means)
    return f"{name_of(model)}: {', '.join(words)} (as is {plain})"
