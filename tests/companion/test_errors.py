"""An error is one line that a terminal shows and does not obey."""

import pytest

from anchors.companion.errors import AnchorsError, InputError, MissingData, short

HOSTILE = ["a\nb", "a\r\nb", "a\x1b[2Jb", "a\x00b", "a\u2028b", "a\u202eb", "a\x07b", "a\ud800b", "a\x9bb", "a\ue000b"]


@pytest.mark.parametrize("text", HOSTILE)
def test_every_error_is_one_line_of_what_can_be_shown(text):
    for error in (AnchorsError(text), InputError(text, text, text, text), MissingData(text, text, text)):
        line = str(error)
        assert line.isprintable()
        assert len(line.splitlines()) == 1
        line.encode()


def test_what_can_be_shown_stays():
    assert str(InputError("é", "…", "“x”", "日本 😀")) == "é: found …; expected “x”. 日本 😀"
    assert str(AnchorsError()) == ""


def test_values_are_shown_short():
    assert short("a\n") == r"'a\n'"
    assert short(10**40) == "1" + "0" * 40
    assert short(1 << 20_000) == "a number of 20001 bits"
    assert short("x" * 100) == f"'{'x' * 59} … {'x' * 9}' (102 characters)"
