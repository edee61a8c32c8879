"""One specimen as the explorer draws it, for print: importances with intervals and truth, links on a circle."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.style import DOUBLE, INK, MARKERS, MUTED, PALETTE, colours, subplots
from anchors.thought.explorer import bundle
from anchors.thought.studies import explorer as study
from anchors.thought.taxonomy import CATEGORIES, INITIALS, NAMES

COLOURS = colours(list(CATEGORIES))
MARKER = dict(zip(CATEGORIES, MARKERS, strict=False))
BLUE, ORANGE, GREEN = PALETTE[:3]
STRONGEST = 12  # links that are drawn
DRAWN = ("counterfactual_accuracy", "resampling_accuracy")


def explorer(trace: dict[str, Any], table: pd.DataFrame):
    """Importances of one specimen beside the truth, its links on a circle, and both checks over all specimens."""
    figure, axes = subplots(4, 2, width=DOUBLE, height=8.2, gridspec_kw={"height_ratios": [1, 1, 1.15, 1.15]})
    grid = axes[0, 0].get_gridspec()
    for ax in (*axes[:2].flat, *axes[2:, 0]):
        ax.remove()
    strips, circle = [figure.add_subplot(grid[k, :]) for k in (0, 1)], figure.add_subplot(grid[2:, 0])
    for ax, key in zip(strips, DRAWN, strict=True):
        _strip(ax, trace, key)
    strips[0].set_title(f"Specimen {trace['problem']} ({trace['title'].split(', ')[-1]}, {trace['solution']})")
    strips[0].legend(loc="upper left", fontsize=7)
    _circle(circle, trace)
    held = [(words, study.over_traces(table, key, "coverage")) for key, words in _covered()]
    _forest(axes[2, 1], held, (study.PROMISED, "promised"), "lower left")
    axes[2, 1].set(xlabel="exact values within the intervals", xlim=(0.5, 1.02), title="Intervals, all specimens")
    found = [(words, study.over_traces(table, key, "edges")) for key, words in study.LINKS.items()]
    _forest(axes[3, 1], found, (found[0][1].mean, "nearness"), "lower right")
    axes[3, 1].set(xlabel="true among the strongest links", xlim=(0, 1), title="Links, all specimens")
    used = [c for c in CATEGORIES if c in {s["category"] for s in trace["sentences"]}]
    handles = [_dot(circle, [], [], c) for c in used]
    figure.legend(handles, [NAMES[c] for c in used], loc="outside lower center", ncols=4, fontsize=7)
    return figure


def _covered() -> list[tuple[str, str]]:
    names = [(key, words.replace(" importance", "")) for key, words in study.KEYS.items()]
    return [*names, (study.STEPS, "links of resampling")]


def _strip(ax: Any, trace: dict[str, Any], key: str) -> None:
    """Draw an importance of every sentence with its interval, and its exact value."""
    by_key = bundle.by_key(trace, "importances")
    values, low, high = (np.array(by_key[key][part], float) for part in ("values", "low", "high"))
    x = np.arange(len(values))
    ends = np.nan_to_num(np.abs([values - low, high - values]))
    ax.errorbar(x, values, yerr=ends, color=BLUE, marker="o", markersize=3.5, linestyle="none", linewidth=1.1,
                label="measured, 95 %")  # fmt: skip
    exact = np.array(by_key[f"{key}_exact"]["values"], float)
    ax.plot(x, exact, color=ORANGE, marker="D", markersize=3.2, fillstyle="none", linestyle="none", label="exact")
    ax.axhline(0, color=MUTED, linewidth=0.7)
    ax.set_xticks(x, [_name(trace, k) for k in x], rotation=60, ha="right", rotation_mode="anchor", fontsize=6.5)
    ax.set(ylabel=f"{key.split('_')[0]},\naccuracy (+ helps)", xlim=(-0.7, len(x) - 0.3))
    ax.grid(axis="x", visible=False)


def _name(trace: dict[str, Any], index: int) -> str:
    return f"{INITIALS[trace['sentences'][index]['category']]} {index}"


def _circle(ax: Any, trace: dict[str, Any]) -> None:
    """Draw sentences clockwise on a circle, true dependencies, and as many of the strongest links of resampling."""
    size = len(trace["sentences"])
    angle = np.pi / 2 - 2 * np.pi * np.arange(size) / size
    x, y = np.cos(angle), np.sin(angle)
    truth, found = (_pairs(trace, key) for key in (study.EDGES, study.STEPS))
    true = {pair for pair, value in truth.items() if value}
    strongest = sorted(found, key=lambda pair: -(found[pair] or 0))[:STRONGEST]
    for pair in true:
        _chord(ax, x, y, pair, MUTED, 0.9, "-")
    for pair in strongest:
        _chord(ax, x, y, pair, GREEN if pair in true else ORANGE, 1.5, "-" if pair in true else (0, (4, 2)))
    for k, sentence in enumerate(trace["sentences"]):
        _dot(ax, [x[k]], [y[k]], sentence["category"])
        side = "center" if abs(x[k]) < 0.3 else "left" if x[k] > 0 else "right"
        ax.text(1.11 * x[k], 1.13 * y[k], _name(trace, k), fontsize=6, ha=side, va="center", color=INK)
    strong = f"of the {STRONGEST} strongest of resampling"
    for colour, width, dash, words in ((MUTED, 0.9, "-", "true dependency"), (GREEN, 1.5, "-", f"{strong}, true"),
                                       (ORANGE, 1.5, (0, (4, 2)), f"{strong}, not true")):  # fmt: skip
        ax.plot([], [], color=colour, linewidth=width, linestyle=dash, label=words)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0.0), fontsize=7, ncols=1)
    ax.set(xlim=(-1.45, 1.45), ylim=(-1.25, 1.25), aspect="equal", title="Links of the specimen")
    ax.axis("off")


def _pairs(trace: dict[str, Any], key: str) -> dict[tuple[int, int], float | None]:
    rows = bundle.by_key(trace, "links")[key]["rows"]
    return {(i, i + 1 + k): value for i, row in enumerate(rows) for k, value in enumerate(row)}


def _chord(ax: Any, x: np.ndarray, y: np.ndarray, pair: tuple[int, int], colour: str, width: float, dash: Any) -> None:
    """Draw a link as a curve towards the middle of the circle."""
    i, j = pair
    t = np.linspace(0, 1, 30)[:, None]
    ends, middle = np.array([[x[i], y[i]], [x[j], y[j]]]), np.array([x[i] + x[j], y[i] + y[j]]) * 0.2
    curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[1]
    ax.plot(*curve.T, color=colour, linewidth=width, linestyle=dash, solid_capstyle="round", zorder=1)


def _dot(ax: Any, x: list, y: list, category: str) -> Any:
    return ax.plot(x, y, color=COLOURS[category], marker=MARKER[category], markersize=6.5, linestyle="none",
                   markeredgecolor="white", markeredgewidth=0.6, zorder=3)[0]  # fmt: skip


def _forest(ax: Any, rows: list[tuple[str, Any]], mark: tuple[float, str], legend: str) -> None:
    """Draw means with intervals, one line each, and a dashed line for what they are held against."""
    place = np.arange(len(rows))
    means, low, high = (np.array([getattr(found, part) for _, found in rows]) for part in ("mean", "low", "high"))
    ax.errorbar(means, place, xerr=np.nan_to_num([means - low, high - means]), color=BLUE, marker="o", markersize=4,
                linestyle="none", linewidth=1.1)  # fmt: skip
    ax.axvline(mark[0], color=INK, linewidth=0.9, linestyle="--", label=mark[1])
    ax.legend(loc=legend, fontsize=7)
    ax.set_yticks(place, [words for words, _ in rows], fontsize=7)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
