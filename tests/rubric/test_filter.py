"""Central selection on known arrays, its properties, and the bands it is compared with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anchors.companion.errors import InputError
from anchors.rubric.filter import ARMS, ROUNDING, arms, by_bin, central, moments, select

# ten prompts with means 0, .1, … .9 and a deviation of .05 each
LADDER = np.arange(10)[:, None] / 10 + np.array([[-0.05, 0.05]])
SCORES = arrays(
    float,
    st.tuples(st.integers(1, 30), st.integers(2, 6)),
    elements=st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1), st.just(np.nan)),
)


def test_a_known_array():
    """Quantiles of 0 … .9: Q(.2) = .18 and Q(.8) = .72, so .2 to .7 stay."""
    chosen = select(LADDER, 0.2, 0.8, 0.01)
    np.testing.assert_allclose([chosen.low, chosen.high], [0.18, 0.72])
    np.testing.assert_array_equal(np.flatnonzero(chosen.mask), [2, 3, 4, 5, 6, 7])
    np.testing.assert_allclose(chosen.mean, np.arange(10) / 10)
    np.testing.assert_allclose(chosen.std, 0.05)
    assert list(chosen.reasons[:2]) == ["too low"] * 2
    assert list(chosen.reasons[8:]) == ["too high"] * 2
    np.testing.assert_array_equal(central(LADDER, 0.2, 0.8, 0.01), chosen.mask)


def test_the_bounds_themselves_are_kept():
    """Eleven means 0 … 1: Q(.2) and Q(.8) are the means .2 and .8."""
    scores = np.linspace(0, 1, 11)[:, None] + np.array([[-0.01, 0.01]])
    np.testing.assert_array_equal(np.flatnonzero(central(scores)), np.arange(2, 9))


def test_the_floor_is_strict_and_drops_equal_rewards():
    scores = np.array([[0.1, 0.1, 0.1], [0.0, 0.2, 0.4], [0.7, 0.7, 0.7], [0.4, 0.5, 0.6]])
    chosen = select(scores, 0, 1, 0)
    np.testing.assert_array_equal(chosen.mask, [False, True, False, True])
    assert chosen.std[0] == 0, "0.1 three times has no deviation, whatever rounding says"
    np.testing.assert_array_equal(central(scores, 0, 1, np.std([0.4, 0.5, 0.6])), [False, True, False, False])


def test_what_was_not_judged():
    scores = np.array([[np.nan, np.nan], [0.5, np.nan], [0.2, 0.4], [0.6, 0.8]])
    chosen = select(scores, 0, 1)
    assert list(chosen.reasons) == ["not judged", "not judged", "kept", "kept"]
    assert chosen.counts() == {
        "candidates": 4, "kept": 2, "too low": 0, "too high": 0, "no variance": 0, "not judged": 2
    }  # fmt: skip
    nothing = select(np.full((3, 2), np.nan))
    assert not nothing.mask.any()
    assert np.isnan(nothing.low)
    assert select(np.zeros((0, 4))).mask.shape == (0,)


@settings(max_examples=150, deadline=None)
@given(SCORES, st.floats(0, 0.45), st.floats(0.55, 1), st.floats(0, 0.3))
def test_what_is_kept_is_inside_and_what_is_inside_is_kept(scores, low, high, floor):
    chosen = select(scores, low, high, floor)
    mean, std = moments(scores)
    judged = np.isfinite(scores).sum(1) >= 2
    np.testing.assert_array_equal(np.isfinite(mean), judged)
    if judged.any():
        ends = np.quantile(mean[judged], [low, high])
        inside = judged & (mean >= ends[0] - ROUNDING) & (mean <= ends[1] + ROUNDING) & (std > floor)
        np.testing.assert_array_equal(chosen.mask, inside)
    assert sum(chosen.counts().values()) == 2 * len(scores)
    assert (chosen.std[chosen.mask] > floor).all()
    shuffled = np.random.default_rng(0).permutation(len(scores))
    np.testing.assert_array_equal(select(scores[shuffled], low, high, floor).mask, chosen.mask[shuffled])


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_a_wider_band_keeps_more(scores):
    assert (central(scores, 0.3, 0.7, 0.05) <= central(scores, 0.1, 0.9, 0.01)).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"scores": np.zeros(3)}, r"\(3,\)"),
        ({"scores": np.full((2, 2), np.inf)}, "infinite"),
        ({"low": 0.8, "high": 0.2}, "0.8 and 0.2"),
        ({"high": 1.2}, "1.2"),
        ({"low": np.nan}, "nan"),
        ({"floor": -1}, "-1"),
    ],
)
def test_bad_input_is_said_in_a_line(arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        select(**{"scores": LADDER, **arguments})
    assert "\n" not in str(caught.value)


# ---- bands to compare with ------------------------------------------------------------------------------------------


def test_arms_have_equal_sizes_and_the_right_prompts():
    found = arms(LADDER, np.random.default_rng(0), floor=0.01)
    assert tuple(found) == ARMS
    assert {int(mask.sum()) for mask in found.values()} == {3}, "30 % of ten"
    np.testing.assert_array_equal(np.flatnonzero(found["top"]), [7, 8, 9])
    np.testing.assert_array_equal(np.flatnonzero(found["bottom"]), [0, 1, 2])
    assert (found["central"] <= central(LADDER, floor=0.01)).all()
    same = arms(LADDER, np.random.default_rng(0), floor=0.01)
    assert all((found[name] == same[name]).all() for name in ARMS)


def test_the_floor_may_hold_for_all_arms():
    scores = np.concatenate([LADDER, np.ones((5, 2))])
    assert arms(scores, np.random.default_rng(0), size=4)["top"][10:].sum() == 4
    everywhere = arms(scores, np.random.default_rng(0), size=4, floor_everywhere=True)
    assert not any(mask[10:].any() for mask in everywhere.values())
    np.testing.assert_array_equal(np.flatnonzero(everywhere["top"]), [6, 7, 8, 9])


@settings(max_examples=60, deadline=None)
@given(SCORES.filter(lambda scores: central(scores).sum() >= 1), st.integers(0, 9))
def test_arms_are_of_one_size_whatever_the_scores(scores, seed):
    sizes = {int(mask.sum()) for mask in arms(scores, np.random.default_rng(seed)).values()}
    assert len(sizes) == 1
    assert 1 <= sizes.pop() <= max(1, 0.3 * len(scores))


def test_an_arm_that_cannot_be_filled_is_refused():
    with pytest.raises(InputError, match="1 to 6"):
        arms(LADDER, np.random.default_rng(0), size=7)
    with pytest.raises(InputError, match="smallest pool"):
        arms(np.ones((4, 3)), np.random.default_rng(0))


def test_bins_show_where_the_variance_is():
    scores = np.array([[0, 0], [0, 0], [0, 1], [0.4, 0.8], [1, 1], [1, 1]], float)
    table = by_bin(scores, 3)
    np.testing.assert_allclose(table["mean"], [0, 0.55, 1])
    np.testing.assert_allclose(table["std"], [0, 0.35, 0])
    np.testing.assert_allclose(table["zero_std"], [1, 0, 1])
    assert list(table["prompts"]) == [2, 2, 2]
    assert by_bin(np.full((2, 2), np.nan)).empty
    with pytest.raises(InputError, match="bins"):
        by_bin(scores, 0)
