"""The gallery in a real headless Chromium, from file://, at desktop and phone width."""

import re
from collections import Counter

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.structure import Structure
from playwright.sync_api import expect

from anchors.companion.notebooks import notebooks
from anchors.companion.paths import PAPERS, ROOT, figures_dir
from anchors.companion.place import docs
from anchors.companion.published import paper, papers

pytestmark = pytest.mark.built
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}
FIRST = {key: next(notebook.id for notebook in notebooks() if notebook.id.startswith(f"{key}/")) for key in PAPERS}
PLAYS = ("thought/own_explorer", "rubric/own_reward_reader", "entity/own_ask_the_graph", "hashing/own_emoji_search")
TEXTS = [f"docs/{path.stem}" for path in docs()]
PAGES = ["index", "start", "reproduction", *(f"{key}/index" for key in PAPERS), *FIRST.values(), *TEXTS]


def new_page(chromium, width, height, **how):
    tab = chromium.new_context(viewport={"width": width, "height": height}, offline=True, **how).new_page()
    tab.trouble = []
    tab.on("request", lambda r: r.url.startswith(("file:", "data:")) or tab.trouble.append(f"request {r.url}"))
    tab.on("requestfailed", lambda r: tab.trouble.append(f"failed {r.url}"))
    tab.on("console", lambda m: m.type == "error" and tab.trouble.append(f"console {m.text}"))
    tab.on("pageerror", lambda e: tab.trouble.append(f"error {e}"))
    return tab


@pytest.fixture(params=WIDTHS)
def page(chromium, request):
    tab = new_page(chromium, *WIDTHS[request.param])
    yield tab
    tab.context.close()


@pytest.fixture
def desktop(chromium):
    tab = new_page(chromium, *WIDTHS["desktop"])
    yield tab
    tab.context.close()


def open_page(page, path, after=""):
    page.goto(path.as_uri() + after)
    assert page.trouble == []
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{path.name} is {overflow} px wider than the window"


def open_index(page, after=""):
    open_page(page, figures_dir() / "index.html", after)


def shown(page):
    """Return the ids of the cards that a reader sees."""
    return page.locator("article.card:visible").evaluate_all("all => all.map(card => card.id)")


def test_every_notebook_has_a_card_and_every_picture_is_there(page):
    open_index(page)
    assert page.locator("article.card").count() == len(notebooks())
    images = page.locator("article.card img")
    assert images.count() == len(notebooks())
    for i in range(images.count()):
        images.nth(i).scroll_into_view_if_needed()
        assert images.nth(i).evaluate("i => i.complete && i.naturalWidth > 300")
        assert len(images.nth(i).get_attribute("alt")) > 20
    for notebook in notebooks():
        card = page.locator(f"article.card[id='{notebook.id}']")
        assert notebook.claim[:40] in card.inner_text()
        assert f"make lab ID={notebook.id}" in card.inner_text()
        text = card.inner_text()
        assert "paper's value: " in text
        assert ("committed result · data not here" in text) == bool(notebook.missing)
        assert all(name in text for name in notebook.missing)
        assert (f"make figure ID={notebook.id}" in text) >= bool(notebook.missing)


def test_click_through_to_the_notebook_and_back(page):
    open_index(page)
    page.locator("article.card h3 a").first.click()
    page.wait_for_load_state()
    assert page.locator(".notebook img").count() >= 1
    assert "make lab ID=" in page.inner_text("body")
    page.locator("nav[aria-label='Breadcrumb'] a").first.click()
    page.wait_for_load_state()
    assert page.locator("article.card").count() == len(notebooks())
    assert page.trouble == []


def test_search_and_filters_show_what_fits_and_say_how_many(page):
    open_index(page)
    everything = shown(page)
    page.fill("#q", "emoji search")
    assert "hashing/own_emoji_search" in shown(page)
    assert page.inner_text("#shown") == f"{len(shown(page))} of {len(everything)} figures"
    assert page.evaluate("location.hash") == "#q=emoji+search"
    page.select_option("#paper", "thought")
    assert all(id.startswith("thought/") for id in shown(page))
    page.fill("#q", "no such words")
    assert shown(page) == []
    assert page.is_visible("#nothing")
    assert page.locator("section.paper:visible").count() == 0
    page.click("button[type=reset]")
    expect(page.locator("article.card:visible")).to_have_count(len(everything))
    assert shown(page) == everything
    assert page.evaluate("location.href.includes('#')") is False


@pytest.mark.parametrize("name", ["paper", "verdict", "status", "state", "compared"])
def test_each_choice_of_a_filter_shows_as_many_cards_as_it_says(desktop, name):
    open_index(desktop)
    seen = []
    for option in desktop.locator(f"#{name} option").evaluate_all("all => all.map(o => [o.value, o.text])")[1:]:
        desktop.select_option(f"#{name}", option[0])
        assert len(shown(desktop)) == int(re.search(r"\((\d+)\)$", option[1])[1]), option
        seen += shown(desktop)
    assert Counter(seen) == Counter(notebook.id for notebook in notebooks())


def test_filters_and_cards_have_permalinks(page):
    open_index(page, "#paper=hashing&q=emoji")
    assert page.input_value("#q") == "emoji"
    assert shown(page)
    assert all(id.startswith("hashing/") for id in shown(page))
    last = notebooks()[0].id
    page.evaluate(f"location.hash = '#{last}'")
    card = page.locator(f"article.card[id='{last}']")
    expect(card).to_be_in_viewport()
    assert page.input_value("#q") == ""
    assert card.evaluate("card => card.matches(':target')")


@pytest.mark.parametrize("words", ["#verdict=%3Cscript%3E&paper=nowhere", "#%E0%A4%A", "#q=%", "#nothing/here"])
def test_an_address_that_nobody_meant_does_no_harm(desktop, words):
    open_index(desktop, words)
    assert desktop.input_value("#paper") == ""
    desktop.fill("#q", "")
    assert len(shown(desktop)) == len(notebooks())
    assert desktop.trouble == []


def test_what_can_be_played_with_is_on_top_and_on_its_card(page):
    open_index(page)
    links = page.locator(".plays a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert sorted(links) == sorted(f"{id}.play.html" for id in PLAYS)
    assert page.inner_text("#plays") == "Four things to play with"
    page.check("#play")
    assert sorted(shown(page)) == sorted(PLAYS)
    for id in PLAYS:
        assert (figures_dir() / f"{id}.play.html").is_file()
        assert page.locator(f"article.card[id='{id}'] a.play").get_attribute("href") == f"{id}.play.html"


def test_without_scripts_every_card_is_there(chromium):
    tab = new_page(chromium, *WIDTHS["desktop"], java_script_enabled=False)
    tab.goto((figures_dir() / "index.html").as_uri())
    assert tab.locator("article.card:visible").count() == len(notebooks())
    assert tab.locator("form:visible, button:visible").count() == 0
    tab.context.close()


def test_the_command_is_copied(chromium):
    tab = new_page(chromium, *WIDTHS["desktop"], permissions=["clipboard-read", "clipboard-write"])
    open_index(tab)
    button = tab.locator("article.card button.copy").first
    button.click()
    expect(button).to_have_text("Copied")
    assert tab.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")
    assert button.get_attribute("data-copy").startswith("make ")
    tab.context.close()


def test_the_keyboard_leads_from_the_search_to_a_notebook(page):
    open_index(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "q":
            break
    page.keyboard.type("metric audit")
    found = shown(page)
    assert 0 < len(found) < len(notebooks())
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.closest('article').id") == found[0]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{found[0]}.html")


@pytest.mark.parametrize("record", papers(), ids=lambda record: record.key)
def test_paper_page_shows_claims_table_and_what_is_reconstructed(page, record):
    open_page(page, figures_dir() / record.key / "index.html")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    text = page.inner_text("main")
    for words in ("What is sourced", "What is reconstructed", "Claims", "Published and measured", "not available"):
        assert words in text
    assert page.locator("tbody tr").count() > 50
    for claim in record.claims:
        row = page.locator(f"tbody[id='claim/{claim.id}']")
        assert claim.text in row.inner_text()
        assert row.locator("a[href^='#claim/']").get_attribute("href") == f"#claim/{claim.id}"
        linked = row.locator("td:nth-of-type(1) a").evaluate_all("all => all.map(a => a.textContent)")
        assert linked == list(claim.tested_by)
        assert row.locator("td .chip").count() == len(linked)


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda notebook: notebook.id)
def test_every_notebook_page_opens(page, notebook):
    open_page(page, figures_dir() / f"{notebook.id}.html")
    text = page.inner_text("main")
    assert f"arXiv {paper(notebook.id.split('/')[0]).arxiv}" in text
    assert ("reconstructed" in text) >= paper(notebook.id.split("/")[0]).reconstructed
    assert page.locator(".notebook img").evaluate_all("all => all.every(i => i.complete && i.naturalWidth > 300)")
    assert page.locator(".notebook img").evaluate_all("all => all.every(i => i.alt.length > 20)")


@pytest.mark.parametrize("notebook", notebooks(), ids=lambda notebook: notebook.id)
def test_two_clicks_from_a_card_lead_to_where_the_numbers_come_from(desktop, notebook):
    open_page(desktop, figures_dir() / f"{notebook.id}.html")
    desktop.click("a[href='#sources']")
    desktop.evaluate("document.querySelector('#sources details').open = true")
    text = desktop.inner_text("#sources")
    for words in ("Functions that the notebook calls", "Data", "Seed, profile", "Commit, code"):
        assert words in text
    paths = re.findall(r"\b(?:anchors|tests)/[\w/]+\.py", text)
    assert all((ROOT / path).is_file() for path in paths)
    calls = re.findall(r"([\w.]+): (anchors/\S+\.py), line (\d+)", text)
    assert any("/studies/" in path for _, path, _ in calls)
    for name, path, line in calls:
        first = (ROOT / path).read_text().splitlines()[int(line) - 1]
        assert re.match(rf"(def|class) {name.split('.')[-1]}\b", first), (name, first)
    assert any(path.startswith("tests/") for path in paths)


@pytest.mark.parametrize("key", PAPERS)
def test_the_notebooks_of_a_paper_follow_each_other(desktop, key):
    open_index(desktop)
    order = [id.split("/")[1] for id in shown(desktop) if id.startswith(f"{key}/")]
    assert set(order) == {notebook.path.stem for notebook in notebooks() if notebook.id.startswith(f"{key}/")}
    for name, after in zip(order, [*order[1:], None], strict=True):
        desktop.goto((figures_dir() / key / f"{name}.html").as_uri())
        links = desktop.locator("a[rel=next]")
        assert (links.get_attribute("href") if links.count() else None) == (f"{after}.html" if after else None)


@pytest.mark.parametrize("name", PAGES)
def test_links_within_the_gallery_lead_somewhere(name):
    path = figures_dir() / f"{name}.html"
    found = Structure(path)
    for link in found.links:
        if not link.startswith(("http:", "https:", "data:")):
            target, _, part = link.partition("#")
            file = (path.parent / target).resolve() if target else path
            assert file.is_file(), link
            if part and file.suffix == ".html":
                assert part in Structure(file).ids, link


@pytest.mark.parametrize(("width", "scheme"), [("desktop", "dark"), ("phone", "light")])
@pytest.mark.parametrize("name", PAGES)
def test_no_serious_trouble_for_those_who_see_or_move_otherwise(chromium, name, width, scheme):
    tab = new_page(chromium, *WIDTHS[width], color_scheme=scheme)
    open_page(tab, figures_dir() / f"{name}.html")
    tab.evaluate("document.querySelectorAll('#sources details').forEach(d => { d.open = true })")
    found = Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        (one["id"], node["html"][:200], node["failureSummary"][:300])
        for one in found if one["impact"] in ("serious", "critical") for node in one["nodes"]
    ]  # fmt: skip
    assert serious == []
    tab.context.close()


@pytest.mark.parametrize("name", ["index", *FIRST.values()])
def test_on_paper_nothing_is_cut(desktop, name):
    desktop.set_viewport_size({"width": 720, "height": 1000})  # a page of A4 with margins
    open_page(desktop, figures_dir() / f"{name}.html")
    desktop.emulate_media(media="print", color_scheme="light")
    cut = """() => [...document.querySelectorAll('main *')].filter(e => {
        const style = getComputedStyle(e);
        return style.overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1 && !e.closest('.unseen');
    }).map(e => e.outerHTML.slice(0, 100))"""
    assert desktop.evaluate(cut) == []
    assert desktop.locator(".filters:visible, .doing:visible, .links:visible, button:visible").count() == 0
    if name == "index":
        lefts = desktop.locator("article.card").evaluate_all("all => all.map(c => c.getBoundingClientRect().left)")
        assert len({round(left) for left in lefts}) == 2


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_well_formed(name):
    found = Structure(figures_dir() / f"{name}.html")
    assert found.faults == []
    assert found.open == []
    assert [id for id, count in Counter(found.ids).items() if count > 1] == []
    assert sorted(found.labels) == sorted(found.fields)
    assert found.headings.count(1) == 1
    assert found.headings[0] == 1
    steps = zip(found.headings, found.headings[1:], strict=False)
    assert all(after <= before + 1 for before, after in steps), found.headings
    text = (figures_dir() / f"{name}.html").read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in text
    assert text.startswith('<!doctype html>\n<html lang="en">')
