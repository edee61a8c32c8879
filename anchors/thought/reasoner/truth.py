"""Exact importances of the generating process, by enumeration over its states (derived)."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from anchors.thought.reasoner.program import Problem, State, Transition, states, transitions

Same = Callable[[str, str], bool]


class Enumeration:
    """Expectations over all continuations of a state of one problem; equal states are computed once.

    Parameters
    ----------
    problem : the problem.
    targets : sentences whose occurrence in a continuation is asked for.
    """

    def __init__(self, problem: Problem, targets: Sequence[str] = ()):
        self.problem = problem
        self.position: dict[str, list[int]] = {}
        for j, sentence in enumerate(targets):
            self.position.setdefault(sentence, []).append(j)
        self.width = len(targets)
        self._answers: dict[State, np.ndarray] = {}
        self._occurs: dict[State, np.ndarray] = {}

    def answers(self, state: State) -> np.ndarray:
        """Return the distribution of the final answer (10,) over all continuations of ``state``."""
        if state not in self._answers:
            found = transitions(self.problem, state)
            self._answers[state] = self.mixture(found) if found else np.eye(10)[state.value]
        return self._answers[state]

    def mixture(self, found: list[Transition]) -> np.ndarray:
        """Return the answer distribution (10,) over ``found``, their probabilities scaled to one."""
        weights = np.array([t.probability for t in found])
        return weights / weights.sum() @ np.array([self.answers(t.state) for t in found])

    def occurs(self, state: State) -> np.ndarray:
        """Return for each target the probability (width,) that it occurs in a continuation of ``state``."""
        if state not in self._occurs:
            total = np.zeros(self.width)
            for t in transitions(self.problem, state):
                ahead = self.occurs(t.state).copy()
                ahead[self.position.get(t.sentence, [])] = 1.0
                total += t.probability * ahead
            self._occurs[state] = total
        return self._occurs[state]


def kl_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Return sum p ln(p / q) (nats) over the last axis; infinite where q lacks mass that p has."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0).sum(-1)


def exact_importances(problem: Problem, sentences: Sequence[str], same: Same | None = None) -> dict[str, np.ndarray]:
    """Return the exact importances of every sentence of a trace (definitions: sec. 2.4 of the official code).

    Parameters
    ----------
    sentences : M sentences that the process can write.
    same : tells whether an alternative first sentence counts as the sentence itself; by default equality of text.

    Returns
    -------
    dict with ``distribution`` (M + 1, 10) and ``accuracy`` (M + 1,) before sentence i and after the last;
    ``resampling_accuracy`` acc[i + 1] - acc[i], ``resampling_kl`` D(p_i || p_{i+1}), ``counterfactual_accuracy``
    acc(kept) - acc(different) – positive: the sentence helps –, ``counterfactual_kl`` D(p_different || p_kept),
    ``different`` (probability of a different first sentence), each (M,); NaN where nothing else can be written.
    """
    same = same or str.__eq__
    tree, passed = Enumeration(problem), states(problem, sentences)
    p = np.array([tree.answers(state) for state in passed])
    accuracy = p[:, problem.answer]
    other, share = np.full((len(sentences), 10), np.nan), np.zeros(len(sentences))
    for i, sentence in enumerate(sentences):
        changed = [t for t in transitions(problem, passed[i]) if not same(t.sentence, sentence)]
        share[i] = sum(t.probability for t in changed)
        if changed:
            other[i] = tree.mixture(changed)
    return {
        "distribution": p, "accuracy": accuracy, "different": share,
        "resampling_accuracy": np.diff(accuracy), "resampling_kl": kl_divergence(p[:-1], p[1:]),
        "counterfactual_accuracy": accuracy[1:] - other[:, problem.answer],
        "counterfactual_kl": np.where(share > 0, kl_divergence(other, p[1:]), np.nan),
    }  # fmt: skip


def exact_step_matrix(problem: Problem, sentences: Sequence[str]) -> np.ndarray:
    """Return the exact sentence-to-sentence importances (M, M) [source, target] (sec. 2.8), NaN unless source < target.

    P(the target's text occurs in a continuation that keeps the source) - P(it occurs in one from before the source).
    """
    tree, passed = Enumeration(problem, sentences), states(problem, sentences)
    occurs = np.array([tree.occurs(state) for state in passed])  # (M + 1, M)
    change = np.diff(occurs, axis=0)
    return np.where(np.triu(np.ones_like(change), 1) > 0, change, np.nan)


def forced_distribution(problem: Problem, sentences: Sequence[str]) -> np.ndarray:
    """Return the distribution of the answer (10,) when it is forced after ``sentences``.

    The value last stated for the target, or uniform when none was: so the reasoner is taught.
    """
    stated = re.findall(rf"\b{problem.target}: (\d)", " ".join(sentences))
    return np.eye(10)[int(stated[-1])] if stated else np.full(10, 0.1)


def forced_truth(problem: Problem, sentences: Sequence[str]) -> np.ndarray:
    """Return the forced-answer distributions (M + 1, 10) before sentence i and after the last."""
    return np.array([forced_distribution(problem, sentences[:i]) for i in range(len(sentences) + 1)])


def dependency_matrix(edges: frozenset[tuple[int, int]], size: int) -> np.ndarray:
    """Return the true edges as a boolean matrix (M, M) [source, target]."""
    matrix = np.zeros((size, size), dtype=bool)
    if edges:
        matrix[tuple(np.array(sorted(edges)).T)] = True
    return matrix
