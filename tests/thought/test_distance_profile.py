"""Distance profiles of made-up matrices: ranges, problems as groups, correlations and what is undefined."""

import numpy as np
import pandas as pd
import pytest

from anchors.thought import distance_plots
from anchors.thought.studies import distance_profile as study


def matrix(size, near, far):
    """Return effects: ``near`` one or two sentences on, ``far`` beyond."""
    i, j = np.indices((size, size))
    return np.where(j > i, np.where(j - i <= 2, near, far), np.nan)


@pytest.fixture(scope="module")
def table():
    """Twelve traces, two a problem: near effects rise with the accuracy, far ones fall; eight of the reasoner."""
    rows = []
    for k in range(12):
        easy = (k // 2) / 6
        columns = study._profile(matrix(11, 1 + easy + 0.01 * (k % 2), 1 - 0.5 * easy), 5)
        rows.append(pd.DataFrame({"model": "smollm2", "trace": k, "problem": 7 * (k // 2), "accuracy": easy} | columns))
    for k in range(8):
        about = {"model": "reasoner", "trace": k, "problem": k, "accuracy": 0.5}
        rows.append(pd.DataFrame(about | study._profile(matrix(9, 1, 1), 5)))
    return pd.concat(rows, ignore_index=True)


def test_ranges_of_a_matrix():
    found = study._profile(matrix(11, 3.0, 0.5), 5)
    assert (found["close"], found["far"], found["sentences"]) == (3.0, 0.5, 11)
    assert found["effect"].tolist() == [3.0, 3.0, 0.5, 0.5, 0.5]
    short = study._profile(matrix(4, 3.0, 0.5), 5)
    assert np.isnan(short["far"])


def test_two_traces_of_a_problem_are_one_group(table):
    own = study.by_trace(table, "smollm2")
    assert own.problem.tolist() == [0, 0, 7, 7, 14, 14, 21, 21, 28, 28, 35, 35]
    assert study.by_trace(table, "reasoner").problem.tolist() == list(range(8))


def test_correlations_have_the_planted_signs(table):
    near, p = study.correlation(table, "smollm2", "close", 400, 0)
    far, q = study.correlation(table, "smollm2", "far", 400, 0)
    assert near.mean > 0.9
    assert far.mean < -0.9
    assert near.n == 6
    assert p == pytest.approx(q, abs=0.03)
    assert p < 0.05
    rows, verdict = study.summarise(table, [], "smoke", 0, 5)
    assert verdict.kind == "mixed"
    assert {r.quantity for r in rows} >= {
        "correlation of close-range dependence with accuracy", "correlation of long-range dependence with accuracy"
    }  # fmt: skip


def test_length_held_fixed_is_the_partial_correlation():
    rng = np.random.default_rng(0)
    length = rng.integers(5, 30, 200)
    accuracy, close = -length + rng.normal(size=200), length + rng.normal(size=200)
    columns = {"model": "m", "trace": range(200), "sentences": length, "accuracy": accuracy, "close": close}
    found = pd.DataFrame(columns)
    assert study.spearman(found.close, found.accuracy) < -0.9
    assert abs(study.beyond_length(found, "m", "close")) < 0.2
    assert study.beyond_length(found.assign(close=accuracy), "m", "close") == pytest.approx(1)


def test_too_few_traces_are_no_number(table):
    few = table[table.trace < 2]
    assert np.isnan(study.correlation(few, "smollm2", "close", 10, 0)[0].mean)
    assert study.summarise(few[few.model == "smollm2"], [], "smoke", 0, 5)[1].kind == "does not hold"


def test_the_figure_is_drawn(table):
    assert len(distance_plots.distance(table, 5).axes) == 6
    assert study.mean_profile(table, "smollm2").distance.tolist() == [1, 2, 3, 4, 5]
