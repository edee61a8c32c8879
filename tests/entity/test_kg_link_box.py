"""Ask the graph: answers against `linking` and the ranks of the model, and what is sent to the browser."""

import base64

import numpy as np
import pytest
from entity.link_case import NO_ANCHORS, SETTINGS, box_of, model_of

from anchors.companion.errors import InputError
from anchors.entity import link_box, linking, rank
from anchors.entity.anchors import NONE
from anchors.entity.graph import Known

KINDS = sorted(SETTINGS)


def asked(model, head, relation, reads=True, without=(), top=7):
    return link_box.answer(model, head, relation, reads, list(without), top)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_linking(kind):
    model = model_of(kind)
    graph = model.found.graph
    for head, relation in ((0, 0), (3, 5), (11, 2), (29, 1)):  # the last entity is not in training
        found, mine = linking.link(model, graph.entities[head], _name(graph, relation), 7), asked(model, head, relation)
        names = link_box.labels([text.split(":")[0] for text in graph.texts], graph.entities)
        assert [graph.texts[tail].split(":")[0] for tail in mine["tails"]] == found.entity.tolist()
        np.testing.assert_allclose(mine["scores"], found.score, atol=1e-6)
        if kind == NO_ANCHORS:
            assert "best" not in mine
            continue
        np.testing.assert_allclose(mine["head_loss"], found.head_anchors, atol=1e-6)
        np.testing.assert_allclose(mine["own_loss"], found.own_anchors, atol=1e-6)
        called = {head: "itself", NONE: ""}
        told = [called.get(one, graph.texts[one].split(":")[0]) for one in mine["best"]]
        lost = [f" ({cost:+.3f})" if one != NONE else "" for one, cost in zip(mine["best"], mine["cost"], strict=True)]
        assert found.best_anchor.tolist() == [name + by for name, by in zip(told, lost, strict=True)]
        assert len(set(names)) == len(names)


def _name(graph, relation):
    half = len(graph.relations)
    return graph.relations[relation] if relation < half else graph.directed_texts[relation]


def test_the_other_rank_is_the_one_without_anchors_unfiltered():
    model = model_of("sea")
    graph, nothing = model.found.graph, Known.of(np.zeros((0, 3), np.int64), 6)
    mine = asked(model, 3, 1)
    triples = np.array([[3, 1, tail] for tail in mine["tails"]])
    queries, everyone = model.query_vectors(triples, anchors=None), model.entity_vectors(anchors=None)
    assert mine["other"] == rank.ranked(queries, everyone, triples, nothing).optimistic.astype(int).tolist()
    off = asked(model, 3, 1, reads=False)
    np.testing.assert_allclose(off["scores"], np.sort(everyone @ queries[0])[::-1][:7], rtol=1e-6)
    back = rank.ranked(
        model.query_vectors(triples[:1]), model.entity_vectors(), np.array([[3, 1, off["tails"][0]]]), nothing
    )
    assert off["other"][0] == back.optimistic[0]
    assert graph.size == 30


def test_an_anchor_that_is_taken_away_makes_room_for_the_next():
    model = model_of("sea")
    own = model.anchors
    head = int(np.flatnonzero((own.nearest != NONE).all(1))[0])
    mine = linking.head_anchors(model, head)
    assert mine == own.chosen[own.nearest[head][: model.settings.k]].tolist()
    less = linking.less(own, mine[:1])
    assert not np.isin(less.nearest, np.flatnonzero(own.chosen == mine[0])).any()
    assert (less.nearest[own.nearest != NONE] == NONE).any()
    changed = asked(model, head, 1, without=mine[:1])
    expected = model.query_vectors(np.array([[head, 1, 0]]), anchors=less)[0] @ model.entity_vectors().T
    np.testing.assert_allclose(changed["scores"], np.sort(expected)[::-1][:7], rtol=1e-6)
    everyone = own.chosen.tolist()
    none = asked(model, head, 1, without=everyone)
    vector = model.query_vectors(np.array([[head, 1, 0]]), anchors=None)[0] @ model.entity_vectors().T
    np.testing.assert_allclose(none["scores"], np.sort(vector)[::-1][:7], rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tower_holds_what_the_encoder_reads(kind):
    model = model_of(kind)
    made = link_box.tower(model)
    if kind == "tokens":  # trainable layers read texts anew
        assert made is None
        return
    parts = {name: _floats(part) for name, part in made.items() if name != "epsilon"}
    np.testing.assert_array_equal(parts["with"], model.entity_vectors())
    np.testing.assert_array_equal(parts["none"], model.entity_vectors(anchors=None))
    assert ("text" in parts) == model.settings.text
    assert ("bag" in parts) == (kind != NO_ANCHORS)
    assert parts["relation"].shape == (6, 2 * model.settings.hidden)
    if "bag" in parts:
        assert len(parts["bag"]) == model.anchors.count + 8


def _floats(part):
    return np.frombuffer(base64.b64decode(part["base64"]), "<f4").reshape(part["shape"])


def test_a_large_tower_does_not_go_into_a_page(monkeypatch):
    monkeypatch.setattr(link_box, "LARGEST", 1000)
    assert link_box.tower(model_of("sea")) is None


def test_ranks_by_hand_with_a_tie():
    assert link_box.ranks(np.array([0.5, 0.9, 0.5, -1.0])).tolist() == [2, 1, 3, 4]


def test_names_that_repeat_have_their_identifiers():
    made = link_box.labels(["Paris", " ", "paris", "Rome"], ["q1", "q2", "q3", "q4"])
    assert made == ["Paris (q1)", "q2", "paris (q3)", "Rome"]


def test_materials_hold_the_graph():
    state, graph = link_box.materials(model_of("sea")), model_of("sea").found.graph
    for split, triples in graph.splits.items():
        assert np.array_equal(np.reshape(state["facts"][split], (-1, 3)), triples)
    assert len(state["relations"]) == 6
    assert state["anchors"]["k"] == 3
    assert np.array_equal(state["anchors"]["nearest"], model_of("sea").anchors.nearest)


def test_python_follows_the_reader_and_answers_in_jupyter():
    box = box_of("tokens")
    graph = model_of("tokens").found.graph
    live = box.live
    question = {"head": 4, "relation": 2, "reads": False, "without": [], "top": 5}
    live.asked = question
    assert live.answer == {"asked": question, **asked(model_of("tokens"), 4, 2, reads=False, top=5)}
    assert box.query == (box.get("entities")[0], graph.directed_texts[1])
    live.head, live.selected = 4, 9
    assert (box.query[0], box.selected) == (box.get("entities")[4], box.get("entities")[9])
    assert box.live is live


def test_the_model_is_made_when_python_is_first_asked():
    calls, model = [], model_of("sea")
    state = link_box.materials(model)
    box = link_box.LinkBox(model.found.graph, lambda: calls.append(1) or model, "e03", "likes", 5, state)
    assert box.page()
    assert calls == []
    question = {"head": 3, "relation": 1, "reads": True, "without": [], "top": 5}
    assert box.ask(question)["tails"] == asked(model, 3, 1)["tails"][:5]
    box.ask(question)
    assert calls == [1]


def test_what_cannot_be_answered_gives_one_line():
    from anchors.companion.errors import AnchorsError

    def broken():
        raise AnchorsError("the model is gone")

    box = link_box.LinkBox(model_of("sea").found.graph, broken, "e03", "likes", 5, link_box.materials(model_of("sea")))
    question = {"head": 3, "relation": 1, "reads": True, "without": [], "top": 5}
    assert box.ask(question) == {"asked": question, "error": "the model is gone"}


@pytest.mark.parametrize(
    ("head", "relation", "top", "what"),
    [("nobody", "likes", 5, "head"), ("e03", "hates", 5, "relation"), ("e03", "likes", 0, "top"),
     ("e03", "likes", 51, "top")],
)  # fmt: skip
def test_a_wrong_question_is_said_before_anything_is_trained(head, relation, top, what):
    with pytest.raises(InputError, match=what):
        link_box.LinkBox(model_of("sea").found.graph, None, head, relation, top, {})


@pytest.mark.slow
def test_the_box_of_the_notebook_answers_as_the_notebook_does():
    from anchors.entity.studies import asking

    box = link_box.LinkBox.trained("nations", "usa", "embassy", "smoke", 0, 6)
    found = asking.answers("nations", "usa", "embassy", "smoke", 0, 6)
    question = {name: box.get(name) for name in link_box.QUESTION}
    mine = box.ask(question)
    np.testing.assert_allclose(mine["scores"], found.score, atol=1e-5)
    assert [box.get("entities")[tail] for tail in mine["tails"]] == found.entity.tolist()
    assert len(box.page()) < 1_500_000
    with pytest.raises(InputError, match="head"):
        link_box.LinkBox.trained("nations", "us", "embassy", "smoke", 0)
