"""The runs too long for ``make figures``: ``python -m anchors.rubric.recorded_runs seesaw | defence | …``.

Each trains the arms of one study on the writer, with :data:`anchors.rubric.studies.arms.SEEDS`, and writes logs and
provenance under ``data/runs/rubric``. Finished arms are cached, so an interrupted run continues; several processes
share the work when the same command is started twice.
"""

import time
from functools import partial
from typing import Any

from anchors.companion import provenance, recorded
from anchors.models.language import identity
from anchors.rubric import trials
from anchors.rubric.studies import arms

STARTED = time.perf_counter()
CODE = ["anchors.rubric.trials"]
LOGS = {"evaluations": "evaluations", "steps": "entries", "texts": "examples", "mined": "mined"}


def record(study: str) -> None:
    """Train the arms of a study; write evaluations, steps, some texts, and what was mined where something was."""
    origin = provenance.record(CODE, {"writer": identity("writer")})
    found = trials.run(arms.STUDIES[study], arms.SEEDS)
    seconds = round(time.perf_counter() - STARTED, 1)  # of this run: arms that were cached before cost nothing
    for name, part in LOGS.items():
        rows = [{"arm": one["arm"], "seed": one["seed"]} | row for one in found for row in one[part]]
        if rows:
            _save(study, name, rows, origin | {"seconds": seconds})


def _save(study: str, name: str, rows: list[dict[str, Any]], origin: dict[str, Any]) -> None:
    import pandas as pd

    command = f"python -m {__spec__.name} {study}"
    recorded.save(f"rubric/{study}_{name}", pd.DataFrame(rows), command, origin, seeds=list(arms.SEEDS))


RUNS = {study: partial(record, study) for study in arms.STUDIES}

if __name__ == "__main__":
    recorded.main(RUNS)
