"""The site in a real headless Chromium, served from a sub-path and read from file://: complete, without a request."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.structure import Structure

from anchors.companion.notebooks import notebooks
from anchors.companion.paths import PAPERS
from anchors.companion.place import docs
from anchors.companion.site import write_site

pytestmark = pytest.mark.slow
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
SOURCES = ["source/anchors/hashing/codes.py", "source/Makefile", "source/data/published/thought.yml"]
TEXTS = [f"docs/{path.stem}" for path in docs()]
PAGES = [
    "index", "start", "reproduction", *(f"{key}/index" for key in PAPERS), *(one.id for one in notebooks()),
    *TEXTS, *SOURCES,
]  # fmt: skip


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The site's folder, and the address of it in a sub-path of a static host on this machine."""
    top = tmp_path_factory.mktemp("served")
    folder = write_site(top / "some" / "sub").parent
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(top))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}/some/sub"
        server.shutdown()


def open_tab(chromium, allowed, width, scheme):
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    tab = chromium.new_context(viewport=size, color_scheme=scheme).new_page()
    tab.trouble = []
    tab.on("request", lambda r: r.url.startswith((allowed, "data:")) or tab.trouble.append(f"request {r.url}"))
    tab.on("requestfailed", lambda r: tab.trouble.append(f"failed {r.url}"))
    tab.on("response", lambda r: r.ok or r.url.startswith(("file:", "data:")) or tab.trouble.append(f"answer {r.url}"))
    tab.on("console", lambda m: m.type in ("error", "warning") and tab.trouble.append(f"console {m.text}"))
    tab.on("pageerror", lambda e: tab.trouble.append(f"error {e}"))
    return tab


@pytest.mark.parametrize(("host", "width", "scheme"), [("http", "phone", "light"), ("file", "desktop", "dark")])
def test_every_page_opens_alone_and_fits_the_window(chromium, served, host, width, scheme):
    folder, address = served
    start = address if host == "http" else folder.as_uri()
    tab = open_tab(chromium, start, width, scheme)
    wide = {}
    for name in PAGES:
        tab.goto(f"{start}/{name}.html")
        over = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        wide |= {name: over} if over > 0 else {}
        assert tab.trouble == [], name
    assert wide == {}
    tab.context.close()


def test_every_link_leads_to_a_file_and_a_place_within_the_folder(served):
    folder, _ = served
    pages = {path: Structure(path) for path in folder.rglob("*.html")}
    assert len(pages) > 500
    outside = []
    for path, page in pages.items():
        for link in (*page.links, *page.loaded):
            name, _, part = link.partition("#")
            file = (path.parent / name).resolve() if name else path
            if link.startswith(("https://", "http://")) and link in page.links:
                continue
            inside = link.startswith("data:") or (file.is_file() and file.is_relative_to(folder))
            if not inside or (part and file in pages and file.suffix == ".html" and part not in pages[file].ids):
                outside.append((str(path.relative_to(folder)), link))
    assert outside == []
    assert (folder / ".nojekyll").is_file()


def test_pages_are_well_formed(served):
    folder, _ = served
    faults = {}
    for name in PAGES:
        found = Structure(folder / f"{name}.html")
        twice = len(found.ids) - len(set(found.ids))
        if found.faults or found.open or twice or found.headings[:1] != [1] or found.headings.count(1) != 1:
            faults[name] = (found.faults[:2], found.open, twice, found.headings)
    assert faults == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["docs/README", "docs/rubric", SOURCES[0], "reproduction", "thought/fig2_case_study"])
def test_no_serious_trouble_for_those_who_see_or_move_otherwise(chromium, served, name, scheme):
    folder, address = served
    tab = open_tab(chromium, address, "desktop", scheme)
    tab.goto(f"{address}/{name}.html")
    found = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        (one["id"], node["html"][:200], node["failureSummary"][:300])
        for one in found if one["impact"] in ("serious", "critical") for node in one["nodes"]
    ]  # fmt: skip
    assert serious == []
    tab.context.close()


def test_from_a_number_two_clicks_lead_to_the_function_and_to_its_test(chromium, served):
    folder, address = served
    tab = open_tab(chromium, address, "desktop", "light")
    tab.goto(f"{address}/hashing/own_metric_audit.html")
    call = tab.locator("#sources dd li").first
    name, line = call.locator("code").first.inner_text(), call.inner_text().rsplit(" ", 1)[1]
    call.locator("a").click()
    target = tab.locator(".source :target")
    assert f"def {name.rsplit('.', 1)[-1]}" in target.inner_text()
    assert target.get_attribute("id") == f"L-{line}"
    tab.go_back()
    tab.evaluate("document.querySelector('#sources details').open = true")
    tab.locator("#sources a[href*='/tests/']").first.click()
    assert "def test_" in tab.inner_text(".source")
    assert tab.trouble == []
    tab.context.close()


def test_every_result_is_shown_with_its_files(chromium, served):
    folder, address = served
    tab = open_tab(chromium, address, "desktop", "light")
    tab.goto(f"{address}/index.html")
    assert tab.locator("article.card").count() == len(notebooks())
    assert tab.locator("article.card img").count() == len(notebooks())
    tab.context.close()
    for one in notebooks():
        assert json.loads((folder / f"{one.id}.json").read_text(encoding="utf-8"))["id"] == one.id
        assert (folder / f"{one.id}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{one.id}.csv").stat().st_size > 50
