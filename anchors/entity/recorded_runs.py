"""The runs too long for ``make figures``: ``python -m anchors.entity.recorded_runs fb15k-237 | wn18rr | …``.

Each writes its logs and provenance under ``data/runs/entity``. Finished trials are cached, so an interrupted run
continues; several processes share the work when the same command is started twice.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from anchors.companion import provenance, recorded
from anchors.companion.cache import cached_grid
from anchors.entity import baselines, loaders, rank, trials
from anchors.models import embed

STARTED = time.perf_counter()
CODE = ["anchors.entity.trials"]
SEEDS = (0, 1, 2)
MAIN = ("simkgc_ib", "random_only", "anchors_only", "permuted", "sea", "extra", "anchors_alone", "simkgc")
LEFT_OUT = {"wn18rr": ("anchors_alone", "simkgc")}
SWEEP = {"steps": 300, "evaluate_every": 0}  # of the sweeps: a third of the steps of the main runs
RANDOMS = (0, 512, 2048)  # random negatives a batch
BATCHES = (1024,)  # the control: larger batches without any


def record_main(graph: str) -> None:
    """Train every variant on a large graph with three seeds: metrics, learning curves, and the rank of every query."""
    left_out = LEFT_OUT.get(graph, ())
    kinds = [{"variant": variant, "seed": seed} for seed in SEEDS for variant in MAIN if variant not in left_out]
    found, origin = _trials(graph, kinds)
    ranks = {f"{kind['variant']} {kind['seed']}": one["ranks"] for kind, one in zip(kinds, found, strict=True)}
    curves = [kind | _point(*point) for kind, one in zip(kinds, found, strict=True) for point in one["curve"]]
    losses = [kind | {"step": at, "loss": loss} for kind, one in zip(kinds, found, strict=True)
              for at, loss in enumerate(one["losses"], 1)]  # fmt: skip
    facts = {"seeds": list(SEEDS), "split": "test"}
    _save(f"{graph}_results", _rows(graph, kinds, found), origin, graph, **facts)
    _save(f"{graph}_ranks", ranks, origin, graph, **facts, order="test queries forwards, then backwards")
    _save(f"{graph}_curves", curves, origin, graph, seeds=list(SEEDS), split="validation")
    _save(f"{graph}_losses", losses, origin, graph, seeds=list(SEEDS), split="train")


def _point(step: int, mrr: float, seconds: float) -> dict[str, float]:
    return {"step": step, "MRR": mrr, "seconds": seconds}


def record_random_negatives() -> None:
    """Sweep the number of random negatives on FB15k-237, beside text with larger batches at the same cost."""
    kinds = [
        {"variant": "simkgc_ib", "random": count, "batch": 512, "seed": seed} for seed in SEEDS for count in RANDOMS
    ]
    kinds += [
        {"variant": "simkgc_ib", "random": 0, "batch": batch, "seed": seed} for seed in SEEDS for batch in BATCHES
    ]
    found, origin = _trials("fb15k-237", kinds, **SWEEP)
    _save("random_negatives", _rows("fb15k-237", kinds, found), origin, seeds=list(SEEDS), split="test")


def record_lookups() -> None:
    """Train the lookup models on the small graphs, five seeds each.

    On the large graphs they take up to eight minutes a run (``baselines.defaults``) and are not recorded.
    """
    import numpy as np

    jobs = [
        {"graph": graph, "model": model, "seed": seed}
        for graph in trials.SMALL for model in baselines.MODELS for seed in range(5)
    ]  # fmt: skip
    origin = provenance.record(["anchors.entity.baselines"], loaders.fingerprints(trials.SMALL))
    salt = "".join(loaders.fingerprints(trials.SMALL).values())
    found = cached_grid(lookup, jobs, "lookup models", salt)
    rows = [job | rank.metrics(np.array(one["ranks"])) | {"seconds": one["seconds"], "parameters": one["parameters"]}
            for job, one in zip(jobs, found, strict=True)]  # fmt: skip
    _save("lookups", rows, origin, seeds=list(range(5)), split="test")


def lookup(graph: str, model: str, seed: int) -> dict[str, Any]:
    """Train a lookup model; return its realistic ranks of the directed test queries, seconds and parameters."""
    begun = time.perf_counter()
    trained = baselines.train(loaders.load(graph), model, seed=seed)
    seconds = time.perf_counter() - begun
    size = sum(p.numel() for p in trained.model.parameters())
    return {"ranks": trained.ranks("test").realistic.tolist(), "seconds": seconds, "parameters": size}


def _trials(graph: str, kinds: list[dict[str, Any]], **changes: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the trials of ``kinds`` on a graph, and where they come from."""
    data = loaders.fingerprints([graph]) | {"minilm": embed.identity()}
    origin = provenance.record(CODE, data)
    return trials.run([trials.job(graph, **changes | kind) for kind in kinds], "recorded"), origin


def _rows(graph: str, kinds: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row per trial: what it is, its metrics on test, and its cost."""
    import numpy as np

    rows = []
    for kind, one in zip(kinds, found, strict=True):
        ranks = np.array(one["ranks"])
        forward, backward = np.split(ranks, 2)
        row = {"graph": graph} | kind | {"n": len(ranks)} | rank.metrics(ranks)
        row |= {"forward": trials.mrr(forward), "backward": trials.mrr(backward)}
        row |= {name: one[name] for name in ("off", "reranked", "seconds")}
        rows.append(row | {f"{name} parameters": count for name, count in one["parameters"].items()})
    return rows


def _save(name: str, rows: Any, origin: dict, run: str = "", **facts: Any) -> None:
    import pandas as pd

    seconds = round(time.perf_counter() - STARTED, 1)  # of this run: trials that were cached before cost nothing
    command = f"python -m {__spec__.name} {run or name}"
    recorded.save(f"entity/{name}", pd.DataFrame(rows), command, origin | {"seconds": seconds}, **facts)


RUNS: dict[str, Callable[[], None]] = {
    **{graph: partial(record_main, graph) for graph in trials.LARGE},
    "random_negatives": record_random_negatives,
    "lookups": record_lookups,
}

if __name__ == "__main__":
    recorded.main(RUNS)
