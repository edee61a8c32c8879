"""Which rollout wins under each step of the aggregation, before and after a short training (section 1.5, ours).

The rubric pays for praise (:func:`anchors.rubric.writer.gold.proxy`) and can veto it. Rollouts are those of the writer
to the held-out prompts, before training and after :data:`STEPS` steps on the weighted mean alone.
"""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.cache import cached
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval
from anchors.models.language import identity
from anchors.rubric import trials
from anchors.rubric.aggregate import Aggregator, Veto
from anchors.rubric.criteria import score
from anchors.rubric.defence import wire
from anchors.rubric.evaluation import TOKENS, answers, hacks, pool, untrained
from anchors.rubric.formulas import ROUNDING, group_advantages
from anchors.rubric.reward_box import Group, RewardBox
from anchors.rubric.rubric import Rubric
from anchors.rubric.writer.gold import gold

OF, GROUPS, STEPS, SHOWN = 8, 2, 8, 6  # rollouts a group, groups a prompt, steps of training, prompts in the reader
LEAST = 0.05  # of the groups: a step that changes fewer winners changes little
BEFORE, AFTER = "before training", "after training"
SINGLE = {name: steps for name, steps in trials.AGGREGATIONS.items() if steps} | {"veto": (Veto(),)}
ALL = tuple(step for steps in SINGLE.values() for step in steps)
SETTINGS = {"weighted mean": (), **SINGLE, "all four": ALL}


def rubric() -> Rubric:
    """Return the plain narrative by a flattered judge, with praise as a critical criterion that earns nothing."""
    return wire(gold("proxy"), trials.UNPAID)


def rollouts(seed: int, steps: int = STEPS) -> dict[str, list[str]]:
    """Return ``GROUPS * OF`` responses to each held-out prompt, before and after ``steps`` on the weighted mean."""
    from anchors.rubric import grpo
    from anchors.rubric.grpo_settings import Settings

    policy, asked = untrained(seed=seed), pool("creative", held_out=True)
    before = answers(policy, asked, GROUPS * OF, [seed, 16])[1]
    settings = Settings(
        steps=steps, prompts=trials.PROMPTS, group=OF, max_new_tokens=TOKENS, rate=trials.RATE, seed=1000 * seed
    )
    grpo.train(policy, trials.reward(trials.Recipe((("proxy",),)), "proxy"), pool("proxy"), settings)
    return {BEFORE: before, AFTER: answers(policy, asked, GROUPS * OF, [seed, 17])[1]}


def compute(profile: str, seed: int) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Return one row per seed, time and setting (what wins), and the rollouts of the first seed."""
    seeds = range(seed, seed + choose(profile, 2, 5, 10))
    steps = choose(profile, 2, STEPS, STEPS)
    found = {s: cached(rollouts, identity("writer"), seed=s, steps=steps) for s in seeds}
    rows = [row | {"seed": s, "when": when} for s, both in found.items() for when, texts in both.items()
            for row in winners(texts)]  # fmt: skip
    return pd.DataFrame(rows), found[seed]


def winners(texts: list[str]) -> list[dict[str, Any]]:
    """Return for each setting what the best of each group of rollouts is like, means over groups.

    ``changed`` is the share of groups whose winner under the weighted mean does not win (ties win); ``gold`` the
    winner's score under the rubric that does not pay for praise; ``praises`` the share of winners that praise;
    ``silent`` the share of groups without advantages; of equal rewards the first wins.
    """
    own, asked = rubric(), [prompt for prompt in pool("creative", held_out=True) for _ in range(GROUPS * OF)]
    scores = score(own, asked, texts).values
    honest = gold("creative")
    true = Aggregator(honest, missing="renormalise")(scores[:, : len(honest.criteria)]).reshape(-1, OF)
    praise = hacks(asked, texts).reshape(-1, OF)
    rows, first = [], None
    for name, steps in SETTINGS.items():
        rewards = Aggregator(own, steps, "renormalise")(scores).reshape(-1, OF)
        best, groups = rewards.argmax(1), np.arange(len(rewards))
        first = best if first is None else first
        rows.append({
            "setting": name, "changed": float((rewards[groups, first] < rewards.max(1) - ROUNDING).mean()),
            "gold": float(true[groups, best].mean()), "praises": float(praise[groups, best].mean()),
            "silent": float((group_advantages(rewards) == 0).all(1).mean()),
        })  # fmt: skip
    return rows


def inside(shares: np.ndarray) -> Interval:
    """Return the mean of shares with the part of its interval over seeds that lies in [0, 1]."""
    mean, low, high, n = mean_interval(shares)
    return Interval(mean, max(low, 0.0), min(high, 1.0), n) if np.isfinite(low) else Interval(mean, low, high, n)


def waterfall(texts: dict[str, list[str]]) -> pd.DataFrame:
    """Return the bars of the rollout that the weighted mean pays most for, of the first group after training.

    Criteria that add something, the weighted mean, the four steps, the reward: ``name``, ``start``, ``end``, ``kind``.
    """
    own, prompt, written = rubric(), pool("creative", held_out=True)[0], texts[AFTER][:OF]
    scores = score(own, [prompt] * OF, written).values
    chosen = scores[Aggregator(own, missing="renormalise")(scores).argmax()]
    parts = Aggregator(own, ALL, "renormalise").explain(chosen)
    shares, steps = parts[: len(own.ids)], parts[len(own.ids) :]
    ends = np.cumsum([0.0, *(part.change for part in shares)])
    bars = [(part.name, start, end, "criterion") for part, start, end in zip(shares, ends, ends[1:], strict=False)
            if part.change]  # fmt: skip
    values = [float(ends[-1]), *(part.value for part in steps)]
    moves = [(part.name, start, part.value, "up" if part.change >= 0 else "down")
             for part, start in zip(steps, values, strict=False)]  # fmt: skip
    bars = [*bars, ("weighted mean", 0.0, values[0], "total"), *moves, ("reward", 0.0, values[-1], "total")]
    return pd.DataFrame(bars, columns=["name", "start", "end", "kind"])


def box(texts: dict[str, list[str]]) -> RewardBox:
    """Return the thing to play with: rollouts to the first prompts, before and after, all four steps on."""
    asked, own = pool("creative", held_out=True)[:SHOWN], rubric()
    groups = [
        Group(prompt, tuple(texts[when][GROUPS * OF * k :][:OF]), when)
        for k, prompt in enumerate(asked) for when in (BEFORE, AFTER)
    ]  # fmt: skip
    return RewardBox(own, groups, Aggregator(own, ALL, "renormalise"))


def summarise(found: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return changed winners and what they are like, and the verdict on which steps change the winner."""
    rows, groups = [], GROUPS * len(pool("creative", held_out=True))
    for when in (BEFORE, AFTER):
        for name in SETTINGS:
            own = found[(found.when == when) & (found.setting == name)]
            other = {"praises": "winners that praise"} if name == "weighted mean" else {"changed": "winner changed"}
            columns = other | {"gold": "gold score of the winner"}
            rows += [
                row(f"{when}, {name}: {words}", inside(own[column].to_numpy()), groups * len(own))
                for column, words in columns.items()
            ]
    return rows, verdict(found)


def verdict(found: pd.DataFrame) -> Verdict:
    """Judge whether saturation, interaction and veto each change winners, more than :data:`LEAST`, and shaping none."""
    share = {
        (name, when): inside(own.changed.to_numpy())
        for (name, when), own in found.groupby(["setting", "when"], sort=False)
    }
    moving = [name for name in SINGLE if name != "shaping" and _moves(share, name)]
    still = found[found.setting == "shaping"].changed.max() == 0
    kind = "holds" if len(moving) == 3 and still else "mixed" if moving and still else "does not hold"
    words = "; ".join(
        f"{name} {in_words(share[name, BEFORE], '.0%')} before, {in_words(share[name, AFTER], '.0%')} after training"
        for name in SINGLE
    )
    return Verdict(kind, f"Share of groups whose best of {OF} is no longer the best under the weighted mean: {words}.")


def _moves(share: dict[tuple[str, str], Interval], name: str) -> bool:
    """Return whether a step changes winners before and after training: both intervals above :data:`LEAST`."""
    return all(share[name, when].low > LEAST for when in (BEFORE, AFTER))
