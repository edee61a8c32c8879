"""How many anchors and which: MRR against how well they cover the graph."""

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.results import Row, Verdict, row
from anchors.entity import anchors, loaders
from anchors.entity.studies.common import over_seeds

RUN = "entity/anchor_counts"


def compute(graphs: list[str], seed: int) -> pd.DataFrame:
    """Return the recorded sweep, one row per graph, number of anchors, strategy and seed, with coverage and gain.

    The gain is over text alone with the same seed; the coverage that of the anchors that were chosen (of ``kmeans`` it
    is left out, since choosing them needs the vectors of all texts).
    """
    log = recorded.load(RUN)[0]
    log = log[log.graph.isin(graphs)]
    text = log[log.variant == "simkgc_ib"].set_index(["graph", "seed"]).MRR
    own = log[log.variant != "simkgc_ib"].copy()
    own["gain"] = own.MRR - [text[graph, s] for graph, s in zip(own.graph, own.seed, strict=True)]
    covered = [_coverage(one.graph, int(one.anchors), one.strategy, int(one.seed)) for one in own.itertuples()]
    return own.reset_index(drop=True).join(pd.DataFrame(covered))


def _coverage(graph: str, count: int, strategy: str, seed: int) -> dict[str, float]:
    found = loaders.load(graph)
    if strategy == "kmeans":
        return dict.fromkeys(("covered", "anchors at 1 hop", "within 2", "unreachable"), np.nan)
    chosen = anchors.select(found, count, strategy, np.random.default_rng([seed, 3]))
    return anchors.coverage(found, chosen)


def rank_correlation(found: pd.DataFrame) -> tuple[float, int]:
    """Return Spearman's correlation of anchors at one hop with the gain, over graphs and settings, and their number."""
    from scipy.stats import spearmanr

    means = found.groupby(["graph", "anchors", "strategy"])[["anchors at 1 hop", "gain"]].mean().dropna()
    return float(spearmanr(means["anchors at 1 hop"], means.gain).statistic), len(means)


def summarise(found: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the gain of every setting with its coverage, and the verdict on coverage as a predictor."""
    rows = []
    for (graph, count, strategy), group in found.groupby(["graph", "anchors", "strategy"], sort=False):
        gain = over_seeds(group.gain.to_numpy())
        what = f"{loaders.title(graph)}: MRR gain over text, {int(count)} anchors by {strategy}"
        rows.append(row(what, gain, int(group.n.iloc[0]), source="recorded"))
    each = {graph: rank_correlation(group) for graph, group in found.groupby("graph", sort=False)}
    rho, n = rank_correlation(found)
    rows.append(Row("rank correlation of anchors at 1 hop with the gain, both graphs", rho, n=n, source="recorded"))
    words = ", ".join(f"{one:+.2f} within {loaders.title(graph)} ({m} settings)" for graph, (one, m) in each.items())
    means = found.groupby("graph").gain.agg(["min", "max"])
    spans = ", ".join(f"{loaders.title(g)} {one['min']:+.3f} to {one['max']:+.3f}" for g, one in means.iterrows())
    text = (
        f"The number of anchors at one hop goes with the gain in MRR with rank correlation {rho:+.2f} over {n} "
        f"settings of both graphs ({words}); gains span {spans}."
    )
    sure = rho > 0.5 and all(one > 0 for one, _ in each.values())
    return rows, Verdict("holds" if sure else "mixed" if rho > 0 else "does not hold", text)
