"""The audit of judges: areas, thresholds and intervals by hand, its verdict on small tables, and a small live run."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from anchors.rubric import bank_plots, criteria
from anchors.rubric.criteria.relevance import cosine
from anchors.rubric.likelihood_judge import LikelihoodJudge
from anchors.rubric.rubric import Criterion
from anchors.rubric.studies import judge_audit as study
from anchors.rubric.writer.attributes import ATTRIBUTES

RNG = np.random.default_rng(0)
LABELS = RNG.random(60) < 0.4
TIED = np.round(RNG.random(60) + 0.3 * LABELS, 1)
TIED = TIED / TIED.max()


def line(attribute, judge, labels, scores, check="c"):
    return {"attribute": attribute, "judge": judge, "check": check, "labels": [int(one) for one in labels],
            "scores": [float(one) for one in scores]}  # fmt: skip


def found(words=(1.0, 1.0), model=0.5):
    """Two attributes: one that the word list sees as said, one likewise; SmolLM2 says yes to all."""
    lines = []
    for name, part in zip(("praise", "list"), words, strict=True):
        for _ in range(2):
            u = np.where(RNG.random(60) < part, LABELS, ~LABELS)
            lines.append(line(name, study.WORDS, LABELS, u))
            lines += [line(name, judge, LABELS, 0.3 * TIED) for judge in (study.DESCRIBED, study.SHOWN)]
        lines.append(line(name, study.MODEL, [1, 1, 0, 0], [0.7, model, 0.7, 0.5]))
    return study.measured(lines, 2)


def test_areas_are_those_of_scikit_learn_ties_and_all():
    assert study.auroc(LABELS, TIED) == pytest.approx(roc_auc_score(LABELS, TIED))
    assert study.auroc(LABELS, np.ones(60)) == 0.5
    assert study.auroc(LABELS, ~LABELS) == 0


def test_the_bootstrap_surrounds_the_area_and_repeats():
    one, other = (study.resampled(LABELS, TIED, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    rows = [
        np.concatenate([RNG.choice(np.flatnonzero(part), part.sum()) for part in (LABELS, ~LABELS)]) for _ in range(400)
    ]
    plain = [roc_auc_score(LABELS[k], TIED[k]) for k in rows]
    assert one.mean() == pytest.approx(np.mean(plain), abs=0.01)
    assert one.std() == pytest.approx(np.std(plain), rel=0.2)


def test_the_best_threshold_by_hand():
    labels, u = np.array([0, 0, 1, 1, 0]) > 0, np.array([0.1, 0.2, 0.3, 0.4, 0.4])
    assert study.best(labels, u) == 0.3
    assert study.best(~np.ones(3, bool) | np.array([True, False, False]), np.array([0.1, 0.5, 0.9])) in (0.1, np.inf)
    assert study.best(np.array([True, False, False]), np.zeros(3)) == np.inf


def test_a_tuned_threshold_is_never_chosen_on_its_own_cases():
    own = pd.DataFrame([line("a", "j", [1, 0], [0.4, 0.2]), line("a", "j", [1, 0], [0.2, 0.1])])
    assert study.tuned(own) == 0.5, "0.4 misses the second seed's case, 0.2 takes the first seed's other for one"
    assert np.isnan(study.tuned(own[:1]))


def test_agreement_by_hand():
    labels, u = np.array([1, 1, 0, 0, 0]) > 0, np.array([0.9, 0.1, 0.6, 0.2, 0.2])
    row = study.agreement(labels, u, 0.5, np.array([0.2, 0.8]))
    assert (row["accuracy"], row["base"], row["recall"]) == (0.6, 0.6, 0.5)
    assert row["false"] == pytest.approx(1 / 3)
    assert row["accuracy_low"] < 0.6 < row["accuracy_high"]


def test_a_second_check_of_a_judge_is_told_but_not_averaged():
    lines = [line("praise", study.WORDS, LABELS, LABELS), line("praise", study.WORDS, LABELS, ~LABELS, check="d")]
    table = study.measured(lines, 1)
    assert list(table["first"]) == [True, False, True]
    assert table[table.attribute == "all"].auroc.item() == 1


def test_verdicts():
    known = study.known_sentences()
    rows, verdict = study.summarise(found(), known)
    assert verdict.kind == "mixed"
    assert "see 2 of 2 attributes" in verdict.text
    assert "no better than chance" in verdict.text
    assert "100% of all cases met" in verdict.text
    assert any("commoner label" in row.quantity for row in rows)
    assert study.verdict(found(words=(0.6, 0.5))).kind == "does not hold"


def test_the_figure_leaves_no_judge_out():
    figure = bank_plots.agreement(found())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(study.JUDGES)
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "mean of\nthose judged"


def test_every_attribute_has_words_and_checks():
    assert set(study.DESCRIPTIONS) == set(study.EXAMPLES) == set(study.CHECKS) <= set(ATTRIBUTES)
    for chosen in study.CHECKS.values():
        for check, options in chosen:
            criteria.find(check).validated(options)


def test_live_checks_on_a_few_texts():
    lines = study.scored(0, 12)
    case = study.cases(0, 12)
    assert lines == study.scored(0, 12)
    by = {(one["attribute"], one["judge"], one["check"]): one for one in lines}
    commas = by["commas", study.WORDS, "no_comma"]
    assert commas["labels"] == commas["scores"] == [float("," in text) for text in case.texts]
    near = cosine([study.EXAMPLES["praise"]] * 12, case.texts)
    np.testing.assert_allclose(
        by["praise", study.SHOWN, "similarity"]["scores"], np.clip(near / 0.8, 0, 1), atol=1e-5
    )  # the same as the package's own check
    drift = by["drift", study.PROMPTED, "relevance"]
    np.testing.assert_allclose(drift["scores"], study._checked("relevance", {}, case), atol=1e-5)


def test_chosen_cases_are_balanced():
    every = [study.cases(seed, 30) for seed in (0, 1)]
    asked, written, labels = study.chosen(every, "list", 3, 0)
    assert list(labels) == [True] * 3 + [False] * 3
    assert len(asked) == len(written) == 6
    assert all("\n-" in text or text.startswith("-") for text in written[:3])


def test_reading_a_beginning_once_changes_nothing():
    from anchors.models.language import load

    case, model = study.cases(0, 3), load("smollm2")
    ask = [Criterion(id=name, description=study.DESCRIPTIONS[name], kind="llm_judge") for name in ("praise", "list")]
    shared, plain = study.Sharing(model), LikelihoodJudge(model)
    for one in ask:
        values = [judge.judge(one, case.prompts[:2], case.texts[:2]) for judge in (shared, plain)]
        np.testing.assert_allclose(*values, atol=1e-5)
    np.testing.assert_allclose(shared.judge(ask[1], case.prompts[1:2], case.texts[1:2]), values[0][1:], atol=1e-5)


def test_a_tie_that_a_last_digit_parts_does_not_change_which_texts_are_drawn():
    parted = TIED.copy()
    parted[0] += 1e-6
    one, other = (study.resampled(LABELS, scores, np.random.default_rng(3)) for scores in (TIED, parted))
    assert np.unique(parted).size == np.unique(TIED).size + 1
    assert 0 < np.abs(one - other).max() < 0.05 < one.max() - one.min()
