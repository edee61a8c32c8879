"""A process that fills a store with a made-up deterministic sampler; run as a script by test_rollouts."""

import hashlib
import sys
import time

from anchors.thought.rollouts import Rollout, RolloutStore, prefix_hash

SENTENCES, SEEDS, BATCH = 4, 40, 5


def fake(sentence: int, seed: int) -> Rollout:
    """Return the same rollout for the same sentence and seed, always."""
    digest = hashlib.sha256(f"{sentence}/{seed}".encode()).hexdigest()
    answer = str(int(digest[0], 16) % 3)
    key = ("fake", "p", prefix_hash(f"prefix {sentence}"), sentence, seed, "resample")
    return Rollout(*key, f" {digest}.", digest[:8], answer, answer == "1", -float(seed))


def fill(path: str, delay: float, backwards: bool = False) -> None:
    """Add what is missing, batch by batch."""
    with RolloutStore(path) as store:
        for sentence in sorted(range(SENTENCES), reverse=backwards):
            todo = store.missing("fake", "p", prefix_hash(f"prefix {sentence}"), sentence, range(SEEDS))
            for start in range(0, len(todo), BATCH):
                time.sleep(delay)
                store.add(fake(sentence, seed) for seed in todo[start : start + BATCH])


if __name__ == "__main__":
    fill(sys.argv[1], float(sys.argv[2]), "backwards" in sys.argv)
