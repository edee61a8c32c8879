"""Continuations of one prefix: its keys and values are computed once and shared, each rollout has a seed of its own.

Every rollout draws its uniform numbers from a generator with its own seed and picks tokens by inverting the cumulative
distribution, so that it can be repeated alone whatever shared its batch. Costs: one pass over the prefix, then one
token per unfinished rollout and step; finished rollouts leave the batch.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.models.language import LanguageModel

NARROW = 256  # most likely tokens looked at first; the whole vocabulary is sorted only where they do not reach top_p
TAIL = 16  # prefix tokens decoded with a continuation, for the blank between them


@dataclass(frozen=True)
class Continuation:
    """One rollout; ``logprob`` sums its tokens' log-probabilities at temperature 1 (nats), the end token included."""

    text: str
    token_ids: tuple[int, ...]
    logprob: float
    finished: bool
    seed: int


def continuations(
    model: LanguageModel, prefix: str, seeds: Sequence[int], max_new_tokens: int, temperature: float = 0.6,
    top_p: float = 0.95, batch: int = 64, stop: Sequence[str] = (), greedy: bool = False,
) -> list[Continuation]:  # fmt: skip
    """Return one continuation of ``prefix`` per seed, in the order of ``seeds``.

    Parameters
    ----------
    max_new_tokens : per rollout; one that did not end by then has ``finished=False``.
    temperature, top_p : the paper's by default (sec. 1); ``greedy`` takes the most likely token instead.
    batch : rollouts at a time; stop : texts that end a rollout (they are kept).

    Raises
    ------
    InputError
        An impossible setting, an empty prefix, or a prefix that leaves no room in the model's context.
    """
    import torch

    _check(temperature, top_p, max_new_tokens, batch)
    ids = model.encode(prefix)
    if not ids:
        raise InputError("prefix", "no token", "a text", "Begin with the prompt.")
    room = min(max_new_tokens, model.max_context - len(ids))
    with torch.inference_mode():
        tokens = torch.tensor([ids], device=model.network.device)
        start = model.network(tokens, use_cache=True, logits_to_keep=1)
        found = []
        for first in range(0, len(seeds), batch):
            own = list(seeds[first : first + batch])
            found += _Batch(model, ids, start, own, room, temperature, top_p, tuple(stop), greedy).run()
    return found


def _check(temperature: float, top_p: float, max_new_tokens: int, batch: int) -> None:
    if not temperature > 0:
        raise InputError("temperature", temperature, "more than 0", "Say greedy=True for the most likely token.")
    if not 0 < top_p <= 1:
        raise InputError("top_p", top_p, "more than 0, at most 1")
    if max_new_tokens < 1 or batch < 1:
        raise InputError("max_new_tokens, batch", (max_new_tokens, batch), "at least 1 each")


class _Batch:
    """Rollouts that advance together; ``rows`` are the ones not finished."""

    def __init__(self, model, ids, start, seeds, room, temperature, top_p, stop, greedy):
        import torch

        self.model, self.room, self.temperature, self.top_p = model, room, temperature, top_p
        self.stop, self.greedy, self.seeds, self.tail = stop, greedy, seeds, ids[-TAIL:]
        self.ends = _ends(model)
        self.cache = deepcopy(start.past_key_values)
        self.cache.batch_repeat_interleave(len(seeds))
        self.logits = start.logits[:, -1].expand(len(seeds), -1)  # (rows, V)
        self.noise = torch.stack([uniforms(seed, room) for seed in seeds]).to(self.logits.device)  # (n, room)
        self.rows = list(range(len(seeds)))
        self.tokens: list[list[int]] = [[] for _ in seeds]
        self.logprobs = [0.0] * len(seeds)
        self.finished = [False] * len(seeds)

    def run(self) -> list[Continuation]:
        """Advance until every rollout has ended or is out of room."""
        for step in range(self.room):
            chosen = self._choose(step)
            kept = self._note(chosen)
            if not kept or step == self.room - 1:
                break
            self._advance(chosen, kept)
        read = zip(self.tokens, self.logprobs, self.finished, self.seeds, strict=True)
        return [Continuation(self._text(t), tuple(t), p, done, int(seed)) for t, p, done, seed in read]

    def _choose(self, step: int) -> Any:
        import torch

        logits = self.logits.float()
        if self.greedy:
            chosen = logits.argmax(-1)
        else:
            chosen = invert(torch.softmax(logits / self.temperature, -1), self.top_p, self.noise[self.rows, step])
        gained = torch.log_softmax(logits, -1).gather(1, chosen[:, None])[:, 0].tolist()
        for row, value in zip(self.rows, gained, strict=True):
            self.logprobs[row] += value
        return chosen

    def _note(self, chosen: Any) -> list[int]:
        """Append the tokens and return the places, in the present batch, of the rows that go on."""
        kept = []
        for place, (row, token) in enumerate(zip(self.rows, chosen.tolist(), strict=True)):
            self.tokens[row].append(token)
            stopped = bool(self.stop) and any(text in self._text(self.tokens[row]) for text in self.stop)
            self.finished[row] = token in self.ends or stopped
            if not self.finished[row]:
                kept.append(place)
        return kept

    def _advance(self, chosen: Any, kept: list[int]) -> None:
        import torch

        if len(kept) < len(self.rows):
            index = torch.tensor(kept, device=chosen.device)
            self.cache.batch_select_indices(index)
            chosen, self.rows = chosen[index], [self.rows[place] for place in kept]
        out = self.model.network(chosen[:, None], past_key_values=self.cache, use_cache=True)
        self.logits, self.cache = out.logits[:, -1], out.past_key_values

    def _text(self, tokens: list[int]) -> str:
        """Return what the tokens add to the text of the prefix, special tokens left out."""
        decode = self.model.tokenizer.decode
        whole = decode([*self.tail, *tokens], skip_special_tokens=True)
        return whole[len(decode(self.tail, skip_special_tokens=True)) :]


def _ends(model: LanguageModel) -> set[int]:
    """Return the tokens that end a text, wherever the model says so."""
    network = model.network
    said = (network.generation_config.eos_token_id, network.config.eos_token_id, model.tokenizer.eos_token_id)
    return {int(token) for one in said if one is not None for token in np.atleast_1d(one)}


def uniforms(seed: int, count: int) -> Any:
    """Return the uniform numbers (count,) in [0, 1) that belong to a rollout's seed."""
    import torch

    return torch.rand(count, generator=torch.Generator().manual_seed(int(seed)), dtype=torch.float32)


def invert(p: Any, top_p: float, u: Any) -> Any:
    """Return for each row the token at which the cumulative distribution passes ``u``; likelier tokens come first.

    Parameters
    ----------
    p : (n, V) probabilities. top_p : mass of the likeliest tokens that may be drawn; the one that passes it is kept.
    u : (n,) uniform numbers.
    """
    import torch

    values, order = torch.topk(p, min(NARROW, p.shape[1]), dim=1)
    if top_p == 1.0 or bool((values.sum(1) < top_p).any()):
        values, order = torch.sort(p, dim=1, descending=True, stable=True)
    cumulative = values.cumsum(1)
    allowed = (cumulative - values) < top_p  # the mass before a token, as in transformers' own filter
    mass = (values * allowed).sum(1)
    place = (cumulative < (u * mass)[:, None]).sum(1)  # the first token whose cumulative mass reaches u
    place = torch.minimum(place, allowed.sum(1) - 1)
    return order.gather(1, place[:, None])[:, 0]


def next_token_distribution(model: LanguageModel, prefix: str) -> np.ndarray:
    """Return the probabilities (V,) of the token after ``prefix`` at temperature 1."""
    import torch

    with torch.inference_mode():
        ids = torch.tensor([model.encode(prefix)], device=model.network.device)
        logits = model.network(ids, use_cache=False, logits_to_keep=1).logits[0, -1]
        return torch.softmax(logits.float(), -1).cpu().numpy()
