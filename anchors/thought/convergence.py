"""From which sentence on a trace no longer changes its mind: the rules found in the code, under names (sec. 2.5)."""

from collections.abc import Iterable

import numpy as np

from anchors.companion.errors import InputError

RULES = ("c1", "c4", "window", "paper", "c4_leaky")


def converged_from(accuracy: np.ndarray, rule: str = "c4") -> int:
    """Return the first sentence counted as converged, M when there is none (sec. 2.5).

    Parameters
    ----------
    accuracy : (M,) share of correct answers over the rollouts before each sentence; for the rule ``paper`` the share
        of the most frequent answer. NaN is never near 0 or 1.
    rule : ``c1`` four in a row, all > .99 or all < .01; ``c4`` five in a row, each > .95 or < .05; ``window`` five in a
        row, all > .95 or all < .05; ``paper`` the first above .98. A row counts as converged from its first sentence on
        (which reproduces the category means of the released traces). Each trace is judged alone; :func:`leaky` shows
        what the official counter did.

    Raises
    ------
    InputError
        Another rule, or an array that is not one-dimensional.
    """
    a = _checked(accuracy)
    with np.errstate(invalid="ignore"):
        if rule == "c1":
            return _first([a > 0.99, a < 0.01], 4)
        if rule == "c4":
            return _first([(a > 0.95) | (a < 0.05)], 5)
        if rule == "window":
            return _first([a > 0.95, a < 0.05], 5)
        if rule == "paper":
            return _first([a > 0.98], 1)
    raise InputError("rule", repr(rule), " | ".join(RULES[:-1]), "For c4_leaky call leaky() on all traces.")


def leaky(traces: Iterable[np.ndarray]) -> list[int]:
    """Return :func:`converged_from` by rule ``c4`` with the official defect: the count runs on from trace to trace.

    A trace that ends near certainty lends its count to the next one, whose first near-certain sentences are then taken
    for converged (sec. 5.11).
    """
    run, found = 0, []
    for trace in traces:
        near = (_checked(trace) > 0.95) | (_checked(trace) < 0.05)
        last = np.maximum.accumulate(np.where(near, -1, np.arange(len(near))))  # latest sentence that is not near
        length = np.arange(len(near)) - last + np.where(last < 0, run, 0)
        hits = np.flatnonzero(near & (length >= 5))
        found.append(max(0, int(hits[0]) - 4) if hits.size else len(near))
        run = int(length[-1]) if len(near) else run
    return found


def _first(sides: list[np.ndarray], length: int) -> int:
    """Return where, first of all sides, ``length`` true values in a row begin; M when nowhere."""
    size = len(sides[0])
    if size < length:
        return size
    starts = [np.flatnonzero(np.lib.stride_tricks.sliding_window_view(side, length).all(1)) for side in sides]
    return min((int(s[0]) for s in starts if s.size), default=size)


def _checked(accuracy: np.ndarray) -> np.ndarray:
    a = np.asarray(accuracy, float)
    if a.ndim != 1:
        raise InputError("accuracy", f"shape {a.shape}", "one number per sentence")
    return a
