"""Source files as pages of a site: coloured, every line with an anchor, beside the tests and figures that use them."""

from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from anchors.companion.paths import ROOT
from anchors.companion.place import Place
from anchors.companion.place import sources as files
from anchors.companion.press import Press


def write_listings(press: Press, place: Place, behind: dict[str, dict[str, Any]]) -> None:
    """Write a page for each source file of the repository.

    Parameters
    ----------
    behind : of :func:`anchors.companion.sources.behind`, by the id of a notebook.
    """
    tests, figures = _users(behind)
    for path in sorted(files()):
        name = str(path.relative_to(ROOT))
        users = {"tests": sorted(tests[name]), "figures": sorted(figures[name])}
        values = partial(_values, path, place, users)
        press.page(
            place.link(path),
            "source.html.j2",
            [_text(path), users],
            values,
            code=True,
        )


def _users(behind: dict[str, dict[str, Any]]) -> tuple[dict[str, set], dict[str, set]]:
    """Return the tests that import each file, and the figures whose numbers it helps to make."""
    tests, figures = defaultdict(set), defaultdict(set)
    for id, found in behind.items():
        for module in found["modules"]:
            figures[module["path"]].add(id)
            tests[module["path"]].update(module["tests"])
    return tests, figures


def _values(path: Path, place: Place, users: dict[str, list[str]]) -> dict[str, Any]:
    link = place.link(path)
    up = "../" * link.count("/")
    return {
        "title": str(path.relative_to(ROOT)), "lines": lines(path), "trail": [("Figures", f"{up}index.html")],
        "tests": [(name, up + place.link(ROOT / name)) for name in users["tests"]],
        "figures": [(id, f"{up}{id}.html") for id in users["figures"]],
    }  # fmt: skip


def _text(path: Path) -> str:
    """Return the text of a file; bytes that are none are shown as such and stop no page."""
    return path.read_text(encoding="utf-8", errors="replace")


def lines(path: Path) -> str:
    """Return a file as HTML, each line in a span ``L-<number>``."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_for_filename
    from pygments.lexers.special import TextLexer
    from pygments.util import ClassNotFound

    text = _text(path)
    try:
        lexer = get_lexer_for_filename(path.name, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    coloured = highlight(text, lexer, HtmlFormatter(nowrap=True)).removesuffix("\n").split("\n")
    return "\n".join(f'<span id="L-{number}">{line}</span>' for number, line in enumerate(coloured, 1))
