"""Audits by hand: base rates, spread within prompts, correlation, redundancy, perturbations, false vetoes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError, MissingData
from anchors.rubric import audit as audits
from anchors.rubric.audit import audit, base_rates, correlations, effective_number, false_vetoes, groups, perturbed
from anchors.rubric.criteria.spans import sentences, words
from anchors.rubric.perturb import FILLER, PERTURBATIONS, order, padding
from anchors.rubric.rubric import Criterion, Rubric

COMMAS = Criterion(id="commas", description="no comma", check="no_comma")
LONG = Criterion(
    id="long", description="ten words", kind="statistic", check="words", options={"low": 0, "high": 10}, snap=False
)
PRAISE = Criterion(
    id="praise", description="praises", kind="lexicon", check="prefatory_praise", avoid=True, critical=True, weight=0
)
RUBRIC = Rubric(id="r", criteria=(COMMAS, LONG, PRAISE))
NAN = np.nan
FOUR = Rubric(id="four", criteria=tuple(COMMAS.model_copy(update={"id": f"c{k}"}) for k in range(4)))


def test_base_rates_by_hand():
    """Two prompts of three rollouts, a third of one. c0 varies, c1 is constant, c2 is partly judged, c3 never."""
    prompts = ["p", "p", "p", "q", "q", "q", "s"]
    values = np.array([
        [1, 1, 0.2, NAN], [0, 1, 0.4, NAN], [0, 1, NAN, NAN],
        [1, 1, 0.6, NAN], [1, 1, NAN, NAN], [1, 1, NAN, NAN], [0.5, 1, 0.8, NAN],
    ])  # fmt: skip
    table = base_rates(FOUR, prompts, values).set_index("criterion")
    np.testing.assert_allclose(table["base_rate"], [5 / 7, 1, 0.5, NAN])
    np.testing.assert_allclose(table["mean"], [4.5 / 7, 1, 0.5, NAN])
    np.testing.assert_allclose(table["missing"], [0, 0, 3 / 7, 1])
    np.testing.assert_allclose(table["within_std"], [np.std([1, 0, 0]) / 2, 0, 0.1, NAN])
    np.testing.assert_allclose(table["zero_std"], [0.5, 1, 0, NAN])
    np.testing.assert_allclose(table["at_top"], [4 / 7, 1, 0, NAN])
    np.testing.assert_allclose(table["saturation"], [4.5 / 7, 1, 0.5, NAN])
    assert list(table["n"]) == [7, 7, 4, 0]
    assert list(table["learnable"]) == [True, False, True, False]
    assert table["low"].isna().all(), "three prompts are too few for an interval"


def test_an_interval_over_prompts_is_inside_the_unit_interval():
    prompts = [f"p{k // 2}" for k in range(12)]
    table = base_rates(Rubric(id="r", criteria=(COMMAS,)), prompts, np.repeat([1, 1, 1, 1, 1, 0], 2)[:, None] * 1.0)
    row = table.iloc[0]
    assert 0 <= row["low"] < row["base_rate"] < row["high"] == 1


def test_correlations_by_hand():
    """c1 repeats c0; c2 is its opposite; c3 differs from c0 between prompts only, not within them."""
    first = np.array([0, 1, 0, 1, 0, 1], float)
    values = np.stack([first, first, 1 - first, first + np.array([9, 9, 0, 0, 4, 4])], 1) / 10
    prompts = ["p", "p", "q", "q", "s", "s"]
    table = correlations(values, prompts, FOUR.ids).set_index(["one", "other"])
    np.testing.assert_allclose(table.loc[[("c0", "c1"), ("c0", "c2"), ("c1", "c2")], "r"], [1, -1, -1])
    np.testing.assert_allclose(table.loc[("c0", "c3"), "within"], 1)
    assert abs(table.loc[("c0", "c3"), "r"]) < 0.2
    assert (table["n"] == 6).all()
    np.testing.assert_array_equal(groups(values), [0, 0, 1, 2])
    assert len(table) == 6


def test_what_cannot_correlate_is_nan_and_by_itself():
    values = np.array([[1, 0.1, 1, 0], [0, 0.1, NAN, 0.0], [1, 0.1, NAN, 1], [0, 0.1, 0, 0]])
    table = correlations(values, ["p"] * 4, FOUR.ids).set_index(["one", "other"])
    assert np.isnan(table.loc[("c0", "c1"), "r"])
    assert np.isnan(table.loc[("c0", "c2"), "r"]), "two rows are too few"
    np.testing.assert_array_equal(groups(values), [0, 1, 2, 3])
    np.testing.assert_array_equal(groups(np.ones((5, 1))), [0])
    with pytest.raises(InputError, match="redundant"):
        groups(values, 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_copies_are_one_group_and_one_effective_criterion(copies, others, seed):
    rng = np.random.default_rng(seed)
    one = rng.random((400, 1))
    values = np.concatenate([np.repeat(one, copies, 1), rng.random((400, others))], 1)
    found = groups(values)
    assert (found[:copies] == 0).all()
    assert len(set(found)) == 1 + others
    np.testing.assert_allclose(effective_number(values[:, :copies]), 1)
    expected = (copies + others) ** 2 / (copies**2 + others)
    np.testing.assert_allclose(effective_number(values), expected, rtol=0.08)
    assert effective_number(np.ones((5, 3))) == 0


# ---- perturbations --------------------------------------------------------------------------------------------------


def test_perturbations_by_hand():
    text, rng = "One thing. Two things! Three?", np.random.default_rng(0)
    padded = padding(text, rng)
    assert padded == f"{text} {FILLER[0]}", "eight words are more than half of five"
    longer = padding("word " * 40, rng)
    assert 60 <= len(words(longer)) < 70
    shuffled = order(text, rng)
    assert shuffled != text
    assert sorted(shuffled) == sorted(text)
    assert {shuffled[a:b] for a, b in sentences(shuffled)} == {"One thing.", "Two things!", "Three?"}
    assert order("Only one sentence.", rng) is None
    assert order("Yes. Yes. Yes.", rng) is None
    assert PERTURBATIONS["praise"](text, rng) == f"Great question! {text}"
    assert PERTURBATIONS["self_praise"](text, rng).startswith(f"{text} I hope")
    assert PERTURBATIONS["repetition"](text, rng) == f"{text}\n\n{text}"


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab .!?\n", min_size=1, max_size=60), st.integers(0, 9))
def test_order_keeps_what_is_between_sentences(text, seed):
    changed = order(text, np.random.default_rng(seed))
    if changed is not None:
        assert changed != text
        assert sorted(changed) == sorted(text)


def test_perturbed_scores_by_hand():
    prompts, texts = ["p", "p", "q"], ["Plain words here.", "Great question! Four words are here, now.", ""]
    values = np.array([[1, 0.3, 1], [0, 0.7, 0], [0, 0, 1]])
    found = perturbed(RUBRIC, prompts, texts, values, {"praise": PERTURBATIONS["praise"]})
    table = found.set_index("criterion")
    assert list(table["n"]) == [2, 2, 2], "the blank one is left out"
    np.testing.assert_allclose(table["before"], [0.5, 0.5, 0.5])
    np.testing.assert_allclose(table["after"], [0.5, 0.7, 0])
    np.testing.assert_allclose(table["change"], [0, 0.2, -0.5])
    np.testing.assert_allclose(table["fell"], [0, 0, 0.5])
    np.testing.assert_allclose(table["rose"], [0, 0.5, 0], err_msg="three words and two of praise are five")
    assert table["low"].isna().all()


def test_an_order_that_does_not_apply_leaves_no_row():
    found = perturbed(RUBRIC, ["p"], ["One sentence."], np.ones((1, 3)), {"order": order})
    assert found.empty
    assert list(found.columns)[:2] == ["perturbation", "criterion"]


def test_length_pays_where_length_is_rewarded():
    prompts = [f"p{k}" for k in range(8)]
    texts = [f"A sentence of {'five ' * (k % 3)}words. And more." for k in range(8)]
    found = audit(RUBRIC, prompts, texts).perturbations.set_index(["perturbation", "criterion"])
    assert found.loc[("padding", "long"), "low"] > 0
    np.testing.assert_allclose(found.loc[("order", "long"), "change"], 0)
    np.testing.assert_allclose(found.loc[("padding", "commas"), "change"], 0)
    assert found.loc[("praise", "praise"), "change"] == -1
    assert set(found.index.get_level_values(0)) == set(PERTURBATIONS)


# ---- the whole ------------------------------------------------------------------------------------------------------


def test_an_audit_has_all_tables_and_repeats_itself():
    prompts = ["p", "p", "q", "q"]
    texts = ["Yes, we can. No more.", "Plain. Text.", "Great question! Words.", "Nothing, here. At all."]
    human = (["x", "y"], ["Great question! She said.", "An answer."])
    found, again = (audit(RUBRIC, prompts, texts, human=human, seed=3) for _ in range(2))
    assert list(found.criteria["criterion"]) == ["commas", "long", "praise"]
    assert list(found.criteria["group"]) == [0, 1, 2]
    np.testing.assert_allclose(found.criteria["base_rate"], [0.5, 0.25, 0.75])
    human_table = found.human.set_index("criterion")
    np.testing.assert_allclose(human_table["value"], [0.5, 0.5])
    assert list(human_table.index) == ["praise", "any"]
    for one, other in zip(vars(found).values(), vars(again).values(), strict=True):
        pd.testing.assert_frame_equal(one, other) if isinstance(one, pd.DataFrame) else np.testing.assert_equal(
            one, other
        )
    bare = audit(RUBRIC, prompts, texts, perturbations={})
    assert bare.perturbations.empty
    assert bare.human.empty


class Judge:
    """Gives 1 to long responses, no verdict on short ones."""

    def judge(self, criterion, prompts, responses):
        return np.array([1.0 if len(text) > 20 else np.nan for text in responses])


def test_criteria_of_a_judge_are_audited_and_missing_verdicts_are_counted():
    rubric = Rubric(id="j", criteria=(Criterion(id="good", description="is good", kind="llm_judge", critical=True),))
    texts = ["short", "a response that is long enough", "another response of that length"]
    found = audit(rubric, ["p"] * 3, texts, Judge(), human=(["p"], ["short"]))
    row = found.criteria.iloc[0]
    assert (row["n"], row["base_rate"]) == (2, 1)
    np.testing.assert_allclose(row["missing"], 1 / 3)
    assert found.perturbations.set_index("perturbation").loc["padding", "n"] == 2, "judged before and after"
    assert found.human.iloc[0]["count"] == 0, "what was not judged is no veto"
    with pytest.raises(InputError, match="llm_judge"):
        audit(rubric, ["p"], ["x"])


@pytest.mark.parametrize(
    ("prompts", "texts", "words"), [([], [], "none"), (["p"], ["a", "b"], "2 for 1"), (["p"], [1], "strings")]
)
def test_bad_input_is_said_in_a_line(prompts, texts, words):
    with pytest.raises(InputError, match=words) as caught:
        audit(RUBRIC, prompts, texts)
    assert "\n" not in str(caught.value)


def test_hostile_responses_do_no_harm():
    texts = ["", "\x00", "a" * 100_000, "שלום עולם. עוד משפט.", "\ud800", "? ! . \n\n."] * 2
    found = audit(RUBRIC, ["p"] * 12, texts)
    assert len(found.criteria) == 3


def test_vetoes_without_texts_or_critical_criteria_are_empty():
    assert false_vetoes(RUBRIC, [], []).empty
    assert false_vetoes(FOUR, ["p"], ["text"]).empty
    assert "criterion" in false_vetoes(FOUR, ["p"], ["text"]).columns


def test_human_texts_that_are_not_here_are_named():
    with pytest.raises(MissingData, match="rubric_self_instruct"):
        audits.human_texts()


@pytest.mark.needs("rubric_self_instruct")
def test_people_rarely_trip_the_built_in_defence():
    """Target 1 to 2 % (section 5.4) on 252 answers that people wrote."""
    prompts, texts = audits.human_texts()
    assert len(prompts) == len(texts) == 252
    self_praise = PRAISE.model_copy(update={"id": "self", "check": "self_praise"})
    table = false_vetoes(Rubric(id="defence", criteria=(PRAISE, self_praise)), prompts, texts).set_index("criterion")
    assert table.loc["any", "value"] <= 0.02
