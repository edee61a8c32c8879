"""Rubrics of benchmarks and checklists: counts on the data sets, what a format maps to, exports that read back."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion import datasets
from anchors.companion.errors import InputError, MissingData
from anchors.rubric import criteria, readers
from anchors.rubric.aggregate import Aggregator, healthbench
from anchors.rubric.ifeval_words import WORDS, described
from anchors.rubric.rubric import Criterion, Rubric, Tier, read, write

# rubrics, criteria, licence, and fields of one of them
COUNTS = {"biggen": (765, 765, "Apache-2.0"), "healthbench": (500, 5965, "MIT"), "ifeval": (541, 834, "Apache-2.0"),
          "eqbench": (46, 588, "MIT")}  # fmt: skip


BENCHMARKS = [pytest.param(name, marks=pytest.mark.needs(f"rubric_{name}")) for name in COUNTS]


@pytest.mark.parametrize("name", COUNTS)
def test_a_benchmark_that_is_not_here_is_named(name):
    with pytest.raises(MissingData, match=f"data set 'rubric_{name}' .*ANCHORS_DATA_MIRROR"):
        getattr(readers, name)()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_read_whole(name):
    rubrics = getattr(readers, name)()
    count, items, licence = COUNTS[name]
    assert len(rubrics) == len({rubric.id for rubric in rubrics}) == len({rubric.hash for rubric in rubrics}) == count
    assert sum(len(rubric.criteria) for rubric in rubrics) == items
    for rubric in rubrics:
        assert rubric.prompt.strip()
        assert rubric.source
        assert rubric.licence == licence
        assert {one.scope for one in rubric.criteria} == {"instance"}
        assert {one.licence for one in rubric.criteria} == {licence}
        assert {one.kind for one in rubric.criteria} == {"program" if name == "ifeval" else "llm_judge"}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_rubrics_of_a_benchmark_can_be_kept_in_either_format(name, tmp_path):
    for rubric in getattr(readers, name)()[:: COUNTS[name][0] // 4]:
        for suffix in ("yml", "json"):
            assert read(write(rubric, tmp_path / f"r.{suffix}")) == rubric


@pytest.mark.needs("rubric_biggen")
def test_biggen_has_nine_capabilities_and_five_described_tiers():
    rubrics = readers.biggen()
    capabilities = Counter(rubric.task.split("/")[0] for rubric in rubrics)
    assert capabilities == {
        "grounding": 100, "instruction_following": 100, "reasoning": 100, "theory_of_mind": 100, "safety": 79,
        "refinement": 76, "planning": 70, "multilingual": 70, "tool_usage": 70,
    }  # fmt: skip
    assert len({rubric.task for rubric in rubrics}) == 77
    for rubric in rubrics:
        (one,) = rubric.criteria
        assert [tier.score for tier in one.tiers] == [1, 2, 3, 4, 5]
        assert all(tier.description.strip() for tier in one.tiers)
        assert one.positions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    first = next(rubric for rubric in rubrics if rubric.id == "planning_travel_plan_0")
    assert first.prompt.startswith("You are a travel agent that can design travel plans.\n\nDesign a travel plan")


@pytest.mark.needs("rubric_healthbench")
def test_healthbench_has_signed_points():
    rubrics = readers.healthbench()
    points = Counter(int(-one.weight if one.avoid else one.weight) for rubric in rubrics for one in rubric.criteria)
    assert (points[5], points[-8], points[10], points[-10]) == (1175, 351, 218, 201)
    assert sum(count for value, count in points.items() if value < 0) == 1859
    assert all((~rubric.avoid).any() for rubric in rubrics), "every conversation has something to gain"
    assert len({one.description for rubric in rubrics for one in rubric.criteria}) == 5129
    assert Counter(one.source.split("; ")[1] for r in rubrics for one in r.criteria)["level:example"] == 5965 - 849
    assert rubrics[0].prompt.startswith("User: My 10-year-old has been having nighttime leg cramps")
    assert rubrics[0].prompt.count("\n\nAssistant: ") == 2
    assert not rubrics[3].prompt.startswith("User: "), "one message is the prompt as it is"


@pytest.mark.needs("rubric_healthbench")
def test_healthbench_s_score_follows_from_the_rubric():
    rubrics = readers.healthbench()
    rng = np.random.default_rng(0)
    for rubric in rubrics[:50]:
        points = np.where(rubric.avoid, -rubric.weights, rubric.weights)
        met = rng.integers(0, 2, (4, len(points)))
        baseline = Aggregator(rubric)(np.where(rubric.avoid, 1 - met, met))
        lost = rubric.weights[rubric.avoid].sum()
        expected = (baseline * rubric.weights.sum() - lost) / rubric.weights[~rubric.avoid].sum()
        np.testing.assert_allclose(healthbench(points, met, clip=False), expected, atol=1e-12)


@pytest.mark.needs("rubric_ifeval")
def test_ifeval_s_25_instructions_are_program_checks_that_exist():
    rubrics = readers.ifeval()
    every = [one for rubric in rubrics for one in rubric.criteria]
    assert {one.check.removeprefix("ifeval:") for one in every} == set(WORDS)
    assert len(WORDS) == 25
    assert sum("#" in one.id for one in every) == 17  # instructions that a prompt gives again
    for rubric in rubrics:
        criteria.validate(rubric)
    first = rubrics[0]
    assert first.id == "ifeval_1000"
    assert first.ids == (
        "punctuation:no_comma", "detectable_format:number_highlighted_sections", "length_constraints:number_words"
    )  # fmt: skip
    assert [one.options for one in first.criteria] == [
        {}, {"num_highlights": 3}, {"relation": "at least", "num_words": 300}
    ]  # fmt: skip
    assert first.criteria[2].description == "Words: at least 300."
    text = "*one* and *two* and *three* " + "word " * 300
    assert criteria.score(first, [first.prompt] * 2, [text, text + ","]).values.tolist() == [[1, 1, 1], [0, 1, 1]]


@pytest.mark.needs("rubric_eqbench")
def test_eqbench_measures_style_and_rewards_ability():
    rubrics = readers.eqbench()
    analyses = [rubric for rubric in rubrics if rubric.task == "Analytical Interpretation"]
    plays = [rubric for rubric in rubrics if rubric not in analyses]
    assert (len(plays), len(analyses)) == (26, 20)
    assert {len(rubric.criteria) for rubric in plays} == {18}
    assert {len(rubric.criteria) for rubric in analyses} == {6}
    assert {name for name, weight in zip(plays[0].ids, plays[0].weights, strict=True) if weight} == set(
        readers.ABILITIES
    )
    assert {"sycophantic", "moralising", "humanlike"} <= set(plays[0].ids)
    assert analyses[0].weights.tolist() == [1] * 6
    assert [tier.score for tier in plays[0].criteria[0].tiers] == [0, 5, 10, 15, 20]
    assert not plays[0].criteria[0].snap
    first = rubrics[0]
    assert (first.id, first.title, first.task) == ("eqbench3_1", "Lunchroom Theft Scapegoat", "Work Dilemma")
    assert first.prompt.startswith("[This is a role-play")
    assert "Over the next few months" in first.prompt
    assert "######" not in first.prompt


# checklists

LIST = """\
# Letter to a neighbour

- [ ] Names the street
- [x] [2] Says what happened
* [-1.5] Blames the neighbour
1. Ends with a greeting

## More
Fits on one page
[0.5] Has a date
- [ ] [maybe] Is short
-
- [ ]
"""


def test_a_checklist_is_a_rubric(tmp_path):
    (tmp_path / "letter.md").write_text(LIST, encoding="utf-8-sig")
    (rubric,) = readers.checklist(tmp_path / "letter.md")
    assert (rubric.id, rubric.title, rubric.source, rubric.prompt) == (
        "letter",
        "Letter to a neighbour",
        "letter.md",
        None,
    )
    assert [one.description for one in rubric.criteria] == [
        "Names the street", "Says what happened", "Blames the neighbour", "Ends with a greeting", "Fits on one page",
        "Has a date", "[maybe] Is short",
    ]  # fmt: skip
    assert rubric.weights.tolist() == [1, 2, 1.5, 1, 1, 0.5, 1]
    assert rubric.avoid.tolist() == [False, False, True, False, False, False, False]
    assert {one.kind for one in rubric.criteria} == {"llm_judge"}


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40).filter(str.strip)
ITEMS = st.lists(st.tuples(TEXTS, st.floats(0, 1e9), st.booleans()), min_size=1, max_size=5)


def judged(items):
    made = [
        Criterion(id=f"item_{n:02d}", description=text, kind="llm_judge", weight=weight, avoid=avoid)
        for n, (text, weight, avoid) in enumerate(items, 1)
    ]
    return Rubric(id="r", criteria=made)


@settings(max_examples=80, deadline=None)
@given(ITEMS)
def test_a_checklist_reads_back(tmp_path_factory, items):
    path = tmp_path_factory.mktemp("list") / "r.txt"
    path.write_text(readers.to_checklist(judged(items)), encoding="utf-8")
    (again,) = readers.checklist(path)
    found = [(one.description, one.weight, one.avoid) for one in again.criteria]
    assert found == [(" ".join(text.split()), weight, avoid) for text, weight, avoid in items]


def test_texts_that_look_like_marks_are_kept(tmp_path):
    texts = ["[2] apples", "# not a title", "- a dash", "[ ] a box", "1. a number", "[-1]", "a\n  b"]
    (tmp_path / "r.txt").write_text(readers.to_checklist(judged([(text, 1, False) for text in texts])))
    (again,) = readers.checklist(tmp_path / "r.txt")
    assert [one.description for one in again.criteria] == [*texts[:-1], "a b"]
    assert again.weights.tolist() == [1] * len(texts)


# exports


@settings(max_examples=40, deadline=None)
@given(ITEMS, st.none() | TEXTS)
def test_healthbench_s_format_reads_back(tmp_path_factory, items, prompt):
    path = tmp_path_factory.mktemp("health") / "h.jsonl"
    rubric = judged(items).model_copy(update={"prompt": prompt})
    path.write_text(readers.to_healthbench([rubric, rubric]), encoding="utf-8")
    again, twin = readers.healthbench(path)
    assert again == twin
    assert (again.id, again.prompt) == (rubric.id, prompt)
    for one, other in zip(again.criteria, rubric.criteria, strict=True):
        assert (one.id, one.description, one.weight, one.avoid) == (
            other.id,
            other.description,
            other.weight,
            other.avoid,
        )


@pytest.mark.needs("rubric_healthbench")
def test_healthbench_survives_its_own_format(tmp_path):
    rubrics = readers.healthbench()
    (tmp_path / "h.jsonl").write_text(readers.to_healthbench(rubrics[:40]), encoding="utf-8")
    assert readers.healthbench(tmp_path / "h.jsonl") == rubrics[:40]


def test_what_a_format_cannot_hold_is_refused():
    tiers = tuple(Tier(score=n, description="") for n in range(3))
    one = Criterion(id="a", description="d", kind="llm_judge", tiers=tiers)
    with pytest.raises(InputError) as caught:
        readers.to_healthbench([Rubric(id="r", criteria=[one])])
    assert str(caught.value) == (
        "criterion 'a' of rubric 'r': found 3 tiers; expected two. HealthBench knows met and not met only."
    )


def test_an_instruction_of_another_type_is_told_by_its_name():
    assert described("count:verbs", {"n": 3, "of": ["go", "be"]}) == "count:verbs n=3 of=go, be"
    assert described("keywords:existence", {"keywords": ["dog", "day"]}) == "Contains the keywords dog, day."
    assert described("keywords:existence", {}) == "keywords:existence"


# bad files

GOOD = {
    "biggen": {"id": "x", "capability": "a", "task": "b", "system_prompt": "", "input": "i",
               "score_rubric": {"criteria": "c"} | {f"score{n}_description": "d" for n in range(1, 6)}},
    "ifeval": {"key": 1, "prompt": "p", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
    "healthbench": {"prompt": [{"role": "user", "content": "p"}],
                    "rubrics": [{"criterion": "c", "points": 1, "tags": []}]},
}  # fmt: skip
BAD = {
    "json": ("biggen", "{", "line 2: found broken JSON ("),
    "list": ("biggen", "[1]", "line 2: found a list; expected one JSON object a line."),
    "field": ("biggen", {"input": None}, "line 2: found input None; expected input of type str."),
    "tier": ("biggen", {"score_rubric": {"criteria": "c"}}, "line 2: found no 'score1_description'; expected"),
    "blank": ("biggen", {"id": " "}, "line 2: id: found ' '; expected a text that is not blank."),
    "kwargs": ("ifeval", {"kwargs": []}, "line 2: found 0 kwargs; expected 1, one an instruction."),
    "options": ("ifeval", {"kwargs": [3]}, "line 2: found kwargs 3; expected kwargs of type dict."),
    "ids": ("ifeval", {"instruction_id_list": "no"}, "line 2: found instruction_id_list 'no'; expected"),
    "points": ("healthbench", {"rubrics": [{"criterion": "c", "points": "many"}]},
               "line 2: found points 'many'; expected"),
    "item": ("healthbench", {"rubrics": ["c"]}, "line 2: found no 'points'; expected points of type float."),
    "none": ("healthbench", {"rubrics": []}, "line 2: criteria: found none; expected at least one criterion."),
    "message": ("healthbench", {"prompt": ["hello"]}, "line 2: found no 'role'; expected role of type str."),
    "nan": ("healthbench", '{"prompt": [], "rubrics": [{"criterion": "c", "points": NaN}]}',
            "line 2: criteria[0].weight: found nan"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_line_is_refused_with_its_number(name, tmp_path):
    reader, change, words = BAD[name]
    line = change if isinstance(change, str) else json.dumps(GOOD[reader] | change)
    path = tmp_path / "file.jsonl"
    path.write_text(f"{json.dumps(GOOD[reader])}\n{line}\n")
    with pytest.raises(InputError) as caught:
        getattr(readers, reader)(path)
    assert str(caught.value).startswith(f"{path}: {words}")
    assert "\n" not in str(caught.value)
    path.write_text(json.dumps(GOOD[reader]))
    assert len(getattr(readers, reader)(path)) == 1


def test_other_bad_files_are_refused_in_one_line(tmp_path):
    files = {
        "h.parquet": (b"PAR1 not", readers.healthbench, "found a file that cannot be read"),
        "empty.parquet": (b"", readers.healthbench, "found a file that cannot be read"),
        "none.parquet": (None, readers.healthbench, "found no such file"),
        "latin.txt": ("caf\xe9".encode("latin-1"), readers.checklist, "found bytes that are not UTF-8 in line 1"),
        "empty.txt": (b"\n# title\n", readers.checklist, "criteria: found none; expected at least one criterion"),
        "huge.txt": (b"[1e999] a", readers.checklist, "criteria[0].weight: found inf"),
        "none.jsonl": (None, readers.biggen, "found no such file"),
    }
    for name, (content, reader, words) in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError) as caught:
            reader(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: {words}")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        readers.eqbench(tmp_path)
    for name in ("scenario_prompts.txt", "rubric_scoring_criteria.txt", "rubric_scoring_criteria_analysis.txt"):
        (tmp_path / name).write_text("warmth")
    with pytest.raises(InputError, match=r"scenario_prompts\.txt: found no scenario"):
        readers.eqbench(tmp_path)


def test_long_lines_of_a_checklist_take_no_time(tmp_path):
    (tmp_path / "r.txt").write_text(" " * 500_000 + "\n" + "1" * 500_000 + "\n" + "[1" * 200_000 + " " * 500_000)
    (rubric,) = readers.checklist(tmp_path / "r.txt")
    assert len(rubric.criteria) == 2


def test_the_registered_files_say_where_they_are_from():
    names = [name for name in datasets.registry() if name.startswith("rubric_")]
    assert names == [f"rubric_{name}" for name in (
        "biggen", "healthbench", "ifeval", "eqbench", "antislop", "mt_bench", "self_instruct")]  # fmt: skip
    for name in names:
        entry = datasets.dataset(name)
        assert entry.use.startswith("rubric - ")
        assert entry.licence.split()[0] in ("Apache-2.0", "MIT")
        assert all(file.path.startswith("rubric/") for file in entry.files)
        for url in (file.url for file in entry.files if file.url):
            commit = url.removeprefix("https://raw.githubusercontent.com/").split("/")[2]
            assert len(commit) == 40, "an address at a fixed commit"
