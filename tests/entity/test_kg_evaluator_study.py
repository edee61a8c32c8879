"""The study of ranking conventions: its conventions on scores whose ranks are known, and its table."""

import math

import numpy as np
import pandas as pd
import pytest
from entity.kg_case import small_graph

from anchors.entity import evaluator_plots
from anchors.entity.rank import Ranks, metrics
from anchors.entity.studies import evaluator as study

GRAPH = small_graph()
TRIPLES = GRAPH.directed("test")
SCORES = np.random.default_rng(3).normal(size=(len(TRIPLES), GRAPH.size)).astype(np.float32)


def measured(scores, negatives=10):
    return study.measured(GRAPH, TRIPLES, scores, negatives, np.random.default_rng(0))


def test_a_constant_score_is_first_or_last():
    found = measured(np.zeros_like(SCORES))
    assert found["ties: optimistic"][1] == {"MRR": 1.0, "H@10": 1.0}
    assert (found["ties: pessimistic"][0] > GRAPH.size / 2).all()
    middle = found[study.REFERENCE][0]
    np.testing.assert_allclose(2 * middle - 1, found["ties: pessimistic"][0])


def test_without_ties_the_tie_rules_agree():
    found = measured(SCORES)
    for rule in ("optimistic", "pessimistic", "place in a sort"):
        np.testing.assert_array_equal(found[f"ties: {rule}"][0], found[study.REFERENCE][0])


def test_filters_only_help():
    found = measured(SCORES)
    raw, train, all_ = (found[name][0] for name in ("no filter", "filter: train only", study.REFERENCE))
    target = SCORES[np.arange(len(TRIPLES)), TRIPLES[:, 2]][:, None]
    np.testing.assert_array_equal(raw, 1 + (target < SCORES).sum(1))
    assert (raw >= train).all()
    assert (train >= all_).all()
    assert (raw > all_).any()


def test_the_place_in_a_sort_lies_among_the_ties_and_reaches_both_ends():
    ranks = Ranks(np.full(500, 3.0), np.full(500, 6.0), np.full(500, 20.0))
    places = study.placed(ranks, np.random.default_rng(0))
    assert set(places) == {3, 4, 5, 6}
    assert (1 / places).mean() > 1 / ranks.realistic[0], "chance pays: the mean of 1 / rank is above 1 / the mean rank"


def test_sampled_ranks_are_the_expectation_of_draws():
    rng, other = np.random.default_rng(0), np.arange(30)  # candidates 0 … 29 compete, those below 12 are better
    ranks = Ranks(np.array([13.0]), np.array([13.0]), np.array([31.0]))
    drawn = [1 + (rng.choice(other, 10, replace=False) < 12).sum() for _ in range(4000)]
    assert study.sampled(ranks, 10)[0] == pytest.approx(np.mean(drawn), abs=0.1)
    assert study.sampled(ranks, 500)[0] == 13


def test_the_mean_of_rounded_means_is_near_the_mean_over_all():
    ranks = np.random.default_rng(1).integers(1, 30, 200).astype(float)
    both = metrics(ranks)
    for name, value in study.two_means(ranks).items():
        assert value == pytest.approx(both[name], abs=1e-4)


def test_entities_with_the_same_anchors_tie():
    tied = study.tied(GRAPH, SCORES, np.random.default_rng(0))
    assert tied.shape == SCORES.shape
    distinct = np.unique(tied, axis=1)
    assert 1 < distinct.shape[1] < GRAPH.size
    np.testing.assert_allclose(tied.sum(1), SCORES.sum(1), rtol=1e-3, atol=1e-3)


def test_variants_have_more_and_more_ties():
    made = study.variants(GRAPH, SCORES, np.random.default_rng(0))
    assert set(made) == set(study.KINDS)
    distinct = {kind: np.mean([len(np.unique(row)) for row in scores]) for kind, scores in made.items()}
    assert distinct["full"] >= distinct["saturated"] > distinct["levels"] > distinct["constant"] == 1


def test_hidden_entities_are_unseen_and_dropped(monkeypatch):
    class Model:
        def of(self, triples):
            return lambda rows: SCORES[rows]

    graphs = []
    monkeypatch.setattr(study, "trained", lambda graph, seed: graphs.append(graph) or Model())
    kept, dropped = study.unseen(GRAPH, 0, 0.2, np.random.default_rng(0))
    assert not graphs[0].in_train.all()
    assert len(graphs[0].splits["train"]) < len(GRAPH.splits["train"])
    assert kept["n"] == len(TRIPLES) > dropped["n"] > 0


def test_rows_and_verdict():
    lines = [
        {"graph": "umls", "seed": seed, **line}
        for seed in range(5)
        for line in [
            {"kind": kind, "convention": name, "n": 20, **value}
            for kind, scores in study.variants(GRAPH, SCORES + seed / 10, np.random.default_rng(0)).items()
            for name, (_, value) in measured(scores).items()
        ]
        + [{"kind": "full", "convention": c, "n": 20, "MRR": 0.5, "H@10": 0.5} for c in (study.KEPT, study.DROPPED)]
    ]
    table = pd.DataFrame(lines)
    rows, verdict = study.summarise(table)
    assert verdict.kind == "measured"
    assert "UMLS" in verdict.text
    assert all(row.seeds == 5 and math.isfinite(row.low) for row in rows)
    names = [(row.quantity, row.unit) for row in rows]
    assert len(names) == len(set(names))
    figure = evaluator_plots.conventions(table)
    assert len(figure.axes) == 2


def test_a_seed_gives_every_convention():
    lines = pd.DataFrame(study.one_seed("nations", 0, 5, 0.1))
    plain = lines[lines.kind == "full"]
    assert set(plain.convention) == {*study.CONVENTIONS, study.KEPT, study.DROPPED}
    again = pd.DataFrame(study.one_seed("nations", 0, 5, 0.1))
    pd.testing.assert_frame_equal(lines, again)
