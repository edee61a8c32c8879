"""The runs too long for ``make figures``: ``python -m anchors.hashing.recorded_runs tuning | map_grid``.

Each writes its log and provenance under ``data/runs/hashing``. Finished trials are cached, so an interrupted run
continues; several processes share the work when the same command is started twice.
"""

import sys
import time

import pandas as pd

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.hashing.studies import map_table, tuning
from anchors.hashing.studies.common import METHODS
from anchors.hashing.trials import SCORES, fingerprints, score_table

MODULES = ["anchors.hashing.trials"]


def record_tuning() -> None:
    """Try every candidate of every method on the validation splits."""
    start = time.perf_counter()
    table = pd.concat([tuning.compute(data) for data in tuning.SETS], ignore_index=True)
    facts = {"seeds": list(tuning.SEEDS), "split": "validation"}
    _save("tuning", table, list(tuning.SETS), start, **facts)


def record_map_grid() -> None:
    """Score every method on every data set, code length and ratio."""
    start = time.perf_counter()
    names, seeds = ["emoji", "digits", "wiki"], list(range(5))
    jobs = map_table.jobs_of(names, METHODS, map_table.FULL["bits"], map_table.FULL["ratio"], seeds)
    table = score_table(jobs, "mAP grid")[[*map_table.KEYS, *SCORES, *(f"{s}@50" for s in SCORES), "fit_seconds"]]
    _save("map_grid", table, names, start, seeds=seeds, split="test")


def _save(name: str, table: pd.DataFrame, names: list[str], start: float, **facts) -> None:
    command = f"python -m {__spec__.name} {name}"
    recorded.save(f"hashing/{name}", table, command, MODULES, fingerprints(names), time.perf_counter() - start, **facts)


RUNS = {"tuning": record_tuning, "map_grid": record_map_grid}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in RUNS:
        raise SystemExit(f"error: {InputError('run', ' '.join(sys.argv[1:]) or 'nothing', ' | '.join(RUNS))}")
    RUNS[sys.argv[1]]()
