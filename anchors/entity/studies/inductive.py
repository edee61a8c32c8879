"""Does fusing structure cost induction? Disjoint test graphs (GraIL), and entities that training never saw.

Fully inductive: train on one graph, rank the answers of another that shares relations but no entity (all entities of
that graph compete). No anchor can be reached there; relation types can. Semi-inductive: some entities are hidden from
training with all their triples; at test they have their text, and their links to known entities give them anchors.
"""

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.cache import cached_grid
from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import in_words, mean_within, paired_interval
from anchors.entity import anchors, loaders, rank, store, trials
from anchors.entity.graph import Graph
from anchors.entity.settings import Settings
from anchors.entity.studies.common import judged, name, seeds_of
from anchors.entity.training import Model
from anchors.models import embed

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "simkgc_ib": ("simkgc_ib", {}), "anchors_only": ("anchors_only", {}), "sea": ("sea", {}),
    "types": ("anchors_only", {"k": 0, "relation_tokens": 8}),
}  # fmt: skip
NAMES = {"types": "text + relation types"}
SEEDS = 3
HIDDEN = 0.1  # share of the entities that the semi-inductive protocol hides
STEPS = {"steps": 200, "batch": 128, "hidden": 256, "width": 384, "dropout": 0.1, "anchors": 100, "warmup": 20}


def hide(graph: Graph, share: float, rng: np.random.Generator) -> tuple[Graph, np.ndarray]:
    """Return the graph without the training triples of a random share of its entities, and who is hidden (N,)."""
    hidden = np.zeros(graph.size, bool)
    hidden[rng.permutation(graph.size)[: round(share * graph.size)]] = True
    train = graph.splits["train"]
    return graph.with_train(train[~hidden[train[:, [0, 2]]].any(1)]), hidden


def full(graph: str, settings: dict[str, Any]) -> dict[str, float]:
    """Train on ``graph``, rank on its disjoint test graph; return MRR and Hits@10 there and on the graph itself."""
    own = Settings(**settings)
    seen, other = loaders.inductive(graph)
    model = trials.trained(seen, own)
    there = moved(model, other, own)
    ranks = [one.ranks(g.directed("test")).realistic for one, g in ((model, seen), (there, other))]
    return _scores("seen", ranks[0]) | _scores("unseen", ranks[1])


def moved(model: Model, graph: Graph, settings: Settings) -> Model:
    """Return a trained model that reads another graph: its texts, and the tokens that this graph gives its entities.

    Anchors are entities of the training graph, so none can be reached; relation types are the same.
    """
    found = store.read(graph, settings)
    encoder = copy(model.encoder)  # shares the parameters and the relations
    encoder.entities = found.entities
    made = None
    if model.anchors is not None:
        nobody = np.full((graph.size, model.anchors.nearest.shape[1]), anchors.NONE, np.int32)
        far = np.full(nobody.shape, anchors.FAR, np.int8)
        made = anchors.Anchors(model.anchors.entities, nobody, far)
        made = anchors.with_types(made, graph, settings.relation_tokens)
    return Model(found, settings, made, encoder)


def semi(graph: str, settings: dict[str, Any]) -> dict[str, float]:
    """Train without the hidden entities; return MRR on test queries with a hidden head or tail, and on the others.

    ``support`` reads anchors through the hidden entities' own links (no gradient ever saw them), ``text`` reads them
    without any. Ranks are filtered by all facts, those of the hidden entities among them.
    """
    own = Settings(**settings)
    whole = loaders.load(graph)
    shown, hidden = hide(whole, HIDDEN, np.random.default_rng([own.seed, 9]))
    model = returned(trials.trained(shown, own), whole)
    triples = whole.directed("test")
    new = hidden[triples[:, [0, 2]]].any(1)
    linked, alone = (model.ranks(triples, anchors=read).realistic for read in ("own", None))
    return _scores("support", linked[new]) | _scores("text", alone[new]) | _scores("known", linked[~new]) | {
        "n": int(new.sum())
    }  # fmt: skip


def returned(model: Model, whole: Graph) -> Model:
    """Return a model trained on a part of a graph that reads the whole: all its links, and all its facts as known."""
    made = model.anchors
    if made is not None:
        made = anchors.assign(whole, made.entities, made.nearest.shape[1])
        made = anchors.with_types(made, whole, model.settings.relation_tokens)
    return replace(model, found=replace(model.found, graph=whole), anchors=made)


def _scores(prefix: str, ranks: np.ndarray) -> dict[str, float]:
    found = rank.metrics(ranks)
    return {f"{prefix} {metric}": found[metric] for metric in ("MRR", "H@10")}


def compute(graphs: list[str], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per protocol, graph, variant and seed."""
    rows, salt = [], "".join(loaders.fingerprints(graphs).values()) + embed.identity()
    for protocol in (full, semi):
        jobs, kinds = [], []
        for graph in graphs:
            for variant, (base, changes) in VARIANTS.items():
                for s in seeds_of(seed, profile)[:SEEDS]:
                    steps = choose(profile, {**STEPS, "steps": 10}, STEPS, {**STEPS, "steps": 3000})
                    own = trials.job(graph, base, s, **steps, **changes)["settings"]
                    jobs.append({"graph": graph, "settings": own})
                    kinds.append({"protocol": protocol.__name__, "graph": graph, "variant": variant, "seed": s})
        found = cached_grid(protocol, jobs, f"inductive, {protocol.__name__}", salt)
        rows += [kind | one for kind, one in zip(kinds, found, strict=True)]
    return pd.DataFrame(rows)


def loss_of(found: pd.DataFrame, graph: str, column: str, protocol: str, variant: str) -> Any:
    """Return variant − text in ``column``, paired by seed."""
    own = found[(found.graph == graph) & (found.protocol == protocol)]
    own = own.pivot(index="seed", columns="variant", values=column)
    return paired_interval(own[variant].to_numpy(), own["simkgc_ib"].to_numpy())


def summarise(found: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return MRR of every variant in both protocols, the differences from text, and the verdict on induction."""
    rows, costs = [], {}
    columns = {"full": ("seen MRR", "unseen MRR"), "semi": ("support MRR", "text MRR", "known MRR")}
    for (protocol, graph), own in found.groupby(["protocol", "graph"], sort=False):
        for variant, column in ((v, c) for v in VARIANTS for c in columns[protocol]):
            value = mean_within(own[own.variant == variant][column].to_numpy())
            what = f"{graph}, {WORDS[column]}: MRR, {label(variant)}"
            rows.append(row(what, value, _queries(own, graph), source="cached"))
        for variant in ("anchors_only", "sea", "types"):
            column = "unseen MRR" if protocol == "full" else "support MRR"
            change = loss_of(found, graph, column, protocol, variant)
            costs[graph, protocol, variant] = change
            what = f"{graph}, {WORDS[column]}: MRR, {label(variant)} − text"
            rows.append(row(what, change, _queries(own, graph), source="cached"))
    return rows, verdict(costs)


WORDS = {
    "seen MRR": "the training graph", "unseen MRR": "the disjoint graph",
    "support MRR": "hidden entities, linked", "text MRR": "hidden entities, text only",
    "known MRR": "other entities",
}  # fmt: skip


def label(variant: str) -> str:
    """Return a variant's name in the figure."""
    return NAMES.get(variant, name(variant))


def _queries(own: pd.DataFrame, graph: str) -> int:
    if "n" in own and own.n.notna().all():
        return round(own.n.mean())
    return 2 * len(loaders.inductive(graph)[1].splits["test"])


def verdict(costs: dict[tuple[str, str, str], Any]) -> Verdict:
    """Judge "without losing induction": SEA is not below text on unseen entities, in either protocol."""
    own = {(graph, protocol): one for (graph, protocol, variant), one in costs.items() if variant == "sea"}
    lost = [key for key, one in own.items() if judged(one) == "loses"]
    sure = [key for key, one in own.items() if one.low > -0.02]
    words = "; ".join(
        f"{graph}, {'disjoint graph' if protocol == 'full' else 'hidden entities'} {in_words(one, '+.3f')}"
        for (graph, protocol), one in own.items()
    )
    alone = "; ".join(
        f"{graph} {in_words(one, '+.3f')}" for (graph, protocol, variant), one in costs.items()
        if variant == "anchors_only" and protocol == "full"
    )  # fmt: skip
    text = f"SEA − text on unseen entities, MRR: {words}. Anchors alone on the disjoint graph: {alone}."
    kind = "does not hold" if len(lost) == len(own) else "mixed" if lost or len(sure) < len(own) else "holds"
    return Verdict(kind, text)
