"""The log of rollouts: what is added is there after a kill, unchanged, and nothing else."""

import dataclasses
import json
import os
import sqlite3
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.paths import ROOT
from anchors.rubric.rollout_log import Rollout, RolloutLog, to_parquet

NAN = float("nan")


def rollout(step=0, place=0, **changes):
    known = {
        "group": place // 2, "prompt": "tell me", "text": "a good\n“tale”", "tokens": (5, 1, 49151), "finished": True,
        "seed": 2**61 + 1, "logprob": -1.1 / 3, "reward": 0.1 + 0.2, "advantage": -2 / 3, "vetoed": False,
        "scores": {"short": 1.0, "calm": 1 / 3},
    }  # fmt: skip
    return Rollout(step, place, **(known | changes))


def same(a, b):
    return repr(a) == repr(b)  # NaN equals NaN, floats to the last bit


def test_rollouts_come_back_to_the_last_bit(tmp_path):
    hostile = rollout(
        0, 1, text="", tokens=(), prompt="\x00 ‮ \U0001f600" + "x" * 100_000, reward=NAN, scores={"calm": NAN}
    )
    with RolloutLog(tmp_path / "log.db", {"seed": 1}) as log:
        log.add([rollout(), hostile])
        log.add([rollout(2, 0, vetoed=True)])
    with RolloutLog(tmp_path / "log.db", {"seed": 1}) as log:
        assert same(log.step(0), [rollout(), hostile])
        assert log.step(1) == []
        assert log.steps() == 2
        assert [(one.step, one.place) for one in log.rollouts()] == [(0, 0), (0, 1), (2, 0)]


def test_a_log_in_memory_is_the_same():
    with RolloutLog(None) as log:
        log.add([rollout()])
        assert log.step(0) == [rollout()]


def test_a_batch_is_stored_whole_or_not_at_all(tmp_path):
    with RolloutLog(tmp_path / "log.db", {}) as log:
        log.add([rollout(0, 1)])
        with pytest.raises(InputError, match="rollouts that are new and whole"):
            log.add([rollout(0, 0), rollout(0, 1)])
        with pytest.raises(InputError, match="new and whole"):
            log.add([rollout(0, 0), rollout(0, 2, text=None)])
        assert len(log.rollouts()) == 1
        for statement in ("DELETE FROM rollouts", "UPDATE scores SET u = 1"):
            with pytest.raises(sqlite3.IntegrityError, match="only appended"):
                log._connection.execute(statement)


def test_the_table_has_a_column_per_criterion_and_goes_to_parquet(tmp_path):
    with RolloutLog(tmp_path / "log.db", {}) as log:
        log.add([rollout(0, 0), rollout(0, 1, scores={"other": 0.5}, reward=NAN)])
        table = log.table()
        log.to_parquet(tmp_path / "log.parquet")
    to_parquet(tmp_path / "log.db", tmp_path / "again.parquet")
    assert (tmp_path / "log.parquet").read_bytes() == (tmp_path / "again.parquet").read_bytes()
    read = pd.read_parquet(tmp_path / "again.parquet")
    assert list(read.columns) == list(table.columns)
    assert list(read.columns[-3:]) == ["score/short", "score/calm", "score/other"]
    assert read["score/other"].isna().tolist() == [True, False]
    assert read["reward"].isna().tolist() == [False, True]
    assert read["tokens"][0].tolist() == [5, 1, 49151]
    assert read["score/calm"][0] == 1 / 3


def test_an_empty_log_has_an_empty_table(tmp_path):
    with RolloutLog(tmp_path / "log.db", {}) as log:
        assert len(log.table()) == 0
        assert "reward" in log.table().columns


def test_the_log_of_another_training_is_refused_and_anyone_may_read(tmp_path):
    path = tmp_path / "log.db"
    RolloutLog(path, {"seed": 1}).close()
    with pytest.raises(InputError, match="the rollouts of another training"):
        RolloutLog(path, {"seed": 2})
    with RolloutLog(path) as log:
        assert log.steps() == 0


def test_files_that_are_no_log_are_left_as_they_are(tmp_path):
    text, foreign, newer = (tmp_path / name for name in ("text.db", "foreign.db", "newer.db"))
    text.write_text("no database, " * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE t (x)")
    RolloutLog(newer, {}).close()
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version=9")
    with pytest.raises(InputError, match="no such file"):
        RolloutLog(tmp_path / "missing.db")
    assert not (tmp_path / "missing.db").exists()
    for path, found in ((text, "not a database"), (foreign, "another program"), (newer, "version 9")):
        before = path.read_bytes()
        with pytest.raises(InputError, match=found):
            RolloutLog(path, {})
        assert path.read_bytes() == before


def test_a_damaged_log_is_told(tmp_path):
    path = tmp_path / "log.db"
    with RolloutLog(path, {}) as log:
        log.add([rollout(0, place, text="x" * 500) for place in range(200)])
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + os.urandom(len(whole) - 8192))
    with pytest.raises(AnchorsError, match=r"log\.db: "):
        RolloutLog(path, {}).rollouts()


KILLED = """
import os, sys
sys.path.insert(0, "tests")
from rubric.test_rollout_log import rollout
from anchors.rubric.rollout_log import RolloutLog
log = RolloutLog(sys.argv[1], {})
for step in range(1000):
    log.add([rollout(step, place) for place in range(20)])
    print(step, flush=True)
"""


def test_what_was_added_survives_a_kill(tmp_path):
    path = tmp_path / "log.db"
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    said = [int(run.stdout.readline()) for _ in range(20)]
    run.kill()
    run.wait()
    with RolloutLog(path, {}) as log:
        assert log.steps() >= len(said)
        assert all(len(log.step(step)) == 20 for step in range(log.steps())), "no part of a batch"
        assert same(log.step(19)[3], rollout(19, 3))


def test_rollouts_are_plain_data():
    assert json.dumps(dataclasses.asdict(rollout()))
    assert np.isnan(rollout(reward=NAN).reward)
