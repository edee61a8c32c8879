"""The explorer's own test against the truth: what is counted, on numbers made by hand."""

import numpy as np
import pandas as pd
import pytest

from anchors.companion import datasets
from anchors.thought import explorer_plots as plots
from anchors.thought.explorer import bundle, examples
from anchors.thought.studies import explorer as study


def specimen(number=0, plan="steps", **more):
    """Return a trace of four sentences with measured and exact numbers and true edges 0-1, 1-2, 2-3."""
    importances = []
    for key in study.KEYS:
        exact = [0.0, 0.1, 0.2, None]
        importances += [
            bundle.importance(key, key, "", "measured", [0, 0.1, 0.3, 1], [-1, 0.2, 0, 0], [1, 0.3, 1, 1]),
            bundle.importance(f"{key}_exact", key, "", "exact", exact),
        ]
    edges, steps = np.diag(np.ones(3), 1), np.zeros((4, 4))
    steps[0, 1], steps[1, 2], steps[0, 3] = 0.9, 0.8, 0.7
    low = np.where(np.arange(4) == 3, 0.5, -0.1) * np.ones((4, 1))
    links = [
        bundle.links("counterfactual", "", "", "measured", steps, low, np.ones((4, 4))),
        bundle.links("counterfactual_exact", "", "", "exact", edges),
        bundle.links("truth", "", "", "exact", edges),
        bundle.links("suppression", "", "", "measured", edges),
        bundle.links("attention", "", "", "measured", steps.T + edges / 2),
    ]
    texts = ["one", "two", "three", "four"]
    about = {"title": f"ledger {number}, {plan}", "solution": "correct", "problem": f"0-{number}", **more}
    labels = ["problem_setup", "plan_generation", "fact_retrieval", "final_answer_emission"]
    return bundle.trace(f"process/0-{number}", texts, labels, importances=importances, links=links, **about)


@pytest.fixture(scope="module")
def table():
    return study.table([specimen(k) for k in range(5)])


def value(table, measure, metric):
    own = table[(table["measure"] == measure) & (table["metric"] == metric)]["value"]
    assert own.nunique() == 1
    return own.iloc[0]


def test_coverage_counts_known_values_only(table):
    """0 and 0.2 lie within (-1, 1) and (0, 1), 0.1 not within (0.2, 0.3); the last exact value is infinite."""
    assert value(table, "counterfactual_kl", "coverage") == pytest.approx(2 / 3)
    assert value(table, "counterfactual_kl", "rank") == pytest.approx(1)


def test_coverage_of_links(table):
    """Exact 1, 0, 0 / 1, 0 / 1 against (-0.1, 1), and (0.5, 1) for links into the last sentence: 4 of 6."""
    assert value(table, "counterfactual", "coverage") == pytest.approx(4 / 6)


def test_true_dependencies_among_the_strongest(table):
    assert value(table, "counterfactual", "edges") == pytest.approx(2 / 3)
    assert value(table, "counterfactual_exact", "edges") == 1
    assert value(table, "suppression", "edges") == 1
    assert value(table, "nearness", "edges") == 1, "all true edges are between neighbours here"
    gap = study.gap(table, "counterfactual")
    assert gap.mean == pytest.approx(-1 / 3)
    assert gap.n == 5


def test_rounded_numbers_lie_within_rounded_ends():
    exact, low, high = np.array([0.12341, 0.2, np.nan]), np.array([0.1235, 0.1, 0]), np.array([0.2, 0.15, 1])
    assert study.covered(exact, low, high) == 0.5
    assert np.isnan(study.covered(exact[2:], low[2:], high[2:]))


def test_rows_and_verdict(table):
    rows, verdict = study.summarise(table, specimen())
    by_name = {row.quantity: row for row in rows}
    assert by_name["links of resampling: exact values within the intervals"].measured == pytest.approx(4 / 6)
    assert by_name["links of resampling: exact values within the intervals"].n == 5
    assert by_name["SmolLM2, one trace: mean width of an interval, resampling importance, accuracy"].n == 4
    assert verdict.kind == "does not hold"
    assert "Over 5 specimens" in verdict.text


def test_the_longest_specimen_of_each_plan_is_shown():
    short, long = specimen(0), specimen(1)
    long["sentences"] = [*long["sentences"], long["sentences"][0]]
    guess = specimen(2, "revoked guess")
    assert study.shown([short, long, guess]) == {"steps": long, "revoked guess": guess}
    assert study.longest([short, long, guess]) is long


def test_the_page_says_when_the_released_trace_is_missing(monkeypatch):
    monkeypatch.setattr(datasets, "available", lambda name: False)
    explorer = study.explorer([specimen(0)], specimen(1))
    assert explorer.traces == ["process/0-0", "process/0-1"]
    assert explorer.shown["notes"][0] == study.ABSENT


def test_the_page_begins_with_the_released_trace_where_it_is(monkeypatch):
    found = specimen(9)
    monkeypatch.setattr(datasets, "available", lambda name: True)
    monkeypatch.setattr(study.folders, "released", lambda problem: found | {"id": problem})
    explorer = study.explorer([specimen(0)], specimen(1))
    assert explorer.traces == ["4682", "process/0-0", "process/0-1"]
    assert all("notes" not in trace for trace in explorer.bundle["traces"])


def test_the_figure_draws_without_a_model(table):
    figure = plots.explorer(specimen(), table)
    assert len(figure.axes) == 5
    words = " ".join(text.get_text() for text in figure.findobj(lambda a: hasattr(a, "get_text")))
    assert "PS 0" in words
    assert "true dependency" in words


def test_specimens_are_long_enough_and_reproducible():
    _, own = examples.specimen(3, 0)
    assert len(own.sentences) >= examples.SHORTEST
    assert examples.specimen(3, 0)[1] == own


def test_the_table_is_one_row_per_specimen_and_measure(table):
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 5 * (2 * len(study.KEYS) + 1 + len(study.LINKS))
