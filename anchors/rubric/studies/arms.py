"""What the studies of trained arms share: recipes by name, the recorded runs, changes over the base, a live slice.

Every arm is the writer trained for the same number of steps; its scores are those of gold rubrics on prompts that no
arm trains on. The runs are recorded; a notebook recomputes every number from their logs and repeats the first steps of
one arm.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached
from anchors.companion.results import Row, Verdict
from anchors.companion.stats import Interval, paired_interval
from anchors.models.language import identity
from anchors.rubric import trials
from anchors.rubric.trials import Recipe

SEEDS = (0, 1, 2, 3, 4)
SEESAW = {
    "instruction only": Recipe((("instruction",),)),
    "creative only": Recipe((("creative",),)),
    "joint": Recipe((("instruction", "creative"),)),
    "instruction, then creative": Recipe((("instruction",), ("creative",))),
    "creative, then instruction": Recipe((("creative",), ("instruction",))),
}
DEFENCE = {
    "gold": Recipe((("creative",),)),
    "flattered": Recipe((("proxy",),)),
    "veto": Recipe((("proxy",),), defence="veto"),
    "penalty": Recipe((("proxy",),), defence="penalty"),
    "late veto": Recipe((("proxy",),), defence="late"),
}
STYLE = {
    "dose 0": Recipe(dose=0.0), "dose 0.2": Recipe(dose=0.2), "dose 1": Recipe(), "terse": Recipe((("terse",),)),
}  # fmt: skip
AGGREGATION = {name: Recipe(aggregation=name) for name in trials.AGGREGATIONS}
COUNT = {
    "1 criterion": Recipe(criteria=("first_person",)),
    "8 copies of it": Recipe(criteria=("first_person",), copies=8),
    "3 criteria": Recipe(criteria=("first_person", "grounded", "prose")),
    "all criteria": Recipe(),
}
RETENTION = {f"β = {beta:g}": Recipe(beta=beta) for beta in (0.0, 0.02, 0.1)}
FILTER = {band: Recipe((("instruction",),), band=band) for band in ("central", "top", "bottom", "random")}
STUDIES = {
    "seesaw": SEESAW, "defence": DEFENCE, "style": STYLE, "aggregation": AGGREGATION, "count": COUNT,
    "retention": RETENTION, "filter": FILTER,
}  # fmt: skip
LM_SEEDS = (0, 1)
LM_ARMS = {  # of a chat model: rubrics that are rewarded, and whether flattery vetoes
    "instruction only": {"kinds": ["instruction"], "veto": False},
    "creative only": {"kinds": ["creative"], "veto": False},
    "joint": {"kinds": ["instruction", "creative"], "veto": False},
    "flattered": {"kinds": ["proxy"], "veto": False},
    "veto": {"kinds": ["proxy"], "veto": True},
    "plain": {"kinds": ["plain"], "veto": False},
}
LM_STUDIES = {  # the same arm has the same name in every study
    "seesaw": ("instruction only", "creative only", "joint"),
    "defence": ("creative only", "flattered", "veto"),
    "style": ("plain", "flattered"),
}
TOLERANCE = 0.02  # of the mean rewards of repeated steps: on another processor a few tokens are drawn otherwise


def log(study: str) -> pd.DataFrame:
    """Return the recorded evaluations of a study: arm, seed, step, gold scores, rates, loss on held-out texts, KL."""
    return recorded.load(f"rubric/{study}_evaluations")[0]


def steps(study: str) -> pd.DataFrame:
    """Return the recorded steps of a study: arm, seed, step, reward and others."""
    return recorded.load(f"rubric/{study}_steps")[0]


def changes(found: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return one row per arm and seed: the change of ``columns`` from the base (step 0) to the end."""
    rows = []
    for (arm, seed), group in found.groupby(["arm", "seed"], sort=False):
        first, last = group.loc[group.step.idxmin()], group.loc[group.step.idxmax()]
        rows.append({"arm": arm, "seed": seed, **{name: last[name] - first[name] for name in columns}})
    return pd.DataFrame(rows)


def last(found: pd.DataFrame) -> pd.DataFrame:
    """Return the evaluations at the end, one row per arm and seed."""
    return found.loc[found.groupby(["arm", "seed"], sort=False).step.idxmax()].reset_index(drop=True)


def over(found: pd.DataFrame, treated: str, control: str, column: str) -> Interval:
    """Return the mean of ``treated − control`` at the end, paired by seed, with its 95 % interval."""
    wide = last(found).pivot_table(index="seed", columns="arm", values=column)
    return paired_interval(wide[treated].to_numpy(), wide[control].to_numpy())


def judged(found: Interval, least: float = 0.005) -> str:
    """Return ``up``, ``down`` or ``same`` for a change: its whole interval beyond ``least`` on one side, or not."""
    return "up" if found.low > least else "down" if found.high < -least else "same"


def repeated(study: str, steps_live: int = 2) -> pd.DataFrame:
    """Return the rewards of the first steps of a study's first arm, live beside the log (seed 0)."""
    arm, made = next(iter(STUDIES[study].items()))
    own = steps(study)
    own = own[(own.arm == arm) & (own.seed == 0) & (own.step <= steps_live)]
    live = cached(first_rewards, identity("writer"), **trials.job(made, 0), count=steps_live)
    return pd.DataFrame({"step": own.step.to_numpy(), "live": live[: len(own)], "log": own.reward.to_numpy()})


def first_rewards(made: dict[str, Any], seed: int, steps: int, model: str, count: int) -> list[float]:
    """Return the mean rewards of the first ``count`` steps of an arm of ``steps`` steps."""
    return trials.first(made, seed, steps, model, count)


def checked(rows: list[Row], live: pd.DataFrame, verdict: Verdict) -> tuple[list[Row], Verdict]:
    """Return rows with the live slice, and the verdict, withheld where the live steps contradict the log."""
    gap = float(np.abs(live.live - live.log).max())
    rows = [*rows, Row("largest |live − recorded| reward of the first steps", gap, n=len(live), slack=TOLERANCE)]
    if gap <= TOLERANCE:
        return rows, verdict
    text = f"The live steps differ from the log by {gap:.4f}, so it does not speak for this code. Of the log: "
    return rows, Verdict("measured", text + verdict.text)
