"""The thought-anchor explorer in a real headless Chromium: views, keys, files, exports, hostile texts, access."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import explorer_case as case
from playwright.sync_api import expect
from scipy.stats import spearmanr

from anchors.companion import widgets
from anchors.thought import official
from anchors.thought.taxonomy import INITIALS, NAMES

pytestmark = pytest.mark.slow
FOLDER = Path(widgets.__file__).parents[1] / "thought" / "explorer"
DESKTOP, PHONE = (1440, 1000), (390, 844)
TABS = ("circle", "tree", "matrix", "strips", "heads", "compare", "transitions")
FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))"
DROP = """([files]) => {
  const transfer = new DataTransfer();
  for (const [name, part] of files)
    transfer.items.add(new File([typeof part === "string" ? part : new Uint8Array(part)], name));
  const drop = new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.querySelector(".explorer").dispatchEvent(drop);
}"""
PAYLOADS = (
    "<img src=x onerror=\"window.hacked=1\">",
    "</script><script>window.hacked=1</script>",
    "\"><svg onload=window.hacked=1>",
    "javascript:alert(1)",
    "\\(\\href{javascript:alert(1)}{x}\\) ${alert(1)} <!--",
    "__proto__",
)  # fmt: skip


@pytest.fixture
def opened(chromium, tmp_path):
    """Open the page of a bundle and watch it; whatever goes wrong is asked for at the end."""
    contexts, trouble = [], []

    def go(bundle=None, fragment="", size=DESKTOP, **state):
        path = tmp_path / "page.html"
        state = {"bundle": bundle or case.bundle(), "selected": None, "trace": None} | state
        path.write_text(widgets.page(FOLDER, "Explorer", state), encoding="utf-8")
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, offline=True)
        page = context.new_page()
        contexts.append(context)
        watch(page, trouble)
        page.goto(path.as_uri() + fragment)
        page.locator(".circle .node").first.wait_for(state="attached")
        return settled(page)

    yield go
    for context in contexts:
        context.close()
    assert trouble == []


def watch(page, trouble):
    page.on("request", lambda r: r.url.startswith(("file:", "blob:", "data:")) or trouble.append(f"request {r.url}"))
    page.on("console", lambda m: m.type in ("error", "warning") and trouble.append(f"console {m.text}"))
    page.on("pageerror", lambda e: trouble.append(f"error {e}"))
    page.on("dialog", lambda d: (trouble.append(f"dialog {d.message}"), d.dismiss()))


def settled(page):
    page.evaluate(FRAMES)
    return page


def tab(page, name):
    page.locator(f"[role=tab][id$=tab-{name}]").click()
    return settled(page)


def links(page, group="links"):
    """The links drawn in a layer of the circle, as (source, target)."""
    paths = page.locator(f".circle .{group} path")
    found = paths.evaluate_all("all => all.map((path) => [Number(path.dataset.from), Number(path.dataset.to)])")
    return sorted(map(tuple, found))


def select(page, i):
    page.locator(f".text .sentence[data-index='{i}']").click(position={"x": 40, "y": 8})
    return settled(page)


def fill(page, label, value):
    page.get_by_label(label).locator("visible=true").fill(str(value))
    return settled(page)


def selected(page):
    """The sentence that is selected, as the text shows it."""
    block = page.locator(".text .sentence.at")
    return int(block.get_attribute("data-index")) if block.count() else None


def drop(page, files):
    """Drop files (name: text or bytes) on the explorer."""
    page.evaluate(DROP, [[[name, part if isinstance(part, str) else list(part)] for name, part in files.items()]])
    page.locator(".explorer:not([aria-busy])").wait_for()
    return settled(page)


def notice(page):
    return page.locator(".notice").inner_text() if page.locator(".notice").is_visible() else ""


def strongest(rows, k, size):
    """The reference: links among the k strongest of their source or their target."""
    scores = {pair: abs(score) for pair, score in case.pairs(rows).items() if score}
    kept = set()
    for i in range(size):
        for end in (0, 1):
            own = sorted((p for p in scores if p[end] == i), key=lambda p: (-scores[p], p))
            kept |= set(own[:k])
    return sorted(kept)


# ------------------------------------------------------------------------------------------------------------ views
def test_the_names_are_those_of_the_taxonomy():
    source = (FOLDER / "widget.js").read_text(encoding="utf-8")
    for category, initials in INITIALS.items():
        assert f'{category}: ["{initials}", "{NAMES[category]}", "--c' in source


def test_circle_draws_the_strongest_links_and_the_most_influential_sentence_is_selected(opened):
    page = opened()
    assert page.locator(".circle .node").count() == 5
    assert page.locator(".circle .node text").all_text_contents() == ["PS 0", "PG 1", "AC 2", "UM 3", "FAE 4"]
    assert selected(page) == 2
    assert page.locator(".circle .node.at").get_attribute("data-index") == "2"
    assert links(page) == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]
    assert page.locator(".circle .links path.negative").count() == 2
    fill(page, "Links per sentence", 1)
    assert links(page) == [(0, 1), (0, 2), (1, 3), (2, 3), (2, 4), (3, 4)]
    fill(page, "Links per sentence", 0)
    assert links(page) == []
    fill(page, "Links per sentence", 10)
    assert links(page) == sorted(pair for pair, score in case.pairs(case.ROWS).items() if score)


def test_radius_and_opacity_follow_the_scores(opened):
    page = opened()
    radii = page.locator(".circle .node circle").evaluate_all("all => all.map((one) => Number(one.getAttribute('r')))")
    assert radii[2] > radii[1] > radii[0] > radii[3] > radii[4] > 0
    page.get_by_label("Importance", exact=True).select_option(label="resampling importance, accuracy · exact")
    settled(page)
    radii = page.locator(".circle .node circle").evaluate_all("all => all.map((one) => Number(one.getAttribute('r')))")
    assert radii[1] == max(radii)
    assert radii[3] == radii[4] == min(radii)  # unknown, and 0
    assert page.locator(".circle .node circle.negative").count() == 1
    weight = """all => Object.fromEntries(all.map((path) =>
      [`${path.dataset.from}-${path.dataset.to}`, Number(path.getAttribute("stroke-opacity"))]))"""
    opacity = page.locator(".circle .links path").evaluate_all(weight)
    assert opacity["0-2"] == 1
    assert opacity["0-2"] > opacity["2-3"] > opacity["2-4"] > opacity["0-3"] > opacity["0-1"] >= 0.2


def test_filters_hide_sentences_and_links_are_chosen_among_the_rest(opened):
    page = opened()
    slider = page.locator("input[type=range]")
    slider.fill("30")  # 30 % of 0.6 nats
    settled(page)
    assert links(page) == [(1, 2)]
    assert page.locator(".circle .node:not(.off)").count() == 2
    assert "≥ 0.18 nats" in page.locator(".controls output").inner_text()
    slider.fill("0")
    page.get_by_role("button", name="AC Active computation 1").click()
    settled(page)
    assert links(page) == [(0, 1), (0, 3), (1, 3), (1, 4), (3, 4)]
    assert page.locator(".circle .node.off").get_attribute("data-index") == "2"


def test_metric_of_the_links_and_the_true_links(opened):
    page = opened()
    page.get_by_label("Links", exact=True).select_option(label="suppression · measured")
    fill(page, "Links per sentence", 1)
    assert links(page) == strongest(case.SUPPRESSED, 1, 5)
    assert links(page, "truths") == []
    page.get_by_label("True links").check()
    settled(page)
    assert links(page, "truths") == [(0, 2), (1, 4), (2, 3)]


def test_hover_previews_and_lights_the_links(opened):
    page = opened()
    page.locator(".circle .node[data-index='0'] circle").hover()
    settled(page)
    tip = page.locator(".tip")
    expect(tip).to_be_visible()
    assert "PS 0 Problem setup" in tip.inner_text()
    assert "0.1 [0.05, 0.15] nats" in tip.inner_text()
    assert links(page, "focus") == [(0, 1), (0, 2), (0, 3)]
    assert page.locator(".circle .focus path.out").count() == 3
    assert "locked" in page.locator(".detail").inner_text()
    assert selected(page) == 2
    page.keyboard.press("Escape")
    settled(page)
    page.wait_for_timeout(150)
    assert "preview" in page.locator(".detail .bar").inner_text()
    assert "PS 0" in page.locator(".detail .category").inner_text()
    page.mouse.move(2, 2)
    settled(page)
    assert not tip.is_visible()


def test_click_locks_and_fills_the_detail(opened):
    page = opened()
    page.locator(".circle .node[data-index='3'] circle").click()
    settled(page)
    detail = page.locator(".detail")
    assert "UM 3 Uncertainty management" in detail.inner_text()
    assert "Wait, is that right?" in detail.locator(".full").inner_text()
    row = detail.locator("tr[data-key=counterfactual_kl]")
    assert "0.05 [0, 0.1]" in row.inner_text()
    assert detail.locator("tr[data-key=resampling_accuracy]").count() == 0  # it is not known here
    into = detail.locator(".incoming button.tag").all_inner_texts()
    assert into == ["AC 2", "PS 0", "PG 1"]
    assert "0.8 [0.7, 0.9]" in detail.locator(".incoming li").first.inner_text()
    assert detail.locator(".outgoing button.tag").all_inner_texts() == ["FAE 4"]
    answers = detail.locator("table.answers tr").all_inner_texts()
    assert [line.split() for line in answers[1:]] == [
        ["7", "✓", "right", "80", "%", "80", "%"],
        ["8", "20", "%", "20", "%"],
    ]
    others = detail.locator(".alternatives li").all_inner_texts()
    assert "Sampled in its place: 6" in detail.inner_text()
    assert "2 say something else, 4 the same" in detail.inner_text()
    assert others[0].startswith("Instead 3.1")  # what says something else comes first
    assert "✓ right" in others[1]
    assert detail.locator(".alternatives math mfrac").count() == 2
    detail.get_by_label("Next sentence").click()
    settled(page)
    assert selected(page) == 4
    detail.locator(".incoming button.tag").first.click()
    settled(page)
    assert selected(page) == 2


def test_the_text_scrolls_to_the_sentence_and_searches(opened):
    page = opened(case.long(120), selected=0)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.type") == "search"
    page.keyboard.type("step 77")
    settled(page)
    assert page.locator(".text .sentence.hit").count() == 1
    assert "1 of 120" in page.locator(".text .bar").inner_text()
    page.keyboard.press("Enter")
    settled(page)
    page.keyboard.press("Escape")
    assert selected(page) == 77
    inside = """block => { const a = block.getBoundingClientRect(), b = block.parentElement.getBoundingClientRect();
      return a.top >= b.top && a.bottom <= b.bottom; }"""
    assert page.locator(".text .sentence.at").evaluate(inside)
    assert page.evaluate("scrollY") == 0


def test_tree_has_the_links_and_the_depth_that_are_asked_for(opened):
    page = opened(fragment="#model%20a/p%201/correct/4")
    tab(page, "tree")

    def nodes():
        return page.locator(".tree .node").evaluate_all(
            "all => all.map((n) => [Number(n.dataset.depth), Number(n.dataset.index)])"
        )

    assert nodes() == [[0, 4], [1, 2], [2, 0], [2, 1], [1, 3], [2, 2], [2, 0], [2, 1], [1, 1], [2, 0]]
    fill(page, "Depth", 1)
    assert nodes() == [[0, 4], [1, 2], [1, 3], [1, 1]]
    fill(page, "Depth", 3)
    fill(page, "Links per sentence", 1)
    assert nodes() == [[0, 4], [1, 2], [2, 0]]
    page.get_by_label("Direction").select_option("outgoing")
    settled(page)
    assert nodes() == [[0, 4]]
    select(page, 0)
    assert nodes() == [[0, 0], [1, 2], [2, 3], [3, 4]]
    page.locator(".tree .node[data-index='2']").click()
    settled(page)
    assert nodes() == [[0, 2], [1, 3], [2, 4]]


def test_matrix_shows_both_sentences_of_a_cell_and_selects(opened):
    page = opened()
    tab(page, "matrix")
    canvas = page.locator(".view-matrix canvas.cursor")
    box = canvas.bounding_box()
    cell = (box["width"] - 46) / 5
    page.mouse.move(box["x"] + 38 + 3.5 * cell, box["y"] + 30 + 0.5 * cell)  # source 0, target 3
    settled(page)
    readout = page.locator(".view-matrix .readout")
    assert "−0.5 [−0.6, −0.4] share · true link: no · 3 apart" in readout.inner_text()
    assert readout.locator("button.tag").all_inner_texts() == ["PS 0", "UM 3"]
    assert page.locator(".text .sentence.target").get_attribute("data-index") == "3"
    page.mouse.down()
    page.mouse.up()
    settled(page)
    assert selected(page) == 0
    pixels = """(canvas, points) => {
      const all = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const at = (x) => Math.round(x * devicePixelRatio), start = ([x, y]) => 4 * (at(y) * all.width + at(x));
      return points.map((point) => [...all.data.slice(start(point), start(point) + 4)]);
    }"""
    points = [[38 + (j + 0.5) * cell, 30 + (i + 0.5) * cell] for i, j in ((0, 2), (0, 3), (2, 0))]
    colours = page.locator(".view-matrix canvas").first.evaluate(pixels, points)
    assert colours[0][2] > colours[0][0]  # 0.9 is blue
    assert colours[1][0] > colours[1][2]  # -0.5 is orange
    assert colours[2][3] == 0  # nothing below the diagonal
    canvas.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    settled(page)
    assert readout.locator("button.tag").all_inner_texts() == ["PG 1", "FAE 4"]
    page.keyboard.press("Enter")
    settled(page)
    assert selected(page) == 1


def test_charts_along_the_trace(opened):
    page = opened()
    tab(page, "strips")
    view = page.locator(".view-strips")
    titles = view.locator(".strip-title").all_text_contents()
    assert titles == [
        "counterfactual importance, KL (nats) · measured",
        "Accuracy after the first i sentences",
        "Answers after the first i sentences, stacked shares",
        "resampling importance, accuracy (share, + helps) · exact",
    ]
    bars = "all => all.reduce((sum, one) => sum + (one.getAttribute('d').match(/M/g) ?? []).length, 0)"
    strips = view.locator(".strip")
    assert strips.nth(0).locator(".bars").evaluate_all(bars) == 5
    assert strips.nth(0).locator(".whiskers").evaluate_all(bars) == 15
    assert strips.nth(3).locator(".bars").evaluate_all(bars) == 4  # one is not known
    assert view.locator("path.curve.accuracy").get_attribute("d").count("L") == 5
    assert view.locator("path.curve.forced").get_attribute("d").count("L") == 4
    assert view.locator("path.band.accuracy").get_attribute("d").endswith("z")
    shares = view.locator("path.answer").evaluate_all("all => all.map((one) => one.dataset.answer)")
    assert shares == ["7", "8", "\\frac{1}{2}"]
    assert view.locator(".key text").all_text_contents() == ["7 (right)", "8", "\\frac{1}{2}"]
    assert (
        "accuracy before it 0.4 [0.2, 0.6], n = 10 · forced 0.3 · answers before it: 8 60 %, 7 40 %"
        in view.locator(".readout").inner_text()
    )
    box = view.locator("svg").bounding_box()
    page.mouse.click(box["x"] + 46 + 4.5 * (box["width"] - 56) / 5, box["y"] + 60)
    settled(page)
    assert selected(page) == 4


def test_heads_by_kurtosis(opened):
    page = opened()
    tab(page, "heads")
    buttons = page.locator(".heads button")
    assert [text.split("\n")[0] for text in buttons.all_inner_texts()] == ["Layer 3, head 1 ★", "Layer 1, head 0"]
    view = page.locator(".view-heads")
    assert "Layer 3, head 1: attention received, kurtosis 9, a receiver head" in view.inner_text()
    assert view.locator(".heat").is_visible()
    assert "receives 0.1" in view.locator(".readout").inner_text()
    buttons.nth(1).click()
    settled(page)
    assert not view.locator(".heat").is_visible()  # this head came without its matrix
    assert "kurtosis 2.5" in view.inner_text()


def test_comparison_has_all_matrices_and_spearman_as_scipy_has_it(opened):
    page = opened()
    tab(page, "compare")
    view = page.locator(".view-compare")
    titles = view.locator("figcaption").all_inner_texts()
    assert titles == ["resampling · measured", "suppression · measured", "true links · exact"]
    rows = [cells.split("\t") for cells in view.locator("tbody tr").all_inner_texts()]
    kinds = dict(zip(titles, (case.ROWS, case.SUPPRESSED, case.TRUTH), strict=True))
    assert [row[0] for row in rows] == [" – ".join(both) for both in combinations(titles, 2)]
    for name, every, near in rows:
        a, b = (case.pairs(kinds[one]) for one in name.split(" – "))
        both = [pair for pair in a if None not in (a[pair], b[pair])]
        rho = spearmanr([a[p] for p in both], [b[p] for p in both]).statistic
        assert every == near
        assert every.endswith(f"(n = {len(both)})")
        assert float(every.split(" ")[0].replace("−", "-")) == pytest.approx(rho, rel=5e-3)


def test_transitions_sort_and_select(opened):
    page = opened()
    tab(page, "transitions")
    rows = page.locator(".transitions tbody tr")

    def listed():
        return rows.evaluate_all("all => all.map((row) => [Number(row.dataset.from), Number(row.dataset.to)])")

    assert listed() == [[0, 2], [2, 3], [2, 4], [0, 3], [3, 4], [1, 3], [1, 2], [0, 1], [1, 4]]
    page.locator(".transitions thead").get_by_role("button", name="Target").click()
    settled(page)
    assert [to for _, to in listed()] == [1, 2, 2, 3, 3, 3, 4, 4, 4]
    assert page.locator("th[aria-sort=ascending]").inner_text().strip() == "Target"
    rows.nth(0).locator(".texts").click()
    settled(page)
    assert selected(page) == 0
    assert page.locator(".transitions tr.at").count() == 1


def test_what_a_trace_lacks_is_not_shown(opened):
    page = opened(case.two(), fragment="#b/2/incorrect/1")
    assert page.locator("[role=tab]").locator("visible=true").all_inner_texts() == ["Circle", "Along the trace"]
    assert page.locator(".circle .node text").all_text_contents() == ["? 0", "OO 1"]
    assert selected(page) == 1
    tab(page, "strips")
    page.get_by_label("Trace", exact=True).select_option(label="Triangles (p 1), correct")
    settled(page)
    assert page.locator("[role=tab]").locator("visible=true").count() == 7
    assert selected(page) == 2


def test_many_links_are_those_of_the_reference(opened):
    bundle = case.long(40)
    page = opened(bundle)
    fill(page, "Links per sentence", 3)
    assert links(page) == strongest(bundle["traces"][0]["links"][0]["rows"], 3, 40)


# ------------------------------------------------------------------------------------------------- keys and address
def test_the_whole_way_by_keyboard(opened):
    page = opened(case.two())
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "tab":
            break
    page.keyboard.press("ArrowRight")
    settled(page)
    assert page.evaluate("document.activeElement.textContent") == "Tree"
    assert page.locator("[role=tabpanel]").locator("visible=true").get_attribute("aria-labelledby").endswith("tab-tree")
    page.keyboard.press("End")
    page.keyboard.press("Home")
    settled(page)
    for _ in range(20):
        page.keyboard.press("Tab")
        if "node" in (page.evaluate("document.activeElement.getAttribute('class')") or ""):
            break
    assert page.evaluate("document.activeElement.dataset.index") == "2"
    page.keyboard.press("ArrowRight")
    settled(page)
    assert (selected(page), page.evaluate("document.activeElement.dataset.index")) == (3, "3")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert selected(page) == 1
    assert "Sentence 1 of 5, Plan generation: Let us try" in page.locator("[aria-live=polite]").inner_text()
    page.keyboard.press("Escape")
    settled(page)
    assert selected(page) is None
    page.keyboard.press("Enter")
    settled(page)
    assert selected(page) is not None


def test_zoom_by_keys_buttons_and_wheel_and_pan(opened):
    page = opened()

    def view():
        return [float(n) for n in page.locator("svg.circle").get_attribute("viewBox").split()]

    whole = view()
    page.keyboard.press("+")
    assert view()[2] == pytest.approx(whole[2] / 1.4)
    page.get_by_role("button", name="Zoom in").locator("visible=true").click()
    assert view()[2] == pytest.approx(whole[2] / 1.96)
    page.locator("svg.circle").hover()
    before = view()
    page.mouse.down()
    box = page.locator("svg.circle").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 30, steps=4)
    page.mouse.up()
    assert view()[0] < before[0]
    assert selected(page) == 2  # dragging is no click
    page.keyboard.press("0")
    assert view() == whole
    page.mouse.wheel(0, -200)
    page.wait_for_timeout(100)
    assert view()[2] < whole[2]
    page.keyboard.press("0")
    page.keyboard.press("-")
    assert view() == whole


def test_address_is_read_written_and_followed(opened):
    page = opened(case.two(), fragment="#model%20a/p%201/correct/3")
    assert selected(page) == 3
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => location.hash === '#model%20a/p%201/correct/4'")
    page.evaluate("location.hash = '#b/2/incorrect/0'")
    expect(page.locator(".circle .node")).to_have_count(2)
    assert selected(page) == 0
    page.evaluate("location.hash = '#no/such/trace/0'")
    settled(page)
    assert 'address: found "no/such/trace"; expected a trace of this page' in notice(page)
    assert page.locator(".circle .node").count() == 2
    page.evaluate("location.hash = '#b/2/incorrect/99'")
    settled(page)
    assert page.locator(".circle .node").count() == 2
    page.evaluate("location.hash = '#%E0%A4%A/1'")
    settled(page)
    assert page.locator(".circle .node").count() == 2


# ----------------------------------------------------------------------------------------------------------- exports
def exported(page, name):
    page.locator(".menu summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def test_tables_and_bundle_are_exported_whole(opened):
    small = case.trace()
    small["sentences"][1]["text"] = 'Quotes ", commas, and\na second line; =1+1.'
    page = opened(case.bundle(small))
    name, content = exported(page, "Sentences, CSV")
    assert name == "model-a-p-1-correct-sentences.csv"
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["text"] for row in rows] == [one["text"] for one in small["sentences"]]
    assert [row["category"] for row in rows] == list(case.CATEGORIES)
    assert [float(row["counterfactual_kl"]) for row in rows] == case.KL
    assert [row["resampling_accuracy"] for row in rows] == ["0.05", "-0.4", "0.3", "", "0"]
    assert [float(row["accuracy_low"]) for row in rows] == small["accuracy"]["low"][:5]
    _, content = exported(page, "Links, CSV")
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    found = {(row["kind"], int(row["source"]), int(row["target"])): float(row["score"]) for row in rows}
    expected = {
        (one["key"], *pair): score
        for one in small["links"]
        for pair, score in case.pairs(one["rows"]).items()
        if score is not None
    }
    assert found == expected
    name, content = exported(page, "Bundle, JSON")
    assert json.loads(content) == case.bundle(small)


@pytest.mark.parametrize("view", ["circle", "strips", "matrix"])
def test_drawings_are_exported_as_svg_and_png(opened, view):
    page = opened()
    tab(page, view)
    name, content = exported(page, "Drawing, SVG")
    assert name.endswith(f"-{view}.svg")
    root = ElementTree.fromstring(content)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    if view == "circle":
        text = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
        assert text == ["PS 0", "PG 1", "AC 2", "UM 3", "FAE 4"]
        fills = {one.get("fill") for one in root.iter("{http://www.w3.org/2000/svg}circle")}
        assert len(fills) == 5
        assert b"var(" not in content
    _, content = exported(page, "Drawing, PNG")
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(content) > 3000


# ------------------------------------------------------------------------------------------------------------- files
def test_a_bundle_is_dropped_and_joins_the_others(opened):
    page = opened()
    other = case.trace(id="new/9/incorrect", title="Dropped", problem="9")
    drop(page, {"own.json": json.dumps(case.bundle(other))})
    assert notice(page) == ""
    assert "Dropped (9), correct" in page.get_by_label("Trace", exact=True).locator("option").all_inner_texts()
    assert "Dropped" in page.locator(".question summary").inner_text()
    assert page.get_by_label("Trace", exact=True).locator("option").count() == 2
    page.wait_for_function("() => location.hash === '#new/9/incorrect/2'")


def test_official_files_are_opened_with_the_picker(opened, tmp_path):
    page = opened()
    for name, text in case.official().items():
        (tmp_path / name).write_text(text)
    page.locator("input[type=file]").set_input_files([tmp_path / name for name in case.official()])
    expect(page.locator(".circle .node")).to_have_count(3)
    settled(page)
    assert notice(page) == ""
    summary = page.locator(".question").inner_text()
    assert "Own problem · incorrect · 3 sentences" in summary
    assert "Right answer: 12 · answer of the trace: 13" in summary
    assert links(page) == [(0, 1), (0, 2), (1, 2)]
    assert selected(page) == 2
    select(page, 1)
    detail = page.locator(".detail").inner_text()
    assert re.search(
        r"Counterfactual importance, accuracy \(\+ helps\) · released\s+−0.25", detail
    )  # + helps here, + hurts in the file
    assert re.search(r"Resampling importance, accuracy \(\+ helps\) · released\s+0.2", detail)
    assert "Depends on PS 0" not in detail
    assert page.locator(".detail p button.tag").all_inner_texts() == ["PG 0"]
    select(page, 0)
    assert "2 times" in page.locator(".alternatives li").first.inner_text()


@pytest.mark.needs(official.TRACES)
def test_released_files_are_read_as_python_reads_them(opened):
    files = official._files(official.TRACES)
    names = ("problem", "base_solution", "chunks_labeled", "step_importance", "step_importance_supp")
    contents = {f"{name}.json": official._in(files, "2238", True, name).read_text(encoding="utf-8") for name in names}
    page = opened()
    drop(page, contents)
    expect(page.locator(".circle .node")).to_have_count(60)
    trace = json.loads(exported(page, "Bundle, JSON")[1])["traces"][0]
    python = official.released_trace("2238")
    assert [one["text"] for one in trace["sentences"]] == list(python.sentences)
    assert [one["category"] for one in trace["sentences"]] == list(python.categories)
    stored = {one["key"]: one["values"] for one in trace["importances"]}
    assert stored["counterfactual_kl"] == python.labels["counterfactual_importance_kl"].tolist()
    assert stored["counterfactual_accuracy"] == (-python.labels["counterfactual_importance_accuracy"]).tolist()
    for link in trace["links"]:
        matrix = official.step_importance("2238", link["key"])
        assert link["rows"] == [row[i + 1 :].tolist() for i, row in enumerate(matrix)]


def changed(**changes):
    """The text of a bundle whose trace is not as it should be."""
    return json.dumps(case.bundle(case.trace(**changes)))


IN_PYTHON = "Open it in the notebook, or with python -m anchors.thought.explorer FILE."
TOGETHER = "chunks_labeled.json, base_solution.json and problem.json together"
BROKEN = (  # name of the file, content, words of the line
    ("cut.json", '{"format": "anchors', "cut.json: found no JSON"),
    ("void.json", "", "void.json: found an empty file; expected JSON"),
    ("list.json", "[1, 2]", 'list.json: found a list of 2; expected a bundle with "format"'),
    ("null.json", "null", "null.json: found nothing; expected a bundle"),
    ("old.json", '{"format": "other/1"}', 'old.json: found the format "other/1"; expected "anchors-explorer/1"'),
    ("none.json", json.dumps(case.bundle() | {"traces": []}), "none.json: found no traces"),
    ("bare.json", changed(sentences=[]), "bare.json, model a/p 1/correct: found no sentences"),
    ("row.json", changed(links=[{"key": "k", "rows": [[1]] * 5}]),
     "links 0, rows 0: found a list of 1; expected a list of 4"),
    ("word.json", changed(importances=[{"key": "k", "values": [1, "x", 1, 1, 1]}]),
     'values: found "x"; expected numbers or null'),
    ("pair.json", changed(answers=[[["7"]]] * 5), "answers 0: found a list of 1; expected a list of 2"),
    ("same.json", json.dumps(case.bundle(case.trace(), case.trace())),
     'same.json: found the trace id "model a/p 1/correct" twice'),
    ("store.db", b"SQLite format 3\x00" + bytes(20),
     f"store.db: found an SQLite file; expected JSON in this page. {IN_PYTHON}"),
    ("rows.parquet", b"PAR1" + bytes(20), "rows.parquet: found a Parquet file; expected JSON in this page."),
    ("problem.json", '{"problem": "x"}', f"chunks_labeled.json: found no such file; expected {TOGETHER}"),
)  # fmt: skip


def test_broken_files_are_named_in_one_line_and_what_is_shown_stays(opened):
    page = opened(fragment="#model%20a/p%201/correct/3")
    for name, content, words in BROKEN:
        drop(page, {name: content})
        assert words in notice(page)
        assert "\n" not in notice(page)
        assert (page.locator(".circle .node").count(), selected(page)) == (5, 3)
    broken = case.official() | {
        "step_importance.json": json.dumps([{"source_chunk_idx": 2, "target_impacts": [{"target_chunk_idx": 9}]}])
    }
    drop(page, broken)
    assert "step_importance.json: found a link 2 → 9; expected source < target < 3" in notice(page)
    drop(page, {"good.json": json.dumps(case.bundle())})
    assert notice(page) == ""


def test_a_page_with_a_broken_bundle_says_so(chromium, tmp_path):
    page, trouble = chromium.new_page(), []
    watch(page, trouble)
    path = tmp_path / "page.html"
    path.write_text(
        widgets.page(FOLDER, "Explorer", {"bundle": {"format": "x"}, "selected": None, "trace": None}), encoding="utf-8"
    )
    page.goto(path.as_uri())
    expect(page.locator(".notice")).to_have_text('bundle: found the format "x"; expected "anchors-explorer/1".')
    drop(page, {"own.json": json.dumps(case.bundle())})
    expect(page.locator(".circle .node")).to_have_count(5)
    page.close()
    assert trouble == []


LIVE = """(bundle) => {
  const values = { live: true, bundle, selected: null, trace: null }, heard = {};
  window.log = [];
  window.model = {
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      log.push(["set", name, value]);
      for (const run of heard[`change:${name}`] ?? []) run();
    },
    on: (name, run) => (heard[name] ??= []).push(run),
    off: (name, run) => (heard[name] = heard[name].filter((one) => one !== run)),
    save_changes: () => log.push(["save"]),
    send(message, callbacks, buffers) {
      log.push(["send", message, callbacks ?? null, buffers.map((one) => new TextDecoder().decode(one))]);
    },
    tell: (message) => heard["msg:custom"].forEach((run) => run(message)),
  };
  window.leave = explorer.render({ model, el: document.body });
}"""


def test_in_jupyter_python_hears_of_the_selection_and_gets_dropped_files(chromium):
    page, trouble = chromium.new_page(), []
    watch(page, trouble)
    module = widgets.module(FOLDER).replace("export default", "window.explorer =")
    page.add_script_tag(type="module", content=module)
    page.wait_for_function("() => window.explorer")
    page.evaluate(LIVE, case.two())
    page.add_style_tag(content=widgets.style(FOLDER))
    settled(page)
    assert ["set", "selected", 2] in page.evaluate("log")
    assert page.evaluate("log").count(["save"]) == 1
    page.evaluate("model.set('selected', 4)")
    settled(page)
    assert selected(page) == 4
    page.evaluate("model.set('trace', 'b/2/incorrect')")
    settled(page)
    assert page.locator(".circle .node").count() == 2
    drop(page, {"store.db": "any bytes"})
    assert ["send", {"kind": "files", "names": ["store.db"]}, None, ["any bytes"]] in page.evaluate("log")
    page.evaluate("model.tell({ kind: 'error', text: 'store.db: found rollouts; expected more.' })")
    assert notice(page) == "store.db: found rollouts; expected more."
    page.evaluate("(bundle) => { model.set('trace', null); model.set('bundle', bundle); }", case.bundle())
    settled(page)
    assert page.locator(".circle .node").count() == 5
    assert notice(page) == ""
    assert page.evaluate("location.hash") == ""
    page.evaluate("leave()")
    assert page.locator(".explorer").count() == 0
    page.close()
    assert trouble == []


# ----------------------------------------------------------------------------------------------------- hostile texts
@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
def test_hostile_texts_are_shown_as_text(opened, payload):
    page = opened(case.hostile(payload))
    for name in TABS:
        tab(page, name)
        page.locator(f"[id$=panel-{name}]").wait_for()
    page.locator(".menu summary").click()
    drop(page, {f"{payload.replace('/', '')}.json": payload})
    assert "found no JSON" in notice(page)
    shown = page.locator(".explorer")
    if "\\(" not in payload:
        assert payload in shown.inner_text()
    assert page.evaluate("window.hacked") is None
    assert shown.locator("script, img, iframe, a[href]").count() == 0
    assert (
        shown.locator("*").evaluate_all(
            "all => all.filter((one) => [...one.attributes].some((a) => a.name.startsWith('on'))).length"
        )
        == 0
    )
    page.wait_for_timeout(200)  # the address is written
    page.reload()
    page.locator(".circle .node").first.wait_for(state="attached")
    assert page.evaluate("window.hacked") is None


TREE = """node => (function walk(one) {
  if (one.nodeType === 3) return one.textContent;
  const inside = [...one.childNodes].map(walk).join(" ");
  return one.localName === "math" ? inside : `(${one.localName}${inside ? ` ${inside}` : ""})`;
})(node)"""
TEX = {
    r"\(a^2b_1\)": "(mrow (msup (mi a) (mn 2)) (msub (mi b) (mn 1)))",
    r"\(x^10\)": "(mrow (msup (mi x) (mn 1)) (mn 0))",
    r"\(x_i^{10}\)": "(mrow (msubsup (mi x) (mi i) (mrow (mn 10))))",
    r"\(\frac{1}{2}\)": "(mrow (mfrac (mrow (mn 1)) (mrow (mn 2))))",
    r"\(\dfrac12\)": "(mrow (mfrac (mn 1) (mn 2)))",
    r"\(\sqrt{x}+\sqrt[3]{y}\)": "(mrow (msqrt (mrow (mi x))) (mo +) (mroot (mrow (mi y)) (mrow (mn 3))))",
    r"$\alpha \le \Omega$": "(mrow (mi α) (mo ≤) (mi Ω))",
    r"$$2 \cdot 3 \times 4 - 1$$": "(mrow (mn 2) (mo ·) (mn 3) (mo ×) (mn 4) (mo −) (mn 1))",
    r"\[\sum_{k=0}^n k\]": "(mrow (munderover (mo ∑) (mrow (mi k) (mo =) (mn 0)) (mi n)) (mi k))",
    r"\(\sum\limits_{k} k\)": "(mrow (munder (mo ∑) (mrow (mi k))) (mi k))",
    r"\(\text{if } x\)": "(mrow (mtext if ) (mi x))".replace("if ", "if\u00a0"),
    r"\(\boxed{120}\)": "(mrow (mrow (mrow (mn 120))))",
    r"\(\left(\frac{a}{b}\right]\)": "(mrow (mrow (mo () (mfrac (mrow (mi a)) (mrow (mi b))) (mo ])))",
    r"\(\left.x\right|_0\)": "(mrow (msub (mrow (mi x) (mo |)) (mn 0)))",
    r"\(f'(x)\)": "(mrow (msup (mi f) (mrow (mo ′))) (mo () (mi x) (mo )))",
    r"\(\binom{6}{3}\)": "(mrow (mrow (mo () (mfrac (mrow (mn 6)) (mrow (mn 3))) (mo ))))",
    r"\(1{,}000\)": "(mrow (mn 1) (mrow (mo ,)) (mn 000))",
    r"\(12,345.5\)": "(mrow (mn 12,345) (mo .) (mn 5))",
    r"\(\mathbb{R}\)": "(mrow (mrow (mi ℝ)))",
    r"\(50\%\)": "(mrow (mn 50) (mo %))",
    r"The answer is \boxed{ 6 } .": "(mrow (mrow (mrow (mn 6))))",
    r"\(\begin{pmatrix}1&2\\3&4\end{pmatrix}\)":
        "(mrow (mrow (mo () (mtable (mtr (mtd (mn 1)) (mtd (mn 2))) (mtr (mtd (mn 3)) (mtd (mn 4)))) (mo ))))",
    r"\(\begin{cases}a&b\end{cases}\)": "(mrow (mrow (mo {) (mtable (mtr (mtd (mi a)) (mtd (mi b))))))",
    r"\(\unknown{x}\)": "(mrow (mtext \\unknown) (mrow (mi x)))",
    r"\(\constructor\)": "(mrow (mtext \\constructor))",
    r"\(\href{javascript:alert(1)}{y}\)": None,
    r"\(a \equiv b \pmod{5}\)": None,
    r"\(\overline{AB} \parallel \vec{v}\)": None,
}  # fmt: skip
PLAIN = (
    "It costs $5 and $6 in all.", "From $5-$10 a piece.", "$5 apples for US$ here.", "A lone $ sign.",
    "$ x $ is spaced.", r"Escaped \$x$ sign.", r"\(\frac{1}\)", r"\(a^\)", r"\(x^1^2\)", r"\({\)", r"\(}\)",
    r"\(\left( x\)", r"\(a & b\)",
    r"\(\begin{pmatrix}1\end{bmatrix}\)", r"\(\begin{evil}1\end{evil}\)", r"\(\text{open\)", r"\[ unclosed",
    r"\(\sqrt[3\)", r"\(" + "{" * 500 + "}" * 500 + r"\)",
)  # fmt: skip


def test_tex_becomes_mathml(opened):
    trace = {"id": "tex", "sentences": [{"text": text, "category": "x"} for text in TEX]}
    page = opened(case.bundle(trace))
    for i, (text, tree) in enumerate(TEX.items()):
        math = page.locator(f".text .sentence[data-index='{i}'] math")
        assert math.count() == 1, text
        assert math.get_attribute("alttext") in text
        if tree:
            assert math.evaluate(TREE) == tree, text
        assert math.get_attribute("display") == ("block" if text.startswith((r"\[", "$$")) else None)
    assert page.locator("math *").evaluate_all("all => new Set(all.map((one) => one.namespaceURI)).size") == 1
    assert page.locator("math a, math maction, math [href]").count() == 0


def test_text_that_is_no_tex_and_malformed_tex_stay_as_they_are(opened):
    trace = {"id": "plain", "sentences": [{"text": text, "category": "x"} for text in PLAIN]}
    page = opened(case.bundle(trace))
    for i, text in enumerate(PLAIN):
        block = page.locator(f".text .sentence[data-index='{i}']")
        assert block.locator("math").count() == 0, text
        assert block.evaluate("block => block.textContent").endswith(text)


# ---------------------------------------------------------------------------------------------------- access, layout
@pytest.mark.parametrize("theme", ["light", "dark", "contrast"])
def test_axe_finds_nothing_serious_in_any_view(opened, theme):
    page = opened()
    for _ in range(["system", "light", "dark", "contrast"].index(theme)):
        page.locator("button.theme").click()
    page.locator(".help summary").click()
    rules = {} if theme == "light" else {"runOnly": ["color-contrast"]}  # a theme changes colours and nothing else
    for name in TABS:
        tab(page, name)
        axe = Axe() if name == TABS[0] else Axe("0")  # its script is put into the page once
        found = axe.run(page, options={"resultTypes": ["violations"], **rules}).response["violations"]
        bad = [(one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")]
        assert bad == [], (name, theme)


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_nothing_is_wider_than_the_window_and_no_letter_is_tiny(opened, size):
    trace = case.trace()
    trace["sentences"][0]["text"] = "W" * 300 + r" \[ " + "x + " * 80 + r"x \]"
    page = opened(case.bundle(trace), size=size)
    tiny = """() => [...document.querySelectorAll(".explorer *")]
      .filter((one) => [...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()))
      .filter((one) => !one.closest("math, .visually-hidden, [hidden]"))
      .filter((one) => parseFloat(getComputedStyle(one).fontSize) < 12)
      .map((one) => one.outerHTML.slice(0, 100))"""
    for name in TABS:
        tab(page, name)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, name
        assert page.evaluate(tiny) == []


def test_themes_change_the_drawings(opened):
    page = opened()
    tab(page, "matrix")
    seen = set()
    for _ in range(3):
        page.locator("button.theme").click()
        settled(page)
        seen.add(page.locator(".view-matrix canvas").first.evaluate("canvas => canvas.toDataURL()"))
    assert len(seen) == 3


def test_three_hundred_sentences(opened):
    page = opened(case.long(300))
    assert page.locator(".circle .node").count() == 300
    assert page.locator(".text .sentence").count() == 300
    assert page.evaluate("performance.getEntriesByName('explorer: circle painted').length") == 1
    before = selected(page)
    page.keyboard.press("ArrowRight")
    settled(page)
    assert selected(page) == before + 1
    for name in ("tree", "matrix", "strips", "compare", "transitions"):
        tab(page, name)
        assert page.locator(f"[id$=panel-{name}]").is_visible()
    assert page.locator(".transitions tbody tr").count() == 100
    assert "(n = 44850)" in page.locator(".view-compare").text_content()
