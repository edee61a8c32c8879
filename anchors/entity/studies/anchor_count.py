"""How many anchors and which: the gain over text against how well the anchors cover the graph."""

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.cache import cached_grid
from anchors.companion.errors import InputError
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval
from anchors.entity import loaders
from anchors.entity.studies import common, coverage

RUN = "entity/anchor_counts"
SETTING = ["graph", "anchors", "strategy"]
NEAR = "anchors at 1 hop"


def compute(graphs: list[str]) -> pd.DataFrame:
    """Return the recorded sweep: one row per graph, number of anchors, strategy and seed, with coverage and ``gain``.

    The gain is that in MRR over text with the same seed and steps.

    Raises
    ------
    InputError
        A graph has no recorded sweep.
    """
    log = recorded.load(RUN)[0]
    unknown = sorted(set(graphs) - set(log.graph))
    if unknown:
        raise InputError("graphs", ", ".join(unknown), " | ".join(log.graph.unique()), "Others have no recorded sweep.")
    log = log[log.graph.isin(graphs)]
    text = log[log.anchors == 0].set_index(["graph", "seed"]).MRR
    own = log[log.anchors > 0].copy()
    own["gain"] = own.MRR.to_numpy() - text.loc[list(zip(own.graph, own.seed, strict=True))].to_numpy()
    return own.reset_index(drop=True)


def repeated(found: pd.DataFrame) -> pd.DataFrame:
    """Return the coverage of the sweep's first seed, measured again (``live``) beside the log's (``log``).

    Graphs that are not on this machine are left out, and so is ``kmeans``, which reads the vectors of all texts.
    """
    own = found[(found.seed == found.seed.min()) & (found.strategy != "kmeans")]
    own = own[[common.here(graph) for graph in own.graph]]
    jobs = [
        {"graph": one.graph, "count": int(one.anchors), "strategy": one.strategy, "seed": int(one.seed)}
        for one in own.itertuples()
    ]
    salt = "".join(loaders.fingerprints(sorted(set(own.graph))).values())
    live = [one[NEAR] for one in cached_grid(coverage.one, jobs, "coverage", salt)] if jobs else []
    return pd.DataFrame({"live": np.array(live, float), "log": own[NEAR].to_numpy(float)})


def settings(found: pd.DataFrame) -> pd.DataFrame:
    """Return one row per graph and setting: mean gain with its interval over seeds, and mean coverage."""
    rows = []
    for key, group in found.groupby(SETTING, sort=False):
        gain = mean_interval(group.gain.to_numpy())
        about = dict(zip(SETTING, key, strict=True)) | gain._asdict()
        rows.append(about | {NEAR: group[NEAR].mean(), "covered": group.covered.mean(), "seeds": len(group)})
    return pd.DataFrame(rows)


def rank_correlation(means: pd.DataFrame) -> float:
    """Return Spearman's correlation of anchors at one hop with the gain, over settings."""
    from scipy.stats import spearmanr

    return float(spearmanr(means[NEAR], means["mean"]).statistic)


def summarise(found: pd.DataFrame, again: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the gain of every setting with its coverage, and the verdict on coverage as a predictor of the gain."""
    means, rows = settings(found), []
    for one in means.itertuples():
        own = found[(found.graph == one.graph) & (found.anchors == one.anchors) & (found.strategy == one.strategy)]
        what = f"{loaders.title(one.graph)}: {{}}, {int(one.anchors):,} anchors by {one.strategy}"
        gain = mean_interval(own.gain.to_numpy())
        rows.append(row(what.format("MRR gain over text"), gain, int(own.n.iloc[0]), source="recorded"))
        rows.append(Row(what.format("anchors at 1 hop, mean"), own[NEAR].mean(), source="recorded"))
    gap = float((again.live - again.log).abs().max()) if len(again) else float("nan")
    rows.append(Row("largest |live − recorded| number of anchors at 1 hop", gap, n=len(again), slack=0.05))
    return rows, verdict(means)


def verdict(means: pd.DataFrame) -> Verdict:
    """Judge whether the gain goes with the number of anchors that stand beside an entity, on each graph and overall."""
    each = {graph: (rank_correlation(group), len(group)) for graph, group in means.groupby("graph", sort=False)}
    words = [f"{rho:+.2f} within {loaders.title(graph)} ({n} settings)" for graph, (rho, n) in each.items()]
    spans = means.groupby("graph", sort=False)["mean"].agg(["min", "max"])
    gains = [f"{loaders.title(graph)} {low:+.3f} to {high:+.3f}" for graph, low, high in spans.itertuples()]
    text = f"Rank correlation of the anchors at one hop with the gain in MRR: {', '.join(words)}"
    text += f", {rank_correlation(means):+.2f} over both. " if len(each) > 1 else ". "
    text += f"Gains over text span {', '.join(gains)}."
    signs = [rho for rho, _ in each.values()]
    sure = min(signs) > 0.5
    return Verdict("holds" if sure else "mixed" if max(signs) > 0.5 else "does not hold", text)
