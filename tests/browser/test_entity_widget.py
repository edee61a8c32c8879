"""Ask the graph in a real browser: arithmetic and ranks against Python's, anchors taken away, keyboard, addresses."""

from itertools import pairwise
from urllib.parse import urlencode

import numpy as np
import pytest
from browser.widget_case import check_access, functions, new_page, open_box, open_live
from entity.link_case import HOSTILE, NO_ANCHORS, SETTINGS, box_of, graph_of, model_of
from scipy.sparse.csgraph import shortest_path
from scipy.special import erf

from anchors.entity import link_box, linking
from anchors.entity.anchors import FAR, NONE

pytestmark = pytest.mark.slow
POOLED = sorted(kind for kind in SETTINGS if kind != "tokens")
ROWS = """all => all.map(row => [Number(row.dataset.tail), Number(row.querySelector('.score').textContent),
  row.querySelector('.fact').textContent])"""


@pytest.fixture(scope="module")
def umls():
    return link_box.LinkBox.trained("umls", "virus", "causes", "smoke", 0)


def fragment(box, head, relation, **more):
    asked = {"head": box.get("entities")[head], "relation": box.get("relations")[relation]}
    return "#" + urlencode(asked | more, doseq=True)


def facts_of(graph, head, relation, tails):
    """Return the split of each fact, or "new"."""
    found = {}
    for split in ("test", "valid", "train"):
        found |= dict.fromkeys(map(tuple, graph.directed(split).tolist()), split)
    return [found.get((head, relation, tail), "new") for tail in tails]


def random_questions(model, count):
    """Return questions over all readings; some take away several of the head's anchors, spare ones included."""
    rng, graph = np.random.default_rng(0), model.found.graph
    for place in range(count):
        head, relation = int(rng.integers(graph.size)), int(rng.integers(graph.directions))
        without = []
        if model.anchors is not None and place % 3 == 0:
            near = model.anchors.nearest[head]
            mine = model.anchors.chosen[near[near != NONE]].tolist()
            without = mine[: int(rng.integers(len(mine) + 1))]
        yield {"head": head, "relation": relation, "reads": place % 3 != 1, "without": without, "top": 9}


@pytest.mark.parametrize("kind", POOLED)
def test_the_browser_computes_what_python_computes(page, kind):
    model = model_of(kind)
    state = link_box.materials(model)
    functions(page, link_box.SOURCE, "Tower, answered, erf, Facts, anchorsOf")
    page.evaluate("state => { window.tower = new own.Tower(state.tower); window.state = state; }", state)
    for question in random_questions(model, 40):
        found = page.evaluate("asked => own.answered(tower, state.anchors, asked)", question)
        expected = link_box.answer(model, **question)
        assert found.keys() == expected.keys()
        np.testing.assert_allclose(found["scores"], expected["scores"], atol=2e-6)
        if kind == "alone":  # entities with the same anchors have the same vector: they are tied to the last bit or so
            continue
        for name in ("tails", "other", "best"):
            assert found.get(name) == expected.get(name)
        for name in {"head_loss", "own_loss", "cost"} & found.keys():
            np.testing.assert_allclose(found[name], expected[name], atol=4e-6)


def test_the_error_function_is_that_of_scipy(page):
    functions(page, link_box.SOURCE, "erf")
    x = np.r_[np.linspace(-7, 7, 301), 0, 1e-9]
    np.testing.assert_allclose(page.evaluate("all => all.map(own.erf)", x.tolist()), erf(x), atol=1e-14)


def test_neighbourhoods_are_those_of_the_training_graph(page):
    model = model_of("sea")
    graph, state = model.found.graph, link_box.materials(model)
    functions(page, link_box.SOURCE, "Facts, anchorsOf")
    page.evaluate("s => { window.facts = new own.Facts(s.facts, s.relations.length, s.entities.length); }", state)
    hops = shortest_path(graph.neighbours, unweighted=True)
    for head in range(graph.size):
        ways = page.evaluate(
            "([head, n]) => Array.from({ length: n }, (_, to) => facts.way(head, to))", [head, graph.size]
        )
        assert [np.inf if way is None else len(way) - 1 for way in ways] == hops[head].tolist()
        for way in filter(None, ways):
            assert all(graph.neighbours[one, other] for one, other in pairwise(way))
        read = page.evaluate("([s, head]) => own.anchorsOf(s.anchors, head)", [state, head])
        assert [model.anchors.chosen[row] for row, _ in read] == linking.head_anchors(model, head)
        assert [hop for _, hop in read] == [min(hops[head, model.anchors.chosen[row]], FAR) for row, _ in read]


@pytest.mark.parametrize(
    ("head", "relation"), [("virus", "causes"), ("enzyme", "inverse affects"), ("human", "part of")]
)
def test_the_page_shows_what_linking_says(page, umls, tmp_path, head, relation):
    model, graph = umls.model, umls.model.found.graph
    query = linking.entity_of(graph, head), linking.relation_of(graph, relation)
    open_box(page, umls, tmp_path, fragment(umls, *query))
    rows = page.eval_on_selector_all(".row", ROWS)
    found = linking.link(model, head, relation, 10)
    assert [umls.get("entities")[tail] for tail, *_ in rows] == found.entity.tolist()
    np.testing.assert_allclose([score for _, score, _ in rows], found.score, atol=6e-4)
    assert [kind != "new" for *_, kind in rows] == found.known.tolist()
    assert [kind for *_, kind in rows] == facts_of(graph, *query, [tail for tail, *_ in rows])
    for place in (0, 4):
        page.locator(".row").nth(place).hover()
        told = page.inner_text(".details").replace("−", "-")
        for column in ("head_anchors", "own_anchors"):
            assert f"{found[column][place]:+.3f}" in told
        assert found.best_anchor[place].rsplit(" (", 1)[0] in told
    page.get_by_role("button", name="not read").click()
    off = link_box.answer(model, *query, False, [], 10)
    shown = page.eval_on_selector_all(".row", ROWS)
    assert [tail for tail, *_ in shown] == off["tails"]
    for place, other in enumerate(off["other"], 1):
        label = page.locator(".row").nth(place - 1).get_attribute("aria-label")
        assert (f"from {other}" in label) == (other != place)
        assert ("up from" in label) == (other > place)


def test_an_anchor_is_taken_away_and_comes_back(page, tmp_path):
    box, model = box_of("sea"), model_of("sea")
    head = int(np.flatnonzero((model.anchors.nearest != NONE).all(1))[0])
    open_box(page, box, tmp_path, fragment(box, head, 1))
    mine = linking.head_anchors(model, head)
    button = page.locator(f".anchor-buttons [data-anchor='{mine[0]}']")
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert button.evaluate("one => one === document.activeElement"), "the keyboard stays where it was"
    read = page.locator(".anchor-buttons [aria-pressed=true]")
    spare = int(model.anchors.chosen[model.anchors.nearest[head, -1]])
    assert [int(one.get_attribute("data-anchor")) for one in read.all()] == [*mine[1:], spare]
    expected = link_box.answer(model, head, 1, True, mine[:1], 8)
    assert page.eval_on_selector_all(".row", ROWS)[0][0] == expected["tails"][0]
    assert "1 taken from the head" in page.inner_text(".graph-box")
    kept, first = page.url, page.inner_text(".columns")
    open_box(page, box, tmp_path, kept[kept.index("#") :])
    assert page.inner_text(".columns") == first
    button.click()
    assert "all anchors read" in page.inner_text(".graph-box")
    assert "without" not in page.url


def test_all_by_keyboard(page, tmp_path):
    box = box_of("sea")
    open_box(page, box, tmp_path)
    page.keyboard.press("Tab")
    page.get_by_role("combobox", name="Head").focus()
    page.keyboard.type("stone 1")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    active = page.get_attribute(":focus", "aria-activedescendant")
    name = page.inner_text(f"#{active}")
    page.keyboard.press("Enter")
    assert page.inner_text("h2 >> nth=0") == f"{name} – likes – ?"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.value") == "likes"
    page.keyboard.press("ArrowDown")
    assert page.locator(":focus").get_attribute("aria-expanded") == "true"
    assert page.locator(".suggestions:visible li").count() == 6
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="not read").get_attribute("aria-pressed") == "true"
    page.focus(".row[tabindex='0']")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    chosen = page.locator(".row[aria-selected=true]")
    assert chosen.evaluate("one => one === document.activeElement && !one.nextElementSibling")
    assert page.inner_text(".details b") in chosen.get_attribute("aria-label")


def test_a_name_that_is_not_there_gives_one_line(page, tmp_path):
    open_box(page, box_of("sea"), tmp_path)
    page.get_by_role("combobox", name="Head").fill("nobody")
    page.keyboard.press("Enter")
    assert "Head: “nobody” is not in the graph." in page.inner_text(".message")
    assert page.locator(".row").count() == 8
    open_box(page, box_of("sea"), tmp_path, "#head=nobody&relation=likes&without=stone+1")
    said = page.inner_text(".message")
    assert "head “nobody” is not in the graph" in said
    assert "takes away what is no anchor" in said
    assert page.locator(".row").count() == 8


@pytest.mark.parametrize("kind", [NO_ANCHORS, "tokens"])
def test_models_without_anchors_or_without_a_tower(page, tmp_path, kind):
    open_box(page, box_of(kind), tmp_path)
    if kind == NO_ANCHORS:
        assert page.locator(".row").count() == 8
        assert page.get_by_role("button", name="not read").count() == 0
        assert page.locator(".moves").count() == 0
    else:
        assert "Ask it in the notebook" in page.inner_text(".message")
        assert page.locator(".row").count() == 0


@pytest.mark.parametrize("kind", ["tokens", "sea"])
def test_python_answers_and_sees_what_is_chosen(page, kind):
    box, model = box_of(kind), model_of(kind)
    open_live(page, box)
    page.wait_for_selector(".row")
    page.get_by_role("combobox", name="Head").fill("stone 3")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('h2').textContent.startsWith('stone 3 ')")
    expected = link_box.answer(model, 3, 1, True, [], 8)
    rows = page.eval_on_selector_all(".row", ROWS)
    assert [tail for tail, *_ in rows] == expected["tails"]
    assert [kind for *_, kind in rows] == facts_of(model.found.graph, 3, 1, expected["tails"])
    page.locator(".row").nth(2).click()
    page.wait_for_function("model.get('selected') >= 0")
    assert box.query == ("stone 3", "likes")
    assert box.selected == box.get("entities")[expected["tails"][2]]
    page.get_by_role("button", name="not read").click()
    page.wait_for_function("document.querySelector('.columns .note').textContent.includes('no anchors read')")
    off = link_box.answer(model, 3, 1, False, [], 8)
    assert [tail for tail, *_ in page.eval_on_selector_all(".row", ROWS)] == off["tails"]
    assert "#" not in page.url, "a notebook's address is its own"
    page.evaluate("window.leave()")


def test_names_that_try_to_be_code_stay_text(page, tmp_path):
    box = box_of("sea", hostile=True)
    open_box(page, box, tmp_path)
    page.get_by_role("combobox", name="Head").fill("img src")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("combobox", name="Relation").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator(".row").nth(1).click()
    page.get_by_role("button", name="not read").click()
    start = HOSTILE.split("\u2028")[0]
    for place in ("h2 >> nth=0", ".details", ".row >> nth=0"):
        assert start in page.inner_text(place)
    kept = page.url
    open_box(page, box, tmp_path, kept[kept.index("#") :])
    assert page.inner_text(".message") == ""
    assert page.evaluate("window.hit") is None
    assert page.locator(".anchors img, .anchors script").count() == 0
    assert graph_of(hostile=True).relation_texts[0].startswith(HOSTILE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_everybody_can_read_it(chromium, umls, tmp_path, width, scheme):
    page = new_page(chromium, width, color_scheme=scheme)
    for box in (umls, box_of("sea", hostile=True), box_of(NO_ANCHORS)):
        open_box(page, box, tmp_path)
        page.locator(".row").nth(1).click()
        check_access(page)
    open_box(page, umls, tmp_path)
    for theme in ("light", "dark", "contrast"):
        page.get_by_role("button", name="Theme").click()
        assert page.get_attribute(".anchors", "data-theme") == theme
        page.get_by_role("combobox", name="Relation").click()
        check_access(page)
        page.keyboard.press("Escape")
    assert page.trouble == []
    page.context.close()
