"""Writes pages, each only when something that it shows has changed.

Each page carries its style, its script and its pictures; its policy allows this script, by hash, and nothing else.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion.codehash import digest
from anchors.companion.files import atomic_write
from anchors.companion.paths import cache_dir
from anchors.companion.policy import policy
from anchors.companion.provenance import commit

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
MAKERS = ("cards", "docs", "listing", "pages", "place", "policy", "press", "report", "results", "site", "sources")


class Press:
    """Writes the pages under one folder and remembers in the cache what each was made from.

    Parameters
    ----------
    root : folder of the pages.
    name : of the file of the memory; one for each folder.
    """

    def __init__(self, root: Path, name: str):
        self.root, self.record = root, cache_dir() / "pages" / f"{name}.json"
        self.known, self.used, self.rendered = _read(self.record), {}, 0

    def page(
        self, path: str, template: str, shown: Any, values: Callable[[], dict[str, Any]],
        scripts: Sequence[str] = ("copy.js",), code: bool = False, styled: bool = False,
    ) -> None:  # fmt: skip
        """Write ``root/path`` unless it is there and was made from the same.

        Parameters
        ----------
        shown : all that the page depends on besides templates and code, as data for JSON.
        values : returns what the template needs; asked only when the page is written.
        code : whether the page shows highlighted code.
        styled : whether tags of the page bring styles of their own.
        """
        key, target = digest(shown, template, look()), self.root / path
        if not self._fresh(path, key, target):
            css = _text("style.css") + (highlight_css() if code else "")
            html = _rendered(template, css, "\n".join(map(_text, scripts)), styled, values())
            self._write(path, key, html.encode("utf-8"))
        self.used[path] = self.known[path]

    def copy(self, source: Path, path: str) -> None:
        """Copy a file to ``root/path`` unless it is there already."""
        target, stat = self.root / path, source.stat()
        if target == source:
            self.known.pop(path, None)  # it is no copy any more
            return
        key = f"{source}:{stat.st_size}:{stat.st_mtime_ns}"
        if not self._fresh(path, key, target):
            self._write(path, key, source.read_bytes())
        self.used[path] = self.known[path]

    def _fresh(self, path: str, key: str, target: Path) -> bool:
        known = self.known.get(path)
        return known is not None and known[0] == key and target.is_file() and known[1:] == _mark(target)

    def _write(self, path: str, key: str, content: bytes) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(target, content)
        self.known[path] = [key, *_mark(target)]
        self.rendered += 1

    def close(self) -> None:
        """Remove pages of this folder that are no longer made, and leave the memory to the next process."""
        for path in set(self.known) - set(self.used):
            (self.root / path).unlink(missing_ok=True)
        if self.used != _read(self.record):
            self.record.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self.record, json.dumps(self.used, indent=0).encode())


def _mark(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]


def _read(path: Path) -> dict[str, list]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


@cache
def look() -> str:
    """Return the hash of templates and of the code that makes pages."""
    files = [*sorted(TEMPLATES.glob("*")), *(HERE / f"{name}.py" for name in MAKERS)]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def _rendered(template: str, css: str, script: str, styled: bool, values: dict[str, Any]) -> str:
    built = datetime.now(UTC).strftime("%Y-%m-%d")
    allowed = policy(script, None if styled else css)
    page = _environment().get_template(template)
    return page.render(css=css, script=script, policy=allowed, built=built, commit=commit(), **values)


@cache
def _environment():
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    found.filters["under"] = lambda link, folder: os.path.relpath(link, folder or ".")
    return found


@cache
def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip("\n")


@cache
def highlight_css() -> str:
    """Return the colours of code, light and dark; the background is the page's own."""
    from pygments.formatters import HtmlFormatter

    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    words = ".highlight .ow, .highlight .nd { color: #8a00d4; }\n.highlight .nl { color: #6b6b00; }"  # else too pale
    own = ".highlight { background: none; }"
    return f"\n{light}\n{words}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"
