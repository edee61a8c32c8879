"""Lookup models: seeded, scored as PyKEEN scores, ranked as PyKEEN ranks, better than chance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from entity.kg_case import small_graph

from anchors.companion.errors import InputError
from anchors.entity import baselines, loaders
from anchors.entity.baselines import Lookup
from anchors.entity.rank import HITS, RANKS, metrics, ranked_scores

SMALL = small_graph()
SHORT = Lookup(dim=8, epochs=3, batch=16)


@pytest.fixture(scope="module")
def nations():
    return loaders.load("nations")


@pytest.fixture(scope="module", params=baselines.MODELS)
def trained(request, nations):
    settings = replace(baselines.defaults(nations, request.param), dim=16, epochs=15)
    return baselines.train(nations, request.param, settings, seed=0)


@pytest.mark.parametrize("model", baselines.MODELS)
@pytest.mark.parametrize("negatives", [0, 12])
def test_seeds_repeat_and_leave_the_global_generator_alone(model, negatives):
    triples, settings = SMALL.directed("test"), replace(SHORT, negatives=negatives, penalty=1e-2)
    state = torch.random.get_rng_state()
    first, again, other = (baselines.train(SMALL, model, settings, seed) for seed in (0, 0, 1))
    assert torch.equal(state, torch.random.get_rng_state())
    np.testing.assert_array_equal(first.scores(triples), again.scores(triples))
    np.testing.assert_array_equal(first.losses, again.losses)
    assert not np.allclose(first.scores(triples), other.scores(triples))


def test_scores_are_those_of_pykeen(trained, nations):
    triples = nations.directed("test")
    forward = torch.as_tensor(nations.splits["test"])
    with torch.no_grad():
        tails, heads = trained.model.predict_t(forward[:, :2]), trained.model.predict_h(forward[:, 1:])
    np.testing.assert_allclose(trained.scores(triples), torch.cat([tails, heads]), rtol=1e-4, atol=1e-4)


def test_inverse_relations_have_the_numbers_of_pykeen(trained, nations):
    rows = torch.as_tensor(nations.splits["test"])[:, 1:]
    with torch.no_grad():
        theirs = trained.model.score_h_inverse(torch.stack([2 * rows[:, 0], rows[:, 1]], 1))
    ours = trained.scores(nations.directed("test"))[len(rows) :]
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_the_factory_knows_the_splits(nations):
    made = baselines.factory(nations, "valid")
    assert (made.num_entities, made.real_num_relations) == (nations.size, len(nations.relations))
    np.testing.assert_array_equal(made.mapped_triples, nations.splits["valid"])


def test_ranks_equal_those_of_pykeens_evaluator(trained, nations):
    from pykeen.evaluation import RankBasedEvaluator

    others = [baselines.factory(nations, split).mapped_triples for split in ("train", "valid")]
    test = baselines.factory(nations, "test").mapped_triples
    with torch.no_grad():
        found = RankBasedEvaluator(filtered=True).evaluate(
            trained.model, test, batch_size=64, additional_filter_triples=others, use_tqdm=False
        )
    ours, half = trained.ranks("test"), len(test)
    for side, rows in {"tail": slice(half), "head": slice(half, None), "both": slice(None)}.items():
        for kind in RANKS:
            mine = metrics(getattr(ours, kind)[rows])
            theirs = {f"H@{k}": found.get_metric(f"{side}.{kind}.hits@{k}") for k in HITS}
            theirs["MRR"] = found.get_metric(f"{side}.{kind}.inverse_harmonic_mean_rank")
            theirs["MR"] = found.get_metric(f"{side}.{kind}.arithmetic_mean_rank")
            assert mine == pytest.approx(theirs, abs=1e-6), (side, kind)


def test_training_beats_chance(trained, nations):
    assert trained.losses[-1] < trained.losses[0]
    start = baselines.train(nations, trained.kind, replace(SHORT, dim=16, epochs=0), seed=0)
    triples = nations.directed("test")
    reach = metrics(ranked_scores(trained.of(triples), nations.size, triples, nations.filter).realistic)
    assert reach == trained.metrics("test")
    assert reach["MRR"] > start.metrics("test")["MRR"] + 0.03


@pytest.mark.parametrize("model", baselines.MODELS)
def test_all_entities_drawn_are_all_entities(model):
    known, network = SMALL.known(), baselines.build(SMALL, model, SHORT)
    queries = np.divmod(known.keys, known.relations)
    full, facts = baselines._loss(network, model, known, SHORT, *queries, None)
    drawn, again = baselines._loss(network, model, known, SHORT, *queries, np.arange(SMALL.size))
    assert facts == again == len(known.tails)
    assert full.item() == pytest.approx(drawn.item(), rel=1e-5)


def test_negatives_are_never_known_facts():
    known, network = SMALL.known(), baselines.build(SMALL, "DistMult", SHORT)
    heads, relations = np.divmod(known.keys, known.relations)
    loss = baselines._loss(network, "DistMult", known, SHORT, heads, relations, None)[0].item()
    rows, tails = known.pairs(heads, relations)
    scores = _plain_scores(network, heads, relations)
    by_hand = 0.0
    for row, tail in zip(rows, tails, strict=True):
        others = np.setdiff1d(np.arange(SMALL.size), tails[rows == row])
        by_hand += np.log(np.exp(scores[row, [tail, *others]]).sum()) - scores[row, tail]
    assert loss == pytest.approx(by_hand, rel=1e-4)


def _plain_scores(network, heads, relations):
    half = network.num_real_relations
    theirs = 2 * (relations % half) + relations // half
    with torch.no_grad():
        return network.score_t(torch.as_tensor(np.stack([heads, theirs], 1))).numpy().astype(float)


@pytest.mark.parametrize("size", [30, 14_541, 40_943])
def test_every_size_has_defaults(size):
    graph = replace(SMALL, entities=("e",) * size)
    assert len({baselines.defaults(graph, model) for model in baselines.MODELS}) > 1
    assert baselines.defaults(graph, "ComplEx").penalty > 0


def test_without_settings_the_defaults_are_taken(monkeypatch):
    monkeypatch.setattr(baselines, "DEFAULTS", ((np.inf, dict.fromkeys(baselines.MODELS, SHORT)),))
    found = baselines.train(SMALL, "TransE").scores(SMALL.directed("test"))
    np.testing.assert_array_equal(found, baselines.train(SMALL, "TransE", SHORT, 0).scores(SMALL.directed("test")))


def test_wrong_input_is_said():
    with pytest.raises(InputError, match=r"TransE \| DistMult \| ComplEx \| RotatE"):
        baselines.train(SMALL, "TransR", SHORT, seed=0)
    with pytest.raises(InputError, match="ComplEx"):
        baselines.defaults(SMALL, "complex")
    with pytest.raises(InputError, match="dim"):
        Lookup(dim=0)
