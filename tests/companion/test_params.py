"""Profiles and parameters: what a parameters cell may hold, and what overrides are accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.companion.params import choose, parse_cell, parse_overrides, resolve

CELL = """bits: int = 32  # code length
ratio: float = 0.3  # share of pairs
data: str = "emoji"  # a data set
sets: list = ["emoji"]  # several
fast: bool = False  # skip
"""


def test_cell_gives_name_annotation_default_and_help():
    declared = parse_cell(CELL)
    assert list(declared) == ["bits", "ratio", "data", "sets", "fast"]
    assert (declared["bits"].annotation, declared["bits"].default, declared["bits"].help) == ("int", 32, "code length")


@pytest.mark.parametrize("line", ["bits = 32", "import os", "bits: int", "print('x')"])
def test_cell_accepts_annotated_literals_only(line):
    with pytest.raises(InputError, match="name: type = literal"):
        parse_cell(line)


def test_overrides_are_read_as_literals_where_they_are_some():
    words = parse_overrides("bits=64 ratio=1 data=digits sets=['a', 'b'] fast=True")
    values = resolve(parse_cell(CELL), words, "nb")
    assert values == {"bits": 64, "ratio": 1.0, "data": "digits", "sets": ["a", "b"], "fast": True}
    assert isinstance(values["ratio"], float)


def test_a_word_that_looks_like_a_number_stays_text_where_text_is_due():
    assert resolve(parse_cell(CELL), {"data": "2024"}, "nb") == {"data": "2024"}


@pytest.mark.parametrize("words", ["bits=6.5", "bits=many", "ratio=half", "fast=1", "sets=emoji", "bits=True"])
def test_ill_typed_values_are_refused(words):
    with pytest.raises(InputError, match="The default is"):
        resolve(parse_cell(CELL), parse_overrides(words), "nb")


def test_unknown_names_are_refused_and_the_known_ones_listed():
    with pytest.raises(InputError, match=r"'bit'.*bits \| ratio"):
        resolve(parse_cell(CELL), {"bit": "1"}, "nb")


@given(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_the_way_through_text(whole, real):
    values = resolve(parse_cell(CELL), parse_overrides(f"bits={whole} ratio={real!r}"), "nb")
    assert values == {"bits": whole, "ratio": real}


def test_profiles():
    assert [choose(p, 1, 2, 3) for p in ("smoke", "laptop", "paper")] == [1, 2, 3]
    with pytest.raises(InputError, match=r"smoke \| laptop \| paper"):
        choose("desktop", 1, 2, 3)
