"""mAP on a validation split as each parameter moves by factors of ten, the others staying as chosen."""

import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, paired_interval
from anchors.hashing.settings import tuned
from anchors.hashing.studies.common import intervals, quick, seeds_from, sets_of, with_means
from anchors.hashing.trials import dataset, score_table

SWEEPS = {
    "beta": [0.01, 0.1, 1.0],
    "theta": [0.01, 1.0, 100.0],
    "mu": [1.0, 10.0, 100.0, 1000.0],
    "gamma": [0.01, 0.1, 1.0, 10.0],
    "delta": [1e-4, 1e-2, 1.0],
    "n_anchors": [30, 100, 300],
}
DEFAULTS = {"beta": 0.1, "theta": 1.0, "mu": 10.0, "gamma": 1.0, "delta": 1e-2, "n_anchors": 300}


def centre(data: str) -> dict[str, float]:
    """Return the parameters around which the sweeps go: those chosen for the data set."""
    return DEFAULTS | tuned(data, "RREH")


def compute(profile: str, seed: int, datasets: list[str], bits: int, ratio: float) -> pd.DataFrame:
    """Return one row per data set, parameter, value and seed; queries are the held-out fifth of the training rows."""
    jobs, labels = [], []
    for data in sets_of(datasets, profile):
        most = round(ratio * len(dataset(data, "validation").train()))
        for name, values in SWEEPS.items():
            values = choose(profile, values[1:3], values, values)
            for value in (v for v in values if name != "n_anchors" or v <= most):
                for s in seeds_from(seed, profile):
                    jobs.append({"data": data, "method": "RREH", "bits": bits, "ratio": ratio, "seed": s,
                                 "split": "validation", **quick(profile, "RREH", **{name: value})})  # fmt: skip
                    labels.append({"parameter": name, "value": value})
    table = with_means(score_table(jobs, "sensitivity"))
    return pd.concat([table, pd.DataFrame(labels)], axis=1)


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return, per data set and parameter, the spread of mean mAP over its range, and the verdict."""
    rows, spreads = [], {}
    n = {data: int((dataset(data, "validation").split == "test").sum()) for data in dict.fromkeys(table.data)}
    for (data, name), group in table.groupby(["data", "parameter"], sort=False):
        means = intervals(group, ["value"], "B").set_index("value")["mean"]
        best, worst = (
            group[group.value == v].sort_values("seed").B.to_numpy() for v in (means.idxmax(), means.idxmin())
        )
        spread = paired_interval(best, worst)
        spreads[data, name] = spread.mean
        text = f"{data}, {name}: best ({means.idxmax():g}) − worst ({means.idxmin():g}) of its range, protocol B"
        rows.append(row(text, Interval(*spread), n[data], "mAP"))
    order = sorted(spreads, key=spreads.get, reverse=True)
    text = (
        f"On the validation split {order[0][1]} matters most ({order[0][0]}: {spreads[order[0]]:.3f} mAP between its "
        f"best and worst value) and {order[-1][1]} least ({order[-1][0]}: {spreads[order[-1]]:.3f})."
    )
    return rows, Verdict("measured", text)
