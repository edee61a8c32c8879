"""The runs too long for ``make figures``: ``python -m anchors.entity.recorded_runs fb15k-237 | wn18rr | …``.

Each writes its logs and provenance under ``data/runs/entity``. Finished trials are cached, so an interrupted run
continues; several processes share the work when the same command is started twice.
"""

import time
from collections.abc import Callable
from dataclasses import replace
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
LOOKUP_EPOCHS = {"fb15k-237": 2, "wn18rr": 12}  # two minutes each; the defaults take three times as many
RANDOMS = (0, 512, 2048)  # random negatives a batch
BATCHES = (1024,)  # the control: larger batches without any
COUNTS = (64, 500, 2000)  # anchors, by degree
STRATEGIES = ("random",)


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


def record_anchor_counts() -> None:
    """Sweep the number of anchors and how they are chosen, on both large graphs."""
    kinds = [{"variant": "anchors_only", "anchors": count, "strategy": "degree"} for count in COUNTS]
    kinds += [{"variant": "anchors_only", "anchors": 500, "strategy": strategy} for strategy in STRATEGIES]
    kinds = [kind | {"seed": seed} for seed in SEEDS[:1] for kind in [{"variant": "simkgc_ib"}, *kinds]]
    rows, origin = [], {}
    for graph in trials.LARGE:
        found, origin = _trials(graph, kinds, **SWEEP)
        rows += _rows(graph, kinds, found)
    _save("anchor_counts", rows, origin, seeds=list(SEEDS[:1]), split="test")


def record_lookups() -> None:
    """Train the lookup models: five seeds of all on the small graphs, one short run of two on the large ones."""
    import numpy as np

    jobs = [
        {"graph": graph, "model": model, "seed": seed, "epochs": 0}
        for graph in trials.SMALL for model in baselines.MODELS for seed in range(5)
    ]  # fmt: skip
    jobs += [
        {"graph": graph, "model": model, "seed": 0, "epochs": epochs}
        for graph, epochs in LOOKUP_EPOCHS.items() for model in ("DistMult", "ComplEx")
    ]  # fmt: skip
    origin = provenance.record(["anchors.entity.baselines"], loaders.fingerprints(loaders.GRAPHS))
    salt = "".join(loaders.fingerprints(loaders.GRAPHS).values())
    found = cached_grid(lookup, jobs, "lookup models", salt)
    rows = [job | rank.metrics(np.array(one["ranks"])) | {"seconds": one["seconds"], "parameters": one["parameters"]}
            for job, one in zip(jobs, found, strict=True)]  # fmt: skip
    _save("lookups", rows, origin, seeds=list(range(5)), split="test")


def lookup(graph: str, model: str, seed: int, epochs: int) -> dict[str, Any]:
    """Train a lookup model; return its realistic ranks of the directed test queries, seconds and parameters.

    ``epochs`` replaces those of the defaults, unless it is 0.
    """
    begun, found = time.perf_counter(), loaders.load(graph)
    own = baselines.defaults(found, model)
    trained = baselines.train(found, model, replace(own, epochs=epochs or own.epochs), seed)
    seconds = time.perf_counter() - begun
    size = sum(p.numel() for p in trained.model.parameters())
    return {"ranks": trained.ranks("test").realistic.tolist(), "seconds": seconds, "parameters": size}


def record_top_layer() -> None:
    """Train text, and text with anchors, on FB15k-237 with the anchors as tokens inside the top layer."""
    kinds = [{"variant": variant, "seed": 0} for variant in ("simkgc_ib", "anchors_only")]
    found, origin = _trials("fb15k-237", kinds, **TOP_LAYER)
    curves = [kind | _point(*point) for kind, one in zip(kinds, found, strict=True) for point in one["curve"]]
    _save("top_layer_results", _rows("fb15k-237", kinds, found), origin, "top_layer", seeds=[0], split="test")
    _save("top_layer_curves", curves, origin, "top_layer", seeds=[0], split="validation")


TOP_LAYER = {
    "top": 1, "max_tokens": 24, "batch": 256, "steps": 80, "rate": 3e-4, "warmup": 20, "evaluate_every": 20,
    "dtype": "bfloat16",
}  # fmt: skip


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
    "anchor_counts": record_anchor_counts,
    "lookups": record_lookups,
    "top_layer": record_top_layer,
}

if __name__ == "__main__":
    recorded.main(RUNS)
