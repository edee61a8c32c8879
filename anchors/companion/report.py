"""The gallery: ``figures/index.html``, a page per paper, notebook and text, and what was reproduced.

A figure that was not built here is shown as it is committed. :mod:`anchors.companion.press` writes a page only when
something on it has changed.
"""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from anchors.companion import codehash, published, reproduction, results, sources, start
from anchors.companion.cards import COMMITTED, FILES, NOT_BUILT, STATES, card, judged, rows_of, thumb
from anchors.companion.datasets import fingerprint
from anchors.companion.docs import write_docs
from anchors.companion.files import sha256
from anchors.companion.notebooks import notebooks
from anchors.companion.pages import body
from anchors.companion.paths import PAPERS, ROOT
from anchors.companion.place import Place
from anchors.companion.press import Press

SAME = (reproduction.IDENTICAL, reproduction.TIMING)  # rows that the page on reproduction does not list
NUMBERS = ("No", "One", "Two", "Three", "Four", "Five", "Six")


def write_gallery(profile: str = "laptop") -> Path:
    """Write the pages whose inputs have changed, for the results of ``profile``; return the path of the index."""
    place = Place(results.figures_root(profile), profile)
    press = Press(place.root, place.name)
    write_pages(press, place)
    press.close()
    codehash.remember()
    return place.root / "index.html"


def write_pages(press: Press, place: Place) -> dict[str, dict[str, Any]]:
    """Write all pages of a place; return the sources behind each notebook, by its id."""
    behind, compared = sources.behind(notebooks()), reproduction.read(place.profile)
    figures = {one["id"]: one for one in compared.get("figures", [])}
    records = sorted(published.papers(), key=lambda paper: PAPERS.index(paper.key))
    sections = [_section(paper, place, figures) for paper in records]
    _write_index(press, place, sections, compared)
    for section in sections:
        _write_paper_page(press, place, section)
    _write_reproduction(press, sections, compared)
    write_docs(press, place)
    _write_start_page(press, place)
    for section in sections:
        _write_notebook_pages(press, place, section, behind)
    return behind


def _section(paper: published.Paper, place: Place, figures: dict[str, Any]) -> dict[str, Any]:
    own = [notebook for notebook in notebooks() if notebook.id.startswith(f"{paper.key}/")]
    own.sort(key=lambda notebook: notebook.meta.get("order", len(own)))
    cards = [card(one, place, figures.get(one.id, {})) for one in own]
    return {"key": paper.key, "paper": paper, "docs": place.link(ROOT / "docs" / f"{paper.key}.md"), "cards": cards}


def _write_index(press: Press, place: Place, sections: list[dict[str, Any]], compared: dict[str, Any]) -> None:
    shots = {key: ROOT / "figures" / f"play_{key}.png" for key in PAPERS}
    shown = [
        [[section["key"], section["docs"], section["paper"].model_dump(), [one["mark"] for one in section["cards"]]]
         for section in sections],
        compared.get("line"), start.PATH.is_file(), _docs(place), [sha256(p) for p in shots.values() if p.is_file()],
    ]  # fmt: skip
    values = partial(_index, place, sections, compared, shots)
    press.page("index.html", "index.html.j2", shown, values, scripts=("copy.js", "gallery.js"))


def _index(place: Place, sections: list[dict], compared: dict[str, Any], shots: dict[str, Path]) -> dict[str, Any]:
    for one in (one for section in sections for one in section["cards"] if one["result"]):
        one |= thumb(one["picture"])
    plays = [
        one | {"short": section["paper"].short, "shot": thumb(shots[section["key"]]) or one}
        for section in sections for one in section["cards"] if one["play"] or (one["plays"] and one["result"])
    ]  # fmt: skip
    count = NUMBERS[len(plays)] if len(plays) < len(NUMBERS) else str(len(plays))
    return {
        "title": "Figures", "trail": [], "sections": sections, "choices": _choices(sections), "plays": plays,
        "plays_title": f"{count} thing{'s' * (len(plays) != 1)} to play with", "docs": _docs(place),
        "start": start.PATH.is_file() and "start.html", "reproduced": compared.get("line"),
    }  # fmt: skip


def _docs(place: Place) -> list[tuple[str, str]]:
    """Return the texts that no paper's section links to: words, link."""
    from anchors.companion.place import docs

    return [(words, place.link(path)) for path, words in docs().items() if words not in PAPERS]


def _choices(sections: list[dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Return the values that each filter offers: those that occur, with the number of cards."""
    cards = [one for section in sections for one in section["cards"]]

    def counted(name: str, order: tuple[str, ...], of: Any) -> list[tuple[str, str]]:
        found = Counter(filter(None, map(of, cards)))
        return [(kind, f"{kind} ({found[kind]})") for kind in order if found[kind]]

    return {
        "paper": [(s["key"], f"{s['paper'].short} ({len(s['cards'])})") for s in sections],
        "verdict": counted("verdict", results.VERDICTS, lambda one: one["result"] and one["verdict"]),
        "status": counted(
            "status", (*results.STATUSES, NOT_BUILT), lambda one: one["status"] if one["result"] else NOT_BUILT
        ),
        "state": counted("state", STATES, lambda one: one["state"]),
        "compared": counted("compared", reproduction.STATES, lambda one: one["compared"].get("state")),
    }


def _write_start_page(press: Press, place: Place) -> None:
    """Write the notebook to start with as a page, where there is one."""
    if start.PATH.is_file():
        values = partial(_start, place)
        press.page("start.html", "start.html.j2", sha256(start.PATH), values, code=True, styled=True)


def _start(place: Place) -> dict[str, Any]:
    page = body(start.PATH, "A figure of the first notebook", _linker(start.PATH, place, ""))
    return {"title": "Start here", "trail": [("Figures", "index.html")], "body": page}


def _linker(notebook: Path, place: Place, up: str):
    """Return what turns a link of a notebook into one of its page, which lies ``up`` from the folder of the pages."""

    def leads(target: str) -> str | None:
        name, _, part = target.partition("#")
        link = place.link(notebook.parent / name, part)
        return None if link is None else up + link

    return leads


def _write_paper_page(press: Press, place: Place, section: dict[str, Any]) -> None:
    shown = [section["paper"].model_dump(), section["docs"], [one["mark"] for one in section["cards"]]]
    press.page(f"{section['key']}/index.html", "paper.html.j2", shown, partial(_paper, section))


def _paper(section: dict[str, Any]) -> dict[str, Any]:
    cards = {one["name"]: one for one in section["cards"]}
    claims = [
        claim.model_dump() | {"cards": [judged(cards[name], claim.id) for name in claim.tested_by if name in cards]}
        for claim in section["paper"].claims
    ]
    known = [one for one in section["cards"] if one["result"]]
    tables = [
        {"name": one["name"], "title": one["title"], "origin": one["origin"], "built": one["state"] != COMMITTED,
         "rows": [list(results.shown(row).values()) for row in rows_of(one["result"])]}
        for one in known
    ]  # fmt: skip
    return {
        "title": section["paper"].short, "trail": [("Figures", "../index.html")], "paper": section["paper"],
        "claims": claims, "tables": tables, "docs": section["docs"] and f"../{section['docs']}",
        "plays": [one for one in known if one["play"]],
        "missing": [one for one in section["cards"] if not one["result"]],
    }  # fmt: skip


def _write_reproduction(press: Press, sections: list[dict[str, Any]], compared: dict[str, Any]) -> None:
    titles = {one["id"]: one["title"] for section in sections for one in section["cards"]}
    known = [one["id"] for section in sections for one in section["cards"] if one["result"]]
    values = partial(_reproduction, titles, known, compared)
    press.page("reproduction.html", "reproduction.html.j2", [titles, known, compared], values)


def _reproduction(titles: dict[str, str], known: list[str], compared: dict[str, Any]) -> dict[str, Any]:
    figures = [
        one | {"title": titles[one["id"]], "link": f"{one['id']}.html" if one["id"] in known else None,
               "moved": [row for row in one["rows"] if row["state"] not in SAME]}
        for one in compared.get("figures", []) if one["id"] in titles
    ]  # fmt: skip
    states = [state for state in reproduction.STATES if compared.get("counts", {}).get(state)]
    return {"title": "What was reproduced", "trail": [("Figures", "index.html")], "line": compared.get("line"),
            "figures": figures, "states": states, "counts": compared.get("counts", {})}  # fmt: skip


def _write_notebook_pages(press: Press, place: Place, section: dict[str, Any], behind: dict[str, Any]) -> None:
    known = [one for one in section["cards"] if one["result"]]
    for before, one, after in zip([None, *known], known, [*known[1:], None], strict=False):
        turn = [other and {name: other[name] for name in ("name", "title")} for other in (before, after)]
        for shown in filter(None, (one, one["beside"])):
            _write_notebook_page(press, place, section["paper"], shown, turn, behind[one["id"]])
        if one["play"]:
            press.copy(Path(f"{one['version'].stem}.play.html"), one["play"])


def _write_notebook_page(press: Press, place: Place, paper: published.Paper, one: dict, turn: list, behind: dict):
    stem, target = one["version"].stem, place.target(one["version"].stem)
    endings = [ending for ending in FILES if Path(f"{stem}.{ending}").is_file()]
    for ending in endings:
        if not (place.near and stem.is_relative_to(ROOT)):
            press.copy(Path(f"{stem}.{ending}"), f"{target}.{ending}")
    files = [(f".{ending}", f"../{target}.{ending}") for ending in endings]
    shown = [one["mark"], one["beside"] is not None, turn, behind, place.name, files, paper.short]
    values = partial(_notebook, place, paper, one, turn, behind, files)
    press.page(one["link"], "notebook.html.j2", shown, values, code=True, styled=True)


def _notebook(place: Place, paper: published.Paper, one: dict, turn: list, behind: dict, files: list) -> dict[str, Any]:
    notebook = one["notebook"]
    page = body(one["version"].notebook, one["alt"], _linker(notebook.path, place, "../"))
    values = {key: one["result"][key] for key in ("seed", "profile")}
    data = one["result"].get("data") or {name: fingerprint(name)[:16] for name in notebook.needs}
    return values | {
        "title": one["title"], "trail": [("Figures", "../index.html"), (paper.short, "index.html")], "files": files,
        "name": one["name"], "card": one, "example": _example(one), "body": page, "before": turn[0], "after": turn[1],
        "about": one["about"], "data": data, "sources": _linked(place, behind), "lacking": notebook.lacking,
    }  # fmt: skip


def _example(one: dict[str, Any]) -> str:
    """Return how a reader sets the notebook's first own parameter: ``P="bits=64"``; nothing when it has none."""
    parameters = one["notebook"].parameters
    own = next((p for name, p in parameters.items() if name not in ("profile", "seed")), None)
    return "" if own is None or isinstance(own.default, list) or own.default == "" else f' P="{own.name}={own.default}"'


def _linked(place: Place, behind: dict[str, Any]) -> dict[str, Any]:
    """Return the functions, modules and tests behind a notebook with links from the folder of its page."""

    def linked(path: str, line: int = 0) -> dict[str, str | None]:
        link = place.line(ROOT / path, line) if line else place.link(ROOT / path)
        return {"path": path, "link": link and f"../{link}"}

    return {
        "calls": [call | linked(call["path"], call["line"]) for call in behind["calls"]],
        "modules": [
            one | linked(one["path"]) | {"tests": [linked(test) for test in one["tests"]]} for one in behind["modules"]
        ],
    }
