"""How well anchors cover a graph: section 1.7 of the dossier, measured again, and what it predicts."""

import numpy as np
import pandas as pd

from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict
from anchors.entity import anchors, loaders

COUNTS = (64, 256, 500, 1000, 2000)
STRATEGIES = ("degree", "pagerank", "mix", "random")


def one(graph: str, count: int, strategy: str, seed: int) -> dict[str, float]:
    """Return the coverage of a graph by ``count`` anchors of a strategy."""
    found = loaders.load(graph)
    return anchors.coverage(found, anchors.select(found, count, strategy, np.random.default_rng([seed, 3])))


def compute(graphs: list[str], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per graph, strategy and number of anchors (no more than half of the entities)."""
    counts = choose(profile, COUNTS[:2], COUNTS, COUNTS)
    jobs = [
        {"graph": graph, "count": count, "strategy": strategy, "seed": seed}
        for graph in graphs for strategy in STRATEGIES for count in counts
        if count <= loaders.load(graph).size // 2
    ]  # fmt: skip
    salt = "".join(loaders.fingerprints(graphs).values())
    found = cached_grid(one, jobs, "coverage", salt)
    return pd.DataFrame([job | result for job, result in zip(jobs, found, strict=True)])


def hops_between(graphs: list[str], triples: int = 3000) -> pd.DataFrame:
    """Return the shares of test triples by the distance of head and tail in the training graph (the first 3,000)."""
    salt = "".join(loaders.fingerprints(graphs).values())
    found = cached_grid(distances, [{"graph": graph, "triples": triples} for graph in graphs], "distances", salt)
    return pd.DataFrame([{"graph": graph, **one} for graph, one in zip(graphs, found, strict=True)])


def distances(graph: str, triples: int) -> dict[str, float]:
    """Return the shares of test triples whose head and tail are 1, 2, 3, or more hops apart in training."""
    found = loaders.load(graph)
    heads, _, tails = found.splits["test"][:triples].T
    hops = anchors.apart(found.neighbours, heads, tails, 3)
    return {str(one): float((hops == one).mean()) for one in (1, 2, 3)} | {"4 or more": float((hops > 3).mean())}


def summarise(found: pd.DataFrame, apart: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the coverage by degree anchors of each graph, distances, and what they predict (no verdict on a model)."""
    rows = []
    for r in found[found.strategy.isin(("degree", "random"))].rename(columns={"anchors at 1 hop": "near"}).itertuples():
        what = f"{loaders.title(r.graph)}: {{}}, {r.count} anchors by {r.strategy}"
        n = loaders.load(r.graph).size
        rows.append(Row(what.format("entities with an anchor at 1 hop"), 100 * r.covered, n=n, unit="%"))
        rows.append(Row(what.format("anchors at 1 hop, mean"), r.near, n=n))
    for graph, group in apart.set_index("graph").iterrows():
        rows += [
            Row(f"{loaders.title(graph)}: test pairs at {hops} hops", 100 * share, unit="%")
            for hops, share in group.items()
        ]
    best = found[(found.strategy == "degree")].sort_values("count").groupby("graph").last()["anchors at 1 hop"]
    text = "Mean number of anchors at one hop, at most anchors: " + ", ".join(
        f"{loaders.title(graph)} {value:.1f}" for graph, value in best.sort_values(ascending=False).items()
    )
    if {"fb15k-237", "wn18rr"} <= set(best.index):
        text += ". Anchors can say much of an entity of FB15k-237 and little of one of WN18RR: the gain should differ"
    return rows, Verdict("measured", text + ".")
