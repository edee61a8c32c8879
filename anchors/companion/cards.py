"""What the gallery shows of a notebook, as data: claim, verdict, a small picture, where its numbers were made."""

import base64
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anchors.companion import results
from anchors.companion.codehash import digest
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write, sha256
from anchors.companion.notebooks import Notebook
from anchors.companion.paths import ROOT, cache_dir
from anchors.companion.place import Place
from anchors.companion.runner import Task, is_current, read_state
from anchors.companion.used import file_hash

THUMB_WIDTH = 680  # pixels
SHOWN_PUBLISHED = 3  # rows with a value of the paper that a claim shows for one figure
BUILT, REDUCED, COMMITTED, NOT_BUILT = "built here", "built here on less data", "committed result", "not built"
STATES = (BUILT, REDUCED, COMMITTED, NOT_BUILT)
FILES = ("png", "pdf", "csv", "json")


@dataclass(frozen=True)
class Version:
    """A result that can be shown: how it came here, its files without ending, its notebook with outputs, its json."""

    state: str
    stem: Path
    notebook: Path
    result: dict[str, Any]


def versions(notebook: Notebook, profile: str) -> list[Version]:
    """Return the results to show for a notebook: the one built here before the committed one, where they differ."""
    task, stem = Task(notebook, profile, {}), ROOT / "figures" / notebook.id
    own = _version(REDUCED if notebook.lacking else BUILT, task.stem, task.executed) if was_built(task) else None
    known = _version(COMMITTED, stem, notebook.path) if own is None or own.state == REDUCED else None
    return [version for version in (own, known) if version is not None]


def _version(state: str, stem: Path, notebook: Path) -> Version | None:
    """Return a result that is there; None for a damaged one, which the next build makes again."""
    path = Path(f"{stem}.json")
    try:
        return Version(state, stem, notebook, results.load(path)) if path.is_file() else None
    except InputError:
        return None


def was_built(task: Task) -> bool:
    """Return whether the results of a task are those that its last run here wrote, whatever has changed since."""
    path, state = Path(f"{task.stem}.json"), read_state(task)
    wrote = {path: state.get("files", {}).get("json"), task.executed: state.get("executed")}
    return all(value is not None and file_hash(path) == value for path, value in wrote.items())


def card(notebook: Notebook, place: Place, compared: dict[str, Any]) -> dict[str, Any]:
    """Return what a card shows; links are relative to the folder of the pages.

    Parameters
    ----------
    compared : what :func:`anchors.companion.reproduction.read` says of this figure, empty where it says nothing.
    """
    found = versions(notebook, place.profile)
    base = {
        "id": notebook.id, "name": notebook.path.stem, "paper": notebook.id.split("/")[0], "title": notebook.title,
        "claim": notebook.claim, "needs": notebook.missing, "link": f"{notebook.id}.html", "notebook": notebook,
        "state": NOT_BUILT, "result": None, "play": None, "plays": "play=" in notebook.code, "compared": compared,
        "beside": None, "stale": False,
    }  # fmt: skip
    shown = base | (_measured(found[0], notebook, place) if found else {})
    shown["stale"] = shown["state"] in (BUILT, REDUCED) and not is_current(Task(notebook, place.profile, {}))
    if len(found) > 1:  # the committed result beside one on less data
        other = base | _measured(found[1], notebook, place) | {"link": f"{notebook.id}.committed.html", "compared": {}}
        shown["beside"] = other | {"mark": _mark(other)}
    return shown | {"mark": _mark(shown)}


def _measured(version: Version, notebook: Notebook, place: Place) -> dict[str, Any]:
    result = version.result
    seeds = max((row["seeds"] for row in result["rows"]), default=0)
    built, play = version.state != COMMITTED, Path(f"{version.stem}.play.html")
    shown = {
        "version": version, "result": result, "state": version.state, "origin": _origin(version, notebook),
        "verdict": result["verdict"]["kind"], "text": result["verdict"]["text"], "status": result["status"],
        "seconds": _seconds(notebook, place.profile), "seeds": f"{seeds} seeds" if seeds > 1 else "1 seed",
        "play": f"{notebook.id}.play.html" if built and play.is_file() else None,
        "about": results.about(notebook.id, place.profile) if built else {},
    }  # fmt: skip
    return shown | {"alt": f"{notebook.title}. {shown['text']}", "picture": Path(f"{version.stem}.png")}


def _origin(version: Version, notebook: Notebook) -> str:
    """Return the words of the label that says where a result was made."""
    if version.state == COMMITTED:
        return f"{COMMITTED} · {'data not here' if notebook.missing else 'not built here yet'}"
    if version.state == REDUCED:
        return f"{BUILT} without {', '.join(notebook.lacking)}"
    return BUILT


def _seconds(notebook: Notebook, profile: str) -> str:
    cold = notebook.expected(profile)
    seconds = cold or results.about(notebook.id, profile).get("seconds")
    return "" if not seconds else f"{seconds:.0f} s{' cold' if cold else ''}"


def thumb(path: Path) -> dict[str, Any]:
    """Return a data URI of a small copy of the picture with its size in pixels; nothing without a whole picture."""
    if not path.is_file():
        return {}
    kept = cache_dir() / "pages" / "thumbs" / f"{sha256(path)[:24]}-{THUMB_WIDTH}.png"
    try:
        content = kept.read_bytes() if kept.is_file() else _reduce(path, kept)
    except OSError:  # a damaged picture: the next build makes it again
        return {}
    width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))  # of the header of a PNG
    uri = "data:image/png;base64," + base64.b64encode(content).decode()
    return {"thumb": uri, "width": width, "height": height}


def _reduce(path: Path, target: Path) -> bytes:
    """Write a small copy of a picture with few colours and return its bytes."""
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB")
    small.thumbnail((THUMB_WIDTH, THUMB_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(96, dither=Image.Dither.NONE).save(buffer, "PNG")
    target.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(target, buffer.getvalue())
    return buffer.getvalue()


def judged(card: dict[str, Any], claim: str) -> dict[str, Any]:
    """Return the card with its verdict on one claim of the paper, and the first rows that have a published value."""
    result = card["result"]
    if result is None:
        return card
    rows = [results.shown(row) for row in rows_of(result) if row.published is not None]
    own = result["verdict"]["claims"].get(claim)
    verdict = {"verdict": own["kind"], "text": own["text"]} if own else {}
    return card | verdict | {"published": rows[:SHOWN_PUBLISHED], "more": max(0, len(rows) - SHOWN_PUBLISHED)}


def rows_of(result: dict[str, Any]) -> list[results.Row]:
    """Return the rows of a result read from JSON, where not-a-number is null."""
    floats = ("measured", "low", "high")
    return [
        results.Row(**(row | {name: math.nan if row[name] is None else row[name] for name in floats}))
        for row in result["rows"]
    ]


def _mark(card: dict[str, Any]) -> str:
    """Return the hash of all that the pages of a card depend on: a change of it is a change of the pages."""
    words = [card[name] for name in ("id", "title", "claim", "needs", "state", "link", "play", "plays", "compared")]
    if card["result"] is None:
        return digest(words)
    version: Version = card["version"]
    made = [card["origin"], card["stale"], card["seconds"], card["about"], card["notebook"].lacking]
    files = [_hash(Path(f"{version.stem}.{ending}")) for ending in FILES]
    return digest(words, made, files, _hash(version.notebook), card["beside"] and card["beside"]["mark"])


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else ""
