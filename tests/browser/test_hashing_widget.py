"""The emoji search in a real browser: its ranking and bits against Python's, keyboard, addresses, hostile names."""

import base64
from urllib.parse import urlencode

import numpy as np
import pytest
from browser.widget_case import check_access, functions, new_page, open_box, open_live
from hashing.search_case import BITS, EXAMPLES, HOSTILE, SHELF, fitted, small_box

from anchors.hashing.codes import hamming, pack, unpack
from anchors.hashing.retrieval import build_index, exact_numpy_search
from anchors.hashing.search_box import SOURCE, SearchBox
from anchors.models.embed import embed

pytestmark = pytest.mark.slow
GROUPS = """all => all.map(group => [Number(group.dataset.distance), Number(group.dataset.size),
  [...group.querySelectorAll('[data-row]')].map(one => Number(one.dataset.row))])"""
DRAWN = "all => all.map(cell => [cell.classList.contains('one'), cell.classList.contains('differs')])"


@pytest.fixture(scope="module")
def whole():
    return SearchBox.trained(64, 0.5, 0, ["a cat", "rain and thunder", "birthday party", "something to eat"])


def table(box, name):
    return np.frombuffer(base64.b64decode(box.get(name)), np.uint8).reshape(-1, -(-box.get("bits") // 8))


def asking(box, direction, what):
    """Return the packed code of a query and the packed database that it searches."""
    if direction == "words":
        return table(box, "codes")[[box.get("vocabulary").index(what)]], table(box, "pictures")[: box.get("shelf")]
    return table(box, "pictures")[[box.get("names").index(what)]], table(box, "texts")


def fragment(direction, what, **more):
    return "#" + urlencode({"direction": direction, "ask": what} | more)


def test_distances_and_bits_are_those_of_numpy(page):
    functions(page, SOURCE, "hamming, bitOf, ranked, rowsOf, suggested")
    rng = np.random.default_rng(0)
    for bits in (1, 7, 8, 20, 64, 100):
        signs = rng.choice([-1, 1], (30, bits))
        packed = pack(signs)
        text, width = base64.b64encode(packed.tobytes()).decode(), packed.shape[1]
        page.evaluate("([text, width]) => { window.rows = own.rowsOf(text, width); }", [text, width])
        read = page.evaluate("n => rows.map(row => Array.from({ length: n }, (_, i) => own.bitOf(row, i)))", bits)
        assert np.array_equal(read, np.unpackbits(packed, axis=1, count=bits))
        for length in {1, (bits + 1) // 2, bits}:
            cut = pack(unpack(packed, bits)[:, :length])
            found = page.evaluate("n => rows.map(one => rows.map(other => own.hamming(one, other, n)))", length)
            assert np.array_equal(found, hamming(cut, cut))


@pytest.mark.parametrize(
    ("direction", "what", "length"),
    [("words", "a cat", 64), ("words", "pizza", 64), ("words", "rain and thunder", 16), ("words", "flag", 5),
     ("pictures", "joker", 64), ("pictures", "dolphin", 64), ("pictures", "Norway", 12)],
)  # fmt: skip
def test_the_page_ranks_as_numpy_and_faiss_do(page, whole, tmp_path, direction, what, length):
    open_box(page, whole, tmp_path, fragment(direction, what, bits=length))
    for _ in range(3):
        page.get_by_role("button", name="Show more").click()
    groups = page.eval_on_selector_all(".group", GROUPS)
    cut = [pack(unpack(one, 64)[:, :length]) for one in asking(whole, direction, what)]
    shown = sum(len(rows) for _, _, rows in groups)
    distances, ids = exact_numpy_search(*cut, shown)
    assert shown >= 100
    assert [row for _, _, rows in groups for row in rows] == ids[0].tolist()
    assert [distance for distance, _, rows in groups for _ in rows] == distances[0].tolist()
    assert build_index(cut[1], length).search(cut[0], shown)[0][0].tolist() == distances[0].tolist()
    counts = np.bincount(hamming(*cut)[0])
    assert all(size == counts[distance] for distance, size, _ in groups), "a group says how many are tied"
    assert all(len(rows) == size for _, size, rows in groups[:-1])


@pytest.mark.parametrize(("direction", "what"), [("words", "a cat"), ("pictures", "joker")])
def test_bits_are_those_of_the_codes_and_differing_ones_are_marked(page, whole, tmp_path, direction, what):
    open_box(page, whole, tmp_path, fragment(direction, what, bits=40))
    query, database = asking(whole, direction, what)
    for place in (3, 9):
        option = page.locator(".answers [role=option]").nth(place)
        option.hover()
        row = int(option.get_attribute("data-row"))
        bits = [np.unpackbits(code).astype(bool) for code in (query[0], database[row])]
        differs = (bits[0] != bits[1]) & (np.arange(64) < 40)
        assert page.eval_on_selector_all(".query-code .cell", DRAWN) == [[bool(bit), False] for bit in bits[0]]
        drawn = page.eval_on_selector_all(".answer-code .cell", DRAWN)
        assert drawn == [[bool(bit), bool(odd)] for bit, odd in zip(bits[1], differs, strict=True)]
        assert page.locator(".answer-code .mark").count() == differs.sum()
        assert f"distance {differs.sum()} of 40 bits" in page.inner_text(".compared")
        assert f"{differs.sum()} of 40 differ" in page.get_attribute(".cells", "aria-label")


def test_all_by_keyboard(page, tmp_path):
    box = small_box()
    open_box(page, box, tmp_path)
    page.get_by_label("Words that ask").focus()
    word = box.get("vocabulary")[4]
    page.keyboard.type(word[:3])
    assert page.get_attribute("[role=combobox]", "aria-expanded") == "true"
    while page.locator(".suggestions [aria-selected=true]").all_inner_texts() != [word]:
        page.keyboard.press("ArrowDown")
    active = page.get_attribute("[role=combobox]", "aria-activedescendant")
    assert page.inner_text(f"#{active}") == word
    page.keyboard.press("Enter")
    assert page.inner_text("h2") == f"Pictures nearest to “{word}”"
    page.focus(".answers [role=option][tabindex='0']")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    chosen = page.locator(".answers [aria-selected=true]")
    assert chosen.count() == 1
    assert chosen.evaluate("one => one === document.activeElement")
    name = box.get("names")[int(chosen.get_attribute("data-row"))]
    assert f"answer={urlencode({'': name})[1:]}" in page.url
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    assert page.locator(".answers [tabindex='0']").count() == 1


def test_a_picture_asks_by_keyboard_and_by_its_name(page, tmp_path):
    box = small_box()
    open_box(page, box, tmp_path)
    page.get_by_role("button", name="pictures → words").press("Enter")
    page.focus(".shelf [tabindex='0']")
    for key in ("ArrowRight", "ArrowRight", " "):
        page.keyboard.press(key)
    name = box.get("names")[SHELF + 2]
    assert page.inner_text("h2") == f"Words nearest to the picture “{name}”"
    assert "held out" in page.inner_text(".asking")
    page.get_by_label("Picture that asks").fill(box.get("names")[4])
    page.keyboard.press("Enter")
    assert "a training picture" in page.inner_text(".asking")
    page.get_by_label("Picture that asks").fill("no such picture")
    page.keyboard.press("Enter")
    assert "No picture is called “no such picture”" in page.inner_text(".message")


def test_a_word_that_the_page_does_not_know_gives_one_line(page, tmp_path):
    box = small_box()
    open_box(page, box, tmp_path)
    page.get_by_label("Words that ask").fill("a queue of penguins")
    page.keyboard.press("Enter")
    known = len(box.get("vocabulary"))
    assert f"“a queue of penguins” is not among the {known} words" in page.inner_text(".message")
    assert "notebook" in page.inner_text(".message")
    assert page.locator(".answers [role=option]").count() == 0
    page.get_by_label("Words that ask").fill(EXAMPLES[1])
    assert page.inner_text(".message") == ""
    assert page.locator(".answers [role=option]").count() >= 24


def test_an_address_shows_the_same_again_and_a_bad_one_is_said(page, tmp_path):
    box = small_box()
    name, picture = box.get("names")[7], box.get("names")[SHELF + 5]
    open_box(page, box, tmp_path, fragment("pictures", picture, bits=9, answer=name))
    assert page.locator(".answers [aria-selected=true]").get_attribute("aria-label").startswith(f"{name}, ")
    assert "the first 9 of a 20-bit code" in page.inner_text(".length")
    kept, first = page.url, page.inner_text(".answers")
    open_box(page, box, tmp_path, kept[kept.index("#") :])
    assert (page.url, page.inner_text(".answers")) == (kept, first)
    for wrong, said in (
        (fragment("words", EXAMPLES[0], bits=700), "bits in the address is “700”"),
        (fragment("words", EXAMPLES[0], answer="nobody"), "answer “nobody”"),
        (fragment("pictures", "nobody"), "picture “nobody”"),
    ):
        open_box(page, box, tmp_path, wrong)
        assert said in page.inner_text(".message")
        assert page.locator(".answers [role=option]").count() >= 20


def test_python_hashes_free_text_and_sees_what_is_chosen(page):
    box = small_box()
    open_live(page, box)
    page.get_by_label("Words that ask").fill("a queue of penguins")
    page.keyboard.press("Enter")
    page.wait_for_selector(".answers [role=option]")
    assert page.inner_text("h2") == "Pictures nearest to “a queue of penguins”"
    code = fitted()[0].transform(texts=embed(["a queue of penguins"]))
    groups = page.eval_on_selector_all(".group", GROUPS)
    shown = sum(len(rows) for *_, rows in groups)
    distances, ids = exact_numpy_search(code, table(box, "pictures")[:SHELF], shown)
    assert [row for *_, rows in groups for row in rows] == ids[0].tolist()
    page.locator(".answers [role=option]").nth(2).click()
    page.wait_for_function("model.get('selected') >= 0")
    assert box.query == "a queue of penguins"
    assert box.selected == box.get("names")[ids[0][2]]
    assert box.answers(shown).answer.tolist() == [box.get("names")[i] for i in ids[0]]
    assert "#" not in page.url, "a notebook's address is its own"
    page.evaluate("model.set('length', 3)")
    assert "the first 3 of a 20-bit code" in page.inner_text(".length")
    page.evaluate("window.leave()")


def test_names_that_try_to_be_code_stay_text(page, tmp_path):
    box = small_box(hostile=True)
    open_box(page, box, tmp_path)
    for direction in ("words → pictures", "pictures → words"):
        page.get_by_role("button", name=direction).click()
        for _ in range(5):
            if page.get_by_role("button", name="Show more").is_visible():
                page.get_by_role("button", name="Show more").click()
        option = page.locator(".answers [data-row='0']")
        option.click()
        assert HOSTILE.split("\u2028")[0] in page.inner_text(".compared")
        page.get_by_role("combobox").fill("img src")
        assert page.locator(".suggestions li").count() >= 1
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    assert page.evaluate("window.hit") is None
    assert page.locator(".anchors img, .anchors script").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["desktop", "phone"])
def test_everybody_can_read_it(chromium, tmp_path, width, scheme):
    page = new_page(chromium, width, color_scheme=scheme)
    for direction, what in (("words", EXAMPLES[0]), ("pictures", small_box().get("names")[SHELF])):
        open_box(page, small_box(), tmp_path, fragment(direction, what))
        check_access(page)
        assert "OpenMoji" in page.inner_text(".credit")
        assert "CC BY-SA 4.0" in page.inner_text(".credit")
    for theme in ("light", "dark", "contrast"):
        page.get_by_role("button", name="Theme").click()
        assert page.get_attribute(".anchors", "data-theme") == theme
        page.get_by_role("combobox").fill("a")
        check_access(page)
        page.keyboard.press("Escape")
    assert page.trouble == []
    page.context.close()


def test_the_codes_have_a_byte_that_is_not_full():
    assert BITS % 8
