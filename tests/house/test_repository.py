"""What people expect of a repository: citation, changelog, workflows, image, hooks; all from one lock, all by make."""

import json
import re
import shutil
import tomllib

import pytest
import yaml

from anchors.companion import commit_rules
from anchors.companion.notebooks import Notebook
from anchors.companion.paths import NOTEBOOKS, PAPERS, ROOT
from anchors.companion.published import paper

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
WORKFLOWS = sorted((ROOT / ".github").rglob("*.yml"))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
FOLDERS = (
    "anchors",
    "benchmarks",
    "data/models",
    "data/published",
    "data/runs",
    "docs",
    "figures",
    "notebooks",
    "tests",
)
FIGURES = (".png", ".csv", ".json")
ID = "hashing/fig_topn"


def committed():
    """Every file that is committed, without asking git: the tests also run in an unpacked archive."""
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT).parts
            hidden = any(part.startswith((".", "__pycache__")) for part in inside)
            built = folder == "figures" and (path.suffix not in FIGURES or inside[1].startswith("_"))
            if path.is_file() and not hidden and not built:
                yield path


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def workflow(name):
    return yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())


def steps_of(node):
    """All steps of a workflow or of an action."""
    return [step for job in node.get("jobs", {"": node.get("runs", {})}).values() for step in job["steps"]]


def instructions():
    """The Dockerfile as ``[(instruction, words)]``, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.split()[1:]) for line in text.splitlines() if line.strip()]


# Citation and changelog


def test_the_citation_is_that_of_the_readme_and_of_the_package():
    cited, readme = citation(), (ROOT / "README.md").read_text()
    assert cited["cff-version"] == "1.2.0"
    assert set(cited) >= {"message", "title", "authors", "type"}
    assert f"title = {{{cited['title']}}}" in readme
    assert f"version = {{{cited['version']}}}" in readme
    assert f"year  = {{{cited['date-released'][:4]}}}" in readme
    assert (cited["version"], cited["license"]) == (PROJECT["version"], PROJECT["license"])
    assert cited["authors"] == PROJECT["authors"] == [{"name": "Anchors maintainers"}]


def test_the_citation_names_the_four_papers():
    references = citation()["references"]
    records = [paper(key) for key in PAPERS]
    assert [r["title"] for r in references] == [record.title for record in records]
    assert [r["identifiers"][0]["value"] for r in references] == [f"arXiv:{record.arxiv}" for record in records]
    for reference, record in zip(references, records, strict=True):
        assert all(author["family-names"] in record.bibtex for author in reference["authors"])
        assert len(reference["authors"]) == record.authors.count(",") + 1
        assert f"{{{reference['year']}}}" in record.bibtex


def test_the_changelog_begins_with_what_is_unreleased_and_knows_the_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, re.M)
    assert headings[0] == ("Unreleased", "")
    assert headings[1] == (PROJECT["version"], citation()["date-released"])
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md"])
def test_files_and_commands_that_are_named_exist(name):
    text = (ROOT / name).read_text()
    assert {word for word in re.findall(r"\bmake ([a-z-]+)\b", text) if word != "it"} <= TARGETS
    for target in re.findall(r"\]\((?!https)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target


# Workflows


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_targets_that_exist_and_pin_their_actions(path):
    node = yaml.safe_load(path.read_text())
    steps = steps_of(node)
    called = {name for step in steps for name in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert called <= TARGETS
    for step in steps:
        used = step.get("uses")
        assert ("run" in step) != (used is not None)
        assert used is None or re.fullmatch(r"actions/[a-z-]+@v\d+", used) or (ROOT / used / "action.yml").is_file()


def test_every_workflow_takes_the_cpu_build_and_no_rights_it_does_not_need():
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        node = yaml.safe_load(path.read_text())
        assert node["env"]["TORCH_INDEX"] == CPU_INDEX
        assert node["permissions"] == {"contents": "read"}
        assert all("timeout-minutes" in job for job in node["jobs"].values() if len(job["steps"]) > 1)


def test_pushes_and_pull_requests_are_tested_without_data_on_every_supported_python():
    node = workflow("test")
    assert set(node[True]) == {"push", "pull_request"}  # YAML 1.1 reads the key "on" as true
    assert (node["env"]["ANCHORS_DATA_MIRROR"], node["env"]["ANCHORS_OFFLINE"]) == ("", "1")
    supported = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if line.startswith("Programming Language")]
    assert node["jobs"]["check"]["strategy"]["matrix"]["python"] == supported
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in node["jobs"].items()}
    assert runs == {"check": ["make check"], "test": ["make test"]}


def test_the_nightly_rebuild_shows_its_report_whether_it_agrees_or_not():
    node = workflow("nightly")
    steps = steps_of(node)
    runs = [step.get("run", "") for step in steps]
    assert "schedule" in node[True]
    assert runs.index("make figures") < runs.index("make reproduce | tee reproduction.txt")
    assert node["defaults"]["run"]["shell"] == "bash", "which stops at the first command of a pipe that fails"
    shown = next(step for step in steps if "GITHUB_STEP_SUMMARY" in step.get("run", ""))
    kept = next(step for step in steps if "upload-artifact" in step.get("uses", ""))
    assert shown["if"] == kept["if"] == "${{ !cancelled() }}"
    assert kept["with"]["path"].split() == ["figures", "data/cache/reproduction"]


def test_the_pages_are_the_site():
    steps = steps_of(workflow("pages"))
    assert "make site OUT=_site" in [step.get("run") for step in steps]
    assert next(step["with"]["path"] for step in steps if "upload-pages" in step.get("uses", "")) == "_site"
    assert workflow("pages")["jobs"]["deploy"]["permissions"] == {"pages": "write", "id-token": "write"}


def test_the_cached_environment_is_that_of_these_lists():
    node = yaml.safe_load((ROOT / ".github/actions/environment/action.yml").read_text())
    cache = next(step for step in steps_of(node) if step.get("id") == "cache")
    assert cache["with"]["path"] == ".venv"
    for name in ("requirements*.lock", "pyproject.toml", "environment.sh"):
        assert f"'{name}'" in cache["with"]["key"]
        assert list(ROOT.glob(name))
    assert "./environment.sh" in steps_of(node)[-1]["run"]


# Image, Binder, devcontainer


def test_the_image_is_made_by_the_same_script_from_the_same_lock():
    lines = instructions()
    copied = [source for name, words in lines if name == "COPY" for source in words[1:-1]]
    assert all((ROOT / source).exists() for source in copied)
    assert {"environment.sh", "requirements.lock", "requirements.nodeps.lock", "pyproject.toml"} <= set(copied)
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= set(copied), "the package needs them when it is installed"
    runs = [" ".join(words) for name, words in lines if name == "RUN"]
    assert not any(re.search(r"pip install|requirements", run) for run in runs)
    assert [run for run in runs if "./environment.sh" in run] == ["PIP_NO_CACHE_DIR=1 ./environment.sh"]
    assert ("ARG", [f"TORCH_INDEX={CPU_INDEX}"]) in lines


def test_the_image_opens_what_make_lab_opens_as_a_user_without_rights():
    lines = instructions()
    command = json.loads(next(" ".join(words) for name, words in lines if name == "CMD"))
    assert command[:2] == ["jupyter", "lab"]
    assert (ROOT / command[-1].removeprefix("--LabApp.default_url=/lab/tree/")).is_file()
    assert [words for name, words in lines if name == "USER"] == [["${NB_UID}"]]
    variables = " ".join(word for name, words in lines if name == "ENV" for word in words)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TOKENIZERS_PARALLELISM"):
        assert f"{name}={re.search(rf'export {name} [?]= (.+)', MAKEFILE)[1]}" in variables


def test_binder_builds_the_dockerfile():
    """Binder looks at ``binder`` and ``.binder`` first; it passes a user, and starts the Jupyter found on the path."""
    assert not (ROOT / "binder").exists()
    assert not (ROOT / ".binder").exists()
    arguments = [words[0].split("=")[0] for name, words in instructions() if name == "ARG"]
    assert {"NB_USER", "NB_UID"} <= set(arguments)
    assert any("/.venv/bin:${PATH}" in " ".join(words) for name, words in instructions() if name == "ENV")


def test_the_devcontainer_makes_its_environment_in_the_workspace():
    node = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    build = node["build"]
    assert (ROOT / ".devcontainer" / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    stages = [words[-1] for name, words in instructions() if name == "FROM"]
    assert build["target"] in stages
    assert stages[-1] != build["target"], "the last stage has an environment of its own"
    assert node["containerEnv"]["TORCH_INDEX"] == CPU_INDEX
    assert node["postCreateCommand"] == "./environment.sh"
    assert ("ARG", [f"NB_USER={node['remoteUser']}"]) in instructions()


def test_what_git_ignores_stays_outside_the_image():
    kept = set((ROOT / ".dockerignore").read_text().splitlines())
    for line in (ROOT / ".gitignore").read_text().split():
        assert kept & {line.rstrip("/"), f"**/{line.rstrip('/')}"}, line
    assert not kept & {".git", "data", "figures", "notebooks"}, "results name their commit"


# What may be committed


def test_hooks_use_the_environment_of_the_lock():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [source["repo"] for source in hooks] == ["local"]
    entries = [hook["entry"] for hook in hooks[0]["hooks"]]
    assert entries[:2] == [".venv/bin/ruff check --quiet", ".venv/bin/ruff format --quiet --check"]
    assert entries[2:] == [".venv/bin/python -m anchors.companion.commit_rules"]
    assert re.search(r"^ruff==", (ROOT / "requirements.lock").read_text(), re.M)


def test_all_committed_files_keep_the_rules():
    registered = commit_rules.registered_files()
    files = list(committed())
    assert len(files) > 500
    assert {str(path): faults for path in files if (faults := commit_rules.file_faults(path, registered))} == {}


def test_a_registered_file_and_a_large_one_are_refused(tmp_path):
    import hashlib

    small, large = tmp_path / "a.list", tmp_path / "b.bin"
    small.write_bytes(b"art\n")
    large.write_bytes(bytes(commit_rules.LARGEST + 1))
    registered = {hashlib.sha256(b"art\n").hexdigest(): "wiki"}
    assert commit_rules.file_faults(small, registered) == [
        "found a file of the data set 'wiki'; expected none. Data of others stay in the mirror."
    ]
    assert commit_rules.file_faults(small, {}) == []
    assert commit_rules.file_faults(large, registered)[0].startswith("found 4.0 MiB; expected at most 4 MiB. ")


def _count(node):
    node["cells"][2]["execution_count"] = 7


def _error(node):
    _first_output(node).update(output_type="error", data={})


def _first_output(node):
    return next(output for cell in node["cells"] for output in cell.get("outputs", []))


SPOILT = {
    "metadata of another program": lambda node: node["metadata"]["language_info"].update(version="3.11.7"),
    "cell metadata other than tags": lambda node: node["cells"][0]["metadata"].update(execution={}),
    "injected parameters": lambda node: node["cells"][2]["metadata"]["tags"].append("injected-parameters"),
    "execution counts that are not 1, 2, 3, …": _count,
    "fewer than four cells with outputs": lambda node: [cell.update(outputs=[]) for cell in node["cells"]],
    "no picture among the outputs": lambda node: [cell.update(outputs=[]) for cell in node["cells"]],
    "an error among the outputs": _error,
    "what a cell wrote to stderr": lambda node: _first_output(node).update(name="stderr"),
    "a path of a machine, /home/me": lambda node: _first_output(node).update(text="from /home/me/anchors"),
}


@pytest.mark.parametrize("fault", SPOILT)
def test_what_make_refresh_does_not_leave_is_refused(fault):
    node = json.loads(json.dumps(Notebook.find(ID).node))
    node["cells"] = [cell for cell in node["cells"] if cell["source"]]
    assert commit_rules.notebook_faults(node) == []
    SPOILT[fault](node)
    faults = commit_rules.notebook_faults(node)
    assert any(found.startswith(fault) for found in faults), faults


def test_make_refresh_mends_what_an_editor_adds(tmp_path):
    from anchors.companion.refresh import copy_outputs

    source, edited = NOTEBOOKS / f"{ID}.ipynb", tmp_path / "edited.ipynb"
    node = json.loads(source.read_text())
    node["metadata"]["language_info"]["version"] = "3.13.0"
    node["metadata"]["widgets"] = {}
    node["cells"][0]["metadata"] = {"collapsed": True}
    _count(node)
    edited.write_text(json.dumps(node))
    copy_outputs(source, edited)
    assert edited.read_bytes() == source.read_bytes()


def test_the_hook_says_in_one_line_each_what_it_refuses(tmp_path, capsys):
    path = tmp_path / "broken.ipynb"
    shutil.copy(ROOT / "data/datasets.yml", tmp_path / "fine.yml")
    path.write_text("{}")
    assert commit_rules.main([str(tmp_path / "fine.yml"), str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "broken.ipynb: found JSON that is no notebook of version 4; expected none." in lines[0]
    assert commit_rules.main([str(NOTEBOOKS / f"{ID}.ipynb")]) == 0
