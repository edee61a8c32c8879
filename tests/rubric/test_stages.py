"""The curriculum: budgets add up, replay, filtering between stages, the defence in later stages, YAML."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import InputError
from anchors.rubric.rubric import Criterion, Rubric
from anchors.rubric.stages import Band, Curriculum, Family, Stage, arms, draw, read, run, write


def rubric(name, prompt=None, check="no_comma"):
    return Rubric(id=name, criteria=(Criterion(id=name, description=name, check=check),), prompt=prompt)


FORM = Family(rubrics=(rubric("commas"), rubric("titles", check="title")))
STYLE = Family(rubrics=tuple(rubric(f"style{k}", f"story {k}") for k in range(4)))
VETO = Criterion(id="praise", description="praise", check="no_comma", critical=True, avoid=True, weight=0)
FAMILIES = {"form": FORM, "style": STYLE}
POOLS = {"form": [f"task {k}" for k in range(6)]}


def staged(**second):
    return Curriculum(
        families=FAMILIES,
        stages=(
            Stage(name="first", families=("form",), rollouts=40),
            Stage(**{"name": "second", "families": ("style",), "rollouts": 80, **second}),
        ),
    )


def test_a_family_knows_its_prompts_and_rubrics():
    assert STYLE.prompts == ("story 0", "story 1", "story 2", "story 3")
    assert FORM.prompts == ()
    assert STYLE.rubric_for("story 2").ids == ("style2",)
    assert FORM.rubric_for("anything").ids == ("commas", "titles")
    with pytest.raises(InputError, match="elsewhere"):
        STYLE.rubric_for("elsewhere")


def test_shares_by_hand():
    curriculum = staged(replay=0.25)
    assert curriculum.rollouts == 120
    assert curriculum.shares(curriculum.stages[0]) == {"form": 5}
    assert curriculum.shares(curriculum.stages[1]) == {"style": 8, "form": 2}, "round(2.5) is 2"
    both = Stage(name="both", families=("form", "style"), rollouts=40)
    assert Curriculum(families=FAMILIES, stages=(both,)).shares(both) == {"form": 3, "style": 2}


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), st.integers(2, 9), st.floats(0, 0.99), st.integers(1, 4))
def test_shares_add_up_to_the_budget(groups, group, replay, count):
    families = {f"f{k}": FORM for k in range(count + 1)}
    stages = (
        Stage(name="a", families=("f0",), rollouts=group),
        Stage(name="b", families=tuple(families)[1:], rollouts=groups * group, replay=replay),
    )
    curriculum = Curriculum(families=families, stages=stages, group=group)
    shares = curriculum.shares(stages[1])
    assert sum(shares.values()) == groups
    own = [shares[name] for name in stages[1].families]
    assert max(own) - min(own) <= 1
    assert abs(shares.get("f0", 0) - replay * groups) <= 0.5


def test_items_are_drawn_in_whole_passes_over_the_prompts():
    curriculum = staged(replay=0.25)
    pools = {"form": POOLS["form"], "style": list(STYLE.prompts)}
    items = draw(curriculum, curriculum.stages[1], pools, np.random.default_rng(0))
    counts = Counter(item.prompt for item in items)
    assert [counts[prompt] for prompt in STYLE.prompts] == [2, 2, 2, 2]
    assert sum(item.replayed for item in items) == 2
    assert all(item.rubric.prompt == item.prompt for item in items if item.family == "style")
    assert all(item.rubric.ids == ("commas", "titles") for item in items if item.family == "form")
    again = draw(curriculum, curriculum.stages[1], pools, np.random.default_rng(0))
    assert items == again


def test_stages_run_in_order_with_filtering_between_them():
    """In each stage prompt k scores 0 or 1 with mean k/10: the band keeps the middle; earlier drops stay dropped."""
    asked, trained = [], []

    def score(prompts, rubrics, samples):
        asked.append((list(prompts), [r.id for r in rubrics], samples))
        scores = np.zeros((len(prompts), samples))
        for k, row in enumerate(scores):
            row[: k * 2] = 1
        return scores

    curriculum = Curriculum(
        families=FAMILIES,
        stages=(
            Stage(name="first", families=("form",), rollouts=40, band=Band(low=0.1, high=0.9, samples=10)),
            Stage(name="second", families=("style",), rollouts=40, replay=0.4, band=Band(low=0, high=1, samples=8)),
        ),
    )
    passed = run(curriculum, lambda stage, items: trained.append((stage.name, items)), POOLS, score)
    assert [name for name, _ in trained] == ["first", "second"]
    assert asked[0] == (POOLS["form"], ["commas+titles"] * 6, 10)
    assert asked[1][0] == list(STYLE.prompts)
    assert set(passed[0].selections) == {"form"}
    np.testing.assert_array_equal(passed[0].selections["form"].mask, [0, 1, 1, 1, 1, 0])
    assert {item.prompt for item in passed[0].items} == set(POOLS["form"][1:5])
    replayed = {item.prompt for item in passed[1].items if item.replayed}
    assert replayed
    assert replayed <= set(POOLS["form"][1:5])
    assert {i.prompt for i in passed[1].items if not i.replayed} == {"story 1", "story 2", "story 3"}, (
        "0 has no variance"
    )
    assert passed[1].selections["style"].counts()["no variance"] == 1


def test_the_defence_is_wired_in_the_later_stage_only_and_grows():
    def mined(stage, result):
        return [VETO] if result == "first" else []

    passed = run(staged(defence=True), lambda stage, items: stage.name, POOLS, defend=mined)
    assert [p.result for p in passed] == ["first", "second"]
    assert not any("praise" in item.rubric.ids for item in passed[0].items)
    assert all(item.rubric.ids[-1] == "praise" for item in passed[1].items)
    assert passed[1].defence == (VETO,)
    off = run(staged(defence=False), lambda stage, items: stage.name, POOLS, defend=mined)
    assert not any("praise" in item.rubric.ids for item in off[1].items)
    twice = run(staged(defence=True).model_copy(update={"defence": (VETO,)}), lambda *_: "first", POOLS, defend=mined)
    assert twice[1].defence == (VETO,)


def test_a_run_depends_on_its_seed_only():
    def prompts(seed):
        return [item.prompt for p in run(staged(), lambda *_: None, POOLS, seed=seed) for item in p.items]

    assert prompts(1) == prompts(1)
    assert prompts(1) != prompts(2)


def test_arms_have_equal_budgets():
    found = arms(FAMILIES, 160, replay=0.2, defence=True, band=Band())
    assert list(found) == ["form only", "style only", "joint", "form then style", "style then form"]
    assert {curriculum.rollouts for curriculum in found.values()} == {160}
    assert [len(curriculum.stages) for curriculum in found.values()] == [1, 1, 1, 2, 2]
    joint, then = found["joint"], found["form then style"]
    assert joint.shares(joint.stages[0]) == {"form": 10, "style": 10}
    assert then.shares(then.stages[1]) == {"style": 8, "form": 2}
    assert [stage.defence for stage in then.stages] == [False, True]
    assert not joint.stages[0].defence


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"families": {"form": FORM}, "rollouts": 16}, "1 of them"),
        ({"families": FAMILIES, "rollouts": 24}, "multiple of 16"),
        ({"families": FAMILIES, "rollouts": 0}, "multiple of 16"),
    ],
)
def test_arms_that_cannot_be_equal_are_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        arms(**arguments)


# ---- files and bad input --------------------------------------------------------------------------------------------


def test_a_curriculum_survives_yaml(tmp_path):
    first = staged(replay=0.25, defence=True, band=Band(low=0.3)).model_copy(update={"defence": (VETO,)})
    assert read(write(first, tmp_path / "curriculum.yml")) == first
    assert "weight: 1.0" not in (tmp_path / "curriculum.yml").read_text(), "defaults are left out"


STAGE = {"name": "a", "families": ("form",), "rollouts": 8}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"families": ("x",)}, "stage 'a': families"),
        ({"families": ("form", "form")}, "each once"),
        ({"families": ()}, "families"),
        ({"rollouts": 12}, "multiple of 8"),
        ({"rollouts": 0}, "rollouts"),
        ({"replay": 0.5}, "no other family came before"),
        ({"replay": 1.0}, "replay"),
        ({"band": {"samples": 1}}, "samples"),
        ({"bands": None}, "unknown field"),
    ],
)
def test_a_stage_that_cannot_be_is_refused_in_a_line(change, words, tmp_path):
    with pytest.raises(InputError, match=words) as caught:
        Curriculum(families=FAMILIES, stages=(Stage(**STAGE | change),))
    assert "\n" not in str(caught.value)


def test_two_stages_of_one_name_are_refused():
    with pytest.raises(InputError, match="distinct names"):
        Curriculum(families=FAMILIES, stages=(Stage(**STAGE), Stage(**STAGE)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a", "a mapping"),
        ("{", "broken YAML"),
        ("families: {}\nstages: []", "families"),
        ("stages: []", "nothing"),
        (
            "families: {a: {rubrics: [{id: r, criteria: []}]}}\nstages: [{name: s, families: [a], rollouts: 8}]",
            "criteria",
        ),
    ],
)
def test_a_broken_file_is_named(text, words, tmp_path):
    path = tmp_path / "curriculum.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read(path)
    assert "curriculum.yml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_run_says_what_is_missing():
    train = lambda *_: None  # noqa: E731
    with pytest.raises(InputError, match="no prompts"):
        run(staged(), train)
    with pytest.raises(InputError, match="no score"):
        run(staged(band=Band()), train, POOLS)
    with pytest.raises(InputError, match=r"\(4, 1\)"):
        run(staged(band=Band()), train, POOLS, lambda prompts, rubrics, samples: np.zeros((len(prompts), 1)))
    with pytest.raises(InputError, match="no variance 4"):
        run(staged(band=Band()), train, POOLS, lambda prompts, rubrics, samples: np.zeros((len(prompts), samples)))
