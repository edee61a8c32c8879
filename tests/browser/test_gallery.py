"""The gallery in a real headless Chromium, from file://, at desktop and phone width."""

import pytest
from playwright.sync_api import sync_playwright

from anchors.companion.doctor import browser
from anchors.companion.notebooks import notebooks
from anchors.companion.paths import figures_dir
from anchors.companion.picture import CHROMIUM_FLAGS
from anchors.companion.published import paper, papers

pytestmark = pytest.mark.built
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def chromium():
    assert browser(), "make test installs Chromium"
    with sync_playwright() as play:
        instance = play.chromium.launch(executable_path=browser(), args=list(CHROMIUM_FLAGS))
        yield instance
        instance.close()


@pytest.fixture(params=WIDTHS)
def page(chromium, request):
    width, height = WIDTHS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, offline=True)
    tab = context.new_page()
    tab.trouble = []
    tab.on("request", lambda r: r.url.startswith(("file:", "data:")) or tab.trouble.append(f"request {r.url}"))
    tab.on("requestfailed", lambda r: tab.trouble.append(f"failed {r.url}"))
    tab.on("console", lambda m: m.type == "error" and tab.trouble.append(f"console {m.text}"))
    tab.on("pageerror", lambda e: tab.trouble.append(f"error {e}"))
    yield tab
    context.close()


def open_page(page, path):
    page.goto(path.as_uri())
    assert page.trouble == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{path.name} is {overflow} px wider than the window"


def test_every_notebook_has_a_card_and_every_picture_is_there(page):
    open_page(page, figures_dir() / "index.html")
    assert page.locator("article.card").count() == len(notebooks())
    built = [notebook for notebook in notebooks() if not notebook.missing]
    images = page.locator("article.card img")
    assert images.count() == len(built)
    for i in range(images.count()):
        images.nth(i).scroll_into_view_if_needed()
        assert images.nth(i).evaluate("i => i.complete && i.naturalWidth > 300")
        assert len(images.nth(i).get_attribute("alt")) > 20
    for notebook in notebooks():
        card = page.locator("article.card", has_text=notebook.id).first
        assert notebook.claim[:40] in card.inner_text()
        assert ("needs" if notebook.missing else "paper's value: ") in card.inner_text()


def test_click_through_to_the_notebook_and_back(page):
    open_page(page, figures_dir() / "index.html")
    page.locator("article.card h3 a").first.click()
    page.wait_for_load_state()
    assert page.locator(".notebook img").count() >= 1
    assert "make lab" in page.inner_text("body")
    page.locator("nav a").first.click()
    page.wait_for_load_state()
    assert page.locator("article.card").count() == len(notebooks())
    assert page.trouble == []


@pytest.mark.parametrize("record", papers(), ids=lambda record: record.key)
def test_paper_page_shows_claims_table_and_what_is_reconstructed(page, record):
    open_page(page, figures_dir() / record.key / "index.html")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    text = page.inner_text("main")
    for words in ("What is sourced", "What is reconstructed", "Claims", "Published and measured", "not available"):
        assert words in text
    assert page.locator("tbody tr").count() > 50


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda notebook: notebook.id)
def test_every_notebook_page_opens(page, notebook):
    path = figures_dir() / f"{notebook.id}.html"
    if notebook.missing:
        assert not path.exists()
        return
    open_page(page, path)
    text = page.inner_text("main")
    assert f"arXiv {paper(notebook.id.split('/')[0]).arxiv}" in text
    assert ("reconstructed" in text) >= paper(notebook.id.split("/")[0]).reconstructed
    assert page.locator(".notebook img").evaluate_all("all => all.every(i => i.complete && i.naturalWidth > 300)")


def test_page_can_be_read_by_keyboard_and_has_one_heading_of_the_first_rank(page):
    open_page(page, figures_dir() / "index.html")
    assert page.locator("h1").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"
    assert page.get_attribute("html", "lang") == "en"
