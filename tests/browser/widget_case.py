"""Widgets in a real headless Chromium: their pages from file://, and their modules with Python behind them."""

from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from anchors.companion import widgets
from anchors.companion.browser import browser
from anchors.companion.picture import CHROMIUM_FLAGS

WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
LIVE = """
const state = __STATE__, listeners = {}, same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
let changed = {};
const model = {
  get: (name) => state[name],
  set(name, value, own = true) {
    if (same(state[name], value)) return;
    state[name] = value;
    if (own) changed[name] = value;
    for (const listener of listeners[`change:${name}`] ?? []) listener();
  },
  on: (name, listener) => (listeners[name] ??= []).push(listener),
  off: (name, listener) => (listeners[name] = (listeners[name] ?? []).filter((one) => one !== listener)),
  async save_changes() {
    const sent = changed;
    changed = {};
    for (const [name, value] of Object.entries(await window.toPython(sent))) model.set(name, value, false);
  },
};
window.model = model;
window.leave = render({ model, el: document.body });
"""


@contextmanager
def launched():
    """A browser; its pages are offline."""
    assert browser(), "make test installs Chromium"
    with sync_playwright() as play:
        instance = play.chromium.launch(executable_path=browser(), args=list(CHROMIUM_FLAGS))
        yield instance
        instance.close()


def new_page(instance, width: str = "desktop", **options) -> Page:
    """Return an empty page that notes every error and every request that leaves the machine in ``page.trouble``."""
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    page = instance.new_context(viewport=size, offline=True, **options).new_page()
    page.trouble = []
    page.on(
        "request", lambda r: r.url.startswith(("file:", "data:", "blob:")) or page.trouble.append(f"request {r.url}")
    )
    page.on("console", lambda m: m.type in ("error", "warning") and page.trouble.append(f"console {m.text}"))
    page.on("pageerror", lambda e: page.trouble.append(f"error {e}"))
    return page


def open_box(page: Page, box, folder, fragment: str = "") -> Page:
    """Write the page of a box and open it; ``fragment`` begins with #."""
    path = folder / "box.play.html"
    path.write_text(box.page(), encoding="utf-8")
    page.goto("about:blank")
    page.goto(path.as_uri() + fragment)
    page.wait_for_selector(".anchors")
    return page


def open_live(page: Page, box) -> Page:
    """Draw a box as Jupyter does: the browser's changes go to the traits of its anywidget, and theirs come back."""
    import json

    live = box.live

    def to_python(sent):
        before = {name: getattr(live, name) for name in box.state}
        for name, value in sent.items():
            setattr(live, name, value)
        now = {name: getattr(live, name) for name in box.state}
        return {name: value for name, value in now.items() if value != before[name] and name not in sent}

    page.expose_function("toPython", to_python)
    state = json.dumps({name: getattr(live, name) for name in box.state} | {"live": True})
    page.add_style_tag(content=widgets.style(box.source))
    page.add_script_tag(type="module", content=widgets.module(box.source) + LIVE.replace("__STATE__", state))
    page.wait_for_selector(".anchors")
    return page


def functions(page: Page, source, names: str) -> Page:
    """Give a page the functions of a widget's module as ``window.own``."""
    page.add_script_tag(type="module", content=f"{widgets.module(source)}\nwindow.own = {{ {names} }};")
    page.wait_for_function("window.own")
    return page


def check_access(page: Page) -> None:
    """Assert that axe-core finds nothing serious, that nothing is cut off, and that no letter is under 12 px."""
    found = Axe().run(page).response["violations"]
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    assert page.evaluate(SMALLEST) >= 12


SMALLEST = """() => {
  const walk = document.createTreeWalker(document.querySelector(".anchors"), NodeFilter.SHOW_TEXT);
  let least = Infinity;
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !parent.getClientRects().length) continue;
    const scale = parent.getScreenCTM ? Math.abs(parent.getScreenCTM().a) : 1;
    least = Math.min(least, parseFloat(getComputedStyle(parent).fontSize) * scale);
  }
  return least;
}"""
