"""Agreement of methods on made-up scores: rank correlation with and without position, permutations, the undefined."""

import numpy as np
import pandas as pd
import pytest
from thought.test_resampling_study import made

from anchors.companion.stats import known_mean
from anchors.thought import agreement_plots, ranking
from anchors.thought.studies import agreement as study
from anchors.thought.studies import methods


def scored(models=("made-up",), traces=6, size=12, same=("steps", "receiver", "suppression"), noise=0.1):
    """Return traces whose methods in ``same`` score sentences alike, up to noise; the others are noise."""
    rng, found = np.random.default_rng(0), []
    for model in models:
        for number in range(traces):
            base = rng.normal(size=size)
            values = {m: noise * rng.normal(size=size) + base * (m in same) for m in study.METHODS}
            found.append(study.Scores(model, number, ("plan_generation",) * size, pd.DataFrame(values)))
    return found


def verdict_of(found):
    table = study.pair_table(found, "smoke", 0)
    return table, *study.summarise({s.model: [] for s in found}, table, "laptop")


def test_outgoing_is_the_mean_over_later_sentences():
    matrix = np.array([[np.nan, 1.0, 3.0], [np.nan, np.nan, 5.0], [np.nan] * 3])
    np.testing.assert_allclose(known_mean(matrix, 1), [2, 5, np.nan])


def test_degree_zero_is_spearman():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 9))
    a[3] = np.nan
    assert study.correlation(a, b) == pytest.approx(ranking.spearman(a, b))
    assert study.correlation(a, np.exp(2 * a)) == pytest.approx(1)


def test_position_is_taken_out():
    index = np.arange(12.0)
    noise = np.random.default_rng(2).normal(size=(2, 12))
    first, second = 100 * index + noise
    assert study.correlation(first, second) == pytest.approx(1)
    assert np.isnan(study.correlation(first, second, 2))  # nothing is left of ranks that follow the index
    residual = study.residuals(3 + index - 2 * index**2, index, 2)
    np.testing.assert_allclose(residual, 0, atol=1e-9)
    assert study.correlation(noise[0], 5 * noise[0], 2) == pytest.approx(1)


def test_partial_rank_correlation_by_hand():
    """As the correlation of residuals of two least-squares fits on 1, i, i²."""
    from scipy.stats import rankdata

    a, b = np.random.default_rng(3).normal(size=(2, 8))
    basis = np.vander(np.arange(8.0), 3)
    left = [rankdata(x) - basis @ np.linalg.lstsq(basis, rankdata(x), rcond=None)[0] for x in (a, b)]
    assert study.correlation(a, b, 2) == pytest.approx(np.corrcoef(*left)[0, 1])


def test_too_few_or_constant_scores_are_undefined():
    a = np.arange(6.0) ** 2 % 5
    for degree in (0, 2):
        assert np.isnan(study.correlation(a, np.ones(6), degree))
        assert np.isnan(study.correlation(a, np.where(np.arange(6) < 4, a, np.nan), degree))
        assert np.isnan(study.permuted(a, np.ones(6), degree, 5, np.random.default_rng(0))).all()


def test_permutations_centre_on_zero():
    a, b = np.random.default_rng(4).normal(size=(2, 15))
    for degree in (0, 2):
        chance = study.permuted(a, b, degree, 2000, np.random.default_rng(0))
        assert abs(chance.mean()) < 0.03
        assert np.abs(chance).max() <= 1
        assert chance.std() == pytest.approx(1 / np.sqrt(14 - degree), rel=0.1)


def test_methods_that_agree_are_found_and_noise_is_not():
    table, rows, verdict = verdict_of(scored(same=tuple(study.METHODS)))
    assert verdict.kind == verdict.claims["methods_agree"].kind == "holds"
    assert len(table) == 2 * len(study.PAIRS)
    assert len(rows) == 4 * len(study.CROSSED)
    assert {r.n for r in rows if np.isfinite(r.low)} == {6}
    assert verdict_of(scored())[2].kind == "mixed"
    table, _, verdict = verdict_of(scored(same=()))
    assert verdict.kind == "does not hold"
    assert study.at(table, "made-up", ("suppression", "steps"), "raw")["p"] > 0.02


def test_undefined_traces_are_left_out_and_counted():
    found = scored(("a", "b"))
    for one in found[:2]:
        one.values["counterfactual"] = np.nan
    for one in found[6:]:
        one.values[["counterfactual", "resampling", "forced"]] = np.nan
    table, rows, verdict = verdict_of(found)
    own = study.at(table, "a", ("counterfactual", "receiver"), "raw")
    assert (own["n"], own["left_out"], np.isnan(own["low"])) == (4, 2, True)
    none = study.at(table, "b", ("counterfactual", "receiver"), "beyond")
    assert (none["n"], none["left_out"]) == (0, 6)
    assert np.isnan(none["mean"])
    assert "fewer than 5 traces" in verdict.text
    agreement_plots.agreement(table).canvas.draw()
    _, _, few = verdict_of(scored(traces=2))
    assert few.kind == "measured"


def test_scores_of_rollouts_with_and_without_answers():
    received, effects = np.arange(4.0), np.where(np.triu(np.ones((4, 4)), 1) > 0, 1.0, np.nan)
    one = study.scores(made(), received, effects)
    assert list(one.columns) == list(study.METHODS)
    assert one.resampling.idxmax() == 1
    assert one.steps.isna().all()
    assert one.suppression[:3].tolist() == [0, 0, 0]  # each target's mean is taken off
    none = study.scores(made(answers=False), received, effects)
    assert none[["counterfactual", "resampling", "forced"]].isna().all(axis=None)


def test_rows_say_what_was_recorded(monkeypatch):
    monkeypatch.setattr(methods, "rescored", lambda trace, model: trace.logprob)
    found = scored(("smollm2",))
    table = study.pair_table(found, "smoke", 0)
    rows, _ = study.summarise({"smollm2": [made()]}, table, "laptop")
    sources = {r.quantity.removeprefix("smollm2: "): r.source for r in rows}
    assert sources["resampling KL and suppression, rank correlation"] == "recorded"
    assert sources["receiver heads and suppression, rank correlation"] == "cached"
    assert sources["largest |live − recorded| log-probability of a trace"] == "live"
