"""Regular expressions of a user: ill-formed and exploding ones are refused, and nothing hangs scoring."""

import time

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.rubric import criteria
from anchors.rubric.criteria import regexes


def found(texts: list[str], **options):
    check = criteria.find("regex", "program")
    return check.run([""] * len(texts), texts, **check.validated(options))


def test_counts_and_places():
    result = found(["a1 b22 c", "A1", "", "none"], pattern=r"[ab]\d+", count=2)
    assert result.values.tolist() == [1, 0, 0, 0]
    assert [[(s, e) for s, e, _ in spans] for spans in result.evidence] == [[(0, 2), (3, 6)], [(0, 2)], [], []]
    assert found(["aa", "aaa"], pattern="a", count=3, relation="less than").values.tolist() == [1, 0]
    assert found(["AB"], pattern="ab", flags="").values.tolist() == [0]
    assert found(["x\nab"], pattern="^ab", flags="m").values.tolist() == [1]
    assert found(["bbb"], pattern="a*").values.tolist() == [0], "empty matches do not count"


CATASTROPHIC = [
    r"(a|aa)+$", r"(a+)+$", r"(\w+\s?)*$", r"(.*a){20}b?$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?:a{1,1000}){1,1000}b",
    r"(x+x+)+\d?y?$", r"^(\d+)*#$|(\d|\d\d)+z?$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_catastrophic_pattern_is_refused_with_one_line(pattern):
    with pytest.raises(InputError, match="a search that explodes") as caught:
        criteria.find("regex").validated({"pattern": pattern})
    assert repr(pattern) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pattern", ["(", "a{3,1}", r"\p{Nothing}", "(?P<a>x)(?P<a>", "[", "*a", r"(?<=a+*)b"])
def test_an_ill_formed_pattern_is_refused(pattern):
    with pytest.raises(InputError, match=r"pattern .*expected a regular expression"):
        criteria.find("regex").validated({"pattern": pattern})


@pytest.mark.parametrize(("options", "message"), [
    ({"pattern": "a", "flags": "q"}, "option 'flags'.*'q'"),
    ({"pattern": ""}, "option 'pattern'.*at least 1 character"),
    ({"pattern": "a" * 3000}, "option 'pattern'.*at most 2000"),
    ({}, "no 'pattern'"),
])  # fmt: skip
def test_wrong_options(options, message):
    with pytest.raises(InputError, match=message):
        criteria.find("regex").validated(options)


@pytest.mark.parametrize(
    "pattern",
    [r"\b\w+ing\b", r"(?:great|good)\s+question", r"^\s*[-*]\s", r"\d+\.\d+", r"not [^.!?]{3,60} but", r"\s+$"],
)
def test_ordinary_patterns_pass(pattern):
    assert found(["It is not this but that."], pattern=pattern).values.shape == (1,)


def test_what_slips_through_times_out_as_nan_and_cannot_hang_scoring(monkeypatch):
    """A pattern of square cost passes the probes; on 100,000 blanks it would take minutes a response."""
    monkeypatch.setattr(regexes, "SEARCH", 0.02)
    start = time.process_time()
    result = found(["fine  ", *[" " * 100_000 + "x"] * 200, "late  "], pattern=r"\s+$")
    assert time.process_time() - start < 5
    assert result.values[0] == 1
    assert np.isnan(result.values[1:]).all(), "after twenty time-outs the others are not searched"
    assert result.evidence[1][0].label == "search timed out"
