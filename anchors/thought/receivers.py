"""How reliable receiver heads are, and whether they agree on which sentences they attend to (sec. 2.6)."""

from collections.abc import Sequence

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.stats import known_mean

MOST, SHARE = 16, 8  # receiver heads: the paper's 16, of a small model one head in eight, two at least


def head_count(layers: int, heads: int) -> int:
    """Return how many heads to call receiver heads: 16 as in the paper, fewer where a model has few (derived)."""
    return int(np.clip((layers - 1) * heads // SHARE, 2, MOST))


def half_means(kurtoses: np.ndarray, half: np.ndarray | None = None) -> np.ndarray:
    """Return the mean kurtosis (2, n) of each head over the traces of either half.

    ``half`` (traces,) is 0 or 1, by default every other trace; ``kurtoses`` (traces, L, H); layer 0 is left out, heads
    are in order of layer and number; NaN where a half has none.
    """
    kurtoses = np.asarray(kurtoses, float)
    if len(kurtoses) < 2:
        raise InputError("traces", len(kurtoses), "at least two", "One half of the traces is compared with the other.")
    half = np.arange(len(kurtoses)) % 2 if half is None else np.asarray(half)
    return np.stack([known_mean(kurtoses[half == one, 1:], 0).ravel() for one in (0, 1)])


def reliability(kurtoses: np.ndarray, half: np.ndarray | None = None) -> float:
    """Return Pearson's correlation over heads of the two halves' mean kurtoses (sec. 2.6; quoted as .84)."""
    first, second = half_means(kurtoses, half)
    known = np.isfinite(first) & np.isfinite(second)
    return float(np.corrcoef(first[known], second[known])[0, 1]) if known.sum() > 2 else float("nan")


def agreement(vertical: np.ndarray, heads: Sequence[tuple[int, int]] | None = None) -> float:
    """Return the mean correlation of the vertical scores (L, H, M) over all pairs of the given heads.

    All heads but layer 0 are taken where none are given: what an arbitrary pair of heads has in common. The mean over
    pairs follows from the length of the summed unit vectors; heads without variance are left out; NaN below two.
    """
    vertical = np.asarray(vertical, float)
    rows = vertical[1:].reshape(-1, vertical.shape[-1]) if heads is None else vertical[tuple(np.array(heads).T)]
    rows = rows[:, np.isfinite(rows).all(0)]
    if rows.shape[1] < 3:
        return float("nan")
    centred = rows - rows.mean(1, keepdims=True)
    size = np.linalg.norm(centred, axis=1)
    unit = centred[size > 0] / size[size > 0, None]
    n = len(unit)
    return float((np.sum(unit.sum(0) ** 2) - n) / (n * (n - 1))) if n > 1 else float("nan")


def matched_heads(
    heads: Sequence[tuple[int, int]], shape: tuple[int, int], rng: np.random.Generator, by_layer: bool
) -> list[tuple[int, int]]:
    """Return as many other heads at random: from the same layers, or from anywhere but layer 0 (controls; derived).

    ``shape`` is (L, H). Where a layer has no other head left, the nearest layer that has one is taken.

    Raises
    ------
    InputError
        There are not enough other heads.
    """
    layers, width = shape
    free = {(layer, head) for layer in range(1, layers) for head in range(width)} - set(heads)
    if len(free) < len(heads):
        raise InputError("heads", len(heads), f"at most {(layers - 1) * width // 2}", "Ablate fewer.")
    if not by_layer:
        order = sorted(free)
        return [order[i] for i in rng.choice(len(order), len(heads), replace=False)]
    chosen = []
    for layer, _ in heads:
        near = min(abs(other - layer) for other, _ in free)
        pool = sorted(one for one in free if abs(one[0] - layer) == near)
        chosen.append(pool[rng.integers(len(pool))])
        free.remove(chosen[-1])
    return chosen
