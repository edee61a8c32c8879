"""Ranking metrics against trusted libraries and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from anchors.thought import ranking

SCORES = st.lists(st.integers(0, 6), min_size=4, max_size=20)


@settings(max_examples=80, deadline=None)
@given(SCORES, st.randoms())
def test_auroc_and_spearman_are_the_libraries(scores, random):
    labels = np.array([random.random() < 0.5 for _ in scores])
    if 0 < labels.sum() < len(labels):
        assert ranking.auroc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    other = [random.randint(0, 5) for _ in scores]
    if len(set(scores)) > 1 and len(set(other)) > 1:
        assert ranking.spearman(scores, other) == pytest.approx(spearmanr(scores, other).statistic)


def test_missing_scores_rank_last_and_one_class_has_no_auroc():
    assert ranking.auroc([np.nan, 1.0], [False, True]) == 1.0
    assert np.isnan(ranking.auroc([1.0, 2.0], [True, True]))
    assert np.isnan(ranking.spearman([1, 2], [1, 2]))
    assert ranking.spearman([1, 1, 1], [1, 2, 3]) == 0


def test_precision_shares_ties():
    assert ranking.precision_at([3, 2, 1], [True, False, True], 1) == 1
    assert ranking.precision_at([3, 2, 2], [True, False, True], 2) == pytest.approx(0.75)
    assert ranking.precision_at([0, 0, 0, 0], [True, False, False, False], 2) == pytest.approx(0.25)


def test_top_takes_positive_values_only():
    assert ranking.top([0.0, 3.0, np.nan, 1.0, 2.0], 2).tolist() == [False, True, False, False, True]
    assert ranking.top([0.0, 0.0], 1).tolist() == [False, False]


def test_slope():
    assert ranking.slope([1, 3, 5, np.nan], [0, 1, 2, 9]) == pytest.approx(2)
    assert np.isnan(ranking.slope([1, 2], [1, 1]))


def test_position_alone_finds_what_depends_on_position():
    rng, pairs = np.random.default_rng(0), [ranking.pair_features(12) for _ in range(6)]
    near = [j - i <= 2 for i, j, _ in pairs]
    found = ranking.position_scores([x for _, _, x in pairs], near)
    assert np.mean([ranking.auroc(s, y) for s, y in zip(found, near, strict=True)]) > 0.99
    chance = [rng.random(66) < 0.3 for _ in pairs]
    found = ranking.position_scores([x for _, _, x in pairs], chance)
    assert abs(np.mean([ranking.auroc(s, y) for s, y in zip(found, chance, strict=True)]) - 0.5) < 0.15
    assert ranking.position_scores([pairs[0][2]], [near[0]])[0].tolist() == [0.0] * 66
    assert ranking.sentence_features(3).shape == (3, 4)
