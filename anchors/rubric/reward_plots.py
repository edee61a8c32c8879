"""The waterfall of one rollout, and what the best of several rollouts is like under each step of the aggregation."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.style import DOUBLE, INK, MARKERS, MUTED, PALETTE, subplots
from anchors.rubric.studies.reward_reader import AFTER, BEFORE, inside

KINDS = {"criterion": PALETTE[0], "total": PALETTE[7], "up": PALETTE[2], "down": PALETTE[1]}


def reader(bars: pd.DataFrame, found: pd.DataFrame):
    """One waterfall (left), changed winners (middle), gold scores of winners (right), 95 % intervals over seeds."""
    figure, (left, middle, right) = subplots(1, 3, width=DOUBLE, height=3.5, width_ratios=[1.25, 1, 1])
    waterfall(left, bars)
    settings = list(dict.fromkeys(found.setting))
    whens(middle, found, settings[1:], "changed")
    middle.set(title="winner changed", xlabel="share of groups", xlim=(-0.03, 1.05))
    whens(right, found, settings, "gold")
    right.set(title="winner's gold score", xlabel="score")
    figure.legend(*middle.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def waterfall(ax: Any, bars: pd.DataFrame) -> None:
    """Draw bars (name, start, end, kind) from top to bottom, each with the change it makes, or the total."""
    for y, one in zip(np.arange(len(bars))[::-1], bars.itertuples(), strict=True):
        ax.barh(y, one.end - one.start, left=one.start, height=0.62, color=KINDS[one.kind])
        ax.plot([one.end, one.end], [y - 0.31, y - 1 + 0.31], color=INK, linewidth=0.6)
        text = f"{one.end:.2f}" if one.kind == "total" else f"{one.end - one.start:+.2f}".replace("-", "−")
        ax.text(max(one.start, one.end) + 0.02, y, text, va="center", fontsize=6.5, color=INK)
    ax.set_yticks(np.arange(len(bars))[::-1], bars.name)
    ax.set(title="one rollout", xlabel="reward", xlim=(0, 1.16), ylim=(-0.6, len(bars) - 0.4))
    ax.set_xticks([0, 0.5, 1])
    ax.grid(axis="y", visible=False)


def whens(ax: Any, found: pd.DataFrame, settings: list[str], column: str) -> None:
    """Draw the mean of a column for each setting, before and after training, with its interval over seeds."""
    at = np.arange(len(settings))[::-1]
    for when, shift, colour, mark in zip((BEFORE, AFTER), (0.14, -0.14), (MUTED, PALETTE[0]), MARKERS, strict=False):
        for y, name in zip(at, settings, strict=True):
            one = inside(found[(found.when == when) & (found.setting == name)][column].to_numpy())
            if np.isfinite(one.low):
                ax.plot([one.low, one.high], [y + shift] * 2, color=colour, linewidth=1.4)
            ax.plot(one.mean, y + shift, mark, color=colour, markersize=4.5, label=when if y == at[0] else None)
    ax.set_yticks(at, settings)
    ax.set_ylim(-0.6, len(settings) - 0.4)
    ax.grid(axis="y", visible=False)
    ax.locator_params(axis="x", nbins=4)
