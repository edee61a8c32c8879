"""The runs too long for ``make figures``: ``python -m anchors.thought.recorded_runs calibration``.

Each writes its log and provenance under ``data/runs/thought``. Finished traces are cached, so an interrupted run
continues; several processes share the work when the same command is started twice.
"""

import time
from typing import Any

from anchors.companion import provenance, recorded
from anchors.companion.cache import cached_grid
from anchors.thought.studies import calibration, corpus, head_ablation, methods, specimens

STARTED = time.perf_counter()
TRAINING, TRACES = "thought/reasoner_training", "smollm2_traces"  # what other runs need
PAIRS = 12  # problems of SmolLM2, with two traces each
ROLLED, ROLLOUTS = 6, 50  # of these traces, the first ones are resampled, with rollouts per prefix


def record_calibration() -> None:
    """Resample traces of the trained reasoner by itself, beside the exact truth: one row per sentence."""
    model = calibration.identity_of("reasoner")
    origin = provenance.record(calibration.CODE, {"reasoner": model})
    found = cached_grid(specimens.specimen, calibration.own_jobs(), "calibration", salt=model)
    sentences, _, _ = specimens.assemble(found)
    tries, right = (sum(f[name] for f in found) for name in ("tries", "correct"))
    facts = {"base_traces_sampled": tries, "right": right, "after": [TRAINING]}
    _save("calibration", sentences, origin, **calibration.OWN, **facts)


def record_smollm2_traces() -> None:
    """Sample the solutions that the figures on SmolLM2 read: two of each of twelve word problems."""
    import pandas as pd

    model = corpus.identity("smollm2")
    origin = provenance.record(["anchors.thought.studies.corpus"], {"smollm2": model})
    how = {"model": "smollm2", "seed": 0, "style": "examples", "tried": corpus.TRIED}
    found = cached_grid(corpus.pair, [how | {"number": k} for k in range(PAIRS)], "traces of smollm2", salt=model)
    _save(TRACES, pd.DataFrame([row for rows in found for row in rows]), origin, seeds=[0])


def record_smollm2_rollouts() -> None:
    """Resample the first traces of SmolLM2 and force its answers: counts of answers, and importance of pairs."""
    import pandas as pd

    origin = provenance.record(["anchors.thought.studies.methods"], {"smollm2": corpus.identity("smollm2")})
    traces = corpus.traces("smollm2", "laptop", 0, ROLLED)
    jobs = [methods.roll_job("smollm2", "examples", trace, ROLLOUTS) for trace in traces]
    found = cached_grid(methods.roll, jobs, "rollouts of smollm2", salt=corpus.identity("smollm2"))
    counts, pairs = [], []
    for number, one in enumerate(found):
        about, steps = {"seed": 0, "number": number}, one["steps"]
        counts += [about | row for row in one["counts"]]
        pairs += [
            about | {"source": i, "target": j, "steps": steps[i][j]}
            for i in range(len(steps)) for j in range(i + 1, len(steps))
        ]  # fmt: skip
    facts = {"seeds": [0], "rollouts": ROLLOUTS, "after": [f"thought/{TRACES}"]}
    _save("smollm2_rollouts", pd.DataFrame(counts), origin, **facts)
    _save("smollm2_steps", pd.DataFrame(pairs), origin, run="smollm2_rollouts", **facts)


def record_head_ablation() -> None:
    """Let both models answer with heads ablated: one row per condition and problem."""
    import pandas as pd

    weights = {model: corpus.identity(model) for model in head_ablation.RECORDED}
    origin = provenance.record(["anchors.thought.studies.head_ablation"], weights)
    found = [head_ablation.solved(model, "laptop", 0) for model in head_ablation.RECORDED]
    _save(
        "head_ablation", pd.concat(found, ignore_index=True), origin, seeds=[0], after=[TRAINING, f"thought/{TRACES}"]
    )


def record_reasoner_audit() -> None:
    """Audit the shipped reasoner: its skills and rates beside those of the process it learnt."""
    from anchors.thought.reasoner.training import record_audit

    record_audit(f"python -m {__spec__.name} reasoner_audit")


def _save(name: str, table: Any, origin: dict, run: str = "", **facts: Any) -> None:
    seconds = round(time.perf_counter() - STARTED, 1)  # of this run: traces that were cached before cost nothing
    recorded.save(
        f"thought/{name}", table, f"python -m {__spec__.name} {run or name}", origin | {"seconds": seconds}, **facts
    )


RUNS = {
    "calibration": record_calibration,
    "reasoner_audit": record_reasoner_audit,
    "smollm2_traces": record_smollm2_traces,
    "smollm2_rollouts": record_smollm2_rollouts,
    "head_ablation": record_head_ablation,
}

if __name__ == "__main__":
    recorded.main(RUNS)
