"""Committed intervals hold their value and stay in the range of their quantity."""

import json
import re

import pytest

from anchors.companion.paths import ROOT

SHARE = re.compile(r"\b(share|rate|accuracy|recall|precision|MRR|Hits|H@\d+|mAP|kept|answered)\b", re.IGNORECASE)
OTHER = re.compile(r"−|change|gain|beyond|correlation|less|difference|drop|importance|bias|\|| / |per|effect|ratio")


@pytest.mark.parametrize("path", sorted(ROOT.glob("figures/*/*.json")), ids=lambda path: path.stem)
def test_intervals_hold_their_value_and_shares_stay_shares(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    for row in content.get("rows") or []:
        value, low, high, name = (row.get(key) for key in ("measured", "low", "high", "quantity"))
        if None in (value, low, high):
            continue
        assert low <= value <= high, name
        whole = 100 if row["unit"] == "%" else 1
        if 0 <= value <= whole and SHARE.search(name) and not OTHER.search(f"{name} {row['unit']}"):
            assert low >= 0, name
            assert high <= whole, name
