"""Tables in, figures out: one function per notebook of the rubric wing."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.stats import mean_interval
from anchors.companion.style import DOUBLE, INK, MUTED, PALETTE, subplots
from anchors.rubric.studies import lm, tables

FAMILIES = {"instruction": PALETTE[0], "creative": PALETTE[1]}


def printed(found: pd.DataFrame, groups: dict[str, tuple[str, ...]]):
    """A table of the paper as dots, a panel for each group of models that share their benchmarks; means recomputed."""
    counts = [len(tables.cells(found, models[0])) + 1 for models in groups.values()]
    figure, axes = subplots(1, len(groups), width=DOUBLE, height=0.9 + 0.27 * max(counts), squeeze=False)
    for ax, (title, models) in zip(axes[0], groups.items(), strict=True):
        own = {model: tables.cells(found, model) for model in models}
        names = [*next(iter(own.values())).index, "mean of these"]
        at = np.arange(len(names))[::-1]
        table = {model: [*values, values.mean()] for model, values in own.items()}
        low, high = np.min(list(table.values()), 0), np.max(list(table.values()), 0)
        ax.hlines(at, low, high, color=MUTED, linewidth=1)
        for (model, values), colour, mark in zip(table.items(), (MUTED, PALETTE[0], PALETTE[1]), "so^", strict=False):
            ax.plot(values, at, mark, color=colour, label=model.split(", ")[-1])
        average = found[(found.model == models[-1]) & found.benchmark.str.startswith("average")]
        as_printed = [
            found[(found.model == m) & found.benchmark.str.startswith("average")].value.item() for m in models
        ]
        ax.plot(as_printed, [at[-1]] * len(models), "|", color=INK, markersize=11, label="mean as printed")
        assert len(average) == 1
        ax.set_yticks(at, names)
        ax.axhline(0.5, color=MUTED, linewidth=0.6, linestyle=":")
        ax.grid(axis="y", visible=False)
        ax.set(title=title, xlabel="points")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def seesaw(figure2: pd.DataFrame, found: pd.DataFrame, chat: pd.DataFrame | None = None):
    """The paper's changes by benchmark (left), and those of our arms on held-out prompts, with 95 % intervals.

    ``chat`` (model, arm, measure, mean, low, high) adds a row of panels for each chat model.
    """
    models = [] if chat is None or chat.empty else list(dict.fromkeys(chat.model))
    mosaic = [["paper", f"{model} instruction", f"{model} creative"] for model in ("writer", *models)]
    figure, axes = panels(mosaic, height=3.6 + 1.5 * len(models), width_ratios=[1.3, 1.1, 1.1])
    _figure2(axes["paper"], figure2)
    arms = list(dict.fromkeys(found.arm))
    for family, colour in FAMILIES.items():
        ax = axes[f"writer {family}"]
        gains(ax, found, arms, family, [colour] * len(arms))
        ax.set(title=f"Writer,\n{family}")
        for model in models:
            own = chat[(chat.model == model) & (chat.measure == family)]
            intervals(axes[f"{model} {family}"], own, colour)
            axes[f"{model} {family}"].set(title=f"{lm.NAMES.get(model, model)},\n{family}")
    for name, ax in axes.items():
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.grid(axis="y", visible=False)
        if name != "paper":
            ax.set_xlabel("change of the score")
            ax.locator_params(axis="x", nbins=4)
        if name.endswith(" creative"):
            ax.set_yticklabels([])
    figure.legend(*axes["paper"].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def panels(mosaic: list[list[str]], height: float, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Return a figure of full width and its axes by the names in ``mosaic``."""
    figure, ax = subplots(1, 1, width=DOUBLE, height=height)
    ax.remove()
    return figure, figure.subplot_mosaic(mosaic, **options)


def _figure2(ax: Any, figure2: pd.DataFrame) -> None:
    """Draw the paper's changes: a line per benchmark from one specialist to the other."""
    at = np.arange(len(figure2))[::-1]
    both = figure2[["instruction", "creative"]]
    ax.hlines(at, both.min(axis=1), both.max(axis=1), color=MUTED, linewidth=0.8)
    for family, mark in (("instruction", "o"), ("creative", "s")):
        ax.plot(figure2[family], at, mark, color=FAMILIES[family], markersize=4, label=f"{family} rubrics only")
    ax.set_yticks(at, figure2.benchmark)
    ax.set(title="Rubicon, figure 2", xlabel="change over the base, points")


def intervals(ax: Any, table: pd.DataFrame, colour: str) -> None:
    """Draw a mean and its interval for each row (arm, mean, low, high), the first on top."""
    at = np.arange(len(table))[::-1]
    ax.hlines(at, table.low, table.high, color=colour, linewidth=1.4)
    ax.plot(table["mean"], at, "o", color=colour, markersize=4.5)
    ax.set_yticks(at, table.arm)
    ax.set_ylim(-0.6, len(table) - 0.4)


def gains(ax: Any, found: pd.DataFrame, arms: list[str], column: str, colours: list[str]) -> None:
    """Draw the mean change of a column over the base for each arm, the first on top, with 95 % intervals over seeds."""
    at = np.arange(len(arms))[::-1]
    for y, arm, colour in zip(at, arms, colours, strict=True):
        one = mean_interval(found[found.arm == arm][column].to_numpy())
        if np.isfinite(one.low):
            ax.plot([one.low, one.high], [y, y], color=colour, linewidth=1.4)
        ax.plot(one.mean, y, "o", color=colour, markersize=4.5)
    ax.set_yticks(at, arms)
    ax.set_ylim(-0.6, len(arms) - 0.4)


HACKED = {"hack": "texts that praise", "creative": "gold score, held out", "reward": "reward in training"}


def defence(curves: pd.DataFrame, arms: dict[str, str], half: int, chat: pd.DataFrame | None = None):
    """Share of praising texts, gold score and reward along training, mean and range over seeds, for each arm.

    ``chat`` (as ``curves``, with a column model) adds a row of panels for each chat model.
    """
    models = [] if chat is None or chat.empty else list(dict.fromkeys(chat.model))
    figure, axes = subplots(1 + len(models), 3, width=DOUBLE, height=2.9 + 1.9 * len(models), squeeze=False)
    for line, name in zip(axes, ("writer", *models), strict=True):
        own = curves if name == "writer" else chat[chat.model == name].replace({"arm": {"creative only": "gold"}})
        for ax, (column, label) in zip(line, HACKED.items(), strict=True):
            _along(ax, own, arms, column)
            ax.set(xlabel="step", ylabel=label if name == "writer" else label.replace("praise", "flatter"))
        line[0].set_ylim(-0.02, 1.02)
        if models:
            line[1].set_title("Writer" if name == "writer" else lm.NAMES.get(name, name))
    for ax in axes[0]:
        ax.axvline(half, color=MUTED, linewidth=0.8, linestyle=":")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _along(ax: Any, curves: pd.DataFrame, arms: dict[str, str], column: str) -> None:
    """Draw a column along training: mean and range over seeds, a colour for each arm."""
    for (arm, words), colour in zip(arms.items(), PALETTE, strict=False):
        own = curves[(curves.arm == arm) & curves[column].notna()]
        if len(own):
            line = own.groupby("step")[column].agg(["mean", "min", "max"])
            ax.plot(line.index, line["mean"], color=colour, marker="." if column != "reward" else "", label=words)
            ax.fill_between(line.index, line["min"], line["max"], color=colour, alpha=0.15, linewidth=0)


def changes(found: pd.DataFrame, columns: dict[str, str]):
    """Changes over the base for each arm, a panel for each column, 95 % intervals over seeds."""
    arms = list(dict.fromkeys(found.arm))
    figure, axes = subplots(1, len(columns), width=DOUBLE, height=1.1 + 0.27 * len(arms), squeeze=False)
    many = len(columns) > 4
    for k, (ax, (column, label)) in enumerate(zip(axes[0], columns.items(), strict=True)):
        gains(ax, found, arms, column, [PALETTE[0]] * len(arms))
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set_xlabel(label.replace(" ", "\n", 1) if many else label)
        ax.grid(axis="y", visible=False)
        ax.locator_params(axis="x", nbins=2 if many else 4)
        if many:
            ax.tick_params(axis="x", labelsize=6)
        if k:
            ax.set_yticklabels([])
    figure.suptitle("change over the base", fontsize=8)
    return figure


def style(found: pd.DataFrame, columns: dict[str, str], chat: pd.DataFrame):
    """Changes over the base for each arm, a panel for each column: the writer's above, those of chat models below.

    ``chat`` has model, arm, words (of the measure), mean, low, high.
    """
    arms, models = list(dict.fromkeys(found.arm)), list(dict.fromkeys(chat.model))
    height = 1.3 + 0.27 * len(arms) + 1.4 * len(models)
    figure, axes = subplots(1 + len(models), len(columns), width=DOUBLE, height=height, squeeze=False)
    for ax, (column, label) in zip(axes[0], columns.items(), strict=True):
        gains(ax, found, arms, column, [PALETTE[0]] * len(arms))
        ax.set_xlabel(label.replace(" ", "\n", 1))
    for line, model in zip(axes[1:], models, strict=True):
        own = chat[chat.model == model]
        for ax, (words, table) in zip(line, own.groupby("words", sort=False), strict=True):
            intervals(ax, table, PALETTE[1])
            ax.set_xlabel(words.replace(" ", "\n", 1).replace(", ", ",\n"))
    for line, name in zip(axes, ("writer", *models), strict=True):
        line[0].set_ylabel("Writer" if name == "writer" else lm.NAMES.get(name, name))
        for k, ax in enumerate(line):
            ax.axvline(0, color=INK, linewidth=0.8)
            ax.grid(axis="y", visible=False)
            ax.locator_params(axis="x", nbins=2)
            ax.tick_params(axis="x", labelsize=6)
            if k:
                ax.set_yticklabels([])
    figure.suptitle("change over the base", fontsize=8)
    return figure


def aggregation(curves: pd.DataFrame, chosen: pd.DataFrame, found: pd.DataFrame):
    """The maps of two steps, the smallest score of what each reward selects, and of what it trains; 95 % intervals."""
    figure, axes = subplots(1, 4, width=DOUBLE, height=2.6)
    for ax, (step, own) in zip(axes, curves.groupby("step", sort=False), strict=False):
        for (parameter, line), colour in zip(own.groupby("parameter"), PALETTE, strict=False):
            ax.plot(line.x, line.y, color=colour, label=f"{'κ' if step == 'saturation' else 'β'} = {parameter:g}")
        ax.set(title=step, xlabel="score" if step == "saturation" else "mean", ylabel="after the step")
        ax.legend(fontsize=6.5)
    names = list(dict.fromkeys(found.arm))
    for ax, table, by, title in ((axes[2], chosen, "aggregation", "best of 16"), (axes[3], found, "arm", "trained")):
        gains(ax, table.rename(columns={by: "arm"}), names, "smallest", [PALETTE[0]] * len(names))
        ax.set(title=title, xlabel="smallest score")
        ax.grid(axis="y", visible=False)
        ax.locator_params(axis="x", nbins=3)
    axes[3].set_yticklabels([])
    return figure


def pipeline(boxes: pd.DataFrame):
    """The boxes of the pipeline with their counts, and arrows in the order of work."""
    figure, ax = subplots(1, 1, width=DOUBLE, height=2.6)
    for box in boxes.itertuples():
        ax.text(box.column, box.row, box.text, ha="center", va="center", fontsize=7.5, linespacing=1.5,
                bbox={"boxstyle": "round,pad=0.6", "facecolor": "white", "edgecolor": PALETTE[0]})  # fmt: skip
        for number in box.after:
            other = boxes.iloc[number]
            same = other.row == box.row
            start = (other.column + 0.34, other.row) if same else (other.column, other.row - 0.33)
            end = (box.column - 0.34, box.row) if same else (box.column, box.row + 0.33)
            arrow = {"arrowstyle": "->", "color": MUTED, "connectionstyle": "arc3,rad=0"}
            ax.annotate("", end, start, arrowprops=arrow)
    ax.set(xlim=(-0.45, 2.45), ylim=(-0.5, 1.5))
    ax.set_axis_off()
    return figure
