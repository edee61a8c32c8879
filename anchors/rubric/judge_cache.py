"""Replies of judges in one SQLite file: asked once, kept for good, whatever ends the process that asked.

Each reply is committed as it comes (write-ahead log), so that a kill loses only what is under way. Several processes
may share a file; where two asked the same, the first reply stays and both use it.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.plain import waits

APPLICATION, SCHEMA = 0x6A644765, 1  # marks of the file: who wrote it, and in which version
WAIT = 60.0  # seconds a writer waits for another
MANY = 500  # keys per query
COLUMNS = ("key", "model", "how", "criterion", "sample", "text", "finished", "prompt_tokens", "completion_tokens")
_TABLE = """
CREATE TABLE replies (
  key TEXT PRIMARY KEY, model TEXT NOT NULL, how TEXT NOT NULL, criterion TEXT NOT NULL, sample INTEGER NOT NULL,
  text TEXT NOT NULL, finished INTEGER NOT NULL CHECK (finished IN (0, 1)), prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL)"""


@dataclass(frozen=True)
class Reply:
    """A judge's reply as it came: ``finished`` is False where the limit cut it.

    ``key`` stands for what was asked, ``how`` for the way (sampling parameters and further fields).
    """

    key: str
    model: str
    how: str
    criterion: str
    sample: int
    text: str
    finished: bool
    prompt_tokens: int
    completion_tokens: int


class JudgeCache:
    """The store; ``path`` None keeps it in memory.

    Raises
    ------
    InputError
        The file is damaged, no SQLite file, another program's, or of a newer version; it is left as it is.
    AnchorsError
        The disk is full, or another writer held the file for longer than a minute. What was committed stays.
    """

    def __init__(self, path: str | Path | None = None):
        self.path = Path(path) if path is not None else None
        self._lock = Lock()
        with _told(self.path):
            if self.path is not None:
                if waits(self.path):
                    raise _no_store(self.path, "a pipe, socket or device")
                self.path.parent.mkdir(parents=True, exist_ok=True)
            where = ":memory:" if self.path is None else str(self.path)
            self._connection = sqlite3.connect(where, timeout=WAIT, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> "JudgeCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """Return how many replies are stored."""
        with self._lock, _told(self.path):
            return self._connection.execute("SELECT COUNT(*) FROM replies").fetchone()[0]

    def answered(self, model: str, how: str) -> bool:
        """Return whether a reply of this model to requests of this way is stored."""
        query = "SELECT 1 FROM replies WHERE model = ? AND how = ? LIMIT 1"
        with self._lock, _told(self.path):
            return self._connection.execute(query, (model, how)).fetchone() is not None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get(self, keys: Sequence[str]) -> dict[str, Reply]:
        """Return the stored replies of these keys by key."""
        found: dict[str, Reply] = {}
        for start in range(0, len(keys), MANY):
            some = list(keys[start : start + MANY])
            query = f"SELECT {', '.join(COLUMNS)} FROM replies WHERE key IN ({', '.join('?' * len(some))})"
            with self._lock, _told(self.path):
                rows = self._connection.execute(query, some).fetchall()
            found |= {key: Reply(key, *rest[:5], bool(rest[5]), *rest[6:]) for key, *rest in rows}
        return found

    def put(self, reply: Reply, again: bool = False) -> Reply:
        """Store a reply and return the one that is stored: the first of its key, unless ``again`` replaces it."""
        words = "INSERT OR REPLACE INTO" if again else "INSERT INTO"
        rest = "" if again else " ON CONFLICT DO NOTHING"
        row = [getattr(reply, name) for name in COLUMNS]
        query = f"{words} replies ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(row))}){rest}"
        with self._lock, _told(self.path):
            new = self._connection.execute(query, row).rowcount
        return reply if new else self.get([reply.key])[reply.key]

    def _prepare(self) -> None:
        """Make the table in a new file, in one transaction; refuse a file that holds something else."""
        self._check()
        self._log_ahead()
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            if not self._check():
                self._connection.execute(_TABLE)
                self._connection.execute(f"PRAGMA application_id={APPLICATION}")
                self._connection.execute(f"PRAGMA user_version={SCHEMA}")

    def _log_ahead(self) -> None:
        """Turn the write-ahead log on; SQLite does not wait for another opener here, so this does."""
        end = time.monotonic() + WAIT
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def _check(self) -> bool:
        """Return whether the file is a store, False where it is empty; nothing is written."""
        ask = self._connection.execute
        if not ask("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
            return False  # asked first: another process may make the table, and with it the marks, at any moment
        owner, version = (ask(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if owner != APPLICATION:
            raise _no_store(self.path, "a database of another program")
        if version != SCHEMA:
            raise InputError(self.path, f"store version {version}", f"version {SCHEMA}", "Update this package.")
        return True


def _no_store(path: Path | None, found: object) -> InputError:
    return InputError(path, found, "a store of judges' replies", "Give another path; this file is left as it is.")


@contextmanager
def _told(path: Path | None) -> Iterator[None]:
    """Turn what SQLite raises into one line that says what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            raise AnchorsError(f"{path}: another process held the store for {WAIT:.0f} s; try again") from error
        cure = "free some space or give a path that can be written; what was committed is kept"
        raise AnchorsError(f"{path}: {text}; {cure}") from error
    except sqlite3.DatabaseError as error:
        raise _no_store(path, error) from error
    except OSError as error:
        raise AnchorsError(f"{path}: {error.strerror or error}; give a path that can be written") from error
