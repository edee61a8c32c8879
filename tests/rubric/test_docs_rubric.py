"""The examples in docs/rubric.md run as they are written, in their order, in one process."""

import re
import time
from pathlib import Path

import pytest

from anchors.companion.paths import ROOT
from anchors.rubric import bank

PAGE = ROOT / "docs" / "rubric.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.S | re.M)


def run(examples: list[str], names: dict) -> dict:
    """Return the names that examples define, each run as it is written beside the files of the page."""
    for example in blocks("yaml"):
        Path(re.match(r"# (\S+)\n", example)[1]).write_text(example, encoding="utf-8")
    for number, example in enumerate(examples, 1):
        exec(compile(example, f"docs/rubric.md, example {number}", "exec"), names)
    return names


@pytest.mark.slow
@pytest.mark.filterwarnings("error::UserWarning")
def test_all_examples_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    begun = time.process_time()
    names = run(blocks("python"), {"__name__": "docs"})
    assert time.process_time() - begun < 60
    assert _found(names, capsys.readouterr().out) == {
        "praise of the question is vetoed": [False, True, False, False, False, True],
        "the bound": True,
        "quoted": True,
        "unjudged": 2,
        "resumed": 12,
        "mined": True,
        "stages": [8, 8],
        "launched": True,
    }
    assert names["human"] is None, "the texts of people are a data set, which this test does not see"


@pytest.mark.needs("rubric_self_instruct")
def test_the_audit_of_the_page_reads_texts_of_people(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = blocks("python")
    last = next(place for place, example in enumerate(examples) if "checked = audit" in example)
    names = run(examples[: last + 1], {"__name__": "docs"})
    assert list(names["checked"].human["count"]) == [0, 0]


def _found(names: dict, said: str) -> dict:
    return {
        "praise of the question is vetoed": names["full"].vetoed(names["found"].values).tolist(),
        "the bound": "at least -0.285714" in said,
        "quoted": "\nquoted\n" in said,
        "unjudged": int(names["np"].isnan(names["judged"].values).sum()),
        "resumed": int(names["late"].step.max()) + 1,
        "mined": bool(names["accepted"]),
        "stages": [len(one.items) for one in names["passed"]],
        "launched": (names["made"].folder / "launch.sh").is_file(),
    }


def test_what_the_page_says_of_the_families():
    assert f"({len(bank.load(['families'])):,} alone)" in TEXT


@pytest.mark.needs(*(f"rubric_{name}" for name in bank.BENCHMARKS))
def test_what_the_page_says_of_the_bank():
    entries = bank.load().summary().entries
    assert f"{entries.sum():,} distinct" in TEXT
    assert all(f"| {count:,} " in TEXT for count in entries)


def test_links_lead_somewhere():
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", TEXT) if "://" not in target]
    assert [target for target in targets if not (PAGE.parent / target.partition("#")[0]).exists()] == []


def test_files_and_modules_it_names_exist():
    paths = re.findall(r"`((?:data|anchors|tests|notebooks|docs)/[\w./-]+\w)`", TEXT)
    modules = re.findall(r"`(anchors(?:\.\w+)+)`", TEXT)
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing == []
    assert [name for name in modules if not _known(name)] == []


def _known(name: str) -> bool:
    """Return whether a dotted name is a module, or something in one."""
    from importlib import import_module
    from importlib.util import find_spec

    module, _, last = name.rpartition(".")
    return hasattr(import_module(module), last) or find_spec(name) is not None
