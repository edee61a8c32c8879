"""Rollouts in the folder layout of the released ones: chunks.json, base_solution.json, chunk_<i>/solutions.json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write


def write_trace(
    folder: Path, tables: Sequence[Any], prefixes: Sequence[str], sentences: Sequence[str], prompt: str, about: dict
) -> int:
    """Write one trace and its rollouts (one DataFrame per sentence) and return how many were written (sec. 4).

    ``about`` is written as problem.json; the trace's own answer and correctness are taken from its keys ``answer`` and
    ``correct`` where it has them. InputError when prefixes, tables and sentences differ in number.
    """
    if not len(tables) == len(prefixes) == len(sentences):
        raise InputError("prefixes", f"{len(prefixes)} for {len(sentences)} sentences", "one per sentence")
    solution = (prefixes[-1] + sentences[-1])[len(prompt) :] if sentences else ""
    base = {
        "prompt": prompt, "solution": solution, "full_cot": prompt + solution,
        "answer": about.get("answer", ""), "is_correct": bool(about.get("correct", False)),
    }  # fmt: skip
    _json(folder / "problem.json", about)
    _json(folder / "base_solution.json", base)
    _json(folder / "chunks.json", {"source_text": prompt + solution, "solution_text": solution, "chunks": [*sentences]})
    for i, (table, prefix) in enumerate(zip(tables, prefixes, strict=True)):
        rows = [_entry(row, sentences[i], prefix, prompt) for row in table.itertuples()]
        _json(folder / f"chunk_{i}" / "solutions.json", rows)
    return sum(len(table) for table in tables)


def _entry(row: Any, removed: str, prefix: str, prompt: str) -> dict[str, Any]:
    start = {"chunk_removed": removed, "prefix_without_chunk": prefix[len(prompt) :]}
    if isinstance(row.error, str):
        return start | {"error": row.error}
    return start | {
        "chunk_resampled": row.first_sentence, "rollout": row.text, "full_cot": prefix + row.text,
        "answer": row.answer, "is_correct": row.correct is True or str(row.correct) == "True",
    }  # fmt: skip


def _json(path: Path, value: Any) -> None:
    atomic_write(path, (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "surrogatepass"))
