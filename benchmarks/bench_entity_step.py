"""What the entity wing promises of speed: masks of false negatives, a step with deduplication, anchors of a graph.

Needs FB15k-237 (a mirror or a download). Every ratio is measured in one process, the two sides taking turns. Bounds:
masks 100 x a double loop at B = 1,024; a step with each text once and its negatives kept 1.5 x one that encodes every
text afresh; anchors within 5 s.
"""

import time
from dataclasses import replace
from statistics import median

import numpy as np
import torch

from anchors.entity import anchors, loaders, negatives, trials
from anchors.entity.settings import Settings
from anchors.entity.studies.efficiency import stand_in
from anchors.entity.training import Training


def timed(function):
    begun = time.perf_counter()
    result = function()
    return time.perf_counter() - begun, result


def slow_mask(known, triples):
    """The obvious way: a double loop over queries and candidates."""
    size = len(triples)
    mask = np.zeros((size, size), bool)
    for i, (head, relation, tail) in enumerate(triples.tolist()):
        for j, candidate in enumerate(triples[:, 2].tolist()):
            mask[i, j] = candidate == tail or (head, relation, candidate) in known
    return mask


def masks(graph, batch=1024):
    facts = graph.directed("train")
    known, rows = graph.known(), np.random.default_rng(0).permutation(len(facts))[:batch]
    fast = median(timed(lambda: negatives.in_batch(known, facts[rows]))[0] for _ in range(9))
    everything = set(map(tuple, facts.tolist()))  # made before the clock starts, as the index is
    spent, slow = timed(lambda: slow_mask(everything, facts[rows]))
    assert (slow == negatives.in_batch(known, facts[rows])).all()
    print(f"false negatives, B = {batch}: {1000 * fast:.1f} ms, double loop {spent:.2f} s, {spent / fast:.0f} x, equal")
    print("  (bound 100 x)")


def everything_afresh(training, plan):
    """The same step without deduplication: every head, tail and negative of every query is encoded by itself."""
    negatives_of_all = np.arange(len(plan.drawn))
    queries, candidates = plan.queries[plan.query], np.concatenate([
        plan.candidates[plan.tail], plan.candidates[plan.random], plan.candidates[plan.random]
    ])  # fmt: skip
    size = len(plan.triples)
    return negatives.Plan(
        plan.triples, queries, np.arange(size), candidates, np.arange(size), size + negatives_of_all,
        plan.own, plan.drawn,
    )  # fmt: skip


def step(graph, top, batch, random, label, rounds):
    """A training step three ways: every text by itself, each text once, and negatives kept for four steps as well."""
    changes = {"top": top, "batch": batch, "random": random, "max_tokens": 16, "k": 8, "anchors": 500, "steps": 100}
    own = Settings(**trials.job("fb15k-237", "sea", 0, **changes)["settings"])
    kept = replace(own, refresh=4)
    fresh, keeping = (Training(stand_in(graph, one), one) for one in (own, kept))
    spent = {"afresh": [], "once": [], "kept": []}
    for place in range(rounds):
        plan, cached = fresh.plan(place), keeping.plan(place)
        spent["once"].append(timed(lambda p=plan: fresh.update(p))[0])
        spent["afresh"].append(timed(lambda p=plan: fresh.update(everything_afresh(fresh, p)))[0])
        spent["kept"].append(timed(lambda p=cached: keeping.update(p))[0])
    afresh, once, cached = (np.mean(one) for one in spent.values())
    print(
        f"{label}: every text afresh {afresh:.3f} s, once {once:.3f} s ({afresh / once:.2f} x), "
        f"and negatives kept {cached:.3f} s ({afresh / cached:.2f} x, bound 1.5)"
    )


def assignment(graph):
    graph.neighbours, graph.links  # noqa: B018
    chosen = anchors.select(graph, 500, "degree", np.random.default_rng(0))
    spent, _ = timed(lambda: anchors.assign(graph, chosen, 8))
    print(f"anchors of FB15k-237, m = 500, k = 8: {spent:.2f} s (bound 5 s)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    found = loaders.load("fb15k-237")
    masks(found)
    assignment(found)
    step(found, 0, 512, 1024, "step over a frozen model", 12)
    step(found, 1, 128, 256, "step through the top layer", 4)
