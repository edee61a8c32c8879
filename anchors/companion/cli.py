"""The commands: figures, list, lab, new, doctor, gallery, runs, refresh, clean; called by ``make``, or by a reader."""

import argparse
import sys
import time
from collections.abc import Callable

from anchors.companion.errors import AnchorsError
from anchors.companion.paths import relative

CACHED = ("results", "locks", "executed", "state", "logs", "views", "tested", "nbval")  # what clean may remove


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit code; errors a reader can mend are one line on stderr."""
    args = _parser().parse_args(words)
    try:
        return args.run(args)
    except AnchorsError as error:
        print(f"error: {error}", file=sys.stderr)
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
    build.add_argument("--jobs", type=int, default=2, help="notebooks at a time (default 2)")
    build.add_argument("--force", action="store_true", help="rebuild what is up to date")
    build.add_argument("-P", dest="overrides", default="", help='parameters: "bits=64 ratio=0.1"')
    listing = add("list", list_notebooks, "every figure: id, claim, cost, status")
    page = add("gallery", gallery, "write the gallery of what is built")
    for command in (build, listing, page):
        command.add_argument("--profile", default="laptop", help="smoke | laptop | paper")
    add("doctor", doctor, "what works on this machine")
    opened = add("lab", lab, "open a notebook in JupyterLab")
    opened.add_argument("--id", default="", help="this notebook (paper/name); without it the one to start with")
    made = add("new", new, "write a notebook and a study that work, to be changed")
    made.add_argument("--id", default="", help="its id, for example hashing/own_idea")
    runs = add("runs", repeat_runs, "repeat the recorded runs, replacing their logs")
    runs.add_argument("--name", action="append", default=[], help="only this run (paper/name); may be repeated")
    runs.add_argument("--dry", action="store_true", help="only print the commands")
    add("paths", paths, "the files of the notebooks that can be built here, for nbval")
    add("refresh", refresh, "copy the outputs of executed notebooks into notebooks/")
    add("picture", picture, "photograph the gallery and what can be played with, for the README (needs Chromium)")
    add("clean", clean, "remove cached results, executed copies and pages; keep downloads and committed figures")
    return parser


def figures(args: argparse.Namespace) -> int:
    """Build the chosen notebooks and the gallery; 1 when one of them failed."""
    from anchors.companion import report, runner
    from anchors.companion.params import check_profile, parse_overrides

    check_profile(args.profile)
    tasks = runner.plan(_chosen(args), args.profile, parse_overrides(args.overrides))
    start = time.perf_counter()
    outcomes = runner.build(tasks, jobs=args.jobs, force=args.force, say=lambda text: print(text, flush=True))
    _summary(outcomes, time.perf_counter() - start)
    page = report.write_gallery(args.profile)
    failed = {outcome.id for outcome in outcomes if outcome.what == "failed"}
    for task in tasks:
        if args.overrides and task.id not in failed:
            print(f"written: {relative(task.stem)}.*")
    print(f"open {relative(page)}")
    return 1 if failed else 0


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


def _summary(outcomes: list, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{len(outcomes)} notebooks in {seconds:.1f} s", title_justify="left")
    for name in ("figure", "result", "time", "expected", "note"):
        side = "right" if name in ("time", "expected") else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=name != "note")
    for o in sorted(outcomes, key=lambda o: o.id):
        expected = "" if o.expected is None else f"{o.expected:.0f} s"
        table.add_row(o.id, o.what, f"{o.seconds:.1f} s", expected, o.note)
    Console(highlight=False).print(table)


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

    if start.PATH.is_file():
        print(relative(start.PATH))
    for notebook in notebooks():
        if notebook.missing:
            print(f"left out: {notebook.id} needs {', '.join(notebook.missing)}", file=sys.stderr)
        else:
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
        pages = [
            page for paper in PAPERS for kind in ("html", "pdf") for page in figures_dir().glob(f"{paper}/*.{kind}")
        ]
        for page in [figures_dir() / "index.html", *pages]:
            page.unlink(missing_ok=True)
    print("removed: cache, executed copies, pages, figures of other profiles and parameters")
    return 0
