"""Does suppressing attention to a sentence do what resampling it does? The released matrices (sec. 2.7, 2.8)."""

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.published import paper
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, mean_interval, paired_interval
from anchors.thought import official

NEAR = 5  # sentences apart
STATISTICS = ("Pearson", "Spearman")
SCOPES = {"all": "all pairs", "near": f"pairs within {NEAR} sentences"}
COLUMNS = ("r", "beyond", "chance", "chance_high", "p", "low", "high", "beyond_low", "beyond_high")
FLAT = 1e-12  # values that differ by less are one


def compute(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per problem, scope and statistic.

    ``r`` with its 95 % interval (bootstrap over target sentences), ``beyond`` the correlation of what distance leaves
    unexplained with its interval, ``chance`` and ``chance_high`` the mean and 97.5 % quantile of ``r`` when suppression
    effects are permuted among pairs of equal distance, ``p`` the share of permutations with at least this ``r``.
    """
    draws = choose(profile, 50, 500, 2000)
    return pd.DataFrame([
        {"problem": problem, "scope": scope, "statistic": statistic} | compare(problem, scope, statistic, draws, seed)
        for problem in official.MATRIX_PROBLEMS for scope in SCOPES for statistic in STATISTICS
    ])  # fmt: skip


def quoted(scope: str) -> float:
    """Return the correlation that third parties quote from the paper for a scope."""
    return paper("thought").value("fig6_suppression_vs_resampling", f"correlation over {SCOPES[scope]}").value


def pairs(problem: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return resampling and suppression effects, distances and targets ``(P,)`` of all pairs source < target."""
    x, y = official.step_importance(problem), official.step_importance(problem, "suppression")
    i, j = np.triu_indices(len(x), 1)
    return x[i, j], y[i, j], j - i, j


def compare(problem: str, scope: str, statistic: str, draws: int, seed: int) -> dict[str, float]:
    """Return :func:`compared` of the released matrices of a problem."""
    return compared(*pairs(problem), scope, statistic, draws, seed)


def compared(
    x: np.ndarray, y: np.ndarray, distance: np.ndarray, target: np.ndarray, scope: str, statistic: str, draws: int,
    seed: int,
) -> dict[str, float]:  # fmt: skip
    """Return the correlation of two effects ``(P,)`` with its interval and baselines; columns as in :func:`compute`.

    All but the number of pairs is NaN where an effect is the same for all pairs, or there are fewer than four.
    """
    from scipy.stats import rankdata

    if scope == "near":
        x, y, distance, target = (values[distance <= NEAR] for values in (x, y, distance, target))
    if x.size < 4 or np.ptp(x) < FLAT or np.ptp(y) < FLAT:
        return {"pairs": x.size} | dict.fromkeys(COLUMNS, np.nan)
    if statistic == "Spearman":
        x, y = rankdata(x), rankdata(y)
    rng = np.random.default_rng(seed)
    r, left = correlation(x, y), (within(x, distance), within(y, distance))
    chance = permuted(x, y, distance, draws, rng)
    found = r, correlation(*left), chance.mean(), np.quantile(chance, 0.975), (1 + (chance >= r).sum()) / (1 + draws)
    ends = clustered(x, y, target, draws, rng), clustered(*left, target, draws, rng)
    return {"pairs": x.size} | dict(zip(COLUMNS, (*found, *np.concatenate(ends)), strict=True))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation of ``x`` and ``y`` ``(P,)``; NaN when one is constant."""
    return float(np.corrcoef(x, y)[0, 1]) if min(np.ptp(x), np.ptp(y)) > FLAT else float("nan")


def within(values: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Return values ``(P,)`` less the mean of all pairs at the same distance (derived)."""
    return values - (np.bincount(distance, values) / np.maximum(np.bincount(distance), 1))[distance]


def permuted(x: np.ndarray, y: np.ndarray, distance: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return ``(draws,)`` correlations with ``y`` permuted among pairs of equal distance (derived)."""
    order = np.argsort(distance, kind="stable")
    a, b, groups = _scaled(x[order]), _scaled(y[order]), distance[order].astype(float)
    shuffles = (np.argsort(groups + rng.random(a.size), kind="stable") for _ in range(draws))
    return np.fromiter((a @ b[shuffle] for shuffle in shuffles), float, draws)


def _scaled(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean()
    return centred / np.linalg.norm(centred)


def clustered(x: np.ndarray, y: np.ndarray, target: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Return the 95 % interval of the correlation, target sentences drawn with replacement (derived).

    Draws in which a side is constant have no correlation and do not count; NaN when all are.
    """
    _, cluster = np.unique(target, return_inverse=True)
    moments = np.stack([np.bincount(cluster, w) for w in (np.ones_like(x), x, y, x * y, x * x, y * y)], 1)  # (C, 6)
    c = len(moments)
    n, sx, sy, sxy, sxx, syy = (rng.multinomial(c, np.full(c, 1 / c), draws) @ moments).T
    spread = (sxx - sx * sx / n) * (syy - sy * sy / n)
    spread = np.where(spread > FLAT**2, spread, np.nan)
    r = (sxy - sx * sy / n) / np.sqrt(spread)
    r = r[np.isfinite(r)]
    return np.quantile(r, [0.025, 0.975]) if r.size else np.full(2, np.nan)


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the mean correlations over the four traces, each trace's own, their baselines, and the verdict."""
    rows = []
    for scope, name in SCOPES.items():
        for statistic in STATISTICS:
            own = _of(table, scope, statistic)
            quantity = f"correlation over {name}" + ("" if statistic == "Pearson" else f", {statistic}")
            n = int(own["pairs"].sum())
            rows.append(row(quantity, mean_interval(own["r"]), n, source="live", same_scale=True, tolerance=0.005))
            rows.append(row(f"{quantity}, beyond distance", mean_interval(own["beyond"]), n, source="live"))
            rows.append(row(f"{quantity}, permuted at equal distance", mean_interval(own["chance"]), n, source="live"))
    for _, case in _of(table, "all", "Pearson").iterrows():
        quantity = f"problem {case['problem']}: correlation over all pairs"
        rows.append(Row(quantity, case["r"], case["low"], case["high"], n=int(case["pairs"]), source="live"))
    return rows, _verdict(table)


def judged(found: list[tuple[Interval, Interval]]) -> str:
    """Return the verdict on the claim as worded, from (correlation, near − all pairs) by model or data set.

    ``holds`` where every correlation is clearly above zero and clearly larger among near pairs, ``mixed`` where any
    correlation is.
    """
    if all(r.low > 0 and gap.low > 0 for r, gap in found):
        return "holds"
    return "mixed" if any(r.low > 0 for r, _ in found) else "does not hold"


def _of(table: pd.DataFrame, scope: str, statistic: str) -> pd.DataFrame:
    return table[(table["scope"] == scope) & (table["statistic"] == statistic)]


def _verdict(table: pd.DataFrame) -> Verdict:
    def mean(scope: str, statistic: str, column: str = "r"):
        return mean_interval(_of(table, scope, statistic)[column])

    r, rho, near, rho_near = (mean(scope, s) for scope in SCOPES for s in STATISTICS)
    chance, beyond = mean("all", "Pearson", "chance"), mean("all", "Pearson", "beyond")
    above = (_of(table, "all", "Pearson")["p"] < 0.05).sum()
    same = r.low <= quoted("all") <= r.high and near.low <= quoted("near") <= near.high
    text = (
        f"{'Reproduced' if same else 'Not reproduced'} at the quoted size: over all pairs r = {r.mean:.2f} "
        f"({r.low:.2f} to {r.high:.2f}) and rank "
        f"correlation {rho.mean:.2f} against {quoted('all'):.2f} quoted; within {NEAR} sentences {near.mean:.2f} and "
        f"{rho_near.mean:.2f} against {quoted('near'):.2f}. Most of it is distance: permuting effects among pairs "
        f"equally far apart leaves r = {chance.mean:.2f}, {above} of {len(official.MATRIX_PROBLEMS)} traces are above "
        f"that (p < .05), and what distance leaves unexplained correlates at {beyond.mean:.2f} ({beyond.low:.2f} to "
        f"{beyond.high:.2f})."
    )
    gap = paired_interval(*(_of(table, scope, "Pearson")["r"].to_numpy() for scope in ("near", "all")))
    claim = Verdict(judged([(r, gap)]), text)
    agree = Verdict("holds" if beyond.low > 0 else "does not hold", text)
    return Verdict(claim.kind if same else "does not hold", text, {"suppression_agrees": claim, "methods_agree": agree})
