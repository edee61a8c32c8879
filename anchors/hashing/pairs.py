"""Semi-paired training rows: which image belongs to which text, checked and cut into row blocks."""

from dataclasses import dataclass

import numpy as np

from anchors.companion.errors import InputError
from anchors.hashing.blocks import DaskRunner, LocalRunner, cut

VIEWS = ("image", "text")


@dataclass
class SemiPaired:
    """Training rows of both modalities (lists are in the order image, text).

    Attributes
    ----------
    runner : `LocalRunner` or `DaskRunner`.
    pairs, pair_sizes : columns of the n linked rows of each modality, and their common block sizes.
    unpaired, unpaired_sizes : columns of the rows without a known partner, and their block sizes.
    order : (N_v,) training-row number of each row of pairs followed by unpaired; None when they agree.
    """

    runner: LocalRunner | DaskRunner
    pairs: list[list]
    pair_sizes: list[int]
    unpaired: list[list]
    unpaired_sizes: list[list[int]]
    order: list[np.ndarray | None]

    @property
    def n_pairs(self) -> int:
        """Number of linked rows."""
        return sum(self.pair_sizes)


def is_dask(array) -> bool:
    """Return whether ``array`` is a dask array, without importing dask."""
    return type(array).__module__.partition(".")[0] == "dask"


def as_rows(array, name: str):
    """Return ``array`` as a two-dimensional numeric array (numpy or dask); NaN is checked later, block by block."""
    if not is_dask(array):
        array = np.asarray(array)
    if np.isnan(array.shape).any():
        raise InputError(name, "unknown chunk sizes", "known ones", "Call compute_chunk_sizes() first.")
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(name, f"shape {array.shape}", "(rows, features)", "Pass one row per sample.")
    if array.dtype.kind not in "fiub":
        raise InputError(name, f"type {array.dtype}", "real numbers", "Turn it into a float array.")
    return array


def _linked_rows(paired, n: int) -> tuple[np.ndarray | None, np.ndarray]:
    """Return (linked rows or None for all, broken rows) from a mask, an index array or None."""
    if paired is None:
        return None, np.empty(0, dtype=int)
    paired = np.asarray(paired)
    if paired.dtype == bool:
        if paired.shape != (n,):
            raise InputError("paired", f"a mask of shape {paired.shape}", f"({n},)", "Give one entry per row.")
        return np.flatnonzero(paired), np.flatnonzero(~paired)
    if paired.ndim != 1 or (paired.size and paired.dtype.kind not in "iu"):
        raise InputError("paired", f"{paired.dtype} of shape {paired.shape}", "a boolean mask or row numbers")
    rows = np.unique(paired.astype(int))
    if len(rows) != len(paired) or (len(rows) and (rows[0] < 0 or rows[-1] >= n)):
        raise InputError("paired", "row numbers repeated or out of range", f"distinct numbers from 0 to {n - 1}")
    return rows, np.setdiff1d(np.arange(n), rows)


def _column(array, index, chunks=None) -> tuple[list, list[int]]:
    """Return the blocks of some rows of a numpy or dask array, and their sizes."""
    if not is_dask(array):
        return cut(array, index)
    if index is not None:
        array = array[index]
    array = array.rechunk({0: chunks or array.chunks[0], 1: -1})
    sizes = array.chunks[0]
    keep = [i for i, size in enumerate(sizes) if size]
    blocks = array.to_delayed()[:, 0]
    return [blocks[i] for i in keep], [int(sizes[i]) for i in keep]


def _unpaired(array, broken, extra) -> tuple[list, list[int]]:
    """Return the column of broken rows of ``array`` followed by the rows of ``extra``."""
    parts = [_column(array, broken)] if len(broken) else []
    parts += [_column(extra, None)] if extra is not None and extra.shape[0] else []
    return [b for blocks, _ in parts for b in blocks], [s for _, sizes in parts for s in sizes]


def split_rows(images, texts, paired=None, unpaired_images=None, unpaired_texts=None) -> SemiPaired:
    """Check the training arrays and sort their rows into pairs and unpaired rows.

    Raises
    ------
    InputError : wrong shapes, unequal counts, no pairs at all, or a wrong ``paired``.
    """
    both = [as_rows(images, "images"), as_rows(texts, "texts")]
    named = {"unpaired_images": unpaired_images, "unpaired_texts": unpaired_texts}
    extras = [None if rows is None else as_rows(rows, name) for name, rows in named.items()]
    n = both[0].shape[0]
    if both[1].shape[0] != n:
        found = f"{n} images and {both[1].shape[0]} texts"
        raise InputError("images and texts", found, "equal counts", "Pass rows without partner as unpaired_*.")
    for array, extra, view in zip(both, extras, VIEWS, strict=True):
        if extra is not None and extra.shape[1] != array.shape[1]:
            raise InputError(f"unpaired_{view}s", f"{extra.shape[1]} features", f"{array.shape[1]} as in {view}s")
    linked, broken = _linked_rows(paired, n)
    if n == 0 or (linked is not None and len(linked) == 0):
        raise InputError("paired", "no pairs", "some linked rows", "The method learns from known pairs.")
    return _cut(both, extras, linked, broken)


def _cut(both, extras, linked, broken) -> SemiPaired:
    """Cut checked arrays into columns of blocks."""
    dask = any(is_dask(a) for a in (*both, *extras) if a is not None)
    if dask:
        import dask.array as da

        both = [da.asarray(a) for a in both]
        extras = [None if e is None else da.asarray(e) for e in extras]
    first, sizes = _column(both[0], linked)
    second, _ = _column(both[1], linked, tuple(sizes))
    unpaired = [_unpaired(a, broken, e) for a, e in zip(both, extras, strict=True)]
    n, order = both[0].shape[0], [None, None]
    if linked is not None:
        tails = [0 if e is None else e.shape[0] for e in extras]
        order = [np.concatenate([linked, broken, n + np.arange(t)]) for t in tails]
    runner = DaskRunner() if dask else LocalRunner()
    return SemiPaired(runner, [first, second], sizes, [u[0] for u in unpaired], [u[1] for u in unpaired], order)
