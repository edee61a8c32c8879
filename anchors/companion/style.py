"""One look for all figures: physical sizes, a colour-blind-safe palette, files of equal bytes for equal numbers."""

from pathlib import Path
from typing import Any

STYLE = Path(__file__).with_name("anchors.mplstyle")
SINGLE, DOUBLE = 3.5, 7.2  # inches: one and two columns of a printed page
# Okabe & Ito (2008), without the yellow that vanishes on white; all papers take their colours from here.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A5195", "#5F6B6D", "#8C510A", "#A0A0A0")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "h", ".")
INK, MUTED = "#1a1a1a", "#6b6b6b"


def subplots(rows: int = 1, cols: int = 1, width: float = DOUBLE, height: float = 2.6, **options: Any):
    """Return ``(figure, axes)`` in the companion's style; ``width`` and ``height`` in inches.

    The figure is closed for pyplot, so that a notebook shows it once, where it is the value of a cell.
    """
    import matplotlib.pyplot as plt

    plt.style.use(STYLE)  # for good, not in a context: titles and legends that are added later follow it too
    figure, axes = plt.subplots(rows, cols, figsize=(width, height), **options)
    plt.close(figure)
    return figure, axes


def colours(names: list[str]) -> dict[str, str]:
    """Return a colour for each name, always the same for the same position."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def save_figure(figure: Any, path: Path, title: str) -> Path:
    """Write a figure as ``.png`` or ``.pdf``, whole or not at all; equal numbers give equal bytes."""
    from anchors.companion.files import atomic_write

    kind = path.suffix[1:]
    fields = {
        "png": {"Title": title, "Software": "anchors"},
        "pdf": {"Title": title, "Creator": "anchors", "CreationDate": None},
    }
    return atomic_write(path, lambda handle: figure.savefig(handle, format=kind, metadata=fields[kind]))
