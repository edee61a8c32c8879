"""The store of rollouts: one SQLite file that is only ever appended to.

A rollout is known by model, problem, prefix, sentence, seed and kind. At most one good row per key is kept, however
often it is added; a failed rollout is a row of its own (with its attempt), so that errors are counted, not hidden.

Write-ahead logging with ``synchronous=FULL``: a batch is one transaction and is on disk when :meth:`RolloutStore.add`
returns, whether the process is killed or the power fails; that costs one sync per batch, which took seconds to sample.
"""

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.plain import waits

APPLICATION, SCHEMA = 0x74614E43, 1  # marks of the file: who wrote it, and in which version
KEY = ("model", "problem", "prefix_hash", "sentence", "seed", "kind")
WAIT = 60.0  # seconds a writer waits for another


@dataclass(frozen=True)
class Rollout:
    """One continuation of one prefix: ``sentence`` is the number of kept sentences, ``answer`` is ``""`` when none.

    ``logprob`` is the sum over its tokens (natural log). A failed rollout has an ``error`` and the number of failed
    attempts before it in ``attempt``.
    """

    model: str
    problem: str
    prefix_hash: str
    sentence: int
    seed: int
    kind: str
    text: str
    first_sentence: str
    answer: str
    correct: bool | None
    logprob: float | None = None
    error: str | None = None
    attempt: int = 0


COLUMNS = tuple(field.name for field in fields(Rollout))
_FIELDS = attrgetter(*COLUMNS)
_TABLE = f"""
CREATE TABLE rollouts (
  id INTEGER PRIMARY KEY,
  model TEXT NOT NULL, problem TEXT NOT NULL, prefix_hash TEXT NOT NULL, sentence INTEGER NOT NULL,
  seed INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, first_sentence TEXT NOT NULL, answer TEXT NOT NULL,
  correct INTEGER CHECK (correct IN (0, 1)), logprob REAL, error TEXT, attempt INTEGER NOT NULL);
CREATE UNIQUE INDEX good ON rollouts ({", ".join(KEY)}) WHERE error IS NULL;
CREATE UNIQUE INDEX failed ON rollouts ({", ".join(KEY)}, attempt) WHERE error IS NOT NULL;
CREATE TRIGGER no_update BEFORE UPDATE ON rollouts BEGIN SELECT RAISE(ABORT, 'rollouts are only appended'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON rollouts BEGIN SELECT RAISE(ABORT, 'rollouts are only appended'); END;
"""
_INSERT = f"""INSERT INTO rollouts ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})
              ON CONFLICT DO NOTHING"""  # unlike OR IGNORE it still refuses rows with missing fields


def prefix_hash(prefix: str) -> str:
    """Return 16 hex digits (SHA-256) that stand for a prefix, prompt included."""
    return hashlib.sha256(prefix.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class RolloutStore:
    """An append-only store of rollouts in one file; several processes may read and write it at once.

    Parameters
    ----------
    path : the file; it is created, whole or not at all, unless ``readonly``.

    Raises
    ------
    InputError
        The file is missing (readonly), damaged, no SQLite file, another program's, or of a newer version; it is left
        as it is.
    AnchorsError
        The disk is full, or another writer held the store for longer than a minute. What was committed stays.
    """

    def __init__(self, path: str | Path, readonly: bool = False):
        self.path = Path(path)
        if not self.path.exists() and not readonly:
            _create(self.path)
        _check_header(self.path)
        with _told(self.path):
            self._connection = _connect(self.path, readonly=True)
            try:
                _check_pages(self.path, self._connection)
            except BaseException:
                self._connection.close()
                raise
            if not readonly:
                self._connection.close()
                self._connection = _connect(self.path, readonly=False)

    def __enter__(self) -> "RolloutStore":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, rollouts: Iterable[Rollout]) -> int:
        """Store rollouts in one transaction and return how many were new; what is there already is left alone."""
        rows = [_FIELDS(rollout) for rollout in rollouts]
        with _told(self.path):
            before = self._connection.total_changes
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(_INSERT, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return self._connection.total_changes - before

    def missing(
        self, model: str, problem: str, prefix_hash: str, sentence: int, seeds: Sequence[int],
        kind: str = "resample", retry: bool = True,
    ) -> list[int]:  # fmt: skip
        """Return the seeds that have no good rollout yet, in order; failed ones count as missing if ``retry``."""
        words = "" if not retry else " AND error IS NULL"
        key = (model, problem, prefix_hash, sentence, kind)
        query = f"SELECT seed FROM rollouts WHERE {_equals([k for k in KEY if k != 'seed'])}{words}"
        with _told(self.path):
            have = {seed for (seed,) in self._connection.execute(query, key)}
        return [seed for seed in seeds if seed not in have]

    def attempts(
        self, model: str, problem: str, prefix_hash: str, sentence: int, kind: str = "resample"
    ) -> dict[int, int]:
        """Return the number of failed attempts by seed; the next rollout of that seed carries it as ``attempt``."""
        where = _equals([k for k in KEY if k != "seed"])
        query = f"SELECT seed, COUNT(*) FROM rollouts WHERE {where} AND error IS NOT NULL GROUP BY seed"
        with _told(self.path):
            return dict(self._connection.execute(query, (model, problem, prefix_hash, sentence, kind)))

    def table(self, **where: Any) -> Any:
        """Return rollouts as a DataFrame, errors included, in order of the key.

        ``where`` gives columns and the value, or list of values, they must have. ``correct`` is nullable boolean.
        """
        import pandas as pd

        unknown = set(where) - set(COLUMNS)
        if unknown:
            raise InputError("column", ", ".join(sorted(unknown)), " | ".join(COLUMNS))
        lists = {k: list(v) if isinstance(v, list | tuple | set | range) else [v] for k, v in where.items()}
        tests = [f"{k} IN ({', '.join('?' * len(v))})" for k, v in lists.items()]
        clause = f" WHERE {' AND '.join(tests)}" if tests else ""
        query = f"SELECT {', '.join(COLUMNS)} FROM rollouts{clause} ORDER BY {', '.join(KEY)}, error IS NULL, attempt"
        with _told(self.path):
            rows = self._connection.execute(query, [x for v in lists.values() for x in v]).fetchall()
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        return table.astype({"correct": "boolean", "logprob": float, "error": object})

    def counts(self) -> dict[str, int]:
        """Return how many rows, errors, good rollouts, answered and correct ones, and prefixes are stored."""
        query = f"""SELECT COUNT(*), SUM(error IS NOT NULL), SUM(error IS NULL), SUM(error IS NULL AND answer <> ''),
                 SUM(error IS NULL AND correct = 1), COUNT(DISTINCT {" || '/' || ".join(KEY[:4])}) FROM rollouts"""
        with _told(self.path):
            found = self._connection.execute(query).fetchone()
        names = ("rows", "errors", "good", "answered", "correct", "prefixes")
        return {name: number or 0 for name, number in zip(names, found, strict=True)}

    def to_parquet(self, path: str | Path, **where: Any) -> Path:
        """Write the rows of :meth:`table` as Parquet, whole or not at all, and return the path."""
        from anchors.companion.files import atomic_write

        return atomic_write(Path(path), lambda handle: self.table(**where).to_parquet(handle, index=False))

    def to_official(
        self, folder: str | Path, model: str, problem: str, prefixes: Sequence[str], sentences: Sequence[str],
        kind: str = "resample", prompt: str = "", about: dict | None = None,
    ) -> int:  # fmt: skip
        """Write one trace in the folder layout of the released rollouts (sec. 4) and return the number of rollouts.

        ``prefixes`` are the texts sampled from, prompt included, one per sentence; ``about`` goes to problem.json.
        A rollout without answer or correctness is written with ``""`` and false; a failed one with its ``error``.
        """
        from anchors.thought.export import write_trace

        tables = [
            self.table(model=model, problem=problem, prefix_hash=prefix_hash(prefix), sentence=i, kind=kind)
            for i, prefix in enumerate(prefixes)
        ]
        return write_trace(Path(folder), tables, prefixes, sentences, prompt, about or {})


def _equals(columns: Iterable[str]) -> str:
    return " AND ".join(f"{column} = ?" for column in columns)


def _create(path: Path) -> None:
    """Create an empty store under another name and put it in place at once; another creator may come first."""
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".rollouts-") as folder:
            draft = Path(folder) / "draft"
            connection = sqlite3.connect(draft, isolation_level=None)
            connection.executescript(f"PRAGMA application_id={APPLICATION}; PRAGMA user_version={SCHEMA}; {_TABLE}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.close()
            if not path.exists():
                try:
                    os.link(draft, path)
                except FileExistsError:
                    return  # the other creator was first: its store is used


def _connect(path: Path, readonly: bool) -> sqlite3.Connection:
    uri = path.resolve().as_uri() + ("?mode=ro" if readonly else "?mode=rw")
    connection = sqlite3.connect(uri, uri=True, timeout=WAIT, isolation_level=None)
    if not readonly:
        connection.execute("PRAGMA synchronous=FULL")
    return connection


def _check_header(path: Path) -> None:
    """Read the first 100 bytes without SQLite, which could change a foreign file; a pipe is not waited for."""
    if waits(path):
        raise _no_store(path, "a pipe, socket or device")
    try:
        with path.open("rb") as handle:
            head = handle.read(100)
    except OSError as error:
        raise _no_store(path, error.strerror or error) from error
    if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
        raise _no_store(path, "another format" if head else "an empty file")
    if int.from_bytes(head[68:72], "big") != APPLICATION:
        raise _no_store(path, "a database of another program")
    version = int.from_bytes(head[60:64], "big")
    if version != SCHEMA:
        raise InputError(path, f"store version {version}", f"version {SCHEMA}", "Update this package, or use its data.")


def _check_pages(path: Path, connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _no_store(path, f"a damaged file ({found.splitlines()[-1]})")


def _no_store(path: Path, found: object) -> InputError:
    return InputError(path, found, "a store of rollouts", "Give another path; this file is left as it is.")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into one line that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        if "is full" in text or "disk I/O" in text:
            raise AnchorsError(f"{path}: {text}; free some space, then continue: what was committed is kept") from error
        if "locked" in text or "busy" in text:
            raise AnchorsError(f"{path}: another process held the store for {WAIT:.0f} s; try again") from error
        if "readonly" in text:
            raise AnchorsError(f"{path}: opened read-only or not writable; open it with readonly=False") from error
        if "constraint" in text or "binding" in text or "not supported" in text:
            raise InputError("rollout", text, "the field types of Rollout") from error
        raise _no_store(path, text) from error
    except OSError as error:
        raise AnchorsError(f"{path}: {error.strerror or error}; give a path that can be written") from error
