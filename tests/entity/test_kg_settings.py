"""Variants change what their names say and nothing else; what cannot be is refused in one line."""

import math
from dataclasses import asdict, fields

import numpy as np
import pytest

from anchors.companion.errors import InputError
from anchors.entity import anchors
from anchors.entity.loaders import load
from anchors.entity.settings import CONTROLS, SHORT, VARIANTS, Settings, variant

BASE = Settings(batch=64, k=5, random=9, pre_batch=1, self_negative=True, rate=7e-4, seed=3)
CHANGES = {
    "simkgc_ib": {},
    "simkgc_ib+pb": {"pre_batch": 2},
    "simkgc_ib+sn": {"self_negative": True},
    "simkgc": {"pre_batch": 2, "self_negative": True},
    "anchors_only": {"k": 8},
    "random_only": {"random": 64},
    "sea": {"k": 8, "random": 64},
    "permuted": {"k": 8, "permuted": True},
    "extra": {"k": 8, "extra": True},
    "anchors_alone": {"k": 8, "text": False, "drop_set": 0.0},
}
PLAIN = {"k": 0, "random": 0, "pre_batch": 0, "permuted": False, "extra": False, "text": True}


@pytest.mark.parametrize("name", CHANGES)
def test_a_variant_is_the_base_with_its_own_changes(name):
    assert asdict(variant(name, BASE)) == asdict(BASE) | PLAIN | CHANGES[name]


def test_all_variants_have_a_short_name():
    assert set(SHORT) == {*VARIANTS, *CONTROLS} == set(CHANGES)
    assert len(set(SHORT.values())) == len(SHORT)


def test_the_numbers_of_anchors_and_random_negatives_can_be_said():
    found = variant("sea", BASE, k=3, random=11)
    assert (found.k, found.random) == (3, 11)
    assert variant("random_only", BASE, random=11).random == 11


def test_simkgcs_values_stand_where_the_paper_is_silent():
    s = Settings()
    assert (s.margin, s.temperature, s.weight_decay, s.warmup, s.clip, s.max_tokens) == (0.02, 0.05, 1e-4, 400, 10, 50)
    assert (s.anchor_width, s.drop_anchor, s.drop_set, s.anchor_rate, s.strategy) == (128, 0.1, 0.1, 10, "degree")


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": -1}, {"top": -1}, {"max_tokens": 3}, {"width": 0}, {"k": -1}, {"anchors": 0}, {"drop_anchor": -0.1},
        {"drop_anchor": 1.1}, {"drop_set": 2}, {"dropout": -1}, {"dropout": 1.5}, {"temperature": 0}, {"random": -1},
        {"refresh": 0}, {"pre_batch": -1}, {"batch": 1}, {"steps": 0}, {"rate": -1e-3}, {"rate": math.nan},
        {"chunk": -1}, {"patience": -1}, {"weighting": "loud"}, {"start": "zero"}, {"place": "middle"},
        {"dtype": "float16"}, {"text": False},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_one_clear_line(changes):
    with pytest.raises(InputError) as caught:
        Settings(**changes)
    text, (name,) = str(caught.value), changes
    assert text.startswith(f"{name}: found ")
    assert "expected" in text
    assert "\n" not in text


def test_an_unknown_variant_lists_them_all():
    with pytest.raises(InputError) as caught:
        variant("seal", BASE)
    for name in CHANGES:
        assert name in str(caught.value)


def test_settings_are_numbers_and_words_only():
    assert all(isinstance(value, (bool, int, float, str)) for value in asdict(BASE).values())
    assert len({field.name for field in fields(Settings)}) == len(asdict(BASE))


def test_the_control_without_structure_has_none_in_its_relation_types_either():
    graph = load("nations")
    made = anchors.assign(graph, anchors.select(graph, 5, "degree", np.random.default_rng(0)), 3)
    same = anchors.same_for_all(anchors.with_types(made, graph, 4))
    for tokens in (same.nearest, same.types):
        assert (tokens == tokens[0]).all()
        assert (tokens != anchors.NONE).all()
    assert set(same.types[0]).isdisjoint(range(5))
