"""The runs too long for ``make figures``: ``python -m anchors.entity.recorded_runs fb15k-237 | wn18rr | …``.

Each writes its logs and provenance under ``data/runs/entity``. Finished trials are cached, so an interrupted run
continues; several processes share the work when the same command is started twice.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from anchors.companion import provenance, recorded
from anchors.companion.cache import cached_grid
from anchors.entity import anchors, baselines, loaders, rank, store, trials
from anchors.entity.lookups import lookup
from anchors.entity.settings import Settings
from anchors.entity.training import anchors_for
from anchors.models import embed

STARTED = time.perf_counter()
CODE = ["anchors.entity.trials"]
SEEDS = (0, 1, 2)
MAIN = ("simkgc_ib", "random_only", "anchors_only", "permuted", "sea", "extra", "anchors_alone", "simkgc")
LEFT_OUT = {"wn18rr": ("anchors_alone", "simkgc")}
SWEEP = {"steps": 300, "evaluate_every": 0}  # of the sweeps: a third of the steps of the main runs
RANDOMS = (0, 512, 2048)  # random negatives a batch
BATCHES = (1024,)  # the control: larger batches without any
COUNTS = (64, 250, 500, 1000, 2000)  # anchors, by degree
STRATEGIES = ("mix", "random", "kmeans")  # how else 500 of them are chosen
LONGER = {"steps": 4000, "evaluate_every": 500}  # four times the main runs: is it the steps that are missing?
TOP_LAYER = {  # anchors as tokens inside the language model, its top layer trained
    "top": 1, "max_tokens": 24, "batch": 256, "steps": 300, "rate": 3e-4, "warmup": 30, "evaluate_every": 50,
    "dtype": "bfloat16",
}  # fmt: skip
BRIEFLY = {  # training of the lookup models on the large graphs, by validation MRR
    "fb15k-237": {
        "TransE": {"epochs": 8}, "DistMult": {"epochs": 3}, "RotatE": {"epochs": 8}, "ComplEx": {"epochs": 2},
    },
    "wn18rr": {
        "TransE": {"epochs": 15, "margin": 4.0, "rate": 2e-2}, "DistMult": {"epochs": 15, "penalty": 5e-2},
        "RotatE": {"epochs": 15, "rate": 3e-2}, "ComplEx": {"epochs": 15, "penalty": 5e-2},
    },
}  # fmt: skip


def record_main(graph: str) -> None:
    """Train every variant on a large graph with three seeds: metrics, learning curves, and the rank of every query."""
    left_out = LEFT_OUT.get(graph, ())
    kinds = [{"variant": variant, "seed": seed} for seed in SEEDS for variant in MAIN if variant not in left_out]
    found, origin = _trials(graph, kinds)
    ranks = {f"{kind['variant']} {kind['seed']}": one["ranks"] for kind, one in zip(kinds, found, strict=True)}
    losses = [kind | {"step": at, "loss": loss} for kind, one in zip(kinds, found, strict=True)
              for at, loss in enumerate(one["losses"], 1)]  # fmt: skip
    facts = {"seeds": list(SEEDS), "split": "test"}
    _save(f"{graph}_results", _rows(graph, kinds, found), origin, graph, **facts)
    _save(f"{graph}_ranks", ranks, origin, graph, **facts, order="test queries forwards, then backwards")
    _save(f"{graph}_curves", _curves(kinds, found), origin, graph, seeds=list(SEEDS), split="validation")
    _save(f"{graph}_losses", losses, origin, graph, seeds=list(SEEDS), split="train")


def _curves(kinds: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the validation curve of every trial: one row per point."""
    return [
        kind | dict(zip(("step", "MRR", "seconds"), point, strict=True))
        for kind, one in zip(kinds, found, strict=True)
        for point in one["curve"]
    ]


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
    """Sweep the number of anchors and how they are chosen, on both large graphs, beside text alone."""
    kinds = [{"variant": "simkgc_ib", "anchors": 0, "strategy": "none"}]
    kinds += [{"variant": "anchors_only", "anchors": count, "strategy": "degree"} for count in COUNTS]
    kinds += [{"variant": "anchors_only", "anchors": 500, "strategy": strategy} for strategy in STRATEGIES]
    kinds = [kind | {"seed": seed} for seed in SEEDS for kind in kinds]
    rows, origin = [], {}
    for graph in trials.LARGE:
        runs = [{k: v for k, v in kind.items() if kind["anchors"] or k in ("variant", "seed")} for kind in kinds]
        found, origin = _trials(graph, runs, **SWEEP)
        rows += [row | _covered(graph, run) for row, run in zip(_rows(graph, kinds, found), runs, strict=True)]
    _save("anchor_counts", rows, origin, seeds=list(SEEDS), split="test")


def _covered(graph: str, run: dict[str, Any]) -> dict[str, float]:
    """Return how well the anchors of a run cover its graph; nothing for text alone."""
    own = Settings(**trials.job(graph, **run)["settings"])
    made = anchors_for(store.read(graph, own), own)
    return {} if made is None else anchors.coverage(loaders.load(graph), made.entities)


def record_longer() -> None:
    """Train text with random negatives four times as long on WN18RR, one seed."""
    _record_curves("longer", {"wn18rr": [{"variant": "random_only", "seed": 0}]}, LONGER)


def record_top_layer() -> None:
    """Train text, and anchors as tokens inside the language model's top layer, on both large graphs, one seed."""
    kinds = [{"variant": variant, "seed": 0} for variant in ("simkgc_ib", "anchors_only")]
    _record_curves("top_layer", dict.fromkeys(trials.LARGE, kinds), TOP_LAYER)


def _record_curves(name: str, kinds: dict[str, list[dict[str, Any]]], changes: dict[str, Any]) -> None:
    """Write results and curves of the trials of each graph, run with changed settings."""
    rows, curves, origin = [], [], {}
    for graph, own in kinds.items():
        found, origin = _trials(graph, own, **changes)
        rows += _rows(graph, own, found)
        curves += [{"graph": graph} | point for point in _curves(own, found)]
    facts = {"seeds": sorted({row["seed"] for row in rows}), "settings": changes}
    _save(f"{name}_results", rows, origin, name, split="test", **facts)
    _save(f"{name}_curves", curves, origin, name, split="validation", **facts)


def record_lookups() -> None:
    """Train the lookup models on the small graphs, five seeds each."""
    jobs = [
        {"graph": graph, "model": model, "seed": seed}
        for graph in trials.SMALL for model in baselines.MODELS for seed in range(5)
    ]  # fmt: skip
    _record_lookups("lookups", trials.SMALL, jobs)


def record_large_lookups() -> None:
    """Train ComplEx, the best on most small graphs, on the large ones: three seeds, two to four minutes a run."""
    _record_lookups("large_lookups", trials.LARGE, _brief(trials.LARGE, "ComplEx"))


def record_other_lookups() -> None:
    """Train TransE, DistMult and RotatE on the large graphs as briefly as ComplEx: three seeds, minutes a run."""
    _record_lookups("other_lookups", trials.LARGE, _brief(BRIEFLY, "TransE", "DistMult", "RotatE"))


def _brief(graphs: Iterable[str], *models: str) -> list[dict[str, Any]]:
    """Return the jobs of lookup models on large graphs, in the order of the log: by seed, graph and model."""
    return [
        {"graph": graph, "model": model, "seed": seed, "changes": BRIEFLY[graph][model]}
        for seed in SEEDS for graph in graphs for model in models
    ]  # fmt: skip


def _record_lookups(run: str, graphs: tuple[str, ...], jobs: list[dict[str, Any]]) -> None:
    import numpy as np

    origin = provenance.record(["anchors.entity.baselines"], loaders.fingerprints(graphs))
    salt = "".join(loaders.fingerprints(graphs).values())
    found = cached_grid(lookup, jobs, "lookup models", salt)
    rows = [{name: job[name] for name in ("graph", "model", "seed")} | {"n": len(one["ranks"])}
            | rank.metrics(np.array(one["ranks"])) | {name: one[name] for name in ("seconds", "parameters")}
            for job, one in zip(jobs, found, strict=True)]  # fmt: skip
    _save(run, rows, origin, seeds=sorted({job["seed"] for job in jobs}), split="test")


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
    "longer": record_longer,
    "top_layer": record_top_layer,
    "lookups": record_lookups,
    "large_lookups": record_large_lookups,
    "other_lookups": record_other_lookups,
}

if __name__ == "__main__":
    recorded.main(RUNS)
