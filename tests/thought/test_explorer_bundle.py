"""The bundle: rounding, what is null, lengths, what is refused in one line, and what survives a round trip."""

import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.companion import recorded, stats
from anchors.companion.errors import InputError
from anchors.thought.explorer import bundle, schema
from anchors.thought.reasoner import audit

HOSTILE = '</script><img src=x onerror="alert(1)">\u2028 \\boxed{1} & "q" \'s\' \x00 😀 $x$ {{7*7}}'


def small(**more):
    """Return a bundle of one trace of three sentences."""
    fields = {
        "importances": [bundle.importance("k", "K", "nats", "measured", [1, None, 2], [0, None, 1], [2, None, 3])],
        "links": [bundle.links("truth", "T", "", "exact", np.arange(9.0).reshape(3, 3))],
        "accuracy": bundle.shares([1, 2, 3, 4], [4, 4, 4, 4]),
        "answers": [[["a", 1]], [], [["b", 0.5], ["c", 0.5]]],
        "alternatives": [[{"text": "x", "answer": "a", "right": True, "different": True, "similarity": 0.1}], [], []],
        "heads": [{"layer": 1, "head": 0, "kurtosis": 2.0, "receiver": True, "received": [0.1, 0.2, None]}],
    }  # fmt: skip
    return bundle.bundle([bundle.trace("a", ["one", "two", "three"], ["unknown"] * 3, **fields | more)])


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_numbers_keep_four_digits_or_are_null(value):
    short = bundle.number(value)
    json.dumps(short, allow_nan=False)
    if not math.isfinite(value):
        assert short is None
    else:
        assert short == pytest.approx(value, rel=5.001e-4, abs=1e-320)
        assert short == bundle.number(short), "rounding twice changes nothing"
        assert math.isinf(float(f"{short:.4g}")) or short == float(f"{short:.4g}")


@pytest.mark.parametrize(
    ("value", "short"),
    [(1 / 3, 0.3333), (-0.0, 0), (1.0, 1), (123456, 123500), (None, None), (np.float32(0.1), 0.1), (np.nan, None)],
)
def test_numbers_by_hand(value, short):
    assert bundle.number(value) == short
    assert type(bundle.number(value)) is type(short)


def test_the_part_above_the_diagonal_is_taken():
    assert small()["traces"][0]["links"][0]["rows"] == [[1, 2], [5], []]


def test_shares_without_rollouts_are_null():
    found = bundle.shares([0, 0], [0, 5])
    assert found["values"] == [None, 0]
    assert (found["low"][0], found["high"][0]) == (None, None)
    assert found["low"][1] == 0
    assert found["n"] == [0, 5]


@given(st.integers(1, 500), st.data())
def test_wilson_intervals_hold_their_share(n, data):
    right = data.draw(st.integers(0, n))
    low, high = (float(x[0]) for x in stats.wilson(np.array([right / n]), np.array([n])))
    assert 0 <= low <= right / n <= high <= 1
    mirror = stats.wilson(np.array([1 - right / n]), np.array([n]))
    assert low == pytest.approx(1 - float(mirror[1][0]), abs=1e-12)


def test_wilson_takes_arrays_of_any_shape_and_zeros():
    share, n = np.array([[0.5, 0.0], [1.0, 0.3]]), np.array([[10, 10], [10, 0]])
    low, high = stats.wilson(share, n)
    np.testing.assert_allclose(low, [[0.2366, 0], [0.7225, np.nan]], atol=5e-5)
    np.testing.assert_allclose(high, [[0.7634, 0.2775], [1, np.nan]], atol=5e-5)


def test_the_recorded_audit_has_the_same_intervals():
    """Shares are recorded with six digits, so that their intervals agree to five."""
    table, _ = recorded.load("thought/reasoner_audit")
    own = {row.rate: (row.reasoner, row.n) for row in table.itertuples()}
    found = audit.compared(own, {row.rate: (row.process, row.n) for row in table.itertuples()})
    assert found.columns.tolist() == table.columns.tolist()
    assert found.rate.tolist() == table.rate.tolist()
    np.testing.assert_allclose(found[["low", "high"]], table[["low", "high"]], rtol=1e-5)


def test_the_audit_knows_nothing_of_a_rate_without_cases():
    found = audit.compared({"recalls right": (1.0, 10)}, {"recalls right": (1.0, 60), "checks wrong": (0.5, 60)})
    rows = found.set_index("rate")
    assert rows.loc["checks wrong"].tolist() == [0.0, 0.0, 1.0, 0, audit.EXACT["checks wrong"]]
    assert rows.loc["recalls right", ["low", "high"]].tolist() == pytest.approx([0.7225, 1], abs=5e-5)
    assert found.low.dtype == float


def test_importances_and_links_by_their_keys():
    trace = small()["traces"][0]
    assert bundle.by_key(trace, "links") == {"truth": trace["links"][0]}
    assert bundle.by_key(trace, "importances")["k"]["values"] == [1, None, 2]


def test_empty_fields_are_left_out_and_equal_keys_get_their_origin():
    rows = [bundle.importance("k", "K", "", origin, [1]) for origin in ("measured", "exact")]
    trace = bundle.trace("a", ["one"], ["unknown"], title="", notes=[], importances=rows)
    assert set(trace) == {"id", "sentences", "importances"}
    assert [one["key"] for one in trace["importances"]] == ["k", "k_exact"]


def test_traces_with_the_same_id_are_told_apart():
    one = bundle.trace("a", ["one"], ["unknown"])
    assert [t["id"] for t in bundle.bundle([one, one, one])["traces"]] == ["a", "a (2)", "a (3)"]


def test_round_trip(tmp_path):
    content = small(title=HOSTILE.replace("\x00", ""), notes=["ä"])
    assert bundle.load(bundle.save(content, tmp_path / "x.json")) == content


def test_hostile_text_survives_unchanged(tmp_path):
    content = bundle.bundle([bundle.trace(HOSTILE, [HOSTILE], [HOSTILE], question=HOSTILE, notes=[HOSTILE])])
    again = bundle.load(bundle.save(content, tmp_path / "x.json"))["traces"][0]
    assert [again["id"], again["question"], again["notes"][0]] == [HOSTILE] * 3
    assert again["sentences"] == [{"text": HOSTILE, "category": HOSTILE, "depends": []}]


def test_unknown_names_are_ignored():
    content = small()
    content["traces"][0]["more"] = {"of": "this"}
    assert bundle.validate(content) is content


def broken(change):
    """Return the small bundle after a change to its trace."""
    content = copy.deepcopy(small())
    change(content["traces"][0])
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["importances"][0]["values"].pop(), r"trace 'a', importances\[0\].values: found 2 values"),
        (lambda t: t["importances"][0]["low"].append(1), r"importances\[0\].low: found 4 values; expected 3 values"),
        (lambda t: t["importances"][0].update(values=[1, math.nan, 1]), r"trace 'a', importances\[0\].values\[1\]"),
        (lambda t: t["importances"][0].update(values=[1, math.inf, 1]), "finite number"),
        (lambda t: t["importances"][0].update(values=[1, "2", 1]), r"values\[1\]: found '2'"),
        (lambda t: t["importances"][0].update(origin="guessed"), "origin: found 'guessed'; expected 'released'"),
        (lambda t: t["importances"].append(t["importances"][0]), "importances: found two with the same key"),
        (lambda t: t["links"][0]["rows"][0].pop(), r"links\[0\].rows: found 3 rows of 1, 1, 0 values; expected 3 rows"),
        (lambda t: t["links"][0].update(low=[[1, 1], [1]]), r"links\[0\].low: found 2 rows"),
        (lambda t: t["accuracy"].update(values=[1, 1]), "accuracy.values: found 2 values"),
        (lambda t: t["accuracy"].update(n=[1]), r"accuracy.n: found 1 values; expected 3 values or 4 values"),
        (lambda t: t["answers"].append([]) or t["answers"].append([]), "answers: found 5 values"),
        (lambda t: t["answers"].__setitem__(0, [["a"]]), r"trace 'a', answers\[0\]\[0\]"),
        (lambda t: t["alternatives"].pop(), "alternatives: found 2 values; expected 3 values"),
        (lambda t: t["alternatives"][0][0].pop("text"), r"alternatives\[0\]\[0\].text: found nothing"),
        (lambda t: t["heads"][0]["received"].pop(), r"heads\[0\].received: found 2 values"),
        (lambda t: t["sentences"][1].update(depends=[3]), r"sentences\[1\].depends: found \[3\]; expected indices"),
        (lambda t: t["sentences"][1].update(depends=[-1]), "indices of earlier sentences, 0 to 0"),
        (lambda t: t["sentences"][1].update(depends=[1]), r"sentences\[1\].depends: found \[1\]"),
        (lambda t: t["sentences"][0].update(depends=[0]), r"\[\], since no sentence is earlier"),
        (lambda t: t["sentences"][2].update(text=3), r"sentences\[2\].text: found 3"),
        (lambda t: t["sentences"][2].update(text="\ud83d"), r"sentences\[2\].text: found '\\ud83d'"),
        (lambda t: t.update(sentences=[]), "sentences: found"),
        (lambda t: t.pop("id"), "trace 0, id: found nothing"),
    ],
)
def test_what_is_refused_is_named_in_one_line(change, message):
    with pytest.raises(InputError, match=message) as caught:
        bundle.validate(broken(change))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("content", [None, [], {}, {"format": "anchors-explorer/2", "traces": []}, "x"])
def test_what_is_no_bundle_is_refused(content):
    with pytest.raises(InputError, match="bundle: found"):
        bundle.validate(content)


def test_two_traces_with_one_id_are_refused():
    content = small()
    content["traces"] *= 2
    with pytest.raises(InputError, match="an id that another trace has"):
        bundle.validate(content)


def test_a_trace_that_is_too_long_is_refused():
    texts = ["x"] * (schema.SENTENCES + 1)
    with pytest.raises(InputError, match="found 1,001 sentences; expected at most 1,000"):
        bundle.bundle([bundle.trace("long", texts, texts)])


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "a JSON list"), ("[" * 100_000, "not JSON")])
def test_files_that_are_no_json(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=message):
        bundle.load(tmp_path / "x.json")


def test_a_file_with_a_fault_is_named(tmp_path):
    content = small()
    content["traces"][0]["answers"] = []
    (tmp_path / "mine.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"mine\.json, trace 'a', answers: found 0 values"):
        bundle.load(tmp_path / "mine.json")
