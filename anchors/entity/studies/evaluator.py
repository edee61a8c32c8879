"""The same scores under every convention of filtered ranking: how far apart honest numbers can lie."""

from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pandas as pd

from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_interval, paired_interval
from anchors.entity import anchors, baselines, loaders
from anchors.entity.graph import Graph, Known
from anchors.entity.rank import Ranks, metrics, near, ranked_scores

LEVELS = 32  # of the quantised scores
BOOST = 0.05  # SimKGC's re-ranking, for scores between -1 and 1
METRICS = ("MRR", "H@10")
KINDS = {
    "full": "float32 scores",
    "saturated": "their sigmoid in float16",
    "levels": f"rounded to {LEVELS} levels",
    "anchors": "same anchors, same score",
    "constant": "one score for all",
}
REFERENCE = "reference: realistic, all filtered"
CONVENTIONS = (
    REFERENCE, "ties: optimistic", "ties: pessimistic", "ties: place in a sort", "no filter", "filter: train only",
    "sampled negatives", "mean of two rounded means", "re-ranked, 1 hop", "re-ranked, 2 hops",
)  # fmt: skip
KEPT, DROPPED = "unseen entities: kept", "unseen entities: dropped"


def compute(profile: str, seed: int, graphs: list[str], negatives: int, hidden: float) -> pd.DataFrame:
    """Return MRR, H@10 and the number of ranks: a row per graph, seed, kind of scores and convention.

    Parameters
    ----------
    graphs : small graphs, whose lookup model is trained here for each seed.
    negatives : candidates of a sampled evaluation, besides the target.
    hidden : share of the entities that the model behind :data:`KEPT` and :data:`DROPPED` does not see in training.
    """
    seeds = range(seed, seed + choose(profile, smoke=2, laptop=5, paper=20))
    jobs = [{"name": g, "seed": s, "negatives": negatives, "hidden": hidden} for g in graphs for s in seeds]
    salt = f"{loaders.fingerprints(graphs, texts=False)} pykeen {version('pykeen')}"
    found = cached_grid(one_seed, jobs, "evaluator", salt=salt)
    return pd.DataFrame([line for lines in found for line in lines])


def one_seed(name: str, seed: int, negatives: int, hidden: float) -> list[dict]:
    """Return the metrics of every convention for the test scores of a DistMult trained with this seed."""
    graph, rng = loaders.load(name), np.random.default_rng(seed)
    triples = graph.directed("test")
    plain = trained(graph, seed).scores(triples)
    lines = []
    for kind, scores in variants(graph, plain, rng).items():
        for convention, (ranks, value) in measured(graph, triples, scores, negatives, rng).items():
            lines.append({"kind": kind, "convention": convention, "n": len(ranks), **value})
    lines += unseen(graph, seed, hidden, rng)
    return [{"graph": name, "seed": seed, **line} for line in lines]


def trained(graph: Graph, seed: int) -> baselines.Trained:
    """Return a DistMult of a short training: what is compared here is how it is scored."""
    return baselines.train(
        graph, "DistMult", replace(baselines.defaults(graph, "DistMult"), epochs=20, batch=256), seed
    )


def variants(graph: Graph, scores: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return scores (q, N) with more and more ties: see :data:`KINDS`."""
    low, high = scores.min(), scores.max()
    centred = scores - np.median(scores)
    return {
        "full": scores,
        "saturated": (1 / (1 + np.exp(-centred.astype(np.float16)))).astype(np.float16),
        "levels": np.round((scores - low) / (high - low) * (LEVELS - 1)),
        "anchors": tied(graph, scores, rng),
        "constant": np.zeros_like(scores),
    }


def tied(graph: Graph, scores: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return scores (q, N) averaged over entities with the same anchors: a model without text cannot tell them apart.

    Each entity has two of N / 8 anchors (at least four), chosen by degree.
    """
    chosen = anchors.select(graph, max(4, graph.size // 8), "degree", rng)
    nearest = anchors.assign(graph, chosen, 2).nearest
    group = np.unique(nearest, axis=0, return_inverse=True)[1].ravel()
    member = np.eye(group.max() + 1, dtype=np.float32)[group]  # (N, g)
    return ((scores @ member) / member.sum(0))[:, group]


def measured(
    graph: Graph, triples: np.ndarray, scores: np.ndarray, negatives: int, rng: np.random.Generator
) -> dict[str, tuple[np.ndarray, dict[str, float]]]:
    """Return ``{convention: (ranks, MRR and H@10)}`` of scores (q, N) of directed ``triples`` (q, 3)."""

    def ranks(known: Known, values: np.ndarray = scores) -> Ranks:
        return ranked_scores(lambda rows: values[rows], graph.size, triples, known)

    filtered, heads = ranks(graph.filter), triples[:, 0]
    unit = scores.astype(np.float32) / np.maximum(np.abs(scores).max(1, keepdims=True), 1e-12)
    boosted = [ranks(graph.filter, unit + BOOST * near(graph.neighbours, heads, hops)).realistic for hops in (1, 2)]
    found = (
        filtered.realistic, filtered.optimistic, filtered.pessimistic, placed(filtered, rng),
        ranks(nothing(graph)).realistic, ranks(graph.known()).realistic, sampled(filtered, negatives),
        filtered.realistic, *boosted,
    )  # fmt: skip
    values = {name: (one, summary(one)) for name, one in zip(CONVENTIONS, found, strict=True)}
    values["mean of two rounded means"] = (filtered.realistic, two_means(filtered.realistic))
    return values


def nothing(graph: Graph) -> Known:
    """Return known tails of no query at all: ranks are raw (its one head is no entity)."""
    return Known.of(np.array([[graph.size, 0, 0]]), graph.directions)


def placed(ranks: Ranks, rng: np.random.Generator) -> np.ndarray:
    """Return ordinal ranks (q,): the place of the target in a sort that leaves the order of ties to chance."""
    return ranks.optimistic + rng.integers(0, (ranks.pessimistic - ranks.optimistic).astype(int) + 1)


def sampled(ranks: Ranks, negatives: int) -> np.ndarray:
    """Return the expected rank (q,) of the target among so many competing candidates, drawn without replacement.

    Where fewer compete, all of them are drawn.
    """
    others = np.maximum(ranks.options - 1, 1)
    return 1 + (ranks.realistic - 1) * np.minimum(negatives, others) / others


def two_means(ranks: np.ndarray) -> dict[str, float]:
    """Return the mean of the metrics of the two directions, each rounded to four digits first (SimKGC)."""
    forward, backward = (summary(half) for half in np.split(ranks, 2))
    return {name: (round(forward[name], 4) + round(backward[name], 4)) / 2 for name in METRICS}


def summary(ranks: np.ndarray) -> dict[str, float]:
    """Return MRR and H@10 of ranks (q,)."""
    found = metrics(ranks)
    return {name: found[name] for name in METRICS}


def unseen(graph: Graph, seed: int, hidden: float, rng: np.random.Generator) -> list[dict]:
    """Return the metrics with and without the test triples whose entity a model never saw: some are hidden from it."""
    gone = np.zeros(graph.size, bool)
    gone[rng.choice(graph.size, max(1, round(hidden * graph.size)), replace=False)] = True
    train, triples = graph.splits["train"], graph.directed("test")
    less = graph.with_train(train[~gone[train[:, [0, 2]]].any(1)])
    model = trained(less, seed)
    ranks = ranked_scores(model.of(triples), graph.size, triples, graph.filter).realistic
    seen = less.in_train[triples[:, [0, 2]]].all(1)
    parts = {KEPT: ranks, DROPPED: ranks[seen]}
    return [{"kind": "full", "convention": name, "n": len(one), **summary(one)} for name, one in parts.items()]


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the rows and the verdict.

    Per graph: the plain scores under the reference; what each other convention changes (paired by seed); what dropping
    unseen entities changes; and for each kind of scores what the rule for ties changes.
    """
    rows = []
    for graph, own in table.groupby("graph", sort=False):
        name, plain = loaders.title(graph, texts=False), own[own.kind == "full"]
        n = int(plain.n.max())
        rows += [row(f"{name}, {REFERENCE}", mean_interval(_of(plain, REFERENCE, m)), n, m) for m in METRICS]
        for convention in (c for c in CONVENTIONS[1:] if not c.startswith("ties")):
            rows += [_change(f"{name}, {convention} − reference", plain, convention, REFERENCE, m) for m in METRICS]
        rows += [
            _change(f"{name}, a model with hidden entities: dropped − kept", plain, DROPPED, KEPT, m) for m in METRICS
        ]
        for kind, group in own.groupby("kind", sort=False):
            for one, other in (("optimistic", "pessimistic"), ("place in a sort", "realistic")):
                low = REFERENCE if other == "realistic" else f"ties: {other}"
                rows.append(_change(f"{name}, {KINDS[kind]}: {one} − {other}", group, f"ties: {one}", low, "MRR"))
    return rows, Verdict("measured", _words(table))


def _change(name: str, group: pd.DataFrame, one: str, other: str, metric: str) -> Row:
    """Return the row of a metric under one convention minus that under another, paired by seed."""
    n = round(group.n[group.convention == one].mean())
    return row(name, paired_interval(_of(group, one, metric), _of(group, other, metric)), n, metric)


def _of(group: pd.DataFrame, convention: str, metric: str = "MRR") -> np.ndarray:
    """Return a metric under a convention, a value a seed."""
    return group[group.convention == convention].sort_values("seed")[metric].to_numpy()


def _words(table: pd.DataFrame) -> str:
    """Return one sentence: what conventions alone do to plain scores, and what a tie rule does to one score for all."""
    plain = table[(table.kind == "full") & ~table.convention.isin([KEPT, DROPPED])]
    means = plain.groupby(["graph", "convention"]).MRR.mean()
    spans = means.groupby("graph").agg(["min", "max"])
    widest = (spans["max"] - spans["min"]).idxmax()
    constant = table[(table.kind == "constant") & (table.graph == widest)].groupby("convention").MRR.mean()
    return (
        f"The same scores have an MRR between {spans['min'][widest]:.3f} and {spans['max'][widest]:.3f} on "
        f"{loaders.title(widest, texts=False)}, depending on the convention alone; one score for all entities has "
        f"{constant['ties: optimistic']:.3f} with optimistic ties and {constant[REFERENCE]:.3f} with realistic ones."
    )
