"""Hamming search: the wrapper against bare faiss, and flat, IVF and multi-hash indexes, side by side in one process.

Every row runs on one thread.
"""

import argparse
import time

import numpy as np

from anchors.hashing import retrieval

REQUIRED = 1.3


def clustered_codes(n: int, nq: int, bits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed codes: n / 100 centres with 15 % of the bits flipped; queries are drawn the same way."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 256, size=(max(1, n // 100), bits // 8), dtype=np.uint8)
    flips = np.packbits(rng.random((n + nq, bits), dtype=np.float32) < 0.15, axis=1)
    codes = centres[rng.integers(len(centres), size=n + nq)] ^ flips
    return codes[:n], codes[n:]


def timed(function) -> tuple[object, float]:
    """Result and wall time in seconds."""
    start = time.perf_counter()
    result = function()
    return result, time.perf_counter() - start


def overhead(index, bare, queries: np.ndarray, k: int, repeat: int = 5) -> tuple[float, float]:
    """Best wall times of the wrapper and of bare faiss, measured alternately."""
    pairs = [
        (timed(lambda: index.search(queries, k))[1], timed(lambda: bare.search(queries, k))[1]) for _ in range(repeat)
    ]
    return tuple(np.min(pairs, axis=0))


def main() -> None:
    import faiss

    faiss.omp_set_num_threads(1)

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="50,000 codes")
    n, nq, bits, k = (50_000 if parser.parse_args().quick else 1_000_000), 100, 64, 100
    database, queries = clustered_codes(n, nq, bits, seed=0)
    (true_distances, _), seconds = timed(lambda: retrieval.exact_numpy_search(queries, database, k))
    print(f"{n:,} codes x {bits} bits, top {k}, {nq} queries a batch")
    print(f"{'search':12} {'build s':>8} {'ms/query':>9} {'recall':>7}")
    print(f"{'numpy':12} {0:8.2f} {1e3 * seconds / nq:9.3f} {1:7.3f}")
    for kind in ("flat", "ivf", "multihash"):
        index, build = timed(lambda kind=kind: retrieval.build_index(database, bits, kind))
        (_, ids), seconds = timed(lambda index=index: index.search(queries, k))
        recall = retrieval.recall_at_k(ids, true_distances, queries, database)
        print(f"{kind:12} {build:8.2f} {1e3 * seconds / nq:9.3f} {recall:7.3f}")
    bare = faiss.IndexBinaryFlat(bits)
    bare.add(database)
    ours, theirs = overhead(retrieval.build_index(database, bits), bare, queries, k)
    print(f"wrapper {1e3 * ours / nq:.3f} ms/query, bare faiss {1e3 * theirs / nq:.3f} ms/query")
    print(f"ratio: {ours / theirs:.3f}   required: at most {REQUIRED}")


if __name__ == "__main__":
    main()
