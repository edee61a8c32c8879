"""Rollouts of one prefix: shared prefix against `generate(num_return_sequences=…)`, side by side in one process.

Both run on one thread with the same model, prefix, temperature, top-p and number of new tokens; `generate` gets the
largest chunks whose keys and values fit in a given memory. Before the clock starts, both must write the same greedy
text and give the same next-token distribution.
"""

import argparse
import time

import numpy as np

from anchors.models.language import LanguageModel, load
from anchors.models.sampling import continuations, next_token_distribution

REQUIRED = 3.0
TEXT = "A train leaves town at {n} and a second one follows after {n} minutes, a little faster than the first one. "


def long_prefix(model: LanguageModel, tokens: int) -> str:
    """Return a text of at least so many tokens."""
    text, n = "", 0
    while len(model.encode(text)) < tokens if text else True:
        n += 1
        text += TEXT.format(n=n)
    return text.strip()


def chunk(model: LanguageModel, tokens: int, gib: float) -> int:
    """Return how many rows of so many tokens fit in the memory beside the weights: keys and values, old and new."""
    config = model.network.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    row = 2 * 4 * config.num_hidden_layers * config.num_key_value_heads * width * tokens
    weights = 4 * sum(p.numel() for p in model.network.parameters())
    return max(1, int((gib * 2**30 - weights) / (row * (1 + 1 / config.num_hidden_layers))))


def generated(model: LanguageModel, prefix: str, rollouts: int, new: int, rows: int) -> int:
    """Sample with transformers' `generate` in chunks of ``rows``; return the number of rollouts."""
    import torch

    ids = torch.tensor([model.encode(prefix)])
    options = {"do_sample": True, "temperature": 0.6, "top_p": 0.95, "top_k": 0, "max_new_tokens": new}
    done = 0
    while done < rollouts:
        count = min(rows, rollouts - done)
        out = model.network.generate(ids, attention_mask=torch.ones_like(ids), num_return_sequences=count, **options)
        done += len(out)
    return done


def check_equal(model: LanguageModel, prefix: str, new: int) -> None:
    """Assert the same greedy text and the same next-token distribution."""
    import torch

    ids = torch.tensor([model.encode(prefix)])
    out = model.network.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False)
    [own] = continuations(model, prefix, [0], new, greedy=True)
    assert list(own.token_ids) == out[0, ids.shape[1] :].tolist(), "greedy texts differ"
    logits = model.network(ids, logits_to_keep=1).logits[0, -1]
    gap = np.abs(next_token_distribution(model, prefix) - logits.softmax(-1).detach().numpy()).max()
    assert gap < 1e-4, gap


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rollouts", type=int, default=100)
    parser.add_argument("--prefix", type=int, default=400, help="tokens")
    parser.add_argument("--new", type=int, default=32, help="tokens per rollout")
    parser.add_argument("--gib", type=float, default=8.0, help="memory for generate")
    a = parser.parse_args()
    torch.set_num_threads(1)
    model = load(a.model)
    prefix = long_prefix(model, a.prefix)
    length = len(model.encode(prefix))
    rows = min(a.rollouts, chunk(model, length + a.new, a.gib))
    check_equal(model, prefix, min(a.new, 24))
    versions = {
        "shared prefix": lambda: len(continuations(model, prefix, range(a.rollouts), a.new, batch=a.rollouts)),
        f"generate, {rows} at a time": lambda: generated(model, prefix, a.rollouts, a.new, rows),
    }
    print(f"{a.model}: {a.rollouts} rollouts of {a.new} tokens after {length} tokens, one thread", flush=True)
    seconds = {}
    for name, version in versions.items():
        start = time.perf_counter()
        assert version() == a.rollouts
        seconds[name] = time.perf_counter() - start
        print(f"{name:24} {seconds[name]:8.1f} s {a.rollouts / seconds[name]:8.2f} rollouts/s", flush=True)
    first, second = seconds.values()
    print(f"ratio {second / first:.1f}; required: at least {REQUIRED:.0f}")


if __name__ == "__main__":
    main()
