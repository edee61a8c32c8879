"""The last lines of a build: a figure a line, what failed and why, what is missing and how to get it, one sum."""

from collections import defaultdict
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

WIDTH = 80  # columns, in a terminal and in a log file


def lines(outcomes: list, found: dict[str, Any], seconds: float) -> Iterator[str]:
    """Yield the lines for the outcomes of a build and the report of what it reproduced, none over 80 columns.

    Parameters
    ----------
    outcomes : of :func:`anchors.companion.runner.build`.
    found : of :func:`anchors.companion.reproduction.report`.
    seconds : the build's wall time.
    """
    states = {one["id"]: one["state"] for one in found["figures"]}
    ran = [one for one in outcomes if one.what in ("ran", "failed")]
    if ran:
        yield ""
        yield f"{'figure':<38} {'result':<6} {'time':>6} against the committed one"
    for one in sorted(ran, key=lambda one: one.id):
        yield f"{one.id:<38} {one.what:<6} {one.seconds:>4.0f} s {states.get(one.id, '')}".rstrip()
    yield from _notes(outcomes)
    yield from _absent(outcomes)
    yield ""
    kinds = [
        (what, sum(one.what == what for one in outcomes))
        for what in ("ran", "renewed", "cached", "failed", "not built")
    ]
    yield f"{', '.join(f'{n} {what}' for what, n in kinds if n)} in {seconds:.1f} s"
    yield from wrap(found["line"], WIDTH)


def _notes(outcomes: list) -> Iterator[str]:
    for one in outcomes:
        if one.what == "failed":
            yield ""
            yield from wrap(f"{one.id} failed: {one.note}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)


def _absent(outcomes: list) -> Iterator[str]:
    """Yield the figures that are not built, by the data sets that they lack, with one cure each."""
    groups, cures = defaultdict(list), {}
    for one in outcomes:
        if one.what == "not built":
            groups[one.needs].append(one.id)
            cures.setdefault(one.needs[0], one.note)
    if groups:
        yield ""
        yield "not built here, shown as committed:"
    for needs, ids in sorted(groups.items()):
        yield from wrap(f"needs {', '.join(needs)}: {', '.join(ids)}", WIDTH, initial_indent="  ",
                        subsequent_indent="      ", break_on_hyphens=False)  # fmt: skip
    for note in cures.values():
        yield from wrap(note, WIDTH, initial_indent="  ", subsequent_indent="      ", break_on_hyphens=False)
