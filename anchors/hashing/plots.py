"""Tables in, figures out: one function per notebook."""

from typing import Any

import numpy as np
import pandas as pd

from anchors.companion.style import DOUBLE, INK, MARKERS, MUTED, PALETTE, colours, subplots
from anchors.hashing.studies.common import LABELS, METHODS, intervals

COLOURS = colours(list(METHODS))
MARKER = dict(zip(METHODS, MARKERS, strict=False))
PROTOCOL = {"A": "protocol A (learnt codes)", "B": "protocol B (re-coded)"}
TASK = {"I2T": "image → text", "T2I": "text → image"}


def band(ax: Any, x: Any, table: pd.DataFrame, method: str, label: str | None = None, **line: Any) -> None:
    """Draw a mean (column ``mean``) with its 95 % interval (``low``, ``high``) in the colour of a method."""
    ax.plot(x, table["mean"], label=label or LABELS[method], color=COLOURS[method], **{"marker": MARKER[method]} | line)
    if np.isfinite(table["low"]).all():
        ax.fill_between(x, table["low"], table["high"], color=COLOURS[method], alpha=0.18, linewidth=0)


def protocols(ax: Any, x: str, tables: dict[str, pd.DataFrame], method: str, scale: float = 1) -> None:
    """Draw protocol A solid with its band, and protocol B as a thin dotted line without one."""
    band(ax, scale * tables["A"][x], tables["A"], method)
    ax.plot(scale * tables["B"][x], tables["B"]["mean"], color=COLOURS[method], linestyle=":", linewidth=1.1)


def protocol_key(ax: Any) -> None:
    """Add the meaning of solid and dotted lines to the legend's entries."""
    ax.plot([], [], color=MUTED, linestyle="-", label=PROTOCOL["A"])
    ax.plot([], [], color=MUTED, linestyle=":", label=PROTOCOL["B"])


def legend_below(figure: Any, ax: Any, columns: int = 3) -> None:
    """Put one legend, made from the lines of ``ax``, under the whole figure."""
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def pairing_ratio(table: pd.DataFrame, gain: pd.DataFrame):
    """mAP against the share of pairs (top) and RREH's gain over each control (bottom); one column per data set."""
    sets = list(dict.fromkeys(table.data))
    figure, axes = subplots(2, len(sets), width=DOUBLE, height=4.9, sharex=True, squeeze=False)
    for column, data in enumerate(sets):
        top, bottom = axes[:, column]
        for method in dict.fromkeys(table.method):
            own = table[(table.data == data) & (table.method == method)]
            protocols(top, "ratio", {p: intervals(own, ["ratio"], p) for p in PROTOCOL}, method, 100)
        for treated in dict.fromkeys(gain.treated):
            own = gain[(gain.data == data) & (gain.treated == treated) & (gain.control == "NoReconstruction")]
            protocols(bottom, "ratio", {p: own[own.protocol == p] for p in PROTOCOL}, treated, 100)
        bottom.axhline(0, color=INK, linewidth=0.8)
        top.set(title=data, ylabel="mAP, mean of both directions")
        bottom.set(xlabel="pairs that keep their link [%]", ylabel="gain over no reconstruction")
    protocol_key(axes[0, 0])
    legend_below(figure, axes[0, 0])
    return figure


def map_table(log: pd.DataFrame, frame: pd.DataFrame):
    """Heat maps of the grid: methods by pairing ratio; a panel per data set and protocol (down) and code length.

    The last line of each panel is real-valued CCA at the ratios of ``frame``, for reference.
    """
    import seaborn as sns

    lines = [(data, protocol) for data in dict.fromkeys(log.data) for protocol in PROTOCOL]
    lengths, ratios = sorted(log.bits.unique()), sorted(log.ratio.unique())
    size = {"width": DOUBLE, "height": 2.1 * len(lines) + 0.5}
    figure, axes = subplots(len(lines), len(lengths), sharex=True, sharey=True, squeeze=False, **size)
    for panels, (data, protocol) in zip(axes, lines, strict=True):
        cells = log[log.data == data].groupby(["method", "bits", "ratio"])[protocol].mean()
        limits = {"vmin": cells.min(), "vmax": cells.max()}
        for ax, bits in zip(panels, lengths, strict=True):
            grid = cells.xs(bits, level="bits").unstack("ratio").reindex(METHODS, columns=ratios)
            grid.loc["CCA, real-valued"] = frame[frame.data == data].groupby("ratio").CCA.mean()
            look = {"annot": grid.map(short), "fmt": "", "annot_kws": {"size": 5.8}, "cbar": False, "cmap": "cividis"}
            sns.heatmap(grid, ax=ax, **look, **limits)
            ax.set(title=f"{data}, {bits} bits, {protocol}", xlabel="", ylabel="")
            ax.set_xticklabels([f"{100 * r:g}" for r in grid.columns], rotation=0)
            ax.set_yticklabels([LABELS.get(name, name) for name in grid.index], rotation=0, fontsize=6.5)
            ax.grid(False)
    note = f"mAP × 1000, both directions, mean of {log.seed.nunique()} seeds; A: learnt codes, B: re-coded"
    blank = "blank: fewer pairs than bits (CCA: not computed)"
    figure.supxlabel(f"pairs that keep their link [%]; {note}\n{blank}", fontsize=7.5)
    return figure


def short(value: float) -> str:
    """Return mAP × 1000 as a whole number, so that a cell can hold it; an empty text for no value."""
    return "" if np.isnan(value) else f"{1000 * value:.0f}"


def pr_curves(long: pd.DataFrame):
    """Precision against recall as the Hamming radius grows; a panel per direction and protocol."""
    return _four_panels(long, "recall", "recall", log=False)


def top_n(long: pd.DataFrame):
    """Expected precision of the first N answers; a panel per direction and protocol."""
    return _four_panels(long, "N", "answers read, N", log=True)


def _four_panels(long: pd.DataFrame, x: str, label: str, log: bool):
    figure, axes = subplots(2, 2, width=DOUBLE, height=5.2, sharex=True, sharey=True)
    for line, protocol in zip(axes, ("A", "B"), strict=True):
        for ax, task in zip(line, ("I2T", "T2I"), strict=True):
            panel = long[(long.task == task) & (long.protocol == protocol)]
            for method in METHODS:
                own = panel[panel.method == method]
                marks = {"marker": MARKER[method], "markevery": max(1, len(own) // 8), "markersize": 3.2}
                ax.plot(own[x], own.precision, label=LABELS[method], color=COLOURS[method], linewidth=1.2, **marks)
                if "low" in own and method == "RREH":
                    ax.fill_between(own[x], own.low, own.high, color=COLOURS[method], alpha=0.15, linewidth=0)
            ax.set(title=f"{TASK[task]}, {PROTOCOL[protocol]}")
            if log:
                ax.set_xscale("log")
    axes[0, 0].set_ylim(bottom=0)
    for ax in axes[1]:
        ax.set_xlabel(label)
    for ax in axes[:, 0]:
        ax.set_ylabel("precision")
    legend_below(figure, axes[0, 0], 4)
    return figure


SYMBOLS = {
    "beta": "β, quantisation", "theta": "θ, reconstruction", "mu": "μ, hash functions",
    "gamma": "γ, unpaired rows", "delta": "δ, ridge of reconstruction", "n_anchors": "m, anchors",
}  # fmt: skip


def sensitivity(table: pd.DataFrame, centres: dict[str, dict[str, float]]):
    """Validation mAP against each parameter on a logarithmic axis; a panel per parameter, a colour per data set."""
    names = [name for name in SYMBOLS if name in set(table.parameter)]
    figure, axes = subplots(2, 3, width=DOUBLE, height=4.2)
    palette = colours(list(dict.fromkeys(table.data)))
    for ax, name in zip(axes.flat, names, strict=False):
        for marker, (data, colour) in zip(MARKERS, palette.items(), strict=False):
            rows = table[(table.data == data) & (table.parameter == name)]
            own, other = (intervals(rows, ["value"], protocol) for protocol in PROTOCOL)
            ax.plot(own.value, own["mean"], color=colour, marker=marker, label=data)
            ax.fill_between(own.value, own.low, own.high, color=colour, alpha=0.15, linewidth=0)
            ax.plot(other.value, other["mean"], color=colour, linestyle=":", linewidth=1.1)
            if centres[data].get(name):
                ax.axvline(centres[data][name], color=colour, linewidth=0.8, alpha=0.7)
        ax.set(xscale="log", title=SYMBOLS[name])
        if name == "n_anchors":
            plain_ticks(ax.xaxis, sorted(table[table.parameter == name].value.unique()))
    for ax in axes[:, 0]:
        ax.set_ylabel("validation mAP")
    protocol_key(axes.flat[0])
    legend_below(figure, axes.flat[0], 4)
    return figure


def plain_ticks(axis: Any, ticks: list[float]) -> None:
    """Mark a logarithmic axis at ``ticks``, written as plain numbers."""
    axis.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def convergence(table: pd.DataFrame):
    """The objective relative to its start (left) and mAP (right) against rounds of updates."""
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=2.8)
    for (data, colour), marker in zip(colours(list(dict.fromkeys(table.data))).items(), MARKERS, strict=False):
        own = table[table.data == data]
        objective = np.array(own.objective.tolist())
        relative = objective / objective[:, :1]
        left.plot(relative.mean(axis=0), color=colour, marker=marker, markevery=5, label=data)
        left.fill_between(range(relative.shape[1]), relative.min(0), relative.max(0), color=colour, alpha=0.18, lw=0)
        for protocol, dash in (("A", "-"), ("B", ":")):
            scores, rounds = np.array(own[protocol].tolist()), own.rounds.iloc[0]
            mean = scores.mean(axis=0)
            right.plot(rounds, mean, color=colour, marker=marker, linestyle=dash, label=f"{data}, {protocol}")
            right.fill_between(rounds, scores.min(0), scores.max(0), color=colour, alpha=0.15, lw=0)
    left.set(xlabel="rounds of updates", ylabel="J / J at the start", title="objective (band: range over seeds)")
    right.set(xlabel="rounds of updates", ylabel="mAP", title="retrieval (band: range over seeds)")
    for ax in (left, right):
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend()
    return figure


def ablation(changes: pd.DataFrame):
    """Change of mAP by each switch with its 95 % interval; a panel per data set and pairing ratio."""
    settings = list(changes.groupby(["data", "ratio"], sort=False))
    figure, axes = subplots(1, len(settings), width=DOUBLE, height=3.9, sharey=True, squeeze=False)
    variants = list(dict.fromkeys(changes.variant))[::-1]
    for ax, ((data, ratio), own) in zip(axes.flat, settings, strict=True):
        for protocol, colour, shift in (("A", PALETTE[0], 0.16), ("B", PALETTE[1], -0.16)):
            rows = own[own.protocol == protocol].set_index("variant").loc[variants]
            y = np.arange(len(variants)) + shift
            error = [rows["mean"] - rows.low, rows.high - rows["mean"]]
            look = {"fmt": "o" if protocol == "A" else "s", "color": colour, "markersize": 3.5, "linewidth": 1.1}
            ax.errorbar(rows["mean"], y, xerr=error, label=PROTOCOL[protocol], **look)
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set(title=f"{data}\n{100 * ratio:g} % pairs", yticks=range(len(variants)), yticklabels=variants)
        ax.tick_params(axis="x", labelsize=6.5)
    figure.supxlabel(
        "change of mAP against the full method (mean of both directions, 95 % interval over seeds)", fontsize=7.5
    )
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def scaling(table: pd.DataFrame, slopes: dict[str, float]):
    """Seconds (left) and peak memory (right) of a fit against training rows, both axes logarithmic."""
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=2.8)
    for method in dict.fromkeys(table.method):
        own = table[table.method == method]
        best = own.groupby("n", as_index=False).seconds.min()
        label = f"{method}, slope {slopes[method]:.2f}"
        left.plot(best.n, best.seconds, color=COLOURS[method], marker=MARKER[method], label=label)
        left.plot(own.n, own.seconds, ".", color=COLOURS[method], alpha=0.5, markersize=3)
    rreh = table[table.method == "RREH"].groupby("n", as_index=False)[["peak_gib", "input_gib"]].max()
    right.plot(rreh.n, rreh.peak_gib, color=COLOURS["RREH"], marker="o", label="peak of the process")
    right.plot(
        rreh.n, rreh.input_gib, color=MUTED, marker="s", linestyle="--", label="before the fit (data, libraries)"
    )
    right.axhline(4, color=PALETTE[1], linewidth=1)
    right.text(rreh.n.min(), 4.15, "4 GiB", color=PALETTE[1], fontsize=7, va="bottom")
    left.set(xscale="log", yscale="log", xlabel="training rows n", ylabel="seconds", title="time, one core")
    right.set(xscale="log", yscale="log", xlabel="training rows n", ylabel="GiB", title="memory")
    plain_ticks(right.yaxis, [0.1, 0.2, 0.5, 1, 2, 4, 8])
    left.legend()
    right.legend(loc="center left")
    return figure


def retrieval(table: pd.DataFrame, names: dict[str, str]):
    """Milliseconds a query against database size (left), and against recall at the largest size (right)."""
    figure, (left, right) = subplots(1, 2, width=DOUBLE, height=2.9)
    mean = table.groupby(["kind", "n"], as_index=False)[["ms", "recall"]].mean()
    for (kind, name), colour, marker in zip(names.items(), PALETTE, MARKERS, strict=False):
        own = mean[mean.kind == kind]
        left.plot(own.n, own.ms, color=colour, marker=marker, label=name)
        last = own[own.n == own.n.max()]
        right.plot(last.recall, last.ms, color=colour, marker=marker, markersize=7, linestyle="none")
    left.set(xscale="log", yscale="log", xlabel="codes in the database", ylabel="ms per query", title="time, one core")
    right.set(
        yscale="log", xlabel="recall of the 100 nearest codes", xlim=(-0.03, 1.06), title=f"at {table.n.max():,} codes"
    )
    legend_below(figure, left, 5)
    return figure


def synthetic_truth(table: pd.DataFrame):
    """mAP against unpaired rows, a panel per number of pairs; the true latent points are the dashed reference."""
    numbers = sorted(table.pairs.unique())
    figure, axes = subplots(1, len(numbers), width=DOUBLE, height=2.7, sharey=True, squeeze=False)
    for ax, pairs in zip(axes.flat, numbers, strict=True):
        for method in dict.fromkeys(table.method):
            own = intervals(table[(table.pairs == pairs) & (table.method == method)], ["unpaired"], "mAP")
            band(ax, own.unpaired, own, method)
        ax.axhline(table["latent"].mean(), color=INK, linestyle="--", linewidth=0.9, label="true latent points")
        ax.set(title=f"{pairs} pairs", xlabel="unpaired rows")
        ax.tick_params(axis="x", labelsize=6.5)
    axes.flat[0].set_ylabel("mAP")
    legend_below(figure, axes.flat[0], 4)
    return figure


def metric_audit(means: pd.DataFrame):
    """Every convention's value for the same codes: a dot per data set with its 95 % interval."""
    order = means.groupby("convention")["value"].mean().sort_values().index.tolist()
    figure, ax = subplots(width=DOUBLE, height=0.27 * len(order) + 1.1)
    for (data, colour), marker in zip(colours(list(dict.fromkeys(means.data))).items(), MARKERS, strict=False):
        own = intervals(means[means.data == data], ["convention"], "value").set_index("convention").loc[order]
        error = [own["mean"] - own.low, own.high - own["mean"]]
        ax.errorbar(own["mean"], range(len(order)), xerr=error, fmt=marker, color=colour, label=data)
        tie_aware = own["mean"]["mAP@all, tie-aware"]
        ax.axvline(tie_aware, color=colour, linewidth=0.8, linestyle=":")
    ax.set(
        yticks=range(len(order)), yticklabels=order, xlabel="mAP of the same codes (dotted: the convention used here)"
    )
    legend_below(figure, ax)
    return figure
