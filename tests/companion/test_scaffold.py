"""`make new` in a copy of the package: what it writes builds, is in the gallery, and keeps the rules of the house."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from anchors.companion import scaffold
from anchors.companion.errors import AnchorsError, InputError
from anchors.companion.notebooks import Notebook
from anchors.companion.paths import PAPERS, ROOT
from anchors.companion.published import paper


@pytest.fixture
def copy(tmp_path):
    """Return a function that runs ``python -m anchors`` in a copy of the package with no notebook in it."""
    shutil.copytree(ROOT / "anchors", tmp_path / "anchors", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data/published", tmp_path / "data/published")
    shutil.copy(ROOT / "data/datasets.yml", tmp_path / "data")
    environment = {k: v for k, v in os.environ.items() if k not in ("ANCHORS_NOTEBOOKS", "ANCHORS_FIGURES")}
    environment |= {"PYTHONPATH": str(tmp_path), "ANCHORS_CACHE": str(tmp_path / "cache"), "ANCHORS_OFFLINE": "1"}

    def run(*words):
        done = subprocess.run(
            [sys.executable, "-m", "anchors", *words], cwd=tmp_path, env=environment, text=True, capture_output=True
        )
        return done.returncode, done.stdout + done.stderr

    run.folder = tmp_path
    return run


@pytest.mark.slow
def test_a_new_notebook_builds_as_it_is_and_appears_in_the_gallery(copy):
    code, said = copy("new", "--id", "hashing/own_coin_toss")
    assert code == 0, said
    assert re.findall(r"make (\w+)", said) == ["lab", "figure", "refresh"]
    code, said = copy("figures", "--id", "hashing/own_coin_toss")
    assert code == 0, said
    result = json.loads((copy.folder / "figures/hashing/own_coin_toss.json").read_text())
    assert result["title"] == "Coin toss"
    assert result["rows"][0]["seeds"] == 8
    low, high = result["rows"][0]["low"], result["rows"][0]["high"]
    assert result["verdict"]["kind"] == ("holds" if low <= 1 <= high else "does not hold")
    page = (copy.folder / "figures/index.html").read_text()
    assert page.count("<article ") == 1
    assert 'id="hashing/own_coin_toss"' in page
    assert "anchors/hashing/studies/coin_toss.py" in (copy.folder / "figures/hashing/own_coin_toss.html").read_text()

    code, said = copy("refresh")
    assert "hashing/own_coin_toss: refreshed" in said
    cells = json.loads((copy.folder / "notebooks/hashing/own_coin_toss.ipynb").read_text())["cells"]
    assert sum(bool(cell.get("outputs")) for cell in cells) >= 4

    code, said = copy("new", "--id", "hashing/own_coin_toss")
    assert (code, len(said.splitlines())) == (2, 1)
    assert "is there; expected a new name" in said


@pytest.mark.parametrize("key", PAPERS)
def test_the_notebook_follows_the_layout_of_every_paper(tmp_path, monkeypatch, key):
    monkeypatch.setattr(scaffold, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    id = f"{key}/own_idea"
    scaffold.write(id)
    notebook = Notebook(id, tmp_path / "notebooks" / key / "own_idea.ipynb")
    kinds, sources = [c["cell_type"] for c in notebook.cells], [c["source"] for c in notebook.cells]
    assert len(kinds) == 9
    assert (kinds[0], *kinds[-2:]) == ("markdown", "markdown", "code")
    assert "**Claim.**" in sources[0]
    assert f"arXiv {paper(key).arxiv}" in sources[0]
    assert ("reconstructed" in sources[0]) == paper(key).reconstructed
    assert sources[2].startswith('profile: str = "laptop"')
    assert sources[3].startswith(f'run = Run("{id}", profile=profile, seed=seed')
    assert sources[-2].startswith("**Reading.**")
    assert sources[-1].startswith("run.save(rows, verdict, figure=figure")
    assert {p.name: p.default for p in notebook.parameters.values()} == {"profile": "laptop", "seed": 0, "draws": 200}
    assert notebook.expected("laptop") == scaffold.SECONDS
    assert (tmp_path / "anchors" / key / "studies/idea.py").is_file()


def test_the_study_counts_right(monkeypatch, tmp_path):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    names = {"__name__": "anchors.study"}
    exec((scaffold.TEMPLATES / "new_study.txt").read_text(), names)
    rows, verdict = names["summarise"](names["pd"].DataFrame({"mean": [0.5, 1.5] * 4, "draws": 10}))
    assert (rows[0].measured, rows[0].seeds, rows[0].n, verdict.kind) == (1.0, 8, 10, "holds")
    rows, verdict = names["summarise"](names["pd"].DataFrame({"mean": [2.0, 2.1] * 4, "draws": 10}))
    assert verdict.kind == "does not hold"
    assert names["measure"](3, 4) == names["measure"](3, 4) != names["measure"](4, 4)


WRONG = (
    "", "hashing", "own_idea", "painting/own_idea", "hashing/../own", "hashing/Own Idea", "hashing/own__x",
    "hashing/own_x\n",
)  # fmt: skip


@pytest.mark.parametrize("id", WRONG)
def test_an_ill_formed_id_is_refused_in_one_line(id):
    said = r"ID: found .*; expected thought \| .* make new ID=hashing/own_idea\.$"
    with pytest.raises(InputError, match=said) as caught:
        scaffold.write(id)
    assert "\n" not in str(caught.value)


def test_a_taken_id_leaves_everything_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(scaffold, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    study = tmp_path / "anchors/thought/studies/idea.py"
    study.parent.mkdir(parents=True)
    study.write_text("mine")
    with pytest.raises(InputError, match=r"idea\.py is there"):
        scaffold.write("thought/own_idea")
    assert study.read_text() == "mine"
    assert not (tmp_path / "notebooks").exists()


def test_half_a_figure_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    monkeypatch.setattr(scaffold, "NOTEBOOKS", tmp_path / "notebooks")
    (tmp_path / "notebooks").touch()
    with pytest.raises(AnchorsError, match="cannot be written"):
        scaffold.write("hashing/own_idea")
    assert not [path for path in (tmp_path / "anchors").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "id", ["hashing/" + "a" * 300, "hashing/a\n", "hashing/a\x00", "hashing/../x", "$(id)/x", "a" * 9_000]
)
def test_an_id_that_names_no_file_is_one_short_line(id):
    with pytest.raises(InputError, match=r"^ID: found .*; expected thought \| ") as told:
        scaffold.write(id)
    assert len(str(told.value)) < 260
    assert str(told.value).isprintable()
