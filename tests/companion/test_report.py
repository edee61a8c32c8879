"""What cards show of a result – built here, on less data, committed – and that only pages that changed are written."""

import json
import re
import shutil

import pytest

from anchors.companion import inputs, report, reproduction, results, site
from anchors.companion.cards import BUILT, COMMITTED, REDUCED, card, thumb
from anchors.companion.errors import InputError
from anchors.companion.files import sha256
from anchors.companion.notebooks import Notebook
from anchors.companion.paths import ROOT, figures_dir
from anchors.companion.place import Place
from anchors.companion.press import Press
from anchors.companion.report import write_gallery
from anchors.companion.runner import Task

ID = "hashing/fig_topn"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Figures and cache of a companion in which nothing was built; bodies of notebooks and pictures take no time."""
    monkeypatch.setattr(report, "body", lambda notebook, alt, link: f"<h1>{notebook.stem}</h1>")
    monkeypatch.setattr(report, "thumb", lambda path: {})
    monkeypatch.setenv("ANCHORS_FIGURES", str(tmp_path / "figures"))
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path / "cache"))
    return figures_dir()


def build(notebook, values=None):
    """Leave behind what a build leaves: results, executed copy and state."""
    task = Task(notebook, "laptop", {})
    result = json.loads((ROOT / "figures" / f"{notebook.id}.json").read_text(encoding="utf-8"))
    for path in (task.stem, task.executed, task.state):
        path.parent.mkdir(parents=True, exist_ok=True)
    path = task.stem.with_name(f"{task.stem.name}.json")
    path.write_text(json.dumps(result | (values or {})), encoding="utf-8")
    shutil.copy(ROOT / "figures" / f"{notebook.id}.png", task.stem.with_name(f"{task.stem.name}.png"))
    shutil.copy(notebook.path, task.executed)
    used = inputs.asked(notebook, task.values) | inputs.kernel(notebook)
    made = {"executed": sha256(task.executed), "prose": inputs.prose(notebook), "files": {"json": sha256(path)}}
    state = {"inputs": used, "seconds": 1, **made}
    task.state.write_text(json.dumps(state), encoding="utf-8")
    return path


def shown(notebook, folder):
    return card(notebook, Place(folder), {})


def lacks(monkeypatch, words="names instead of descriptions"):
    monkeypatch.setattr(Notebook, "lacking", property(lambda one: {"umls_texts": words} if one.id == ID else {}))


def test_a_figure_not_built_is_shown_as_committed(folder):
    notebook = Notebook.find(ID)
    found = shown(notebook, folder)
    assert (found["state"], found["origin"]) == (COMMITTED, "committed result · not built here yet")
    assert found["verdict"] == results.load(ROOT / "figures" / f"{ID}.json")["verdict"]["kind"]
    assert found["version"].notebook == notebook.path
    assert found["about"] == {}


def test_a_figure_whose_data_are_missing_says_so(folder, monkeypatch):
    monkeypatch.setattr(Notebook, "missing", property(lambda one: ["wiki"] if one.id == ID else []))
    found = shown(Notebook.find(ID), folder)
    assert found["origin"] == "committed result · data not here"
    write_gallery()
    text = (folder / f"{ID}.html").read_text(encoding="utf-8")
    for words in ("committed result · data not here", "<code>wiki</code>", f"make figure ID={ID}", "built elsewhere"):
        assert words in text


def test_what_was_built_here_is_shown_with_what_was_noted_of_it(folder):
    notebook = Notebook.find(ID)
    path = build(notebook)
    about = results.about_path(ID, "laptop")
    about.write_text(json.dumps({"commit": "abc", "code": "def", "created": "today", "device": "2 cores",
                                 "seconds": 7.0, "versions": {"numpy": "2"}}), encoding="utf-8")  # fmt: skip
    found = shown(notebook, folder)
    assert (found["state"], found["stale"], found["beside"]) == (BUILT, False, None)
    assert found["about"]["commit"] == "abc"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")  # another hand wrote there
    assert shown(notebook, folder)["state"] == COMMITTED


def test_what_was_built_before_a_change_is_out_of_date(folder, monkeypatch):
    notebook = Notebook.find(ID)
    build(notebook)
    assert shown(notebook, folder)["stale"] is False
    monkeypatch.setattr(Notebook, "code_cells", property(lambda one: ["changed"]))
    assert (shown(notebook, folder)["state"], shown(notebook, folder)["stale"]) == (BUILT, True)


def test_on_less_data_the_committed_result_stays_beside(folder, monkeypatch):
    lacks(monkeypatch)
    notebook = Notebook.find(ID)
    assert shown(notebook, folder)["origin"] == "committed result · not built here yet"
    path = build(notebook, {"verdict": {"kind": "mixed", "text": "less", "claims": {}}})
    assert path == folder / "_reduced" / f"{ID}.json"
    found = shown(notebook, folder)
    assert (found["state"], found["verdict"]) == (REDUCED, "mixed")
    assert found["origin"] == "built here without umls_texts"
    assert (found["beside"]["state"], found["beside"]["verdict"]) == (COMMITTED, "does not hold")
    write_gallery()
    page = (folder / f"{ID}.html").read_text(encoding="utf-8")
    assert "names instead of descriptions" in page
    assert 'href="fig_topn.committed.html"' in page
    assert "committed result" in (folder / f"{ID}.committed.html").read_text(encoding="utf-8")
    assert (folder / "index.html").read_text(encoding="utf-8").count(f'href="{ID}.committed.html"') == 1


def test_only_pages_whose_inputs_changed_are_written(folder):
    index = write_gallery()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")}
    assert {"index.html", "reproduction.html", "fig_topn.html", "rubric.html"} <= {path.name for path in before}
    write_gallery()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")} == before
    build(Notebook.find(ID))
    write_gallery()
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.html")}
    assert {path for path in after if after[path] != before[path]} == {
        index, folder / "hashing" / "index.html", folder / f"{ID}.html"
    }  # fmt: skip


def test_a_press_writes_what_is_missing_or_was_changed_and_removes_what_is_no_longer_made(folder):
    def written(*names, shown="a"):
        press = Press(folder, "test")
        for name in names:
            press.page(name, "start.html.j2", shown, lambda: {"title": "t", "trail": [], "body": "b"})
        press.close()
        return press.rendered

    assert [written("a.html", "b.html"), written("a.html", "b.html")] == [2, 0]
    (folder / "a.html").write_text("x", encoding="utf-8")
    (folder / "b.html").unlink()
    assert written("a.html", "b.html") == 2
    assert written("a.html", "b.html", shown="c") == 2
    assert written("a.html", shown="c") == 0
    assert not (folder / "b.html").exists()


def test_the_page_on_reproduction_shows_what_moved(folder):
    rows = [
        {"quantity": "a share", "state": "outside", "committed": [0.5, 0.4, 0.6], "fresh": [0.7, 0.65, 0.75]},
        {"quantity": "a count", "state": "identical", "committed": [3, None, None], "fresh": [3, None, None]},
        {"quantity": "a new one", "state": "outside", "committed": None, "fresh": [1.0, None, None]},
    ]
    one = {"id": ID, "state": "outside", "line": "", "note": "", "counts": {"identical": 1, "outside": 2}, "rows": rows}
    found = {"line": "1 of 3 numbers identical", "counts": one["counts"], "built": 1, "figures": [one]}
    write_gallery()
    assert "Nothing was compared here yet" in (folder / "reproduction.html").read_text(encoding="utf-8")
    path = reproduction.path_of("laptop")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(found), encoding="utf-8")
    write_gallery()
    text = (folder / "reproduction.html").read_text(encoding="utf-8")
    assert re.search(r"a share</td><td>0.5 <span.*?0.4 to 0.6</span></td><td>0.7", text)
    assert re.search(r"a new one</td><td>no such row</td><td>1</td>", text)
    assert "a count" not in text
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert "1 of 3 numbers identical" in index
    assert index.count('data-compared="outside"') == 1


def test_a_site_is_not_written_over_other_files(tmp_path):
    (tmp_path / "own.txt").write_text("mine", encoding="utf-8")
    for folder in (tmp_path, ROOT, ROOT.parent, ROOT / "docs"):
        with pytest.raises(InputError, match="an empty or new folder"):
            site.write_site(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["own.txt"]


def test_damaged_files_are_not_shown(folder):
    path = build(Notebook.find(ID))
    assert thumb(path.with_suffix(".png"))["width"] <= 680
    path.with_suffix(".png").write_bytes(b"\x89PNG damaged")
    assert thumb(path.with_suffix(".png")) == {}
    path.write_text("{", encoding="utf-8")
    assert shown(Notebook.find(ID), folder)["state"] == COMMITTED
