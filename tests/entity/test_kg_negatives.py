"""What a batch encodes, once each; which pairs are no negatives; leakage; how random negatives are drawn."""

import numpy as np
import pytest
from entity.kg_case import small_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.entity.anchors import NONE, Anchors, assign, select
from anchors.entity.graph import Known
from anchors.entity.negatives import against, anchors_of, draw, drop, in_batch, plan, self_known

GRAPH = small_graph(size=14, many=60, seed=1)  # dense, so that batches repeat heads and tails
TRIPLES = GRAPH.directed("train")
K = 3


def anchors(count=6):
    return assign(GRAPH, select(GRAPH, count, "degree", np.random.default_rng(0)), K + 1)


BATCHES = st.lists(st.integers(0, len(TRIPLES) - 1), min_size=2, max_size=24)
DRAWN = st.lists(st.integers(0, GRAPH.size - 1), max_size=10, unique=True)


# ---- the plan -------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(BATCHES, DRAWN, st.booleans(), st.booleans(), st.booleans())
def test_every_sequence_once_and_gathered_back(rows, drawn, own, leakage, anchored):
    triples, drawn = TRIPLES[rows], np.array(drawn, np.int64)
    made = anchors() if anchored else None
    found = plan(triples, made, drawn, own, leakage)
    assert len({tuple(row) for row in found.queries.tolist()}) == len(found.queries)
    assert len({tuple(row) for row in found.candidates.tolist()}) == len(found.candidates)
    heads, relations, tails = triples.T
    np.testing.assert_array_equal(found.queries[found.query][:, :2], triples[:, :2])
    np.testing.assert_array_equal(found.candidates[found.tail][:, 0], tails)
    np.testing.assert_array_equal(found.candidates[found.random], np.stack([drawn, np.full(len(drawn), NONE)], 1))
    if own:
        np.testing.assert_array_equal(found.candidates[found.own], np.stack([heads, np.full(len(heads), NONE)], 1))
    else:
        assert len(found.own) == 0
    used = {*found.tail.tolist(), *found.random.tolist(), *found.own.tolist()}
    assert used == set(range(len(found.candidates))), "nothing is encoded for nobody"
    assert set(found.query.tolist()) == set(range(len(found.queries)))
    for (head, _, tail), lost, gone in zip(
        triples, found.queries[found.query][:, 2], found.candidates[found.tail][:, 1], strict=True
    ):
        of = lambda entity: set(made.chosen[made.nearest[entity][made.nearest[entity] != NONE]]) if anchored else set()  # noqa: E731
        assert lost == (tail if leakage and tail in of(head) else NONE)
        assert gone == (head if leakage and head in of(tail) else NONE)


def test_gathered_vectors_equal_those_of_every_sequence_by_itself():
    triples, drawn = TRIPLES[:20], np.arange(5)
    found = plan(triples, anchors(), drawn, True, True)
    encode = lambda keys: np.sin(keys @ np.arange(1, keys.shape[1] + 1)[:, None] * np.arange(1, 4))  # noqa: E731
    vectors = encode(found.queries)[found.query]
    for row in range(len(triples)):
        alone = plan(triples[row : row + 1], anchors(), drawn[:0], True, True)
        np.testing.assert_allclose(vectors[row], encode(alone.queries)[0])
        own, whole = (encode(one.candidates) for one in (alone, found))
        np.testing.assert_allclose(whole[found.tail[row]], own[alone.tail[0]])
        np.testing.assert_allclose(whole[found.own[row]], own[alone.own[0]])
    assert len(found.candidates) < 45


# ---- leakage --------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 9), st.lists(st.integers(0, GRAPH.size - 1), min_size=1, max_size=10), st.integers(0, 99))
def test_the_dropped_anchor_never_appears_and_the_spare_takes_its_place(count, entities, seed):
    made, entities = anchors(count), np.array(entities)
    dropped = np.random.default_rng(seed).integers(-1, GRAPH.size, len(entities))
    ids, hops = anchors_of(made, entities, dropped, K)
    assert ids.shape == hops.shape == (len(entities), min(K, made.nearest.shape[1]))
    for row, entity in enumerate(entities):
        everyone = [(int(a), int(h)) for a, h in zip(made.nearest[entity], made.hops[entity], strict=True) if a != NONE]
        expected = [(a, h) for a, h in everyone if made.chosen[a] != dropped[row]][:K]
        got = [(int(a), int(h)) for a, h in zip(ids[row], hops[row], strict=True) if a != NONE]
        assert got == expected
        assert (ids[row, len(got) :] == NONE).all(), "none stands before an anchor"


def test_a_sequence_stays_as_long_without_the_dropped_anchor():
    made = anchors(6)
    full = np.flatnonzero((made.nearest != NONE).all(1))
    assert len(full) > 5
    for place in range(K):
        dropped = made.chosen[made.nearest[full, place]]
        ids, _ = anchors_of(made, full, dropped, K)
        assert (ids != NONE).all()
        assert (ids[:, -1] == made.nearest[full, K]).all()


def test_in_training_the_target_is_never_among_the_anchors():
    made = anchors()
    found = plan(TRIPLES, made, np.zeros(0, np.int64), False, True)
    for keys, rows, other in ((found.queries, found.query, 2), (found.candidates, found.tail, 0)):
        entities, dropped = keys[:, 0], keys[:, -1]
        ids, _ = anchors_of(made, entities, dropped, K)
        shown = np.where(ids[rows] == NONE, NONE, made.chosen[ids[rows]])
        assert not (shown == TRIPLES[:, other][:, None]).any()
    free = plan(TRIPLES, made, np.zeros(0, np.int64), False, False)
    ids, _ = anchors_of(made, free.queries[:, 0], free.queries[:, -1], K)
    shown = np.where(ids[free.query] == NONE, NONE, made.chosen[ids[free.query]])
    assert (shown == TRIPLES[:, 2][:, None]).any(), "without the rule it is"


def test_no_anchor_is_not_taken_for_a_dropped_one():
    made = Anchors(np.array([4, 7]), np.array([[0, NONE]] * 8, np.int32), np.array([[1, 127]] * 8, np.int8))
    found = plan(np.array([[1, 0, 7], [1, 0, 4]]), made, np.zeros(0, np.int64), False, True)
    assert found.queries[found.query][:, 2].tolist() == [NONE, 4], "anchor 7 is the last row, and nobody's"


def test_dropout_of_anchors():
    ids = np.arange(40_000).reshape(-1, 4)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(drop(ids, 0, 0, rng), ids)
    assert (drop(ids, 0, 1, rng) == NONE).all()
    assert (drop(ids, 1, 0, rng) == NONE).all()
    gone = drop(ids, 0.1, 0, rng) == NONE
    assert gone.mean() == pytest.approx(0.1, abs=0.01)
    gone = drop(ids, 0, 0.2, rng) == NONE
    assert (gone.all(1) == gone.any(1)).all()
    assert gone.mean() == pytest.approx(0.2, abs=0.02)
    kept = drop(ids, 0.3, 0.3, rng)
    np.testing.assert_array_equal(kept[kept != NONE], ids[kept != NONE])


# ---- masks ----------------------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(BATCHES, st.lists(st.integers(0, GRAPH.size - 1), min_size=1, max_size=12))
def test_masks_equal_loops(rows, drawn):
    triples, known, facts = TRIPLES[rows], GRAPH.known(), set(map(tuple, TRIPLES.tolist()))
    inside = [[(h, r, u) in facts or u == t for _, _, u in triples.tolist()] for h, r, t in triples.tolist()]
    np.testing.assert_array_equal(in_batch(known, triples), inside)
    outside = [[(h, r, e) in facts or e == t for e in drawn] for h, r, t in triples.tolist()]
    np.testing.assert_array_equal(against(known, triples, np.array(drawn)), outside)
    own = [(h, r, h) in facts or h == t for h, r, t in triples.tolist()]
    np.testing.assert_array_equal(self_known(known, triples), own)


def test_masks_by_hand():
    train = np.array([[0, 0, 1], [0, 0, 2], [3, 0, 3], [1, 1, 0]])
    known = Known.of(train, 2)
    batch = np.array([[0, 0, 1], [3, 0, 3], [1, 1, 0], [0, 0, 2]])
    yes = in_batch(known, batch).astype(int).tolist()
    assert yes == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 1]]
    assert against(known, batch, np.array([2, 3, 0])).astype(int).tolist() == [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [1, 0, 0],
    ]
    assert self_known(known, batch).tolist() == [False, True, False, False]


def test_the_own_tail_is_masked_even_where_training_lacks_the_triple():
    known = Known.of(np.array([[0, 0, 1]]), 2)
    assert against(known, np.array([[5, 1, 6]]), np.array([6, 7])).tolist() == [[True, False]]
    assert self_known(known, np.array([[5, 1, 5], [5, 1, 6]])).tolist() == [True, False]


def test_random_negatives_that_are_answers_are_masked():
    everyone = np.arange(GRAPH.size)
    mask = against(GRAPH.known(), TRIPLES, everyone)
    assert mask[np.arange(len(TRIPLES)), TRIPLES[:, 2]].all()
    assert mask.sum(1).min() >= 1
    assert mask.mean() < 0.5


# ---- drawing --------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(0, 30), st.integers(0, 99))
def test_draws_do_not_repeat(degree, count, seed):
    degree = np.array(degree)
    for weighting, pool in (("uniform", np.arange(len(degree))), ("degree", np.flatnonzero(degree))):
        drawn = draw(degree, count, weighting, np.random.default_rng(seed))
        assert len(set(drawn.tolist())) == len(drawn) == min(count, len(pool))
        assert set(drawn.tolist()) <= set(pool.tolist())
        np.testing.assert_array_equal(drawn, draw(degree, count, weighting, np.random.default_rng(seed)))


def test_uniform_draws_hit_everyone_alike_and_weighted_ones_follow_the_degree():
    degree, rng = np.array([0, 1, 16, 81]), np.random.default_rng(0)
    first = {
        w: np.bincount([draw(degree, 1, w, rng)[0] for _ in range(4000)], minlength=4) / 4000
        for w in ("uniform", "degree")
    }
    np.testing.assert_allclose(first["uniform"], 0.25, atol=0.03)
    np.testing.assert_allclose(first["degree"], np.array([0, 1, 8, 27]) / 36, atol=0.03)
