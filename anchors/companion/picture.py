"""A photograph of the gallery in headless Chromium."""

from pathlib import Path

from anchors.companion.doctor import browser
from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT, figures_dir

CHROMIUM_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def photograph_gallery(out: str, width: int = 1280, height: int = 1600) -> Path:
    """Save a PNG of ``figures/index.html`` as a reader sees it and return its path."""
    from playwright.sync_api import sync_playwright

    index, path = figures_dir() / "index.html", ROOT / out
    if not index.is_file():
        raise InputError("figures/index.html", "no such file", "the gallery", "Run make figures first.")
    if browser() is None:
        raise InputError("Chromium", "none", "an installed Chromium", "On Debian: apt-get install chromium.")
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser(), args=list(CHROMIUM_FLAGS))
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.goto(index.as_uri())
        page.screenshot(path=str(path))
        chromium.close()
    return path
