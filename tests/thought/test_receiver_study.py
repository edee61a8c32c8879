"""The studies of heads on made-up attention: who is chosen, what is held out, what position leaves, what fails."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from anchors.companion import recorded
from anchors.thought import attention, receiver_plots
from anchors.thought.studies import head_ablation, methods
from anchors.thought.studies import receiver_heads as study

CATEGORIES = ("problem_setup", "plan_generation", "fact_retrieval", "active_computation", "uncertainty_management",
              "active_computation", "self_checking", "result_consolidation", "final_answer_emission")  # fmt: skip


@pytest.fixture(scope="module")
def heads():
    """Eight traces of nine sentences; heads (1, 0) and (2, 3) look at the doubt, all others at anything."""
    rng, vertical = np.random.default_rng(0), []
    for _ in range(8):
        v = rng.uniform(0.9, 1.1, (3, 4, 9)) * 1e-3
        v[1, 0, 4] = v[2, 3, 4] = 9e-3
        v[..., -2:] = np.nan
        vertical.append(v)
    chosen, kurtoses = methods.receiver_heads(vertical)
    traces = [SimpleNamespace(categories=CATEGORIES, case=None, problem=10 + k // 2) for k in range(8)]
    return study.Heads("made-up", traces, vertical, kurtoses, chosen)


def test_the_two_peaked_heads_are_chosen_and_held_out(heads):
    assert sorted(heads.chosen) == [(1, 0), (2, 3)]
    assert all(sorted(own) == [(1, 0), (2, 3)] for own in heads.held_out())
    assert heads.half.tolist() == [0, 0, 1, 1, 0, 0, 1, 1], "no problem is in both halves"
    own, every, gap = study.peaked(heads)
    assert own.mean == pytest.approx(7 - 2 + 1 / 6 - 3, abs=0.01)  # one high value among seven: the largest there is
    assert every.mean < own.mean
    assert gap.low > 0
    rows, verdict = study.summarise_existence([heads])
    assert verdict.kind == "holds"
    assert [r.measured for r in rows if r.quantity.endswith(": receiver heads")] == [2]
    assert study.faint(heads) == 0


def test_scores_are_means_over_receiver_heads(heads):
    expected = (heads.vertical[3][1, 0] + heads.vertical[3][2, 3]) / 2
    assert heads.scores(3) == pytest.approx(expected, nan_ok=True)


def test_reliability_and_agreement(heads):
    rows, verdict = study.summarise_reliability([heads], "smoke", 0)
    found = {r.quantity: r for r in rows}
    r = found["made-up: split-half reliability of head kurtosis (Pearson r)"]
    assert r.low <= r.measured <= r.high <= 1
    assert r.measured > 0.9
    both = study.agreements(heads)
    assert both["held out"].mean() > 0.9 > abs(both["arbitrary"].mean())
    assert verdict.kind == "holds"


def test_doubts_receive_more_than_computations(heads):
    table = study.sentence_table([heads])
    doubt = study.contrast(table, "made-up", study.DOUBT, study.COMPUTE, "score")
    assert doubt.mean == pytest.approx(8, abs=0.3)
    assert doubt.n == 4, "problems, of two traces each"
    plan = study.contrast(table, "made-up", study.PLAN, study.COMPUTE, "score")
    assert abs(plan.mean) < 0.2
    assert study.summarise_categories(table)[1].kind == "mixed"
    assert np.isnan(study.contrast(table, "made-up", study.PLAN, "unknown", "score").mean)


def test_a_score_that_follows_position_has_nothing_beyond_it():
    index = np.arange(12.0)
    assert study.beyond_position(3 - 0.2 * index + np.log1p(index)) == pytest.approx(0, abs=1e-9)


def test_tiny_attention_keeps_its_digits():
    values = np.array([1.23456789e-9, 0.0, np.nan, 0.5])
    assert methods.significant(values) == pytest.approx([1.23457e-9, 0, np.nan, 0.5], rel=1e-12, nan_ok=True)
    v = np.random.default_rng(1).random((2, 2, 9))
    assert attention.kurtosis(methods.significant(1e-8 * v)) == pytest.approx(attention.kurtosis(v), abs=1e-3)


def test_figures_are_drawn(heads):
    table = study.sentence_table([heads])
    assert len(receiver_plots.categories(table).axes) == 2
    assert len(receiver_plots.reliability([heads]).axes) == 2


def ablation_log(receiver: float) -> pd.DataFrame:
    """Six problems of ten rollouts: 8 right with all heads, less where heads are gone."""
    rows = []
    for problem in range(6):
        base = {"model": "made-up", "draw": 0, "problem": problem, "n": 10, "answered": 10, "source": "cached"}
        rows.append(base | {"kind": "none", "share": 0.0, "right": 8})
        for kind, right in (("receiver", receiver), ("layer", 6), ("random", 7)):
            rows.append(base | {"kind": kind, "share": 0.25, "right": right + problem % 2})
    return pd.DataFrame(rows)


def test_ablation_is_judged_against_heads_of_the_same_layers():
    log = ablation_log(2)
    assert head_ablation.condition(log, "made-up", "none", 0.0).mean == pytest.approx(0.8)
    assert head_ablation.difference(log, "made-up", "layer", 0.25).mean == pytest.approx(-0.4)
    assert head_ablation.difference(log, "made-up", "none", 0.25).mean == pytest.approx(-0.55)
    rows, verdict = head_ablation.summarise(log, 0.0)
    assert verdict.kind == "holds"
    assert len(rows) == 7
    assert head_ablation.summarise(ablation_log(6), float("nan"))[1].kind == "does not hold"
    dead = log.assign(right=log.right.where(log.kind == "none", 0))
    floor = head_ablation.summarise(dead, float("nan"))[1]
    assert floor.kind == "measured"
    assert "nothing is right either way" in floor.text
    assert len(receiver_plots.ablation(log).axes) == 2


def test_the_live_problem_is_compared_with_the_log():
    log = ablation_log(2)
    live = log[log.problem == 0]
    assert head_ablation._gap(live, log) == 0
    assert head_ablation._gap(live.assign(right=live.right + 1), log) == pytest.approx(0.1)
    assert head_ablation._gap(live.assign(problem=99), log) == np.inf


def test_the_recorded_run_is_that_of_the_plan():
    log = recorded.load(head_ablation.RUN)[0]
    for model in head_ablation.RECORDED:
        jobs = pd.DataFrame(head_ablation.conditions(model, "laptop"))
        own = log[log.model == model]
        keys = ["kind", "share", "draw", "problem"]
        assert own[keys].to_numpy().tolist() == jobs[keys].to_numpy().tolist()
        assert (own.n == head_ablation.plan(model, "laptop").rollouts).all()


def test_conditions_of_a_plan():
    jobs = head_ablation.conditions("other", "laptop")
    plan = head_ablation.plan("other", "laptop")
    assert len(jobs) == plan.problems * (1 + 3 * (1 + 2 * plan.draws))
    assert {job["kind"] for job in jobs} == set(head_ablation.KINDS)
    assert head_ablation.plan("reasoner", "smoke").problems == 2
