"""The runs too long for ``make figures``: ``python -m anchors.hashing.recorded_runs tuning | map_grid``.

Each writes its log and provenance under ``data/runs/hashing``. Finished trials are cached, so an interrupted run
continues; several processes share the work when the same command is started twice.
"""

import time

import pandas as pd

from anchors.companion import provenance, recorded
from anchors.hashing.studies import map_table, tuning
from anchors.hashing.studies.common import METHOD_CODE, METHODS
from anchors.hashing.trials import SCORES, fingerprints, score_table

STARTED = time.perf_counter()


def record_tuning() -> None:
    """Try every candidate of every method on the validation splits."""
    origin = provenance.record(METHOD_CODE, fingerprints(list(tuning.SETS)))
    table = pd.concat([tuning.compute(data) for data in tuning.SETS], ignore_index=True)
    facts = {"seeds": list(tuning.SEEDS), "split": "validation"}
    _save("tuning", table, origin, **facts)


def record_map_grid() -> None:
    """Score every method on every data set, code length and ratio."""
    names, seeds = ["emoji", "digits", "wiki"], list(range(5))
    origin = provenance.record(METHOD_CODE, fingerprints(names))
    jobs = map_table.jobs_of(names, METHODS, map_table.FULL["bits"], map_table.FULL["ratio"], seeds)
    table = score_table(jobs, "mAP grid", timed=True)
    table = table[[*map_table.KEYS, *SCORES, *(f"{s}@50" for s in SCORES), "fit_seconds"]]
    _save("map_grid", table, origin, seeds=seeds, split="test", fit_seconds=round(table.fit_seconds.sum(), 1))


def _save(name: str, table: pd.DataFrame, origin: dict, **facts) -> None:
    seconds = round(time.perf_counter() - STARTED, 1)  # of this run: trials that were cached before cost nothing
    recorded.save(f"hashing/{name}", table, f"python -m {__spec__.name} {name}", origin | {"seconds": seconds}, **facts)


RUNS = {"tuning": record_tuning, "map_grid": record_map_grid}

if __name__ == "__main__":
    recorded.main(RUNS)
