"""Figures of the released data: tables in, figures out."""

import textwrap
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.style import DOUBLE, INK, MARKERS, MUTED, PALETTE, colours, subplots
from anchors.thought.studies import category_importance, official_audit, trace_statistics
from anchors.thought.studies.suppression_vs_resampling import NEAR, SCOPES, quoted
from anchors.thought.taxonomy import CATEGORIES, INITIALS, NAMES

COLOURS = colours(list(CATEGORIES))
MARKER = dict(zip(CATEGORIES, MARKERS, strict=False))
BLUE, ORANGE, GREEN = PALETTE[:3]


def case_study(table: pd.DataFrame, anchor: int = 13):
    """Accuracy curves, importance of each sentence in nats and in accuracy, one panel above the other."""
    heights = {"height_ratios": [3, 2.4, 2.4, 0.45]}
    figure, axes = subplots(4, 1, width=DOUBLE, height=6.6, sharex=True, gridspec_kw=heights)
    top, nats, accuracy, strip = axes
    x = table["sentence"]
    top.plot(x, table["accuracy"], color=BLUE, label="resampled: reasoning goes on")
    top.plot(x, table["forced"], color=ORANGE, label="forced to answer at once", linewidth=1.1)
    _name_anchor(top, table.loc[anchor, "text"], anchor)
    top.set(ylabel="accuracy before the sentence", ylim=(-0.04, 1.25), title="One trace, problem 4682 correct (v1/v2)")
    top.legend(loc="upper left", bbox_to_anchor=(0.12, 0.6))
    nats.plot(x, table["forced_importance_kl"], color=ORANGE, linewidth=0.9, label="forced")
    nats.plot(x, table["resampling_importance_kl"], color=BLUE, label="resampling")
    nats.plot(x, table["counterfactual_importance_kl"], color=GREEN, linewidth=1.1, label="counterfactual")
    nats.set_yscale("symlog", linthresh=0.1)
    nats.set(ylabel="importance, KL [nats]", ylim=(0, 60))
    nats.legend(loc="upper right", ncols=3)
    accuracy.fill_between(x, table["low"], table["high"], color=BLUE, alpha=0.2, linewidth=0, label="95 % interval")
    accuracy.plot(x, table["difference"], color=BLUE, linewidth=1.1, label="resampling, accuracy (+ helps)")
    accuracy.plot(x, table["outgoing"], color=INK, linewidth=1.1, label="mean effect on later sentences")
    accuracy.axhline(0, color=MUTED, linewidth=0.7)
    accuracy.set(ylabel="importance, shares")
    accuracy.legend(loc="upper right", ncols=3)
    for ax in (nats, accuracy):
        ax.axvline(anchor, color=INK, linewidth=0.8, linestyle=":")
    _strip(strip, table["category"])
    return figure


def _name_anchor(ax: Any, text: str, anchor: int) -> None:
    ax.axvline(anchor, color=INK, linewidth=0.8, linestyle=":")
    words = textwrap.fill(f"sentence {anchor}: “{text}”", 78)
    ax.text(anchor + 2, 1.22, words, fontsize=7.5, va="top", ha="left", color=INK)


def _strip(ax: Any, categories: pd.Series) -> None:
    """Draw the category of each sentence as a coloured bar, with a key below."""
    from matplotlib.patches import Patch

    ax.bar(range(len(categories)), 1, width=1, color=[COLOURS[c] for c in categories])
    ax.set(yticks=[], xlabel="sentence (from 0)", xlim=(-1, len(categories)))
    ax.set_ylabel("category", rotation=0, ha="right", va="center")
    ax.grid(False)
    keys = [Patch(color=COLOURS[c], label=NAMES[c]) for c in CATEGORIES]
    ax.figure.legend(handles=keys, loc="outside lower center", ncols=4, fontsize=7)


def category_means(table: pd.DataFrame):
    """Mean value against mean position of each category, with standard errors; a row per rule, a column per metric."""
    found = category_importance.means(table)
    rules = {"b": "rule b: median of |value|", "a": "rule a: mean, negatives as 0"}
    figure, axes = subplots(2, 3, width=DOUBLE, height=4.9, sharex=True)
    for line, (rule, name) in zip(axes, rules.items(), strict=True):
        for ax, metric in zip(line, category_importance.METRICS.values(), strict=True):
            own = found[(found["rule"] == rule) & (found["metric"] == metric)].set_index("category")
            for category in (c for c in category_importance.MAIN if c in own.index):
                _dot(ax, own.loc[category], category)
            unit = category_importance.UNITS[metric]
            share = "|counterfactual accuracy|" if rule == "b" else "counterfactual accuracy (+ hurts)"
            ax.set(ylim=(0, None), ylabel=f"{metric} [{unit}]" if unit else share)
            ax.set_title(name if ax is line[0] else "")
    for ax in axes[1]:
        ax.set_xlabel("position in the trace (0 to 1)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=7)
    return figure


def _dot(ax: Any, own: pd.Series, category: str) -> None:
    x, y = own["position_mean"], own["value_mean"]
    ax.errorbar(
        x, y, xerr=own["position_sem"], yerr=own["value_sem"], color=COLOURS[category], marker=MARKER[category],
        markersize=5, linewidth=1, linestyle="none", label=NAMES[category],
    )  # fmt: skip


def trace_table(table: pd.DataFrame):
    """Share of each category in both generations (left) and lengths of the traces (right)."""
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=3.1, gridspec_kw={"width_ratios": [1.5, 1]})
    count, size = trace_statistics.counts(table), trace_statistics.lengths(table)
    place = np.arange(len(count))
    for k, (generation, colour) in enumerate(zip(count.columns, (BLUE, ORANGE), strict=True)):
        share = 100 * count[generation] / count[generation].sum()
        label = f"{generation}: n = {count[generation].sum():,}"
        bars = left.barh(place - 0.2 + 0.4 * k, share, height=0.38, color=colour, label=label)
        left.bar_label(bars, labels=[f"{n:,}" for n in count[generation]], fontsize=6.5, padding=2)
    left.set(yticks=place, yticklabels=[NAMES[c] for c in count.index], xlabel="share of sentences [%]", xlim=(0, 41))
    left.invert_yaxis()
    left.grid(axis="y", visible=False)
    left.legend(loc="lower right")
    left.set_title("Categories")
    edges = np.arange(0, size.max() + 26, 25)
    right.hist([size[g] for g in count.columns], bins=edges, color=[BLUE, ORANGE], label=list(count.columns))
    for generation, colour in zip(count.columns, (BLUE, ORANGE), strict=True):
        right.axvline(size[generation].mean(), color=colour, linestyle="--", linewidth=1.1)
    right.set(xlabel="sentences in a trace (dashed: mean)", ylabel="traces", title="Lengths")
    right.legend(loc="upper right")
    return figure


def suppression(table: pd.DataFrame, matrices: dict[str, dict[str, np.ndarray]]):
    """Both released matrices of each trace as heat maps (one scale per row), their correlations and baselines below.

    ``matrices[problem][kind]`` is ``(M, M)`` [source, target].
    """
    figure, axes = subplots(3, len(matrices), width=DOUBLE, height=6.1, gridspec_kw={"height_ratios": [1, 1, 1]})
    limits = {kind: _limit([pair[kind] for pair in matrices.values()]) for kind in next(iter(matrices.values()))}
    for column, (problem, pair) in enumerate(matrices.items()):
        for line, (kind, matrix) in enumerate(pair.items()):
            mesh = _heat(axes[line, column], matrix, limits[kind])
            if column == len(matrices) - 1:
                unit = "match rate" if kind == "counterfactual" else "ln KL"
                figure.colorbar(mesh, ax=axes[line, column], shrink=0.85).set_label(unit, fontsize=7)
        axes[0, column].set_title(f"problem {problem}")
        axes[1, column].set_xlabel("target sentence")
    axes[0, 0].set_ylabel("resampling\nsource sentence")
    axes[1, 0].set_ylabel("suppression\nsource sentence")
    panels = [(scope, statistic) for scope in SCOPES for statistic in ("Pearson", "Spearman")]
    for ax, (scope, statistic) in zip(axes[2], panels, strict=True):
        _forest(ax, table[(table["scope"] == scope) & (table["statistic"] == statistic)], ax is axes[2, 0])
        ax.set_title(f"{statistic}, {'all pairs' if scope == 'all' else f'within {NEAR}'}", fontsize=7.5)
        ax.axvline(quoted(scope), color=ORANGE, linewidth=1.2, linestyle="--", label="quoted (secondary)")
    handles, labels = axes[2, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _limit(matrices: list[np.ndarray]) -> float:
    """Return the 98 % quantile of the size of all entries."""
    return float(np.nanquantile(np.abs(np.concatenate([matrix.ravel() for matrix in matrices])), 0.98))


def _heat(ax: Any, matrix: np.ndarray, limit: float) -> Any:
    """Draw a matrix in colours that are equally far on both sides of 0."""
    ax.grid(False)
    return ax.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="auto")


def _forest(ax: Any, own: pd.DataFrame, named: bool) -> None:
    place = np.arange(len(own))
    ax.errorbar(own["r"], place - 0.2, xerr=_ends(own, "r", "low", "high"), color=BLUE, marker="o", linestyle="none",
                linewidth=1, label="measured, 95 % interval")  # fmt: skip
    ax.plot(own["chance"], place, color=MUTED, marker="|", markersize=9, linestyle="none",
            label="permuted at equal distance")  # fmt: skip
    ax.errorbar(own["beyond"], place + 0.2, xerr=_ends(own, "beyond", "beyond_low", "beyond_high"), color=GREEN,
                marker="^", linestyle="none", linewidth=1, label="beyond distance")  # fmt: skip
    ax.axvline(0, color=INK, linewidth=0.7)
    ax.set(yticks=place, yticklabels=own["problem"] if named else [], xlim=(-0.3, 0.5), ylim=(len(own) - 0.4, -0.6))
    ax.set_xlabel("correlation")
    if named:
        ax.set_ylabel("problem")


def _ends(own: pd.DataFrame, middle: str, low: str, high: str) -> np.ndarray:
    return np.abs(own[[low, high]].to_numpy().T - own[middle].to_numpy())


def audit(table: pd.DataFrame):
    """Checks passed (left), reach of the defects by trace (middle) and agreement of the labeller by rules (right)."""
    figure, (left, middle, right) = subplots(1, 3, width=DOUBLE, height=4.3, gridspec_kw={"width_ratios": [1, 1.1, 1]})
    checks = official_audit.totals(table, "check").loc[list(official_audit.CHECKS)]
    colour = [BLUE if share == 1 else ORANGE for share in checks["share"]]
    bars = left.barh(range(len(checks)), 100 * checks["share"], color=colour, height=0.7)
    names = [textwrap.fill(f"{name}: {text}", 25) for name, text in official_audit.CHECKS.items()]
    left.set_yticks(range(len(names)), names, fontsize=6)
    shown = [f"{hits:,.0f} / {of:,.0f}" for hits, of in zip(checks["hits"], checks["of"], strict=True)]
    left.bar_label(bars, labels=shown, label_type="center", fontsize=6.5, color="white")
    left.set(xlabel="passed [%]", title="Checks", xlim=(0, 100))
    left.invert_yaxis()
    own = table[(table["kind"] == "reach") & (table["of"] > 1)]
    names = [name for name in official_audit.REACH if name in set(own["name"])]
    shares = [100 * (part["hits"] / part["of"]).to_numpy() for part in (own[own["name"] == name] for name in names)]
    style = {"medianprops": {"color": ORANGE}, "flierprops": {"markersize": 3}}
    middle.boxplot(shares, orientation="horizontal", widths=0.6, **style)
    middle.set(yticks=range(1, len(names) + 1), yticklabels=[textwrap.fill(n, 17) for n in names], xlim=(-2, 102))
    middle.set(xlabel="share of a trace's sentences [%]", title="Reach, 20 traces")
    middle.invert_yaxis()
    _labeller(right, official_audit.agreement(table))
    return figure


def _labeller(ax: Any, found: pd.DataFrame) -> None:
    columns = ["kappa", *CATEGORIES]
    place = np.arange(len(columns))
    for k, (split, colour) in enumerate(zip(("held out", "developed on"), (BLUE, MUTED), strict=True)):
        ax.barh(place - 0.2 + 0.4 * k, found.loc[split, columns].astype(float), height=0.38, color=colour, label=split)
    ax.set(yticks=place, yticklabels=["kappa", *(INITIALS[c] for c in CATEGORIES)], xlim=(0, 1.0))
    ax.set(xlabel="kappa; F1 by category", title="Labeller by rules", ylim=(len(columns) + 0.7, -0.6))
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right")
