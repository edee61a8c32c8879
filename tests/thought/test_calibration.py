"""Estimates against the exact truth, with a sampler that is the process itself, and the tables made of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from anchors.companion.errors import InputError
from anchors.models.sampling import Continuation
from anchors.thought import calibration_plots, ranking
from anchors.thought.experiments import Case
from anchors.thought.reasoner import program
from anchors.thought.sentences import split
from anchors.thought.studies import calibration, estimators, specimens
from anchors.thought.studies.ideal import Process

KEYS = ((0, 0), (0, 1), (1, 0))


@pytest.fixture(scope="module")
def found():
    return [specimens.specimen(*key, rollouts=150) for key in KEYS]


@pytest.fixture(scope="module")
def tables(found):
    """The two logs; what needs a network is made up, so that the tables are whole."""
    rng = np.random.default_rng(0)
    sentences, pairs = (pd.concat([pd.DataFrame(f[name]) for f in found]) for name in ("sentences", "pairs"))
    sentences = sentences.assign(
        **{n: rng.random(len(sentences)) for n in ("receiver_score", "attention_received", "suppression_out")}
    )
    return sentences, pairs.assign(**{n: rng.random(len(pairs)) for n in ("attention", "receiver", "suppression")})


def test_estimates_of_a_perfect_reasoner_are_the_truth_up_to_noise(tables):
    sentences, pairs = tables
    for name in ("resampling_accuracy", "counterfactual_accuracy"):
        error = (sentences[name] - sentences[f"true_{name}"]).dropna()
        assert len(error) > 10
        assert np.sqrt((error**2).mean()) < 0.1, name
        assert calibration.pooled_slope(sentences, name, 50).mean == pytest.approx(1, abs=0.15)
    finite = np.isfinite(sentences.true_resampling_kl)
    assert (sentences.resampling_kl - sentences.true_resampling_kl)[finite].abs().mean() < 0.1
    upper = pairs.dropna(subset="true_steps")
    assert np.sqrt(((upper.steps - upper.true_steps) ** 2).mean()) < 0.05


def test_forced_answers_move_only_when_the_target_is_stated(tables):
    sentences = tables[0]
    assert sentences.forced_kl[sentences.category == "fact_retrieval"].abs().max() < 0.3
    assert sentences.forced_kl.max() > 0.5


def test_metrics_have_every_method_once_per_trace(tables):
    table = calibration.metrics(*tables)
    assert not table.duplicated(["seed", "number", "panel", "method", "metric"]).any()
    assert len(table) == 3 * (4 * 2 + len(calibration.EDGE_METHODS) + 2 * 2 * len(calibration.ANCHOR_METHODS))
    edges = table[(table.panel == "edges") & (table.method == "steps")].value
    assert edges.mean() > 0.5
    rows, verdict = calibration.summarise(table, tables[0])
    assert len(rows) == 8 + len(calibration.EDGE_METHODS) + 4 * len(calibration.ANCHOR_METHODS)
    assert "On 3 traces" in verdict.text
    figure = calibration_plots.calibration(table, tables[0])
    assert len(figure.axes) == 4


def test_the_process_alone_has_no_attention(found):
    sentences, pairs, heads = specimens.assemble(found)
    assert heads == []
    table = calibration.metrics(sentences, pairs)
    assert not {"attention", "suppression_out"} & set(table.method)
    rows, _ = calibration.summarise(table, sentences)
    assert not [r for r in rows if "suppression" in r.quantity]


def test_a_process_continues_by_its_own_probabilities():
    problem = program.sample_problem(np.random.default_rng(3))
    start = " ".join([problem.text, f"we need {problem.target} ."])
    texts = [c.text for c in Process([problem]).continuations(start, range(600), 0, 1.0, 1.0)]
    assert np.mean([program.PLAN_STEPS in t.split(" . ")[0] + " ." for t in texts]) == pytest.approx(0.65, abs=0.06)
    whole = [[f"we need {problem.target} .", *(s.text for s in split(t))] for t in texts[:50]]
    assert all(program.grammatical(problem, sentences) for sentences in whole)


def test_an_untrained_reasoner_is_refused():
    problem = program.sample_problem(np.random.default_rng(0))
    babble = SimpleNamespace(
        name="babble",
        continuations=lambda prefix, seeds, **how: [
            Continuation(" we need sleep . the answer is \\boxed{ 3 } .", (), -1.0, True, s) for s in seeds
        ],
    )
    with pytest.raises(InputError, match="trained reasoner"):
        specimens.measured(babble, problem, 0, 0, 10)


def test_receiver_heads_are_read_by_head_and_trace():
    rows = {"sentences": [{"sentence": 0}, {"sentence": 1}], "pairs": [{"source": 0, "target": 1}]}
    one = rows | {"attention": [[[0.1], [0.2]], [[0.3], [0.4]]], "vertical": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}
    sentences, pairs, heads = specimens.assemble([one, one], [[1, 0], [0, 1]])
    assert sentences.receiver_score.tolist() == [4, 5, 4, 5]
    assert pairs.receiver.tolist() == pytest.approx([0.25, 0.25])
    assert heads == [[1, 0], [0, 1]]


def test_estimators_study_on_a_known_process():
    known = [np.array([[0.5, 0.5, 0.0], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4], [1.0, 0.0, 0.0]])]
    rows = pd.DataFrame(estimators.scores(known, 400, 200, 100, np.random.default_rng(0))).set_index("variant")
    assert rows.sentences.tolist() == [3] * 4  # the last divergence is infinite
    assert abs(rows.bias["corrected"]) < 0.01
    assert rows.spearman.min() > 0.9
    assert 0.85 < rows.centred["corrected"] <= 1
    table = pd.concat([rows.reset_index().assign(seed=s) for s in range(2)])
    assert estimators.rollouts_needed(table) == 400
    assert estimators.summarise(table)[1].kind == "measured"
    assert len(calibration_plots.estimators(table).axes) == 4


def test_exact_distributions_of_the_process_are_distributions():
    for p in estimators.processes(3, 2):
        np.testing.assert_allclose(p.sum(1), 1)
    assert estimators.rank_correlation(np.array([[1, 2, 3], [3, 2, 1]]), np.array([1, 2, 3])) == 0
    assert ranking.spearman([1, 2, 3], [1, 2, 3]) == pytest.approx(1)


def test_a_network_adds_attention_and_suppression(tmp_path):
    from anchors.models.language import load
    from anchors.models.tiny import Architecture, build
    from anchors.thought.reasoner.vocabulary import TOKENS, save_tokenizer

    build(Architecture(len(TOKENS), width=16, layers=3, heads=2, hidden=16), seed=0).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    model = load(str(tmp_path), attention="eager")
    rng, found = np.random.default_rng(5), []
    for number in range(2):
        problem = program.sample_problem(rng)
        text = " " + " ".join(program.sample_trace(problem, rng).sentences)
        case = Case("p", problem.text, text, str(problem.answer))
        count = len(case.sentences)
        i, j = np.triu_indices(count, 1)
        sentences = pd.DataFrame({"seed": 0, "number": number, "sentence": range(count)})
        pairs = pd.DataFrame({"seed": 0, "number": number, "source": i, "target": j})
        heads = specimens.white_box(model, case, sentences, pairs)
        found.append(heads | {"sentences": sentences.to_dict("records"), "pairs": pairs.to_dict("records")})
    sentences, pairs, heads = specimens.assemble(found)
    assert len(heads) == specimens.HEADS
    assert all(layer > 0 for layer, _ in heads)
    assert np.isfinite(pairs[["attention", "receiver", "suppression"]]).all(axis=None)
    assert (pairs.attention > 0).all()
    early = sentences.groupby("number").head(4)
    assert np.isfinite(early[["receiver_score", "attention_received", "suppression_out"]]).all(axis=None)


def test_the_live_trace_is_compared_number_by_number(tables):
    sentences = tables[0].reset_index(drop=True)
    first = sentences[(sentences.seed == 0) & (sentences.number == 0)]
    assert calibration.largest_gap(first, sentences) == 0
    moved = first.assign(resampling_accuracy=first.resampling_accuracy + 0.25)
    assert calibration.largest_gap(moved, sentences) == pytest.approx(0.25)
    assert calibration.largest_gap(first.assign(resampling_accuracy=np.nan), sentences) == np.inf
    assert calibration.largest_gap(first.assign(number=99), sentences) == np.inf
    rows = calibration.own_rows(sentences, 0.0)
    assert len(rows) == 9
    assert rows[0].seeds == 3
