"""Data sets: one registry (``data/datasets.yml``), looked up in the downloads folder, the mirror, then the network.

A file counts only when its SHA-256 is the registered one. Files in the mirror are used in place, never copied. What
could not be downloaded is remembered for a while, so that it is asked for once and not once a notebook; its details
are for ``make doctor``.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from anchors.companion.errors import AnchorsError, InputError, MissingData
from anchors.companion.files import atomic_write, sha256, unwritable
from anchors.companion.paths import DATA, cache_dir, downloads_dir, mirror, offline, relative
from anchors.companion.used import note_dataset

REGISTRY = DATA / "datasets.yml"
TIMEOUT = 10  # seconds, to connect and between two packets
GRACE, SLOWEST = 30, 20_000  # an address may take so many seconds for a file, and one more for so many bytes
REDIRECTS = 5  # followed for one file
RETRIES = 1  # rounds after the first, over the addresses whose failure may pass
FORGET = 600  # seconds after which a data set or a host that failed is asked again
CURE = "Set ANCHORS_DATA_MIRROR to a folder that holds it; see make doctor."
Address = Annotated[str, Field(pattern="^https?://.*$")]


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError("must be a relative path without '..'")
    return path


class DataFile(BaseModel):
    """One file of a data set; ``path`` is its place inside the mirror and the downloads folder.

    A mirror may hold compressed (``.xz``, ``.gz``) what the address serves plain: then ``plain_bytes`` and
    ``plain_sha256`` describe the plain file, which lies beside without that suffix and serves as well. ``urls`` are
    asked in order, and ``url`` stands for one alone; a file without was made for the mirror and cannot be downloaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Annotated[str, AfterValidator(_inside)]
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    urls: tuple[Address, ...] = ()
    plain_bytes: int = Field(default=0, ge=0)
    plain_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")

    @model_validator(mode="before")
    @classmethod
    def _one_address(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or "url" not in raw:
            return raw
        if "urls" in raw:
            raise ValueError("has both url and urls; give one of them")
        return {key: value for key, value in raw.items() if key != "url"} | {"urls": (raw["url"],)}

    @property
    def url(self) -> str:
        """The first address, empty where there is none."""
        return self.urls[0] if self.urls else ""

    @property
    def served(self) -> "DataFile":
        """The file as its address serves it: without the compression that the mirror adds, where that is given."""
        if not self.plain_sha256:
            return self
        path = str(PurePosixPath(self.path).with_suffix(""))
        return DataFile(path=path, bytes=self.plain_bytes, sha256=self.plain_sha256, urls=self.urls)


class Dataset(BaseModel):
    """One entry of the registry; ``without`` says in a few words what a notebook uses when it can do without it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    use: str
    licence: str
    citation: str
    without: str = ""
    files: tuple[DataFile, ...] = Field(min_length=1)


def registry() -> dict[str, Dataset]:
    """Return the registry, ``{name: Dataset}``; an ill-formed file is an InputError."""
    return _parse(str(REGISTRY), REGISTRY.stat().st_mtime_ns)


@cache
def _parse(path: str, _mtime: int) -> dict[str, Dataset]:
    import yaml

    try:
        entries = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
        return TypeAdapter(dict[str, Dataset]).validate_python(entries)
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(relative(Path(path)), str(error), "name: {title, use, licence, citation, files}") from error


def dataset(name: str) -> Dataset:
    """Return one entry of the registry; an unknown name is an InputError."""
    if name not in registry():
        raise InputError(f"data set {name!r}", "no such entry", " | ".join(registry()), f"See {relative(REGISTRY)}.")
    return registry()[name]


def fetch(name: str) -> dict[str, Path]:
    """Return ``{file name: path}`` of a data set; what is not here (downloads folder, mirror) is downloaded.

    Raises
    ------
    InputError
        A file on this machine has the wrong checksum, or there is no such data set.
    MissingData
        A file is nowhere and cannot be downloaded; :func:`details` says which, and what its addresses answered.
    AnchorsError
        The downloads folder cannot be written.
    """
    note_dataset(name)
    entry = dataset(name)
    places = {file: locate(file) for file in entry.files}
    if not all(places.values()):
        _refuse_early(name, [file for file, place in places.items() if place is None])
        places |= {file: _download(name, file.served) for file, place in places.items() if place is None}
    return {Path(file.path).name: place for file, place in places.items()}


def available(name: str) -> bool:
    """Return whether all files of a data set are here with the right checksum; the network is not asked."""
    note_dataset(name)
    return here(name)


def here(name: str) -> bool:
    """Return what :func:`available` does without counting as a use of the data set."""
    try:
        return all(locate(file) for file in dataset(name).files)
    except InputError:
        dataset(name)
        return False


def fingerprint(name: str) -> str:
    """Return 64 hex digits that stand for the content of a data set: SHA-256 over its files' SHA-256."""
    note_dataset(name)
    return content(name)


def content(name: str) -> str:
    """Return what :func:`fingerprint` does without counting as a use of the data set."""
    return hashlib.sha256("".join(file.sha256 for file in dataset(name).files).encode()).hexdigest()


def status() -> list[dict[str, str | int]]:
    """Return one row per data set: name, state (here | damaged | to download | mirror only), bytes, licence, use."""
    return [
        {
            "name": name,
            "state": _state(entry),
            "bytes": sum(file.bytes for file in entry.files),
            "licence": entry.licence,
            "use": entry.use,
        }
        for name, entry in registry().items()
    ]


def _state(entry: Dataset) -> str:
    try:
        missing = [file for file in entry.files if locate(file) is None]
    except InputError:
        return "damaged"
    if not missing:
        return "here"
    return "to download" if all(file.urls for file in missing) else "mirror only"


def details(name: str) -> list[str]:
    """Return lines on what is not here of a data set: the first file, where it belongs, its addresses, what failed."""
    entry, failed = dataset(name), _noted().get(name)
    try:
        missing = [file for file in entry.files if locate(file) is None]
    except InputError as error:
        return [str(error)]
    if not missing:
        return []
    first = next((file for file in missing if not file.urls), missing[0])  # one without an address, if any
    others = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
    places = f"{relative(downloads_dir() / first.path)}, or {first.path} in the folder ANCHORS_DATA_MIRROR names"
    lines = [f"not here: {first.path}{others}", f"belongs at: {places}"]
    lines += [f"address: {url}" for url in first.urls] or ["address: none, it was made for the mirror"]
    lines += [f"without it: {entry.without}"] if entry.without else []
    return lines + [f"last failure: {line}" for line in failed or []]


def locate(file: DataFile) -> Path | None:
    """Return the verified file from the downloads folder or the mirror, None if it is in neither.

    Raises
    ------
    InputError
        The file is there with the wrong checksum.
    """
    for folder in (downloads_dir(), mirror()):
        for form in dict.fromkeys((file, file.served)):
            if folder is not None and (folder / form.path).is_file():
                return _verified(folder / form.path, form)
    return None


def _verified(path: Path, file: DataFile) -> Path:
    stat, memory = path.stat(), _remembered()
    mark = [stat.st_size, stat.st_mtime_ns, file.sha256]
    if memory.get(str(path)) == mark:
        return path
    _check(path, file)
    _remember({**memory, str(path): mark})
    return path


def _check(path: Path, file: DataFile) -> None:
    if (found := sha256(path)) != file.sha256:
        expected = f"sha256 {file.sha256} ({file.bytes} bytes)"
        cure = "Delete it and run again; make doctor says where it is from."
        raise InputError(relative(path), f"sha256 {found} ({path.stat().st_size} bytes)", expected, cure)


def _remembered() -> dict[str, list]:
    path = cache_dir() / "verified.json"
    try:
        stat = path.stat()
    except OSError:
        return {}
    return _parse_memory(str(path), stat.st_mtime_ns, stat.st_size)


@cache
def _parse_memory(path: str, _mtime: int, _size: int) -> dict[str, list]:
    try:
        memory = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remember(memory: dict[str, list]) -> None:
    try:
        atomic_write(cache_dir() / "verified.json", json.dumps(memory, indent=1).encode())
    except AnchorsError:
        return  # only costs time: the next process verifies again


# ---- downloads -------------------------------------------------------------------------------------------------------

_FAILED: dict[tuple[str, tuple[DataFile, ...]], tuple[float, str]] = {}  # data set, its files -> when, why
_SILENT: dict[str, float] = {}  # host that could not be reached -> when


class _Refused(Exception):
    """An address did not serve the file; the words say why, and ``passing`` whether it may another time."""

    def __init__(self, words: str, passing: bool = False):
        super().__init__(words)
        self.passing = passing


def _refuse_early(name: str, missing: list[DataFile]) -> None:
    """Raise MissingData where no address needs to be asked."""
    when, why = _FAILED.get((name, dataset(name).files), (-FORGET, ""))
    if offline():
        raise MissingData(name, "ANCHORS_OFFLINE=1 forbids downloads", CURE)
    if not all(file.urls for file in missing):
        raise MissingData(name, "not all its files have an address", CURE)
    if time.monotonic() - when < FORGET:
        raise MissingData(name, why, CURE)


def _download(name: str, file: DataFile) -> Path:
    from filelock import FileLock

    target = downloads_dir() / file.path
    partial = downloads_dir() / ".partial" / file.sha256[:16]
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{partial}.lock"):  # a second process waits here and then finds the file
            return locate(file) or _retrieve(name, file, partial, target)
    except OSError as error:
        raise unwritable(target, error) from error


def _retrieve(name: str, file: DataFile, partial: Path, target: Path) -> Path:
    """Ask the addresses in order until one serves the registered bytes; keep those and nothing else."""
    shutil.rmtree(partial)  # what a killed download left behind
    partial.mkdir()
    failures: dict[str, _Refused] = {}
    try:
        for url in file.urls * (1 + RETRIES):
            if url in failures and not failures[url].passing:
                continue
            try:
                _get(url, file, partial / "file")
            except _Refused as refused:
                failures[url] = refused
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial / "file", target)
            return target
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    raise _gave_up(name, file, failures)


def _gave_up(name: str, file: DataFile, failures: dict[str, _Refused]) -> MissingData:
    """Remember a data set that cannot be downloaded and return the error that says so."""
    why = f"download failed ({str(next(iter(failures.values()))).split(';')[0]})"
    _FAILED[name, dataset(name).files] = (time.monotonic(), why)
    lines = [f"{file.path}: {url}: {reason}" for url, reason in failures.items()]
    try:
        atomic_write(cache_dir() / "failed_downloads.json", json.dumps({**_noted(), name: lines}, indent=1).encode())
    except AnchorsError as error:
        lines.append(str(error))  # the note is for the doctor; the error below is raised all the same
    return MissingData(name, why, CURE)


def _noted() -> dict[str, list[str]]:
    """Return what failed when data sets were last asked for: lines for the doctor."""
    try:
        noted = json.loads((cache_dir() / "failed_downloads.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _get(url: str, file: DataFile, target: Path) -> None:
    """Write what an address serves to ``target``; anything but the registered bytes is refused."""
    import httpx

    host = urlsplit(url).hostname or url
    if time.monotonic() - _SILENT.get(host, -FORGET) < FORGET:
        raise _Refused("cannot be reached; it was asked a moment ago")
    try:
        _stream(url, file, target, time.monotonic() + GRACE + file.bytes / SLOWEST)
    except httpx.HTTPStatusError as error:
        raise _Refused(f"answers {error.response.status_code}", error.response.is_server_error) from error
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        _SILENT[host] = time.monotonic()
        raise _Refused(f"cannot be reached; {type(error).__name__}: {error}") from error
    except httpx.HTTPError as error:
        raise _Refused(f"breaks off; {type(error).__name__}: {error}", passing=True) from error
    except httpx.InvalidURL as error:
        raise _Refused(f"redirects to no address; {error}") from error
    if (found := sha256(target)) != file.sha256:
        raise _Refused(f"other bytes; found sha256 {found}, expected sha256 {file.sha256}")


def _stream(url: str, file: DataFile, target: Path, deadline: float) -> None:
    """Write the body of an answer, which must neither be longer than the file nor take longer than until ``deadline``.

    A timer ends the connection in the middle of whatever it waits for, headers that drip included.
    """
    import httpx
    from tqdm import tqdm

    from anchors.companion.watched import TooLate, watched

    quiet, size = os.environ.get("ANCHORS_HEADLESS") == "1", 0
    try:
        with (
            httpx.Client(timeout=TIMEOUT) as client,
            watched(deadline) as extensions,
            target.open("wb") as out,
            _followed(client, url, extensions) as answer,
            tqdm(total=file.bytes, unit="B", unit_scale=True, desc=Path(file.path).name, disable=quiet) as bar,
        ):
            for chunk in answer.iter_raw():
                bar.update(len(chunk))
                size += len(chunk)
                if size > file.bytes:
                    raise _Refused(f"too many bytes; expected {file.bytes:,}")
                out.write(chunk)
    except TooLate as late:
        raise _Refused(f"too slow; {size:,} of {file.bytes:,} bytes when its time was over") from late


@contextmanager
def _followed(client: Any, url: str, extensions: dict[str, Any]) -> Iterator[Any]:
    """Yield the answer behind at most :data:`REDIRECTS` redirects, whose bodies are not read."""
    request = client.build_request("GET", url, headers={"Accept-Encoding": "identity"}, extensions=extensions)
    for _ in range(1 + REDIRECTS):
        answer = client.send(request, stream=True)
        try:
            if answer.next_request is None:
                answer.raise_for_status()
                yield answer
                return
            request = answer.next_request
        finally:
            answer.close()
    raise _Refused(f"redirects on and on; {REDIRECTS} were followed")
