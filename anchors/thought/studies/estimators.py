"""How well each KL estimator and its bootstrap interval find a divergence that is known exactly."""

import numpy as np
import pandas as pd

from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.thought.estimators import VARIANTS, bootstrap_counts, exact_kl, interval, kl

KINDS = ("percentile", "centred")
LABELS = {
    "official_2025_08": "official, August 2025 (α = 1e-9)",
    "official_2025_10": "official, October 2025 (α = 0.5)",
    "smoothed": "both smoothed (α = 0.5)",
    "corrected": "bias corrected",
}
ZERO = 1e-9  # nats: below, a sentence has no importance
DIGITS = 12  # of probabilities: the last bits differ between processors, and so would all that is drawn
ENOUGH = 0.9  # rank correlation with the truth that counts as enough


def seeds_from(seed: int, profile: str) -> list[int]:
    """Return the seeds of the study: 2 in smoke, 5 on a laptop, 10 in paper."""
    return list(range(seed, seed + choose(profile, 2, 5, 10)))


def processes(seed: int, traces: int) -> list[np.ndarray]:
    """Return for each of ``traces`` sampled traces the exact answer distributions (M+1, V) after 0 … M sentences."""
    from anchors.thought.reasoner import program, truth

    rng, found = np.random.default_rng([seed, 11]), []
    for _ in range(traces):
        problem = program.sample_problem(rng)
        exact = truth.exact_importances(problem, program.sample_trace(problem, rng).sentences)["distribution"]
        found.append(exact.round(DIGITS))
    return found


def trial(seed: int, traces: int, rollouts: list[int], repeats: int, resamples: int) -> list[dict]:
    """Return bias, spread, error, rank correlation and coverage for each number of rollouts and estimator."""
    rng, known = np.random.default_rng([seed, 12]), processes(seed, traces)
    return [r for n in rollouts for r in scores(known, n, repeats, resamples, rng)]


def scores(known: list[np.ndarray], n: int, repeats: int, resamples: int, rng: np.random.Generator) -> list[dict]:
    """Return one row per estimator: how ``repeats`` experiments of ``n`` rollouts per prefix see each divergence.

    The divergence is that of neighbouring prefixes, D(p(i) ‖ p(i+1)). Errors are root mean squares over sentences and
    experiments; the rank correlation is taken over those sentences of a trace that have an importance at all (estimates
    of an exact zero are noise in any number) and averaged. Infinite divergences are left out.
    """
    parts = [_one(p, n, repeats, resamples, rng) for p in known]
    rows = []
    for variant in VARIANTS:
        own = [part[variant] for part in parts if variant in part]
        error = np.concatenate([o["error"] for o in own], axis=1)  # (repeats, sentences)
        bias = error.mean(0)
        rows.append({
            "n": n, "variant": variant, "bias": float(bias.mean()), "spread": float(np.sqrt(error.var(0).mean())),
            "rmse": float(np.sqrt((error**2).mean())), "spearman": float(np.nanmean([o["spearman"] for o in own])),
            "sentences": int(error.shape[1]),
            **{k: float(np.mean(np.concatenate([o[k].ravel() for o in own]))) for k in KINDS},
        })  # fmt: skip
    return rows


def _one(p: np.ndarray, n: int, repeats: int, resamples: int, rng: np.random.Generator) -> dict[str, dict]:
    """Return errors, rank correlation and coverage on one trace with distributions ``p`` (M+1, V)."""
    truth = exact_kl(p[:-1], p[1:])
    keep = np.isfinite(truth)
    if (keep & (truth > ZERO)).sum() < 3:
        return {}
    counts = rng.multinomial(n, p / p.sum(1, keepdims=True), size=(repeats, len(p)))  # (repeats, M+1, V)
    few = counts[: max(2, repeats // 10)]
    draws = bootstrap_counts(few, resamples, rng)
    return {variant: _judge(counts, few, draws, truth, keep, variant) for variant in VARIANTS}


def _judge(counts, few, draws, truth, keep, variant: str) -> dict[str, np.ndarray]:
    value = kl(counts[:, :-1], counts[:, 1:], variant)
    own = kl(draws[:, :, :-1], draws[:, :, 1:], variant)  # (resamples, repeats, M)
    some = keep & (truth > ZERO)
    found = {"error": (value - truth)[:, keep], "spearman": rank_correlation(value[:, some], truth[some])}
    for kind in KINDS:
        low, high = interval(own, value[: len(few)], kind=kind)
        found[kind] = ((low <= truth + 1e-12) & (truth <= high + 1e-12))[:, keep]
    return found


def rank_correlation(values: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean over experiments of Spearman's correlation of ``values`` (repeats, M) with ``truth`` (M,).

    Values that differ by less than 1e-9 are ties; an experiment without any difference counts as 0.
    """
    from scipy.stats import rankdata

    a, b = rankdata(np.round(values, 9), axis=1), rankdata(np.round(truth, 9))
    a, b = a - a.mean(1, keepdims=True), b - b.mean()
    size = np.sqrt((a**2).sum(1) * (b**2).sum())
    return float(np.mean(np.where(size > 0, (a @ b) / np.maximum(size, 1e-12), 0.0)))


def compute(profile: str, seed: int, rollouts: list[int], traces: int, repeats: int, resamples: int) -> pd.DataFrame:
    """Return one row per seed, number of rollouts and estimator."""
    sizes = choose(
        profile, (rollouts[::3], 3, 20, 50), (rollouts, traces, repeats, resamples), (rollouts, 50, 400, 1000)
    )
    jobs = [
        dict(zip(("seed", "rollouts", "traces", "repeats", "resamples"), (s, sizes[0], *sizes[1:]), strict=True))
        for s in seeds_from(seed, profile)
    ]
    results = cached_grid(trial, jobs, "estimators")
    return pd.DataFrame([{"seed": job["seed"]} | r for job, rows in zip(jobs, results, strict=True) for r in rows])


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return bias, error, rank correlation and coverage at 100 rollouts, the rollouts needed, and the verdict."""
    n = min(table.n.unique(), key=lambda count: abs(count - 100))
    size, rows = int(table.sentences.iloc[0]), []
    at = {v: table[(table.n == n) & (table.variant == v)] for v in VARIANTS}
    for name, unit, column in (
        ("bias", "nats", "bias"), ("root mean square error", "nats", "rmse"), ("rank correlation", "", "spearman"),
        ("coverage of the 95 % percentile interval", "", "percentile"), ("coverage when centred", "", "centred"),
    ):  # fmt: skip
        for v in VARIANTS:
            rows.append(row(f"{v}, {n} rollouts: {name}", mean_interval(at[v][column].to_numpy()), size, unit))
    needed = {v: rollouts_needed(table[table.variant == v]) for v in VARIANTS}
    rows += [
        Row(f"{v}: rollouts for rank correlation {ENOUGH}", needed[v], unit="rollouts", source="cached")
        for v in VARIANTS
    ]
    return rows, _verdict(at, needed, n)


def rollouts_needed(table: pd.DataFrame) -> float:
    """Return the fewest rollouts tried whose mean rank correlation reaches :data:`ENOUGH`, else infinity."""
    means = table.groupby("n").spearman.mean()
    reached = means.index[means >= ENOUGH]
    return float(reached.min()) if len(reached) else float("inf")


def _verdict(at: dict[str, pd.DataFrame], needed: dict[str, float], n: int) -> Verdict:
    def of(variant, column):
        return at[variant][column].mean()

    best = min(VARIANTS, key=lambda v: of(v, "rmse"))
    ranks = max(VARIANTS, key=lambda v: of(v, "spearman"))
    words = {v: "more than were tried" if needed[v] == float("inf") else f"{needed[v]:.0f}" for v in VARIANTS}
    error = {v: of(v, "rmse") for v in VARIANTS}
    text = (
        f"With {n} rollouts the first official estimator is off by {error['official_2025_08']:.2f} nats (root mean "
        f"square), the second by {error['official_2025_10']:.3f}, smoothing both by {error['smoothed']:.3f}, the "
        f"corrected one by {error['corrected']:.3f} (bias {of('corrected', 'bias'):+.3f}); least: {LABELS[best]}. "
        f"None orders the sentences well yet: rank correlation {of(ranks, 'spearman'):.2f} at best ({LABELS[ranks]}); "
        f"{ENOUGH} needs {', '.join(f'{words[v]} ({v})' for v in VARIANTS)} rollouts. "
        f"The centred interval of the corrected estimator holds the truth {100 * of('corrected', 'centred'):.0f} % of "
        f"the time, the percentile interval {100 * of('corrected', 'percentile'):.0f} %, where 95 % is asked for."
    )
    return Verdict("measured", text)
