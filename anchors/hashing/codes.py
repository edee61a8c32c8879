"""Binary codes: signs, packed bytes and Hamming distances."""

import numpy as np

from anchors.companion.errors import InputError

BLOCK_BYTES = 1 << 20  # scratch memory of one block of XOR words


def sign(x):
    """Sign of every entry with sgn(0) = +1 (derived: the convention keeps codes in {-1, +1}).

    Parameters
    ----------
    x : array of shape (n, bits), NumPy or dask
        Real scores. A dask array stays lazy and is not checked for NaN.

    Returns
    -------
    int8 array of the same shape and kind, values -1 and +1.

    Raises
    ------
    InputError : a NumPy array holds NaN.
    """
    lazy = hasattr(x, "dask")
    x = x if lazy else np.asarray(x)
    if not lazy and np.issubdtype(x.dtype, np.floating) and np.isnan(x).any():
        raise InputError("scores to binarise", "NaN", "numbers", "Remove or impute the missing values first.")
    return (x >= 0).astype(np.int8) * np.int8(2) - np.int8(1)


def pack(signs: np.ndarray) -> np.ndarray:
    """Pack signs into bytes, eight bits each; a last partial byte is filled with zeros (derived).

    Parameters
    ----------
    signs : array (n, bits), values -1 and +1

    Returns
    -------
    uint8 array (n, ceil(bits / 8)); a set bit stands for +1.

    Raises
    ------
    InputError : not a matrix, no column, or an entry other than -1 and +1.
    """
    signs = np.asarray(signs)
    if signs.ndim != 2 or signs.shape[1] == 0:
        raise InputError(
            "signs to pack", f"shape {signs.shape}", "shape (n, bits), bits >= 1", "Give one row per code."
        )
    positive = signs > 0
    if not np.all(positive | (signs == -1)) or not np.all(signs[positive] == 1):
        raise InputError("signs to pack", "entries other than -1 and +1", "only -1 and +1", "Apply sign() first.")
    return np.packbits(positive, axis=1)


def unpack(packed: np.ndarray, bits: int) -> np.ndarray:
    """Unpack bytes to int8 signs of shape (n, bits); the inverse of `pack` (derived).

    Parameters
    ----------
    packed : uint8 array (n, ceil(bits / 8))
    bits : number of bits

    Raises
    ------
    InputError : `packed` is not uint8 or its width does not belong to `bits`.
    """
    packed = check_packed(packed, bits, "packed codes")
    return np.unpackbits(packed, axis=1, count=bits).astype(np.int8) * np.int8(2) - np.int8(1)


def hamming(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Hamming distances between all pairs of packed codes, in bits (derived: XOR and count).

    Parameters
    ----------
    queries : uint8 array (nq, width)
    database : uint8 array (nd, width)

    Returns
    -------
    array (nq, nd), uint8 up to 255 bits and uint16 above.

    Raises
    ------
    InputError : not packed codes, or different widths.
    """
    queries, database = check_packed(queries, None, "query codes"), check_packed(database, None, "database codes")
    if queries.shape[1] != database.shape[1]:
        raise InputError(
            "codes", f"{queries.shape[1]} and {database.shape[1]} bytes", "equal widths", "Use the same number of bits."
        )
    query_words, database_words = words(queries), words(database)
    distances = np.empty((len(queries), len(database)), dtype=distance_dtype(8 * queries.shape[1]))
    rows = max(1, BLOCK_BYTES // (8 * max(1, len(database))))
    for start in range(0, len(queries), rows):
        word_distances(query_words[:, start : start + rows], database_words, distances[start : start + rows])
    return distances


def distance_dtype(bits: int) -> type:
    """Smallest unsigned integer type that holds distances 0..bits."""
    return np.uint8 if bits <= 255 else np.uint16


def words(packed: np.ndarray) -> np.ndarray:
    """View packed codes as 64-bit words, word-major: uint64 (ceil(width / 8), n), zero-padded."""
    padded = pad_bytes(packed, -(-packed.shape[1] // 8) * 8)
    return np.ascontiguousarray(padded.view(np.uint64).T)


def pad_bytes(packed: np.ndarray, width: int) -> np.ndarray:
    """Append zero bytes up to `width`; Hamming distances do not change. Returns contiguous uint8 (n, width)."""
    if packed.shape[1] == width:
        return np.ascontiguousarray(packed)
    padded = np.zeros((len(packed), width), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded


def word_distances(query_words: np.ndarray, database_words: np.ndarray, out: np.ndarray) -> None:
    """Write the distances of one block to `out` (nq, nd); the words are (w, nq) and (w, nd)."""
    np.bitwise_count(query_words[0][:, None] ^ database_words[0], out=out)
    for query_word, database_word in zip(query_words[1:], database_words[1:], strict=True):
        out += np.bitwise_count(query_word[:, None] ^ database_word)


def check_packed(packed: np.ndarray, bits: int | None, what: str) -> np.ndarray:
    """Return `packed` as an array after checking its type, shape and (when `bits` is given) width."""
    packed = np.asarray(packed)
    if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] == 0:
        found = f"{packed.dtype} of shape {packed.shape}"
        raise InputError(what, found, "uint8 of shape (n, bytes)", "Pack the signs with pack().")
    if bits is not None and (bits < 1 or packed.shape[1] != -(-bits // 8)):
        found = f"{packed.shape[1]} bytes a row for {bits} bits"
        raise InputError(what, found, "ceil(bits / 8) bytes", "Check the number of bits.")
    return packed
