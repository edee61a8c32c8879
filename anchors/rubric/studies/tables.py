"""The paper's two result tables as printed, and what follows from them by arithmetic (section 2 of the dossier).

Nothing is run here: the paper's benchmarks need its 30-billion-parameter model and judges of its class. The column
*measured* holds what the printed cells give, beside the average that is printed.
"""

import numpy as np
import pandas as pd

from anchors.companion.published import paper
from anchors.companion.results import Row, Verdict

BASE, TRAINED, LARGER = "Qwen3-30B-A3B", "Rubicon-preview", "DeepSeek-V3-671B"
MODELS = (BASE, TRAINED, LARGER)
AGAIN = "re-evaluated, Rubicon-preview"  # by the authors of RuscaRL, with other judges
SAME = {"WritingBench": "WritingBench", "CreativeWriting": "Creative Writing v3", "IFEval": "IFEval"}
ROUNDING = 0.0051  # points: an average and its cells are printed with two decimals
GROUPS = {part: tuple(f"{part}, {model}" for model in (BASE, TRAINED)) for part in ("reasoning", "general")}
SUBJECTS = ("Humanities (MMLU)", "Social Sciences (MMLU)")


def printed(figure: str) -> pd.DataFrame:
    """Return the values of a table: ``model``, ``benchmark``, ``value``, ``confidence``, in the printed order."""
    rows = []
    for one in paper("rubric").figures[figure].values:
        model, _, benchmark = one.quantity.partition(": ")
        rows.append({"model": model, "benchmark": benchmark, "value": one.value, "confidence": one.confidence})
    return pd.DataFrame(rows)


def cells(found: pd.DataFrame, model: str) -> pd.Series:
    """Return the printed values of a model by benchmark, without its average."""
    own = found[(found.model == model) & ~found.benchmark.str.startswith("average")]
    return own.set_index("benchmark").value


def _average(quantity: str, values: pd.Series) -> Row:
    return Row(quantity, float(values.mean()), n=len(values), unit="points", same_scale=True, tolerance=ROUNDING)


def open_ended() -> tuple[pd.DataFrame, list[Row], Verdict]:
    """Return table 1 as printed, its averages and differences recomputed, and what they say (claims C1 and C2)."""
    found = printed("tab1_open_ended")
    own = {model: cells(found, model) for model in MODELS}
    rows = [_average(f"{model}: average", own[model]) for model in MODELS]
    gains = own[TRAINED] - own[BASE]
    rows += [
        Row(f"difference: {name}", float(gain), unit="points", same_scale=True, tolerance=ROUNDING)
        for name, gain in gains.items()
    ]
    rows.append(_average("difference: average", gains))
    lead = float((own[TRAINED] - own[LARGER]).mean())
    rows.append(_claimed("gain over the base model, as the abstract says", float(gains.mean())))
    rows.append(_claimed("lead over DeepSeek-V3-671B, as the abstract says", lead))
    without = [float(gains.drop(name).mean()) for name in gains.index]
    largest = gains.index[int(np.argmin(without))]
    rows.append(Row(f"gain without {largest}", min(without), n=len(gains) - 1, unit="points"))
    again = cells(found, AGAIN)
    moved = {name: float(again[other] - own[TRAINED][name]) for other, name in SAME.items()}
    rows += [Row(f"re-evaluated elsewhere − here: {name}", value, unit="points") for name, value in moved.items()]
    text = (
        f"Arithmetic holds: +{gains.mean():.2f} over the base, +{lead:.2f} over DeepSeek-V3-671B. {largest} alone "
        f"gives {gains[largest] / gains.sum():.0%} of the gain (without it +{min(without):.2f}), IFEval falls by "
        f"{-gains['IFEval']:.2f}, and another harness moves the same model by {min(moved.values()):.1f} to "
        f"{max(moved.values()):+.1f} points. No run here tests these numbers."
    )
    claims = {
        "open_ended_gain": Verdict("measured", f"Not testable here. Arithmetic of the table: +{gains.mean():.2f}."),
        "beats_larger_model": Verdict("measured", f"Not testable here. Arithmetic of the table: +{lead:.2f}."),
    }
    return found, rows, Verdict("measured", text, claims)


def _claimed(quantity: str, value: float) -> Row:
    return Row(quantity, value, unit="points", same_scale=True, tolerance=0.05 + ROUNDING)


def retained() -> tuple[pd.DataFrame, list[Row], Verdict]:
    """Return table 2 as printed, its averages recomputed, and what they say (claim C3)."""
    found, rows, changes = printed("tab2_reasoning_and_general"), [], {}
    for part, last in (("reasoning", "average"), ("general", "average as printed")):
        both = {model: cells(found, f"{part}, {model}") for model in (BASE, TRAINED)}
        rows += [_average(f"{part}, {model}: {last}", values) for model, values in both.items()]
        changes[part] = both[TRAINED] - both[BASE]
        rows += [Row(f"{part}, difference: {name}", float(v), unit="points") for name, v in changes[part].items()]
        rows.append(Row(f"{part}, difference of the means", float(changes[part].mean()), unit="points"))
    rows.append(Row("general, Qwen3-30B-A3B: mean of the columns without IQ-EQ, with two groups of MMLU",
                    _explained(found), unit="points"))  # fmt: skip
    fallen = [name for part in changes.values() for name, value in part.items() if value < -1]
    text = (
        f"Of the printed columns reasoning changes by {changes['reasoning'].mean():+.2f} and general ability by "
        f"{changes['general'].mean():+.2f} on average; {' and '.join(fallen)} fall by more than a point. The printed "
        f"general averages are not the means of their columns; without IQ-EQ and with two groups of MMLU from figure 2 "
        f"the base's is {_explained(found):.2f}. No run here tests these numbers."
    )
    return found, rows, Verdict("measured", text)


def _explained(found: pd.DataFrame) -> float:
    """Return the mean that comes near the printed general average: IQ-EQ out, the groups of MMLU in figure 2 in."""
    own = cells(found, f"general, {BASE}").drop("IQ-EQ")
    figure = printed("fig2_seesaw")
    groups = figure[figure.model.isin(SUBJECTS) & (figure.benchmark == "baseline")].value
    return float(np.concatenate([own.to_numpy(), groups.to_numpy()]).mean())
