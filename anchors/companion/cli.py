"""The commands: figures, reproduce, list, lab, new, doctor, gallery, site, runs, refresh, clean; called by ``make``."""

import argparse
import errno
import sys
import time
from collections.abc import Callable
from pathlib import Path

from anchors.companion import summary
from anchors.companion.errors import AnchorsError
from anchors.companion.paths import relative

CACHED = (  # what clean may remove
    "results", "locks", "executed", "state", "logs", "views", "nbval", "code", "pages", "reproduction",
)  # fmt: skip

UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EEXIST, errno.ENOTDIR)
EVERY = 20.0  # seconds between two writings of the gallery while figures come


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; errors a reader can mend are one line on stderr."""
    args = _parser().parse_args(words)
    try:
        return args.run(args)
    except AnchorsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that cannot be written, a full disk
        if error.filename is None or error.errno not in UNWRITABLE:
            raise
        from anchors.companion.files import unwritable

        print(f"error: {unwritable(Path(error.filename), error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: what was finished is kept; the same command continues", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m anchors", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run: Callable, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(run=run)
        return command

    build = add("figures", figures, "build figures and tables, then the gallery")
    build.add_argument("--id", action="append", default=[], help="only this notebook (paper/name); may be repeated")
    build.add_argument("--paper", help="only the notebooks of this paper")
    build.add_argument("--tables", action="store_true", help="only the tables")
    build.add_argument("--jobs", default="2", help="notebooks at a time (default 2)")
    build.add_argument("--force", action="store_true", help="rebuild what is up to date")
    build.add_argument("-P", dest="overrides", default="", help='parameters: "bits=64 ratio=0.1"')
    reason = add("why", why, "why a notebook would run now: what changed since it last did")
    reason.add_argument("--id", default="", help="this notebook (paper/name); without it all that would run")
    listing = add("list", list_notebooks, "every figure: id, claim, cost, status")
    page = add("gallery", gallery, "write the gallery of what is built")
    compared = add("reproduce", reproduce, "what of the committed results was reproduced here, row by row")
    for command in (build, reason, listing, page, compared):
        command.add_argument("--profile", default="laptop", help="smoke | laptop | paper")
    site = add("site", write_site, "write a folder that any static host serves: gallery, pages, docs, sources")
    site.add_argument("--out", default="_site", help="the folder (default _site)")
    add("doctor", doctor, "what works on this machine")
    opened = add("lab", lab, "open a notebook in JupyterLab")
    opened.add_argument("--id", default="", help="this notebook (paper/name); without it the one to start with")
    made = add("new", new, "write a notebook and a study that work, to be changed")
    made.add_argument("--id", default="", help="its id, for example hashing/own_idea")
    runs = add("runs", repeat_runs, "repeat the recorded runs, replacing their logs")
    runs.add_argument("--name", action="append", default=[], help="only this run (paper/name); may be repeated")
    runs.add_argument("--dry", action="store_true", help="only print the commands")
    listed = add("paths", paths, "the files of the notebooks that can be built here as committed, for nbval")
    listed.add_argument("--data", action="store_true", help="only those that use registered data sets")
    add("refresh", refresh, "copy the outputs of executed notebooks into notebooks/")
    add("picture", picture, "photograph the gallery and what can be played with, for the README (needs Chromium)")
    add("clean", clean, "remove cached results, executed copies and pages; keep downloads and committed figures")
    return parser


def figures(args: argparse.Namespace) -> int:
    """Build the chosen notebooks and the gallery; 1 when one of them failed.

    The gallery is written before the first notebook runs, from what is committed, and again as figures come.
    """
    from anchors.companion import report, reproduction, runner
    from anchors.companion.params import check_jobs, check_profile, parse_overrides

    check_profile(args.profile)
    jobs = check_jobs(args.jobs)
    tasks = runner.plan(_chosen(args), args.profile, parse_overrides(args.overrides))
    page, start = report.write_gallery(args.profile), time.perf_counter()
    say(f"the gallery shows what is committed, and each figure as it comes: {relative(page)}")
    outcomes = runner.build(tasks, jobs=jobs, force=args.force, say=say, seen=_watcher(args.profile))
    found = reproduction.write(args.profile)
    report.write_gallery(args.profile)
    for line in summary.lines(outcomes, found, time.perf_counter() - start):
        say(line)
    failed = {outcome.id for outcome in outcomes if outcome.what == "failed"}
    for task in tasks:
        if args.overrides and task.id not in failed:
            say(f"written: {relative(task.stem)}.*")
    say(f"open {relative(page)}")
    return 1 if failed else 0


def why(args: argparse.Namespace) -> int:
    """Print for each chosen notebook what changed since it last ran here."""
    from anchors.companion import runner

    ids = [args.id] if args.id else _chosen(argparse.Namespace(id=[], tables=False, paper=None))
    for task in runner.plan(ids, args.profile, {}):
        reasons = runner.why(task)
        if reasons or args.id:
            say(f"{task.id}: {'; '.join(reasons) or 'as it was: nothing would run'}")
    return 0


def _watcher(profile: str) -> Callable:
    """Return what writes the gallery again after a figure has come, at most every :data:`EVERY` seconds."""
    from anchors.companion import report

    last = -EVERY

    def note(outcome: object) -> None:
        nonlocal last
        if outcome.what in ("ran", "renewed") and time.perf_counter() - last > EVERY:
            report.write_gallery(profile)
            last = time.perf_counter()

    return note


def say(text: str) -> None:
    """Print a line at once, also into a file."""
    print(text, flush=True)


def reproduce(args: argparse.Namespace) -> int:
    """Say, a line a figure, what of the committed results was reproduced here; 1 when a number or verdict was not."""
    from anchors.companion import report, reproduction

    found = reproduction.write(args.profile)
    report.write_gallery(args.profile)
    for one in found["figures"]:
        say(one["line"])
        for row in one["rows"]:
            if row["state"] == reproduction.OUTSIDE:
                say(f"    {row['quantity']}: {row['committed']} became {row['fresh']}")
    say(found["line"])
    say(f"see {relative(reproduction.path_of(args.profile))} and figures/reproduction.html")
    return 1 if reproduction.failed(found) else 0


def _chosen(args: argparse.Namespace) -> list[str]:
    from anchors.companion.errors import InputError
    from anchors.companion.notebooks import notebooks

    if args.id:
        return args.id
    chosen = [
        nb.id for nb in notebooks() if (not args.tables or nb.is_table) and args.paper in (None, nb.id.split("/")[0])
    ]
    if not chosen:
        raise InputError("--paper", repr(args.paper), "a paper with notebooks", "See make list.")
    return chosen


def list_notebooks(args: argparse.Namespace) -> int:
    """Print id, cost, state, status, verdict and claim of every notebook."""
    from anchors.companion import results, runner
    from anchors.companion.notebooks import notebooks
    from anchors.companion.params import check_profile

    for notebook in notebooks():
        task = runner.Task(notebook, check_profile(args.profile), {})
        seconds = notebook.expected(args.profile) or runner.expected_seconds(task)
        path = results.figures_root(args.profile) / f"{notebook.id}.json"
        missing = f"not built: needs {', '.join(notebook.missing)}" if notebook.missing else "not built"
        result = results.load(path) if path.is_file() else None
        state = f"{result['verdict']['kind']}; paper's value: {result['status']}" if result else missing
        state += "" if not result or runner.is_current(task) else " (as committed or earlier; make figures rebuilds it)"
        cost = "?" if seconds is None else f"{seconds:.0f} s"
        print(f"{notebook.id:34} {cost:>6}  {state}\n{'':43}{notebook.claim}")
    return 0


def gallery(args: argparse.Namespace) -> int:
    """Write the gallery of what is built."""
    from anchors.companion import report

    print(f"open {relative(report.write_gallery(args.profile))}")
    return 0


def write_site(args: argparse.Namespace) -> int:
    """Write the site."""
    from anchors.companion import site

    say(f"open {relative(site.write_site(Path(args.out)))}")
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Print what works here."""
    from anchors.companion.doctor import report

    print(report())
    return 0


def lab(args: argparse.Namespace) -> int:
    """Become JupyterLab with one notebook open."""
    import os

    from anchors.companion.start import lab_command

    command = lab_command(args.id)
    os.execv(command[0], command)


def new(args: argparse.Namespace) -> int:
    """Write a notebook with its study and say what comes next."""
    from anchors.companion import scaffold

    print(scaffold.write(args.id))
    return 0


def paths(args: argparse.Namespace) -> int:
    """Print the path of every notebook whose data are here; say on stderr which are left out and why."""
    from anchors.companion import start
    from anchors.companion.notebooks import notebooks

    if start.PATH.is_file() and not args.data:
        print(relative(start.PATH))
    for notebook in notebooks():
        lacks = [*notebook.missing, *notebook.lacking]
        if lacks:
            print(f"left out: {notebook.id} needs {', '.join(lacks)}", file=sys.stderr)
        elif not args.data or notebook.needs or notebook.wants:
            print(relative(notebook.path))
    return 0


def repeat_runs(args: argparse.Namespace) -> int:
    """Repeat the recorded runs, each by the command in its provenance."""
    from anchors.companion import recorded

    return recorded.repeat(args.name, dry=args.dry)


def refresh(args: argparse.Namespace) -> int:
    """Copy the outputs of executed notebooks (laptop profile, own parameters) into the committed ones.

    The notebook to start with, no figure that ``figures`` builds, is executed here.
    """
    from anchors.companion import start
    from anchors.companion.notebooks import notebooks
    from anchors.companion.refresh import copy_outputs, refresh_outputs

    for notebook in notebooks():
        print(f"{notebook.id}: {refresh_outputs(notebook)}", flush=True)
    if start.PATH.is_file():
        copy_outputs(start.executed(), start.PATH)
        print(f"{start.PATH.stem}: executed and refreshed")
    return 0


def picture(args: argparse.Namespace) -> int:
    """Photograph the gallery and the pages to play with."""
    from anchors.companion.picture import photographs

    for path in photographs():
        print(f"written: {relative(path)}, {path.stat().st_size / 1024:.0f} KB", flush=True)
    return 0


def clean(args: argparse.Namespace) -> int:
    """Remove what make can make again; downloads and committed figures stay."""
    import shutil

    from anchors.companion.paths import PAPERS, cache_dir, figures_dir
    from anchors.companion.runner import only_one_build

    with only_one_build(print):
        for name in CACHED:
            shutil.rmtree(cache_dir() / name, ignore_errors=True)
        for folder in figures_dir().glob("_*"):
            shutil.rmtree(folder)
        folders = (*PAPERS, "docs", "source")
        pages = [
            page for one in folders for kind in ("html", "pdf") for page in figures_dir().glob(f"{one}/**/*.{kind}")
        ]
        for page in [*figures_dir().glob("*.html"), *pages]:
            page.unlink(missing_ok=True)
    print("removed: cache, executed copies, pages, figures of other profiles and parameters")
    return 0
