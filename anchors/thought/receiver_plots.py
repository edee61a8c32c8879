"""Figures of attention heads: receiver heads, their categories, their reliability, and their ablation."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import mean_interval
from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, colours, subplots
from anchors.thought.studies import head_ablation, receiver_heads
from anchors.thought.studies.corpus import name_of
from anchors.thought.taxonomy import CATEGORIES, INITIALS, short_names

COLOURS = colours(list(CATEGORIES))
BLUE, ORANGE, GREEN = PALETTE[:3]
MOST = 13  # names on an axis
FEW = 16  # heads of a model up to which a histogram of them says little: bins get wider


def receivers(found: list[receiver_heads.Heads]):
    """One column per model: a receiver head's matrix, vertical scores of its layer, kurtosis by layer, histogram."""
    table = receiver_heads.head_table(found)
    figure, axes = subplots(4, len(found), width=DOUBLE, height=9.2, squeeze=False)
    for column, heads in zip(axes.T, found, strict=True):
        trace, (layer, head), matrix, vertical = receiver_heads.shown(heads)
        _matrix(column[0], matrix, trace, f"{name_of(heads.model)}: layer {layer}, head {head}")
        _vertical(column[1], vertical, head, trace, layer)
        own = table[table.model == heads.model]
        _by_layer(column[2], own)
        _histogram(column[3], own)
    return figure


def _matrix(ax: Any, matrix: np.ndarray, trace: Any, title: str) -> None:
    lower = np.where(np.tril(np.ones_like(matrix), -1) > 0, matrix, np.nan)
    image = ax.imshow(lower, cmap="Blues", vmin=0, vmax=np.nanquantile(lower, 0.99), aspect="auto")
    ax.figure.colorbar(image, ax=ax, label="mean attention", shrink=0.9)
    places, names = short_names(trace.categories, MOST)
    ax.set_xticks(places, names, rotation=90, fontsize=6)
    ax.set_yticks(places, names, fontsize=6)
    ax.set(xlabel="sentence read", ylabel="reading sentence", title=title)
    ax.grid(False)


def _vertical(ax: Any, vertical: np.ndarray, head: int, trace: Any, layer: int) -> None:
    for number, scores in enumerate(vertical):
        if number != head:
            ax.plot(scores, color=MUTED, linewidth=0.8, alpha=0.7, label=f"other heads of layer {layer}")
    ax.plot(vertical[head], color=ORANGE, marker="o", markersize=3, label=f"head {head}")
    ax.set_xticks(*short_names(trace.categories, MOST), rotation=90, fontsize=6)
    ax.set(xlabel="sentence", ylabel="attention from\nlater sentences", ylim=(0, 1.35 * np.nanmax(vertical)))
    handles, names = ax.get_legend_handles_labels()
    unique = dict(zip(names, handles, strict=True))
    ax.legend(unique.values(), unique.keys(), fontsize=6.5, loc="upper right")


def _by_layer(ax: Any, own: pd.DataFrame) -> None:
    rest, chosen = own[~own.receiver], own[own.receiver]
    ax.scatter(rest.layer, rest["kurtosis"], s=9, color=MUTED, alpha=0.6, linewidths=0, label="heads")
    ax.scatter(chosen.layer, chosen["kurtosis"], s=16, color=ORANGE, linewidths=0, label="receiver heads")
    low, high = own["kurtosis"].min(), own["kurtosis"].max()
    ax.set(xlabel="layer (layer 0 does not count)", ylabel="kurtosis (excess),\nmean over traces")
    ax.set_ylim(low - 0.1 * (high - low), high + 0.4 * (high - low))  # room for the legend
    ax.legend(fontsize=6.5, loc="upper right")


def _histogram(ax: Any, own: pd.DataFrame) -> None:
    counted = own[own.layer > 0]["kurtosis"].dropna()
    bins = 6 if len(counted) <= FEW else 40
    ax.hist(counted, bins=bins, color=BLUE)
    ax.axvline(0, color=INK, linewidth=0.7, linestyle="--")
    ax.set(xlabel="kurtosis (excess; 0: as a normal distribution)", ylabel="heads")


def categories(table: pd.DataFrame):
    """Receiver-head score by category, one dot per trace, with means and intervals; below, what position leaves."""
    models = list(table.model.unique())
    figure, axes = subplots(2, len(models), width=DOUBLE, height=5.6, sharex=True, squeeze=False)
    for column, model in zip(axes.T, models, strict=True):
        own = table[table.model == model]
        for ax, value in zip(column, ("score", "beyond"), strict=True):
            _category_dots(ax, own.dropna(subset=[value]), value)
        column[0].set_title(name_of(model))
        column[1].axhline(0, color=INK, linewidth=0.7)
        column[1].set_xticks(range(len(CATEGORIES)), [INITIALS[c] for c in CATEGORIES])
        column[1].set_xlim(-0.6, len(CATEGORIES) - 0.4)
    axes[0, 0].set_ylabel("receiver-head score [10⁻³]")
    axes[1, 0].set_ylabel("score beyond position [10⁻³]")
    names = "   ".join(f"{INITIALS[c]} {c.replace('_', ' ')}" for c in CATEGORIES)
    half = names.index("UM")
    figure.supxlabel(f"{names[:half].strip()}\n{names[half:]}", fontsize=7)
    return figure


def _category_dots(ax: Any, own: pd.DataFrame, column: str) -> None:
    rng = np.random.default_rng(0)
    for place, category in enumerate(CATEGORIES):
        means = own[own.category == category].groupby("trace")[column].mean().to_numpy()
        if len(means) < 2:
            continue
        jitter = place + rng.uniform(-0.2, 0.2, len(means))
        ax.scatter(jitter, means, s=8, color=COLOURS[category], alpha=0.45, linewidths=0)
        centre = mean_interval(means)
        ax.plot([place, place], [centre.low, centre.high], color=INK, linewidth=1.4)
        ax.plot([place], [centre.mean], color=COLOURS[category], marker="D", markeredgecolor=INK, markersize=5)


def reliability(found: list[receiver_heads.Heads]):
    """Head kurtosis on one half of the traces against the other, and how heads agree on sentences, by model."""
    table = receiver_heads.head_table(found)
    figure, axes = subplots(2, len(found), width=DOUBLE, height=6.2, squeeze=False)
    for (top, bottom), heads in zip(axes.T, found, strict=True):
        own = table[(table.model == heads.model) & (table.layer > 0)]
        rest, chosen = own[~own.receiver], own[own.receiver]
        top.scatter(rest["first"], rest["second"], s=9, color=MUTED, alpha=0.6, linewidths=0, label="heads")
        top.scatter(chosen["first"], chosen["second"], s=16, color=ORANGE, linewidths=0, label="receiver heads")
        top.axline((0, 0), slope=1, color=INK, linewidth=0.7)
        r = receiver_heads.receivers.reliability(heads.kurtoses, heads.half)
        top.set(xlabel="kurtosis, first half of the traces", title=f"{name_of(heads.model)}: r = {r:.2f}")
        top.legend(fontsize=6.5, loc="upper left")
        _agreement(bottom, receiver_heads.agreements(heads))
    axes[0, 0].set_ylabel("kurtosis, second half")
    axes[1, 0].set_ylabel("mean correlation of\nvertical scores")
    return figure


def _agreement(ax: Any, found: dict[str, np.ndarray]) -> None:
    names = {"top": "receiver heads", "held out": "receiver heads\nof the other half", "arbitrary": "all heads"}
    rng = np.random.default_rng(0)
    for place, key in enumerate(names):
        values = found[key][np.isfinite(found[key])]
        ax.scatter(place + rng.uniform(-0.15, 0.15, len(values)), values, s=9, color=MUTED, alpha=0.6, linewidths=0)
        if len(values) > 1:
            centre = mean_interval(values)
            ax.plot([place, place], [centre.low, centre.high], color=INK, linewidth=1.4)
            ax.plot([place], [centre.mean], color=GREEN if key == "arbitrary" else ORANGE, marker="D", markersize=5)
    ax.set_xticks(range(len(names)), names.values(), fontsize=7)
    ax.axhline(0, color=INK, linewidth=0.7)
    ax.set_title("agreement, one dot per trace", fontsize=8)


def ablation(table: pd.DataFrame):
    """Accuracy against the share of heads ablated by kind of head, and receiver heads less their controls."""
    models = list(table.model.unique())
    figure, axes = subplots(2, len(models), width=DOUBLE, height=5.6, sharex="col", squeeze=False)
    for (top, bottom), model in zip(axes.T, models, strict=True):
        own = table[table.model == model]
        shares = head_ablation.shares_of(own)
        for place, (kind, words) in enumerate(list(head_ablation.KINDS.items())[1:]):
            look = {"color": PALETTE[(1, 2, 0)[place]], "marker": "osD"[place], "label": words, "shift": place - 1}
            base = head_ablation.condition(own, model, "none", 0.0)
            _line(top, [0.0, *shares], [base, *(head_ablation.condition(own, model, kind, s) for s in shares)], look)
            if kind != "receiver":
                found = [head_ablation.difference(own, model, kind, s) for s in shares]
                _line(bottom, shares, found, look | {"label": f"receiver heads − {words}"})
        bottom.axhline(0, color=INK, linewidth=0.7)
        top.set(title=name_of(model), ylim=(0, None))
        bottom.set(xlabel="share of heads ablated (layer 0 apart) [%]")
    axes[0, 0].set_ylabel("right answers")
    axes[1, 0].set_ylabel("difference of right answers")
    for ax in axes[:, -1]:
        ax.legend(fontsize=6.5)
    return figure


def _line(ax: Any, shares: list[float], found: list, look: dict) -> None:
    x = 100 * np.array(shares) + 1.5 * max(shares) * look["shift"]  # beside each other
    low, high = np.array([i.low for i in found]), np.array([i.high for i in found])
    ax.vlines(x, low, high, color=look["color"], linewidth=1.1, alpha=0.8)
    ax.plot(x, [i.mean for i in found], color=look["color"], marker=look["marker"], markersize=4, label=look["label"])
