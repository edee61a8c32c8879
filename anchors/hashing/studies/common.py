"""What the studies share: method lists, seeds, means over directions, gains paired by seed."""

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.stats import Interval, mean_interval, paired_interval

METHODS = (
    "RREH", "RREH-kNN", "NoReconstruction", "SelfTraining", "SPDH-style", "CMFH", "RFDH-linear", "IMH", "CVH", "Random",
)  # fmt: skip
BASELINES = METHODS[2:-1]
LABELS = {
    "RREH": "RREH (reconstructed)", "RREH-kNN": "RREH with kNN weights",
    "NoReconstruction": "no reconstruction", "SelfTraining": "self-training",
    "SPDH-style": "SPDH-style graph", "CMFH": "CMFH", "RFDH-linear": "RFDH-linear", "IMH": "IMH", "CVH": "CVH",
    "Random": "random codes",
}  # fmt: skip


def seeds_from(seed: int, profile: str, laptop: int = 5) -> list[int]:
    """Return the seeds of a study: 2 in smoke, ``laptop`` on a laptop, 10 at least in paper."""
    return list(range(seed, seed + choose(profile, 2, laptop, max(10, laptop))))


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


def percent(ratio: float) -> str:
    """Return ``10 %`` for 0.1."""
    return f"{100 * ratio:g} %"
