"""What texts begin with is read once: against a pass over each whole text, for every architecture."""

import numpy as np
import pytest
import torch
from thought.architectures import ARCHITECTURES, TEXT, tiny

from anchors.companion.errors import InputError
from anchors.models import decoding
from anchors.models.language import load
from anchors.thought import attention, deletion, suppression, word_problems
from anchors.thought.sentences import shifted, split
from anchors.thought.studies import methods

OTHER = " ".join(reversed(TEXT.split()))


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    return tiny(request.param)


@pytest.mark.parametrize("most", ["none", "half", "all but one"])
@pytest.mark.parametrize("text", [TEXT, OTHER])
def test_logits_are_those_of_the_whole_pass(model, most, text):
    ids = model.encode(text)
    n = {"none": 0, "half": len(ids) // 2, "all but one": len(ids) - 1}[most]
    past, found = decoding.beginning(model.network, ids, ids, n)
    assert found == n
    with torch.inference_mode():
        out = decoding.with_cache(model.network, torch.tensor([ids[n:]]), past)
        whole = model.network(torch.tensor([ids])).logits[:, n:]
    assert out.past_key_values.get_seq_length() == len(ids)
    torch.testing.assert_close(out.logits.log_softmax(-1), whole.log_softmax(-1), atol=1e-5, rtol=0)


def test_only_what_is_equal_is_shared(model):
    ids = model.encode(TEXT)
    assert decoding.beginning(model.network, ids, [ids[0] + 1, *ids[1:]], 9) == (None, 0)
    assert decoding.beginning(model.network, ids, ids[:3], 9)[1] == 3
    assert decoding.beginning(model.network, ids, [*ids[:5], ids[5] + 1, *ids[6:]], 9)[1] == 5


def test_a_beginning_is_read_once_and_left_as_it_is(monkeypatch):
    model, passes = tiny(ARCHITECTURES[0]), []
    monkeypatch.setattr(
        decoding, "with_cache", lambda *a, before=decoding.with_cache, **o: passes.append(1) or before(*a, **o)
    )
    ids = model.encode(TEXT)
    for _ in range(3):
        past, n = decoding.beginning(model.network, ids, ids, 7)
        assert past.get_seq_length() == n == 7
        with torch.inference_mode():
            model.network(torch.tensor([ids[n:]]), past_key_values=past, use_cache=True)
    assert len(passes) == 1


def test_first_tokens_are_copies_for_each_row(model):
    ids = model.encode(TEXT)
    with torch.inference_mode():
        cache = decoding.with_cache(model.network, torch.tensor([ids])).past_key_values
    copy = decoding.first_tokens(cache, 4, rows=3)
    for kept, layer in zip(copy.layers, cache.layers, strict=True):
        assert torch.equal(kept.keys, layer.keys[:, :, :4].repeat(3, 1, 1, 1))
        assert torch.equal(kept.values, layer.values[:, :, :4].repeat(3, 1, 1, 1))
    assert decoding.first_tokens(cache, 0).get_seq_length() == 0


@pytest.mark.parametrize("first", [0, 1, 2])
def test_the_three_methods_are_those_of_the_whole_pass(model, first):
    """``first`` sentences are the prompt; the two texts share all of it, and the last two have other words."""
    every = split(TEXT)
    sentences, start = every[first:], every[first].start
    shared = TEXT[:start].rstrip()
    found = attention.sentence_attention(model, TEXT, sentences, shared)
    np.testing.assert_allclose(found, attention.sentence_attention(model, TEXT, sentences), atol=1e-6)
    found = suppression.suppression_matrix(model, TEXT, sentences, scale="kl", shared=shared)
    plain = suppression.suppression_matrix(model, TEXT, sentences, scale="kl")
    np.testing.assert_allclose(found, plain, atol=1e-5)
    official = suppression.suppression_matrix(model, TEXT, sentences, approximation="official", shared=shared)
    plain = suppression.suppression_matrix(model, TEXT, sentences, approximation="official")
    np.testing.assert_allclose(official, plain, atol=1e-1)  # in half precision
    full = deletion.read(model, TEXT, shared)
    assert (full[1] > 0) == (first > 0)
    plain = deletion.deletion_matrix(model, TEXT, sentences)
    np.testing.assert_allclose(deletion.deletion_matrix(model, TEXT, sentences, full=full), plain, atol=1e-5)


def test_a_beginning_that_holds_sentences(model):
    """Attention and suppression stop before the first sentence; a pass without its logits is refused."""
    sentences = split(TEXT)[1:]
    np.testing.assert_allclose(
        attention.sentence_attention(model, TEXT, sentences, TEXT),
        attention.sentence_attention(model, TEXT, sentences), atol=1e-6,
    )  # fmt: skip
    with pytest.raises(InputError, match="tokens not read"):
        deletion.deletion_matrix(model, TEXT, sentences, full=deletion.read(model, TEXT, TEXT))


@pytest.mark.parametrize("numbers", [(3, 4)])
def test_two_prompts_of_smollm2_after_the_same_examples(numbers, monkeypatch):
    """Attention within 1e-6, suppression (log units) within 2e-3, deletion 1e-5, a log-probability 1e-3."""
    load("smollm2")
    texts = [" We need the number. First let us add. So we compute 2 + 3 = 5.", " There are 3 fish. So 3 are left."]
    for number, text in zip(numbers, texts, strict=True):
        prompt = word_problems.prompt(word_problems.sample_problem(np.random.default_rng(number)))
        assert methods.shared(prompt) == word_problems.SHOWN
        fast = _all(prompt, text)
        with monkeypatch.context() as patch:
            patch.setattr(methods, "shared", lambda prompt: "")
            slow = _all(prompt, text)
        for one, other, near in zip(fast, slow, (1e-6, 2e-3, 1e-5, 1e-3), strict=True):
            np.testing.assert_allclose(one, other, atol=near)


def _all(prompt, text):
    own = ("smollm2", prompt, text)
    found = methods.deleted(*own)
    assert found["logprob"] == pytest.approx(methods._rescored(*own), abs=1e-6)
    matrices = attention.sentence_attention(
        load("smollm2"), prompt + text, shifted(split(text), len(prompt)), methods.shared(prompt)
    )
    return matrices, np.array(methods.suppressed(*own)), np.array(found["matrix"]), found["logprob"]
