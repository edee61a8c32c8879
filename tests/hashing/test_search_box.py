"""The search box behind the browser: its tables, its ranking against faiss and NumPy, free text, and its pictures."""

import base64
import io

import numpy as np
import pytest
from hashing.search_case import BITS, EXAMPLES, HELD_OUT, SHELF, fitted, small_box, small_state
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from anchors.companion.errors import InputError
from anchors.hashing import search_box
from anchors.hashing.codes import pack, unpack
from anchors.hashing.emoji_views import catalogue, render
from anchors.hashing.retrieval import build_index, exact_numpy_search
from anchors.models.embed import embed


@pytest.fixture
def box():
    return small_box()


def table(box, name):
    return np.frombuffer(base64.b64decode(box.get(name)), np.uint8).reshape(-1, -(-BITS // 8))


def test_the_tables_hold_the_codes_of_the_model(box):
    model, made = fitted()
    assert box.get("names") == made.items
    assert (box.get("shelf"), len(box.get("about"))) == (SHELF, SHELF)
    assert np.array_equal(table(box, "pictures")[:SHELF], model.transform(images=made.train().image))
    assert np.array_equal(table(box, "pictures")[SHELF:], model.transform(images=made.test().image))
    assert np.array_equal(table(box, "texts"), model.transform(texts=made.train().text))
    assert np.array_equal(table(box, "codes"), model.transform(texts=embed(box.get("vocabulary"))))
    kinds = [box.get("subgroups")[kind] for kind in box.get("kinds")]
    assert kinds == made.extras["subgroup"].tolist()


@pytest.mark.parametrize("length", [BITS, 16, 7, 1])
@pytest.mark.parametrize("direction", ["words", "pictures"])
def test_answers_are_those_of_faiss_and_numpy(box, direction, length):
    box.set("direction", direction)
    box.set("length", length)
    box.set("picture", SHELF + 3)
    word = table(box, "codes")[[box.get("vocabulary").index(EXAMPLES[0])]]
    asking, shelf = (word, "pictures") if direction == "words" else (table(box, "pictures")[[SHELF + 3]], "texts")
    cut = [pack(unpack(one, BITS)[:, :length]) for one in (asking, table(box, shelf)[:SHELF])]
    distances, ids = exact_numpy_search(*cut, 30)
    found = box.answers(30)
    assert found.answer.tolist() == [box.get("names")[i] for i in ids[0]]
    assert found.distance.tolist() == distances[0].tolist()
    assert build_index(cut[1], length).search(cut[0], 30)[0][0].tolist() == found.distance.tolist()


def test_words_that_are_not_known_are_hashed_now(box):
    box.set("word", "a queue of penguins")
    code = fitted()[0].transform(texts=embed(["a queue of penguins"]))
    assert np.array_equal(box.code_of(" a queue of penguins "), code)
    assert box.hashed("a queue of penguins") == {
        "text": "a queue of penguins", "code": base64.b64encode(code.tobytes()).decode(),
    }  # fmt: skip
    distances, _ = exact_numpy_search(code, table(box, "pictures")[:SHELF], 8)
    assert box.answers().distance.tolist() == distances[0].tolist()


@pytest.mark.parametrize("text", ["", "  ", "x" * 301, None, 3])
def test_what_cannot_be_hashed_gives_one_line(box, text):
    answer = box.hashed(text)
    assert answer["error"].startswith("words: ")
    assert "\n" not in answer["error"]


def test_python_follows_the_reader_and_answers_in_jupyter(box):
    live = box.live
    live.asked = "a queue of penguins"
    assert live.answer == box.hashed("a queue of penguins")
    live.asked = " "
    assert "error" in live.answer
    assert (box.query, box.selected) == (EXAMPLES[0], None)
    live.direction, live.picture, live.selected = "pictures", SHELF + 1, 5
    assert (box.query, box.selected) == (box.get("names")[SHELF + 1], box.get("names")[5])
    assert box.live is live


def test_a_model_may_be_made_when_it_is_first_needed():
    model, made = fitted()
    calls = []
    box = search_box.SearchBox(lambda: calls.append(1) or model, small_state())
    assert calls == []
    box.hashed("rain"), box.hashed("snow")
    assert calls == [1]


@pytest.mark.parametrize("picture", [-1, HELD_OUT])
def test_a_picture_that_is_not_held_out_cannot_ask(picture):
    with pytest.raises(InputError, match="picture"):
        search_box.SearchBox(fitted()[0], small_state(), picture)


def test_words_to_begin_with_are_needed():
    with pytest.raises(InputError, match="words"):
        search_box.SearchBox.trained(64, 0.5, 0, [])


def test_the_vocabulary_holds_phrases_names_and_single_words():
    known = search_box.vocabulary(["A  Cat", "zebra crossing"])
    assert known == sorted(set(known))
    assert {"a cat", "zebra crossing", "grinning face", "grinning", "face", "pizza"} <= set(known)
    assert all(word == search_box.plain(word) != "" for word in known)
    assert {search_box.plain(emoji.name) for emoji in catalogue()} <= set(known)


def test_the_sheet_shows_every_picture_in_its_place():
    codes = [emoji.code for emoji in catalogue()[:50]]
    sheet = Image.open(io.BytesIO(base64.b64decode(search_box.sheet(codes, 24)))).convert("RGB")
    assert sheet.size == (24 * search_box.COLUMNS, 24 * 2)
    for place in (0, 40, 41, 49):
        y, x = divmod(place, search_box.COLUMNS)
        tile = np.asarray(sheet.crop((24 * x, 24 * y, 24 * x + 24, 24 * y + 24)), float)
        rgba = render([codes[place]], 24)[0].astype(float)
        seen = rgba[..., :3] * rgba[..., 3:] / 255 + 255 - rgba[..., 3:]
        assert np.abs(tile - seen).mean() < 6, "few colours, no other picture"
    assert np.asarray(sheet)[24:, 24 * 9 :].min() >= 250, "the rest of the last row is white"


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40))
def test_plain_text_stays_as_it_is(text):
    once = search_box.plain(text)
    assert search_box.plain(once) in (once, once.lower())
    assert once == once.strip()


@pytest.mark.slow
def test_the_search_of_the_notebook_is_the_one_of_the_box():
    from anchors.hashing.studies import emoji_search as study

    words, rows = ["a cat", "fast vehicle"], [12, 75]
    box = search_box.SearchBox.trained(64, 0.5, 0, words, picture=rows[1])
    for hits in study.words_to_pictures(words, 64, 0.5, 0):
        box.set("word", hits.query)
        assert box.answers(8).distance.tolist() == hits.distances.tolist()
    box.set("direction", "pictures")
    assert box.answers(8).answer.tolist() == [
        box.get("names")[r] for r in study.pictures_to_words(rows, 64, 0.5, 0)[1].rows
    ]
    assert 4000 < len(box.get("vocabulary")) < 9000
    assert len(box.page()) < 2_500_000
