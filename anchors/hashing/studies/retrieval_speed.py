"""Searching codes: faiss's binary indexes against numpy and against real-valued search, with recall."""

import time
from collections.abc import Callable
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from anchors.companion.params import choose
from anchors.companion.results import Row, Verdict, row
from anchors.companion.stats import mean_within
from anchors.hashing.retrieval import build_index, exact_numpy_search, recall_at_k
from anchors.hashing.trials import grid

K = 100
KINDS = ("numpy", "flat", "ivf", "multihash", "float")
NAMES = {
    "numpy": "numpy, exact", "flat": "faiss flat, exact", "ivf": "faiss IVF",
    "multihash": "faiss multi-hash", "float": "faiss float inner product",
}  # fmt: skip


def encoded(n: int, bits: int, seed: int, queries: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return database codes, query codes and their real-valued projections, of RREH on n synthetic images.

    RREH is fitted on 5,000 pairs; queries are texts of other samples, so the search is cross-modal.
    """
    from anchors.hashing.baselines import METHODS
    from anchors.hashing.codes import pack, sign
    from anchors.hashing.views import load

    small = load("synthetic", n=5000 + queries, test=queries, classes=64, latent=16, seed=seed)
    train, test = small.train(), small.test()
    model = METHODS["RREH"](bits=bits, kernel=None, random_state=seed).fit(train.image, train.text)
    rng, parts = np.random.default_rng([seed, 9]), []
    for start in range(0, n, 100_000):  # fresh noisy images of random training samples, in blocks to bound memory
        pick = rng.integers(len(train), size=min(100_000, n - start))
        rows = train.image[pick] + 0.5 * rng.standard_normal((len(pick), train.image.shape[1]))
        parts.append(model.project(images=rows).astype(np.float32))
    database, query = np.concatenate(parts), model.project(texts=test.text).astype(np.float32)
    return pack(sign(database)), pack(sign(query)), database, query


def measure(n: int, bits: int, seed: int, queries: int) -> list[dict]:
    """Return build seconds, milliseconds per query, bytes per item and recall@100 of every kind of search.

    Times are the processor's: what else runs on the machine does not count.
    """
    codes, query_codes, floats, query_floats = encoded(n, bits, seed, queries)
    truth, _ = exact_numpy_search(query_codes, codes, K)
    builders: dict[str, Callable] = {
        kind: partial(_binary, codes, bits, kind, query_codes) for kind in ("flat", "ivf", "multihash")
    }
    builders |= {"numpy": lambda: partial(exact_numpy_search, query_codes, codes, K)}
    builders |= {"float": partial(_inner_product, floats, query_floats)}
    rows = []
    for kind in KINDS:
        start = time.process_time()
        search = builders[kind]()
        build = time.process_time() - start
        search()  # warm
        start = time.process_time()
        ids = search()[1]
        seconds = time.process_time() - start
        recall = recall_at_k(ids, truth, query_codes, codes)
        size = 4 * bits if kind == "float" else -(-bits // 8)
        rows.append({"kind": kind, "build": build, "ms": 1e3 * seconds / queries, "recall": recall, "bytes": size})
    return rows


def _binary(codes: np.ndarray, bits: int, kind: str, queries: np.ndarray) -> Callable:
    import faiss

    faiss.omp_set_num_threads(1)
    return partial(build_index(codes, bits, kind).search, queries, K)


def _inner_product(floats: np.ndarray, queries: np.ndarray) -> Callable:
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(floats.shape[1])
    index.add(floats)
    return partial(index.search, queries, K)


def compute(profile: str, seed: int, bits: int) -> pd.DataFrame:
    """Return one row per database size, repetition and kind of search (one thread)."""
    sizes = choose(profile, [10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000, 10_000_000])
    repeats = choose(profile, 1, 5, 10)
    jobs = [{"n": n, "bits": bits, "seed": seed + i, "queries": 50} for n in sizes for i in range(repeats)]
    results = grid(measure, jobs, "retrieval", ["synthetic"])
    return pd.DataFrame([job | line for job, lines in zip(jobs, results, strict=True) for line in lines])


def summarise(table: pd.DataFrame) -> tuple[list[Row], Verdict]:
    """Return latency and recall of every kind at the largest size, and the verdict."""
    last, n = table[table.n == table.n.max()], int(table.n.max())
    big = last.groupby("kind")[["ms", "recall"]].mean()
    rows = []
    for kind, (column, what, unit) in product(KINDS, (("ms", "time", "ms/query"), ("recall", "recall@100", ""))):
        interval = mean_within(last[last.kind == kind][column].to_numpy(), high=np.inf if unit else 1.0)
        rows.append(
            row(f"{NAMES[kind]}, {n:,} codes: {what}", interval, int(last.queries.iloc[0]), unit, clock=what == "time")
        )
    text = (
        f"Over {n:,} codes exact search takes {big.ms['flat']:.2f} ms a query, real-valued search "
        f"{big.ms['float'] / big.ms['flat']:.1f} times as long; IVF takes {big.ms['ivf']:.2f} ms at recall "
        f"{big.recall['ivf']:.2f}, multi-hash {big.ms['multihash']:.2f} ms at {big.recall['multihash']:.2f}."
    )
    return rows, Verdict("measured", text)
