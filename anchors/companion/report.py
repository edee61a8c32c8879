"""The gallery: ``figures/index.html``, a page per paper and a page per notebook, without any external request.

Each page carries its style, its script and its pictures; its policy allows this script, by hash, and nothing else.
"""

import os
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion import published, results, sources, start
from anchors.companion.cards import card, judged, rows_of, thumb
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import notebooks
from anchors.companion.pages import body, highlight_css
from anchors.companion.paths import PAPERS, ROOT
from anchors.companion.policy import policy
from anchors.companion.provenance import commit

TEMPLATES = Path(__file__).with_name("templates")
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six")


def write_gallery(profile: str = "laptop") -> Path:
    """Write all pages for the results of ``profile`` and return the path of the index."""
    root = results.figures_root(profile)
    records = sorted(published.papers(), key=lambda paper: PAPERS.index(paper.key))
    sections = [_section(paper, root, profile) for paper in records]
    for section in sections:
        _write_notebook_pages(root / section["key"], section)
        _write_paper_page(root / section["key"], section)
    return _write_index(root, sections, _write_start_page(root))


def _section(paper: published.Paper, root: Path, profile: str) -> dict[str, Any]:
    own = [notebook for notebook in notebooks() if notebook.id.startswith(f"{paper.key}/")]
    own.sort(key=lambda notebook: notebook.meta.get("order", len(own)))
    docs = _linked(ROOT / "docs" / f"{paper.key}.md", root)["link"]
    return {"key": paper.key, "paper": paper, "docs": docs, "cards": [card(one, root, profile) for one in own]}


def _write_index(root: Path, sections: list[dict[str, Any]], start_page: str | None) -> Path:
    plays = [
        one | {"paper": section["paper"].short, "shot": thumb(root / f"play_{section['key']}.png") or one}
        for section in sections for one in section["cards"] if one["play"]
    ]  # fmt: skip
    count = NUMBERS[len(plays)] if len(plays) < len(NUMBERS) else str(len(plays))
    return _write(
        root / "index.html", "index.html.j2", scripts=("copy.js", "gallery.js"), title="Figures", trail=[],
        sections=sections, choices=_choices(sections), plays=plays, start=start_page,
        plays_title=f"{count} thing{'s' * (len(plays) != 1)} to play with",
    )  # fmt: skip


def _choices(sections: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Return the values that each filter offers: those that occur, with the number of cards."""
    cards = [one for section in sections for one in section["cards"]]
    verdicts = Counter(one["verdict"] for one in cards if one["result"])
    statuses = Counter(one["status"] if one["result"] else "not built" for one in cards)
    return {
        "paper": [(s["key"], f"{s['paper'].short} ({len(s['cards'])})") for s in sections],
        "verdict": [(kind, f"{kind} ({verdicts[kind]})") for kind in results.VERDICTS if verdicts[kind]],
        "status": [(k, f"{k} ({statuses[k]})") for k in (*results.STATUSES, "not built") if statuses[k]],
    }


def _write_start_page(root: Path) -> str | None:
    """Write the notebook to start with as a page and return its link; None where there is no such notebook."""
    if not start.PATH.is_file():
        return None
    page = body(start.PATH, "A figure of the first notebook")
    if root.is_relative_to(ROOT):  # its links count from notebooks/, beside which docs/ lies
        page = page.replace('href="../docs/', f'href="{os.path.relpath(ROOT / "docs", root)}/')
    trail = [("Figures", "index.html")]
    _write(root / "start.html", "start.html.j2", extra_css=highlight_css(), title="Start here", trail=trail, body=page)
    return "start.html"


def _write_paper_page(folder: Path, section: dict[str, Any]) -> None:
    cards = {one["name"]: one for one in section["cards"]}
    claims = [
        claim.model_dump() | {"cards": [judged(cards[name], claim.id) for name in claim.tested_by if name in cards]}
        for claim in section["paper"].claims
    ]
    built = [one for one in section["cards"] if one["result"]]
    tables = [
        {"name": one["name"], "title": one["title"], "rows": [_cells(row) for row in rows_of(one["result"])]}
        for one in built
    ]
    _write(
        folder / "index.html", "paper.html.j2", title=section["paper"].short, trail=[("Figures", "../index.html")],
        paper=section["paper"], claims=claims, tables=tables, docs=section["docs"] and f"../{section['docs']}",
        plays=[one for one in built if one["play"]], missing=[one for one in section["cards"] if not one["result"]],
    )  # fmt: skip


def _cells(row: results.Row) -> list[str]:
    """Return the cells of a row as the notebook's own table shows them."""
    return list(results.shown(row).values())


def _write_notebook_pages(folder: Path, section: dict[str, Any]) -> None:
    built = [one for one in section["cards"] if one["result"]]
    for before, one, after in zip([None, *built], built, [*built[1:], None], strict=False):
        _write_notebook_page(folder, one, section["paper"], before, after)


def _write_notebook_page(folder: Path, one: dict, paper: published.Paper, before: dict | None, after: dict | None):
    files = [
        (f".{ending}", f"{one['name']}.{ending}")
        for ending in ("png", "pdf", "csv", "json")
        if (folder / f"{one['name']}.{ending}").is_file()
    ]
    values = {key: one["result"][key] for key in ("seed", "profile")} | {"provenance": one["about"]}
    _write(
        folder / f"{one['name']}.html", "notebook.html.j2", extra_css=highlight_css(), title=one["title"],
        trail=[("Figures", "../index.html"), (paper.short, "index.html")], files=files, name=one["name"], card=one,
        example=_example(one), body=body(one["executed"], one["alt"]), before=before, after=after,
        sources=_sources(one, folder), **values,
    )  # fmt: skip


def _example(one: dict[str, Any]) -> str:
    """Return how a reader sets the notebook's first own parameter: ``P="bits=64"``; nothing when it has none."""
    parameters = one["notebook"].parameters
    own = next((p for name, p in parameters.items() if name not in ("profile", "seed")), None)
    return "" if own is None or isinstance(own.default, list) or own.default == "" else f' P="{own.name}={own.default}"'


def _sources(one: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the functions, modules and tests behind a notebook with links from ``folder``."""
    code = one["notebook"].code
    calls = [vars(call) | _linked(call.path, folder) for call in sources.calls(code)]
    modules = [
        {"direct": module.direct, "tests": [_linked(test, folder) for test in module.tests]}
        | _linked(module.path, folder)
        for module in sources.modules(code)
    ]
    return {"calls": calls, "modules": modules}


def _linked(path: Path, folder: Path) -> dict[str, str | None]:
    """Return a file's path in the repository, and the link to it from a page in ``folder`` that lies there as well."""
    inside = folder.is_relative_to(ROOT) and path.is_file()
    return {"path": str(path.relative_to(ROOT)), "link": os.path.relpath(path, folder) if inside else None}


@cache
def _environment():
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )


def _write(
    path: Path, template: str, scripts: Sequence[str] = ("copy.js",), extra_css: str | None = None, **values: Any
) -> Path:
    """Write one page. ``extra_css`` comes with the body of a notebook, which has styles of its own in its tags."""
    css, script = _text("style.css") + (extra_css or ""), "\n".join(_text(name) for name in scripts)
    built = datetime.now(UTC).strftime("%Y-%m-%d")
    allowed = policy(script, None if extra_css else css)
    page = _environment().get_template(template)
    html = page.render(css=css, script=script, policy=allowed, built=built, commit=commit(), **values)
    path.parent.mkdir(parents=True, exist_ok=True)
    return atomic_write(path, html.encode("utf-8"))


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip("\n")
