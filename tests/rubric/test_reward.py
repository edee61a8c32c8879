"""Rewards of a rubric: what is missing stays missing, and one bad judgement costs one rollout."""

import numpy as np
import pytest

from anchors.companion.errors import AnchorsError, InputError
from anchors.rubric.aggregate import Aggregator, Saturation, Veto
from anchors.rubric.reward import Rewarded, RubricReward, by_prompt, identity, judged
from anchors.rubric.rubric import Criterion, Rubric

CALM = Criterion(id="calm", description="calm", kind="llm_judge", weight=3, snap=False)
NO_COMMA = Criterion(id="no_comma", description="no comma", check="no_comma")
LOWER = Criterion(id="lower", description="lower case", check="lowercase", critical=True)


class Judge:
    """Says 0.5 of everything, nothing of a response that holds ``silent``."""

    def judge(self, criterion, prompts, responses):
        return np.array([np.nan if "silent" in response else 0.5 for response in responses])


def rubric(*criteria):
    return Rubric(id="r", criteria=criteria)


def test_a_rubric_scores_aggregates_and_says_what_was_vetoed():
    reward = RubricReward(rubric(NO_COMMA, LOWER), Aggregator(rubric(NO_COMMA, LOWER), (Veto(-0.5),)))
    found = reward(["p"] * 3, ["a b", "a, b", "A b"])
    assert found.values.tolist() == [1, 0.5, -0.5]
    assert found.scores.tolist() == [[1, 1], [0, 1], [1, 0]]
    assert found.names == reward.names == ("no_comma", "lower")
    assert found.vetoed.tolist() == [False, False, True]
    assert RubricReward(rubric(NO_COMMA, LOWER))(["p"], ["A b"]).vetoed.tolist() == [False], "no veto without the step"


@pytest.mark.parametrize(("missing", "expected"), [("refuse", np.nan), ("renormalise", 1.0)])
def test_a_missing_verdict_is_no_score(missing, expected):
    both = rubric(NO_COMMA, CALM)
    found = RubricReward(both, Aggregator(both, missing=missing), Judge())(["p", "p"], ["a b", "silent"])
    assert found.values[0] == pytest.approx((1 + 3 * 0.5) / 4)
    np.testing.assert_equal(found.values[1], expected)
    assert np.isnan(found.scores[1, 1])


def test_every_prompt_may_have_a_reward_of_its_own():
    one, two = RubricReward(rubric(NO_COMMA)), RubricReward(rubric(LOWER, NO_COMMA))
    routed = by_prompt({"a": one, "b": two})
    found = routed(["b", "a", "b"], ["x, y", "X", "X"])
    assert found.names == ("lower", "no_comma")
    np.testing.assert_equal(found.scores, [[1, 0], [np.nan, 1], [0, 1]])
    assert found.values.tolist() == [0.5, 1, 0.5]
    assert found.weights.tolist() == [1, 1]
    with pytest.raises(InputError, match="prompt: found 'c'"):
        routed(["c"], [""])
    assert by_prompt({}, default=one)(["c"], ["x"]).values.tolist() == [1]
    assert identity(routed) == f"{one.identity} | {two.identity}"


def test_identities_tell_rubrics_and_aggregations_apart():
    plain, steps = rubric(NO_COMMA), (Saturation(),)
    names = {
        identity(reward)
        for reward in (
            RubricReward(plain), RubricReward(plain, Aggregator(plain, steps)), RubricReward(rubric(LOWER)),
            test_identities_tell_rubrics_and_aggregations_apart,
        )
    }  # fmt: skip
    assert len(names) == 4


def test_one_failing_response_is_masked_and_told():
    def reward(prompts, responses):
        if "bad" in responses:
            raise KeyError("verdict")
        return Rewarded(np.ones(len(responses)), np.ones((len(responses), 1)), ("one",), np.ones(len(responses), bool))

    with pytest.warns(UserWarning, match="1 of 3 judgements failed"):
        found = judged(reward, ["p"] * 3, ["x", "bad", "y"])
    np.testing.assert_equal(found.values, [1, np.nan, 1])
    np.testing.assert_equal(found.scores, [[1], [np.nan], [1]])
    assert found.vetoed.tolist() == [True, False, True]
    with pytest.raises(KeyError):
        judged(reward, ["p"], ["bad"])


def test_failures_of_the_whole_are_raised_at_once():
    calls = []

    def gone(prompts, responses):
        calls.append(len(responses))
        raise AnchorsError("no endpoint answers any more")

    with pytest.raises(AnchorsError, match="no endpoint"):
        judged(gone, ["p"] * 4, list("abcd"))
    assert calls == [4]


def test_values_that_are_no_numbers_count_as_unjudged():
    found = judged(lambda p, r: Rewarded(np.array([np.inf, -np.inf, 1])), ["p"] * 3, list("abc"))
    np.testing.assert_equal(found.values, [np.nan, np.nan, 1])


@pytest.mark.parametrize(
    "broken",
    [
        Rewarded(np.zeros(3)),
        Rewarded(np.zeros(2), np.zeros((2, 2)), ("a",)),
        Rewarded(np.zeros(2), vetoed=np.zeros(1, bool)),
    ],
)
def test_other_shapes_are_refused(broken):
    with pytest.raises(InputError, match="reward: found shapes"):
        judged(lambda p, r: broken, ["p"] * 2, ["a", "b"])
