"""Sentence-to-sentence importance against loops, and the released aggregates."""

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.thought import official
from anchors.thought.steps import match_rates, step_importance, step_matrix, summary


def slow(sentences, texts, owner, threshold):
    m = len(sentences)
    hits, total = np.zeros((m + 1, m)), np.zeros(m + 1)
    for parts, keeps in zip(texts, owner, strict=True):
        total[keeps] += 1
        for j in range(m):
            cosines = [s @ sentences[j] / np.linalg.norm(s) / np.linalg.norm(sentences[j]) for s in parts]
            hits[keeps, j] += any(c >= threshold for c in cosines)
    return hits / total[:, None]


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_rates_and_matrix_are_those_of_the_loop(block):
    rng = np.random.default_rng(3)
    sentences, pool = rng.normal(size=(5, 3)), rng.normal(size=(12, 3))
    owner = np.repeat(np.arange(6), 9)
    parts = [rng.integers(0, 12, rng.integers(0, 5)) for _ in owner]
    rollout = np.repeat(np.arange(len(parts)), [len(p) for p in parts])
    args = (sentences, pool, rollout, np.concatenate(parts).astype(int), owner)
    expected = slow(sentences, [[pool[k] for k in p] for p in parts], owner, 0.8)
    np.testing.assert_allclose(match_rates(*args, block=block), expected)
    matrix = step_matrix(*args, block=block)
    upper = np.triu(np.ones((5, 5), bool), 1)
    np.testing.assert_allclose(matrix[upper], (expected[1:] - expected[:-1])[upper])
    assert np.isnan(matrix[~upper]).all()


def test_texts_are_embedded_once_each():
    asked = []

    def embed(texts):
        asked.extend(texts)
        return np.eye(26)[[ord(t[0]) - 97 for t in texts]]

    texts, owner = ["a b c", "c", "b b c", "b", "c", ""], [0, 0, 1, 1, 2, 3]
    matrix = step_importance(["a", "b", "c"], texts, owner, embed, str.split)
    assert sorted(asked) == ["a", "b", "c"]
    assert matrix[0, 1] == pytest.approx(1.0 - 0.5)
    assert matrix[0, 2] == pytest.approx(0.5 - 1.0)
    assert matrix[1, 2] == pytest.approx(1.0 - 0.5)


def test_a_prefix_without_rollouts_is_not_a_number():
    matrix = step_matrix(np.eye(3), np.eye(3), np.array([0]), np.array([2]), np.array([0]))
    assert np.isnan(matrix).all()
    with pytest.raises(InputError):
        step_matrix(np.eye(3), np.eye(3), np.array([0]), np.array([2]), np.array([4]))


@pytest.mark.needs(official.TRACES)
@pytest.mark.parametrize("problem", official.MATRIX_PROBLEMS)
def test_aggregates_are_the_released_ones(problem):
    stored, ours = official.summary(problem), summary(official.step_importance(problem))
    for name, key in (("average", "avg_importance"), ("largest", "max_importance"), ("smallest", "min_importance")):
        assert ours[name] == pytest.approx(stored[key], abs=1e-12)
    for name, key in (("top_sources", "top_influential_steps"), ("top_targets", "top_dependent_steps")):
        assert ours[name] == [step["step_idx"] for step in stored[key]]


def test_summary_of_nothing():
    assert summary(np.full((2, 2), np.nan))["average"] == 0
    assert summary(np.zeros((0, 0)))["top_sources"] == []
