"""Which entities are anchors, and which stand for an entity: coverage of real graphs, slow searches, ties, controls."""

from collections import deque
from dataclasses import replace

import networkx
import numpy as np
import pytest
from entity.kg_case import small_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.entity.anchors import (
    FAR,
    NONE,
    STRATEGIES,
    assign,
    coverage,
    distances,
    pagerank,
    same_for_all,
    select,
    with_types,
)
from anchors.entity.graph import Graph, adjacency
from anchors.entity.loaders import REGISTERED, load

# section 1.7 of the dossier, anchors of highest degree: covered %, mean number at 1 hop, within 2 hops %
DEGREE_COVERAGE = {
    ("fb15k-237", 64): (82.5, 4.0, None), ("fb15k-237", 256): (87.1, 7.0, None), ("fb15k-237", 500): (91.2, 8.8, None),
    ("fb15k-237", 1000): (93.4, 11.3, None), ("fb15k-237", 2000): (95.7, 14.7, None),
    ("wn18rr", 64): (20.9, 0.23, 42.3), ("wn18rr", 256): (34.9, 0.40, 64.6), ("wn18rr", 500): (43.6, 0.53, 75.6),
    ("wn18rr", 1000): (54.0, 0.71, 84.6), ("wn18rr", 2000): (66.3, 0.95, 91.2),
}  # fmt: skip
RANDOM_COVERAGE = {("fb15k-237", 500): (41.8, 0.86), ("fb15k-237", 1000): (69.7, 2.02), ("wn18rr", 1000): (7.9, 0.09)}
UNREACHABLE = {"fb15k-237": 0.3, "wn18rr": 1.2}
GRAPH = small_graph()


def on_large(cases):
    """Return the cases, of which each needs the data set of the graph it begins with."""
    return [pytest.param(*case, marks=pytest.mark.needs(REGISTERED[case[0]])) for case in cases]


def rng(seed=0):
    return np.random.default_rng(seed)


def graph_of(edges, size):
    train = np.array([(a, 0, b) for a, b in edges], np.int64).reshape(-1, 3)
    names = tuple(f"e{number}" for number in range(size))
    return Graph("toy", names, ("r",), {"train": train}, names, ("r",))


# ---- coverage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "count"), on_large(DEGREE_COVERAGE))
def test_coverage_of_anchors_of_highest_degree(name, count):
    graph = load(name)
    found = coverage(graph, select(graph, count, "degree", rng()))
    covered, mean, within = DEGREE_COVERAGE[name, count]
    assert 100 * found["covered"] == pytest.approx(covered, abs=0.1)
    assert found["anchors at 1 hop"] == pytest.approx(mean, abs=0.05)
    assert 100 * found["unreachable"] == pytest.approx(UNREACHABLE[name], abs=0.1)
    if within is None:
        assert 98.8 <= 100 * found["within 2"] <= 99.7
    else:
        assert 100 * found["within 2"] == pytest.approx(within, abs=0.1)


@pytest.mark.parametrize(("name", "count"), on_large(RANDOM_COVERAGE))
def test_coverage_of_random_anchors(name, count):
    graph = load(name)
    found = [coverage(graph, select(graph, count, "random", rng(seed))) for seed in range(12)]
    covered, mean = RANDOM_COVERAGE[name, count]
    shares, means = [100 * one["covered"] for one in found], [one["anchors at 1 hop"] for one in found]
    assert min(shares) - 0.1 <= covered <= max(shares) + 0.1, "the dossier's is one draw"
    assert min(means) - 0.005 <= mean <= max(means) + 0.005
    assert max(shares) < 0.85 * DEGREE_COVERAGE[name, count][0]


@pytest.mark.needs("wn18rr")
def test_assignment_of_a_large_graph():
    graph = load("wn18rr")
    chosen = select(graph, 200, "degree", rng())
    made = assign(graph, chosen, 4)
    assert made.nearest.shape == made.hops.shape == (graph.size, 4)
    isolated = graph.links == 0
    assert (made.nearest[isolated] == NONE).all()
    assert isolated.sum() == 384
    assert (made.nearest[chosen, 0] == np.arange(200)).all()
    assert (np.diff(made.hops.astype(int), axis=1) >= 0).all()
    direct = graph.neighbours[:, chosen].toarray().sum(1)
    other = np.setdiff1d(np.arange(graph.size), chosen)
    assert ((made.hops[other] == 1).sum(1) == np.minimum(direct[other], 4)).all()


# ---- distances ------------------------------------------------------------------------------------------------------


def slow_search(neighbours, source):
    """Return hops and numbers of shortest paths of all nodes from one, by a queue."""
    hops, paths, queue = {source: 0}, {source: 1}, deque([source])
    while queue:
        node = queue.popleft()
        for other in neighbours[node]:
            if other not in hops:
                hops[other], paths[other] = hops[node] + 1, 0
                queue.append(other)
            if hops[other] == hops[node] + 1:
                paths[other] += paths[node]
    return hops, paths


EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(EDGES, st.sets(st.integers(0, 11), min_size=1, max_size=5), st.sampled_from([1, 2, FAR - 1]))
def test_hops_and_paths_equal_a_slow_search(edges, sources, furthest):
    graph = graph_of(edges, 12)
    linked = {node: graph.neighbours[[node]].nonzero()[1].tolist() for node in range(12)}
    sources = sorted(sources)
    hops, paths = distances(graph.neighbours, np.array(sources), furthest)
    assert hops.shape == paths.shape == (len(sources), 12)
    for place, source in enumerate(sources):
        reached, count = slow_search(linked, source)
        for node in range(12):
            near = reached.get(node, FAR) <= furthest
            assert hops[place, node] == (reached[node] if near else FAR)
            assert paths[place, node] == (count[node] if near else 0)


def test_hops_equal_scipy():
    from scipy.sparse.csgraph import shortest_path

    expected = shortest_path(GRAPH.neighbours, unweighted=True)
    hops, _ = distances(GRAPH.neighbours, np.arange(GRAPH.size))
    np.testing.assert_array_equal(hops, np.where(np.isfinite(expected), expected, FAR))


def test_a_chain_longer_than_the_furthest_hop():
    graph = graph_of([(n, n + 1) for n in range(139)], 140)
    hops, paths = distances(graph.neighbours, np.array([0]))
    assert hops[0].tolist() == [*range(FAR), *[FAR] * (140 - FAR)]
    assert (paths[0, :FAR] == 1).all()
    assert (assign(graph, np.array([0]), 1).nearest[:, 0] == NONE).sum() == 140 - FAR


@settings(max_examples=60, deadline=None)
@given(EDGES, st.integers(1, 6), st.integers(0, 5), st.integers(0, 99))
def test_assignment_equals_sorting_by_hand(edges, count, k, seed):
    graph = graph_of(edges, 12)
    chosen = select(graph, count, "random", rng(seed))
    made = assign(graph, chosen, k)
    linked = {node: graph.neighbours[[node]].nonzero()[1].tolist() for node in range(12)}
    searched = [slow_search(linked, int(anchor)) for anchor in chosen]
    for entity in range(12):
        reachable = [
            (hops[entity], -paths[entity], graph.links[anchor], anchor, place)
            for place, (anchor, (hops, paths)) in enumerate(zip(chosen, searched, strict=True))
            if entity in hops
        ]
        best = sorted(reachable)[:k]
        lack = min(k, len(chosen)) - len(best)
        assert made.nearest[entity].tolist() == [row[-1] for row in best] + [NONE] * lack
        assert made.hops[entity].tolist() == [row[0] for row in best] + [FAR] * lack


# ---- assignment -----------------------------------------------------------------------------------------------------


def test_ties_by_hand():
    # 0 is two hops from anchor 5 by two paths (over 1, 2), and two hops from 6, 7, 8 by one path (over 3 or 4);
    # anchor 6 has three neighbours more than 7 and 8
    edges = [(0, 1), (0, 2), (1, 5), (2, 5), (0, 3), (3, 6), (3, 7), (0, 4), (4, 8), (6, 9), (6, 10), (6, 11)]
    graph = graph_of(edges, 12)
    chosen = np.array([8, 6, 5, 7])
    made = assign(graph, chosen, 4)
    assert chosen[made.nearest[0]].tolist() == [5, 7, 8, 6]
    assert made.hops[0].tolist() == [2, 2, 2, 2]
    assert chosen[made.nearest[3]].tolist() == [7, 6, 5, 8], "1 hop: fewer neighbours first; then 3 hops: more paths"
    assert made.hops[3].tolist() == [1, 1, 3, 3]


def test_an_anchor_is_its_own_first_anchor():
    for strategy in ("degree", "pagerank", "random", "mix"):
        chosen = select(GRAPH, 9, strategy, rng())
        made = assign(GRAPH, chosen, 3)
        assert (made.nearest[chosen, 0] == np.arange(9)).all()
        assert (made.hops[chosen, 0] == 0).all()


def test_isolated_and_unseen_entities_have_none():
    graph = graph_of([(0, 1), (1, 2), (3, 3), (5, 6)], 8)
    made = assign(graph, np.array([1, 0]), 2)
    for entity in (3, 4, 5, 6, 7):
        assert made.nearest[entity].tolist() == [NONE, NONE]
        assert made.hops[entity].tolist() == [FAR, FAR]
    assert made.nearest[2].tolist() == [0, 1]


def test_assignment_is_deterministic_and_blind_to_valid_and_test():
    chosen = select(GRAPH, 8, "degree", rng())
    one, two = assign(GRAPH, chosen, 3), assign(small_graph(), chosen, 3)
    bare = replace(GRAPH, splits={"train": GRAPH.splits["train"]})
    for other in (two, assign(bare, chosen, 3)):
        np.testing.assert_array_equal(one.nearest, other.nearest)
        np.testing.assert_array_equal(one.hops, other.hops)
    shuffled = GRAPH.with_train(rng().permutation(GRAPH.splits["train"]))
    np.testing.assert_array_equal(assign(shuffled, chosen, 3).nearest, one.nearest)


def test_more_anchors_than_there_are():
    made = assign(GRAPH, np.array([1, 2]), 5)
    assert made.nearest.shape == (GRAPH.size, 2)
    assert made.count == 2
    assert assign(GRAPH, np.array([1, 2]), 0).nearest.shape == (GRAPH.size, 0)


@pytest.mark.parametrize(
    ("chosen", "k", "message"), [([0, 29], 2, "'e29', which training lacks"), ([0], -1, "k: found -1")]
)
def test_bad_anchors_are_one_clear_line(chosen, k, message):
    with pytest.raises(InputError) as caught:
        assign(GRAPH, np.array(chosen), k)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- selection ------------------------------------------------------------------------------------------------------


def chosen_by(strategy, count=10, seed=0, graph=GRAPH):
    vectors = rng(7).normal(size=(graph.size, 4)).astype(np.float32)
    return select(graph, count, strategy, rng(seed), vectors)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_anchors_are_distinct_entities_of_training(strategy):
    chosen = chosen_by(strategy)
    assert len(set(chosen.tolist())) == len(chosen) == 10
    assert GRAPH.in_train[chosen].all()
    np.testing.assert_array_equal(chosen, chosen_by(strategy))
    assert set(chosen_by(strategy, 99).tolist()) == set(np.flatnonzero(GRAPH.in_train).tolist())
    assert len(chosen_by(strategy, 1)) == 1


def test_strategies_choose_different_anchors():
    found = {strategy: frozenset(chosen_by(strategy).tolist()) for strategy in STRATEGIES}
    assert len(set(found.values())) == len(STRATEGIES)
    assert set(chosen_by("random", seed=1).tolist()) != found["random"]


def test_degree_is_the_number_of_distinct_neighbours():
    graph = graph_of([(0, 1), (0, 1), (1, 0), (0, 1), (2, 3), (2, 4), (2, 5), (3, 4)], 6)
    assert select(graph, 3, "degree", rng()).tolist() == [2, 3, 4]


def test_mix_has_the_best_of_each_kind():
    graph, chosen = GRAPH, chosen_by("mix")
    degree = chosen_by("degree", 4)
    np.testing.assert_array_equal(chosen[:4], degree)
    order = [entity for entity in chosen_by("pagerank", 99) if entity not in degree]
    assert chosen[4:8].tolist() == order[:4]
    assert graph.in_train[chosen[8:]].all()


def test_pagerank_equals_networkx_and_solving_the_equations():
    graph = graph_of([(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (5, 6)], 8)
    found = pagerank(graph.neighbours)
    expected = networkx.pagerank(networkx.from_scipy_sparse_array(graph.neighbours), tol=1e-12)
    np.testing.assert_allclose(found, [expected[node] for node in range(8)], atol=1e-8)
    assert found.sum() == pytest.approx(1)


def test_medoids_lie_near_the_centres_of_groups():
    centres = np.array([[0, 0], [9, 0], [0, 9]])
    vectors = np.repeat(centres, 10, axis=0) + rng(1).normal(scale=0.1, size=(30, 2))
    chosen = select(GRAPH, 3, "kmeans", rng(), vectors)
    assert sorted(chosen // 10) == [0, 1, 2]


@pytest.mark.parametrize(
    ("strategy", "count", "message"),
    [("best", 3, "degree | pagerank | random | mix | kmeans"), ("degree", 0, "at least 1"), ("kmeans", 3, "(N, d)")],
)
def test_bad_selection_is_one_clear_line(strategy, count, message):
    with pytest.raises(InputError) as caught:
        select(GRAPH, count, strategy, rng())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- controls -------------------------------------------------------------------------------------------------------


def test_permuted_anchors_keep_all_counts():
    made = assign(GRAPH, chosen_by("degree"), 4)
    control = made.permuted(rng(2))
    assert (control.nearest != made.nearest).any()
    np.testing.assert_array_equal(control.chosen, made.chosen)
    pairs = [sorted(zip(map(tuple, a.nearest), map(tuple, a.hops), strict=True)) for a in (made, control)]
    assert pairs[0] == pairs[1]
    np.testing.assert_array_equal(made.permuted(rng(2)).nearest, control.nearest)


def test_the_control_of_parameters_carries_no_structure():
    made = same_for_all(assign(GRAPH, chosen_by("degree"), 4))
    assert (made.nearest == np.arange(4)).all()
    assert (made.hops == 1).all()


def test_relation_types_are_those_that_leave_an_entity_most_often():
    train = np.array([(0, 0, 1), (0, 0, 2), (0, 1, 3), (2, 1, 0), (3, 1, 0)])  # 2 and 3 are inverse relations
    graph = Graph("toy", tuple("abcde"), ("r", "s"), {"train": train}, tuple("abcde"), ("r", "s"))
    made = with_types(assign(graph, np.array([0, 1]), 2), graph, 2)
    rows = np.where(made.types == NONE, NONE, made.types - 2)
    assert rows.tolist() == [[0, 3], [2, NONE], [1, 2], [1, 3], [NONE, NONE]]
    assert made.count == 2 + graph.directions
    assert made.chosen.tolist() == [0, 1, NONE, NONE, NONE, NONE]
    assert with_types(made, graph, 0) is made


def test_coverage_by_hand():
    graph = graph_of([(0, 1), (0, 2), (2, 3), (3, 4), (5, 5)], 6)
    found = coverage(graph, np.array([0, 1]))
    assert found == pytest.approx(
        {"covered": 3 / 6, "anchors at 1 hop": 3 / 6, "within 2": 4 / 6, "unreachable": 1 / 6}
    )
    assert adjacency(graph.splits["train"], 6).sum() == 8
