"""Estimators against the truth, and methods against the truth: tables in, figures out."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import mean_interval
from anchors.companion.style import DOUBLE, INK, MARKERS, MUTED, PALETTE, subplots
from anchors.thought.estimators import VARIANTS
from anchors.thought.studies import calibration as study
from anchors.thought.studies.estimators import ENOUGH, LABELS

LOOK = {v: {"color": PALETTE[i], "marker": MARKERS[i]} for i, v in enumerate(VARIANTS)}


def line(ax: Any, table: pd.DataFrame, column: str, **look: Any) -> None:
    """Draw the mean over seeds of ``column`` against the number of rollouts with its 95 % interval."""
    groups = [(n, mean_interval(group[column].to_numpy())) for n, group in table.groupby("n")]
    x, mean, low, high = (np.array(z) for z in zip(*((n, i.mean, i.low, i.high) for n, i in groups), strict=True))
    ax.plot(x, mean, markersize=4, **look)
    if np.isfinite(low).all():
        ax.fill_between(x, low, high, color=look["color"], alpha=0.18, linewidth=0)


def estimators(table: pd.DataFrame):
    """Bias, error, rank correlation and coverage against the number of rollouts, one line per estimator."""
    figure, axes = subplots(2, 2, width=DOUBLE, height=5.4, sharex=True)
    for variant in VARIANTS:
        own, look = table[table.variant == variant], LOOK[variant]
        line(axes[0, 0], own, "bias", label=LABELS[variant], **look)
        line(axes[0, 1], own, "rmse", **look)
        line(axes[1, 0], own, "spearman", **look)
        line(axes[1, 1], own, "centred", **look)
        line(axes[1, 1], own, "percentile", **look | {"linestyle": ":", "linewidth": 1.1})
    for ax in axes.flat:
        ax.set_xscale("log")
    axes[0, 0].set(ylabel="bias [nats]", title="mean error")
    axes[0, 0].set_yscale("symlog", linthresh=0.01)
    axes[0, 0].axhline(0, color=INK, linewidth=0.8)
    axes[0, 1].set(ylabel="root mean square error [nats]", title="size of the error", yscale="log")
    axes[1, 0].set(ylabel="rank correlation with the truth", xlabel="rollouts per prefix", title="order of sentences")
    axes[1, 0].axhline(ENOUGH, color=MUTED, linewidth=0.8, linestyle="--")
    axes[1, 1].set(ylabel="intervals that hold the truth", xlabel="rollouts per prefix", ylim=(0, 1.02))
    axes[1, 1].set_title("coverage (dotted: percentile)")
    axes[1, 1].axhline(0.95, color=MUTED, linewidth=0.8, linestyle="--")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def calibration(table: pd.DataFrame, sentences: pd.DataFrame):
    """Estimates against the truth (accuracy), and AUROC by method: true edges, planted anchors, the truth's top."""
    figure, axes = subplots(2, 2, width=DOUBLE, height=6.2)
    _scatter(axes[0, 0], sentences)
    _bars(axes[0, 1], table, "edges", study.EDGE_METHODS, "true dependency edges")
    for ax, (target, words) in zip(axes[1], study.TARGETS.items(), strict=True):
        _bars(ax, table, target, study.ANCHOR_METHODS, words)
    return figure


def _scatter(ax: Any, sentences: pd.DataFrame) -> None:
    """Draw resampling and counterfactual accuracy importances against the exact ones, with the line of equality."""
    for i, name in enumerate(("resampling_accuracy", "counterfactual_accuracy")):
        slope = study.pooled_slope(sentences, name)
        words = f"{name.split('_')[0]}, slope {slope.mean:.2f}"
        look = {"s": 9, "alpha": 0.45, "color": PALETTE[i], "marker": MARKERS[i], "linewidths": 0}
        ax.scatter(sentences[f"true_{name}"], sentences[name], label=words, **look)
    ax.axline((0, 0), slope=1, color=INK, linewidth=0.8)
    ax.set(xlabel="exact change of accuracy", ylabel="estimate", title="calibration")
    ax.legend(loc="lower right", fontsize=6.5)


def _bars(ax: Any, table: pd.DataFrame, panel: str, methods: dict[str, str], title: str) -> None:
    """Draw AUROC means over traces with their intervals, best at the top; position alone as a dashed line."""
    methods = study.has(methods, table[table.panel == panel])
    found = {m: study.over_traces(table, panel, m, "auroc") for m in methods}
    order = sorted(methods, key=lambda m: found[m].mean)
    for y, m in enumerate(order):
        colour = MUTED if m in study.CONTROLS else PALETTE[0]
        low, high = max(found[m].low, 0), min(found[m].high, 1)
        ax.plot([low, high], [y, y], color=colour, linewidth=1.6)
        ax.plot([found[m].mean], [y], color=colour, marker="o", markersize=4.5)
    ax.axvline(found["position"].mean, color=MUTED, linewidth=0.8, linestyle="--")
    ax.axvline(0.5, color=INK, linewidth=0.6)
    ax.set_yticks(range(len(order)), [methods[m] for m in order], fontsize=6.5)
    ax.set(xlabel="AUROC (mean over traces)", title=title, xlim=(min(0.3, ax.get_xlim()[0]), 1.02))
