"""The store: append-only, idempotent, safe against kills, several writers, full disks and files of other origin."""

import json
import random
import sqlite3
import subprocess
import sys
import time
import uuid
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thought.writer_process import SEEDS, SENTENCES, fake, fill

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.paths import ROOT
from anchors.thought import official
from anchors.thought.rollouts import COLUMNS, SCHEMA, Rollout, RolloutStore, prefix_hash


def start(path, delay, *words):
    command = [sys.executable, "-m", "thought.writer_process", str(path), str(delay), *words]
    return subprocess.Popen(command, cwd=ROOT / "tests", env={"PYTHONPATH": str(ROOT)} | {"PATH": "/usr/bin:/bin"})


def content(path):
    with RolloutStore(path, readonly=True) as store:
        return {tuple(map(str, row)) for row in store.table().itertuples(index=False)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "store.db"
    fill(path, 0.0)
    return content(path)


def failed(seed, attempt=0):
    return replace(fake(0, seed), text="", first_sentence="", answer="", correct=None, error="timeout", attempt=attempt)


def test_a_row_comes_back_as_it_went_in(tmp_path):
    odd = replace(fake(0, 1), text="é \\boxed{½}\n\n\x00 'x'", answer="", correct=None, logprob=None)
    with RolloutStore(tmp_path / "s.db") as store:
        assert store.add([odd, fake(1, 2)]) == 2
        table = store.table(sentence=0)
        assert list(table.columns) == list(COLUMNS)
        assert table.text[0] == odd.text
        assert table.correct.isna()[0]
        assert store.table(sentence=[0, 1], seed=2).correct[0] == fake(1, 2).correct
        assert store.counts() == {
            "rows": 2, "errors": 0, "good": 2, "answered": 1, "correct": int(fake(1, 2).correct), "prefixes": 2
        }  # fmt: skip
        with pytest.raises(InputError, match="found colour"):
            store.table(colour=1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=6), max_size=6))
def test_adding_twice_is_adding_once(tmp_path, batches):
    path = tmp_path / f"{uuid.uuid4()}.db"
    keys = {key for batch in batches for key in batch}
    with RolloutStore(path) as store:
        added = sum(store.add(fake(*key) for key in batch) for batch in batches)
        assert added == len(keys) == store.counts()["rows"]
        for sentence in range(3):
            got = store.missing("fake", "p", prefix_hash(f"prefix {sentence}"), sentence, range(6))
            assert got == [seed for seed in range(6) if (sentence, seed) not in keys]


def test_errors_are_kept_counted_and_retried(tmp_path):
    key = ("fake", "p", prefix_hash("prefix 0"), 0)
    with RolloutStore(tmp_path / "s.db") as store:
        assert store.add([failed(3), failed(3), fake(0, 4)]) == 2
        assert store.missing(*key, [3, 4, 5]) == [3, 5]
        assert store.missing(*key, [3, 4, 5], retry=False) == [5]
        assert store.attempts(*key) == {3: 1}
        assert store.add([failed(3, attempt=1)]) == 1
        assert store.add([fake(0, 3)]) == 1
        assert store.missing(*key, [3, 4]) == []
        assert (store.counts()["errors"], store.counts()["good"]) == (2, 2)
        assert store.table().error.notna().tolist() == [True, True, False, False]


def test_nothing_is_changed_or_deleted(tmp_path):
    path = tmp_path / "s.db"
    fill(path, 0.0)
    connection = sqlite3.connect(path, isolation_level=None)
    for words in ("DELETE FROM rollouts", "UPDATE rollouts SET answer = 'x'"):
        with pytest.raises(sqlite3.IntegrityError, match="only appended"):
            connection.execute(words)
    connection.close()


def test_a_bad_batch_is_refused_whole(tmp_path):
    with RolloutStore(tmp_path / "s.db") as store:
        with pytest.raises(InputError, match="rollout"):
            store.add([fake(0, 0), replace(fake(0, 1), text=None)])
        with pytest.raises(InputError, match="rollout"):
            store.add([fake(0, 0), replace(fake(0, 1), text={})])
        assert store.counts()["rows"] == 0
        assert store.add([fake(0, 0)]) == 1


def test_two_processes_write_at_once(tmp_path, whole):
    path = tmp_path / "s.db"
    both = [start(path, 0.002), start(path, 0.002, "backwards")]
    assert [process.wait(30) for process in both] == [0, 0]
    assert content(path) == whole
    assert len(whole) == SENTENCES * SEEDS


def test_a_killed_run_continues_where_it_stopped(tmp_path, whole):
    path, chance = tmp_path / "s.db", random.Random(1)
    for _ in range(10):
        process = start(path, 0.03)
        while not path.exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(chance.random() * 0.1)
        process.kill()
        process.wait(10)
        assert content(path) <= whole
    fill(path, 0.0)
    assert content(path) == whole


@pytest.mark.parametrize("kind", ["random", "text", "empty", "truncated", "damaged", "foreign", "newer"])
def test_other_files_are_refused_and_left_alone(tmp_path, kind):
    path = tmp_path / "s.db"
    if kind == "foreign":
        sqlite3.connect(path).executescript("CREATE TABLE rollouts (a); INSERT INTO rollouts VALUES (1);")
    else:
        fill(path, 0.0)
    if kind == "newer":
        sqlite3.connect(path).execute(f"PRAGMA user_version={SCHEMA + 1}").connection.close()
    good = path.read_bytes()
    made = {
        "random": random.Random(0).randbytes(5000), "text": b"not a database", "empty": b"",
        "truncated": good[: len(good) // 2], "damaged": good[:4096] + bytes(4096) + good[8192:],
    }  # fmt: skip
    path.write_bytes(made.get(kind, good))
    before = path.read_bytes()
    for readonly in (False, True):
        with pytest.raises(InputError) as error:
            RolloutStore(path, readonly=readonly)
        assert "\n" not in str(error.value)
    assert path.read_bytes() == before


def test_a_missing_file_is_an_error_only_when_reading(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        RolloutStore(tmp_path / "none.db", readonly=True)
    assert not list(tmp_path.iterdir())
    RolloutStore(tmp_path / "deep" / "er.db").close()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["er.db"]


def test_readonly_does_not_write(tmp_path):
    path = tmp_path / "s.db"
    fill(path, 0.0)
    with RolloutStore(path, readonly=True) as store, pytest.raises(AnchorsError, match="read-only"):
        store.add([fake(0, 999)])


def test_a_full_disk_keeps_what_was_committed(tmp_path):
    path = tmp_path / "s.db"
    with RolloutStore(path) as store:
        store.add(fake(0, seed) for seed in range(5))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(AnchorsError, match="is full"):
            store.add(replace(fake(0, seed), text="x" * 4000) for seed in range(5, 30))
        assert store.counts()["good"] == 5
    with RolloutStore(path) as store:
        assert store.add(fake(0, seed) for seed in range(10)) == 5


def test_parquet_holds_the_same_table(tmp_path):
    fill(tmp_path / "s.db", 0.0)
    with RolloutStore(tmp_path / "s.db") as store:
        store.add([failed(77)])
        path = store.to_parquet(tmp_path / "rollouts.parquet")
        pd.testing.assert_frame_equal(pd.read_parquet(path), store.table(), check_dtype=False)


def test_the_official_layout_is_read_back(tmp_path):
    sentences, prompt = ["Let x be 3.", "Let x be 3.", "So it is 4."], "Question? "
    prefixes = [prompt + " ".join([*sentences[:i], ""]).lstrip() for i in range(3)]
    with RolloutStore(tmp_path / "s.db") as store:
        rows = [
            replace(fake(i, seed), prefix_hash=prefix_hash(prefix))
            for i, prefix in enumerate(prefixes)
            for seed in range(6)
        ]
        store.add([*rows, replace(failed(9), prefix_hash=prefix_hash(prefixes[0]))])
        written = store.to_official(tmp_path / "problem_p", "fake", "p", prefixes, sentences, prompt=prompt)
    table, counts = official.read_rollouts(tmp_path / "problem_p")
    assert written == 19
    assert counts == {"files": 3, "rollouts": 18, "errors": 1, "unanswered": 0}
    expected = [(r.sentence, sentences[r.sentence], r.first_sentence, r.text, r.answer, r.correct) for r in rows]
    names = ["sentence", "removed", "first_sentence", "text", "answer", "correct"]
    assert list(table[names].itertuples(index=False, name=None)) == expected
    chunks = json.loads((tmp_path / "problem_p" / "chunks.json").read_text())
    assert chunks["chunks"] == sentences
    assert chunks["source_text"] == prompt + " ".join(sentences)


def test_rollout_fields_are_those_of_the_table():
    assert COLUMNS[:6] == ("model", "problem", "prefix_hash", "sentence", "seed", "kind")
    assert Rollout(*["x"] * 3, 0, 0, "resample", "", "", "", None).error is None
