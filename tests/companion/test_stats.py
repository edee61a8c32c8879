"""Intervals stay in the range of their quantity."""

import numpy as np
import pytest

from anchors.companion.stats import Interval, mean_interval, mean_within, within


def test_an_interval_of_shares_ends_where_shares_end():
    few = np.array([0.0, 0.0, 0.005])
    plain, cut = mean_interval(few), mean_within(few)
    assert plain.low < 0
    assert cut == plain._replace(low=0.0)
    assert mean_within(1 - few) == pytest.approx((1 - plain.mean, 1 - plain.high, 1.0, 3))


def test_an_interval_within_its_range_stays_as_it_is():
    values = np.array([0.4, 0.5, 0.6])
    assert mean_within(values) == mean_interval(values)


def test_another_range_and_a_single_value():
    assert within(Interval(3.0, -2.0, 8.0, 4), high=np.inf) == (3.0, 0.0, 8.0, 4)
    assert mean_within(np.array([0.3])) == (0.3, -np.inf, np.inf, 1)
