"""The explorer's numbers from rollouts, each counted by hand."""

import numpy as np
import pytest
from explorer_rollouts import CASE, FIRST, LAST, NEAR, OTHER, SECOND, embed, rollouts, store

from anchors.companion.errors import InputError
from anchors.companion.stats import difference
from anchors.thought.estimators import kl
from anchors.thought.experiments import Case
from anchors.thought.explorer import measured, sources
from anchors.thought.rollouts import RolloutStore

READING = sources.Reading((CASE,), embed=embed)


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The trace that the hand-made store gives."""
    with store(tmp_path_factory.mktemp("store") / "rollouts.sqlite") as found:
        return sources.read(found, READING)["traces"][0]


def of(trace, key, field="importances"):
    return next(one for one in trace[field] if one["key"] == key)


def test_what_the_trace_says_of_itself(trace):
    assert trace["id"] == "tiny/sum/correct"
    assert (trace["model"], trace["problem"], trace["solution"]) == ("tiny", "sum", "correct")
    assert (trace["question"], trace["answer"], trace["given"]) == ("One plus two? ", "3", "3")
    assert [s["text"] for s in trace["sentences"]] == [FIRST, SECOND, LAST]
    assert trace["made_by"] == "51 rollouts of tiny, up to 20 per prefix"
    assert "1 failed rollouts are left out." in trace["notes"]


def test_accuracy_before_every_sentence_and_after_the_last(trace):
    assert trace["accuracy"]["values"] == [0.6, 0.9, 1, 1]
    assert trace["accuracy"]["n"] == [20, 10, 10, 10], "rollouts without an answer do not count"
    assert trace["forced"]["values"] == [0, 0.5, 1, 1]
    assert trace["forced"]["n"] == [10, 10, 10, 10]


def test_failed_rollouts_with_forced_answers_are_counted_and_left_out(trace, tmp_path):
    with store(tmp_path / "r.sqlite") as found:
        forced = [r for r in rollouts() if r.kind == "forced"]
        found.add([r.__class__(**{**vars(r), "seed": 100, "error": "cut off"}) for r in forced if r.seed == 0])
        own = sources.read(found, READING)["traces"][0]
    assert "4 failed rollouts with forced answers are left out." in own["notes"]
    assert own["forced"] == trace["forced"]
    assert own["importances"] == trace["importances"]


def test_rollouts_with_forced_answers_that_all_failed_are_none(tmp_path):
    with RolloutStore(tmp_path / "r.sqlite") as found:
        blank = {"answer": "", "correct": None, "error": "cut off"}
        found.add([r.__class__(**{**vars(r), **(blank if r.kind == "forced" else {})}) for r in rollouts()])
        own = sources.read(found, READING)["traces"][0]
    assert "forced" not in own
    assert "40 failed rollouts with forced answers are left out." in own["notes"]


def test_wilson_intervals_by_hand(trace):
    """Share 1 of 10: low = 1 / (1 + z^2 / 10) = 0.7225; share 0.6 of 20: (0.3866, 0.7812), as tables give it."""
    low, high = trace["accuracy"]["low"], trace["accuracy"]["high"]
    assert (low[2], high[2]) == (0.7225, 1)
    assert (low[0], high[0]) == (0.3866, 0.7812)


def test_importances_in_accuracy(trace):
    """Counterfactual: 0.9 − 6/12; the second sentence has no rollout that differs. Resampling: 0.3, 0.1, 0."""
    assert of(trace, "counterfactual_accuracy")["values"] == [0.4, None, None]
    assert of(trace, "resampling_accuracy")["values"] == [0.3, 0.1, 0]
    assert of(trace, "forced_accuracy")["values"] == [0.5, 0.5, 0]
    assert {one["origin"] for one in trace["importances"]} == {"measured"}
    assert "2 sentences have no counterfactual importance: fewer than 10 rollouts to compare." in trace["notes"]


def test_importances_in_nats_are_those_of_the_corrected_estimator(trace):
    """Answers 3, 4, 1: (6, 6, 0) of the different against (9, 0, 1); resampling (12, 8, 0) against (9, 0, 1)."""
    expected = kl([6, 6, 0], [9, 0, 1], "corrected")
    assert of(trace, "counterfactual_kl")["values"] == [pytest.approx(expected, rel=5e-4), None, None]
    expected = kl([12, 8, 0], [9, 0, 1], "corrected")
    assert of(trace, "resampling_kl")["values"][0] == pytest.approx(expected, rel=5e-4)


def test_intervals_enclose_their_values(trace):
    for one in trace["importances"]:
        for value, low, high in zip(one["values"], one["low"], one["high"], strict=True):
            assert (value is None) == (low is None) == (high is None)
            assert value is None or low <= value <= high


def test_answers_in_falling_order(trace):
    assert trace["answers"] == [[["3", 0.6], ["4", 0.4]], [["3", 0.9], ["1", 0.1]], [["3", 1]], [["3", 1]]]


def test_alternatives_with_answers_similarity_and_difference(trace):
    rows = trace["alternatives"]
    found = {(row["text"], row["answer"]): row for row in rows[0]}
    assert {key: row["count"] for key, row in found.items()} == {
        (OTHER, "3"): 6, (OTHER, "4"): 6, (FIRST, "3"): 5, (FIRST, "4"): 2, (NEAR, "3"): 1,
    }  # fmt: skip
    assert [found[key]["similarity"] for key in ((OTHER, "4"), (FIRST, "3"), (NEAR, "3"))] == [0.6, 1, 0.9]
    assert [found[key]["different"] for key in ((OTHER, "4"), (FIRST, "3"), (NEAR, "3"))] == [True, False, False]
    assert [found[key]["right"] for key in ((OTHER, "3"), (OTHER, "4"))] == [True, False]
    assert rows[0][0]["count"] == 6
    assert rows[0][-1]["text"] == NEAR
    assert rows[2][-1] == {"text": LAST, "answer": None, "right": None, "different": False, "similarity": 1, "count": 1}


def test_links_with_newcombes_intervals(trace):
    """SECOND is said in 5 of 20 rollouts without the first sentence and in 10 of 10 with it.

    Wilson: (0.1119, 0.4687) and (0.7225, 1); 0.75 − sqrt(0.2775² + 0.2187²) and 0.75 + sqrt(0² + 0.1381²).
    """
    link = of(trace, "counterfactual", "links")
    assert [len(row) for row in link["rows"]] == [2, 1, 0]
    assert link["rows"][0][0] == 0.75
    assert link["low"][0][0] == pytest.approx(0.3967, abs=2e-4)
    assert link["high"][0][0] == pytest.approx(0.8881, abs=2e-4)
    assert link["rows"][0][1] == 0, "the last sentence is said in no rollout from either prefix"
    assert link["rows"][1][0] == 1


def test_difference_has_the_limits_of_both_shares():
    low, high = difference(np.array([0.5]), np.array([8]), np.array([0.5]), np.array([8]))
    assert low[0] == -high[0]
    low, high = difference(np.array([0.0]), np.array([10]), np.array([1.0]), np.array([10]))
    assert high[0] == 1
    assert low[0] == pytest.approx(1 - np.sqrt(2) * (1 - 0.72247), abs=1e-4)


def test_parquet_file_and_sqlite_file_give_the_same(trace, tmp_path):
    with store(tmp_path / "rollouts.sqlite") as found:
        found.to_parquet(tmp_path / "rollouts.parquet")
    for name in ("rollouts.sqlite", "rollouts.parquet"):
        assert sources.read(tmp_path / name, READING)["traces"] == [trace]


def test_the_official_export_gives_the_same_numbers(trace, tmp_path):
    """What the store writes in the official layout, read again: all but the last prefix and the forced answers."""
    folder = tmp_path / "tiny" / "correct_base_solution" / "problem_sum"
    about = {"problem": "One plus two?", "answer": "3", "correct": True}
    with store(tmp_path / "rollouts.sqlite") as found:
        how = {"prompt": CASE.prompt, "about": about}
        found.to_official(folder, "tiny", "sum", CASE.prefixes[:-1], [FIRST, SECOND, LAST], **how)
    own = sources.read(tmp_path / "tiny", READING)["traces"][0]
    assert own["id"] == "tiny/sum/correct"
    assert own["accuracy"]["values"] == trace["accuracy"]["values"][:3]
    for name in ("counterfactual_accuracy", "counterfactual_kl"):
        assert of(own, name)["values"][0] == of(trace, name)["values"][0]
    assert own["alternatives"][:2] == trace["alternatives"][:2]
    assert (own["question"], own["answer"]) == ("One plus two?", "3")


def test_rollouts_without_any_answer_still_show_what_was_written(tmp_path):
    with RolloutStore(tmp_path / "r.sqlite") as found:
        blank = [r.__class__(**{**vars(r), "answer": "", "correct": None}) for r in rollouts() if r.kind == "resample"]
        found.add(blank)
        trace = sources.read(found, READING)["traces"][0]
    assert "importances" not in trace
    assert "accuracy" not in trace
    assert len(trace["alternatives"][0]) == 3
    assert "No rollout has an answer: there are no importances." in trace["notes"]


def test_a_store_needs_the_traces(tmp_path):
    with store(tmp_path / "r.sqlite"), pytest.raises(InputError, match="--cases FILE") as caught:
        sources.read(tmp_path / "r.sqlite")
    assert "rollouts alone" in str(caught.value)


def test_a_case_that_was_not_continued_is_refused(tmp_path):
    other = Case("sum", "One plus two?  ", CASE.text, "3")
    with store(tmp_path / "r.sqlite") as found, pytest.raises(InputError, match="no rollout of 'sum'"):
        sources.read(found, sources.Reading((other,), embed=embed))


def test_two_models_in_a_store_are_two_traces(tmp_path):
    with store(tmp_path / "r.sqlite") as found:
        found.add([r.__class__(**{**vars(r), "model": "other"}) for r in rollouts()])
        both = sources.read(found, READING)
    assert [trace["id"] for trace in both["traces"]] == ["other/sum/correct", "tiny/sum/correct"]


def test_many_distinct_sentences_are_not_embedded_for_links(tmp_path, monkeypatch):
    monkeypatch.setattr(measured, "TEXTS", 3)
    with store(tmp_path / "r.sqlite") as found:
        trace = sources.read(found, READING)["traces"][0]
    assert "links" not in trace
    assert any(note.startswith("Links of resampling are left out") for note in trace["notes"])
