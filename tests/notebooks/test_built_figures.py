"""The figures just built against the committed ones: same rows, same verdicts, numbers within tolerance."""

import json

import pytest

from anchors.companion.notebooks import Notebook, notebooks
from anchors.companion.paths import ROOT, figures_dir
from anchors.companion.published import paper
from anchors.companion.results import STATUSES

pytestmark = pytest.mark.built
IDS = [notebook.id for notebook in notebooks()]
TIMED = {"s", "ms/query", "GiB", "exponent"}  # measured on a clock: only their presence is compared
WITHOUT_INTERVALS = (
    "hashing/fig_scaling", "hashing/fig_retrieval", "thought/fig2_case_study", "entity/tab_published",
    "entity/fig_coverage", "entity/fig_efficiency", "rubric/tab1_open_ended", "rubric/tab2_reasoning_and_general",
    "rubric/method_pipeline",
)  # fmt: skip
TOLERANCE = 0.02, 0.1  # absolute or relative: other processors add up in another order, and a few bits flip
# Where the features themselves differ in their last bits (numpy's arctan2 with and without AVX-512 puts edges on other
# sides of a bin), single numbers move by up to 0.03 mAP or a tenth (measured on both kinds of processor).
LOOSE = 0.05, 0.25


def both(id):
    """Return the committed and the fresh result; the fresh one is None where data for it are not on this machine."""
    fresh = figures_dir() / f"{id}.json"
    committed = json.loads((ROOT / "figures" / f"{id}.json").read_text())
    return committed, json.loads(fresh.read_text()) if not Notebook.find(id).missing else None


# SmolLM2's arms were trained in bfloat16: a processor that rounds it otherwise draws other tokens in the live slice.
ROUNDED = "smollm2: largest |live − recorded| reward of the first steps"


def close(a, b, unit, tolerance):
    if a is None or b is None:
        return a is b
    return unit in TIMED or abs(a - b) <= max(tolerance[0], tolerance[1] * abs(a))


@pytest.mark.parametrize("id", IDS)
def test_numbers_are_the_committed_ones(id):
    committed, fresh = both(id)
    if fresh is None:
        assert not (figures_dir() / f"{id}.json").exists(), "a notebook without its data must not leave a result"
        return
    names = [row["quantity"] for row in committed["rows"] if row["unit"] not in TIMED]
    assert [row["quantity"] for row in fresh["rows"] if row["unit"] not in TIMED] == names
    data = [result["provenance"]["data"] for result in (committed, fresh)]
    assert data[0].keys() == data[1].keys()
    tolerance = TOLERANCE if data[0] == data[1] else LOOSE
    for old, new in zip(committed["rows"], fresh["rows"], strict=True):
        if old["quantity"] == ROUNDED:
            continue
        for field in ("measured", "low", "high"):
            assert close(old[field], new[field], old["unit"], tolerance), (
                old["quantity"],
                field,
                old[field],
                new[field],
            )
    assert fresh["verdict"]["kind"] == committed["verdict"]["kind"]


@pytest.mark.parametrize("id", IDS)
def test_results_say_what_the_house_demands(id):
    committed, _ = both(id)
    assert committed["status"] in STATUSES
    assert committed["reconstructed"] == paper(id.split("/")[0]).reconstructed
    assert committed["profile"] == "laptop"
    assert committed["claim"]
    assert committed["rows"]
    assert committed["provenance"]["seconds"] >= 0
    assert {"commit", "code", "data", "versions", "device"} <= set(committed["provenance"])
    record, name = paper(id.split("/")[0]), id.split("/")[1]
    if record.reconstructed and not (name in record.figures and record.figures[name].values):
        assert all(row["published"] is None and row["status"] == "not available" for row in committed["rows"])


@pytest.mark.parametrize("id", IDS)
def test_five_repetitions_and_intervals(id):
    """An interval is over five or more seeds, or over five or more traces or problems."""
    committed, _ = both(id)
    repeated = [row for row in committed["rows"] if row["low"] is not None]
    if id not in WITHOUT_INTERVALS:
        assert repeated
        assert all(max(row["seeds"], row["n"]) >= 5 for row in repeated)


@pytest.mark.parametrize("id", IDS)
def test_committed_files_are_whole(id):
    from PIL import Image

    with Image.open(ROOT / "figures" / f"{id}.png") as image:
        assert image.width >= 700
        assert "commit" in json.loads(image.info["Description"])
    assert len((ROOT / "figures" / f"{id}.csv").read_text().splitlines()) >= 2
