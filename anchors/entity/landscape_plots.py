"""Figure of the landscape of link prediction: table in, figure out."""

from typing import Any

import pandas as pd

from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.entity.settings import SHORT
from anchors.entity.studies.landscape import KINDS, MAIN, SEA, overview

COLOURS = dict(zip(KINDS, (PALETTE[0], PALETTE[2], PALETTE[8], PALETTE[6], INK), strict=True))
MARKS = {  # confidence: marker, filled, words of the key
    "published": ("o", True, "seen in the paper, code or log"),
    "secondary": ("D", True, "seen as quoted by others"),
    "recalled": ("o", False, "recalled, unconfirmed"),
    "own file": ("P", True, "from your file"),
}
OWN = PALETTE[1]
LINE = 0.165  # inches a model


def landscape(table: pd.DataFrame, ours: pd.DataFrame):
    """MRR of every model on WN18RR and FB15k-237, by kind, marked by confidence; ``ours`` are our runs, if any."""
    rows, mine = overview(table), ours[ours.dataset.isin(MAIN)]
    order = _order(rows)
    variants = list(dict.fromkeys(mine.variant))
    size = {"width": DOUBLE, "height": LINE * (len(order) + len(variants)) + 1.3}
    figure, axes = subplots(1, 2, sharey=True, **size)
    for ax, dataset in zip(axes, MAIN, strict=True):
        own = rows[rows.dataset == dataset]
        _best(ax, own)
        _dots(ax, own, order)
        _runs(ax, mine[mine.dataset == dataset], variants, len(order))
        ax.set(title=dataset, xlabel="filtered MRR [%]; the two scales differ")
        low, high = ax.get_xlim()
        ax.set_xlim(low, high + 0.08 * (high - low))  # room for the last number
    _names(axes[0], order, rows, variants)
    _bands(axes, order, rows)
    _key(figure, rows, bool(variants))
    return figure


def _order(rows: pd.DataFrame) -> list[str]:
    """Return the models by kind, within a kind by MRR on WN18RR (else FB15k-237), the best first."""
    best = {d: rows[rows.dataset == d].groupby("model").MRR.max() for d in MAIN}
    known = rows[["model", "kind"]].drop_duplicates().set_index("model")
    mrr = best[MAIN[0]].reindex(known.index).fillna(best[MAIN[1]].reindex(known.index))
    key = known.assign(place=known.kind.map(KINDS.index), worse=-mrr)
    return key.sort_values(["place", "worse"], kind="stable").index.tolist()


def _dots(ax: Any, rows: pd.DataFrame, order: list[str]) -> None:
    """Draw a mark and its number for each model, or say that there is none."""
    for line in rows.dropna(subset="MRR").itertuples():
        place = order.index(line.model)
        marker, filled, _ = MARKS[line.confidence]
        colour = COLOURS[line.kind]
        look = {"color": colour, "markerfacecolor": colour if filled else "white", "linestyle": "none"}
        ax.plot([line.MRR], [place], marker=marker, markersize=4.6, markeredgewidth=1.1, **look)
        _number(ax, line.MRR, place)
    for model in set(order) - set(rows.dropna(subset="MRR").model):
        words = "not available" if model == SEA else "no value"
        where = {"transform": ax.get_yaxis_transform(), "va": "center", "ha": "right"}
        ax.text(0.98, order.index(model), words, color=MUTED, fontsize=6.5, **where)


def _number(ax: Any, value: float, place: int) -> None:
    """Write a value to the right of its mark."""
    words = {"xytext": (5, 0), "textcoords": "offset points", "va": "center", "fontsize": 6.5, "color": MUTED}
    box = {"boxstyle": "square,pad=0.08", "facecolor": "white", "edgecolor": "none"}
    ax.annotate(f"{value:.1f}", (value, place), bbox=box, **words)


def _runs(ax: Any, mine: pd.DataFrame, variants: list[str], start: int) -> None:
    """Draw our runs below the models: a small mark a seed, a large one for their mean."""
    for place, variant in enumerate(variants, start):
        values = mine.MRR[mine.variant == variant]
        ax.plot(values, [place] * len(values), "|", color=OWN, markersize=5)
        if len(values):
            ax.plot([values.mean()], [place], "X", color=OWN, markersize=5.5, markeredgewidth=0.4)
            _number(ax, values.mean(), place)


def _best(ax: Any, rows: pd.DataFrame) -> None:
    """Mark the best lookup model, from which the gap is read."""
    best = rows.MRR[(rows.kind == "lookup") & (rows.confidence != "own file")].max()
    ax.axvline(best, color=COLOURS["lookup"], linewidth=0.9, linestyle=":", zorder=0)


def _names(ax: Any, order: list[str], rows: pd.DataFrame, variants: list[str]) -> None:
    kind = rows.set_index("model").kind.to_dict()
    ax.set_yticks(range(len(order) + len(variants)), [*order, *(f"ours: {SHORT.get(v, v)}" for v in variants)])
    ax.set_ylim(len(order) + len(variants) - 0.4, -0.6)
    for label, name in zip(ax.get_yticklabels(), [*order, *variants], strict=True):
        label.set(color=INK if name in kind else OWN, fontsize=7)
        if name == SEA:
            label.set_fontweight("bold")


def _bands(axes: Any, order: list[str], rows: pd.DataFrame) -> None:
    """Separate the kinds by lines and name them at the right edge."""
    kind = rows.set_index("model").kind.to_dict()
    for name in KINDS:
        places = [place for place, model in enumerate(order) if kind[model] == name]
        if not places:
            continue
        for ax in axes if places[-1] + 1 < len(axes[0].get_yticks()) else ():
            ax.axhline(places[-1] + 0.5, color=MUTED, linewidth=0.5)
        middle = (places[0] + places[-1]) / 2
        look = {"ha": "left", "va": "center", "fontsize": 7, "rotation": 270 if len(places) > 2 else 0}
        words = name.replace("graph n", "graph\nn").replace("+", "\n+ ")
        axes[1].text(1.02, middle, words, color=COLOURS[name], transform=axes[1].get_yaxis_transform(), **look)


def _key(figure: Any, rows: pd.DataFrame, runs: bool) -> None:
    from matplotlib.lines import Line2D

    keys = []
    for confidence, (marker, filled, words) in MARKS.items():
        if (rows.confidence == confidence).any():
            face = INK if filled else "white"
            look = {"color": INK, "markerfacecolor": face, "markersize": 4.6, "linestyle": "none"}
            keys.append(Line2D([], [], marker=marker, label=words, **look))
    keys.append(Line2D([], [], color=COLOURS["lookup"], linestyle=":", linewidth=0.9, label="best lookup model"))
    if runs:
        own = {"color": OWN, "marker": "X", "linestyle": "none", "markersize": 5.5}
        keys.append(Line2D([], [], label="our runs, small model, short texts", **own))
    figure.legend(handles=keys, loc="outside lower center", ncols=min(4, len(keys)))
