"""Data sets: one registry (``data/datasets.yml``), looked up in the downloads folder, the mirror, then the network.

A file counts only when its SHA-256 is the registered one. Files in the mirror are used in place, never copied.
"""

import hashlib
import json
import os
import shutil
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from anchors.companion.errors import AnchorsError, InputError, MissingData
from anchors.companion.files import atomic_write, sha256, unwritable
from anchors.companion.paths import DATA, cache_dir, downloads_dir, mirror, relative

REGISTRY = DATA / "datasets.yml"
TIMEOUT = 10  # seconds, to connect and between two packets
RETRIES = 1


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts:
        raise ValueError("must be a relative path without '..'")
    return path


class DataFile(BaseModel):
    """One file of a data set; ``path`` is its place inside the mirror and the downloads folder.

    A mirror may hold compressed (``.xz``, ``.gz``) what the address serves plain: then ``plain_bytes`` and
    ``plain_sha256`` describe the plain file, which lies beside without that suffix and serves as well. A file without
    a url was made for the mirror and cannot be downloaded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    path: Annotated[str, AfterValidator(_inside)]
    bytes: int = Field(gt=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    url: str = Field(default="", pattern="^(https?://.*)?$")
    plain_bytes: int = Field(default=0, ge=0)
    plain_sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")

    @property
    def served(self) -> "DataFile":
        """The file as its address serves it: without the compression that the mirror adds, where that is given."""
        if not self.plain_sha256:
            return self
        path = str(PurePosixPath(self.path).with_suffix(""))
        return DataFile(path=path, bytes=self.plain_bytes, sha256=self.plain_sha256, url=self.url)


class Dataset(BaseModel):
    """One entry of the registry."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    use: str
    licence: str
    citation: str
    files: tuple[DataFile, ...] = Field(min_length=1)


def registry() -> dict[str, Dataset]:
    """Return the registry, ``{name: Dataset}``; an ill-formed file is an InputError."""
    return _parse(str(REGISTRY), REGISTRY.stat().st_mtime_ns)


@cache
def _parse(path: str, _mtime: int) -> dict[str, Dataset]:
    import yaml

    try:
        entries = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
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
        A file has the wrong checksum, or there is no such data set.
    MissingData
        A file is nowhere and cannot be downloaded; the message says how to get it.
    AnchorsError
        The downloads folder cannot be written.
    """
    return {Path(file.path).name: locate(file) or _download(name, file.served) for file in dataset(name).files}


def available(name: str) -> bool:
    """Return whether all files of a data set are here with the right checksum; the network is not asked."""
    try:
        return all(locate(file) for file in dataset(name).files)
    except InputError:
        dataset(name)
        return False


def fingerprint(name: str) -> str:
    """Return 64 hex digits that stand for the content of a data set: SHA-256 over its files' SHA-256."""
    return hashlib.sha256("".join(file.sha256 for file in dataset(name).files).encode()).hexdigest()


def status() -> list[dict[str, str | int]]:
    """Return one row per data set: name, state (here | damaged | to download), bytes, licence, use."""
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
    return "to download" if missing else "here"


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
    _check(path, file, relative(path), f"Delete it and run again. {_cure(file)}")
    _remember({**memory, str(path): mark})
    return path


def _check(path: Path, file: DataFile, what: str, cure: str) -> None:
    found = f"sha256 {sha256(path)} ({path.stat().st_size} bytes)"
    expected = f"sha256 {file.sha256} ({file.bytes} bytes)"
    if found.split()[1] != file.sha256:
        raise InputError(what, found, expected, cure)


def _remembered() -> dict[str, list]:
    try:
        memory = json.loads((cache_dir() / "verified.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remember(memory: dict[str, list]) -> None:
    try:
        atomic_write(cache_dir() / "verified.json", json.dumps(memory, indent=1).encode())
    except AnchorsError:
        return  # only costs time: the next process verifies again


def _download(name: str, file: DataFile) -> Path:
    from filelock import FileLock

    if os.environ.get("ANCHORS_OFFLINE") == "1":
        raise MissingData(name, f"{file.path} is not here and ANCHORS_OFFLINE=1 forbids downloads", _cure(file))
    if not file.url:
        raise MissingData(name, f"{file.path} was made for the data mirror and no address serves it", _cure(file))
    target = downloads_dir() / file.path
    partial = downloads_dir() / ".partial" / file.sha256[:16]
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{partial}.lock"):  # a second process waits here and then finds the file
            return locate(file) or _retrieve(name, file, partial, target)
    except OSError as error:
        raise unwritable(target, error) from error


def _retrieve(name: str, file: DataFile, partial: Path, target: Path) -> Path:
    shutil.rmtree(partial)  # what a killed download left behind
    try:
        got = _get(file, partial, name)
        _check(got, file, f"download of {file.url}", f"Nothing was kept. {_cure(file)}")
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(got, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _get(file: DataFile, partial: Path, name: str) -> Path:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    bar = os.environ.get("ANCHORS_HEADLESS") != "1"
    store = pooch.create(partial, "", registry={"file": None}, urls={"file": file.url}, retry_if_failed=RETRIES)
    try:
        return Path(store.fetch("file", downloader=pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT)))
    except requests.HTTPError as error:
        raise MissingData(name, f"{file.url} answers {error.response.status_code}", _cure(file)) from error
    except requests.RequestException as error:
        reason = f"{file.url} cannot be downloaded ({type(error).__name__})"
        raise MissingData(name, reason, _cure(file)) from error


def _cure(file: DataFile) -> str:
    place = relative(downloads_dir() / file.path)
    source = f" (from {file.url})" if file.url else ""
    return f"Set ANCHORS_DATA_MIRROR to a folder that holds {file.path}, or place the file at {place}{source}"
