"""What each profile may cost: seconds that the notebooks announce, as measured in a cold build on two cores."""

import pytest

from anchors.companion.notebooks import notebooks

SMOKE_EACH, SMOKE_ALL, CORES = 10, 120, 2
NOTEBOOKS = {notebook.id: notebook for notebook in notebooks()}
# What a smoke run cannot do in ten seconds, and why.
LONGER = {
    "entity/tab_inductive": "reads the texts of large graphs, with their data sets",
    "entity/tab_link_prediction": "reads the texts of large graphs, with their data sets",
    "entity/fig_efficiency": "reads the texts of large graphs, with their data sets",
    "entity/own_where_it_helps": "reads the texts of large graphs, with their data sets",
    "rubric/own_bank": "reads five data sets of rubrics",
    "thought/fig5_receiver_by_category": "is the first to convert SmolLM2, once for all",
    "thought/own_agreement": "runs three methods on two models",
    "thought/own_explorer": "runs three methods on two models",
    "hashing/own_emoji_search": "is the first to embed the names of all emoji, once for all",
}


@pytest.mark.parametrize("id", NOTEBOOKS)
def test_a_notebook_announces_its_seconds_and_smoke_is_short(id):
    smoke, laptop = (NOTEBOOKS[id].expected(profile) or 0 for profile in ("smoke", "laptop"))
    assert 0 < smoke <= laptop
    assert (smoke > SMOKE_EACH) == (id in LONGER)


def test_smoke_without_what_is_known_to_be_longer_takes_two_minutes_in_all():
    total = sum(notebook.expected("smoke") or 0 for id, notebook in NOTEBOOKS.items() if id not in LONGER)
    assert total / CORES <= SMOKE_ALL
