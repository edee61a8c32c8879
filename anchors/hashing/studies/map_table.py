"""mAP of every method by data set, code length and pairing ratio: a recorded full grid and a live part of it."""

from itertools import product

import pandas as pd

from anchors.companion import recorded
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.hashing.references import reference_scores
from anchors.hashing.studies.common import BASELINES, METHODS, by_seed, gain, percent, seeds_from, with_means
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import SCORES, dataset, grid, score_table, semi_paired

RUN = "hashing/map_grid"
KEYS = ["data", "method", "bits", "ratio", "seed"]
FULL = {"bits": [16, 32, 64, 128], "ratio": [0.1, 0.3, 0.5, 0.7, 1.0]}


def jobs_of(datasets: list[str], methods, bits: list[int], ratios: list[float], seeds: list[int]) -> list[dict]:
    """Return one job per combination that has more pairs than bits."""
    jobs = [dict(zip(KEYS, values, strict=True)) for values in product(datasets, methods, bits, ratios, seeds)]
    return [job for job in jobs if job["bits"] < round(job["ratio"] * len(dataset(job["data"]).train()))]


def compute_live(profile: str, seed: int, datasets: list[str], bits: int) -> pd.DataFrame:
    """Return the live part of the grid: every method at one code length, three ratios."""
    ratios = choose(profile, [0.3], [0.1, 0.5, 1.0], FULL["ratio"])
    return with_means(score_table(jobs_of(datasets, METHODS, [bits], ratios, seeds_from(seed, profile)), "mAP table"))


def references(data: str, ratio: float, seed: int) -> dict[str, float]:
    """Return the mAP of what frames the codes (see :func:`anchors.hashing.references.reference_scores`)."""
    task = semi_paired(dataset(data), ratio, seed)
    return reference_scores(task.train, task.queries, task.pairs)


def reference_table(live: pd.DataFrame) -> pd.DataFrame:
    """Return ceilings for every data set, ratio and seed of the live trials; CCA is averaged over the directions."""
    jobs = live[["data", "ratio", "seed"]].drop_duplicates().to_dict("records")
    table = pd.DataFrame(jobs).join(pd.DataFrame(grid(references, jobs, "ceilings")))
    return table.assign(CCA=table[["CCA I2T", "CCA T2I"]].mean(axis=1))


def recorded_grid(datasets: list[str], live: pd.DataFrame) -> tuple[pd.DataFrame, dict]:
    """Return the recorded full grid and its provenance; a data set that the log does not hold has its live trials."""
    table, record = recorded.load(RUN)
    own, other = table[table.data.isin(datasets)], live[~live.data.isin(table.data)]
    return with_means(pd.concat([own, other], ignore_index=True)), record


def largest_difference(live: pd.DataFrame, log: pd.DataFrame) -> tuple[float, int]:
    """Return the largest |live - recorded| mAP over the trials that both hold, and their number."""
    both = live.merge(log, on=KEYS, suffixes=("", "_log"))
    gaps = [(both[name] - both[f"{name}_log"]).abs().max() for name in SCORES]
    return (float(max(gaps)), len(both)) if len(both) else (float("nan"), 0)


def ceilings(table: pd.DataFrame) -> list[Row]:
    """Return rows for real-valued CCA at each ratio, search within a modality, and the label oracle."""
    rows = []
    for (data, ratio), group in table.groupby(["data", "ratio"], sort=False):
        name = f"{data}, {percent(ratio)} pairs: real-valued CCA, 10 directions"
        rows.append(row(name, mean_interval(group.CCA.to_numpy()), queries(data), "mAP"))
    for data, group in table.groupby("data", sort=False):
        for name in ("within image", "within text", "label oracle"):
            rows.append(row(f"{data}: {name}", mean_interval(group[name].to_numpy()), queries(data), "mAP"))
    return rows


def summarise(live: pd.DataFrame, log: pd.DataFrame, frame: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return live rows per setting, ceilings, the agreement with the log, and the verdict over the recorded grid."""
    rows = ceilings(frame)
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
