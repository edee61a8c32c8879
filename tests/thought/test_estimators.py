"""KL estimators against slow obvious versions, scipy, closed forms and the truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy

from anchors.companion.errors import InputError
from anchors.thought.estimators import VARIANTS, binary_kl, bootstrap_counts, exact_kl, interval, kl

COUNTS = arrays(int, (2, 5), elements=st.integers(0, 12)).filter(lambda c: c.sum(1).min() > 0)


def slow(p, q, variant):
    answers = [a for a in range(len(p)) if p[a] + q[a] > 0]
    n, m, total = sum(p), sum(q), 0.0
    for a in answers:
        if variant == "corrected":
            # the series of Zhang and Grabchak, term by term
            if p[a]:
                cross = sum(
                    math.prod(1 - q[a] / (m - s + 1) for s in range(1, v + 1)) / v for v in range(1, m - q[a] + 1)
                )
                own = sum(
                    math.prod(1 - (p[a] - 1) / (n - s) for s in range(1, v + 1)) / v for v in range(1, n - p[a] + 1)
                )
                total += p[a] / n * (cross - own)
            continue
        alpha = 1e-9 if variant == "official_2025_08" else 0.5
        first, second = ((c[a] + alpha) / (sum(c) + alpha * len(answers)) for c in (p, q))
        total += (p[a] / n if variant == "official_2025_10" else first) * math.log(first / second)
    return max(total, 0.0) if variant in ("official_2025_08", "smoothed") else total


@settings(max_examples=150, deadline=None)
@given(COUNTS, st.sampled_from(VARIANTS))
def test_the_fast_form_is_the_slow_one(counts, variant):
    p, q = counts
    assert kl(p, q, variant) == pytest.approx(slow(p.tolist(), q.tolist(), variant), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_scipy_agrees_where_there_is_a_scipy_function(counts):
    seen = counts.sum(0) > 0
    smooth = counts[:, seen] + 0.5
    assert kl(*counts, "smoothed") == pytest.approx(entropy(smooth[0], smooth[1]), abs=1e-12)
    assert kl(*counts, "smoothed") >= 0
    assert kl(*counts, "official_2025_08") >= 0


@settings(max_examples=60, deadline=None)
@given(COUNTS)
def test_equal_counts_have_no_divergence_and_a_correction_below_it(counts):
    for variant in VARIANTS[:3]:
        assert kl(counts[0], counts[0], variant) == pytest.approx(0, abs=1e-12)
    seen, n = (counts[0] > 0).sum(), counts[0].sum()
    assert kl(counts[0], counts[0], "corrected") == pytest.approx(-(seen - 1) / n)


def test_smoothing_vanishes_with_alpha_where_all_answers_are_seen():
    p, q = np.array([3, 5, 2]), np.array([4, 4, 7])
    for variant in VARIANTS[:3]:
        assert kl(p, q, variant, alpha=1e-12) == pytest.approx(entropy(p, q), abs=1e-9)
        assert abs(kl(p, q, variant, alpha=1e9)) < 1e-6


def test_one_unseen_answer_costs_the_log_of_alpha_in_the_first_official_form():
    assert kl([99, 1], [100, 0], "official_2025_08") == pytest.approx(
        0.01 * math.log(1e11) + 0.99 * math.log(0.99) - 0.01 * math.log(100), rel=1e-3
    )
    assert kl([0, 1], [1, 0], "official_2025_08") > 20
    assert kl([0, 1], [1, 0], "official_2025_10") < 1.2


def test_leading_axes_and_answers_nobody_gave():
    rng = np.random.default_rng(0)
    p, q = rng.integers(0, 9, (3, 4, 6)), rng.integers(0, 9, (3, 4, 6))
    p[..., 2] = q[..., 2] = 0
    keep = [0, 1, 3, 4, 5]
    for variant in VARIANTS:
        values = kl(p, q, variant)
        assert values.shape == (3, 4)
        assert values[1, 2] == pytest.approx(float(kl(p[1, 2, keep], q[1, 2, keep], variant)))
        assert kl(p, q[0, 0], variant).shape == (3, 4)


def test_no_rollouts_is_not_a_number():
    for variant in VARIANTS:
        assert np.isnan(kl([0, 0], [1, 2], variant))
        assert np.isnan(kl([1, 2], [0, 0], variant))


@pytest.mark.parametrize(
    ("p", "q", "options"),
    [
        ([1, 2], [1, 2, 3], {}),
        ([-1, 2], [1, 2], {}),
        ([1], [1], {"variant": "x"}),
        ([1], [1], {"variant": "smoothed", "alpha": 0}),
    ],
)
def test_bad_input_is_one_line(p, q, options):
    with pytest.raises(InputError):
        kl(p, q, **options)


def test_binary_counts_are_two_answers():
    for variant in VARIANTS:
        assert binary_kl(3, 10, 6, 12, variant) == pytest.approx(float(kl([3, 7], [6, 6], variant)))


def test_the_corrected_form_has_less_bias_than_the_others():
    rng = np.random.default_rng(1)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.5, 0.2])
    truth = float(exact_kl(p, q))
    draws = rng.multinomial(40, p, 20_000), rng.multinomial(40, q, 20_000)
    bias = {variant: abs(kl(*draws, variant).mean() - truth) for variant in VARIANTS}
    assert bias["corrected"] < 0.004 < 0.02 < bias["official_2025_08"]
    assert bias["corrected"] < bias["smoothed"]


def test_bootstrap_keeps_the_number_of_rollouts_and_its_quantiles():
    counts = np.array([[30, 50, 20], [0, 0, 0], [5, 0, 0]])
    draws = bootstrap_counts(counts, 4000, np.random.default_rng(0))
    assert draws.shape == (4000, 3, 3)
    assert (draws.sum(-1) == [100, 0, 5]).all()
    low, high = interval(draws[:, 0, 0] / 100, 0.3)
    assert (low, high) == (pytest.approx(0.21, abs=0.015), pytest.approx(0.39, abs=0.015))
    assert interval(draws[:, 0, 0] + 7.0, 30.0, kind="centred")[0] == pytest.approx(21, abs=1)
    with pytest.raises(InputError):
        interval(draws, 0, kind="x")
    assert np.isnan(interval(np.full((10, 2), np.nan), np.zeros(2))).all()


def test_exact_divergence_is_infinite_where_an_answer_cannot_come():
    assert exact_kl([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert exact_kl([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2))
