"""Sentences: exact slices, the released texts, prefixes."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.thought.sentences import Sentence, first_sentence, prefixes, released, split

TEXTS = st.text(alphabet=st.sampled_from("ab1 .?!\n\r,\\(é\t"), max_size=200)


@given(TEXTS)
def test_sentences_are_ordered_slices_that_cover_everything(text):
    found = split(text)
    assert all(text[s.start : s.end] == s.text == s.text.strip() and s.text for s in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    edges = [0, *(edge for s in found for edge in (s.start, s.end)), len(text)]
    gaps = [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    assert "".join(gaps).strip() == ""


@given(TEXTS)
def test_no_short_sentence_is_left_beside_another(text):
    found = released(text)
    assert len(found) <= 1 or min(map(len, found)) >= 10


@given(TEXTS)
def test_exact_and_released_agree_up_to_blanks(text):
    """The released texts are the exact ones with other blanks between joined pieces."""
    stripped = text.strip()
    assert ["".join(s.text.split()) for s in split(stripped)] == ["".join(s.split()) for s in released(stripped)]


@given(TEXTS)
def test_what_is_one_sentence_stays_one(text):
    again = [split(sentence.text) for sentence in split(text)]
    assert all(len(found) == 1 or len(found[0].text) >= 10 for found in again)
    unmerged = split(text, min_chars=1)
    assert all(split(s.text, min_chars=1) == [Sentence(0, len(s.text), s.text)] for s in unmerged)


@given(TEXTS)
def test_prefixes_are_slices(text):
    found = split(text)
    before = prefixes(text, found)
    assert len(before) == len(found)
    assert all(text.startswith(prefix + s.text) for prefix, s in zip(before, found, strict=True))


def test_prefix_keeps_an_earlier_repeat():
    text = "Let me check that. It is 20 bits now. Let me check that. Indeed, it holds."
    found = split(text)
    assert found[0].text == found[2].text
    assert prefixes(text, found)[2] == "Let me check that. It is 20 bits now. "
    assert text[: found[2].end].replace(found[2].text, "") != prefixes(text, found)[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  \n\n ", []),
        ("Short.", ["Short."]),
        ("First sentence here. Second one here", ["First sentence here.", "Second one here"]),
        ("A list follows:\n\n1. the first item", ["A list follows:", "1. the first item"]),
        ("1. the first item\n2. the second item", ["1. the first item\n2.", "the second item"]),
        ("It is 3.14 exactly! No doubt?Yes", ["It is 3.14 exactly!", "No doubt?Yes"]),
        ("A long first sentence. Yes.", ["A long first sentence. Yes."]),
        ("windows newline\r\n\r\nsecond paragraph", ["windows newline", "second paragraph"]),
    ],
)
def test_boundaries(text, expected):
    assert [s.text for s in split(text)] == expected


def test_released_joins_with_one_space_and_looks_between_the_tags():
    text = "Solve this. <think>\nWell,\n\nthis is simple. So\n\nthe answer is clear.\n</think>\n\nNot this."
    assert released(text) == ["Well, this is simple.", "So the answer is clear."]
    assert [s.text for s in split("Well,\n\nthis is simple.")] == ["Well,\n\nthis is simple."]


def test_first_sentence():
    assert first_sentence(" Let me see it. Then more of it.") == "Let me see it."
    assert first_sentence("\n\n") == ""
