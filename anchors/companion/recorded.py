"""Recorded runs: small logs of runs too long for ``make figures``, each with the command that repeats it.

A run is two files under ``data/runs/<paper>``: ``<name>.csv`` (the log) and ``<name>.json`` (its provenance).
"""

import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from graphlib import TopologicalSorter
from typing import Any

from anchors.companion.codehash import source_hash
from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.files import atomic_write, sha256
from anchors.companion.paths import ROOT, RUNS, relative


def names() -> list[str]:
    """Return all recorded runs as ``paper/name``."""
    return [str(path.relative_to(RUNS).with_suffix("")) for path in sorted(RUNS.glob("*/*.json"))]


def load(name: str) -> tuple[Any, dict[str, Any]]:
    """Return the log (DataFrame) and the provenance of a recorded run ``paper/name``."""
    import pandas as pd

    table, record = RUNS / f"{name}.csv", RUNS / f"{name}.json"
    if not (table.is_file() and record.is_file()):
        raise InputError(relative(table), "no such run", " | ".join(names()) or "a recorded run", "Run make runs.")
    about = json.loads(record.read_text(encoding="utf-8"))
    if sha256(table) != about["sha256"]:
        raise InputError(relative(table), "another log than its json describes", about["sha256"][:16], "Run make runs.")
    return pd.read_csv(table, float_precision="round_trip"), about


def made_by(record: dict[str, Any], modules: list[str]) -> str:
    """Return whether the code of a run is the code of today, in words."""
    same = record["code"] == source_hash(modules)[:16]
    return "the code of today" if same else f"other code ({record['code']}); the live part shows what that changes"


def save(name: str, table: Any, command: str, origin: dict[str, Any], **facts: Any) -> None:
    """Write the log and then its provenance.

    ``command`` repeats the run from the repository's root; ``origin`` is :func:`provenance.record` taken *before* the
    run, so that it names the code that ran. The provenance holds the log's hash, so that a mixed pair is noticed.
    """
    stem = RUNS / name
    text = table.to_csv(index=False, float_format="%.6g").encode()
    record = {"name": name, "command": command, **facts, **origin, "sha256": hashlib.sha256(text).hexdigest()}
    atomic_write(stem.with_suffix(".csv"), text)
    atomic_write(stem.with_suffix(".json"), (json.dumps(record, indent=1) + "\n").encode())


def repeat(chosen: list[str], dry: bool = False) -> int:
    """Run the command of each chosen run (all when empty), each once, and return the worst exit code.

    A run that names others in ``after`` comes behind those of them that are chosen.
    """
    unknown = set(chosen) - set(names())
    if unknown:
        raise InputError("--name", ", ".join(sorted(unknown)), " | ".join(names()))
    records = {name: load(name)[1] for name in chosen or names()}
    order = TopologicalSorter({n: [a for a in r.get("after", []) if a in records] for n, r in records.items()})
    worst = 0
    for command in dict.fromkeys(records[name]["command"] for name in order.static_order()):
        print(command, flush=True)
        if not dry:
            words = [sys.executable if word == "python" else word for word in shlex.split(command)]
            worst = max(worst, subprocess.run(words, cwd=ROOT, check=False).returncode)
    return worst


def main(runs: dict[str, Callable[[], None]]) -> None:
    """Make the run that the command line names: what ``python -m anchors.<paper>.recorded_runs <name>`` does."""
    try:
        if len(sys.argv) != 2 or sys.argv[1] not in runs:
            raise InputError("run", " ".join(sys.argv[1:]) or "nothing", " | ".join(runs))
        runs[sys.argv[1]]()
    except AnchorsError as error:
        raise SystemExit(f"error: {error}") from error
