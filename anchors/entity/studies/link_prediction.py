"""Filtered link prediction on all graphs: text, text with either mechanism or both, and lookup models beside."""

import numpy as np
import pandas as pd

from anchors.companion import recorded
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import in_words, mean_interval
from anchors.entity import loaders
from anchors.entity.studies import common
from anchors.entity.studies.common import CORE, LARGER, gain, judged, name, queries, values

RUNS = ("entity/lookups", "entity/large_lookups", "entity/other_lookups")
METRICS = ("MRR", "H@1", "H@3", "H@10")
TARGETS = {"fb15k-237": 0.30, "wn18rr": 0.45}  # MRR that a frozen MiniLM should reach with anchors: ours, no paper's


def compute(graphs: list[str], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per graph, variant or lookup model, and seed."""
    found = common.table(graphs, CORE, profile, seed)
    return pd.concat([found.assign(kind="text"), lookups(graphs)], ignore_index=True)


def lookups(graphs: list[str]) -> pd.DataFrame:
    """Return the recorded lookup models on ``graphs``."""
    log = pd.concat([recorded.load(run)[0] for run in RUNS], ignore_index=True)
    own = log[log.graph.isin(graphs)].rename(columns={"model": "variant"})
    return own.assign(kind="lookup", source="recorded", reranked=np.nan, off=np.nan, ranks=None)


def summarise(found: pd.DataFrame, losses: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the metrics of every model, the gains over text, how far live steps are from the log, and the verdict."""
    rows: list[Row] = []
    for graph in found.graph.unique():
        n, title = queries(found, graph), loaders.title(graph)
        own = found[found.graph == graph]
        for variant in own.variant.unique():
            source, kind = own[own.variant == variant][["source", "kind"]].iloc[0]
            on = loaders.title(graph, texts=kind == "text")  # lookup models read no text
            for metric in METRICS:
                value = mean_interval(values(found, graph, variant, metric))
                rows.append(row(f"{on}: {metric}, {name(variant)}", value, n, source=source))
        for treated in ("anchors_only", "random_only", "sea"):
            quantity = f"{title}: MRR, {name(treated)} − text"
            rows.append(row(quantity, gain(found, graph, treated, "simkgc_ib"), n, source=own.source.iloc[0]))
        reranked = mean_interval(values(found, graph, "sea", "reranked"))
        what = f"{title}: MRR, SEA (both), with graph re-ranking"
        rows.append(row(what, reranked, n, source=own.source.iloc[0]))
    if len(losses):
        rows.append(Row("largest |live − recorded| loss of the first steps", common.gap(losses), n=len(losses),
                        slack=common.TOLERANCE))  # fmt: skip
    return rows, common.checked(losses, verdict(found))


def verdict(found: pd.DataFrame) -> Verdict:
    """Judge whether SEA beats text on every graph, and most on FB15k-237; targets that are missed are named."""
    graphs = list(found.graph.unique())
    gains = {graph: gain(found, graph, "sea", "simkgc_ib") for graph in graphs}
    words = [f"{loaders.title(graph)} {in_words(one, '+.3f')}" for graph, one in gains.items()]
    better = [graph for graph, one in gains.items() if judged(one) == "gains"]
    text = f"Anchors and random negatives together change MRR by {'; '.join(words)}."
    reached = {graph: float(values(found, graph, "sea").mean()) for graph in graphs if graph in TARGETS}
    for graph, value in reached.items():
        missed = "" if value >= TARGETS[graph] else ", missed"
        text += f" {loaders.title(graph)} reaches {value:.3f} (aim {TARGETS[graph]:.2f}{missed})."
    best = [f"{loaders.title(graph, texts=False)} {one}" for graph in graphs if (one := _best_lookup(found, graph))]
    text += f" Best lookup model: {', '.join(best)}." if best else ""
    kind = "holds" if len(better) == len(graphs) else "mixed" if better else "does not hold"
    if {"fb15k-237", "wn18rr"} <= set(gains):
        first = gains["fb15k-237"].mean > gains["wn18rr"].mean + LARGER
        text += f" The gain is {'larger' if first else 'not larger'} on FB15k-237 than on WN18RR."
        kind = kind if first else "mixed" if better else kind
    return Verdict(kind, text)


def _best_lookup(found: pd.DataFrame, graph: str) -> str:
    own = found[(found.graph == graph) & (found.kind == "lookup")].groupby("variant").MRR.mean()
    return f"{own.idxmax()} {own.max():.3f}" if len(own) else ""


def wide(found: pd.DataFrame) -> pd.DataFrame:
    """Return the table behind the figure: one row per trial without its ranks and its time."""
    return found.drop(columns=["ranks", "seconds"])
