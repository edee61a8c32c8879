"""Small trained models of every kind, on a tiny random BERT, and boxes that ask them."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from entity.kg_case import save_bert, small_graph, tiny

from anchors.entity import store
from anchors.entity.graph import Graph
from anchors.entity.link_box import LinkBox
from anchors.entity.training import Model, Training

NO_ANCHORS = "text"
SETTINGS = {
    "sea": {"k": 3, "random": 6},
    "types": {"k": 2, "relation_tokens": 2},
    "alone": {"k": 3, "text": False, "drop_set": 0.0},
    NO_ANCHORS: {},
    "tokens": {"k": 2, "top": 1},
}
HOSTILE = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>\u2028 \'é 💥'


@cache
def _bert() -> str:
    return save_bert(Path(mkdtemp()))


@cache
def model_of(kind: str, hostile: bool = False) -> Model:
    """Return a model trained for 12 steps; with ``hostile``, names of entities and relations try to be code."""
    settings = tiny(_bert(), steps=12, **SETTINGS[kind])
    return Training(store.read(graph_of(hostile), settings), settings).run()


@cache
def graph_of(hostile: bool = False) -> Graph:
    """Return the small graph with distinct names."""
    graph, mark = small_graph(), HOSTILE if hostile else "stone"
    texts = tuple(f"{mark} {place}: {text}" for place, text in enumerate(graph.texts))
    relations = tuple(f"{HOSTILE} {one}" for one in graph.relations) if hostile else graph.relation_texts
    return replace(graph, texts=texts, relation_texts=relations)


def box_of(kind: str, hostile: bool = False, head: str = "e00", relation: str = "likes", top: int = 8) -> LinkBox:
    """Return a box that asks such a model."""
    model = model_of(kind, hostile)
    return LinkBox(model.found.graph, model, head, relation, top)
