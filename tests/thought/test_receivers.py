"""Reliability and agreement of receiver heads, by hand and against pairwise correlations."""

from itertools import combinations

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.thought import receivers


def test_halves_are_every_other_trace_without_layer_0():
    k = np.arange(4 * 3 * 2, dtype=float).reshape(4, 3, 2)
    first, second = receivers.half_means(k)
    assert first.tolist() == k[[0, 2], 1:].mean(0).ravel().tolist()
    assert second.tolist() == k[[1, 3], 1:].mean(0).ravel().tolist()
    assert receivers.reliability(k) == pytest.approx(1)
    with pytest.raises(InputError, match="at least two"):
        receivers.half_means(k[:1])


def test_noise_has_no_reliability():
    rng = np.random.default_rng(0)
    assert abs(receivers.reliability(rng.normal(size=(10, 30, 10)))) < 0.2


def test_agreement_is_the_mean_over_pairs():
    rng = np.random.default_rng(1)
    v = rng.random((4, 3, 9))
    v[..., -2:] = np.nan
    heads = [(1, 0), (2, 2), (3, 1), (1, 2)]
    rows = [v[h][:7] for h in heads]
    slow = np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(rows, 2)])
    assert receivers.agreement(v, heads) == pytest.approx(slow)
    every = [v[layer, head, :7] for layer in (1, 2, 3) for head in range(3)]
    slow = np.mean([np.corrcoef(a, b)[0, 1] for a, b in combinations(every, 2)])
    assert receivers.agreement(v) == pytest.approx(slow)
    assert np.isnan(receivers.agreement(v[..., :2]))


def test_matched_heads_are_others_of_the_same_layers():
    rng, heads = np.random.default_rng(2), [(1, 0), (1, 1), (3, 2)]
    for _ in range(20):
        own = receivers.matched_heads(heads, (4, 4), rng, by_layer=True)
        assert sorted(layer for layer, _ in own) == [1, 1, 3]
        free = receivers.matched_heads(heads, (4, 4), rng, by_layer=False)
        for chosen in (own, free):
            assert len(set(chosen)) == 3
            assert not set(chosen) & set(heads)
            assert all(layer > 0 for layer, _ in chosen)
    near = receivers.matched_heads([(1, h) for h in range(4)], (4, 4), rng, by_layer=True)
    assert {layer for layer, _ in near} == {2}
    with pytest.raises(InputError, match="at most 6"):
        receivers.matched_heads([(layer, h) for layer in (1, 2) for h in range(4)], (4, 4), rng, by_layer=True)


def test_how_many_heads():
    assert receivers.head_count(48, 40) == 16
    assert receivers.head_count(30, 9) == 16
    assert receivers.head_count(4, 4) == 2
