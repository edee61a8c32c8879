"""The log of rollouts of a training: one SQLite file, only ever appended to, exported as Parquet.

A step's rollouts are written in one transaction after they were judged and before the policy learns from them
(write-ahead logging, ``synchronous=FULL``): a run killed at any moment finds them again and asks no judge twice.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.plain import waits

APPLICATION, SCHEMA = 0x7275424C, 1  # marks of the file: who wrote it, and in which version
WAIT = 60.0  # seconds a writer waits for another


@dataclass(frozen=True)
class Rollout:
    """One response of the policy and what was said of it.

    Attributes
    ----------
    step, place : the training step, and which of its rollouts. group : which of the step's prompts.
    tokens : ids of the response, the end token included where it is ``finished``. seed : of its random numbers.
    logprob : of its tokens at temperature 1, summed (nats).
    reward : NaN when there is no judgement. advantage : what the step learnt with; 0 without judgement.
    vetoed : whether a critical criterion failed. scores : u in [0, 1] of each criterion, NaN where not judged.
    """

    step: int
    place: int
    group: int
    prompt: str
    text: str
    tokens: tuple[int, ...]
    finished: bool
    seed: int
    logprob: float
    reward: float
    advantage: float
    vetoed: bool
    scores: dict[str, float] = field(default_factory=dict)


COLUMNS = tuple(one.name for one in fields(Rollout))[:-1]
_TABLES = """
CREATE TABLE IF NOT EXISTS about (training TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rollouts (
  step INTEGER NOT NULL, place INTEGER NOT NULL, "group" INTEGER NOT NULL, prompt TEXT NOT NULL, text TEXT NOT NULL,
  tokens BLOB NOT NULL, finished INTEGER NOT NULL, seed INTEGER NOT NULL, logprob REAL NOT NULL, reward REAL,
  advantage REAL NOT NULL, vetoed INTEGER NOT NULL, PRIMARY KEY (step, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
  step INTEGER NOT NULL, place INTEGER NOT NULL, number INTEGER NOT NULL, criterion TEXT NOT NULL, u REAL,
  PRIMARY KEY (step, place, number)) WITHOUT ROWID;
"""
_GUARD = """CREATE TRIGGER IF NOT EXISTS {0}_{1} BEFORE {1} ON {0}
BEGIN SELECT RAISE(ABORT, 'rollouts are only appended'); END;
"""
_GUARDS = "".join(_GUARD.format(t, how) for t in ("about", "rollouts", "scores") for how in ("UPDATE", "DELETE"))
_MAKE = f"""PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; {_TABLES} {_GUARDS} PRAGMA application_id={APPLICATION};
PRAGMA user_version={SCHEMA}; COMMIT;"""  # one transaction: a kill leaves an empty file or a whole one


class RolloutLog:
    """The rollouts of one training.

    Parameters
    ----------
    path : the file, made if it is not there; None keeps them in memory.
    training : what identifies the training (JSON); None reads a log of whichever training.

    Raises
    ------
    InputError
        The file is no such log, is damaged, or is the log of another training; it is left as it is.
    AnchorsError
        The disk is full or the file cannot be written. What was committed stays.
    """

    def __init__(self, path: str | Path | None, training: dict[str, Any] | None = None):
        self.path = Path(path) if path is not None else None
        where = ":memory:" if self.path is None else str(self.path)
        with self._told():
            if self.path is not None:
                if waits(self.path):
                    raise self._unfit("a pipe, socket or device")
                if training is None and not self.path.is_file():
                    raise self._unfit("no such file")
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(where, timeout=WAIT, isolation_level=None, check_same_thread=False)
            try:
                self._open(json.dumps(training or {}, sort_keys=True), training is not None)
            except BaseException:
                self._connection.close()
                raise

    def _open(self, training: str, own: bool) -> None:
        """Make the tables of a new file, or check that an old one is this training's."""
        run = self._connection.execute
        mark, version = (run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if not mark and not run("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            self._connection.executescript(_MAKE)
        elif mark != APPLICATION:
            raise self._unfit("a database of another program")
        elif version != SCHEMA:
            raise self._unfit(f"version {version}, this is {SCHEMA}")
        run("PRAGMA synchronous=FULL")
        if (found := run("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._unfit(f"a damaged file ({found.splitlines()[-1]})")
        if not own:
            return
        with self._transaction():
            run("INSERT INTO about SELECT ? WHERE NOT EXISTS (SELECT 1 FROM about)", (training,))
        if run("SELECT training FROM about").fetchone()[0] != training:
            cure = "Delete the folder, or choose another."
            raise InputError(
                self.path,
                "the rollouts of another training",
                "the same settings, prompts, reward and first weights",
                cure,
            )

    def __enter__(self) -> "RolloutLog":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, rollouts: Sequence[Rollout]) -> None:
        """Store rollouts in one transaction; InputError when one of them is there already."""
        rows = [_row(rollout) for rollout in rollouts]
        scores = [
            (rollout.step, rollout.place, number, name, float(u))
            for rollout in rollouts for number, (name, u) in enumerate(rollout.scores.items())
        ]  # fmt: skip
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        marks = ", ".join("?" * len(COLUMNS))
        with self._told(), self._transaction():
            self._connection.executemany(f"INSERT INTO rollouts ({names}) VALUES ({marks})", rows)
            self._connection.executemany("INSERT INTO scores VALUES (?, ?, ?, ?, ?)", scores)

    def step(self, step: int) -> list[Rollout]:
        """Return the rollouts of a step exactly as they were added; none where the step is not stored."""
        return self._rollouts("WHERE step = ?", (step,))

    def rollouts(self) -> list[Rollout]:
        """Return all rollouts, in the order of steps and places."""
        return self._rollouts("", ())

    def _rollouts(self, where: str, values: tuple) -> list[Rollout]:
        names = ", ".join(f'"{name}"' for name in COLUMNS)
        with self._told():
            run = self._connection.execute
            rows = run(f"SELECT {names} FROM rollouts {where} ORDER BY step, place", values).fetchall()
            marks = run(f"SELECT step, place, criterion, u FROM scores {where} ORDER BY step, place, number", values)
            scores: dict[tuple[int, int], dict[str, float]] = {}
            for step, place, name, u in marks:
                scores.setdefault((step, place), {})[name] = _number(u)
        return [_rollout(row, scores.get(row[:2], {})) for row in rows]

    def steps(self) -> int:
        """Return how many steps are stored."""
        with self._told():
            return self._connection.execute("SELECT COUNT(DISTINCT step) FROM rollouts").fetchone()[0]

    def table(self) -> Any:
        """Return all rollouts as a DataFrame; criteria are the columns ``score/<criterion>``, missing ones NaN."""
        import pandas as pd

        rollouts = self.rollouts()
        names = list(dict.fromkeys(name for rollout in rollouts for name in rollout.scores))
        table = pd.DataFrame([astuple(rollout)[:-1] for rollout in rollouts], columns=list(COLUMNS))
        table["tokens"] = [list(rollout.tokens) for rollout in rollouts]
        given = [{f"score/{name}": r.scores.get(name, np.nan) for name in names} for r in rollouts]
        return pd.concat([table, pd.DataFrame(given, index=table.index, dtype=float)], axis=1)

    def to_parquet(self, path: str | Path) -> Path:
        """Write :meth:`table` as Parquet, whole or not at all, and return the path."""
        from anchors.companion.files import atomic_write

        return atomic_write(Path(path), lambda handle: self.table().to_parquet(handle, index=False))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what SQLite raises into one line that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            said = str(error)
            if "constraint" in said:
                raise InputError("rollout", said, "rollouts that are new and whole") from error
            if any(word in said for word in ("is full", "disk I/O", "locked", "busy", "readonly", "unable to open")):
                raise AnchorsError(f"{self.path}: {said}; what was committed is kept: try again") from error
            raise self._unfit(said) from error
        except OSError as error:
            raise AnchorsError(f"{self.path}: {error.strerror or error}; give a path that can be written") from error

    def _unfit(self, found: str) -> InputError:
        return InputError(self.path, found, "a log of rollouts", "Give another path; this file is left as it is.")


def _row(rollout: Rollout) -> tuple:
    """Return the row of a rollout; SQLite stores NaN as NULL."""
    values = {name: getattr(rollout, name) for name in COLUMNS}
    values["tokens"] = np.asarray(rollout.tokens, "<i4").tobytes()
    return tuple(values.values())


def _rollout(row: tuple, scores: dict[str, float]) -> Rollout:
    values = dict(zip(COLUMNS, row, strict=True))
    values["tokens"] = tuple(np.frombuffer(values["tokens"], "<i4").tolist())
    values["reward"] = _number(values["reward"])
    values |= {name: bool(values[name]) for name in ("finished", "vetoed")}
    return Rollout(**values, scores=scores)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def to_parquet(database: str | Path, path: str | Path) -> Path:
    """Write a log's rollouts as Parquet and return the path; errors as :class:`RolloutLog`."""
    with closing(RolloutLog(database)) as log:
        return log.to_parquet(path)
