"""Row blocks: one code path for arrays in memory and for dask arrays on a cluster.

A column is a list of row blocks. A step is a function ``step(*blocks, **shared) -> (state, sums)``: the state
stays where the block is, the sums (small float64 arrays) come home and are added up.
"""

from functools import reduce

import numpy as np

ROWS = 65_536  # rows per block in memory


def cut(array: np.ndarray, index: np.ndarray | None = None, rows: int = ROWS) -> tuple[list, list[int]]:
    """Return the row blocks of ``array`` (all rows, or those of ``index``) without copying, and their sizes."""
    count = len(array) if index is None else len(index)
    edges = [(start, min(start + rows, count)) for start in range(0, count, rows)]
    blocks = [(array, slice(a, b) if index is None else index[a:b]) for a, b in edges]
    return blocks, [b - a for a, b in edges]


def load(block, feature_map=None) -> np.ndarray:
    """Return the rows of a block, through ``feature_map`` (centred features) when there is one."""
    x = block[0][block[1]] if isinstance(block, tuple) else block
    return x if feature_map is None else feature_map(x)


def picks(sizes: list[int], index: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return for each block the local rows among ``index`` and their positions in ``index``."""
    index, out, start = np.asarray(index), [], 0
    for size in sizes:
        where = np.flatnonzero((index >= start) & (index < start + size))
        out.append((index[where] - start, where))
        start += size
    return out


def starts(sizes: list[int]) -> list[int]:
    """Return the first row number of each block."""
    return [int(v) for v in np.cumsum([0, *sizes])[:-1]]


def place(rows: np.ndarray, positions: np.ndarray, count: int) -> np.ndarray:
    """Return a float64 array (count, ·) with ``rows`` at ``positions`` and zeros elsewhere: gathering as a sum."""
    out = np.zeros((count, rows.shape[1]))
    out[positions] = rows
    return out


def gather_step(block, pick, *, feature_map, count):
    """Step: the picked rows of a block."""
    local, positions = pick
    x = load(block, feature_map)
    return None, (place(x[local], positions, count),)


def gather(runner, blocks: list, sizes: list[int], index: np.ndarray, feature_map=None) -> np.ndarray:
    """Return the rows ``index`` of a column (len(index), d), float64."""
    _, (rows,) = runner.run(gather_step, blocks, picks(sizes, index), feature_map=feature_map, count=len(index))
    return rows


def _add(total, sums):
    return sums if total is None else tuple(a + b for a, b in zip(total, sums, strict=True))


class LocalRunner:
    """Runs a step over row blocks one after another in this process."""

    def run(self, step, *columns, **shared):
        """Return (list of states, tuple of summed sums or None when there are no blocks)."""
        states, total = [], None
        for block in zip(*columns, strict=True):
            state, sums = step(*block, **shared)
            states.append(state)
            total = _add(total, sums)
        return states, total


def _call(step, shared, *block):
    return step(*block, **shared)


class DaskRunner:
    """Runs a step over row blocks as dask tasks; states stay on the workers."""

    def run(self, step, *columns, **shared):
        """Return (list of delayed states, tuple of summed sums or None when there are no blocks)."""
        import dask

        shared = dask.delayed(shared, traverse=False)
        call = dask.delayed(_call, nout=2, pure=False, traverse=False)
        tasks = dask.persist(*[call(step, shared, *block) for block in zip(*columns, strict=True)])
        sums = dask.compute(*[task[1] for task in tasks])
        return [task[0] for task in tasks], reduce(_add, sums, None)
