"""The reader of the official layout: what it reads, and what it says of bad files."""

import json

import numpy as np
import pytest

from anchors.companion.errors import InputError, MissingData
from anchors.thought import official
from anchors.thought.official import read_rollouts, read_trace

ROW = {"chunk": "Let me count.", "chunk_idx": 0, "function_tags": ["plan_generation"], "accuracy": 0.5}


@pytest.fixture
def folder(tmp_path):
    """A trace of two sentences in the official layout."""
    path = tmp_path / "some-model" / "correct_base_solution" / "problem_7"
    path.mkdir(parents=True)
    write(path / "problem.json", {"problem": "How many?", "gt_answer": "3"})
    solution = {"prompt": "p", "solution": "s", "full_cot": "ps", "answer": "3", "is_correct": True}
    write(path / "base_solution.json", solution)
    write(path / "chunks_labeled.json", [ROW, ROW | {"chunk_idx": 1, "function_tags": []}])
    return path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def rollout(**more):
    return {"chunk_removed": "a", "chunk_resampled": "b", "rollout": "b c", "answer": "3", "is_correct": True} | more


def test_a_trace(folder):
    trace = read_trace(folder)
    assert (trace.model, trace.problem, trace.correct, trace.name) == ("some-model", "7", True, "7 correct")
    assert trace.sentences == ("Let me count.",) * 2
    assert trace.categories == ("plan_generation", "unknown")
    np.testing.assert_array_equal(trace.labels["accuracy"], [0.5, 0.5])
    assert np.isnan(trace.labels["forced_importance_kl"]).all()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("chunks_labeled.json", [], "no sentences"),
        ("chunks_labeled.json", '[{"chunk": "Let me', "not JSON"),
        ("chunks_labeled.json", {}, "a JSON dict; expected a list"),
        ("chunks_labeled.json", [{"chunk_idx": 0}], "a field is missing"),
        ("base_solution.json", {"answer": "", "is_correct": True}, "no answer"),
        ("base_solution.json", {"answer": "3"}, "is_correct"),
        (
            "base_solution.json",
            {"answer": "3", "is_correct": "false"},
            "found is_correct 'false'; expected true, false",
        ),
        ("problem.json", "", "not JSON"),
    ],
)
def test_bad_traces_are_named_in_one_line(folder, name, content, message):
    write(folder / name, content)
    with pytest.raises(InputError, match=message) as caught:
        read_trace(folder)
    assert "problem_7" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(folder):
    (folder / "problem.json").unlink()
    with pytest.raises(InputError, match=r"problem_7/problem\.json: found no such file"):
        read_trace(folder)


def test_rollouts_with_an_error_are_dropped_and_counted(tmp_path):
    write(tmp_path / "chunk_0/solutions.json", [rollout(), {"error": "timeout"}, rollout(answer="", is_correct=None)])
    write(tmp_path / "chunk_10/solutions.json", [rollout(is_correct=False) | {"error": "cut off"}])
    write(tmp_path / "chunk_2/solutions.json", [rollout(is_correct=False)])
    table, counts = read_rollouts(tmp_path)
    assert counts == {"files": 3, "rollouts": 3, "errors": 2, "unanswered": 1}
    assert table["sentence"].tolist() == [0, 0, 2]
    assert table["answer"].tolist() == ["3", "", "3"]
    assert table.columns.tolist() == ["sentence", "removed", "first_sentence", "text", "answer", "correct"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"error": "x"}, {"error": "y"}], "2 files, 3 rollouts|1 files, 2 errors|all in error"),
        ('[{"rollout": "b', "not JSON"),
        ([{"rollout": "b"}], "chunk_removed, chunk_resampled"),
        ({"error": "quota"}, "a JSON dict"),
        ([5], "found the rollout 5; expected chunk_removed"),
        (["error"], "found the rollout 'error'; expected chunk_removed"),
        ([rollout(is_correct="false")], "found is_correct 'false'; expected true, false or null"),
        ([rollout(is_correct=1)], "found is_correct 1; expected true, false or null"),
    ],
)
def test_bad_rollouts(tmp_path, content, message):
    write(tmp_path / "chunk_0/solutions.json", content)
    with pytest.raises(InputError, match=message) as caught:
        read_rollouts(tmp_path)
    assert "\n" not in str(caught.value)


def impact(source, target):
    return [{"source_chunk_idx": source, "target_impacts": [{"target_chunk_idx": target, "importance_score": 0.5}]}]


def test_a_matrix_has_its_values_where_the_file_says(tmp_path):
    write(tmp_path / "m.json", impact(0, 2))
    matrix = official.read_matrix(tmp_path / "m.json", 3)
    assert matrix[0, 2] == 0.5
    assert np.isnan(matrix).sum() == 8


@pytest.mark.parametrize("pair", [(0, -1), (-1, 0), (0, 3), (None, 1), (0, "1"), (0, 1.0), ([0, 1], 2)])
def test_indices_of_a_matrix_that_are_none(tmp_path, pair):
    write(tmp_path / "m.json", impact(*pair))
    with pytest.raises(
        InputError, match=r"m\.json: found .*Error.*; expected source_chunk_idx and target_impacts of 3"
    ):
        official.read_matrix(tmp_path / "m.json", 3)


def test_files_of_a_trace_that_was_not_released():
    with pytest.raises(InputError, match=r"problem: found '1'; expected 2238 \| 6998"):
        official.files_of("1")


def test_no_rollouts(tmp_path):
    with pytest.raises(InputError, match=r"found none; expected chunk_<i>"):
        read_rollouts(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_rollouts(tmp_path / "problem_9")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: official.released_trace("1"), r"2238 \| 6998"),
        (lambda: official.step_importance("330"), r"2236 \| 2238 \| 3448 \| 4682"),
        (lambda: official.step_importance("4682", "attention"), r"counterfactual \| suppression"),
        (lambda: official.resampled_sentences("330"), r"2238 \| 4682"),
        (lambda: official.summary("9"), "problem"),
    ],
)
def test_unknown_choices(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_nowhere_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.delenv("ANCHORS_DATA_MIRROR", raising=False)
    monkeypatch.setenv("ANCHORS_DOWNLOADS", str(tmp_path))
    monkeypatch.setenv("ANCHORS_OFFLINE", "1")
    with pytest.raises(MissingData, match=r"data set 'thought_traces' .*ANCHORS_DATA_MIRROR"):
        official.released_traces()
