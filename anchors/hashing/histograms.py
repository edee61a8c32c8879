"""Per-query histograms of Hamming distances: all items and relevant items, without sorting."""

from dataclasses import dataclass

import numpy as np

from anchors.companion.errors import InputError
from anchors.hashing.codes import check_packed, unpack

DATABASE_CHUNK = 10_000  # database items handled at once
BLOCK_ENTRIES = 1 << 18  # distances held at once: 1 MiB as float32, 2 MiB as integers


@dataclass(frozen=True)
class Histograms:
    """Counts per query and Hamming distance.

    Attributes
    ----------
    n : int64 array (nq, bits + 1), items at distance k
    r : int64 array (nq, bits + 1), relevant items at distance k
    """

    n: np.ndarray
    r: np.ndarray


def relevance(query_labels: np.ndarray, database_labels: np.ndarray) -> np.ndarray:
    """Which database items share at least one label with each query (the field's usual rule; derived).

    Parameters
    ----------
    query_labels, database_labels : integer array (n,) or multi-hot array (n, C)
        The two kinds may be mixed; an integer i then means column i.

    Returns
    -------
    bool array (nq, nd)

    Raises
    ------
    InputError : missing labels (None, NaN, negative), other shapes, or class counts that differ.
    """
    queries, database = matching_labels(query_labels, database_labels)
    if queries.ndim == 1:
        return queries[:, None] == database[None, :]
    return queries @ database.T > 0


def distance_histograms(
    query_codes: np.ndarray,
    database_codes: np.ndarray,
    query_labels: np.ndarray,
    database_labels: np.ndarray,
    bits: int,
) -> Histograms:
    """Distance histograms of all and of relevant items (derived).

    Parameters
    ----------
    query_codes, database_codes : packed uint8 arrays (n, ceil(bits / 8))
    query_labels, database_labels : integer array (n,) or multi-hot array (n, C)
    bits : code length

    Returns
    -------
    Histograms with arrays (nq, bits + 1). Memory beyond these is bounded by blocks.

    Raises
    ------
    InputError : bad codes or labels, or a number of labels other than the number of codes.
    """
    query_codes = check_packed(query_codes, bits, "query codes")
    database_codes = check_packed(database_codes, bits, "database codes")
    query_labels, database_labels = matching_labels(query_labels, database_labels)
    check_counts(query_codes, query_labels, "query labels")
    check_counts(database_codes, database_labels, "database labels")
    queries, database = unpack(query_codes, bits), unpack(database_codes, bits)
    if query_labels.ndim == 2:
        joint = count_distances(queries, database, (query_labels, database_labels))
        n, r = np.split(joint, 2, axis=1)
        return Histograms(n + r, r)
    n = count_distances(queries, database)
    return Histograms(n, class_histograms(queries, database, query_labels, database_labels))


def class_histograms(
    queries: np.ndarray, database: np.ndarray, query_labels: np.ndarray, database_labels: np.ndarray
) -> np.ndarray:
    """Distances to the items of the query's own class: the classes are slices once both sides are sorted."""
    query_order, database_order = np.argsort(query_labels, kind="stable"), np.argsort(database_labels, kind="stable")
    database, database_labels = database[database_order], database_labels[database_order]
    classes, starts = np.unique(query_labels[query_order], return_index=True)
    first, last = (np.searchsorted(database_labels, classes, side) for side in ("left", "right"))
    counts = np.zeros((len(queries), queries.shape[1] + 1), dtype=np.int64)
    for members, low, high in zip(np.split(query_order, starts[1:]), first, last, strict=False):
        counts[members] = count_distances(queries[members], database[low:high])
    return counts


def count_distances(queries: np.ndarray, database: np.ndarray, labels: tuple | None = None) -> np.ndarray:
    """Distance histograms of ±1 codes; several queries share one number, one digit each.

    A distance is (bits - q.d) / 2, linear in q. So a sum of g queries weighted by powers of the base gives
    g distances as the digits of one float32 number (exact below 2**22), and one matrix product and one
    bincount serve g queries. With multi-hot labels, digit = distance + (bits + 1) * relevant.

    Parameters
    ----------
    queries (nq, bits), database (nd, bits) : values -1 and +1
    labels : multi-hot float32 arrays (nq, C) and (nd, C), or None

    Returns
    -------
    int64 array (nq, bits + 1), or (nq, 2 * (bits + 1)) with labels: irrelevant, then relevant items.
    """
    levels = queries.shape[1] + 1
    base = levels if labels is None else 2 * levels
    counts = np.zeros((len(queries), base), dtype=np.int64)
    for start in range(0, len(database), DATABASE_CHUNK):
        chunk = slice(start, start + DATABASE_CHUNK)
        columns = np.ones((levels, len(database[chunk])), dtype=np.float32)
        columns[:-1] = database[chunk].T
        digits = digits_per_number(base, columns.shape[1])
        step = digits * max(1, min(BLOCK_ENTRIES // columns.shape[1], (1 << 22) // base**digits))
        entries = step // digits * columns.shape[1]
        buffers = np.empty(entries, np.float32), np.empty(entries, np.intp)
        for row in range(0, len(queries), step):
            rows = slice(row, row + step)
            block_labels = None if labels is None else (labels[0][rows], labels[1][chunk])
            counts[rows] += count_block(queries[rows], columns, base, digits, buffers, block_labels)
    return counts


def count_block(
    queries: np.ndarray, columns: np.ndarray, base: int, digits: int, buffers: tuple, labels: tuple | None
) -> np.ndarray:
    """Histograms (nq, base) of one block; columns (bits + 1, nd) hold the database codes and a row of ones."""
    nq, bits, nd = len(queries), queries.shape[1], columns.shape[1]
    groups, place = -(-nq // digits), base ** np.arange(digits)
    padded = np.ones((groups * digits, bits), dtype=np.float32)  # a code of ones fills the last group: whole distances
    padded[:nq] = queries
    weights = np.empty((groups, bits + 1), dtype=np.float32)
    weights[:, :bits] = np.einsum("gqb,q->gb", padded.reshape(groups, digits, bits), -0.5 * place)
    weights[:, bits] = 0.5 * bits * place.sum() + base**digits * np.arange(groups)  # own range of bins a group
    numbers, indices = (buffer[: groups * nd].reshape(groups, nd) for buffer in buffers)
    np.matmul(weights, columns, out=numbers)
    if labels is not None:
        shared = (labels[0] @ labels[1].T > 0).astype(np.float32)
        for query in range(nq):
            numbers[query // digits] += (bits + 1) * place[query % digits] * shared[query]
    np.copyto(indices, numbers, casting="unsafe")
    counts = np.bincount(indices.ravel(), minlength=groups * base**digits).reshape((groups,) + (base,) * digits)
    return marginals(counts).reshape(-1, base)[:nq]


def marginals(counts: np.ndarray) -> np.ndarray:
    """Marginal histograms (groups, digits, base) of joint counts (groups, base, ..., base); digit 0 varies fastest."""
    axes = range(counts.ndim - 1, 0, -1)
    return np.stack([counts.sum(axis=tuple(a for a in axes if a != axis)) for axis in axes], axis=1)


def digits_per_number(base: int, items: int) -> int:
    """How many queries share a number: as many as keep the joint bins below twice the items (measured optimum)."""
    digits = 1
    while base ** (digits + 1) <= min(2 * items, 1 << 15):
        digits += 1
    return digits


def check_counts(codes: np.ndarray, labels: np.ndarray, what: str) -> None:
    """Raise when there is not one label for every code."""
    if len(codes) != len(labels):
        raise InputError(what, f"{len(labels)} labels", f"{len(codes)}, one for every code", "Check the split.")


def matching_labels(query_labels: np.ndarray, database_labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both label sets in one form: int64 (n,) when every item has one label, else multi-hot float32 (n, C)."""
    sides = clean_labels(query_labels, "query labels"), clean_labels(database_labels, "database labels")
    widths = {side.shape[1] for side in sides if side.ndim == 2}
    if not widths:
        return sides
    if len(widths) == 2:
        raise InputError("labels", f"{sides[0].shape[1]} and {sides[1].shape[1]} columns", "one number of classes")
    classes = widths.pop()
    for side in sides:
        if side.ndim == 1 and side.size and side.max() >= classes:
            cure = "An integer i means column i, counted from 0: subtract 1 from labels counted from 1."
            raise InputError("integer labels beside multi-hot labels", f"label {side.max()}", f"< {classes}", cure)
    if all(side.ndim == 1 or np.all(side.sum(axis=1) == 1) for side in sides):
        return tuple(side if side.ndim == 1 else side.argmax(axis=1) for side in sides)
    return tuple(side if side.ndim == 2 else np.eye(classes, dtype=np.float32)[side] for side in sides)


def clean_labels(labels: np.ndarray, what: str) -> np.ndarray:
    """Checked labels: int64 (n,) or multi-hot float32 (n, C)."""
    try:
        numbers = np.asarray(labels, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(what, "values that are not numbers", "integers or multi-hot rows", "Encode them.") from None
    if numbers.ndim not in (1, 2):
        raise InputError(what, f"shape {numbers.shape}", "(n,) or (n, C)", "Give one label or one row per item.")
    if not np.isfinite(numbers).all() or (numbers < 0).any() or (numbers != np.floor(numbers)).any():
        cure = "Drop unlabelled items before the evaluation."
        raise InputError(what, "missing, negative or fractional values", "integers >= 0", cure)
    if numbers.ndim == 1 or numbers.shape[1] == 1:
        return numbers.reshape(-1).astype(np.int64)
    if (numbers > 1).any():
        raise InputError(what, f"the value {numbers.max():g} in a matrix", "0 and 1", "Make the rows multi-hot.")
    return numbers.astype(np.float32)
