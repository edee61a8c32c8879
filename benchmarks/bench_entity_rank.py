"""Filtered ranks against all entities: ours against PyKEEN's evaluator, same scores, side by side in one process.

WN18RR's test triples in both directions, random unit vectors for queries and entities, one thread. PyKEEN gets blocks
of scores the way its own loop makes them: known answers set to NaN, the target put back. The filter is its own; the
product of queries and entities is in both times. Peak memory is of a process of its own for each.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

from anchors.entity import loaders
from anchors.entity.graph import SPLITS, Graph
from anchors.entity.rank import HITS, RANKS, metrics, ranked

REQUIRED, SECONDS, MEMORY = 3.0, 15.0, 2.0  # ratio, seconds, GiB
WIDTH, BLOCK = 256, 32  # 32 triples a block: PyKEEN's own choice on a CPU
NAMES = {"MRR": "inverse_harmonic_mean_rank", "MR": "arithmetic_mean_rank"}
SIDES = ("tail", "head")  # of the directed triples: first all tails, then all heads


def vectors(graph: Graph, triples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors of queries (q, 256) and entities (N, 256), float32."""
    rng = np.random.default_rng(0)
    made = (rng.normal(size=(count, WIDTH)).astype(np.float32) for count in (len(triples), graph.size))
    return tuple(v / np.linalg.norm(v, axis=1, keepdims=True) for v in made)


def ours(graph: Graph, triples: np.ndarray, queries: np.ndarray, entities: np.ndarray) -> dict:
    """Return metrics by rank type, over both sides."""
    ranks = ranked(queries, entities, triples, graph.filter)
    return {kind: metrics(getattr(ranks, kind)) for kind in RANKS}


def pykeens(graph: Graph, triples: np.ndarray, queries: np.ndarray, entities: np.ndarray) -> dict:
    """Return the same from PyKEEN's evaluator and its filter."""
    import torch
    from pykeen.evaluation import RankBasedEvaluator
    from pykeen.evaluation.evaluator import create_sparse_positive_filter_, filter_scores_

    facts = torch.as_tensor(np.concatenate([graph.splits[split] for split in SPLITS]))
    kwargs = [None, None, *({"k": k} for k in HITS)]
    evaluator = RankBasedEvaluator(
        True, list(NAMES.values())[:2] + ["hits_at_k"] * len(HITS), kwargs, add_defaults=False
    )
    half, turned = len(triples) // 2, torch.as_tensor(entities).T
    test = torch.as_tensor(triples[:half])
    for start in range(0, half, BLOCK):
        batch, relation = test[start : start + BLOCK], None
        for side, column, offset in zip(SIDES, (2, 0), (0, half), strict=True):
            place = slice(offset + start, offset + start + len(batch))
            scores, rows = torch.as_tensor(queries[place]) @ turned, torch.arange(len(batch))
            known, relation = create_sparse_positive_filter_(batch, facts, relation, filter_col=column)
            target = scores[rows, batch[:, column]]
            scores = filter_scores_(scores, known)
            scores[rows, batch[:, column]] = target
            evaluator.process_scores_(batch, side, scores, target[:, None])
    found = evaluator.finalize()
    names = NAMES | {f"H@{k}": f"hits@{k}" for k in HITS}
    return {kind: {m: found.get_metric(f"both.{kind}.{name}") for m, name in names.items()} for kind in RANKS}


VERSIONS = {"ours": ours, "PyKEEN": pykeens}


def setting(quick: bool) -> tuple:
    """Return graph, directed triples, and vectors of queries and entities."""
    graph = loaders.load("wn18rr")
    graph.filter  # noqa: B018 - the index of known answers is built once a graph; its time is printed by main
    test = graph.splits["test"][: 300 if quick else None]
    triples = np.concatenate([test, test[:, ::-1] + [0, len(graph.relations), 0]])
    return graph, triples, *vectors(graph, triples)


def measure(work: tuple, rounds: int) -> tuple[dict, dict]:
    """Return the numbers and the best wall time of each version; they take turns so that both meet the same noise."""
    found, seconds = {}, dict.fromkeys(VERSIONS, np.inf)
    for _ in range(rounds):
        for name, version in VERSIONS.items():
            start = time.perf_counter()
            found[name] = version(*work)
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return found, seconds


def peak(name: str, quick: bool) -> float:
    """Return the peak memory in GiB of a process that runs one version."""
    command = [sys.executable, __file__, "--peak", name, *(["--quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 test triples")
    parser.add_argument("--peak", choices=VERSIONS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    threadpool_limits(1)
    if not given.peak:  # first of all: a process starts with the peak of the one that starts it
        memory = {name: peak(name, given.quick) for name in VERSIONS}
    work = setting(given.quick)
    if given.peak:
        VERSIONS[given.peak](*work)
        print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))
        return
    graph, triples = work[:2]
    start = time.perf_counter()
    graph.known(SPLITS)
    index = time.perf_counter() - start
    print(f"{len(triples):,} directed queries x {graph.size:,} entities x {WIDTH}, one thread, best of 3 rounds")
    found, seconds = measure(work, 3)
    for name, numbers in found.items():
        mrr = numbers["realistic"]["MRR"]
        print(f"{name:8} {seconds[name]:7.2f} s   peak {memory[name]:.2f} GiB   MRR {mrr:.8f}")
    print(f"once a graph, for the index of known answers: {index:.2f} s more")
    assert memory["ours"] <= MEMORY, f"peak {memory['ours']:.2f} GiB, at most {MEMORY}"
    for kind in RANKS:
        for metric, value in found["PyKEEN"][kind].items():
            assert abs(found["ours"][kind][metric] - value) <= 1e-6 * max(1, abs(value)), (kind, metric)
    print(f"ratio: {seconds['PyKEEN'] / seconds['ours']:.1f}   required: at least {REQUIRED}")
    print(f"seconds: {seconds['ours']:.1f}   required: at most {SECONDS:.0f}")


if __name__ == "__main__":
    main()
