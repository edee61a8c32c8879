"""A plugin for nbval: outputs agree when words do and numbers lie within the intervals of the figure's rows.

The comparison is that of ``make reproduce``, on text; pictures and metadata are not compared here. A cell tagged
``clock`` prints facts of the machine: its words count, its numbers do not.
"""

from pathlib import Path

from nbval.plugin import IPyNbCell

from anchors.companion import committed, reproduction
from anchors.companion.paths import NOTEBOOKS

TEXTS = ("text/plain", "text/html", "text")
PICTURE = "image/png"


def pytest_configure(config):
    """Compare numbers in every notebook of this run."""
    compare = IPyNbCell.compare_outputs

    def compare_outputs(cell, test, ref, skip_compare=None):
        fresh = levelled(test, ref, rows_of(cell), "clock" in cell.cell.metadata.get("tags", []))
        return compare(cell, fresh, ref, skip_compare)

    IPyNbCell.compare_outputs = compare_outputs


def rows_of(cell):
    """Return the committed rows of the notebook that a cell stands in; none for one without a figure."""
    path = Path(str(cell.parent.fspath))
    result = committed.result(str(path.relative_to(NOTEBOOKS).with_suffix(""))) if NOTEBOOKS in path.parents else None
    return result["rows"] if result else []


def levelled(test, ref, rows, clock=False):
    """Return the fresh outputs with the committed text wherever the two agree: only true differences are left."""
    if len(test) != len(ref):
        return test
    return [_one(fresh, known, rows, clock) for fresh, known in zip(test, ref, strict=True)]


def _one(fresh, known, rows, clock):
    fresh = fresh.copy()
    for part, old in (("data", known.get("data", {})), (None, known)):
        new = fresh.get(part, {}) if part else fresh
        new = dict(new)
        for kind in TEXTS:
            if kind in old and kind in new and agree("".join(old[kind]), "".join(new[kind]), rows, clock):
                new[kind] = old[kind]
        if part and new:
            fresh[part] = type(fresh[part])(new)
        elif not part:
            fresh.update(new)
    return fresh


def agree(old, new, rows, clock=False):
    """Return whether two texts agree; ``clock`` lets every number differ."""
    if clock:
        old, new = (reproduction.NUMBER.sub("0", text) for text in (old, new))
    return not reproduction.differing(old, new, rows)
