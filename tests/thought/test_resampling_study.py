"""Resampled importances by category on made-up rollouts: shares, contrasts, and what is undefined."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from anchors.thought import resampling_plots
from anchors.thought.studies import methods
from anchors.thought.studies import resampling as study

CATEGORIES = ("problem_setup", "plan_generation", "active_computation", "fact_retrieval")


def made(number=0, answers=True, plan=0.5, categories=CATEGORIES):
    """Return rollouts of a trace: the plan raises the accuracy by ``plan``, nothing else moves; half begin differently.

    Each prefix has 48 rollouts, of whose wrong answers half are written ``7``, the other ``7.0``.
    """
    rows, size = [], len(categories)
    for kind in ("resample", "forced"):
        for sentence in range(size + 1):
            right = int(48 * (0.25 + plan * (sentence > 1)))
            for different in (False, True):
                about = {"kind": kind, "sentence": sentence, "different": different and sentence < size}
                for answer, count in (("14.0", right // 2), ("7", (48 - right) // 4), ("7.0", (48 - right) // 4)):
                    text = answer if answers else ""
                    rows.append(about | {"answer": text, "correct": answers and answer == "14.0", "count": count})
    sentences = tuple(SimpleNamespace(text=f"Sentence {k}.") for k in range(size))
    case = SimpleNamespace(sentences=sentences, right="14")
    trace = SimpleNamespace(number=number, seed=0, categories=categories, case=case, correct=True, logprob=-3.0)
    counts = pd.DataFrame(rows).query("count > 0").reset_index(drop=True)
    return methods.Rolled(trace, counts, np.full((size, size), np.nan))


def summarised(found):
    table = study.sentence_table(found, "smoke", 0)
    return table, *study.summarise(found, table, "laptop")


def test_shares_are_of_values_not_of_spellings():
    found = study.shares(made())
    assert list(found.columns) == ["right", "7", "rest"]
    assert found["right"].tolist() == [0.25, 0.25, 0.75, 0.75, 0.75]
    np.testing.assert_allclose(found.sum(1), 1)
    few = study.shares(made(), others=0)
    assert few["rest"].tolist() == pytest.approx([0.75, 0.75, 0.25, 0.25, 0.25])


def test_shares_without_any_answer_or_right_answer():
    none = study.shares(made(answers=False))
    assert none.shape == (5, 2)
    assert none.isna().all(axis=None)
    wrong = made()
    wrong = methods.Rolled(wrong.trace, wrong.counts.assign(correct=False), wrong.steps)
    assert study.shares(wrong)["right"].tolist() == [0.0] * 5


def test_answers_and_names_are_short():
    assert [study.plain(a) for a in ("14.0", "0.5", "a long answer")] == ["14", "0.5", "a long a"]
    assert [methods.as_text(a) for a in (14.0, 0.5, float("nan"), "x = 3")] == ["14", "0.5", "", "x = 3"]
    assert [study.name_of(m) for m in ("reasoner", "/tmp/a model/", "Qwen/Qwen2-0.5B")] == [
        "reasoner", "a model", "Qwen2-0.5B"
    ]  # fmt: skip


def test_only_the_plan_matters():
    table, rows, verdict = summarised({"made-up": [made(k) for k in range(6)]})
    own = table[table.trace == 0]
    assert own.accuracy.tolist() == [0.25, 0.25, 0.75, 0.75]
    assert own.resampling_accuracy.tolist() == pytest.approx([0, 0.5, 0, 0])
    assert own.counterfactual_kl.idxmax() == 1
    assert own.exact_accuracy.isna().all()
    assert study.contrast(table, "made-up", "resampling_size").mean == pytest.approx(0.5)
    assert verdict.kind == "holds"
    assert verdict.claims["planning_and_uncertainty_anchor"].kind == "holds"
    assert {r.n for r in rows if np.isfinite(r.low)} == {6}
    assert study.largest(table, "made-up")["sentence"] == 1
    _, _, flat = summarised({"made-up": [made(k, plan=0.0) for k in range(6)]})
    assert flat.kind == "does not hold"


def test_sentences_without_alternatives_are_left_out_or_zero():
    one = made()
    kept = one.counts[~(one.counts.different & (one.counts.sentence == 2))]
    own = study.sentence_table({"made-up": [methods.Rolled(one.trace, kept, one.steps)]}, "smoke", 0)
    assert np.isnan(own.counterfactual_kl[2])
    assert own.counterfactual_all[2] == 0
    assert own.counterfactual_all[1] == own.counterfactual_kl[1]


def test_traces_without_a_group_do_not_count_and_few_have_no_interval():
    found = [made(0), made(1), made(2, categories=("problem_setup", "plan_generation", "plan_generation"))]
    table, rows, verdict = summarised({"made-up": found})
    gap = study.contrast(table, "made-up", "resampling_kl")
    assert (gap.n, np.isfinite(gap.mean), np.isnan(gap.low)) == (2, True, True)
    assert verdict.kind == "measured"


def test_a_model_that_never_answers_is_measured_as_nothing():
    found = {"made-up": [made(k, answers=False) for k in range(5)], "other": [made(k) for k in range(5)]}
    table, rows, verdict = summarised(found)
    assert table[table.model == "made-up"].counterfactual_kl.isna().all()
    assert verdict.kind == "mixed"
    assert "undefined" in verdict.text
    by = {r.quantity: r for r in rows}
    assert by["made-up: rollouts with an answer"].measured == 0
    assert np.isnan(by["made-up: resampling KL of plans and doubts"].measured)
    figure = resampling_plots.resampling(study.examples(found, table))
    assert len(figure.axes) == 6
    figure.canvas.draw()


def test_recorded_rollouts_have_a_live_row(monkeypatch):
    monkeypatch.setattr(methods, "rescored", lambda trace, model: trace.logprob + 0.25)
    rows = study.live_rows({"smollm2": [made()], "reasoner": [made()]}, "laptop")
    assert [(r.measured, r.unit, r.source) for r in rows] == [(0.25, "nats", "live")]
    assert study.live_rows({"smollm2": [made()]}, "paper") == []


def test_exact_values_of_a_trace_of_the_reasoner():
    trace = study.corpus.traces("reasoner", "laptop", 0, 1)[0]
    true = study.exact("reasoner", trace)
    assert true["accuracy"].shape == (len(trace.categories) + 1,)
    assert true["accuracy"][-1] == float(trace.correct)
    assert np.isnan(study.exact("another", trace)["accuracy"]).all()
