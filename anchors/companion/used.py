"""What a process has used that can change its numbers: files of this repository and data sets, noted as they are read.

Python announces each file that it opens (an audit hook listens); :func:`note_folder` speaks for libraries that open
files behind its back. Functions that read once and remember are wrapped in :func:`remembered`, so that a later call
counts as having used what the first one read.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import Any

from anchors.companion.paths import DATA, ROOT

PACKAGE = str(ROOT / "anchors") + os.sep
INPUTS = str(DATA) + os.sep
NO_INPUTS = tuple(INPUTS + name for name in ("cache", "downloads", "datasets.yml"))  # data sets are noted by name
CODE = (".py", ".pyc")  # known by the modules that are imported


@dataclass
class Used:
    """Files (relative to the repository) and data sets that were used."""

    files: set[str] = field(default_factory=set)
    datasets: set[str] = field(default_factory=set)

    def add(self, other: "Used") -> None:
        """Add what another one holds."""
        self.files |= other.files
        self.datasets |= other.datasets

    def plain(self) -> dict[str, list[str]]:
        """Return the names as JSON."""
        return {"files": sorted(self.files), "datasets": sorted(self.datasets)}

    @staticmethod
    def read(plain: dict[str, list[str]]) -> "Used":
        """Return what :meth:`plain` gave."""
        return Used(set(plain["files"]), set(plain["datasets"]))


PROCESS = Used()  # all that this process has used since it imported this package
_listening: list[Used] = [PROCESS]


@contextmanager
def recording() -> Iterator[Used]:
    """Yield what is used meanwhile, by any thread."""
    used = Used()
    _listening.append(used)
    try:
        yield used
    finally:
        _listening[:] = [one for one in _listening if one is not used]


def note(used: Used) -> None:
    """Count ``used`` as used now."""
    for one in tuple(_listening):
        one.add(used)


def note_dataset(name: str) -> None:
    """Note that a data set was asked for, whether it is here or not."""
    note(Used(datasets={name}))


def note_folder(folder: Path) -> None:
    """Note all files of a folder: a library reads them, and Python does not see it."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        note_file(str(path))


def note_file(path: str) -> None:
    """Note a file where it is an input: below ``data`` or beside the code, and neither cache nor download."""
    if path.startswith((INPUTS, PACKAGE)) and not path.startswith(NO_INPUTS) and not path.endswith(CODE):
        name = os.path.relpath(path, ROOT)
        for one in tuple(_listening):
            one.files.add(name)


def remembered(maxsize: int | None = None) -> Callable[[Callable], Callable]:
    """Return a decorator as ``functools.lru_cache`` for functions that read: each call counts as the first one."""

    def decorate(function: Callable) -> Callable:
        @lru_cache(maxsize)
        def once(*args: Any, **kwargs: Any) -> tuple[Any, Used]:
            with recording() as used:
                return function(*args, **kwargs), used

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            value, used = once(*args, **kwargs)
            note(used)
            return value

        call.cache_clear, call.cache_info = once.cache_clear, once.cache_info
        return call

    return decorate


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file, "absent" where there is none; hashed again when anything about the file changes.

    The time of change (ctime), which no program can set, tells a file that was replaced by an older one.
    """
    try:
        stat = path.stat()
    except OSError:
        return "absent"
    return _file_hash(str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


@cache
def _file_hash(path: str, *_stat: int) -> str:
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def dataset_hash(name: str) -> str:
    """Return the fingerprint of a data set, "absent" where it is not here."""
    from anchors.companion import datasets

    if name not in datasets.registry() or not datasets.here(name):
        return "absent"
    return datasets.content(name)


def hashes(used: Used) -> dict[str, dict[str, str]]:
    """Return what the used files and data sets hold now."""
    return {
        "files": {name: file_hash(ROOT / name) for name in sorted(used.files)},
        "datasets": {name: dataset_hash(name) for name in sorted(used.datasets)},
    }


def _listen(event: str, args: tuple) -> None:
    if event == "open" and isinstance(args[0], str | bytes):
        path = os.path.abspath(os.fsdecode(args[0]))
        if path.startswith((INPUTS, PACKAGE)) and not (isinstance(args[1], str) and set(args[1]) & set("wxa")):
            note_file(path)


sys.addaudithook(_listen)
