"""Recorded runs: small logs of runs too long for ``make figures``, each with the command that repeats it.

A run is two files under ``data/runs/<paper>``: ``<name>.csv`` (the log) and ``<name>.json`` (its provenance).
"""

import json
import shlex
import subprocess
import sys
from typing import Any

from anchors.companion import provenance
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
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
    return pd.read_csv(table, float_precision="round_trip"), json.loads(record.read_text(encoding="utf-8"))


def save(name: str, table: Any, command: str, modules: list[str], data: dict[str, str], seconds: float, **facts: Any):
    """Write the log and then the provenance of a run; ``command`` is what repeats it from the repository's root."""
    stem = RUNS / name
    stem.parent.mkdir(parents=True, exist_ok=True)
    record = {"name": name, "command": command, **facts, **provenance.record(modules, data, seconds)}
    for ending, text in (
        ("csv", table.to_csv(index=False, float_format="%.6g")),
        ("json", json.dumps(record, indent=1) + "\n"),
    ):
        atomic_write(stem.with_suffix(f".{ending}"), text.encode())


def repeat(chosen: list[str], dry: bool = False) -> int:
    """Run the command of each chosen run (all when empty) and return the worst exit code."""
    unknown = set(chosen) - set(names())
    if unknown:
        raise InputError("--name", ", ".join(sorted(unknown)), " | ".join(names()))
    worst = 0
    for name in chosen or names():
        command = load(name)[1]["command"]
        print(f"{name}: {command}", flush=True)
        if not dry:
            words = [sys.executable if word == "python" else word for word in shlex.split(command)]
            worst = max(worst, subprocess.run(words, cwd=ROOT, check=False).returncode)
    return worst
