"""One run of a lookup model: what the recorded runs repeat for every graph, model and seed (ours)."""

import time
from dataclasses import replace
from typing import Any

from anchors.entity import baselines, loaders


def lookup(graph: str, model: str, seed: int, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Train a lookup model; return its realistic ranks of the directed test queries, seconds and parameters.

    ``changes`` replaces some of the default settings.
    """
    begun, found = time.perf_counter(), loaders.load(graph)
    trained = baselines.train(found, model, replace(baselines.defaults(found, model), **changes or {}), seed)
    seconds = time.perf_counter() - begun
    size = sum(p.numel() for p in trained.model.parameters())
    return {"ranks": trained.ranks("test").realistic.tolist(), "seconds": seconds, "parameters": size}
