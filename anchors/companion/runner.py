"""Builds notebooks with papermill: two at a time, only what changed, and never half a result.

The state of a build is one small file per notebook, written after everything else; a run that is interrupted or killed
leaves no such file, and the same command continues with the notebooks that are still to do.
"""

import json
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread, current_thread, main_thread
from typing import Any

from anchors.companion import committed, inputs
from anchors.companion.codehash import remember
from anchors.companion.datasets import fetch
from anchors.companion.errors import AnchorsError
from anchors.companion.files import atomic_write
from anchors.companion.notebooks import Notebook
from anchors.companion.params import check_profile, resolve
from anchors.companion.paths import ROOT, cache_dir, clone_dir, relative
from anchors.companion.results import about_path, output_stem, variant
from anchors.companion.used import file_hash

ENDINGS = ("png", "pdf", "csv", "play.html", "json")
HEARTBEAT = 30.0  # seconds: a build is never silent for longer
LIMITS = {"smoke": 300, "laptop": 1800}  # seconds that a cell may take; one that takes longer fails its notebook
POLL = 0.2  # seconds after which Ctrl-C is seen at the latest
KERNEL_ENVIRONMENT = {
    "ANCHORS_HEADLESS": "1",
    "JUPYTER_PREFER_ENV_PATH": "1",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


@dataclass(frozen=True)
class Task:
    """A notebook to build with these values: where its results, its executed copy and its state go."""

    notebook: Notebook
    profile: str
    overrides: dict[str, Any]

    @property
    def id(self) -> str:
        return self.notebook.id

    @property
    def values(self) -> dict[str, Any]:
        """All parameters that papermill injects."""
        return {"profile": self.profile, **self.overrides}

    @property
    def stem(self) -> Path:
        return output_stem(self.id, self.profile, self.changes, bool(self.notebook.lacking))

    @property
    def changes(self) -> dict[str, Any]:
        """The parameters that differ from the notebook's own."""
        declared = self.notebook.parameters
        return {k: v for k, v in self.overrides.items() if v != declared[k].default}

    @property
    def executed(self) -> Path:
        """The executed copy of the notebook."""
        return about_path(self.id, self.profile, self.changes, ".ipynb")

    @property
    def used(self) -> Path:
        """What its kernel noted of what it used."""
        return about_path(self.id, self.profile, self.changes, ".used.json")

    @property
    def state(self) -> Path:
        """The file that says that this task is done, with which inputs."""
        return clone_dir("state") / variant(self.profile, self.changes) / f"{self.id}.json"


@dataclass(frozen=True)
class Outcome:
    """What happened to one task: ``ran``, ``cached``, ``renewed`` (its words alone), ``failed`` or ``not built``."""

    id: str
    what: str
    seconds: float = 0.0
    expected: float | None = None
    note: str = ""
    needs: tuple[str, ...] = ()

    def line(self, number: int, total: int) -> str:
        """Return ``3/12 hashing/fig_topn 14.2 s (expected 15 s) ran``."""
        seconds = "" if self.what in ("cached", "renewed") else f" {self.seconds:.1f} s"
        expected = "" if self.expected is None or not seconds else f" (expected {self.expected:.0f} s)"
        note = f": {self.note}" if self.note else ""
        return f"{number}/{total} {self.id}{seconds}{expected} {self.what}{note}"


def plan(ids: list[str], profile: str, overrides: dict[str, Any]) -> list[Task]:
    """Return the tasks for ``ids`` after checking every name and value; nothing has run when this raises."""
    check_profile(profile)
    found = [Notebook.find(id) for id in ids]
    return [Task(nb, profile, resolve(nb.parameters, overrides, nb.id)) for nb in found]


def build(
    tasks: list[Task], jobs: int = 2, force: bool = False, say: Callable[[str], None] = print,
    seen: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:  # fmt: skip
    """Build ``tasks``, ``jobs`` at a time, and return one outcome each, in the order in which they ended.

    A failure does not stop the others. Ctrl-C ends the kernels and raises KeyboardInterrupt; finished work stays.
    ``say`` gets a line for each figure, ``seen`` each outcome, right after it.
    """
    os.environ.update(KERNEL_ENVIRONMENT)
    outcomes, total = [], len(tasks)

    def report(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if outcome.what != "not built":
            say(outcome.line(sum(one.what != "not built" for one in outcomes), total))
            seen(outcome)

    with only_one_build(say):
        committed.keep()
        absent = unavailable(tasks, say)
        for task in tasks:
            if lacks := [name for name in task.notebook.needs if name in absent]:
                report(Outcome(task.id, "not built", needs=tuple(lacks), note=absent[lacks[0]]))
        total = len(tasks) - len(outcomes)
        todo = [
            task for task in tasks if not set(task.notebook.needs) & set(absent) and not _settled(task, force, report)
        ]
        remember()
        if todo:
            seconds = sum(expected_seconds(task) or 0 for task in todo)
            say(f"{len(todo)} notebooks to build, {jobs} at a time: about {seconds / min(jobs, len(todo)):.0f} s")
            _provide_kernels(len(todo))
            for outcome in _run_all(todo, max(1, jobs), say):
                report(outcome)
    return outcomes


def unavailable(tasks: list[Task], say: Callable[[str], None]) -> dict[str, str]:
    """Return ``{data set: why}`` of the needed data sets that are nowhere to be had, each asked for once."""
    absent = {}
    for name in dict.fromkeys(name for task in tasks for name in task.notebook.missing):
        try:
            say(f"looking for data set {name}")
            fetch(name)
        except AnchorsError as error:
            absent[name] = str(error)
    return absent


def _run_all(todo: list[Task], jobs: int, say: Callable[[str], None]) -> Iterator[Outcome]:
    """Yield outcomes as notebooks end: one worker takes the longest that is left, the others the shortest.

    So a first picture appears within seconds, and no long notebook is left for the end.
    """
    waiting = deque(sorted(todo, key=lambda task: expected_seconds(task) or 0))
    ended: Queue[Outcome] = Queue()
    started: dict[str, float] = {}

    def work(take: Callable[[], Task]) -> None:
        with suppress(IndexError):  # nothing is left to take
            while True:
                ended.put(_run(take(), started))

    ends = [waiting.pop, *[waiting.popleft] * (jobs - 1)]
    workers = [Thread(target=work, args=(take,), daemon=True) for take in ends[: len(todo)]]
    for worker in workers:
        worker.start()
    try:
        with asked_to_stop() as stop:
            for _ in todo:
                yield next_outcome(ended, stop, lambda: say(_still_running(todo, started)))
    except BaseException:
        waiting.clear()
        _kill_kernels()
        for worker in workers:
            worker.join(timeout=10)
        raise


def next_outcome(ended: "Queue[Outcome]", stop: Event, silence: Callable[[], None]) -> Outcome:
    """Return the next outcome; call ``silence`` whenever none came for :data:`HEARTBEAT` seconds.

    Raises
    ------
    KeyboardInterrupt
        ``stop`` is set.
    """
    last = time.perf_counter()
    while not stop.is_set():
        with suppress(Empty):
            return ended.get(timeout=POLL)
        if time.perf_counter() - last > HEARTBEAT:
            silence()
            last = time.perf_counter()
    raise KeyboardInterrupt


@contextmanager
def asked_to_stop() -> Iterator[Event]:
    """Yield an event that Ctrl-C sets: an exception raised by the signal itself may be lost inside a callback."""
    stop = Event()
    if current_thread() is not main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _still_running(tasks: list[Task], started: dict[str, float]) -> str:
    """Return ``still running: hashing/tab_map 60 s (expected 68 s), …``."""
    now, words = time.perf_counter(), []
    for task in tasks:
        if (begun := started.get(task.id)) is not None:
            seconds = expected_seconds(task)
            words.append(f"{task.id} {now - begun:.0f} s" + (f" (expected {seconds:.0f} s)" if seconds else ""))
    return f"still running: {', '.join(words)}"


@contextmanager
def only_one_build(say: Callable[[str], None]):
    """Hold the build lock of the cache; say so when another build has it and wait for its end.

    The lock belongs to the process: it is free again after any kind of kill.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(cache_dir() / "build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("waiting: another build is running here; this one continues when it ends")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _settled(task: Task, force: bool, report: Callable[[Outcome], None]) -> bool:
    """Report and return True when there is nothing to run; words that have changed are renewed."""
    if force or not is_current(task):
        return False
    renewed = renew(task)
    report(Outcome(task.id, "renewed" if renewed else "cached", expected=expected_seconds(task)))
    return True


def is_current(task: Task) -> bool:
    """Return whether nothing has changed that the task's results depend on, and its files are those that it wrote."""
    return not why(task)


def why(task: Task) -> list[str]:
    """Return in words why a task would run now: what has changed since it last did; nothing where it is current."""
    state = read_state(task)
    try:
        return inputs.changes(state.get("inputs", {}), task.notebook, task.values) + _other_files(task, state)
    except (KeyError, TypeError, AttributeError):  # written by another version, or by another hand
        return ["its state cannot be read"]


def _other_files(task: Task, state: dict[str, Any]) -> list[str]:
    """Return which files of a finished task are not as it wrote them."""
    known = {Path(f"{task.stem}.{ending}"): value for ending, value in state.get("files", {}).items()}
    if state:
        known[task.executed] = state["executed"]
    return [f"{relative(path)} is not as written" for path, value in known.items() if file_hash(path) != value]


def renew(task: Task) -> bool:
    """Bring changed words of a notebook, and its claim, to its results without running it; return whether any had."""
    state, words = read_state(task), inputs.prose(task.notebook)
    if state["prose"] == words:
        return False
    inputs.renew(task.notebook, task.executed)
    path = Path(f"{task.stem}.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    if result["claim"] != task.notebook.claim:
        result["claim"] = task.notebook.claim
        atomic_write(path, (json.dumps(result, indent=1, ensure_ascii=False) + "\n").encode())
        state["files"]["json"] = file_hash(path)
    _write_json(task.state, state | {"prose": words, "executed": file_hash(task.executed)})
    return True


def read_state(task: Task) -> dict[str, Any]:
    """Return the recorded state of a task, empty when it never finished."""
    try:
        state = json.loads(task.state.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def expected_seconds(task: Task) -> float | None:
    """Return how long the task took here the last time, else on the reference machine."""
    return read_state(task).get("seconds") or task.notebook.expected(task.profile)


def _run(task: Task, started: dict[str, float]) -> Outcome:
    """Execute one notebook in a fresh kernel and record its state; any failure becomes an outcome.

    ``started`` holds the notebooks that run just now and since when.
    """
    start, expected = time.perf_counter(), expected_seconds(task)
    started[task.id] = start
    try:
        reasons, asked = why(task), inputs.asked(task.notebook, task.values)
        words = inputs.prose(task.notebook)
        _forget(task)
        execute(task.notebook.path, task.executed, task.values)
        seconds = time.perf_counter() - start
        files = {ending: file_hash(path) for ending, path in _results(task).items()}
        used = json.loads(task.used.read_text(encoding="utf-8"))
        made = {"executed": file_hash(task.executed), "prose": words, "seconds": round(seconds, 2), "files": files}
        _write_json(task.state, {"inputs": asked | used, **made})
        return Outcome(task.id, "ran", seconds, expected, _because(reasons))
    except Exception as error:  # the build goes on with the others
        return Outcome(task.id, "failed", time.perf_counter() - start, expected, _explain(task, error))
    finally:
        del started[task.id]


def _because(reasons: list[str]) -> str:
    """Return the first reason and how many more there are; nothing for a first run."""
    if not reasons or reasons == [inputs.NEVER]:
        return ""
    return reasons[0] + (f" and {len(reasons) - 1} more" if reasons[1:] else "")


def _forget(task: Task) -> None:
    """Remove the state, and what a notebook may no longer write: the page to play with, measured times beside."""
    task.state.unlink(missing_ok=True)
    task.used.unlink(missing_ok=True)
    Path(f"{task.stem}.play.html").unlink(missing_ok=True)
    for ending in ENDINGS:
        about_path(task.id, task.profile, task.changes, f".clock.{ending}").unlink(missing_ok=True)


def execute(notebook: Path, target: Path, values: dict[str, Any]) -> None:
    """Run a notebook through papermill to a partial file; rename it to ``target`` when it is complete.

    A kernel that was killed (for want of memory, say) is tried once more, unless the build itself was ended: that no
    longer listens to Ctrl-C (:func:`asked_to_stop`).
    """
    import logging

    import papermill
    from nbclient.exceptions import DeadKernelError

    from anchors.companion.kernels import sockets

    logging.getLogger("papermill").setLevel(logging.ERROR)
    partial = target.with_name(f".{target.stem}.partial.ipynb")
    partial.parent.mkdir(parents=True, exist_ok=True)
    for last in (False, True):
        try:
            with sockets() as folder:
                papermill.execute_notebook(
                    str(notebook), str(partial), values, kernel_name="python3", progress_bar=False,
                    cwd=str(ROOT), start_timeout=120, config=_kernel_config(folder),
                    execution_timeout=LIMITS.get(values.get("profile")),
                )  # fmt: skip
            break
        except DeadKernelError:
            if last or getattr(signal.getsignal(signal.SIGINT), "__module__", "") != __name__:
                raise
    os.replace(partial, target)


def _provide_kernels(count: int) -> None:
    """Let many kernels come from a process that has done their imports; it gets ready while papermill is loaded."""
    from anchors.companion import kernels

    kernels.provide(count)


def _kernel_config(folder: str | None):
    """Return settings that give the kernel its own socket files: kernels that start together race for TCP ports."""
    from traitlets.config import Config

    sockets = {} if folder is None else {"transport": "ipc", "ip": f"{folder}/kernel"}
    return Config({"KernelManager": sockets, "AsyncKernelManager": sockets})


def _results(task: Task) -> dict[str, Path]:
    """Return the files that the notebook wrote; a notebook that saved no json has not done its work."""
    paths = {ending: Path(f"{task.stem}.{ending}") for ending in ENDINGS}
    if not paths["json"].is_file():
        raise AnchorsError(
            f"{relative(paths['json'])}: not written; the last cell of {task.id} must call run.save(...)"
        )
    return {ending: path for ending, path in paths.items() if path.is_file()}


def _explain(task: Task, error: Exception) -> str:
    """Return one line about a failure; the whole traceback goes to a log file."""
    log = cache_dir() / "logs" / f"{task.id.replace('/', '-')}.log"
    with suppress(AnchorsError):  # a full disk must not hide what went wrong
        atomic_write(log, f"{error}".encode())
    name = getattr(error, "ename", type(error).__name__)
    text = str(getattr(error, "evalue", error)).strip().splitlines() or [""]
    return f"{name}: {text[0][:300]} (whole story: {relative(log)})"


def _kill_kernels() -> None:
    """End all kernels that this process started, so that the worker threads return at once."""
    import psutil

    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(value, indent=1).encode())
