"""Nearest neighbours among packed codes: faiss binary indexes behind one function, and the exact reference."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anchors.companion.errors import InputError
from anchors.hashing.codes import check_packed, hamming, pad_bytes

BLOCK_ENTRIES = 1 << 22


@dataclass(frozen=True)
class BinaryIndex:
    """A faiss binary index and the code length; `search` and `save` are all it adds.

    Attributes
    ----------
    index : faiss.IndexBinary over codes zero-padded to whole 64-bit words
    bits : code length before padding
    """

    index: object
    bits: int

    def search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest codes of every query.

        Parameters
        ----------
        queries : packed uint8 array (nq, ceil(bits / 8))
        k : number of neighbours, 1..n

        Returns
        -------
        distances : int32 array (nq, k), ascending, in bits
        ids : int64 array (nq, k), ties in arbitrary order. "ivf" and "multihash" look at part of the database;
            where they find fewer than k codes the rest of the row has id -1 and a huge distance.

        Raises
        ------
        InputError : wrong width, or k outside 1..n.
        """
        queries = check_packed(queries, self.bits, "query codes")
        check_k(k, self.index.ntotal)
        return self.index.search(pad_bytes(queries, self.index.code_size), k)

    def save(self, path: str | Path) -> None:
        """Write the index in faiss's own format; an interrupted write leaves no half file under `path`."""
        import faiss

        partial = Path(f"{path}.partial")
        faiss.write_index_binary(self.index, str(partial))
        os.replace(partial, path)


def build_index(packed: np.ndarray, bits: int, kind: str = "flat", **params) -> BinaryIndex:
    """Index packed codes for Hamming search (derived; the index types are faiss's).

    Codes are padded with zero bits to whole 64-bit words: distances stay the same, and 16- and 32-bit codes take
    faiss's fast path. The number of threads is the caller's (`faiss.omp_set_num_threads`).

    Parameters
    ----------
    packed : uint8 array (n, ceil(bits / 8)), n >= 1
    bits : code length
    kind : "flat" compares with all codes, exact.
        "ivf" compares with the codes of the `nprobe` nearest of `nlist` k-majority cells: nlist = sqrt(n),
        nprobe = max(1, nlist / 16), random_state = 0.
        "multihash" compares with the codes that agree on one of `nhash` substrings of `b` bits, up to `nflip` bits:
        b = min(16, bits, log2(n) - 4) but at least 1, nhash = bits / b, nflip = 1.

    Raises
    ------
    InputError : empty database, wrong width, unknown kind or parameter, or a parameter out of range.
    """
    packed = check_packed(packed, bits, "database codes")
    if not len(packed):
        raise InputError("database codes", "no row", "at least one code", "Encode the database first.")
    if kind not in BUILDERS:
        raise InputError("index kind", repr(kind), ", ".join(BUILDERS), "Choose one of them.")
    unknown = set(params) - PARAMETERS[kind]
    if unknown:
        raise InputError(f"parameters of the {kind} index", sorted(unknown), sorted(PARAMETERS[kind]) or "none")
    padded = pad_bytes(packed, -(-bits // 64) * 8)
    index = BUILDERS[kind](padded, bits, **params)
    index.add(padded)
    return BinaryIndex(index, bits)


def flat_index(padded: np.ndarray, bits: int):
    """Empty exhaustive index."""
    import faiss

    return faiss.IndexBinaryFlat(8 * padded.shape[1])


def ivf_index(
    padded: np.ndarray, bits: int, nlist: int | None = None, nprobe: int | None = None, random_state: int = 0
):
    """Empty inverted-file index, trained on at most 64 codes a cell."""
    import faiss

    nlist = max(1, round(len(padded) ** 0.5)) if nlist is None else nlist
    nprobe = max(1, nlist // 16) if nprobe is None else nprobe
    check_range("nlist", nlist, len(padded))
    check_range("nprobe", nprobe, nlist)
    quantizer = faiss.IndexBinaryFlat(8 * padded.shape[1])
    index = faiss.IndexBinaryIVF(quantizer, 8 * padded.shape[1], nlist)
    quantizer.this.disown()  # the index owns it now
    index.own_fields = True
    index.nprobe = nprobe
    index.cp.seed, index.cp.niter = random_state, 10
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, 64
    index.train(padded)
    return index


def multihash_index(padded: np.ndarray, bits: int, nhash: int | None = None, b: int | None = None, nflip: int = 1):
    """Empty multi-index of hash tables on disjoint substrings of the code; the padding is never hashed."""
    import faiss

    b = max(1, min(16, bits, len(padded).bit_length() - 5)) if b is None else b
    check_range("b", b, min(bits, 31))
    nhash = bits // b if nhash is None else nhash
    check_range("nhash", nhash, bits // b)
    check_range("nflip", nflip, b, low=0)
    index = faiss.IndexBinaryMultiHash(8 * padded.shape[1], nhash, b)
    index.nflip = nflip
    return index


BUILDERS = {"flat": flat_index, "ivf": ivf_index, "multihash": multihash_index}
PARAMETERS = {"flat": set(), "ivf": {"nlist", "nprobe", "random_state"}, "multihash": {"nhash", "b", "nflip"}}


def load_index(path: str | Path, bits: int) -> BinaryIndex:
    """Read an index that `BinaryIndex.save` wrote.

    Raises
    ------
    InputError : no such file, not an index, or an index of another code length.
    """
    import faiss

    try:
        index = faiss.read_index_binary(str(path))
    except RuntimeError:
        cure = "Build the index again and save it."
        raise InputError(f"index file {path}", "no readable index", "a faiss binary index", cure) from None
    if index.d != -(-bits // 64) * 64:
        raise InputError(f"index file {path}", f"{index.d} bits", f"{bits} bits in whole words", "Check bits.")
    return BinaryIndex(index, bits)


def exact_numpy_search(queries: np.ndarray, database: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest codes by full comparison, ties in database order: the reference (derived).

    Parameters
    ----------
    queries, database : packed uint8 arrays (nq, width), (n, width)
    k : number of neighbours, 1..n

    Returns
    -------
    distances int32 (nq, k), ids int64 (nq, k)

    Raises
    ------
    InputError : bad codes, or k outside 1..n.
    """
    queries, database = check_packed(queries, None, "query codes"), check_packed(database, None, "database codes")
    check_k(k, len(database))
    distances, ids = np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.int64)
    rows = max(1, BLOCK_ENTRIES // len(database))
    for start in range(0, len(queries), rows):
        block = slice(start, start + rows)
        all_distances = hamming(queries[block], database)
        ids[block] = np.argsort(all_distances, axis=1, kind="stable")[:, :k]
        distances[block] = np.take_along_axis(all_distances, ids[block], axis=1)
    return distances, ids


def recall_at_k(ids: np.ndarray, true_distances: np.ndarray, queries: np.ndarray, database: np.ndarray) -> float:
    """Share of the k places filled with a code as near as the exact k-th neighbour (derived, tie-aware).

    A found item counts when its distance is at most the exact k-th distance, whichever of the tied items it is.
    Distances are recomputed from the codes; ids of -1 and repeated ids do not count.

    Parameters
    ----------
    ids : int64 array (nq, k), found
    true_distances : array (nq, k), ascending, of an exact search
    queries, database : packed uint8 arrays (nq, width), (n, width)

    Raises
    ------
    InputError : arrays that do not fit each other.
    """
    queries, database = check_packed(queries, None, "query codes"), check_packed(database, None, "database codes")
    ids, true_distances = np.asarray(ids), np.asarray(true_distances)
    shapes = ids.shape, true_distances.shape
    if ids.ndim != 2 or shapes[0] != shapes[1] or len(ids) != len(queries) or not ids.size:
        raise InputError("neighbours", f"shapes {shapes} for {len(queries)} queries", "two (nq, k) arrays")
    if ids.min() < -1 or ids.max() >= len(database):
        raise InputError("neighbour ids", f"{ids.min()}..{ids.max()}", f"-1..{len(database) - 1}")
    ids = np.sort(ids, axis=1)
    valid = (ids >= 0) & (np.diff(ids, axis=1, prepend=-1) > 0)
    distances = np.bitwise_count(queries[:, None, :] ^ database[ids]).sum(axis=2, dtype=np.int64)
    return float((valid & (distances <= true_distances[:, -1:])).mean())


def check_k(k: int, n: int) -> None:
    """Raise unless 1 <= k <= n."""
    if not 1 <= k <= n:
        raise InputError("number of neighbours k", k, f"1..{n}", "Ask for at most the size of the database.")


def check_range(name: str, value: int, high: int, low: int = 1) -> None:
    """Raise unless low <= value <= high."""
    if not low <= value <= high:
        raise InputError(name, value, f"{low}..{high}", "See build_index for the defaults.")
