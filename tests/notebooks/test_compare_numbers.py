"""nbval with the companion's comparison: a notebook agrees with itself, and every spoilt number is seen."""

import json
import os
import re
import subprocess
import sys

import pytest

from anchors.companion.paths import NOTEBOOKS, ROOT

SPOILT = {
    "other": (r"\d+\.\d+", "99999.9"),
    "nothing": (r"\d+\.\d+", "0.000"),
    "turned": (r"(?<![-−\d.])\d+\.\d+", r"-\g<0>"),
    "words": (r"Arithmetic", "Artistry"),
}


def spoil(node, pattern, put):
    """Replace a pattern in all texts among the outputs of a notebook."""
    for cell in node["cells"]:
        for output in cell.get("outputs", []):
            for place, kind in (
                (output, "text"),
                *((output.get("data", {}), kind) for kind in ("text/plain", "text/html")),
            ):
                if kind in place:
                    place[kind] = re.sub(pattern, put, "".join(place[kind]))
    return node


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SPOILT, ""])
def test_a_notebook_agrees_with_itself_and_spoilt_numbers_are_seen(tmp_path, name):
    node = json.loads((NOTEBOOKS / "rubric/tab1_open_ended.ipynb").read_text(encoding="utf-8"))
    path = tmp_path / "copy.ipynb"
    path.write_text(json.dumps(spoil(node, *SPOILT[name]) if name else node), encoding="utf-8")
    words = ["-q", "-c", str(ROOT / "pyproject.toml"), "-p", "notebooks.compare_numbers", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "--nbval", "--nbval-current-env", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"ANCHORS_FIGURES": str(tmp_path / "figures"), "ANCHORS_HEADLESS": "1", "ANCHORS_FORK": "0"},
    )  # fmt: skip
    assert run.returncode == (1 if name else 0), run.stdout + run.stderr
    assert ("Cell outputs differ" in run.stdout) == bool(name)
