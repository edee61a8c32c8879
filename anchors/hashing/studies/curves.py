"""Precision-recall by Hamming radius and precision of the first N, for all methods."""

import numpy as np
import pandas as pd

from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval, mean_within, paired_interval
from anchors.hashing.studies.common import BASELINES, METHODS, better_than_baselines, quick, seeds_from
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import TOP_N, curves, grid


def compute(profile: str, seed: int, data: str, bits: int, ratio: float) -> pd.DataFrame:
    """Return one row per method, seed, task and protocol; the curves are lists in the columns."""
    jobs = [
        {"data": data, "method": method, "bits": bits, "ratio": ratio, "seed": s} | quick(profile, method)
        for s in seeds_from(seed, profile) for method in METHODS
    ]  # fmt: skip
    results = grid(curves, jobs, "curves")
    return pd.DataFrame([job | line for job, lines in zip(jobs, results, strict=True) for line in lines])


def long(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return the seed means as a long table: ``kind`` is ``pr`` (by radius) or ``top`` (by N)."""
    rows = []
    for (method, task, protocol), group in table.groupby(["method", "task", "protocol"], sort=False):
        head = {"method": method, "task": task, "protocol": protocol}
        if kind == "pr":
            recall, precision = (np.array(group[name].tolist(), float).mean(axis=0) for name in ("recall", "precision"))
            points = enumerate(zip(recall, precision, strict=True))
            rows += [head | {"radius": i, "recall": r, "precision": p} for i, (r, p) in points]
        else:
            top = np.array(group.top.tolist())
            for i, values in enumerate(top.T):
                mean, low, high, _ = mean_interval(values)
                rows.append(head | {"N": TOP_N[i], "precision": mean, "low": low, "high": high})
    return pd.DataFrame(rows).dropna(subset="precision")


def summarise(table: pd.DataFrame, kind: str) -> tuple[list[Row], Verdict]:
    """Return rows for one point of each curve (precision at radius 2, or of the first 50) and the verdict."""
    first = max(n for n in TOP_N[: len(table.top.iloc[0])] if n <= 50)
    name, value = ("precision within radius 2", table.radius2) if kind == "pr" else (
        f"precision of the first {first}", table.top.map(lambda top: top[TOP_N.index(first)]))  # fmt: skip
    rows, found = [], []
    for (task, protocol), group in table.assign(value=value).groupby(["task", "protocol"], sort=False):
        values = {m: g.sort_values("seed").value.to_numpy() for m, g in group.groupby("method")}
        for method in METHODS:
            rows.append(row(f"{task}, protocol {protocol}, {name}: {method}", mean_within(values[method]),
                            queries(table.data.iloc[0])))  # fmt: skip
        found.append({m: paired_interval(values["RREH"], values[m]) for m in BASELINES})
    return rows, better_than_baselines(found, f"By {name}, over both directions and protocols")
