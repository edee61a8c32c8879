"""The 25 instructions of IFEval against an independent package (if-verifiable), and where ours differ on purpose."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from rubric.criteria_cases import KWARGS, LANGUAGES, MADE, ending, response

from anchors.companion import datasets
from anchors.companion.errors import InputError
from anchors.rubric import criteria
from anchors.rubric.criteria import spans
from anchors.rubric.criteria.ifeval import variants

ROUNDS = 300


def verdicts(name: str, kwargs: dict, texts: list[str]) -> list[bool]:
    check = criteria.find(f"ifeval:{name}", "program")
    return check.run([""] * len(texts), texts, **check.validated(kwargs)).values.astype(bool).tolist()


def followed(name: str, text: str, **kwargs) -> bool:
    return verdicts(name, kwargs, [text])[0]


@pytest.fixture
def theirs(monkeypatch):
    """Return their verdict; nltk's trained splitter cannot be had, the same splitter with our abbreviations can."""
    import langdetect
    import nltk
    from if_verifiable.ifeval import instructions_registry, instructions_util
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    parameters = PunktParameters()
    parameters.abbrev_types = {word for word, kind in spans._ABBREVIATED.items() if kind < 2}
    splitter = PunktSentenceTokenizer(parameters)
    monkeypatch.setattr(instructions_util, "_get_sentence_tokenizer", lambda: splitter)
    monkeypatch.setattr(nltk.tokenize, "sent_tokenize", lambda text, language: splitter.tokenize(text))
    monkeypatch.setattr(langdetect.DetectorFactory, "seed", 0)
    monkeypatch.setattr(logging.root, "disabled", True)  # they log what langdetect cannot tell

    def verdict(name: str, kwargs: dict, text: str) -> bool:
        instruction = instructions_registry.INSTRUCTION_DICT[name](name)
        instruction.build_description(**kwargs)
        return bool(text.strip() and instruction.check_following(text))

    return verdict


def test_there_are_25():
    names = {name.removeprefix("ifeval:") for name in criteria.checks() if name.startswith("ifeval:")}
    assert names == set(KWARGS)
    assert len(names) == 25


@pytest.mark.needs("rubric_ifeval")
def test_every_instruction_of_the_published_file_is_accepted():
    lines = Path(datasets.fetch("rubric_ifeval")["input_data.jsonl"]).read_text(encoding="utf-8").splitlines()
    count = 0
    for row in map(json.loads, lines):
        for name, kwargs in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            padded = dict.fromkeys(("num_words", "language")) | kwargs  # the hub's copy has all keys, most of them null
            criteria.find(f"ifeval:{name}", "program").validated(padded)
            count += 1
    assert (len(lines), count) == (541, 834)


OTHERWISE = {"language:response_language", "change_case:english_capital", "change_case:english_lowercase"}


@pytest.mark.parametrize("name", sorted(set(KWARGS) - OTHERWISE - {"length_constraints:number_sentences"}))
def test_verdicts_agree_with_if_verifiable(name, theirs):
    rng, right = np.random.default_rng(7), 0
    for kwargs in KWARGS[name]:
        texts = [ending(name, kwargs, response(rng, MADE.get(name, [])), rng) for _ in range(ROUNDS)]
        texts += ["", " \n ", "x", kwargs.get("end_phrase", '"')]
        expected = [theirs(name, kwargs, text) for text in texts]
        differ = [t for t, a, b in zip(texts, expected, verdicts(name, kwargs, texts), strict=True) if a != b]
        assert not differ, (kwargs, differ[0])
        right += sum(expected)
    total = ROUNDS * len(KWARGS[name])
    assert 0.02 * total < right < 0.98 * total, "the cases must be of both kinds"


PROSE = [
    "The bridge was closed", "Nobody knew what to do", "it cost 3.14 dollars", "Dr. Smith said no", "she asked why",
    "He came at 5 p.m. on Monday", "(an aside)", '"I knew it"', "The U.S. army left", "bread, e.g. rye", "What now",
    "J. R. Tolkien wrote it", "visit www.example.com today", "one vs. the others", "Version 2.0 is out", "wait",
]  # fmt: skip
ENDS = [". ", "! ", "? ", ".\n", "?\n\n", ', and "', ", ", ": ", "\n", "; ", " - "]


def test_sentences_agree_with_an_untrained_punkt_on_prose(theirs):
    rng, name = np.random.default_rng(3), "length_constraints:number_sentences"
    draw = [np.array(part, dtype=object) for part in (PROSE, ENDS)]
    for _ in range(1500):
        text = "".join(str(rng.choice(part)) for _ in range(rng.integers(1, 8)) for part in draw) + "The end."
        kwargs = {"num_sentences": int(rng.integers(1, 8)), "relation": str(rng.choice(["at least", "less than"]))}
        assert theirs(name, kwargs, text) == followed(name, text, **kwargs), text


@pytest.mark.parametrize("code", LANGUAGES)
def test_languages_agree_with_langdetect(code, theirs):
    import langdetect
    from if_verifiable.ifeval.instructions_util import LANGUAGE_CODES

    name, text = "language:response_language", LANGUAGES[code]
    assert langdetect.detect(text) == code
    for asked in sorted({"en", "hi", "de", "ru", "es", "fa", code}):
        assert followed(name, text, language=asked) == (asked == code)
        if asked in LANGUAGE_CODES:
            assert theirs(name, {"language": asked}, text) == (asked == code)


@pytest.mark.parametrize("name", ["change_case:english_capital", "change_case:english_lowercase"])
def test_english_in_one_case_agrees_but_for_capitals_that_langdetect_misreads(name, theirs):
    capital = name.endswith("capital")
    turn = str.upper if capital else str.lower
    for code in ("en", "de", "fr", "es", "hi"):
        for text in (LANGUAGES[code], turn(LANGUAGES[code]), turn(LANGUAGES[code]) + " Once more."):
            expected = theirs(name, {}, text)
            if capital and code == "en" and text.isupper():
                expected = True  # langdetect was trained on ordinary text
            assert followed(name, text) == expected, text


def test_what_differs_on_purpose():
    assert followed("keywords:existence", "I write c++ code", keywords=["c++"])
    assert not followed("keywords:existence", "abc", keywords=["a.c"])
    assert not followed("keywords:forbidden_words", "I write C++.", forbidden_words=["c++"])
    assert followed("keywords:letter_frequency", "#a #b", letter="#", let_frequency=2, let_relation="at least")
    assert not followed("detectable_format:json_format", "[" * 100_000)
    assert followed("detectable_format:number_bullet_lists", "*\n* x", num_bullets=2)
    assert followed("detectable_content:postscript", "PS (1) bye", postscript_marker="PS (1)")
    assert followed(
        "length_constraints:number_sentences", "1. Mix it.\n2. Bake it.", num_sentences=3, relation="less than"
    )
    assert followed("length_constraints:number_sentences", "Wait... It is late.", num_sentences=2, relation="at least")
    assert followed("length_constraints:number_sentences", "What?! No", num_sentences=3, relation="less than")
    assert followed("length_constraints:number_sentences", "At 5 p.m. He left.", num_sentences=2, relation="at least")
    assert followed("change_case:english_capital", "THE OLD BRIDGE WAS CLOSED AND NOBODY KNEW WHY.")
    assert followed("language:response_language", "kuku", language="sw"), "no common word: the script decides"
    assert not followed("language:response_language", "kuku", language="hi")


def test_missing_options_are_never_drawn_at_random():
    with pytest.raises(InputError, match=r"options of check 'ifeval:length_constraints:number_words'.*no 'relation'"):
        criteria.find("ifeval:length_constraints:number_words").validated({"num_words": 3})
    with pytest.raises(InputError, match=r"option 'language'.*'klingon'"):
        criteria.find("ifeval:language:response_language").validated({"language": "klingon"})
    with pytest.raises(InputError, match=r"'about'.*less than"):
        criteria.find("ifeval:keywords:frequency").validated({"keyword": "a", "frequency": 2, "relation": "about"})
    with pytest.raises(InputError, match=r"option 'num_words'.*greater than or equal to 0"):
        criteria.find("ifeval:length_constraints:number_words").validated({"num_words": -3, "relation": "at least"})


def test_loose_accepts_a_first_line_a_last_line_and_asterisks():
    text = 'Sure, here it is:\n"**all of it**"'
    assert not followed("startend:quotation", text)
    assert followed("startend:quotation", text, loose=True)
    assert followed("punctuation:no_comma", "Yes, sir\nall of it\nbye, sir", loose=True)
    assert not followed("punctuation:no_comma", "Yes, sir\nall, of it\nbye, sir", loose=True)


@pytest.mark.parametrize("name", ["punctuation:no_comma", "startend:quotation", "detectable_format:title"])
def test_loose_agrees_with_if_verifiable(name, theirs):
    from if_verifiable.common import get_loose_transformations

    rng = np.random.default_rng(1)
    for _ in range(100):
        text = response(rng, [])
        if text.strip():
            expected = any(theirs(name, {}, variant) for variant in get_loose_transformations(text))
            assert followed(name, text, loose=True) == expected
            assert set(variants(text)) | {text} == set(get_loose_transformations(text))


EVIDENCE = {
    "punctuation:no_comma": ("a, b, c", {}, [",", ","]),
    "keywords:existence": ("The River bed", {"keywords": ["river", "sea"]}, ["River"]),
    "keywords:forbidden_words": ("No Rock here", {"forbidden_words": ["rock"]}, ["Rock"]),
    "keywords:frequency": ("aha", {"keyword": "a", "frequency": 1, "relation": "at least"}, ["a", "a"]),
    "length_constraints:number_sentences": (
        "One. Two", {"num_sentences": 1, "relation": "at least"}, ["One.", "Two"],
    ),
    "length_constraints:number_paragraphs": ("a\n***\nb", {"num_paragraphs": 2}, ["\n***\n"]),
    "length_constraints:nth_paragraph_first_word": (
        "a b\n\nc d", {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "c"}, ["c d"],
    ),
    "detectable_content:number_placeholders": ("to [name], [x\ny]", {"num_placeholders": 1}, ["[name]"]),
    "detectable_content:postscript": ("bye\nP.S. x", {"postscript_marker": "P.S."}, ["P.S."]),
    "detectable_format:number_bullet_lists": ("- a\n** b\n* c", {"num_bullets": 2}, ["- a", "* c"]),
    "detectable_format:number_highlighted_sections": ("*a* **b**", {"num_highlights": 2}, ["*a*", "**b**"]),
    "detectable_format:multiple_sections": (
        "Section 1\na", {"section_spliter": "Section", "num_sections": 1}, ["Section 1"],
    ),
    "detectable_format:title": ("x <<A b>> y\n<<>>", {}, ["<<A b>>"]),
    "combination:repeat_prompt": (" Do it. I did.", {"prompt_to_repeat": "do it."}, ["Do it."]),
    "startend:end_checker": ("all is well. ", {"end_phrase": "Well."}, ["well."]),
    "startend:quotation": (' "a" ', {}, ['"', '"']),
    "change_case:english_lowercase": ("the Big Apple", {}, ["B", "A"]),
    "change_case:capital_word_frequency": (
        "NASA and DON'T it", {"capital_frequency": 3, "capital_relation": "at least"}, ["NASA", "DO", "N'T"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_is_where_it_should_be(name):
    text, kwargs, expected = EVIDENCE[name]
    check = criteria.find(f"ifeval:{name}")
    found = check.run([""], [text], **check.validated(kwargs)).evidence[0]
    assert [text[start:end] for start, end, _ in found] == expected
    assert all(label for _, _, label in found)
