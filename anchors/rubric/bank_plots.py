"""Figures of the rubric bank and of the audit of judges: tables in, figures out."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import mean_interval
from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.rubric.studies import bank as banks
from anchors.rubric.studies import judge_audit as judges

KINDS = {"llm_judge": ("a judge decides", PALETTE[1]), "program": ("a program decides", PALETTE[0]),
         "statistic": ("a statistic decides", PALETTE[4]), "lexicon": ("a word list decides", PALETTE[2])}  # fmt: skip
SOURCES = {"biggen": "BiGGen-Bench", "healthbench": "HealthBench", "ifeval": "IFEval", "eqbench": "EQ-Bench 3",
           "families": "program families", "hybrids": "hybrids"}  # fmt: skip
LICENCES = {"Apache-2.0 and MIT | MIT": "of both parts"}
PALE = "#dcdcdc"


def bank(found: banks.Found):
    """Entries by source; human answers vetoed; what drawn criteria tell apart; what perturbations change."""
    figure, axes = subplots(2, 2, width=DOUBLE, height=6.4, width_ratios=[1.15, 1], height_ratios=[1, 1.5])
    _entries(axes[0, 0], found.counts)
    _vetoes(axes[0, 1], found.human)
    _told_apart(axes[1, 0], found.draws)
    _changes(axes[1, 1], found.changes)
    return figure


def _entries(ax: Any, counts: pd.DataFrame) -> None:
    names = [name for name in SOURCES if name in set(counts.source)]
    at, left = np.arange(len(names))[::-1], np.zeros(len(names))
    for kind, (words, colour) in KINDS.items():
        own = counts[counts.kind == kind].set_index("source").entries.reindex(names, fill_value=0).to_numpy()
        ax.barh(at, own, left=left, color=colour, label=words, height=0.65)
        left += own
    one = counts.groupby("source").first().loc[names]
    ax.barh(at, one.dropped, left=left, color=PALE, edgecolor=MUTED, hatch="////", linewidth=0.4, height=0.65,
            label="duplicate, dropped")  # fmt: skip
    for y, end, kept in zip(at, left + one.dropped, left, strict=True):
        ax.text(end + 90, y, f"{int(kept):,}", va="center", fontsize=7)
    licences = [LICENCES.get(text, text) for text in one.licence]
    ax.set_yticks(at, [f"{SOURCES[name]}\n({text})" for name, text in zip(names, licences, strict=True)])
    ax.tick_params(axis="y", labelsize=6.8)
    own = banks.singles(counts).entries.sum()
    ax.set(title=f"{own:,} distinct criteria, and hybrids", xlabel="entries (number: kept)", xlim=(0, 7400))
    ax.grid(axis="y", visible=False)
    ax.legend(loc="center right", bbox_to_anchor=(1.02, 0.5), fontsize=6.5, handlelength=1.2)


def _vetoes(ax: Any, human: pd.DataFrame) -> None:
    at = np.arange(len(human))[::-1]
    for y, one in zip(at, human.itertuples(), strict=True):
        colour = INK if one.criterion == "any" else PALETTE[0]
        ax.plot([100 * one.low, 100 * one.high], [y, y], color=colour, linewidth=1.4)
        ax.plot(100 * one.value, y, "o", color=colour, clip_on=False)
    ax.set_yticks(at, [banks.VOICES.get(name, "any of them") for name in human.criterion])
    ax.set(title="Style checks on human answers", xlabel=f"vetoed by mistake, % of {human.n.iloc[0]}", xlim=(-0.1, 5))
    ax.grid(axis="y", visible=False)


def _told_apart(ax: Any, draws: pd.DataFrame) -> None:
    """Draw shares of criteria by what they say of human answers, for each pool, with the effective number."""
    pools = list(dict.fromkeys(draws.pool))
    parts = {"same for all answers": (PALE, "////"), "met by fewer than 10 % or more than 80 %": (PALETTE[4], ""),
             "met by 10 % to 80 %: learnable": (PALETTE[0], "")}  # fmt: skip
    width = 0.6
    for x, pool in enumerate(pools):
        own = draws[draws.pool == pool]
        learnable, same = (float((own[name] / own.criteria).mean()) for name in ("learnable", "constant"))
        bottom = 0.0
        for (words, (colour, hatch)), share in zip(parts.items(), (same, 1 - same - learnable, learnable), strict=True):
            ax.bar(x, share, width, bottom, color=colour, hatch=hatch, edgecolor=MUTED, linewidth=0.4,
                   label=words if x == 0 else None)  # fmt: skip
            ax.text(x, bottom + share / 2, f"{share:.0%}", ha="center", va="center", fontsize=7.5,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            bottom += share
        number = mean_interval(own.effective.to_numpy())
        words = f"as good as {number.mean:.1f}\n({number.low:.1f} to {number.high:.1f})\nunrelated ones"
        ax.text(x, 1.02, words, ha="center", va="bottom", fontsize=7)
    size = int(draws.criteria.iloc[0])
    ax.set_xticks(range(len(pools)), [f"{size} drawn from\n{pool}" for pool in pools])
    ax.set(title=f"{size} criteria on human answers", ylabel="share of the criteria", ylim=(0, 1.24),
           yticks=np.arange(0, 1.01, 0.25), xlim=(-0.6, len(pools) - 0.4))  # fmt: skip
    ax.grid(axis="x", visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=1, fontsize=7)


def _changes(ax: Any, changes: pd.DataFrame) -> None:
    """Draw mean changes of scores as a table of colours; no colour map but blue to orange, zero white."""
    from matplotlib.colors import LinearSegmentedColormap

    columns, names = list(dict.fromkeys(changes.perturbation)), list(dict.fromkeys(changes.criterion))
    wide = changes.pivot(index="criterion", columns="perturbation", values="change").loc[names, columns].to_numpy()
    scale = LinearSegmentedColormap.from_list("change", [PALETTE[1], "#ffffff", PALETTE[0]])
    ax.imshow(wide, cmap=scale, vmin=-1, vmax=1, aspect="auto")
    for row, column in np.ndindex(wide.shape):
        value = wide[row, column]
        if abs(value) >= 0.005:
            ax.text(column, row, f"{value:+.2f}".replace("-", "−"), ha="center", va="center", fontsize=6.5,
                    color="white" if abs(value) > 0.75 else INK)  # fmt: skip
    vetoed = sum(name in banks.VOICES for name in names)
    ax.axhline(vetoed - 0.5, color=MUTED, linewidth=0.8)
    ax.set_yticks(range(len(names)), [f"not: {banks.VOICES[n]}" if n in banks.VOICES else n for n in names])
    ax.set_xticks(range(len(columns)), [banks.CHANGES[name] for name in columns], rotation=35, ha="right")
    ax.tick_params(labelsize=6.8)
    ax.set_title("Mean change of a score (0 to 1)")
    ax.grid(False)


LOOKS = {
    judges.WORDS: ("o", PALETTE[0]), judges.DESCRIBED: ("s", PALETTE[4]), judges.SHOWN: ("D", PALETTE[2]),
    judges.PROMPTED: ("v", PALETTE[3]), judges.MODEL: ("^", PALETTE[1]), judges.PMI: ("P", PALETTE[7]),
}  # fmt: skip


def agreement(found: pd.DataFrame):
    """AUROC of each judge by attribute (left), and its accuracy less that of the commoner label (right)."""
    own = found[found["first"]]
    names = [*judges.DESCRIPTIONS, "all"]
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=0.42 * len(names) + 1.3, width_ratios=[1.25, 1],
                                     sharey=True)  # fmt: skip
    shift = dict(zip(judges.JUDGES, np.linspace(-0.27, 0.27, len(judges.JUDGES)), strict=True))
    for judge, (mark, colour) in LOOKS.items():
        one = own[own.judge == judge]
        at = np.array([names.index(name) + shift[judge] for name in one.attribute])
        look = {"fmt": mark, "color": colour, "markersize": 4, "linewidth": 1.1}
        many = (one.attribute != "all").sum() > 1  # a mean of one attribute is that attribute
        shown = one if many else one[one.attribute != "all"]
        _bars(left, shown.auroc, at[: len(shown)], shown.low, shown.high, label=judge, **look)
        rest = one[one.attribute != "all"]
        _bars(right, rest.accuracy - rest.base, at[: len(rest)], rest.accuracy_low - rest.base,
              rest.accuracy_high - rest.base, **look)  # fmt: skip
    left.axvline(0.5, color=INK, linewidth=0.9, linestyle="--")
    right.axvline(0, color=INK, linewidth=0.9, linestyle="--")
    for ax in (left, right):
        ax.grid(axis="y", visible=False)
        for y in range(len(names) - 1):
            ax.axhline(y + 0.5, color=INK if y == len(names) - 2 else PALE, linewidth=0.6)
    left.set_yticks(range(len(names)), [*(name.replace("_", " ") for name in names[:-1]), "mean of\nthose judged"])
    left.set_ylim(len(names) - 0.5, -0.5)
    left.set(title="Telling texts with an attribute from others", xlabel="AUROC (dashed: chance)", xlim=(-0.02, 1.02))
    right.set(title="Yes or no at a score of 0.5", xlabel="accuracy − share of the commoner label")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _bars(ax: Any, values: pd.Series, at: np.ndarray, low: pd.Series, high: pd.Series, **look: Any) -> None:
    error = np.clip([values - low, high - values], 0, None)
    ax.errorbar(values, at, xerr=error, **look)
