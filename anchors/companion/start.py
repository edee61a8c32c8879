"""The notebook to start with: no figure of a paper, but run, compared and shown like one; and how to open it."""

import os
import sys
from pathlib import Path

from anchors.companion.paths import NOTEBOOKS, ROOT, cache_dir, relative

PATH = NOTEBOOKS / "00_start_here.ipynb"


def executed() -> Path:
    """Run the notebook in a fresh kernel and return the executed copy in the cache."""
    from anchors.companion.runner import KERNEL_ENVIRONMENT, execute

    os.environ.update(KERNEL_ENVIRONMENT)  # one thread, and no bars that would stand among the outputs
    copy = cache_dir() / "executed" / PATH.name
    execute(PATH, copy, {})
    return copy


def lab_command(id: str = "") -> list[str]:
    """Return the command that opens notebook ``id`` in JupyterLab (``jupyter lab``), or the one to start with.

    Raises
    ------
    InputError
        There is no notebook of that id.
    """
    from anchors.companion.notebooks import Notebook

    path = Notebook.find(id).path if id else PATH
    show = f"--LabApp.default_url=/lab/tree/{relative(path)}"
    return [sys.executable, "-m", "jupyterlab", f"--notebook-dir={ROOT}", show]
