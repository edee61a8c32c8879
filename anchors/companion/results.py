"""The run of one notebook: what it is, which table it shows, and the files it leaves behind."""

import json
import math
import time
from dataclasses import asdict, dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

from anchors.companion import committed, inputs, provenance
from anchors.companion.codehash import digest, imports
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import Notebook
from anchors.companion.params import check_profile
from anchors.companion.paths import ROOT, clone_dir, figures_dir, relative
from anchors.companion.published import paper
from anchors.companion.stats import Interval
from anchors.companion.widgets import Widget

STATUSES = ("match", "differs", "reduced scale", "not attempted", "not available")
VERDICTS = ("holds", "does not hold", "mixed", "measured")


@dataclass(frozen=True)
class Row:
    """One line of the table *published | measured | n, seeds | 95 % interval | status*."""

    quantity: str
    measured: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    seeds: int = 0
    unit: str = ""
    source: str = "live"  # live | cached | recorded
    published: float | None = None
    confidence: str = ""
    status: str = "not available"
    same_scale: bool = False  # measured on the published data at the published scale, whatever the profile
    tolerance: float = 0.0  # by how much the published value may lie outside the interval (its rounding)
    clock: bool = False  # a fact of the machine: seconds, memory, a rate; no rebuild is expected to repeat it
    slack: float = 0.0  # by how much another processor may move the value, where it has no interval


@dataclass(frozen=True)
class Verdict:
    """What the figure says about its claim: one of :data:`VERDICTS` and one sentence with the numbers.

    ``claims`` holds verdicts on further claims of the paper, by the claim's id in the published record.
    """

    kind: str
    text: str
    claims: dict[str, "Verdict"] = field(default_factory=dict)

    def __post_init__(self):
        if self.kind not in VERDICTS:
            raise InputError("verdict", repr(self.kind), " | ".join(VERDICTS))


def status_of(published: float | None, interval: tuple[float, float], tolerance: float, same_scale: bool) -> str:
    """Return the status of a measured value beside a published one.

    ``match`` needs the published scale and the published value within the interval widened by ``tolerance``.
    """
    if published is None:
        return "not available"
    if not same_scale:
        return "reduced scale"
    low, high = interval
    return "match" if low - tolerance <= published <= high + tolerance else "differs"


@dataclass(frozen=True)
class Shown:
    """A table in a notebook: whole, in a box that scrolls; as plain text one line a row, whatever the widths."""

    cells: list[dict[str, str]]
    note: str = ""

    @property
    def frame(self):
        """The table as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.cells)

    def __repr__(self) -> str:
        lines = [" | ".join(row.values()) for row in [{name: name for name in self.cells[0]}, *self.cells]]
        return "\n".join([*lines, *filter(None, [self.note])])

    def _repr_html_(self) -> str:
        html = self.frame.to_html(index=False, border=0, max_rows=None, justify="left")
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return f'<div tabindex="0" style="max-height: 26em; overflow: auto">{html}</div>{note}'


@dataclass
class Run:
    """One execution of a notebook.

    Parameters
    ----------
    id : ``"hashing/fig_topn"``, the notebook's path without its ending.
    profile, seed, parameters : the values in force; where they differ from the notebook's own, or the profile is not
        ``laptop``, results go to ``figures/_<profile>`` or ``figures/_custom`` and leave the published figures alone.
    """

    id: str
    profile: str
    seed: int
    parameters: dict[str, Any] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)

    def __init__(self, id: str, profile: str, seed: int, **parameters: Any):
        self.id, self.profile, self.seed, self.parameters = id, check_profile(profile), seed, parameters
        self.notebook, self.data, self.started = Notebook.find(id), {}, time.perf_counter()
        self.paper = paper(id.split("/")[0])

    @property
    def overrides(self) -> dict[str, Any]:
        """The parameters that differ from the notebook's own."""
        values, declared = {"seed": self.seed, **self.parameters}, self.notebook.parameters
        return {k: v for k, v in values.items() if k in declared and v != declared[k].default}

    @property
    def stem(self) -> Path:
        """Path of the results without ending."""
        return output_stem(self.id, self.profile, self.overrides, bool(self.notebook.lacking))

    def uses(self, **data: str) -> None:
        """Note the data sets behind the numbers: name and fingerprint."""
        self.data.update(data)

    def __repr__(self) -> str:
        data = ", ".join(f"{name} {value[:16]}" for name, value in self.data.items()) or "no data yet"
        return f"{self.id} · profile {self.profile} · seed {self.seed}\ndata: {data}" + _below(self.less)

    @property
    def less(self) -> str:
        """One sentence on the data sets that are not here and what stands for them; nothing when all are here."""
        return " ".join(f"Here with {without}: {name} is not here." for name, without in self.notebook.lacking.items())

    def provenance(self, seconds: float | None = None) -> dict[str, Any]:
        """Return where the numbers of this run come from."""
        return provenance.record(imports(self.notebook.code), self.data, seconds)

    def compared(self, rows: list[Row]) -> list[Row]:
        """Return the rows beside the paper's values, where the record has them, with their statuses."""
        name, result = self.id.split("/")[1], []
        for r in rows:
            value = self.paper.value(name, r.quantity)
            if value is not None:
                interval = (r.low, r.high) if math.isfinite(r.low) else (r.measured, r.measured)
                same_scale = r.same_scale or self.profile == "paper"
                status = status_of(value.value, interval, r.tolerance, same_scale)
                r = replace(r, published=value.value, confidence=value.confidence, status=status)
            result.append(r)
        return result

    def table(self, rows: list[Row]) -> "Shown":
        """Return the table a reader sees: quantity | published | measured | 95 % interval | n, seeds | status."""
        return Shown([shown(row) for row in self.compared(rows)], self.less)

    def save(
        self, rows: list[Row], verdict: Verdict, figure: Any = None, table: Any = None, play: Widget | None = None
    ) -> str:  # fmt: skip
        """Write ``<stem>.png``, ``.pdf`` (not in smoke), ``.csv`` and, last, ``.json``; return the verdict's line.

        ``table`` is the full result table (DataFrame) behind the figure; without it the rows are written. ``play`` is
        a widget, written as a page of its own, ``<stem>.play.html``.
        """
        rows, stem = self.compared(rows), self.stem
        stem.parent.mkdir(parents=True, exist_ok=True)
        frame = self.table(rows).frame if table is None else table
        result = self._result(rows, verdict)
        parts = {
            "png": figure, "pdf": None if self.profile == "smoke" else figure,
            "csv": frame.to_csv(index=False, float_format="%.6g"), "play.html": play,
            "json": json.dumps(result, indent=1, ensure_ascii=False) + "\n",
        }  # fmt: skip
        kept = self._kept(result)
        if kept is not None:  # nothing but facts of the machine has changed: the fresh ones go beside
            self._write(about_path(self.id, self.profile, self.overrides, ".clock"), parts)
        self._write(stem, parts | (kept or {}))
        inputs.save(self.notebook, about_path(self.id, self.profile, self.overrides, ".used.json"))
        record = self.provenance(time.perf_counter() - self.started)
        _write(about_path(self.id, self.profile, self.overrides, ".about.json"), json.dumps(record, indent=1) + "\n")
        return f"{verdict.kind}: {verdict.text}" + _below(self.less)

    def _result(self, rows: list[Row], verdict: Verdict) -> dict[str, Any]:
        """Return what the results json holds: numbers and words, no time, no machine, no version."""
        own = asdict(verdict) | ({"text": f"{verdict.text} {self.less}"} if self.less else {})
        return {
            "id": self.id, "title": self.notebook.title, "claim": self.notebook.claim,
            "reconstructed": self.paper.reconstructed, "profile": self.profile, "seed": self.seed,
            "parameters": self.parameters, "data": {name: value[:16] for name, value in self.data.items()},
            "reduced": self.notebook.lacking, "status": overall(rows), "verdict": own,
            "rows": [plain(row) for row in rows],
        }  # fmt: skip

    def _kept(self, result: dict[str, Any]) -> dict[str, bytes] | None:
        """Return the committed files by ending, where only facts of the machine differ from them; None elsewhere."""
        if not any(row["clock"] for row in result["rows"]):
            return None
        known = committed.result(self.id) if self.stem == figures_dir() / self.id else None
        if known is None or steady(known) != steady(json.loads(json.dumps(result))):
            return None
        files = {ending: committed.read(self.id, ending) for ending in committed.ENDINGS}
        return files if all(files.values()) else None

    def _write(self, stem: Path, parts: dict[str, Any]) -> None:
        """Write each part, text or bytes, figure or widget, to ``stem`` with its ending; the json comes last."""
        from anchors.companion.style import save_figure

        for ending, part in parts.items():
            path = Path(f"{stem}.{ending}")
            if isinstance(part, bytes | str):
                _write(path, part)
            elif isinstance(part, Widget):
                trail = (("Figures", "../index.html"), (self.paper.short, "index.html"))
                trail += ((self.notebook.title, f"{stem.name}.html"),)
                _write(path, part.page(trail, note=f"{self!r}"))
            elif part is not None:
                save_figure(part, path, self.notebook.title)


def _below(note: str) -> str:
    return f"\n{note}" if note else ""


def steady(result: dict[str, Any]) -> dict[str, Any]:
    """Return what of a result a machine of the same kind repeats: all but its clock rows and words about them."""
    rows = [row for row in result["rows"] if not row.get("clock")]
    clock = [row["quantity"] for row in result["rows"] if row.get("clock")]
    return {
        name: result.get(name) for name in ("title", "claim", "profile", "seed", "parameters", "data", "status")
    } | {"verdict": result["verdict"]["kind"] if rows else "", "rows": rows, "clock": clock}


def variant(profile: str, overrides: dict[str, Any]) -> str:
    """Return a short name of profile, overrides and figures folder, for files in the cache."""
    parts = [profile]
    if overrides:
        parts.append(digest(overrides)[:8])
    if figures_dir() != ROOT / "figures":
        parts.append(digest(str(figures_dir()))[:8])
    return "-".join(parts)


def about_path(id: str, profile: str, overrides: dict[str, Any] | None = None, ending: str = ".about.json") -> Path:
    """Return the path of what is noted of a run beside its executed copy, in the cache."""
    return clone_dir("executed") / variant(profile, overrides or {}) / f"{id}{ending}"


def about(id: str, profile: str, overrides: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the provenance of the last run here: commit, code, data, versions, device, seconds; {} without one."""
    try:
        return json.loads(about_path(id, profile, overrides).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def output_stem(id: str, profile: str, overrides: dict[str, Any], reduced: bool = False) -> Path:
    """Return the path, without ending, of the results of a notebook run.

    ``reduced`` says that data sets are missing which the notebook can do without: such results leave the published
    ones alone.
    """
    if not overrides:
        return (figures_dir() / "_reduced" if reduced and profile == "laptop" else figures_root(profile)) / id
    said = ",".join(f"{k}={v}" for k, v in sorted(overrides.items()))
    words = said.replace("/", "_").replace(" ", "")
    folder = "_custom" if profile == "laptop" else f"_custom_{profile}"
    plain = len(words) <= 100 and words.isascii() and words == said.replace(", ", ",")
    short = words if plain else f"{words.encode()[:90].decode(errors='ignore')}-{digest(said)[:8]}"
    return figures_dir() / folder / f"{id}__{short}"


def figures_root(profile: str) -> Path:
    """Return ``figures`` for the laptop profile, ``figures/_<profile>`` for the others."""
    return figures_dir() if profile == "laptop" else figures_dir() / f"_{check_profile(profile)}"


def overall(rows: list[Row]) -> str:
    """Return the status of a figure: the worst of its rows that has a published value, else ``not available``."""
    found = {row.status for row in rows}
    order = ("differs", "reduced scale", "not attempted", "match", "not available")
    return next((status for status in order if status in found), "not attempted")


def row(quantity: str, interval: Interval, n: int = 0, unit: str = "", source: str = "cached", **more: Any) -> Row:
    """Return a table row for a mean with its interval; the published value is joined by :meth:`Run.compared`."""
    mean, low, high, seeds = interval
    return Row(quantity, mean, low, high, n=n, seeds=seeds, unit=unit, source=source, **more)


def load(path: Path) -> dict[str, Any]:
    """Return a results json; InputError when it is not one."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(relative(path), str(error), "a results json", "Build the figure again.") from error
    if result.get("status") not in STATUSES:
        raise InputError(relative(path), f"status {result.get('status')!r}", " | ".join(STATUSES), "Build it again.")
    return result


def shown(r: Row) -> dict[str, str]:
    """Return the cells of a row as text."""
    mark = "" if r.confidence in ("", "published") else f" ({r.confidence})"
    return {
        "quantity": r.quantity + (f" [{r.unit}]" if r.unit else ""),
        "published": "not available" if r.published is None else f"{r.published:g}{mark}",
        "measured": in_digits(r.measured),
        "95 % interval": "–" if not math.isfinite(r.low) else f"{in_digits(r.low)} to {in_digits(r.high)}",
        "n, seeds": f"{r.n or '–'}, {r.seeds or '–'}",
        "computed": "clock" if r.clock else r.source,
        "status": r.status + (mark if r.status in ("match", "differs") else ""),
    }


def in_digits(x: float) -> str:
    """Return ``x`` with three digits after the point, or three significant ones when it is large or tiny."""
    return f"{x:.3f}" if 0.001 <= abs(x) < 100 or x == 0 else f"{x:.3g}"


def plain(r: Row) -> dict[str, Any]:
    """Return a row for JSON: six significant digits; not-a-number and infinity become null."""
    return {k: six_digits(v) if isinstance(v, float) else v for k, v in asdict(r).items()}


def six_digits(x: float) -> float | None:
    """Return ``x`` with six significant digits, None where it is no number."""
    return float(f"{x:.6g}") if math.isfinite(x) else None


def _write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return atomic_write(path, content.encode("utf-8") if isinstance(content, str) else content)
