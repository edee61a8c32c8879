"""Statistics on hand cases, ramps, and the splitters of words and sentences."""

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.rubric import criteria
from anchors.rubric.criteria.spans import clean, ngrams, sentences, words
from anchors.rubric.criteria.statistics import ramp, type_token_ratio

TOP = 1000.0  # of the ramp in the hand cases: u times this is the statistic


def values(name: str, texts: list[str], prompts: list[str] | None = None, **options) -> np.ndarray:
    check = criteria.find(name, "statistic")
    options = check.validated({"low": 0, "high": TOP} | options)
    return check.run(prompts or [""] * len(texts), texts, **options).values * options["high"]


HAND = {
    "words": [("Don't stop the well-known band.", 6), ("one", 1)],
    "characters": [("abc d", 5)],
    "sentences": [("One. Two! Three?", 3), ("Dr. Smith came. He sat", 2), ("A title\n\nA text.", 2)],
    "lines": [("a\n\nb\nc\n", 3)],
    "word_length": [("a bb ccc", 2)],
    "long_words": [("wonderful sunshine now ok", 0.5)],
    "sentence_length": [("One two. Three four five six.", 3)],
    "sentence_length_variation": [("One two. Three four five six.", 1 / 3), ("Only one here.", 0)],
    "type_token_ratio": [("the cat and the dog", 4 / 5), ("The the THE", 1 / 3)],
    "distinct": [("a b a b a", 2 / 4), ("one", 0)],
    "repetition": [("a b c a b c", 1 / 4), ("a b c d", 0), ("a", 0)],
    "repeated_lines": [("x\ny\n\nX\n y", 2 / 4)],
    "longest_run": [("sooooo good!!", 5), ("ab", 1), ("a      b", 1)],
    "bullet_lines": [("intro\n- a\n* b\n1. c", 3 / 4)],
    "bold": [("**a** b c **d e**", 40)],
    "capitals": [("ABcd 12", 0.5)],
    "capital_words": [("NASA is a BIG A", 2 / 5)],
    "exclamations": [("Go! Now!", 100)],
    "questions": [("Why? I do not know", 20)],
    "quotes": [('"ab" cd', 4 / 7)],
    "digits": [("a1 2", 2 / 3)],
    "punctuation": [("a, b.", 0.5)],
    "letters": [("a1 b2", 0.5)],
}


@pytest.mark.parametrize("name", HAND)
def test_hand_cases(name):
    texts, expected = zip(*HAND[name], strict=True)
    np.testing.assert_allclose(values(name, list(texts)), expected, rtol=1e-9, atol=1e-12)
    assert values(name, ["", " \n"]).tolist() == [0, 0]


def test_every_statistic_has_a_hand_case():
    names = {name for name, check in criteria.checks().items() if check.kind == "statistic"}
    assert names == set(HAND) | {"copied"}


def test_shares_need_no_ramp_and_counts_do():
    assert criteria.find("capitals").validated({}) == {"low": 0, "high": 1}
    with pytest.raises(InputError, match=r"options of check 'words'.*no 'low'.*Give 'low'"):
        criteria.find("words").validated({"high": 3})
    with pytest.raises(InputError, match=r"option 'high' of check 'words'.*nan"):
        criteria.find("words").validated({"low": 0, "high": float("nan")})


def test_copied_from_the_prompt():
    prompt = "Write about the old bridge of my village."
    texts = ["About the OLD bridge of home", "Something else is written here now", "short", ""]
    np.testing.assert_allclose(values("copied", texts, [prompt] * 4, high=1), [2 / 3, 0, 0, 0])


def test_the_moving_ratio_is_that_of_its_definition():
    rng = np.random.default_rng(0)
    for size, window in ((7, 3), (30, 10), (80, 50), (5, 50), (12, 1)):
        found = [f"w{k}" for k in rng.integers(0, 6, size)]
        step = min(window, size)
        parts = [len(set(found[k : k + step])) / step for k in range(size - step + 1)]
        assert type_token_ratio(" ".join(found), window=window) == pytest.approx(np.mean(parts))


def test_ramps():
    np.testing.assert_allclose(ramp([-1, 0, 1, 2, 3, 9], 1, 3), [0, 0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(ramp([60, 61, 62, 10], 61, 60), [1, 0, 0, 1], err_msg="at most 60")
    np.testing.assert_allclose(ramp([1.9, 2, 3], 2, 2), [0, 1, 1])
    np.testing.assert_array_equal(np.isnan(ramp([np.nan, 1], 0, 0)), [True, False])


SPLIT = {
    "One. Two! Three? Four": ["One.", "Two!", "Three?", "Four"],
    "Mr. and Mrs. Jones met Dr. Who. He left.": ["Mr. and Mrs. Jones met Dr. Who.", "He left."],
    "It is 3.14 or v. 2.0.1, e.g. this. Yes": ["It is 3.14 or v. 2.0.1, e.g. this.", "Yes"],
    "He came at 5 p.m. and left. At 6 p.m. She sang.": ["He came at 5 p.m. and left.", "At 6 p.m.", "She sang."],
    "Wait... what? Wait... It came.": ["Wait... what?", "Wait...", "It came."],
    'He said "No!" She left.': ['He said "No!"', "She left."],
    "(An aside.) Then more.": ["(An aside.)", "Then more."],
    "1. Mix it.\n2. Bake it.": ["1. Mix it.", "2. Bake it."],
    "J. R. Tolkien wrote. I did not. No. 5 is here. He said no. We left.": [
        "J. R. Tolkien wrote.", "I did not.", "No. 5 is here.", "He said no.", "We left.",
    ],
    "It is I. We go.": ["It is I.", "We go."],
    "今日は雨だ。傘がない！どうする？": ["今日は雨だ。", "傘がない！", "どうする？"],
    "वह गया। वह आया।": ["वह गया।", "वह आया।"],
    "See www.example.com now. Yes": ["See www.example.com now.", "Yes"],
    "...": ["..."],
    "": [],
    " \n ": [],
}  # fmt: skip


@pytest.mark.parametrize("text", SPLIT)
def test_sentences(text):
    assert [text[start:end] for start, end in sentences(text)] == SPLIT[text]


def test_blank_lines_end_sentences_or_not():
    text = "A title\n \nA text. More"
    assert [text[start:end] for start, end in sentences(text)] == ["A title", "A text.", "More"]
    assert len(sentences(text, blank_lines=False)) == 2


def test_words_and_runs():
    assert words("Don’t re-do café №5_x") == ["Don’t", "re", "do", "café", "5_x"]
    assert ngrams([1, 2, 3], 2) == [(1, 2), (2, 3)]
    assert ngrams([1], 2) == []
    assert clean("a\ud800\x00b") == "a\ufffd\ufffdb"
