"""Sentence attention and suppression against slow obvious versions, for every architecture that can be masked."""

import numpy as np
import pytest
import scipy.stats
import torch
from thought.architectures import ARCHITECTURES, TEXT, tiny

from anchors.companion.errors import InputError
from anchors.thought import attention, suppression
from anchors.thought.sentences import split


@pytest.fixture(scope="module", params=ARCHITECTURES)
def model(request):
    """A tiny random model of each architecture with a tokenizer of whole words."""
    return tiny(request.param)


def tokens(model):
    return torch.tensor([model.encode(TEXT)])


def test_pooling_equals_means_over_pairs_of_tokens(model):
    sentences = split(TEXT)
    spans = attention.token_spans(model.tokenizer, TEXT, sentences)
    found = attention.sentence_attention(model, TEXT, sentences)
    model.network.set_attn_implementation("eager")
    with torch.inference_mode():
        layers = model.network(tokens(model), output_attentions=True).attentions
    assert found.shape == (3, 4, 5, 5)
    for layer, weights in enumerate(layers):
        for head in range(4):
            for i, (a, b) in enumerate(spans):
                for j, (c, d) in enumerate(spans):
                    slow = weights[0, head, a:b, c:d].mean().item()
                    assert found[layer, head, i, j] == pytest.approx(slow, abs=1e-6)


def test_suppression_equals_one_full_forward_pass_per_source(model):
    sentences = split(TEXT)
    spans, ids = attention.token_spans(model.tokenizer, TEXT, sentences), tokens(model)
    fast = suppression.suppression_matrix(model, TEXT, sentences, scale="kl", batch=3)
    with torch.inference_mode():
        base = model.network(ids).logits[0]
        for i, span in enumerate(spans[:-1]):
            mask = suppression.hidden_mask([span], 0, ids.shape[1], torch.float32)
            masked = model.network(ids, attention_mask=mask).logits[0]
            for j in range(i + 1, len(spans)):
                a, b = spans[j]
                p, q = ((logits[a - 1 : b - 1] / 0.6).softmax(-1).double().numpy() for logits in (base, masked))
                slow = scipy.stats.entropy(p, q, axis=-1).mean()
                assert fast[i, j] == pytest.approx(slow, abs=1e-4)
    assert np.isnan(fast[np.tril_indices(len(spans))]).all()
    assert np.isfinite(fast[np.triu_indices(len(spans), 1)]).all()
    assert (fast[np.triu_indices(len(spans), 1)] > 1e-6).all()


def test_the_mask_is_really_applied(model):
    """With the source hidden, another word in its place changes nothing later."""
    spans, ids = attention.token_spans(model.tokenizer, TEXT, split(TEXT)), tokens(model)
    a, b = spans[2]
    other = ids.clone()
    other[0, a:b] = 0
    mask = suppression.hidden_mask([(a, b)], 0, ids.shape[1], torch.float32)
    with torch.inference_mode():
        one, two = (model.network(x, attention_mask=mask).logits[0, b:] for x in (ids, other))
        free = model.network(other).logits[0, b:] - model.network(ids).logits[0, b:]
    assert torch.allclose(one, two, atol=1e-5)
    assert free.abs().max() > 1e-3


def test_batches_and_switches(model):
    sentences = split(TEXT)
    exact = suppression.suppression_matrix(model, TEXT, sentences, batch=1)
    assert suppression.suppression_matrix(model, TEXT, sentences, batch=9) == pytest.approx(
        exact, abs=1e-3, nan_ok=True
    )
    centred = suppression.suppression_matrix(model, TEXT, sentences, normalise="official")
    assert np.nanmean(centred[:, 1:], axis=0) == pytest.approx(0, abs=1e-6)
    official = suppression.suppression_matrix(model, TEXT, sentences, approximation="official")
    assert np.isfinite(official[np.triu_indices(5, 1)]).all()


def test_missing_tokens_make_the_official_divergence_explode():
    base = torch.zeros(1, 1, 300)
    base[..., :100] = 5.0
    masked = base.roll(100, -1)
    assert suppression.divergence(base, masked, 0.6).item() < 20
    assert suppression.divergence(base, masked, 0.6, official=True).item() > 1e8


@pytest.mark.parametrize("apart", [1e-4, 1e-2, 1.0, 60.0])
def test_a_small_divergence_is_not_what_rounding_left(apart):
    rng = torch.Generator().manual_seed(0)
    base = 3 * torch.randn(4, 5000, generator=rng)
    masked = base + apart * torch.randn(4, 5000, generator=rng)
    p, q = (x.double().div(0.6).log_softmax(-1) for x in (base, masked))
    expected = (p.exp() * (p - q)).sum(-1)
    np.testing.assert_allclose(suppression.divergence(base, masked, 0.6), expected, rtol=2e-3, atol=1e-10)
    assert suppression.divergence(base, base, 0.6).abs().max() == 0


def test_vertical_scores_by_hand():
    a = np.arange(16, dtype=float).reshape(1, 1, 4, 4)
    found = attention.vertical_scores(a, proximity=2)[0, 0]
    assert found[:2] == pytest.approx([(8 + 12) / 2, 13])
    assert np.isnan(found[2:]).all()
    ranked = attention.vertical_scores(a, proximity=1, depth_control=True)[0, 0]
    assert ranked[:3] == pytest.approx([(1 + 1 / 2 + 1 / 3) / 3, (1 + 2 / 3) / 2, 1])


def test_kurtosis_is_that_of_scipy_without_nan():
    v = np.random.default_rng(0).exponential(size=(2, 3, 9))
    with_holes = np.concatenate([v, np.full((2, 3, 4), np.nan)], axis=-1)
    assert attention.kurtosis(with_holes) == pytest.approx(scipy.stats.kurtosis(v, axis=-1))


def test_receiver_heads_leave_out_the_first_layer():
    k = np.array([[[9.0, 9], [1, 5], [4, 2]], [[9, 9], [3, 5], [4, 2]]])
    assert attention.receiver_heads(k, 2) == [(1, 1), (2, 0)]
    assert attention.receiver_heads(k, 1, skip_first_layer=False) == [(0, 0)]
    with pytest.raises(InputError, match="k: found 5; expected 1 to 4 heads"):
        attention.receiver_heads(k, 5)
    v = np.arange(12.0).reshape(3, 2, 2)
    assert attention.receiver_scores(v, [(0, 1), (2, 0)]).tolist() == [5.0, 6.0]


def test_bad_input(model):
    with pytest.raises(InputError, match="sentences: found none"):
        attention.sentence_attention(model, TEXT, [])
    with pytest.raises(InputError, match="expected at least two"):
        suppression.suppression_matrix(model, TEXT, split(TEXT)[:1])
    with pytest.raises(InputError, match="scale: found 'x'"):
        suppression.suppression_matrix(model, TEXT, split(TEXT), scale="x")
    with pytest.raises(InputError, match="tokens; expected fewer than 96"):
        attention.sentence_attention(model, TEXT * 5, split(TEXT * 5))
