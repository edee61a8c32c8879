"""A notebook as the body of a page: pictures described, wide tables within reach of the keyboard, links that lead."""

import html
import re
from functools import cache
from pathlib import Path

NO_ALT = 'alt="No description has been provided for this image"'


def body(notebook: Path, alt: str) -> str:
    """Return a notebook with its outputs as HTML without head (nbconvert's basic template).

    Parameters
    ----------
    alt : what its pictures show, for those who do not see them.
    """
    return mended(_exporter().from_filename(str(notebook))[0], alt)


@cache
def _exporter():
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.exclude_anchor_links = True
    return exporter


def mended(page: str, alt: str) -> str:
    """Return the page with alternative texts, tables that can be scrolled by keyboard, links to pages."""
    page = page.replace(NO_ALT, f'alt="{html.escape(alt)}"')
    page = re.sub(r'(<div class="output_html[^"]*")>(?!<div [^>]*tabindex)', r'\1 tabindex="0">', page)
    return re.sub(r'(<a href="(?!https?:)[^"]*)\.ipynb"', r'\1.html"', page)


@cache
def highlight_css() -> str:
    """Return the colours of code, light and dark; the background is the page's own."""
    from pygments.formatters import HtmlFormatter

    light, dark = (HtmlFormatter(style=name).get_style_defs(".highlight") for name in ("default", "github-dark"))
    words = ".highlight .ow { color: #8a00d4; }"  # "in", "and": the style's own violet is too pale to read
    own = ".highlight { background: none; }"
    return f"\n{light}\n{words}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{own}"
