"""A build says what runs when nothing has ended for a while; a page to play with belongs to a notebook's results."""

import time
from queue import Queue
from threading import Event, Timer
from types import SimpleNamespace

import pytest

from anchors.companion import runner


def test_silence_is_broken_and_every_outcome_comes_once(monkeypatch):
    monkeypatch.setattr(runner, "HEARTBEAT", 0.05)
    monkeypatch.setattr(runner, "POLL", 0.01)
    said, ended, stop = [], Queue(), Event()
    outcomes = [runner.Outcome(id, "ran") for id in ("hashing/a", "hashing/b")]
    ended.put(outcomes[0])
    Timer(0.4, ended.put, [outcomes[1]]).start()
    found = [runner.next_outcome(ended, stop, lambda: said.append(time.perf_counter())) for _ in outcomes]
    assert found == outcomes
    assert 2 <= len(said) <= 8
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        runner.next_outcome(ended, stop, said.clear)


def test_one_worker_takes_the_longest_the_others_the_shortest(monkeypatch):
    tasks = [SimpleNamespace(id=name, cost=cost) for name, cost in (("b", 2), ("d", 9), ("a", 1), ("c", 5))]
    ran = []

    def run(task, started):
        ran.append(task.id)
        time.sleep(task.cost / 20)
        return runner.Outcome(task.id, "ran")

    monkeypatch.setattr(runner, "expected_seconds", lambda task: task.cost)
    monkeypatch.setattr(runner, "_run", run)
    assert {one.id for one in runner._run_all(tasks, 2, print)} == set("abcd")
    assert set(ran[:2]) == {"a", "d"}
    assert ran[2:] == ["b", "c"]


def test_the_line_names_what_runs_and_since_when(monkeypatch):
    tasks = [SimpleNamespace(id="hashing/a"), SimpleNamespace(id="hashing/b"), SimpleNamespace(id="hashing/c")]
    monkeypatch.setattr(runner, "expected_seconds", lambda task: 68 if task.id == "hashing/a" else None)
    now = time.perf_counter()
    line = runner._still_running(tasks, {"hashing/b": now - 5, "hashing/a": now - 60})
    assert line == "still running: hashing/a 60 s (expected 68 s), hashing/b 5 s"


@pytest.mark.slow
def test_a_page_to_play_with_is_a_result_like_the_others(sandbox):
    folder = sandbox.folder / "toy"
    folder.mkdir()
    (folder / "widget.js").write_text("function render({ model, el }) { el.append(h('p', {}, model.get('word'))); }")
    (folder / "widget.css").write_text("")
    toy = f"from anchors.companion.widgets import Widget\nvalue, toy = scale, Widget('{folder}', 'Toy', word='hello')"
    save = "run.save([Row('value', value, seeds=1)], Verdict('measured', 'a number'), figure=figure"
    sandbox.add("fig_a", toy, save=f"{save}, play=toy)")
    code, text = sandbox.run("figures")
    assert code == 0, text
    page, index = sandbox.figures / "hashing/fig_a.play.html", sandbox.figures / "index.html"
    assert "hello" in page.read_text()
    assert index.read_text().count("hashing/fig_a.play.html") == 2  # on top and on its card
    assert "One thing to play with" in index.read_text()
    page.unlink()
    assert " ran" in sandbox.run("figures")[1]
    assert page.is_file()
    sandbox.add("fig_a", "value = scale")
    sandbox.run("figures")
    assert not page.exists()
    assert "fig_a.play.html" not in index.read_text()
