"""The runner on real notebooks in a temporary folder: caching, failures, kills, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from anchors.companion.paths import ROOT

pytestmark = pytest.mark.slow


def lines(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(rf"\d+/\d+ .* {word}", line)]


def test_builds_then_caches_then_rebuilds_only_what_changed(sandbox):
    sandbox.add("fig_a")
    sandbox.add("fig_b")
    code, text = sandbox.run("figures")
    assert code == 0, text
    assert len(lines(text, "ran")) == 2
    result = json.loads((sandbox.figures / "hashing/fig_a.json").read_text())
    assert result["rows"][0]["measured"] == 1.0
    assert "provenance" not in result
    about = json.loads(next(sandbox.cache.rglob("executed/**/fig_a.about.json")).read_text())
    assert about["commit"]
    assert about["seconds"] > 0
    assert all((sandbox.figures / f"hashing/fig_a.{e}").stat().st_size > 0 for e in ("png", "pdf", "csv", "html"))
    assert (sandbox.figures / "index.html").is_file()

    code, text = sandbox.run("figures")
    assert code == 0
    assert len(lines(text, "cached")) == 2

    sandbox.add("fig_b", "value = scale + 1")
    code, text = sandbox.run("figures")
    assert [line.split()[1] for line in lines(text, "ran")] == ["hashing/fig_b"]
    assert [line.split()[1] for line in lines(text, "cached")] == ["hashing/fig_a"]

    (sandbox.figures / "hashing/fig_a.png").write_bytes(b"half a picture")
    _, text = sandbox.run("figures")
    assert [line.split()[1] for line in lines(text, "ran")] == ["hashing/fig_a"]


def test_a_failure_does_not_stop_the_others_and_gives_exit_code_1(sandbox):
    sandbox.add("fig_a", "value = 1 / 0")
    sandbox.add("fig_b")
    sandbox.add("fig_c", "value = scale", needs=("wiki",))
    sandbox.environment["ANCHORS_DATA_MIRROR"] = ""
    sandbox.environment["ANCHORS_DOWNLOADS"] = str(sandbox.folder / "downloads")
    code, text = sandbox.run("figures")
    assert code == 1
    assert "ZeroDivisionError: division by zero" in lines(text, "failed")[0]
    assert "not built here, shown as committed:\n  needs wiki: hashing/fig_c\n" in text
    assert text.count("looking for data set wiki") == 1
    assert len(lines(text, "ran")) == 1
    assert not (sandbox.figures / "hashing/fig_a.json").exists()
    code, text = sandbox.run("figures")
    assert code == 1
    assert len(lines(text, "cached")) == 1
    assert len(lines(text, "failed")) == 1


def test_overrides_and_profiles_leave_the_published_figures_alone(sandbox):
    sandbox.add("fig_a")
    code, text = sandbox.run("figures", "--id", "hashing/fig_a", "-P", "scale=3 note=two")
    assert code == 0, text
    assert not (sandbox.figures / "hashing/fig_a.json").exists()
    custom = sandbox.figures / "_custom/hashing/fig_a__note=two,scale=3.0.json"
    assert json.loads(custom.read_text())["rows"][0]["measured"] == 3.0
    code, text = sandbox.run("figures", "--profile", "smoke")
    assert code == 0
    assert (sandbox.figures / "_smoke/hashing/fig_a.json").is_file()
    assert (sandbox.figures / "_smoke/index.html").is_file()


def test_a_changed_file_that_a_parameter_names_is_a_changed_input(sandbox):
    sandbox.add("fig_a")
    data = sandbox.folder / "own.csv"
    words = ("figures", "--id", "hashing/fig_a", "-P", f"note={data}")
    for content, what in (("1", "ran"), ("1", "cached"), ("2", "ran")):
        data.write_text(content)
        code, text = sandbox.run(*words)
        assert code == 0
        assert len(lines(text, what)) == 1, text


def test_another_figures_folder_has_a_state_of_its_own(sandbox):
    sandbox.add("fig_a")
    for folder, what in (("one", "ran"), ("two", "ran"), ("one", "cached")):
        sandbox.environment["ANCHORS_FIGURES"] = str(sandbox.folder / folder)
        assert len(lines(sandbox.run("figures")[1], what)) == 1


def test_clean_removes_what_was_made_and_nothing_else(sandbox):
    sandbox.add("fig_a")
    sandbox.run("figures")
    sandbox.run("figures", "--profile", "smoke")
    own = sandbox.cache / "my notes.txt"
    own.write_text("mine")
    code, _ = sandbox.run("clean")
    assert code == 0
    left = {path.name for path in sandbox.figures.rglob("*") if path.is_file()}
    assert left == {"fig_a.png", "fig_a.csv", "fig_a.json"}
    assert own.read_text() == "mine"
    assert not (sandbox.cache / "executed").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--id", "hashing/fig_a", "-P", "scle=3"], "scle"),
        (["--id", "hashing/fig_a", "-P", "scale=three"], "'three'; expected float"),
        (["--id", "hashing/fig_a", "-P", "scale"], "name=value"),
        (["--id", "hashing/fig_a", "-P", "profile=smoke"], "PROFILE=smoke"),
        (["--id", "hashing/fig_z"], "fig_z"),
        (["--profile", "huge"], "smoke | laptop | paper"),
        (["--paper", "cooking"], "cooking"),
    ],
)
def test_bad_words_are_one_line_before_anything_runs(sandbox, words, says):
    sandbox.add("fig_a")
    code, text = sandbox.run("figures", *words)
    assert code == 2
    assert says in text
    assert len(text.strip().splitlines()) == 1
    assert not sandbox.figures.exists() or not list(sandbox.figures.rglob("*.json"))


def kernels_of(process: psutil.Process) -> list[psutil.Process]:
    return [child for child in process.children(recursive=True) if "ipykernel" in " ".join(child.cmdline())]


def start_and_wait_for_first(sandbox):
    """Start a build of three slow notebooks, one at a time, and return when the first is done and the second runs."""
    for name in ("fig_a", "fig_b", "fig_c"):
        sandbox.add(name, "import time\ntime.sleep(3)\nvalue = scale")
    process = sandbox.start("figures", "--jobs", "1")
    while " ran" not in process.stdout.readline():
        assert process.poll() is None
    deadline = time.monotonic() + 30
    while not (kernels := kernels_of(psutil.Process(process.pid))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)
    return process, kernels


def test_kill_9_leaves_a_state_from_which_the_same_command_continues(sandbox):
    process, kernels = start_and_wait_for_first(sandbox)
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(kernels, timeout=20)
    assert not alive, "kernels outlived the driver"
    code, text = sandbox.run("figures", "--jobs", "1")
    assert code == 0, text
    assert len(lines(text, "cached")) == 1
    assert len(lines(text, "ran")) == 2
    assert not list(sandbox.cache.rglob("*.partial.ipynb"))


def test_ctrl_c_ends_the_kernels_and_says_how_to_go_on(sandbox):
    process, kernels = start_and_wait_for_first(sandbox)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "the same command continues" in err
    _, alive = psutil.wait_procs(kernels, timeout=20)
    assert not alive
    code, text = sandbox.run("figures", "--jobs", "1")
    assert code == 0
    assert len(lines(text, "cached")) == 1


def test_two_builds_at_once_both_end_well_and_nothing_is_built_twice(sandbox):
    for name in ("fig_a", "fig_b"):
        sandbox.add(name, "import time\ntime.sleep(1)\nvalue = scale")
    first, second = sandbox.start("figures"), sandbox.start("figures")
    texts = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert sorted(len(lines(text, "ran")) for text in texts) == [0, 2]
    assert sorted("waiting: another build" in text for text in texts) == [False, True]


def test_a_notebook_that_saves_nothing_has_failed(sandbox):
    sandbox.add("fig_a", save="value")
    code, text = sandbox.run("figures")
    assert code == 1
    assert "must call run.save" in text


def test_list_and_gallery_show_what_is_not_built(sandbox):
    sandbox.add("fig_a")
    code, text = sandbox.run("list")
    assert code == 0
    assert "claim of fig_a" in text
    assert "not built" in text
    code, _ = sandbox.run("gallery")
    assert code == 0
    assert "not built" in (sandbox.figures / "index.html").read_text()


def test_doctor_explains_a_machine_without_the_mirror(sandbox):
    sandbox.add("tab_w", needs=("wiki",))
    sandbox.environment |= {"ANCHORS_DATA_MIRROR": "", "ANCHORS_DOWNLOADS": str(sandbox.folder / "downloads")}
    code, text = sandbox.run("doctor")
    assert code == 0
    assert "mirror    none" in text
    assert "hashing/tab_w: needs wiki" in text
    sandbox.environment["ANCHORS_DATA_MIRROR"] = str(sandbox.folder / "nowhere")
    assert "mend ANCHORS_DATA_MIRROR" in sandbox.run("doctor")[1]
    code, text = sandbox.run("paths")
    assert code == 0
    assert "left out: hashing/tab_w needs wiki" in text


def only(text: str, word: str) -> list[str]:
    """Return the notebooks of the lines with this word."""
    return [line.split()[1].removeprefix("hashing/") for line in lines(text, word)]


def edit(path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_changed_words_reach_the_page_and_nothing_is_computed(sandbox):
    path = sandbox.add("fig_a")
    sandbox.add("fig_b")
    sandbox.run("figures")
    picture = (sandbox.figures / "hashing/fig_a.png").stat().st_mtime_ns
    edit(path, "# fig_a", "# Words of today")
    edit(path, "claim of fig_a", "another claim")
    edit(path, "value = scale", "value = scale  # a remark")
    code, text = sandbox.run("figures")
    assert code == 0, text
    assert (only(text, "renewed"), only(text, "cached"), only(text, "ran")) == (["fig_a"], ["fig_b"], [])
    assert (sandbox.figures / "hashing/fig_a.png").stat().st_mtime_ns == picture
    page = (sandbox.figures / "hashing/fig_a.html").read_text()
    assert "Words of today" in page
    assert "another claim" in (sandbox.figures / "index.html").read_text()
    assert "a remark" in page
    assert json.loads((sandbox.figures / "hashing/fig_a.json").read_text())["claim"] == "another claim"
    assert only(sandbox.run("figures")[1], "cached") == ["fig_a", "fig_b"]


def test_why_names_what_changed_and_the_build_says_it_too(sandbox):
    path = sandbox.add("fig_a")
    assert "hashing/fig_a: not built here yet" in sandbox.run("why")[1]
    sandbox.run("figures")
    assert sandbox.run("why") == (0, "")
    assert sandbox.run("why", "--id", "hashing/fig_a")[1] == "hashing/fig_a: as it was: nothing would run\n"
    edit(path, "value = scale", "value = scale + 1")
    assert sandbox.run("why", "--id", "hashing/fig_a")[1] == "hashing/fig_a: code cell 4\n"
    assert "ran: code cell 4" in sandbox.run("figures")[1]
    (sandbox.figures / "hashing/fig_a.csv").write_text("spoilt")
    assert "fig_a.csv is not as written" in sandbox.run("why")[1]
    state = next(sandbox.cache.rglob("state/**/fig_a.json"))
    known = json.loads(state.read_text())
    known["inputs"]["libraries"]["numpy"] = "1.0"
    state.write_text(json.dumps(known))
    assert "numpy 1.0 → " in sandbox.run("why")[1]


def test_a_spoilt_executed_copy_or_state_is_made_again(sandbox):
    sandbox.add("fig_a")
    sandbox.run("figures")
    for kind in ("executed/**/fig_a.ipynb", "state/**/fig_a.json"):
        for content in ("", "[]", '{"cells": [', "\x00"):
            next(sandbox.cache.rglob(kind)).write_text(content)
            code, text = sandbox.run("figures")
            assert (code, only(text, "ran")) == (0, ["fig_a"]), text


def test_a_notebook_with_a_syntax_error_fails_alone(sandbox):
    sandbox.add("fig_a", "value = = scale")
    sandbox.add("fig_b")
    code, text = sandbox.run("figures")
    assert code == 1
    assert "SyntaxError" in lines(text, "failed")[0]
    assert only(text, "ran") == ["fig_b"]


def test_a_cell_that_hangs_fails_its_notebook(sandbox):
    sandbox.add("fig_a", "import time\nwhile True:\n    time.sleep(1)")
    sandbox.add("fig_b")
    program = "from anchors.companion import cli, runner; runner.LIMITS['laptop'] = 4; cli.main(['figures'])"
    run = subprocess.run(
        [sys.executable, "-c", program], env=sandbox.environment, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert "CellTimeoutError" in lines(run.stdout, "failed")[0]
    assert only(run.stdout, "ran") == ["fig_b"]


def test_clones_with_one_cache_do_not_take_each_other_s_results_away(sandbox):
    sandbox.add("fig_a")
    assert only(sandbox.run("figures")[1], "ran") == ["fig_a"]
    state = next(sandbox.cache.rglob("state/**/fig_a.json"))
    assert state.relative_to(sandbox.cache).parts[1] == next(sandbox.cache.glob("executed/*")).name
    assert len(state.relative_to(sandbox.cache).parts[1]) == 10


def test_a_read_only_cache_and_impossible_jobs_are_one_line(sandbox):
    sandbox.add("fig_a")
    for jobs in ("0", "-1", "two", "1.5", ""):
        code, text = sandbox.run("figures", f"--jobs={jobs}")
        assert (code, len(text.splitlines())) == (2, 1)
        assert "expected a number from 1 to" in text
    sandbox.cache.mkdir()
    (sandbox.cache / "pages").write_text("a file")
    code, text = sandbox.run("figures")
    assert code == 2
    assert text.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in text
