"""The gallery: ``figures/index.html``, a page per paper and a page per notebook, without any external request."""

import base64
import io
import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion import published, results
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import Notebook, notebooks
from anchors.companion.provenance import commit
from anchors.companion.runner import Task, is_current

TEMPLATES = Path(__file__).with_name("templates")
THUMB_WIDTH = 680


def write_gallery(profile: str = "laptop") -> Path:
    """Write all pages for the results of ``profile`` and return the path of the index."""
    root = results.figures_root(profile)
    sections = [_section(paper, root, profile) for paper in published.papers()]
    for section in sections:
        folder = root / section["key"]
        for card in section["cards"]:
            if card["result"]:
                _write_notebook_page(folder, card, section["paper"])
        _write_paper_page(folder, section)
    return _write(root / "index.html", "index.html.j2", title="Figures", trail=[], sections=sections)


def _section(paper: published.Paper, root: Path, profile: str) -> dict[str, Any]:
    own = [notebook for notebook in notebooks() if notebook.id.startswith(f"{paper.key}/")]
    own.sort(key=lambda notebook: notebook.meta.get("order", len(own)))
    return {"key": paper.key, "paper": paper, "cards": [_card(notebook, root, profile) for notebook in own]}


def _card(notebook: Notebook, root: Path, profile: str) -> dict[str, Any]:
    """Return what a card shows; ``result`` is None for a notebook that has not been built."""
    path = root / f"{notebook.id}.json"
    task = Task(notebook, profile, {})
    result = results.load(path) if path.is_file() and task.executed.is_file() else None
    card = {
        "id": notebook.id, "name": notebook.path.stem, "title": notebook.title, "claim": notebook.claim,
        "needs": ", ".join(notebook.missing), "link": f"{notebook.id}.html", "result": result,
        "executed": task.executed, "parameters": notebook.parameters, "stale": bool(result) and not is_current(task),
    }  # fmt: skip
    return card | (_measured(result, root, notebook) if result else {})


def _measured(result: dict, root: Path, notebook: Notebook) -> dict[str, Any]:
    seeds = max((row["seeds"] for row in result["rows"]), default=0)
    cold = notebook.expected(result["profile"])
    shown = {
        "verdict": result["verdict"]["kind"], "text": result["verdict"]["text"], "status": result["status"],
        "seconds": f"{cold:.0f} s cold" if cold else f"{result['provenance']['seconds']:.0f} s",
        "seeds": f"{seeds} seeds" if seeds > 1 else "1 seed",
    }  # fmt: skip
    return shown | _thumb(root / f"{notebook.id}.png", f"{notebook.title}. {shown['text']}")


def _thumb(path: Path, alt: str) -> dict[str, Any]:
    """Return a data URI of a small copy of the picture with its size in pixels; nothing when there is no picture."""
    if not path.is_file():
        return {}
    from PIL import Image

    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMB_WIDTH, THUMB_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.quantize(96).save(buffer, "PNG", optimize=True)
    uri = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    return {"thumb": uri, "width": small.width, "height": small.height, "alt": alt}


def _write_paper_page(folder: Path, section: dict[str, Any]) -> None:
    cards = {card["name"]: card for card in section["cards"]}
    claims = [
        claim.model_dump() | {"cards": [_judged(cards[name], claim.id) for name in claim.tested_by if name in cards]}
        for claim in section["paper"].claims
    ]
    tables = [
        {"name": card["name"], "title": card["title"], "rows": [_cells(row) for row in card["result"]["rows"]]}
        for card in section["cards"] if card["result"]
    ]  # fmt: skip
    missing = [card for card in section["cards"] if not card["result"]]
    _write(
        folder / "index.html", "paper.html.j2", title=section["paper"].short, trail=[("Figures", "../index.html")],
        paper=section["paper"], claims=claims, tables=tables, missing=missing,
    )  # fmt: skip


def _judged(card: dict[str, Any], claim: str) -> dict[str, Any]:
    """Return the card with its verdict on one claim of the paper, where it has one of its own for it."""
    verdict = card["result"] and card["result"]["verdict"]["claims"].get(claim)
    return card | ({"verdict": verdict["kind"], "text": verdict["text"]} if verdict else {})


def _cells(row: dict[str, Any]) -> list[str]:
    """Return the cells of a row read from JSON, as the notebook's own table shows them."""
    numbers = {k: math.nan if row[k] is None else row[k] for k in ("measured", "low", "high")}
    return list(results.shown(results.Row(**(row | numbers))).values())


def _write_notebook_page(folder: Path, card: dict[str, Any], paper: published.Paper) -> None:
    files = [
        (f".{ending}", f"{card['name']}.{ending}")
        for ending in ("png", "pdf", "csv", "json")
        if (folder / f"{card['name']}.{ending}").is_file()
    ]
    own = next((p for name, p in card["parameters"].items() if name not in ("profile", "seed")), None)
    example = f' P="{own.name}={own.default}"' if own is not None and not isinstance(own.default, list) else ""
    _write(
        folder / f"{card['name']}.html", "notebook.html.j2", title=card["title"],
        trail=[("Figures", "../index.html"), (paper.short, "index.html")], id=card["id"], files=files,
        example=example, body=_body(card["executed"]), extra_css=_highlight_css(),
    )  # fmt: skip


def _body(executed: Path) -> str:
    """Return the executed notebook as HTML without head (nbconvert's basic template)."""
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.exclude_anchor_links = True
    return exporter.from_filename(str(executed))[0]


@cache
def _highlight_css() -> str:
    from pygments.formatters import HtmlFormatter

    return HtmlFormatter(style="default").get_style_defs(".highlight")


@cache
def _environment():
    import jinja2

    return jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True)


def _write(path: Path, template: str, extra_css: str = "", **values: Any) -> Path:
    css = (TEMPLATES / "style.css").read_text(encoding="utf-8") + extra_css
    built = datetime.now(UTC).strftime("%Y-%m-%d")
    html = _environment().get_template(template).render(css=css, built=built, commit=commit(), **values)
    path.parent.mkdir(parents=True, exist_ok=True)
    return atomic_write(path, html.encode("utf-8"))
