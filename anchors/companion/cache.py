"""Results that are computed once: a JSON store keyed on everything that can change them.

The key of a result holds the hash of the function's module and of all it imports from this package, the versions of
the libraries that these import, every argument, and what the function was seen to read: files of the repository
(weights, word lists, logs) and data sets, absent ones too. Nothing is pickled. Several processes may share the store,
and each result is on disk as soon as it is computed, so an interrupted grid continues where it stopped.
"""

import json
import os
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion.codehash import closure, digest, module_hash, source_hash
from anchors.companion.errors import AnchorsError
from anchors.companion.libraries import versions_behind
from anchors.companion.loaded import LOADED
from anchors.companion.paths import cache_dir
from anchors.companion.used import Used, file_hash, hashes, note, recording

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def key_of(function: Callable, arguments: dict[str, Any], salt: str = "") -> str:
    """Return what is known of ``function(**arguments)`` before it has run; ``salt`` carries data hashes."""
    return digest(function.__qualname__, *_code_of(module_of(function)), arguments, salt)


def module_of(function: Callable) -> str:
    """Return the name of a function's module, also where it is the one that runs (``python -m name``)."""
    module = sys.modules.get(function.__module__)
    spec = getattr(module, "__spec__", None)
    return spec.name if function.__module__ == "__main__" and spec else function.__module__


@cache
def _code_of(module: str) -> tuple[str, str, dict[str, str]]:
    """Return the hashes of a module and of all it imports, and the versions of their libraries.

    They are as when this process first asked: what is imported does not change after.
    """
    files = closure([module])
    own = module_hash(files[module]) if module in files else module
    return own, source_hash([module]), versions_behind(files.values())


def _edited(module: str) -> bool:
    """Return whether code behind ``module`` is another by now than what this process imported, by its content.

    Then what runs is not what is on disk, and its results must not be stored under the hash of the disk.
    """
    changed = [name for name, path in _files_of(module) if name in LOADED and file_hash(path) != LOADED[name][1]]
    if changed:
        warnings.warn(
            f"{changed[0]}: code changed since this kernel started; results are not stored. Restart it.", stacklevel=2
        )
    return bool(changed)


@cache
def _files_of(module: str) -> list[tuple[str, Path]]:
    return list(closure([module]).items())


@cache
def _store():
    import sqlite3

    import diskcache

    folder = cache_dir() / "results"
    try:
        return diskcache.Cache(str(folder), disk=diskcache.JSONDisk, eviction_policy="none", timeout=60)
    except (sqlite3.Error, OSError) as error:
        raise AnchorsError(f"{folder}: cannot be opened ({error}); delete the folder, or set ANCHORS_CACHE") from error


def cached(function: Callable[..., Any], salt: str = "", **arguments: Any) -> Any:
    """Return ``function(**arguments)``, from the store when nothing that it depends on has changed.

    The result must be JSON-able (numbers, strings, lists, dicts); it comes back as JSON gives it.
    """
    return _cached(function, arguments, salt, wait=True)[1]


def _cached(function: Callable[..., Any], arguments: dict, salt: str, wait: bool) -> tuple[bool, Any]:
    """Return ``(True, value)``, or ``(False, None)`` when another process is computing it and ``wait`` is False."""
    from filelock import FileLock, Timeout

    if _edited(module_of(function)):
        return True, json.loads(json.dumps(limited(function, arguments)))
    known, store = key_of(function, arguments, salt), _store()
    hit = _look_up(store, known)
    if hit is None:
        try:
            with FileLock(_locks() / known[:3], timeout=-1 if wait else 0):
                hit = _look_up(store, known) or _compute(function, arguments, store, known)
        except Timeout:
            return False, None
    note(Used.read(hit["used"]))
    return True, hit["value"]


def _look_up(store: Any, known: str) -> dict | None:
    """Return a result whose function, the last time, read what files and data sets hold now."""
    names = store.get(f"{known} reads")
    return None if names is None else store.get(_full_key(known, Used.read(names)))


def _full_key(known: str, used: Used) -> str:
    return digest(known, hashes(used))


def _compute(function: Callable[..., Any], arguments: dict, store: Any, known: str) -> dict:
    import sqlite3

    with recording() as used:
        value = limited(function, arguments)
    hit = {"value": json.loads(json.dumps(value)), "used": used.plain()}
    try:
        store.set(_full_key(known, used), hit)
        store.set(f"{known} reads", hit["used"])
    except (sqlite3.Error, OSError) as error:
        cure = "free some space or set ANCHORS_CACHE to a writable folder; what is stored already is kept"
        raise AnchorsError(f"{store.directory}: cannot be written ({error}); {cure}") from error
    return hit


def limited(function: Callable[..., Any], arguments: dict) -> Any:
    """Return ``function(**arguments)``, computed with one thread as all that is cached.

    Processes share the cores, and one thread adds up in the same order everywhere. A library that is loaded meanwhile
    finds the limit in the environment and keeps it.
    """
    from threadpoolctl import threadpool_limits

    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        with threadpool_limits(1):
            return function(**arguments)
    finally:
        os.environ.update({name: value for name, value in before.items() if value is not None})
        for name in (name for name, value in before.items() if value is None):
            del os.environ[name]


@cache
def _locks() -> Path:
    folder = cache_dir() / "locks"
    folder.mkdir(exist_ok=True)
    return folder


def cached_grid(function: Callable[..., Any], jobs: list[dict], label: str = "", salt: str = "") -> list[Any]:
    """Return ``[function(**job) for job in jobs]``, each result cached, with a progress line (rate and ETA).

    Two processes with overlapping grids share the work: each first skips what the other is computing.
    """
    from anchors.companion.progress import track

    values: dict[int, Any] = {}
    for number in track(range(len(jobs)), label or function.__name__):
        done, value = _cached(function, jobs[number], salt, wait=False)
        if done:
            values[number] = value
    for number in set(range(len(jobs))) - set(values):
        values[number] = cached(function, salt=salt, **jobs[number])
    return [values[number] for number in range(len(jobs))]
