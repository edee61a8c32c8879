"""Prefix-shared sampling against transformers' own generation, on a tiny random Qwen2 in hub format."""

import numpy as np
import pytest
import torch
from models.test_language import folder  # noqa: F401 (a fixture)

from anchors.companion.errors import InputError
from anchors.models.language import load
from anchors.models.sampling import continuations, invert, next_token_distribution, uniforms

PREFIX = "a b . a"


@pytest.fixture(scope="module")
def model(folder):  # noqa: F811
    return load(str(folder))


def test_greedy_is_what_generate_writes(model):
    ids = model.tokenizer(PREFIX, return_tensors="pt")
    out = model.network.generate(ids["input_ids"], max_new_tokens=12, do_sample=False, eos_token_id=1)
    expected = out[0, ids["input_ids"].shape[1] :].tolist()
    found = continuations(model, PREFIX, [0, 1, 2], 12, greedy=True)
    assert [list(c.token_ids) for c in found] == [expected] * 3


def test_a_rollout_repeated_alone_is_the_same_in_any_batch(model):
    together = continuations(model, PREFIX, range(12), 10, temperature=1.0, top_p=1.0)
    assert len({c.token_ids for c in together}) > 4
    for seed in (3, 7, 11):
        [alone] = continuations(model, PREFIX, [seed], 10, temperature=1.0, top_p=1.0)
        assert alone.token_ids == together[seed].token_ids
        assert alone.logprob == pytest.approx(together[seed].logprob, abs=1e-4)
    smaller = continuations(model, PREFIX, range(12), 10, temperature=1.0, top_p=1.0, batch=5)
    assert [c.token_ids for c in smaller] == [c.token_ids for c in together]


def test_log_probabilities_are_those_of_one_full_pass(model):
    for c in continuations(model, PREFIX, range(4), 8):
        ids = torch.tensor([model.encode(PREFIX) + list(c.token_ids)])
        logits = model.network(ids).logits[0].log_softmax(-1)
        start = len(model.encode(PREFIX))
        expected = sum(logits[start - 1 + i, token].item() for i, token in enumerate(c.token_ids))
        assert c.logprob == pytest.approx(expected, abs=1e-4)


def test_finished_rollouts_end_with_the_end_token_and_others_at_the_limit(model):
    for c in continuations(model, PREFIX, range(30), 6, temperature=1.0, top_p=1.0):
        assert c.finished == (c.token_ids[-1] == 1)
        assert 1 not in c.token_ids[:-1]
        assert c.finished or len(c.token_ids) == 6


def test_a_stop_text_ends_a_rollout(model):
    found = continuations(model, PREFIX, range(20), 20, temperature=1.0, top_p=1.0, stop=["."])
    assert any(c.text.endswith(".") and c.finished for c in found)
    assert all("." not in c.text[:-1] for c in found)


def test_the_text_continues_the_prefix(model):
    [c] = continuations(model, PREFIX, [1], 5, temperature=1.0, top_p=1.0)
    ids = model.encode(PREFIX)
    whole = model.tokenizer.decode(ids + list(c.token_ids), skip_special_tokens=True)
    assert model.tokenizer.decode(ids) + c.text == whole


def test_the_next_tokens_follow_the_distribution(model):
    """Twenty thousand inverted uniform numbers against the probabilities themselves."""
    p = torch.tensor(next_token_distribution(model, PREFIX))
    n = 20_000
    u = uniforms(5, n)
    drawn = invert(p.expand(n, -1), 1.0, u)
    assert np.bincount(drawn, minlength=5) / n == pytest.approx(p.numpy(), abs=4 * 0.5 / np.sqrt(n))


@pytest.mark.parametrize("top_p", [0.3, 0.8, 0.95])
def test_top_p_keeps_what_transformers_keeps(top_p):
    from transformers import TopPLogitsWarper

    generator = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(40, 600, generator=generator)
    kept = TopPLogitsWarper(top_p)(None, logits) > -torch.inf
    u = torch.rand(40, generator=generator)
    for quantile in (torch.zeros(40), u, torch.full((40,), 1 - 1e-6)):
        drawn = invert(logits.softmax(-1), top_p, quantile)
        assert kept.gather(1, drawn[:, None]).all()
    last = invert(logits.softmax(-1), top_p, torch.full((40,), 1 - 1e-7))
    least = torch.where(kept, logits, torch.inf).argmin(1)
    assert (last == least).float().mean() > 0.9  # the quantile next to one is the least likely token that is kept


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0}, "temperature: found 0"),
        ({"top_p": 1.5}, "top_p: found 1.5"),
        ({"max_new_tokens": 0}, "max_new_tokens, batch"),
    ],
)
def test_impossible_settings(model, options, words):
    with pytest.raises(InputError, match=words):
        continuations(model, PREFIX, [0], **{"max_new_tokens": 4} | options)


def test_an_empty_prefix_and_one_without_room(model):
    with pytest.raises(InputError, match="prefix: found no token"):
        continuations(model, "", [0], 4)
    with pytest.raises(InputError, match="fewer than 32"):
        continuations(model, "a " * 32, [0], 4)
    [short] = continuations(model, "a " * 30, [0], 50, temperature=1.0)
    assert len(short.token_ids) <= 2
