"""A whole resampling experiment: every prefix of a trace, 100 rollouts each, against `generate` prefix by prefix.

Both run on one thread with the same model, trace, temperature and limits, side by side in one process; ours also reads
the answers and keeps every rollout in the store.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch

from anchors.models.language import load
from anchors.thought.experiments import Case, resample
from anchors.thought.rollouts import RolloutStore
from anchors.thought.settings import Sampling
from anchors.thought.studies import corpus

LIMIT = 60.0  # seconds on two cores


def generated(model, case: Case, sampling: Sampling) -> int:
    """Sample with transformers' `generate`, all rollouts of a prefix at once; return the number of rollouts."""
    done, options = 0, {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    for prefix in case.prefixes:
        ids = torch.tensor([model.encode(prefix)])
        room = min(sampling.max_new_tokens, model.max_context - ids.shape[1])
        shape = {"num_return_sequences": sampling.rollouts, "max_new_tokens": room}
        done += len(model.network.generate(ids, attention_mask=torch.ones_like(ids), **options, **shape))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="reasoner")
    parser.add_argument("--rollouts", type=int, default=100)
    a = parser.parse_args()
    torch.set_num_threads(1)
    model, trace = load(a.model), corpus.traces(a.model, "laptop", 0, 2)[1]
    sampling = Sampling(*(vars(corpus.sampling(a.model)) | {"rollouts": a.rollouts}).values())
    expected = a.rollouts * len(trace.case.prefixes)
    with tempfile.TemporaryDirectory() as folder, RolloutStore(Path(folder) / "rollouts.db") as store:
        start = time.perf_counter()
        resample(model, trace.case, store, sampling, stop=corpus.stops(a.model))
        own = time.perf_counter() - start
        assert store.counts()["good"] == expected
    start = time.perf_counter()
    assert generated(model, trace.case, sampling) == expected
    other = time.perf_counter() - start
    count = len(trace.case.sentences)
    print(
        f"{a.model}: {count} sentences, {expected} rollouts, one thread: {own:.1f} s (limit {LIMIT:.0f} s on two cores)"
    )
    print(f"generate, prefix by prefix: {other:.1f} s; ratio {other / own:.1f}")


if __name__ == "__main__":
    main()
