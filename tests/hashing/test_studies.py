"""The studies' arithmetic on small tables whose answer is known by hand."""

import numpy as np
import pandas as pd
import pytest

from anchors.companion.results import Row
from anchors.hashing.studies import (
    ablation,
    common,
    convergence,
    curves,
    emoji_search,
    map_table,
    pairing_ratio,
    scaling,
)


def table(values: dict[str, list[float]], **fixed) -> pd.DataFrame:
    """One row per method and seed; A and B hold the given values."""
    rows = [
        {"method": method, "seed": seed, "A": value, "B": value, "I2T_A": value, "I2T_B": value, "T2I_A": value,
         "T2I_B": value} | fixed
        for method, own in values.items() for seed, value in enumerate(own)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_gain_is_paired_by_seed_whatever_the_order_of_the_rows():
    both = table({"RREH": [0.5, 0.6, 0.7], "CVH": [0.4, 0.5, 0.6]}).sample(frac=1, random_state=0)
    interval = common.gain(both, "A", "RREH", "CVH")
    assert interval.mean == pytest.approx(0.1)
    assert interval.high - interval.low == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("means", "expected"),
    [([0.2, 0.1, -0.1], 0.4), ([0.1, 0.0, -0.1], 0.3), ([0.1, 0.2, 0.3], np.nan), ([-0.1, -0.2, -0.3], np.nan)],
)
def test_crossover_by_hand(means, expected):
    assert pairing_ratio.crossover(np.array([0.1, 0.3, 0.5]), np.array(means)) == pytest.approx(expected, nan_ok=True)


def test_largest_difference_between_live_and_log():
    live = table({"RREH": [0.5, 0.6]}, data="digits", bits=32, ratio=0.1)
    log = live.assign(I2T_A=live.I2T_A + 0.003)
    assert map_table.largest_difference(live, log) == (pytest.approx(0.003), 2)
    assert np.isnan(map_table.largest_difference(live, log.assign(bits=64))[0])


@pytest.mark.parametrize(("rreh", "kind"), [([0.9, 0.91, 0.92], "holds"), ([0.1, 0.11, 0.12], "does not hold")])
def test_verdict_over_all_baselines(rreh, kind):
    others = {method: [0.5, 0.51, 0.53] for method in common.BASELINES}
    log = table({"RREH": rreh} | others, data="digits", bits=32, ratio=0.1)
    assert map_table.verdict(log).kind == kind


def test_reconstruction_is_credited_only_above_both_controls():
    def partial(over_pairs, over_training):
        rows, contrasts = [], {("RREH", "NoReconstruction"): over_pairs, ("RREH", "SelfTraining"): over_training}
        for (treated, control), mean in (contrasts | {("RREH-kNN", "NoReconstruction"): 0.0}).items():
            for protocol in ("A", "B"):
                rows.append({"data": "d", "ratio": 0.1, "protocol": protocol, "treated": treated, "control": control,
                             "mean": mean, "low": mean - 0.01, "high": mean + 0.01, "n": 5})  # fmt: skip
        return pd.DataFrame(rows)

    assert pairing_ratio.verdict(partial(0.1, 0.1), []).kind == "holds"
    assert pairing_ratio.verdict(partial(0.1, 0.0), []).kind == "does not hold"
    assert pairing_ratio.verdict(partial(-0.1, 0.1), []).kind == "does not hold"


@pytest.mark.parametrize(
    ("own", "control", "kind"), [(0.97, 0.9, "holds"), (0.97, 0.96, "mixed"), (0.9, 0.8, "does not hold")]
)
def test_near_complete_pairing_needs_a_control_that_is_not(own, control, kind):
    rows = [Row(f"d: {method}", value) for method, value in (("RREH", own), ("NoReconstruction", control))]
    assert pairing_ratio.near(rows).kind == kind


def test_a_log_that_the_live_part_contradicts_gives_no_verdict():
    methods = {m: [0.4, 0.41, 0.42] for m in common.METHODS}
    live = table(methods | {"RREH": [0.9, 0.91, 0.92]}, data="digits", bits=32, ratio=0.1)
    frame = map_table.reference_table(live)
    assert map_table.summarise(live, live, frame)[1].kind == "holds"
    other = live.assign(I2T_A=live.I2T_A - 0.1)
    assert map_table.summarise(live, other, frame)[1].kind == "measured"


def test_jobs_need_more_pairs_than_bits():
    jobs = map_table.jobs_of(["digits"], ["RREH"], [32, 128, 512], [0.1, 1.0], [0])
    assert {(job["bits"], job["ratio"]) for job in jobs} == {(32, 0.1), (128, 0.1), (32, 1.0), (128, 1.0), (512, 1.0)}


def test_ablation_differences_by_hand():
    full = table({"RREH": [0.5, 0.6]}, data="d", ratio=0.1, variant=ablation.FULL)
    less = table({"RREH": [0.4, 0.5]}, data="d", ratio=0.1, variant="less")
    change = ablation.differences(pd.concat([full, less]))
    assert change["mean"].tolist() == pytest.approx([-0.1, -0.1])
    assert set(change.protocol) == {"A", "B"}


def test_rounds_to_a_share_of_the_fall():
    assert convergence.rounds_to([10.0, 5.0, 1.0, 0.1, 0.0], 0.9) == 2
    assert convergence.rounds_to([10.0, 0.0, 0.0], 0.99) == 1


def test_trace_stops_where_the_fit_does():
    found = convergence.trace("digits", 16, 0.2, 0, [1, 3])
    assert len(found["objective"]) == 4
    assert len(found["A"]) == len(found["B"]) == 2
    assert found["rise"] <= 1e-10


def test_slope_interval_holds_the_true_exponent():
    n = np.array([1e3, 1e4, 1e5, 1e6])
    interval = scaling.slope_interval(n, 2e-5 * n * np.array([1.02, 0.98, 1.01, 0.99]))
    assert interval.low < 1 < interval.high
    assert np.isnan(scaling.slope_interval(n[:1], n[:1]).mean)


def test_a_fit_measures_itself_in_a_process_of_its_own():
    found = scaling.fit_once("RREH", 1000)
    assert 0 < found["seconds"] < 60
    assert found["peak_gib"] >= found["input_gib"] > 0


def test_curves_become_long_tables():
    head = {"method": "RREH", "task": "I2T", "protocol": "A"}
    lists = {"precision": [np.nan, 1.0, 0.5], "recall": [0.0, 0.2, 1.0], "top": [1.0, 0.5]}
    rows = [head | lists | {"seed": s, "radius2": 0.5} for s in (0, 1)]
    pr, top = (curves.long(pd.DataFrame(rows), kind) for kind in ("pr", "top"))
    assert pr.precision.tolist() == [1.0, 0.5]
    assert top.N.tolist() == [1, 2]


@pytest.mark.slow
def test_the_search_uses_the_best_candidate_of_the_validation_split():
    assert emoji_search.choose() == emoji_search.PARAMS


def test_nearest_codes_come_first_and_ties_in_database_order():
    database = np.packbits(np.array([[1] * 8, [0] * 8, [1] * 7 + [0], [0] * 8]), axis=1)
    hits = emoji_search.search(np.packbits([0] * 8), database, 8, "q", 3)
    assert hits.rows.tolist() == [1, 3, 2]
    assert hits.distances.tolist() == [0, 0, 7]
    assert hits.bits.shape == (3, 8)
