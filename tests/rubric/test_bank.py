"""The bank: more than 10,000 with the mirror, the families without; distinct, with licence and provenance; search.

Families: by hand, a response that meets a criterion and one that does not.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchors.companion import datasets
from anchors.companion.errors import InputError, MissingData
from anchors.rubric import bank as banks
from anchors.rubric import bank_search, criteria, families, family_patterns
from anchors.rubric.bank import BENCHMARKS, SOURCES, Bank, Entry, distinct, load, normal
from anchors.rubric.families import several
from anchors.rubric.family_words import WORDS
from anchors.rubric.rubric import Criterion, Rubric

needs_data = pytest.mark.needs(*(f"rubric_{name}" for name in BENCHMARKS))


@pytest.fixture(scope="module")
def alone():
    return load(["families"])


@pytest.fixture(scope="module")
def full():
    return load()


@pytest.fixture
def no_mirror(monkeypatch):
    """No data set is here and nothing can be downloaded."""
    monkeypatch.setattr(datasets, "locate", lambda file: None)
    monkeypatch.setenv("ANCHORS_OFFLINE", "1")


# ---- what is in it --------------------------------------------------------------------------------------------------


@needs_data
def test_with_the_mirror_there_are_more_than_10000(full):
    singles = [entry for entry in full if entry.source != "hybrids"]
    assert len(singles) >= 10_000
    assert len(full) >= 12_000
    assert not full.missing
    summary = full.summary().set_index("source")["entries"]
    assert list(summary.index) == list(SOURCES)
    assert summary["healthbench"] > 5000
    assert summary["biggen"] > 700
    assert summary["ifeval"] > 300
    assert summary["eqbench"] > 15
    assert summary["families"] > 4000
    assert summary["hybrids"] > 2000


def test_without_the_mirror_the_families_are_there(no_mirror, alone):
    found = load()
    assert [entry.id for entry in found] == [entry.id for entry in alone]
    assert len(found) > 4000
    assert set(found.missing) == {*BENCHMARKS, "hybrids"}
    assert not found.search("potassium cramps", 1)
    with pytest.raises(MissingData, match="rubric_biggen"):
        load(["biggen"])
    with pytest.raises(MissingData):
        load(["hybrids"])


@pytest.mark.parametrize("which", ["alone", pytest.param("full", marks=needs_data)])
def test_entries_are_distinct_and_say_where_they_are_from(which, request):
    found = request.getfixturevalue(which)
    assert len({entry.id for entry in found}) == len(found)
    assert len({normal(entry.description) for entry in found}) == len(found)
    programs = [(c.check, str(sorted(c.options.items())), c.avoid) for entry in found for c in entry.criteria[:1]
                if c.check and len(entry.criteria) == 1]  # fmt: skip
    assert len(set(programs)) == len(programs)
    for entry in found:
        assert entry.provenance.strip()
        assert entry.licence in ("MIT", "Apache-2.0", "Apache-2.0 and MIT")
        assert all(c.source and c.licence and c.description.strip() for c in entry.criteria)
        assert entry.source in SOURCES


def test_the_bank_is_the_same_every_time(alone):
    again = load(["families"])
    assert [entry.rubric().hash for entry in alone] == [entry.rubric().hash for entry in again]
    known = families.pick("include/3/0", 3)
    assert known == families.pick("include/3/0", 3) == sorted(known)


@needs_data
def test_hybrids_have_one_criterion_of_a_person_and_one_of_a_program(full):
    for entry in full.select("hybrids"):
        human, program = entry.criteria
        assert human.kind == "llm_judge"
        assert not human.avoid
        assert program.kind != "llm_judge"
        assert entry.prompt.endswith(program.description[1:])
    assert len({entry.prompt for entry in full.select("hybrids")}) == len(full.select("hybrids"))


@needs_data
def test_benchmarks_keep_their_kinds_and_signs(full):
    assert {c.kind for entry in full.select("ifeval") for c in entry.criteria} == {"program"}
    assert len({c.check for entry in full.select("ifeval") for c in entry.criteria}) == 25
    assert any(c.avoid for entry in full.select("healthbench") for c in entry.criteria)
    assert {len(c.tiers) for entry in full.select("biggen") for c in entry.criteria} == {5}


@needs_data
def test_what_was_dropped_adds_up(full):
    from anchors.rubric import readers

    for name in BENCHMARKS:
        read = sum(len(rubric.criteria) for rubric in getattr(readers, name)())
        dropped = sum(count for (source, _), count in full.dropped.items() if source == name)
        assert len(full.select(name)) + dropped == read


def entry(name, *parts):
    made = [
        Criterion(id=f"{name}{k}", description=text, kind="program" if check else "llm_judge", check=check, options=o)
        for k, (text, check, o) in enumerate(parts)
    ]
    return Entry(name, "families", tuple(made), "task", "here", "MIT")


def test_duplicates_by_hand():
    rows = [
        entry("a", ("Is kind.", "", {})),
        entry("b", ("  is  KIND", "", {})),
        entry("c", ("Is not kind.", "", {})),
        entry("d", ("Three bullets", "bullets", {"count": 3})),
        entry("e", ("Has 3 bullets", "bullets", {"count": 3})),
        entry("f", ("Has 4 bullets", "bullets", {"count": 4})),
        entry("g", ("Is kind.", "", {}), ("Has 4 bullets", "bullets", {"count": 4})),
        entry("h", ("Is kind", "", {}), ("four bullets", "bullets", {"count": 4})),
        entry("i", ("The letter # occurs.", "", {})),
        entry("j", ("The letter ! occurs.", "", {})),
    ]
    kept, dropped = distinct(rows)
    assert "".join(one.id for one in kept) == "acdfgij"
    assert dropped == {("families", "same text"): 1, ("families", "same content"): 2}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["one", "ONE ", "two", "“two”", '"two"', "three."]), max_size=12))
def test_distinct_keeps_the_first_of_each_and_loses_none(texts):
    rows = [entry(str(k), (text, "", {})) for k, text in enumerate(texts)]
    kept, dropped = distinct(rows)
    assert len(kept) + sum(dropped.values()) == len(rows)
    assert [normal(one.description) for one in kept] == list(dict.fromkeys(normal(text) for text in texts))
    assert distinct(kept) == (kept, {})


def test_one_entry_and_many_as_a_rubric(alone):
    one, two = alone.entries[0], alone.entries[-1]
    assert alone[one.id] is one
    assert one.rubric().criteria == one.criteria
    rubric = alone.rubric([one.id, two.id])
    assert rubric.ids == (one.id, two.id)
    with pytest.raises(InputError, match="no such thing"):
        alone.rubric(["no such thing"])
    assert alone.select(task="include_words", kind="program")
    assert not alone.select("biggen")


def test_the_table_has_a_row_for_each_entry(alone):
    table = alone.table()
    assert len(table) == len(alone)
    assert table["licence"].eq("MIT").all()
    assert table["id"].is_unique
    assert set(table["kind"]) == {"program", "statistic", "lexicon"}


def test_unknown_sources_are_refused():
    with pytest.raises(InputError, match="biggen"):
        load(["bigben"])


# ---- search ---------------------------------------------------------------------------------------------------------


def test_words_find_what_holds_them(alone):
    found = alone.search("fewer than 3 times the word wise", 5)
    assert found[0].entry.description == "Uses the word wise fewer than 3 times."
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert len(found) == 5
    assert alone.search("xylophonist", 3) == []
    assert alone.search("haiku", 0) == []


def test_bm25_by_hand():
    """Two texts of lengths 2 and 4; the query's only rare word is in the second."""
    index = bank_search.Index(["red house", "red red car here"])
    idf, norm = np.log(1 + (2 - 1 + 0.5) / 1.5), 1.5 * (0.25 + 0.75 * 4 / 3)
    np.testing.assert_allclose(index.scores("car car unknown"), [0, idf * 2.5 / (1 + norm)])
    idf, norm = np.log(1 + 0.5 / 2.5), 1.5 * (0.25 + 0.75 * np.array([2, 4]) / 3)
    np.testing.assert_allclose(index.scores("RED"), idf * 2.5 * np.array([1, 2]) / (np.array([1, 2]) + norm))


@needs_data
def test_a_domain_is_found(full):
    found = full.search("potassium leg cramps soccer", 3)
    assert all(hit.entry.source in ("healthbench", "hybrids") for hit in found)


@pytest.mark.parametrize(("text", "how", "words"), [("  ", "words", "blank"), ("a", "magic", "words | meaning")])
def test_a_search_for_nothing_is_refused(alone, text, how, words):
    with pytest.raises(InputError, match=words.replace("|", r"\|")):
        alone.search(text, how=how)


@pytest.mark.slow
def test_meaning_finds_other_words(tmp_path):
    texts = ["Names the capital city of France", "Is funny and makes one laugh", "Has at least five lines of code"]
    small = Bank(tuple(entry(str(k), (text, "", {})) for k, text in enumerate(texts)))
    assert small.search("humorous", how="words") == []
    found = small.search("humorous", how="meaning", folder=tmp_path)
    assert found[0].entry.description.startswith("Is funny")
    assert len(list(tmp_path.glob("bank_*.npz"))) == 1
    bank_search._kept.cache_clear()
    again = small.search("humorous", how="meaning", folder=tmp_path)
    np.testing.assert_allclose([hit.score for hit in again], [hit.score for hit in found], atol=2e-3)


# ---- families -------------------------------------------------------------------------------------------------------

EXAMPLES = {
    "include_words": ({"words": ["air", "zebra"]}, "Air for a zebra.", "Air for zebras."),
    "exclude_words": ({"words": ["air"]}, "An airplane.", "The air."),
    "word_count": ({"keyword": "sea", "frequency": 2, "relation": "at least"}, "Sea and sea.", "One sea."),
    "letter_count": ({"letter": "z", "let_frequency": 1, "let_relation": "less than"}, "No such.", "Zoo."),
    "acrostic": ({"pattern": family_patterns.acrostic("sea")}, "Sun\nEarth\n\nair ", "Sun\nAir\nEarth"),
    "lines_of_words": ({"pattern": family_patterns.lines_of(2, 3)}, "It is hot,\nwe don’t go!", "It is hot. We\ngo"),
    "word_lengths": ({"pattern": family_patterns.long_word(6), "relation": "less than"}, "Short words", "Longer ones"),
    "marks": ({"pattern": family_patterns.MARKS["question mark"], "count": 2}, "What? Who?", "What?"),
    "beginnings_and_ends": ({"phrase": "Long ago,"}, "Long ago, there was.", "There was, long ago,"),
    "formats": ({}, "No comma here.", "One, two."),
    "languages": ({"language": "de"}, "Das ist ein schöner Tag und wir sind nicht müde.", "This is a day for us."),
    "capital_words": ({"capital_frequency": 2, "capital_relation": "at least"}, "THE SEA is", "THE sea is"),
    "first_words": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "sea"}, "A hill.\n\nSea air.", "Sea air.\n\nA hill."
    ),
    "overused_phrases": ({"words": ["a beacon of"]}, "A light.", "He was a beacon of hope."),
    "counts": ({"count": 2, "relation": "exactly"}, "- a\n- b", "- a"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_family_tells_right_from_wrong(name):
    options, right, wrong = EXAMPLES[name]
    example = next(c for c in families.criteria(name) if set(c.options) == set(options))
    made = example.model_copy(update={"options": options, "snap": True})
    if "flags" in example.options:
        made = made.model_copy(update={"options": options | {"flags": example.options["flags"]}})
    np.testing.assert_array_equal(
        criteria.score(Rubric(id="r", criteria=(made,)), [""] * 2, [right, wrong]).values, [[1], [0]]
    )


@pytest.mark.parametrize(
    ("pattern", "flags", "right", "wrong"),
    [
        (family_patterns.word_at(1, "sea"), "i", "“Sea air.", "Seas rise."),
        (family_patterns.word_at(3, "sea"), "i", "It's the sea here.", "The sea rose."),
        (family_patterns.word_at(3, "sea"), "i", "well-known sea", "by the sea's edge"),
        (family_patterns.last_word("sea"), "i", "Off to the sea!!", "The sea was grey."),
        (family_patterns.in_order("sun", "sea"), "is", "The sun,\nthen the sea.", "The sea, then the sun."),
        (family_patterns.one_sentence(3), "i", "We don't know!", "We know. Yes."),
        (family_patterns.one_sentence(3), "i", "So we go…", "So we go"),
        (family_patterns.one_sentence(3, "sea"), "is", "By the sea.", "By the seas."),
        (family_patterns.MARKS["emoji"], "i", "yes 😀", "yes :)"),
        (family_patterns.MARKS["year"], "i", "in 1984.", "in 19845."),
        (family_patterns.MARKS["run of three dots"], "i", "so...", "so.."),
        (family_patterns.MARKS["bold place"], "i", "a **b** c", "a ** b"),
    ],
)
def test_patterns_tell_right_from_wrong(pattern, flags, right, wrong):
    made = Criterion(id="c", description="c", check="regex", options={"pattern": pattern, "flags": flags})
    np.testing.assert_array_equal(
        criteria.score(Rubric(id="r", criteria=(made,)), [""] * 2, [right, wrong]).values, [[1], [0]]
    )


def test_every_family_is_accepted_by_the_checks():
    """Options are valid for the check and of its kind; of patterns every 20th, since each is probed for explosions."""
    for name in families.names():
        made = families.criteria(name)
        regular = [c for c in made if c.check != "regex"] + [c for c in made if c.check == "regex"][::20]
        ids = [c.model_copy(update={"id": str(k)}) for k, c in enumerate(regular)]
        assert len(criteria.validate(Rubric(id=name, criteria=tuple(ids)))) == len(regular)


@pytest.mark.parametrize("text", ["sea " * 25_000, "a\n" * 50_000, "." * 100_000, "sea" * 33_000, "\n" * 100_000])
def test_patterns_take_linear_time(text):
    made = [
        family_patterns.word_at(8, "sea"), family_patterns.last_word("sea"), family_patterns.in_order("sea", "sun"),
        family_patterns.acrostic("sea"), family_patterns.one_sentence(30, "sun"), family_patterns.lines_of(8, 8),
        *family_patterns.MARKS.values(),
    ]  # fmt: skip
    rubric = Rubric(id="r", criteria=tuple(
        Criterion(id=str(k), description="c", check="regex", options={"pattern": pattern, "flags": "is"})
        for k, pattern in enumerate(made)))  # fmt: skip
    assert not np.isnan(criteria.score(rubric, [""], [text]).values).any()


def test_numbers_and_things():
    assert several(1, "code block") == "1 code block"
    assert [several(2, thing) for thing in ("dash", "web address", "run of three dots", "remark in brackets")] == [
        "2 dashes", "2 web addresses", "2 runs of three dots", "2 remarks in brackets"
    ]  # fmt: skip


def test_the_word_list_is_long_enough_and_plain():
    assert len(WORDS) >= 500
    assert all(word.isascii() and word.islower() and word.isalpha() for word in WORDS)


def test_graded_criteria_are_not_snapped(alone):
    long = [entry for entry in alone.select(task="include_words") if len(entry.criteria[0].options["words"]) == 10]
    made = long[0].rubric()
    half = " ".join(made.criteria[0].options["words"][:5])
    assert criteria.score(made, [""], [half]).values[0, 0] == 0.5


@pytest.mark.parametrize("name", ["families", *(pytest.param(n, marks=needs_data) for n in SOURCES if n != "families")])
def test_a_source_that_is_here_can_be_asked_for_alone(name):
    assert {one.source for one in load([name])} == {name}
    assert banks.SOURCES[-1] == "hybrids"
