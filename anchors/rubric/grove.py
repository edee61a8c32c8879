"""Rollouts of several prompts in one batch: each prompt is read once, and every row sees its own prompt only (ours).

:func:`anchors.models.sampling.many` samples prompts that do not begin each other one after another. A step of GRPO has
a few rollouts of each of a few prompts; decoded together they fill one batch, which costs little more than one row.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.models.decoding import SHARING, Repeated, Shared, Trunk, attending
from anchors.models.language import LanguageModel
from anchors.models.sampling import Continuation, invert, uniforms

TAIL = 16  # tokens of a prompt that are decoded with a response, for the blank between them


class Grove(Shared):
    """Rows over several trunks that lie one behind the other: row r sees the trunk ``which[r]`` and its own tokens."""

    refills = False

    def __init__(self, network: Any, trunks: Sequence[Trunk], which: Sequence[int]):
        import torch

        layers = zip(*(trunk.cache.layers for trunk in trunks), strict=True)
        self.network, self.own = network, {}
        self.trunk = [
            tuple(torch.cat([getattr(part, name)[0] for part in layer], 1) for name in ("keys", "values"))
            for layer in layers
        ]  # (kv heads, T of all trunks, d) each
        sizes = np.array([len(trunk.ids) for trunk in trunks])
        self.lengths, self.starts = sizes[which], (sizes.cumsum() - sizes)[which]
        self.counts = np.zeros(len(which), int)

    def keep(self, rows: list[int]) -> None:
        """Keep these rows in this order, as :meth:`Shared.keep`."""
        super().keep(rows)
        self.starts = self.starts[rows]

    def _begin(self) -> None:
        """Prepare the step as :class:`Shared` does, then hide the other rows' trunks."""
        import torch

        super()._begin()
        total = self.trunk[0][0].shape[1]
        place = np.arange(total + self.width)[None]
        within = place - self.starts[:, None]
        other = (within < 0) | (within >= self.lengths[:, None])
        self.position = np.where(place < total, within, self.position)
        self.hidden = np.where(place < total, other, self.hidden)
        hidden = torch.tensor(self.hidden, device=self.network.device)[:, None, None]
        self.masks = {None: hidden if self.hidden.any() else None}


def sample(
    model: LanguageModel, prompts: Sequence[Sequence[int]], seeds: Sequence[int], max_new_tokens: int,
    temperature: float = 1.0, top_p: float = 1.0, batch: int = 256,
) -> list[Continuation]:  # fmt: skip
    """Return one continuation per prompt (token ids) and seed; each is what ``sampling.continuations`` gives alone.

    Parameters
    ----------
    prompts : n lists of token ids; equal ones are read once. seeds : n numbers.
    batch : rows decoded at a time.

    Raises
    ------
    InputError
        An empty prompt, or one that leaves no room in the model's context.
    """
    import torch

    for ids in prompts:
        if not 0 < len(ids) < model.max_context:
            raise InputError("prompt", f"{len(ids)} tokens", f"1 to {model.max_context - 1}", "Shorten it.")
    found: list[Any] = [None] * len(prompts)
    with torch.inference_mode():
        for rows in _batches(model, prompts, batch):
            together = _together(
                model, [prompts[r] for r in rows], [seeds[r] for r in rows], max_new_tokens, temperature, top_p
            )
            for row, one in zip(rows, together, strict=True):
                found[row] = one
    return found


def _batches(model: LanguageModel, prompts: Sequence[Sequence[int]], batch: int) -> list[list[int]]:
    """Return the rows that are decoded together: of one prompt only where the attention may not allow sharing."""
    groups: dict[Any, list[int]] = {}
    share = model.network.config.model_type in SHARING
    for row, ids in enumerate(prompts):
        groups.setdefault(None if share else tuple(ids), []).append(row)
    return [rows[at : at + batch] for rows in groups.values() for at in range(0, len(rows), batch)]


@dataclass
class _Row:
    """A rollout under way: ``room`` tokens at most, ``noise`` (room,) uniform numbers."""

    room: int
    noise: Any
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0


def _together(
    model: LanguageModel, prompts: Any, seeds: Any, limit: int, temperature: float, top_p: float
) -> list[Continuation]:
    """Decode the rows until each has ended or has no room left; a finished row leaves the batch."""
    import torch

    distinct = {ids: place for place, ids in enumerate(dict.fromkeys(map(tuple, prompts)))}
    which = [distinct[tuple(ids)] for ids in prompts]
    trunks = [Trunk(model.network, ids, [len(ids)]) for ids in distinct]
    state, ends = _decoder(model, trunks, which), end_tokens(model)
    logits = torch.stack([trunks[place].logits[len(trunks[place].ids)] for place in which])
    room = [min(limit, model.max_context - len(ids)) for ids in prompts]
    rows = [_Row(most, uniforms(seed, most)) for most, seed in zip(room, seeds, strict=True)]
    alive = list(rows)
    with attending(model.network) if isinstance(state, Grove) else nullcontext():
        while order := _advance(alive, logits, ends, temperature, top_p):
            state.keep(order)
            alive = [alive[place] for place in order]
            logits = state.step([row.tokens[-1] for row in alive])
    return [
        Continuation(text(model, ids, row.tokens), tuple(row.tokens), row.logprob, row.tokens[-1] in ends, int(seed))
        for ids, row, seed in zip(prompts, rows, seeds, strict=True)
    ]


def _advance(rows: list[_Row], logits: Any, ends: set[int], temperature: float, top_p: float) -> list[int]:
    """Append a token to every row; return the places of those that go on."""
    import torch

    u = torch.stack([row.noise[len(row.tokens)] for row in rows])
    for row, token, gain in zip(rows, *_choose(logits, u, temperature, top_p), strict=True):
        row.tokens.append(token)
        row.logprob += gain
    return closed([row.tokens[-1] in ends or len(row.tokens) == row.room for row in rows])


def _decoder(model: LanguageModel, trunks: list[Trunk], which: list[int]) -> Any:
    if model.network.config.model_type in SHARING:
        return Grove(model.network, trunks, which)
    state = Repeated(model.network, trunks[0])
    state.admit([len(trunks[0].ids)] * len(which))
    return state


def _choose(logits: Any, u: Any, temperature: float, top_p: float) -> tuple[list[int], list[float]]:
    """Return per row the token that ``u`` (n,) picks from ``logits`` (n, V), and its log-probability at T = 1."""
    import torch

    logits = logits.float()
    chosen = invert(torch.softmax(logits / temperature, -1), top_p, u.to(logits.device))
    gain = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(-1)
    return chosen.tolist(), gain.tolist()


def closed(ended: Sequence[bool]) -> list[int]:
    """Return the places of the rows that go on, the last ones moved into the gaps of those that ended."""
    left = [place for place, end in enumerate(ended) if not end]
    movers = iter([place for place in left if place >= len(left)])
    return [next(movers) if ended[place] else place for place in range(len(left))]


def text(model: LanguageModel, ids: Sequence[int], tokens: Sequence[int]) -> str:
    """Return what ``tokens`` add to the text of the prompt ``ids``, special tokens left out."""
    tail, decode = list(ids)[-TAIL:], model.tokenizer.decode
    return decode([*tail, *tokens], skip_special_tokens=True)[len(decode(tail, skip_special_tokens=True)) :]


def end_tokens(model: LanguageModel) -> set[int]:
    """Return the tokens that end a text, wherever the model says so."""
    network = model.network
    said = (network.generation_config.eos_token_id, network.config.eos_token_id, model.tokenizer.eos_token_id)
    return {int(token) for one in said if one is not None for token in np.atleast_1d(one)}
