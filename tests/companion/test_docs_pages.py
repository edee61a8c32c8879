"""The docs: their links and names lead somewhere, what they say of defaults is so, the example of hashing runs."""

import importlib
import re

import pytest

from anchors.companion.docs import render, slug
from anchors.companion.paths import PAPERS, ROOT
from anchors.companion.place import Place, docs

PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


def slugs(text):
    """Return the anchors of a page's headings, as they are made of them."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


def known(name):
    """Return whether a dotted name is a module, or something in one."""
    module, _, last = name.rpartition(".")
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), last)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_files_and_modules_exist(page):
    text = TEXTS[page.name]
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            name, _, part = target.partition("#")
            file = page.parent / name if name else page
            assert file.is_file(), target
            assert not part or part in slugs(file.read_text(encoding="utf-8")), target
    paths = re.findall(r"`((?:data|anchors|tests|notebooks|docs)/[\w./-]+\w)`", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    assert [name for name in re.findall(r"`(anchors(?:\.\w+)+)`", text) if not known(name)] == []
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make (\w+)", text, re.M)) <= targets


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in PAPERS], ids=lambda page: page.stem)
def test_pages_of_papers_have_one_outline(page):
    text = TEXTS[page.name]
    assert "arXiv" in text
    first = text.index("\n## ")
    assert "**What is sourced.**" in text[:first]
    assert re.search(r"\*\*What is (not|reconstructed)\.\*\*", text[:first])
    assert re.search(r"^## (Your|A rubric)", text, re.M)


def test_every_paper_has_a_page_and_the_readme_names_all_pages():
    assert {page.stem for page in PAGES} >= {*PAPERS, "scaling", "adding_a_figure"}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in TEXTS if f"docs/{name}" not in readme] == []


def test_python_in_the_shared_pages_can_be_read_and_imports_what_exists():
    for name in ("scaling.md", "hashing.md"):
        for code in re.findall(r"```python\n(.*?)```", TEXTS[name], re.S):
            compile(code, name, "exec")
            for module, what in re.findall(r"^from (anchors\S*) import (\w+)", code, re.M):
                assert known(f"{module}.{what}")


def test_the_example_of_hashing_finds_what_belongs_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(re.findall(r"```python\n(.*?)```", TEXTS["hashing.md"], re.S)[0], "docs/hashing.md", "exec"), names)
    assert names["database"].shape == (600, 4)
    assert names["found"] > 10 * 10 / 600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.npz"]


def test_the_switches_of_hashing_are_said_with_their_defaults():
    from anchors.hashing import RREH

    table = TEXTS["hashing.md"].split("## The open choices are switches")[1].split("\n## ")[0]
    said = dict(re.findall(r"`(\w+)=([^`]+)`", table))
    assert len(said) >= 15
    defaults = RREH().get_params()
    assert {name: eval(value) for name, value in said.items()} == {name: defaults[name] for name in said}


def page_of(path, site=True):
    return render(path, Place(ROOT / "figures" if not site else ROOT / "_site", site=site))


@pytest.mark.parametrize("path", docs(), ids=lambda path: path.name)
def test_every_text_becomes_a_page(path):
    title, body = page_of(path)
    text = path.read_text(encoding="utf-8")
    headings = (
        re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M) if path.suffix == ".md" else []
    )
    assert title == (headings[0] if headings else path.stem)
    plain = [re.sub(r"[`*_]", "", one) for one in headings]
    anchors = re.findall(r'<h[1-6] id="([^"]+)"', body)
    assert [re.sub(r"-\d$", "", one) for one in anchors] == [re.sub(r"-\d$", "", slug(one)) for one in plain]
    assert len(set(anchors)) == len(anchors)
    assert body.count("<table>") == len(re.findall(r"^\|[ :|-]*---[ :|-]*\|$", text, re.M))
    assert body.count("<pre") == text.count("```") // 2 + (path.suffix != ".md")
    assert "](" not in re.sub(r"<pre.*?</pre>|<code>.*?</code>", "", body, flags=re.S)
    assert not re.search(r'(?:src|href)="(?:/|file:|[^"]*\.md["#])', body)


def test_links_of_texts_lead_to_pages_and_pictures_are_carried():
    _, body = page_of(ROOT / "README.md")
    for link in ("../start.html", "entity.html", "../thought/own_explorer.html", "../hashing/index.html"):
        assert f'href="{link}"' in body or f'href="../docs/{link}"' in body, link
    assert body.count('<img src="data:image/png;base64,') == 5
    assert "notebooks/" not in "".join(re.findall(r'href="([^"]*)"', body))


def test_code_in_texts_is_coloured_and_tags_are_shown_not_run(tmp_path):
    path = tmp_path / "a.md"
    path.write_text(
        "# A\n\n<script>alert(1)</script>\n\n```python\nfor x in y: pass\n```\n\n[no](no.md) ![no](https://x.org/a.png)"
    )
    title, body = page_of(path)
    assert title == "A"
    assert "<script>" not in body
    assert '<span class="k">for</span>' in body
    assert "<a" not in body
    assert "<img" not in body
