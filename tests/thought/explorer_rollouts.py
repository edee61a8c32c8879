"""A trace of three sentences with rollouts whose every number can be counted by hand."""

import numpy as np

from anchors.thought.experiments import Case
from anchors.thought.rollouts import Rollout, RolloutStore, prefix_hash

FIRST, SECOND, LAST = "We add one and two.", "That makes three here.", "The answer is \\boxed{3}."
OTHER, NEAR = "Maybe we multiply instead.", "We add one to two now."
CASE = Case("sum", "One plus two? ", f"{FIRST} {SECOND} {LAST}", "3")
SUFFIX = " The answer is \\boxed{"
NOWHERE = (0, 0, 0, 0, 1)
VECTORS = {
    FIRST: (1, 0, 0, 0, 0), NEAR: (0.9, np.sqrt(0.19), 0, 0, 0), OTHER: (0.6, 0.8, 0, 0, 0),
    SECOND: (0, 0, 1, 0, 0), LAST: (0, 0, 0, 1, 0),
}  # fmt: skip
# Of 20 rollouts from the start: 12 begin otherwise (6 right), 8 alike (6 right, one in other words); 5 say SECOND.
# Then 10 (9 right), 12 (10 right, one without an answer, one failed), 10 (all right).


def embed(texts):
    """Return the unit vectors of the texts above; any other text is orthogonal to all of them."""
    return np.array([VECTORS.get(text, NOWHERE) for text in texts], float)


def said(first, answer, second=""):
    """Return first sentence, whole text and answer of a rollout."""
    return first, " ".join(filter(None, (first, second, f"So it is \\boxed{{{answer}}}."))), answer


ROLLOUTS = {
    0: [said(OTHER, "3")] * 6 + [said(OTHER, "4")] * 6 + [said(FIRST, "3", SECOND)] * 5 + [said(NEAR, "3")]
    + [said(FIRST, "4")] * 2,
    1: [said(SECOND, "3")] * 9 + [said(SECOND, "1")],
    2: [said(LAST, "3")] * 10 + [(LAST, LAST, "")],
    3: [("", "", "3")] * 10,
}  # fmt: skip
FORCED = {0: ["4"] * 10, 1: ["3"] * 5 + ["4"] * 5, 2: ["3"] * 10, 3: ["3"] * 10}


def rollouts():
    """Return all rollouts, one failed one among them, and forced ones."""
    found = []
    for kept, rows in ROLLOUTS.items():
        key = ("tiny", "sum", prefix_hash(CASE.prefixes[kept]), kept)
        for seed, (first, text, answer) in enumerate(rows):
            right = answer == "3" if answer else None
            found.append(Rollout(*key, seed, "resample", text, first, answer, right))
    found.append(Rollout(*key[:2], prefix_hash(CASE.prefixes[2]), 2, 99, "resample", "", "", "", None, error="timeout"))
    for kept, answers in FORCED.items():
        key = ("tiny", "sum", prefix_hash(CASE.prefixes[kept] + SUFFIX), kept)
        found += [Rollout(*key, seed, "forced", f"{a}}}", "", a, a == "3") for seed, a in enumerate(answers)]
    return found


def store(path):
    """Return an open store at a path with all rollouts."""
    result = RolloutStore(path)
    result.add(rollouts())
    return result
