"""A companion in a temporary folder: its own notebooks, cache and figures, driven through the command line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from anchors.companion.paths import ROOT

PARAMETERS = """profile: str = "laptop"  # smoke | laptop | paper
seed: int = 0  # first seed
scale: float = 1.0  # factor on the values
note: str = "plain"  # a word
"""
SAVE = """run.save([Row("value", float(value), seeds=1)], Verdict("measured", "a number"), figure=figure)"""


class Sandbox:
    """Notebooks ``hashing/<name>`` in a temporary folder and the commands that build them."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.notebooks, self.cache, self.figures = (folder / name for name in ("notebooks", "cache", "figures"))
        self.environment = os.environ | {
            "ANCHORS_NOTEBOOKS": str(self.notebooks),
            "ANCHORS_CACHE": str(self.cache),
            "ANCHORS_FIGURES": str(self.figures),
            "ANCHORS_OFFLINE": "1",
        }

    def add(self, name: str, body: str = "value = scale", needs: tuple[str, ...] = (), save: str = SAVE) -> Path:
        """Write a notebook whose compute cell is ``body`` (it must set ``value``)."""
        cells = [
            new_markdown_cell(f"# {name}"),
            new_code_cell(
                "from anchors.companion.results import Row, Run, Verdict\nfrom anchors.companion.style import subplots"
            ),
            new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}),
            new_code_cell(f'run = Run("hashing/{name}", profile=profile, seed=seed, scale=scale, note=note)'),
            new_code_cell(body),
            new_code_cell("figure, axes = subplots(width=2, height=1.5)\naxes.plot([0, value])"),
            new_code_cell(save),
        ]
        meta = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "anchors": {"title": name, "claim": f"claim of {name}", "needs": list(needs)},
        }
        path = self.notebooks / "hashing" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata=meta), path)
        return path

    def start(self, *words: str) -> subprocess.Popen:
        """Start ``python -m anchors`` with ``words``, as a terminal would: Ctrl-C works."""
        return subprocess.Popen(
            [sys.executable, "-m", "anchors", *words],
            env=self.environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        """Run ``python -m anchors`` with ``words``; return its exit code and all it printed."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        return process.returncode, out + err
