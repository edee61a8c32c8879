"""The rules of the house: who may import whom, what maths may touch, what importing costs, what a notebook may hold."""

import ast
import subprocess
import sys

import pytest

from anchors.companion.codehash import imports
from anchors.companion.commit_rules import notebook_faults
from anchors.companion.notebooks import Notebook, notebooks
from anchors.companion.paths import NOTEBOOKS, PAPERS, ROOT
from anchors.companion.published import paper

MODULES = sorted((ROOT / "anchors").rglob("*.py"))
IDS = [notebook.id for notebook in notebooks()]
DATA_LAYER = {
    "views.py",
    "emoji_views.py",
    "loaders.py",
    "trials.py",
    "recorded_runs.py",
    "estimator.py",
    "retrieval.py",
    "official.py",
    "rollouts.py",
    "experiments.py",
    "store.py",
    "training.py",
}
WORKSHOPS = {*PAPERS, "studies", "reasoner"}


def name_of(path):
    return str(path.relative_to(ROOT).with_suffix("")).replace("/", ".")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_who_imports_whom(path):
    parts = path.relative_to(ROOT / "anchors").parts
    used = {name.split(".")[1] for name in imports(path.read_text()) if "." in name} - {"__version__"}
    if parts[0] == "companion":
        assert used <= {"companion"}, "the companion knows nothing of any paper"
    elif parts[0] == "models":
        assert used <= {"companion", "models"}
    elif parts[0] in PAPERS:
        assert used <= {"companion", "models", parts[0]}, "a paper never imports another paper"


@pytest.mark.parametrize("path", [p for p in MODULES if p.parts[-2] in WORKSHOPS], ids=name_of)
def test_maths_does_not_draw_print_or_read(path):
    tree = ast.parse(path.read_text())
    imported = {
        alias.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    } | {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    calls = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    if not path.stem.endswith(("plots", "plot")):
        assert not imported & {"matplotlib", "seaborn"}
    if path.name not in DATA_LAYER and path.stem != "scaling":  # scaling measures fits in processes of their own
        assert not calls & {"open", "print"}


def test_importing_is_cheap():
    """No heavy library is loaded by importing the package or its light parts (the time is in benchmarks/)."""
    heavy = ["torch", "transformers", "matplotlib", "pandas", "sklearn", "scipy", "faiss", "dask", "numpy"]
    light = "anchors, anchors.hashing, anchors.thought, anchors.entity, anchors.rubric, anchors.companion.cli"
    code = f"import sys, {light}; print([m for m in %r if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_the_estimator_has_a_short_name():
    import anchors.hashing
    from anchors.hashing.rreh import RREH

    assert anchors.hashing.RREH is RREH
    with pytest.raises(AttributeError, match="RREHH"):
        anchors.hashing.RREHH  # noqa: B018


def test_nothing_is_unpickled():
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                words = ast.unparse(node.func)
                assert not words.endswith(("pickle.load", "pickle.loads", "joblib.load", "read_pickle")), path
                if words.endswith("torch.load"):
                    assert "weights_only=True" in ast.unparse(node), path
                if words.endswith(("np.load", "numpy.load")):
                    assert "allow_pickle=False" in ast.unparse(node), path


def test_there_are_notebooks():
    assert len(IDS) >= 13


@pytest.mark.parametrize("id", IDS)
def test_notebook_follows_the_fixed_order(id):
    notebook = Notebook.find(id)
    kinds = [cell["cell_type"] for cell in notebook.cells]
    assert 6 <= len(kinds) <= 10
    assert kinds[0] == "markdown"
    assert kinds[-2:] == ["markdown", "code"]
    first, sources = notebook.cells[0]["source"], [cell["source"] for cell in notebook.cells]
    record = paper(id.split("/")[0])
    assert "**Claim.**" in first
    assert f"arXiv {record.arxiv}" in first
    assert ("reconstructed" in first) == record.reconstructed
    assert sources[2].startswith('profile: str = "laptop"')
    assert notebook.cells[2]["metadata"]["tags"] == ["parameters"]
    assert sources[3].startswith(f'run = Run("{id}", profile=profile, seed=seed')
    assert sources[-2].startswith("**Reading.**")
    assert sources[-1].startswith("run.save(rows, verdict, figure=figure")


@pytest.mark.parametrize("id", IDS)
def test_notebook_is_annotated_and_thin(id):
    notebook = Notebook.find(id)
    assert {"profile", "seed"} <= set(notebook.parameters)
    assert all(parameter.help for parameter in notebook.parameters.values())
    assert notebook.title
    assert notebook.claim
    assert notebook.expected("laptop") is not None, "run make figures, then note the seconds in the metadata"
    tree = ast.parse(notebook.code)
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    assert all(n.end_lineno - n.lineno <= 5 for n in ast.walk(tree) if isinstance(n, ast.For | ast.While))


@pytest.mark.parametrize("id", IDS)
def test_notebook_has_committed_outputs_and_no_trace_of_a_machine(id):
    assert notebook_faults(Notebook.find(id).node) == []


def test_every_committed_result_belongs_to_a_notebook():
    found = {
        path.relative_to(ROOT / "figures").with_suffix("").as_posix() for path in (ROOT / "figures").glob("*/*.json")
    }
    built = {id for id in found if not id.startswith("_")}
    assert built == {str(path.relative_to(NOTEBOOKS).with_suffix("")) for path in NOTEBOOKS.glob("*/*.ipynb")}
