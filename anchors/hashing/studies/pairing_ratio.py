"""mAP against the share of pairs, and what reconstruction adds to it."""

from itertools import product

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, mean_interval
from anchors.hashing.studies.common import by_seed, gains, percent, quick, seeds_from, sets_of, with_means
from anchors.hashing.trials import dataset, score_table

METHODS = ("RREH", "RREH-kNN", "NoReconstruction", "SelfTraining")

CONTRASTS = (
    ("RREH", "NoReconstruction"), ("RREH-kNN", "NoReconstruction"),
    ("SelfTraining", "NoReconstruction"), ("RREH", "SelfTraining"),
)  # fmt: skip


def compute(profile: str, seed: int, datasets: list[str], bits: int) -> pd.DataFrame:
    """Return one row per data set, ratio, method and seed with mAP in both directions and protocols."""
    ratios = choose(profile, [0.1, 1.0], [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0], [0.05, *np.arange(0.1, 1.01, 0.1)])
    jobs = [
        {"data": data, "method": method, "bits": bits, "ratio": round(float(ratio), 2), "seed": s}
        | quick(profile, method)
        for data in sets_of(datasets, profile) for s in seeds_from(seed, profile)
        for ratio in ratios for method in METHODS
    ]  # fmt: skip
    return with_means(score_table(jobs, "pairing ratio"))


def gain_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the paired gain over *no reconstruction* of the other methods, and of RREH over self-training.

    Per data set, ratio and protocol, with 95 % intervals; columns ``treated`` and ``control`` name the methods.
    """
    parts = [
        gains(table, treated, control, ["data", "ratio"]).assign(treated=treated, control=control)
        for treated, control in CONTRASTS
    ]
    return pd.concat(parts, ignore_index=True)


def crossover(ratios: np.ndarray, means: np.ndarray) -> float:
    """Return the first ratio where the mean gain falls from positive to 0 (linear interpolation); else NaN."""
    for left in range(len(ratios) - 1):
        a, b = means[left], means[left + 1]
        if a > 0 >= b:
            return float(ratios[left] + (ratios[left + 1] - ratios[left]) * a / (a - b))
    return float("nan")


def main_contrast(gain: pd.DataFrame, treated: str = "RREH") -> pd.DataFrame:
    """Return the gains of ``treated`` over the control without reconstruction."""
    return gain[(gain.treated == treated) & (gain.control == "NoReconstruction")]


def crossovers(gain: pd.DataFrame) -> pd.DataFrame:
    """Return the crossover ratio over the control without reconstruction, per data set and protocol."""
    own = main_contrast(gain).sort_values("ratio")
    rows = [
        {"data": data, "protocol": protocol, "crossover": crossover(g.ratio.to_numpy(), g["mean"].to_numpy())}
        for (data, protocol), g in own.groupby(["data", "protocol"], sort=False)
    ]
    return pd.DataFrame(rows)


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the rows (gain per data set, ratio and protocol; crossover; half against all pairs) and the verdict."""
    gain, rows = gain_table(table), []
    partial = gain[gain.ratio < 1]
    for g in partial.itertuples():
        name = f"{g.data}, {percent(g.ratio)} pairs, protocol {g.protocol}: {g.treated} − {g.control}"
        rows.append(row(name, Interval(g.mean, g.low, g.high, g.n), queries(g.data), "mAP"))
    for c in crossovers(gain).itertuples():
        name = f"{c.data}, protocol {c.protocol}: ratio where the gain vanishes"
        rows.append(Row(name, c.crossover, source="cached", slack=0.02))
    halves = [half for data in dict.fromkeys(table.data) for half in _half_against_all(table, data)]
    return rows + halves, verdict(partial, halves)


def verdict(partial: pd.DataFrame, halves: list[Row]) -> Verdict:
    """Judge the claim: reconstruction helps where RREH is clearly above both the pairs alone and self-training.

    Being above the pairs alone shows only that unpaired data help; self-training uses them without reconstruction.
    """
    keys = ["data", "ratio", "protocol"]
    over_pairs = main_contrast(partial).set_index(keys)
    over_training = partial[(partial.treated == "RREH") & (partial.control == "SelfTraining")].set_index(keys)
    both = (over_pairs.low > 0) & (over_training.low > 0)
    helps, hurts = int((over_pairs.low > 0).sum()), int((over_pairs.high < 0).sum())
    kind = "holds" if both.all() else "mixed" if both.any() else "does not hold"
    neighbours = main_contrast(partial, "RREH-kNN")
    better, worse = int(both.sum()), int((over_training.high < 0).sum())
    text = (
        f"Unpaired data raise RREH's mAP clearly in {helps} and lower it in {hurts} of {len(both)} settings "
        f"(data set × ratio × protocol; {_where(over_pairs.reset_index())}). RREH is clearly above self-training as "
        f"well – what would show that reconstruction itself helps – in {better} of them, and clearly "
        f"below it in {worse}. "
        f"With kNN weights unpaired data help in {int((neighbours.low > 0).sum())} and hurt in "
        f"{int((neighbours.high < 0).sum())}."
    )
    return Verdict(kind, text, {"near_fully_paired": near(halves)} if halves else {})


def near(halves: list[Row]) -> Verdict:
    """Judge "in some cases near complete pairing", taken as 95 % of the mAP of all pairs with half of them.

    It holds where RREH gets there and the pairs alone do not; where both do it says nothing about the method.
    """
    own, control = ([r.measured for r in halves if method in r.quantity] for method in ("RREH", "NoReconstruction"))
    alone = [a >= 0.95 > b for a, b in zip(own, control, strict=True)]
    kind = "holds" if any(alone) else "mixed" if max(own) >= 0.95 else "does not hold"
    text = (
        f"With half of the pairs RREH keeps {min(own):.0%} to {max(own):.0%} of the mAP that it has with all; without "
        f"reconstruction it is {min(control):.0%} to {max(control):.0%}. Only RREH gets to 95 % in {sum(alone)} of "
        f"{len(alone)} cases (data set × protocol)."
    )
    return Verdict(kind, text)


def _where(own: pd.DataFrame) -> str:
    """Return a phrase with the best and the worst mean gain."""
    best, worst = own.loc[own["mean"].idxmax()], own.loc[own["mean"].idxmin()]
    return " and ".join(
        f"{word} {g['mean']:+.3f} ({g.data}, {percent(g.ratio)}, {g.protocol})"
        for word, g in (("best", best), ("worst", worst))
    )


def _half_against_all(table: pd.DataFrame, data: str) -> list[Row]:
    """Return the mAP with half of the pairs as a share of that with all, of RREH and of the pairs alone."""
    if not {0.5, 1.0} <= set(table.ratio):
        return []
    rows = []
    for protocol, method in product(("A", "B"), ("RREH", "NoReconstruction")):
        half, full = (by_seed(table, protocol, data=data, ratio=r, method=method) for r in (0.5, 1.0))
        name = f"{data}, protocol {protocol}: mAP at 50 % pairs / at 100 %, {method}"
        rows.append(row(name, mean_interval(half / full), queries(data), unit="ratio"))
    return rows


def queries(data: str) -> int:
    """Return the number of test queries of a data set."""
    return int((dataset(data).split == "test").sum())
