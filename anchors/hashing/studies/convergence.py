"""The objective and the mAP after each round of the alternating updates."""

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.hashing.settings import tuned
from anchors.hashing.studies.common import seeds_from, sets_of
from anchors.hashing.studies.pairing_ratio import queries
from anchors.hashing.trials import codes, dataset, fit, grid, largest_rise, semi_paired

FEW = 20  # rounds: what every fit of the companion does at most


def trace(data: str, bits: int, ratio: float, seed: int, rounds: list[int]) -> dict[str, list[float]]:
    """Return J after 0, 1, ... max(rounds) rounds and mAP (mean of both directions) after each of ``rounds``.

    The fit is deterministic, so stopping it early gives the codes of that round.
    """
    from anchors.hashing.metrics import evaluate

    task, params = semi_paired(dataset(data), ratio, seed), tuned(data, "RREH")
    full = fit(task, "RREH", bits, seed, params | {"max_iter": max(rounds), "tol": 0.0})
    scores = []
    for stop in rounds:
        query, database, labels = codes(task, fit(task, "RREH", bits, seed, params | {"max_iter": stop, "tol": 0.0}))
        scores.append(evaluate(query, database, task.queries.labels, labels, bits, top=()))
    return {
        "objective": full.objective_.tolist(),
        "rise": largest_rise(full),
        "A": [(s["I2T_A"] + s["T2I_A"]) / 2 for s in scores],
        "B": [(s["I2T_B"] + s["T2I_B"]) / 2 for s in scores],
    }


def compute(profile: str, seed: int, datasets: list[str], bits: int, ratio: float) -> pd.DataFrame:
    """Return one row per data set and seed; ``objective`` is a list by round, ``A`` and ``B`` lists by ``rounds``."""
    rounds = choose(profile, [1, 2, 4], [1, 2, 3, 5, 8, 12, 20, 30], [1, 2, 3, 5, 8, 12, 20, 30, 50])
    jobs = [
        {"data": data, "bits": bits, "ratio": ratio, "seed": s, "rounds": rounds}
        for data in sets_of(datasets, profile) for s in seeds_from(seed, profile)
    ]  # fmt: skip
    results = grid(trace, jobs, "convergence")
    return pd.DataFrame([job | result for job, result in zip(jobs, results, strict=True)])


def rounds_to(objective: list[float], share: float = 0.99) -> int:
    """Return the number of rounds after which ``share`` of the whole fall of J is done."""
    j = np.array(objective)
    return int(np.argmax(j[0] - j >= share * (j[0] - j[-1])))


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return largest rise, rounds to 99 % of the fall and mAP change from first to last round, and the verdict."""
    rows, rises = [], table.rise
    seeds = table.seed.nunique()
    rows.append(Row("largest relative rise of J", rises.max(), n=len(table), seeds=seeds, source="cached"))
    for data, group in table.groupby("data", sort=False):
        steps = mean_interval(group.objective.map(rounds_to).to_numpy())
        rows.append(row(f"{data}: rounds to 99 % of the fall of J over all rounds run", steps, unit="rounds"))
        for protocol in ("A", "B"):
            change = mean_interval(group[protocol].map(lambda scores: scores[-1] - scores[0]).to_numpy())
            rows.append(row(f"{data}, protocol {protocol}: mAP, last round − first", change, queries(data)))
    monotone = rises.max() <= 1e-10
    slow = max(r.measured for r in rows if r.unit == "rounds")
    steps = ", ".join(f"{r.measured:.0f} ({r.quantity.split(':')[0]})" for r in rows if r.unit == "rounds")
    last = max(table.rounds.iloc[0])
    text = (
        f"J {'never rises' if monotone else 'rises'} (largest relative rise {rises.max():.1e}); 99 % of its fall over "
        f"{last} rounds is done after {steps} rounds. Few is taken to mean {FEW}, the rounds of every other fit here."
    )
    return rows, Verdict("holds" if monotone and slow <= FEW else "does not hold", text)
