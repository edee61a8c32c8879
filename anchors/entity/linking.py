"""Ask a trained model: the tails of a head and a relation, best first, and what anchors did for each."""

from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.errors import InputError
from anchors.entity import negatives
from anchors.entity.anchors import NONE
from anchors.entity.graph import Graph
from anchors.entity.training import Model


def entity_of(graph: Graph, name: str) -> int:
    """Return the number of an entity by identifier or by the name that its text begins with (case does not count).

    Raises
    ------
    InputError
        Nobody has that name; the message says who has a like one.
    """
    return _find("head", name, graph.entities, [text.split(":")[0] for text in graph.texts])


def relation_of(graph: Graph, name: str) -> int:
    """Return the number of a directed relation by its text, as ``"inverse has part"``; errors as :func:`entity_of`."""
    return _find("relation", name, graph.relations, graph.directed_texts)


def _find(what: str, name: str, identifiers: Any, names: Any) -> int:
    wanted = name.strip().lower()
    for known in (identifiers, names):
        lowered = [one.lower() for one in known]
        if wanted in lowered:
            return lowered.index(wanted)
    like = get_close_matches(wanted, [one.lower() for one in names], 3, 0.4) or list(names[:3])
    raise InputError(what, repr(name), " | ".join(like), "Choose one of the graph.")


def link(model: Model, head: str, relation: str, top: int = 10) -> pd.DataFrame:
    """Return the best tails of a query: entity, score, whether the graph knows the fact, and what anchors give.

    ``head_anchors`` and ``own_anchors`` are how much of the score (a cosine) is lost when the anchors of the head, or
    those of the tail, are not read; ``best_anchor`` is the anchor of the head whose loss costs most, with that cost.
    """
    graph = model.found.graph
    query = np.array([[entity_of(graph, head), relation_of(graph, relation), 0]])
    everyone, asked = model.entity_vectors(), model.query_vectors(query)[0]
    scores = everyone @ asked
    best = np.argsort(-scores, kind="stable")[:top]
    facts = set(graph.filter.pairs(query[:, 0], query[:, 1])[1].tolist())
    found = pd.DataFrame({"entity": [_short(graph.texts[e]) for e in best], "score": scores[best]})
    found["known"] = [int(e) in facts for e in best]
    if model.anchors is None:
        return found.assign(head_anchors=0.0, own_anchors=0.0, best_anchor="")
    found["head_anchors"] = scores[best] - everyone[best] @ model.query_vectors(query, anchors=None)[0]
    found["own_anchors"] = scores[best] - model.entity_vectors(anchors=None)[best] @ asked
    return found.assign(best_anchor=_best_anchors(model, query, everyone[best], scores[best]))


def _best_anchors(model: Model, query: np.ndarray, tails: np.ndarray, scores: np.ndarray) -> list[str]:
    """Return, for each tail, the anchor of the head without which its score falls most."""
    graph, head = model.found.graph, query[0, 0]
    ids, _ = negatives.anchors_of(model.anchors, query[:, 0], np.array([NONE]), model.settings.k)
    mine = [int(one) for one in model.anchors.chosen[ids[0][ids[0] != NONE]] if one != NONE]
    if not mine:
        return [""] * len(tails)
    without = np.stack([_without(model, query, anchor) for anchor in mine])  # (k, d)
    loss = scores[:, None] - tails @ without.T
    names = [("itself" if anchor == head else _short(graph.texts[anchor])) for anchor in mine]
    return [f"{names[best]} ({loss[row, best]:+.3f})" for row, best in enumerate(loss.argmax(1))]


def _without(model: Model, query: np.ndarray, anchor: int) -> np.ndarray:
    """Return the query's vector (d,) when its head does not have one of its anchors."""
    from dataclasses import replace

    place = int(np.flatnonzero(model.anchors.chosen == anchor)[0])
    nearest = np.where(model.anchors.nearest == place, NONE, model.anchors.nearest)
    return model.query_vectors(query, anchors=replace(model.anchors, nearest=nearest))[0]


def _short(text: str, most: int = 40) -> str:
    name = text.split(":")[0]
    return name if len(name) <= most else name[: most - 1] + "…"
