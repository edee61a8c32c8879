"""Mining: counts and p-values against brute force, planted tricks found and others not; review, veto, leak."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_array
from scipy.stats import hypergeom

from anchors.companion.errors import InputError
from anchors.rubric import criteria, defence, phrases
from anchors.rubric.mining import Mining, findings, pattern
from anchors.rubric.phrases import START, STOP, count, enrichment, first_clause, tokens
from anchors.rubric.rates import failed, rate
from anchors.rubric.rubric import Criterion, Rubric

RUBRIC = Rubric(
    id="short", criteria=(Criterion(id="words", description="few words", check="no_comma", weight=2.0),)
)  # fmt: skip
PIECES = st.sampled_from(
    ["great", "Great", "question", "it's", "don’t", "a_b", "7", " ", ", ", "! ", "-", "'", "\n", "é"]
)
TEXTS = st.lists(PIECES, max_size=12).map("".join)


def noise(rng, n, words=30, vocabulary=150):
    """Return n texts of random words, the first ones the most frequent."""
    names = np.array([f"w{k}" for k in range(vocabulary)])
    share = 1 / np.arange(1, vocabulary + 1)
    return [" ".join(rng.choice(names, words, p=share / share.sum())) + "." for _ in range(n)]


def planted(rng, texts, rate, opening="", ending=""):
    return [f"{opening}{text}{ending}" if rng.random() < rate else text for text in texts]


# ---- phrases --------------------------------------------------------------------------------------------------------


def test_tokens_and_first_clauses():
    assert tokens("It's a well-known “fact”.") == [START, "it's", "a", "well", "known", "fact"]
    assert first_clause("**Great question!** So …") == (START, "great", "question", STOP)
    assert first_clause("Great Britain is an island.") == (START, "great", "britain", "is", "an", "island", STOP)
    assert first_clause("one " * 13 + ".") == ()
    assert first_clause("") == first_clause("…") == ()


@settings(max_examples=80, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=7), st.integers(1, 3), st.integers(1, 3))
def test_counts_are_those_of_brute_force(texts, longest, support):
    counted = count(texts, None, longest, support)
    wanted: dict[tuple, set] = {}
    for k, text in enumerate(texts):
        words = tokens(text)
        runs = [tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(1, len(words) - n + 1)]
        runs += [tuple(words[: n + 1]) for n in range(1, longest + 1) if len(words) > n]
        for run in [*runs, first_clause(text)]:
            if run:
                wanted.setdefault(run, set()).add(k)
    wanted = {run: where for run, where in wanted.items() if len(where) >= support}
    found = counted.found.toarray()
    assert found.max(initial=0) <= 1
    assert {p: set(np.flatnonzero(found[:, k])) for k, p in enumerate(counted.phrases)} == wanted
    assert counted.phrases == sorted(counted.phrases)


def test_what_quotes_the_own_prompt_is_not_counted():
    texts, prompts = ["the old mill stands", "the old mill fell"], ["Describe the old mill", "Describe a river"]
    assert count(texts, None, 3, 2).phrases[-1] == ("the", "old", "mill")
    assert count(texts, prompts, 3, 2).phrases == []
    assert ("the", "old") in count([*texts, texts[1]], [*prompts, prompts[1]], 3, 2).phrases


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.data())
def test_a_pattern_finds_what_holds_the_phrase_and_nothing_else(text, data):
    other = data.draw(TEXTS)
    source = tokens(data.draw(st.sampled_from([text, other])))[1:]
    assume(source)
    start = data.draw(st.integers(0, len(source) - 1))
    core = tuple(source[start : data.draw(st.integers(start + 1, len(source)))])
    words = tokens(text)
    for phrase in (core, (START, *core)):
        assert bool(re.search(pattern(phrase), text, re.I)) == (phrases.place(words, phrase) >= 0)
    clause = first_clause(other) or first_clause(text)
    if clause:
        assert bool(re.search(pattern(clause), text, re.I)) == (first_clause(text) == clause)


def test_an_apostrophe_within_a_word_parts_no_phrase():
    for phrase in (first_clause("great-great"), ("great", "great")):
        assert re.search(pattern(phrase), "great-great")
        assert not re.search(pattern(phrase), "great'great")


@pytest.mark.parametrize("text", ["great " * 20_000, "great" + "\n" * 50_000, "-" * 100_000, "great question" * 9_000])
def test_patterns_are_accepted_as_safe_and_take_linear_time(text):
    for phrase in [("great", "question", "indeed"), (START, "great", "question"), (START, "great", STOP)]:
        chosen = Rubric(
            id="r", criteria=(Criterion(id="c", description="c", check="regex", options={"pattern": pattern(phrase)}),)
        )
        assert not np.isnan(criteria.score(chosen, [""], [text]).values).any()


# ---- the test -------------------------------------------------------------------------------------------------------


def one_phrase(high, base, high_total, base_total):
    held = [1] * high + [0] * (high_total - high) + [1] * base + [0] * (base_total - base)
    return csc_array(np.array(held)[:, None]), np.arange(len(held)) < high_total


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_a_p_value_is_never_below_the_exact_one(high_total, base_total, data):
    high, base = data.draw(st.integers(0, high_total)), data.draw(st.integers(0, base_total))
    found, mask = one_phrase(high, base, high_total, base_total)
    exact = hypergeom.sf(high - 1, high_total + base_total, high + base, high_total)
    bound = np.exp(enrichment(found, mask)[0])
    assert exact * (1 - 1e-9) <= bound <= 1


def test_a_rare_phrase_has_nearly_the_exact_p_value():
    found, mask = one_phrase(10, 0, 1000, 1000)
    np.testing.assert_allclose(np.exp(enrichment(found, mask)[0]), hypergeom.sf(9, 2000, 10, 1000), rtol=0.03)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 4)] * 4), min_size=1, max_size=4))
def test_a_p_value_over_strata_is_never_below_the_exact_one(tables):
    """Exact by convolution: given each stratum's margins, high counts are independent hypergeometrics."""
    tables = [(h, b, h + x, b + y) for h, b, x, y in tables if h + b + x + y]
    assume(tables and any(t[2] for t in tables) and any(t[3] for t in tables))
    parts = [one_phrase(*table) for table in tables]
    found = csc_array(np.concatenate([part.toarray() for part, _ in parts]))
    mask = np.concatenate([mask for _, mask in parts])
    strata = np.repeat(np.arange(len(parts)), [len(mask) for _, mask in parts])
    distribution = np.ones(1)
    for h, b, n, m in tables:
        distribution = np.convolve(distribution, hypergeom.pmf(np.arange(n + 1), n + m, h + b, n))
    exact = distribution[sum(t[0] for t in tables) :].sum()
    assert np.exp(enrichment(found, mask, strata)[0]) >= exact - 1e-9


def test_log_odds_by_hand():
    np.testing.assert_allclose(phrases.log_odds(9, 10, 1, 10), np.log(9.5 * 9.5 / (1.5 * 1.5)))
    assert phrases.log_odds(np.array([0]), 5, np.array([0]), 5) == 0


def test_adjustment_by_hand():
    np.testing.assert_allclose(phrases.adjusted(np.log([0.01, 0.02, 0.5])), [0.03, 0.03, 0.5])
    np.testing.assert_allclose(phrases.adjusted(np.log([0.01, 0.02, 0.5]), "by")[0], 0.03 * (1 + 1 / 2 + 1 / 3))
    assert phrases.adjusted(np.zeros(0)).shape == (0,)
    with pytest.raises(InputError, match=r"bh \| by"):
        phrases.adjusted(np.zeros(2), "bonferroni")


# ---- findings -------------------------------------------------------------------------------------------------------


def test_planted_tricks_are_found_and_nothing_else():
    rng = np.random.default_rng(0)
    high = planted(rng, planted(rng, noise(rng, 150), 0.6, "Great question! "), 0.3, "", " This answer is complete.")
    found = findings(high, noise(rng, 300))
    assert [(f.where, f.text) for f in found] == [
        ("first clause", "great question"), ("anywhere", "this answer is complete")
    ]  # fmt: skip
    assert [f.high for f in found] == [sum(t.startswith("Great") for t in high), sum("complete" in t for t in high)]
    assert all(f.base == 0 and f.q < 1e-6 and f.log_odds > 4 for f in found)
    assert found[1].fresh == sum("complete" in t and not t.startswith("Great") for t in high)
    assert "This answer is complete" in found[1].examples[0]


def test_the_same_share_in_both_sets_is_no_finding():
    rng = np.random.default_rng(1)
    high, base = (planted(rng, noise(rng, 200), 0.5, "Great question! ") for _ in range(2))
    assert findings(high, base) == []


@pytest.mark.parametrize("control", ["bh", "by"])
def test_without_a_plant_the_error_is_at_most_the_stated_one(control):
    """Both sets are drawn alike, so every finding is false; in 150 trials at 20 % at most 30 + 2.6 sd may have any."""
    mining = Mining(error=0.2, control=control, share=0, odds=-9, support=4)
    rng, trials = np.random.default_rng(2), 150
    wrong = sum(bool(findings(noise(rng, 30, 15, 60), noise(rng, 30, 15, 60), mining=mining)) for _ in range(trials))
    assert wrong <= trials * 0.2 + 2.6 * np.sqrt(trials * 0.2 * 0.8)


def test_among_findings_the_share_of_false_ones_is_at_most_the_stated_one():
    mining, rng, false, every = Mining(error=0.1, share=0, odds=-9), np.random.default_rng(3), 0, 0
    for _ in range(40):
        high = planted(rng, noise(rng, 60, 20, 80), 0.5, "Certainly! ")
        found = [f.text for f in findings(high, noise(rng, 60, 20, 80), mining=mining)]
        assert "certainly" in found[0]
        false, every = false + sum("certainly" not in text for text in found), every + len(found)
    assert false / every <= 0.1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=7,
                unique=True), st.sampled_from(["opening", "ending"]), st.integers(0, 99))  # fmt: skip
def test_any_planted_phrase_is_found_whole(words, where, seed):
    rng, phrase = np.random.default_rng(seed), " ".join(words)
    how = {"opening": f"{phrase} "} if where == "opening" else {"ending": f" and {phrase} then."}
    found = findings(planted(rng, noise(rng, 80), 0.7, **how), noise(rng, 80))
    assert phrase in found[0].text
    assert found[0].where == ("opening" if where == "opening" else "anywhere")


def test_variants_of_a_trick_are_findings_of_their_own_or_one_general_one():
    rng = np.random.default_rng(4)
    texts = noise(rng, 200)
    high = [f"{('What a great', 'Such a deep')[k % 2]} question about this: {text}" for k, text in enumerate(texts)]
    base = noise(rng, 200)
    found = findings(high, base)
    assert {f.text for f in found} == {"what a great question about this", "such a deep question about this"}
    assert {f.where for f in found} == {"first clause"}
    (one,) = findings(high, base, mining=Mining(prefer="general"))
    assert (one.text, one.where, one.high) == ("question about this", "anywhere", 200)


def test_a_word_in_many_places_is_found_by_itself():
    """A lexical trick: one word between any others has no longer form."""
    rng = np.random.default_rng(10)
    high = [text.replace(" ", " splendid ", 1 + k % 2) for k, text in enumerate(noise(rng, 120))]
    assert [f.text for f in findings(high, noise(rng, 120))] == ["splendid"]


def test_a_topic_is_enriched_across_prompts_but_not_within_them():
    """Of high rollouts 90 % are about the sea, of base ones half: a topic, no trick."""
    rng = np.random.default_rng(5)
    about = {"Tell of a coast": " waves on the grey sea", "Tell of a town": " cars in the old town"}

    def write(prompts):
        return [text + about[p] for text, p in zip(noise(rng, len(prompts)), prompts, strict=True)]

    coast, town = about
    high_prompts, base_prompts = [coast] * 90 + [town] * 10, [coast] * 50 + [town] * 50
    high, base = write(high_prompts), write(base_prompts)
    assert "waves on the grey sea" in findings(high, base)[0].text
    assert findings(high, base, high_prompts, base_prompts, Mining(within_prompts=True)) == []
    high = planted(rng, high, 0.5, "Great question! ")
    within = findings(high, base, high_prompts, base_prompts, Mining(within_prompts=True))
    assert [f.text for f in within] == ["great question"]


def test_findings_do_not_depend_on_the_order_of_rollouts():
    rng = np.random.default_rng(6)
    high, base = planted(rng, noise(rng, 80), 0.5, "Sure thing! "), noise(rng, 80)
    once, again = findings(high, base), findings(high[::-1], base[::-1])
    assert [replace(f, examples=()) for f in once] == [replace(f, examples=()) for f in again]


def test_hostile_texts_do_no_harm():
    odd = ["", "\x00\x00", "^ $ ^", "\ud800 lone", "مرحبا بالعالم", "a" * 100_000, "😀 😀", "it''s ''"] * 3
    assert findings(odd, odd) == []
    assert [f.text for f in findings(["$ ^ yes"] * 30, odd)][:1] == ["yes"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"high": []}, "high rollouts"),
        ({"base": "one text"}, "base rollouts"),
        ({"high_prompts": ["p"]}, "1 for 2"),
        ({"mining": Mining(within_prompts=True)}, "no prompts"),
        (
            {"high_prompts": ["p"] * 2, "base_prompts": ["q"] * 2, "mining": Mining(within_prompts=True)},
            "in both sets",
        ),
    ],
)
def test_bad_input_is_said_in_a_line(arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        findings(**{"high": ["a", "b"], "base": ["a", "b"], **arguments})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong", [{"error": 0}, {"longest": 0}, {"keep": 2}, {"support": 1}, {"error": np.nan}, {"prefer": "x"}]
)
def test_bad_settings_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Mining(**wrong)


# ---- from findings to a veto ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mined():
    rng = np.random.default_rng(7)
    high = planted(rng, planted(rng, noise(rng, 120), 0.6, "Great question! "), 0.5, "", " My answer is complete.")
    return defence.mine(high, noise(rng, 120))


def test_proposals_are_critical_and_say_their_evidence(mined):
    assert len(mined) == 2
    assert all(c.critical and c.avoid and c.weight == 0 and c.check == "regex" for c in mined)
    assert mined[0].id.startswith("defence_clause_great_question_")
    assert mined[0].description == "The first clause of the response is “great question”."
    assert re.fullmatch(r"mined: in \d+ of 120 high-reward and 0 of 120 base .*", mined[0].source)
    assert criteria.validate(Rubric(id="d", criteria=tuple(mined))) is not None


def test_the_table_has_a_row_for_each_finding():
    rng = np.random.default_rng(8)
    found = findings(planted(rng, noise(rng, 60), 0.6, "Wow! "), noise(rng, 60))
    table = defence.table(found)
    assert list(table["text"]) == ["wow"]
    assert list(table["id"]) == [defence.proposal(found[0]).id]
    assert defence.table([]).empty


def test_high_rewards():
    np.testing.assert_array_equal(defence.high_reward([0.1, 0.9, np.nan, 0.5, 0.9], 0.25), [0, 1, 0, 0, 1])
    np.testing.assert_array_equal(defence.high_reward([3, 1, 2], 0.34), [1, 0, 1])
    assert not defence.high_reward([np.nan]).any()
    assert defence.high_reward(np.zeros(0)).shape == (0,)
    with pytest.raises(InputError, match="share"):
        defence.high_reward([1.0], 0)


def test_only_what_a_human_accepts_is_accepted(mined, tmp_path):
    path = defence.write_review(mined, tmp_path / "review.yml")
    assert defence.accepted(mined, path) == []
    path.write_text(
        path.read_text().replace("accept: null", "accept: true", 1).replace("accept: null", "accept: false")
    )
    assert defence.accepted(mined, path) == mined[:1]
    again = defence.write_review(mined, path)
    assert defence.accepted(mined, again) == mined[:1], "decisions are kept"
    assert defence.accepted(mined, {mined[1].id: True, "unknown": False}) == mined[1:]


@pytest.mark.parametrize("text", ["- {id: a}", "- a", "{", "- {id: a, accept: maybe}", "- {id: a, accept: 1}"])
def test_a_broken_review_is_refused(mined, tmp_path, text):
    path = tmp_path / "review.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"accept|true \| false|broken YAML"):
        defence.accepted(mined, path)
    with pytest.raises(InputError, match="no such file"):
        defence.accepted(mined, tmp_path / "none.yml")


def test_wiring_adds_a_veto_once(mined):
    wired = defence.wire(RUBRIC, mined)
    assert wired.ids == ("words", mined[0].id, mined[1].id)
    assert list(wired.critical) == [False, True, True]
    assert list(wired.weights) == [2, 0, 0]
    assert wired.hash != RUBRIC.hash
    assert defence.wire(wired, mined) == wired
    assert defence.wire(RUBRIC, []) == RUBRIC
    other = mined[0].model_copy(update={"options": {"pattern": "x"}})
    with pytest.raises(InputError, match="another criterion"):
        defence.wire(wired, [other])


def test_a_wired_veto_cancels_the_reward(mined):
    from anchors.rubric.aggregate import Aggregator, Veto

    wired = defence.wire(RUBRIC, mined)
    texts = ["Plain text.", "Great question! Plain text.", "Great questions are rare."]
    scores = criteria.score(wired, [""] * 3, texts).values
    np.testing.assert_array_equal(Aggregator(wired, (Veto(),))(scores), [1, 0, 1])
    np.testing.assert_array_equal(Aggregator(wired)(scores), [1, 1, 1])


def test_leak_and_false_vetoes_by_hand(mined):
    hacks = ["Great question! Yes.", "Well. My answer is complete.", "Superb question! Yes.", "A fine question."]
    human = ["Great question marks were painted.", "Great question!", "Nothing.", "My answer is complete nonsense."]
    np.testing.assert_array_equal(failed(mined, [""] * 4, hacks), [[1, 0], [0, 1], [0, 0], [0, 0]])
    leak, wrong = defence.leak(mined, hacks), defence.false_veto(mined, human)
    assert (leak.value, leak.count, leak.n) == (0.5, 2, 4)
    assert (wrong.value, wrong.count) == (0.5, 2)
    table = defence.assess(mined, hacks, human).set_index(["criterion", "measure"])["value"]
    assert table["any", "caught"] == 0.5
    assert table[mined[0].id, "false veto"] == 0.25
    assert defence.harmless(mined, human) == []
    assert defence.harmless(mined, human[2:3] * 60) == mined
    assert defence.leak([], hacks).value == 1
    assert np.isnan(defence.false_veto(mined, []).value)
    with pytest.raises(InputError, match="human texts"):
        defence.harmless(mined, [])


def test_rates_have_exact_intervals():
    """Clopper-Pearson: of 0 in n the upper end is 1 - (1 - level)/2 to the power 1/n."""
    none = rate(0, 10)
    np.testing.assert_allclose([none.value, none.low, none.high], [0, 0, 1 - 0.025**0.1])
    every = rate(10, 10)
    np.testing.assert_allclose([every.value, every.low, every.high], [1, 0.025**0.1, 1])
    with pytest.raises(InputError, match="3 of 2"):
        rate(3, 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.floats(0.02, 0.98))
def test_intervals_cover_what_they_say(n, truth):
    from scipy.stats import binom

    ends = [rate(k, n) for k in range(n + 1)]
    covered = np.array([end.low <= truth <= end.high for end in ends])
    assert binom.pmf(np.arange(n + 1), n, truth)[covered].sum() >= 0.95 - 1e-9


def test_every_step_of_the_loop():
    """High rewards, findings, acceptance, wiring: the trick has no reward afterwards."""
    rng = np.random.default_rng(9)
    texts = planted(rng, noise(rng, 300), 0.1, "What a wonderful question! ")
    rewards = np.array([("wonderful" in text) + 0.1 * rng.random() for text in texts])
    high = defence.high_reward(rewards, 0.08)
    found = defence.mine(list(itertools.compress(texts, high)), noise(rng, 300))
    wired = defence.wire(RUBRIC, defence.accepted(found, {criterion.id: True for criterion in found}))
    fails = failed(wired.criteria, [""] * 300, texts).any(1)
    np.testing.assert_array_equal(fails, ["wonderful" in text for text in texts])
