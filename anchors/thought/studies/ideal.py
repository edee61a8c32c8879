"""A reasoner without fault: it continues any prefix by the probabilities of the process itself."""

import math
from collections.abc import Sequence

import numpy as np

from anchors.models.sampling import Continuation
from anchors.thought.reasoner import program, truth
from anchors.thought.sentences import split


class Process:
    """The process in the place of a language model: same prefixes in, same kind of text out (derived).

    What resampling finds with it is off by the number of rollouts alone, not by what a network has not learnt.
    """

    name = identity = "process"

    def __init__(self, problems: Sequence[program.Problem]):
        self.problems = {problem.text: problem for problem in problems}
        self._found: dict[tuple[str, program.State], tuple[np.ndarray, list[program.Transition]]] = {}

    def continuations(
        self,
        prefix: str,
        seeds: Sequence[int],
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        stop: Sequence = (),
    ) -> list[Continuation]:
        """Return one continuation per seed of a prefix of a solution, or of a prefix that asks for the answer."""
        question, written = prefix.split(" ?", 1)
        problem = self.problems[question + " ?"]
        sentences = [s.text for s in split(written.removesuffix(program.FORCED_SUFFIX))]
        if written.endswith(program.FORCED_SUFFIX):
            return self._forced(truth.forced_distribution(problem, sentences), seeds, len(sentences))
        start = program.states(problem, sentences)[-1]
        return [self._written(problem, start, seed, len(sentences)) for seed in seeds]

    def _forced(self, p: np.ndarray, seeds: Sequence[int], kept: int) -> list[Continuation]:
        digits = [int(np.random.default_rng([seed, kept, 1]).choice(10, p=p)) for seed in seeds]
        return [self._said(f" {d} }} .", seed, float(np.log(p[d]))) for d, seed in zip(digits, seeds, strict=True)]

    def _written(self, problem: program.Problem, state: program.State, seed: int, kept: int) -> Continuation:
        rng, sentences, logprob = np.random.default_rng([seed, kept]), [""], 0.0
        while state.phase != "end":
            chances, found = self._next(problem, state)
            step = found[min(int(chances.searchsorted(rng.random(), "right")), len(found) - 1)]
            sentences.append(step.sentence)
            state, logprob = step.state, logprob + math.log(step.probability)
        return self._said(" ".join(sentences), seed, logprob)

    @staticmethod
    def _said(text: str, seed: int, logprob: float) -> Continuation:
        return Continuation(text, (), logprob, True, seed)

    def _next(self, problem: program.Problem, state: program.State) -> tuple[np.ndarray, list[program.Transition]]:
        """Return cumulative probabilities and the sentences that may come next, computed once per state."""
        key = (problem.text, state)
        if key not in self._found:
            found = program.transitions(problem, state)
            self._found[key] = (np.cumsum([t.probability for t in found]), found)
        return self._found[key]
