"""The results that were committed: what a rebuild is compared with, and what is shown where a figure is not built.

They are read from the last commit, since a build writes over the files; where there is no git, from a copy that is
made before anything is built.
"""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from anchors.companion.errors import InputError
from anchors.companion.paths import PAPERS, ROOT, cache_dir

FIGURES = ROOT / "figures"
ENDINGS = ("png", "csv", "json")


def read(id: str, ending: str) -> bytes | None:
    """Return the committed ``figures/<id>.<ending>``, None where there is none."""
    if _in_git():
        return _git("show", f"HEAD:./figures/{id}.{ending}")
    path = _snapshot() / f"{id}.{ending}"
    return path.read_bytes() if path.is_file() else None


def result(id: str) -> dict[str, Any] | None:
    """Return the committed result of a notebook, None where there is none; InputError when it is no JSON."""
    content = read(id, "json")
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError as error:
        raise InputError(f"committed figures/{id}.json", str(error), "a results json", "Restore it.") from error


def keep() -> None:
    """Make sure that the committed results can still be read after a build has written over the files."""
    if not _in_git():
        _snapshot()


@cache
def _in_git() -> bool:
    """Return whether the last commit of this checkout can be read and holds figures."""
    return bool(_git("ls-tree", "HEAD", "./figures/"))


def _git(*words: str) -> bytes | None:
    """Return what git prints, None when it fails or is not installed."""
    try:
        run = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):  # no git, no repository, no such file
        return None
    return run.stdout


def _snapshot() -> Path:
    """Return the folder with a copy of the committed files, made when it is first asked for."""
    folder = cache_dir() / "committed"
    if not folder.is_dir():
        partial = cache_dir() / ".committed"
        shutil.rmtree(partial, ignore_errors=True)
        for paper in PAPERS:
            (partial / paper).mkdir(parents=True)
            for path in sorted((FIGURES / paper).glob("*")):
                if path.suffix[1:] in ENDINGS:
                    shutil.copy2(path, partial / paper / path.name)
        partial.rename(folder)
    return folder
