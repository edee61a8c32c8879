"""What other methods report on the link-prediction benchmarks, each value with its confidence; SEA-KGC is left open.

Nothing here is measured: the values are those of the published record, which says where each was seen. The numbers of
SEA-KGC could not be had; who has them can lay them beside (:func:`own_rows`), as well as any other rows.
"""

import csv
import io
import math
from pathlib import Path
from typing import Any

import pandas as pd

from anchors.companion import recorded
from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT, relative
from anchors.companion.plain import YAML, read_text, read_yaml
from anchors.companion.published import paper
from anchors.companion.results import Row, Shown, Verdict
from anchors.companion.stats import mean_interval
from anchors.entity import loaders
from anchors.entity.settings import SHORT

METRICS = ("MRR", "H@1", "H@3", "H@10")
DATASETS = ("WN18RR", "FB15k-237", "Wikidata5M-trans", "Wikidata5M-ind")
MAIN = DATASETS[:2]
COLUMNS = ("model", "kind", "dataset", *METRICS, "confidence", "source")
OURS = ("graph", "dataset", "variant", "seed", *METRICS)
RUN, GRAPHS = "entity/{}_results", ("wn18rr", "fb15k-237")
SHOWN = ("simkgc_ib", "random_only", "anchors_only", "sea")  # of our variants
SEA = "SEA-KGC"
SEEN = ("published", "secondary")  # the other values are recalled
METHODS = {
    "lookup": ("TransE", "DistMult", "ComplEx", "RESCAL", "ConvE", "RotatE", "TuckER", "HAKE"),
    "graph network": ("CompGCN", "HittER", "NBFNet", "NodePiece + RotatE"),
    "text": ("KG-BERT", "MTL-KGC", "StAR", "KG-S2S", "SimKGC"),
    "text+structure": ("StAR + RotatE", "CSProm-KG", "GHN", "SATKGC", SEA),
}
KIND = {method: kind for kind, methods in METHODS.items() for method in methods}
KINDS = (*METHODS, "other")
DETAILS = tuple(f"SimKGC ({part})" for part in ("IB", "IB+PB", "IB+SN", "file", "file, forward", "file, backward"))
OPPONENTS = (("text", "lookup"), ("text", "graph network"), ("text+structure", "lookup"))


def compute(own: str = "") -> pd.DataFrame:
    """Return the landscape, a row for each model, data set and confidence, in percent; sorted by data set, kind, MRR.

    Parameters
    ----------
    own : path of a file that :func:`own_rows` reads, or nothing. Its rows are added; where it has SEA-KGC on a data
        set, they replace the row that says "not available".

    Raises
    ------
    InputError
        As :func:`own_rows`.
    """
    given = own_rows(own) if own else pd.DataFrame(columns=list(COLUMNS))
    filled = set(given.dataset[given.model == SEA])
    missing = [_line(SEA, d, {}, "not available", "no number of the paper could be had") for d in MAIN]
    parts = [published(), pd.DataFrame([line for line in missing if line["dataset"] not in filled]), given]
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)[list(COLUMNS)]
    order = table.assign(d=table.dataset.map(DATASETS.index), k=table.kind.map(KINDS.index), m=-table.MRR)
    return table.loc[order.sort_values(["d", "k", "m", "model"], kind="stable").index].reset_index(drop=True)


def published() -> pd.DataFrame:
    """Return the values of the record (``<model>, <data set>: <metric>``) with a column for each metric."""
    found: dict[tuple, dict[str, Any]] = {}
    for value in paper("entity").figures["tab_published"].values:
        place, metric = value.quantity.rsplit(": ", 1)
        model, dataset = place.rsplit(", ", 1)
        key = model, dataset, value.confidence, value.source
        found.setdefault(key, _line(model, dataset, {}, *key[2:]))[metric] = value.value
    return pd.DataFrame(found.values())


def _line(model: str, dataset: str, values: dict[str, float], confidence: str, source: str) -> dict[str, Any]:
    numbers = {metric: values.get(metric, math.nan) for metric in METRICS}
    ends = {"confidence": confidence, "source": source}
    return {"model": model, "kind": kind_of(model), "dataset": dataset, **numbers, **ends}


def kind_of(model: str) -> str:
    """Return the kind of a model: what its entity vectors are made of; ``other`` for a model that is not in the record.

    ``lookup``: a vector per entity; ``graph network``: computed from the neighbourhood; ``text``: from the description;
    ``text+structure``: a text model whose vectors, scores or negatives use the graph.
    """
    return KIND.get(model.split(" (")[0], "other")


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows on the two benchmarks without :data:`DETAILS`: SimKGC's ablations and its metric files."""
    return table[table.dataset.isin(MAIN) & ~table.model.isin(DETAILS)]


def shown(table: pd.DataFrame) -> Shown:
    """Return :func:`overview` as text: a line per model, ``MRR / H@1 / H@3 / H@10`` with the mark of its confidence."""
    rows = overview(table)
    cells: dict[str, dict[str, str]] = {}
    for line in rows.sort_values("kind", key=lambda k: k.map(KINDS.index), kind="stable").to_dict("records"):
        blank = {"model": line["model"], "kind": line["kind"], **dict.fromkeys(MAIN, "–")}
        cell = cells.setdefault(line["model"], blank)
        before = "" if cell[line["dataset"]] == "–" else cell[line["dataset"]] + "; "
        cell[line["dataset"]] = before + _words(line)
    return Shown(list(cells.values()))


def _words(line: dict[str, Any]) -> str:
    numbers = ["–" if math.isnan(line[metric]) else _number(line[metric]) for metric in METRICS]
    if set(numbers) == {"–"}:
        return line["confidence"]
    mark = "" if line["confidence"] == "published" else f" ({line['confidence']})"
    return " / ".join(numbers) + mark


def _number(value: float) -> str:
    return f"{value:.1f}" if round(value, 1) == value else f"{value:.2f}"


def gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Return the best MRR of one kind minus that of another, with recalled values and without.

    Columns: dataset, one, other, values ("all" | "seen"), the two models, and gap in MRR points.
    """
    quoted, found = overview(table).dropna(subset="MRR"), []
    quoted = quoted.sort_values(
        "confidence", key=lambda c: c == "recalled", kind="stable"
    )  # of two equal, the seen one
    for values, marks in (("all", (*SEEN, "recalled")), ("seen", SEEN)):
        rows = quoted[quoted.confidence.isin(marks)]
        best = rows.loc[rows.groupby(["dataset", "kind"]).MRR.idxmax()].set_index(["dataset", "kind"])
        for dataset in MAIN:
            for one, other in OPPONENTS:
                a, b = best.loc[(dataset, one)], best.loc[(dataset, other)]
                names = {"first": a.model, "second": b.model, "gap": round(a.MRR - b.MRR, 2)}
                found.append({"dataset": dataset, "one": one, "other": other, "values": values, **names})
    return pd.DataFrame(found)


def summarise(table: pd.DataFrame, runs: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return the rows of the gaps, of SEA-KGC (open, or from the own file) and of our ``runs`` (:func:`ours`).

    The gaps are differences of quoted numbers and say so (``computed: quoted``): nothing was measured for them.
    """
    found = gaps(table)
    note = {"all": "", "seen": ", nothing recalled"}
    rows = [
        Row(
            f"{g.dataset}: best {g.one} − best {g.other} ({g.first} − {g.second}){note[g.values]}",
            g.gap, unit="MRR points", source="quoted",
        )
        for g in found.itertuples()
    ]  # fmt: skip
    rows += [
        Row(f"{SEA}, {line.dataset}: MRR", line.MRR, unit="%", source=line.confidence)
        for line in table[table.model == SEA].itertuples()
    ]
    return rows + _our_rows(runs), _verdict(found)


def _our_rows(runs: pd.DataFrame) -> list[Row]:
    rows = []
    for (dataset, variant), group in runs[runs.dataset.isin(MAIN)].groupby(["dataset", "variant"], sort=False):
        low, high = mean_interval(group.MRR.to_numpy(float))[1:3]
        name = f"ours, small model, {dataset}: {SHORT.get(variant, variant)}: MRR"
        rows.append(Row(name, float(group.MRR.mean()), low, high, seeds=len(group), unit="%", source="recorded"))
    return rows


def _verdict(found: pd.DataFrame) -> Verdict:
    gap = found[found["values"] == "all"].set_index(["dataset", "one", "other"]).gap
    text, lookup, network = "text", "lookup", "graph network"
    words = (
        f"quoted, some recalled: on WN18RR text models lead lookup models by {gap['WN18RR', text, lookup]:.1f} MRR and "
        f"graph networks by {gap['WN18RR', text, network]:.1f}; on FB15k-237 they trail by "
        f"{-gap['FB15k-237', text, lookup]:.1f} and {-gap['FB15k-237', text, network]:.1f}"
    )
    claim = "the numbers of SEA-KGC are not available; these are the ones it would be compared with"
    return Verdict("measured", words, {"best_on_fb15k237": Verdict("measured", claim)})


def ours() -> pd.DataFrame:
    """Return our recorded runs on test with metrics in percent; empty where there is none (columns :data:`OURS`)."""
    logs = [recorded.load(RUN.format(graph))[0] for graph in GRAPHS if RUN.format(graph) in recorded.names()]
    if not logs:
        return pd.DataFrame(columns=list(OURS))
    log = pd.concat(logs, ignore_index=True)
    log = log[log.variant.isin(SHOWN)]
    log[list(METRICS)] *= 100
    return log.assign(dataset=[loaders.title(graph) for graph in log.graph])[list(OURS)]


def own_rows(path: str) -> pd.DataFrame:
    """Return rows of a YAML (a list of mappings) or CSV file: model, dataset, MRR, H@1, H@3, H@10 in percent.

    A metric may be blank. Relative paths count from the repository. The rows have the confidence "own file".

    Raises
    ------
    InputError
        No such file, another format, an unknown or missing column, an unknown data set, a value that is no percentage
        (shares are told by a row without a value above 1), hits that fall with k, or a row that occurs twice.
    """
    file = ROOT / Path(path).expanduser()
    name = relative(file)
    rows = _read(file, name)
    found = [_checked(row, f"{name}, row {number}") for number, row in enumerate(rows, 1)]
    pairs = [(line["model"], line["dataset"]) for line in found]
    for pair in pairs:
        if pairs.count(pair) > 1:
            raise InputError(name, f"{' on '.join(pair)} twice", "each model once a data set", "Drop one row.")
    return pd.DataFrame(found)


def _read(file: Path, name: str) -> list[Any]:
    if file.suffix not in (".yml", ".yaml", ".csv"):
        raise InputError(name, f"a file of kind {file.suffix!r}", ".yml | .yaml | .csv", "Save it as one of these.")
    try:
        rows = _cells(read_text(file, YAML)) if file.suffix == ".csv" else read_yaml(file)
    except csv.Error as error:
        raise InputError(name, str(error)[:120], "UTF-8 text in that format", "Mend it.") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(name, "no rows", f"rows with {', '.join(('model', 'dataset', *METRICS))}", "Add rows.")
    return rows


def _cells(text: str) -> list[dict[str, Any]]:
    return [dict(line) for line in csv.DictReader(io.StringIO(text), skipinitialspace=True, strict=True)]


def _checked(row: Any, where: str) -> dict[str, Any]:
    """Return a line of the table from a row of the file."""
    needed = ("model", "dataset", *METRICS)
    if not isinstance(row, dict) or set(row) != set(needed):
        found = ", ".join(map(str, row)) if isinstance(row, dict) else repr(row)[:60]
        raise InputError(where, found or "nothing", ", ".join(needed), "Name the columns so.")
    model, dataset = (str(row[key] or "").strip() for key in ("model", "dataset"))
    if not model:
        raise InputError(where, "no model", "the name of a model", "Fill it in.")
    if dataset not in DATASETS:
        raise InputError(where, repr(dataset), " | ".join(DATASETS), "Mind the spelling.")
    values = {metric: _percent(row[metric], f"{where}, {metric}") for metric in METRICS}
    known = [value for value in values.values() if not math.isnan(value)]
    if not known or max(known) <= 1:
        raise InputError(where, "shares" if known else "no value", "percent, like 66.6", "Multiply shares by 100.")
    hits = [values[metric] for metric in METRICS[1:] if not math.isnan(values[metric])]
    if hits != sorted(hits):
        raise InputError(where, f"hits {hits}", "H@1 <= H@3 <= H@10", "Mind the columns.")
    return _line(model, dataset, values, "own file", "own file")


def _percent(value: Any, where: str) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 100:
        raise InputError(where, repr(value), "a number from 0 to 100, or blank", "Mend it.")
    return number
