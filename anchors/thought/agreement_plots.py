"""How rankings of sentences by two methods correlate: a matrix per model, and the paper's three methods."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.thought.studies import agreement as study

LIMIT = 0.9  # of the colours
SHORT = ("counterfactual", "resampling", "forced", "later sentences", "receiver heads", "suppression")
LOOKS = {"raw": ("o", PALETTE[0], "as is", -0.17), "beyond": ("^", PALETTE[1], "beyond position", 0.17)}


def agreement(table: pd.DataFrame):
    """One column per model: all pairs as a heat map, and below the pairs of the paper's methods with intervals."""
    models = list(dict.fromkeys(table["model"]))
    heights = {"height_ratios": [1.15, 1]}
    figure, axes = subplots(2, len(models), width=DOUBLE, height=7.6, squeeze=False, gridspec_kw=heights)
    for number, (column, model) in enumerate(zip(axes.T, models, strict=True)):
        image = _matrix(column[0], table, model, number == 0)
        _pairs(column[1], table, model, number == 0)
    figure.colorbar(image, ax=axes[0].tolist(), shrink=0.8).set_label("rank correlation", fontsize=7)
    figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=7)
    return figure


def _matrix(ax: Any, table: pd.DataFrame, model: str, named: bool) -> Any:
    """Draw mean correlations: above the diagonal as they are, below it beyond position; bold where an interval is."""
    names = list(study.METHODS)
    values = np.full((len(names),) * 2, np.nan)
    for _, own in table[table["model"] == model].iterrows():
        i, j = sorted(names.index(own[side]) for side in ("first", "second"))
        place = (i, j) if own["control"] == "raw" else (j, i)
        values[place] = own["mean"]
        _cell(ax, place, own)
    image = ax.imshow(values, cmap="RdBu_r", vmin=-LIMIT, vmax=LIMIT, aspect="auto")
    ax.set_facecolor("#ececec")
    ax.axline((-0.5, -0.5), slope=1, color=INK, linewidth=0.8)
    ax.set_xticks(range(len(names)), SHORT, rotation=35, ha="right", rotation_mode="anchor", fontsize=7)
    ax.set_yticks(range(len(names)), SHORT if named else [], fontsize=7)
    ax.set_title(f"{study.name_of(model)}: above the diagonal as is,\nbelow it beyond position")
    ax.grid(False)
    return image


def _cell(ax: Any, place: tuple[int, int], own: pd.Series) -> None:
    """Write a mean with the number of traces; bold when the interval leaves zero out."""
    sure = own["low"] > 0 or own["high"] < 0
    known = np.isfinite(own["mean"])
    words = f"{own['mean']:+.2f}\nn = {own['n']}" if known else f"–\nn = {own['n']}"
    colour = "white" if known and abs(own["mean"]) > 0.6 * LIMIT else INK
    weight = "bold" if sure else "normal"
    ax.text(place[1], place[0], words, ha="center", va="center", fontsize=6.3, color=colour, fontweight=weight)


def _pairs(ax: Any, table: pd.DataFrame, model: str, named: bool) -> None:
    """Draw the pairs of the paper's methods with intervals, on the band that permutations leave beyond position."""
    for control, (marker, colour, label, shift) in LOOKS.items():
        found = pd.DataFrame([study.at(table, model, pair, control) for pair in study.CROSSED])
        place = np.arange(len(found)) + shift
        ax.barh(place, found["chance_high"] - found["chance_low"], left=found["chance_low"], height=0.3, color=MUTED,
                alpha=0.25, linewidth=0, label="permuted, 95 %" if control == "raw" else None)  # fmt: skip
        ends = np.abs(found[["low", "high"]].to_numpy(float).T - found["mean"].to_numpy(float))
        ax.errorbar(found["mean"], place, xerr=np.nan_to_num(ends), color=colour, marker=marker, markersize=4,
                    linestyle="none", linewidth=1.1, label=label)  # fmt: skip
    ax.axvline(0, color=INK, linewidth=0.7)
    names = [" – ".join(SHORT[list(study.METHODS).index(m)] for m in pair) for pair in study.CROSSED]
    ax.set_yticks(range(len(names)), [n.replace(" – ", " –\n") for n in names] if named else [], fontsize=7)
    ax.set(xlim=(-1, 1), ylim=(len(names) - 0.5, -0.5), xlabel="rank correlation, mean over traces")
    ax.grid(axis="y", visible=False)
