"""Photographs of the gallery and of what can be played with, in headless Chromium, small enough for a README."""

import io
from pathlib import Path

from anchors.companion.browser import CURE, browser
from anchors.companion.errors import InputError
from anchors.companion.files import atomic_write
from anchors.companion.paths import PAPERS, figures_dir
from anchors.companion.report import write_gallery

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
WIDTH, GALLERY, PLAY = 1280, 1400, 860  # pixels: width of all, heights
LARGEST = 250 * 1024  # bytes of a picture
COLOURS = (256, 128, 64, 32, 16)  # of its palette, tried in this order


def photographs() -> list[Path]:
    """Save ``figures/gallery.png`` and, for each paper with a page to play with, ``figures/play_<paper>.png``.

    Raises
    ------
    InputError
        There is no gallery, no browser, or a picture that stays too large.
    """
    from playwright.sync_api import sync_playwright

    root = figures_dir()
    if not (root / "index.html").is_file():
        raise InputError("figures/index.html", "no such file", "the gallery", "Run make figures first.")
    if browser() is None:
        raise InputError("Chromium", "none", "an installed Chromium", CURE)
    pages = {f"play_{paper}": page for paper in PAPERS for page in sorted(root.glob(f"{paper}/*.play.html"))[:1]}
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser(), args=list(CHROMIUM_FLAGS))
        written = [_photograph(chromium, page, root / f"{name}.png", PLAY) for name, page in pages.items()]
        written.append(_photograph(chromium, write_gallery(), root / "gallery.png", GALLERY))  # it shows the others
        chromium.close()
    return written


def _photograph(chromium, page: Path, path: Path, height: int) -> Path:
    """Save what a reader sees of ``page`` when it opens."""
    tab = chromium.new_page(viewport={"width": WIDTH, "height": height})
    tab.goto(page.as_uri())
    tab.wait_for_load_state("load")
    tab.evaluate("document.fonts.ready")
    image = tab.screenshot()
    tab.close()
    return atomic_write(path, small(image, path.name))


def small(image: bytes, name: str) -> bytes:
    """Return a PNG with as many colours of a palette as :data:`LARGEST` allows."""
    from PIL import Image

    with Image.open(io.BytesIO(image)) as opened:
        full = opened.convert("RGB")
    for colours in COLOURS:
        buffer = io.BytesIO()
        full.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            buffer, "PNG", optimize=True
        )
        if buffer.tell() <= LARGEST:
            return buffer.getvalue()
    raise InputError(name, f"{buffer.tell()} bytes with {colours} colours", f"at most {LARGEST}", "Show less on it.")
