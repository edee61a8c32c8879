"""Suppression against resampling on made-up matrices: pairs, distance, true edges, and what is undefined."""

from types import SimpleNamespace

import numpy as np
import pytest

from anchors.thought import suppression_plots
from anchors.thought.studies import corpus
from anchors.thought.studies import suppression_matrix as study
from anchors.thought.studies.suppression_vs_resampling import COLUMNS, compared
from anchors.thought.suppression import centred

KINDS = ("problem_setup", "plan_generation", "active_computation")


def upper(values):
    return np.where(np.triu(np.ones_like(values), 1) > 0, values, np.nan)


def made(number, size, model="made-up", agree=1.0, constant=False, blur=0.0):
    """Return a case: suppression is ``agree`` times steps, plus noise with ``blur`` more of it per distance."""
    rng = np.random.default_rng(number)
    i, j = np.indices((size, size))
    steps = upper(np.zeros((size, size)) if constant else rng.normal(size=(size, size)))
    both = agree * np.nan_to_num(steps) + (0.3 + blur * (j - i)) * rng.normal(size=(size, size))
    edges = (j - i == 1) if model == "reasoner" else None
    trace = SimpleNamespace(number=number, categories=tuple(KINDS[k % 3] for k in range(size)))
    return study.Case(model, trace, centred(upper(both)), steps, edges, None if edges is None else 2 * steps)


def summarised(cases):
    table = study.correlations(cases, "smoke", 0)
    models = list(table.model.unique())
    return table, *study.summarise({model: [] for model in models}, table, "laptop")


def test_pairs_are_those_with_both_effects():
    case = made(0, 5)
    assert len(study.pairs(case.steps, case.suppression)[0]) == 10
    case.steps[1, 3] = np.nan
    x, y, distance, target = study.pairs(case.steps, case.suppression)
    assert len(x) == len(y) == 9
    assert distance.tolist() == [1, 2, 3, 4, 1, 3, 1, 2, 1]
    assert target.tolist() == [1, 2, 3, 4, 2, 4, 3, 4, 4]


def test_correlation_of_effects_that_are_the_same_or_nothing():
    i, j = np.triu_indices(9, 1)
    x = np.random.default_rng(0).normal(size=i.size)
    same = compared(x, 2 * x + 1, j - i, j, "all", "Pearson", 60, 0)
    assert (same["pairs"], same["r"]) == (36, pytest.approx(1))
    assert same["beyond"] == pytest.approx(1)
    assert same["p"] == pytest.approx(1 / 61)
    near = compared(x, x**3, j - i, j, "near", "Spearman", 60, 0)
    assert (near["pairs"], near["r"]) == (30, pytest.approx(1))
    for flat in (compared(x, 0 * x, j - i, j, "all", "Pearson", 9, 0), compared(x[:3], *[x[:3]] * 3, "all", "", 9, 0)):
        assert all(np.isnan(flat[column]) for column in COLUMNS)


@pytest.mark.filterwarnings("error")
def test_a_correlation_of_distance_alone_has_nothing_beyond():
    i, j = np.triu_indices(6, 1)
    found = compared(1.0 / (j - i), 3.0 / (j - i), j - i, j, "all", "Pearson", 20, 0)
    assert found["r"] == pytest.approx(1)
    assert found["chance"] == pytest.approx(1)
    assert np.isnan(found["beyond"])


def test_areas_under_the_curve_for_true_edges():
    case = made(1, 4, "reasoner")
    case.suppression[np.triu_indices(4, 1)] = [0.0, 5.0, 1.0, 2.0, 1.0, 3.0]  # edges (0, 1), (1, 2), (2, 3): 0, 2, 3
    case.steps[np.triu_indices(4, 1)] = 0.0
    case.exact[np.triu_indices(4, 1)] = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]
    found = study.edge_areas(case)
    assert found["nearness"] == (1.0, 6)
    assert found["steps"] == (0.5, 6)
    assert found["exact"] == (1.0, 6)
    assert found["suppression"][0] == pytest.approx((0 + 2 + 2) / 9)
    assert study.edge_areas(made(1, 4)) == {}


def test_agreement_is_found_and_judged_with_near_pairs():
    table, rows, _ = summarised([made(n, 9 + n) for n in range(6)])
    found = {r.quantity: r for r in rows}
    r = found["made-up: Pearson correlation over all pairs"]
    assert r.measured > 0.8
    assert (r.seeds, r.low < r.measured < r.high) == (6, True)
    assert r.n == sum((9 + n) * (8 + n) // 2 for n in range(6))
    assert found["made-up: Pearson correlation over all pairs, permuted at equal distance"].measured < 0.2
    assert summarised([made(n, 9 + n, blur=0.4) for n in range(6)])[2].kind == "holds"
    assert summarised([made(n, 9 + n, agree=-1.0) for n in range(6)])[2].kind == "does not hold"
    assert not table["scope"].eq("edges").any()


def test_traces_without_any_effect_are_left_out_and_counted():
    cases = [made(n, 8, constant=n % 2 == 0) for n in range(6)]
    table, rows, verdict = summarised(cases)
    found = {r.quantity: r for r in rows}
    assert found["made-up: traces left out (an effect is constant)"].measured == 3
    r = found["made-up: Spearman correlation over all pairs"]
    assert (r.seeds, np.isnan(r.low)) == (3, True)  # too few for an interval
    assert "3 of 6 traces" in verdict.text
    assert len(suppression_plots.matrices(cases, table).axes) == 3
    table, rows, verdict = summarised([made(n, 8, constant=True) for n in range(2)])
    assert verdict.kind == "does not hold"
    assert np.isnan(rows[0].measured)


def test_the_figure_shows_the_longest_trace_and_true_edges():
    cases = [made(n, 7 + n % 3, model) for model in ("reasoner", "made-up") for n in range(6)]
    assert study.shown(cases, "made-up").trace.number == 2
    table, rows, _ = summarised(cases)
    assert len(suppression_plots.matrices(cases, table).axes) == 7
    gap = next(r for r in rows if r.quantity == "reasoner: AUROC of suppression − AUROC of nearness")
    assert gap.measured < 0
    exact = next(
        r for r in rows if r.quantity.endswith("Pearson correlation over all pairs, exact sentence to sentence")
    )
    assert exact.measured == pytest.approx(rows[0].measured)  # twice the steps


def test_true_edges_of_a_trace_of_the_process():
    from anchors.thought.reasoner import program

    problem = corpus.problem_of("reasoner", 0, 3)
    sentences = program.sample_trace(problem, np.random.default_rng(0)).sentences
    trace = SimpleNamespace(
        seed=0, number=3, case=SimpleNamespace(sentences=[SimpleNamespace(text=t) for t in sentences])
    )
    edges, exact = study.known_truth("reasoner", trace)
    assert edges.shape == exact.shape == (len(sentences), len(sentences))
    assert edges[0, 1]
    assert not np.tril(edges).any()
    assert study.known_truth("smollm2", trace) == (None, None)
