"""Chat models beside the writer: recorded logs of SmolLM2, or of another model trained now, and a live slice.

Their rubrics are other ones than the writer's (:mod:`anchors.rubric.lm_rubrics`), and so are their scores. With two
seeds an interval over seeds says nothing: intervals are over held-out prompts, each the mean of its texts of all seeds,
less that of the base on the same prompt.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval, within
from anchors.models.language import identity
from anchors.rubric import lm_trials
from anchors.rubric.studies import arms

BASE, RECORDED = "base", "smollm2"
NAMES = {RECORDED: "SmolLM2"}
CHAOS = 0.1  # of the mean reward of a step in bfloat16: seen between processors of two makers, 0.04
PARTS = {"evaluations": "evaluations", "steps": "entries", "texts": "texts"}


def uses(models: Sequence[str]) -> dict[str, str]:
    """Return the fingerprints of models by name."""
    return {model: identity(model) for model in models}


def logs(study: str, models: Sequence[str], profile: str = "laptop") -> dict[str, pd.DataFrame]:
    """Return evaluations, steps and held-out texts of a study's arms: model, arm, seed and what is measured.

    SmolLM2's are recorded; those of another chat model (a folder or a hub id) are trained now, and cached.
    """
    found = {part: [] for part in PARTS}
    for model in models:
        for part, table in (_recorded(study) if model == RECORDED else _trained(study, model, profile)).items():
            found[part].append(table.assign(model=model))
    none = pd.DataFrame(columns=["model", "arm", "seed"])
    return {part: pd.concat(tables, ignore_index=True) if tables else none for part, tables in found.items()}


def _recorded(study: str) -> dict[str, pd.DataFrame]:
    return {part: recorded.load(f"rubric/{RECORDED}_{study}_{part}")[0] for part in PARTS}


def _trained(study: str, model: str, profile: str) -> dict[str, pd.DataFrame]:
    made = {arm: arms.LM_ARMS[arm] for arm in arms.LM_STUDIES[study]}
    found = lm_trials.run(made, arms.LM_SEEDS, profile, model)
    return {part: pd.DataFrame([{"arm": one["arm"], "seed": one["seed"], **line} for one in found for line in one[key]])
            for part, key in PARTS.items()}  # fmt: skip


def by_prompt(texts: pd.DataFrame, arm: str, column: str) -> pd.Series:
    """Return the mean of a measure for every held-out prompt that has it, over an arm's texts of all seeds."""
    own = texts[(texts.arm == arm) & texts[column].notna()]
    return own.groupby("prompt")[column].mean()


def level(texts: pd.DataFrame, arm: str, column: str) -> tuple[Interval, int]:
    """Return the mean of a measure with its interval over prompts (its ``n`` counts seeds), and the texts behind it."""
    found, n = _over(texts, arm, by_prompt(texts, arm, column))
    return within(found), n


def change(texts: pd.DataFrame, arm: str, column: str, control: str = BASE) -> tuple[Interval, int]:
    """Return :func:`level` of the difference to the ``control`` on the same prompts."""
    return _over(texts, arm, by_prompt(texts, arm, column) - by_prompt(texts, control, column))


def _over(texts: pd.DataFrame, arm: str, values: pd.Series) -> tuple[Interval, int]:
    own = texts[(texts.arm == arm) & texts.prompt.isin(values.index)]
    return mean_interval(values.to_numpy())._replace(n=own.seed.nunique()), len(own)


def same_sign(texts: pd.DataFrame, arm: str, column: str) -> bool:
    """Return whether every seed changes a measure in the same direction."""
    seeds = [texts[texts.seed == seed] for seed in texts.seed.unique()]
    signs = {np.sign(change(own, arm, column)[0].mean) for own in seeds}
    return len(signs) == 1 and signs != {0.0}


def rows(found: dict[str, pd.DataFrame], columns: dict[str, str], against: bool = True) -> list[Row]:
    """Return table rows of every model and arm: the change over the base of ``columns`` (name: words).

    ``against`` is False for the measures as they are, the base's too.
    """
    made = []
    for model, texts in _models(found["texts"]):
        source = "recorded" if model == RECORDED else "cached"
        for arm in dict.fromkeys(texts.arm):
            if against and arm == BASE:
                continue
            for column, words in columns.items():
                value, n = change(texts, arm, column) if against else level(texts, arm, column)
                what = f"change of {words}" if against else words
                made.append(row(f"{model}, {arm}: {what}", value, n, source=source))
    return made


def in_short(texts: pd.DataFrame, arm: str, column: str, form: str = "+.3f") -> str:
    """Return the change of a measure over the base as text, with a warning where the seeds disagree in sign."""
    said = in_words(change(texts, arm, column)[0], form)
    return said if same_sign(texts, arm, column) else f"{said} [seeds disagree in sign]"


def beside(verdict: Verdict, words: str) -> Verdict:
    """Return a verdict whose text ends with ``words`` on chat models; its kind and its claims stay the writer's."""
    return replace(verdict, text=f"{verdict.text} {words}".strip())


def shown(found: dict[str, pd.DataFrame], columns: dict[str, str]) -> pd.DataFrame:
    """Return the changes over the base of ``columns`` as a table: model, arm, measure, its words, mean, low, high."""
    made = [
        (model, arm, column, words, *change(texts, arm, column)[0][:3])
        for model, texts in _models(found["texts"])
        for column, words in columns.items()
        for arm in dict.fromkeys(texts.arm)
        if arm != BASE
    ]
    return pd.DataFrame(made, columns=["model", "arm", "measure", "words", "mean", "low", "high"])


def closeness(found: dict[str, pd.DataFrame]) -> list[Row]:
    """Return the KL divergence of every arm's end from the base, mean over seeds."""
    made = []
    for model, log in _models(found["evaluations"]):
        source = "recorded" if model == RECORDED else "cached"
        last = arms.last(log[log.arm != BASE])
        for arm, own in last.groupby("arm", sort=False):
            what = f"{model}, {arm}: KL divergence from the base"
            made.append(Row(what, float(own.kl.mean()), seeds=len(own), unit="nats a token", source=source))
    return made


def _models(table: pd.DataFrame) -> Any:
    return table.groupby("model", sort=False) if len(table) else ()


def repeated(study: str, models: Sequence[str], profile: str = "laptop", steps_live: int = 2) -> pd.DataFrame:
    """Return the rewards of the first steps of a study's first recorded arm, live beside the log (seed 0).

    None in smoke: a step of SmolLM2 takes ten seconds. The writer's are repeated in every profile.
    """
    if RECORDED not in models or profile == "smoke":
        return pd.DataFrame({"step": [], "live": [], "log": []})
    arm, log = arms.LM_STUDIES[study][0], _recorded(study)["steps"]
    own = log[(log.arm == arm) & (log.seed == 0) & (log.step <= steps_live)]
    made = lm_trials.job(arms.LM_ARMS[arm], 0)
    live = cached(lm_trials.first, identity(RECORDED), **made, count=steps_live)
    return pd.DataFrame({"step": own.step.to_numpy(), "live": live, "log": own.reward.to_numpy()})


def compared(live: pd.DataFrame) -> list[Row]:
    """Return the largest difference between repeated steps and the log, as a row; none where nothing is repeated.

    The model runs in bfloat16: on another processor a few tokens are drawn otherwise, and the steps then differ.
    """
    if live.empty:
        return []
    gap = float(np.abs(live.live - live.log).max())
    what = f"{RECORDED}: largest |live − recorded| reward of the first steps"
    return [Row(f"{what} (bfloat16: another one on other processors)", gap, n=len(live), slack=CHAOS)]
