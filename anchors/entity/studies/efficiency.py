"""What anchors and random negatives cost: seconds of a step and of encoding, memory, and parameters."""

import time

import pandas as pd
import torch

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict
from anchors.entity import baselines, loaders, trials
from anchors.entity.encoder import AnchorEmbedding, AnchorTable, Texts, plm, tokenise
from anchors.entity.graph import Graph
from anchors.entity.settings import Settings
from anchors.entity.training import Inputs, Training, reading

ANCHORS, RANDOM = (0, 2, 4, 8, 16), (0, 256, 512, 1024, 2048)
LARGE = {"batch": 512, "width": 384, "hidden": 512, "anchors": 500}


def compute(graph: str, profile: str, seed: int) -> pd.DataFrame:
    """Return one row per setting and timed step: what is swept, k, random negatives, milliseconds.

    The settings take turns, so that a slow moment of the machine meets all of them.
    """
    repeats = choose(profile, 2, 7, 21)
    kinds = [("k", k, 0) for k in ANCHORS] + [("random", 0, n) for n in RANDOM]
    runs = {kind: _training(graph, seed, kind[1], kind[2]) for kind in kinds}
    rows = []
    for step in range(repeats + 1):
        for (swept, k, random), training in runs.items():
            begun = time.perf_counter()
            training.run(step + 1)
            spent = time.perf_counter() - begun
            rows += [{"swept": swept, "k": k, "random": random, "milliseconds": 1000 * spent}] if step else []
    return pd.DataFrame(rows)


def _training(graph: str, seed: int, k: int, random: int) -> Training:
    changes = {**LARGE, "k": k, "random": random, "steps": 1000}
    own = Settings(**trials.job(graph, "simkgc_ib", seed, **changes)["settings"])
    return Training(stand_in(loaders.load(graph), own), own)


def stand_in(graph: Graph, settings: Settings) -> Inputs:
    """Return inputs with random numbers for the frozen layers' output: only sizes decide a step's time."""
    model, generator = plm(settings), torch.Generator().manual_seed(0)
    parts = []
    for texts in (graph.texts, graph.directed_texts):
        read = tokenise(model, texts, settings.max_tokens)
        if settings.top:
            states = torch.randn(*read.ids.shape, model.width, generator=generator).half()
            parts.append(Texts(read.ids, read.lengths, states))
        else:
            parts.append(
                Texts(read.ids, read.lengths, pooled=torch.randn(len(texts), model.width, generator=generator))
            )
    return Inputs(graph, model, *parts, reading(settings))


def encoding(graph: str, seed: int) -> dict[str, float]:
    """Return seconds that encoding all entities takes with eight anchors (texts after the frozen model are at hand)."""
    model = _training(graph, seed, 8, 0).model
    begun = time.perf_counter()
    model.entity_vectors()
    spent = time.perf_counter() - begun
    return {"seconds": spent, "entities": float(loaders.load(graph).size)}


def sizes(graphs: list[str], seed: int) -> pd.DataFrame:
    """Return trained parameters: the anchors, the towers, and a lookup model, for each graph."""
    rows = []
    for graph in graphs:
        title = loaders.title(graph)
        found = loaders.load(graph)
        own = Settings(**trials.job(graph, "sea", seed)["settings"])
        rows.append({"what": f"anchors, {title}", "kind": "anchors", "parameters": _anchors(found, own)})
        rows.append({"what": f"lookup, {title}", "kind": "lookup", "parameters": lookup_size(graph)})
    return pd.DataFrame(rows)


def _anchors(graph: Graph, own: Settings) -> int:
    """Return the parameters of the anchor table and of its two readers; no entity has one."""
    count, generator = min(own.anchors, int(graph.in_train.sum())), torch.Generator()
    table = AnchorTable(count, own.anchor_width, None, generator)
    reader = AnchorEmbedding(table, plm(own).width, generator)
    return sum(p.numel() for p in table.parameters()) + 2 * sum(p.numel() for p in reader.parameters())


def lookup_size(graph: str) -> int:
    """Return the parameters of ComplEx with the settings of a graph: two numbers a complex one."""
    found = loaders.load(graph)
    own = baselines.defaults(found, "ComplEx")
    return 2 * own.dim * (found.size + found.directions)


def summarise(found: pd.DataFrame, spent: dict[str, float], size: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return median step times, the cost ratios, encoding, parameters, and the verdict."""
    rows = []
    for what in ("k", "random"):
        median = found[found.swept == what].groupby(what).milliseconds.median()
        words = {"k": "anchors an entity", "random": "random negatives"}[what]
        for number, value in median.items():
            rows.append(Row(f"one step, {number:,} {words}", value / 1000, unit="s", clock=True))
    rows.append(Row(f"encoding {spent['entities']:,.0f} entities", spent["seconds"], unit="s", clock=True))
    rows += [Row(f"trained parameters: {one.what}", one.parameters) for one in size.itertuples()]
    eight, many = ratio(found, "k", 8), ratio(found, "random", 1024)
    anchors, lookup = (size[size.kind == kind].parameters for kind in ("anchors", "lookup"))
    text = (
        f"A step with 8 anchors an entity takes {eight:.1f} times as long as without, with 1,024 random negatives "
        f"{many:.1f} times. Anchors have {anchors.min():,} to {anchors.max():,} parameters, lookup models up to "
        f"{lookup.max():,}."
    )
    return rows, Verdict("measured", text)


def ratio(found: pd.DataFrame, what: str, number: int) -> float:
    """Return by how much a step takes longer than without, as a ratio of medians."""
    median = found[found.swept == what].groupby(what).milliseconds.median()
    return float(median[number] / median[0])
