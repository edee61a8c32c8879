"""Rubrics as data: fields, hash, both file formats, and every bad file refused in one line that names the place."""

import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion.errors import AnchorsError, InputError
from anchors.rubric.rubric import KINDS, SCOPES, Criterion, Rubric, Tier, read, schema, write

MINIMAL = {"id": "a", "description": "It is short.", "check": "words"}
FULL = {
    "id": "plain",
    "title": "Plain narrative",
    "task": "stories",
    "source": "ours",
    "licence": "MIT",
    "criteria": [
        {"id": "calm", "description": "Told without drama: «ruhig», 静か.", "kind": "llm_judge", "weight": 2},
        {
            "id": "short",
            "description": "Short.\nVery short.",
            "check": "words",
            "kind": "statistic",
            "options": {"low": 200, "high": 20, "words": ["yes", "no"], "deep": {"a": [1, 2.5, None, True]}},
            "tiers": [{"score": score, "description": f"tier {score}"} for score in (-1, 0.5, 9)],
            "critical": True,
            "threshold": 0.25,
            "avoid": True,
            "snap": False,
            "scope": "instance",
        },
    ],
}  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = TEXT.filter(str.strip)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def criteria(draw, id):
    scores = sorted(draw(st.sets(st.floats(-1e9, 1e9), min_size=2, max_size=5)))
    kind = draw(st.sampled_from(KINDS))
    return Criterion(
        id=id,
        description=draw(NAMES),
        tiers=tuple(Tier(score=score, description=draw(TEXT)) for score in scores),
        weight=draw(st.floats(0, 1e6)),
        kind=kind,
        check="" if kind == "llm_judge" else draw(NAMES),
        options=draw(st.dictionaries(TEXT, JSON, max_size=3)),
        scope=draw(st.sampled_from(SCOPES)),
        critical=draw(st.booleans()),
        threshold=draw(st.floats(0, 1)),
        avoid=draw(st.booleans()),
        snap=draw(st.booleans()),
        source=draw(TEXT),
        licence=draw(TEXT),
    )


@st.composite
def rubrics(draw):
    ids = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    texts = {name: draw(TEXT) for name in ("title", "task", "source", "licence")}
    prompt = draw(st.none() | TEXT)
    return Rubric(id=draw(NAMES), criteria=tuple(draw(criteria(id)) for id in ids), prompt=prompt, **texts)


def test_a_criterion_needs_three_fields_and_is_frozen():
    one = Criterion(**MINIMAL)
    assert [tier.score for tier in one.tiers] == [0, 1]
    assert (one.weight, one.kind, one.scope, one.threshold) == (1.0, "program", "dataset", 0.5)
    assert (one.critical, one.avoid, one.snap) == (False, False, True)
    with pytest.raises(ValueError, match="frozen"):
        one.weight = 2


def test_tiers_stand_in_the_unit_interval():
    assert Rubric(**FULL).criteria[1].positions.tolist() == [0.0, 0.15, 1.0]


def test_arrays_follow_the_criteria():
    rubric = Rubric(**FULL)
    assert rubric.ids == ("calm", "short")
    for name, values in {"weights": [2, 1], "thresholds": [0.5, 0.25]}.items():
        assert getattr(rubric, name).tolist() == values
    for name in ("critical", "avoid"):
        assert getattr(rubric, name).tolist() == [False, True]
        assert getattr(rubric, name).dtype == bool


@settings(max_examples=60, deadline=None)
@given(rubrics(), st.sampled_from([".yml", ".yaml", ".json", ".JSON"]))
def test_either_format_gives_back_the_same_rubric(tmp_path_factory, rubric, suffix):
    path = write(rubric, tmp_path_factory.mktemp("r") / f"one{suffix}")
    again = read(path)
    assert again == rubric
    assert again.hash == rubric.hash


def shuffled(value):
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def test_the_hash_knows_neither_order_of_keys_nor_format_nor_defaults_nor_process(tmp_path):
    rubric = Rubric(**FULL)
    (tmp_path / "a.json").write_text(json.dumps(shuffled(FULL)), encoding="utf-8")
    (tmp_path / "b.yml").write_text(yaml.safe_dump(FULL, allow_unicode=True), encoding="utf-8-sig")
    (tmp_path / "c.yml").write_text(yaml.safe_dump(shuffled(rubric.model_dump(mode="json"))), encoding="utf-8")
    code = f"from anchors.rubric.rubric import read; print(read({str(tmp_path / 'a.json')!r}).hash)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    found = {read(tmp_path / name).hash for name in ("a.json", "b.yml", "c.yml")} | {rubric.hash, other}
    assert found == {rubric.hash}
    assert len(rubric.hash) == 16
    assert rubric.hash == "19b0d90621dcd4ab", "a hash names results: it must not change from version to version"


def test_any_change_of_content_changes_the_hash():
    rubric = Rubric(**FULL)
    fields = {"weight": 3, "critical": True, "threshold": 0.6, "avoid": True, "snap": False, "description": "x"}
    hashes = {rubric.hash}
    for name, value in fields.items():
        first = rubric.criteria[0].model_copy(update={name: value})
        hashes.add(rubric.model_copy(update={"criteria": (first, rubric.criteria[1])}).hash)
    hashes |= {rubric.model_copy(update={name: "x"}).hash for name in ("id", "title", "task", "prompt", "licence")}
    hashes.add(rubric.model_copy(update={"criteria": rubric.criteria[::-1]}).hash)
    assert len(hashes) == 1 + len(fields) + 5 + 1


def test_rubrics_of_one_prompt_are_joined():
    one, other = Rubric(**FULL), Rubric(id="b", criteria=[MINIMAL], prompt="Tell me.", source="theirs", licence="CC0")
    joined = one.joined(other)
    assert joined.ids == ("calm", "short", "a")
    assert joined.weights.tolist() == [2, 1, 1]
    assert (joined.prompt, joined.source, joined.licence) == ("Tell me.", "ours + theirs", "MIT + CC0")
    assert [c.source for c in joined.criteria] == ["ours", "ours", "theirs"]
    assert [c.licence for c in joined.criteria] == ["MIT", "MIT", "CC0"]
    twin = Rubric(id="c", criteria=[MINIMAL | {"id": "calm"}, MINIMAL])
    assert one.joined(twin).ids == ("plain.calm", "short", "c.calm", "a")
    with pytest.raises(InputError, match=r"criteria: found the id 'plain\.calm' twice; expected distinct ids"):
        one.joined(one)
    with pytest.raises(InputError, match="rubrics 'b' and 'd': found two prompts"):
        other.joined(Rubric(id="d", criteria=[MINIMAL], prompt="Another."))


def test_the_schema_names_every_field_and_accepts_what_read_accepts():
    found = schema()
    assert set(found["properties"]) == set(Rubric.model_fields)
    assert set(found["$defs"]["Criterion"]["properties"]) == set(Criterion.model_fields)
    assert found["$defs"]["Criterion"]["properties"]["kind"]["enum"] == list(KINDS)
    assert found["additionalProperties"] is False
    json.dumps(found)


def bad(**fields):
    return {"id": "r", "criteria": [MINIMAL, MINIMAL | {"id": "b"} | fields]}


def tiers(*scores):
    return [{"score": score, "description": ""} for score in scores]


FIELDS = " | ".join(Criterion.model_fields)
NAN = ": nan" if sys.version_info >= (3, 12) else ""  # newer Pythons name the value
NOT_JSON = "criteria[1].options: found something JSON cannot hold"
UNRISING = "expected scores that strictly rise. List the tiers from worst to best."
JSONABLE = (
    "expected what JSON can hold. Use texts, finite numbers, true, false, null, lists and mappings (quote a date)."
)
REFUSED = [
    ({"id": "r", "criteria": []},
     "criteria: found none; expected at least one criterion. Add one with an id and a description."),
    ({"id": "r"}, "criteria: found nothing; expected this field. A Rubric needs it."),
    ({"id": "r", "criteria": 3}, "criteria: found 3; expected a list."),
    ({"id": "r", "criteria": [3]}, "criteria[0]: found 3; expected a valid dictionary or instance of Criterion."),
    ({"id": " ", "criteria": [MINIMAL]}, "id: found ' '; expected a text that is not blank."),
    ({"id": 7, "criteria": [MINIMAL]}, "id: found 7; expected a valid string."),
    ({"id": "r", "criteria": [MINIMAL], "name": 1},
     "name: found an unknown field; expected id | title | criteria | task | prompt | source | licence. "
     "Mend its name or leave it out."),
    ({"id": "r", "criteria": [MINIMAL, MINIMAL]},
     "criteria: found the id 'a' twice; expected distinct ids. Rename one of the two."),
    (bad(tiers=tiers(1, 0)), f"criteria[1].tiers: found scores 1, 0; {UNRISING}"),
    (bad(tiers=tiers(0, 1, 1)), f"criteria[1].tiers: found scores 0, 1, 1; {UNRISING}"),
    (bad(tiers=tiers(1)),
     "criteria[1].tiers: found 1; expected at least two tiers. A yes-or-no criterion has the tiers 0 and 1."),
    (bad(tiers=tiers(0, "high")),
     "criteria[1].tiers[1].score: found 'high'; expected a valid number, unable to parse string as a number."),
    (bad(tiers=tiers(0, float("nan"))), "criteria[1].tiers[1].score: found nan; expected a finite number."),
    (bad(tiers=[{"score": 0}, {"score": 1}]),
     "criteria[1].tiers[0].description: found nothing; expected this field. A Tier needs it."),
    (bad(tiers=tiers(0, 1e300)),
     "criteria[1].tiers[1].score: found 1e+300; expected less than or equal to 1000000000."),
    (bad(weight=-0.5), "criteria[1].weight: found -0.5; expected greater than or equal to 0."),
    (bad(weight=float("inf")), "criteria[1].weight: found inf; expected a finite number."),
    (bad(threshold=1.5), "criteria[1].threshold: found 1.5; expected less than or equal to 1."),
    (bad(kind="oracle"), "criteria[1].kind: found 'oracle'; expected 'program', 'lexicon', 'statistic', 'embedding', "
     "'lm' or 'llm_judge'."),
    (bad(scope="all"), "criteria[1].scope: found 'all'; expected 'dataset', 'task' or 'instance'."),
    (bad(wieght=1), f"criteria[1].wieght: found an unknown field; expected {FIELDS}. Mend its name or leave it out."),
    (bad(check=""), "criteria[1].check: found none; expected the name of a check of kind 'program'. "
     "Or mend the kind: a judge's criterion has kind llm_judge."),
    (bad(kind="llm_judge"), "criteria[1].check: found 'words'; expected no check (a model judges). "
     "Or mend the kind: a judge's criterion has kind llm_judge."),
    (bad(options={"a": float("nan")}),
     f"{NOT_JSON} (Out of range float values are not JSON compliant{NAN}); {JSONABLE}"),
    (bad(options={"a": {1}}),
     f"{NOT_JSON} (Object of type set is not JSON serializable); {JSONABLE}"),
    (bad(options=[1]), "criteria[1].options: found [1]; expected a valid dictionary."),
    (bad(description="x" * 300, weight="y" * 300),
     f"criteria[1].weight: found '{'y' * 76}…; expected a valid number, unable to parse string as a number."),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_wrong_field_is_refused_in_one_line(fields, message):
    with pytest.raises(InputError) as caught:
        Rubric(**fields)
    assert str(caught.value) == message


def test_a_wrong_field_in_a_file_names_the_file_too(tmp_path):
    path = tmp_path / "r.yml"
    path.write_text(yaml.safe_dump(bad(weight=-1)))
    with pytest.raises(InputError) as caught:
        read(path)
    assert str(caught.value) == f"{path}: criteria[1].weight: found -1; expected greater than or equal to 0."


FILES = {
    "open.yml": (b"id: x\ncriteria: [\n", "found broken YAML in line 3 (expected the node content, but found '<stream"),
    "tab.yaml": (b"id: x\n\tcriteria: 3\n", "found broken YAML in line 2"),
    "twice.yml": (b"id: x\ntitle: a\nid: y\n", "found broken YAML in line 3 (the key 'id' twice)"),
    "date.yml": (b"id: 2020-13-45", "found broken YAML (month must be in 1..12)"),
    "null.yml": (b"id: \x00", "found broken YAML (unacceptable character #x0000"),
    "two.yml": (b"a: 1\n---\nb: 2", "found broken YAML in line 2"),
    "run.yml": (b"id: !!python/object/apply:os.getcwd []", "found broken YAML in line 1 (could not determine"),
    "deep.yml": (b"[" * 4000, "found over 100 levels; expected fewer levels"),
    "self.yml": (b"id: x\ncriteria: &a [*a]", "found an alias of what it stands in, *a, in line 2; expected values"),
    "number.yml": (b"id: x\ncriteria:\n- {1: 2}", "criteria[0].1: found an unknown field"),
    "latin.yml": ("id: x\ntitle: café".encode("latin-1"), "found bytes that are not UTF-8 in line 2; expected"),
    "empty.yml": (b"", "found nothing; expected a mapping"),
    "list.json": (b"[]", "found a list; expected a mapping"),
    "open.json": (b'{"id": 1,\n "x"}', "found broken JSON (Expecting ':' delimiter: line 2 column 5"),
    "twice.json": (b'{"id": 1, "id": 2}', "found broken JSON (the key 'id' twice in one object)"),
    "deep.json": (b"[" * 100_000, "found broken JSON (more than 100 brackets within one another)"),
    "latin.json": (b'{"id": "\xe9"}', "found bytes that are not UTF-8 in line 1"),
    "rubric.txt": (b"id: x", "found suffix '.txt'; expected .yml | .yaml | .json"),
    "missing.yml": (None, "found no such file; expected a readable file"),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_refused_in_one_line(tmp_path, name):
    content, words = FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / name}: {words}")
    assert "\n" not in text


def test_writing_elsewhere_than_yaml_or_json_is_refused_and_a_full_disk_leaves_nothing(tmp_path):
    rubric = Rubric(**FULL)
    with pytest.raises(InputError, match=r"suffix '\.toml'"):
        write(rubric, tmp_path / "r.toml")
    (tmp_path / "file").write_text("")
    with pytest.raises(AnchorsError, match="cannot be written"):
        write(rubric, tmp_path / "file" / "r.yml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_what_is_written_is_short_and_readable(tmp_path):
    text = write(Rubric(id="r", criteria=[MINIMAL]), tmp_path / "r.yml").read_text()
    assert text == "id: r\ncriteria:\n- id: a\n  description: It is short.\n  check: words\n"
    assert "静か" in write(Rubric(**FULL), tmp_path / "f.yml").read_text(encoding="utf-8")


def test_options_hold_json_so_that_tuples_and_lists_are_one():
    one, other = (Criterion(**MINIMAL, options={"words": words}) for words in (("a", "b"), ["a", "b"]))
    assert one == other
    assert isinstance(np.asarray(Rubric(id="r", criteria=[one]).weights), np.ndarray)
