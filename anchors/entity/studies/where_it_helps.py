"""Where anchors and random negatives help: by relation, cardinality, degree of the answer, and distance of the pair."""

import numpy as np
import pandas as pd

from anchors.companion.cache import cached
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval
from anchors.entity import anchors, loaders, rank
from anchors.entity.graph import CLASSES
from anchors.entity.studies import common
from anchors.entity.studies.common import judged

FEWEST = 200  # queries of a relation or group that is shown
EDGES = (1, 5, 20, 100, 500)
HOPS = ("1", "2", "3", "4 or more")


def compute(graphs: list[str], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per graph, kind of group, group and seed: queries, MRR of text, and the gains over it."""
    found = common.table(graphs, ("simkgc_ib", "anchors_only", "random_only", "sea"), profile, seed)
    rows = []
    for graph in graphs:
        own, groups = found[found.graph == graph], groups_of(graph)
        for s in own.seed.unique():
            inverse = {one.variant: 1 / one.ranks for one in own[own.seed == s].itertuples()}
            for kind, (place, names) in groups.items():
                rows += [{"graph": graph, "kind": kind, "seed": s} | one for one in _means(inverse, place, names)]
    return pd.DataFrame(rows)


def _means(inverse: dict[str, np.ndarray], place: np.ndarray, names: list[str]) -> list[dict]:
    """Return, for each group, its queries, the MRR of text and the gain of each variant over text."""
    size = np.bincount(place, minlength=len(names))
    mean = {v: np.bincount(place, one, len(names)) / np.maximum(size, 1) for v, one in inverse.items()}
    return [
        {"group": name, "n": int(size[g]), "text": mean["simkgc_ib"][g]}
        | {v: mean[v][g] - mean["simkgc_ib"][g] for v in mean if v != "simkgc_ib"}
        for g, name in enumerate(names) if size[g] >= FEWEST
    ]  # fmt: skip


def groups_of(graph: str) -> dict[str, tuple[np.ndarray, list[str]]]:
    """Return ``{kind: (group of each directed test query (q,), names)}``."""
    found = loaders.load(graph)
    triples = found.directed("test")
    degree, names = rank.degree_buckets(found.degree[triples[:, 2]], EDGES)
    apart = np.array(cached(hops_apart, graph=graph, salt=loaders.fingerprint(graph)))
    return {
        "relation": (triples[:, 1] % len(found.relations), list(found.relation_texts)),
        "cardinality": (found.cardinality[triples[:, 1]], list(CLASSES)),
        "degree of the answer": (degree, names),
        "hops apart": (apart, list(HOPS)),
    }


def hops_apart(graph: str) -> list[int]:
    """Return for each directed test query the group of :data:`HOPS` its head and tail are apart in training."""
    found = loaders.load(graph)
    heads, _, tails = found.splits["test"].T
    one = np.clip(anchors.apart(found.neighbours, heads, tails, 3).astype(int), 1, 4) - 1
    return np.concatenate([one, one]).tolist()


def averaged(found: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over seeds of each graph, kind and group."""
    means = found.groupby(["graph", "kind", "group"], sort=False).mean(numeric_only=True)
    return means.drop(columns="seed").reset_index()


def summarise(found: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the gains of anchors in every group but single relations, the extreme relations, and the verdict."""
    rows, helped = [], {}
    for (graph, kind, name), group in found.groupby(["graph", "kind", "group"], sort=False):
        if kind == "relation":
            continue
        gain = mean_interval(group.anchors_only.to_numpy())
        helped[graph, kind, name] = gain
        what = f"{loaders.title(graph)}, {kind} {name}: MRR gain of anchors over text"
        rows.append(row(what, gain, int(group.n.iloc[0]), source=_source(graph)))
    means = averaged(found)
    for graph in found.graph.unique():
        own = means[(means.graph == graph) & (means.kind == "relation")].sort_values("anchors_only")
        for one in [*own.head(2).itertuples(), *own.tail(2).itertuples()]:
            what = f"{loaders.title(graph)}, relation “{one.group}”: MRR gain of anchors over text"
            rows.append(Row(what, one.anchors_only, n=int(one.n), source=_source(graph)))
    return rows, verdict(helped)


def _source(graph: str) -> str:
    return "recorded" if graph in common.split([graph], "laptop")[1] else "cached"


def verdict(helped: dict[tuple[str, str, str], Interval]) -> Verdict:
    """Judge whether anchors help in most groups, and name the best and the worst group of each graph."""
    words, kinds = [], {key: judged(one) for key, one in helped.items()}
    for graph in dict.fromkeys(graph for graph, _, _ in helped):
        own = sorted((one.mean, key) for key, one in helped.items() if key[0] == graph)
        ends = [f"{key[1]} {key[2]} {in_words(helped[key], '+.3f')}" for _, key in (own[-1], own[0])]
        gains = sum(kinds[key] == "gains" for _, key in own)
        words.append(f"{loaders.title(graph)}: gains in {gains} of {len(own)} groups, from {ends[1]} to {ends[0]}")
    return Verdict("measured", "; ".join(words) + ".")
