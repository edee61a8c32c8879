"""From what a reader has – a bundle, a store, a folder, a number, a name – to the traces of a bundle."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import InputError
from anchors.companion.files import read_json
from anchors.companion.paths import relative
from anchors.companion.plain import TEXT, regular
from anchors.thought import answers
from anchors.thought.experiments import Case
from anchors.thought.explorer import bundle, folders, measured
from anchors.thought.reasoner import program
from anchors.thought.rollouts import COLUMNS, RolloutStore, prefix_hash
from anchors.thought.sentences import shifted
from anchors.thought.settings import FORCED_SUFFIX
from anchors.thought.studies.methods import ANSWER
from anchors.thought.taxonomy import label_by_rules

NAME = re.compile(r"(?P<name>reasoner|smollm2|\d+)(?:/(?P<which>\d{1,9}|correct|incorrect))?")
ROWS = 5_000_000  # of a table of rollouts
LARGEST = 2**32 - 1  # of seeds and resamples
EXPECTED = "a bundle, a store, a Parquet file, a folder, a released problem, reasoner/<number> or smollm2/<number>"


@dataclass(frozen=True)
class Reading:
    """How sources are read.

    Parameters
    ----------
    cases : the traces that stores and Parquet files hold rollouts of; these files know prefixes by their hashes only.
    embed : what decides whether two sentences say the same; MiniLM, as in the paper, when None. Given, the sentences
        that were released in place of others are compared as well; in the companion's own traces equal words decide.
    model : a loaded language model whose attention is read on the cases, not on other sources.
    suffixes : what forced an answer, where rollouts with forced answers are stored.
    bootstrap, seed : resamples behind the intervals of importances (none when 0), and their seed, which is that of the
        companion's own traces as well.

    Raises
    ------
    InputError
        ``bootstrap`` or ``seed`` is not a whole number from 0 to :data:`LARGEST`.
    """

    cases: Sequence[Case] = ()
    embed: Callable | None = None
    model: Any = None
    suffixes: Sequence[str] = (FORCED_SUFFIX, program.FORCED_SUFFIX, ANSWER)
    bootstrap: int = measured.BOOTSTRAP
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("bootstrap", "seed"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= value <= LARGEST:
                raise InputError(name, repr(value), f"a whole number from 0 to {LARGEST}")

    @property
    def counting(self) -> measured.Counting:
        """How rollouts become numbers."""
        from anchors.models.embed import embed

        return measured.Counting(self.embed or embed, self.bootstrap, self.seed)


def read(source: Any, reading: Reading | None = None) -> dict[str, Any]:
    """Return the checked bundle of a source or of a list of sources.

    A source is a bundle (dict or JSON file), a :class:`RolloutStore`, the file of one or its Parquet export (both need
    cases), a problem folder of the official layout or a tree of them, ``"4682"`` or ``"4682/incorrect"`` for a
    released trace, ``"reasoner/0"`` or ``"smollm2/0"`` for the companion's own.

    Raises
    ------
    InputError
        The source is none of these, or ill-formed.
    MissingData
        A released trace that is not on this machine.
    """
    return bundle.bundle(_traces(source, reading or Reading()))


def _traces(source: Any, reading: Reading) -> list[dict[str, Any]]:
    if isinstance(source, list | tuple):
        return [trace for one in source for trace in _traces(one, reading)]
    if isinstance(source, dict):
        return bundle.validate(source)["traces"]
    if isinstance(source, RolloutStore):
        return _stored(source.path, lambda problem: source.table(problem=problem), reading)
    if isinstance(source, str | Path):
        return _at(Path(source), reading) if os.path.exists(source) else _named(str(source), reading)
    cure = "A Case goes with its rollouts: Explorer(store, cases=case)." if isinstance(source, Case) else ""
    raise InputError("source", type(source).__name__, EXPECTED, cure)


def _at(path: Path, reading: Reading) -> list[dict[str, Any]]:
    """Return the traces of a file or folder."""
    if path.is_dir():
        return _inside(path, reading)
    if path.suffix == ".json":
        return bundle.load(path)["traces"]
    if path.suffix == ".parquet":
        table = _parquet(path)
        return _stored(path, lambda problem: table[table.problem == problem], reading)
    with RolloutStore(path, readonly=True) as store:
        return _stored(path, lambda problem: store.table(problem=problem), reading)


def _inside(path: Path, reading: Reading) -> list[dict[str, Any]]:
    """Return the traces of all problem folders in a tree, or else of the bundles and stores in a folder."""
    if found := folders.below(path):
        return [folders.folder(one, reading.counting, reading.embed is not None) for one in found]
    files = sorted(f for f in path.iterdir() if f.suffix in (".json", ".parquet", ".sqlite", ".db"))
    if not files:
        expected = "problem folders with base_solution.json, bundles or stores"
        raise InputError(relative(path), "a folder with none", expected, "See docs/explorer.md.")
    return [trace for file in files for trace in _at(file, reading)]


def _named(name: str, reading: Reading) -> list[dict[str, Any]]:
    """Return a released trace or one of the companion's own."""
    from anchors.thought.explorer import examples

    found = NAME.fullmatch(name)
    if found is None:
        raise InputError("source", f"{name!r}, no such file or folder", EXPECTED, "Mind the path.")
    which = found["which"] or ""
    if found["name"].isdigit():
        if which.isdigit():
            raise InputError("source", repr(name), "<problem>/correct or <problem>/incorrect")
        counting = reading.counting if reading.embed else None
        return [folders.released(found["name"], which != "incorrect", counting)]
    if which and not which.isdigit():
        raise InputError("source", repr(name), f"{found['name']}/<number>")
    make = examples.reasoner if found["name"] == "reasoner" else examples.smollm2
    return [make(int(which or 0), seed=reading.seed, bootstrap=reading.bootstrap)]


def _stored(path: Path, table_of: Callable, reading: Reading) -> list[dict[str, Any]]:
    """Return a trace for each case and model that stored rollouts belong to."""
    if not reading.cases:
        cure = "Give them: Explorer(store, cases=case), or --cases FILE; a store knows prefixes by their hashes only."
        raise InputError(relative(path), "rollouts alone", "the traces they continue as well", cure)
    found = []
    for case in reading.cases:
        table = table_of(case.problem)
        own = belonging(table, case)
        for model in own.model.unique():
            forced = belonging(table[table.model == model], case, "forced", reading.suffixes)
            found.append(_measured(case, model, own[own.model == model].reset_index(drop=True), forced, reading))
    if not found:
        names = ", ".join(repr(case.problem) for case in reading.cases[:3])
        cure = "Prompt, text and sentences must be those that were continued."
        raise InputError(relative(path), f"no rollout of {names}", "rollouts of the prefixes of a case", cure)
    return found


def belonging(table: Any, case: Case, kind: str = "resample", suffixes: Sequence[str] = ("",)) -> Any:
    """Return the rows of a table of rollouts whose prefixes are those of a case, followed by one of the suffixes."""
    known = {(k, prefix_hash(p + s)) for k, p in enumerate(case.prefixes) for s in suffixes}
    rows = [pair in known for pair in zip(table.sentence, table.prefix_hash, strict=True)]
    return table[np.array(rows, bool) & (table.kind == kind).to_numpy(bool)].reset_index(drop=True)


def _measured(case: Case, model: str, table: Any, forced: Any, reading: Reading) -> dict[str, Any]:
    """Return the trace of a case as its rollouts, and the model that is looked into, show it."""
    texts, given = [s.text for s in case.sentences], answers.boxed(case.text)
    parts = [{"notes": ["Categories by rules."]}, measured.fields(texts, table, reading.counting, forced)]
    if reading.model is not None:
        from anchors.thought.explorer import whitebox

        located = shifted(case.sentences, len(case.prompt))
        parts.append(whitebox.fields(reading.model, case.prompt + case.text, located))
    solution = "correct" if given and answers.equal(given, case.right) else "incorrect"
    good = table[table.error.isna()]
    each = good.groupby("sentence").size().max()
    return bundle.trace(
        f"{model}/{case.problem}/{solution}", texts, label_by_rules(texts), model=model, problem=case.problem,
        solution=solution, question=case.prompt, answer=case.right, given=given,
        made_by=f"{len(good):,} rollouts of {model}, up to {each} per prefix", **bundle.merged(parts),
    )  # fmt: skip


def _parquet(path: Path) -> Any:
    """Return the table of rollouts in a Parquet file."""
    import pandas as pd
    import pyarrow.parquet as pq

    regular(path)
    try:
        about = pq.read_metadata(path)
        size = sum(about.row_group(k).total_byte_size for k in range(about.num_row_groups))
        if about.num_rows > ROWS or size > TEXT:
            found = f"{about.num_rows:,} rows of {size:,} bytes, unpacked"
            raise InputError(relative(path), found, f"at most {ROWS:,} of {TEXT:,}", "Export fewer problems.")
        table = pd.read_parquet(path)
    except InputError:
        raise
    except Exception as error:  # the parser meets arbitrary bytes and may raise anything
        said = " ".join(f"{error}".split())[:80]
        raise InputError(relative(path), said, "rollouts as Parquet", "Export them again.") from error
    if missing := [name for name in COLUMNS if name not in table]:
        raise InputError(
            relative(path), f"no column {missing[0]!r}", ", ".join(COLUMNS), "Use RolloutStore.to_parquet."
        )
    return table


def read_cases(path: str | Path) -> list[Case]:
    """Return the cases in a JSON file: a list of objects with problem, prompt, text and right."""
    rows = read_json(Path(path), list)
    names = ("problem", "prompt", "text", "right")
    for k, row in enumerate(rows):
        if not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in names):
            raise InputError(f"{relative(Path(path))}, case {k}", str(row)[:60], f"texts {', '.join(names)}")
    return [Case(*(row[name] for name in names)) for row in rows]


def as_cases(cases: Case | Iterable[Case]) -> tuple[Case, ...]:
    """Return one case or several as a tuple."""
    return (cases,) if isinstance(cases, Case) else tuple(cases)
