"""Aggregation: the invariants of section 1.5 as properties, its hand numbers, neighbouring formulas, advantages."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.rubric.aggregate import (
    Aggregator,
    Interaction,
    Part,
    Saturation,
    Shaping,
    Veto,
    all_pass,
    gdpo,
    group_advantages,
    healthbench,
    rubrics_as_rewards,
)
from anchors.rubric.formulas import RAR_WEIGHTS
from anchors.rubric.rubric import Criterion, Rubric

relaxed = settings(max_examples=60, deadline=None)
UNIT = st.floats(0, 1)
SATURATIONS = st.builds(Saturation, st.floats(0, 20), st.sampled_from(["exponential", "cap", "logistic"]))
SHAPINGS = st.builds(Shaping, st.floats(0, 20)) | st.builds(
    lambda theta, slope: Shaping(theta=theta, slope=slope), st.floats(0, 0.99), st.floats(1, 20)
)
VETOES = st.builds(Veto, st.floats(-2, 0))


def rubric_of(weights, critical=(), thresholds=None):
    return Rubric(
        id="r",
        criteria=[
            Criterion(
                id=f"c{k}", description="d", check="x", weight=weight, critical=k in critical,
                threshold=0.5 if thresholds is None else thresholds[k],
            )
            for k, weight in enumerate(weights)
        ],
    )  # fmt: skip


@st.composite
def rubrics(draw, size=5):
    weights = draw(st.lists(st.floats(0.01, 10), min_size=1, max_size=size))
    indices = range(len(weights))
    critical = draw(st.sets(st.sampled_from(indices)))
    return rubric_of(weights, critical, draw(st.lists(UNIT, min_size=len(weights), max_size=len(weights))))


@st.composite
def interactions(draw, rubric):
    """Pairs with γ of both signs that keep monotonicity: each criterion's share is spread over its K - 1 partners."""
    shares, ids = rubric.weights / rubric.weights.sum(), rubric.ids
    pairs = {}
    for one in range(len(ids)):
        for other in range(one + 1, len(ids)):
            bound = min(shares[one], shares[other]) / (len(ids) - 1)
            if draw(st.booleans()):
                pairs[ids[one], ids[other]] = draw(st.floats(-bound, 2))
    return Interaction(pairs)


@st.composite
def aggregators(draw, **options):
    rubric = draw(rubrics())
    steps = [draw(one) for one in (SATURATIONS, interactions(rubric), SHAPINGS, VETOES) if draw(st.booleans())]
    return Aggregator(rubric, tuple(draw(st.permutations(steps))), **options)


@st.composite
def cases(draw, rows=4, missing="refuse"):
    aggregator = draw(aggregators(missing=missing))
    width = len(aggregator.rubric.criteria)
    number = UNIT if missing == "refuse" else UNIT | st.just(float("nan"))
    flat = draw(st.lists(number, min_size=rows * width, max_size=rows * width))
    return aggregator, np.array(flat).reshape(rows, width)


def linear(rubric, scores):
    return (scores * rubric.weights).sum(1) / rubric.weights.sum()


# the invariants of section 1.5


@relaxed
@given(cases())
def test_without_curvature_interaction_and_critical_criteria_it_is_the_linear_baseline(case):
    """(i), to the last bit against the aggregator without steps, and in value against the formula."""
    rubric, scores = case[0].rubric, case[1]
    plain = rubric_of(rubric.weights, (), rubric.thresholds)
    pairs = dict.fromkeys(pairwise(plain.ids), 0.0)
    for form in ("exponential", "cap", "logistic"):
        steps = (Saturation(0, form), Interaction(pairs), Shaping(0), Veto(-1))
        assert Aggregator(plain, steps)(scores).tolist() == Aggregator(plain)(scores).tolist()
    np.testing.assert_allclose(Aggregator(plain)(scores), linear(plain, scores), rtol=1e-12, atol=1e-300)


@relaxed
@given(cases())
def test_rewards_are_in_the_unit_interval_or_the_veto_s_value(case):
    """(ii)"""
    aggregator, scores = case
    rewards, vetoed = aggregator(scores), aggregator.vetoed(scores)
    assert ((rewards[~vetoed] >= 0) & (rewards[~vetoed] <= 1)).all()


@relaxed
@given(cases(rows=1), st.data())
def test_a_better_score_never_lowers_the_reward(case, data):
    """(iii), for critical criteria too, since a veto's value is at most 0."""
    aggregator, scores = case
    k = data.draw(st.integers(0, scores.shape[1] - 1))
    better = scores.copy()
    better[0, k] = data.draw(st.floats(scores[0, k], 1))
    assert aggregator(better)[0] >= aggregator(scores)[0] - 1e-12


@relaxed
@given(cases())
def test_a_failed_critical_criterion_gives_exactly_the_veto_s_value(case):
    """(iv), whatever the rest."""
    aggregator, scores = case
    rubric, veto = aggregator.rubric, Veto(-0.25)
    steps = (*(step for step in aggregator.steps if not isinstance(step, Veto)), veto)
    fails = ((scores < rubric.thresholds - 1e-9) & rubric.critical).any(1)
    rewards = Aggregator(rubric, steps)(scores)
    assert (rewards[fails] == -0.25).all()
    assert (rewards[~fails] >= 0).all()
    assert Aggregator(rubric, steps).vetoed(scores).tolist() == fails.tolist()
    without = Aggregator(rubric, steps[:-1])
    assert rewards[~fails].tolist() == without(scores)[~fails].tolist()
    assert not without.vetoed(scores).any()


@relaxed
@given(st.floats(0.1, 20), st.sampled_from(["exponential", "logistic"]), UNIT, UNIT, st.integers(2, 6))
def test_balance_wins_under_strict_concavity(kappa, form, low, high, count):
    """(v) Equal weights, equal linear mean: the balanced vector beats the lopsided one."""
    lopsided = np.array([low, high] * count)[None]
    balanced = np.full_like(lopsided, lopsided.mean())
    aggregator = Aggregator(rubric_of([1] * 2 * count), (Saturation(kappa, form),))
    gain = (aggregator(balanced) - aggregator(lopsided))[0]
    assert gain >= -1e-12
    if abs(low - high) > 0.1 and kappa < 10:
        assert gain > 1e-9


@relaxed
@given(SHAPINGS, UNIT, UNIT)
def test_shaping_is_convex_and_keeps_ends_and_order(shaping, low, high):
    low, high = sorted((low, high))
    ends, (a, middle, b) = shaping(np.array([0.0, 1.0])), shaping(np.array([low, (low + high) / 2, high]))
    assert ends.tolist() == [0, 1]
    assert a <= b + 1e-12
    assert middle <= (a + b) / 2 + 1e-12


@relaxed
@given(SATURATIONS, UNIT, UNIT)
def test_saturation_is_concave_and_keeps_ends_and_order(saturation, low, high):
    low, high = sorted((low, high))
    ends, (a, middle, b) = saturation(np.array([0.0, 1.0])), saturation(np.array([low, (low + high) / 2, high]))
    assert ends.tolist() == [0, 1]
    assert a <= b + 1e-12
    assert middle >= (a + b) / 2 - 1e-12


@relaxed
@given(cases(), st.data())
def test_order_of_criteria_and_scale_of_weights_do_not_matter(case, data):
    """(vii)"""
    aggregator, scores = case
    rubric = aggregator.rubric
    order = data.draw(st.permutations(range(len(rubric.criteria))))
    factor = data.draw(st.floats(0.01, 100))
    turned = [rubric.criteria[k].model_copy(update={"weight": rubric.criteria[k].weight * factor}) for k in order]
    steps = tuple(data.draw(st.permutations(aggregator.steps)))
    other = Aggregator(Rubric(id="s", criteria=turned), steps)
    np.testing.assert_allclose(other(scores[:, list(order)]), aggregator(scores), rtol=1e-9, atol=1e-12)
    assert other.steps == aggregator.steps, "sorted into the order they are applied in"


def test_the_hand_numbers_of_saturation():
    """(v) κ = 3: (1, 0) has the mean 0.5, (0.5, 0.5) has φ(0.5) = (1 - e^-1.5) / (1 - e^-3) = 0.8176."""
    aggregator = Aggregator(rubric_of([1, 1]), (Saturation(kappa=3),))
    lopsided, balanced = aggregator([[1, 0], [0.5, 0.5]])
    assert lopsided == 0.5
    assert balanced == pytest.approx((1 - math.exp(-1.5)) / (1 - math.exp(-3)), rel=1e-14)
    assert round(float(balanced), 4) == 0.8176


@pytest.mark.parametrize(
    ("at", "slope", "formula"), [(1.0, 4.075, 4 / (1 - math.exp(-4))), (0.0, 0.0746, 4 / (math.exp(4) - 1))]
)
def test_the_hand_numbers_of_shaping(at, slope, formula):
    """(vi) β = 4: slope β / (1 - e^-β) at 1 and β / (e^β - 1) at 0."""
    step = 1e-6
    ends = Shaping()(np.array([at - step, at + step]))
    found = (ends[1] - ends[0]) / (2 * step)
    assert found == pytest.approx(formula, rel=1e-6)
    assert float(f"{found:.4g}") == pytest.approx(slope, abs=5.1e-4 if at else 5.1e-5)
    assert Shaping() == Shaping(beta=4.0)


def test_cap_interaction_and_piecewise_shaping_by_hand():
    assert Saturation(2, "cap")(np.array([0.25, 0.5, 0.9])).tolist() == [0.5, 1, 1]
    assert Saturation(0.5, "cap")(np.array([0.25])).tolist() == [0.25], "a cap above 1 caps nothing"
    synergy = Aggregator(rubric_of([1, 1]), (Interaction({("c0", "c1"): 0.5}),))
    np.testing.assert_allclose(synergy([[1, 1], [1, 0], [0.5, 0.5]]), [1, 1 / 3, (0.5 + 0.125) / 1.5])
    conflict = Aggregator(rubric_of([1, 1]), (Interaction({("c1", "c0"): -0.5}),))
    assert conflict([[1, 1], [1, 0], [0.5, 0.5]]).tolist() == [0.5, 0.5, 0.375]
    bent = Shaping(theta=0.5, slope=3)
    np.testing.assert_allclose(bent(np.array([0.25, 0.5, 0.75])), [0.125, 0.25, 0.625])


@relaxed
@given(
    st.floats(0.01, 10),
    st.sampled_from([0.0, 1.0]),
    st.lists(st.sampled_from([0, 1, 2, 3]), unique=True),
    st.booleans(),
)
def test_one_binary_criterion_is_the_verifiable_reward(weight, met, chosen, critical):
    """K = 1 with any steps: exactly 0 or 1."""
    steps = [(Saturation(), Interaction(), Shaping(), Veto())[k] for k in chosen]
    rubric = rubric_of([weight], {0} if critical else ())
    assert Aggregator(rubric, tuple(steps))([[met]]).tolist() == [met]


# interaction weights that would break monotonicity


@relaxed
@given(st.lists(st.floats(0.1, 10), min_size=2, max_size=5), st.floats(1.001, 3))
def test_the_bound_on_negative_interaction_is_where_monotonicity_ends(weights, factor):
    rubric = rubric_of(weights)
    shares = rubric.weights / rubric.weights.sum()
    bound = min(shares[0], shares[1])
    at = Aggregator(rubric, (Interaction({("c0", "c1"): -bound}),))
    ones = np.ones((2, len(weights)))
    weaker = int(np.argmin(shares[:2]))
    ones[1, weaker] = 0
    assert at(ones)[0] == pytest.approx(at(ones)[1], abs=1e-12), "at the bound the weaker one has no slope"
    with pytest.raises(
        InputError, match=r"interaction weights of criterion 'c[01]'.*the criterion's share of the weights"
    ):
        Aggregator(rubric, (Interaction({("c0", "c1"): -bound * factor}),))


def test_the_bound_is_named_and_synergy_does_not_buy_conflict():
    pairs = {("c0", "c1"): -0.2, ("c0", "c2"): -0.1, ("c1", "c2"): 0.9}
    with pytest.raises(InputError) as caught:
        Aggregator(rubric_of([1, 2, 1]), (Interaction(pairs),))
    assert str(caught.value) == (
        "interaction weights of criterion 'c0': found negative ones that add up to -0.3; expected a sum of at least "
        "-0.25, the criterion's share of the weights. Below that bound a better score would lower the reward: weaken "
        "them or raise the weight."
    )
    assert Aggregator(rubric_of([2, 2, 1]), (Interaction(pairs),))([[1, 1, 1]])[0] < 1


# what was not judged


@relaxed
@given(cases(missing="renormalise"))
def test_missing_scores_are_as_if_the_rubric_lacked_the_criteria(case):
    aggregator, scores = case
    rubric = aggregator.rubric
    rewards = aggregator(scores)
    for row, reward in zip(scores, rewards, strict=True):
        judged = ~np.isnan(row)
        if not judged.any():
            assert math.isnan(reward)
            continue
        kept = [criterion for criterion, there in zip(rubric.criteria, judged, strict=True) if there]
        ids = {criterion.id for criterion in kept}
        steps = [
            Interaction({pair: g for pair, g in step.pairs.items() if set(pair) <= ids})
            if isinstance(step, Interaction)
            else step
            for step in aggregator.steps
        ]
        alone = Aggregator(Rubric(id="s", criteria=kept), tuple(steps))
        assert reward == pytest.approx(alone(row[judged][None])[0], rel=1e-9, abs=1e-12)


def test_a_critical_criterion_that_was_not_judged_does_not_veto():
    aggregator = Aggregator(rubric_of([1, 1], {0}), (Veto(),), missing="renormalise")
    scores = np.array([[np.nan, 0.8], [0.2, np.nan], [0.9, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(aggregator(scores), [0.8, 0, 0.9, np.nan])
    assert aggregator.vetoed(scores).tolist() == [False, True, False, False]


def test_nan_is_refused_by_default_with_row_and_criterion():
    scores = np.ones((10_000, 2))
    scores[9000, 1] = np.nan
    with pytest.raises(InputError) as caught:
        Aggregator(rubric_of([1, 1]))(scores)
    assert str(caught.value) == (
        "score of criterion 'c1' in row 9000: found NaN; expected a number in [0, 1]. Judge it again, leave the row "
        "out or say missing='renormalise'."
    )


BAD_SCORES = {
    "above": ([[0.5, 1.5]], "score of criterion 'c1' in row 0: found 1.5; expected a number in [0, 1]"),
    "below": ([[0.5, 1], [-0.1, 1]], "score of criterion 'c0' in row 1: found -0.1; expected a number in [0, 1]"),
    "infinite": ([[0.5, float("inf")]], "score of criterion 'c1' in row 0: found inf"),
    "narrow": ([[0.5]], "scores: found shape (1, 1); expected (n, 2): one column a criterion"),
    "flat": ([0.5, 0.5], "scores: found shape (2,); expected (n, 2)"),
    "words": ([["a", "b"]], "scores: found could not convert string to float: 'a'; expected an array of numbers"),
    "ragged": ([[1], [1, 2]], "scores: found setting an array element with a sequence"),
}


@pytest.mark.parametrize("name", BAD_SCORES)
@pytest.mark.parametrize("missing", ["refuse", "renormalise"])
def test_scores_that_are_none_are_refused_in_one_line(name, missing):
    scores, words = BAD_SCORES[name]
    with pytest.raises(InputError) as caught:
        Aggregator(rubric_of([1, 1]), missing=missing)(scores)
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


def test_rounding_at_the_bounds_is_forgiven():
    rubric = rubric_of([1], {0}, [0.1])
    assert Aggregator(rubric)([[1 + 1e-12], [-1e-12]]).tolist() == [1, 0]
    assert Aggregator(rubric, (Veto(),))([[1 - 0.9]])[0] > 0, "1 - 0.9 is 0.0999…98"
    assert Aggregator(rubric)(np.zeros((0, 1))).shape == (0,)


# steps given wrongly

WRONG = {
    "twice": (lambda: Aggregator(rubric_of([1]), (Veto(), Veto(-1))),
              "steps: found Veto twice; expected each step at most once. Leave one out."),
    "class": (lambda: Aggregator(rubric_of([1]), (Veto,)), "step: found <class"),
    "missing": (lambda: Aggregator(rubric_of([1]), missing="zero"),
                "missing: found 'zero'; expected refuse | renormalise."),
    "weightless": (lambda: Aggregator(rubric_of([0, 0])),
                   "rubric 'r': found weights that add up to 0; expected a finite sum above 0. Mend the weights."),
    "stranger": (lambda: Aggregator(rubric_of([1, 1]), (Interaction({("c0", "c9"): 0.1}),)),
                 "pairs of the interaction: found 'c9'; expected ids of criteria: c0 | c1."),
    "itself": (lambda: Interaction({("a", "a"): 0.1}),
               "pair of the interaction: found ('a', 'a'); expected a tuple of two different ids of criteria."),
    "both orders": (lambda: Interaction({("a", "b"): 0.1, ("b", "a"): 0.1}),
                    "pair of the interaction: found ('b', 'a') in both orders; expected each pair once."),
    "gamma": (lambda: Interaction({("a", "b"): float("nan")}),
              "interaction weight of ('a', 'b'): found nan; expected a number from -inf to inf."),
    "kappa": (lambda: Saturation(-1), "kappa of the saturation: found -1; expected a number of at least 0."),
    "form": (lambda: Saturation(1, "cubic"),
             "form of the saturation: found 'cubic'; expected exponential | cap | logistic."),
    "beta": (lambda: Shaping(beta=-1), "beta of the shaping: found -1; expected a number of at least 0."),
    "both": (lambda: Shaping(beta=1, theta=0.5, slope=2),
             "shaping: found beta=1, theta=0.5, slope=2; expected either beta, or theta and slope. Leave the other"),
    "half": (lambda: Shaping(theta=0.5), "shaping: found beta=None, theta=0.5, slope=None; expected either beta"),
    "theta": (lambda: Shaping(theta=1, slope=2), "theta of the shaping: found 1; expected a number from 0 to below 1."),
    "slope": (lambda: Shaping(theta=0.5, slope=0.5),
              "slope of the shaping: found 0.5; expected a number of at least 1."),
    "veto": (lambda: Veto(0.5), "value of the veto: found 0.5; expected a finite number of at most 0."),
    "infinite veto": (lambda: Veto(-math.inf), "value of the veto: found -inf; expected a finite number."),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_steps_are_refused_in_one_line(name):
    make, words = WRONG[name]
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


# the waterfall


@relaxed
@given(cases(rows=1, missing="renormalise"))
def test_the_waterfall_adds_up_to_the_reward(case):
    aggregator, scores = case
    parts, reward = aggregator.explain(scores[0]), aggregator(scores)[0]
    total = sum(part.change for part in parts)
    assert total == pytest.approx(reward, abs=1e-12, nan_ok=True)
    names = [part.name for part in parts]
    assert names == [*aggregator.rubric.ids, *(type(step).__name__.lower() for step in aggregator.steps)]
    for part, score in zip(parts, scores[0], strict=False):
        assert part.value == pytest.approx(score, nan_ok=True)
        if math.isnan(score) and not math.isnan(reward):
            assert part.change == 0


def test_a_waterfall_by_hand():
    aggregator = Aggregator(rubric_of([3, 1], {1}), (Veto(-1), Saturation(2, "cap")))
    assert aggregator.explain([0.5, 0.25]) == [
        Part("c0", 0.5, 0.375), Part("c1", 0.25, 0.0625), Part("saturation", 0.875, 0.4375), Part("veto", -1, -1.875),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"score of criterion 'c0' in row 0: found NaN"):
        aggregator.explain([np.nan, 1])


# speed: everything at once, and nothing depends on the batch


def test_a_million_responses_are_aggregated_at_once_and_each_as_if_alone():
    rng = np.random.default_rng(0)
    rubric = rubric_of(rng.uniform(0.5, 2, 16), {0, 1}, np.full(16, 0.05))
    steps = (Saturation(), Interaction({("c0", "c1"): 0.3, ("c2", "c3"): -0.02}), Shaping(), Veto())
    scores = rng.random((1_000_000, 16))
    rewards = Aggregator(rubric, steps)(scores)
    assert rewards.shape == (1_000_000,)
    assert rewards.dtype == np.float64
    some = np.concatenate([[0, 8191, 8192, 999_999], rng.integers(1_000_000, size=50)])
    assert Aggregator(rubric, steps)(scores[some]).tolist() == rewards[some].tolist()
    assert [Aggregator(rubric, steps)(scores[k : k + 1])[0] for k in some] == rewards[some].tolist()
    assert 0.05 < Aggregator(rubric, steps).vetoed(scores).mean() < 0.15


# formulas of neighbouring work


def test_healthbench_by_hand():
    """+6 met, +4 unmet, -7 met: (6 - 7) / 10 = -0.1, clipped to 0."""
    points, met = [6, 4, -7], [[1, 0, 1]]
    assert healthbench(points, met, clip=False).tolist() == [-0.1]
    assert healthbench(points, met).tolist() == [0]
    assert healthbench(points, [[1, 1, 0], [0, 0, 0], [1, 0, 0]]).tolist() == [1, 0, 0.6]


@relaxed
@given(st.lists(st.integers(-10, 10).filter(bool), min_size=1, max_size=6), st.data())
def test_healthbench_is_an_affine_map_of_the_linear_baseline_with_criteria_to_avoid(points, data):
    points = np.array([7, *points])
    met = np.array(
        data.draw(st.lists(st.lists(UNIT, min_size=len(points), max_size=len(points)), min_size=1, max_size=3))
    )
    scores = np.where(points < 0, 1 - met, met)
    baseline = Aggregator(rubric_of(np.abs(points)))(scores)
    positive, negative = points[points > 0].sum(), -points[points < 0].sum()
    expected = (baseline * (positive + negative) - negative) / positive
    np.testing.assert_allclose(healthbench(points, met, clip=False), expected, atol=1e-9)


def test_rubrics_as_rewards_by_hand():
    weights = [RAR_WEIGHTS[label] for label in ("essential", "important", "optional", "pitfall")]
    assert weights == [1.0, 0.7, 0.3, 0.9]
    found = rubrics_as_rewards([[1, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], weights)
    np.testing.assert_allclose(found, [2.2 / 2.9, 1, 0])


@relaxed
@given(cases())
def test_rubrics_as_rewards_is_the_linear_baseline(case):
    rubric, scores = case[0].rubric, case[1]
    np.testing.assert_allclose(rubrics_as_rewards(scores, rubric.weights), Aggregator(rubric)(scores), rtol=1e-12)


def test_all_pass_by_hand():
    assert all_pass([[0.5, 1], [0.5, 0.49], [1, 1]]).tolist() == [1, 0, 1]
    assert all_pass([[0.5, 1], [0.9, 0.2]], [0.6, 0.2]).tolist() == [0, 1]
    assert all_pass([[1 - 0.9]], 0.1).tolist() == [1]


BAD_FORMULAS = {
    "nan": (lambda: healthbench([1, 2], [[1, np.nan]]), "score of criterion 1 in row 0: found NaN"),
    "range": (lambda: rubrics_as_rewards([[2.0]], [1]), "score of criterion 0 in row 0: found 2"),
    "all nan": (lambda: all_pass([[np.nan]]), "score of criterion 0 in row 0: found NaN"),
    "negative": (lambda: rubrics_as_rewards([[1.0, 1]], [1, -1]), "weights: found [1.0, -1.0]"),
    "nothing": (lambda: rubrics_as_rewards([[1.0]], [0]), "weights: found [0.0]"),
    "no gain": (lambda: healthbench([-3], [[1]]), "points: found [-3.0]; expected a positive number among them."),
    "infinite": (lambda: healthbench([np.inf], [[1]]), "points: found numbers that are not finite"),
    "shape": (lambda: all_pass([1.0, 2.0]), "scores: found shape (2,); expected (n, K)"),
    "scale": (lambda: group_advantages([[1.0, 2]], "all"), "scale: found 'all'; expected group | batch | none."),
    "flat": (lambda: group_advantages([1.0, 2]), "rewards: found shape (2,); expected (g, G)"),
    "infinite reward": (lambda: group_advantages([[1.0, np.inf]]), "rewards: found numbers that are not finite"),
    "words": (lambda: group_advantages([["a"]]), "rewards: found could not convert"),
    "weights": (lambda: gdpo(np.ones((1, 2, 3)), [1, 2]), "weights: found 2; expected 3, one a criterion."),
}


@pytest.mark.parametrize("name", BAD_FORMULAS)
def test_formulas_refuse_in_one_line(name):
    make, words = BAD_FORMULAS[name]
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(words)
    assert "\n" not in str(caught.value)


# advantages

REWARDS = st.integers(0, 100).map(lambda percent: percent / 100)
GROUPS = st.integers(2, 6).flatmap(
    lambda width: st.lists(st.lists(REWARDS, min_size=width, max_size=width), min_size=1, max_size=4).map(np.array)
)


@relaxed
@given(GROUPS, st.floats(0.1, 100), st.floats(-100, 100))
def test_a_positive_affine_map_leaves_group_advantages_as_they_are(rewards, scale, offset):
    np.testing.assert_allclose(group_advantages(scale * rewards + offset), group_advantages(rewards), atol=1e-9)
    for kind in ("batch", "none"):
        found = group_advantages(scale * rewards + offset, kind)
        np.testing.assert_allclose(found, group_advantages(rewards, kind) * (scale if kind == "none" else 1), atol=1e-8)


@relaxed
@given(cases(rows=6))
def test_only_steps_that_are_not_affine_can_change_advantages(case):
    """A veto's worth of constant, or other weights' scale, changes nothing; saturation does."""
    rubric, scores = case[0].rubric, np.round(case[1], 3)
    rewards = Aggregator(rubric)(scores)[None]
    np.testing.assert_allclose(group_advantages(3 * rewards - 1), group_advantages(rewards), atol=1e-6)


def test_saturation_changes_advantages():
    scores = np.array([[1, 0], [0.5, 0.5], [0.2, 0.2]])
    plain, saturated = (
        group_advantages(Aggregator(rubric_of([1, 1]), steps)(scores)[None])[0] for steps in ((), (Saturation(),))
    )
    assert plain[0] == plain[1]
    assert saturated[1] > saturated[0] + 1


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
@pytest.mark.parametrize("value", [0.0, -0.3])
def test_a_group_of_vetoed_rollouts_has_no_advantage(scale, value):
    aggregator = Aggregator(rubric_of([1, 2], {0}), (Saturation(), Shaping(), Veto(value)))
    scores = np.random.default_rng(1).random((14, 2))
    scores[:7, 0] = 0.1
    scores[7:, 0] = 0.9
    rewards = aggregator(scores).reshape(2, 7)
    assert aggregator.vetoed(scores).tolist() == [True] * 7 + [False] * 7
    advantages = group_advantages(rewards, scale)
    assert advantages[0].tolist() == [0] * 7
    assert (advantages[1] != 0).any()


def test_advantages_by_hand():
    found = group_advantages([[0, 0.5, 1], [0.1, 0.1, 0.1]])
    assert found.tolist() == [[-1, 0, 1], [0, 0, 0]]
    np.testing.assert_allclose(group_advantages([[0, 1], [4, 5]], "batch"), np.array([[-0.5, 0.5]] * 2) / 2.3804761)
    assert group_advantages([[0, 1], [4, 6]], "none").tolist() == [[-0.5, 0.5], [-1, 1]]


def test_rollouts_without_a_reward_are_left_out_and_stay_so():
    nan = np.nan
    found = group_advantages([[0, nan, 1, 0.5], [nan, nan, nan, nan], [nan, 3, nan, nan]])
    np.testing.assert_array_equal(found, [[-1, nan, 1, 0], [nan] * 4, [nan, 0, nan, nan]])


@relaxed
@given(GROUPS)
def test_with_eps_they_are_trl_s(rewards):
    """TRL: (r - mean) / (std + 1e-4), std with n - 1; ours differ only in groups without differences."""
    for scale, axis in (("group", 1), ("batch", None)):
        std = rewards.std(axis=axis, ddof=1, keepdims=True)
        expected = (rewards - rewards.mean(1, keepdims=True)) / (std + 1e-4)
        np.testing.assert_allclose(group_advantages(rewards, scale, eps=1e-4), expected, atol=1e-9)


@relaxed
@given(st.integers(1, 3), st.integers(2, 5), st.integers(1, 4), st.integers(0, 2**32))
def test_gdpo_normalises_each_criterion_then_adds(groups, width, count, seed):
    rng = np.random.default_rng(seed)
    scores, weights = rng.integers(0, 4, (groups, width, count)) / 3, rng.uniform(0.1, 2, count)
    each = (scores - scores.mean(1, keepdims=True)) / (scores.std(1, ddof=1, keepdims=True) + 1e-4)
    total = (each * weights).sum(2)
    np.testing.assert_allclose(gdpo(scores, weights, batch=False, eps=1e-4), total, atol=1e-9)
    expected = (total - total.mean()) / (total.std(ddof=1) + 1e-4)
    np.testing.assert_allclose(gdpo(scores, weights, eps=1e-4), expected, atol=1e-6)


@relaxed
@given(st.integers(0, 2**32), st.floats(0.1, 10), st.floats(-5, 5))
def test_gdpo_does_not_see_the_scale_of_one_criterion(seed, scale, offset):
    scores = np.random.default_rng(seed).integers(0, 4, (2, 4, 3)) / 3
    stretched = scores * [scale, 1, 1] + [offset, 0, 0]
    np.testing.assert_allclose(gdpo(stretched, [1, 2, 3]), gdpo(scores, [1, 2, 3]), atol=1e-6)


def test_gdpo_leaves_out_what_was_not_judged():
    nan = np.nan
    scores = np.array([[[0, 1], [1, 1], [nan, 1], [nan, nan]]])
    np.testing.assert_allclose(gdpo(scores, [1, 5], batch=False)[0], [-(0.5**0.5), 0.5**0.5, 0, nan])
    assert gdpo(np.full((2, 3, 2), 0.4), [1, 1]).tolist() == [[0, 0, 0]] * 2


@relaxed
@given(cases(rows=3))
def test_scores_are_not_changed(case):
    aggregator, scores = case
    before = scores.copy()
    aggregator(scores)
    aggregator.explain(scores[0])
    np.testing.assert_array_equal(scores, before)
