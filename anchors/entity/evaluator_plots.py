"""Figure of the conventions of filtered ranking: table in, figure out."""

from typing import Any

import pandas as pd

from anchors.companion.stats import mean_interval
from anchors.companion.style import DOUBLE, MARKERS, MUTED, PALETTE, subplots
from anchors.entity import loaders
from anchors.entity.studies.evaluator import CONVENTIONS, DROPPED, KEPT, KINDS, METRICS, REFERENCE

ORDER = (*CONVENTIONS, KEPT, DROPPED)
STEP = 0.15  # between the kinds of scores on a line
SHORT = {"MRR": "MRR", "H@10": "Hits@10"}


def conventions(table: pd.DataFrame):
    """MRR and Hits@10 of each kind of scores under every convention, a mark with its 95 % interval over seeds."""
    panels = [(graph, metric) for graph in dict.fromkeys(table.graph) for metric in METRICS]
    size = {"width": DOUBLE, "height": 0.36 * len(ORDER) + 1.3}
    figure, axes = subplots(1, len(panels), sharey=True, squeeze=False, **size)
    for ax, (graph, metric) in zip(axes[0], panels, strict=True):
        own = table[table.graph == graph]
        for place, kind in enumerate(KINDS):
            _marks(ax, own[own.kind == kind], metric, place)
        reference = own[(own.kind == "full") & (own.convention == REFERENCE)][metric].mean()
        ax.axvline(reference, color=PALETTE[0], linewidth=0.9, linestyle=":", zorder=0)
        ax.set(title=f"{loaders.title(graph, texts=False)}: {SHORT[metric]}", xlim=(-0.03, 1.03), xticks=(0, 0.5, 1))
        ax.set_xticklabels(["0", "0.5", "1"])
    _lines(axes[0])
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, title="what the scores are")
    return figure


def _marks(ax: Any, rows: pd.DataFrame, metric: str, place: int) -> None:
    found = {name: mean_interval(group[metric].to_numpy()) for name, group in rows.groupby("convention", sort=False)}
    names = [name for name in ORDER if name in found]
    kind = list(KINDS)[place]
    look = {"fmt": MARKERS[place], "color": PALETTE[place], "markersize": 3.4, "linewidth": 1.0, "label": KINDS[kind]}
    means = [found[name].mean for name in names]
    error = [
        [found[name].mean - found[name].low for name in names],
        [found[name].high - found[name].mean for name in names],
    ]
    shift = STEP * (place - (len(KINDS) - 1) / 2)
    heights = [ORDER.index(name) + (0 if name in (KEPT, DROPPED) else shift) for name in names]
    ax.errorbar(means, heights, xerr=error, **look)


def _lines(axes: Any) -> None:
    """Name the conventions once, and separate them."""
    axes[0].set_yticks(range(len(ORDER)), ORDER)
    axes[0].set_ylim(len(ORDER) - 0.5, -0.5)
    for ax in axes:
        ax.grid(False, axis="y")
        for place in range(len(ORDER) - 1):
            ax.axhline(place + 0.5, color=MUTED, linewidth=0.3)
