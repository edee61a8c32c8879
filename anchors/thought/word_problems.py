"""Word problems with a known answer for small language models, and the worked examples that come before them.

A problem is a story with two steps of arithmetic on small numbers, drawn from a generator. The examples show reasoning
in sentences of all categories; without them a small model answers at once or loses its way (derived, own texts).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anchors.thought.settings import PROMPT
from anchors.thought.taxonomy import label_by_rules

STOP = ("\n\nProblem", "}.")  # the answer's box is closed, or the next problem begins
NAMES = ("Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Ida", "Jonas")
STORIES = (  # (story with names for numbers, answer as a function of them)
    ("{who} has {a} bags with {b} nuts each. {who} finds {c} more nuts. How many nuts does {who} have?",
     lambda a, b, c: a * b + c),
    ("{who} has {a} boxes with {b} eggs each. {who} buys {c} more eggs. How many eggs does {who} have?",
     lambda a, b, c: a * b + c),
    ("A bus has {a} rows with {b} seats each. {c} seats are taken. How many seats are free?",
     lambda a, b, c: a * b - c),
    ("There are {ab} fish in a pond. {c} fish swim away and then {a} fish come. How many fish are in the pond?",
     lambda a, b, c: a * b - c + a),
    ("A ball costs {b} dollars and a cup costs {a} dollars. {who} buys {c} cups and one ball. "
     "How many dollars does {who} pay?",
     lambda a, b, c: a * c + b),
)  # fmt: skip
EXAMPLES = (
    ("Sam has 2 bags with 5 nuts each. Sam finds 3 more nuts. How many nuts does Sam have?",
     "We need the number of nuts that Sam has. First let us find how many nuts are in the bags. There are 2 bags with "
     "5 nuts each. So we compute 2 * 5 = 10 nuts. Then Sam finds 3 more nuts. So we compute 10 + 3 = 13 nuts. Wait, "
     "did we count all the bags? Let us check the first step: 5 + 5 = 10, so it is right. So Sam has 13 nuts. The "
     "answer is \\boxed{13}."),
    ("A bus has 4 rows with 6 seats each. 9 seats are taken. How many seats are free?",
     "We need the number of free seats. First let us find how many seats there are. There are 4 rows with 6 seats "
     "each. So we compute 4 * 6 = 24 seats. Then 9 seats are taken. So we compute 24 - 9 = 15 seats. Let us check the "
     "last step: 15 + 9 = 24, so it is right. So there are 15 free seats. The answer is \\boxed{15}."),
    ("There are 20 fish in a pond. 8 fish swim away and then 5 fish come. How many fish are in the pond?",
     "We need the number of fish in the pond. First let us find how many fish stay. There are 20 fish and 8 fish swim "
     "away. So we compute 20 - 8 = 12 fish. Then 5 fish come. So we compute 12 + 5 = 18 fish. Wait, is that right? Let "
     "us compute it again: 12 + 5 = 17 fish. So there are 17 fish in the pond. The answer is \\boxed{17}."),
    ("A ball costs 8 dollars and a cup costs 3 dollars. Mia buys 4 cups and one ball. How many dollars does Mia pay?",
     "We need the number of dollars that Mia pays. First let us find the price of the cups. There are 4 cups and each "
     "costs 3 dollars. So we compute 4 * 3 = 12 dollars. Then the ball costs 8 dollars. So we compute 12 + 8 = 20 "
     "dollars. Let us check the first step: 3 + 3 + 3 + 3 = 12, so it is right. So Mia pays 20 dollars. The answer is "
     "\\boxed{20}."),
)  # fmt: skip
SHOWN = "\n\n".join(f"Problem: {problem}\nSolution: {solution}" for problem, solution in EXAMPLES)


_CHECK = re.compile(r"^let us (check|compute it again)", re.I)


@dataclass(frozen=True)
class WordProblem:
    """A story and its right answer, a whole number as text."""

    text: str
    answer: str


def sample_problem(rng: np.random.Generator) -> WordProblem:
    """Return a problem with factors of 2 to 7 and an answer above 0."""
    story, answer = STORIES[rng.integers(len(STORIES))]
    who = NAMES[rng.integers(len(NAMES))]
    a, b = (int(rng.integers(2, high)) for high in (6, 8))
    c = int(rng.integers(2, min(7, a * b)))
    return WordProblem(story.format(who=who, a=a, b=b, ab=a * b, c=c), str(answer(a, b, c)))


def prompt(problem: Any, style: str = "examples") -> str:
    """Return the text that a solution follows: after worked ``examples``, or in the ``paper``'s layout (sec. 1)."""
    if style == "paper":
        return PROMPT.format(problem=problem.text)
    return f"{SHOWN}\n\nProblem: {problem.text}\nSolution:"


def label(sentences: Sequence[str]) -> list[str]:
    """Return a category for each sentence: by the rules, and the examples' own phrases for checking."""
    found = label_by_rules(list(sentences))
    return ["self_checking" if _CHECK.match(s) else category for s, category in zip(sentences, found, strict=True)]
