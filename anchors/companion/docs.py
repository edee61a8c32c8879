"""Texts of the repository as pages: headings with anchors, coloured code, links that lead to other pages."""

import base64
import html
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import mistune

from anchors.companion.paths import ROOT
from anchors.companion.place import Place, docs
from anchors.companion.press import Press

TAG = re.compile(r"<[^>]+>")


class Body(mistune.HTMLRenderer):
    """Renders one text for a page in ``docs/``.

    Parameters
    ----------
    path : of the text; its links count from there.
    place : says which page shows a linked file.
    """

    def __init__(self, path: Path, place: Place):
        super().__init__(escape=True)
        self.path, self.place, self.slugs, self.title = path, place, Counter(), ""

    def heading(self, text: str, level: int, **attributes: Any) -> str:
        plain = html.unescape(TAG.sub("", text))
        self.title = self.title or plain
        name = slug(plain)
        self.slugs[name] += 1
        anchor = name if self.slugs[name] == 1 else f"{name}-{self.slugs[name] - 1}"
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        target = self.target(url)
        return text if target is None else f'<a href="{html.escape(target)}">{text}</a>'

    def target(self, url: str) -> str | None:
        """Return where a link leads from a page in ``docs/``; None where no page or file shows it."""
        name, _, part = url.partition("#")
        if not name or "://" in name or name.startswith("mailto:"):
            return url
        link = self.place.link(self.path.parent / name, part)
        return None if link is None else f"../{link}"

    def image(self, text: str, url: str, title: str | None = None) -> str:
        path, alt = (self.path.parent / url).resolve(), html.escape(TAG.sub("", text))
        if "://" in url or not path.is_file() or path.suffix != ".png":
            return alt  # a page makes no request
        content = path.read_bytes()
        width, height = (int.from_bytes(content[i : i + 4], "big") for i in (16, 20))
        data = base64.b64encode(content).decode()
        return f'<img src="data:image/png;base64,{data}" width="{width}" height="{height}" alt="{alt}">'

    def block_code(self, code: str, info: str | None = None) -> str:
        return f'<div class="highlight"><pre tabindex="0">{coloured(code, info)}</pre></div>\n'

    def table(self, text: str) -> str:
        return f'<div class="table" tabindex="0" role="group" aria-label="Table"><table>\n{text}</table></div>\n'

    def table_head(self, text: str) -> str:
        return f"<thead>\n<tr>\n{text}</tr>\n</thead>\n" if TAG.sub("", text).strip() else ""


def coloured(code: str, language: str | None) -> str:
    """Return code with the classes of pygments; as it is where the language is not known."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name((language or "text").split()[0])
    except ClassNotFound:
        lexer = get_lexer_by_name("text")
    return highlight(code, lexer, HtmlFormatter(nowrap=True))


def slug(title: str) -> str:
    """Return the anchor of a heading: lower case, blanks as hyphens, no other signs."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def render(path: Path, place: Place) -> tuple[str, str]:
    """Return title and body of a text; what is no Markdown is shown as it is."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".md":
        return path.stem, f'<h1>{html.escape(path.stem)}</h1>\n<pre tabindex="0">{html.escape(text)}</pre>'
    body = Body(path, place)
    page = str(mistune.create_markdown(renderer=body, plugins=["table", "strikethrough", "url"])(text))
    return body.title or path.stem, page


def write_docs(press: Press, place: Place) -> None:
    """Write a page in ``docs/`` for each text of the repository."""
    files = {str(path.relative_to(ROOT)): place.link(path) for path in docs()}
    for path in docs():
        values = partial(_values, path, place)
        press.page(place.link(path), "doc.html.j2", [_shown(path), files, place.name], values, code=True)


def _shown(path: Path) -> list[Any]:
    """Return what a page of text depends on: the text, and whether what it links to is there."""
    text = path.read_text(encoding="utf-8")
    linked = sorted(set(re.findall(r"\]\(([^)#\s]+)", text)))
    near = [path.parent / name for name in linked if "://" not in name]
    return [text, [[str(one), one.stat().st_mtime_ns if one.suffix == ".png" else 0] for one in near if one.exists()]]


def _values(path: Path, place: Place) -> dict[str, Any]:
    title, body = render(path, place)
    title = path.stem if path.parent == ROOT else title
    pages = [(words, Path(place.link(one)).name, one == path) for one, words in docs().items()]
    return {"title": title, "body": body, "pages": pages, "trail": [("Figures", "../index.html")],
            "path": str(path.relative_to(ROOT))}  # fmt: skip
