"""The emoji search drawn: queries, answers with their artwork, distances and bits."""

import textwrap
from typing import Any

import numpy as np

from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.hashing.studies.emoji_search import Hits
from anchors.hashing.views import Views, pictures

CREDIT = "Emoji artwork: OpenMoji, CC BY-SA 4.0"


def emoji_search(words: list[Hits], found: list[Hits], rows: list[int], train: Views, test: Views):
    """Draw words → pictures (upper block) and held-out pictures → words (lower block).

    Under each answer stand its Hamming distance and its bits as cells; a cell in orange differs from the query's bit.
    ``rows`` are the test rows of the pictures that ask.
    """
    k = len(words[0].rows)
    figure, axes = subplots(len(words) + len(found), k + 1, width=DOUBLE, height=0.92 * (len(words) + len(found)) + 0.3)
    for line, hits in zip(axes, words, strict=False):
        _write(line[0], f"“{hits.query}”", bold=True)
        for ax, picture, distance, bits in zip(
            line[1:], pictures(train, hits.rows), hits.distances, hits.bits, strict=True
        ):
            _answer(ax, picture, distance, bits, hits.query_bits)
    for line, hits, row in zip(axes[len(words) :], found, rows, strict=True):
        _picture(line[0], pictures(test, [row])[0])
        for ax, index, distance, bits in zip(line[1:], hits.rows, hits.distances, hits.bits, strict=False):
            _write(ax, train.items[index])
            _bits(ax, distance, bits, hits.query_bits)
        for ax in line[1 + len(hits.rows) :]:
            ax.set_axis_off()
    axes[0, 0].set_title("words → pictures")
    axes[len(words), 0].set_title("pictures → words")
    note = "number and cells: Hamming distance and bits; orange: differs from the query"
    figure.supxlabel(f"{note}. {CREDIT}", fontsize=6.5)
    return figure


def _frame(ax: Any) -> None:
    ax.set(xlim=(0, 1), ylim=(-0.42, 1), xticks=[], yticks=[], aspect="auto")
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)


def _write(ax: Any, text: str, bold: bool = False) -> None:
    _frame(ax)
    weight = "bold" if bold else "normal"
    lines = textwrap.wrap(text, 13)[:4]
    ax.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=6.4, weight=weight, color=INK)


def _picture(ax: Any, rgba: np.ndarray) -> None:
    _frame(ax)
    ax.imshow(rgba, extent=(0.16, 0.84, 0, 1), aspect="auto", interpolation="bilinear")
    ax.set(xlim=(0, 1), ylim=(-0.42, 1))


def _answer(ax: Any, rgba: np.ndarray, distance: int, bits: np.ndarray, query: np.ndarray) -> None:
    _picture(ax, rgba)
    _bits(ax, distance, bits, query)


def _bits(ax: Any, distance: int, bits: np.ndarray, query: np.ndarray) -> None:
    """Draw the code as two rows of cells under the answer: dark 1, light 0, orange where it differs from the query."""
    from matplotlib.colors import to_rgb

    shades = np.array([to_rgb("#e4e4e4"), to_rgb("#4a4a4a"), to_rgb(PALETTE[1])])
    kind = np.where(bits != query, 2, (bits > 0).astype(int))
    ax.imshow(shades[kind.reshape(2, -1)], extent=(0.2, 1.0, -0.36, -0.12), aspect="auto", interpolation="nearest")
    ax.text(0.16, -0.24, str(distance), ha="right", va="center", fontsize=6, color=MUTED)
    ax.set(xlim=(0, 1), ylim=(-0.42, 1))
