"""Word problems and the traces made of them: right answers, examples that add up, prompts, labels, the recorded run."""

import re

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.thought import answers, word_problems
from anchors.thought.sentences import split
from anchors.thought.studies import corpus, methods

ASKED = {  # what each story asks for, from the numbers in its text
    "nuts": lambda a, b, c: a * b + c,
    "eggs": lambda a, b, c: a * b + c,
    "seats": lambda a, b, c: a * b - c,
    "fish": lambda a, b, c: a - b + c,
    "dollars": lambda a, b, c: a + b * c,
}


def test_right_answers_follow_from_the_texts():
    rng, seen = np.random.default_rng(0), set()
    for _ in range(300):
        problem = word_problems.sample_problem(rng)
        numbers = [int(n) for n in re.findall(r"\d+", problem.text)]
        kind = re.search(r"How many (\w+)", problem.text)[1]
        seen.add(kind)
        assert problem.answer == str(ASKED[kind](*numbers)), problem.text
        assert int(problem.answer) >= 0
    assert seen == set(ASKED)


def test_examples_add_up_and_end_with_their_answer():
    wrong = []
    for problem, solution in word_problems.EXAMPLES:
        for left, right in re.findall(r"([\d+*\- ]+\d) = (\d+)", solution):
            if eval(left, {"__builtins__": {}}) != int(right):
                wrong.append((left.strip(), right))
        numbers = [int(n) for n in re.findall(r"\d+", problem)]
        kind = re.search(r"How many (\w+)", problem)[1]
        assert answers.boxed(solution) == str(ASKED[kind](*numbers))
    assert wrong == [("12 + 5", "18")], "one slip, which its own doubt mends"


def test_prompts():
    problem = word_problems.WordProblem("What is 1 + 2?", "3")
    text = word_problems.prompt(problem)
    assert text.endswith("\n\nProblem: What is 1 + 2?\nSolution:")
    assert text.count("Problem:") == 5
    assert word_problems.prompt(problem, "paper").endswith("Problem: What is 1 + 2? Solution: \n<think>\n")


def test_labels_of_an_example():
    sentences = [s.text for s in split(word_problems.EXAMPLES[0][1])]
    found = dict(zip(sentences, word_problems.label(sentences), strict=True))
    assert found["Let us check the first step: 5 + 5 = 10, so it is right."] == "self_checking"
    assert found["So we compute 2 * 5 = 10 nuts."] == "active_computation"
    assert found["Wait, did we count all the bags?"] == "uncertainty_management"
    assert found["First let us find how many nuts are in the bags."] == "plan_generation"
    assert found["The answer is \\boxed{13}."] == "final_answer_emission"


def test_recorded_traces_come_in_pairs_and_are_the_models_own():
    found = corpus.traces("smollm2", "laptop", 0, 24)
    for right, wrong in zip(found[::2], found[1::2], strict=True):
        assert (right.correct, wrong.correct) == (True, False)
        assert right.case.prompt == wrong.case.prompt
        assert corpus.KEPT[0] <= right.accuracy <= corpus.KEPT[1]
        assert answers.equal(answers.boxed(right.case.text), right.case.right)
    assert all(t.whole[s.start : s.end] == s.text for t in found for s in t.located)
    with pytest.raises(InputError, match="found 24 recorded; expected 30"):
        corpus.traces("smollm2", "laptop", 0, 30)


@pytest.mark.slow
def test_the_log_probability_of_a_recorded_trace_is_repeated():
    trace = corpus.traces("smollm2", "laptop", 0, 1)[0]
    assert methods.rescored(trace, "smollm2") == pytest.approx(trace.logprob, abs=0.01)


def test_recorded_rollouts_are_whole():
    for one in methods.rolled("smollm2", "laptop", 0, 6, 50):
        size = len(one.trace.categories)
        per_prefix = one.counts.groupby(["kind", "sentence"])["count"].sum()
        assert set(per_prefix) == {50}
        assert len(per_prefix) == 2 * (size + 1)
        assert np.isfinite(one.steps[np.triu_indices(size, 1)]).all()
        assert len(one.table) == 50 * len(per_prefix)
        assert "14.0" not in set(one.counts.answer)


def test_traces_of_the_reasoner_are_in_its_language():
    for trace in corpus.traces("reasoner", "laptop", 0, 3):
        assert len(trace.categories) >= corpus.SHORTEST
        assert trace.categories[-1] == "final_answer_emission"
        assert trace.correct == (answers.boxed(trace.case.text).strip() == trace.case.right)
