"""One token at a time for many rows that share a prefix whose keys and values are kept once.

``Shared`` never copies the prefix: the queries of all rows meet its keys in one product per head, the few tokens of
each row's own are kept in a buffer, and one softmax runs over both. Rows may see different lengths of the prefix and
leave or enter at any step. It is transformers' attention interface that makes this work without touching a model's
modules; ``Repeated`` copies the prefix into every row instead and works with any model that has a cache.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from itertools import takewhile
from typing import Any

import numpy as np

from anchors.companion.errors import InputError

NAME = "anchors_shared_prefix"  # of the attention implementation
GROWTH = 64  # tokens by which the rows' own buffers grow at first
SHARING = (
    "llama", "mistral", "qwen2", "qwen3", "qwen3_moe", "gemma", "gemma2", "gemma3_text", "gpt_neox", "gpt2", "phi3",
    "olmo2",
)  # fmt: skip
"""Model types whose attention is tested to be this one; others are decoded by ``Repeated``."""


def with_cache(network: Any, ids: Any, past: Any = None, **options: Any) -> Any:
    """Return the output of one pass that keeps the keys and values of all tokens, of sliding layers too.

    ``past`` holds those of tokens before ``ids`` (1, n), as :func:`beginning` gives them; the pass adds to it.

    Raises
    ------
    InputError
        The model has no such cache: it reads by something else than attention.
    """
    from transformers import DynamicCache

    try:
        past = DynamicCache() if past is None else past
        tokens = past.get_seq_length() + ids.shape[1]
        out = network(ids, past_key_values=past, use_cache=True, **options)
        if out.past_key_values.get_seq_length() == tokens:
            return out
    except (AttributeError, TypeError) as error:
        raise _no_cache(network) from error
    raise _no_cache(network)


def _no_cache(network: Any) -> InputError:
    cure = "Choose a decoder with attention."
    return InputError(type(network).__name__, "no keys and values of past tokens", "a model with such a cache", cure)


def beginning(network: Any, ids: Sequence[int], shared: Sequence[int], most: int) -> tuple[Any, int]:
    """Return keys and values of the first n tokens, and n: what ``ids`` and ``shared`` begin with, at most ``most``.

    They are read once for all texts that begin with them, so the network must not be changed in between. None and 0
    where there are none.
    """
    equal = (a == b for a, b in zip(ids[:most], shared, strict=False))
    n = sum(takewhile(bool, equal))
    return (first_tokens(_beginning(network, tuple(ids[:n])), n), n) if n > 0 else (None, 0)


@lru_cache(maxsize=1)
def _beginning(network: Any, ids: tuple[int, ...]) -> Any:
    import torch

    with torch.inference_mode():
        return with_cache(network, torch.tensor([ids], device=network.device), logits_to_keep=1).past_key_values


def first_tokens(cache: Any, tokens: int, rows: int = 1) -> Any:
    """Return a copy of a cache's first ``tokens``, once for each of ``rows``; the cache holds one row."""
    from transformers import DynamicCache

    copy = DynamicCache()
    for number, layer in enumerate(cache.layers if tokens else ()):
        both = (kept[:, :, :tokens].expand(rows, -1, -1, -1) for kept in (layer.keys, layer.values))
        copy.update(*both, number)
    return copy


class Trunk:
    """Keys and values of a text, computed once.

    Attributes
    ----------
    ids : its tokens. ``logits`` maps a length n to the logits (V,) after the first n tokens, for the lengths asked for.
    cache : transformers' cache at batch 1.
    """

    def __init__(self, network: Any, ids: Sequence[int], lengths: Sequence[int]):
        import torch

        device = network.device
        where = torch.tensor([n - 1 for n in lengths], device=device)
        tokens = torch.tensor([list(ids)], device=device)
        out = with_cache(network, tokens, logits_to_keep=where)
        self.ids, self.cache = list(ids), out.past_key_values
        self.logits = dict(zip(lengths, out.logits[0], strict=True))


def decoder(network: Any, trunk: Trunk) -> Any:
    """Return what decodes rows after ``trunk``: :class:`Shared` where the model is known to allow it."""
    return (Shared if network.config.model_type in SHARING else Repeated)(network, trunk)


class Shared:
    """Rows that see the first ``lengths[r]`` tokens of one trunk and ``counts[r]`` tokens of their own."""

    refills = True  # rows may enter while others are under way

    def __init__(self, network: Any, trunk: Trunk):
        self.network = network
        self.trunk = [(layer.keys[0], layer.values[0]) for layer in trunk.cache.layers]  # (kv heads, T, d) each
        self.own: dict[int, list] = {}  # layer -> keys, values (rows, kv heads, room, d)
        self.lengths, self.counts = np.zeros(0, int), np.zeros(0, int)

    def admit(self, lengths: Sequence[int]) -> None:
        """Add rows that see the first ``lengths`` tokens of the trunk."""
        self.lengths = np.append(self.lengths, np.asarray(lengths, int))
        self.counts = np.append(self.counts, np.zeros(len(lengths), int))

    def keep(self, rows: list[int]) -> None:
        """Keep these rows in this order; every row that moves comes from beyond the rows that are left."""
        import torch

        moved = [(to, row) for to, row in enumerate(rows) if to != row and self.counts[row]]  # new rows hold nothing
        if moved:
            used = int(self.counts.max())
            to, row = (torch.tensor(one, device=self.network.device) for one in zip(*moved, strict=True))
            for buffers in self.own.values():
                for buffer in buffers:
                    buffer[to, :, :used] = buffer[row, :, :used]
        self.lengths, self.counts = self.lengths[rows], self.counts[rows]

    def step(self, tokens: Sequence[int]) -> Any:
        """Append a token to every row and return the logits (rows, V) after it."""
        import torch

        device = self.network.device
        where = torch.tensor((self.lengths + self.counts)[:, None], device=device)
        self._begin()
        out = self.network(
            torch.tensor(tokens, device=device)[:, None], position_ids=where, past_key_values=self, use_cache=True
        )
        self.counts = self.counts + 1
        return out.logits[:, -1]

    def _begin(self) -> None:
        """Prepare what all layers share at this step: where to write, and the mask (rows, 1, 1, T + width) if any."""
        import torch

        device, total = self.network.device, self.trunk[0][0].shape[1]
        self.width = int(self.counts.max()) + 1
        same = self.counts.min() == self.counts.max()
        self.at = None if same else torch.tensor(self.counts, device=device)
        self.rows = torch.arange(len(self.counts), device=device)
        place = np.arange(total + self.width)[None]  # first the trunk's places, then the own ones
        self.position = np.where(place < total, place, place - total + self.lengths[:, None])
        self.hidden = np.where(place < total, place >= self.lengths[:, None], place - total > self.counts[:, None])
        self.masks = {None: torch.tensor(self.hidden, device=device)[:, None, None] if self.hidden.any() else None}

    def mask(self, window: int | None) -> Any:
        """Return True (rows, 1, 1, T + width) where a row must not look, or None when it may look everywhere."""
        import torch

        if window not in self.masks:
            far = (self.lengths + self.counts)[:, None] - self.position >= window
            hidden = self.hidden | far
            self.masks[window] = torch.tensor(hidden, device=self.network.device)[:, None, None]
        return self.masks[window]

    def update(self, key: Any, value: Any, layer: int, *_args: Any, **_kwargs: Any) -> tuple[Any, Any]:
        """Store the rows' new keys and values (rows, kv heads, 1, d); the key returned knows where the others are."""
        if layer not in self.own:
            self.own[layer] = [new.new_zeros(0, *new.shape[1:2], 0, new.shape[3]) for new in (key, value)]
        for number, new in enumerate((key, value)):
            self._write(self.own[layer], number, new)
        key.shared, key.layer = self, layer
        return key, value

    def _write(self, buffers: list, number: int, new: Any) -> None:
        count = len(self.counts)
        buffers[number] = buffer = _grown(buffers[number], count, self.width)
        if self.at is None:
            buffer[:count, :, self.width - 1] = new[:, :, 0]
        else:
            buffer[self.rows, :, self.at] = new[:, :, 0]

    def get_seq_length(self, *_args: Any) -> int:
        """Return how many tokens the longest row has, as transformers asks of a cache."""
        return int((self.lengths + self.counts).max())


def _grown(buffer: Any, rows: int, width: int) -> Any:
    """Return the buffer, or a larger copy where it lacks rows or room; sizes double, so copies are rare."""
    if buffer.shape[0] >= rows and buffer.shape[2] >= width:
        return buffer
    room = buffer.shape[2] if buffer.shape[2] >= width else max(GROWTH, 2 * buffer.shape[2])
    larger = buffer.new_zeros(max(rows, buffer.shape[0]), buffer.shape[1], room, buffer.shape[3])
    larger[: buffer.shape[0], :, : buffer.shape[2]] = buffer
    return larger


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None,
    softcap: float | None = None, sliding_window: int | None = None, **_kwargs: Any,
) -> tuple[Any, None]:  # fmt: skip
    """Return the attention output (rows, 1, heads, d) of one new token per row, as transformers' interface asks."""
    import torch

    state, (trunk_keys, trunk_values) = key.shared, key.shared.trunk[key.layer]
    keys, values = (buffer[: len(query), :, : state.width] for buffer in state.own[key.layer])
    rows, heads, _, d = query.shape
    shared, total = trunk_keys.shape[0], trunk_keys.shape[1]
    group = heads // shared  # query heads per key head
    query = query.view(rows, shared, group, d) * (d**-0.5 if scaling is None else scaling)
    folded = query.transpose(0, 1).reshape(shared, rows * group, d)  # all rows in one product with the trunk
    far = (folded @ trunk_keys.transpose(1, 2)).view(shared, rows, group, total).transpose(0, 1)
    near = query @ keys.transpose(2, 3)  # (rows, kv heads, group, width)
    scores = torch.cat([far, near], -1)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    hidden = state.mask(sliding_window)
    if hidden is not None:
        scores = scores.masked_fill_(hidden, -torch.inf)
    p = torch.softmax(scores, -1, dtype=torch.float32).to(query.dtype)
    out = p[..., :total].transpose(0, 1).reshape(shared, rows * group, total) @ trunk_values
    out = out.view(shared, rows, group, -1).transpose(0, 1) + p[..., total:] @ values
    return out.reshape(rows, 1, heads, -1), None


@contextmanager
def attending(network: Any) -> Iterator[None]:
    """Let a model attend through :func:`attend` inside the block, and as before after it."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attend)
    before = network.config._attn_implementation
    network.set_attn_implementation(NAME)
    try:
        yield
    finally:
        network.set_attn_implementation(before)


class Repeated:
    """Rows with a copy of the trunk's cache each, all of the same length: for any model with a cache."""

    refills = False

    def __init__(self, network: Any, trunk: Trunk):
        self.network, self.trunk, self.cache = network, trunk, None

    def admit(self, lengths: Sequence[int]) -> None:
        """Start as many rows as there are lengths; each must be the trunk's."""
        self.cache = deepcopy(self.trunk.cache)
        self.cache.batch_repeat_interleave(len(lengths))
        self.count = len(lengths)

    def keep(self, rows: list[int]) -> None:
        """Keep these rows in this order."""
        import torch

        if len(rows) < self.count:
            self.cache.batch_select_indices(torch.tensor(rows, dtype=torch.long, device=self.network.device))
            self.count = len(rows)

    def step(self, tokens: Sequence[int]) -> Any:
        """Append a token to every row and return the logits (rows, V) after it."""
        import torch

        new = torch.tensor(tokens, device=self.network.device)[:, None]
        return self.network(new, past_key_values=self.cache, use_cache=True).logits[:, -1]
