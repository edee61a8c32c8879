"""mAP of every method by data set, code length and pairing ratio: a recorded full grid and a live part of it."""

from itertools import product

import pandas as pd

from anchors.companion import recorded
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.hashing.studies.common import BASELINES, METHODS, by_seed, gain, percent, seeds_from, with_means
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import SCORES, score_table

RUN = "hashing/map_grid"
KEYS = ["data", "method", "bits", "ratio", "seed"]
FULL = {"bits": [16, 32, 64, 128], "ratio": [0.1, 0.3, 0.5, 0.7, 1.0]}


def jobs_of(datasets: list[str], methods, bits: list[int], ratios: list[float], seeds: list[int]) -> list[dict]:
    """Return one job per combination; code lengths that the pairs cannot carry are left to the log of the run."""
    return [
        dict(zip(KEYS, values, strict=True)) for values in product(datasets, methods, bits, ratios, seeds)
    ]  # fmt: skip


def compute_live(profile: str, seed: int, datasets: list[str], bits: int) -> pd.DataFrame:
    """Return the live part of the grid: every method at one code length, three ratios."""
    ratios = choose(profile, [0.3], [0.1, 0.5, 1.0], FULL["ratio"])
    return with_means(score_table(jobs_of(datasets, METHODS, [bits], ratios, seeds_from(seed, profile)), "mAP table"))


def recorded_grid(datasets: list[str]) -> tuple[pd.DataFrame, dict]:
    """Return the recorded full grid for these data sets and its provenance."""
    table, record = recorded.load(RUN)
    return with_means(table[table.data.isin(datasets)]), record


def largest_difference(live: pd.DataFrame, log: pd.DataFrame) -> tuple[float, int]:
    """Return the largest |live - recorded| mAP over the trials that both hold, and their number."""
    both = live.merge(log, on=KEYS, suffixes=("", "_log"))
    gaps = [(both[name] - both[f"{name}_log"]).abs().max() for name in SCORES]
    return (float(max(gaps)), len(both)) if len(both) else (float("nan"), 0)


def summarise(live: pd.DataFrame, log: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return live rows per setting, the agreement with the log, and the verdict over the full recorded grid."""
    rows = []
    for (data, ratio), group in live.groupby(["data", "ratio"], sort=False):
        for method, protocol in product(METHODS, ("A", "B")):
            name = f"{data}, {percent(ratio)} pairs, {group.bits.iloc[0]} bits, protocol {protocol}: {method}"
            rows.append(row(name, mean_interval(by_seed(group, protocol, method=method)), queries(data), "mAP"))
    gap, shared = largest_difference(live, log)
    rows.append(Row("largest |live − recorded| mAP", gap, n=shared, seeds=live.seed.nunique(), source="live"))
    return rows, verdict(log)


def verdict(log: pd.DataFrame) -> Verdict:
    """Say in how many settings of the recorded grid RREH is clearly above all baselines, or below one of them."""
    above = below = total = 0
    losses: dict[str, int] = {}
    for _, group in log.groupby(["data", "bits", "ratio"]):
        for protocol in ("A", "B"):
            found = {m: gain(group, protocol, "RREH", m) for m in BASELINES if (group.method == m).any()}
            total += 1
            above += all(g.low > 0 for g in found.values())
            worse = [m for m, g in found.items() if g.high < 0]
            below += bool(worse)
            for method in worse:
                losses[method] = losses.get(method, 0) + 1
    kind = "holds" if above == total else "does not hold" if above < total / 10 else "mixed"
    worst = ", ".join(f"{m} {n}" for m, n in sorted(losses.items(), key=lambda x: -x[1])[:3])
    text = (
        f"RREH is clearly above all baselines in {above} of {total} settings (data set × bits × ratio × protocol) "
        f"and clearly below at least one in {below}" + (f" (most often {worst})." if worst else ".")
    )
    return Verdict(kind, text)
