"""Answers that would hang, eat the memory or overflow the stack: each is compared at once, to the same verdict."""

import random
import time

import pytest

from anchors.thought import answers
from anchors.thought.answers import boxed, equal, normalise
from anchors.thought.expressions import value

SECONDS = 1.0  # a generous bound for what takes milliseconds
NESTED = "((((1/9)^{64})^{64})^{64})^{64}"
BLANKS = " " * 3000
HOSTILE = [
    NESTED,
    r"5\text{m}" + BLANKS + "x",
    r"1\frac{1}{" + "9" * 5000 + "}",
    "(((2^{64})^{64})^{64})",
    "9^9^9^9^9^9^9^9^9",
    "((1/3+1/7)^{64}+(1/11+1/13)^{64})^{64}*((1/17)^{64}+(1/19)^{64})^{64}",
    "((9999999999)^{64}*(9999999999)^{64})^{64}",
    "(10^{11}-1)^{64}" * 6,
    r"5^" + BLANKS + "x",
    r"5^{" + BLANKS + "x",
    r"5^" + BLANKS + "{" + BLANKS + "x",
    r"5\text{m}" + BLANKS + "^" + BLANKS + "{2}" + BLANKS + "x",
    r"5" + r"\text{m}" + BLANKS + "." + BLANKS + "x",
    "1" + " 1" * 2000,
    "x" + " =" * 2000,
    "^" * 4000,
    "_ " * 2000,
    r"\frac" * 800,
    r"\sqrt[" * 600 + "]",
    r"\text{" * 600,
    "(" * 2000 + ")" * 2000,
    "(1," * 1300,
    "√(" * 60,
    "-" * 119 + "1",
    "1,000" * 800,
    "9" * 4000,
    "1/" + "0" * 110,
    "(-1)^(1/2)*π^(-64)",
    "٣" * 100,
    "\\" * 4001,
    "{" * 4096,
    "1 " * 400_000,
    "\x00" * 5000,
    "9" * 110 + "x",
    "1." * 55 + "x",
    "\ud800",
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("rule", answers.RULES)
def test_is_compared_at_once(answer, rule):
    started = time.process_time()
    assert equal(answer, answer, rule)
    assert not equal(answer, "17", rule)
    assert not equal("(1,2)", answer, rule)
    assert time.process_time() - started < SECONDS


@pytest.mark.parametrize(
    "form", [NESTED.replace("{", "(").replace("}", ")"), "1((1)/(" + "9" * 5000 + "))", "2^(64)^(2)"]
)
def test_what_is_too_large_has_no_value(form):
    assert value(form) is None


def test_large_numbers_below_the_bound_keep_their_value():
    assert value("(1/9)^(64)") * 9**64 == 1
    assert value("((2)^(30))^(32)") == 2**960
    assert equal(r"(1/9)^{64}\cdot 9^{64}", "1")


def test_a_long_answer_stands_for_itself():
    text = "a" * answers.LONGEST
    assert normalise(f" {text}B ") == f"{text}B"
    assert equal(text + "b", f" {text}b")
    assert not equal(text + "b", text + "c")


@pytest.mark.parametrize(
    ("text", "last"),
    [
        (r"\boxed{" * 100_000 + "}" * 100_000, ""),
        (r"\boxed{}" * 100_000, ""),
        (r"\boxed" + " " * 500_000 + "x", ""),
        ("{" * 500_000 + r"\boxed{7}", "7"),
        (r"\boxed{7}" + "}" * 500_000, "7"),
    ],
    ids=range(5),
)
def test_boxes_are_found_in_linear_time(text, last):
    started = time.process_time()
    assert boxed(text) == last
    boxed(text, "first")
    assert time.process_time() - started < 5 * SECONDS


def test_any_soup_of_tex_is_compared_at_once():
    draw = random.Random(0)
    parts = ["\\frac", "\\sqrt", "\\text{", "\\boxed{", "^", "_", "{", "}", "[", "]", "(", ")", " " * 40, "1", "9" * 30]
    parts += [",", ".", "=", "x", "\\circ", "\\pi", "-", "+", "*", "/", "%", "\\", "$", "\\left(", "{,}"]
    for _ in range(300):
        text = "".join(draw.choices(parts, k=draw.randint(1, 400)))
        started = time.process_time()
        for rule in answers.RULES:
            equal(text, "17", rule)
        boxed(text)
        boxed(text, "first")
        assert time.process_time() - started < SECONDS, text
