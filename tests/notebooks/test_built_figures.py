"""The figures just built against the committed ones, row by row, and what committed results must say and hold."""

import json

import pytest

from anchors.companion import reproduction
from anchors.companion.notebooks import Notebook, notebooks
from anchors.companion.paths import ROOT, figures_dir
from anchors.companion.published import paper
from anchors.companion.results import STATUSES, Row

pytestmark = pytest.mark.built
IDS = [notebook.id for notebook in notebooks()]
WITHOUT_INTERVALS = (
    "hashing/fig_scaling", "hashing/fig_retrieval", "thought/fig2_case_study", "entity/tab_published",
    "entity/fig_coverage", "entity/fig_efficiency", "rubric/tab1_open_ended", "rubric/tab2_reasoning_and_general",
    "rubric/method_pipeline",
)  # fmt: skip


def committed(id):
    return json.loads((ROOT / "figures" / f"{id}.json").read_text())


@pytest.mark.parametrize("id", IDS)
def test_numbers_are_the_committed_ones(id):
    notebook = Notebook.find(id)
    found = reproduction.compare_figure(notebook, "laptop")
    moved = [row for row in found["rows"] if row["state"] == reproduction.OUTSIDE]
    assert found["state"] not in reproduction.BAD, (found["note"], moved)
    if notebook.missing:
        assert found["state"] == reproduction.NOT_BUILT
    elif notebook.lacking:
        assert found["state"] == reproduction.OTHER
        assert (figures_dir() / "_reduced" / f"{id}.json").is_file()
    else:
        assert found["state"] in (*reproduction.COMPARED, reproduction.TIMING)


@pytest.mark.parametrize("id", IDS)
def test_results_say_what_the_house_demands(id):
    result = committed(id)
    assert result["status"] in STATUSES
    assert result["reconstructed"] == paper(id.split("/")[0]).reconstructed
    assert result["profile"] == "laptop"
    assert result["claim"] == Notebook.find(id).claim
    assert result["rows"]
    assert result["reduced"] == {}
    assert not {"provenance", "created", "commit", "seconds"} & set(result), "numbers only"
    record, name = paper(id.split("/")[0]), id.split("/")[1]
    if record.reconstructed and not (name in record.figures and record.figures[name].values):
        assert all(row["published"] is None and row["status"] == "not available" for row in result["rows"])


@pytest.mark.parametrize("id", IDS)
def test_numbers_have_six_digits_and_rows_are_rows(id):
    for row in committed(id)["rows"]:
        assert set(row) == set(Row.__dataclass_fields__)
        for field in reproduction.FIELDS:
            assert row[field] is None or row[field] == float(f"{row[field]:.6g}")


@pytest.mark.parametrize("id", IDS)
def test_five_repetitions_and_intervals(id):
    """An interval is over five or more seeds, or over five or more traces or problems."""
    repeated = [row for row in committed(id)["rows"] if row["low"] is not None]
    if id not in WITHOUT_INTERVALS:
        assert repeated
        assert all(max(row["seeds"], row["n"]) >= 5 for row in repeated)


@pytest.mark.parametrize("id", IDS)
def test_committed_files_are_whole(id):
    from PIL import Image

    with Image.open(ROOT / "figures" / f"{id}.png") as image:
        assert image.width >= 700
        assert image.info["Title"] == committed(id)["title"]
        assert set(image.info) <= {"Title", "Software", "dpi"}
    assert len((ROOT / "figures" / f"{id}.csv").read_text().splitlines()) >= 2
