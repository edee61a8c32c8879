"""Rollouts laid out for one forward pass: the prompt of a group is read once, its responses branch off (ours).

A row holds a prompt and several of its responses one behind the other; each response attends to the prompt and to
itself, at the positions it would have alone. That is exact, since nothing before a response depends on it, and saves
reading the prompt once per rollout and padding every response to the longest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Tree = tuple[Sequence[int], list[int]]  # tokens of a prompt, and which rollouts branch off


@dataclass(frozen=True, eq=False)
class Packed:
    """Rows for one forward pass, and where the response tokens are in it.

    Attributes
    ----------
    ids, positions : (b, L) int64, prompts padded on the left, responses from the same column in every row.
    mask : (b, 1, L, L) bool, where a token may look; or (b, L) of tokens that are no padding (one response per row).
    keep : the last columns whose logits are needed.
    row, column : (N,) where among these logits each response token is predicted. target : (N,) the token.
    rollout, place : (N,) which rollout it belongs to, and its number in it.
    """

    ids: Any
    positions: Any
    mask: Any
    keep: int
    row: Any
    column: Any
    target: Any
    rollout: Any
    place: Any


def pack(
    prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]], tokens: int = 2048, share: bool = True
) -> Iterator[Packed]:
    """Yield all n rollouts (token ids) in parts of about ``tokens`` tokens, padding included.

    ``share`` lets responses share their prompt's row; without it each has a row of its own.
    """
    trees = sorted(_trees(prompts, responses, tokens, share), key=lambda tree: -_length(tree, responses))
    part: list[Tree] = []
    for tree in trees:
        if part and (len(part) + 1) * _length(part[0], responses) > tokens:
            yield _lay(part, responses, share)
            part = []
        part.append(tree)
    if part:
        yield _lay(part, responses, share)


def _length(tree: Tree, responses: Sequence[Sequence[int]]) -> int:
    return len(tree[0]) + sum(len(responses[number]) for number in tree[1])


def _trees(prompts: Any, responses: Any, tokens: int, share: bool) -> list[Tree]:
    """Return the prompts with the rollouts that share a row, as many as fit into ``tokens``."""
    trees: list[Tree] = []
    latest: dict[tuple, Tree] = {}
    for number, prompt in enumerate(prompts):
        tree = latest.get(tuple(prompt))
        if tree is None or not share or _length(tree, responses) + len(responses[number]) > tokens:
            tree = latest[tuple(prompt)] = (prompt, [])
            trees.append(tree)
        tree[1].append(number)
    return trees


def _lay(trees: Sequence[Tree], responses: Sequence[Sequence[int]], share: bool) -> Packed:
    """Return the trees as rows of one part."""
    import torch

    before = max(len(prompt) for prompt, _ in trees)
    width = before + max(sum(len(responses[n]) for n in numbers) for _, numbers in trees)
    ids, positions = np.zeros((2, len(trees), width), int)
    branch = np.full((len(trees), width), -1)  # -1 padding, 0 prompt, then the responses
    places: list[np.ndarray] = []  # (5, tokens) of a response: row, column, target, rollout, place
    for row, (prompt, numbers) in enumerate(trees):
        own = slice(before - len(prompt), before)
        ids[row, own], positions[row, own], branch[row, own] = prompt, np.arange(len(prompt)), 0
        at = before
        for number in numbers:
            tokens = np.asarray(responses[number], int)
            count, own = np.arange(len(tokens)), slice(at, at + len(tokens))
            ids[row, own], positions[row, own], branch[row, own] = tokens, len(prompt) + count, 1 + number
            column = np.where(count == 0, 0, at + count - before)  # the first token follows the prompt's last
            places.append(np.stack([np.full_like(count, row), column, tokens, np.full_like(count, number), count]))
            at += len(tokens)
    mask = _mask(branch) if share else branch >= 0
    found = map(torch.from_numpy, (ids, positions, mask))
    return Packed(*found, width - before + 1, *torch.from_numpy(np.concatenate(places, 1)))


def _mask(branch: np.ndarray) -> np.ndarray:
    """Return (b, 1, L, L) bool: a token sees the earlier tokens of its prompt and of its own response."""
    seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    return (seen & np.tri(branch.shape[1], dtype=bool))[:, None]
