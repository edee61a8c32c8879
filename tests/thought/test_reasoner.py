"""The generating process: its grammar, its dependencies, and its exact importances against plain sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.thought.reasoner import program, truth
from anchors.thought.reasoner.program import Problem, State, read_trace, sample_problem, sample_trace, transitions
from anchors.thought.sentences import split
from anchors.thought.taxonomy import CATEGORIES

SEEDS = st.integers(0, 10_000)
PROBLEM = Problem(("b= a +2 ;", "c= b *3 ;", "a: 4 ;"), ("a", "b", "c"), ("+2", "*3"), 4)
STEPS = [
    "we need c .", "plan step by step .", "recall c= b *3 .", "recall b= a +2 .", "recall a: 4 .",
    "take b= a +2 with a: 4 so b: 7 .", "wait is b right ?", "check b= a +2 with a: 4 so b: 6 .",
    "take c= b *3 with b: 6 so c: 8 .", "so we have c: 8 .", "the answer is \\boxed{ 8 } .",
]  # fmt: skip


def drawn(seed):
    rng = np.random.default_rng(seed)
    problem = sample_problem(rng)
    return problem, sample_trace(problem, rng), rng


def test_a_trace_written_by_hand():
    trace = read_trace(PROBLEM, STEPS)
    assert (PROBLEM.answer, trace.answer, trace.correct, trace.plan) == (8, 8, True, "steps")
    assert PROBLEM.text == "b= a +2 ; c= b *3 ; a: 4 ; find c ?"
    assert trace.dependencies == {
        (0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (1, 5), (3, 5), (4, 5), (5, 6), (6, 7), (3, 7), (4, 7),
        (1, 8), (2, 8), (7, 8), (8, 9), (9, 10),
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_probabilities_sum_to_one_and_traces_read_back(seed):
    problem, trace, _ = drawn(seed)
    passed = program.states(problem, trace.sentences)
    for state in passed[:-1]:
        found = transitions(problem, state)
        assert sum(t.probability for t in found) == pytest.approx(1)
        assert len({t.sentence for t in found}) == len(found)
    assert transitions(problem, passed[-1]) == []
    assert read_trace(problem, trace.sentences) == trace
    assert all(i < j for i, j in trace.dependencies)
    assert {j for _, j in trace.dependencies} == set(range(1, len(trace.sentences)))
    assert [s.text for s in split(" ".join(trace.sentences))] == list(trace.sentences)
    assert len(set(problem.text.split()) & {f"{letter}=" for letter in program.LETTERS}) == sum(
        "=" in line for line in problem.lines
    )


def test_all_eight_categories_occur():
    found = {category for seed in range(60) for category in drawn(seed)[1].categories}
    assert found == set(CATEGORIES)


def test_a_sentence_the_process_cannot_write_is_refused_with_what_it_could():
    with pytest.raises(InputError, match=r"sentence 1: found 'recall a: 5 \.'; expected plan step by step"):
        program.states(PROBLEM, ["we need c .", "recall a: 5 ."])
    assert not program.grammatical(PROBLEM, STEPS[:-1])
    assert program.grammatical(PROBLEM, STEPS)


def test_exact_importances_by_hand():
    found = truth.exact_importances(PROBLEM, STEPS)
    assert found["accuracy"][-1] == 1
    # the last result is right; it stays so unless it is doubted (1/4) and its check errs (1/50)
    assert found["accuracy"][9] == pytest.approx(1 - program.DOUBT * program.CHECK_ERROR)
    assert found["resampling_accuracy"][[9, 10]] == pytest.approx([program.DOUBT * program.CHECK_ERROR, 0])
    assert np.isnan(found["counterfactual_accuracy"][[0, 2, 3, 4, 10]]).all()  # nothing else can be written
    assert found["different"][1] == pytest.approx(1 - program.STEP_BY_STEP)
    steps, guess = found["accuracy"][2], 0.1 * (1 - program.REVOKE)
    revoked = truth.Enumeration(PROBLEM).answers(State("plan again"))[8]
    assert found["counterfactual_accuracy"][1] == pytest.approx(steps - guess - program.REVOKE * revoked)


@pytest.mark.parametrize("seed", [3, 8])
def test_exact_distributions_are_those_of_sampling(seed):
    problem, trace, rng = drawn(seed)
    exact, n = truth.exact_importances(problem, trace.sentences), 4000
    steps = truth.exact_step_matrix(problem, trace.sentences)
    assert exact["distribution"].sum(1) == pytest.approx(1)
    i = len(trace.sentences) // 2
    before, after = program.states(problem, trace.sentences)[i : i + 2]
    seen = {}
    for name, state in (("before", before), ("after", after)):
        runs = [walk(problem, state, rng) for _ in range(n)]
        right = np.mean([answer == problem.answer for answer, _ in runs])
        seen[name] = [np.mean([sentence in written for _, written in runs]) for sentence in trace.sentences]
        assert right == pytest.approx(exact["accuracy"][i + (name == "after")], abs=4 * 0.5 / np.sqrt(n))
    measured = np.subtract(seen["after"], seen["before"])[i + 1 :]
    assert measured == pytest.approx(steps[i, i + 1 :], abs=4 * np.sqrt(0.5 / n))


def walk(problem, state, rng):
    written = []
    while found := transitions(problem, state):
        chosen = found[rng.choice(len(found), p=[t.probability for t in found])]
        state = chosen.state
        written.append(chosen.sentence)
    return state.value, set(written)


def test_similar_sentences_can_count_as_the_same():
    exact = truth.exact_importances(PROBLEM, STEPS, same=lambda a, b: a.split()[0] == b.split()[0])
    assert np.isnan(exact["counterfactual_accuracy"][7])  # any other check counts as this one
    assert exact["different"][7] == 0


def test_forced_answers_are_the_last_stated_value_or_uniform():
    found = truth.forced_truth(PROBLEM, STEPS)
    assert found[:9] == pytest.approx(np.full((9, 10), 0.1))
    assert found[9:].argmax(1).tolist() == [8, 8, 8]


def test_the_matrix_of_dependencies():
    matrix = truth.dependency_matrix(frozenset({(0, 2), (1, 2)}), 3)
    assert matrix.tolist() == [[False, False, True], [False, False, True], [False, False, False]]
