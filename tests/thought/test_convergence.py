"""The convergence rules on traces made by hand."""

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.thought.convergence import converged_from, leaky


def trace(text):
    """``-`` undecided, ``+`` .97, ``#`` 1.0, ``o`` .03, ``0`` 0."""
    return np.array([{"-": 0.5, "+": 0.97, "#": 1.0, "o": 0.03, "0": 0.0, "n": np.nan}[c] for c in text])


@pytest.mark.parametrize(
    ("text", "c1", "c4", "window", "paper"),
    [
        ("--#####-", 2, 2, 2, 2),
        ("--####--", 2, 8, 8, 2),
        ("-+++++--", 8, 1, 1, 8),
        ("-+o+o+--", 8, 1, 8, 8),
        ("##00##--", 8, 0, 8, 0),
        ("000000--", 0, 0, 0, 8),
        ("--------", 8, 8, 8, 8),
        ("##n#####", 3, 3, 3, 0),
        ("####", 0, 4, 4, 0),
        ("###", 3, 3, 3, 0),
        ("", 0, 0, 0, 0),
    ],
)
def test_rules_by_hand(text, c1, c4, window, paper):
    found = tuple(converged_from(trace(text), rule) for rule in ("c1", "c4", "window", "paper"))
    assert found == (c1, c4, window, paper)


def test_the_official_counter_leaks_from_trace_to_trace():
    traces = [trace("---####"), trace("#------"), trace("-#####-")]
    assert [converged_from(t, "c4") for t in traces] == [7, 7, 1]
    assert leaky(traces) == [7, 0, 1]
    assert leaky([trace("-------"), traces[1]]) == [7, 7]
    assert leaky([trace("####"), trace("####----")]) == [4, 0]
    assert leaky([trace("##"), trace(""), trace("###-")]) == [2, 0, 0]


def test_alone_the_leak_does_nothing():
    rng = np.random.default_rng(0)
    for _ in range(50):
        a = rng.choice([0.0, 0.5, 1.0, 1.0, 1.0], 30)
        assert leaky([a]) == [converged_from(a, "c4")]


def test_bad_input():
    with pytest.raises(InputError):
        converged_from(np.zeros(5), "c5")
    with pytest.raises(InputError):
        converged_from(np.zeros((2, 5)))
