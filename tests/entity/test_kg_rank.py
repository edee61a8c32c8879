"""Filtered ranks and metrics against PyKEEN's evaluator and against loops; graph re-ranking; groups."""

import numpy as np
import pytest
import torch
from entity.kg_case import small_graph
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.entity.graph import SPLITS, Known
from anchors.entity.loaders import load
from anchors.entity.rank import (
    HITS,
    RANKS,
    Ranks,
    by_group,
    degree_buckets,
    metrics,
    near,
    ranked,
    ranked_scores,
    rerank,
)

GRAPH = small_graph()
NAMES = {
    "MRR": "inverse_harmonic_mean_rank", "MR": "arithmetic_mean_rank", "AMR": "adjusted_arithmetic_mean_rank",
    "AMRI": "adjusted_arithmetic_mean_rank_index", "adjusted H@10": "adjusted_hits_at_k",
    **{f"H@{k}": f"hits_at_{k}" for k in HITS},
}  # fmt: skip


def ranks_of(scores, triples, known):
    return ranked_scores(lambda rows: scores[rows], scores.shape[1], triples, known)


# ---- by hand --------------------------------------------------------------------------------------------------------


def test_a_tie_with_the_target_counts_half():
    scores, triples = np.array([[0.9, 0.9, 0.1]], np.float32), np.array([[2, 0, 0]])
    found = ranks_of(scores, triples, Known.of(triples, 2))
    assert (found.optimistic[0], found.realistic[0], found.pessimistic[0], found.options[0]) == (1, 1.5, 2, 3)


def test_a_known_answer_does_not_count():
    scores, triples = np.array([[0.9, 0.9, 0.1]], np.float32), np.array([[2, 0, 0]])
    found = ranks_of(scores, triples, Known.of(np.array([[2, 0, 0], [2, 0, 1], [2, 1, 2]]), 2))
    assert (found.optimistic[0], found.realistic[0], found.pessimistic[0], found.options[0]) == (1, 1, 1, 2)


def test_the_target_itself_is_never_filtered():
    scores = np.array([[0.3, 0.9, 0.1, 0.5]], np.float32)
    known = Known.of(np.array([[0, 0, 0], [0, 0, 1]]), 1)
    for target, expected in ((0, 2), (1, 1), (3, 1), (2, 2)):
        assert ranks_of(scores, np.array([[0, 0, target]]), known).realistic[0] == expected


def test_equal_scores_for_all_give_the_middle():
    found = ranks_of(
        np.zeros((5, 9), np.float32), np.array([[0, 0, t] for t in range(5)]), Known.of(np.zeros((0, 3), int), 1)
    )
    np.testing.assert_array_equal(found.realistic, 5)
    scored = metrics(found.realistic, found.options)
    assert (scored["AMR"], scored["AMRI"]) == (1, 0)


def test_metrics_by_hand():
    found = metrics(np.array([1.0, 2.0, 4.0, 20.0]), np.full(4, 20.0))
    assert found["MRR"] == pytest.approx((1 + 1 / 2 + 1 / 4 + 1 / 20) / 4)
    assert found["MR"] == 6.75
    assert [found[f"H@{k}"] for k in HITS] == [0.25, 0.5, 0.75, 0.75]
    assert found["AMR"] == pytest.approx(6.75 / 10.5)
    assert found["AMRI"] == pytest.approx(1 - 5.75 / 9.5)
    assert found["adjusted H@10"] == pytest.approx((0.75 - 0.5) / 0.5)
    assert set(metrics(np.ones(3))) == {"MRR", "MR", *(f"H@{k}" for k in HITS)}


# ---- against loops --------------------------------------------------------------------------------------------------

SIZE = 9
CASES = st.tuples(st.integers(0, 10**6), st.integers(1, 12), st.integers(0, 60))


@settings(max_examples=120, deadline=None)
@given(CASES, st.sampled_from([2, 4, 1000]))
def test_ranks_equal_loops(case, levels):
    seed, many, facts = case
    rng = np.random.default_rng(seed)
    draw = lambda n: rng.integers(0, [SIZE, 3, SIZE], (n, 3))  # noqa: E731
    triples, known = draw(many), draw(facts)
    scores = rng.integers(0, levels, (many, SIZE)).astype(np.float32)
    found, facts = ranks_of(scores, triples, Known.of(known, 3)), set(map(tuple, known.tolist()))
    for row, (head, relation, tail) in enumerate(triples.tolist()):
        rest = [e for e in range(SIZE) if e == tail or (head, relation, e) not in facts]
        assert found.options[row] == len(rest)
        assert found.optimistic[row] == 1 + sum(scores[row, e] > scores[row, tail] for e in rest)
        assert found.pessimistic[row] == sum(scores[row, e] >= scores[row, tail] for e in rest)
        assert found.realistic[row] == (found.optimistic[row] + found.pessimistic[row]) / 2


def test_blocks_do_not_matter(monkeypatch):
    rng = np.random.default_rng(0)
    queries, candidates = (rng.normal(size=(n, 6)).astype(np.float32).round(1) for n in (20, GRAPH.size))
    triples = GRAPH.directed("test")
    whole = ranked(queries, candidates, triples, GRAPH.filter)
    monkeypatch.setattr("anchors.entity.rank.BLOCK", 70)
    parts = ranked(queries, candidates, triples, GRAPH.filter)
    for name in ("optimistic", "pessimistic", "options"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_ranks_from_vectors_are_ranks_of_their_products():
    rng = np.random.default_rng(1)
    queries, candidates = (
        rng.normal(size=(20, 6)).astype(np.float32),
        rng.normal(size=(GRAPH.size, 6)).astype(np.float32),
    )
    triples = GRAPH.directed("test")
    found = ranked(queries, candidates, triples, GRAPH.filter)
    np.testing.assert_array_equal(found.realistic, ranks_of(queries @ candidates.T, triples, GRAPH.filter).realistic)
    raised = ranked(queries, candidates, triples, GRAPH.filter, lambda rows: 50 * np.eye(GRAPH.size)[triples[rows, 2]])
    np.testing.assert_array_equal(raised.realistic, 1)


# ---- against PyKEEN -------------------------------------------------------------------------------------------------


def compare(found, reference, side):
    """Compare each rank type and metric of Ranks with those of a side (head, tail, both) of PyKEEN's result."""
    from pykeen.metrics.ranking import AdjustedHitsAtK

    for kind in RANKS:
        got = metrics(getattr(found, kind), found.options)
        for name, theirs in NAMES.items():
            if "adjusted" in theirs and kind != "realistic":
                continue  # PyKEEN adjusts realistic ranks only
            expected = reference.get_metric(f"{side}.{kind}.{theirs}")
            assert got[name] == pytest.approx(expected, rel=1e-6, abs=1e-6), (side, kind, name)
    for k in HITS:
        expected = AdjustedHitsAtK(k=k)(ranks=found.realistic, num_candidates=found.options)
        assert metrics(found.realistic, found.options)[f"adjusted H@{k}"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("levels", [3, 20, 10**6])
def test_random_scores_with_ties_rank_as_in_pykeen(levels):
    from pykeen.evaluation import RankBasedEvaluator

    rng = np.random.default_rng(levels)
    triples, size = GRAPH.directed("test"), GRAPH.size
    scores = rng.integers(0, levels, (len(triples), size)).astype(np.float32)
    filtered = torch.tensor(scores)
    rows, tails = GRAPH.filter.pairs(triples[:, 0], triples[:, 1])
    filtered[rows, tails] = torch.nan
    target = torch.tensor(scores[np.arange(len(triples)), triples[:, 2]])[:, None]
    filtered[np.arange(len(triples)), triples[:, 2]] = target[:, 0]
    evaluator = RankBasedEvaluator(clear_on_finalize=False)
    evaluator.num_entities = size
    half = len(triples) // 2
    for side, part in (("tail", slice(0, half)), ("head", slice(half, None))):
        evaluator.process_scores_(torch.tensor(triples[part]), side, filtered[part], target[part])
    found = ranks_of(scores, triples, GRAPH.filter)
    for kind in RANKS:
        for side, part in (("tail", slice(0, half)), ("head", slice(half, None))):
            theirs = np.concatenate(evaluator.ranks[side, kind])
            np.testing.assert_array_equal(getattr(found, kind)[part], theirs)
    np.testing.assert_array_equal(found.options[:half], np.concatenate(evaluator.num_candidates["tail"]))
    result = evaluator.finalize()
    compare(found, result, "both")
    for side, part in (("tail", slice(0, half)), ("head", slice(half, None))):
        compare(Ranks(found.optimistic[part], found.pessimistic[part], found.options[part]), result, side)


@pytest.fixture(scope="module")
def nations():
    from pykeen.datasets import Nations

    return load("nations"), Nations()


def test_nations_are_numbered_as_in_pykeen(nations):
    graph, theirs = nations
    assert list(graph.entities) == sorted(theirs.entity_to_id, key=theirs.entity_to_id.get)
    assert list(graph.relations) == sorted(theirs.relation_to_id, key=theirs.relation_to_id.get)
    parts = (theirs.training, theirs.validation, theirs.testing)
    for split, part in zip(SPLITS, parts, strict=True):
        np.testing.assert_array_equal(np.unique(graph.splits[split], axis=0), np.unique(part.mapped_triples, axis=0))


@pytest.mark.slow
def test_a_lookup_model_on_nations_ranks_as_pykeen_says(nations):
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.models import DistMult

    graph, theirs = nations
    model = DistMult(triples_factory=theirs.training, embedding_dim=2, random_seed=0)
    for part in (*model.entity_representations, *model.relation_representations):
        part._embeddings.weight.data = (2 * part._embeddings.weight.data).round()  # few values: many ties
    model.eval()
    triples = theirs.testing.mapped_triples
    result = RankBasedEvaluator().evaluate(
        model, triples, batch_size=64, use_tqdm=False,
        additional_filter_triples=[theirs.training.mapped_triples, theirs.validation.mapped_triples],
    )  # fmt: skip
    with torch.no_grad():
        scores = torch.cat([model.predict_t(triples[:, :2]), model.predict_h(triples[:, 1:])]).numpy()
    test = triples.numpy()
    directed = np.concatenate([test, test[:, ::-1] + [0, len(graph.relations), 0]])
    found, half = ranks_of(scores, directed, graph.filter), len(test)
    assert (found.optimistic < found.pessimistic).mean() > 0.3
    compare(found, result, "both")
    for side, part in (("tail", slice(0, half)), ("head", slice(half, None))):
        compare(Ranks(found.optimistic[part], found.pessimistic[part], found.options[part]), result, side)


# ---- re-ranking -----------------------------------------------------------------------------------------------------


def reached(graph, head, hops):
    """Return the entities within ``hops`` of ``head``, level by level."""
    linked = {e: set() for e in range(graph.size)}
    for a, _, b in graph.splits["train"].tolist():
        linked[a].add(b)
        linked[b].add(a)
    found = {head}
    for _ in range(hops):
        found |= {other for entity in found for other in linked[entity]}
    return found


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.integers(0, 4), st.lists(st.integers(0, 29), min_size=1, max_size=6))
def test_near_equals_a_slow_search(seed, hops, heads):
    graph = small_graph(30, 45, seed)
    found = near(graph.neighbours, np.array(heads), hops)
    assert found.shape == (len(heads), 30)
    assert found.dtype == bool
    for row, head in zip(found, heads, strict=True):
        assert set(np.flatnonzero(row).tolist()) == reached(graph, head, hops)


def test_reranking_adds_the_amount_within_two_hops():
    heads = np.array([3, 7, 29, 3])
    boost = rerank(GRAPH.neighbours, heads)
    for rows in (slice(0, 4), slice(1, 3)):
        added = boost(rows)
        for line, head in zip(added, heads[rows], strict=True):
            inside = sorted(reached(GRAPH, head, 2))
            np.testing.assert_allclose(line[inside], 0.05)
            assert line.sum() == pytest.approx(0.05 * len(inside))
    assert boost(slice(2, 3)).sum() == pytest.approx(0.05), "an isolated head reaches itself"
    wide = rerank(GRAPH.neighbours, heads, amount=0.2, hops=5)(slice(0, 1))
    assert wide.max() == pytest.approx(0.2)
    assert (wide > 0).sum() == len(reached(GRAPH, 3, 5))


def test_reranking_changes_ranks_as_adding_by_hand_does():
    rng = np.random.default_rng(3)
    queries, candidates = rng.normal(size=(20, 4)).astype(np.float32), rng.normal(size=(30, 4)).astype(np.float32)
    triples = GRAPH.directed("test")
    scores = queries @ candidates.T
    for row, head in enumerate(triples[:, 0]):
        scores[row, sorted(reached(GRAPH, head, 2))] += 0.5
    expected = ranks_of(scores, triples, GRAPH.filter).realistic
    boost = rerank(GRAPH.neighbours, triples[:, 0], amount=0.5)
    got = ranked(queries, candidates, triples, GRAPH.filter, boost)
    np.testing.assert_array_equal(got.realistic, expected)
    assert (expected != ranked(queries, candidates, triples, GRAPH.filter).realistic).any()


# ---- groups ---------------------------------------------------------------------------------------------------------


def test_groups_have_their_own_metrics_and_empty_ones_are_left_out():
    ranks, groups = np.array([1.0, 2.0, 4.0, 1.0]), np.array([0, 2, 2, 0])
    rows = by_group(ranks, groups, ["a", "b", "c"])
    assert [(row["group"], row["n"], row["MRR"], row["H@1"]) for row in rows] == [("a", 2, 1, 1), ("c", 2, 0.375, 0)]
    assert sum(row["n"] * row["MRR"] for row in rows) / 4 == pytest.approx(metrics(ranks)["MRR"])


def test_degree_buckets():
    bucket, names = degree_buckets(np.array([0, 1, 4, 5, 19, 20, 99, 100, 7_614]))
    assert names == ["under 1", "1–4", "5–19", "20–99", "100 or more"]
    assert bucket.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    bucket, names = degree_buckets(np.array([0, 9, 10]), (10,))
    assert (bucket.tolist(), names) == ([0, 0, 1], ["under 10", "10 or more"])
