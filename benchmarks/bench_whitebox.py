"""Sentence attention and suppression against the obvious versions, side by side in one process on one thread."""

import argparse
import resource
import time

import numpy as np
import torch

from anchors.models.language import LanguageModel, load
from anchors.thought import attention, suppression
from anchors.thought.sentences import Sentence, split
from anchors.thought.studies import corpus

POOLING, MASKING = 50, 2.5  # times as fast, at least
LAYERS = 2  # of attention weights, beside the model

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
    """W A W^T for all heads of a layer against a double loop over pairs of sentences for each head."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(tokens), size=(heads, tokens)).astype(np.float32)
    edges = np.linspace(0, tokens, sentences + 1).astype(int)
    spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    a = torch.tensor(weights)
    _ = attention.pooled(a, spans)
    start = time.perf_counter()
    fast = attention.pooled(a, spans).numpy()
    middle = time.perf_counter()
    slow = np.stack([double_loop(head, spans) for head in weights])
    end = time.perf_counter()
    assert np.abs(fast - slow).max() < 1e-6
    ratio = (end - middle) / (middle - start)
    print(f"pooling, T = {tokens}, M = {sentences}, {heads} heads: {middle - start:.4f} s, ", end="")
    print(f"double loop {end - middle:.2f} s: {ratio:.0f} times as fast (required at T = 1000: {POOLING})")


def masking(name: str, model: LanguageModel, text: str, parts: list[Sentence]) -> None:
    """The suppression matrix with shared prefixes and batches against one full pass for each source."""
    spans, ids = attention.token_spans(model.tokenizer, text, parts), torch.tensor([model.encode(text)])
    start = time.perf_counter()
    fast = suppression.suppression_matrix(model, text, parts, scale="kl")
    middle = time.perf_counter()
    slow = np.full_like(fast, np.nan)
    with torch.inference_mode():
        base = model.network(ids).logits
        for i, span in enumerate(spans[:-1]):
            mask = suppression.hidden_mask([span], 0, ids.shape[1], torch.float32)
            change = suppression.divergence(base, model.network(ids, attention_mask=mask).logits, 0.6)[0]
            for j in range(i + 1, len(spans)):
                slow[i, j] = change[spans[j][0] - 1 : spans[j][1] - 1].mean()
    end = time.perf_counter()
    assert np.nanmax(np.abs(fast - slow)) < 1e-4
    ratio = (end - middle) / (middle - start)
    print(f"suppression, {name}, T = {ids.shape[1]}, M = {len(parts)}: {middle - start:.1f} s, ", end="")
    print(f"one pass for each source {end - middle:.1f} s: {ratio:.1f} times as fast (required: {MASKING})")


def memory(name: str, model: LanguageModel, tokens: int) -> None:
    """Peak memory of reading sentence attention above that of a plain pass, in layers of attention weights."""
    parts = split(text_of(tokens // 24))
    text = " ".join(part.text for part in parts)
    ids = torch.tensor([model.encode(text)])
    with torch.inference_mode():
        model.network(ids, use_cache=False, logits_to_keep=1)
    plain = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    attention.sentence_attention(model, text, split(text))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    layer = 4 * model.network.config.num_attention_heads * ids.shape[1] ** 2 / 1024  # KiB
    words = f"memory, {name}, T = {ids.shape[1]}: {(peak - plain) / 1024:.0f} MiB above a plain pass"
    print(f"{words}, {(peak - plain) / layer:.1f} layers of attention (at most {LAYERS})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--sentences", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    memory(arguments.model, load(arguments.model), 3000)  # first: the peak of a process never falls
    for tokens, sentences in ((1000, 60), (1000, 144), (4200, 144)):
        pooling(tokens, sentences, 4)
    model, text = load(arguments.model), text_of(arguments.sentences)
    trace = corpus.traces(arguments.model, "laptop", 0, 2)[1]
    masking(f"{arguments.model}, a recorded trace after its prompt", model, trace.whole, trace.located)
    masking(f"{arguments.model}, sentences without a prompt", model, text, split(text))


if __name__ == "__main__":
    main()
