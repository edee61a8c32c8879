"""Traces, stores and folders that would wait, wander or overflow: one line each, at once."""

import json
import os
import sqlite3
import time

import pandas as pd
import pytest

from anchors.companion.errors import InputError
from anchors.rubric.judge_cache import JudgeCache
from anchors.rubric.rollout_log import RolloutLog
from anchors.thought import official
from anchors.thought.explorer import folders, sources
from anchors.thought.rollouts import COLUMNS, RolloutStore

PIPE = "found a pipe, socket or device"


def problem(**files):
    """Return a maker of a problem folder with these files; None is a pipe."""

    def make(path):
        path.mkdir()
        for name, content in files.items():
            place = path / f"{name}.json"
            if content is None:
                os.mkfifo(place)
            else:
                place.write_bytes(content.encode() if isinstance(content, str) else content)

    return make


def table(**changes):
    rows = {name: ["x"] for name in COLUMNS} | changes
    return lambda path: pd.DataFrame(rows).to_parquet(path)


def circle(path):
    path.mkdir()
    (path / "a").symlink_to(path)


SOURCES = {
    "pipe.json": (os.mkfifo, f": {PIPE}"),
    "pipe.parquet": (os.mkfifo, f": {PIPE}"),
    "pipe.sqlite": (os.mkfifo, f": {PIPE}"),
    "deep.json": (lambda p: p.write_text("[" * 10**6), ": found not JSON: more than 100 brackets within one another"),
    "null.json": (lambda p: p.write_bytes(bytes(999)), ": found not JSON: Expecting value"),
    "digits.json": (lambda p: p.write_text("9" * 9999), ": found not JSON: Exceeds the limit (4300 digits)"),
    "sparse.json": (lambda p: p.open("wb").truncate(1 << 40), ": found more than 67,108,864 bytes"),
    "wrong.parquet": (lambda p: p.write_bytes(b"PAR1" + b"\xff" * 100 + b"PAR1"), ": found Parquet file size"),
    "empty.parquet": (lambda p: p.write_bytes(b""), ": found Parquet file size is 0 bytes"),
    "vast.parquet": (table(text=["x"]), ": found 1 rows of "),
    "null.sqlite": (lambda p: p.write_bytes(bytes(999)), ": found another format; expected a store of rollouts."),
    "wild.sqlite": (lambda p: p.write_bytes(b"SQLite format 3\0" + b"\xff" * 9999), ": found a database of another"),
    "circle": (circle, ": found a folder with none"),
    "pipes": (problem(base_solution="{}", chunks_labeled=None), f"/chunks_labeled.json: {PIPE}"),
    "latin": (problem(base_solution=b"\xff", chunks='{"chunks": ["a"]}'), "/base_solution.json: found bytes that are"),
    "nested": (problem(base_solution="[" * 10**6, chunks='{"chunks": ["a"]}'), "/base_solution.json: found not JSON"),
    "rows": (problem(base_solution="{}", chunks_labeled="[1]"), "/chunks_labeled.json: found a row without 'chunk'"),
    "share": (
        problem(base_solution='{"is_correct": true}', chunks_labeled='[{"chunk": "a", "accuracy": 1e999}]'),
        "/chunks_labeled.json: found accuracy inf",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_a_hostile_source_is_refused_at_once(tmp_path, monkeypatch, name):
    make, words = SOURCES[name]
    make(tmp_path / name)
    if name == "vast.parquet":
        monkeypatch.setattr(sources, "ROWS", 0)
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        sources.read(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}{words}")
    assert "\n" not in str(caught.value)
    assert time.process_time() - started < 2


@pytest.mark.parametrize("name", ["/proc", "/dev/zero", "x" * 400, "a\0b"])
def test_places_that_hold_no_traces(name):
    started = time.process_time()
    with pytest.raises(InputError):
        sources.read(name)
    assert time.process_time() - started < 2


def test_a_tree_of_very_many_files_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(folders, "MOST", 5)
    for k in range(6):
        (tmp_path / f"{k}.txt").write_text("")
    with pytest.raises(InputError) as caught:
        folders.below(tmp_path)
    cure = "Give the folder of one problem, or one nearer to the problems."
    assert str(caught.value) == f"{tmp_path}: found more than 5 files; expected problem folders. {cure}"


def test_a_matrix_of_very_many_sentences_is_not_made(tmp_path):
    (tmp_path / "m.json").write_text("[" + "{}," * 999_999 + "{}]")
    with pytest.raises(InputError) as caught:
        official.read_matrix(tmp_path / "m.json")
    assert (
        str(caught.value)
        == f"{tmp_path / 'm.json'}: found 1,000,000 sentences; expected at most 10,000. Cut the trace."
    )


def owned(path):
    """Write a database of another program."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()


DAMAGE = {
    "pipe": (os.mkfifo, PIPE),
    "zeros": (lambda p: p.write_bytes(bytes(9999)), "found "),
    "wild": (lambda p: p.write_bytes(b"SQLite format 3\0" + b"\xff" * 9999), "found "),
    "text": (lambda p: p.write_text(json.dumps({"a": 1}) * 99), "found "),
    "other": (owned, "found a database of another program"),
}


KINDS = {"store": RolloutStore, "log": lambda path: RolloutLog(path, {}), "judge": JudgeCache}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_that_is_no_store_is_refused_and_left(tmp_path, name, kind):
    make, words = DAMAGE[name]
    path = tmp_path / "a.db"
    make(path)
    before = None if name == "pipe" else path.read_bytes()
    with pytest.raises(InputError) as caught:
        kind(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert str(caught.value).endswith("Give another path; this file is left as it is.")
    assert "\n" not in str(caught.value)
    assert before is None or path.read_bytes() == before
