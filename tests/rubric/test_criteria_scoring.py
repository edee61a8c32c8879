"""From rubric to scores: the registry, snapping to tiers, criteria to avoid, judges, and errors of one line."""

from pathlib import Path

import numpy as np
import pytest
from rubric.criteria_cases import WORDS, options

from anchors.companion.codehash import closure
from anchors.companion.errors import InputError
from anchors.rubric import criteria
from anchors.rubric.criteria import registry
from anchors.rubric.rubric import Criterion, Rubric, Tier

PROMPTS = ["How old is the bridge?"] * 3
RESPONSES = ["Great question! It is old, very old.", "it was built in 1911", ""]


def rubric(*given: dict) -> Rubric:
    return Rubric(id="r", criteria=[{"id": f"c{k}", "description": "d", **one} for k, one in enumerate(given)])


def test_a_rubric_of_several_kinds():
    scores = criteria.score(
        rubric(
            {"check": "no_comma"},
            {"check": "prefatory_praise", "kind": "lexicon", "avoid": True},
            {"check": "words", "kind": "statistic", "options": {"low": 0, "high": 10}, "snap": False},
            {"check": "ifeval:length_constraints:number_words", "options": {"num_words": 6, "relation": "at least"}},
        ),
        PROMPTS,
        RESPONSES,
    )
    np.testing.assert_allclose(scores.values, [[0, 0, 0.7, 1], [1, 1, 0.5, 0], [0, 1, 0, 0]])
    np.testing.assert_array_equal(scores.raw, scores.values)
    assert scores.ids == ("c0", "c1", "c2", "c3")
    assert [len(row) for row in scores.evidence] == [4, 4, 4]
    assert scores.evidence[0][0] == (criteria.Span(25, 26, "comma"),)
    assert scores.evidence[1][1] == ()


def test_scores_are_snapped_down_to_a_tier():
    tiers = [Tier(score=s, description=str(s)) for s in (1, 2, 5)]
    words = [" ".join(["word"] * n) for n in (1, 2, 3, 8, 9, 10, 12)]
    one = {"check": "words", "kind": "statistic", "options": {"low": 0, "high": 10}, "tiers": tiers}
    scores = criteria.score(rubric(one, one | {"avoid": True}, one | {"snap": False}), ["p"] * 7, words)
    np.testing.assert_allclose(scores.values[:, 0], [0, 0, 0.25, 0.25, 0.25, 1, 1])
    np.testing.assert_allclose(scores.values[:, 1], 1 - scores.values[:, 0], err_msg="met is snapped, then turned")
    np.testing.assert_allclose(scores.values[:, 2], [0.1, 0.2, 0.3, 0.8, 0.9, 1, 1])
    np.testing.assert_allclose(scores.raw[:, 0], scores.raw[:, 2])
    np.testing.assert_allclose(scores.raw[:, 1], 1 - scores.raw[:, 0])


class Judge:
    """Gives each response the scores it was made with."""

    def __init__(self, values):
        self.values, self.seen = values, []

    def judge(self, criterion, prompts, responses):
        self.seen.append((criterion.id, tuple(prompts), tuple(responses)))
        return self.values


def test_a_judge_is_asked_and_may_say_nothing():
    judge = Judge([0.7, np.nan, 1])
    asked = {"kind": "llm_judge"}
    scores = criteria.score(rubric(asked, asked | {"avoid": True, "snap": False}), PROMPTS, RESPONSES, judge)
    np.testing.assert_allclose(scores.values, [[0, 0.3], [np.nan, np.nan], [1, 0]])
    np.testing.assert_allclose(scores.raw[:, 0], [0.7, np.nan, 1])
    assert judge.seen[0] == ("c0", tuple(PROMPTS), tuple(RESPONSES))
    assert scores.evidence[0] == ((), ())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 0], r"criterion 'c0', the judge: found scores of shape \(2,\); expected \(3,\)"),
        ([1, 0, 1.5], r"the score 1.5; expected numbers in \[0, 1\] or NaN"),
        ([1, 0, -np.inf], r"the score -inf"),
    ],
)
def test_a_judge_that_errs_is_named(values, message):
    with pytest.raises(InputError, match=message):
        criteria.score(rubric({"kind": "llm_judge"}), PROMPTS, RESPONSES, Judge(values))


def test_no_judge():
    with pytest.raises(InputError, match="criterion 'c0': found kind llm_judge and no judge"):
        criteria.score(rubric({"kind": "llm_judge"}), PROMPTS, RESPONSES)


@pytest.mark.parametrize(
    ("one", "message"),
    [
        ({"check": "no_coma"}, r"criterion 'c0': check 'no_coma': found no such check; expected no_comma"),
        ({"check": "zzzzzzzz"}, r"expected one of \d+ checks. criteria.checks\(\) lists them"),
        ({"check": "words"}, r"kind of a criterion with check 'words': found 'program'; expected 'statistic'"),
        ({"check": "no_comma", "options": {"x": 1}}, r"options of check 'no_comma': found 'x'; expected no options"),
        ({"check": "ifeval:punctuation:no_comma", "options": {"x": 1}}, "expected loose"),
        ({"check": "regex", "options": {"pattern": "(a|aa)+$"}}, r"criterion 'c0': pattern .*explodes"),
    ],
)
def test_errors_name_the_criterion_on_one_line(one, message):
    for call in (criteria.validate, lambda r: criteria.score(r, PROMPTS, RESPONSES)):
        with pytest.raises(InputError, match=message) as caught:
            call(rubric(one))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("prompts", "responses", "message"),
    [
        (["p"], ["a", "b"], "responses: found 2 for 1 prompts"),
        ("p", ["a"], "prompts: found one string"),
        (["p"], [None], "responses: found something else than strings"),
        (["p"], "a", "responses: found one string"),
    ],
)
def test_texts_that_are_none(prompts, responses, message):
    with pytest.raises(InputError, match=message):
        criteria.score(rubric({"check": "no_comma"}), prompts, responses)


def test_no_responses():
    scores = criteria.score(rubric({"check": "no_comma"}, {"check": "lowercase"}), [], [])
    assert scores.values.shape == scores.raw.shape == (0, 2)
    assert scores.evidence == []


def test_options_that_are_null_are_not_given():
    one = {"check": "ifeval:punctuation:no_comma", "options": {"num_words": None, "loose": True}}
    assert criteria.validate(rubric(one)) == [{"loose": True}]


def test_a_check_of_ones_own(monkeypatch):
    monkeypatch.setattr(registry, "_CHECKS", dict(criteria.checks()))

    @criteria.each("own:longer_than", kind="statistic")
    def longer(*, size: int = 3):
        """Longer than so many characters."""
        return lambda text: (len(text) > size, ())

    @criteria.check("own:bad")
    def bad(prompts, responses):
        return criteria.Checked(np.full(len(responses), 2.0), [()] * len(responses))

    assert criteria.checks()["own:longer_than"].options == {"size": 3}
    own = {"check": "own:longer_than", "kind": "statistic", "options": {"size": 4}}
    scores = criteria.score(rubric(own), ["p"] * 2, ["abcd", "abcde"])
    assert scores.values.tolist() == [[0], [1]]
    with pytest.raises(InputError, match="criterion 'c0', check 'own:bad': found the score 2"):
        criteria.score(rubric({"check": "own:bad"}), ["p"], ["a"])
    with pytest.raises(InputError, match="check 'own:bad': found a second one of that name"):
        criteria.check("own:bad")(bad)
    with pytest.raises(InputError, match="kind of check 'own:new': found 'magic'"):
        criteria.check("own:new", kind="magic")(bad)


def test_every_check_is_documented_and_scores_through_a_rubric():
    text = " ".join(WORDS[:30])
    for name, check in criteria.checks().items():
        assert check.name == name
        assert check.doc[0].isupper() or check.doc[0] in "*-"
        assert check.doc.rstrip().endswith((".", "…"))
        if check.kind in ("embedding", "lm") or name.startswith("writer_"):
            continue
        one = Criterion(id="c", description="d", check=name, kind=check.kind, options=options(check), snap=False)
        assert criteria.score(Rubric(id="r", criteria=[one]), ["p"], [text]).values.shape == (1, 1)


@pytest.mark.parametrize("module", ["anchors.rubric.trials", "anchors.rubric.lm_trials", "anchors.rubric.criteria"])
def test_the_hash_of_code_covers_every_module_that_registers_a_check(module):
    homes = {one.function.__module__ for one in criteria.checks().values()}
    shipped = {f"anchors.rubric.criteria.{path.stem}" for path in Path(criteria.__file__).parent.glob("*.py")}
    registering = {
        f"anchors.rubric.criteria.{name}"
        for name in ("fluency", "forms", "ifeval", "ifeval_formats", "regexes", "relevance", "statistics", "voices")
    }
    assert registering <= set(closure([module]))
    assert homes & shipped <= set(closure([module]))
