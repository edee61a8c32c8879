"""The shipped reasoner is an instrument: its skills and its error rates are the process's, in the log and live."""

import json

import pytest

from anchors.companion import recorded
from anchors.companion.files import sha256
from anchors.models.language import SHIPPED, load
from anchors.thought.reasoner import program
from anchors.thought.reasoner.audit import audit

FOLDER = SHIPPED / "reasoner"
POINTS = 0.03  # allowed between the reasoner and the process; 0.02 for wrong computations


def check(table, slack):
    found = table.set_index("rate")
    assert found.reasoner["recalls right"] >= 0.98
    assert found.reasoner["operand look-ups right"] >= 0.98
    assert found.reasoner["computations wrong"] == pytest.approx(program.ERROR, abs=0.02 + slack)
    for name in found.index[found.index.str.startswith("share of")]:
        assert found.reasoner[name] == pytest.approx(found.process[name], abs=POINTS), name
    for name in found.index[found.index.str.startswith("right answers")]:
        row = found.loc[name]
        half = (row.high - row.low) / 2 if slack else 0.0  # few solutions leave more to chance
        assert row.reasoner == pytest.approx(row.process, abs=POINTS + 1.5 * half + slack), name


def test_the_recorded_audit_meets_the_bar():
    table, about = recorded.load("thought/reasoner_audit")
    assert table.n.max() > 30_000
    check(table, slack=0.0)
    assert about["program"] == json.loads((FOLDER / "provenance.json").read_text())["program"]


def test_the_weights_are_small_and_the_recorded_ones():
    about = json.loads((FOLDER / "provenance.json").read_text())
    assert sha256(FOLDER / "model.safetensors") == about["sha256"]
    assert (FOLDER / "model.safetensors").stat().st_size <= 4 * 2**20
    assert about["parameters"] <= 3_000_000
    assert about["seconds"] <= 1800


def test_its_words_round_trip():
    model = load("reasoner")
    text = "d= b +2 ; b: 4 ; find d ? we need d . the answer is \\boxed{ 6 } ."
    assert model.tokenizer.decode(model.encode(text)) == text
    assert model.tokenizer.is_fast


@pytest.mark.slow
def test_a_small_live_audit():
    check(audit(problems=60, solutions=4, seed=77), slack=0.04)
