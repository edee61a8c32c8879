"""The program that writes problems and solutions: a Markov chain over sentences whose every probability is known.

A problem is a shuffled ledger of variables in disjoint chains: the first variable of a chain is given, each further one
is the one before it, plus, minus or times a digit, mod 10. A solution states the problem, chooses a plan, recalls the
lines it needs backwards, computes forwards with errors, doubts and checks some results, consolidates and answers. A
plan can be a quick guess, which a doubt may revoke. All sampling and all truth come from :func:`transitions`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from anchors.companion.errors import InputError

LETTERS = "abcdefghij"
OPERATIONS = "+-*"
VARIABLES = 8  # in a ledger
COMPUTATIONS = (2, 3, 4)  # in the chain of the target

STEP_BY_STEP = 0.65  # otherwise the first plan is a guess
ERROR = 0.10  # of a computation; the wrong digit is uniform over the nine others
CHECK_ERROR = 0.02
DOUBT = 0.25  # after a computation; a check follows
TIRED = 0.08  # before a computation, until a guess has been revoked
GIVE_UP = 0.5  # a tired solver turns to guessing
REVOKE = 0.5  # a guess is doubted and the solution planned anew, once

FORCED_SUFFIX = " stop now the answer is \\boxed{"  # asks for an answer at any point
PLAN_STEPS, PLAN_GUESS, PLAN_ON = "plan step by step .", "plan one quick guess .", "plan to keep going ."
TIRED_TEXT, REVOKE_TEXT = "this is getting long .", "but that was only one guess ."


class State(NamedTuple):
    """Where a solution stands: all that its continuation depends on.

    ``k`` counts variables of the target's chain; ``operand`` and ``value`` are the values last stated for variables
    k - 1 and k (or the guess); ``revoked`` says that a guess was revoked.
    """

    phase: str = "setup"
    k: int = 0
    operand: int = -1
    value: int = -1
    revoked: bool = False


class Transition(NamedTuple):
    """One possible next sentence."""

    probability: float
    sentence: str
    category: str
    state: State


@dataclass(frozen=True)
class Problem:
    """A ledger and a question.

    ``lines`` is the shuffled ledger; ``chain`` the variables that the target depends on, the given one first and the
    target last; ``operations[k - 1]`` makes variable k from variable k - 1.
    """

    lines: tuple[str, ...]
    chain: tuple[str, ...]
    operations: tuple[str, ...]
    given: int

    @property
    def target(self) -> str:
        """The variable that is asked for."""
        return self.chain[-1]

    @cached_property
    def answer(self) -> int:
        """The right answer, a digit."""
        value = self.given
        for operation in self.operations:
            value = apply(operation, value)
        return value

    @property
    def text(self) -> str:
        """The prompt, as one line that ends with the question."""
        return f"{' '.join(self.lines)} find {self.target} ?"


def apply(operation: str, value: int) -> int:
    """Return ``value`` after ``+3``, ``-3`` or ``*3``, mod 10."""
    literal = int(operation[1:])
    return {"+": value + literal, "-": value - literal, "*": value * literal}[operation[0]] % 10


def sample_problem(rng: np.random.Generator) -> Problem:
    """Return a problem with :data:`VARIABLES` variables, 2 to 4 computations and one or more distracting chains."""
    letters = [str(letter) for letter in rng.permutation(list(LETTERS))[:VARIABLES]]
    chains = [letters[: int(rng.choice(COMPUTATIONS)) + 1]]
    rest = letters[len(chains[0]) :]
    while rest:
        size = min(len(rest), int(rng.integers(2, 5)))
        chains, rest = [*chains, rest[:size]], rest[size:]
    lines, operations, givens = [], [], []
    for chain in chains:
        givens.append(int(rng.integers(10)))
        operations.append([f"{OPERATIONS[rng.integers(3)]}{rng.integers(1, 10)}" for _ in chain[1:]])
        lines.append(f"{chain[0]}: {givens[-1]} ;")
        steps = zip(chain, chain[1:], operations[-1], strict=False)
        lines += [f"{made}= {source} {operation} ;" for source, made, operation in steps]
    order = rng.permutation(len(lines))
    return Problem(tuple(lines[i] for i in order), tuple(chains[0]), tuple(operations[0]), givens[0])


def transitions(problem: Problem, state: State) -> list[Transition]:
    """Return every possible next sentence with its probability; an empty list when the solution has ended."""
    return _PHASES[state.phase](problem, state)


def _setup(problem: Problem, state: State) -> list[Transition]:
    return [Transition(1.0, f"we need {problem.target} .", "problem_setup", State("plan"))]


def _plan(problem: Problem, state: State) -> list[Transition]:
    last = len(problem.chain) - 1
    return [
        Transition(STEP_BY_STEP, PLAN_STEPS, "plan_generation", State("recall", last)),
        Transition(1 - STEP_BY_STEP, PLAN_GUESS, "plan_generation", State("guess")),
    ]


def _recall(problem: Problem, state: State) -> list[Transition]:
    k = state.k
    if k == 0:
        after = State("compute", 1, problem.given, revoked=state.revoked)
        return [Transition(1.0, f"recall {problem.chain[0]}: {problem.given} .", "fact_retrieval", after)]
    text = f"recall {problem.chain[k]}= {problem.chain[k - 1]} {problem.operations[k - 1]} ."
    return [Transition(1.0, text, "fact_retrieval", state._replace(k=k - 1))]


def _compute(problem: Problem, state: State) -> list[Transition]:
    if state.revoked:
        return _results(problem, state, "take", ERROR, 1.0)
    tired = Transition(TIRED, TIRED_TEXT, "uncertainty_management", state._replace(phase="tired"))
    return [tired, *_results(problem, state, "take", ERROR, 1 - TIRED)]


def _tired(problem: Problem, state: State) -> list[Transition]:
    return [
        Transition(GIVE_UP, PLAN_GUESS, "plan_generation", State("guess")),
        Transition(1 - GIVE_UP, PLAN_ON, "plan_generation", state._replace(phase="go on")),
    ]


def _go_on(problem: Problem, state: State) -> list[Transition]:
    return _results(problem, state, "take", ERROR, 1.0)


def _results(problem: Problem, state: State, verb: str, error: float, weight: float) -> list[Transition]:
    """Return the ten results of a computation or of a check, the right one (given its operand) first."""
    made, source, operation = problem.chain[state.k], problem.chain[state.k - 1], problem.operations[state.k - 1]
    right = apply(operation, state.operand)
    category, phase = ("active_computation", "computed") if verb == "take" else ("self_checking", "checked")
    found = []
    for shift in range(10):
        value = (right + shift) % 10
        text = f"{verb} {made}= {source} {operation} with {source}: {state.operand} so {made}: {value} ."
        probability = weight * (1 - error if shift == 0 else error / 9)
        found.append(Transition(probability, text, category, state._replace(phase=phase, value=value)))
    return found


def _computed(problem: Problem, state: State) -> list[Transition]:
    doubt = f"wait is {problem.chain[state.k]} right ?"
    doubted = Transition(DOUBT, doubt, "uncertainty_management", state._replace(phase="check", value=-1))
    return [doubted, *_scaled(1 - DOUBT, _checked(problem, state))]


def _check(problem: Problem, state: State) -> list[Transition]:
    return _results(problem, state, "check", CHECK_ERROR, 1.0)


def _checked(problem: Problem, state: State) -> list[Transition]:
    """Return what follows an accepted result: the next computation, or the consolidation of the last one."""
    if state.k == len(problem.chain) - 1:
        return _conclude(problem, state)
    return _compute(problem, State("compute", state.k + 1, state.value, revoked=state.revoked))


def _guess(problem: Problem, state: State) -> list[Transition]:
    after = [State("guessed", value=digit) for digit in range(10)]
    return [Transition(0.1, f"say {problem.target}: {s.value} .", "active_computation", s) for s in after]


def _guessed(problem: Problem, state: State) -> list[Transition]:
    revoked = Transition(REVOKE, REVOKE_TEXT, "uncertainty_management", State("plan again"))
    return [revoked, *_scaled(1 - REVOKE, _conclude(problem, state))]


def _plan_again(problem: Problem, state: State) -> list[Transition]:
    after = State("recall", len(problem.chain) - 1, revoked=True)
    return [Transition(1.0, PLAN_STEPS, "plan_generation", after)]


def _conclude(problem: Problem, state: State) -> list[Transition]:
    text = f"so we have {problem.target}: {state.value} ."
    return [Transition(1.0, text, "result_consolidation", State("answer", value=state.value))]


def _answer(problem: Problem, state: State) -> list[Transition]:
    text = f"the answer is \\boxed{{ {state.value} }} ."
    return [Transition(1.0, text, "final_answer_emission", State("end", value=state.value))]


def _end(problem: Problem, state: State) -> list[Transition]:
    return []


def _scaled(weight: float, found: list[Transition]) -> list[Transition]:
    return [t._replace(probability=weight * t.probability) for t in found]


_PHASES = {
    "setup": _setup, "plan": _plan, "recall": _recall, "compute": _compute, "tired": _tired, "go on": _go_on,
    "computed": _computed, "check": _check, "checked": _checked, "guess": _guess, "guessed": _guessed,
    "plan again": _plan_again, "answer": _answer, "end": _end,
}  # fmt: skip


@dataclass(frozen=True)
class ReasonerTrace:
    """A solution: its sentences, their categories, the true dependencies (source, target), and the answer given."""

    problem: Problem
    sentences: tuple[str, ...]
    categories: tuple[str, ...]
    dependencies: frozenset[tuple[int, int]]
    answer: int
    correct: bool

    @property
    def text(self) -> str:
        """Prompt and sentences as one text, joined by single blanks."""
        return " ".join([self.problem.text, *self.sentences])

    @property
    def plan(self) -> str:
        """``steps``, ``guess``, or ``revoked guess``: the plan that made the answer."""
        if REVOKE_TEXT in self.sentences:
            return "revoked guess"
        return "guess" if PLAN_GUESS in self.sentences else "steps"


def sample_trace(problem: Problem, rng: np.random.Generator) -> ReasonerTrace:
    """Return a solution written by the process."""
    state, sentences = State(), []
    while found := transitions(problem, state):
        chosen = found[int(rng.choice(len(found), p=[t.probability for t in found]))]
        sentences.append(chosen.sentence)
        state = chosen.state
    return read_trace(problem, sentences)


def states(problem: Problem, sentences: Sequence[str]) -> list[State]:
    """Return the state before the first sentence and after each (M + 1).

    Raises
    ------
    InputError
        A sentence that the process cannot write at its place.
    """
    found = [State()]
    for number, sentence in enumerate(sentences):
        following = next((t.state for t in transitions(problem, found[-1]) if t.sentence == sentence), None)
        if following is None:
            expected = " | ".join(t.sentence for t in transitions(problem, found[-1])[:3]) or "the end"
            raise InputError(f"sentence {number}", repr(sentence), expected, "The process cannot write it here.")
        found.append(following)
    return found


def grammatical(problem: Problem, sentences: Sequence[str]) -> bool:
    """Return whether the process can write ``sentences`` and has ended after them."""
    try:
        return states(problem, sentences)[-1].phase == "end"
    except InputError:
        return False


def read_trace(problem: Problem, sentences: Sequence[str]) -> ReasonerTrace:
    """Return the trace with these sentences, its categories, dependencies and answer; InputError as :func:`states`."""
    passed = states(problem, sentences)
    categories = []
    for state, sentence in zip(passed, sentences, strict=False):
        categories.append(next(t.category for t in transitions(problem, state) if t.sentence == sentence))
    last = passed[-1]
    answer = last.value if last.phase == "end" else -1
    edges = frozenset(dependencies(sentences, categories))
    return ReasonerTrace(problem, tuple(sentences), tuple(categories), edges, answer, answer == problem.answer)


def dependencies(sentences: Sequence[str], categories: Sequence[str]) -> set[tuple[int, int]]:
    """Return the true edges (source, target): the earlier sentences that a sentence's content is made from.

    * plan: the doubt that asked for it (first plan: the setup); tiredness: the plan in force;
    * recall: the recall that named its variable (first recall: setup and plan);
    * computation: the plan in force, the recall of its definition, the sentence that last stated its operand;
    * doubt: the result it doubts; check: the doubt, and what a computation depends on;
    * guess: the plan; revocation: the guess; consolidation: the last statement of the target; answer: consolidation.
    """
    edges: set[tuple[int, int]] = set()
    stated: dict[str, int] = {}  # variable -> sentence that last stated its value
    defined: dict[str, int] = {}  # variable -> sentence that recalled its definition
    plan = doubt = guess = 0
    for j, (sentence, category) in enumerate(zip(sentences, categories, strict=True)):
        sources: list[int] = []
        if category == "plan_generation":
            sources, plan, defined = [doubt], j, defined if sentence == PLAN_ON else {}
        elif category == "fact_retrieval":
            sources = [j - 1] if sentences[j - 1].startswith("recall") else [0, plan]
        elif sentence.startswith(("take", "check")):
            made, operand = re.match(r"\w+ (\w)= (\w)", sentence).groups()
            sources = [defined[made], stated[operand], doubt if sentence.startswith("check") else plan]
        elif sentence.startswith("say"):
            sources, guess = [plan], j
        elif sentence == REVOKE_TEXT:
            sources = [guess]
        elif category == "uncertainty_management":
            sources = [plan] if sentence == TIRED_TEXT else [stated[sentence.split()[2]]]
        elif category == "result_consolidation":
            sources = [stated[sentence.split()[3][0]]]
        elif category == "final_answer_emission":
            sources = [j - 1]
        edges |= {(i, j) for i in sources if i < j}
        doubt = j if category == "uncertainty_management" else doubt
        if found := re.search(r"recall (\w)=", sentence):
            defined[found[1]] = j
        if values := re.findall(r"(\w): \d", sentence):
            stated[values[-1]] = j
    return edges
