"""What each part of the reconstructed method is worth: one switch at a time, paired by seed."""

import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, paired_interval
from anchors.hashing.studies.common import percent, seeds_from, sets_of, with_means
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import score_table

FULL = "full method"
VARIANTS: dict[str, dict] = {
    FULL: {},
    "self-training (theta = 0)": {"params": {"theta": 0.0}},
    "unpaired rows not in the hash functions (gamma = 0)": {"params": {"gamma": 0.0}},
    "no reconstruction (pairs only)": {"method": "NoReconstruction"},
    "two-step hash functions": {"params": {"hash_functions": "two_step"}},
    "without rotation at the start": {"params": {"rotation": False}},
    "without orthogonality": {"params": {"orthogonal": False}},
    "V-step without the quadratic term": {"params": {"quadratic": False}},
    "60 anchors": {"params": {"n_anchors": 60}},
    "60 anchors by k-means": {"params": {"n_anchors": 60, "anchors": "kmeans"}},
    "60 anchors by leverage": {"params": {"n_anchors": 60, "anchors": "leverage"}},
    "kNN reconstruction": {"params": {"reconstruction": "knn"}},
    "sum-to-one reconstruction": {"params": {"reconstruction": "sum_to_one"}},
    "linear features": {"params": {"kernel": None}},
    "disjoint instead of broken pairs": {"regime": "disjoint"},
}


def compute(profile: str, seed: int, datasets: list[str], bits: int, ratios: list[float]) -> pd.DataFrame:
    """Return one row per data set, ratio, variant and seed, with mAP and the largest relative rise of J."""
    variants = choose(profile, dict(list(VARIANTS.items())[:4]), VARIANTS, VARIANTS)
    jobs, names = [], []
    for data in sets_of(datasets, profile):
        for ratio in ratios:
            for s in seeds_from(seed, profile):
                for name, change in variants.items():
                    jobs.append({"data": data, "method": "RREH", "bits": bits, "ratio": ratio, "seed": s} | change)
                    names.append(name)
    return with_means(score_table(jobs, "ablation")).assign(variant=names)


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Return variant − full method, paired by seed, per data set, ratio and protocol."""
    rows = []
    for (data, ratio), group in table.groupby(["data", "ratio"], sort=False):
        for protocol in ("A", "B"):
            values = {v: g.sort_values("seed")[protocol].to_numpy() for v, g in group.groupby("variant", sort=False)}
            for variant in (v for v in values if v != FULL):
                change = paired_interval(values[variant], values[FULL])
                rows.append({"data": data, "ratio": ratio, "protocol": protocol, "variant": variant} | change._asdict())
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the change of every variant, the rise of J without the quadratic term, and the verdict on theta."""
    change, rows = differences(table), []
    for c in change.itertuples():
        name = f"{c.data}, {percent(c.ratio)} pairs, protocol {c.protocol}: {c.variant}"
        rows.append(row(name, Interval(c.mean, c.low, c.high, c.n), queries(c.data), "mAP change"))
    for variant, group in table.groupby("variant", sort=False):
        if variant in (FULL, "V-step without the quadratic term"):
            name = f"largest relative rise of J, {variant}"
            rows.append(Row(name, group.rise.max(), n=len(group), seeds=group.seed.nunique(), source="cached"))
    own = change[change.variant == "self-training (theta = 0)"]
    needed, harmful = int((own.high < 0).sum()), int((own.low > 0).sum())
    kind = "holds" if needed == len(own) else "does not hold" if needed == 0 else "mixed"
    text = (
        f"Leaving the reconstruction term out lowers mAP clearly in {needed} and raises it clearly in {harmful} of "
        f"{len(own)} settings (data set × ratio × protocol); {_largest(change)}."
    )
    return rows, Verdict(kind, text)


def _largest(change: pd.DataFrame) -> str:
    means = change.groupby("variant")["mean"].mean()
    low, high = (
        f"“{means.idxmin()}” costs most ({means.min():+.3f})",
        f"“{means.idxmax()}” gains most ({means.max():+.3f})",
    )
    return f"on average {low} and {high}"
