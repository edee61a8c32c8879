"""A small training, and a process that kills itself in the middle of it; run as a script by test_grpo."""

import hashlib
import json
import os
import signal
import sys

import numpy as np
from rubric.rl_case import PROMPTS, tiny

from anchors.models import checkpoint
from anchors.rubric import grpo
from anchors.rubric.policy import Policy
from anchors.rubric.reward import Rewarded

SETTINGS = grpo.Settings(
    steps=7, prompts=3, group=4, max_new_tokens=6, rate=1e-2, warmup=2, schedule="linear", beta=0.05, epochs=2,
    mini_batches=2, every=2, seed=3,
)  # fmt: skip


def reward(prompts, responses):
    values = np.array([text.count("good") - 0.3 * len(text.split()) for text in responses])
    values[[text.startswith("b") for text in responses]] = np.nan
    return Rewarded(values, np.stack([values, 1 - values], 1), ("good", "short"))


def case():
    return Policy(tiny(), rank=2), reward, PROMPTS


def record(log):
    """Everything that two runs must have in common, to the last bit, as one line of JSON and a hash each."""
    entries = [{k: v for k, v in entry.items() if not k.startswith("seconds")} for entry in log.entries]
    texts = {"entries": json.dumps(entries), "rollouts": repr(log.rollouts.rollouts())}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()} | {
        "weights": log.policy.fingerprint(), "steps": len(entries)
    }  # fmt: skip


def killer(function, count):
    """Return the function, with SIGKILL in place of its ``count``-th call."""
    calls = iter(range(1, 1000))

    def killing(*args, **kwargs):
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    return killing


def arm(when):
    """Prepare the kill."""
    if when == "updating":  # in the middle of the third step; the last checkpoint is after the second
        grpo.Training._update = killer(grpo.Training._update, 11)
    elif when == "saving":  # weights and moments are new, the state file is old
        checkpoint.atomic_write = killer(checkpoint.atomic_write, 3)


if __name__ == "__main__":
    folder, when = sys.argv[1:]
    arm(when)
    print("ready", flush=True)
    print(json.dumps(record(grpo.train(*case(), SETTINGS, folder))), flush=True)
