"""The same codes under every convention of mAP: how far apart honest numbers can lie."""

import pandas as pd

from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.hashing.settings import tuned
from anchors.hashing.studies.common import seeds_from, sets_of
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import codes, dataset, fit, grid, semi_paired

REFERENCE = "mAP@all, tie-aware"


def audit_codes(data: str, bits: int, ratio: float, seed: int) -> list[dict]:
    """Return the value of every convention for RREH's codes, per direction and protocol."""
    from anchors.hashing.audit import audit

    task = semi_paired(dataset(data), ratio, seed)
    query, database, labels = codes(task, fit(task, "RREH", bits, seed, tuned(data, "RREH")))
    rows = []
    for protocol in database:
        for name, source, target in (("I2T", "image", "text"), ("T2I", "text", "image")):
            found = audit(query[source], database[protocol][target], task.queries.labels, labels[target], bits)
            rows += [line | {"task": name, "protocol": protocol} for line in found]
    return rows


def compute(profile: str, seed: int, datasets: list[str], bits: int, ratio: float) -> pd.DataFrame:
    """Return one row per data set, seed, direction, protocol and convention."""
    jobs = [
        {"data": data, "bits": bits, "ratio": ratio, "seed": s}
        for data in sets_of(datasets, profile) for s in seeds_from(seed, profile)
    ]  # fmt: skip
    results = grid(audit_codes, jobs, "metric audit")
    return pd.DataFrame([job | line for job, lines in zip(jobs, results, strict=True) for line in lines])


def averaged(table: pd.DataFrame) -> pd.DataFrame:
    """Return the value of every convention per data set and seed, averaged over directions and protocols."""
    return table.groupby(["data", "convention", "source", "seed"], sort=False, as_index=False)["value"].mean()


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return every convention's value per data set, the gap between the protocols, and the verdict."""
    rows, means = [], averaged(table)
    for (data, convention), group in means.groupby(["data", "convention"], sort=False):
        rows.append(row(f"{data}: {convention}", mean_interval(group["value"].to_numpy()), queries(data), "mAP"))
    own = table[table.convention == REFERENCE]
    for (data, task), group in own.groupby(["data", "task"], sort=False):
        gap = group.pivot_table(index="seed", columns="protocol", values="value")
        rows.append(row(f"{data}, {task}: protocol A − protocol B", mean_interval((gap.A - gap.B).to_numpy()),
                        queries(data), "mAP"))  # fmt: skip
    spread = means.groupby(["data", "convention"])["value"].mean().groupby("data").agg(["min", "max"])
    worst = (spread["max"] / spread["min"]).idxmax()
    text = (
        f"The same codes score between {spread['min'][worst]:.3f} and {spread['max'][worst]:.3f} on {worst}, depending "
        f"only on the convention: a factor of {spread['max'][worst] / spread['min'][worst]:.2f}."
    )
    return rows, Verdict("measured", text)
