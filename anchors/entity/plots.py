"""Tables in, figures out: one function per notebook of the entity wing."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import mean_interval
from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.entity import loaders
from anchors.entity.studies import inductive as induction
from anchors.entity.studies import random_negatives as negatives
from anchors.entity.studies.common import name

ORDER = (
    "simkgc_ib", "random_only", "anchors_only", "sea", "permuted", "extra", "anchors_alone", "simkgc", "TransE",
    "DistMult", "ComplEx", "RotatE",
)  # fmt: skip
COLOURS = dict(zip(ORDER, [*PALETTE[:8], *[MUTED] * 4], strict=True))
BY_GRAPH = dict(zip(loaders.GRAPHS, (PALETTE[2], PALETTE[3], PALETTE[5], PALETTE[0], PALETTE[1]), strict=True))


def dots(ax: Any, labels: list[str], found: list[Any], colours: list[str], marker: str = "o") -> None:
    """Draw intervals ``(mean, low, high, n)`` as dots with whiskers, the first on top; zero-width ones have none."""
    at = np.arange(len(labels))[::-1]
    for y, one, colour in zip(at, found, colours, strict=True):
        if np.isfinite(one[1]):
            ax.plot([one[1], one[2]], [y, y], color=colour, linewidth=1.4)
        ax.plot(one[0], y, marker, color=colour, markersize=4.5)
    ax.set_yticks(at, labels)
    ax.set_ylim(-0.6, len(labels) - 0.4)
    ax.grid(axis="y", visible=False)


def link_prediction(found: pd.DataFrame):
    """MRR of every model on every graph, with 95 % intervals over seeds; lookup models are grey squares."""
    graphs = list(found.graph.unique())
    models = [one for one in ORDER if (found.variant == one).any()]
    figure, axes = subplots(1, len(graphs), width=DOUBLE, height=3.0, sharey=True, squeeze=False)
    for ax, graph in zip(axes[0], graphs, strict=True):
        own = [found[(found.graph == graph) & (found.variant == one)].MRR.to_numpy() for one in models]
        for kind, marker in (("text", "o"), ("lookup", "s")):
            names = set(found[found.kind == kind].variant)
            shown = [
                mean_interval(v) if len(v) and m in names else (np.nan,) * 4 for v, m in zip(own, models, strict=True)
            ]
            dots(ax, [name(one) for one in models], shown, [COLOURS[one] for one in models], marker)
        ax.set(title=loaders.title(graph), xlabel="filtered MRR")
        ax.locator_params(axis="x", nbins=3)
    return figure


def anchor_ablation(changes: pd.DataFrame, curves: pd.DataFrame):
    """Differences in MRR with 95 % intervals, one panel per graph, over validation curves of recorded runs."""
    graphs, panels = list(changes.graph.unique()), list(curves.panel.unique())
    columns = max(3, len(graphs), len(panels))
    figure, axes = subplots(2, columns, width=DOUBLE, height=5.4, squeeze=False, height_ratios=[1, 1.05])
    for ax, graph in zip(axes[0], graphs, strict=False):
        own = changes[changes.graph == graph]
        dots(ax, list(own.contrast), list(own[["mean", "low", "high", "n"]].itertuples(index=False)),
             [COLOURS[one] for one in own.treated])  # fmt: skip
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set(title=loaders.title(graph), xlabel="Δ MRR")
        ax.locator_params(axis="x", nbins=2)
    for ax in axes[0][1:]:
        ax.set_yticklabels([])
    for ax, panel in zip(axes[1], panels, strict=False):
        _curves(ax, curves[curves.panel == panel], panel)
    for ax in (*axes[0][len(graphs) :], *axes[1][len(panels) :]):
        ax.set_axis_off()
    if panels:
        axes[1, 0].set_ylabel("validation MRR")
        handles = {label: line for ax in axes[1] for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
    return figure


def _curves(ax: Any, found: pd.DataFrame, title: str) -> None:
    """Draw validation curves, mean and range over seeds; dashed where the top layer is trained."""
    for top, variant in ((top, one) for top in (False, True) for one in ORDER):
        own = found[(found.variant == variant) & (found.top == top)]
        if len(own):
            line = own.groupby("step").MRR.agg(["mean", "min", "max"])
            style, words = ("--", ", top layer") if top else ("-", "")
            ax.plot(line.index, line["mean"], style, marker=".", color=COLOURS[variant], label=name(variant) + words)
            ax.fill_between(line.index, line["min"], line["max"], color=COLOURS[variant], alpha=0.18, linewidth=0)
    ax.set(xlabel="training steps", xlim=(0, None))
    ax.set_title(title.replace(", ", ",\n"), fontsize=7.5)
    ax.locator_params(axis="x", nbins=3)


def random_negatives(sweep: pd.DataFrame, popular: pd.DataFrame, small: pd.DataFrame):
    """MRR against the cost of a step, with larger batches as the control; gains by popularity; small graphs."""
    figure, (left, middle, right) = subplots(1, 3, width=DOUBLE, height=2.7)
    smallest = sweep.batch.min()
    for own, colour, marker, label, what in (
        (sweep[sweep.batch == smallest], PALETTE[1], "o", "random negatives", "random"),
        (sweep[sweep.random == 0], PALETTE[0], "s", "larger batch instead", "batch"),
    ):
        means = own.assign(cost=negatives.cost(own.batch, own.random)).groupby(what)[["cost", "MRR"]].mean()
        left.plot(means.cost, means.MRR, marker=marker, color=colour, label=label)
        for number, one in means.iterrows():
            below = what == "batch"
            left.annotate(f"{number:,}", (one.cost, one.MRR), textcoords="offset points",
                          xytext=(3, -9 if below else 4), fontsize=6.5, color=colour)  # fmt: skip
    left.set(title="FB15k-237, equal steps", xlabel="sequences a step encodes", ylabel="filtered MRR")
    left.legend(loc="lower right")
    _popular(middle, popular)
    for graph, own in small.groupby("graph", sort=False):
        means = own.groupby("random").MRR.apply(lambda v: mean_interval(v.to_numpy()))
        colour, (mean, low, high, _) = BY_GRAPH.get(graph, MUTED), zip(*means, strict=True)
        right.plot(means.index, mean, marker="o", color=colour, label=loaders.title(graph))
        right.fill_between(means.index, low, high, alpha=0.18, color=colour, linewidth=0)
    right.set(title="Small graphs", xlabel="random negatives a batch", ylabel="filtered MRR")
    if len(small):
        right.legend()
    return figure


def _popular(ax: Any, popular: pd.DataFrame) -> None:
    wide = popular.pivot_table(index=["group", "seed"], columns="variant", values="MRR", sort=False)
    gain = (wide.random_only - wide.simkgc_ib).unstack("seed")
    found = [mean_interval(gain.loc[group].dropna().to_numpy()) for group in gain.index]
    dots(ax, list(gain.index), found, [PALETTE[1]] * len(found))
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(title="By popularity of the answer", xlabel="gain in MRR", ylabel="training triples of the answer")


def anchor_count(means: pd.DataFrame):
    """Gain in MRR over text by number of anchors, and against anchors at one hop, with 95 % intervals over seeds."""
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=2.9, sharey=True)
    marks = dict(zip(dict.fromkeys(means.strategy), "o^sD", strict=False))
    for graph, own in means.groupby("graph", sort=False):
        colour = BY_GRAPH.get(graph, MUTED)
        for ax, what in ((left, "anchors"), (right, "anchors at 1 hop")):
            for strategy, some in own.groupby("strategy", sort=False):
                line = "-" if strategy == "degree" and ax is left else "none"
                whiskers = (some["mean"] - some.low, some.high - some["mean"])
                ax.errorbar(some[what], some["mean"], whiskers, marker=marks[strategy], linestyle=line, color=colour)
        left.plot([], [], color=colour, label=loaders.title(graph))
    for strategy, mark in marks.items():
        right.plot([], [], mark, color=MUTED, label=strategy)
    for ax in (left, right):
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set_xscale("log")
    left.set(xlabel="anchors", ylabel="gain in MRR over text")
    right.set(xlabel="anchors at one hop, mean over entities")
    left.legend()
    right.legend(title="chosen by")
    return figure


def coverage(found: pd.DataFrame, apart: pd.DataFrame):
    """Entities with an anchor at one hop, anchors at one hop, and how far apart test pairs are in training."""
    figure, (left, middle, right) = subplots(1, 3, width=DOUBLE, height=2.9)
    lines = dict(zip(dict.fromkeys(found.strategy), ("-", "--", "-.", ":"), strict=False))
    for (graph, strategy), own in found.groupby(["graph", "strategy"], sort=False):
        if len(own) > 1:
            style = {"color": BY_GRAPH.get(graph, MUTED), "linestyle": lines[strategy], "marker": "."}
            left.plot(own["count"], 100 * own.covered, **style)
            middle.plot(own["count"], own["anchors at 1 hop"], **style)
    for ax in (left, middle):
        ax.set_xscale("log")
        ax.set_xlabel("anchors")
    middle.set_yscale("log")
    left.set(ylabel="entities with an anchor at one hop [%]", ylim=(0, 100))
    middle.set(ylabel="anchors at one hop, mean")
    _bars(right, apart)
    for strategy, line in lines.items():
        right.plot([], [], color=MUTED, linestyle=line, label=f"by {strategy}")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def _bars(ax: Any, apart: pd.DataFrame) -> None:
    """Draw the shares of test triples by distance, one bar per graph."""
    groups, width = [one for one in apart.columns if one != "graph"], 0.8 / len(apart)
    for place, one in enumerate(apart.itertuples(index=False)):
        at = np.arange(len(groups)) + (place - (len(apart) - 1) / 2) * width
        colour = BY_GRAPH.get(one.graph, MUTED)
        ax.bar(at, 100 * np.array(one[1:]), width, color=colour, label=loaders.title(one.graph))
    ax.set_xticks(range(len(groups)), groups)
    ax.set(xlabel="hops between head and tail", ylabel="test triples [%]")


def inductive(found: pd.DataFrame):
    """MRR on entities that training saw and on those it did not, by variant; one row per graph, one column per test."""
    graphs, variants = list(found.graph.unique()), list(induction.VARIANTS)
    columns = list(induction.WORDS)
    height = 1.2 + 1.25 * len(graphs)
    figure, axes = subplots(len(graphs), len(columns), width=DOUBLE, height=height, squeeze=False, sharey=True)
    for graph, line in zip(graphs, axes, strict=True):
        for ax, column in zip(line, columns, strict=True):
            own = found[(found.graph == graph) & found[column].notna()]
            values = [mean_interval(own[own.variant == one][column].to_numpy()) for one in variants]
            dots(ax, [induction.label(one) for one in variants], values, [PALETTE[k] for k in (0, 2, 3, 5)])
            ax.locator_params(axis="x", nbins=3)
            if graph == graphs[0]:
                ax.set_title(_broken(induction.WORDS[column]), fontsize=7.5)
            if graph == graphs[-1]:
                ax.set_xlabel("filtered MRR")
        line[0].set_ylabel(graph)
    return figure


def _broken(words: str) -> str:
    parts = words.split()
    half = (len(parts) + 1) // 2
    return " ".join(parts[:half]) + "\n" + " ".join(parts[half:])


def efficiency(found: pd.DataFrame, sizes: pd.DataFrame):
    """Seconds of a step by anchors per entity and by random negatives, and trained parameters beside a lookup model."""
    figure, (left, middle, right) = subplots(1, 3, width=DOUBLE, height=2.7)
    for ax, what, label in ((left, "k", "anchors an entity"), (middle, "random", "random negatives a batch")):
        own = found[found.swept == what].groupby(what).milliseconds.agg(["median", "min", "max"])
        ax.plot(own.index, own["median"], marker="o", color=PALETTE[0])
        ax.fill_between(own.index, own["min"], own["max"], color=PALETTE[0], alpha=0.18, linewidth=0)
        ax.set(xlabel=label, ylim=(0, None))
    left.set_ylabel("one step [ms]")
    at = np.arange(len(sizes))[::-1]
    right.barh(at, sizes.parameters, color=[PALETTE[2] if kind == "anchors" else MUTED for kind in sizes.kind])
    right.set_yticks(at, sizes.what)
    right.set_xscale("log")
    right.set(xlabel="trained parameters")
    right.grid(axis="y", visible=False)
    return figure


def where(means: pd.DataFrame):
    """Gain over text by group: anchors (dots), random negatives (squares); one row per graph, one column per kind."""
    kinds = [one for one in dict.fromkeys(means.kind) if one != "relation"]
    graphs = list(means.graph.unique())
    figure, axes = subplots(len(graphs), len(kinds), width=DOUBLE, height=1.0 + 1.55 * len(graphs), squeeze=False)
    for graph, line in zip(graphs, axes, strict=True):
        for ax, kind in zip(line, kinds, strict=True):
            own = means[(means.graph == graph) & (means.kind == kind)]
            labels = [f"{g} ({n:,})" for g, n in zip(own.group, own.n.astype(int), strict=True)]
            for variant, marker in (("random_only", "s"), ("anchors_only", "o")):
                found = [(value, np.nan, np.nan, 0) for value in own[variant]]
                dots(ax, labels, found, [COLOURS[variant]] * len(own), marker)
            ax.axvline(0, color=INK, linewidth=0.8)
            ax.locator_params(axis="x", nbins=4)
            if graph == graphs[0]:
                ax.set_title(kind)
            if graph == graphs[-1]:
                ax.set_xlabel("gain in MRR over text")
        line[0].set_ylabel(loaders.title(graph))
    for variant, marker, label in (("anchors_only", "o", "anchors"), ("random_only", "s", "random negatives")):
        axes[0, 0].plot([], [], marker, color=COLOURS[variant], label=label)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def answers(found: pd.DataFrame, title: str):
    """Scores of the best answers to one query, and how much each loses without the anchors of the head or its own."""
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=0.9 + 0.24 * len(found), sharey=True)
    at = np.arange(len(found))[::-1]
    known = [PALETTE[0] if one else PALETTE[5] for one in found.known]
    left.barh(at, found.score, color=known)
    left.set_yticks(at, found.entity)
    left.set(xlabel="score (cosine)", title=title, xlim=(min(0, found.score.min()) - 0.02, None))
    right.barh(at + 0.2, found.head_anchors, 0.38, color=PALETTE[2], label="anchors of the head")
    right.barh(at - 0.2, found.own_anchors, 0.38, color=PALETTE[3], label="anchors of the answer")
    right.axvline(0, color=INK, linewidth=0.8)
    right.set(xlabel="part of the score that the anchors give")
    for y, one in zip(at, found.best_anchor, strict=True):
        right.annotate(one, (1.02, y), xycoords=("axes fraction", "data"), va="center", fontsize=6.5, color=MUTED)
    right.annotate(
        "the head's anchor that\nmatters most (its part)", (1.02, 1.0), xycoords="axes fraction", fontsize=6.5
    )
    for colour, label in ((PALETTE[0], "a known fact"), (PALETTE[5], "not in the graph")):
        left.barh([0], [0], color=colour, label=label)
    handles, labels = (
        a + b for a, b in zip(left.get_legend_handles_labels(), right.get_legend_handles_labels(), strict=True)
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    for ax in (left, right):
        ax.grid(axis="y", visible=False)
    return figure
