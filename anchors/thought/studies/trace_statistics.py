"""How long the released traces are and of which sentences they are made, in both generations (sec. 1, 2.2)."""

import numpy as np
import pandas as pd

from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.thought import official
from anchors.thought.taxonomy import CATEGORIES, NAMES

GENERATIONS = ("v1/v2", "v4")


def compute(profile: str, seed: int) -> pd.DataFrame:
    """Return one row per sentence of both generations: generation, trace, problem, correct, sentence, category."""
    first = pd.concat([
        pd.DataFrame({"problem": trace.problem, "correct": trace.correct, "sentence": range(len(trace.sentences)),
                      "category": trace.categories})
        for trace in official.released_traces()
    ])  # fmt: skip
    second = official.variance_rows()[["problem", "correct", "sentence", "category"]]
    return pd.concat([first.assign(generation=GENERATIONS[0]), second.assign(generation=GENERATIONS[1])])


def lengths(table: pd.DataFrame) -> pd.Series:
    """Return the number of sentences by generation, problem and correctness."""
    return table.groupby(["generation", "problem", "correct"]).size()


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the number of sentences, categories by generations."""
    return table.groupby(["category", "generation"]).size().unstack()[list(GENERATIONS)].loc[list(CATEGORIES)]


def same_category(table: pd.DataFrame) -> np.ndarray:
    """Return for each sentence of the 20 traces in both generations whether both give it the same category."""
    keys = ["problem", "correct", "sentence"]
    first, second = (table[table["generation"] == g].set_index(keys)["category"] for g in GENERATIONS)
    both = pd.concat([first, second], axis=1, join="inner")
    return (both.iloc[:, 0] == both.iloc[:, 1]).to_numpy()


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return lengths with t intervals over traces, category counts and shares, and the verdict."""
    size, count = lengths(table), counts(table)
    length = {g: mean_interval(size[g].to_numpy()) for g in GENERATIONS}
    rows = [row(f"{g}: mean sentences per trace", length[g], int(size[g].sum()), "", "live", same_scale=True)
            for g in GENERATIONS]  # fmt: skip
    rows[0] = row("v1/v2: mean sentences per trace", length["v1/v2"], 2885, "", "live", same_scale=True, tolerance=0.5)
    for end, value in (("low", length["v1/v2"].low), ("high", length["v1/v2"].high)):
        rows.append(_exact(f"v1/v2: {end} end of the 95 % interval of the mean", value, len(size["v1/v2"]), 0.051))
    rows.append(_exact("v4: sentences in 40 traces", len(table[table["generation"] == "v4"]), len(size["v4"])))
    for g in GENERATIONS:
        rows += [_exact(f"{g}: {NAMES[c].lower()}", count.loc[c, g], int(count[g].sum())) for c in CATEGORIES]
    same = same_category(table)
    rows.append(Row("share of the common sentences with one category in both generations", same.mean(), n=same.size))
    return rows, _verdict(size, count, length, same)


def _exact(quantity: str, value: float, n: int, tolerance: float = 0.0) -> Row:
    return Row(quantity, float(value), n=n, source="live", same_scale=True, tolerance=tolerance)


def _verdict(size: pd.Series, count: pd.DataFrame, length: dict, same: np.ndarray) -> Verdict:
    share = 100 * count / count.sum()
    computing, facts = share.loc["active_computation"], share.loc["fact_retrieval"]
    text = (
        f"20 traces of v1/v2 hold {size['v1/v2'].sum():,} sentences ({length['v1/v2'].mean:.2f} a trace, "
        f"{length['v1/v2'].low:.1f} to {length['v1/v2'].high:.1f}), 40 of v4 hold {size['v4'].sum():,} "
        f"({length['v4'].mean:.2f}, {length['v4'].low:.1f} to {length['v4'].high:.1f}). From v1/v2 to v4 the share of "
        f"active computation falls from {computing['v1/v2']:.1f} to {computing['v4']:.1f} % and that of fact retrieval "
        f"rises from {facts['v1/v2']:.1f} to {facts['v4']:.1f} %: the ten new problems differ, since the "
        f"{same.size:,} shared sentences keep their category in {100 * same.mean():.1f} % of cases."
    )
    return Verdict("measured", text)
