"""A new figure to start from: a notebook and its study, small, whole, and working as they are."""

import json
import re
from pathlib import Path

from anchors.companion.errors import AnchorsError, InputError, short
from anchors.companion.files import atomic_write
from anchors.companion.paths import NOTEBOOKS, PAPERS, ROOT, relative
from anchors.companion.published import paper

TEMPLATES = Path(__file__).with_name("templates")
CLAIM = "The mean of a few exponential draws finds the true mean."
LONGEST = 60  # characters of an id: files are called by it
SECONDS = 5  # that the example takes on the reference machine, cold


def write(id: str) -> str:
    """Write ``notebooks/<paper>/<name>.ipynb`` and ``anchors/<paper>/studies/<name>.py``; return what to do next.

    Raises
    ------
    InputError
        The id is ill-formed or taken; nothing is written then.
    """
    key, name = _checked(id)
    study = name.removeprefix("own_")
    notebook, module = NOTEBOOKS / key / f"{name}.ipynb", ROOT / "anchors" / key / "studies" / f"{study}.py"
    for path in (notebook, module):
        if path.exists():
            raise InputError("ID", f"{id!r}, but {relative(path)} is there", "a new name", "Choose another one.")
    content = _notebook(id, key, name, study).encode()
    atomic_write(module, (TEMPLATES / "new_study.txt").read_bytes())
    try:
        atomic_write(notebook, content)
    except AnchorsError:
        module.unlink()
        raise
    return (
        f"written: {relative(notebook)}\nwritten: {relative(module)}\nBoth work as they are. Next:\n"
        f"  make lab ID={id}      # change claim, computation and figure\n"
        f"  make figure ID={id}   # build it; then it is in the gallery\n"
        f"  make refresh          # put its outputs into the notebook, as the tests ask\n"
    ).rstrip()


def _checked(id: str) -> tuple[str, str]:
    found = re.fullmatch(rf"({'|'.join(PAPERS)})/([a-z][a-z0-9]*(?:_[a-z0-9]+)*)", id)
    if found is None or len(id) > LONGEST:
        expected = f"{' | '.join(PAPERS)}, a slash, a name of at most {LONGEST} small letters"
        raise InputError("ID", short(id), expected, "For example make new ID=hashing/own_idea.")
    return found[1], found[2]


def _notebook(id: str, key: str, name: str, study: str) -> str:
    """Return the notebook as JSON, as Jupyter writes it."""
    record, title = paper(key), name.removeprefix("own_").replace("_", " ").capitalize()
    text = (TEMPLATES / "new_notebook.txt").read_text(encoding="utf-8").format(
        id=id, key=key, study=study, title=title, short=record.short, authors=record.authors, paper=record.title,
        arxiv=record.arxiv, mark=" (reconstructed)" if record.reconstructed else "",
    )  # fmt: skip
    parts = re.findall(r"# %%(?: (\w+))?\n(.*?)(?=\n# %%|\Z)", text, re.S)
    cells = [_cell(number, kind, source.strip("\n")) for number, (kind, source) in enumerate(parts)]
    meta = {
        "anchors": {"claim": CLAIM, "expected_seconds": {"laptop": SECONDS}, "needs": [], "title": title},
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    node = {"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(node, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, source: str) -> dict:
    """Return a cell; ``kind`` is markdown, parameters (code with that tag) or empty (code)."""
    common = {"id": f"cell-{number}", "metadata": {}, "source": source.splitlines(keepends=True)}
    if kind == "markdown":
        return {"cell_type": "markdown"} | common
    tags = {"metadata": {"tags": [kind]}} if kind else {}
    return {"cell_type": "code", "execution_count": None, "outputs": []} | common | tags
