"""Statistics, statuses, published values and the files a run leaves behind."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from anchors.companion import provenance, published, recorded, results
from anchors.companion.errors import InputError
from anchors.companion.results import Row, Verdict
from anchors.companion.stats import loglog_slope, mean_interval, paired_interval

NUMBERS = st.lists(st.floats(-100, 100), min_size=2, max_size=8)


def test_interval_agrees_with_scipy():
    values = [0.31, 0.35, 0.29, 0.36, 0.30]
    low, high = reference.t.interval(0.95, 4, np.mean(values), reference.sem(values))
    assert mean_interval(values) == pytest.approx((np.mean(values), low, high, 5))


def test_one_seed_has_no_interval_and_a_missing_one_is_refused():
    assert mean_interval([0.5]) == (0.5, -math.inf, math.inf, 1)
    with pytest.raises(ValueError, match="1 of them NaN"):
        mean_interval([0.5, math.nan])


@given(NUMBERS)
def test_a_pairing_with_itself_is_zero_and_the_sign_turns_with_the_order(values):
    assert paired_interval(values, values)[:3] == (0, 0, 0)
    there, back = paired_interval(values, values[::-1]), paired_interval(values[::-1], values)
    assert there.mean == pytest.approx(-back.mean, abs=1e-9)


def test_slope_of_a_power_law():
    n = np.array([10, 100, 1000])
    assert loglog_slope(n, 3 * n**1.5) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("value", "interval", "same", "status"),
    [
        (None, (0.1, 0.2), True, "not available"),
        (0.15, (0.1, 0.2), True, "match"),
        (0.25, (0.1, 0.2), True, "differs"),
        (0.15, (0.1, 0.2), False, "reduced scale"),
    ],
)
def test_statuses(value, interval, same, status):
    assert results.status_of(value, interval, 0.01, same) == status


def test_reduced_scale_is_never_shown_as_a_match():
    rows = [Row("a", 1.0, status="match"), Row("b", 1.0, status="reduced scale")]
    assert results.overall(rows) == "reduced scale"


def test_an_unpublished_value_reads_not_available_and_a_digitised_one_is_marked():
    assert results.shown(Row("a", 0.5))["published"] == "not available"
    assert results.shown(Row("a", 0.5, published=0.4, confidence="digitised"))["published"] == "0.4 (digitised)"
    assert results.shown(Row("a", 0.5, published=0.4, confidence="published"))["published"] == "0.4"


def test_verdicts_are_of_four_kinds():
    with pytest.raises(InputError, match="holds"):
        Verdict("perhaps", "")


def test_every_paper_record_is_valid_and_rreh_shows_no_published_number():
    records = {paper.key: paper for paper in published.papers()}
    rreh = records["hashing"]
    assert rreh.reconstructed
    assert not any(entry.values for entry in rreh.figures.values())
    assert rreh.value("tab_map", "mAP") is None


def test_a_broken_record_names_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(published, "PUBLISHED", tmp_path)
    published.paper.cache_clear()
    (tmp_path / "thought.yml").write_text("key: thought\ntitel: x\n")
    with pytest.raises(InputError, match=r"thought\.yml"):
        published.paper("thought")
    with pytest.raises(InputError, match="no such file"):
        published.paper("entity")
    published.paper.cache_clear()


def test_a_recorded_run_is_two_files_and_can_be_repeated(tmp_path, monkeypatch):
    import pandas as pd

    monkeypatch.setattr(recorded, "RUNS", tmp_path)
    table = pd.DataFrame({"x": [1, 2], "y": [0.123456789, 2.0]})
    flag = tmp_path / "flag"
    command = f"""python -c "open('{flag}', 'w').write('again')" """
    origin = provenance.record(["anchors.companion.stats"], {"emoji": "a" * 64})
    recorded.save("hashing/one", table, command, origin, seeds=[0])
    log, record = recorded.load("hashing/one")
    assert log.y.tolist() == pytest.approx([0.123457, 2.0])
    assert record["seeds"] == [0]
    assert record["data"] == {"emoji": "a" * 16}
    assert recorded.made_by(record, ["anchors.companion.stats"]) == "the code of today"
    assert "other code" in recorded.made_by(record, ["anchors.companion.cache"])
    assert recorded.repeat(["hashing/one"]) == 0
    assert flag.read_text() == "again"
    with pytest.raises(InputError, match="hashing/one"):
        recorded.load("hashing/two")
    with pytest.raises(InputError, match="hashing/one"):
        recorded.repeat(["hashing/two"])
    (tmp_path / "hashing/one.csv").write_text("x,y\n1,2\n")
    with pytest.raises(InputError, match="another log"):
        recorded.load("hashing/one")


def test_a_results_json_that_is_none_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"status": "fine"}))
    with pytest.raises(InputError, match="'fine'"):
        results.load(path)
    path.write_text("{")
    with pytest.raises(InputError, match="a results json"):
        results.load(path)


def test_runs_are_repeated_once_and_after_what_they_need(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(recorded, "RUNS", tmp_path)
    table, origin = pd.DataFrame({"x": [1]}), provenance.record(["anchors.companion.stats"], {})
    recorded.save("thought/a", table, "python -c last", origin, after=["thought/z"])
    recorded.save("thought/b", table, "python -c both", origin, after=["thought/a"])
    recorded.save("thought/c", table, "python -c both", origin, after=["thought/a"])
    recorded.save("thought/z", table, "python -c first", origin)
    assert recorded.repeat([], dry=True) == 0
    assert capsys.readouterr().out.split() == ["python", "-c", "first", "python", "-c", "last", "python", "-c", "both"]
    recorded.repeat(["thought/b"], dry=True)
    assert capsys.readouterr().out.split() == ["python", "-c", "both"]


def test_a_run_of_another_name_is_one_line(monkeypatch):
    monkeypatch.setattr("sys.argv", ["module", "nope"])
    with pytest.raises(SystemExit, match=r"run: found nope; expected one \| two"):
        recorded.main({"one": print, "two": print})


def test_intervals_of_what_is_known():
    from anchors.companion.stats import in_words, known_interval, known_mean, mean_interval

    values = np.array([1.0, 2, np.nan, 3, 4, 5])
    assert known_interval(values) == mean_interval(np.array([1.0, 2, 3, 4, 5]))
    assert known_interval(values[:4]).mean == 2
    assert np.isnan(known_interval(values[:4]).low)
    assert known_interval(values[:4], fewest=2) == mean_interval(np.array([1.0, 2, 3]))
    assert np.isnan(known_interval(np.array([np.nan, 1.0])).mean)
    assert known_interval(np.array([np.nan, 1.0])).n == 1
    rows = np.array([[1.0, np.nan, 3], [np.nan, np.nan, np.nan]])
    assert known_mean(rows, 1) == pytest.approx([2, np.nan], nan_ok=True)
    assert known_mean(rows, 0) == pytest.approx([1, np.nan, 3], nan_ok=True)
    assert in_words(known_interval(np.ones(6)), unit=" nats") == "+1.00 nats (+1.00 to +1.00)"
    assert in_words(known_interval(values[:4]), ".1f") == "2.0 (too few for an interval)"
    assert in_words(known_interval(values[2:3])) == "undefined"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300,
        "a" * 4_000,
        "é" * 100,
        "語" * 99,
        "😀" * 60,
        "a/b",
        "a b",
        "../../x",
        "/etc/passwd",
        "a\\b",
        "a" * 101,
    ],
)
def test_any_text_makes_a_file_name_that_fits(text, tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_FIGURES", str(tmp_path))
    stem = results.output_stem("hashing/fig_topn", "laptop", {"data": text})
    (tmp_path / "_custom" / "hashing").mkdir(parents=True)
    path = stem.with_name(f".{stem.name}.play.html.0123456789ab.part")
    path.write_text("")
    assert [file.resolve().parent for file in tmp_path.rglob("*.part")] == [tmp_path / "_custom" / "hashing"]


def test_texts_that_differ_have_file_names_that_differ():
    texts = ["ab", "a b", "a/b", "a_b", "é" * 200, "é" * 201, "a" * 300, "a" * 301]
    assert len({results.output_stem("hashing/fig_topn", "laptop", {"data": text}) for text in texts}) == len(texts)
    plain = results.output_stem("hashing/fig_topn", "laptop", {"bits": 64, "sets": ["a", "b"]}).name
    assert plain == "fig_topn__bits=64,sets=['a','b']"
