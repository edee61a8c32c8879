"""What a page says of where its numbers come from is read off the code: functions with lines, modules, tests."""

from anchors.companion import pages, sources
from anchors.companion.notebooks import notebooks
from anchors.companion.paths import ROOT

CODE = """
from anchors.companion.results import Run
from anchors.hashing import plots, trials
from anchors.hashing.codes import hamming, pack as packed
from anchors.hashing.studies import fig_none, metric_audit as study
run = Run("hashing/x", profile="laptop", seed=0)
table = study.compute(1)
figure = plots.no_such_function(table)
study.compute(2), packed(hamming(table, table))
"""


def test_functions_are_found_where_they_are_defined_each_once_in_order():
    found = {call.name: call for call in sources.calls(CODE)}
    assert next(iter(found)) == "study.compute"
    defined = {"study.compute": "compute", "packed": "pack", "hamming": "hamming"}
    assert set(found) == set(defined)
    for name, call in found.items():
        assert call.path.read_text().splitlines()[call.line - 1].startswith(f"def {defined[name]}(")


def test_modules_are_those_of_papers_and_models_the_imported_ones_first():
    found = sources.modules(CODE)
    names = [str(module.path.relative_to(ROOT / "anchors")) for module in found]
    direct = {name for name, module in zip(names, found, strict=True) if module.direct}
    assert direct >= {"hashing/plots.py", "hashing/trials.py", "hashing/codes.py", "hashing/studies/metric_audit.py"}
    assert [module.direct for module in found] == sorted((module.direct for module in found), reverse=True)
    assert "hashing/metrics.py" in set(names) - direct, "what an imported module imports counts too"
    assert not any(name.startswith("companion/") for name in names)
    assert len(names) == len(set(names))


def test_tests_are_those_that_import_the_module():
    module = next(m for m in sources.modules(CODE) if m.path.name == "codes.py")
    names = [path.name for path in module.tests]
    assert "test_codes.py" in names
    assert all("anchors.hashing" in path.read_text() for path in module.tests)


def test_a_notebook_page_is_described_reachable_and_linked():
    page = (
        f'<img {pages.NO_ALT} src="x"><div class="output_html a"><table></table></div>'
        '<div class="output_html b"><div style="x" tabindex="0"><table></table></div></div>'
        '<a href="thought/fig2.ipynb">a</a><a href="https://example.org/b.ipynb">b</a><a href="../no/page.py">c</a>'
    )
    mended = pages.mended(page, 'Bars & "dots"', {"thought/fig2.ipynb": "../thought/fig2.html"}.get)
    assert 'alt="Bars &amp; &quot;dots&quot;"' in mended
    assert '<div class="output_html a" tabindex="0"><table>' in mended
    assert '<div class="output_html b"><div style="x" tabindex="0">' in mended
    assert 'href="../thought/fig2.html"' in mended
    assert "<a>c</a>" in mended
    assert 'href="https://example.org/b.ipynb"' in mended


def test_what_is_behind_a_notebook_is_kept_until_a_source_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    some = notebooks()[:2]
    found = sources.behind(some)
    assert set(found) == {one.id for one in some}
    assert all((ROOT / one["path"]).is_file() for of in found.values() for one in of["modules"] + of["calls"])
    monkeypatch.setattr(sources, "_behind", lambda code: {"calls": [], "modules": []})
    assert sources.behind(some) == found, "read from the cache"
    monkeypatch.setattr(sources, "_stamp", lambda of: "changed")
    assert sources.behind(some) != found
