"""What the studies share: the trials of small graphs, the logs of large ones, and gains paired by seed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from anchors.companion import datasets, recorded
from anchors.companion.cache import cached
from anchors.companion.params import choose
from anchors.companion.results import Verdict
from anchors.companion.stats import Interval, paired_interval
from anchors.entity import loaders, rank, trials
from anchors.entity.settings import SHORT
from anchors.models import embed

LARGER = 0.002  # MRR: a smaller difference is called none, however narrow its interval
TOLERANCE = 2e-3  # of the losses of repeated steps; features of other processors differ in their last bits
CORE = ("simkgc_ib", "random_only", "anchors_only", "permuted", "sea")
RANKS, RESULTS = "entity/{}_ranks", "entity/{}_results"


def seeds_of(seed: int, profile: str) -> list[int]:
    """Return the seeds of small graphs: five on a laptop."""
    return [seed + place for place in range(choose(profile, 1, 5, 10))]


def split(graphs: Sequence[str], profile: str) -> tuple[list[str], list[str]]:
    """Return the graphs to compute now and those whose runs are recorded (large ones, laptop and smoke)."""
    stored = [graph for graph in graphs if graph in trials.LARGE and profile != "paper"]
    return [graph for graph in graphs if graph not in stored], stored


def live(graphs: Sequence[str], variants: Sequence[str], profile: str, seed: int, **changes: Any) -> pd.DataFrame:
    """Return one row per trial: graph, variant, seed, metrics on test, cost, and ``ranks`` (an array)."""
    kinds = [(graph, variant, s) for graph in graphs for variant in variants for s in seeds_of(seed, profile)]
    jobs = [trials.job(graph, variant, s, profile, **changes) for graph, variant, s in kinds]
    rows = []
    for (graph, variant, s), one in zip(kinds, trials.run(jobs, "trials"), strict=True):
        ranks = np.array(one["ranks"])
        row = {"graph": graph, "variant": variant, "seed": s, **rank.metrics(ranks), "ranks": ranks}
        rows.append(row | {name: one[name] for name in ("off", "reranked", "seconds")} | {"source": "cached"})
    return pd.DataFrame(rows)


def logged(graph: str) -> pd.DataFrame:
    """Return the recorded trials of a large graph in the same form; every metric is computed anew from the ranks."""
    results, ranks = recorded.load(RESULTS.format(graph))[0], recorded.load(RANKS.format(graph))[0]
    rows = []
    for one in results.itertuples():
        own = ranks[f"{one.variant} {one.seed}"].to_numpy(float)
        row = {"graph": graph, "variant": one.variant, "seed": one.seed, **rank.metrics(own), "ranks": own}
        rows.append(row | {"off": one.off, "reranked": one.reranked, "seconds": one.seconds, "source": "recorded"})
    return pd.DataFrame(rows)


def table(graphs: Sequence[str], variants: Sequence[str], profile: str, seed: int) -> pd.DataFrame:
    """Return the trials of all graphs: small ones computed, large ones from their logs."""
    now, stored = split(graphs, profile)
    parts = [live(now, variants, profile, seed)] if now else []
    parts += [own[own.variant.isin(variants)] for own in map(logged, stored)]
    return pd.concat(parts, ignore_index=True)


def repeated(graphs: Sequence[str], profile: str, steps: int = 2) -> pd.DataFrame:
    """Repeat the first steps of recorded runs (text and anchors, seed 0) and return their losses beside the log's.

    A graph that is not on this machine, or is here with other data than the log's, is left out; its log is shown all
    the same, and :func:`describe` says so.
    """
    rows = []
    for graph in split(graphs, profile)[1]:
        if not (here(graph) and same_data(graph)):
            continue
        log = recorded.load(f"entity/{graph}_losses")[0]
        own = log[(log.variant == "anchors_only") & (log.seed == 0) & (log.step <= steps)]
        job = {"graph": graph, "settings": trials.job(graph, "anchors_only", 0)["settings"], "steps": steps}
        found = cached(trials.first_losses, loaders.fingerprint(graph) + embed.identity(), **job)
        rows += [{"graph": graph, "step": s, "live": one, "log": two}
                 for s, one, two in zip(own.step, found, own.loss, strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["graph", "step", "live", "log"])


def same_data(graph: str) -> bool:
    """Return whether a recorded run was made on the data that are here: else its steps cannot be repeated."""
    return recorded.load(RESULTS.format(graph))[1]["data"][graph] == loaders.fingerprint(graph)


def gap(losses: pd.DataFrame) -> float:
    """Return the largest |live − recorded| loss, NaN when nothing was repeated."""
    return float((losses.live - losses.log).abs().max()) if len(losses) else float("nan")


def checked(losses: pd.DataFrame, found: Verdict) -> Verdict:
    """Return a verdict on a log, or withhold it when the repeated steps contradict the log."""
    if not gap(losses) > TOLERANCE:
        return found
    text = f"The live steps differ from the log by {gap(losses):.4f}, so it does not speak for this code. Of the log: "
    return Verdict("measured", text + found.text)


def gain(found: pd.DataFrame, graph: str, treated: str, control: str, value: str = "MRR") -> Interval:
    """Return the mean of ``treated − control`` on a graph, paired by seed, with its interval (three seeds or more)."""
    own = found[found.graph == graph].pivot_table(index="seed", columns="variant", values=value)
    both = own[[treated, control]].dropna()
    return paired_interval(both[treated].to_numpy(), both[control].to_numpy())


def judged(found: Interval) -> str:
    """Return ``gains``, ``loses`` or ``no difference`` for a paired gain in MRR."""
    if found.low > LARGER:
        return "gains"
    return "loses" if found.high < -LARGER else "no difference"


def values(found: pd.DataFrame, graph: str, variant: str, column: str = "MRR") -> np.ndarray:
    """Return the values of a variant on a graph, one per seed."""
    return found[(found.graph == graph) & (found.variant == variant)][column].to_numpy(float)


def name(variant: str) -> str:
    """Return a variant as a figure names it."""
    return SHORT.get(variant, variant)


def queries(found: pd.DataFrame, graph: str) -> int:
    """Return the number of directed test queries that were ranked on a graph."""
    return len(found[(found.graph == graph) & found.ranks.notna()].ranks.iloc[0])


def here(graph: str) -> bool:
    """Return whether a graph can be read without a download."""
    return graph not in loaders.REGISTERED or datasets.available(loaders.REGISTERED[graph])


def fingerprints(graphs: Sequence[str]) -> dict[str, str]:
    """Return the data and the language model behind the numbers, for ``Run.uses``."""
    return loaders.fingerprints(graphs) | {"minilm": embed.identity()[:16]}


def describe(graphs: Sequence[str], profile: str = "laptop") -> str:
    """Return one line per graph: sizes, where its trials come from, and what was noted when it was read."""
    return "\n".join(f"{loaders.title(graph)}: {_sizes(graph)}; {_origin(graph, profile)}" for graph in graphs)


def _sizes(graph: str) -> str:
    if not here(graph):
        return "not on this machine"
    found = loaders.load(graph)
    counts = "/".join(f"{len(found.splits[s]):,}" for s in ("train", "valid", "test"))
    noted = "; ".join(("", *found.notes))
    return f"{found.size:,} entities, {len(found.relations)} relations, {counts} triples{noted}"


def _origin(graph: str, profile: str) -> str:
    if graph not in split([graph], profile)[1]:
        return "trials computed here"
    about = recorded.load(RESULTS.format(graph))[1]
    made = recorded.made_by(about, ["anchors.entity.trials"])
    other = "" if not here(graph) or same_data(graph) else ", on other data than those here: nothing is repeated"
    return f"trials recorded by “{about['command']}”, commit {about['commit']}, made by {made}{other}"
