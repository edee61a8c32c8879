"""Continuations of a prefix: its keys and values are computed once and shared, each rollout has a seed of its own.

Every rollout draws its uniform numbers from a generator with its own seed and picks tokens by inverting the cumulative
distribution, so that it can be repeated alone whatever shared its batch. Costs: one pass over the prefix, then one
token per unfinished rollout and step; a finished rollout leaves its place to one that waits.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.progress import bar
from anchors.models.decoding import SHARING, Trunk, attending, decoder
from anchors.models.language import LanguageModel

NARROW = 256  # most likely tokens looked at first; the whole vocabulary is sorted only where they do not reach top_p
TAIL = 16  # prefix tokens decoded with a continuation, for the blank between them


@dataclass(frozen=True)
class Continuation:
    """One rollout; ``logprob`` sums its tokens' log-probabilities at temperature 1 (nats), the end token included.

    ``error`` is one line when the rollout failed, which only an endpoint's can (:mod:`anchors.models.remote`).
    """

    text: str
    token_ids: tuple[int, ...]
    logprob: float
    finished: bool
    seed: int
    error: str | None = None


@dataclass(frozen=True)
class _Rules:
    """How tokens are chosen and when a rollout ends."""

    temperature: float
    top_p: float
    greedy: bool
    stop: tuple[str, ...]
    ends: frozenset[int]

    def choose(self, logits: Any, u: Any) -> tuple[list[int], list[float]]:
        """Return per row the token that ``u`` (n,) picks from ``logits`` (n, V), and its log-probability at T = 1."""
        import torch

        logits = logits.float()
        if self.greedy:
            chosen = logits.argmax(-1)
        else:
            chosen = invert(torch.softmax(logits / self.temperature, -1), self.top_p, u.to(logits.device))
        gained = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(-1)
        return chosen.tolist(), gained.tolist()


@dataclass
class _Row:
    """A rollout under way."""

    place: int  # in the caller's order
    length: int  # tokens of the prefix
    seed: int
    room: int
    noise: np.ndarray | None = None  # (room,), drawn when the row begins
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finished: bool = False


def continuations(
    model: LanguageModel, prefix: str, seeds: Sequence[int], max_new_tokens: int, temperature: float = 0.6,
    top_p: float = 0.95, batch: int = 64, stop: Sequence[str] = (), greedy: bool = False, track: bool = False,
    done: Callable[[int, Continuation], None] | None = None,
) -> list[Continuation]:  # fmt: skip
    """Return one continuation of ``prefix`` per seed, in the order of ``seeds``.

    Parameters
    ----------
    max_new_tokens : per rollout; one that did not end by then has ``finished=False``.
    temperature, top_p : the paper's by default (sec. 1); ``greedy`` takes the most likely token instead.
    batch : rollouts at a time. stop : texts that end a rollout; the token that completes one is kept.
    track : show progress. done : called with the index and the continuation of each rollout as soon as it is finished.

    Raises
    ------
    InputError
        An impossible setting, an empty prefix, or a prefix that leaves no room in the model's context.
    """
    jobs = [(prefix, seed) for seed in seeds]
    return many(model, jobs, max_new_tokens, temperature, top_p, batch, stop, greedy, track, done)


def many(
    model: LanguageModel, jobs: Sequence[tuple[str, int]], max_new_tokens: int, temperature: float = 0.6,
    top_p: float = 0.95, batch: int = 64, stop: Sequence[str] = (), greedy: bool = False, track: bool = False,
    done: Callable[[int, Continuation], None] | None = None,
) -> list[Continuation]:  # fmt: skip
    """Return one continuation per job ``(prefix, seed)``, in the order of ``jobs``; else as :func:`continuations`.

    Prefixes whose tokens begin a longer one's share its pass: all prefixes of one trace cost one pass over the trace,
    and their rollouts fill the same batches.
    """
    import torch

    _check(temperature, top_p, max_new_tokens, batch)
    rules = _Rules(temperature, top_p, greedy, tuple(stop), frozenset(_ends(model)))
    tokens = {prefix: _encoded(model, prefix) for prefix in dict.fromkeys(prefix for prefix, _ in jobs)}
    found: list[Continuation | None] = [None] * len(jobs)
    with torch.inference_mode(), bar("rollouts", track, total=len(jobs)) as progress:

        def finish(row: _Row, ids: list[int]) -> None:
            text = _text(model, ids[: row.length], row.tokens)
            found[row.place] = Continuation(text, tuple(row.tokens), row.logprob, row.finished, row.seed)
            progress.update()
            if done:
                done(row.place, found[row.place])

        for ids, prefixes in _trunks(model, tokens):
            rows = _waiting(model, jobs, {prefix: len(tokens[prefix]) for prefix in prefixes}, max_new_tokens)
            _run(model, rules, Trunk(model.network, ids, sorted({row.length for row in rows})), rows, batch, finish)
    return found


def _check(temperature: float, top_p: float, max_new_tokens: int, batch: int) -> None:
    if not temperature > 0:
        raise InputError("temperature", temperature, "more than 0", "Say greedy=True for the most likely token.")
    if not 0 < top_p <= 1:
        raise InputError("top_p", top_p, "more than 0, at most 1")
    if max_new_tokens < 1 or batch < 1:
        raise InputError("max_new_tokens, batch", (max_new_tokens, batch), "at least 1 each")


def _encoded(model: LanguageModel, prefix: str) -> list[int]:
    ids = model.encode(prefix)
    if not ids:
        raise InputError("prefix", "no token", "a text", "Begin with the prompt.")
    return ids


def _trunks(model: LanguageModel, tokens: dict[str, list[int]]) -> list[tuple[list[int], list[str]]]:
    """Return groups (tokens of the longest, its prefixes): one group per text that is no beginning of another.

    A model that cannot share (:mod:`anchors.models.decoding`) has a group per prefix.
    """
    share = model.network.config.model_type in SHARING
    groups: list[tuple[list[int], list[str]]] = []
    for prefix, ids in sorted(tokens.items(), key=lambda item: -len(item[1])):
        home = next((group for group in groups if share and group[0][: len(ids)] == ids), None)
        if home:
            home[1].append(prefix)
        else:
            groups.append((ids, [prefix]))
    return groups


def _waiting(model: LanguageModel, jobs: Sequence[tuple[str, int]], lengths: dict[str, int], limit: int) -> deque[_Row]:
    """Return the rollouts of these prefixes, shortest prefix first: those may become the longest."""
    rows = []
    for place, (prefix, seed) in enumerate(jobs):
        if prefix in lengths:
            room = min(limit, model.max_context - lengths[prefix])
            rows.append(_Row(place, lengths[prefix], int(seed), room))
    return deque(sorted(rows, key=lambda row: row.length))


def _run(model: LanguageModel, rules: _Rules, trunk: Trunk, waiting: deque[_Row], batch: int, finish: Callable) -> None:
    """Advance the rollouts, ``batch`` at a time, until none waits or is under way."""
    import torch

    state, rows, logits = decoder(model.network, trunk), [], None
    with attending(model.network) if state.refills else nullcontext():
        while rows or waiting:
            if waiting and (not rows or (state.refills and len(rows) < batch)):
                new = [waiting.popleft() for _ in range(min(batch - len(rows), len(waiting)))]
                state.admit([row.length for row in new])
                for row in new:
                    row.noise = uniforms(row.seed, row.room).numpy()
                fresh = torch.stack([trunk.logits[row.length] for row in new])
                rows, logits = rows + new, fresh if logits is None else torch.cat([logits, fresh])
            order = _advance(model, rules, rows, logits)
            for gone in set(range(len(rows))) - set(order):
                finish(rows[gone], trunk.ids)
            state.keep(order)
            rows = [rows[place] for place in order]
            logits = state.step([row.tokens[-1] for row in rows]) if rows else None


def _advance(model: LanguageModel, rules: _Rules, rows: list[_Row], logits: Any) -> list[int]:
    """Append a token to every row; return the places of those that go on, the last ones moved into the gaps."""
    import torch

    u = torch.tensor([row.noise[len(row.tokens)] for row in rows])
    tokens, gained = rules.choose(logits, u)
    order = list(range(len(rows)))
    for place in reversed(range(len(rows))):
        row = rows[place]
        row.tokens.append(tokens[place])
        row.logprob += gained[place]
        row.finished = tokens[place] in rules.ends or _stopped(model, rules, row)
        if row.finished or len(row.tokens) == row.room:
            order[place] = order[-1]
            order.pop()
    return order


def _stopped(model: LanguageModel, rules: _Rules, row: _Row) -> bool:
    """Return whether a stop text ends with the row's newest token."""
    if not rules.stop:
        return False
    reach = 4 * max(map(len, rules.stop))  # a character has at most four bytes and a token at least one
    text = model.tokenizer.decode(row.tokens[-reach:], skip_special_tokens=True)
    return any(stop in text for stop in rules.stop)


def _text(model: LanguageModel, ids: list[int], tokens: list[int]) -> str:
    """Return what the tokens add to the text of the prefix, special tokens left out."""
    tail, decode = ids[-TAIL:], model.tokenizer.decode
    return decode([*tail, *tokens], skip_special_tokens=True)[len(decode(tail, skip_special_tokens=True)) :]


def _ends(model: LanguageModel) -> set[int]:
    """Return the tokens that end a text, wherever the model says so."""
    network = model.network
    said = (network.generation_config.eos_token_id, network.config.eos_token_id, model.tokenizer.eos_token_id)
    return {int(token) for one in said if one is not None for token in np.atleast_1d(one)}


def uniforms(seed: int, count: int) -> Any:
    """Return the uniform numbers (count,) in [0, 1) that belong to a rollout's seed; fewer are the first of more."""
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
    found = _inverted(values, order, top_p, u)
    reached = values.sum(1)
    short = (reached < top_p) if top_p < 1 else (reached < u)  # the likeliest tokens do not settle these rows
    if p.shape[1] > NARROW and bool(short.any()):
        found[short] = _inverted(*torch.sort(p[short], dim=1, descending=True, stable=True), top_p, u[short])
    return found


def _inverted(values: Any, order: Any, top_p: float, u: Any) -> Any:
    """Return the tokens that ``u`` (n,) picks; values (n, k) sorted probabilities of the tokens ``order`` (n, k)."""
    import torch

    cumulative = values.cumsum(1)
    allowed = (cumulative - values) < top_p  # the mass before a token, as in transformers' own filter
    mass = (values * allowed).sum(1) if top_p < 1 else torch.ones_like(u)
    place = (cumulative < (u * mass)[:, None]).sum(1)  # the first token whose cumulative mass reaches u
    place = torch.minimum(place, allowed.sum(1) - 1)
    return order.gather(1, place[:, None])[:, 0]


def next_token_distribution(model: LanguageModel, prefix: str) -> np.ndarray:
    """Return the probabilities (V,) of the token after ``prefix`` at temperature 1."""
    import torch

    with torch.inference_mode():
        ids = torch.tensor([_encoded(model, prefix)], device=model.network.device)
        logits = model.network(ids, use_cache=False, logits_to_keep=1).logits[0, -1]
        return torch.softmax(logits.float(), -1).cpu().numpy()
