"""Figure of suppression on models: matrices, correlation with resampling, and true dependencies."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import known_interval
from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.thought.studies import suppression_matrix as study
from anchors.thought.taxonomy import short_names

BLUE, ORANGE, GREEN = PALETTE[:3]
MOST = 26  # names on an axis
KINDS = {"r": ("as measured", BLUE, "o"), "chance": ("permuted at equal distance", MUTED, "s"),
         "beyond": ("beyond distance", GREEN, "^")}  # fmt: skip
SHORT = {"all": "all pairs", "near": f"within {study.NEAR}"}


def matrices(cases: list[study.Case], table: pd.DataFrame):
    """One column per model: the matrix of one trace and its correlations; below, AUROC for true dependencies."""
    models = list(table.model.unique())
    truth = table[table["scope"] == "edges"]
    heights = [3.1, 2.1] + [1.3] * (len(truth) > 0)
    options = {"squeeze": False, "gridspec_kw": {"height_ratios": heights}}
    figure, axes = subplots(len(heights), len(models), width=DOUBLE, height=1.15 * sum(heights), **options)
    for (top, middle, *_), model in zip(axes.T, models, strict=True):
        _heat(top, study.shown(cases, model))
        _correlations(middle, table, model)
    ends = np.array([ax.get_ylim() for ax in axes[1]])
    for ax in axes[1]:
        ax.set_ylim(ends.min(), ends.max())
    axes[1, 0].set_ylabel("correlation of suppression\nand resampling")
    handles, labels = axes[1, 0].get_legend_handles_labels()
    if len(truth):
        _edges(_joined(figure, axes[2]), truth)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=7)
    return figure


def _joined(figure: Any, axes: np.ndarray) -> Any:
    """Return one axes in place of a row of them."""
    spec = axes[0].get_gridspec()
    for ax in axes:
        ax.remove()
    return figure.add_subplot(spec[2, :])


def _heat(ax: Any, case: study.Case) -> None:
    """Draw the matrix with the targets' means taken off, and the true dependencies as open circles."""
    matrix, categories = case.suppression, case.trace.categories
    limit = np.nanquantile(np.abs(matrix), 0.98) or 1.0
    image = ax.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")
    ax.figure.colorbar(image, ax=ax, shrink=0.9, extend="both").set_label("ln KL − mean of the target", fontsize=7)
    if case.edges is not None:
        source, target = np.nonzero(case.edges)
        ax.scatter(target, source, s=9, facecolors="none", edgecolors=INK, linewidths=0.7, label="true dependency")
        ax.legend(fontsize=6.5, loc="lower left")
    places, names = short_names(categories, MOST)
    ax.set_xticks(places, names, rotation=90, fontsize=6)
    ax.set_yticks(places, names, fontsize=6)
    ax.set(
        xlabel="target sentence",
        ylabel="source sentence",
        title=f"{study.name_of(case.model)}: trace {case.trace.number}",
    )
    ax.grid(False)


def _correlations(ax: Any, table: pd.DataFrame, model: str) -> None:
    """Draw each trace as a dot, and means with 95 % intervals, for both scopes and statistics."""
    groups = [(scope, statistic) for statistic in study.STATISTICS for scope in study.SCOPES]
    for place, group in enumerate(groups):
        own = study.of(table, model, *group)
        for shift, (column, (label, colour, marker)) in zip((-0.25, 0, 0.25), KINDS.items(), strict=True):
            look = {"color": colour, "marker": marker, "label": label if place == 0 else None}
            _dots(ax, place + shift, own[column].to_numpy(float), look)
    ax.axhline(0, color=INK, linewidth=0.7)
    ax.set_xticks(range(len(groups)), [f"{SHORT[s]}\n{statistic}" for s, statistic in groups], fontsize=6.2)
    ax.set_xlim(-0.6, len(groups) - 0.4)
    ax.grid(axis="x", visible=False)


def _dots(ax: Any, place: float, values: np.ndarray, look: dict) -> None:
    values = values[np.isfinite(values)]
    ax.scatter(np.full(values.size, place - 0.09), values, s=6, color=look["color"], alpha=0.35, linewidths=0)
    centre = known_interval(values)
    if np.isfinite(centre.low):
        ax.plot([place, place], [centre.low, centre.high], color=look["color"], linewidth=1.4)
    ax.plot([place], [centre.mean], markersize=4.5, linestyle="none", **look)


def _edges(ax: Any, own: pd.DataFrame) -> None:
    """Draw the AUROC of each method for the true dependencies, one dot per trace, with the mean and its interval."""
    looks = {"nearness": MUTED, "suppression": ORANGE}
    for place, method in enumerate(study.METHODS):
        values, colour = own[own.statistic == method].r.dropna().to_numpy(float), looks.get(method, PALETTE[4])
        centre = known_interval(values)
        ax.scatter(values, np.full(values.size, place), s=9, color=colour, alpha=0.5, linewidths=0)
        if np.isfinite(centre.low):
            ax.plot([centre.low, centre.high], [place, place], color=colour, linewidth=1.6)
        ax.plot([centre.mean], [place], color=colour, marker="D", markersize=5, markeredgecolor=INK)
    ax.axvline(0.5, color=INK, linewidth=0.7, linestyle="--")
    names = [words.replace(", ", ",\n") for words in study.METHODS.values()]
    ax.set_yticks(range(len(names)), names, fontsize=7)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel("AUROC for the true dependencies of the reasoner (0.5: chance)")
