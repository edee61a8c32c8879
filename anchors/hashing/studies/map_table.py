"""mAP of every method by data set, code length and pairing ratio: a recorded full grid and a live part of it."""

from functools import lru_cache
from itertools import product

import pandas as pd

from anchors.companion import recorded
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.hashing.references import frame, reference_scores
from anchors.hashing.studies.common import (
    BASELINES,
    METHOD_CODE,
    METHODS,
    better_than_baselines,
    by_seed,
    gain,
    intervals,
    percent,
    seeds_from,
    sets_of,
    with_means,
)
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import SCORES, dataset, grid, score_table, semi_paired

RUN = "hashing/map_grid"
TOLERANCE = 0.04  # mAP; features of other processors differ in their last bits, which moved single mAPs by up to 0.028
KEYS = ["data", "method", "bits", "ratio", "seed"]
FULL = {"bits": [16, 32, 64, 128], "ratio": [0.1, 0.3, 0.5, 0.7, 1.0]}


def jobs_of(datasets: list[str], methods, bits: list[int], ratios: list[float], seeds: list[int]) -> list[dict]:
    """Return one job per combination that has more pairs than bits."""
    jobs = [dict(zip(KEYS, values, strict=True)) for values in product(datasets, methods, bits, ratios, seeds)]
    return [job for job in jobs if job["bits"] < round(job["ratio"] * len(dataset(job["data"]).train()))]


def compute_live(profile: str, seed: int, datasets: list[str], bits: int) -> pd.DataFrame:
    """Return the live part of the grid: every method at one code length, three ratios."""
    ratios = choose(profile, [0.3], [0.1, 0.5], FULL["ratio"])
    datasets, seeds = sets_of(datasets, profile), choose(profile, [seed], *2 * [seeds_from(seed, profile)])
    return with_means(score_table(jobs_of(datasets, METHODS, [bits], ratios, seeds), "mAP table"))


def references(data: str, ratio: float, seed: int) -> dict[str, float]:
    """Return the mAP of what frames the codes (see :func:`anchors.hashing.references.reference_scores`)."""
    task = semi_paired(dataset(data), ratio, seed)
    return reference_scores(task.train, task.queries, task.pairs, framed=_framed(data))


@lru_cache(maxsize=2)
def _framed(data: str) -> tuple:
    """Return what is the same for all shares of pairs and all seeds."""
    return frame(dataset(data).train(), dataset(data).test())


def reference_table(live: pd.DataFrame) -> pd.DataFrame:
    """Return references for every data set, ratio and seed of the live trials; CCA is averaged over the directions."""
    jobs = live[["data", "ratio", "seed"]].drop_duplicates().to_dict("records")
    table = pd.DataFrame(jobs).join(pd.DataFrame(grid(references, jobs, "references")))
    return table.assign(CCA=table[["CCA I2T", "CCA T2I"]].mean(axis=1))


def recorded_grid(datasets: list[str], live: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the recorded full grid and a line about it; a data set that the log does not hold has its live trials."""
    table, record = recorded.load(RUN)
    own, other = table[table.data.isin(datasets)], live[~live.data.isin(table.data)]
    about = (
        f"recorded: {len(own)} trials by “{record['command']}”, commit {record['commit']}, "
        f"made by {recorded.made_by(record, METHOD_CODE)}; live only: {len(other)} trials"
    )
    return with_means(pd.concat([own, other], ignore_index=True)), about


def overview(log: pd.DataFrame) -> pd.DataFrame:
    """Return mean and 95 % interval of mAP per data set, method, code length, ratio and protocol."""
    by = ["data", "method", "bits", "ratio"]
    return pd.concat([intervals(log, by, protocol).assign(protocol=protocol) for protocol in ("A", "B")])


def largest_difference(live: pd.DataFrame, log: pd.DataFrame) -> tuple[float, int]:
    """Return the largest |live - recorded| mAP over the trials that both hold, and their number."""
    both = live.merge(log, on=KEYS, suffixes=("", "_log"))
    gaps = [(both[name] - both[f"{name}_log"]).abs().max() for name in SCORES]
    return (float(max(gaps)), len(both)) if len(both) else (float("nan"), 0)


def framing(table: pd.DataFrame) -> list[Row]:
    """Return rows for real-valued CCA at each ratio, search within a modality, and the label oracle."""
    rows = []
    for (data, ratio), group in table.groupby(["data", "ratio"], sort=False):
        name = f"{data}, {percent(ratio)} pairs: real-valued CCA, 10 directions"
        rows.append(row(name, mean_interval(group.CCA.to_numpy()), queries(data), "mAP"))
    for data, group in table.drop_duplicates(["data", "seed"]).groupby("data", sort=False):
        for name in ("within image", "within text", "label oracle"):
            rows.append(row(f"{data}: {name}", mean_interval(group[name].to_numpy()), queries(data), "mAP"))
    return rows


def summarise(live: pd.DataFrame, log: pd.DataFrame, frame: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return live rows per setting, recorded rows of RREH, references, the agreement of both, and the verdict.

    The verdict is over the recorded grid; it is withheld when the live part contradicts the log.
    """
    rows = framing(frame)
    for (data, ratio), group in live.groupby(["data", "ratio"], sort=False):
        for method, protocol in product(METHODS, ("A", "B")):
            name = f"{data}, {percent(ratio)} pairs, {group.bits.iloc[0]} bits, protocol {protocol}: {method}"
            rows.append(row(name, mean_interval(by_seed(group, protocol, method=method)), queries(data), "mAP", "live"))
    for (data, bits, ratio), group in log[log.method == "RREH"].groupby(["data", "bits", "ratio"], sort=False):
        for protocol in ("A", "B"):
            name = f"{data}, {percent(ratio)} pairs, {bits} bits, protocol {protocol}: RREH, full grid"
            rows.append(row(name, mean_interval(group[protocol].to_numpy()), queries(data), "mAP", "recorded"))
    gap, shared = largest_difference(live, log)
    rows.append(Row("largest |live − recorded| mAP", gap, n=shared, seeds=live.seed.nunique(), slack=TOLERANCE))
    found = verdict(log)
    if gap > TOLERANCE:
        text = f"The live part differs from the log by up to {gap:.3f} mAP, so the log does not speak for this code."
        found = Verdict("measured", f"{text} Of the log: {found.text}")
    return rows, found


def verdict(log: pd.DataFrame) -> Verdict:
    """Judge "better than several baselines" over data sets, code lengths, ratios and protocols of the recorded grid."""
    found = [
        {m: gain(group, protocol, "RREH", m) for m in BASELINES if (group.method == m).any()}
        for _, group in log.groupby(["data", "bits", "ratio"])
        for protocol in ("A", "B")
    ]
    return better_than_baselines(found, "Over data sets, code lengths, pairing ratios and protocols")
