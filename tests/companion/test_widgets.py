"""The shell of all widgets: state, page, policy, and what a notebook without a reader shows."""

import base64
import hashlib
import json
import re

import pytest

from anchors.companion.errors import InputError
from anchors.companion.paths import ROOT
from anchors.companion.used import recording
from anchors.companion.widgets import Widget

HOSTILE = "</script><script>window.taken = 1</script><!--\u2028"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "made_widget"
    folder.mkdir()
    folder.joinpath("widget.js").write_text("function render({ model, el }) { el.append(model.get('text')); }\n")
    folder.joinpath("widget.css").write_text(".anchors .own { color: var(--ink); }\n")
    return folder


def test_the_page_allows_its_own_script_and_style_and_nothing_else(source):
    page = Widget(source, "Made", text="a").page()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1].replace("&#39;", "'")
    script = re.search(r'<script type="module">(.*?)</script>', page, re.S)[1]
    css = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    for kind, text in (("script", script), ("style", css)):
        value = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{value}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "connect-src" not in policy
    assert "unsafe" not in policy
    assert "render({ model, el" in script


def test_state_enters_the_page_as_data_whatever_it_says(source):
    page = Widget(source, f"Made {HOSTILE}", text=HOSTILE).page(trail=((HOSTILE, "index.html"),), note=HOSTILE)
    assert page.count("<script") == 2
    assert page.count("</script>") == 2
    data = re.search(r'<script type="application/json" id="state">(.*?)</script>', page, re.S)[1]
    assert json.loads(data) == {"text": HOSTILE}


def test_a_number_that_json_does_not_have_is_refused(source):
    with pytest.raises(ValueError, match="JSON"):
        Widget(source, "Made", value=float("nan")).page()


def test_state_is_one_in_python_and_in_the_browser(source):
    widget = Widget(source, "Made", text="a", selected=None)
    widget.set("text", "b")
    assert widget.get("text") == "b"
    assert widget.live.text == "b"
    assert widget.live.live is True
    widget.live.selected = 3  # what the browser does
    assert widget.get("selected") == 3
    widget.set("selected", 4)
    assert widget.live.selected == 4
    with pytest.raises(InputError, match="widget state: found 'txt'"):
        widget.set("txt", "c")


def test_a_notebook_without_a_reader_shows_one_fixed_line(source, monkeypatch):
    monkeypatch.setenv("ANCHORS_HEADLESS", "1")
    shown = Widget(source, "Made <b>", text="a")._repr_mimebundle_()
    assert shown["text/plain"].startswith("Made <b>: run this cell in JupyterLab")
    assert shown["text/html"].startswith("<p>Made &lt;b&gt;: run")
    monkeypatch.delenv("ANCHORS_HEADLESS")
    assert "application/vnd.jupyter.widget-view+json" in Widget(source, "Made", text="a")._repr_mimebundle_()[0]


def test_two_widgets_on_one_page_keep_their_styles(source, tmp_path):
    """anywidget knows a style sheet by the name of the class."""
    other = tmp_path / "other_widget"
    other.mkdir()
    other.joinpath("widget.js").write_text("function render() {}\n")
    other.joinpath("widget.css").write_text("")
    first, second = Widget(source, "A", text="a").live, Widget(other, "B", text="b").live
    assert type(first).__name__ != type(second).__name__


def test_a_page_to_play_with_depends_on_its_scripts_and_styles():
    """They are noted as they are read: a notebook that writes the page runs again when one of them changes."""
    with recording() as used:
        Widget(ROOT / "anchors/thought/explorer", "Explorer", text="a").page()
    assert {"anchors/thought/explorer/widget.js", "anchors/thought/explorer/widget.css"} <= used.files
    assert {f"anchors/companion/web/{name}" for name in ("page.js", "page.css", "base.css", "dom.js")} <= used.files
