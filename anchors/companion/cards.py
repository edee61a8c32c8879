"""What the gallery shows of a notebook, as data: title, claim, verdict, a small picture, where it can be opened."""

import base64
import io
import math
from pathlib import Path
from typing import Any

from anchors.companion import results
from anchors.companion.notebooks import Notebook
from anchors.companion.runner import Task, is_current

THUMB_WIDTH = 680  # pixels
SHOWN_PUBLISHED = 3  # rows with a value of the paper that a claim shows for one figure


def card(notebook: Notebook, root: Path, profile: str) -> dict[str, Any]:
    """Return what a card shows; ``result`` is None for a notebook that has not been built.

    ``root`` is the folder of the figures; links are relative to it.
    """
    path = root / f"{notebook.id}.json"
    task = Task(notebook, profile, {})
    result = results.load(path) if path.is_file() and task.executed.is_file() else None
    shown = {
        "id": notebook.id, "name": notebook.path.stem, "title": notebook.title, "claim": notebook.claim,
        "needs": ", ".join(notebook.missing), "link": f"{notebook.id}.html", "result": result, "notebook": notebook,
        "executed": task.executed, "stale": bool(result) and not is_current(task), "play": None,
    }  # fmt: skip
    return shown | (_measured(result, root, notebook) if result else {})


def _measured(result: dict, root: Path, notebook: Notebook) -> dict[str, Any]:
    seeds = max((row["seeds"] for row in result["rows"]), default=0)
    cold = notebook.expected(result["profile"])
    play, about = f"{notebook.id}.play.html", results.about(notebook.id, result["profile"])
    shown = {
        "verdict": result["verdict"]["kind"], "text": result["verdict"]["text"], "status": result["status"],
        "seconds": f"{cold:.0f} s cold" if cold else f"{about.get('seconds', 0):.0f} s",
        "seeds": f"{seeds} seeds" if seeds > 1 else "1 seed", "play": play if (root / play).is_file() else None,
        "about": about,
    }  # fmt: skip
    shown["alt"] = f"{notebook.title}. {shown['text']}"
    return shown | thumb(root / f"{notebook.id}.png")


def thumb(path: Path) -> dict[str, Any]:
    """Return a data URI of a small copy of the picture with its size in pixels; nothing when there is no picture."""
    if not path.is_file():
        return {}
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except OSError:  # a damaged picture: the build that follows makes it again
        return {}
    small.thumbnail((THUMB_WIDTH, THUMB_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(96).save(buffer, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"thumb": uri, "width": small.width, "height": small.height}


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
