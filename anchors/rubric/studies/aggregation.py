"""What each aggregation step changes: drawn, by best-of-16 selection, and in training (sections 1.4 and 1.5, E2)."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.cache import cached
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import in_words, mean_within, paired_interval
from anchors.models.language import identity
from anchors.rubric import trials
from anchors.rubric.aggregate import Aggregator, Saturation, Shaping
from anchors.rubric.criteria import score
from anchors.rubric.evaluation import answers, pool, untrained
from anchors.rubric.studies import arms
from anchors.rubric.writer.gold import gold

STUDY, OF = "aggregation", 16
KAPPAS, BETAS = (0.0, 1.0, 3.0, 8.0), (0.0, 2.0, 4.0, 8.0)


def curves(points: int = 101) -> pd.DataFrame:
    """Return the maps of saturation and shaping on [0, 1]: step, parameter, x, y."""
    x = np.linspace(0, 1, points)
    parts = [("saturation", kappa, Saturation(kappa)(x) if kappa else x) for kappa in KAPPAS]
    parts += [("shaping", beta, Shaping(beta)(x) if beta else x) for beta in BETAS]
    return pd.concat(
        [pd.DataFrame({"step": step, "parameter": value, "x": x, "y": y}) for step, value, y in parts],
        ignore_index=True,
    )


def best_of(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per aggregation and seed: what the best of 16 of the base's responses to each prompt are like."""
    seeds = range(seed, seed + choose(profile, 2, 5, 10))
    rows = [row | {"seed": s} for s in seeds for row in cached(selected, identity("writer"), seed=s)]
    return pd.DataFrame(rows)


def selected(seed: int) -> list[dict[str, Any]]:
    """Return for each aggregation means over prompts of the selected response: smallest score, spread, agreement.

    ``agrees`` is the share of prompts where it selects what the linear baseline selects.
    """
    scores = base_scores(seed)  # (prompts, 16, K)
    rubric, found, first = gold("creative"), [], None
    for name, steps in trials.AGGREGATIONS.items():
        values = Aggregator(rubric, steps)(scores.reshape(-1, scores.shape[-1])).reshape(scores.shape[:2])
        best = values.argmax(1)
        first = best if first is None else first
        kept = scores[np.arange(len(best)), best]
        found.append({
            "aggregation": name, "smallest": float(kept.min(1).mean()), "gini": float(gini(kept).mean()),
            "linear": float(Aggregator(rubric)(kept).mean()), "agrees": float((best == first).mean()),
        })  # fmt: skip
    return found


def base_scores(seed: int) -> np.ndarray:
    """Return the scores (prompts, 16, K) of the untrained writer's responses to the held-out creative prompts."""
    values = score(gold("creative"), *answers(untrained(), pool("creative", held_out=True), OF, [seed, 16])).values
    return values.reshape(-1, OF, values.shape[1])


def gini(scores: np.ndarray) -> np.ndarray:
    """Return the Gini coefficient (n,) of scores (n, K): 0 where all are equal."""
    ordered = np.sort(scores, axis=1)
    k = scores.shape[1]
    ranks = 2 * np.arange(1, k + 1) - k - 1
    return (ordered * ranks).sum(1) / (k * np.maximum(ordered.sum(1), 1e-12))


def trained() -> pd.DataFrame:
    """Return the recorded arms at the end: arm, seed, gold score, and the smallest mean of its criteria."""
    final = arms.last(arms.log(STUDY))
    own = [name for name in final if name.startswith("creative/")]
    return final[["arm", "seed", "creative"]].assign(smallest=final[own].min(axis=1), gini=gini(final[own].to_numpy()))


def over_linear(found: pd.DataFrame, name: str, column: str, by: str = "arm") -> Any:
    """Return the mean of an aggregation minus the linear one, paired by seed, with its interval."""
    wide = found.pivot_table(index="seed", columns=by, values=column)
    return paired_interval(wide[name].to_numpy(), wide["linear"].to_numpy())


def summarise(chosen: pd.DataFrame, found: pd.DataFrame, live: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return what selection and training give under each step, and the verdict on saturation."""
    rows, others = [], [name for name in trials.AGGREGATIONS if name != "linear"]
    for name in trials.AGGREGATIONS:
        own, after = chosen[chosen.aggregation == name], found[found.arm == name]
        for column, words in (
            ("smallest", "smallest score"),
            ("gini", "Gini of the scores"),
            ("linear", "linear reward"),
        ):
            rows.append(row(f"best of {OF}, {name}: {words}", mean_within(own[column].to_numpy()), len(own)))
        for column, words in (("creative", "gold score"), ("smallest", "smallest criterion")):
            value = mean_within(after[column].to_numpy())
            rows.append(row(f"trained, {name}: {words}", value, len(after), source="recorded"))
    for name in others:
        value = over_linear(found, name, "smallest")
        rows.append(row(f"trained, {name} − linear: smallest criterion", value, source="recorded"))
    return arms.checked(rows, live, verdict(chosen, found))


def verdict(chosen: pd.DataFrame, found: pd.DataFrame) -> Verdict:
    """Judge whether saturation lifts the weakest criterion, in selection and in training."""
    selecting = over_linear(chosen, "saturation", "smallest", "aggregation")
    training = over_linear(found, "saturation", "smallest")
    ups = [arms.judged(one) == "up" for one in (selecting, training)]
    text = (
        f"Saturation changes the smallest score of the best of {OF} by {in_words(selecting, '+.3f')}, and the smallest "
        f"criterion after training by {in_words(training, '+.3f')}. An affine map of the rewards changes nothing."
    )
    return Verdict("holds" if all(ups) else "mixed" if any(ups) else "does not hold", text)
