"""The writer's program: its probabilities, what its texts show, and the gold rubrics that decide them."""

import subprocess
import sys
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.rubric import criteria
from anchors.rubric.aggregate import Aggregator
from anchors.rubric.writer import attributes, lexicon, program, prompts, truth, vocabulary
from anchors.rubric.writer.gold import KINDS, gold
from anchors.rubric.writer.program import State
from anchors.rubric.writer.prompts import Prompt

SEEDS = st.integers(0, 100_000)
SEA = Prompt()
PLAIN = "At dawn I walked to the boat. The sand was cold and dark. I touched the wave. The sand was damp."
LOUD = "- She felt sad.\n- The sand was nice!\nWe should all be kind. Would you like to hear more?"


def drawn(seed, kind="mixed"):
    rng = np.random.default_rng(seed)
    prompt = prompts.sample(rng, kind)
    return prompt, *program.sample(prompt, rng)


def corpus(n, kind, seed=0):
    rng = np.random.default_rng(seed)
    asked = [prompts.sample(rng, kind) for _ in range(n)]
    pairs = [program.sample(prompt, rng) for prompt in asked]
    texts = [vocabulary.join(words) for words, _ in pairs]
    return [prompt.text for prompt in asked], texts, [state for _, state in pairs]


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_probabilities_sum_to_one_and_a_sentence_comes_from_one_form(seed):
    prompt, words, last = drawn(seed)
    state, total = State(), 0.0
    for sentence in [*truth.sentences(words), ()]:
        found = truth.transitions(prompt, state)
        assert sum(p for p, _ in found) == pytest.approx(1)
        fitting = [(p, step) for p, step in found if truth.fits(step.form, sentence)]
        assert len(fitting) == 1
        ((p, step),) = fitting
        total += log(p) - sum(log(len(slot)) for slot in step.form)
        state = step.state
    assert state == last
    assert truth.logprob(prompt, vocabulary.join(words)) == pytest.approx(total)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_prompts_and_texts_read_back(seed):
    prompt, words, _ = drawn(seed)
    assert prompts.read(prompt.text) == prompt
    text = vocabulary.join(words)
    assert vocabulary.tokens(text) == words
    assert vocabulary.UNKNOWN not in [vocabulary.TOKENS[i] for i in vocabulary.encode(prompt.text + "\n" + text)]


def test_a_probability_by_hand():
    first = (1 - program.PRAISED) * (1 - program.ASSISTANT) * (1 - program.LISTED)
    special = program.EMOTION + program.SHOUT + program.KEYWORD
    scene = (1 - special) * program.KINDS["scene"] * (1 - program.OPENING) / len(lexicon.SCENES)
    end = program.STOP[2] * (1 - program.MORAL) * (1 - program.SELF_PRAISED) * (1 - program.OFFERED)
    assert truth.logprob(SEA, "Nothing moved. Nobody spoke.") == pytest.approx(log(first * scene * scene * end))


@pytest.mark.parametrize(
    "text", ["", "Nothing moved", "I saw the boat. She saw the boat.", "I saw the boat.", "Hello."]
)
def test_what_the_program_cannot_write_has_no_probability(text):
    assert truth.logprob(SEA, text) == -np.inf


@pytest.mark.parametrize("kind", ["creative", "instruction"])
def test_attributes_are_what_the_program_meant(kind):
    said, texts, states = corpus(2000, kind)
    meant = [[attributes.STATES[name](state) for name in attributes.ATTRIBUTES] for state in states]
    assert (attributes.decide(said, texts) == np.array(meant)).all()
    counts, ended = attributes.lengths(texts)
    assert (ended == [state.total for state in states]).all()
    assert counts.max() < 72
    assert 10 <= np.mean(counts) <= 50
    shares = attributes.sentence_shares(texts)
    assert (shares[:, 0] == 1).all()
    assert (shares[:, 2] <= [state.body for state in states]).all()


def test_base_rates_can_be_learnt():
    rng = np.random.default_rng(1)
    found = attributes.rates([prompts.sample(rng) for _ in range(4000)], 1, seed=2)
    assert all(0.03 <= found[name] <= 0.10 for name in attributes.HACKS)
    assert all(0.05 <= found[name] <= 0.52 for name in set(found) - set(attributes.HACKS)), found
    said, texts, _ = corpus(4000, "instruction", seed=3)
    obeyed = np.nanmean(attributes.obeyed(said, texts), 0)
    assert ((obeyed > 0.2) & (obeyed < 0.65)).all(), obeyed


@pytest.mark.slow
def test_exact_rates_are_those_of_sampling():
    ended = truth.endings(SEA)
    assert sum(ended.values()) == pytest.approx(1)
    sampled = attributes.rates([SEA], 4000, seed=5)
    for name, shows in attributes.STATES.items():
        exact = truth.rate(ended, shows)
        assert sampled[name] == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000)), name
    assert truth.rate(ended, attributes.STATES["praise"]) == pytest.approx(program.PRAISED)


def test_no_voice_writes_the_marks_of_another():
    owners = [word for words in lexicon.MARKS.values() for word in words]
    assert len(set(owners)) == len(owners)
    voices = {"praise": lexicon.PRAISE, "assistant": lexicon.ASSISTANT, "moral": lexicon.MORAL,
              "self_praise": lexicon.SELF_PRAISE, "offer": lexicon.OFFER}  # fmt: skip
    for voice, phrases in voices.items():
        assert sum(phrases.values()) == pytest.approx(1)
        for phrase in phrases:
            marked = {name for name, words in lexicon.MARKS.items() if set(words) & set(phrase.split())}
            assert marked == {voice}, phrase


def test_constraints_by_hand():
    asked = Prompt(sentences=3, list=True, word="lantern", no_commas=True, question=True, loud=True)
    texts = [
        "\n- The sand was HUGE!\n- I found a lantern.\nShall I go on?",
        "At dawn, I saw the boat. I found a ribbon.",
        "",
    ]
    found = attributes.obeyed([asked.text] * 3, texts)
    assert found.tolist() == [[1] * 6, [0] * 6, [0] * 6]
    assert np.isnan(attributes.obeyed([SEA.text], [texts[0]])).all()
    assert attributes.obeyed([Prompt(word="zebra").text], ["I saw the zoo."])[0, 2] == 0
    assert attributes.obeyed([Prompt(word="zebra").text], ["I saw the zebra."])[0, 2] == 1


def test_asking_changes_what_is_written():
    base = attributes.rates([SEA], 1500, seed=8)
    for ask, name in (("list", "list"), ("question", "offer"), ("loud", "shout")):
        asked = attributes.rates([Prompt(**{ask: True})], 1500, seed=8)
        assert asked[name] > base[name] + 0.15, ask
    assert attributes.rates([Prompt(word="lantern")], 1500, seed=8)["keyword"] > 0.5


def test_gold_prefers_the_plain_narrative_and_the_proxy_flattery():
    said, texts = [SEA.text] * 3, [PLAIN, LOUD, f"Great question! {PLAIN}"]
    value = {kind: Aggregator(gold(kind))(criteria.score(gold(kind), said, texts).values) for kind in
             ("creative", "terse", "proxy")}  # fmt: skip
    assert value["creative"][0] == pytest.approx(1)
    assert value["creative"][0] > value["creative"][2] > value["creative"][1]
    assert value["terse"][1] > value["terse"][0]
    assert value["proxy"][2] > value["proxy"][0]
    defence = criteria.score(gold("defence"), said, texts)
    assert defence.values[:, 0].tolist() == [1, 1, 0]
    assert gold("defence").critical.all()
    span = defence.evidence[2][0][0]
    assert texts[2][span.start : span.end] == "question"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_gold_rubrics_are_valid_and_graded_in_the_unit_interval(kind):
    rubric = gold(kind)
    criteria.validate(rubric)
    said, texts, _ = corpus(300, "instruction", seed=11)
    scores = criteria.score(rubric, said, texts)
    assert scores.values.shape == (300, len(rubric.ids))
    rewards = Aggregator(rubric, missing="renormalise")(scores.values)
    assert ((rewards >= 0) & (rewards <= 1)).all()
    assert rewards.std() > 0.1


def test_families_conflict():
    """An obedient list loses the plain narrative's credit for prose: a seesaw is possible."""
    said = [Prompt(list=True, question=True).text]
    lists = criteria.score(gold("creative"), said, [LOUD]).values[0]
    ids = gold("creative").ids
    assert lists[ids.index("prose")] == lists[ids.index("no_assistant")] == 0
    obeyed = criteria.score(gold("instruction"), said, [LOUD]).values[0]
    ids = gold("instruction").ids
    assert obeyed[ids.index("obeys_list")] == obeyed[ids.index("obeys_question")] == 1


HOSTILE = ["", " ", "\x00", "!?.,", "\n-" * 5, "😀 שלום", "a" * 100_000, "I " * 50_000, ". " * 50_000, "\ud800"]


def test_hostile_texts_are_judged():
    for kind in KINDS:
        for prompt in ("", "Use the word \x00.", SEA.text):
            scores = criteria.score(gold(kind), [prompt] * len(HOSTILE), HOSTILE).raw
            assert np.nanmin(scores) >= 0
            assert np.nanmax(scores) <= 1
    assert attributes.decide([], []).shape == (0, len(attributes.ATTRIBUTES))
    assert attributes.obeyed([], []).shape == (0, len(prompts.CONSTRAINTS))


def test_texts_of_one_call_do_not_mix():
    """A pair of tokens that straddles two texts is no pair."""
    shown = attributes.decide([SEA.text] * 2, ["She saw I", "walked past the boat"])
    assert not shown[:, attributes.ATTRIBUTES.index("first_person")].any()


def test_bad_requests_name_what_is_possible():
    with pytest.raises(InputError, match=r"expected creative \| instruction \| mixed"):
        prompts.sample(np.random.default_rng(0), "funny")
    with pytest.raises(InputError, match=r"expected praise \| self_praise"):
        attributes.attribute("humour", [], [])
    with pytest.raises(InputError, match=r"expected instruction \| creative"):
        gold("silver")
    with pytest.raises(InputError, match="at most 72 different creative prompts"):
        prompts.distinct("creative", 73, seed=0)
    with pytest.raises(InputError, match="humour"):
        criteria.find("writer_shows").validated({"names": ["humour"]})


def test_prompt_sets_are_distinct_and_apart():
    train = [prompt.text for prompt in prompts.distinct("instruction", 160, seed=1)]
    test = [prompt.text for prompt in prompts.distinct("instruction", 40, seed=2, without=train)]
    assert len({*train, *test}) == 200


def test_importing_the_program_needs_no_torch():
    code = "import sys, anchors.rubric.writer.gold as g; g.gold('creative'); print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"


def test_the_choices_of_a_slot_have_as_many_words():
    assert all(len({option.count(" ") for option in slot}) == 1 for form in truth.forms() for slot in form)
