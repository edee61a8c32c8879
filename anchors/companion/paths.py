"""Where everything lives, resolved from the repository and never from the working directory."""

import hashlib
import os
from pathlib import Path

from anchors.companion.errors import AnchorsError

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
PUBLISHED = DATA / "published"
RUNS = DATA / "runs"
NOTEBOOKS = Path(os.environ.get("ANCHORS_NOTEBOOKS", ROOT / "notebooks"))
PAPERS = ("thought", "rubric", "entity", "hashing")


def _folder(variable: str, default: Path) -> Path:
    """Return the folder named by an environment variable (relative to the repository) or ``default``; create it."""
    path = (ROOT / Path(os.environ.get(variable) or default).expanduser()).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AnchorsError(f"{path}: cannot be made ({error.strerror}); set {variable} to a writable folder") from error
    return path


def cache_dir() -> Path:
    """Return the folder for recomputable results (``$ANCHORS_CACHE`` or ``data/cache``)."""
    return _folder("ANCHORS_CACHE", DATA / "cache")


def clone_dir(name: str) -> Path:
    """Return a folder in the cache for what belongs to this clone alone; clones that share a cache have one each."""
    folder, place = cache_dir(), str(ROOT)
    own = folder.is_relative_to(ROOT)
    return folder / name if own else folder / name / hashlib.sha256(place.encode()).hexdigest()[:10]


def downloads_dir() -> Path:
    """Return the folder for downloaded data sets (``$ANCHORS_DOWNLOADS`` or ``data/downloads``)."""
    return _folder("ANCHORS_DOWNLOADS", DATA / "downloads")


def figures_dir() -> Path:
    """Return the folder for built figures (``$ANCHORS_FIGURES`` or ``figures``)."""
    return _folder("ANCHORS_FIGURES", ROOT / "figures")


def mirror() -> Path | None:
    """Return the data mirror named by ``$ANCHORS_DATA_MIRROR``, or None; relative paths count from the repository."""
    value = os.environ.get("ANCHORS_DATA_MIRROR", "").strip()
    return (ROOT / Path(value).expanduser()).resolve() if value else None


def offline() -> bool:
    """Return whether ``ANCHORS_OFFLINE=1`` forbids every download."""
    return os.environ.get("ANCHORS_OFFLINE", "").strip() == "1"


def relative(path: Path) -> str:
    """Return ``path`` relative to the repository where it lies inside it, for messages without machine paths."""
    path = Path(path)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
