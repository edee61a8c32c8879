"""Regular expressions of program families; all take time in proportion to the text (ours)."""

import re

WORD = r"\w++(?:['’]\w++)*+"
_BEFORE, _AFTER = r"(?<!\w)(?<!\w['’])", r"(?!['’]?\w)"

MARKS = {
    "question mark": r"\?",
    "exclamation mark": "!",
    "semicolon": ";",
    "colon": ":",
    "long dash": "[—–]",
    "remark in brackets": r"\([^()\n]*\)",
    "quotation": r'"[^"\n]+"|“[^“”\n]+”',
    "number": r"(?<!\w)\d++(?:[.,]\d++)*+",
    "year": r"(?<!\w)(?:1\d|20)\d\d(?!\w)",
    "percentage": r"\d\s?(?:%|percent\b)",
    "hashtag": r"(?<!\w)#\w+",
    "mention": r"(?<!\w)@\w+",
    "bold place": r"\*\*[^*\n]+\*\*",
    "run of three dots": r"…|\.{3,}",
    "ampersand": "&",
    "emoji": r"\p{Emoji_Presentation}",
}


def _exact(word: str) -> str:
    return _BEFORE + re.escape(word) + _AFTER


def word_at(place: int, word: str) -> str:
    """Return a pattern: word number ``place`` of the text, from 1, is ``word``."""
    before = rf"(?:{WORD}\W++){{{place - 1}}}" if place > 1 else ""
    return rf"\A\W*+{before}{_exact(word)}"


def last_word(word: str) -> str:
    """Return a pattern: the last word of the text is ``word``."""
    return rf"{_exact(word)}\W*+\Z"


def in_order(one: str, two: str) -> str:
    """Return a pattern (flag s): ``two`` stands somewhere after the first ``one``."""
    return rf"\A(?>.*?{_exact(one)}).*?{_exact(two)}"


def acrostic(word: str) -> str:
    """Return a pattern: the lines that are not blank begin with the letters of ``word`` and there are no others."""
    return r"\A" + r"\n".join(rf"\W*+{letter}[^\n]*+" for letter in word) + r"\s*+\Z"


def one_sentence(count: int, word: str = "") -> str:
    """Return a pattern: one sentence of ``count`` words that ends with a mark; with ``word`` (flag s) it holds it."""
    holds = rf"(?=.*?{_exact(word)})" if word else ""
    return rf"\A{holds}\W*+{WORD}(?:[^\w.!?…]++{WORD}){{{count - 1}}}[^\w.!?…]*+[.!?…]++\W*+\Z"


def lines_of(lines: int, count: int) -> str:
    """Return a pattern: so many lines that are not blank, each of so many words."""
    line = rf"[^\w\n]*+{WORD}(?:[^\w\n]++{WORD}){{{count - 1}}}[^\w\n]*+"
    return rf"\A\s*+{line}(?:\n\s*+{line}){{{lines - 1}}}\s*+\Z"


def long_word(size: int) -> str:
    """Return a pattern: a word of at least ``size`` letters."""
    return rf"[^\W\d_]{{{size},}}"
