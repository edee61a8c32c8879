"""The released data of the authors against our readers and rules: the exact checks that need no model (V1 to V8)."""

import numpy as np
import pytest

from anchors.companion.stats import mean_interval
from anchors.thought import official
from anchors.thought.answers import boxed
from anchors.thought.official import LABELS, MATRIX_PROBLEMS, RESAMPLED_PROBLEMS, TABLES, TRACES
from anchors.thought.sentences import released, split
from anchors.thought.taxonomy import CATEGORIES

pytestmark = pytest.mark.needs(TRACES, TABLES)


@pytest.fixture(scope="module")
def traces():
    return official.released_traces()


@pytest.fixture(scope="module")
def v4():
    return official.variance_rows()


def test_v1_sentences(traces):
    assert len(traces) == 20
    assert sum(len(trace.sentences) for trace in traces) == 2885
    for trace in traces:
        assert released(trace.full_cot) == list(trace.sentences), trace.name


def test_v1_exact_sentences_have_the_same_words(traces):
    for trace in traces:
        text = trace.full_cot.split("<think>", 1)[1].split("</think>")[0]
        assert ["".join(s.text.split()) for s in split(text)] == ["".join(s.split()) for s in trace.sentences]


def test_v2_resampling_importance_is_a_difference_of_accuracies(traces):
    for trace in traces:
        expected = np.append(np.diff(trace.labels["accuracy"]), 0)
        np.testing.assert_allclose(trace.labels["resampling_importance_accuracy"], expected, atol=1e-9)


@pytest.mark.parametrize("problem", MATRIX_PROBLEMS)
def test_v3_summary_follows_from_the_matrix(traces, problem):
    matrix, summary = official.step_importance(problem), official.summary(problem)
    m = len(matrix)
    assert summary["num_chunks"] == m
    filled = np.nan_to_num(matrix)
    np.testing.assert_allclose(summary["avg_importance"], filled.mean(), atol=1e-12)
    np.testing.assert_allclose(summary["max_importance"], filled.max(), atol=1e-12)
    np.testing.assert_allclose(summary["min_importance"], filled.min(), atol=1e-12)
    with np.errstate(invalid="ignore"):
        outgoing = filled.sum(axis=1) / np.arange(m - 1, -1, -1)
        incoming = filled.sum(axis=0) / np.arange(m)
    for steps, means, word in (("influential", outgoing, "outgoing"), ("dependent", incoming, "incoming")):
        shown = summary[f"top_{steps}_steps"]
        order = [step["step_idx"] for step in shown]
        np.testing.assert_allclose([s[f"avg_{word}_importance"] for s in shown], means[order], atol=1e-12)
        np.testing.assert_allclose(means[order], np.sort(np.nan_to_num(means, nan=-9))[::-1][:5], atol=1e-12)


@pytest.mark.parametrize("problem", MATRIX_PROBLEMS)
def test_v4_suppression_is_centred_for_each_target(traces, problem):
    matrix = official.step_importance(problem, "suppression")
    assert np.isnan(matrix[np.tril_indices(len(matrix))]).all()
    np.testing.assert_allclose(np.nanmean(matrix[:, 1:], axis=0), 0, atol=1e-14)


def test_v5_length(traces):
    mean, low, high, _ = mean_interval(np.array([len(trace.sentences) for trace in traces]))
    np.testing.assert_allclose([mean, low, high], [144.25, 116.749, 171.751], atol=5e-4)


def test_v6_categories(traces, v4):
    found = [category for trace in traces for category in trace.categories]
    assert [found.count(c) for c in CATEGORIES] == [51, 428, 490, 994, 367, 312, 204, 39]
    assert [(v4["category"] == c).sum() for c in CATEGORIES] == [124, 761, 1470, 1902, 859, 879, 392, 87]
    assert v4.groupby(["correct", "problem"]).ngroups == 40
    assert official.category_counts() == v4["category"].value_counts().to_dict()


def test_v7_first_box(traces):
    assert [trace.name for trace in traces if boxed(trace.full_cot, "first") != trace.answer] == []


def test_v8_second_generation_keeps_most_values(traces, v4):
    same = {}
    for problem in ("2238", "4682"):
        trace = official.released_trace(problem)
        rows = v4[(v4["problem"] == problem) & v4["correct"]].set_index("sentence")["value"].sort_index()
        ours = trace.labels["counterfactual_importance_accuracy"]
        assert rows.index.tolist() == list(range(len(ours)))
        same[problem] = int((np.abs(rows.to_numpy() - ours) <= 0.5e-4 + 1e-9).sum())
    assert same == {"2238": 60, "4682": 94}


@pytest.mark.parametrize("problem", RESAMPLED_PROBLEMS)
def test_v12_overdeterminedness_nearly_follows(traces, problem):
    """Stored values count answered rollouts only, which the released sentences do not tell apart."""
    found = official.resampled_sentences(problem)
    ours = np.array([1 - len(set(texts)) / len(texts) if texts else 0.0 for texts in found])
    difference = np.abs(ours - official.released_trace(problem).labels["overdeterminedness"])
    assert np.median(difference) < 0.01
    assert np.quantile(difference, 0.9) < 0.05


def test_every_label_is_there(traces):
    for trace in traces:
        assert set(trace.labels) == set(LABELS)
        assert all(np.isfinite(values).all() for values in trace.labels.values()), trace.name
        assert set(trace.categories) <= set(CATEGORIES)


def test_screened_problems(v4):
    problems = official.selected_problems()
    first = [problem["problem_idx"].removeprefix("problem_") for problem in problems[:20]]
    assert len(problems) == 106
    assert first[:10] == list(official.PROBLEMS)
    assert set(first) == set(v4["problem"])
