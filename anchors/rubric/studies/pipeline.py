"""The paper's pipeline (its figure 1) with the counts of our own runs on the writer."""

import numpy as np
import pandas as pd

from anchors.companion.cache import cached
from anchors.companion.results import Row, Verdict
from anchors.models.language import identity
from anchors.rubric import trials
from anchors.rubric.evaluation import STYLES, pool
from anchors.rubric.filter import HIGH, LOW, select
from anchors.rubric.studies import arms, defence
from anchors.rubric.writer.gold import gold


def counts() -> dict[str, int]:
    """Return how much passes each box: criteria, candidate prompts, filter, rollouts, mining, veto (all of one arm)."""
    chosen = select(np.array(cached(scores, identity("writer"))), LOW, HIGH)
    log, steps = arms.log(defence.STUDY), arms.steps(defence.STUDY)
    mined = defence.mined()
    own = mined[(mined.criterion != "all accepted") & (mined.seed == mined.seed.min())]
    half = steps[(steps.arm == "late veto") & (steps.seed == 0) & (steps.step <= defence.HALF)]
    rollouts = len(half) * trials.PROMPTS * trials.GROUP
    reasons = chosen.counts()
    return {
        "criteria of two families": sum(len(gold(kind).criteria) for kind in ("instruction", "creative")),
        "candidate prompts": reasons["candidates"],
        "too high": reasons["too high"], "too low": reasons["too low"], "no variance": reasons["no variance"],
        "kept": reasons["kept"],
        "creative prompts": len(pool(STYLES[0])),
        "rollouts before the defence": rollouts,
        "of the highest rewards": int(np.ceil(0.1 * rollouts / 2)),
        "proposed": len(own), "accepted": int(own.accepted.astype(bool).sum()),
        "rollouts with the veto": rollouts, "arms": log.arm.nunique() * log.seed.nunique(),
    }  # fmt: skip


def scores() -> list[list[float]]:
    """Return the base's instruction scores (prompts, 8), as lists."""
    return trials.base_scores("writer").tolist()


def boxes(found: dict[str, int]) -> pd.DataFrame:
    """Return the boxes of the drawing: text, column, row, and the boxes (numbers) that arrows come from."""
    rows = [
        (f"Rubric design\n{found['criteria of two families']} criteria,\n2 families", 0, 1.0, ()),
        (f"Candidates\n{found['candidate prompts']} prompts,\n8 responses each", 1, 1.0, (0,)),
        (f"Offline filter\n{found['kept']} kept: too high {found['too high']},\n"
         f"too low {found['too low']}, no variance {found['no variance']}", 2, 1.0, (1,)),
        (f"Stage 1\n{found['rollouts before the defence']:,} rollouts,\nno defence", 0, 0.0, (2,)),
        (f"Mining\nbest {found['of the highest rewards']} rollouts:\n{found['proposed']} proposed, "
         f"{found['accepted']} accepted", 1, 0.0, (3,)),
        (f"Stage 2\n{found['rollouts with the veto']:,} rollouts,\naccepted ones as veto", 2, 0.0, (4,)),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["text", "column", "row", "after"])


def summarise(found: dict[str, int]) -> tuple[list[Row], Verdict]:
    """Return the counts as rows."""
    rows = [Row(f"writer: {name}", float(value), source="recorded") for name, value in found.items()]
    text = (
        f"On the writer {found['kept']} of {found['candidate prompts']} prompts pass the central filter, "
        f"{found['rollouts before the defence']:,} rollouts precede the defence, and {found['accepted']} of "
        f"{found['proposed']} mined criteria are wired. The paper gives lower bounds only: more than 900,000 "
        f"candidates, 10,000 rubrics and 5,000 samples."
    )
    return rows, Verdict("measured", text)
