"""A notebook as the body of a page: pictures described, wide tables within reach of the keyboard, links that lead."""

import html
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

NO_ALT = 'alt="No description has been provided for this image"'


def body(notebook: Path, alt: str, link: Callable[[str], str | None]) -> str:
    """Return a notebook with its outputs as HTML without head (nbconvert's basic template).

    Parameters
    ----------
    alt : what its pictures show, for those who do not see them.
    link : where a relative link of the notebook leads from the page; None where no page shows it.
    """
    return mended(_exporter().from_filename(str(notebook))[0], alt, link)


@cache
def _exporter():
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    exporter.exclude_anchor_links = True
    return exporter


def mended(page: str, alt: str, link: Callable[[str], str | None]) -> str:
    """Return the page with alternative texts, tables that can be scrolled by keyboard, links to pages."""

    def leads(found: re.Match) -> str:
        target = link(html.unescape(found[1]))
        return f'<a href="{html.escape(target)}"' if target else "<a"

    page = page.replace(NO_ALT, f'alt="{html.escape(alt)}"')
    page = re.sub(r'(<div class="output_html[^"]*")>(?!<div [^>]*tabindex)', r'\1 tabindex="0">', page)
    return re.sub(r'<a href="(?!\w+:|#)([^"]*)"', leads, page)
