"""Ask the graph, to play with: the browser asks a trained model, and anchors can be taken away from the head.

A page holds the query tower of a pooled model (:func:`tower`, a few matrices), so that the browser computes every
answer itself. In Jupyter every question goes to the model in Python, whatever its encoder and the size of its graph.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.cache import cached, limited
from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.widgets import Widget, text64
from anchors.entity import linking, loaders, trials
from anchors.entity.graph import SPLITS, Graph
from anchors.entity.settings import Settings
from anchors.entity.training import Model
from anchors.models import embed

SOURCE = Path(__file__).with_name("link_widget")
LARGEST = 400_000  # numbers of a tower that a page may hold (2 MB); larger ones are asked in Jupyter only
MOST = 50  # answers shown at most


class LinkBox(Widget):
    """Ask a model for the tails of a head and a relation, with and without anchors.

    Parameters
    ----------
    graph : what is asked.
    model : a model trained on it, or a function that returns one: it is called when Python is first asked.
    head, relation : the first question, by names as :func:`anchors.entity.linking.link` takes them.
    top : answers shown.
    state : from :func:`materials` of that model; computed where it is not given.

    Raises
    ------
    InputError
        An unknown head or relation, or more than :data:`MOST` answers.
    """

    def __init__(
        self, graph: Graph, model: Any, head: str, relation: str, top: int = 10, state: dict[str, Any] | None = None
    ):  # fmt: skip
        if not 1 <= top <= MOST:
            raise InputError("top", top, f"1..{MOST}", "Ask for fewer answers.")
        asked = {"head": linking.entity_of(graph, head), "relation": linking.relation_of(graph, relation)}
        self._model = model
        state = materials(self.model) if state is None else state
        super().__init__(
            SOURCE, "Ask the graph", **state, **asked, top=top, reads=True, without=[], selected=-1, asked={}, answer={}
        )

    @classmethod
    def trained(cls, name: str, head: str, relation: str, profile: str, seed: int, top: int = 10) -> "LinkBox":
        """Return the box of SEA trained on the graph ``name``, as the notebook has it; what a page needs is cached."""
        graph = loaders.load(name)
        linking.entity_of(graph, head), linking.relation_of(graph, relation)  # errors before anything is trained
        job = {"graph": name, "settings": trials.job(name, "sea", seed, profile)["settings"]}
        state = cached(trained_materials, loaders.fingerprint(name) + embed.identity(), **job)
        return cls(graph, lambda: limited(_trained, job), head, relation, top, state)

    @cached_property
    def model(self) -> Model:
        """The trained model behind the box."""
        return self._model() if callable(self._model) else self._model

    @cached_property
    def vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """(N, d) twice: all entities of the model reading their anchors, and none; encoded once for all questions."""
        return linking.both(self.model.entity_vectors)

    def _listen(self, live: Any) -> None:
        """Answer the questions of the browser by :meth:`ask`."""
        live.observe(lambda change: setattr(live, "answer", self.ask(change["new"])), "asked")

    @property
    def query(self) -> tuple[str, str]:
        """Head and relation that are asked now."""
        return self.get("entities")[self.get("head")], self.get("relations")[self.get("relation")]

    @property
    def selected(self) -> str | None:
        """The tail that the reader chose, or None."""
        return None if self.get("selected") < 0 else self.get("entities")[self.get("selected")]

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question of the browser, or ``{"asked", "error"}`` with one line."""
        try:
            question = {name: asked[name] for name in QUESTION}
            return {"asked": asked} | answer(self.model, **question, vectors=self.vectors)
        except AnchorsError as error:
            return {"asked": asked, "error": str(error)}


QUESTION = ("head", "relation", "reads", "without", "top")


def answer(
    model: Model, head: int, relation: int, reads: bool, without: list[int], top: int,
    vectors: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, list]:  # fmt: skip
    """Return the best tails when the model reads as asked, and what anchors give; parallel lists, best tail first.

    Parameters
    ----------
    reads : whether anchors are read at all (of the head and of all tails).
    without : entities that are taken from the head's anchors; the tails keep theirs.
    vectors : of all entities, from :func:`anchors.entity.linking.both`; encoded where they are not given.

    ``other`` is the rank in the other reading: without any anchor when all own ones are read, else with all own ones.
    The others, where the model has anchors, are those of :func:`anchors.entity.linking.gains`.
    """
    query = np.array([[head, relation, 0]])
    everyone, bare = vectors or linking.both(model.entity_vectors)
    asked = linking.both(model.query_vectors, query)
    own, none = everyone @ asked[0][0], bare @ asked[1][0]  # (N,)
    now = own if reads else none
    if reads and without and model.anchors is not None:
        now = everyone @ model.query_vectors(query, anchors=linking.less(model.anchors, without))[0]
    other = ranks(none if now is own else own)
    best = np.argsort(-now, kind="stable")[: min(top, MOST)]
    found = {"tails": best, "scores": now[best], "other": other[best]}
    if model.anchors is not None:
        found |= linking.gains(model, query, best, (everyone, bare), asked)
    return {name: column.tolist() for name, column in found.items()}


def ranks(scores: np.ndarray) -> np.ndarray:
    """Return the place (N,) of each entity when all are sorted by falling score, from 1, ties by number; unfiltered."""
    places = np.empty(len(scores), np.int64)
    places[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    return places


def trained_materials(graph: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Train SEA and return :func:`materials`."""
    return materials(_trained(graph, settings))


def _trained(graph: str, settings: dict[str, Any]) -> Model:
    return trials.trained(graph, Settings(**settings))


def materials(model: Model) -> dict[str, Any]:
    """Return what the browser needs, JSON-able: names, triples, anchors, and the query tower (or None).

    ``facts`` holds the triples of each split as one flat list. ``anchors`` is None for a model without; ``nearest`` and
    ``hops`` have one spare anchor per entity at the end, as :class:`anchors.entity.anchors.Anchors` has them.
    """
    graph = model.found.graph
    directed = graph.relations + tuple(f"inverse {relation}" for relation in graph.relations)
    return {
        "graph": loaders.title(graph.name),
        "entities": labels(graph.names, graph.entities),
        "relations": labels(graph.directed_texts, directed),
        "facts": {split: graph.splits[split].ravel().tolist() for split in SPLITS},
        "anchors": None if model.anchors is None else _anchors(model), "tower": tower(model),
    }  # fmt: skip


def _anchors(model: Model) -> dict[str, Any]:
    own = model.anchors
    types = [] if own.types is None else own.types.tolist()
    lists = {"chosen": own.chosen.tolist(), "nearest": own.nearest.tolist(), "hops": own.hops.tolist(), "types": types}
    return lists | {"k": model.settings.k}


def labels(names: Sequence[str], identifiers: Sequence[str]) -> list[str]:
    """Return the names that are shown; an empty one is its identifier, and a repeated one has it behind."""
    filled = [name.strip() or one for name, one in zip(names, identifiers, strict=True)]
    often = pd.Series(filled, dtype=str).str.lower().duplicated(keep=False)
    return [f"{name} ({one})" if twice else name for name, one, twice in zip(filled, identifiers, often, strict=True)]


def tower(model: Model) -> dict[str, Any] | None:
    """Return the matrices from which the browser computes queries, or None where it cannot.

    Derived from :class:`anchors.entity.encoder.Fusion`, whose inputs are constants here: ``text`` and ``through`` are
    its linear maps of every entity's text, ``bag`` that of the anchors, the hops and "no anchor", and ``relation`` the
    shift and scale of every directed relation. ``with`` and ``none`` are the candidates reading their anchors or none.
    Each is ``{"shape", "base64"}`` of little-endian float32. A model with trainable layers has no tower, nor has one
    with more than :data:`LARGEST` numbers.
    """
    if not model.encoder.pooled:
        return None
    parts = _parts(model)
    if sum(part.size for part in parts.values()) > LARGEST:
        return None
    made = {name: {"shape": list(part.shape), "base64": text64(part, "<f4")} for name, part in parts.items()}
    return made | {"epsilon": model.encoder.query.norm.eps}


def _parts(model: Model) -> dict[str, np.ndarray]:
    import torch

    encoder, query = model.encoder, model.encoder.query
    with torch.no_grad():
        parts = {
            "relation": query.relation(encoder.relations.pooled) + query.own,
            "norm": torch.stack([query.norm.weight, query.norm.bias]),
            "middle": torch.cat([query.middle.weight, query.middle.bias[:, None]], 1),
            "out": torch.cat([query.out.weight, query.out.bias[:, None]], 1),
        }
        if query.text is not None:
            parts |= {"text": query.text(encoder.entities.pooled), "through": query.through(encoder.entities.pooled)}
        if query.anchor is not None:
            side = encoder.sides[0]
            rows = [side.norm(side.project(encoder.anchors.table)), side.hop, side.none[None]]
            parts["bag"] = torch.cat([query.anchor(one) for one in rows])
    numbers = {name: part.cpu().numpy() for name, part in parts.items()}
    return numbers | {"with": model.entity_vectors(), "none": model.entity_vectors(anchors=None)}
