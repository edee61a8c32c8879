"""The choice of hyper-parameters on the validation split: the grid, and the best of it."""

import json

import pandas as pd

from anchors.hashing.settings import candidates
from anchors.hashing.studies.common import METHODS
from anchors.hashing.trials import SCORES, grid, score

CONTROLS = ("RREH", "RREH-kNN", "NoReconstruction", "SelfTraining")
SETS = {
    "emoji": METHODS[:-1], "digits": METHODS[:-1], "wiki": METHODS[:-1],
    "synthetic": CONTROLS, "emoji-minilm": ("RREH",),
}  # fmt: skip
SEEDS, RATIOS, BITS = (100, 101), (0.1, 0.3), 32


def jobs_of(data: str, method: str) -> list[dict]:
    """Return the validation trials of every candidate of a method."""
    return [
        {"data": data, "method": method, "bits": BITS, "ratio": ratio, "seed": seed, "split": "validation", "params": p}
        for p in candidates(method) for ratio in RATIOS for seed in SEEDS
    ]  # fmt: skip


def compute(data: str) -> pd.DataFrame:
    """Return one row per method and candidate: mean mAP over directions, protocols, ratios and seeds."""
    rows = []
    for method in SETS[data]:
        jobs = jobs_of(data, method)
        results = grid(score, jobs, f"tuning {data} {method}")
        for job, result in zip(jobs, results, strict=True):
            value = sum(result[name] for name in SCORES) / len(SCORES)
            rows.append({"data": data, "method": method, "params": json.dumps(job["params"]), "mAP": value})
    table = pd.DataFrame(rows)
    return table.groupby(["data", "method", "params"], sort=False, as_index=False)["mAP"].mean()


def chosen(table: pd.DataFrame) -> dict[str, dict[str, dict]]:
    """Return the best candidate per data set and method; the first of equals."""
    best = table.loc[table.groupby(["data", "method"], sort=False)["mAP"].idxmax()]
    result: dict[str, dict[str, dict]] = {}
    for line in best.itertuples():
        result.setdefault(line.data, {})[line.method] = json.loads(line.params)
    return result
