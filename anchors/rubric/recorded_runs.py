"""The runs too long for ``make figures``: ``python -m anchors.rubric.recorded_runs seesaw | smollm2_seesaw | …``.

Each trains the arms of one study on the writer, with :data:`anchors.rubric.studies.arms.SEEDS`, or those of
``smollm2_…`` on SmolLM2 with :data:`~anchors.rubric.studies.arms.LM_SEEDS`, and writes logs and provenance under
``data/runs/rubric``. Finished arms are cached, so an interrupted run continues; several processes share the work when
the same command is started twice.
"""

import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from anchors.companion import provenance, recorded
from anchors.models.language import identity
from anchors.rubric import lm_trials, trials
from anchors.rubric.studies import arms

STARTED = time.perf_counter()
CODE = ["anchors.rubric.trials"]
LM_CODE = ["anchors.rubric.lm_trials"]
LOGS = {"evaluations": "evaluations", "steps": "entries", "texts": "examples", "mined": "mined"}
LM_LOGS = {"evaluations": "evaluations", "steps": "entries", "texts": "texts"}


def record(study: str) -> None:
    """Train the arms of a study; write evaluations, steps, some texts, and what was mined where something was."""
    origin = provenance.record(CODE, {"writer": identity("writer")})
    found = trials.run(arms.STUDIES[study], arms.SEEDS)
    origin["seconds"] = round(time.perf_counter() - STARTED, 1)  # of this run: arms that were cached cost nothing
    _save_all(study, found, LOGS, origin, arms.SEEDS)


def record_lm(study: str) -> None:
    """Train the arms of a study on SmolLM2; write evaluations, steps, and the held-out texts of base and end."""
    origin = provenance.record(LM_CODE, {"smollm2": identity("smollm2")})
    found = lm_trials.run({arm: arms.LM_ARMS[arm] for arm in arms.LM_STUDIES[study]}, arms.LM_SEEDS)
    origin["versions"] = origin["versions"] | {"peft": version("peft")}
    origin["seconds"] = round(sum(one.get("seconds", 0.0) for one in found), 1)  # whenever they were trained
    _save_all(f"smollm2_{study}", found, LM_LOGS, origin, arms.LM_SEEDS)


def _save_all(name: str, found: list[dict[str, Any]], logs: dict[str, str], origin: dict, seeds: Sequence[int]) -> None:
    """Write the logs of arms, each where it has rows."""
    import pandas as pd

    command = f"python -m {__spec__.name} {name}"
    for log, part in logs.items():
        rows = [{"arm": one["arm"], "seed": one["seed"]} | row for one in found for row in one[part]]
        if rows:
            recorded.save(f"rubric/{name}_{log}", pd.DataFrame(rows), command, origin, seeds=list(seeds))


RUNS = {study: partial(record, study) for study in arms.STUDIES}
RUNS |= {f"smollm2_{study}": partial(record_lm, study) for study in arms.LM_STUDIES}

if __name__ == "__main__":
    recorded.main(RUNS)
