"""Answers: the box, both normal forms, both equalities."""

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.thought.answers import boxed, equal, normalise
from anchors.thought.expressions import value

COLLISIONS = [
    (r"\frac{12}{3}", r"\frac{1}{23}"),
    (r"\sqrt{2}3", r"\sqrt{23}"),
    ("1,234", "1.234"),
    ("(1,2)", "(1.2)"),
    ("1,2", "12,"),
    ("2^{10}", "2^10"),
]


@pytest.mark.parametrize(("a", "b"), COLLISIONS)
def test_exact_keeps_apart_what_the_official_form_confuses(a, b):
    assert not equal(a, b)
    assert normalise(a) != normalise(b)


@pytest.mark.parametrize(("a", "b"), COLLISIONS[:4])
def test_official_form_confuses_them(a, b):
    assert normalise(a, "official") == normalise(b, "official")
    assert equal(a, b, "official")


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (r"\frac12", r"\dfrac{1}{2}"),
        (r"\tfrac{1}{2}", "0.5"),
        ("1/2", r"\frac{ 1 }{ 2 }"),
        ("1{,}234", "1,234"),
        ("1,234", "1234"),
        (r"10\,000", "10000"),
        ("19", " 19 ."),
        (" 3 ", "3"),
        (r"\text{19}", "19"),
        (r"19\text{ bits}", "19"),
        (r"12\text{ cm}^2", "12"),
        (r"\frac{3}{4}\text{ m}", "0.75"),
        (r"30^\circ", "30"),
        (r"30^{\circ}", "30°"),
        (r"50\%", "50"),
        (r"\$5", "5.00"),
        (r"\text{Yes}", "yes"),
        ("x = 5", "5"),
        (r"\left( 1, 2 \right)", "(1,2)"),
        (r"(\frac12, 3)", "(0.5, 3)"),
        (r"3\frac12", "7/2"),
        (r"\frac{1}{\sqrt3}", r"\frac{\sqrt{3}}{3}"),
        (r"2\sqrt{3}", r"\sqrt{12}"),
        (r"2\pi", r"\pi \cdot 2"),
        (r"\{1, 2\}", r"\{1,2\}"),
        (r"\boxed{7}", "7"),
        ("−3", "-3"),
        (r"2 \sqrt{2} x", r"2\sqrt{2}x"),
        (r"3 \sqrt{5} + 2 \sqrt{10}", r"\sqrt{5}(3 + 2\sqrt{2})"),
        (r"\text{no solution}", "No  solution"),
    ],
)
def test_equal(a, b):
    assert equal(a, b)
    assert equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("3", "-3"),
        ("A", "a"),
        ("(1,2)", "[1,2]"),
        ("(1,2)", "(2,1)"),
        ("(1,2)", "(1,2,3)"),
        ("1 2", "12"),
        ("no go", "nogo"),
        ("", ""),
        ("", "0"),
        (r"\frac{0}{0}", "0"),
        ("0.333", r"\frac13"),
        (r"2\pi", "6.283185"),
        ("(1,234)", "1234"),
        ("x+1", "x-1"),
    ],
)
def test_not_equal(a, b):
    assert not equal(a, b)


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**4))
def test_value_of_fractions_is_exact(top, bottom):
    assert value(normalise(rf"\frac{{{top}}}{{{bottom}}}")) == Fraction(top, bottom)
    assert equal(f"{top}/{bottom}", rf"\dfrac{{{top}}}{{{bottom}}}")


@given(st.text(alphabet=st.sampled_from("\\frac{}sqrt^_()[],.0129 +-*/xπ%$"), max_size=40))
def test_any_text_has_a_form_and_equals_itself_or_is_blank(text):
    form = normalise(text)
    assert equal(text, text) == bool(form)
    assert isinstance(normalise(text, "official"), str)


@pytest.mark.parametrize(
    ("text", "last", "first"),
    [
        (r"so \boxed{20}. Wait, \boxed{19}.", "19", "20"),
        (r"it is \boxed{ 3 } .", "3", " 3 "),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}", r"\frac{1}{2}"),
        (r"\boxed{\frac{1}{2}", "", r"\frac{1}{2}"),
        (r"\boxed{1} and then \boxed{2", "1", "1"),
        (r"put it in \boxed{}. So \boxed{4}", "4", "4"),
        (r"\boxed{\boxed{3}}", "3", r"\boxed{3}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", r"\{1, 2\}"),
        ("no box", "", ""),
    ],
)
def test_boxed(text, last, first):
    assert boxed(text) == last
    assert boxed(text, "first") == first


def test_hostile_texts_take_no_time():
    start = time.perf_counter()
    assert boxed("\\boxed{" * 20_000) == ""
    assert normalise("{" * 5_000) == "{" * 5_000
    assert normalise("\\frac" * 3_000)
    assert value("9^(9^(9))") is None
    assert value("(-8)^(1/3)") is None
    assert not equal("1" + "0" * 100 + "^(64)", r"\sqrt{2}")
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "call", [lambda: boxed("", "middle"), lambda: normalise("1", "x"), lambda: equal("1", "1", "x")]
)
def test_unknown_choices(call):
    with pytest.raises(InputError, match=r"last \| first|exact \| official"):
        call()
