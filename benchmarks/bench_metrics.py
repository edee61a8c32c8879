"""Tie-aware mAP: distance histograms against the per-query argsort version, side by side in one process.

Every version runs on one thread.
"""

import argparse
import time

import numpy as np
from threadpoolctl import threadpool_limits

from anchors.hashing import codes, metrics

REQUIRED = 20.0


def argsort_average_precision(relevant: np.ndarray, distances: np.ndarray, inverse: np.ndarray) -> float:
    """Tie-aware AP of one query: sort, then visit the tie groups. Arrays (nd,); inverse: harmonic numbers (nd + 1,)."""
    order = np.argsort(distances, kind="stable")
    relevant, distances = relevant[order], distances[order]
    starts = np.flatnonzero(np.diff(distances, prepend=-1))
    ends = np.append(starts[1:], len(distances))
    hits = np.concatenate([[0], np.cumsum(relevant)])
    total = 0.0
    for start, end in zip(starts, ends, strict=True):
        n, r, found = end - start, hits[end] - hits[start], hits[start]
        s = (r - 1) / (n - 1) if n > 1 else 0.0
        total += r / n * (s * n + (found + 1 - s - s * start) * (inverse[end] - inverse[start]))
    return total / max(hits[-1], 1)


def argsort_map(distance, queries, database, query_labels, database_labels) -> float:
    """Mean over queries; `distance(query, database)` gives the distances of one query."""
    inverse = metrics.harmonic_numbers(len(database))
    values = [
        argsort_average_precision(database_labels == label, distance(query, database), inverse)
        for query, label in zip(queries, query_labels, strict=True)
    ]
    return float(np.mean(values))


def xor_distance(query: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Distances of one packed query: XOR and count of uint8, int64 (nd,)."""
    return np.bitwise_count(query ^ database).sum(axis=1, dtype=np.int64)


def product_distance(query: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Distances of one ±1 query by a float32 product, int64 (nd,)."""
    return (0.5 * (len(query) - database @ query)).astype(np.int64)


def measure(versions: dict, rounds: int) -> tuple[dict, dict]:
    """Value and best wall time of every version; the versions take turns so that all meet the same noise."""
    values, seconds = {}, dict.fromkeys(versions, np.inf)
    for _ in range(rounds):
        for name, version in versions.items():
            start = time.perf_counter()
            values[name] = version()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return values, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 queries, 20,000 codes")
    nq = 300 if parser.parse_args().quick else 2000
    nd, bits, classes, rng = 20_000, 64, 10, np.random.default_rng(0)
    threadpool_limits(1)
    labels = rng.integers(classes, size=nq), rng.integers(classes, size=nd)
    centres = codes.sign(rng.normal(size=(classes, bits)))
    signs = [centres[y] * np.where(rng.random((len(y), bits)) < 0.35, -1, 1).astype(np.int8) for y in labels]
    packed = [codes.pack(s) for s in signs]
    floats = [s.astype(np.float32) for s in signs]
    versions = {
        "histograms": lambda: metrics.mean_average_precision(metrics.distance_histograms(*packed, *labels, bits)),
        "argsort, packed uint8 XOR": lambda: argsort_map(xor_distance, *packed, *labels),
        "argsort, float32 product": lambda: argsort_map(product_distance, *floats, *labels),
    }
    values, seconds = measure(versions, rounds=3)
    print(f"{nq:,} queries x {nd:,} codes x {bits} bits, one thread, best of 3 rounds")
    print(f"{'version':28} {'mAP':>14} {'seconds':>9} {'ratio':>7}")
    for name in versions:
        ratio = seconds[name] / seconds["histograms"]
        print(f"{name:28} {values[name]:14.10f} {seconds[name]:9.3f} {ratio:7.1f}")
    assert max(values.values()) - min(values.values()) < 1e-10, values
    print(f"required ratio to the version on packed codes: at least {REQUIRED:.0f}")


if __name__ == "__main__":
    main()
