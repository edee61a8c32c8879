"""What the studies share: method lists, seeds, means over directions, gains paired by seed."""

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Verdict
from anchors.companion.stats import Interval, mean_interval, paired_interval
from anchors.hashing.trials import dataset

METHODS = (
    "RREH", "RREH-kNN", "NoReconstruction", "SelfTraining", "SPDH-style", "CMFH", "RFDH-linear", "IMH", "CVH", "Random",
)  # fmt: skip
BASELINES = ("SPDH-style", "CMFH", "RFDH-linear", "IMH", "CVH")  # controls are judged apart
ITERATIVE = ("RREH", "RREH-kNN", "NoReconstruction", "SelfTraining", "SPDH-style", "CMFH", "RFDH-linear")
METHOD_CODE = ["anchors.hashing.baselines", "anchors.hashing.metrics", "anchors.hashing.views"]
LABELS = {
    "RREH": "RREH (reconstructed)", "RREH-kNN": "RREH with kNN weights",
    "NoReconstruction": "no reconstruction (pairs only)", "SelfTraining": "self-training (theta = 0)",
    "SPDH-style": "SPDH-style graph", "CMFH": "CMFH", "RFDH-linear": "RFDH-linear",
    "IMH": "IMH, 1,500 rows", "CVH": "CVH",
    "Random": "random codes",
}  # fmt: skip


def seeds_from(seed: int, profile: str, laptop: int = 5) -> list[int]:
    """Return the seeds of a study: 2 in smoke, ``laptop`` on a laptop, 10 at least in paper."""
    return list(range(seed, seed + choose(profile, 2, laptop, max(10, laptop))))


def sets_of(datasets: list[str], profile: str) -> list[str]:
    """Return the data sets of a study: in smoke the first one only."""
    return choose(profile, datasets[:1], datasets, datasets)


def quick(profile: str, method: str, **params: float) -> dict[str, dict[str, float]]:
    """Return ``params`` of a fit as an argument of a trial; in smoke with few rounds, or few rows where cost is cubic.

    Without any the argument is left out.
    """
    few = {"max_samples": 300} if method == "IMH" else {"max_iter": 3} if method in ITERATIVE else {}
    found = params | choose(profile, few, {}, {})
    return {"params": found} if found else {}


def with_means(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns A and B: mAP averaged over both directions, per protocol."""
    return table.assign(A=table[["I2T_A", "T2I_A"]].mean(axis=1), B=table[["I2T_B", "T2I_B"]].mean(axis=1))


def intervals(table: pd.DataFrame, by: list[str], column: str) -> pd.DataFrame:
    """Return mean, low, high, n of ``column`` over the seeds in each group."""
    rows = [
        dict(zip(by, key, strict=True)) | mean_interval(group[column].to_numpy())._asdict()
        for key, group in table.groupby(by, sort=False)
    ]
    return pd.DataFrame(rows)


def by_seed(table: pd.DataFrame, column: str, **fixed) -> np.ndarray:
    """Return ``column`` in the order of the seeds, of the rows where every named field has the given value."""
    mask = np.logical_and.reduce([table[name] == value for name, value in fixed.items()])
    return table[mask].sort_values("seed")[column].to_numpy()


def gain(table: pd.DataFrame, column: str, treated: str, control: str, **fixed) -> Interval:
    """Return the seed-paired gain of method ``treated`` over ``control`` in ``column``."""
    return paired_interval(
        by_seed(table, column, method=treated, **fixed), by_seed(table, column, method=control, **fixed)
    )


def gains(table: pd.DataFrame, treated: str, control: str, by: list[str]) -> pd.DataFrame:
    """Return the gain of ``treated`` over ``control`` for both protocols in each group of ``by``."""
    rows = []
    for key, group in table.groupby(by, sort=False):
        for protocol in ("A", "B"):
            interval = gain(group, protocol, treated, control)
            rows.append(dict(zip(by, key, strict=True)) | {"protocol": protocol} | interval._asdict())
    return pd.DataFrame(rows)


def describe(names: list[str]) -> str:
    """Return one line per data set: training and test rows, classes, widths, and what its loader notes."""
    lines = []
    for name in names:
        views, counts = dataset(name), {}
        counts["notes"] = ", ".join(f"{k} {v}" for k, v in views.notes.items() if isinstance(v, int | dict))
        rows = {part: int((views.split == part).sum()) for part in ("train", "test")}
        lines.append(
            f"{name}: {rows['train']} training and {rows['test']} test rows, {len(views.classes)} classes, "
            f"{views.image.shape[1]} image and {views.text.shape[1]} text features; {counts['notes']}"
        )
    return "\n".join(lines)


def better_than_baselines(found: list[dict[str, Interval]], what: str) -> Verdict:
    """Judge the claim "better than several baselines" from the paired gains over each baseline in every setting.

    It holds when RREH is clearly above all of them (the whole 95 % interval) everywhere; it does not when it is so
    nowhere, or in fewer settings than it is clearly below one. Intervals are not corrected for their number.
    """
    total, above = len(found), sum(all(g.low > 0 for g in setting.values()) for setting in found)
    below = sum(any(g.high < 0 for g in setting.values()) for setting in found)
    names = dict.fromkeys(name for setting in found for name in setting)
    each = []
    for name in names:
        gains_over = [setting[name] for setting in found if name in setting]
        each.append(f"{name} {sum(g.low > 0 for g in gains_over)} : {sum(g.high < 0 for g in gains_over)}")
    kind = "holds" if above == total else "does not hold" if above == 0 or below > above else "mixed"
    text = (
        f"{what}, RREH is clearly above all {len(names)} baselines in {above} of {total} settings and clearly below at "
        f"least one in {below} (intervals not corrected for their number). "
        f"Settings clearly above : below, by baseline: {', '.join(each)}."
    )
    return Verdict(kind, text)


def percent(ratio: float) -> str:
    """Return ``10 %`` for 0.1."""
    return f"{100 * ratio:g} %"
