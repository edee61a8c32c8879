"""The explorer as an object: selection, traces, observers, dropped files, files it writes."""

import json
import re

import pytest
from explorer_rollouts import CASE, embed, store

from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT
from anchors.thought.explorer import bundle
from anchors.thought.explorer.widget import Explorer


def traces(*ids):
    """Return a bundle with a trace of three sentences per id."""
    return bundle.bundle([bundle.trace(id, ["one", "two", "three"], ["unknown"] * 3) for id in ids])


@pytest.fixture
def explorer():
    return Explorer(traces("a", "b"))


@pytest.fixture
def sent(explorer, monkeypatch):
    """What Python sends to the browser on its own."""
    found = []
    monkeypatch.setattr(explorer.live, "send", lambda content, buffers=None: found.append(content))
    return found


def drop(explorer, **files):
    """Drop files, as the browser reports them; two underscores stand for a dot, three for a slash."""
    names = [name.replace("___", "/").replace("__", ".") for name in files]
    buffers = [memoryview(content.encode() if isinstance(content, str) else content) for content in files.values()]
    explorer.live._handle_custom_msg({"kind": "files", "names": names}, buffers)


def test_nothing_is_selected_at_first(explorer):
    assert (explorer.selected, explorer.trace, explorer.traces) == (None, "a", ["a", "b"])
    assert explorer.shown["sentences"][1]["text"] == "two"


def test_selection_goes_both_ways(explorer):
    explorer.selected = 2
    assert explorer.live.selected == 2
    explorer.live.selected = 1  # the reader clicks
    assert explorer.selected == 1
    explorer.selected = None
    assert explorer.live.selected is None


@pytest.mark.parametrize("index", [3, -1, "1", 1.0, True])
def test_a_sentence_that_is_not_there_is_refused(explorer, index):
    with pytest.raises(InputError, match="None, or an index from 0 to 2"):
        explorer.selected = index


def test_another_trace_has_no_selection_yet(explorer):
    explorer.selected = 2
    explorer.trace = "b"
    assert (explorer.live.trace, explorer.live.selected) == ("b", None)
    explorer.selected = 1
    explorer.trace = "b"
    assert explorer.selected == 1, "the same trace again changes nothing"
    with pytest.raises(InputError, match=r"trace: found 'c'; expected a | b"):
        explorer.trace = "c"


def test_the_first_trace_can_be_chosen():
    assert Explorer(traces("a", "b"), trace="b").trace == "b"


def test_observers_hear_of_clicks_until_they_stop(explorer):
    heard = []
    stop = explorer.observe(lambda name, value: heard.append((name, value)))
    explorer.live.selected = 1
    explorer.live.trace = "b"
    stop()
    explorer.live.selected = 2
    assert heard == [("selected", 1), ("trace", "b")]
    with pytest.raises(InputError, match="observe: found clicks"):
        explorer.observe(print, "clicks")


def test_a_dropped_bundle_is_shown(explorer, sent):
    explorer.selected = 1
    drop(explorer, mine__json=json.dumps(traces("mine")))
    assert (explorer.traces, explorer.trace, explorer.selected) == (["mine"], "mine", None)
    assert explorer.live.bundle == explorer.bundle
    assert sent == []


def test_a_dropped_folder_is_read_by_its_paths(explorer, sent):
    rows = [{"chunk": "We count to three.", "function_tags": ["plan_generation"]}]
    base = {"answer": "3", "is_correct": True}
    place = "m___correct_base_solution___problem_1___"
    drop(explorer, **{
        f"{place}chunks_labeled__json": json.dumps(rows), f"{place}base_solution__json": json.dumps(base),
        f"{place}problem__json": json.dumps({"problem": "How many?"}),
    })  # fmt: skip
    assert sent == []
    assert explorer.traces == ["m/1/correct"]
    assert explorer.shown["question"] == "How many?"


def test_a_dropped_trace_with_a_fault_is_told_in_one_line(explorer, sent):
    rows = [{"chunk": "We count to three.", "function_tags": 5}]
    drop(explorer, chunks_labeled__json=json.dumps(rows), base_solution__json='{"answer": "3", "is_correct": true}')
    assert [one["kind"] for one in sent] == ["error"]
    assert "function_tags: 5 is no list" in sent[0]["text"]
    assert "/tmp" not in sent[0]["text"]
    assert explorer.traces == ["a", "b"]


def test_dropped_files_of_one_trace_are_one_trace(explorer, sent):
    rows = [{"chunk": "We count to three.", "function_tags": []}]
    drop(explorer, chunks_labeled__json=json.dumps(rows), base_solution__json='{"answer": "3", "is_correct": false}')
    assert sent == []
    assert explorer.traces == ["dropped/incorrect"]


def test_a_dropped_store_is_read_with_the_cases(tmp_path):
    with store(tmp_path / "r.sqlite"):
        own = Explorer(tmp_path / "r.sqlite", cases=CASE, embed=embed)
    own.bundle = traces("a")
    with store(tmp_path / "copy.sqlite") as found:
        found._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (tmp_path / "copy.sqlite").read_bytes()
    drop(own, r__sqlite=content)
    assert own.traces == ["tiny/sum/correct"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"x__json": "{"}, "x.json: found not JSON"),
        ({"x__json": '{"format": "else"}'}, "x.json, bundle: found 'else'"),
        ({"x__sqlite": "no store"}, "x.sqlite: found another format"),
        ({"a__txt": "1", "b__txt": "2"}, "problem folders with base_solution.json, bundles or stores"),
        ({"______etc___x__json": "{}"}, "x.json, bundle: found 'no format'"),
    ],
)
def test_dropped_files_that_are_nothing_are_told_in_one_line(explorer, sent, files, message):
    drop(explorer, **files)
    assert [message["kind"] for message in sent] == ["error"]
    assert message in sent[0]["text"]
    assert "/tmp" not in sent[0]["text"]
    assert "\n" not in sent[0]["text"]
    assert explorer.traces == ["a", "b"]


def test_names_cannot_lead_out_of_the_folder(explorer, sent, tmp_path):
    drop(explorer, **{f"..___..___..{tmp_path}/out__json".replace("/", "___"): json.dumps(traces("mine"))})
    assert explorer.traces == ["mine"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [{"kind": "else"}, "text", None, {"kind": "files", "names": []}])
def test_other_messages_change_nothing(explorer, sent, content):
    explorer.live._handle_custom_msg(content, [])
    assert explorer.traces == ["a", "b"]
    assert [one["kind"] for one in sent] == (["error"] if isinstance(content, dict) and "names" in content else [])


def test_the_page_and_the_bundle_are_written(explorer, tmp_path):
    path = explorer.save(tmp_path / "x.html")
    text = path.read_text(encoding="utf-8")
    assert text == explorer.page()
    assert "Content-Security-Policy" in text
    assert bundle.load(explorer.save(tmp_path / "x.json")) == explorer.bundle
    with pytest.raises(InputError, match=r"ends with \.html or \.json"):
        explorer.save(tmp_path / "x.pdf")


def test_executed_notebooks_hold_one_line(explorer, monkeypatch):
    monkeypatch.setenv("ANCHORS_HEADLESS", "1")
    shown = explorer._repr_mimebundle_()
    assert shown["text/plain"].startswith("Thought-anchor explorer: run this cell in JupyterLab")
    monkeypatch.delenv("ANCHORS_HEADLESS")
    data = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in (data[0] if isinstance(data, tuple) else data)


def test_the_example_in_the_docs_runs(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "explorer.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.S)[0]
    store(tmp_path / "rollouts.db").close()
    monkeypatch.chdir(tmp_path)
    names = {"case": CASE}
    exec(compile(code, "docs/explorer.md", "exec"), names)
    assert names["explorer"].selected == 1
    assert (tmp_path / "page.html").is_file()
