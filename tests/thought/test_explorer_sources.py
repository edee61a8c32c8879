"""What the explorer reads: official folders, released traces, the companion's own, and the command's errors."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from explorer_rollouts import CASE, store

from anchors.companion.errors import InputError, MissingData
from anchors.thought import experiments, official
from anchors.thought.attention import sentence_attention
from anchors.thought.explorer import bundle, examples, measured, sources
from anchors.thought.explorer.__main__ import main
from anchors.thought.reasoner import program
from anchors.thought.rollouts import RolloutStore
from anchors.thought.sentences import shifted
from anchors.thought.studies.ideal import Process
from anchors.thought.suppression import suppression_matrix

ROWS = [
    {"chunk": "Let me count the beans.", "function_tags": ["plan_generation"], "depends_on": [], "accuracy": 0.5,
     "resampling_importance_accuracy": 0.25, "counterfactual_importance_accuracy": -0.2,
     "counterfactual_importance_kl": 1.23456, "overdeterminedness": 0.1},
    {"chunk": "There are </script><b>3</b>.", "function_tags": [], "depends_on": ["0"], "accuracy": 0.75,
     "resampling_importance_accuracy": 0.0, "counterfactual_importance_accuracy": 0.1,
     "counterfactual_importance_kl": 0.0, "overdeterminedness": 0.2},
]  # fmt: skip
IMPACTS = [
    {"source_chunk_idx": 0, "target_impacts": [{"target_chunk_idx": 1, "importance_score": 0.07}]},
    {"source_chunk_idx": 1, "target_impacts": []},
]


@pytest.fixture
def folder(tmp_path):
    """A labelled trace of two sentences in the official layout, with its matrices and resampled sentences."""
    path = tmp_path / "some-model" / "temperature_0.6_top_p_0.95" / "incorrect_base_solution" / "problem_7"
    content = {
        "problem.json": {"problem": "How many?", "gt_answer": "4", "nickname": "Beans"},
        "base_solution.json": {"full_cot": "x", "answer": "3", "is_correct": False},
        "chunks_labeled.json": ROWS, "step_importance.json": IMPACTS, "step_importance_supp.json": IMPACTS,
        "chunks_resampled.json": {"0": ["I count.", "I count.", "Let me count the beans."], "1": []},
    }  # fmt: skip
    for name, value in content.items():
        write(path / name, value)
    return path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def values(trace, key, field="importances"):
    return next(one for one in trace[field] if one["key"] == key)


def test_a_labelled_folder(folder):
    trace = sources.read(folder)["traces"][0]
    assert trace["id"] == "some-model/7/incorrect"
    assert (trace["title"], trace["question"], trace["answer"], trace["given"]) == ("Beans", "How many?", "4", "3")
    assert [s["category"] for s in trace["sentences"]] == ["plan_generation", "unknown"]
    assert [s["depends"] for s in trace["sentences"]] == [[], [0]]
    assert trace["sentences"][1]["text"] == ROWS[1]["chunk"]
    assert values(trace, "counterfactual_accuracy")["values"] == [0.2, -0.1], "+ helps"
    assert values(trace, "counterfactual_kl")["values"] == [1.235, 0]
    assert {one["key"] for one in trace["importances"]} == {
        "counterfactual_kl", "counterfactual_accuracy", "resampling_accuracy", "overdeterminedness",
    }  # fmt: skip
    assert {one["origin"] for one in trace["importances"]} == {"released"}
    assert values(trace, "counterfactual", "links")["rows"] == [[0.07], []]
    assert values(trace, "suppression", "links")["rows"] == [[0.07], []]
    assert trace["alternatives"] == [
        [{"text": "I count.", "count": 2}, {"text": "Let me count the beans.", "count": 1}], [],
    ]  # fmt: skip


def test_counts_behind_stored_shares(folder):
    """0.5 and 0.75 are most precise as 50 and 75 of 100; a share that no count up to 100 gives has no interval."""
    trace = sources.read(folder)["traces"][0]
    assert trace["accuracy"]["n"] == [100, 100]
    assert trace["accuracy"]["low"][0] == pytest.approx(0.4038, abs=1e-4)
    low, high = (values(trace, "resampling_accuracy")[part][0] for part in ("low", "high"))
    assert low < 0.25 < high
    write(folder / "chunks_labeled.json", [row | {"accuracy": 0.123456789} for row in ROWS])
    trace = sources.read(folder)["traces"][0]
    assert trace["accuracy"] == {"values": [0.1235, 0.1235]}
    assert "low" not in values(trace, "resampling_accuracy")


def test_released_sentences_are_embedded_when_asked_for(folder):
    def embed(texts):
        return np.array([[1.0, 0.0] if "ount" in text else [0.0, 1.0] for text in texts])

    trace = sources.read(folder, sources.Reading(embed=embed))["traces"][0]
    assert [one["different"] for one in trace["alternatives"][0]] == [False, False]
    assert trace["alternatives"][0][0] == {
        "text": "I count.", "answer": None, "right": None, "different": False, "similarity": 1, "count": 2,
    }  # fmt: skip


def test_a_tree_and_rollouts_with_forced_answers_beside(tmp_path):
    for kind in ("correct", "incorrect"):
        place = tmp_path / "m" / f"{kind}_base_solution" / "problem_1"
        right = kind == "correct"
        write(place / "base_solution.json", {"solution": "", "answer": "3", "is_correct": right})
        write(place / "chunks.json", {"chunks": ["First we count.", "So it is three."]})
    place = tmp_path / "m" / "correct_base_solution" / "problem_1"
    beside = tmp_path / "m" / "correct_base_solution_forced_answer" / "problem_1"
    write(beside / "base_solution.json", {})
    for k in range(2):
        one = {"chunk_removed": "a", "chunk_resampled": "First we count.", "rollout": "So.", "answer": "3"}
        write(place / f"chunk_{k}/solutions.json", [one | {"is_correct": True}] * 3 + [{"error": "timeout"}])
        write(beside / f"chunk_{k}/solutions.json", [one | {"answer": "4", "is_correct": False}] * 2 + [{"error": ""}])
    reading = sources.Reading(embed=lambda texts: np.eye(len(texts)))
    first, second = sources.read(tmp_path, reading)["traces"]
    assert (first["id"], second["id"]) == ("m/1/correct", "m/1/incorrect")
    assert (first["accuracy"]["values"], first["accuracy"]["n"]) == ([1, 1], [3, 3])
    assert first["forced"]["values"] == [0, 0]
    assert "2 failed rollouts are left out." in first["notes"]
    assert "2 failed rollouts with forced answers are left out." in first["notes"]
    assert "accuracy" not in second


def test_a_problem_folder_anywhere(folder, tmp_path):
    place = folder.rename(tmp_path / "mine")
    assert sources.read(str(place))["traces"][0]["id"] == "mine/incorrect"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("base_solution.json", None, r"base_solution\.json: found no such file"),
        ("chunks_labeled.json", [{"chunk": 3}], "a row without 'chunk'"),
        ("chunks_labeled.json", {}, "a JSON dict; expected a list"),
        ("step_importance.json", [{"source_chunk_idx": 5, "target_impacts": []}, *IMPACTS], ""),
        ("step_importance.json", [{"source": 0}], "KeyError"),
    ],
)
def test_faults_of_a_folder_are_named(folder, name, content, message):
    if content is None:
        (folder / name).unlink()
    else:
        write(folder / name, content)
    if not message:
        assert sources.read(folder)["traces"][0]["links"], "a source without targets says nothing"
        return
    with pytest.raises(InputError, match=message) as caught:
        sources.read(folder)
    assert "problem_7" in str(caught.value)


LABELLED, RESAMPLED, SOLUTION = "chunks_labeled.json", "chunks_resampled.json", "base_solution.json"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (LABELLED, [ROWS[0] | {"function_tags": 5}], "function_tags: 5 is no list"),
        (LABELLED, [ROWS[0] | {"function_tags": "plan"}], "function_tags: 'plan' is no list"),
        (LABELLED, [ROWS[0] | {"function_tags": [5]}, ROWS[1]], "category: found 5"),
        (LABELLED, [ROWS[0] | {"depends_on": 3}], "depends_on: 3 is no list"),
        (LABELLED, [ROWS[0] | {"accuracy": "high"}], "could not convert string to float: 'high'"),
        (LABELLED, [ROWS[0] | {"accuracy": 10**400}], "OverflowError"),
        (LABELLED, [ROWS[0] | {"accuracy": 1.5}, ROWS[1]], "found accuracy 1.5; expected a share from 0 to 1"),
        (LABELLED, [ROWS[0] | {"accuracy": -0.1}, ROWS[1]], "found accuracy -0.1; expected a share from 0 to 1"),
        (SOLUTION, {"solution": None}, "TypeError"),
        (SOLUTION, {"answer": "3", "is_correct": "false"}, "found is_correct 'false'; expected true, false or null"),
        (RESAMPLED, {"0": None}, "row 0: None is no list"),
        (RESAMPLED, {"0": [5]}, r"alternatives\[0\]\[0\].text: found 5"),
        ("step_importance.json", [{"source_chunk_idx": 0, "target_impacts": 3}], "TypeError"),
        ("chunk_0/solutions.json", [5], "found the rollout 5; expected chunk_removed"),
    ],
)
def test_faults_within_a_folder_are_one_line_of_the_command(folder, tmp_path, capsys, name, content, message):
    write(folder / name, content)
    assert main([str(folder), "-o", str(tmp_path / "x.json")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(message, error), error
    assert "7" in error.split("found")[0], "the folder is named"


@pytest.mark.parametrize("chunks", [[1, 2], "abc", 5, None, {"0": "a"}])
def test_sentences_without_labels_are_a_list_of_texts(folder, chunks):
    (folder / LABELLED).unlink()
    write(folder / "chunks.json", {"chunks": chunks})
    with pytest.raises(InputError, match=r"problem_7/chunks\.json: found chunks .*; expected a list of texts"):
        sources.read(folder)


def test_only_earlier_sentences_are_depended_on(folder):
    write(folder / LABELLED, [ROWS[0] | {"depends_on": ["0", "1"]}, ROWS[1] | {"depends_on": ["²", 0, "1", "-1", "x"]}])
    trace = sources.read(folder)["traces"][0]
    assert [s["depends"] for s in trace["sentences"]] == [[], [0]]


def test_what_a_trace_does_not_know_is_null(folder):
    write(folder / LABELLED, [row | {"depends_on": None, "accuracy": None, "function_tags": None} for row in ROWS])
    trace = sources.read(folder)["traces"][0]
    assert "accuracy" not in trace
    assert [(s["category"], s["depends"]) for s in trace["sentences"]] == [("unknown", [])] * 2


@pytest.mark.parametrize("options", [{"seed": -1}, {"bootstrap": -5}, {"seed": 1.5}, {"seed": True}, {"seed": 2**40}])
def test_options_that_are_no_whole_numbers_are_refused(options):
    (name,) = options
    with pytest.raises(InputError, match=f"{name}: found .*; expected a whole number from 0"):
        sources.Reading(**options)
    assert sources.Reading(**{name: np.int64(3)}).counting.seed in (0, 3)


def test_a_released_trace_that_is_not_here_is_said_in_one_line():
    with pytest.raises(MissingData, match=official.TRACES):
        sources.read("4682")


@pytest.mark.needs(official.TRACES)
def test_a_released_trace_is_what_the_official_reader_reads():
    released = sources.read("4682")["traces"][0]
    own = official.released_trace("4682")
    assert [s["text"] for s in released["sentences"]] == list(own.sentences)
    assert [s["category"] for s in released["sentences"]] == list(own.categories)
    assert released["solution"] == "correct"
    close = {"rtol": 1e-3, "atol": 1e-12}
    for method in ("counterfactual", "resampling", "forced"):
        for unit in ("kl", "accuracy"):
            sign = -1 if (method, unit) == ("counterfactual", "accuracy") else 1
            found = values(released, f"{method}_{unit}")["values"]
            np.testing.assert_allclose(found, sign * own.labels[f"{method}_importance_{unit}"], **close)
    np.testing.assert_allclose(released["accuracy"]["values"], own.labels["accuracy"], **close)
    for key in official.KINDS:
        matrix = official.step_importance("4682", key)
        flat = [value for row in values(released, key, "links")["rows"] for value in row]
        np.testing.assert_allclose(np.array(flat, float), matrix[np.triu_indices(len(matrix), 1)], **close)
    counted = sum(one["count"] for one in released["alternatives"][13])
    assert counted <= len(official.resampled_sentences("4682")[13])


@pytest.mark.needs(official.TRACES)
def test_an_incorrect_released_trace_has_no_matrices():
    trace = sources.read("4682/incorrect")["traces"][0]
    assert trace["id"].endswith("/4682/incorrect")
    assert "links" not in trace


def test_a_problem_that_was_not_released_is_refused():
    with pytest.raises(InputError, match="found '17'; expected 2238"):
        sources.read("17")


def test_options_reach_the_companions_own_traces():
    plain = sources.read("reasoner/1", sources.Reading(bootstrap=0))["traces"][0]
    assert all("low" not in one for one in plain["importances"])
    rough = sources.read("reasoner/1", sources.Reading(bootstrap=10))["traces"][0]
    fine = sources.read("reasoner/1")["traces"][0]
    key = "resampling_accuracy"
    assert values(rough, key)["values"] == values(fine, key)["values"] == values(plain, key)["values"]
    assert values(rough, key)["low"] != values(fine, key)["low"]


def test_options_reach_the_recorded_traces(monkeypatch):
    log = examples.methods.rolled(examples.corpus.RECORDED, "laptop", 0, 1, 0)[0]
    found = [examples.recorded(log, measured.Counting(examples.one_hot, n, s)) for n, s in ((0, 0), (10, 0), (10, 1))]
    rows = [one["importances"][3] for one in found]
    assert "low" not in rows[0]
    assert rows[1]["low"] != rows[2]["low"]
    monkeypatch.setattr(examples, "network", lambda reader: None)
    monkeypatch.setattr(examples.whitebox, "fields", lambda *_: {})  # what is read in the network has no intervals
    trace = sources.read("smollm2/0", sources.Reading(bootstrap=0))["traces"][0]
    assert "low" not in values(trace, "resampling_accuracy")


def test_a_specimen_has_measured_and_exact_numbers_and_its_true_graph():
    trace = sources.read("reasoner/1")["traces"][0]
    origins = {(one["key"], one["origin"]) for one in trace["importances"]}
    assert {("resampling_accuracy", "measured"), ("resampling_accuracy_exact", "exact")} <= origins
    keys = {one["key"]: one["origin"] for one in trace["links"]}
    assert keys == {
        "counterfactual": "measured", "counterfactual_exact": "exact", "truth": "exact", "suppression": "measured",
        "attention": "measured",
    }  # fmt: skip
    edges = values(trace, "truth", "links")["rows"]
    true = {(i, i + 1 + k) for i, row in enumerate(edges) for k, value in enumerate(row) if value}
    assert true == {(i, j) for j, s in enumerate(trace["sentences"]) for i in s["depends"]}
    assert {value for row in edges for value in row} == {0, 1}
    assert all(head["rows"] for head in trace["heads"])
    assert any(head["receiver"] for head in trace["heads"])
    accuracy = values(trace, "resampling_accuracy")["values"]
    exact = values(trace, "resampling_accuracy_exact")["values"]
    assert np.abs(np.array(accuracy) - np.array(exact)).max() < 0.35


def test_a_case_with_the_model_that_is_looked_into(tmp_path):
    """A store that the process filled: its forced answers are found by their suffix, the network gives the rest."""
    case, own = examples.specimen(2, 0)
    writer, model = Process([own.problem]), examples.network("reasoner")
    with RolloutStore(tmp_path / "r.sqlite") as found:
        experiments.resample(writer, case, found, examples.SAMPLING, range(20))
        experiments.force(writer, case, found, examples.FORCED, range(20), program.FORCED_SUFFIX)
        trace = sources.read(found, sources.Reading((case,), embed=examples.one_hot, model=model))["traces"][0]
    assert trace["model"] == "process"
    assert trace["forced"]["n"] == trace["accuracy"]["n"] == [20] * (len(own.sentences) + 1)
    assert {one["key"] for one in trace["links"]} == {"counterfactual", "suppression", "attention"}
    located = shifted(case.sentences, len(case.prompt))
    effects = suppression_matrix(model, case.prompt + case.text, located, normalise="official")
    flat = [value for row in values(trace, "suppression", "links")["rows"] for value in row]
    np.testing.assert_allclose(flat, effects[np.triu_indices(len(effects), 1)], rtol=1e-3, atol=1e-4)
    matrices = sentence_attention(model, case.prompt + case.text, located)
    head = next(one for one in trace["heads"] if (one["layer"], one["head"]) == (1, 0))
    assert head["rows"][0][1] == pytest.approx(matrices[1, 0, 2, 0], rel=1e-3)
    assert head["received"][0] == pytest.approx(matrices[1, 0, 2:, 0].mean(), rel=1e-3)


@pytest.mark.slow
def test_a_recorded_trace_of_smollm2():
    trace = sources.read("smollm2/0")["traces"][0]
    assert trace["id"] == "SmolLM2-135M-Instruct/0-1/correct"
    assert trace["accuracy"]["values"][0] == pytest.approx(0.239, abs=1e-3)
    assert {one["key"] for one in trace["links"]} == {"counterfactual", "suppression", "attention"}
    assert sum("rows" in head for head in trace["heads"]) == sum(head["receiver"] for head in trace["heads"]) == 16
    assert "alternatives" not in trace


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.json", "found 'nowhere.json', no such file or folder; expected a bundle"),
        ("reasoner/correct", "expected reasoner/<number>"),
        ("4682/3", "expected <problem>/correct"),
        (3, "source: found int"),
        (CASE, r"Explorer\(store, cases=case\)"),
    ],
)
def test_sources_that_are_none(source, message):
    with pytest.raises(InputError, match=message):
        sources.read(source)


def test_a_folder_with_bundles(tmp_path):
    for name in ("a", "b"):
        bundle.save(bundle.bundle([bundle.trace(name, ["one"], ["unknown"])]), tmp_path / f"{name}.json")
    assert [t["id"] for t in sources.read(tmp_path)["traces"]] == ["a", "b"]


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="a folder with none"):
        sources.read(tmp_path)


def test_other_databases_and_tables_are_refused(tmp_path):
    import pandas as pd

    pd.DataFrame({"model": ["x"]}).to_parquet(tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_bytes(b"PAR1 not really")
    (tmp_path / "z.sqlite").write_bytes(b"something else")
    for name, message in (("x", "no column 'problem'"), ("y", "rollouts as Parquet"), ("z", "another format")):
        path = next(tmp_path.glob(f"{name}.*"))
        with pytest.raises(InputError, match=message):
            sources.read(path, sources.Reading((CASE,)))


@pytest.fixture
def saved(tmp_path):
    """A bundle in a file."""
    return bundle.save(bundle.bundle([bundle.trace("a", ["</script>one"], ["unknown"])]), tmp_path / "mine.json")


def test_the_command_writes_a_page(saved, tmp_path, capsys):
    out = tmp_path / "page.html"
    assert main([str(saved), "-o", str(out), "--title", "Mine <b>"]) == 0
    assert capsys.readouterr().out.startswith(f"written: {out} (1 trace, 0.")
    text = out.read_text(encoding="utf-8")
    assert "<title>Mine &lt;b&gt; – Anchors</title>" in text
    assert "\\u003c/script>one" in text
    assert list(tmp_path.glob(".*part")) == []


def test_the_command_writes_a_bundle_of_several_sources(saved, tmp_path):
    out = tmp_path / "both.json"
    assert main([str(saved), str(saved), "-o", str(out)]) == 0
    assert [t["id"] for t in bundle.load(out)["traces"]] == ["a", "a (2)"]


@pytest.mark.slow
def test_the_command_reads_a_store_with_its_cases(tmp_path):
    store(tmp_path / "r.sqlite").close()
    names = ("problem", "prompt", "text", "right")
    write(tmp_path / "cases.json", [{name: getattr(CASE, name) for name in names}])
    out = tmp_path / "x.json"
    assert main([str(tmp_path / "r.sqlite"), "--cases", str(tmp_path / "cases.json"), "-o", str(out)]) == 0
    assert bundle.load(out)["traces"][0]["accuracy"]["values"] == [0.6, 0.9, 1, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "-o", "x.html"], "error: source: found 'nowhere', no such file or folder"),
        (["reasoner", "-o", "x.txt"], "error: -o: found x.txt; expected a name that ends with .html or .json"),
        (["reasoner", "-o", "x.html", "--cases", "none.json"], "error: none.json: found no such file"),
        (["reasoner/0", "-o", "x.html", "--seed", "-1"], "error: seed: found -1; expected a whole number from 0"),
        (["4682", "-o", "x.html", "--bootstrap", "-5"], "error: bootstrap: found -5; expected a whole number from 0"),
        (["reasoner/99999999999999999999", "-o", "x.html"], "error: source: found 'reasoner/99999999999999999999'"),
    ],
)
def test_errors_of_the_command_are_one_line(words, message, capsys):
    assert main(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_cases_that_are_none(tmp_path):
    write(tmp_path / "cases.json", [{"problem": "p", "prompt": "q", "text": "t"}])
    with pytest.raises(InputError, match="case 0: found"):
        sources.read_cases(tmp_path / "cases.json")


def test_the_command_as_a_process(saved, tmp_path):
    words = [sys.executable, "-m", "anchors.thought.explorer", str(saved), "-o", str(tmp_path / "nowhere" / "p.html")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    words[-1] = "/proc/x.html"
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: /proc/x.html: cannot be written")
