"""Relevance by the sentence embedder; fluency and PMI by frozen models: random, shipped, and one embedded."""

from dataclasses import replace

import numpy as np
import pytest
from thought.architectures import tiny

from anchors.companion.errors import InputError
from anchors.models import language
from anchors.rubric import criteria
from anchors.rubric.criteria import fluency
from anchors.thought.reasoner.program import sample_problem, sample_trace

PROMPTS = ["How do I bake a sourdough bread?", "When was the old bridge over the river built?"]
ON_TOPIC = ["Mix flour, water and starter, let the dough rise, and bake the loaf hot.", "The bridge was built in 1911."]


def judged(name, prompts, responses, **options):
    check = criteria.find(name)
    return check.run(prompts, responses, **check.validated(options))


# ---- relevance ------------------------------------------------------------------------------------------------------


def test_an_answer_on_the_topic_is_more_relevant():
    on, off = (judged("relevance", PROMPTS, texts, high=1) for texts in (ON_TOPIC, ON_TOPIC[::-1]))
    assert (on.values > off.values + 0.3).all()
    assert on.evidence[0][0].label == f"cosine {on.values[0]:.3f}"


def test_relevance_of_hostile_texts_and_of_none():
    texts = ["", " \n", "\ud800\x00 bread", "a" * 100_000, "الخبز 🍞 " * 1000]
    found = judged("relevance", PROMPTS[:1] * 5, texts)
    assert found.values[:2].tolist() == [0, 0]
    assert ((found.values >= 0) & (found.values <= 1)).all()
    assert np.isnan(judged("relevance", [" "], ["bread"]).values).all()
    assert judged("relevance", [], []).values.shape == (0,)


def test_order_does_not_matter_and_each_text_is_embedded_once(monkeypatch):
    from anchors.models import embed

    seen, true = [], embed.embed
    monkeypatch.setattr(embed, "embed", lambda texts, model: seen.append(len(texts)) or true(texts, model))
    prompts, texts = PROMPTS * 3, [*ON_TOPIC, *ON_TOPIC, *ON_TOPIC[::-1]]
    found, turned = judged("relevance", prompts, texts), judged("relevance", prompts[::-1], texts[::-1])
    np.testing.assert_allclose(turned.values[::-1], found.values, atol=1e-5)
    assert seen == [4, 4]


def test_similarity_to_a_reference():
    found = judged("similarity", PROMPTS, ON_TOPIC, reference="A loaf is baked from flour, water and starter.")
    assert found.values[0] > found.values[1] + 0.3
    with pytest.raises(InputError, match="no 'reference'"):
        criteria.find("similarity").validated({})


# ---- fluency and PMI ------------------------------------------------------------------------------------------------

TRACES = ["we need a .", "plan step by step here .", "take a and b so it is nine .", ""]


def by_hand(model, start: list[int], text: str) -> np.ndarray:
    """Return the log-probabilities of a text's tokens, one token at a time."""
    import torch

    ids, found = list(start), []
    for token in model.tokenizer(text, add_special_tokens=False)["input_ids"]:
        with torch.inference_mode():
            logits = model.network(torch.tensor([ids])).logits[0, -1]
        found.append(float(logits.log_softmax(-1)[token]))
        ids.append(token)
    return np.array(found)


@pytest.mark.parametrize("name", ["Llama", "GPT2", "Gemma"])
def test_log_probabilities_are_those_of_one_token_at_a_time(name):
    model, prompt = tiny(name), "so the answer is"
    start = model.tokenizer(prompt)["input_ids"]
    given = fluency.likelihoods(model, [prompt] * 4, TRACES)
    alone = fluency.likelihoods(model, None, TRACES)
    for text, one, other in zip(TRACES, given, alone, strict=True):
        np.testing.assert_allclose(one.logprobs, by_hand(model, start, text), atol=1e-4)
        np.testing.assert_allclose(other.logprobs, by_hand(model, [model.tokenizer.eos_token_id], text), atol=1e-4)
        assert [text[a:b] for a, b in one.places] == text.split()
    expected = [a.mean - b.mean for a, b in zip(given, alone, strict=True)]
    np.testing.assert_allclose(fluency.mutual_information(model, [prompt] * 4, TRACES), expected, atol=1e-6)
    assert np.isnan(expected[3])


def test_batches_and_order_do_not_matter(monkeypatch):
    model, prompts = tiny("Llama"), ["we need a", "so the answer is", "recall b is three now !", ""]
    found = fluency.mean_logprob(model, prompts, TRACES)
    monkeypatch.setattr(fluency, "LOGITS", 1)  # every row in a pass of its own
    np.testing.assert_allclose(fluency.mean_logprob(model, prompts[::-1], TRACES[::-1])[::-1], found, atol=1e-5)


def test_long_texts_are_cut_to_the_context():
    model = tiny("Llama")  # 96 positions
    found = fluency.likelihoods(model, ["so " * 5000], ["we need " * 5000], tokens=256)
    assert len(found[0].logprobs) == len(found[0].places) == 48
    assert np.isfinite(found[0].logprobs).all()


def test_chat_templates():
    model = tiny("Llama")
    with pytest.raises(InputError, match="tokenizer of Llama: found no chat template"):
        fluency.likelihoods(model, ["we need"], ["a ."], "chat")
    tokenizer = model.tokenizer
    tokenizer.chat_template = "{% for m in messages %}plan {{ m['content'] }} {% endfor %}so"
    chat = fluency.likelihoods(replace(model, tokenizer=tokenizer), ["we need"], ["a ."])[0]
    np.testing.assert_allclose(
        chat.logprobs, by_hand(model, tokenizer("plan we need so")["input_ids"], "a ."), atol=1e-4
    )
    plain = fluency.likelihoods(model, ["we need"], ["a ."], "plain")[0]
    np.testing.assert_allclose(plain.logprobs, by_hand(model, tokenizer("we need")["input_ids"], "a ."), atol=1e-4)


@pytest.fixture(scope="module")
def written():
    """Return problems and traces of the process that the shipped reasoner learnt."""
    rng = np.random.default_rng(5)
    problems = [sample_problem(rng) for _ in range(6)]
    return [p.text for p in problems], [sample_trace(p, rng).text for p in problems]


def test_the_shipped_reasoner_finds_its_own_language_fluent_and_relevant(written):
    prompts, texts = written
    shuffled = [" ".join(np.random.default_rng(k).permutation(text.split())) for k, text in enumerate(texts)]
    own, mixed = (judged("fluency", prompts, t, model="reasoner", low=-12) for t in (texts, shuffled))
    assert (own.values > mixed.values + 0.2).all()
    least = own.evidence[0]
    assert len(least) == 3
    values = [float(span.label.split()[0]) for span in least]
    assert values == sorted(values)
    other = [*texts[1:], texts[0]]
    right, wrong = (judged("pmi", prompts, t, model="reasoner", low=-5, high=5).values for t in (texts, other))
    assert right.mean() > wrong.mean() + 0.02


def test_hostile_texts_and_none(written):
    texts = ["", " \n", "\ud800\x00 so", "so " * 50_000, "🍞" * 1000, "ا" * 2000]
    for name in ("fluency", "pmi"):
        found = judged(name, written[0][:1] * 6, texts, model="reasoner")
        assert found.values[:2].tolist() == [0, 0]
        assert ((found.values >= 0) & (found.values <= 1)).all()
        assert all(
            0 <= s.start <= s.end <= len(t) for t, spans in zip(texts, found.evidence, strict=True) for s in spans
        )
        assert judged(name, [], []).values.shape == (0,)


@pytest.mark.slow
def test_the_embedded_model_on_english():
    prompts, mixed = PROMPTS, ["bread hot loaf the bake dough, and rise let water Mix", "1911 in built The was bridge."]
    model = language.load("smollm2")
    assert (fluency.mean_logprob(model, prompts, ON_TOPIC) > fluency.mean_logprob(model, prompts, mixed) + 0.5).all()
    right, wrong = (fluency.mutual_information(model, prompts, texts) for texts in (ON_TOPIC, ON_TOPIC[::-1]))
    assert (right > wrong + 0.2).all()
