"""Sentence attention and suppression against the obvious versions, side by side in one process on one thread."""

import argparse
import time

import numpy as np
import torch

from anchors.models.language import load
from anchors.thought import attention, suppression
from anchors.thought.sentences import split

WORDS = "So the sum of the first numbers is smaller than we thought and we should add the next one to it"


def text_of(sentences: int) -> str:
    """A text of distinct sentences of about twenty tokens each."""
    return " ".join(f"{WORDS} {n}." for n in range(1000, 1000 + sentences))


def double_loop(weights: np.ndarray, spans: list[tuple[int, int]]) -> np.ndarray:
    """Mean over each pair of sentences for one head; weights (T, T)."""
    found = np.zeros((len(spans), len(spans)), dtype=np.float32)
    for i, (a, b) in enumerate(spans):
        for j, (c, d) in enumerate(spans):
            found[i, j] = weights[a:b, c:d].mean()
    return found


def pooling(tokens: int, sentences: int, heads: int) -> None:
    """W A W^T for all heads of a layer against a double loop for each head."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(tokens), size=(heads, tokens)).astype(np.float32)
    edges = np.linspace(0, tokens, sentences + 1).astype(int)
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    w, a = torch.tensor(attention.indicator(spans, tokens)), torch.tensor(weights)
    _ = w @ (a @ w.T)
    start = time.perf_counter()
    fast = (w @ (a @ w.T)).numpy()
    middle = time.perf_counter()
    slow = np.stack([double_loop(head, spans) for head in weights])
    end = time.perf_counter()
    assert np.abs(fast - slow).max() < 1e-6
    ratio = (end - middle) / (middle - start)
    print(f"pooling, T = {tokens}, M = {sentences}, {heads} heads: {middle - start:.4f} s, ", end="")
    print(f"double loop {end - middle:.2f} s: {ratio:.0f} times as fast")


def masking(model: str, sentences: int) -> None:
    """The suppression matrix with shared prefixes and batches against one full pass for each source."""
    lm, text = load(model), text_of(sentences)
    parts = split(text)
    spans, ids = attention.token_spans(lm.tokenizer, text, parts), torch.tensor([lm.encode(text)])
    start = time.perf_counter()
    fast = suppression.suppression_matrix(lm, text, parts, scale="kl")
    middle = time.perf_counter()
    slow = np.full_like(fast, np.nan)
    with torch.inference_mode():
        base = lm.network(ids).logits
        for i, span in enumerate(spans[:-1]):
            mask = suppression.hidden_mask([span], 0, ids.shape[1], torch.float32)
            change = suppression.divergence(base, lm.network(ids, attention_mask=mask).logits, 0.6)[0]
            for j in range(i + 1, len(spans)):
                slow[i, j] = change[spans[j][0] - 1 : spans[j][1] - 1].mean()
    end = time.perf_counter()
    assert np.nanmax(np.abs(fast - slow)) < 1e-4
    print(f"suppression, {model}, T = {ids.shape[1]}, M = {sentences}: {middle - start:.1f} s, ", end="")
    print(f"one pass for each source {end - middle:.1f} s: {(end - middle) / (middle - start):.1f} times as fast")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--sentences", type=int, default=24)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for sentences in (60, 140, 250):
        pooling(1000, sentences, 4)
    masking(arguments.model, arguments.sentences)
