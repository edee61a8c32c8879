"""Lookup models, a vector for every entity: TransE, DistMult, ComplEx and RotatE of PyKEEN, on the splits of a graph.

Models, their starts and constraints, and the self-adversarial loss are PyKEEN's. The loop is short and its own: all
queries (head, directed relation) of a batch share their negatives, so that one matrix product scores them (the shared
negatives of DGL-KE and PyTorch-BigGraph; with all entities as negatives: 1vsAll of LibKGE, each query once).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.entity.graph import Graph, Known
from anchors.entity.rank import Ranks, metrics, ranked_scores
from anchors.entity.settings import at_least

MODELS = ("TransE", "DistMult", "ComplEx", "RotatE")
DISTANCES = ("TransE", "RotatE")  # scores are negative Euclidean distances; the others are inner products
OUT = -1e4  # score of a negative that is a known fact


@dataclass(frozen=True)
class Lookup:
    """Settings of a lookup model.

    Parameters
    ----------
    dim : numbers of a vector, complex ones for ComplEx and RotatE.
    epochs, batch : passes over the distinct queries of training, forwards and backwards, and queries in a step.
    rate : peak learning rate of Adam, which falls to zero linearly.
    negatives : entities drawn for each batch, shared by its queries; 0 is all entities.
    margin, temperature : of the self-adversarial loss of TransE and RotatE (Sun et al., ICLR 2019).
    penalty : weight of the nuclear 3-norm of DistMult and ComplEx (Lacroix et al., ICML 2018), per fact.
    start : standard deviation of the first vectors of DistMult and ComplEx.
    """

    dim: int = 64
    epochs: int = 60
    batch: int = 128
    rate: float = 1e-2
    negatives: int = 0
    margin: float = 6.0
    temperature: float = 1.0
    penalty: float = 0.0
    start: float = 0.1

    def __post_init__(self):
        at_least(self, {"dim": 1, "epochs": 0, "batch": 1, "negatives": 0, "rate": 0, "penalty": 0})


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained lookup model: PyKEEN's ``model`` of a kind (:data:`MODELS`) for a ``graph``; ``losses`` (epochs,)."""

    graph: Graph
    kind: str
    model: Any
    losses: np.ndarray

    def scores(self, triples: np.ndarray) -> np.ndarray:
        """Return (q, N) float32 scores of all entities as tails of directed ``triples`` (q, 3); equal to PyKEEN's."""
        import torch

        heads, relations = (torch.as_tensor(np.ascontiguousarray(column)) for column in triples.T[:2])
        with torch.no_grad():
            entities = self.model.entity_representations[0](None)
            turned = self.model.relation_representations[0](_theirs(self.model, relations))
            return _scored(self.kind, _queries(self.kind, entities[heads], turned), _real(entities)).numpy()

    def of(self, triples: np.ndarray) -> Callable[[slice], np.ndarray]:
        """Return the score function of ``triples`` (q, 3) that :func:`~anchors.entity.rank.ranked_scores` takes."""
        return lambda rows: self.scores(triples[rows])

    def ranks(self, split: str = "test") -> Ranks:
        """Return filtered ranks of a split: first all tails of its n triples, then all heads."""
        triples = self.graph.directed(split)
        return ranked_scores(self.of(triples), self.graph.size, triples, self.graph.filter)

    def metrics(self, split: str = "test") -> dict[str, float]:
        """Return MRR, mean rank and hits over the 2 n realistic filtered ranks of a split."""
        return metrics(self.ranks(split).realistic)


def check(model: str) -> str:
    """Return ``model`` if it is one of :data:`MODELS`, else raise InputError."""
    if model not in MODELS:
        raise InputError("model", repr(model), " | ".join(MODELS), "Mind the spelling.")
    return model


def defaults(graph: Graph, model: str) -> Lookup:
    """Return settings for a model on a graph of that size (chosen by validation MRR, never by test; minutes at most).

    Raises
    ------
    InputError
        No such model.
    """
    check(model)
    return next(table[model] for most, table in DEFAULTS if graph.size < most)


DEFAULTS = (  # up to so many entities: UMLS, Nations, Kinships; FB15k-237; WN18RR
    (1000, {
        "TransE": Lookup(epochs=40, rate=3e-2, margin=2.0),
        "DistMult": Lookup(epochs=60, rate=3e-2, penalty=3e-2),
        "ComplEx": Lookup(epochs=40, rate=3e-2, penalty=3e-2),
        "RotatE": Lookup(epochs=50, rate=3e-2, margin=3.0, temperature=2.0),
    }),
    (20_000, {
        "TransE": Lookup(dim=128, epochs=25, batch=512, negatives=512, margin=2.0),
        "DistMult": Lookup(dim=128, epochs=7, batch=256, penalty=3e-2),
        "ComplEx": Lookup(dim=100, epochs=6, batch=256, penalty=3e-2),
        "RotatE": Lookup(dim=128, epochs=20, batch=512, negatives=512, margin=3.0, temperature=2.0),
    }),
    (np.inf, {
        "TransE": Lookup(dim=128, epochs=25, batch=1024, negatives=512, margin=2.0),
        "DistMult": Lookup(dim=128, epochs=25, batch=1024, negatives=1024, rate=2e-2, penalty=1e-1),
        "ComplEx": Lookup(dim=100, epochs=25, batch=1024, negatives=1024, rate=2e-2, penalty=1e-1),
        "RotatE": Lookup(dim=128, epochs=25, batch=1024, negatives=512, margin=3.0, temperature=2.0),
    }),
)  # fmt: skip


def train(graph: Graph, model: str, settings: Lookup | None = None, seed: int = 0) -> Trained:
    """Return a lookup model trained on the training triples of ``graph``; the same seed gives the same model.

    Without ``settings`` it has the :func:`defaults`. Torch's global generator is left as it was. Use one thread (as the
    cache does) where runs must agree bit by bit.

    Raises
    ------
    InputError
        No such model.
    """
    import torch

    settings = settings or defaults(graph, model)
    check(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(graph, model, settings)
        losses = _fit(graph, model, network, settings, np.random.default_rng(seed))
    return Trained(graph, model, network.eval(), losses)


def factory(graph: Graph, split: str = "train") -> Any:
    """Return PyKEEN's factory of a split, with our numbers of entities and relations, and inverse relations."""
    from pykeen.triples import CoreTriplesFactory

    return CoreTriplesFactory(graph.splits[split], graph.size, len(graph.relations), create_inverse_triples=True)


def build(graph: Graph, model: str, settings: Lookup) -> Any:
    """Return PyKEEN's untrained model; its start is drawn from torch's global generator."""
    from pykeen import models
    from pykeen.losses import NSSALoss
    from pykeen.utils import NoRandomSeedNecessary
    from torch.nn.init import normal_

    loss = NSSALoss(margin=settings.margin, adversarial_temperature=settings.temperature)
    normal = {"entity_initializer": normal_, "relation_initializer": normal_, "regularizer": None}
    options = {
        "TransE": {"scoring_fct_norm": 2, "entity_constrainer": None},
        "DistMult": {**normal, "entity_constrainer": None}, "ComplEx": normal, "RotatE": {},
    }[model]  # fmt: skip
    common = {"triples_factory": factory(graph), "embedding_dim": settings.dim, "random_seed": NoRandomSeedNecessary}
    network = getattr(models, model)(**common, loss=loss, **options)
    if model not in DISTANCES:
        for parameter in network.parameters():
            parameter.data.mul_(settings.start)
    return network


def _fit(graph: Graph, kind: str, network: Any, settings: Lookup, rng: np.random.Generator) -> np.ndarray:
    """Train ``network`` in place; return the mean loss of a fact in each epoch."""
    import torch

    known = graph.known()
    steps = settings.epochs * -(-len(known.keys) // settings.batch)
    optimiser = torch.optim.Adam(network.parameters(), settings.rate)
    decay = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, max(steps, 1))
    losses = np.zeros(settings.epochs)
    for epoch in range(settings.epochs):
        for batch in _batches(known, graph.size, settings, rng):
            loss, facts = _loss(network, kind, known, settings, *batch)
            optimiser.zero_grad()
            (loss / facts).backward()
            optimiser.step()
            decay.step()
            network.post_parameter_update()
            losses[epoch] += loss.item() / len(known.tails)
    return losses


def _batches(known: Known, size: int, settings: Lookup, rng: np.random.Generator) -> Iterator[tuple]:
    """Yield heads and directed relations (b,) of all queries in random order, with the entities they are scored on."""
    order = rng.permutation(known.keys)
    for start in range(0, len(order), settings.batch):
        heads, relations = np.divmod(order[start : start + settings.batch], known.relations)
        drawn = rng.choice(size, settings.negatives, replace=False) if 0 < settings.negatives < size else None
        yield heads, relations, drawn


def _loss(network: Any, kind: str, known: Known, settings: Lookup, heads: Any, relations: Any, drawn: Any) -> tuple:
    """Return the loss summed over the facts of the queries, and their number.

    Known facts never count as negatives. Products: cross-entropy of each fact against the negatives; distances:
    PyKEEN's self-adversarial loss.
    """
    import torch
    from torch.nn import functional

    rows, tails = known.pairs(heads, relations)  # (p,) facts: the query of each, and its answer
    table, (h, t, c) = _gathered(network, heads, tails, drawn)
    turned = network.relation_representations[0](_theirs(network, torch.as_tensor(relations)))
    queries, entities = _queries(kind, table[h], turned), _real(table)
    rows = torch.as_tensor(rows)
    right = _paired(kind, queries[rows], entities[t])
    if drawn is None:
        wrong = _scored(kind, queries, entities).index_put((rows, t), torch.tensor(OUT))
    else:
        facts = torch.as_tensor(known.mask(heads, relations, drawn))
        wrong = _scored(kind, queries, entities[c]).masked_fill(facts, OUT)
    if kind in DISTANCES:
        return network.loss.process_slcwa_scores(right[:, None], wrong[rows]) * len(rows), len(rows)
    loss = functional.softplus(torch.logsumexp(wrong, 1)[rows] - right).sum()
    if settings.penalty:
        cubed, turns = table.abs().pow(3).sum(1), turned.abs().pow(3).sum(1)
        loss = loss + settings.penalty * ((cubed[h] + turns)[rows].sum() + cubed[t].sum())
    return loss, len(rows)


def _gathered(network: Any, *groups: Any) -> tuple[Any, list]:
    """Return vectors of the entities in ``groups`` (all entities if one is None) and each group's rows among them.

    One look-up for all groups: each look-up costs a pass over the whole table on the way back.
    """
    import torch

    if any(group is None for group in groups):
        return network.entity_representations[0](None), [g if g is None else torch.as_tensor(g) for g in groups]
    ids, places = np.unique(np.concatenate(groups), return_inverse=True)
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return network.entity_representations[0](torch.as_tensor(ids)), list(map(torch.as_tensor, np.split(places, ends)))


def _theirs(network: Any, relations: Any) -> Any:
    """Return PyKEEN's numbers of directed relations (ours: r and r + R; theirs: 2 r and 2 r + 1)."""
    half = network.num_real_relations
    return 2 * (relations % half) + relations // half


def _queries(kind: str, heads: Any, relations: Any) -> Any:
    """Return real vectors (b, D) of queries from those of their heads and relations."""
    return _real(heads + relations if kind == "TransE" else heads * relations)


def _real(vectors: Any) -> Any:
    """Return vectors as real ones: a complex number is two of them."""
    import torch

    return torch.view_as_real(vectors).flatten(1) if vectors.is_complex() else vectors


def _scored(kind: str, queries: Any, candidates: Any) -> Any:
    """Return (b, c) scores of every candidate for every query."""
    import torch

    return -torch.cdist(queries, candidates) if kind in DISTANCES else queries @ candidates.T


def _paired(kind: str, queries: Any, candidates: Any) -> Any:
    """Return (p,) scores of query and candidate row by row."""
    return -(queries - candidates).norm(dim=1) if kind in DISTANCES else (queries * candidates).sum(1)
