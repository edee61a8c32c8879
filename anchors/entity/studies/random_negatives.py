"""How many reusable random negatives, against a larger batch of the same cost, and whom they help."""

import math
from itertools import product

import pandas as pd

from anchors.companion import recorded
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import Interval, in_words, mean_interval, mean_within, paired_interval
from anchors.entity import loaders, rank, trials
from anchors.entity.studies import common
from anchors.entity.studies.common import LARGER, gain

RUN = "entity/random_negatives"
GRAPH = "fb15k-237"
BUCKETS = (1, 5, 20, 100, 500)  # training triples at the right answer


def sweep() -> pd.DataFrame:
    """Return the recorded sweep on FB15k-237: one row per number of random negatives, batch and seed."""
    return recorded.load(RUN)[0]


def live(graphs: list[str], counts: list[int], profile: str, seed: int) -> pd.DataFrame:
    """Return one row per small graph, number of random negatives and seed; more than there are entities means all."""
    pairs = product(common.split(graphs, profile)[0], counts)
    parts = [
        common.live([graph], ["simkgc_ib"], profile, seed, random=count).assign(random=count)
        for graph, count in dict.fromkeys((graph, min(count, loaders.load(graph).size)) for graph, count in pairs)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["graph", "random", "MRR"])


def by_popularity(graph: str = GRAPH) -> pd.DataFrame:
    """Return the MRR of text, with and without random negatives, by how often the right answer occurs in training."""
    found, triples = loaders.load(graph), loaders.load(graph).directed("test")
    bucket, names = rank.degree_buckets(found.degree[triples[:, 2]], BUCKETS)
    logs, rows = common.logged(graph), []
    for one in logs[logs.variant.isin(("simkgc_ib", "random_only"))].itertuples():
        groups = rank.by_group(one.ranks, bucket, names)
        rows += [{"variant": one.variant, "seed": one.seed, **group} for group in groups]
    return pd.DataFrame(rows)


def cost(batch: int, random: int) -> int:
    """Return the sequences that a step encodes at most: queries, tails and random negatives."""
    return 2 * batch + random


def equal_cost(found: pd.DataFrame) -> tuple[int, int]:
    """Return the most random negatives beside the smallest batch that cost no more than the largest batch, and that."""
    small, large = int(found.batch.min()), int(found.batch.max())
    counts = [int(n) for n in found.random.unique() if n and cost(small, n) <= cost(large, 0)]
    return max(counts), large


def against_batch(found: pd.DataFrame) -> Interval:
    """Return the MRR with random negatives minus that of the larger batch, which costs no less, paired by seed."""
    count, batch = equal_cost(found)
    small = found.batch.min()
    treated = found[(found.random == count) & (found.batch == small)].sort_values("seed").MRR
    control = found[(found.random == 0) & (found.batch == batch)].sort_values("seed").MRR
    return paired_interval(treated.to_numpy(), control.to_numpy())


def summarise(found: pd.DataFrame, small: pd.DataFrame, popular: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return MRR and seconds by number of negatives, the equal-cost control, MRR by popularity, and the verdict."""
    rows, n = [], int(popular.drop_duplicates("group").n.sum())
    for (batch, count), group in found.groupby(["batch", "random"]):
        what = f"FB15k-237: {{}}, batch {batch}, {count} random negatives"
        rows.append(row(what.format("MRR"), mean_interval(group.MRR.to_numpy()), n, source="recorded"))
        seconds = mean_within(group.seconds.to_numpy(), high=math.inf)
        rows.append(row(what.format("training"), seconds, n, "s", "recorded"))
    count, batch = equal_cost(found)
    quantity = f"FB15k-237: MRR, {count} random negatives − batch {batch}, which costs no less"
    rows.append(row(quantity, against_batch(found), n, source="recorded"))
    for name, group in popular.groupby("group", sort=False):
        rows.append(row(f"FB15k-237: MRR gain of random negatives, answer with {name} training triples",
                        _bucket(group), int(group.n.iloc[0]), source="recorded"))  # fmt: skip
    for (graph, count), group in small.groupby(["graph", "random"], sort=False):
        quantity = f"{loaders.title(graph)}: MRR, {count} random negatives"
        rows.append(row(quantity, mean_interval(group.MRR.to_numpy()), common.queries(group, graph), source="cached"))
    return rows, verdict(found, popular)


def _bucket(group: pd.DataFrame) -> Interval:
    wide = group.pivot_table(index="seed", columns="variant", values="MRR")
    return paired_interval(wide.random_only.to_numpy(), wide.simkgc_ib.to_numpy())


def verdict(found: pd.DataFrame, popular: pd.DataFrame) -> Verdict:
    """Judge "additional random negatives help": over none, and over a larger batch that costs no less."""
    logs = common.logged(GRAPH)
    plain, fair = gain(logs, GRAPH, "random_only", "simkgc_ib"), against_batch(found)
    count, batch = equal_cost(found)
    text = (
        f"On FB15k-237 {trials.RANDOM * trials.OF_LARGE.batch:,} random negatives change MRR by "
        f"{in_words(plain, '+.3f')}; {count:,} of them against a batch of {batch:,}, which costs no less, by "
        f"{in_words(fair, '+.3f')}. "
    )
    ends = [popular[popular.group == name] for name in dict.fromkeys((popular.group.iloc[0], popular.group.iloc[-1]))]
    words = [f"{group.group.iloc[0]} training triples {in_words(_bucket(group), '+.3f')}" for group in ends]
    text += f"By popularity of the answer: {'; '.join(words)}."
    if plain.low <= LARGER:
        return Verdict("does not hold", text)
    return Verdict("holds" if fair.low > LARGER else "mixed", text)
