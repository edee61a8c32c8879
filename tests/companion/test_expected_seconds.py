"""What each profile may cost: seconds that the notebooks announce, cold, on two cores."""

import pytest

from anchors.companion.notebooks import notebooks

SMOKE_EACH, SMOKE_ALL, CORES = 10, 120, 2
NOTEBOOKS = {notebook.id: notebook for notebook in notebooks()}


@pytest.mark.parametrize("id", NOTEBOOKS)
def test_a_notebook_announces_its_seconds_and_smoke_is_short(id):
    smoke, laptop = (NOTEBOOKS[id].expected(profile) or 0 for profile in ("smoke", "laptop"))
    assert 0 < smoke <= laptop
    assert smoke <= SMOKE_EACH


def test_smoke_takes_two_minutes_in_all():
    total = sum(notebook.expected("smoke") or 0 for notebook in NOTEBOOKS.values())
    assert total / CORES <= SMOKE_ALL
