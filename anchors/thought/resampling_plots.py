"""One trace of each model: answers before each sentence, and the importances of its sentences with intervals."""

import textwrap
from typing import Any

import numpy as np

from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.thought.studies.corpus import name_of
from anchors.thought.studies.resampling import Example
from anchors.thought.taxonomy import INITIALS, short_names

BLUE, ORANGE, GREEN = PALETTE[:3]
OTHERS = ("#E69F00", "#CC79A7", "#56B4E9", "#8C510A")  # wrong answers, most frequent first
REST, RIGHT = "#d9d9d9", "#9fc5e8"
LOOKS = {"counterfactual": (GREEN, "o", -0.14), "resampling": (ORANGE, "s", 0.14)}
MOST = 14  # names on an axis


def resampling(examples: list[Example]):
    """One column per model: answers before each sentence with the accuracy, then importances: accuracy, and nats."""
    height = {"height_ratios": [1.5, 1, 1]}
    figure, axes = subplots(
        3, len(examples), width=DOUBLE, height=6.8, squeeze=False, sharex="col", gridspec_kw=height
    )  # fmt: skip
    for column, example in zip(axes.T, examples, strict=True):
        _answers(column[0], example)
        _importance(column[1], example, "accuracy")
        _importance(column[2], example, "kl")
        count = len(example.trace.categories)
        column[2].set_xticks(*short_names(example.trace.categories, MOST), rotation=90, fontsize=7)
        column[2].set(xlabel="sentence", xlim=(-0.7, count - 0.3))
    axes[0, 0].set_ylabel("share of the answers")
    axes[1, 0].set_ylabel("importance, change of\nthe accuracy (+ helps)")
    axes[2, 0].set_ylabel("importance, KL [nats]")
    axes[1, 0].legend(loc="upper left", fontsize=6.5, ncols=2)
    return figure


def _answers(ax: Any, example: Example) -> None:
    """Draw the shares of the answers as stacked areas, the right one first, with the accuracy as a line."""
    shares = example.shares
    x, base = np.arange(len(shares)) - 0.5, np.zeros(len(shares))
    names = {"right": f"right: {example.trace.case.right[:8]}", "rest": "other answers"}
    colour = dict(zip(shares.columns[1:-1], OTHERS, strict=False)) | {"right": RIGHT, "rest": REST}
    for answer in shares.columns:
        top = base + shares[answer].fillna(0).to_numpy()
        hatch = {"hatch": "///", "edgecolor": "white"} if answer == "right" else {"edgecolor": "none"}
        ax.fill_between(
            x, base, top, facecolor=colour[answer], linewidth=0, label=names.get(answer, answer), **hatch
        )  # fmt: skip
        base = top
    ax.plot(x, shares["right"], color=BLUE, marker="o", markersize=3, label="accuracy")
    if np.isfinite(example.exact).any():
        ax.plot(x, example.exact, color=INK, linestyle=":", linewidth=1.2, label="accuracy, exact")
    kind = "right" if example.trace.correct else "not right"
    ax.set(ylim=(0, 1), title=f"{name_of(example.model)}: trace {example.trace.number}, whose answer is {kind}")
    ax.grid(False)
    if shares["right"].isna().all():
        ax.text(0.5, 0.5, "no rollout has an answer", transform=ax.transAxes, ha="center", color=MUTED)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, fontsize=6.5, columnspacing=1.0)


def _importance(ax: Any, example: Example, unit: str) -> None:
    """Draw both importances of every sentence with their 95 % intervals."""
    own = example.own
    for method, (colour, marker, shift) in LOOKS.items():
        name = f"{method}_{unit}"
        known = own[np.isfinite(own[name])]
        ends = np.abs(known[[f"{name}_low", f"{name}_high"]].to_numpy().T - known[name].to_numpy())
        ax.errorbar(known["sentence"] + shift, known[name], yerr=ends, color=colour, marker=marker, markersize=3.5,
                    linestyle="none", linewidth=1, label=method)  # fmt: skip
    ax.axhline(0, color=MUTED, linewidth=0.8)
    if unit == "kl" and own["counterfactual_kl"].notna().any():
        _name_largest(ax, own.loc[own["counterfactual_kl"].idxmax()])
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + (0.25 if unit == "accuracy" else 0.45) * (high - low))  # room for words


def _name_largest(ax: Any, row: Any) -> None:
    words = f"{INITIALS[row['category']]} {row['sentence']}: “{row['text'].strip()}”"
    ax.text(0.01, 0.99, textwrap.fill(words, 52), transform=ax.transAxes, fontsize=6.5, va="top", color=INK)
