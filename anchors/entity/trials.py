"""One trial: train a variant on a graph, then rank every test query; and the settings of graphs and profiles."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.used import remembered
from anchors.entity import loaders, rank, settings, store
from anchors.entity.encoder import freeze, plm, tokenise
from anchors.entity.graph import Graph
from anchors.entity.settings import Settings
from anchors.entity.training import Inputs, Model, Training, reading
from anchors.models import embed

SMALL, LARGE = loaders.PACKAGED, tuple(loaders.REGISTERED)
# The same for every variant; chosen on validation MRR, see docs/entity.md.
OF_SMALL = Settings(
    batch=128, steps=200, warmup=20, rate=3e-3, width=128, hidden=128, dropout=0.3, anchors=30, anchor_width=64
)
OF_LARGE = Settings(batch=512, width=384, steps=1000, warmup=100, rate=2e-3, anchors=500, evaluate_every=250)
RANDOM = 2  # random negatives a query of the batch, where a variant has them and the graph as many entities
RERANK = {"wn18rr": 5}  # hops of SimKGC's re-ranking; 2 elsewhere
KEPT_LOSSES = 20


def base(graph: str, profile: str = "laptop") -> Settings:
    """Return the settings of a graph in a profile; see :func:`paper` for that of a GPU.

    On WN18RR and its inductive splits the head is a negative of its own query (as on every graph in SimKGC): glosses of
    linked synsets are alike, and it came out first otherwise (Hits@1 .07 beside .56 at 10). On FB15k-237 that made no
    difference.
    """
    large = graph in LARGE
    own = OF_LARGE if large else OF_SMALL
    if graph.lower().startswith("wn18rr"):
        own = replace(own, anchors=1000 if large else own.anchors, self_negative=True)
    quick = replace(own, steps=3 if large else 8, evaluate_every=0)
    return choose(profile, quick, own, paper(graph) if profile == "paper" else own)


def paper(graph: str) -> Settings:
    """Return SimKGC's settings (its scripts) with 500 or 1,000 anchors at the input of a whole BERT (sec. 1.6)."""
    epochs, rate = {"fb15k-237": (10, 1e-5)}.get(graph, (50, 5e-5))
    steps = epochs * 2 * len(loaders.load(graph).splits["train"]) // 1024
    return Settings(
        plm="bert-base-uncased", top=12, batch=1024, steps=max(1, steps), rate=rate, chunk=256, evaluate_every=500,
        anchors=1000 if graph == "wn18rr" else 500, dtype="bfloat16",
    )  # fmt: skip


def job(graph: str, variant: str, seed: int, profile: str = "laptop", **changes: Any) -> dict[str, Any]:
    """Return the arguments of :func:`trial` for a variant on a graph with a seed; ``changes`` are further settings."""
    own = base(graph, profile)
    many = min(RANDOM * own.batch, loaders.load(graph).size)
    made = replace(settings.variant(variant, own, random=many), seed=seed, **changes)
    return {"graph": graph, "settings": asdict(made), "extras": graph not in LARGE or variant in ("simkgc_ib", "sea")}


def trial(graph: str, settings: dict[str, Any], extras: bool = True) -> dict[str, Any]:
    """Train once; return the realistic rank of every directed test query, the curve, and what training took.

    Queries come forwards, then backwards. With ``extras``, ``off`` is the MRR when no anchors are read at test, and
    ``reranked`` the one with SimKGC's graph re-ranking; else both are None.
    """
    own = Settings(**settings)
    training = Training(store.read(graph, own), own)
    model = training.run()
    found = model.found.graph
    triples = found.directed("test")
    queries, candidates = model.query_vectors(triples), model.entity_vectors()
    plain = rank.ranked(queries, candidates, triples, found.filter)
    reranked = off = None
    if extras:
        reranked = rank.ranked(queries, candidates, triples, found.filter, _boost(graph, triples[:, 0]))
        off = model.ranks(triples, anchors=None) if own.k or own.relation_tokens else plain
    return {
        "ranks": plain.realistic.tolist(),
        "reranked": mrr(reranked.realistic) if extras else None, "off": mrr(off.realistic) if extras else None,
        "curve": [[e["step"], e["MRR"], e["seconds"]] for e in model.log if "MRR" in e],
        "losses": [e["loss"] for e in model.log[:KEPT_LOSSES]], "seconds": training.seconds,
        "parameters": parameters(model.encoder),
    }  # fmt: skip


def trained(graph: Graph | str, own: Settings) -> Model:
    """Return a trained model of a graph, given by name or itself."""
    return Training(store.read(graph, own), own).run()


def _boost(graph: str, heads: np.ndarray) -> Any:
    """Return SimKGC's re-ranking of a graph for queries with ``heads`` (q,); the neighbourhoods are found once."""
    place, found = np.unique(heads, return_inverse=True)[1], _near(graph, RERANK.get(graph, 2))
    return lambda rows: np.float32(rank.AMOUNT) * found[place[rows]]


@remembered()
def _near(graph: str, hops: int) -> np.ndarray:
    """Return (heads, N) booleans: what lies near each distinct head of the directed test queries."""
    found = loaders.load(graph)
    heads = np.unique(found.directed("test")[:, 0])
    blocks = [rank.near(found.neighbours, heads[at : at + 1000], hops) for at in range(0, len(heads), 1000)]
    return np.concatenate(blocks)


def run(jobs: Sequence[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    """Return the trials of ``jobs``, each cached under the content of its graph and language model."""
    found: dict[int, Any] = {}
    for graph in dict.fromkeys(one["graph"] for one in jobs):
        places = [place for place, one in enumerate(jobs) if one["graph"] == graph]
        own = [jobs[place] for place in places]
        salt = loaders.fingerprint(graph) + embed.identity(own[0]["settings"]["plm"])
        found |= dict(zip(places, cached_grid(trial, own, f"{label}: {loaders.title(graph)}", salt), strict=True))
    return [found[place] for place in range(len(jobs))]


def first_losses(graph: str, settings: dict[str, Any], steps: int) -> list[float]:
    """Return the losses of the first ``steps`` steps of a trial, reading only the texts that they need.

    This is how a recorded run is repeated in part: with a frozen language model, the texts of all entities would take
    minutes.
    """
    own = Settings(**settings)
    return [entry["loss"] for entry in Training(_part(graph, own, steps), own).run(steps).log]


def _part(graph: str, own: Settings, steps: int) -> Inputs:
    """Return inputs in which only the texts of the first steps and of the anchors are read."""
    import torch

    found, model = loaders.load(graph), plm(own)
    entities = tokenise(model, found.texts, own.max_tokens)
    relations = freeze(model, tokenise(model, found.directed_texts, own.max_tokens))
    blank = freeze(model, entities, rows=torch.zeros(0, dtype=torch.long))
    probe = Training(Inputs(found, model, blank, relations, reading(own)), own)
    plans = [probe.plan(step) for step in range(steps)]
    used = [part for plan in plans for part in (plan.queries[:, 0], plan.candidates[:, 0])]
    used += [probe.model.anchors.entities] if probe.model.anchors is not None else []
    rows = torch.from_numpy(np.unique(np.concatenate(used)))
    return Inputs(found, model, freeze(model, entities, rows=rows), relations, reading(own))


def parameters(encoder: Any) -> dict[str, int]:
    """Return how many trained parameters the anchors and the rest have."""
    anchors = sum(p.numel() for name, p in encoder.named_parameters() if name.startswith(("anchors.", "sides.")))
    return {"anchors": anchors, "other": sum(p.numel() for p in encoder.parameters()) - anchors}


def mrr(ranks: np.ndarray) -> float:
    """Return the mean reciprocal rank."""
    return float((1 / np.asarray(ranks)).mean())
