"""Ask a trained model: the tails of a head and a relation, best first, and what anchors did for each."""

from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.errors import InputError
from anchors.entity import negatives
from anchors.entity.anchors import NONE, Anchors
from anchors.entity.graph import Graph
from anchors.entity.training import Model


def entity_of(graph: Graph, name: str) -> int:
    """Return the number of an entity by identifier or by the name that its text begins with (case does not count).

    Raises
    ------
    InputError
        Nobody has that name; the message says who has a like one.
    """
    return _find("head", name, graph.entities, graph.names)


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
    candidates, asked = both(model.entity_vectors), both(model.query_vectors, query)
    scores = candidates[0] @ asked[0][0]
    best = np.argsort(-scores, kind="stable")[:top]
    facts = set(graph.filter.pairs(query[:, 0], query[:, 1])[1].tolist())
    found = pd.DataFrame({"entity": [_short(graph.names[e]) for e in best], "score": scores[best]})
    found["known"] = [int(e) in facts for e in best]
    if model.anchors is None:
        return found.assign(head_anchors=0.0, own_anchors=0.0, best_anchor="")
    given = gains(model, query, best, candidates, asked)
    found["head_anchors"], found["own_anchors"] = given["head_loss"], given["own_loss"]
    called = {NONE: "", query[0, 0]: "itself"}
    told = [called.get(one, _short(graph.names[one])) for one in given["best"]]
    costs = zip(told, given["cost"], strict=True)
    return found.assign(best_anchor=[name and f"{name} ({cost:+.3f})" for name, cost in costs])


def both(encode: Callable[..., np.ndarray], *what: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the vectors (n, d) of entities or queries when they read their anchors, and when they read none."""
    return encode(*what), encode(*what, anchors=None)


def gains(
    model: Model, query: np.ndarray, tails: np.ndarray, candidates: tuple[np.ndarray, np.ndarray],
    asked: tuple[np.ndarray, np.ndarray],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return how much of the score of each of ``tails`` (t,) anchors give: what is lost when they are not read.

    Parameters
    ----------
    query : (1, 3), of a model with anchors.
    candidates, asked : the vectors of all entities and of the query, from :func:`both`.

    ``head_loss`` and ``own_loss`` (t,) are of all anchors of the head and of the tail; ``best`` (t,) is the anchor of
    the head whose loss costs most, an entity (:data:`NONE` for a head without), and ``cost`` (t,) what it costs.
    """
    read, (own, none) = candidates[0][tails], (one[0] for one in asked)
    scores, mine = (candidates[0] @ own)[tails], head_anchors(model, int(query[0, 0]))
    found = {"head_loss": scores - read @ none, "own_loss": scores - candidates[1][tails] @ own}
    if not mine:
        return found | {"best": np.full(len(tails), NONE), "cost": np.zeros(len(tails))}
    without = [model.query_vectors(query, anchors=less(model.anchors, [one]))[0] for one in mine]
    loss = scores[:, None] - read @ np.stack(without).T  # (t, k)
    best = loss.argmax(1)
    return found | {"best": np.array(mine)[best], "cost": loss[np.arange(len(tails)), best]}


def head_anchors(model: Model, head: int) -> list[int]:
    """Return the anchors that a head is read with, as entities, nearest first."""
    ids, _ = negatives.anchors_of(model.anchors, np.array([head]), np.array([NONE]), model.settings.k)
    return [int(one) for one in model.anchors.chosen[ids[0][ids[0] != NONE]] if one != NONE]


def less(anchors: Anchors, entities: list[int]) -> Anchors:
    """Return anchors without some of them; an entity's next nearest anchor, where it has one, takes the free place."""
    places = np.flatnonzero(np.isin(anchors.chosen, entities))
    return replace(anchors, nearest=np.where(np.isin(anchors.nearest, places), NONE, anchors.nearest))


def _short(name: str, most: int = 40) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
