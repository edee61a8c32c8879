"""Studies of the released data: their numbers against earlier independent recomputations, and their parts on toys."""

import numpy as np
import pandas as pd
import pytest

from anchors.companion.published import paper
from anchors.companion.results import VERDICTS, Run
from anchors.thought import official, released_plots
from anchors.thought.official import TABLES, TRACES
from anchors.thought.studies import (
    case_study,
    category_importance,
    official_audit,
    suppression_vs_resampling,
    trace_statistics,
)
from anchors.thought.taxonomy import INITIALS

STUDIES = {
    "fig2_case_study": (case_study, released_plots.case_study),
    "fig3_category_importance": (category_importance, released_plots.category_means),
    "tab_trace_statistics": (trace_statistics, released_plots.trace_table),
    "own_official_audit": (official_audit, released_plots.audit),
}


needs_data = pytest.mark.needs(TRACES, TABLES)


def published(name, rows):
    return {row.quantity: row for row in Run(f"thought/{name}", profile="smoke", seed=0).compared(rows)}


@needs_data
@pytest.mark.parametrize("name", STUDIES)
def test_every_published_value_has_its_row_and_the_figure_is_drawn(name):
    study, draw = STUDIES[name]
    table = study.compute("smoke", 0)
    rows, verdict = study.summarise(table)
    assert verdict.kind in VERDICTS
    wanted = {value.quantity for value in paper("thought").figures[name].values}
    shown = published(name, rows)
    assert wanted <= set(shown)
    assert {shown[quantity].status for quantity in wanted} <= {"match"}
    assert len(draw(table).axes) >= 2


@needs_data
def test_category_means_are_those_recomputed_before():
    found = category_importance.means(category_importance.compute("smoke", 0))
    found = found.assign(category=found["category"].map(INITIALS)).set_index(["rule", "metric", "category"])
    expected = {
        ("b", "counterfactual KL"): {"PG": (0.558, 0.286), "UM": (0.364, 0.089), "FR": (0.242, 0.077),
                                     "RC": (0.187, 0.062), "SC": (0.114, 0.040), "AC": (0.103, 0.039)},
        ("b", "forced KL"): {"RC": (2.31, 0.94), "AC": (1.42, 0.43), "FR": (1.10, 0.29), "PG": (0.87, 0.21)},
        ("a", "counterfactual KL"): {"PG": (0.623, 0.281), "FR": (0.367, 0.091), "UM": (0.346, 0.077)},
        ("a", "forced KL"): {"AC": (3.52, 0.57)},
    }  # fmt: skip
    for (rule, metric), cells in expected.items():
        for category, (mean, error) in cells.items():
            own = found.loc[(rule, metric, category)]
            assert own["value_mean"] == pytest.approx(mean, abs=6e-3)
            assert own["value_sem"] == pytest.approx(error, abs=6e-3)


@needs_data
def test_suppression_study_finds_the_known_correlations_and_differs_from_the_quoted_ones():
    study = suppression_vs_resampling
    table = study.compute("smoke", 0)
    own = table[(table["scope"] == "all") & (table["statistic"] == "Pearson")].set_index("problem")["r"]
    known = {"2236": 0.094, "2238": 0.160, "3448": 0.111, "4682": 0.070}
    assert own.round(3).to_dict() == pytest.approx(known, abs=1e-3)
    rows, verdict = study.summarise(table)
    shown = published("fig6_suppression_vs_resampling", rows)
    quoted = [shown[f"correlation over {name}"] for name in study.SCOPES.values()]
    assert [row.status for row in quoted] == ["differs", "differs"]
    assert [row.confidence for row in quoted] == ["secondary", "secondary"]
    assert verdict.kind == "does not hold"
    matrices = {p: {k: official.step_importance(p, k) for k in official.KINDS} for p in official.MATRIX_PROBLEMS}
    assert len(released_plots.suppression(table, matrices).axes) == 14


# ---- parts on toys --------------------------------------------------------------------------------------------------


def toy(n=60, seed=0):
    """Two effects that depend on distance only, and the pairs' distances and targets."""
    i, j = np.triu_indices(n, 1)
    rng = np.random.default_rng(seed)
    x, y = (2.0 / (j - i) + 0.1 * rng.standard_normal(i.size) for _ in range(2))
    return x, y, j - i, j


def test_baselines_see_through_distance():
    study = suppression_vs_resampling
    x, y, distance, _ = toy()
    r = study.correlation(x, y)
    assert r > 0.8
    chance = study.permuted(x, y, distance, 50, np.random.default_rng(1))
    assert abs(chance.mean() - r) < 0.02
    assert abs(study.correlation(study.within(x, distance), study.within(y, distance))) < 0.1


def test_permutation_stays_within_a_distance():
    distance = np.array([1, 2, 1, 2, 1])
    x = np.array([1.0, 0.0, 2.0, 0.0, 3.0])
    y = np.where(distance == 1, 5.0, -5.0)
    found = suppression_vs_resampling.permuted(x, y, distance, 20, np.random.default_rng(0))
    np.testing.assert_allclose(found, np.corrcoef(x, y)[0, 1])


def test_cluster_interval_holds_the_correlation():
    x, y, _, target = toy()
    low, high = suppression_vs_resampling.clustered(x, y, target, 400, np.random.default_rng(0))
    assert low < np.corrcoef(x, y)[0, 1] < high


def test_step_intervals_have_the_width_of_two_shares():
    low, high = case_study.step_intervals(np.array([0.5, 0.9, 1.0]), 4000, 0)
    error = np.sqrt(0.25 / 100 + 0.09 / 100)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert np.isnan(low[-1])


def test_destroyed_prefixes():
    found = official_audit.destroyed(("Let me check.", "So it is 20.", "Let me check.", "it is"))
    assert found.tolist() == [False, False, True, True]


def test_agreement_is_that_of_scikit_learn():
    from sklearn.metrics import cohen_kappa_score, f1_score

    from anchors.thought.taxonomy import CATEGORIES

    rng = np.random.default_rng(0)
    true, ours = rng.choice(CATEGORIES[:4], 200), rng.choice(CATEGORIES[:3], 200)
    table = pd.DataFrame(
        {"kind": "label", "name": "toy", "part": rng.choice(list("abcd"), 200), "true": true, "ours": ours}
    )
    found = official_audit.agreement(table).loc["toy"]
    assert found["kappa"] == pytest.approx(cohen_kappa_score(true, ours))
    f1 = f1_score(true, ours, labels=CATEGORIES, average=None, zero_division=0)
    np.testing.assert_allclose(found[list(CATEGORIES)].to_numpy(float), f1)
    assert found["kappa_low"] < found["kappa"] < found["kappa_high"]
