"""Program checks that are not IFEval's, on hand cases with their evidence."""

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.rubric import criteria

CASES = [  # check, options, text, met, evidence
    ("no_comma", {}, "a b", 1, []),
    ("no_comma", {}, "a, b", 0, [","]),
    ("quoted", {}, '"all"', 1, ['"', '"']),
    ("title", {}, "<<A>> text", 1, ["<<A>>"]),
    ("json", {}, '{"a": [1]}', 1, ['{"a": [1]}']),
    ("json", {}, "{'a': 1}", 0, ["{'a': 1}"]),
    ("bullets", {"count": 2}, "- a\n• b\n-c\n**d**", 1, ["- a", "• b"]),
    ("bullets", {"count": 0, "relation": "exactly"}, "a - b", 1, []),
    ("bullets", {"count": 1, "relation": "at most"}, "- a\n- b", 0, ["- a", "- b"]),
    ("numbered", {"count": 2}, "1. a\n 2) b\n3.c", 1, ["1. a", " 2) b"]),
    ("headings", {}, "## A\n#no", 1, ["## A"]),
    ("links", {}, "see (https://a.b/c) now", 1, ["https://a.b/c"]),
    ("code_block", {}, "x\n```py\ny\n```\n```", 1, ["```py"]),
    ("code_block", {}, "x\n```py\ny", 0, []),
    ("paragraphs", {"count": 2}, "a\nb\n \n\nc\n", 1, ["a", "c"]),
    ("paragraphs", {"count": 2, "relation": "at least"}, "a\nb", 0, ["a"]),
    ("lowercase", {}, "café 12 ß", 1, []),
    ("lowercase", {}, "a B É", 0, ["B", "É"]),
    ("uppercase", {}, "CAFÉ 12", 1, []),
    ("uppercase", {}, "CAFé", 0, ["é"]),
    ("uppercase", {}, "12", 0, []),
    ("no_digits", {}, "one 22 three 4", 0, ["22", "4"]),
    ("one_line", {}, "one\n", 1, []),
    ("one_line", {}, "one\ntwo", 0, ["\n"]),
    ("complete", {}, 'He said "no." ', 1, ['e said "no."']),
    ("complete", {}, "He said and th", 0, [" said and th"]),
    ("contains", {"words": ["bridge", "old"]}, "An OLD bridge", 1, ["bridge", "OLD"]),
    ("contains", {"words": ["bridge", "old"]}, "A bold bridge", 0, ["bridge"]),
    ("contains", {"words": ["bridge", "old"], "whole_words": False}, "A bold bridge", 1, ["bridge", "old"]),
    ("contains", {"words": ["bridge", "old", "x", "y"], "share": True}, "A bridge", 0.25, ["bridge"]),
    ("contains", {"words": ["c++"]}, "I use C++.", 1, ["C++"]),
    ("excludes", {"words": ["delve", "old"]}, "A bold bridge", 1, []),
    ("excludes", {"words": ["delve", "old"]}, "We delve.", 0, ["delve"]),
    ("starts_with", {"phrase": "once upon"}, " Once upon a time", 1, ["Once upon"]),
    ("starts_with", {"phrase": "once upon"}, "At once", 0, ["At once"]),
    ("ends_with", {"phrase": "The end."}, "So it goes. the END. ", 1, ["the END."]),
    ("ends_with", {"phrase": "The end."}, "No", 0, ["No"]),
    ("short_sentences", {"most": 3}, "One two three. One two three four.", 0, ["One two three four."]),
    ("short_sentences", {"most": 4}, "One two three. One two three four.", 1, []),
]


@pytest.mark.parametrize(("name", "options", "text", "met", "evidence"), CASES)
def test_hand_cases(name, options, text, met, evidence):
    check = criteria.find(name, "program")
    found = check.run([""] * 2, [text, " \n"], **check.validated(options))
    np.testing.assert_allclose(found.values, [met, 0], err_msg="a blank response meets nothing")
    assert [text[start:end] for start, end, _ in found.evidence[0]] == evidence


def test_every_form_has_a_hand_case():
    every = {name: check for name, check in criteria.checks().items() if not name.startswith("writer_")}
    names = {name for name, check in every.items() if check.kind == "program" and ":" not in name}
    assert names == {case[0] for case in CASES} | {"regex"}


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("bullets", {"count": -1}, "option 'count' of check 'bullets'.*greater than or equal to 0"),
        ("bullets", {"relation": "about"}, "option 'relation' of check 'bullets'.*'exactly'"),
        ("bullets", {"number": 1}, "options of check 'bullets'.*'number'.*count | relation"),
        ("contains", {"words": []}, "option 'words' of check 'contains'.*at least 1 item"),
        ("contains", {"words": "old"}, "option 'words' of check 'contains'.*valid list"),
        ("contains", {}, "options of check 'contains'.*no 'words'"),
        ("starts_with", {"phrase": " "}, "option 'phrase' of check 'starts_with'.*pattern"),
        ("lowercase", {"x": 1}, "options of check 'lowercase'.*'x'.*no options"),
    ],
)
def test_wrong_options_are_refused(name, options, message):
    with pytest.raises(InputError, match=message) as caught:
        criteria.find(name).validated(options)
    assert "\n" not in str(caught.value)
