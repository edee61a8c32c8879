"""A process that resamples one trace of the reasoner into a store; run as a script by test_kill_and_resume."""

import sys

import numpy as np

from anchors.models.language import load
from anchors.thought.experiments import Case, resample
from anchors.thought.reasoner import program
from anchors.thought.rollouts import RolloutStore
from anchors.thought.settings import Sampling

SEEDS = range(48)


def case() -> Case:
    """Return a problem of the process with a solution that the process wrote."""
    rng = np.random.default_rng(7)
    problem = program.sample_problem(rng)
    text = " " + " ".join(program.sample_trace(problem, rng).sentences)
    return Case("p", problem.text, text, str(problem.answer))


def fill(path: str) -> None:
    """Sample what the store lacks, twelve rollouts to a transaction."""
    with RolloutStore(path) as store:
        print("ready", flush=True)
        resample(load("reasoner"), case(), store, Sampling("reasoner", 1.0, 1.0, 320, 48, 80, 1), SEEDS, batch=12)


if __name__ == "__main__":
    fill(sys.argv[1])
