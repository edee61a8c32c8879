"""Importances by hand, signs and reference sets, bad input, and the way from texts to values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.thought import importance
from anchors.thought.estimators import VARIANTS, kl


def rollouts(answers_by_sentence, right="1", kind="resample", firsts=None):
    rows = [
        {"sentence": i, "answer": a, "correct": a == right, "error": None, "kind": kind,
         "first_sentence": (firsts or {}).get((i, k), f"s{i}")}
        for i, answers in enumerate(answers_by_sentence) for k, a in enumerate(answers)
    ]  # fmt: skip
    return pd.DataFrame(rows)


HALF, MOST, ALL = ["1", "2"] * 10, ["1"] * 15 + ["3"] * 5, ["1"] * 20


def test_resampling_is_the_change_of_the_share_of_right_answers():
    found = importance.trace_importances(rollouts([HALF, MOST, ALL]), "resampling", bootstrap=200)
    assert found.value.tolist() == pytest.approx([0.25, 0.25])
    assert (found.low < found.value).all()
    assert (found.high > found.value).all()
    assert found.accuracy_before.tolist() == [0.5, 0.75]
    assert found.accuracy_after.tolist() == [0.75, 1.0]
    assert set(found.sign) == {"positive = the sentence helps"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_divergence_compares_answer_distributions(variant):
    found = importance.trace_importances(rollouts([HALF, MOST, ALL]), "resampling", "kl", variant, bootstrap=0)
    assert found.value[0] == pytest.approx(float(kl([10, 10, 0], [15, 0, 5], variant)))
    assert found.value[1] == pytest.approx(float(kl([15, 5], [20, 0], variant)))
    assert found.low.isna().all()


def test_signs_and_reference_sets_of_the_counterfactual_method():
    table = rollouts([HALF, MOST, ALL])
    table["different"] = (table.sentence == 0) & (table.groupby("sentence").cumcount() >= 8)
    right_when_different = 6 / 12
    ours = importance.trace_importances(table, "counterfactual", bootstrap=0)
    theirs = importance.trace_importances(table, "counterfactual", variant="official_2025_08", bootstrap=0)
    assert ours.value[0] == pytest.approx(0.75 - right_when_different)
    assert theirs.value[0] == pytest.approx(-ours.value[0])
    assert theirs.sign[0] == "positive = the sentence hurts"
    assert (ours.n_before[0], ours.n_after[0]) == (12, 20)
    assert ours.different_trajectories_fraction.tolist() == [0.6, 0.0]
    ours, theirs = (
        importance.trace_importances(table, "counterfactual", "kl", v, bootstrap=0)
        for v in ("smoothed", "official_2025_08")
    )
    assert ours.value[0] == pytest.approx(float(kl([6, 6, 0], [15, 0, 5], "smoothed")))
    assert theirs.value[0] == pytest.approx(float(kl([6, 6, 0], [15 + 4, 4, 5], "official_2025_08")))
    assert theirs.n_after[0] == 28


def test_too_few_rollouts_is_a_reason_and_the_official_zero():
    table = rollouts([HALF, MOST, ALL])
    table["different"] = (table.sentence == 0) & (table.groupby("sentence").cumcount() < 9)
    ours = importance.trace_importances(table, "counterfactual", count=3)
    assert ours.value.isna().all()
    assert ours.reason[0] == "9 and 20 answered rollouts, fewer than 10"
    theirs = importance.trace_importances(table, "counterfactual", "kl", "official_2025_10", count=3)
    assert theirs.value[1:].tolist() == [0.0, 0.0]
    assert theirs.value[0] != 0
    assert (theirs.reason == "").all()


def test_official_forced_accuracy_takes_missing_rollouts_for_wrong_ones():
    table = rollouts([HALF, [], ALL], kind="forced")
    ours = importance.trace_importances(table, "forced", count=2)
    theirs = importance.trace_importances(table, "forced", variant="official_2025_10", count=2)
    assert ours.value.isna().all()
    assert theirs.value.tolist() == [-0.5, 1.0]


def test_the_single_sentence_functions_take_the_same_path():
    before, after, right = np.array([0] * 10 + [1] * 10 + [-1] * 3), np.array([0] * 15 + [2] * 5), [True, False, False]
    one = importance.resampling(before, after, right)
    assert (one.value, one.n_before, one.n_after) == (0.25, 20, 20)
    assert one.low < 0.25 < one.high
    assert importance.forced(before, after, right).value == 0.25
    part = np.arange(23) < 12
    other = importance.counterfactual(before, part, after, right, unit="kl", variant="smoothed", bootstrap=10)
    assert other.value == pytest.approx(float(kl([10, 2, 0], [15, 0, 5], "smoothed")))
    assert importance.resampling(before[:4], after, right).reason.startswith("4 and 20")
    with pytest.raises(InputError, match="none"):
        importance.resampling(np.full(5, -1), np.full(5, -1), right)


@settings(max_examples=30, deadline=None)
@given(
    st.permutations(range(60)), st.sampled_from(["resampling", "counterfactual"]), st.sampled_from(["accuracy", "kl"])
)
def test_the_order_of_rollouts_does_not_matter(order, method, unit):
    table = rollouts([HALF, MOST, ALL])
    table["different"] = np.arange(60) % 5 > 0
    first, second = (
        importance.trace_importances(t, method, unit, rng=np.random.default_rng(0)) for t in (table, table.iloc[order])
    )
    pd.testing.assert_frame_equal(first, second)


def test_blocks_of_draws_cover_like_one_block(monkeypatch):
    table = rollouts([HALF, MOST, ALL])
    whole = importance.trace_importances(table, "resampling", bootstrap=4000)
    monkeypatch.setattr(importance, "_BLOCK", 1000)
    parts = importance.trace_importances(table, "resampling", bootstrap=4000)
    np.testing.assert_allclose(parts[["low", "high"]], whole[["low", "high"]], atol=0.03)


def test_intervals_cover_the_truth():
    rng, hits = np.random.default_rng(5), []
    for _ in range(150):
        draws = rng.random((2, 100)) < np.array([[0.4], [0.6]])
        one = importance.resampling(1 - draws[0], 1 - draws[1], [True, False], bootstrap=400, rng=rng)
        hits.append(one.low <= 0.2 <= one.high)
    assert 0.88 < np.mean(hits) <= 1


def failing(table):
    return table.assign(error="timeout")


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (lambda t: t.iloc[:0], {}, "none"),
        (failing, {}, "60 failed ones"),
        (lambda t: t.assign(answer=""), {}, "no answers"),
        (lambda t: t, {"method": "counterfactual"}, "no column different"),
        (lambda t: t, {"method": "guess"}, "guess"),
        (lambda t: t, {"unit": "bits"}, "bits"),
        (lambda t: t, {"unit": "kl", "variant": "x"}, "variant"),
        (lambda t: t, {"variant": "x"}, "variant"),
        (lambda t: t, {"count": 1}, "number of sentences"),
        (lambda t: t.assign(prefix_hash=np.arange(len(t))), {}, "several traces"),
        (lambda t: t.assign(kind="forced"), {}, "'resample'"),
    ],
)
def test_bad_tables_are_refused_in_one_line(change, options, words):
    with pytest.raises(InputError, match=words):
        importance.trace_importances(change(rollouts([HALF, MOST, ALL])), **{"method": "resampling"} | options)


def test_errors_and_missing_answers_are_left_out_and_counted():
    table = rollouts([HALF, MOST, ALL])
    table.loc[[0, 2], "error"] = "timeout"
    table.loc[1, "answer"] = ""
    found = importance.trace_importances(table, "resampling", bootstrap=0)
    assert found.errors.tolist() == [2, 0]
    assert found.n_before.tolist() == [17, 20]
    assert found.accuracy_before[0] == pytest.approx(8 / 17)


def test_equal_answers_share_a_code():
    codes, names = importance.answer_codes(["\\frac{1}{2}", "0.5", "", "1/2", "12", "x"])
    assert codes[0] == codes[1] == codes[3]
    assert codes[2] == -1
    assert len(set(codes)) == 4
    assert len(names) == 3
    assert importance.answer_codes([])[0].size == 0


def test_first_sentences_are_compared_once_each():
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return np.array([{"a": [1, 0], "b": [0, 1], "ab": [0.9, 0.1], "": [1, 0]}[t] for t in texts], float)

    table = pd.DataFrame({"first_sentence": ["a", "ab", "b", "", "b", "a"], "sentence": [0, 0, 0, 0, 1, 2]})
    found = importance.mark_different(table, ["a", "b"], embed)
    assert found.tolist() == [False, False, True, True, False, False]
    assert asked == [["", "a", "ab", "b"]]


def test_overdeterminedness():
    assert importance.overdeterminedness(["a", "a", "b", "a"]) == 0.5
    assert np.isnan(importance.overdeterminedness([]))
    table = rollouts([HALF, ALL], firsts={(0, k): f"x{k}" for k in range(5)})
    assert importance.trace_importances(table, "resampling").overdeterminedness[0] == pytest.approx(1 - 6 / 20)
