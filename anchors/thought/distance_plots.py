"""The distance profile of deleted sentences, and close- and long-range dependence against accuracy."""

from typing import Any

import pandas as pd

from anchors.companion.style import DOUBLE, MARKERS, PALETTE, subplots
from anchors.thought.ranking import spearman
from anchors.thought.studies import distance_profile as study
from anchors.thought.studies.corpus import name_of

LOOK = {"close": (PALETTE[0], MARKERS[0]), "far": (PALETTE[1], MARKERS[1])}


def distance(table: pd.DataFrame, far: int):
    """One row per model: mean effect by distance with its band; accuracy against close- and long-range dependence."""
    models = list(table.model.unique())
    figure, axes = subplots(len(models), 3, width=DOUBLE, height=2.6 * len(models), squeeze=False)
    for line, model in zip(axes, models, strict=True):
        _profile(line[0], study.mean_profile(table, model), far)
        line[0].set_title(name_of(model))
        for ax, (column, name) in zip(line[1:], study.RANGES.items(), strict=True):
            _scatter(ax, study.by_trace(table, model), column, name)
    return figure


def _profile(ax: Any, own: pd.DataFrame, far: int) -> None:
    ax.plot(own.distance, own["mean"], color=PALETTE[2], marker="o", markersize=3)
    ax.fill_between(own.distance, own.low.clip(lower=own["mean"].min() / 10), own.high, color=PALETTE[2], alpha=0.2)
    ax.axvspan(0.7, 2.3, color=LOOK["close"][0], alpha=0.12, linewidth=0)
    if len(own):
        ax.axvspan(far - 0.3, own.distance.max() + 0.3, color=LOOK["far"][0], alpha=0.1, linewidth=0)
    ax.set(yscale="log", xlabel="sentences apart, k", ylabel="effect of deleting\n[nats per token]")


def _scatter(ax: Any, own: pd.DataFrame, column: str, name: str) -> None:
    own = own.dropna(subset=[column])
    colour, marker = LOOK[column]
    ax.scatter(own[column], own.accuracy, s=14, color=colour, marker=marker, alpha=0.7, linewidths=0)
    ax.set(xlabel=f"{name} effect [nats per token]", ylabel="accuracy of the problem")
    ax.set_title(f"rank correlation {spearman(own[column], own.accuracy):+.2f}", fontsize=8)
