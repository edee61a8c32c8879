"""What a rebuild reproduced: rows, figures, the sum, and numbers within text; every way to be wrong is seen."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchors.companion import committed, reproduction, results, summary
from anchors.companion.notebooks import notebooks
from anchors.companion.paths import ROOT
from anchors.companion.reproduction import compare_results, compare_row, differing, last_digit
from anchors.companion.results import Row
from anchors.companion.runner import Outcome

OLD = {"measured": 0.5, "low": 0.4, "high": 0.6, "clock": False, "slack": 0.0}
TABLE = ROOT / "figures/rubric/tab1_open_ended.json"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "identical"),
        ({"measured": 0.5000004}, "identical"),  # beyond six digits
        ({"measured": 0.5004}, "equal to the printed digits"),
        ({"measured": 0.52, "low": 0.42, "high": 0.62}, "within its interval"),
        ({"measured": 0.61, "low": 0.51, "high": 0.71}, "outside"),  # beyond the committed interval
        ({"measured": 0.58, "low": 0.52, "high": 0.64}, "outside"),  # the committed value is beyond the fresh one
        ({"measured": 0.52, "low": 0.2, "high": 0.84}, "outside"),  # more than twice as wide
        ({"measured": 0.0, "low": -0.1, "high": 0.1}, "outside"),
        ({"measured": -0.5, "low": -0.6, "high": -0.4}, "outside"),
        ({"measured": None}, "outside"),
        ({"low": None, "high": None}, "outside"),
        ({"measured": 0.9, "clock": True}, "timing"),
    ],
)
def test_states_of_a_row(changes, state):
    assert compare_row(OLD, OLD | changes) == state


@pytest.mark.parametrize(
    ("old", "new", "slack", "state"),
    [
        (0.5, 0.5004, 0, "equal to the printed digits"),
        (0.5, 0.51, 0, "outside"),
        (0.5, 0.51, 0.02, "within its interval"),
        (0.5, 0.53, 0.02, "outside"),
        (1234.0, 1234.4, 0, "equal to the printed digits"),  # printed as 1.23e+03
        (1234.0, 1251.0, 0, "outside"),
        (5.2e-07, 5.2004e-07, 0, "equal to the printed digits"),
        (5.2e-07, 9.9e-07, 1e-06, "within its interval"),
        (0, 0.0, 0, "identical"),
        (None, None, 0, "identical"),
        (None, 0.1, 0, "outside"),
    ],
)
def test_states_of_a_row_without_an_interval(old, new, slack, state):
    rows = [{"measured": value, "low": None, "high": None, "clock": False, "slack": slack} for value in (old, new)]
    assert compare_row(*rows) == state


@given(st.floats(-1e6, 1e6), st.floats(0, 1e3))
def test_a_row_is_identical_to_itself_and_never_to_its_negative(value, half):
    row = results.plain(Row("a", value, value - half, value + half))
    assert compare_row(row, row) == "identical"
    other = results.plain(Row("a", -value, -value - half, -value + half))
    if abs(value) > 1.001 * half + 1e-6:
        assert compare_row(row, other) == "outside"


@pytest.mark.parametrize(
    ("text", "unit"), [("1.234", 1e-3), ("1234", 1), ("1.2e-08", 1e-9), ("1.23e+04", 100), ("-0.5", 0.1)]
)
def test_what_the_last_digit_is_worth(text, unit):
    assert last_digit(text) == pytest.approx(unit)


def result(**changes):
    rows = [{"quantity": "a", **OLD}, {"quantity": "b", **OLD}, {"quantity": "s", **OLD, "clock": True}]
    own = {"rows": rows, "data": {"emoji": "0" * 16}, "verdict": {"kind": "holds"}, "reduced": {}, "profile": "laptop"}
    return own | changes


def test_a_figure_is_as_its_worst_row():
    known = result()
    assert compare_results(known, result())["state"] == "identical"
    assert compare_results(known, result())["counts"] == {"identical": 2, "timing": 1}
    moved = [known["rows"][0] | {"measured": 0.52}, *known["rows"][1:]]
    found = compare_results(known, result(rows=moved))
    assert (found["state"], found["counts"]["within its interval"]) == ("within its interval", 1)
    assert found["rows"][0] == {
        "quantity": "a", "state": "within its interval", "committed": [0.5, 0.4, 0.6], "fresh": [0.52, 0.4, 0.6],
    }  # fmt: skip


def test_rows_that_are_gone_or_new_are_outside():
    fewer = compare_results(result(), result(rows=result()["rows"][1:]))
    more = compare_results(result(), result(rows=[*result()["rows"], {"quantity": "a", **OLD}]))
    assert fewer["state"] == more["state"] == "outside"
    assert fewer["counts"]["outside"] == more["counts"]["outside"] == 1


def test_another_verdict_other_data_and_what_is_missing():
    changed = compare_results(result(), result(verdict={"kind": "mixed"}))
    assert (changed["state"], changed["note"]) == ("verdict changed", "holds → mixed")
    timed = [{"quantity": "s", **OLD, "clock": True}]
    assert compare_results(result(rows=timed), result(rows=timed, verdict={"kind": "mixed"}))["state"] == "timing"
    assert compare_results(result(), result(data={"umls": "1" * 16}))["state"] == "other data"
    smoke = compare_results(result(), result(profile="smoke", verdict={"kind": "mixed"}))
    assert (smoke["state"], smoke["note"]) == ("other data", "profile smoke, where laptop is committed")
    reduced = compare_results(result(), result(reduced={"umls_texts": "names"}))
    assert (reduced["state"], reduced["note"]) == ("other data", "names (umls_texts is not here)")
    assert compare_results(result(), None)["state"] == "not built here"
    assert compare_results(None, result())["state"] == "not committed"
    assert compare_results(result(), result(data={"emoji": "1" * 16}))["state"] == "identical"  # another processor


def test_the_report_of_a_fresh_clone_has_every_figure_and_compares_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    found = reproduction.write()
    assert found == reproduction.read()
    assert [one["id"] for one in found["figures"]] == [notebook.id for notebook in notebooks()]
    assert found["counts"] == {}
    assert found["line"].startswith("0 of 0 numbers identical")
    assert found["line"].endswith(f"0 of {len(notebooks())} figures built here")
    assert reproduction.failed(found) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"figures"'])
def test_a_damaged_report_is_none(tmp_path, monkeypatch, content):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    path = reproduction.path_of("laptop")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert reproduction.read() == {}


def test_committed_results_come_from_the_last_commit_or_from_a_copy(tmp_path, monkeypatch):
    own = committed.result("rubric/tab1_open_ended")
    assert own["id"] == "rubric/tab1_open_ended"
    assert committed.read("rubric/tab1_open_ended", "png").startswith(b"\x89PNG")
    assert committed.result("rubric/no_such") is None
    figures = tmp_path / "figures"
    (figures / "rubric").mkdir(parents=True)
    (figures / "rubric/a.json").write_text('{"id": "before"}')
    monkeypatch.setattr(committed, "_in_git", lambda: False)
    monkeypatch.setattr(committed, "FIGURES", figures)
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path / "cache"))
    committed.keep()
    (figures / "rubric/a.json").write_text('{"id": "rebuilt"}')
    assert committed.result("rubric/a") == {"id": "before"}


ROWS = [{"quantity": "a", **OLD}, {"quantity": "t", "measured": 12.34, "low": None, "high": None, "clock": True}]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("mAP 0.500 (0.400 to 0.600)", "mAP 0.520  (0.418 to 0.621)", ""),  # within the row's interval
        ("mAP 0.500", "mAP 0.000", "number: 0.500 became 0.000"),
        ("mAP 0.500", "mAP -0.500", "number: 0.500 became -0.500"),
        ("mAP 0.500", "mAP 99999.9", "number: 0.500 became 99999.9"),
        ("mAP 0.500", "mAP nan", "number: 0.500 became nan"),
        ("mAP 0.500", "mAP 0.900", "number: 0.500 became 0.900"),
        ("took 12.3 s", "took 99.9 s", ""),  # a clock row
        ("a 0.123, b nan", "a 0.124, b nan", ""),  # one unit of the last digit
        ("n = 53", "n = 54", ""),  # the same: one unit
        ("n = 53", "n = 63", "number: 53 became 63"),
        ("1,234 rows", "1,240 rows", ""),  # 5 %
        ("1,234 rows", "2,468 rows", "number: 1,234 became 2,468"),
        ("holds", "mixed", "words: 'holds' became 'mixed'"),
        ("−0.31", "0.31", "number: −0.31 became 0.31"),
        ("emoji 0123456789abcdef", "emoji fedcba9876543210", ""),  # features of another processor
    ],
)
def test_numbers_within_text(old, new, fault):
    assert differing(old, new, ROWS) == fault


def test_every_number_of_a_committed_table_counts():
    """All decimals replaced, zeroed or turned round: each of these is a difference."""
    rows = json.loads(TABLE.read_text())["rows"]
    text = repr(results.Shown([results.shown(Row(**numbered(row))) for row in rows]))
    assert differing(text, text, rows) == ""
    decimal = re.compile(r"\d+\.\d+")
    assert decimal.search(text)
    for changed in (decimal.sub("99999.9", text), decimal.sub("0.000", text), decimal.sub(r"-\g<0>", text)):
        assert differing(text, changed, rows)


def numbered(row):
    known = {name: row[name] for name in row if name in Row.__dataclass_fields__}
    return known | {name: float("nan") for name in ("measured", "low", "high") if row[name] is None}


def test_the_last_lines_of_a_build_fit_80_columns():
    note = "data set 'wiki' is not available: no address serves it. Set ANCHORS_DATA_MIRROR to a folder that holds it."
    ids = ("hashing/tab_map_wiki", "hashing/fig_one", "hashing/fig_two", "hashing/fig_three")
    outcomes = [Outcome(id, "not built", needs=("wiki",), note=note) for id in ids]
    outcomes += [Outcome("thought/fig5_receiver_by_category", "ran", 12.3), Outcome("rubric/a", "cached")]
    outcomes += [Outcome("rubric/b", "failed", 1.0, note="ValueError: " + "long words " * 30)]
    figures = [{"id": "thought/fig5_receiver_by_category", "state": "equal to the printed digits"}]
    lines = list(summary.lines(outcomes, {"figures": figures, "line": "3 of 3 numbers identical; " * 5}, 61.0))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert text.count("ANCHORS_DATA_MIRROR") == 1
    assert "1 ran, 1 cached, 1 failed, 4 not built in 61.0 s" in text
    assert "thought/fig5_receiver_by_category      ran      12 s equal to the printed digits" in text
    assert text.count("hashing/") == 4
