"""How near the trained writer came to the program: its loss beside the program's entropy, and rates beside rates."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from anchors.models.tiny import IGNORED, Example, collate
from anchors.rubric.writer import attributes, program, prompts
from anchors.rubric.writer.truth import logprob, words_logprob
from anchors.rubric.writer.vocabulary import END, IDS, TOKENS, encode, join

TEXTS = 2000  # held out, and audited
HELD_OUT, AUDITED = 1_000_000, 2_000_000  # seeds, far from those of training
TWINS = 5  # texts of the program for each of the writer's
LONGEST = 72  # tokens of an audited text at most; the program's rarely pass 60


@dataclass(frozen=True)
class HeldOut:
    """Nats per token, the end included: of the writer (``loss``) and of the program that wrote the texts."""

    loss: float
    entropy: float
    tokens: int


def taught(prompt: prompts.Prompt, words: Sequence[str]) -> Example:
    """Return a prompt and a text as an example: the loss is on the text and its end."""
    before, text = encode(prompt.text), [*(IDS[word] for word in words), IDS[END]]
    return before + text, [IGNORED] * len(before) + text


def held_out(network: Any, texts: int = TEXTS, seed: int = HELD_OUT, batch: int = 200) -> HeldOut:
    """Return the loss on new texts of the program, beside the program's own (an estimate of its entropy)."""
    import torch

    rng = np.random.default_rng(seed)
    asked = [prompts.sample(rng) for _ in range(texts)]
    written = [program.sample(prompt, rng)[0] for prompt in asked]
    own = -sum(map(words_logprob, asked, written))
    count = sum(map(len, written)) + texts
    examples, total = list(map(taught, asked, written)), 0.0
    for start in range(0, texts, batch):
        ids, labels = collate(examples[start : start + batch])
        with torch.inference_mode():
            logits = network(ids, use_cache=False).logits[:, :-1].flatten(0, 1)
        total += torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), reduction="sum").item()
    return HeldOut(total / count, own / count, count)


def audit(network: Any, texts: int = TEXTS, seed: int = AUDITED) -> dict[str, Any]:
    """Return what a network's texts show at temperature 1, beside texts of the program for the same prompts.

    Keys: ``texts``, ``rates`` of attributes and ``obeyed`` constraints, each of the writer and of the program
    (:data:`TWINS` texts for each of the writer's); of the writer alone ``readable`` (share of sentences that the
    program can write), ``grammatical`` (share of texts that it could have written, prompt and all) and ``finished``.
    """
    rng = np.random.default_rng(seed)
    asked = [prompts.sample(rng) for _ in range(texts)]
    said = [prompt.text for prompt in asked]
    own, ended = zip(*generate(network, said, rng), strict=True)
    true = [program.write(prompt, rng) for prompt in asked for _ in range(TWINS)]
    pairs = {"writer": (said, own), "program": ([text for text in said for _ in range(TWINS)], true)}
    return {
        "texts": texts,
        "rates": _compared(attributes.ATTRIBUTES, {who: attributes.decide(*pair) for who, pair in pairs.items()}),
        "obeyed": _compared(prompts.CONSTRAINTS, {who: attributes.obeyed(*pair) for who, pair in pairs.items()}),
        "readable": round(float(attributes.sentence_shares(own)[:, 0].mean()), 4),
        "grammatical": round(float(np.mean([np.isfinite(logprob(p, t)) for p, t in zip(asked, own, strict=True)])), 4),
        "finished": round(float(np.mean(ended)), 4),
    }


def _compared(names: Sequence[str], tables: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return the mean of each column (NaN left out; 0 where nothing else is), of the writer and of the program."""
    counts = {who: np.maximum((~np.isnan(table.astype(float))).sum(0), 1) for who, table in tables.items()}
    means = {who: (np.nansum(table, 0) / counts[who]).round(4).tolist() for who, table in tables.items()}
    return {name: {who: values[k] for who, values in means.items()} for k, name in enumerate(names)}


def measured(network: Any, texts: int = TEXTS) -> dict[str, Any]:
    """Return what the record of the shipped writer says: :func:`held_out` and :func:`audit`."""
    loss = {name: round(value, 4) for name, value in asdict(held_out(network, texts)).items()}
    return {"held_out": loss, "audit": audit(network, texts)}


def generate(network: Any, said: Sequence[str], rng: np.random.Generator, batch: int = 256) -> list[tuple[str, bool]]:
    """Return a text for each prompt, sampled at temperature 1, and whether it ended.

    Prompts of equal length share a batch, so that nothing is padded.
    """
    import torch

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    ids = [encode(text) for text in said]
    found: list[tuple[str, bool]] = [("", False)] * len(said)
    for length in sorted({len(one) for one in ids}):
        rows = [row for row, one in enumerate(ids) if len(one) == length]
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            for row, tokens in zip(part, _sampled(network, [ids[r] for r in part], generator), strict=True):
                kept = tokens[: tokens.index(IDS[END])] if IDS[END] in tokens else tokens
                found[row] = join([TOKENS[token] for token in kept]), IDS[END] in tokens
    return found


def _sampled(network: Any, ids: list[list[int]], generator: Any) -> list[list[int]]:
    """Return tokens drawn after prompts of one length until all have ended, or :data:`LONGEST`."""
    import torch

    given, written, past = torch.tensor(ids), [], None
    ended = torch.zeros(len(ids), dtype=torch.bool)
    with torch.inference_mode():
        while len(written) < LONGEST and not ended.all():
            out = network(given, past_key_values=past, use_cache=True, logits_to_keep=1)
            given, past = torch.multinomial(out.logits[:, -1].softmax(-1), 1, generator=generator), out.past_key_values
            written.append(given)
            ended |= given[:, 0] == IDS[END]
    return torch.cat(written, 1).tolist()
